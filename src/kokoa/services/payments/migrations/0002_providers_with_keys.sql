-- By what a provider of real money knows the environment; sealed.
ALTER TABLE providers ADD COLUMN secret_key_sealed bytea;

-- How much of the authorisation may be taken still once the request is done: a provider that captures once must know
-- which capture is the last.
ALTER TABLE open_requests ADD COLUMN left_minor bigint NOT NULL DEFAULT 0;

-- What a provider says of an authorisation by its own id of it.
CREATE INDEX transactions_by_authorization ON transactions (environment_id, provider_reference)
 WHERE type = 'AUTHORIZE_SUCCESS';
