-- name: promotions_for
-- The promotions with these codes, each with how often a customer ($3) uses it, where that matters.
SELECT shown_code, name, active, kind, rule, valid_from, valid_to, uses_max, uses_per_customer_max, stackable, version, used,
       code,
       CASE WHEN p.uses_per_customer_max IS NULL OR $3::uuid IS NULL THEN 0
            ELSE (SELECT count(*) FROM redemptions r
                   WHERE r.environment_id = $1 AND r.code = p.code AND r.customer_id = $3 AND r.released_at IS NULL)
        END AS used_by_customer
  FROM promotions p WHERE p.environment_id = $1 AND p.code = ANY ($2::text[]);

-- name: promotion
-- One promotion.
SELECT shown_code, name, active, kind, rule, valid_from, valid_to, uses_max, uses_per_customer_max, stackable, version, used
  FROM promotions WHERE environment_id = $1 AND code = $2;

-- name: promotions_page
-- Promotions after a code ($2).
SELECT shown_code, name, active, kind, rule, valid_from, valid_to, uses_max, uses_per_customer_max, stackable, version, used
  FROM promotions WHERE environment_id = $1 AND code > $2 ORDER BY code LIMIT $3;

-- name: lock_code
-- One change of a promotion at a time, also of one that is not there yet.
SELECT pg_advisory_xact_lock(hashtextextended('promotion of environment_id ' || $1::text || ' ' || $2, 0));

-- name: lock_promotion
-- A promotion, kept from being used or changed by others until the transaction ends.
SELECT shown_code, name, active, kind, rule, valid_from, valid_to, uses_max, uses_per_customer_max, stackable, version, used
  FROM promotions WHERE environment_id = $1 AND code = $2 FOR UPDATE;

-- name: put_promotion
-- A promotion as it is to be; how often it is used stays.
INSERT INTO promotions (environment_id, code, shown_code, name, active, kind, rule, valid_from, valid_to, uses_max,
                        uses_per_customer_max, stackable, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (environment_id, code) DO UPDATE
   SET shown_code = $3, name = $4, active = $5, kind = $6, rule = $7, valid_from = $8, valid_to = $9, uses_max = $10,
       uses_per_customer_max = $11, stackable = $12, version = $13
RETURNING used;

-- name: delete_promotion
-- Remove a promotion; a foreign key keeps one that was redeemed.
DELETE FROM promotions WHERE environment_id = $1 AND code = $2;

-- name: used_by
-- How often a customer uses a code.
SELECT count(*) FROM redemptions
 WHERE environment_id = $1 AND code = $2 AND customer_id = $3 AND released_at IS NULL;

-- name: redemption
-- One use, by its key.
SELECT key, code, customer_id, redeemed_at, released_at FROM redemptions WHERE environment_id = $1 AND key = $2;

-- name: insert_redemption
-- A use, unless the key has one.
INSERT INTO redemptions (environment_id, key, code, customer_id) VALUES ($1, $2, $3, $4)
ON CONFLICT (environment_id, key) DO NOTHING
RETURNING key, code, customer_id, redeemed_at, released_at;

-- name: release_redemption
-- A use that is given back. The caller has locked its promotion.
UPDATE redemptions SET released_at = now() WHERE environment_id = $1 AND key = $2
RETURNING key, code, customer_id, redeemed_at, released_at;

-- name: count_use
-- One use more or less ($3). The caller has locked the promotion.
UPDATE promotions SET used = used + $3 WHERE environment_id = $1 AND code = $2;
