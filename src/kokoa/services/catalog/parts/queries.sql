-- name: advance_product
-- The next version of a product whose part changes, when the version is the expected one. The caller has locked it.
UPDATE products SET version = version + 1, updated_at = now()
 WHERE environment_id = $1 AND id = $2 AND version = $3
RETURNING id, slug, name, description, category, external_reference, price_minor, currency, version, status,
       created_at, updated_at;
