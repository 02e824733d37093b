-- Something that is to be paid. What of it is authorised, charged, … is derived from its transactions. Whoever adds one
-- locks this row first.
CREATE TABLE payments (
    environment_id     uuid NOT NULL,
    id                 uuid NOT NULL,
    -- What is paid, as the caller names it, such as an order's id.
    reference          text COLLATE "C" NOT NULL,
    amount_minor       bigint NOT NULL CHECK (amount_minor BETWEEN 1 AND 2147483647),
    currency           text NOT NULL,
    customer_id        uuid,
    provider           text NOT NULL,
    external_reference text,
    version            integer NOT NULL DEFAULT 1,
    created_at         timestamptz NOT NULL DEFAULT now(),
    changed_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, id)
);
CREATE INDEX payments_by_reference ON payments (environment_id, reference, id);
CREATE UNIQUE INDEX payments_by_external_reference ON payments (environment_id, external_reference);

-- Everything that ever happened to a payment's money. Nothing is changed or removed here: see the trigger below.
CREATE TABLE transactions (
    environment_id     uuid NOT NULL,
    id                 bigint GENERATED ALWAYS AS IDENTITY,
    payment_id         uuid NOT NULL,
    type               text NOT NULL CHECK (type IN (
        'AUTHORIZE_REQUEST', 'AUTHORIZE_SUCCESS', 'AUTHORIZE_FAILURE', 'CHARGE_REQUEST', 'CHARGE_SUCCESS',
        'CHARGE_FAILURE', 'REFUND_REQUEST', 'REFUND_SUCCESS', 'REFUND_FAILURE', 'CANCEL_REQUEST', 'CANCEL_SUCCESS',
        'CANCEL_FAILURE', 'ACTION_REQUIRED', 'CHARGEBACK', 'REFUND_REVERSED')),
    amount_minor       bigint NOT NULL CHECK (amount_minor BETWEEN 1 AND 2147483647),
    -- Of the request; what becomes of it has the same key. Of a chargeback: the provider's id of it.
    key                text COLLATE "C" NOT NULL,
    -- Of what was asked for: another request with the same key is refused.
    fingerprint        bytea,
    -- The provider's id of it.
    provider_reference text,
    message            text,
    -- Where the customer has to go first.
    action_url         text,
    actor              text NOT NULL,
    correlation_id     text NOT NULL,
    created_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, payment_id, id),
    FOREIGN KEY (environment_id, payment_id) REFERENCES payments
);
-- So that nothing counts twice, whatever else goes wrong.
CREATE UNIQUE INDEX transactions_once ON transactions (environment_id, payment_id, key, type);

CREATE FUNCTION refuse_to_rewrite() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION 'transactions of payments are never changed or removed' USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER transactions_are_for_good BEFORE UPDATE OR DELETE ON transactions
FOR EACH ROW EXECUTE FUNCTION refuse_to_rewrite();

-- Requests that have no result yet.
CREATE TABLE open_requests (
    environment_id     uuid NOT NULL,
    payment_id         uuid NOT NULL,
    key                text COLLATE "C" NOT NULL,
    operation          text NOT NULL,
    amount_minor       bigint NOT NULL,
    method             text,
    return_url         text,
    provider_reference text,
    -- When the provider is asked what became of it, unless it says so before; how often it was.
    ask_at             timestamptz NOT NULL,
    asked              integer NOT NULL DEFAULT 0,
    PRIMARY KEY (environment_id, payment_id, key),
    FOREIGN KEY (environment_id, payment_id) REFERENCES payments
);
CREATE INDEX open_requests_by_time ON open_requests (ask_at);

-- Requests of all environments whose provider is to be asked; of each environment a few, so that none waits for another.
CREATE FUNCTION overdue_requests(most integer, most_of_one integer)
RETURNS TABLE (environment_id uuid, payment_id uuid, key text)
LANGUAGE sql STABLE SECURITY DEFINER
SET enable_seqscan = off
AS $$
    SELECT o.environment_id, o.payment_id, o.key FROM (
        SELECT f.*, row_number() OVER (PARTITION BY f.environment_id ORDER BY f.ask_at) AS place FROM (
            SELECT r.environment_id, r.payment_id, r.key, r.ask_at FROM open_requests r
             WHERE r.ask_at <= now() ORDER BY r.ask_at LIMIT 20 * most) f) o
     WHERE o.place <= most_of_one ORDER BY o.ask_at LIMIT most
$$;

-- How an environment uses a provider. One that has no row is as providers/model.py says.
CREATE TABLE providers (
    environment_id        uuid NOT NULL,
    key                   text NOT NULL,
    active                boolean NOT NULL,
    webhook_secret_sealed bytea,
    version               integer NOT NULL DEFAULT 1,
    PRIMARY KEY (environment_id, key)
);

-- Webhooks that were taken in; the same again changes nothing. One that is older than a few minutes is refused anyway.
CREATE TABLE webhooks_seen (
    environment_id uuid NOT NULL,
    provider       text NOT NULL,
    webhook_id     text COLLATE "C" NOT NULL,
    seen_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, provider, webhook_id)
);
CREATE INDEX webhooks_seen_by_age ON webhooks_seen (seen_at);

CREATE FUNCTION forget_webhooks(before timestamptz, most integer)
RETURNS integer
LANGUAGE sql SECURITY DEFINER
AS $$
    WITH old AS (
        SELECT environment_id, provider, webhook_id FROM webhooks_seen WHERE seen_at < before
         ORDER BY seen_at LIMIT most FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM webhooks_seen s USING old
         WHERE s.environment_id = old.environment_id AND s.provider = old.provider AND s.webhook_id = old.webhook_id
        RETURNING 1
    )
    SELECT count(*)::integer FROM gone
$$;

-- What a request with an idempotency key answered: see postgres/answers.py.
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

-- The test provider's own books: what it was asked to do, and what it did. Ours never read them but through its API.
CREATE TABLE simulated_operations (
    environment_id uuid NOT NULL,
    key            text COLLATE "C" NOT NULL,
    payment_id     uuid NOT NULL,
    operation      text NOT NULL,
    amount_minor   bigint NOT NULL CHECK (amount_minor > 0),
    -- What the method token says of this operation and of those that follow an authorisation.
    script         text NOT NULL,
    state          text NOT NULL CHECK (state IN (
        'PENDING', 'WAITING', 'SUCCEEDED', 'FAILED', 'CHARGED_BACK', 'REVERSED')),
    reference      text NOT NULL,
    message        text NOT NULL DEFAULT '',
    url            text,
    -- Of one that is pending or waits for the customer: when that ends.
    due_at         timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, key)
);
CREATE INDEX simulated_operations_by_payment ON simulated_operations (environment_id, payment_id);

-- What it has to tell us still.
CREATE TABLE simulated_webhooks (
    environment_id uuid NOT NULL,
    id             uuid NOT NULL,
    key            text COLLATE "C" NOT NULL,
    type           text NOT NULL CHECK (type IN ('RESULT', 'CHARGEBACK', 'REFUND_REVERSED')),
    due_at         timestamptz NOT NULL,
    attempts       integer NOT NULL DEFAULT 0,
    PRIMARY KEY (environment_id, id)
);
CREATE INDEX simulated_webhooks_by_time ON simulated_webhooks (due_at);
CREATE INDEX simulated_webhooks_here_by_time ON simulated_webhooks (environment_id, due_at);

CREATE FUNCTION due_simulated_webhooks(most integer)
RETURNS TABLE (environment_id uuid, id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET enable_seqscan = off
AS $$
    SELECT w.environment_id, w.id FROM simulated_webhooks w WHERE w.due_at <= now() ORDER BY w.due_at LIMIT most
$$;
