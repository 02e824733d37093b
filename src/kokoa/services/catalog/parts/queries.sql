-- name: touch_product
-- The next version of a product of which only a part changed.
UPDATE products SET version = version + 1, updated_at = now()
 WHERE environment_id = $1 AND id = $2
RETURNING id, slug, name, description, category, external_reference, price_minor, currency, version, status,
       created_at, updated_at;
