-- What all services share: the migrating role and the list of what was applied.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kokoa_migrator') THEN
        CREATE ROLE kokoa_migrator NOLOGIN NOBYPASSRLS NOINHERIT;
    END IF;
    EXECUTE format('GRANT kokoa_migrator TO %I', current_user);
END
$$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;

CREATE SCHEMA IF NOT EXISTS kokoa_meta;

CREATE TABLE IF NOT EXISTS kokoa_meta.migrations (
    service    text NOT NULL,
    file       text NOT NULL,
    digest     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (service, file)
);

-- Lets one GIN index hold the environment beside the words of a full text.
CREATE EXTENSION IF NOT EXISTS btree_gin WITH SCHEMA public;

-- Lets an index find a part of a word.
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;
