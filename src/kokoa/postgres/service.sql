-- What every service's schema begins with: its outbox, and the two functions of the relay, which alone spans
-- environments.
CREATE TABLE outbox (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    environment_id uuid NOT NULL,
    event_id       uuid NOT NULL,
    event_type     text NOT NULL,
    event_key      text NOT NULL,
    payload        bytea NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION outbox_pending(most integer)
RETURNS TABLE (id bigint, event_id uuid, payload bytea)
LANGUAGE sql STABLE SECURITY DEFINER
AS $$ SELECT o.id, o.event_id, o.payload FROM outbox o ORDER BY o.id LIMIT most $$;

CREATE FUNCTION outbox_published(ids bigint[])
RETURNS void
LANGUAGE sql SECURITY DEFINER
AS $$ DELETE FROM outbox o WHERE o.id = ANY (ids) $$;

CREATE FUNCTION outbox_backlog(OUT waiting bigint, OUT oldest_age_s double precision)
LANGUAGE sql STABLE SECURITY DEFINER
AS $$ SELECT count(*), coalesce(extract(epoch FROM now() - min(o.created_at)), 0)::double precision FROM outbox o $$;
