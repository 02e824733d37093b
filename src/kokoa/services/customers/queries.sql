-- name: customers_by_ids
-- The customers with these ids.
SELECT id, email, first_name, last_name, phone, locale, company_name, vat_number, verified_at, disabled_at,
       external_reference, version, created_at, password IS NOT NULL AS has_password
  FROM customers WHERE environment_id = $1 AND id = ANY ($2::uuid[]);

-- name: customer_by_email
-- The customer with an address.
SELECT id, email, first_name, last_name, phone, locale, company_name, vat_number, verified_at, disabled_at,
       external_reference, version, created_at, password IS NOT NULL AS has_password
  FROM customers WHERE environment_id = $1 AND email = $2;

-- name: customer_by_reference
-- The customer with a key of another system.
SELECT id, email, first_name, last_name, phone, locale, company_name, vat_number, verified_at, disabled_at,
       external_reference, version, created_at, password IS NOT NULL AS has_password
  FROM customers WHERE environment_id = $1 AND external_reference = $2;

-- name: lock_reference
-- One at a time makes the customer with a reference.
SELECT pg_advisory_xact_lock(hashtextextended('customer of environment_id ' || $1::text || ' ' || $2::text, 0));

-- name: customers_page
-- Customers by id, the oldest first; those after one ($2), of a group ($3) if that is asked for.
SELECT c.id, c.email, c.first_name, c.last_name, c.phone, c.locale, c.company_name, c.vat_number, c.verified_at,
       c.disabled_at, c.external_reference, c.version, c.created_at, c.password IS NOT NULL AS has_password
  FROM customers c
 WHERE c.environment_id = $1 AND c.id > $2
   AND ($3::text IS NULL OR EXISTS (SELECT FROM memberships m WHERE m.environment_id = $1 AND m.customer_id = c.id
                                                               AND m.group_key = $3))
 ORDER BY c.id LIMIT $4;

-- name: changes_page
-- Customers that changed after a place of the feed, up to the oldest transaction that is still open.
WITH settled AS (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS before)
SELECT c.changed_in, c.id, c.email, c.first_name, c.last_name, c.phone, c.locale, c.company_name, c.vat_number,
       c.verified_at, c.disabled_at, c.external_reference, c.version, c.created_at, c.password IS NOT NULL AS has_password
  FROM customers c
 WHERE c.environment_id = $1 AND (c.changed_in, c.id) > ($2, $3) AND c.changed_in < (SELECT before FROM settled)
 ORDER BY c.changed_in, c.id LIMIT $4;

-- name: customer_for_update
-- A customer, kept from other changes until the transaction ends.
SELECT id, email, first_name, last_name, phone, locale, company_name, vat_number, verified_at, disabled_at,
       external_reference, version, created_at, password IS NOT NULL AS has_password
  FROM customers WHERE environment_id = $1 AND id = $2 FOR UPDATE;

-- name: sign_in_of
-- What decides whether somebody with this address may come in.
SELECT id, password FROM customers WHERE environment_id = $1 AND email = $2;

-- name: password_of
-- A customer's password, hashed.
SELECT password FROM customers WHERE environment_id = $1 AND id = $2;

-- name: claim_guess
-- Whether a password may be looked at now. It counts as wrong until it proves right, so that many at once are counted too.
-- After $3 wrong ones each makes the next wait twice as long, at most $4 s.
UPDATE customers SET failures = failures + 1, failed_at = now()
 WHERE environment_id = $1 AND id = $2
   AND (failures < $3
        OR failed_at <= now() - make_interval(secs => least(power(2, least(failures - $3 + 1, 20)), $4)))
RETURNING true;

-- name: forget_failures
-- The right password was given.
UPDATE customers SET failures = 0, failed_at = NULL WHERE environment_id = $1 AND id = $2 AND failures > 0;

-- name: insert_customer
-- A new customer, unless somebody has the address.
INSERT INTO customers (environment_id, id, email, password, first_name, last_name, phone, locale, company_name,
                       vat_number, external_reference)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (environment_id, email) DO NOTHING
RETURNING id, email, first_name, last_name, phone, locale, company_name, vat_number, verified_at, disabled_at,
          external_reference, version, created_at, password IS NOT NULL AS has_password;

-- name: update_customer
-- A customer as it is to be. The caller has locked it.
UPDATE customers
   SET email = $3, first_name = $4, last_name = $5, phone = $6, locale = $7, company_name = $8, vat_number = $9,
       verified_at = $10, disabled_at = $11, external_reference = $12, version = version + 1
 WHERE environment_id = $1 AND id = $2
RETURNING id, email, first_name, last_name, phone, locale, company_name, vat_number, verified_at, disabled_at,
          external_reference, version, created_at, password IS NOT NULL AS has_password;

-- name: touch_customer
-- Something that belongs to a customer changed. The caller has locked it.
UPDATE customers SET version = version + 1 WHERE environment_id = $1 AND id = $2
RETURNING id, email, first_name, last_name, phone, locale, company_name, vat_number, verified_at, disabled_at,
          external_reference, version, created_at, password IS NOT NULL AS has_password;

-- name: set_password
-- Another password, hashed; wrong ones count no more.
UPDATE customers SET password = $3, failures = 0, failed_at = NULL WHERE environment_id = $1 AND id = $2;

-- name: addresses_of
-- The addresses of these customers, in their order.
SELECT id, customer_id, first_name, last_name, company_name, line1, line2, postal_code, city, region, country, phone
  FROM addresses WHERE environment_id = $1 AND customer_id = ANY ($2::uuid[]) ORDER BY customer_id, place, id;

-- name: address_count
-- How many a customer has.
SELECT count(*) FROM addresses WHERE environment_id = $1 AND customer_id = $2;

-- name: insert_address
-- One more address of a customer, the last.
INSERT INTO addresses (environment_id, id, customer_id, first_name, last_name, company_name, line1, line2, postal_code,
                       city, region, country, phone, place)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
        (SELECT coalesce(max(place), 0) + 1 FROM addresses WHERE environment_id = $1 AND customer_id = $3));

-- name: update_address
-- An address as it is to be, if it is the customer's.
UPDATE addresses
   SET first_name = $4, last_name = $5, company_name = $6, line1 = $7, line2 = $8, postal_code = $9, city = $10,
       region = $11, country = $12, phone = $13
 WHERE environment_id = $1 AND id = $2 AND customer_id = $3 RETURNING id;

-- name: delete_address
-- Remove an address, if it is the customer's.
DELETE FROM addresses WHERE environment_id = $1 AND id = $2 AND customer_id = $3 RETURNING id;

-- name: insert_session
-- Somebody signed in.
INSERT INTO sessions (environment_id, id, customer_id, digest, expires_at) VALUES ($1, $2, $3, $4, $5);

-- name: session_by_digest
-- The session of a refresh token, or of the one before it, kept from other changes until the transaction ends.
SELECT s.id, s.customer_id, s.digest = $2 AS current, s.expires_at, s.revoked_at IS NOT NULL AS revoked,
       s.expires_at <= now() AS expired, now() - s.rotated_at < interval '10 s' AS just_rotated,
       c.disabled_at IS NOT NULL AS disabled
  FROM sessions s JOIN customers c ON c.environment_id = $1 AND c.id = s.customer_id
 WHERE s.environment_id = $1 AND (s.digest = $2 OR s.previous_digest = $2) FOR UPDATE OF s;

-- name: rotate_session
-- Another refresh token of a session.
UPDATE sessions SET previous_digest = digest, digest = $3, rotated_at = now() WHERE environment_id = $1 AND id = $2;

-- name: revoke_session
-- End a session of a customer.
UPDATE sessions SET revoked_at = now() WHERE environment_id = $1 AND id = $2 AND customer_id = $3 AND revoked_at IS NULL
RETURNING id;

-- name: revoke_sessions
-- End all sessions of a customer but one.
UPDATE sessions SET revoked_at = now()
 WHERE environment_id = $1 AND customer_id = $2 AND revoked_at IS NULL AND ($3::uuid IS NULL OR id <> $3)
RETURNING id;

-- name: session_stands
-- Whether a session is good still.
SELECT EXISTS (
    SELECT FROM sessions s JOIN customers c ON c.environment_id = $1 AND c.id = s.customer_id
     WHERE s.environment_id = $1 AND s.id = $2 AND s.revoked_at IS NULL AND s.expires_at > now()
       AND c.disabled_at IS NULL);

-- name: sessions_of
-- Where a customer is signed in, the last first.
SELECT id, created_at, rotated_at, expires_at FROM sessions
 WHERE environment_id = $1 AND customer_id = $2 AND revoked_at IS NULL AND expires_at > now()
 ORDER BY rotated_at DESC LIMIT $3;

-- name: insert_proof
-- What is sent by e-mail; what was sent before for the same purpose is good no more.
WITH gone AS (DELETE FROM proofs WHERE environment_id = $1 AND customer_id = $3 AND purpose = $4)
INSERT INTO proofs (environment_id, digest, customer_id, purpose, email, expires_at) VALUES ($1, $2, $3, $4, $5, $6);

-- name: proof_is_fresh
-- Whether something was sent to an address for a purpose just now: what has so long to go ($5), or longer.
SELECT EXISTS (SELECT FROM proofs WHERE environment_id = $1 AND customer_id = $2 AND purpose = $3 AND email = $4
                                    AND expires_at > $5);

-- name: take_proof
-- Use what came back from an e-mail; it is gone then.
DELETE FROM proofs WHERE environment_id = $1 AND digest = $2 AND purpose = $3
RETURNING customer_id, email, expires_at > now() AS good;

-- name: forget_sessions
-- Sessions and proofs that ended before a moment ($1), a batch ($2) of any environment_id; of a function that sees all.
SELECT forget_sessions($1, $2) /* of any environment_id */;

-- name: forget_answers
-- Answers from before a moment ($1), a batch ($2) of any environment_id; of a function that sees all of them.
SELECT forget_answers($1, $2) /* of any environment_id */;

-- name: groups_all
-- Every group by key; their number is bounded.
SELECT key, name FROM groups WHERE environment_id = $1 ORDER BY key;

-- name: lock_groups
-- One new group of an environment at a time, so that their number is bounded.
SELECT pg_advisory_xact_lock(hashtextextended('groups of environment_id ' || $1::text, 0));

-- name: put_group
-- A group, new or with another name.
INSERT INTO groups (environment_id, key, name) VALUES ($1, $2, $3)
ON CONFLICT (environment_id, key) DO UPDATE SET name = excluded.name;

-- name: delete_group
-- Remove a group; a foreign key keeps one with members.
DELETE FROM groups WHERE environment_id = $1 AND key = $2 RETURNING key;

-- name: groups_of
-- The groups of these customers.
SELECT m.customer_id, g.key, g.name FROM memberships m JOIN groups g ON g.environment_id = $1 AND g.key = m.group_key
 WHERE m.environment_id = $1 AND m.customer_id = ANY ($2::uuid[]) ORDER BY m.customer_id, g.key;

-- name: groups_kept
-- Those of these groups that are there, which nobody deletes until the transaction ends.
SELECT key FROM groups WHERE environment_id = $1 AND key = ANY ($2::text[]) ORDER BY key FOR KEY SHARE;

-- name: delete_memberships
-- A customer is in no group.
DELETE FROM memberships WHERE environment_id = $1 AND customer_id = $2;

-- name: insert_memberships
-- A customer is in groups.
INSERT INTO memberships (environment_id, customer_id, group_key) SELECT $1, $2, unnest($3::text[]);
