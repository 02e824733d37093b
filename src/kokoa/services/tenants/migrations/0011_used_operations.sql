-- GraphQL documents that were asked lately, without comments and blanks.
CREATE TABLE used_operations (
    environment_id uuid NOT NULL REFERENCES environments,
    digest         text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    document       text NOT NULL CHECK (octet_length(document) <= 65536),
    last_used      date NOT NULL,
    PRIMARY KEY (environment_id, digest)
);
CREATE INDEX ON used_operations (environment_id, last_used, digest);
