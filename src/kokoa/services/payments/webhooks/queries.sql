-- name: remember
-- Whether a webhook comes for the first time. Whoever brings the same at the same time waits for our end.
INSERT INTO webhooks_seen (environment_id, provider, webhook_id) VALUES ($1, $2, $3)
ON CONFLICT (environment_id, provider, webhook_id) DO NOTHING RETURNING true;

-- name: forget_webhooks
-- Webhooks from before a moment ($1), a batch ($2) of any environment_id; of a function that sees all of them.
SELECT forget_webhooks($1, $2) /* of any environment_id */;

-- name: payment_of_authorization
-- Which payment has an authorisation that the provider ($3) names so ($2).
SELECT t.payment_id FROM transactions t
  JOIN payments p ON p.environment_id = $1 AND p.id = t.payment_id AND p.provider = $3
 WHERE t.environment_id = $1 AND t.provider_reference = $2 AND t.type = 'AUTHORIZE_SUCCESS' LIMIT 1;

-- name: ask_now
-- The provider has something to say of a payment's requests.
UPDATE open_requests SET ask_at = now() WHERE environment_id = $1 AND payment_id = $2;
