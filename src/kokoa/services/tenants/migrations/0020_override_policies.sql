-- How overrides of the environment's fields and routes behave; a subject without a row behaves as if there were none.
CREATE TABLE override_policies (
    environment_id uuid NOT NULL REFERENCES environments,
    subject        text NOT NULL CHECK (length(subject) BETWEEN 1 AND 600),
    percent        double precision NOT NULL CHECK (percent BETWEEN 0 AND 100),
    deadline_ms    integer NOT NULL CHECK (deadline_ms BETWEEN 1 AND 30000),
    fallback       boolean NOT NULL,
    shadow         boolean NOT NULL,
    version        integer NOT NULL DEFAULT 1,
    changed_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, subject)
);

-- How often an override answered, failed or differed, by hours.
CREATE TABLE override_counts (
    environment_id uuid NOT NULL REFERENCES environments,
    subject        text NOT NULL CHECK (length(subject) BETWEEN 1 AND 600),
    outcome        text NOT NULL,
    hour           timestamptz NOT NULL,
    count          bigint NOT NULL CHECK (count > 0),
    PRIMARY KEY (environment_id, subject, outcome, hour)
);
CREATE INDEX override_counts_by_hour ON override_counts (hour);

-- The newest failures and differences; few of each kind, and each of them short.
CREATE TABLE override_samples (
    environment_id uuid NOT NULL REFERENCES environments,
    id             bigint GENERATED ALWAYS AS IDENTITY,
    subject        text NOT NULL CHECK (length(subject) BETWEEN 1 AND 600),
    outcome        text NOT NULL,
    seen_at        timestamptz NOT NULL,
    correlation_id text NOT NULL CHECK (length(correlation_id) <= 64),
    reason         text NOT NULL CHECK (octet_length(reason) <= 1024),
    native         text NOT NULL CHECK (octet_length(native) <= 2048),
    other          text NOT NULL CHECK (octet_length(other) <= 2048),
    PRIMARY KEY (environment_id, id)
);
CREATE INDEX override_samples_newest ON override_samples (environment_id, subject, outcome, id DESC);
CREATE INDEX override_samples_by_time ON override_samples (seen_at);

-- For the worker, which alone spans environments.
CREATE FUNCTION forget_override_reports(before timestamptz, most integer) RETURNS integer
LANGUAGE sql VOLATILE SECURITY DEFINER
AS $$
    WITH counts AS (
        DELETE FROM override_counts c USING (
            SELECT o.environment_id, o.subject, o.outcome, o.hour FROM override_counts o
             WHERE o.hour < before ORDER BY o.hour LIMIT most FOR UPDATE SKIP LOCKED) old
         WHERE (c.environment_id, c.subject, c.outcome, c.hour)
             = (old.environment_id, old.subject, old.outcome, old.hour)
        RETURNING 1),
    samples AS (
        DELETE FROM override_samples s USING (
            SELECT o.environment_id, o.id FROM override_samples o
             WHERE o.seen_at < before ORDER BY o.seen_at LIMIT most FOR UPDATE SKIP LOCKED) old
         WHERE (s.environment_id, s.id) = (old.environment_id, old.id)
        RETURNING 1)
    SELECT ((SELECT count(*) FROM counts) + (SELECT count(*) FROM samples))::integer
$$;
