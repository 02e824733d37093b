-- name: returns_of
-- All returns of some orders, the first one first.
SELECT id, order_id, state, lines, note, reason, actor, version, created_at FROM returns
 WHERE environment_id = $1 AND order_id = ANY ($2::uuid[]) ORDER BY created_at, id;

-- name: return_by_id
-- A return.
SELECT id, order_id, state, lines, note, reason, actor, version, created_at FROM returns
 WHERE environment_id = $1 AND id = $2;

-- name: returns_by_ids
-- The returns with these ids, in any order.
SELECT id, order_id, state, lines, note, reason, actor, version, created_at FROM returns
 WHERE environment_id = $1 AND id = ANY ($2::uuid[]);

-- name: return_by_key
-- A return by its idempotency key.
SELECT id, order_id, state, lines, note, reason, actor, version, created_at, fingerprint FROM returns
 WHERE environment_id = $1 AND key = $2;

-- name: insert_return
-- A new return; nothing when its key is taken.
INSERT INTO returns (environment_id, id, order_id, key, fingerprint, state, lines, note, actor)
VALUES ($1, $2, $3, $4, $5, 'REQUESTED', $6, $7, $8)
ON CONFLICT (environment_id, key) DO NOTHING
RETURNING id, order_id, state, lines, note, reason, actor, version, created_at;

-- name: update_return
-- What has become of a return. The caller has locked its order.
UPDATE returns SET state = $3, lines = $4, reason = $5, version = $6 WHERE environment_id = $1 AND id = $2;

-- name: refunds_of
-- All refunds of some orders, the first one first.
SELECT id, order_id, kind, step, lines, captured_minor, reason, carrier, tracking_number, refusal, actor, attempts, created_at,
       return_id, detail
  FROM changes WHERE environment_id = $1 AND order_id = ANY ($2::uuid[]) AND kind = 'REFUND' ORDER BY created_at, id;
