-- Who buys. email: as it is compared, in small letters.
CREATE TABLE customers (
    environment_id     uuid NOT NULL,
    id                 uuid NOT NULL,
    email              text COLLATE "C" NOT NULL,
    -- Null for one who was made by the merchant and never chose a password.
    password           text,
    first_name         text NOT NULL DEFAULT '',
    last_name          text NOT NULL DEFAULT '',
    phone              text,
    locale             text,
    -- Both or neither.
    company_name       text,
    vat_number         text,
    verified_at        timestamptz,
    disabled_at        timestamptz,
    external_reference text,
    version            integer NOT NULL DEFAULT 1,
    created_at         timestamptz NOT NULL DEFAULT now(),
    changed_in         bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    -- Wrong passwords since the last right one, and when the last of them was.
    failures           integer NOT NULL DEFAULT 0,
    failed_at          timestamptz,
    PRIMARY KEY (environment_id, id),
    CHECK ((company_name IS NULL) = (vat_number IS NULL))
);
CREATE UNIQUE INDEX customers_by_email ON customers (environment_id, email);
CREATE UNIQUE INDEX customers_by_reference ON customers (environment_id, external_reference);
CREATE INDEX customers_by_change ON customers (environment_id, changed_in, id);

-- A failed sign-in is no change that anybody follows.
CREATE FUNCTION note_customer_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    NEW.changed_in := pg_current_xact_id()::text::bigint;
    RETURN NEW;
END
$$;
CREATE TRIGGER customer_changed BEFORE UPDATE ON customers
    FOR EACH ROW WHEN (OLD.version <> NEW.version) EXECUTE FUNCTION note_customer_change();

CREATE TABLE addresses (
    environment_id uuid NOT NULL,
    id             uuid NOT NULL,
    customer_id    uuid NOT NULL,
    place          integer NOT NULL,
    first_name     text NOT NULL,
    last_name      text NOT NULL,
    company_name   text,
    line1          text NOT NULL,
    line2          text,
    postal_code    text,
    city           text NOT NULL,
    region         text,
    -- ISO 3166-1 alpha-2.
    country        text NOT NULL,
    phone          text,
    PRIMARY KEY (environment_id, id),
    FOREIGN KEY (environment_id, customer_id) REFERENCES customers
);
CREATE INDEX addresses_of_customers ON addresses (environment_id, customer_id, place);

-- A browser or an app where somebody is signed in. Only digests of refresh tokens are kept: the current one, and the one
-- before, which nobody shows but a thief, or a client that did not get the answer.
CREATE TABLE sessions (
    environment_id  uuid NOT NULL,
    id              uuid NOT NULL,
    customer_id     uuid NOT NULL,
    digest          bytea NOT NULL,
    previous_digest bytea,
    rotated_at      timestamptz NOT NULL DEFAULT now(),
    created_at      timestamptz NOT NULL DEFAULT now(),
    expires_at      timestamptz NOT NULL,
    revoked_at      timestamptz,
    PRIMARY KEY (environment_id, id),
    FOREIGN KEY (environment_id, customer_id) REFERENCES customers
);
CREATE INDEX sessions_of_customers ON sessions (environment_id, customer_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- What was sent by e-mail to prove that somebody reads it; good once.
CREATE TABLE proofs (
    environment_id uuid NOT NULL,
    digest         bytea NOT NULL,
    customer_id    uuid NOT NULL,
    purpose        text NOT NULL CHECK (purpose IN ('VERIFY', 'RESET')),
    -- What is proved: an address that the customer no longer has is none.
    email          text NOT NULL,
    expires_at     timestamptz NOT NULL,
    PRIMARY KEY (environment_id, digest),
    FOREIGN KEY (environment_id, customer_id) REFERENCES customers
);
CREATE INDEX proofs_of_customers ON proofs (environment_id, customer_id);
CREATE INDEX proofs_by_expiry ON proofs (expires_at);

CREATE FUNCTION forget_sessions(before timestamptz, most integer)
RETURNS integer
LANGUAGE sql SECURITY DEFINER
AS $$
    WITH old AS (
        SELECT environment_id, id FROM sessions WHERE expires_at < before ORDER BY expires_at LIMIT most
           FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM sessions s USING old WHERE s.environment_id = old.environment_id AND s.id = old.id RETURNING 1
    ), stale AS (
        SELECT environment_id, digest FROM proofs WHERE expires_at < before ORDER BY expires_at LIMIT most
           FOR UPDATE SKIP LOCKED
    ), used AS (
        DELETE FROM proofs p USING stale WHERE p.environment_id = stale.environment_id AND p.digest = stale.digest
        RETURNING 1
    )
    SELECT ((SELECT count(*) FROM gone) + (SELECT count(*) FROM used))::integer
$$;

-- Whom a merchant treats alike, for prices and promotions.
CREATE TABLE groups (
    environment_id uuid NOT NULL,
    key            text COLLATE "C" NOT NULL,
    name           text NOT NULL,
    PRIMARY KEY (environment_id, key)
);

CREATE TABLE memberships (
    environment_id uuid NOT NULL,
    customer_id    uuid NOT NULL,
    group_key      text COLLATE "C" NOT NULL,
    PRIMARY KEY (environment_id, customer_id, group_key),
    FOREIGN KEY (environment_id, customer_id) REFERENCES customers,
    FOREIGN KEY (environment_id, group_key) REFERENCES groups
);
CREATE INDEX memberships_of_groups ON memberships (environment_id, group_key);

-- For whom people buy.
CREATE TABLE companies (
    environment_id     uuid NOT NULL,
    id                 uuid NOT NULL,
    name               text NOT NULL,
    vat_number         text NOT NULL,
    external_reference text,
    version            integer NOT NULL DEFAULT 1,
    created_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, id)
);
CREATE UNIQUE INDEX companies_by_vat ON companies (environment_id, vat_number);
CREATE UNIQUE INDEX companies_by_reference ON companies (environment_id, external_reference);

CREATE TABLE employees (
    environment_id uuid NOT NULL,
    company_id     uuid NOT NULL,
    customer_id    uuid NOT NULL,
    role           text NOT NULL CHECK (role IN ('ADMIN', 'APPROVER', 'BUYER')),
    PRIMARY KEY (environment_id, company_id, customer_id),
    FOREIGN KEY (environment_id, company_id) REFERENCES companies,
    FOREIGN KEY (environment_id, customer_id) REFERENCES customers
);
CREATE INDEX employees_by_customer ON employees (environment_id, customer_id);

-- What a request with an idempotency key answered.
CREATE TABLE answered (
    environment_id uuid NOT NULL,
    operation      text NOT NULL,
    key            text NOT NULL,
    fingerprint    bytea NOT NULL,
    answer         bytea,
    answered_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, operation, key)
);
CREATE INDEX answered_by_age ON answered (answered_at);

CREATE FUNCTION forget_answers(before timestamptz, most integer)
RETURNS integer
LANGUAGE sql SECURITY DEFINER
AS $$
    WITH old AS (
        SELECT environment_id, operation, key FROM answered WHERE answered_at < before
         ORDER BY answered_at LIMIT most FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM answered a USING old
         WHERE a.environment_id = old.environment_id AND a.operation = old.operation AND a.key = old.key RETURNING 1
    )
    SELECT count(*)::integer FROM gone
$$;
