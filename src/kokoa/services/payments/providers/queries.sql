-- name: settings_all
-- How this environment uses providers; their number is bounded by that of the providers.
SELECT key, active, webhook_secret_sealed, secret_key_sealed, version FROM providers WHERE environment_id = $1;

-- name: settings_of
-- The same of one.
SELECT key, active, webhook_secret_sealed, secret_key_sealed, version FROM providers WHERE environment_id = $1 AND key = $2;

-- name: lock_settings
-- One change of an environment's providers at a time.
SELECT pg_advisory_xact_lock(hashtextextended('payment providers of environment_id ' || $1::text, 0));

-- name: put_settings
-- How it uses a provider from now on. The caller has locked them.
INSERT INTO providers (environment_id, key, active, webhook_secret_sealed, secret_key_sealed, version)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (environment_id, key) DO UPDATE
   SET active = excluded.active, webhook_secret_sealed = excluded.webhook_secret_sealed,
       secret_key_sealed = excluded.secret_key_sealed, version = excluded.version;
