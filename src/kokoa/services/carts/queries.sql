-- name: cart_by_id
-- A cart.
SELECT id, state, version, currency, customer_id, email, locale, channel, note, shipping_address, billing_address, lines,
       freeze_key, frozen_until, order_id, merged_into, created_at, changed_at, expires_at, shipping_method, codes FROM carts
 WHERE environment_id = $1 AND id = $2;

-- name: cart_by_token
-- The cart whose token has this digest.
SELECT id, state, version, currency, customer_id, email, locale, channel, note, shipping_address, billing_address, lines,
       freeze_key, frozen_until, order_id, merged_into, created_at, changed_at, expires_at, shipping_method, codes FROM carts
 WHERE environment_id = $1 AND token_digest = $2;

-- name: cart_of_customer
-- The cart that a customer fills, of which there is one at most.
SELECT id, state, version, currency, customer_id, email, locale, channel, note, shipping_address, billing_address, lines,
       freeze_key, frozen_until, order_id, merged_into, created_at, changed_at, expires_at, shipping_method, codes FROM carts
 WHERE environment_id = $1 AND customer_id = $2 AND state IN ('ACTIVE', 'FROZEN');

-- name: carts_by_ids
-- The carts with these ids, in any order.
SELECT id, state, version, currency, customer_id, email, locale, channel, note, shipping_address, billing_address, lines,
       freeze_key, frozen_until, order_id, merged_into, created_at, changed_at, expires_at, shipping_method, codes FROM carts
 WHERE environment_id = $1 AND id = ANY ($2::uuid[]);

-- name: carts_page
-- Carts by id, which is by age; those after one.
SELECT id, state, version, currency, customer_id, email, locale, channel, note, shipping_address, billing_address, lines,
       freeze_key, frozen_until, order_id, merged_into, created_at, changed_at, expires_at, shipping_method, codes FROM carts
 WHERE environment_id = $1 AND id > $2 ORDER BY id LIMIT $3;

-- name: carts_in_state_page
-- The same of one state ($4).
SELECT id, state, version, currency, customer_id, email, locale, channel, note, shipping_address, billing_address, lines,
       freeze_key, frozen_until, order_id, merged_into, created_at, changed_at, expires_at, shipping_method, codes FROM carts
 WHERE environment_id = $1 AND id > $2 AND state = $4 ORDER BY id LIMIT $3;

-- name: carts_of_customer_page
-- The same of one customer ($4), in one state ($5) if that is not null.
SELECT id, state, version, currency, customer_id, email, locale, channel, note, shipping_address, billing_address, lines,
       freeze_key, frozen_until, order_id, merged_into, created_at, changed_at, expires_at, shipping_method, codes FROM carts
 WHERE environment_id = $1 AND id > $2 AND customer_id = $4 AND ($5::text IS NULL OR state = $5) ORDER BY id LIMIT $3;

-- name: lock_cart_by_id
-- A cart, kept from other changes until the transaction ends.
SELECT id, state, version, currency, customer_id, email, locale, channel, note, shipping_address, billing_address, lines,
       freeze_key, frozen_until, order_id, merged_into, created_at, changed_at, expires_at, shipping_method, codes FROM carts
 WHERE environment_id = $1 AND id = $2 FOR UPDATE;

-- name: lock_cart_by_token
-- The same by the digest of its token.
SELECT id, state, version, currency, customer_id, email, locale, channel, note, shipping_address, billing_address, lines,
       freeze_key, frozen_until, order_id, merged_into, created_at, changed_at, expires_at, shipping_method, codes FROM carts
 WHERE environment_id = $1 AND token_digest = $2 FOR UPDATE;

-- name: lock_cart_of_customer
-- The same of the cart that a customer fills.
SELECT id, state, version, currency, customer_id, email, locale, channel, note, shipping_address, billing_address, lines,
       freeze_key, frozen_until, order_id, merged_into, created_at, changed_at, expires_at, shipping_method, codes FROM carts
 WHERE environment_id = $1 AND customer_id = $2 AND state IN ('ACTIVE', 'FROZEN') FOR UPDATE;

-- name: lock_customer
-- One at a time gets a cart for a customer, so that they have one at most.
SELECT pg_advisory_xact_lock(hashtextextended('cart of ' || $2::text || ' of environment_id ' || $1::text, 0));

-- name: insert_cart
-- A new cart, without lines.
INSERT INTO carts (environment_id, id, token_digest, currency, customer_id, email, locale, channel,
                   created_at, changed_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10);

-- name: begin_cart
-- The same, and its events; and what is answered ($14) to an idempotency key ($12), if there is one: a token or a key that made a
-- cart before is an error.
WITH done AS (
    INSERT INTO carts (environment_id, id, token_digest, currency, customer_id, email, locale, channel,
                       created_at, changed_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10) RETURNING id
), kept AS (
    INSERT INTO answered (environment_id, operation, key, fingerprint, answer)
    SELECT $1, $11::text, $12::text, $13::bytea, $14::bytea FROM done WHERE $12 IS NOT NULL
) /* tell */ SELECT id FROM done;

-- name: change_cart
-- A cart as it is to be, if it is still as it was at a version ($19) and moment ($20); with its events, and what is answered ($24)
-- to an idempotency key ($22), if there is one: a key that was answered before is an error, and nothing is changed.
WITH done AS (
    UPDATE carts SET state = $3, version = $4, customer_id = $5, email = $6, note = $7, shipping_address = $8,
           billing_address = $9, lines = $10, freeze_key = $11, frozen_until = $12, order_id = $13, merged_into = $14,
           changed_at = $15, expires_at = $16, shipping_method = $17, codes = $18
     WHERE environment_id = $1 AND id = $2 AND version = $19 AND changed_at = $20 RETURNING id
), kept AS (
    INSERT INTO answered (environment_id, operation, key, fingerprint, answer)
    SELECT $1, $21::text, $22::text, $23::bytea, $24::bytea FROM done WHERE $22 IS NOT NULL
) /* tell */ SELECT id FROM done;

-- name: update_cart
-- A cart as it is to be. The caller has locked it.
UPDATE carts SET state = $3, version = $4, customer_id = $5, email = $6, note = $7, shipping_address = $8,
       billing_address = $9, lines = $10, freeze_key = $11, frozen_until = $12, order_id = $13, merged_into = $14,
       changed_at = $15, expires_at = $16, shipping_method = $17, codes = $18
 WHERE environment_id = $1 AND id = $2;

-- name: overdue
-- Carts of any environment_id whose time is over at a moment ($1); of a function that sees all of them.
SELECT environment_id, id FROM overdue_carts($1, $2) /* of any environment_id */;

-- name: forget_closed
-- Expired and merged carts that expired, or would have, before a moment ($1), a batch ($2) of any environment_id.
SELECT forget_closed_carts($1, $2) /* of any environment_id */;

-- name: forget_answers
-- Answers from before a moment ($1), a batch ($2) of any environment_id; of a function that sees all of them.
SELECT forget_answers($1, $2) /* of any environment_id */;
