-- Where a store sells: a market, a shop front, a marketplace.
CREATE TABLE channels (
    environment_id uuid NOT NULL,
    id             uuid NOT NULL,
    -- It stays what it is: products and prices know the channel by it.
    key            text NOT NULL,
    name           text NOT NULL,
    currency       text CHECK (currency ~ '^[A-Z]{3}$'),
    countries      text[] NOT NULL DEFAULT '{}',
    version        integer NOT NULL DEFAULT 1,
    PRIMARY KEY (environment_id, id)
);
CREATE UNIQUE INDEX channels_key ON channels (environment_id, key);

-- Products that are not in all channels, and the keys of those that they are in.
CREATE TABLE product_channels (
    environment_id uuid NOT NULL,
    product_id     uuid NOT NULL,
    channels       text[] NOT NULL,
    PRIMARY KEY (environment_id, product_id),
    FOREIGN KEY (environment_id, product_id) REFERENCES products (environment_id, id) ON DELETE CASCADE
);

-- Prices beside a variant's own: of a channel, or of every channel in another currency.
CREATE TABLE variant_prices (
    environment_id uuid NOT NULL,
    variant_id     uuid NOT NULL,
    channel        text,
    currency       text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    price_minor    bigint NOT NULL CHECK (price_minor >= 0),
    FOREIGN KEY (environment_id, variant_id) REFERENCES variants (environment_id, id) ON DELETE CASCADE,
    FOREIGN KEY (environment_id, channel) REFERENCES channels (environment_id, key)
);
CREATE UNIQUE INDEX variant_prices_one ON variant_prices (environment_id, variant_id, channel, currency)
    NULLS NOT DISTINCT;
CREATE INDEX variant_prices_of_channel ON variant_prices (environment_id, channel);
