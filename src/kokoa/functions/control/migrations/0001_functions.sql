-- Functions. Everything is keyed by environment and account: an account belongs to one environment, and both are
-- named in every statement.
CREATE TABLE functions (
    environment_id     uuid NOT NULL,
    account_id         text NOT NULL CHECK (account_id ~ '^[0-9]{12}$'),
    name               text NOT NULL CHECK (name ~ '^[a-zA-Z0-9_-]{1,64}$'),
    description        text NOT NULL,
    runtime            text NOT NULL,
    handler            text NOT NULL,
    role               text NOT NULL,
    timeout_s          integer NOT NULL CHECK (timeout_s BETWEEN 1 AND 900),
    memory_mb          integer NOT NULL CHECK (memory_mb BETWEEN 128 AND 10240),
    architecture       text NOT NULL,
    variables_sealed   bytea NOT NULL,
    tags               jsonb NOT NULL,
    code_sha256        text NOT NULL CHECK (code_sha256 ~ '^[0-9a-f]{64}$'),
    code_size          bigint NOT NULL,
    state              text NOT NULL CHECK (state IN ('Pending', 'Active', 'Inactive', 'Failed')),
    last_update_status text NOT NULL CHECK (last_update_status IN ('Successful', 'Failed', 'InProgress')),
    revision_id        uuid NOT NULL,
    created_at         timestamptz NOT NULL DEFAULT now(),
    modified_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, account_id, name)
);

-- Statements of a function's resource policy.
CREATE TABLE permissions (
    environment_id uuid NOT NULL,
    account_id     text NOT NULL,
    function_name  text NOT NULL,
    statement_id   text NOT NULL,
    action         text NOT NULL,
    principal      text NOT NULL,
    source_arn     text NOT NULL,
    source_account text NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, account_id, function_name, statement_id),
    FOREIGN KEY (environment_id, account_id, function_name) REFERENCES functions ON DELETE CASCADE
);

-- HTTP APIs (API Gateway v2).  endpoint and note: where the API was placed on the store's domain, and what its
-- deployer should know about that.  region: the one that its ARNs carry.
CREATE TABLE apis (
    environment_id uuid NOT NULL,
    account_id     text NOT NULL CHECK (account_id ~ '^[0-9]{12}$'),
    api_id         text NOT NULL CHECK (api_id ~ '^[a-z0-9]{10}$'),
    name           text NOT NULL,
    description    text NOT NULL,
    version        text NOT NULL,
    region         text NOT NULL,
    endpoint       text NOT NULL,
    note           text NOT NULL,
    tags           jsonb NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, account_id, api_id)
);

CREATE TABLE integrations (
    environment_id         uuid NOT NULL,
    account_id             text NOT NULL,
    api_id                 text NOT NULL,
    integration_id         text NOT NULL,
    function_name          text NOT NULL,
    integration_uri        text NOT NULL,
    description            text NOT NULL,
    payload_format_version text NOT NULL CHECK (payload_format_version IN ('1.0', '2.0')),
    timeout_ms             integer NOT NULL CHECK (timeout_ms BETWEEN 50 AND 30000),
    managed                boolean NOT NULL,
    created_at             timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, account_id, api_id, integration_id),
    FOREIGN KEY (environment_id, account_id, api_id) REFERENCES apis ON DELETE CASCADE
);

-- integration_id is empty for a route without a target.
CREATE TABLE routes (
    environment_id uuid NOT NULL,
    account_id     text NOT NULL,
    api_id         text NOT NULL,
    route_id       text NOT NULL,
    route_key      text NOT NULL,
    integration_id text NOT NULL,
    managed        boolean NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, account_id, api_id, route_id),
    UNIQUE (environment_id, account_id, api_id, route_key),
    FOREIGN KEY (environment_id, account_id, api_id) REFERENCES apis ON DELETE CASCADE
);

CREATE TABLE stages (
    environment_id uuid NOT NULL,
    account_id     text NOT NULL,
    api_id         text NOT NULL,
    name           text NOT NULL,
    description    text NOT NULL,
    auto_deploy    boolean NOT NULL,
    managed        boolean NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    modified_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, account_id, api_id, name),
    FOREIGN KEY (environment_id, account_id, api_id) REFERENCES apis ON DELETE CASCADE
);

-- Log events, written at least once and kept once: the id is the host's.  position: the order in which they came,
-- which tells the lines of one millisecond apart.
CREATE TABLE log_events (
    environment_id uuid NOT NULL,
    account_id     text NOT NULL,
    id             text NOT NULL,
    log_group      text NOT NULL,
    log_stream     text NOT NULL,
    timestamp_ms   bigint NOT NULL,
    ingested_ms    bigint NOT NULL,
    message        text NOT NULL,
    request_id     text NOT NULL,
    correlation_id text NOT NULL,
    position       bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (environment_id, account_id, id)
);
CREATE INDEX log_events_by_group ON log_events (environment_id, account_id, log_group, timestamp_ms, position);
CREATE INDEX log_events_by_stream ON log_events (environment_id, account_id, log_group, log_stream, timestamp_ms,
                                              position);
CREATE INDEX log_events_by_age ON log_events (timestamp_ms);

-- The streams that exist, so that listing them does not read their events.
CREATE TABLE log_streams (
    environment_id uuid NOT NULL,
    account_id     text NOT NULL,
    log_group      text NOT NULL,
    log_stream     text NOT NULL,
    first_event_ms bigint NOT NULL,
    last_event_ms  bigint NOT NULL,
    ingested_ms    bigint NOT NULL,
    created_ms     bigint NOT NULL,
    PRIMARY KEY (environment_id, account_id, log_group, log_stream)
);

-- Retention spans environments, so it is a function of its own. It deletes at most `most` events and says how many.
CREATE FUNCTION forget_old_logs(before_ms bigint, most integer)
RETURNS bigint
LANGUAGE sql SECURITY DEFINER
AS $$
    WITH old AS (
        SELECT e.environment_id, e.account_id, e.id FROM log_events e
         WHERE e.timestamp_ms < before_ms ORDER BY e.timestamp_ms LIMIT most FOR UPDATE SKIP LOCKED
    ), streams AS (
        DELETE FROM log_streams s WHERE s.last_event_ms < before_ms
    ), gone AS (
        DELETE FROM log_events e USING old o
         WHERE (e.environment_id, e.account_id, e.id) = (o.environment_id, o.account_id, o.id)
        RETURNING 1
    )
    SELECT count(*) FROM gone
$$;
