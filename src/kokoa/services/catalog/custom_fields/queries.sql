-- name: current_revision
-- The environment's definitions as they are now; nothing if it never had any.
SELECT revision, digest, definitions FROM custom_field_revisions
 WHERE environment_id = $1 ORDER BY revision DESC LIMIT 1;

-- name: current_digest
-- Of the environment's definitions as they are now.
SELECT digest FROM custom_field_revisions WHERE environment_id = $1 ORDER BY revision DESC LIMIT 1;

-- name: definitions_by_digest
-- Definitions that the environment has or had.
SELECT definitions FROM custom_field_revisions WHERE environment_id = $1 AND digest = $2 LIMIT 1;

-- name: insert_revision
-- Other definitions, unless somebody else was first.
INSERT INTO custom_field_revisions (environment_id, revision, digest, definitions) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING RETURNING revision;

-- name: forget_revisions
-- All but the newest revisions: who still uses an older one is told to ask again.
DELETE FROM custom_field_revisions WHERE environment_id = $1 AND revision <= $2;

-- name: product_values
-- The values of these products.
SELECT product_id, document FROM product_custom_values
 WHERE environment_id = $1 AND product_id = ANY ($2::uuid[]);

-- name: variant_values
-- The values of these variants.
SELECT variant_id, document FROM variant_custom_values
 WHERE environment_id = $1 AND variant_id = ANY ($2::uuid[]);

-- name: category_values
-- The values of these categories.
SELECT category_id, document FROM category_custom_values
 WHERE environment_id = $1 AND category_id = ANY ($2::uuid[]);

-- name: put_product_values
-- All values of a product.
INSERT INTO product_custom_values (environment_id, product_id, document) VALUES ($1, $2, $3)
ON CONFLICT (environment_id, product_id) DO UPDATE SET document = excluded.document;

-- name: put_variant_values
-- All values of a variant.
INSERT INTO variant_custom_values (environment_id, variant_id, document) VALUES ($1, $2, $3)
ON CONFLICT (environment_id, variant_id) DO UPDATE SET document = excluded.document;

-- name: put_category_values
-- All values of a category.
INSERT INTO category_custom_values (environment_id, category_id, document) VALUES ($1, $2, $3)
ON CONFLICT (environment_id, category_id) DO UPDATE SET document = excluded.document;

-- name: product_has_values
-- Whether any product has a value of field $2: one of $3, or any one when that is null.
SELECT EXISTS (SELECT FROM product_custom_values WHERE environment_id = $1 AND document ? $2
                  AND ($3::text[] IS NULL OR document -> $2 ?| $3));

-- name: variant_has_values
-- Whether any variant has a value of field $2: one of $3, or any one when that is null.
SELECT EXISTS (SELECT FROM variant_custom_values WHERE environment_id = $1 AND document ? $2
                  AND ($3::text[] IS NULL OR document -> $2 ?| $3));

-- name: category_has_values
-- Whether any category has a value of field $2: one of $3, or any one when that is null.
SELECT EXISTS (SELECT FROM category_custom_values WHERE environment_id = $1 AND document ? $2
                  AND ($3::text[] IS NULL OR document -> $2 ?| $3));

-- name: drop_product_values
-- Take the values of field $2 away: all, or where they are one of $3; at most $4 products.
UPDATE product_custom_values SET document = without_custom_value(document, $2, $3)
 WHERE environment_id = $1 AND product_id IN (
    SELECT product_id FROM product_custom_values
     WHERE environment_id = $1 AND document ? $2 AND ($3::text[] IS NULL OR document -> $2 ?| $3)
     ORDER BY product_id LIMIT $4);

-- name: drop_variant_values
-- Take the values of field $2 away: all, or where they are one of $3; at most $4 variants.
UPDATE variant_custom_values SET document = without_custom_value(document, $2, $3)
 WHERE environment_id = $1 AND variant_id IN (
    SELECT variant_id FROM variant_custom_values
     WHERE environment_id = $1 AND document ? $2 AND ($3::text[] IS NULL OR document -> $2 ?| $3)
     ORDER BY variant_id LIMIT $4);

-- name: drop_category_values
-- Take the values of field $2 away: all, or where they are one of $3; at most $4 categories.
UPDATE category_custom_values SET document = without_custom_value(document, $2, $3)
 WHERE environment_id = $1 AND category_id IN (
    SELECT category_id FROM category_custom_values
     WHERE environment_id = $1 AND document ? $2 AND ($3::text[] IS NULL OR document -> $2 ?| $3)
     ORDER BY category_id LIMIT $4);

-- name: lock_product
-- A product, kept from other changes until the transaction ends.
SELECT id AS product_id, version, status FROM products WHERE environment_id = $1 AND id = $2 FOR UPDATE;

-- name: lock_product_of_variant
-- The product of a variant, kept from other changes until the transaction ends.
SELECT p.id AS product_id, p.version, p.status FROM variants v
  JOIN products p ON p.environment_id = v.environment_id AND p.id = v.product_id
 WHERE v.environment_id = $1 AND v.id = $2 FOR UPDATE OF p;

-- name: lock_category
-- A category, kept from other changes until the transaction ends.
SELECT version, path FROM categories WHERE environment_id = $1 AND id = $2 FOR UPDATE;

-- name: touch_product
-- The product's next version.
UPDATE products SET version = version + 1, updated_at = now() WHERE environment_id = $1 AND id = $2;

-- name: touch_category
-- The category's next version.
UPDATE categories SET version = version + 1 WHERE environment_id = $1 AND id = $2;

-- name: put_values_of_products
-- All values of products, one element of each array for each. The caller has locked them.
INSERT INTO product_custom_values (environment_id, product_id, document)
SELECT $1, product_id, document FROM unnest($2::uuid[], $3::jsonb[]) AS new (product_id, document)
ON CONFLICT (environment_id, product_id) DO UPDATE SET document = excluded.document;

-- name: touch_products
-- The next versions of products. The caller has locked them.
UPDATE products SET version = version + 1, updated_at = now() WHERE environment_id = $1 AND id = ANY ($2::uuid[]);
