-- name: environment_by_alias
-- Directory: the environment of a tenant by name.
SELECT * FROM environment_by_alias($1, $2);

-- name: environment_by_secret
-- Directory: the environment of a tenant whose secret has this digest.
SELECT * FROM environment_by_secret($1, $2);

-- name: environment_by_domain
-- Directory: the environment that a domain leads to.
SELECT * FROM environment_by_domain($1);

-- name: environment_by_id
-- Directory: one environment.
SELECT * FROM environment_by_id($1);

-- name: environments_page
-- Directory: all environments, by alias and name, after the given pair.
SELECT * FROM environments_page($1, $2, $3);

-- name: access_key_by_id
-- Directory: a key that is not revoked, with whose it is.
SELECT * FROM access_key_by_id($1);

-- name: insert_environment
-- A new environment; nothing when the tenant has one of that name.
INSERT INTO environments (environment_id, tenant_alias, name, tenant_secret_digest, graphql_secret_digest)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING
RETURNING environment_id;

-- name: rotate_secrets
-- New secrets; the old ones end at once.
UPDATE environments SET tenant_secret_digest = $2, graphql_secret_digest = $3
 WHERE environment_id = $1
RETURNING environment_id;

-- name: set_rate_limit
-- Requests that the environment may make in each window.
UPDATE environments SET requests_per_window = $2
 WHERE environment_id = $1
RETURNING environment_id;

-- name: insert_domain
-- A domain of the environment; nothing when somebody has it.
INSERT INTO domains (environment_id, domain) VALUES ($1, $2)
ON CONFLICT DO NOTHING
RETURNING domain;

-- name: insert_account
-- A partner's account; nothing when the partner has one in this environment.
INSERT INTO accounts (environment_id, account_id, partner) VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING
RETURNING account_id;

-- name: account_by_partner
-- The account of a partner in the environment.
SELECT account_id, partner, created_at FROM accounts WHERE environment_id = $1 AND partner = $2;

-- name: account_by_id
-- An account of the environment.
SELECT account_id, partner, created_at FROM accounts WHERE environment_id = $1 AND account_id = $2;

-- name: accounts_page
-- Accounts of the environment, by partner, after the given one.
SELECT account_id, partner, created_at FROM accounts
 WHERE environment_id = $1 AND partner > $2 ORDER BY partner LIMIT $3;

-- name: insert_access_key
-- A new access key of an account.
INSERT INTO access_keys (environment_id, access_key_id, account_id, secret_sealed) VALUES ($1, $2, $3, $4);

-- name: lock_account
-- Let nobody else add keys to the account until this transaction ends.
SELECT account_id FROM accounts WHERE environment_id = $1 AND account_id = $2 FOR UPDATE;

-- name: live_key_count
-- How many keys of the account are not revoked.
SELECT count(*) FROM access_keys WHERE environment_id = $1 AND account_id = $2 AND revoked_at IS NULL;

-- name: access_keys_of
-- The keys of an account, newest first, without their secrets.
SELECT access_key_id, account_id, created_at, revoked_at FROM access_keys
 WHERE environment_id = $1 AND account_id = $2 ORDER BY created_at DESC LIMIT $3;

-- name: revoke_access_key
-- End a key now.
UPDATE access_keys SET revoked_at = now()
 WHERE environment_id = $1 AND access_key_id = $2 AND revoked_at IS NULL
RETURNING account_id;

-- name: insert_grant
-- Let a partner take what the pattern names; nothing when it is granted already.
INSERT INTO grants (environment_id, account_id, kind, pattern) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING
RETURNING pattern;

-- name: delete_grant
-- Take a grant back.
DELETE FROM grants WHERE environment_id = $1 AND account_id = $2 AND kind = $3 AND pattern = $4
RETURNING pattern;

-- name: grant_count
-- How many grants the environment has.
SELECT count(*) FROM grants WHERE environment_id = $1;

-- name: grants_all
-- All grants of the environment with their partners; bounded.
SELECT g.account_id, a.partner, g.kind, g.pattern, g.created_at
  FROM grants g JOIN accounts a USING (environment_id, account_id)
 WHERE g.environment_id = $1 ORDER BY g.created_at, g.account_id, g.pattern LIMIT $2;

-- name: insert_destination
-- Let functions connect to a destination; nothing when they may already.
INSERT INTO egress (environment_id, host, port) VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING
RETURNING host;

-- name: delete_destination
-- Functions may no longer connect to a destination.
DELETE FROM egress WHERE environment_id = $1 AND host = $2 AND port = $3 RETURNING host;

-- name: destinations_all
-- Where functions may connect to; bounded by how many there may be.
SELECT host, port, created_at FROM egress WHERE environment_id = $1 ORDER BY host, port;

-- name: destination_count
-- How many destinations the environment has.
SELECT count(*) FROM egress WHERE environment_id = $1;

-- name: lock_environment
-- Let nobody else change what the environment registers until this transaction ends.
SELECT environment_id FROM environments WHERE environment_id = $1 FOR UPDATE;

-- name: registered_operation
-- The text of a registered document, by its id or by its SHA-256.
SELECT document FROM registered_operations
 WHERE environment_id = $1 AND (document_id = $2 OR digest = $2) LIMIT 1;

-- name: registered_digests
-- Which of these ids are registered, with the SHA-256 of their texts.
SELECT document_id, digest FROM registered_operations
 WHERE environment_id = $1 AND document_id = ANY ($2::text[]);

-- name: registered_count
-- How many documents the environment has registered.
SELECT count(*) FROM registered_operations WHERE environment_id = $1;

-- name: insert_registered_operations
-- New documents: ids, digests and texts side by side.
INSERT INTO registered_operations (environment_id, document_id, digest, document)
SELECT $1, new.document_id, new.digest, new.document
  FROM unnest($2::text[], $3::text[], $4::text[]) AS new (document_id, digest, document)
ON CONFLICT DO NOTHING
RETURNING document_id;

-- name: registered_operations_page
-- Registered documents by id, after the given one.
SELECT document_id, digest, octet_length(document) AS bytes, registered_at FROM registered_operations
 WHERE environment_id = $1 AND document_id > $2 ORDER BY document_id LIMIT $3;

-- name: registered_operations_mentioning
-- Registered documents in which a text stands, whatever the capitals; by id, after the given one.
SELECT document_id, document FROM registered_operations
 WHERE environment_id = $1 AND document_id > $3 AND position(lower($2) IN lower(document)) > 0
 ORDER BY document_id LIMIT $4;

-- name: delete_registered_operation
-- Forget a registered document.
DELETE FROM registered_operations WHERE environment_id = $1 AND document_id = $2
RETURNING document_id;

-- name: set_operation_policy
-- Whether storefronts may send registered documents only.
INSERT INTO operation_policies (environment_id, registered_only) VALUES ($1, $2)
ON CONFLICT (environment_id) DO UPDATE SET registered_only = excluded.registered_only
RETURNING registered_only;

-- name: operation_policy
-- Whether storefronts may send registered documents only; nothing if nobody ever said so.
SELECT registered_only FROM operation_policies WHERE environment_id = $1;
