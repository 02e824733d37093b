-- What an environment has declared, each time it was changed: whoever works with a schema finds the definitions that
-- it was made of, also just after a change.
CREATE TABLE custom_field_revisions (
    environment_id uuid NOT NULL,
    revision       integer NOT NULL,
    digest         text NOT NULL,
    definitions    jsonb NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, revision)
);

-- Values by the ids of their fields, in tables of their own: who does not ask for them does not pay for them.
CREATE TABLE product_custom_values (
    environment_id uuid NOT NULL,
    product_id     uuid NOT NULL,
    document       jsonb NOT NULL,
    PRIMARY KEY (environment_id, product_id),
    FOREIGN KEY (environment_id, product_id) REFERENCES products (environment_id, id) ON DELETE CASCADE
);

CREATE TABLE variant_custom_values (
    environment_id uuid NOT NULL,
    variant_id     uuid NOT NULL,
    document       jsonb NOT NULL,
    PRIMARY KEY (environment_id, variant_id),
    FOREIGN KEY (environment_id, variant_id) REFERENCES variants (environment_id, id) ON DELETE CASCADE
);

CREATE TABLE category_custom_values (
    environment_id uuid NOT NULL,
    category_id    uuid NOT NULL,
    document       jsonb NOT NULL,
    PRIMARY KEY (environment_id, category_id),
    FOREIGN KEY (environment_id, category_id) REFERENCES categories (environment_id, id) ON DELETE CASCADE
);

-- options: null for any value, else values of an enum, of which a list may hold others too.
CREATE FUNCTION without_custom_value(document jsonb, field text, options text[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE
RETURN CASE
    WHEN options IS NULL OR jsonb_typeof(document -> field) <> 'array' THEN document - field
    ELSE jsonb_set(document, ARRAY[field], (document -> field) - options)
END;
