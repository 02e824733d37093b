-- Where the same rates hold.
CREATE TABLE zones (
    environment_id uuid NOT NULL,
    key            text COLLATE "C" NOT NULL,
    name           text NOT NULL,
    version        integer NOT NULL DEFAULT 1,
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

CREATE TABLE methods (
    environment_id uuid NOT NULL,
    key            text COLLATE "C" NOT NULL,
    name           text NOT NULL,
    description    text,
    active         boolean NOT NULL,
    position       integer NOT NULL,
    min_days       integer,
    max_days       integer,
    tax_category   text,
    version        integer NOT NULL DEFAULT 1,
    PRIMARY KEY (environment_id, key)
);

-- What a method costs in a zone and currency. band_starts, band_prices: of the same length, ascending.
CREATE TABLE rates (
    environment_id   uuid NOT NULL,
    method           text COLLATE "C" NOT NULL,
    zone             text COLLATE "C" NOT NULL,
    currency         text COLLATE "C" NOT NULL,
    basis            text NOT NULL CHECK (basis IN ('FLAT', 'TOTAL', 'WEIGHT', 'ITEMS')),
    band_starts      bigint[] NOT NULL,
    band_prices      bigint[] NOT NULL CHECK (cardinality(band_prices) = cardinality(band_starts)),
    free_from_minor  bigint,
    max_weight_grams bigint,
    PRIMARY KEY (environment_id, method, zone, currency),
    FOREIGN KEY (environment_id, method) REFERENCES methods ON DELETE CASCADE,
    FOREIGN KEY (environment_id, zone) REFERENCES zones
);
CREATE INDEX rates_by_zone ON rates (environment_id, zone, currency);
