-- name: variant_by_key
-- The variant with this SKU or this external reference, one of which is null, and the status of its product.
SELECT v.id, v.product_id, v.sku, v.name, v.price_minor, v.currency, v.weight_grams, v.external_reference, v.version,
       p.status
  FROM (SELECT * FROM variants WHERE environment_id = $1 AND sku = $2
        UNION ALL
        SELECT * FROM variants WHERE environment_id = $1 AND external_reference = $3) v
 CROSS JOIN LATERAL (SELECT p.status FROM products p WHERE p.environment_id = $1 AND p.id = v.product_id LIMIT 1) p;

-- name: variants_by_keys
-- The variants with these ids and these SKUs, in any order; only those of published products if so ($4), and with
-- their products if so ($5): beside one variant of each, for a description may be long.
-- One after the other, each by its key: without statistics any index that begins with the environment looks as good.
SELECT v.id, v.product_id, v.sku, v.name, v.price_minor, v.currency, v.weight_grams, v.external_reference, v.version,
       CASE WHEN $5 AND row_number() OVER (PARTITION BY v.product_id) = 1 THEN p END AS product
  FROM (SELECT v.* FROM unnest($2::uuid[]) AS k (id) CROSS JOIN LATERAL (
            SELECT * FROM variants v WHERE v.environment_id = $1 AND v.id = k.id LIMIT 1) v
        UNION ALL
        SELECT v.* FROM unnest($3::text[]) AS k (sku) CROSS JOIN LATERAL (
            SELECT * FROM variants v WHERE v.environment_id = $1 AND v.sku = k.sku LIMIT 1) v
         WHERE v.id <> ALL ($2::uuid[])) v
 CROSS JOIN LATERAL (SELECT id, slug, name, description, category, external_reference, price_minor, currency, version,
                            status, created_at, updated_at FROM products
                      WHERE environment_id = $1 AND id = v.product_id LIMIT 1) p
 WHERE p.status = 'PUBLISHED' OR NOT $4;

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
