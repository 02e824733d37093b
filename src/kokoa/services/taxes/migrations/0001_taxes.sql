-- What kinds of goods the law knows.
CREATE TABLE categories (
    environment_id uuid NOT NULL,
    key            text COLLATE "C" NOT NULL,
    name           text NOT NULL,
    version        integer NOT NULL DEFAULT 1,
    PRIMARY KEY (environment_id, key)
);

-- One row an environment; none before anything was said.
CREATE TABLE settings (
    environment_id     uuid NOT NULL PRIMARY KEY,
    default_category   text COLLATE "C",
    prices_include_tax boolean NOT NULL,
    seller_country     text,
    version            integer NOT NULL,
    FOREIGN KEY (environment_id, default_category) REFERENCES categories
);

-- Where the same rates hold. prices_include_tax: null as the settings say.
CREATE TABLE zones (
    environment_id     uuid NOT NULL,
    key                text COLLATE "C" NOT NULL,
    name               text NOT NULL,
    prices_include_tax boolean,
    version            integer NOT NULL DEFAULT 1,
    PRIMARY KEY (environment_id, key)
);

-- What belongs to a zone; the key keeps a place from belonging to two. '': any region, any postal code.
CREATE TABLE places (
    environment_id uuid NOT NULL,
    country        text COLLATE "C" NOT NULL,
    region         text COLLATE "C" NOT NULL,
    postal_prefix  text COLLATE "C" NOT NULL,
    zone           text COLLATE "C" NOT NULL,
    PRIMARY KEY (environment_id, country, region, postal_prefix),
    FOREIGN KEY (environment_id, zone) REFERENCES zones ON DELETE CASCADE
);
CREATE INDEX places_by_zone ON places (environment_id, zone);

-- Several of a zone and category are added up.
CREATE TABLE rates (
    environment_id uuid NOT NULL,
    key            text COLLATE "C" NOT NULL,
    zone           text COLLATE "C" NOT NULL,
    category       text COLLATE "C" NOT NULL,
    name           text NOT NULL,
    basis_points   integer NOT NULL CHECK (basis_points BETWEEN 0 AND 10000),
    valid_from     timestamptz,
    valid_to       timestamptz,
    version        integer NOT NULL DEFAULT 1,
    PRIMARY KEY (environment_id, key),
    FOREIGN KEY (environment_id, zone) REFERENCES zones,
    FOREIGN KEY (environment_id, category) REFERENCES categories
);
CREATE INDEX rates_by_zone ON rates (environment_id, zone, key);
CREATE INDEX rates_by_category ON rates (environment_id, category);

-- Articles of another category than the default one.
CREATE TABLE sku_categories (
    environment_id uuid NOT NULL,
    sku            text COLLATE "C" NOT NULL,
    category       text COLLATE "C" NOT NULL,
    PRIMARY KEY (environment_id, sku),
    FOREIGN KEY (environment_id, category) REFERENCES categories
);
CREATE INDEX sku_categories_by_category ON sku_categories (environment_id, category);
