-- name: products_page
-- A page of products by name.
SELECT id, slug, name, description, category, external_reference, price_minor, currency, version,
       status, created_at, updated_at FROM products
 WHERE environment_id = $1 ORDER BY name, id LIMIT $2 OFFSET $3;

-- name: published_page
-- A page of published products by name.
SELECT id, slug, name, description, category, external_reference, price_minor, currency, version,
       status, created_at, updated_at FROM products
 WHERE environment_id = $1 AND status = 'PUBLISHED' ORDER BY name, id LIMIT $2 OFFSET $3;

-- name: products_of_category
-- A page of a category's products by name.
SELECT id, slug, name, description, category, external_reference, price_minor, currency, version,
       status, created_at, updated_at FROM products
 WHERE environment_id = $1 AND category = $2 ORDER BY name, id LIMIT $3 OFFSET $4;

-- name: published_of_category
-- A page of a category's published products by name.
SELECT id, slug, name, description, category, external_reference, price_minor, currency, version,
       status, created_at, updated_at FROM products
 WHERE environment_id = $1 AND category = $2 AND status = 'PUBLISHED' ORDER BY name, id LIMIT $3 OFFSET $4;

-- name: products_of_categories
-- A page of products by name for each of several categories, in one statement.
SELECT p.*, wanted.category AS listed FROM unnest($2::text[]) AS wanted (category)
 CROSS JOIN LATERAL (
    SELECT id, slug, name, description, category, external_reference, price_minor, currency, version,
       status, created_at, updated_at FROM products
     WHERE environment_id = $1 AND category = wanted.category ORDER BY name, id LIMIT $3 OFFSET $4
 ) p;

-- name: published_of_categories
-- A page of published products by name for each of several categories, in one statement.
SELECT p.*, wanted.category AS listed FROM unnest($2::text[]) AS wanted (category)
 CROSS JOIN LATERAL (
    SELECT id, slug, name, description, category, external_reference, price_minor, currency, version,
           status, created_at, updated_at FROM products
     WHERE environment_id = $1 AND category = wanted.category AND status = 'PUBLISHED'
     ORDER BY name, id LIMIT $3 OFFSET $4
 ) p;

-- name: products_of_categories_sold
-- A page of products by name for each of several categories, in one statement: those sold in a channel ($5); $6:
-- published ones only.
SELECT p.*, wanted.category AS listed FROM unnest($2::text[]) AS wanted (category)
 CROSS JOIN LATERAL (
    SELECT id, slug, name, description, category, external_reference, price_minor, currency, version,
           status, created_at, updated_at FROM products
     WHERE environment_id = $1 AND category = wanted.category AND (status = 'PUBLISHED' OR NOT $6::boolean)
       AND EXISTS (SELECT FROM channels WHERE environment_id = $1 AND key = $5::text)
       AND NOT EXISTS (SELECT FROM product_channels l
                        WHERE l.environment_id = $1 AND l.product_id = products.id AND $5::text <> ALL (l.channels))
     ORDER BY name, id LIMIT $3 OFFSET $4
 ) p;

-- name: products_by_ids
-- The products with these ids, in any order.
SELECT id, slug, name, description, category, external_reference, price_minor, currency, version,
       status, created_at, updated_at FROM products
 WHERE environment_id = $1 AND id = ANY ($2::uuid[]);

-- name: product_by_slug
-- The product with this slug.
SELECT id, slug, name, description, category, external_reference, price_minor, currency, version,
       status, created_at, updated_at FROM products
 WHERE environment_id = $1 AND slug = $2;

-- name: variants_of_products
-- All variants of these products (each id once), each product's in its order; looked up one by one: without statistics it would look as
-- good to read all variants of the environment.
SELECT v.id, v.product_id, v.sku, v.name, v.price_minor, v.currency, v.weight_grams, v.external_reference, v.version
  FROM unnest($2::uuid[]) AS wanted (id)
 CROSS JOIN LATERAL (SELECT * FROM variants WHERE environment_id = $1 AND product_id = wanted.id OFFSET 0) v
 ORDER BY v.product_id, v.position;

-- name: variants_by_ids
-- The variants with these ids, in any order.
SELECT id, product_id, sku, name, price_minor, currency, weight_grams, external_reference, version FROM variants
 WHERE environment_id = $1 AND id = ANY ($2::uuid[]);

-- name: published_variants_by_ids
-- The variants with these ids of published products, in any order.
SELECT v.id, v.product_id, v.sku, v.name, v.price_minor, v.currency, v.weight_grams, v.external_reference, v.version
  FROM variants v
  JOIN products p ON p.environment_id = v.environment_id AND p.id = v.product_id AND p.status = 'PUBLISHED'
 WHERE v.environment_id = $1 AND v.id = ANY ($2::uuid[]);

-- name: countries_all
-- Every country that the store serves; there are at most 249.
SELECT code, name FROM countries WHERE environment_id = $1 ORDER BY name;

-- name: insert_product
-- A new product.
INSERT INTO products
    (environment_id, id, slug, name, description, category, external_reference, price_minor, currency, version,
     status, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13);

-- name: insert_variant
-- A variant of a product.
INSERT INTO variants (environment_id, id, product_id, position, sku, name, price_minor, currency, weight_grams,
                      external_reference)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: update_product
-- Change what is not null, when the version is the expected one.
UPDATE products SET name = coalesce($4, name), description = coalesce($5, description),
       category = coalesce($6, category), version = version + 1, updated_at = now()
 WHERE environment_id = $1 AND id = $2 AND version = $3
RETURNING id, slug, name, description, category, external_reference, price_minor, currency, version, status,
       created_at, updated_at;

-- name: delete_product
-- Remove a product with its variants, when the version is the expected one; the status it had.
DELETE FROM products WHERE environment_id = $1 AND id = $2 AND version = $3 RETURNING status;

-- name: product_for_update
-- A product, kept from other changes until the transaction ends.
SELECT id, slug, name, description, category, external_reference, price_minor, currency, version,
       status, created_at, updated_at FROM products WHERE environment_id = $1 AND id = $2 FOR UPDATE;

-- name: set_status
-- Another status for a product.
UPDATE products SET status = $3, version = version + 1, updated_at = now()
 WHERE environment_id = $1 AND id = $2
RETURNING id, slug, name, description, category, external_reference, price_minor, currency, version, status,
       created_at, updated_at;

-- name: product_version
-- The current version, to tell a missing product from a changed one.
SELECT version FROM products WHERE environment_id = $1 AND id = $2;

-- name: put_category
-- A root category, new or renamed.
INSERT INTO categories (environment_id, id, slug, path, name, position) VALUES ($1, $2, $3, $3, $4, $5)
ON CONFLICT (environment_id, path) DO UPDATE SET name = excluded.name, position = excluded.position;

-- name: put_country
-- A country, new or renamed.
INSERT INTO countries (environment_id, code, name) VALUES ($1, $2, $3)
ON CONFLICT (environment_id, code) DO UPDATE SET name = excluded.name;
