-- name: begin_payment
-- A new payment and what has happened to it already, with its events; nothing when its provider is not active ($24: by default).
-- And what is answered ($23) to an idempotency key ($21), if there is one: a key that was answered before is an error.
WITH done AS (
    INSERT INTO payments (environment_id, id, reference, amount_minor, currency, customer_id, provider, external_reference,
                          version, created_at, changed_at)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10
     WHERE coalesce((SELECT active FROM providers WHERE environment_id = $1 AND key = $7), $24) RETURNING id
), written AS (
    INSERT INTO transactions (environment_id, payment_id, type, amount_minor, key, provider_reference, message, action_url,
                              fingerprint, actor, correlation_id)
    SELECT $1, $2, c.*, $18, $19
      FROM done, unnest($11::text[], $12::bigint[], $13::text[], $14::text[], $15::text[], $16::text[], $17::bytea[]) AS c
), kept AS (
    INSERT INTO answered (environment_id, operation, key, fingerprint, answer)
    SELECT $1, $20::text, $21::text, $22::bytea, $23::bytea FROM done WHERE $21 IS NOT NULL
) /* tell */ SELECT id FROM done;

-- name: payments_by_ids
-- The payments with these ids.
SELECT id, reference, amount_minor, currency, customer_id, provider, external_reference, version, created_at, changed_at
  FROM payments WHERE environment_id = $1 AND id = ANY ($2::uuid[]);

-- name: payments_page
-- Payments, the newest first; those before one ($2).
SELECT id, reference, amount_minor, currency, customer_id, provider, external_reference, version, created_at, changed_at
  FROM payments WHERE environment_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3;

-- name: payments_of_reference
-- The same of what the caller named so ($4).
SELECT id, reference, amount_minor, currency, customer_id, provider, external_reference, version, created_at, changed_at
  FROM payments WHERE environment_id = $1 AND reference = $4 AND id < $2 ORDER BY id DESC LIMIT $3;

-- name: lock_payment
-- A payment, kept from other changes until the transaction ends.
SELECT id, reference, amount_minor, currency, customer_id, provider, external_reference, version, created_at, changed_at
  FROM payments WHERE environment_id = $1 AND id = $2 FOR UPDATE;

-- name: facts_of
-- What amounts are derived from, of several payments.
SELECT payment_id, type, amount_minor, key, provider_reference, message, action_url, fingerprint FROM transactions
 WHERE environment_id = $1 AND payment_id = ANY ($2::uuid[]) ORDER BY payment_id, id;

-- name: transactions_page
-- Transactions of payments, the last of each first; those before one ($3), so many of each ($4).
SELECT t.payment_id, t.id, t.type, t.amount_minor, t.key, t.provider_reference, t.message, t.action_url, t.actor,
       t.created_at
  FROM unnest($2::uuid[]) AS w (payment_id)
 CROSS JOIN LATERAL (SELECT * FROM transactions t WHERE t.environment_id = $1 AND t.payment_id = w.payment_id
                        AND t.id < $3 ORDER BY t.id DESC LIMIT $4) t
 ORDER BY t.payment_id, t.id DESC;

-- name: write_down
-- What happened to a payment, for good. The caller has locked it.
WITH written AS (
    INSERT INTO transactions (environment_id, payment_id, type, amount_minor, key, provider_reference, message, action_url,
                              fingerprint, actor, correlation_id)
    SELECT $1, $2, c.*, $10, $11
      FROM unnest($3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bytea[]) AS c
)
UPDATE payments SET version = version + 1, changed_at = now() WHERE environment_id = $1 AND id = $2
RETURNING id, reference, amount_minor, currency, customer_id, provider, external_reference, version, created_at, changed_at;

-- name: open_request
-- A request that has no result yet.
INSERT INTO open_requests (environment_id, payment_id, key, operation, amount_minor, method, return_url,
                           provider_reference, left_minor, ask_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now() + make_interval(secs => $10::double precision));

-- name: close_request
-- It has one.
DELETE FROM open_requests WHERE environment_id = $1 AND payment_id = $2 AND key = $3;

-- name: ask_later
-- When the provider is asked what became of a request.
UPDATE open_requests SET ask_at = now() + make_interval(secs => $4::double precision)
 WHERE environment_id = $1 AND payment_id = $2 AND key = $3;

-- name: claim_request
-- A request that is overdue, for whoever asks about it; nobody else does for a while ($4).
UPDATE open_requests o SET ask_at = now() + make_interval(secs => $4::double precision), asked = o.asked + 1
  FROM payments p
 WHERE o.environment_id = $1 AND o.payment_id = $2 AND o.key = $3 AND o.ask_at <= now()
   AND p.environment_id = $1 AND p.id = $2
RETURNING o.operation, o.amount_minor, o.method, o.return_url, o.provider_reference, o.left_minor, o.asked, p.provider,
          p.currency, p.reference;

-- name: overdue
-- Requests of any environment_id that are overdue; of a function that sees all of them.
SELECT environment_id, payment_id, key FROM overdue_requests($1, $2) /* of any environment_id */;

-- name: forget_answers
-- Answers from before a moment ($1), a batch ($2) of any environment_id; of a function that sees all of them.
SELECT forget_answers($1, $2) /* of any environment_id */;
