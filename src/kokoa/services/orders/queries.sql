-- name: insert_placement
-- A new placement, leased ($12) to whoever makes it for $13 seconds; nothing when its key is taken.  $14: when it began.
INSERT INTO placements (environment_id, id, key, fingerprint, step, cart_id, freeze_key, customer_id, token_digest, request,
                        basket, lease, due_at, started_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, now() + $13 * interval '1 s', $14)
ON CONFLICT (environment_id, key) DO NOTHING RETURNING id;

-- name: placement_by_key
-- A placement by its idempotency key.
SELECT id, step, cart_id, freeze_key, customer_id, token_digest, request, basket, payment_id, action_url, refusal, attempts,
       started_at,
       fingerprint FROM placements WHERE environment_id = $1 AND key = $2;

-- name: placement_by_id
-- A placement.
SELECT id, step, cart_id, freeze_key, customer_id, token_digest, request, basket, payment_id, action_url, refusal, attempts,
       started_at
  FROM placements WHERE environment_id = $1 AND id = $2;

-- name: claim_placement
-- Lease a placement ($3) for $4 seconds, if nobody works on it and something is left to do.
UPDATE placements SET lease = $3, due_at = now() + $4 * interval '1 s', attempts = attempts + 1
 WHERE environment_id = $1 AND id = $2 AND due_at IS NOT NULL AND (lease IS NULL OR due_at <= now())
RETURNING id, step, cart_id, freeze_key, customer_id, token_digest, request, basket, payment_id, action_url, refusal, attempts,
       started_at;

-- name: claim_overdue_placement
-- The same only when it is time for it.
UPDATE placements SET lease = $3, due_at = now() + $4 * interval '1 s', attempts = attempts + 1
 WHERE environment_id = $1 AND id = $2 AND due_at <= now()
RETURNING id, step, cart_id, freeze_key, customer_id, token_digest, request, basket, payment_id, action_url, refusal, attempts,
       started_at;

-- name: advance_placement
-- A placement at its next step, by whoever holds the lease ($3), who has it for $10 seconds more; for good when null.
-- $5: null for the basket that it has.
UPDATE placements SET step = $4, basket = coalesce($5, basket), payment_id = $6, action_url = $7, refusal = $8, attempts = $9,
       due_at = now() + $10 * interval '1 s', lease = CASE WHEN $10::float8 IS NULL THEN NULL ELSE lease END, error = NULL
 WHERE environment_id = $1 AND id = $2 AND lease = $3 RETURNING id;

-- name: end_placements
-- Nothing is left to do for placements that were closed ($2), by whoever holds their leases ($3), of which each is one placement's alone.
UPDATE placements SET step = 'DONE', attempts = 0, due_at = NULL, lease = NULL, error = NULL
 WHERE environment_id = $1 AND id = ANY ($2::uuid[]) AND lease = ANY ($3::uuid[]) AND step = 'CLOSING';

-- name: leave_placement
-- Give the lease ($3) back; it is gone on with in $4 seconds, never when null.  $5: where the customer has to go.  $6: what failed.
UPDATE placements SET lease = NULL, due_at = now() + $4 * interval '1 s', action_url = $5, error = $6,
       attempts = CASE WHEN $6::text IS NULL THEN 0 ELSE attempts END
 WHERE environment_id = $1 AND id = $2 AND lease = $3;

-- name: overdue
-- Placements of any environment_id that it is time for; of a function that sees all of them.
SELECT environment_id, id FROM overdue_placements($1, $2) /* of any environment_id */;

-- name: forget_placements
-- Placements from before a moment ($1) that are ended, a batch ($2) of any environment_id.
SELECT forget_placements($1, $2) /* of any environment_id */;

-- name: commit_order
-- A placement, by whoever holds the lease ($3) and has it for $5 seconds more, becomes an order with the next number, and that is
-- told, at step $7; whoever commits another one waits for the end. Nothing when the lease is another's.
WITH moved AS (
    UPDATE placements SET step = $7, payment_id = $4, action_url = NULL, attempts = 0,
           due_at = now() + $5 * interval '1 s', error = NULL
     WHERE environment_id = $1 AND id = $2 AND lease = $3 RETURNING cart_id, customer_id, basket
), numbered AS (
    INSERT INTO counters (environment_id, last) SELECT $1, 10001 FROM moved
    ON CONFLICT (environment_id) DO UPDATE SET last = counters.last + 1 RETURNING last
), done AS (
    INSERT INTO orders (environment_id, id, number, state, cart_id, customer_id, payment_id, total_minor, basket)
    SELECT $1, $2, n.last, 'CONFIRMED', m.cart_id, m.customer_id, $4, $6, m.basket FROM moved m, numbered n
    RETURNING number, number AS filling, placed_at, version
) /* tell filled */ SELECT number, placed_at, version FROM done;

-- name: orders_by_ids
-- The orders with these ids, in any order.
SELECT id, number, state, cart_id, customer_id, payment_id, total_minor, basket, placed_at, version, progress,
       refunded_minor, refunded_shipping_minor, external_reference, external_status, external_status_at,
       display_status FROM orders
 WHERE environment_id = $1 AND id = ANY ($2::uuid[]);

-- name: order_by_number
-- An order by its number.
SELECT id, number, state, cart_id, customer_id, payment_id, total_minor, basket, placed_at, version, progress,
       refunded_minor, refunded_shipping_minor, external_reference, external_status, external_status_at,
       display_status FROM orders
 WHERE environment_id = $1 AND number = $2;

-- name: orders_page
-- Those with a number below $2, the newest first.
SELECT id, number, state, cart_id, customer_id, payment_id, total_minor, basket, placed_at, version, progress,
       refunded_minor, refunded_shipping_minor, external_reference, external_status, external_status_at,
       display_status FROM orders
 WHERE environment_id = $1 AND number < $2 ORDER BY number DESC LIMIT $3;

-- name: orders_of_customer_page
-- The same of one customer ($4).
SELECT id, number, state, cart_id, customer_id, payment_id, total_minor, basket, placed_at, version, progress,
       refunded_minor, refunded_shipping_minor, external_reference, external_status, external_status_at,
       display_status FROM orders
 WHERE environment_id = $1 AND number < $2 AND customer_id = $4 ORDER BY number DESC LIMIT $3;
