-- name: order_by_reference
-- An order by what another system calls it.
SELECT id, number, state, cart_id, customer_id, payment_id, total_minor, basket, placed_at, version, progress,
       refunded_minor, refunded_shipping_minor, external_reference, external_status, external_status_at FROM orders
 WHERE environment_id = $1 AND external_reference = $2;

-- name: changes_page
-- Orders that changed after a place of the feed, up to the oldest transaction that is still open.
WITH settled AS (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS before)
SELECT o.changed_in, o.id, o.number, o.state, o.cart_id, o.customer_id, o.payment_id, o.total_minor, o.basket, o.placed_at,
       o.version, o.progress, o.refunded_minor, o.refunded_shipping_minor, o.external_reference, o.external_status,
       o.external_status_at
  FROM orders o
 WHERE o.environment_id = $1 AND (o.changed_in, o.id) > ($2, $3) AND o.changed_in < (SELECT before FROM settled)
 ORDER BY o.changed_in, o.id LIMIT $4;

-- name: set_reference
-- What another system calls an order, which the caller has locked.
UPDATE orders SET external_reference = $3, version = version + 1 WHERE environment_id = $1 AND id = $2;

-- name: set_status
-- What another system says of an order, which the caller has locked.
UPDATE orders SET external_status = $3, external_status_at = now(), version = version + 1
 WHERE environment_id = $1 AND id = $2;

-- name: noted_of
-- How often other systems said something of an order.
SELECT count(*) FROM history
 WHERE environment_id = $1 AND order_id = $2 AND kind IN ('EXTERNAL_REFERENCE', 'EXTERNAL_STATUS');
