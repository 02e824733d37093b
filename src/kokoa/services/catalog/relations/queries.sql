-- name: related_ids
-- The products that a product points to by a kind, in order.
SELECT related_id FROM product_relations WHERE environment_id = $1 AND product_id = $2 AND kind = $3 ORDER BY position;

-- name: delete_related
-- A product points to none by this kind.
DELETE FROM product_relations WHERE environment_id = $1 AND product_id = $2 AND kind = $3;

-- name: insert_related
-- The products that a product points to, in the order of the ids.
INSERT INTO product_relations (environment_id, product_id, kind, position, related_id)
SELECT $1, $2, $3, n.position, n.id FROM unnest($4::uuid[]) WITH ORDINALITY AS n (id, position);

-- name: related_of_products
-- Products that each of several products points to by a kind, in order, in one statement; $5: published ones only.
SELECT r.*, wanted.id AS of FROM unnest($2::uuid[]) AS wanted (id)
 CROSS JOIN LATERAL (
    SELECT p.id, p.slug, p.name, p.description, p.category, p.external_reference, p.price_minor, p.currency, p.version,
           p.status, p.created_at, p.updated_at
      FROM product_relations l
      JOIN products p ON p.environment_id = $1 AND p.id = l.related_id
     WHERE l.environment_id = $1 AND l.product_id = wanted.id AND l.kind = $3
       AND (p.status = 'PUBLISHED' OR NOT $5::boolean)
     ORDER BY l.position LIMIT $4
 ) r;

-- name: related_sold
-- Products that each of several products points to by a kind, in order, in one statement: those sold in a channel
-- ($6); $5: published ones only.
SELECT r.*, wanted.id AS of FROM unnest($2::uuid[]) AS wanted (id)
 CROSS JOIN LATERAL (
    SELECT p.id, p.slug, p.name, p.description, p.category, p.external_reference, p.price_minor, p.currency, p.version,
           p.status, p.created_at, p.updated_at
      FROM product_relations l
      JOIN products p ON p.environment_id = $1 AND p.id = l.related_id
     WHERE l.environment_id = $1 AND l.product_id = wanted.id AND l.kind = $3
       AND (p.status = 'PUBLISHED' OR NOT $5::boolean)
       AND EXISTS (SELECT FROM channels WHERE environment_id = $1 AND key = $6::text)
       AND NOT EXISTS (SELECT FROM product_channels c
                        WHERE c.environment_id = $1 AND c.product_id = p.id AND $6::text <> ALL (c.channels))
     ORDER BY l.position LIMIT $4
 ) r;

-- name: lock_bundles
-- One change of an environment's bundles at a time: two at once could put each into the other.
SELECT pg_advisory_xact_lock(hashtextextended('bundles of environment_id ' || $1::text, 0));

-- name: variants_named
-- The variants with these ids or SKUs, which nobody deletes until the transaction ends.
SELECT id, product_id, sku, name, price_minor, currency FROM variants
 WHERE environment_id = $1 AND (id = ANY ($2::uuid[]) OR sku = ANY ($3::text[])) FOR KEY SHARE;

-- name: bundles_among
-- Those of these products that are bundles.
SELECT DISTINCT product_id FROM bundle_items WHERE environment_id = $1 AND product_id = ANY ($2::uuid[]);

-- name: bundled_variant_of
-- A variant of the product that is in a bundle, if there is one.
SELECT v.sku FROM variants v
  JOIN bundle_items b ON b.environment_id = $1 AND b.variant_id = v.id
 WHERE v.environment_id = $1 AND v.product_id = $2 LIMIT 1;

-- name: bundled_among
-- Those of these variants that are in a bundle.
SELECT DISTINCT variant_id FROM bundle_items WHERE environment_id = $1 AND variant_id = ANY ($2::uuid[]);

-- name: bundle_of
-- The items of a bundle, in order.
SELECT variant_id, quantity FROM bundle_items WHERE environment_id = $1 AND product_id = $2 ORDER BY position;

-- name: delete_bundle
-- A product is no bundle.
DELETE FROM bundle_items WHERE environment_id = $1 AND product_id = $2;

-- name: insert_bundle
-- The items of a bundle, in the order of the arrays.
INSERT INTO bundle_items (environment_id, product_id, position, variant_id, quantity)
SELECT $1, $2, n.position, n.id, n.quantity
  FROM unnest($3::uuid[], $4::integer[]) WITH ORDINALITY AS n (id, quantity, position);

-- name: bundles_of_products
-- The items of these bundles with their variants, each bundle's in order.
SELECT v.id, v.product_id, v.sku, v.name, v.price_minor, v.currency, b.product_id AS of, b.quantity, p.status, true AS sold
  FROM bundle_items b
  JOIN variants v ON v.environment_id = $1 AND v.id = b.variant_id
  JOIN products p ON p.environment_id = $1 AND p.id = v.product_id
 WHERE b.environment_id = $1 AND b.product_id = ANY ($2::uuid[]) ORDER BY b.product_id, b.position;

-- name: bundles_sold
-- The items of these bundles with their variants, each bundle's in order, and whether each is sold in a channel ($3).
SELECT v.id, v.product_id, v.sku, v.name, v.price_minor, v.currency, b.product_id AS of, b.quantity, p.status,
       EXISTS (SELECT FROM channels WHERE environment_id = $1 AND key = $3::text)
       AND NOT EXISTS (SELECT FROM product_channels c
                        WHERE c.environment_id = $1 AND c.product_id = p.id AND $3::text <> ALL (c.channels)) AS sold
  FROM bundle_items b
  JOIN variants v ON v.environment_id = $1 AND v.id = b.variant_id
  JOIN products p ON p.environment_id = $1 AND p.id = v.product_id
 WHERE b.environment_id = $1 AND b.product_id = ANY ($2::uuid[]) ORDER BY b.product_id, b.position;
