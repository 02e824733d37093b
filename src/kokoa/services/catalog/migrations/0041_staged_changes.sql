-- Changes of products that the store does not see yet.
CREATE TABLE staged_changes (
    environment_id uuid NOT NULL,
    product_id     uuid NOT NULL,
    -- The fields that are staged, and what the product had in these fields when they were staged.
    changes        jsonb NOT NULL,
    base           jsonb NOT NULL,
    staged_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, product_id),
    FOREIGN KEY (environment_id, product_id) REFERENCES products (environment_id, id) ON DELETE CASCADE
);
