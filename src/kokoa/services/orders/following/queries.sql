-- name: order_by_reference
-- An order by what another system calls it.
SELECT id, number, state, cart_id, customer_id, payment_id, total_minor, basket, placed_at, version, progress,
       refunded_minor, refunded_shipping_minor, external_reference, external_status, external_status_at,
       display_status FROM orders
 WHERE environment_id = $1 AND external_reference = $2;

-- name: changes_page
-- Orders that changed after a place of the feed, up to the oldest transaction that is still open.
WITH settled AS (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS before)
SELECT o.changed_in, o.id, o.number, o.state, o.cart_id, o.customer_id, o.payment_id, o.total_minor, o.basket, o.placed_at,
       o.version, o.progress, o.refunded_minor, o.refunded_shipping_minor, o.external_reference, o.external_status,
       o.external_status_at, o.display_status
  FROM orders o
 WHERE o.environment_id = $1 AND (o.changed_in, o.id) > ($2, $3) AND o.changed_in < (SELECT before FROM settled)
 ORDER BY o.changed_in, o.id LIMIT $4;

-- name: set_reference
-- What another system calls an order, which the caller has locked.
UPDATE orders SET external_reference = $3, version = version + 1 WHERE environment_id = $1 AND id = $2;

-- name: set_status
-- What another system says of an order, which the caller has locked.  $4: what customers are told of it.
UPDATE orders SET external_status = $3, external_status_at = now(), display_status = $4, version = version + 1
 WHERE environment_id = $1 AND id = $2;

-- name: noted_of
-- How often other systems said something of an order.
SELECT count(*) FROM history
 WHERE environment_id = $1 AND order_id = $2 AND kind IN ('EXTERNAL_REFERENCE', 'EXTERNAL_STATUS');

-- name: mapping
-- What statuses mean.
SELECT rules, version FROM status_mappings WHERE environment_id = $1;

-- name: put_mapping
-- Another mapping ($2) in place of the one with version $3, 0 for none; nothing when it has another version by now.
INSERT INTO status_mappings AS m (environment_id, rules, version) VALUES ($1, $2, $3::integer + 1)
ON CONFLICT (environment_id) DO UPDATE SET rules = excluded.rules, version = excluded.version WHERE m.version = $3
RETURNING version;

-- name: insert_action
-- What an order, which the caller has locked, is to do for what was just said of it; leased ($6) for $7 seconds, unless
-- an earlier one is not done.
INSERT INTO status_actions (environment_id, id, order_id, order_version, status, said_at, action, reason, actor, lease, due_at, attempts)
SELECT $1, $2, o.id, o.version, o.external_status, o.external_status_at, $4, $5, $8,
       CASE WHEN w.waits THEN NULL ELSE $6::uuid END, now() + CASE WHEN w.waits THEN 0 ELSE $7 END * interval '1 s',
       CASE WHEN w.waits THEN 0 ELSE 1 END
  FROM orders o, (SELECT EXISTS (SELECT FROM status_actions
                                  WHERE environment_id = $1 AND order_id = $3 AND due_at IS NOT NULL) AS waits) w
 WHERE o.environment_id = $1 AND o.id = $3
RETURNING id, order_id, status, said_at, action, reason, actor, refusal, lease, due_at, attempts;

-- name: claim_action
-- Lease an action ($3) for $4 seconds, if it is time for it and no earlier one of its order is left to do.
UPDATE status_actions a SET lease = $3, due_at = now() + $4 * interval '1 s', attempts = attempts + 1
 WHERE a.environment_id = $1 AND a.id = $2 AND a.due_at <= now()
   AND NOT EXISTS (SELECT FROM status_actions b
                    WHERE b.environment_id = $1 AND b.order_id = a.order_id AND b.due_at IS NOT NULL
                      AND b.order_version < a.order_version)
RETURNING id, order_id, status, said_at, action, reason, actor, refusal, lease, due_at, attempts;

-- name: settle_action
-- It is done, or refused ($4), by whoever holds the lease ($3).
UPDATE status_actions SET refusal = $4, lease = NULL, due_at = NULL, error = NULL
 WHERE environment_id = $1 AND id = $2 AND lease = $3 RETURNING id;

-- name: leave_action
-- Give the lease ($3) back; it is gone on with in $4 seconds.  $5: what failed.
UPDATE status_actions SET lease = NULL, due_at = now() + $4 * interval '1 s', error = $5
 WHERE environment_id = $1 AND id = $2 AND lease = $3;

-- name: overdue_actions
-- Actions of any environment_id that it is time for; of a function that sees all of them.
SELECT environment_id, id FROM overdue_status_actions($1, $2) /* of any environment_id */;

-- name: actions_of
-- What orders ($2) do because a status ($3) was said of them at a moment ($4).
SELECT a.id, a.order_id, a.status, a.said_at, a.action, a.reason, a.actor, a.refusal, a.lease, a.due_at, a.attempts
  FROM unnest($2::uuid[], $3::text[], $4::timestamptz[]) AS said (order_id, status, said_at)
  JOIN status_actions a ON a.environment_id = $1 AND a.order_id = said.order_id AND a.status = said.status
                       AND a.said_at = said.said_at;
