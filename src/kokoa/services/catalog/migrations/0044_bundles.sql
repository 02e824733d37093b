-- What a product is made of, if it is a bundle: variants of other products, none of which is a bundle.
CREATE TABLE bundle_items (
    environment_id uuid NOT NULL,
    product_id     uuid NOT NULL,
    position       integer NOT NULL,
    variant_id     uuid NOT NULL,
    quantity       integer NOT NULL CHECK (quantity BETWEEN 1 AND 1000),
    PRIMARY KEY (environment_id, product_id, position),
    FOREIGN KEY (environment_id, product_id) REFERENCES products (environment_id, id) ON DELETE CASCADE,
    -- A variant in a bundle stays.
    CONSTRAINT bundle_items_variant FOREIGN KEY (environment_id, variant_id)
        REFERENCES variants (environment_id, id)
);
CREATE INDEX bundle_items_of_variant ON bundle_items (environment_id, variant_id);
