-- What partners add to the graph. An owner grants types and fields of the graph beside routes.
ALTER TABLE grants DROP CONSTRAINT grants_kind_check;
ALTER TABLE grants ADD CONSTRAINT grants_kind_check CHECK (kind IN ('route', 'type', 'field'));

-- A name is its account's for good. version: the newest; live: whether that one publishes or withdraws.
CREATE TABLE subgraphs (
    environment_id uuid NOT NULL,
    name           text NOT NULL CHECK (name ~ '^[a-z][a-z0-9-]{0,38}[a-z0-9]$'),
    account_id     text NOT NULL,
    version        integer NOT NULL CHECK (version > 0),
    live           boolean NOT NULL,
    PRIMARY KEY (environment_id, name),
    FOREIGN KEY (environment_id, account_id) REFERENCES accounts (environment_id, account_id)
);

-- Texts are kept once for each account, however often they are published.
CREATE TABLE subgraph_texts (
    environment_id uuid NOT NULL,
    account_id     text NOT NULL,
    sha256         text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    sdl            text NOT NULL CHECK (octet_length(sdl) <= 1048576),
    bytes          integer NOT NULL,
    PRIMARY KEY (environment_id, account_id, sha256),
    FOREIGN KEY (environment_id, account_id) REFERENCES accounts (environment_id, account_id)
);

-- Never changed, never removed. Without a text it is a withdrawal.
-- needs: the types and fields that had to be granted.
CREATE TABLE subgraph_versions (
    environment_id uuid NOT NULL,
    name           text NOT NULL,
    version        integer NOT NULL,
    account_id     text NOT NULL,
    sha256         text,
    target         text NOT NULL CHECK (target IN ('', 'fields', 'function', 'url')),
    function_name  text NOT NULL,
    url            text NOT NULL,
    needs          text[] NOT NULL,
    published_by   text NOT NULL,
    published_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, name, version),
    FOREIGN KEY (environment_id, name) REFERENCES subgraphs (environment_id, name),
    FOREIGN KEY (environment_id, account_id, sha256) REFERENCES subgraph_texts (environment_id, account_id, sha256)
);

-- digest: of everything that is live in the environment, so that a process need not read it to know that it is new.
CREATE TABLE extended_graphs (
    environment_id uuid NOT NULL PRIMARY KEY REFERENCES environments,
    digest         text NOT NULL
);
