-- Product types: which attributes the products of a kind have, and their variants.
CREATE TABLE product_types (
    environment_id uuid NOT NULL,
    id             uuid NOT NULL,
    key            text COLLATE "C" NOT NULL,
    name           text NOT NULL,
    -- Definitions in the merchant's order, as types/model.py reads them.
    attributes     jsonb NOT NULL,
    version        integer NOT NULL DEFAULT 1,
    PRIMARY KEY (environment_id, id)
);
CREATE UNIQUE INDEX product_types_key ON product_types (environment_id, key);

-- What a product has beyond its own columns; no row when it has nothing. Lists do not read it unless they are asked to.
CREATE TABLE product_details (
    environment_id uuid NOT NULL,
    product_id     uuid NOT NULL,
    type_id        uuid,
    -- Values by the attribute's key.
    attributes     jsonb NOT NULL,
    -- Options in their order, each with its values.
    options        jsonb NOT NULL,
    PRIMARY KEY (environment_id, product_id),
    FOREIGN KEY (environment_id, product_id) REFERENCES products (environment_id, id) ON DELETE CASCADE,
    CONSTRAINT product_details_type FOREIGN KEY (environment_id, type_id)
        REFERENCES product_types (environment_id, id)
);
CREATE INDEX product_details_by_type ON product_details (environment_id, type_id, product_id);

ALTER TABLE variants
    ADD COLUMN weight_grams integer CHECK (weight_grams >= 0),
    ADD COLUMN external_reference text,
    ADD COLUMN version integer NOT NULL DEFAULT 1;
CREATE UNIQUE INDEX variants_external_reference ON variants (environment_id, external_reference);

CREATE TABLE variant_details (
    environment_id uuid NOT NULL,
    variant_id     uuid NOT NULL,
    -- Values by the attribute's key.
    attributes     jsonb NOT NULL,
    -- The value that it has of each option, by the option's key.
    options        jsonb NOT NULL,
    PRIMARY KEY (environment_id, variant_id),
    FOREIGN KEY (environment_id, variant_id) REFERENCES variants (environment_id, id) ON DELETE CASCADE
);

-- The same values once more, for filters and for values that are to be unique. Each is written as text whose bytewise
-- order is that of the values (types/values.py): comparing text is leakproof, so the indexes serve under row-level
-- security, which those over jsonb do not.
CREATE TABLE attribute_values (
    environment_id uuid NOT NULL,
    product_id     uuid NOT NULL,
    -- The product or one of its variants.
    owner_id       uuid NOT NULL,
    key            text COLLATE "C" NOT NULL,
    -- In a list, from 0.
    position       integer NOT NULL,
    value          text COLLATE "C" NOT NULL,
    -- The type, when its definition wants the value to be unique.
    unique_in      uuid,
    PRIMARY KEY (environment_id, product_id, owner_id, key, position),
    FOREIGN KEY (environment_id, product_id) REFERENCES products (environment_id, id) ON DELETE CASCADE
);
CREATE INDEX attribute_values_by_value ON attribute_values (environment_id, key, value, product_id);
CREATE UNIQUE INDEX attribute_values_unique ON attribute_values (environment_id, unique_in, key, value)
    WHERE unique_in IS NOT NULL;
