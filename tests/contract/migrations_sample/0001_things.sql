-- A table as any service has it, and a function that spans environments on purpose.
CREATE TABLE things (
    environment_id uuid NOT NULL,
    id             uuid NOT NULL,
    name           text NOT NULL,
    PRIMARY KEY (environment_id, id)
);

CREATE FUNCTION things_everywhere() RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER
AS $$ SELECT count(*) FROM things $$;

CREATE FUNCTION things_of(environment uuid) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER
AS $$ SELECT count(*) FROM things WHERE environment_id = environment $$;
