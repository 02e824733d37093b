-- name: channels_all
-- Every channel by key; their number is bounded.
SELECT id, key, name, currency, countries, version FROM channels WHERE environment_id = $1 ORDER BY key;

-- name: channel_for_update
-- A channel, kept from other changes until the transaction ends.
SELECT id, key, name, currency, countries, version FROM channels WHERE environment_id = $1 AND id = $2 FOR UPDATE;

-- name: channels_kept
-- The keys of the channels with these keys, which nobody deletes until the transaction ends.
SELECT key FROM channels WHERE environment_id = $1 AND key = ANY ($2::text[]) ORDER BY key FOR KEY SHARE;

-- name: lock_channels
-- One new channel of an environment at a time, so that their number is bounded.
SELECT pg_advisory_xact_lock(hashtextextended('channels of environment_id ' || $1::text, 0));

-- name: insert_channel
-- A new channel.
INSERT INTO channels (environment_id, id, key, name, currency, countries) VALUES ($1, $2, $3, $4, $5, $6);

-- name: update_channel
-- A channel as it is to be. The caller has locked it.
UPDATE channels SET name = $3, currency = $4, countries = $5, version = $6 WHERE environment_id = $1 AND id = $2;

-- name: delete_channel
-- Remove a channel; a foreign key keeps one with prices.
DELETE FROM channels WHERE environment_id = $1 AND id = $2;

-- name: channel_has_products
-- Whether a product names the channel.
SELECT EXISTS (SELECT FROM product_channels WHERE environment_id = $1 AND $2::text = ANY (channels));

-- name: channels_of_products
-- The channels that these products are limited to; those that are in all of them are missing.
SELECT product_id, channels FROM product_channels WHERE environment_id = $1 AND product_id = ANY ($2::uuid[]);

-- name: put_product_channels
-- Limit a product to channels.
INSERT INTO product_channels (environment_id, product_id, channels) VALUES ($1, $2, $3)
ON CONFLICT (environment_id, product_id) DO UPDATE SET channels = excluded.channels;

-- name: delete_product_channels
-- A product is in all channels.
DELETE FROM product_channels WHERE environment_id = $1 AND product_id = $2;

-- name: available
-- Those of these products that are in a channel, if there is such a channel.
SELECT p.id FROM unnest($2::uuid[]) AS p (id)
 WHERE EXISTS (SELECT FROM channels WHERE environment_id = $1 AND key = $3)
   AND NOT EXISTS (SELECT FROM product_channels l
                    WHERE l.environment_id = $1 AND l.product_id = p.id AND $3 <> ALL (l.channels));

-- name: prices_of_variants
-- All prices of these variants beside their own.
SELECT variant_id, channel, currency, price_minor FROM variant_prices
 WHERE environment_id = $1 AND variant_id = ANY ($2::uuid[]) ORDER BY variant_id, channel NULLS FIRST, currency;

-- name: prices_in_all
-- Prices of these variants in a currency, in all channels.
SELECT variant_id, channel, currency, price_minor FROM variant_prices
 WHERE environment_id = $1 AND variant_id = ANY ($2::uuid[]) AND channel IS NULL AND currency = $3;

-- name: prices_in_channel
-- A channel's currency with each price of these variants that may be chosen there; one row without prices if there is
-- none, none at all if there is no such channel.
SELECT c.currency AS channel_currency, p.variant_id, p.channel, p.currency, p.price_minor
  FROM channels c
  LEFT JOIN variant_prices p
    ON p.environment_id = $1 AND p.variant_id = ANY ($2::uuid[]) AND (p.channel = c.key OR p.channel IS NULL)
 WHERE c.environment_id = $1 AND c.key = $3;

-- name: delete_prices
-- Variants have no prices but their own.
DELETE FROM variant_prices WHERE environment_id = $1 AND variant_id = ANY ($2::uuid[]);

-- name: insert_prices
-- Prices, one element of each array for each.
INSERT INTO variant_prices (environment_id, variant_id, channel, currency, price_minor)
SELECT $1, * FROM unnest($2::uuid[], $3::text[], $4::text[], $5::bigint[]);
