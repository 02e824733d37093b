-- name: types_page
-- A page of product types by key.
SELECT id, key, name, attributes, version FROM product_types WHERE environment_id = $1 ORDER BY key LIMIT $2 OFFSET $3;

-- name: types_by_ids
-- The product types with these ids, in any order.
SELECT id, key, name, attributes, version FROM product_types WHERE environment_id = $1 AND id = ANY ($2::uuid[]);

-- name: type_by_key
-- The product type with this key.
SELECT id, key, name, attributes, version FROM product_types WHERE environment_id = $1 AND key = $2;

-- name: types_for_products
-- The product types with these keys or ids, kept from changes until the transaction ends.
SELECT id, key, name, attributes, version FROM product_types
 WHERE environment_id = $1 AND (key = ANY ($2::text[]) OR id = ANY ($3::uuid[])) ORDER BY id FOR SHARE;

-- name: type_for_update
-- A product type, kept from products and other changes until the transaction ends.
SELECT id, key, name, attributes, version FROM product_types WHERE environment_id = $1 AND id = $2 FOR UPDATE;

-- name: lock_types
-- New product types wait for each other, so that their number can be bounded.
SELECT pg_advisory_xact_lock(hashtextextended('product_types ' || $1::uuid, 0)) /* environment_id */;

-- name: count_types
-- How many product types there are.
SELECT count(*) FROM product_types WHERE environment_id = $1;

-- name: insert_type
-- A new product type.
INSERT INTO product_types (environment_id, id, key, name, attributes, version) VALUES ($1, $2, $3, $4, $5, $6);

-- name: update_type
-- A product type as it is to be. The caller has locked it.
UPDATE product_types SET name = $3, attributes = $4, version = $5 WHERE environment_id = $1 AND id = $2;

-- name: delete_type
-- Remove a product type; a foreign key keeps one that is used.
DELETE FROM product_types WHERE environment_id = $1 AND id = $2;

-- name: owners_of_type
-- The products of a type and their variants with their values, up to a bound.
SELECT product_id, owner_id, attributes FROM (
    SELECT d.product_id, d.product_id AS owner_id, d.attributes FROM product_details d
     WHERE d.environment_id = $1 AND d.type_id = $2
    UNION ALL
    SELECT d.product_id, v.id, coalesce(o.attributes, '{}') FROM product_details d
      JOIN variants v ON v.environment_id = $1 AND v.product_id = d.product_id
      LEFT JOIN variant_details o ON o.environment_id = $1 AND o.variant_id = v.id
     WHERE d.environment_id = $1 AND d.type_id = $2
) owners LIMIT $3;

-- name: set_unique
-- Whether the values of some attributes of a type are to be unique.
UPDATE attribute_values SET unique_in = CASE WHEN $4 THEN $2::uuid END
 WHERE environment_id = $1 AND key = ANY ($3::text[])
   AND product_id IN (SELECT product_id FROM product_details WHERE environment_id = $1 AND type_id = $2);

-- name: bump_products
-- Some products changed.
UPDATE products SET version = version + 1, updated_at = now() WHERE environment_id = $1 AND id = ANY ($2::uuid[])
RETURNING id, version, status;

-- name: bump_variants
-- Some variants changed.
UPDATE variants SET version = version + 1 WHERE environment_id = $1 AND id = ANY ($2::uuid[]);

-- name: set_product_attributes
-- The values of products that have a type, one element of each array for each.
UPDATE product_details d SET attributes = u.attributes::jsonb
  FROM unnest($2::uuid[], $3::text[]) AS u (product_id, attributes)
 WHERE d.environment_id = $1 AND d.product_id = u.product_id;

-- name: set_variant_attributes
-- The values of variants, one element of each array for each.
INSERT INTO variant_details (environment_id, variant_id, attributes, options)
SELECT $1, u.variant_id, u.attributes::jsonb, '{}' FROM unnest($2::uuid[], $3::text[]) AS u (variant_id, attributes)
ON CONFLICT (environment_id, variant_id) DO UPDATE SET attributes = excluded.attributes;

-- name: details_of_products
-- What products have beyond their columns.
SELECT product_id, type_id, attributes, options FROM product_details
 WHERE environment_id = $1 AND product_id = ANY ($2::uuid[]);

-- name: details_of_variants
-- What the variants of these products have beyond their columns.
SELECT v.product_id, v.sku, o.attributes, o.options FROM variants v
  JOIN variant_details o ON o.environment_id = v.environment_id AND o.variant_id = v.id
 WHERE v.environment_id = $1 AND v.product_id = ANY ($2::uuid[]);

-- name: put_product_details
-- What products have beyond their columns, one element of each array for each.
INSERT INTO product_details (environment_id, product_id, type_id, attributes, options)
SELECT $1, u.product_id, u.type_id, u.attributes::jsonb, u.options::jsonb
  FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[]) AS u (product_id, type_id, attributes, options)
ON CONFLICT (environment_id, product_id) DO UPDATE
   SET type_id = excluded.type_id, attributes = excluded.attributes, options = excluded.options;

-- name: put_variant_details
-- What variants have beyond their columns, one element of each array for each.
INSERT INTO variant_details (environment_id, variant_id, attributes, options)
SELECT $1, u.variant_id, u.attributes::jsonb, u.options::jsonb
  FROM unnest($2::uuid[], $3::text[], $4::text[]) AS u (variant_id, attributes, options)
ON CONFLICT (environment_id, variant_id) DO UPDATE SET attributes = excluded.attributes, options = excluded.options;

-- name: forget_values
-- Remove the sorted values of these products and variants.
DELETE FROM attribute_values
 WHERE environment_id = $1 AND product_id = ANY ($2::uuid[]) AND owner_id = ANY ($3::uuid[]);

-- name: note_values
-- The sorted values of products and variants, one element of each array for each.
INSERT INTO attribute_values (environment_id, product_id, owner_id, key, position, value, unique_in)
SELECT $1, * FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::integer[], $6::text[], $7::uuid[]);

-- name: products_there
-- Which of these products there are.
SELECT id FROM products WHERE environment_id = $1 AND id = ANY ($2::uuid[]);

-- name: attributes_of_products
-- Values of products, and in further rows each of their types once.
WITH wanted AS (
    SELECT product_id, type_id, attributes FROM product_details
     WHERE environment_id = $1 AND product_id = ANY ($2::uuid[]) AND type_id IS NOT NULL
)
SELECT product_id AS owner_id, type_id, attributes, NULL AS key, NULL AS name, NULL AS version FROM wanted
UNION ALL
SELECT NULL, id, attributes, key, name, version FROM product_types
 WHERE environment_id = $1 AND id IN (SELECT type_id FROM wanted);

-- name: attributes_of_variants
-- Values of variants ($2, of the products $3), and in further rows each of their products' types once.
WITH wanted AS (
    SELECT w.variant_id, d.type_id, o.attributes FROM unnest($2::uuid[], $3::uuid[]) AS w (variant_id, product_id)
      JOIN product_details d ON d.environment_id = $1 AND d.product_id = w.product_id AND d.type_id IS NOT NULL
      JOIN variant_details o ON o.environment_id = $1 AND o.variant_id = w.variant_id
)
SELECT variant_id AS owner_id, type_id, attributes, NULL AS key, NULL AS name, NULL AS version FROM wanted
UNION ALL
SELECT NULL, id, attributes, key, name, version FROM product_types
 WHERE environment_id = $1 AND id IN (SELECT type_id FROM wanted);

-- name: types_of_products
-- The types that these products have.
SELECT d.product_id, t.id, t.key, t.name, t.attributes, t.version FROM product_details d
  JOIN product_types t ON t.environment_id = d.environment_id AND t.id = d.type_id
 WHERE d.environment_id = $1 AND d.product_id = ANY ($2::uuid[]);

-- name: options_of_products
-- The options of products.
SELECT product_id, options FROM product_details WHERE environment_id = $1 AND product_id = ANY ($2::uuid[]);

-- name: options_of_variants
-- What variants ($2, of the products $3) have of each option, and the options.
SELECT w.variant_id, o.options AS chosen, d.options FROM unnest($2::uuid[], $3::uuid[]) AS w (variant_id, product_id)
  JOIN product_details d ON d.environment_id = $1 AND d.product_id = w.product_id
  JOIN variant_details o ON o.environment_id = $1 AND o.variant_id = w.variant_id;

-- name: unique_owners
-- Who has these values that are to be unique: a product, or one of its variants by its SKU.
SELECT a.unique_in, a.key, a.value, a.product_id, coalesce(v.sku, '')
  FROM unnest($2::uuid[], $3::text[], $4::text[]) AS w (unique_in, key, value)
  JOIN attribute_values a ON a.environment_id = $1 AND a.unique_in = w.unique_in AND a.key = w.key AND a.value = w.value
  LEFT JOIN variants v ON v.environment_id = $1 AND v.id = a.owner_id;
