-- Statements with gaps: {conditions} and {order} are filled from conditions.sql, the others with parameters.

-- name: listed
-- Products of a list, from one end or from a cursor on.
SELECT id, slug, name, description, category, external_reference, price_minor, currency, version,
       status, created_at, updated_at FROM products
 WHERE environment_id = $1 AND {conditions} ORDER BY {order} LIMIT {limit} OFFSET {offset};

-- name: counted
-- How many products a list has, counted up to a bound.
SELECT count(*) FROM (SELECT FROM products WHERE environment_id = $1 AND {conditions} LIMIT {limit}) counted;

-- name: inhabited
-- Whether a list has any product.
SELECT EXISTS (SELECT FROM products WHERE environment_id = $1 AND {conditions});

-- name: products_of_parts
-- For each part of a name the products that have it, up to a bound.
SELECT ARRAY(SELECT products_named(/* environment_id */ $1, lower(wanted.part)) LIMIT $3) AS ids
  FROM unnest($2::text[]) WITH ORDINALITY AS wanted (part, position) ORDER BY wanted.position;
