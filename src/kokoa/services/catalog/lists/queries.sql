-- Statements with gaps: {conditions} and {order} are filled from conditions.sql, the others with parameters or bounds.

-- name: listed
-- Products of a list, from one end or from a cursor on, where an index holds just these in their order.
SELECT id, slug, name, description, category, external_reference, price_minor, currency, version,
       status, created_at, updated_at FROM products
 WHERE environment_id = $1 AND {range} ORDER BY {order} LIMIT {limit} OFFSET {offset};

-- name: walked_through
-- Products of a list that no index but that of its order can tell: each is looked at, until there are enough.
SELECT {columns}
  FROM (SELECT * FROM products WHERE environment_id = $1 AND {range} ORDER BY {order} OFFSET 0) products
 WHERE {conditions} ORDER BY {order} LIMIT {limit} OFFSET {offset};

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

-- name: subtree_pages
-- A page of products by name for each of several categories ($2) with all below it, in one statement: merged of what each
-- category in it has first; where these are too many, all that is in them is sorted by the index's keys alone, or, where
-- that is too much, the products are walked by name.
-- $5, $6: where what is below each begins and ends; made here of $2, they could use no index (`||` is not leakproof).
SELECT p.*, wanted.path AS listed FROM unnest($2::text[], $5::text[], $6::text[]) AS wanted (path, below, behind)
 CROSS JOIN LATERAL (
    SELECT CASE WHEN NOT EXISTS (SELECT FROM categories
                                  WHERE environment_id = $1 AND path >= wanted.below AND path < wanted.behind
                                 OFFSET {merged}) THEN 'MERGE'
                WHEN NOT EXISTS (SELECT FROM products
                                  WHERE environment_id = $1 AND {published}
                                    AND category >= wanted.path AND category < wanted.behind
                                 OFFSET {keyed}) THEN 'GATHER'
                ELSE 'WALK' END AS taken OFFSET 0) way
 CROSS JOIN LATERAL (
    SELECT found.name, found.id FROM (
        (SELECT one.name, one.id FROM (
            SELECT wanted.path AS path WHERE way.taken = 'MERGE'
            UNION ALL
            SELECT path FROM categories
             WHERE environment_id = $1 AND path >= wanted.below AND path < wanted.behind AND way.taken = 'MERGE') member
          CROSS JOIN LATERAL (
            SELECT name, id FROM products WHERE environment_id = $1 AND category = member.path AND {conditions}
             ORDER BY name, id LIMIT $3::integer + $4::integer) one
         ORDER BY one.name, one.id LIMIT $3::integer + $4::integer)
        UNION ALL
        (SELECT name, id FROM products
          WHERE environment_id = $1 AND way.taken = 'GATHER' AND category >= wanted.path AND category < wanted.behind
            AND (category = wanted.path OR category >= wanted.below) AND {conditions}
          ORDER BY name, id LIMIT $3::integer + $4::integer)
        UNION ALL
        (SELECT name, id FROM (SELECT * FROM products WHERE environment_id = $1 AND {begin} AND {published} AND way.taken = 'WALK'
                                ORDER BY name, id OFFSET 0) products
          WHERE category >= wanted.path AND category < wanted.behind
            AND (category = wanted.path OR category >= wanted.below) AND {conditions}
          ORDER BY name, id LIMIT $3::integer + $4::integer)
    ) found ORDER BY found.name, found.id LIMIT $3 OFFSET $4) nearest (by_name, by_id)
 CROSS JOIN LATERAL (SELECT {columns} FROM products WHERE environment_id = $1 AND id = by_id OFFSET 0) p
 ORDER BY listed, by_name, by_id;
