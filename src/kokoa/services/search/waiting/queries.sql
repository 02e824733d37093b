-- name: mark
-- Products that an event has named, each once. Of one that waits already the first event's moment stays.
INSERT INTO stale (environment_id, product_id, since_ms, correlation_id)
SELECT $1, * FROM unnest($2::uuid[], $3::bigint[], $4::text[])
ON CONFLICT (environment_id, product_id) DO UPDATE
   SET mark = excluded.mark, correlation_id = excluded.correlation_id, attempts = 0, due_at = '-infinity';

-- name: environments
-- Environments with stale products after $1, at most $2.
SELECT stale_environments($1, $2) AS environment_id;

-- name: take
-- Products after $2 that are due, in the order of their ids.
SELECT product_id, mark, since_ms, correlation_id, attempts FROM stale
 WHERE environment_id = $1 AND product_id > $2 AND due_at <= now() ORDER BY product_id LIMIT $3;

-- name: settle
-- These are indexed, unless another event has named them meanwhile: then their marks are others.
DELETE FROM stale WHERE environment_id = $1 AND product_id = ANY ($2::uuid[]) AND mark = ANY ($3::bigint[]);

-- name: postpone
-- These are tried again later, each after its own pause in seconds.
UPDATE stale s SET attempts = s.attempts + 1, due_at = now() + make_interval(secs => p.pause)
  FROM unnest($3::bigint[], $4::double precision[]) AS p (mark, pause)
 WHERE s.environment_id = $1 AND s.product_id = ANY ($2::uuid[]) AND s.mark = p.mark;
