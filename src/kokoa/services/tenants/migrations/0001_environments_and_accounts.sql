-- Environments are the unit of isolation; a tenant is known by its alias alone.
CREATE TABLE environments (
    environment_id        uuid PRIMARY KEY,
    tenant_alias          text NOT NULL,
    name                  text NOT NULL,
    tenant_secret_digest  text NOT NULL,
    graphql_secret_digest text NOT NULL,
    requests_per_window   integer NOT NULL DEFAULT 600 CHECK (requests_per_window > 0),
    created_at            timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_alias, name)
);

CREATE TABLE domains (
    environment_id uuid NOT NULL REFERENCES environments,
    domain         text NOT NULL PRIMARY KEY,
    created_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON domains (environment_id);

-- An account is one (environment, partner) pair, so its keys decide tenant, environment and partner.
CREATE TABLE accounts (
    environment_id uuid NOT NULL REFERENCES environments,
    account_id     text NOT NULL PRIMARY KEY CHECK (account_id ~ '^[0-9]{12}$'),
    partner        text NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    UNIQUE (environment_id, partner),
    UNIQUE (environment_id, account_id)
);

CREATE TABLE access_keys (
    environment_id uuid NOT NULL,
    access_key_id  text NOT NULL PRIMARY KEY,
    account_id     text NOT NULL,
    secret_sealed  bytea NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    revoked_at     timestamptz,
    FOREIGN KEY (environment_id, account_id) REFERENCES accounts (environment_id, account_id)
);
CREATE INDEX ON access_keys (environment_id, account_id);

-- What an environment's owner lets a partner take: path patterns now, fields and events later.
CREATE TABLE grants (
    environment_id uuid NOT NULL,
    account_id     text NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('route')),
    pattern        text NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, account_id, kind, pattern),
    FOREIGN KEY (environment_id, account_id) REFERENCES accounts (environment_id, account_id)
);

-- The directory: what must be found before an environment is known.
CREATE VIEW environment_entries WITH (security_invoker = true) AS
SELECT e.*, ARRAY(SELECT d.domain FROM domains d WHERE d.environment_id = e.environment_id ORDER BY d.domain) AS domains
  FROM environments e;

CREATE FUNCTION environment_by_alias(alias text, environment text) RETURNS SETOF environment_entries
LANGUAGE sql STABLE SECURITY DEFINER
AS $$ SELECT * FROM environment_entries e WHERE e.tenant_alias = alias AND e.name = environment $$;

CREATE FUNCTION environment_by_secret(alias text, digest text) RETURNS SETOF environment_entries
LANGUAGE sql STABLE SECURITY DEFINER
AS $$ SELECT * FROM environment_entries e WHERE e.tenant_alias = alias AND e.tenant_secret_digest = digest $$;

CREATE FUNCTION environment_by_domain(host text) RETURNS SETOF environment_entries
LANGUAGE sql STABLE SECURITY DEFINER
AS $$ SELECT e.* FROM environment_entries e JOIN domains d USING (environment_id) WHERE d.domain = host $$;

CREATE FUNCTION environment_by_id(id uuid) RETURNS SETOF environment_entries
LANGUAGE sql STABLE SECURITY DEFINER
AS $$ SELECT * FROM environment_entries e WHERE e.environment_id = id $$;

CREATE FUNCTION environments_page(after_alias text, after_name text, most integer) RETURNS SETOF environment_entries
LANGUAGE sql STABLE SECURITY DEFINER
AS $$ SELECT * FROM environment_entries e
       WHERE (e.tenant_alias, e.name) > (after_alias, after_name) ORDER BY e.tenant_alias, e.name LIMIT most $$;

CREATE FUNCTION access_key_by_id(key_id text)
RETURNS TABLE (access_key_id text, secret_sealed bytea, account_id text, environment_id uuid, partner text,
               tenant_alias text, environment_name text)
LANGUAGE sql STABLE SECURITY DEFINER
AS $$ SELECT k.access_key_id, k.secret_sealed, k.account_id, k.environment_id, a.partner, e.tenant_alias, e.name
        FROM access_keys k JOIN accounts a USING (environment_id, account_id) JOIN environments e USING (environment_id)
       WHERE k.access_key_id = key_id AND k.revoked_at IS NULL $$;
