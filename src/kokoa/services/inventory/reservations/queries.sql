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

-- name: reservable
-- Articles that inventory was told of, each with what lies where that reservations may take, in the order in which they take it.
SELECT i.sku, i.on_hand, i.reserved, i.tracked, i.backorder_limit, i.external_reference, i.version, i.changed_at,
       v.location_id, v.location, v.on_hand AS there, v.reserved AS promised
  FROM items i LEFT JOIN LATERAL (
       SELECT v.location_id, l.key AS location, v.on_hand, v.reserved, l.priority
         FROM levels v JOIN locations l ON l.environment_id = $1 AND l.id = v.location_id
        WHERE v.environment_id = $1 AND v.sku = i.sku AND l.active) v ON true
 WHERE i.environment_id = $1 AND i.sku = ANY ($2::text[])
 ORDER BY i.sku, v.priority, v.location;

-- name: reserve_seen
-- A new reservation ($2 to $6) of articles that are all as they were seen ($7, $8), with its lines ($9 to $12), and the
-- movements ($13 to $15) by whom ($16); and that is told. Nothing when an article is not as it was; an error when the key has one.
WITH seen AS (
    SELECT i.sku FROM items i JOIN unnest($7::text[], $8::integer[]) AS s (sku, version) USING (sku, version)
     WHERE i.environment_id = $1 ORDER BY i.sku FOR UPDATE OF i
), done AS (
    INSERT INTO reservations (environment_id, id, key, state, expires_at, fingerprint)
    SELECT $1, $2, $3, $4, now() + make_interval(secs => $5::integer), $6
     WHERE (SELECT count(*) FROM seen) = cardinality($7) RETURNING id, key, state, expires_at, created_at, version
), lines AS (
    INSERT INTO reservation_lines (environment_id, reservation_id, place, sku, location_id, open)
    SELECT $1, $2, l.* FROM done, unnest($9::integer[], $10::text[], $11::uuid[], $12::bigint[]) AS l
), taken AS (
    SELECT c.* FROM done, unnest($13::text[], $14::uuid[], $15::bigint[]) AS c (sku, location_id, reserved)
), moved AS (
    UPDATE levels v SET reserved = v.reserved + c.reserved FROM taken c
     WHERE v.environment_id = $1 AND v.sku = c.sku AND v.location_id = c.location_id
), written AS (
    INSERT INTO movements (environment_id, sku, location_id, reason, on_hand, reserved, reference, note, actor, correlation_id)
    SELECT $1, c.sku, c.location_id, 'RESERVED', 0, c.reserved, $3, NULL, $16, $17 FROM taken c
), summed AS (
    UPDATE items i SET reserved = i.reserved + c.reserved
      FROM (SELECT sku, sum(reserved)::bigint AS reserved FROM taken GROUP BY sku) c
     WHERE i.environment_id = $1 AND i.sku = c.sku
) /* tell */ SELECT id, key, state, expires_at, created_at, version FROM done;

-- name: allocate_held
-- A reservation that is held is somebody's for good, and that is told; nothing when it is not held.  lines: as of lines_of.
WITH done AS (
    UPDATE reservations SET state = 'ALLOCATED', expires_at = NULL, version = version + 1
     WHERE environment_id = $1 AND id = (SELECT id FROM reservations WHERE environment_id = $1 AND key = $2) AND state = 'HELD'
    RETURNING id, key, state, expires_at, created_at, version
) /* tell */ SELECT id, key, state, expires_at, created_at, version, (
    SELECT coalesce(json_agg(json_build_array(r.place, r.sku, r.location_id, l.key, r.open, r.fulfilled, r.released)
                             ORDER BY r.place), '[]')::text
      FROM reservation_lines r LEFT JOIN locations l ON l.environment_id = $1 AND l.id = r.location_id
     WHERE r.environment_id = $1 AND r.reservation_id = done.id) AS lines FROM done;

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
