-- name: insert_reservation
-- A new reservation, unless the key has one.
INSERT INTO reservations (environment_id, id, key, state, expires_at, fingerprint)
VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5::integer), $6)
ON CONFLICT (environment_id, key) DO NOTHING RETURNING id, key, state, expires_at, created_at, version;

-- name: reservation_by_key
-- A reservation.
SELECT id, key, state, expires_at, created_at, version FROM reservations WHERE environment_id = $1 AND key = $2;

-- name: fingerprint_of
-- What a reservation was asked for.
SELECT fingerprint FROM reservations WHERE environment_id = $1 AND key = $2;

-- name: reservation_by_id
-- A reservation.
SELECT id, key, state, expires_at, created_at, version FROM reservations WHERE environment_id = $1 AND id = $2;

-- name: lock_reservation
-- The same, kept from other changes until the transaction ends. The caller has locked the articles of its lines.
SELECT id, key, state, expires_at, created_at, version FROM reservations
 WHERE environment_id = $1 AND id = $2 FOR UPDATE;

-- name: lines_of
-- From where a reservation takes.
SELECT r.place, r.sku, r.location_id, l.key AS location, r.open, r.fulfilled, r.released
  FROM reservation_lines r LEFT JOIN locations l ON l.environment_id = $1 AND l.id = r.location_id
 WHERE r.environment_id = $1 AND r.reservation_id = $2 ORDER BY r.place;

-- name: insert_lines
-- The lines of a new reservation.
INSERT INTO reservation_lines (environment_id, reservation_id, place, sku, location_id, open)
SELECT $1, $2, * FROM unnest($3::integer[], $4::text[], $5::uuid[], $6::bigint[]);

-- name: update_lines
-- What became of lines.
UPDATE reservation_lines l SET open = c.open, fulfilled = c.fulfilled, released = c.released
  FROM unnest($3::integer[], $4::bigint[], $5::bigint[], $6::bigint[]) AS c (place, open, fulfilled, released)
 WHERE l.environment_id = $1 AND l.reservation_id = $2 AND l.place = c.place;

-- name: allocate_held
-- A reservation that is held is somebody's for good, and that is told; nothing when it is not held.
WITH done AS (
    UPDATE reservations SET state = 'ALLOCATED', expires_at = NULL, version = version + 1
     WHERE environment_id = $1 AND id = (SELECT id FROM reservations WHERE environment_id = $1 AND key = $2) AND state = 'HELD'
    RETURNING id, key, state, expires_at, created_at, version
) /* tell */ SELECT id, key, state, expires_at, created_at, version FROM done;

-- name: update_reservation
-- A reservation's state; one that is not held does not expire.
UPDATE reservations SET state = $3, expires_at = CASE WHEN $3 = 'HELD' THEN expires_at END, version = version + 1
 WHERE environment_id = $1 AND id = $2 RETURNING id, key, state, expires_at, created_at, version;

-- name: overdue_here
-- Held reservations of this environment whose time is over.
SELECT id FROM reservations WHERE environment_id = $1 AND state = 'HELD' AND expires_at <= now()
 ORDER BY expires_at LIMIT $2;

-- name: overdue
-- Held reservations of any environment_id whose time is over; of a function that sees all of them.
SELECT environment_id, id FROM overdue_reservations($1) /* of any environment_id */;
