-- name: lock_books
-- One change of a payment's books at a time.
SELECT pg_advisory_xact_lock(hashtextextended('simulated payment of environment_id ' || $1::text || $2::text, 0));

-- name: books_of
-- All that was asked for a payment.
SELECT key, payment_id, operation, amount_minor, script, state, reference, message, url,
       coalesce(due_at <= now(), false) AS due
  FROM simulated_operations WHERE environment_id = $1 AND payment_id = $2 ORDER BY created_at, key;

-- name: book
-- A new operation.
INSERT INTO simulated_operations (environment_id, key, payment_id, operation, amount_minor, script, state, reference,
                                  message, url, due_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now() + make_interval(secs => $11::double precision));

-- name: rebook
-- What became of an operation.
UPDATE simulated_operations SET state = $3, message = $4, due_at = NULL WHERE environment_id = $1 AND key = $2;

-- name: tell_later
-- Something to tell by a webhook, in so many seconds ($5).
INSERT INTO simulated_webhooks (environment_id, id, key, type, due_at)
VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5::double precision));

-- name: due
-- Webhooks of any environment_id that are due; of a function that sees all of them.
SELECT environment_id, id FROM due_simulated_webhooks($1) /* of any environment_id */;

-- name: due_here
-- The same of one environment.
SELECT id FROM simulated_webhooks WHERE environment_id = $1 AND due_at <= now() ORDER BY due_at LIMIT $2;

-- name: claim_webhook
-- A webhook that is due, for whoever brings it; nobody else does for a while.
UPDATE simulated_webhooks SET due_at = now() + interval '30 s', attempts = attempts + 1
 WHERE environment_id = $1 AND id = $2 AND due_at <= now() RETURNING key, type, attempts;

-- name: told
-- It was taken in, or given up.
DELETE FROM simulated_webhooks WHERE environment_id = $1 AND id = $2;
