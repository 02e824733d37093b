-- GraphQL documents that were asked lately, without comments and blanks. days: on how many days.
CREATE TABLE used_operations (
    environment_id uuid NOT NULL REFERENCES environments,
    digest         text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    document       text NOT NULL CHECK (octet_length(document) <= 65536),
    bytes          integer NOT NULL,
    last_used      date NOT NULL,
    days           integer NOT NULL DEFAULT 1,
    PRIMARY KEY (environment_id, digest)
);
CREATE INDEX ON used_operations (environment_id, (days > 1), last_used, digest);
