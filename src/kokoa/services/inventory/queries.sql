-- name: locations_all
-- Every location, in the order in which reservations take from them; their number is bounded.
SELECT id, key, name, priority, active, external_reference, version FROM locations
 WHERE environment_id = $1 ORDER BY priority, key;

-- name: location_for_update
-- A location, kept from other changes until the transaction ends.
SELECT id, key, name, priority, active, external_reference, version FROM locations
 WHERE environment_id = $1 AND id = $2 FOR UPDATE;

-- name: lock_locations
-- One new location of an environment at a time, so that their number is bounded.
SELECT pg_advisory_xact_lock(hashtextextended('locations of environment_id ' || $1::text, 0));

-- name: insert_location
-- A new location.
INSERT INTO locations (environment_id, id, key, name, priority, active, external_reference)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: insert_default_location
-- The location of whoever names none, unless it is there.
INSERT INTO locations (environment_id, id, key, name, priority) VALUES ($1, $2, $3, $4, 100)
ON CONFLICT (environment_id, key) DO NOTHING;

-- name: update_location
-- A location as it is to be. The caller has locked it.
UPDATE locations SET name = $3, priority = $4, active = $5, external_reference = $6, version = $7
 WHERE environment_id = $1 AND id = $2;

-- name: delete_location
-- Remove a location; a foreign key keeps one that levels name.
DELETE FROM locations WHERE environment_id = $1 AND id = $2;

-- name: locations_by_keys
-- The locations with these keys, which nobody deletes until the transaction ends.
SELECT id, key, name, priority, active, external_reference, version FROM locations
 WHERE environment_id = $1 AND key = ANY ($2::text[]) FOR KEY SHARE;

-- name: items_by_skus
-- The articles with these SKUs that inventory was told of.
SELECT sku, on_hand, reserved, tracked, backorder_limit, external_reference, version, changed_at FROM items
 WHERE environment_id = $1 AND sku = ANY ($2::text[]);

-- name: items_page
-- Articles by SKU; those after one ($2), with at most so much available ($3) if that is asked for.
SELECT sku, on_hand, reserved, tracked, backorder_limit, external_reference, version, changed_at FROM items
 WHERE environment_id = $1 AND sku > $2 AND ($3::bigint IS NULL OR tracked AND on_hand - reserved <= $3)
 ORDER BY sku LIMIT $4;

-- name: levels_of
-- What of these articles lies where, in the order in which reservations take it.
SELECT v.sku, v.location_id, l.key AS location, v.on_hand, v.reserved
  FROM levels v JOIN locations l ON l.environment_id = $1 AND l.id = v.location_id
 WHERE v.environment_id = $1 AND v.sku = ANY ($2::text[])
 ORDER BY v.sku, l.active DESC, l.priority, l.key;

-- name: active_levels_of
-- The same of locations that reservations may take from.
SELECT v.sku, v.location_id, l.key AS location, v.on_hand, v.reserved
  FROM levels v JOIN locations l ON l.environment_id = $1 AND l.id = v.location_id
 WHERE v.environment_id = $1 AND v.sku = ANY ($2::text[]) AND l.active
 ORDER BY v.sku, l.priority, l.key;

-- name: movements_page
-- What changed the stock of articles, the last of each first; those before one ($3), so many of each ($4).
SELECT m.id, m.sku, l.key AS location, m.reason, m.on_hand, m.reserved, m.reference, m.note, m.actor, m.moved_at
  FROM unnest($2::text[]) AS w (sku)
 CROSS JOIN LATERAL (SELECT * FROM movements m WHERE m.environment_id = $1 AND m.sku = w.sku AND m.id < $3
                      ORDER BY m.id DESC LIMIT $4) m
  LEFT JOIN locations l ON l.environment_id = $1 AND l.id = m.location_id
 ORDER BY m.sku, m.id DESC;

-- name: changes_page
-- Articles whose stock changed after a place of the feed, up to the oldest transaction that is still open.
WITH settled AS (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS before)
SELECT s.before, i.* FROM settled s LEFT JOIN LATERAL (
    SELECT changed_in, sku, on_hand, reserved, tracked, backorder_limit, external_reference, version, changed_at
      FROM items WHERE environment_id = $1 AND (changed_in, sku) > ($2, $3) AND changed_in < (SELECT before FROM settled)
     ORDER BY changed_in, sku LIMIT $4) i ON true
 ORDER BY i.changed_in, i.sku;

-- name: ensure_items
-- Articles that inventory was not told of before; these are answered.
INSERT INTO items (environment_id, sku) SELECT $1, sku FROM unnest($2::text[]) AS sku ORDER BY sku
ON CONFLICT (environment_id, sku) DO NOTHING RETURNING sku;

-- name: lock_items
-- Articles, kept from other changes until the transaction ends; everybody locks them in this order.
SELECT sku, on_hand, reserved, tracked, backorder_limit, external_reference, version, changed_at FROM items
 WHERE environment_id = $1 AND sku = ANY ($2::text[]) ORDER BY sku FOR UPDATE;

-- name: set_policy
-- How an article is counted. The caller has locked it.
UPDATE items SET tracked = $3, backorder_limit = $4, external_reference = $5 WHERE environment_id = $1 AND sku = $2
RETURNING sku, on_hand, reserved, tracked, backorder_limit, external_reference, version, changed_at;

-- name: ensure_levels
-- Places where articles lie from now on.
INSERT INTO levels (environment_id, sku, location_id, on_hand)
SELECT DISTINCT $1::uuid, c.sku, c.location_id, 0 FROM unnest($2::text[], $3::uuid[]) AS c (sku, location_id)
 WHERE c.location_id IS NOT NULL ORDER BY 2, 3
ON CONFLICT (environment_id, sku, location_id) DO NOTHING;

-- name: move_stock
-- By how many ($5, $6) what lies at locations changes, and the articles' sums with it; and why, for good. The caller has locked the articles.
WITH c AS (
    SELECT * FROM unnest($2::text[], $3::uuid[], $4::text[], $5::bigint[], $6::bigint[], $7::text[], $8::text[])
        AS c (sku, location_id, reason, on_hand, reserved, reference, note)
), moved AS (
    UPDATE levels v SET on_hand = v.on_hand + l.on_hand, reserved = v.reserved + l.reserved
      FROM (SELECT sku, location_id, sum(on_hand)::bigint AS on_hand, sum(reserved)::bigint AS reserved FROM c GROUP BY 1, 2) l
     WHERE v.environment_id = $1 AND v.sku = l.sku AND v.location_id = l.location_id
), written AS (
    INSERT INTO movements (environment_id, sku, location_id, reason, on_hand, reserved, reference, note, actor, correlation_id)
    SELECT $1, c.*, $9, $10 FROM c
)
UPDATE items i SET on_hand = i.on_hand + s.on_hand, reserved = i.reserved + s.reserved
  FROM (SELECT sku, sum(on_hand)::bigint AS on_hand, sum(reserved)::bigint AS reserved FROM c GROUP BY 1) s
 WHERE i.environment_id = $1 AND i.sku = s.sku
RETURNING i.sku, i.on_hand, i.reserved, i.tracked, i.backorder_limit, i.external_reference, i.version, i.changed_at;

-- name: forget_answers
-- Answers from before a moment ($1), a batch ($2) of any environment_id; of a function that sees all of them.
SELECT forget_answers($1, $2) /* of any environment_id */;
