-- name: schedules_of_products
-- The schedules of these products, in any order.
SELECT product_id, publish_at, unpublish_at, failure FROM product_schedules
 WHERE environment_id = $1 AND product_id = ANY ($2::uuid[]);

-- name: put_schedule
-- A product's schedule, new or in the place of the old one.
INSERT INTO product_schedules (environment_id, product_id, publish_at, unpublish_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (environment_id, product_id) DO UPDATE
   SET publish_at = excluded.publish_at, unpublish_at = excluded.unpublish_at, failure = NULL;

-- name: delete_schedule
-- A product has no schedule any more.
DELETE FROM product_schedules WHERE environment_id = $1 AND product_id = $2;

-- name: note_failure
-- What is still due could not be done; nobody tries again by himself.
UPDATE product_schedules SET failure = $3 WHERE environment_id = $1 AND product_id = $2 AND due_at <= $4;

-- name: due_environments
-- Environments in which something is due; of a function that sees all of them ($1: the moment, $2: the most).
SELECT environment_id FROM due_environments($1, $2);

-- name: due_products
-- Products with something due, the longest due first, locked with their schedules; what others hold is left to them.
SELECT p.id, p.slug, p.name, p.description, p.category, p.external_reference, p.price_minor, p.currency, p.version,
       p.status, p.created_at, p.updated_at, s.publish_at, s.unpublish_at
  FROM product_schedules s
  JOIN products p ON p.environment_id = s.environment_id AND p.id = s.product_id
 WHERE s.environment_id = $1 AND s.due_at <= $2 AND s.failure IS NULL
 ORDER BY s.due_at, s.product_id LIMIT $3 FOR UPDATE SKIP LOCKED;

-- name: staged_of_products
-- The staged changes of these products, in any order.
SELECT product_id, changes, base, staged_at FROM staged_changes
 WHERE environment_id = $1 AND product_id = ANY ($2::uuid[]);

-- name: put_staged
-- A product's staged changes, new or in the place of the old ones.
INSERT INTO staged_changes (environment_id, product_id, changes, base) VALUES ($1, $2, $3, $4)
ON CONFLICT (environment_id, product_id) DO UPDATE
   SET changes = excluded.changes, base = excluded.base, staged_at = now();

-- name: delete_staged
-- A product has no staged changes any more.
DELETE FROM staged_changes WHERE environment_id = $1 AND product_id = $2;
