-- name: lock_products
-- The products with these references, locked in the order in which every batch locks them; looked up one by one, as below.
SELECT p.* FROM (SELECT DISTINCT reference FROM unnest($2::text[]) AS given (reference) ORDER BY reference) wanted
 CROSS JOIN LATERAL (
    SELECT id, slug, name, description, category, external_reference, price_minor, currency, version,
           status, created_at, updated_at FROM products
     WHERE environment_id = $1 AND external_reference = wanted.reference OFFSET 0 FOR UPDATE) p;

-- name: any_known
-- Whether there is a product with one of these references.
SELECT EXISTS (SELECT FROM unnest($2::text[]) AS wanted (reference)
                CROSS JOIN LATERAL (SELECT FROM products
                                     WHERE environment_id = $1 AND external_reference = wanted.reference OFFSET 0) p);

-- name: lock_products_without_reference
-- The products with these ids that have no reference, locked in the order in which every batch locks them.
SELECT id, slug, name, description, category, external_reference, price_minor, currency, version,
       status, created_at, updated_at FROM products
 WHERE environment_id = $1 AND id = ANY ($2::uuid[]) AND external_reference IS NULL ORDER BY id FOR UPDATE;

-- name: variants_of_products
-- All variants of these products (each id once), each product's in its order; looked up one by one: without statistics it would look as
-- good to read all variants of the environment.
SELECT v.id, v.product_id, v.sku, v.name, v.price_minor, v.currency, v.weight_grams, v.external_reference, v.version
  FROM unnest($2::uuid[]) AS wanted (id)
 CROSS JOIN LATERAL (SELECT * FROM variants WHERE environment_id = $1 AND product_id = wanted.id OFFSET 0) v
 ORDER BY v.product_id, v.position;

-- name: slug_owners
-- Which products have these slugs; looked up one by one, as above.
SELECT p.* FROM unnest($2::text[]) AS wanted (slug)
 CROSS JOIN LATERAL (SELECT slug, id FROM products WHERE environment_id = $1 AND slug = wanted.slug OFFSET 0) p;

-- name: sku_owners
-- Which products have these SKUs; looked up one by one, as above.
SELECT v.* FROM unnest($2::text[]) AS wanted (sku)
 CROSS JOIN LATERAL (SELECT sku, product_id FROM variants WHERE environment_id = $1 AND sku = wanted.sku OFFSET 0) v;

-- name: variant_reference_owners
-- Which variants have these external references.
SELECT external_reference, product_id, sku FROM variants
 WHERE environment_id = $1 AND external_reference = ANY ($2::text[]);

-- name: insert_products
-- New products, one element of each array for each, made at $11.
INSERT INTO products
    (environment_id, id, slug, name, description, category, external_reference, price_minor, currency, status,
     version, created_at, updated_at)
SELECT $1, new.*, 1, $11, $11
  FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::text[],
              $10::text[]) AS new;

-- name: update_products
-- Products as they are to be, one element of each array for each. The caller has locked them.
UPDATE products p SET slug = u.slug, name = u.name, description = u.description, category = u.category,
       external_reference = u.external_reference, price_minor = u.price_minor, currency = u.currency,
       version = u.version, status = u.status, updated_at = now()
  FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::text[],
              $10::integer[], $11::text[])
       AS u (id, slug, name, description, category, external_reference, price_minor, currency, version, status)
 WHERE p.environment_id = $1 AND p.id = u.id;

-- name: delete_variants
-- Remove variants.
DELETE FROM variants WHERE environment_id = $1 AND id = ANY ($2::uuid[]);

-- name: insert_variants
-- Variants of new products, one element of each array for each.
INSERT INTO variants (environment_id, id, product_id, position, sku, name, price_minor, currency, weight_grams,
                      external_reference)
SELECT $1, * FROM unnest($2::uuid[], $3::uuid[], $4::integer[], $5::text[], $6::text[], $7::bigint[], $8::text[],
                         $9::integer[], $10::text[]);

-- name: put_variants
-- Variants of products that are there, new or changed, one element of each array for each. A variant keeps its product and its SKU.
INSERT INTO variants (environment_id, id, product_id, position, sku, name, price_minor, currency, weight_grams,
                      external_reference)
SELECT $1, * FROM unnest($2::uuid[], $3::uuid[], $4::integer[], $5::text[], $6::text[], $7::bigint[], $8::text[],
                         $9::integer[], $10::text[])
ON CONFLICT (environment_id, id) DO UPDATE
   SET position = excluded.position, name = excluded.name, price_minor = excluded.price_minor,
       currency = excluded.currency, weight_grams = excluded.weight_grams,
       external_reference = excluded.external_reference, version = variants.version + 1;

-- name: products_by_reference
-- A page of products that have a reference, in its order.
SELECT id, slug, name, description, category, external_reference, price_minor, currency, version,
       status, created_at, updated_at FROM products
 WHERE environment_id = $1 AND external_reference > $2 ORDER BY external_reference LIMIT $3;

-- name: products_without_reference
-- A page of products that have none, by id.
SELECT id, slug, name, description, category, external_reference, price_minor, currency, version,
       status, created_at, updated_at FROM products
 WHERE environment_id = $1 AND external_reference IS NULL AND id > $2 ORDER BY id LIMIT $3;

-- name: changes_page
-- Changes after a place of the feed, up to the oldest transaction that is still open: none can come before them later.
-- With each, or alone, that transaction and up to where deletions are forgotten: of the same moment, so that none can go
-- between a look here and a look there.
WITH settled AS (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS before)
SELECT s.before, f.changed_in AS forgotten_in, f.id AS forgotten_id, c.*
  FROM settled s
  LEFT JOIN forgotten_changes f ON f.environment_id = $1
  LEFT JOIN LATERAL (
    (SELECT changed_in, id, version, external_reference, false AS deleted FROM products
      WHERE environment_id = $1 AND (changed_in, id) > ($2, $3) AND changed_in < (SELECT before FROM settled)
      ORDER BY changed_in, id LIMIT $4)
    UNION ALL
    (SELECT changed_in, id, version, external_reference, true FROM product_tombstones
      WHERE environment_id = $1 AND (changed_in, id) > ($2, $3) AND changed_in < (SELECT before FROM settled)
      ORDER BY changed_in, id LIMIT $4)
  ) c ON true
 ORDER BY c.changed_in, c.id LIMIT $4;

-- name: forget_deletions
-- What was deleted before a moment ($1), a batch ($2) of any environment_id; of a function that sees all of them.
SELECT forget_product_deletions($1, $2) /* of any environment_id */;
