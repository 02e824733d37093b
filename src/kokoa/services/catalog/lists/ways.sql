-- A page of which it is not known how many products fit: one statement, put together from these ways by statements.py.
-- Gaps are filled from conditions.sql, with parameters, and with the bounds of ways.py.

-- name: page
-- What the ways have found, of which at most one has a page.
WITH {ways}
SELECT * FROM ({found}) found ORDER BY {page_order} LIMIT {limit} OFFSET {offset};

-- name: found
-- The page of a way; nothing where it was not taken.
SELECT * FROM {way}

-- name: found_unless_short
-- The same of a walk, which counts only if it did not end before its time. (Behind a WHERE it would lose its order.)
(SELECT * FROM walked ORDER BY {page_order} LIMIT (SELECT CASE WHEN so THEN 0 ELSE {bound} END FROM short))

-- name: way_few
-- Ids that an index of a condition has, read only as far as somebody asks.
{name} AS MATERIALIZED (SELECT id FROM ({ids}) AS ids LIMIT {most})

-- name: way_choice
-- Which way is taken. A CASE asks one thing after the other, so nothing is looked up in vain.
way AS MATERIALIZED (SELECT CASE {cases} ELSE 'WALK' END AS taken)

-- name: way_case
-- One of them.
WHEN {test} THEN '{taken}'

-- name: more_than
-- Whether a condition's index has more than so many.
EXISTS (SELECT FROM {few} OFFSET {bound})

-- name: taken
-- Whether this way is taken.
(SELECT taken FROM way) = '{taken}'

-- name: is_marked
-- Whether there are marks, of either source.
(SELECT taken FROM way) IN ('MARK', 'MARK SECOND')

-- name: is_short
-- Whether the walk has ended before its time.
(SELECT so FROM short)

-- name: nearest
-- The ids that are gathered.
SELECT DISTINCT id FROM (SELECT id FROM {few} WHERE {guard} LIMIT {most}) AS few

-- name: marks
-- The ids that are marked.
SELECT id FROM {few} WHERE {guard}

-- name: way_gathered
-- Few: all of them are looked up by key and sorted; what takes further look-ups is asked only until there are enough.
gathered AS MATERIALIZED (
    SELECT {columns}, {keys}
      FROM (SELECT products.* FROM ({nearest}) AS nearest (near_id)
             CROSS JOIN LATERAL (SELECT * FROM products WHERE environment_id = $1 AND id = near_id OFFSET 0) products
             WHERE {conditions} ORDER BY {order} OFFSET 0) products
     WHERE {look_ups} ORDER BY {order} LIMIT {bound})

-- name: way_marked
-- Many: the index of the order is read alone, beside the set of their ids, until there are enough.
marked AS MATERIALIZED (
    SELECT {columns}, walked.*
      FROM (SELECT {keys} FROM products
             WHERE environment_id = $1 AND {range} AND {guard} ORDER BY {order} OFFSET 0) walked
     CROSS JOIN LATERAL (SELECT * FROM products WHERE environment_id = $1 AND id = by_id OFFSET 0) products
     WHERE (by_id IN ({marks})) IS TRUE AND {conditions} ORDER BY {page_order} LIMIT {bound})

-- name: way_walked
-- Most: the products are read in their order, and each is looked at, until there are enough.
walked AS MATERIALIZED (
    SELECT {columns}, {keys}
      FROM (SELECT * FROM products WHERE environment_id = $1 AND {range} AND {guard} ORDER BY {order} LIMIT {most}) products
     WHERE {conditions} ORDER BY {order} LIMIT {bound})

-- name: way_named
-- The same of names alone, which their index holds.
walked AS MATERIALIZED (
    SELECT {columns}, walked.*
      FROM (SELECT {keys} FROM products WHERE environment_id = $1 AND {range} ORDER BY {order} LIMIT {most}) walked
     CROSS JOIN LATERAL (SELECT * FROM products WHERE environment_id = $1 AND id = by_id OFFSET 0) products
     WHERE {part} AND {conditions} ORDER BY {page_order} LIMIT {bound})

-- name: way_short
-- Whether the walk has ended before its time: it has not filled the page, and there is more behind it.
short AS MATERIALIZED (
    SELECT NOT EXISTS (SELECT FROM walked OFFSET {last}) AND {guard}
       AND EXISTS (SELECT FROM products WHERE environment_id = $1 AND {range} OFFSET {most}) AS so)

-- name: way_remaining
-- The walk without an end, for what no bound has found.
remaining AS MATERIALIZED (
    SELECT {columns}, {keys}
      FROM (SELECT * FROM products WHERE environment_id = $1 AND {range} AND {guard} ORDER BY {order} OFFSET 0) products
     WHERE {conditions} ORDER BY {order} LIMIT {bound})
