-- name: table_for
-- What taxes a destination: settings and its zone, in each row, and beside them the zone's rates that hold now or will,
-- which of these articles ($5) have a category of their own, and which of these categories ($6) there are: a rate has a
-- key, an article a SKU, a category nothing else. One row at least.
-- The place with the longest prefix of the postal code ($4: all its beginnings) decides, then one with the region.
-- And what else it holds for, also in each row: what places of the country ask for (all there is, where they are many),
-- and whether any article has a category of its own; of a rate, whether it is to come, and when it begins or ends.
SELECT s.default_category, s.prices_include_tax AS usually, s.seller_country,
       n.by_region, n.postal_length, EXISTS (SELECT FROM sku_categories WHERE environment_id = $1) AS by_sku,
       z.key AS zone, z.prices_include_tax, r.key, r.category, r.name, r.basis_points, r.sku, r.coming, r.lasts_s
  FROM (SELECT count(*) > 100 OR coalesce(bool_or(c.region <> ''), false) AS by_region,
               CASE WHEN count(*) > 100 THEN 12 ELSE coalesce(max(length(c.postal_prefix)), 0) END AS postal_length
          FROM (SELECT region, postal_prefix FROM places WHERE environment_id = $1 AND country = $2 LIMIT 101) c) n
  LEFT JOIN settings s ON s.environment_id = $1
  LEFT JOIN LATERAL (SELECT p.zone FROM places p
                      WHERE p.environment_id = $1 AND p.country = $2 AND p.region IN ('', $3)
                        AND p.postal_prefix = ANY ($4::text[])
                      ORDER BY length(p.postal_prefix) DESC, p.region DESC LIMIT 1) p ON true
  LEFT JOIN zones z ON z.environment_id = $1 AND z.key = p.zone
  LEFT JOIN LATERAL (
      SELECT key, category, name, basis_points, NULL AS sku, valid_from > now() AS coming,
             extract(epoch FROM least(CASE WHEN valid_from > now() THEN valid_from END, valid_to) - now())::float8
                 AS lasts_s
        FROM rates
       WHERE environment_id = $1 AND zone = z.key AND (valid_to IS NULL OR valid_to > now())
      UNION ALL
      SELECT NULL, category, NULL, NULL, sku, NULL, NULL
        FROM sku_categories WHERE environment_id = $1 AND sku = ANY ($5::text[])
      UNION ALL
      SELECT NULL, key, NULL, NULL, NULL, NULL, NULL
        FROM categories WHERE environment_id = $1 AND key = ANY ($6::text[])
  ) r ON true
 ORDER BY r.key;

-- name: categories_of
-- Which categories articles have of their own.
SELECT sku, category FROM sku_categories WHERE environment_id = $1 AND sku = ANY ($2::text[]);

-- name: lock_tables
-- One change of an environment's tables at a time: they are few, and refer to each other.
SELECT pg_advisory_xact_lock(hashtextextended('taxes of environment_id ' || $1::text, 0));

-- name: settings
-- What holds where nothing else is said.
SELECT default_category, prices_include_tax, seller_country, version FROM settings WHERE environment_id = $1;

-- name: put_settings
-- The same, as it is to be.
INSERT INTO settings (environment_id, default_category, prices_include_tax, seller_country, version)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (environment_id) DO UPDATE
   SET default_category = $2, prices_include_tax = $3, seller_country = $4, version = $5;

-- name: categories
-- All of them, by key; their number is bounded.
SELECT key, name, version FROM categories WHERE environment_id = $1 ORDER BY key;

-- name: put_category
-- A category as it is to be.
INSERT INTO categories (environment_id, key, name, version) VALUES ($1, $2, $3, $4)
ON CONFLICT (environment_id, key) DO UPDATE SET name = $3, version = $4;

-- name: delete_category
-- Remove a category; foreign keys keep one that is in use.
DELETE FROM categories WHERE environment_id = $1 AND key = $2;

-- name: zones_page
-- Zones after one ($2), with their places.
SELECT z.key, z.name, z.prices_include_tax, z.version,
       ARRAY(SELECT p.country FROM places p WHERE p.environment_id = $1 AND p.zone = z.key
              ORDER BY p.country, p.region, p.postal_prefix) AS countries,
       ARRAY(SELECT p.region FROM places p WHERE p.environment_id = $1 AND p.zone = z.key
              ORDER BY p.country, p.region, p.postal_prefix) AS regions,
       ARRAY(SELECT p.postal_prefix FROM places p WHERE p.environment_id = $1 AND p.zone = z.key
              ORDER BY p.country, p.region, p.postal_prefix) AS prefixes
  FROM zones z WHERE z.environment_id = $1 AND z.key > $2 ORDER BY z.key LIMIT $3;

-- name: zone
-- One zone with its places.
SELECT z.key, z.name, z.prices_include_tax, z.version,
       ARRAY(SELECT p.country FROM places p WHERE p.environment_id = $1 AND p.zone = z.key
              ORDER BY p.country, p.region, p.postal_prefix) AS countries,
       ARRAY(SELECT p.region FROM places p WHERE p.environment_id = $1 AND p.zone = z.key
              ORDER BY p.country, p.region, p.postal_prefix) AS regions,
       ARRAY(SELECT p.postal_prefix FROM places p WHERE p.environment_id = $1 AND p.zone = z.key
              ORDER BY p.country, p.region, p.postal_prefix) AS prefixes
  FROM zones z WHERE z.environment_id = $1 AND z.key = $2;

-- name: count_zones
-- How many there are.
SELECT count(*) FROM zones WHERE environment_id = $1;

-- name: put_zone
-- A zone as it is to be, without its places.
INSERT INTO zones (environment_id, key, name, prices_include_tax, version) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (environment_id, key) DO UPDATE SET name = $3, prices_include_tax = $4, version = $5;

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

-- name: rates_page
-- Rates after one ($2), of a zone ($3) or of all.
SELECT key, zone, category, name, basis_points, valid_from, valid_to, version FROM rates
 WHERE environment_id = $1 AND key > $2 AND ($3::text IS NULL OR zone = $3) ORDER BY key LIMIT $4;

-- name: rate
-- One rate.
SELECT key, zone, category, name, basis_points, valid_from, valid_to, version FROM rates
 WHERE environment_id = $1 AND key = $2;

-- name: count_rates
-- How many there are, in all and of a zone ($2).
SELECT count(*) AS everywhere, count(*) FILTER (WHERE zone = $2) AS here FROM rates WHERE environment_id = $1;

-- name: put_rate
-- A rate as it is to be; foreign keys refuse a zone or category that is not there.
INSERT INTO rates (environment_id, key, zone, category, name, basis_points, valid_from, valid_to, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (environment_id, key) DO UPDATE
   SET zone = $3, category = $4, name = $5, basis_points = $6, valid_from = $7, valid_to = $8, version = $9;

-- name: delete_rate
-- Remove a rate.
DELETE FROM rates WHERE environment_id = $1 AND key = $2;

-- name: set_categories_of
-- Articles' own categories as they are to be; those that change are answered.
INSERT INTO sku_categories (environment_id, sku, category)
SELECT $1, c.sku, c.category FROM unnest($2::text[], $3::text[]) AS c (sku, category) ORDER BY c.sku
ON CONFLICT (environment_id, sku) DO UPDATE SET category = excluded.category
 WHERE sku_categories.category <> excluded.category
RETURNING sku;

-- name: clear_categories_of
-- Articles that have the default category from now on.
DELETE FROM sku_categories WHERE environment_id = $1 AND sku = ANY ($2::text[]) RETURNING sku;
