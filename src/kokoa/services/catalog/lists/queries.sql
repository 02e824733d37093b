-- Statements with gaps: {conditions} and {order} are filled from conditions.sql, the others with parameters or bounds.

-- name: listed
-- Products of a list, from one end or from a cursor on, where an index holds just these in their order.
SELECT id, slug, name, description, category, external_reference, price_minor, currency, version,
       status, created_at, updated_at FROM products
 WHERE environment_id = $1 AND {conditions} ORDER BY {order} LIMIT {limit} OFFSET {offset};

-- name: counted
-- How many products a list has, counted up to a bound.
SELECT count(*) FROM (SELECT FROM products WHERE environment_id = $1 AND {conditions} LIMIT {limit}) counted;

-- name: counted_by_few
-- The same, where a condition has an index that tells whether few can be in it.
WITH few AS MATERIALIZED (SELECT id FROM ({ids}) AS ids LIMIT {few} + 1)
SELECT CASE WHEN EXISTS (SELECT FROM few OFFSET {few})
            THEN (SELECT count(*) FROM (SELECT FROM products WHERE environment_id = $1 AND {conditions} LIMIT {limit}) c)
            ELSE (SELECT count(*) FROM (SELECT DISTINCT id FROM few) AS nearest (near_id)
                   CROSS JOIN LATERAL (SELECT * FROM products WHERE environment_id = $1 AND id = near_id OFFSET 0) products
                   WHERE {conditions_of_one}) END;
