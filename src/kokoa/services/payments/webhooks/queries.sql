-- name: remember
-- Whether a webhook comes for the first time. Whoever brings the same at the same time waits for our end.
INSERT INTO webhooks_seen (environment_id, provider, webhook_id) VALUES ($1, $2, $3)
ON CONFLICT (environment_id, provider, webhook_id) DO NOTHING RETURNING true;

-- name: forget_webhooks
-- Webhooks from before a moment ($1), a batch ($2) of any environment_id; of a function that sees all of them.
SELECT forget_webhooks($1, $2) /* of any environment_id */;
