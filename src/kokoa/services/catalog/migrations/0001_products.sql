CREATE TABLE categories (
    environment_id uuid NOT NULL,
    slug           text NOT NULL,
    name           text NOT NULL,
    position       integer NOT NULL DEFAULT 0,
    PRIMARY KEY (environment_id, slug)
);

CREATE TABLE products (
    environment_id     uuid NOT NULL,
    id                 uuid NOT NULL,
    slug               text NOT NULL,
    name               text NOT NULL,
    description        text NOT NULL DEFAULT '',
    category           text,
    external_reference text,
    -- The cheapest variant's price, kept by the transaction that writes variants: listings need no join.
    price_minor        bigint,
    currency           text,
    version            integer NOT NULL DEFAULT 1,
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, id),
    FOREIGN KEY (environment_id, category) REFERENCES categories (environment_id, slug)
);
CREATE UNIQUE INDEX products_slug ON products (environment_id, slug);
CREATE UNIQUE INDEX products_external_reference ON products (environment_id, external_reference);
CREATE INDEX products_by_name ON products (environment_id, name, id);
CREATE INDEX products_by_category ON products (environment_id, category, name, id);

-- Money is integer minor units and a currency; a variant has one price for now.
CREATE TABLE variants (
    environment_id uuid NOT NULL,
    id             uuid NOT NULL,
    product_id     uuid NOT NULL,
    position       integer NOT NULL,
    sku            text NOT NULL,
    name           text NOT NULL DEFAULT '',
    price_minor    bigint NOT NULL CHECK (price_minor >= 0),
    currency       text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    PRIMARY KEY (environment_id, id),
    FOREIGN KEY (environment_id, product_id) REFERENCES products (environment_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX variants_sku ON variants (environment_id, sku);
CREATE INDEX variants_of_product ON variants (environment_id, product_id, position);

CREATE TABLE countries (
    environment_id uuid NOT NULL,
    code           text NOT NULL CHECK (code ~ '^[A-Z]{2}$'),
    name           text NOT NULL,
    PRIMARY KEY (environment_id, code)
);
