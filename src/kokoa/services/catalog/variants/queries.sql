-- name: variant_by_key
-- The variant with this SKU or this external reference, one of which is null, and the status of its product.
SELECT v.id, v.product_id, v.sku, v.name, v.price_minor, v.currency, v.weight_grams, v.external_reference, v.version,
       p.status FROM variants v
  JOIN products p ON p.environment_id = v.environment_id AND p.id = v.product_id
 WHERE v.environment_id = $1 AND (v.sku = $2 OR v.external_reference = $3);

-- name: variants_by_keys
-- The variants with these ids and these SKUs, in any order; only those of published products if so ($4).
SELECT v.id, v.product_id, v.sku, v.name, v.price_minor, v.currency, v.weight_grams, v.external_reference, v.version
  FROM variants v
  JOIN products p ON p.environment_id = v.environment_id AND p.id = v.product_id AND (p.status = 'PUBLISHED' OR NOT $4)
 WHERE v.environment_id = $1 AND (v.id = ANY ($2::uuid[]) OR v.sku = ANY ($3::text[]));

-- name: update_variant
-- A variant as it is to be. The caller has locked its product.
UPDATE variants SET sku = $3, name = $4, price_minor = $5, currency = $6, weight_grams = $7, external_reference = $8,
       version = version + 1
 WHERE environment_id = $1 AND id = $2
RETURNING id, product_id, sku, name, price_minor, currency, weight_grams, external_reference, version;

-- name: delete_variant
-- Remove a variant. The caller has locked its product.
DELETE FROM variants WHERE environment_id = $1 AND id = $2;

-- name: order_variants
-- The variants of a product in this order.
UPDATE variants v SET position = o.place - 1 FROM unnest($3::uuid[]) WITH ORDINALITY AS o (id, place)
 WHERE v.environment_id = $1 AND v.product_id = $2 AND v.id = o.id AND v.position <> o.place - 1;

-- name: touch_product
-- The product whose variants have changed, with the price that stands for it now. The caller has locked it.
UPDATE products SET price_minor = $3, currency = $4, version = version + 1, updated_at = now()
 WHERE environment_id = $1 AND id = $2
RETURNING id, slug, name, description, category, external_reference, price_minor, currency, version, status,
       created_at, updated_at;
