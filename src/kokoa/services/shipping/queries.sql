-- name: offers_for
-- The active methods that have a rate for the destination's zone and a currency ($5), in their order, with that rate.
-- The place with the longest prefix of the postal code ($4: all its beginnings) decides, then one with the region.
-- And what else it holds for, in each row: what places of the country ask for (all there is, where they are many). One
-- row at least; where nothing is offered it has no method.
SELECT m.key, m.name, m.description, m.active, m.position, m.min_days, m.max_days, m.tax_category, m.version,
       r.zone, r.currency, r.basis, r.band_starts, r.band_prices, r.free_from_minor, r.max_weight_grams,
       n.by_region, n.postal_length
  FROM (SELECT count(*) > 100 OR coalesce(bool_or(c.region <> ''), false) AS by_region,
               CASE WHEN count(*) > 100 THEN 12 ELSE coalesce(max(length(c.postal_prefix)), 0) END AS postal_length
          FROM (SELECT region, postal_prefix FROM places WHERE environment_id = $1 AND country = $2 LIMIT 101) c) n
  LEFT JOIN ((SELECT p.zone FROM places p
               WHERE p.environment_id = $1 AND p.country = $2 AND p.region IN ('', $3)
                 AND p.postal_prefix = ANY ($4::text[])
               ORDER BY length(p.postal_prefix) DESC, p.region DESC LIMIT 1) p
             JOIN rates r ON r.environment_id = $1 AND r.zone = p.zone AND r.currency = $5
             JOIN methods m ON m.environment_id = $1 AND m.key = r.method AND m.active) ON true
 ORDER BY m.position, m.key;

-- name: lock_tables
-- One change of an environment's tables at a time: they are few, and refer to each other.
SELECT pg_advisory_xact_lock(hashtextextended('shipping of environment_id ' || $1::text, 0));

-- name: zones_page
-- Zones after one ($2), with their places.
SELECT z.key, z.name, z.version,
       ARRAY(SELECT p.country FROM places p WHERE p.environment_id = $1 AND p.zone = z.key
              ORDER BY p.country, p.region, p.postal_prefix) AS countries,
       ARRAY(SELECT p.region FROM places p WHERE p.environment_id = $1 AND p.zone = z.key
              ORDER BY p.country, p.region, p.postal_prefix) AS regions,
       ARRAY(SELECT p.postal_prefix FROM places p WHERE p.environment_id = $1 AND p.zone = z.key
              ORDER BY p.country, p.region, p.postal_prefix) AS prefixes
  FROM zones z WHERE z.environment_id = $1 AND z.key > $2 ORDER BY z.key LIMIT $3;

-- name: zone
-- One zone with its places.
SELECT z.key, z.name, z.version,
       ARRAY(SELECT p.country FROM places p WHERE p.environment_id = $1 AND p.zone = z.key
              ORDER BY p.country, p.region, p.postal_prefix) AS countries,
       ARRAY(SELECT p.region FROM places p WHERE p.environment_id = $1 AND p.zone = z.key
              ORDER BY p.country, p.region, p.postal_prefix) AS regions,
       ARRAY(SELECT p.postal_prefix FROM places p WHERE p.environment_id = $1 AND p.zone = z.key
              ORDER BY p.country, p.region, p.postal_prefix) AS prefixes
  FROM zones z WHERE z.environment_id = $1 AND z.key = $2;

-- name: zone_keys
-- All of them; their number is bounded.
SELECT key FROM zones WHERE environment_id = $1;

-- name: put_zone
-- A zone as it is to be, without its places.
INSERT INTO zones (environment_id, key, name, version) VALUES ($1, $2, $3, $4)
ON CONFLICT (environment_id, key) DO UPDATE SET name = $3, version = $4;

-- name: taken_place
-- One of these places that another zone than this ($2) has, if there is one.
SELECT p.country, p.region, p.postal_prefix, p.zone
  FROM unnest($3::text[], $4::text[], $5::text[]) AS w (country, region, postal_prefix)
  JOIN places p ON p.environment_id = $1 AND p.country = w.country AND p.region = w.region
               AND p.postal_prefix = w.postal_prefix AND p.zone <> $2
 LIMIT 1;

-- name: clear_places
-- A zone without places, before it gets others.
DELETE FROM places WHERE environment_id = $1 AND zone = $2;

-- name: insert_places
-- The places of a zone; the primary key refuses one that another zone has.
INSERT INTO places (environment_id, zone, country, region, postal_prefix)
SELECT $1, $2, p.country, p.region, p.postal_prefix
  FROM unnest($3::text[], $4::text[], $5::text[]) AS p (country, region, postal_prefix);

-- name: delete_zone
-- Remove a zone with its places; a foreign key keeps one that has rates.
DELETE FROM zones WHERE environment_id = $1 AND key = $2;

-- name: methods
-- All of them, in their order; their number is bounded.
SELECT key, name, description, active, position, min_days, max_days, tax_category, version FROM methods
 WHERE environment_id = $1 ORDER BY position, key;

-- name: rates_of
-- The rates of methods.
SELECT method, zone, currency, basis, band_starts, band_prices, free_from_minor, max_weight_grams FROM rates
 WHERE environment_id = $1 AND method = ANY ($2::text[]) ORDER BY method, zone, currency;

-- name: put_method
-- A method as it is to be, without its rates.
INSERT INTO methods (environment_id, key, name, description, active, position, min_days, max_days, tax_category, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (environment_id, key) DO UPDATE
   SET name = $3, description = $4, active = $5, position = $6, min_days = $7, max_days = $8, tax_category = $9,
       version = $10;

-- name: clear_rates
-- A method without rates, before it gets others.
DELETE FROM rates WHERE environment_id = $1 AND method = $2;

-- name: insert_rate
-- What a method costs somewhere.
INSERT INTO rates (environment_id, method, zone, currency, basis, band_starts, band_prices, free_from_minor,
                   max_weight_grams)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: delete_method
-- Remove a method with its rates.
DELETE FROM methods WHERE environment_id = $1 AND key = $2;
