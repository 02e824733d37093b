-- name: lock_order
-- An order, locked, and whether its placement has nothing more to do with it; one that is forgotten has not.
SELECT o.id, o.number, o.state, o.cart_id, o.customer_id, o.payment_id, o.total_minor, o.basket, o.placed_at, o.version,
       o.progress, o.refunded_minor, o.refunded_shipping_minor, o.external_reference, o.external_status,
       o.external_status_at, o.display_status, coalesce(p.step IN ('CLOSING', 'DONE'), true) AS is_placed FROM orders o
  LEFT JOIN placements p ON p.environment_id = o.environment_id AND p.id = o.id
 WHERE o.environment_id = $1 AND o.id = $2 FOR UPDATE OF o;

-- name: update_order
-- What has become of an order.
UPDATE orders SET state = $3, version = $4, progress = $5, refunded_minor = $6, refunded_shipping_minor = $7
 WHERE environment_id = $1 AND id = $2;

-- name: touch_order
-- Something of an order is another now, such as where a part of it is; its feed tells so.
UPDATE orders SET version = version + 1 WHERE environment_id = $1 AND id = $2;

-- name: changes_of_order
-- How many changes of some kinds ($3) an order has, and whether one of any kind is being done.
SELECT count(*) FILTER (WHERE kind = ANY ($3::text[])) AS number, count(*) FILTER (WHERE due_at IS NOT NULL) AS open
  FROM changes WHERE environment_id = $1 AND order_id = $2;

-- name: insert_change
-- A new change, leased ($11) to whoever makes it for $12 seconds; nothing when its key is taken.
INSERT INTO changes (environment_id, id, order_id, kind, key, fingerprint, step, lines, reason, carrier, tracking_number,
       lease, due_at, actor, attempts, return_id, detail)
VALUES ($1, $2, $3, $4, $5, $6, 'WRITTEN', $7, $8, $9, $10, $11, now() + $12 * interval '1 s', $13, 1, $14, $15)
ON CONFLICT (environment_id, key) DO NOTHING
RETURNING id, order_id, kind, step, lines, captured_minor, reason, carrier, tracking_number, refusal, actor, attempts, created_at,
       return_id, detail;

-- name: change_by_key
-- A change by its idempotency key.
SELECT id, order_id, kind, step, lines, captured_minor, reason, carrier, tracking_number, refusal, actor, attempts, created_at,
       return_id, detail, fingerprint FROM changes WHERE environment_id = $1 AND key = $2;

-- name: change_by_id
-- A change.
SELECT id, order_id, kind, step, lines, captured_minor, reason, carrier, tracking_number, refusal, actor, attempts, created_at,
       return_id, detail
  FROM changes WHERE environment_id = $1 AND id = $2;

-- name: lock_change
-- A change, locked.
SELECT id, order_id, kind, step, lines, captured_minor, reason, carrier, tracking_number, refusal, actor, attempts, created_at,
       return_id, detail
  FROM changes WHERE environment_id = $1 AND id = $2 FOR UPDATE;

-- name: claim_change
-- Lease a change ($3) for $4 seconds, if it is time for it.
UPDATE changes SET lease = $3, due_at = now() + $4 * interval '1 s', attempts = attempts + 1
 WHERE environment_id = $1 AND id = $2 AND due_at <= now()
RETURNING id, order_id, kind, step, lines, captured_minor, reason, carrier, tracking_number, refusal, actor, attempts, created_at,
       return_id, detail;

-- name: advance_change
-- A change at its next step, by whoever holds the lease ($3), who has it for $7 seconds more; for good when null.
UPDATE changes SET step = $4, captured_minor = $5, refusal = $6, attempts = 0, due_at = now() + $7 * interval '1 s',
       lease = CASE WHEN $7::float8 IS NULL THEN NULL ELSE lease END, error = NULL
 WHERE environment_id = $1 AND id = $2 AND lease = $3 RETURNING id;

-- name: leave_change
-- Give the lease ($3) back; it is gone on with in $4 seconds.  $5: what failed.
UPDATE changes SET lease = NULL, due_at = now() + $4 * interval '1 s', error = $5
 WHERE environment_id = $1 AND id = $2 AND lease = $3;

-- name: carry_change
-- A fulfilment that is on its way, or there.
UPDATE changes SET step = $3, carrier = $4, tracking_number = $5 WHERE environment_id = $1 AND id = $2;

-- name: fulfilments_of
-- All fulfilments of some orders, the first one first.
SELECT id, order_id, kind, step, lines, captured_minor, reason, carrier, tracking_number, refusal, actor, attempts, created_at,
       return_id, detail
  FROM changes WHERE environment_id = $1 AND order_id = ANY ($2::uuid[]) AND kind = 'FULFIL' ORDER BY created_at, id;

-- name: insert_history
-- Who did what.
INSERT INTO history (environment_id, id, order_id, kind, change_id, note, actor, return_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: history_of
-- What happened to some orders, the first thing first.
SELECT order_id, kind, change_id, note, actor, happened_at, return_id FROM history
 WHERE environment_id = $1 AND order_id = ANY ($2::uuid[]) ORDER BY happened_at, id;

-- name: overdue_changes
-- Changes of any environment_id that it is time for; of a function that sees all of them.
SELECT environment_id, id FROM overdue_changes($1, $2) /* of any environment_id */;
