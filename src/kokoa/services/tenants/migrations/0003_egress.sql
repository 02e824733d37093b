-- Where functions of the environment may connect to, beside the store itself.
CREATE TABLE egress (
    environment_id uuid NOT NULL REFERENCES environments (environment_id),
    host           text NOT NULL,
    port           integer NOT NULL CHECK (port BETWEEN 1 AND 65535),
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, host, port)
);
