-- Documents that clients may ask for by id, and whether storefronts may ask for nothing else.
CREATE TABLE registered_operations (
    environment_id uuid NOT NULL REFERENCES environments,
    document_id    text NOT NULL CHECK (document_id ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$'),
    digest         text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    document       text NOT NULL CHECK (octet_length(document) <= 100000),
    registered_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, document_id)
);
CREATE INDEX ON registered_operations (environment_id, digest);

CREATE TABLE operation_policies (
    environment_id  uuid NOT NULL PRIMARY KEY REFERENCES environments,
    registered_only boolean NOT NULL
);
