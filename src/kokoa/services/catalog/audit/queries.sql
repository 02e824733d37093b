-- name: note_caller
-- For this transaction: who asks, and for which request; the triggers that write the history read it.
SELECT set_config('kokoa.caller', $2, true), set_config('kokoa.correlation_id', $3, true) /* environment_id */
 WHERE $1::uuid IS NOT NULL;

-- name: history_page
-- Changes of a product before a place, the newest first.
SELECT at, changed_in, version, kind, caller, correlation_id, changes FROM product_history
 WHERE environment_id = $1 AND product_id = $2 AND (at, changed_in) < ($3::timestamptz, $4::bigint)
 ORDER BY at DESC, changed_in DESC LIMIT $5;

-- name: category_history_pages
-- Changes of each of several categories before a place, the newest first, in one statement.
SELECT h.*, wanted.id AS of FROM unnest($2::uuid[]) AS wanted (id)
 CROSS JOIN LATERAL (
    SELECT at, changed_in, version, kind, caller, correlation_id, changes FROM category_history
     WHERE environment_id = $1 AND category_id = wanted.id AND (at, changed_in) < ($3::timestamptz, $4::bigint)
     ORDER BY at DESC, changed_in DESC LIMIT $5
 ) h;

-- name: forget_history
-- What is older than a moment ($1), a batch ($2) of any environment_id; of a function that sees all of them.
SELECT forget_product_history($1, $2) + forget_category_history($1, $2) /* of any environment_id */;
