-- Where stock lies. Reservations take from the active one with the lowest priority first.
CREATE TABLE locations (
    environment_id     uuid NOT NULL,
    id                 uuid NOT NULL,
    key                text COLLATE "C" NOT NULL,
    name               text NOT NULL,
    priority           integer NOT NULL,
    active             boolean NOT NULL DEFAULT true,
    external_reference text,
    version            integer NOT NULL DEFAULT 1,
    PRIMARY KEY (environment_id, id)
);
CREATE UNIQUE INDEX locations_by_key ON locations (environment_id, key);
CREATE UNIQUE INDEX locations_by_reference ON locations (environment_id, external_reference);

-- An article. Its sums over all locations stand here, so that a shop reads one row, and whoever changes anything of it
-- locks this row first. reserved may be more than on_hand: what was sold without being there (backorder_limit), or what a
-- count found missing.
CREATE TABLE items (
    environment_id     uuid NOT NULL,
    sku                text COLLATE "C" NOT NULL,
    -- No more than GraphQL's Int holds.
    on_hand            bigint NOT NULL DEFAULT 0 CHECK (on_hand BETWEEN 0 AND 2147483647),
    reserved           bigint NOT NULL DEFAULT 0 CHECK (reserved BETWEEN 0 AND 2147483647),
    tracked            boolean NOT NULL DEFAULT true,
    -- How many more than are there may be sold; null: any number.
    backorder_limit    bigint DEFAULT 0 CHECK (backorder_limit >= 0),
    external_reference text,
    version            integer NOT NULL DEFAULT 1,
    -- The feed of changes is ordered by transaction: see catalog.
    changed_in         bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    changed_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, sku)
);
CREATE UNIQUE INDEX items_by_reference ON items (environment_id, external_reference);
CREATE INDEX items_by_change ON items (environment_id, changed_in, sku);

CREATE FUNCTION note_item_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    NEW.changed_in := pg_current_xact_id()::text::bigint;
    NEW.changed_at := now();
    NEW.version := OLD.version + 1;
    RETURN NEW;
END
$$;
CREATE TRIGGER item_changed BEFORE UPDATE ON items FOR EACH ROW EXECUTE FUNCTION note_item_change();

-- What of it lies at a location, and what of that is promised.
CREATE TABLE levels (
    environment_id uuid NOT NULL,
    sku            text COLLATE "C" NOT NULL,
    location_id    uuid NOT NULL,
    on_hand        bigint NOT NULL CHECK (on_hand >= 0),
    reserved       bigint NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    PRIMARY KEY (environment_id, sku, location_id),
    FOREIGN KEY (environment_id, sku) REFERENCES items,
    FOREIGN KEY (environment_id, location_id) REFERENCES locations
);
CREATE INDEX levels_by_location ON levels (environment_id, location_id);

-- Everything that ever changed an article's stock, by whom and why. Nothing is changed or removed here.
CREATE TABLE movements (
    environment_id uuid NOT NULL,
    id             bigint GENERATED ALWAYS AS IDENTITY,
    sku            text COLLATE "C" NOT NULL,
    -- Null for what was promised without being there.
    location_id    uuid,
    reason         text NOT NULL,
    on_hand        bigint NOT NULL,
    reserved       bigint NOT NULL,
    reference      text,
    note           text,
    actor          text NOT NULL,
    correlation_id text NOT NULL,
    moved_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, sku, id)
);

-- What a request with an idempotency key answered. fingerprint: of the request; another one with the same key is refused.
CREATE TABLE answered (
    environment_id uuid NOT NULL,
    operation      text NOT NULL,
    key            text NOT NULL,
    fingerprint    bytea NOT NULL,
    answer         bytea,
    answered_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, operation, key)
);
CREATE INDEX answered_by_age ON answered (answered_at);

CREATE FUNCTION forget_answers(before timestamptz, most integer)
RETURNS integer
LANGUAGE sql SECURITY DEFINER
AS $$
    WITH old AS (
        SELECT environment_id, operation, key FROM answered WHERE answered_at < before
         ORDER BY answered_at LIMIT most FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM answered a USING old
         WHERE a.environment_id = old.environment_id AND a.operation = old.operation AND a.key = old.key RETURNING 1
    )
    SELECT count(*)::integer FROM gone
$$;

-- What is promised to somebody. key: whose, as the caller names it, such as an order's id.
CREATE TABLE reservations (
    environment_id uuid NOT NULL,
    id             uuid NOT NULL,
    key            text NOT NULL,
    state          text NOT NULL CHECK (state IN ('HELD', 'ALLOCATED', 'FULFILLED', 'RELEASED', 'EXPIRED')),
    -- Of what was asked for: another request with the same key is refused.
    fingerprint    bytea NOT NULL,
    -- Of one that is held.
    expires_at     timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now(),
    version        integer NOT NULL DEFAULT 1,
    PRIMARY KEY (environment_id, id)
);
CREATE UNIQUE INDEX reservations_by_key ON reservations (environment_id, key);
CREATE INDEX reservations_by_expiry ON reservations (expires_at) WHERE state = 'HELD';
CREATE INDEX reservations_here_by_expiry ON reservations (environment_id, expires_at) WHERE state = 'HELD';

-- From where. location_id: null for what is not there yet.
CREATE TABLE reservation_lines (
    environment_id uuid NOT NULL,
    reservation_id uuid NOT NULL,
    sku            text COLLATE "C" NOT NULL,
    place          integer NOT NULL,
    location_id    uuid,
    -- Promised still: what was fulfilled or released is gone from it.
    open           bigint NOT NULL CHECK (open >= 0),
    fulfilled      bigint NOT NULL DEFAULT 0 CHECK (fulfilled >= 0),
    released       bigint NOT NULL DEFAULT 0 CHECK (released >= 0),
    PRIMARY KEY (environment_id, reservation_id, place),
    FOREIGN KEY (environment_id, reservation_id) REFERENCES reservations
);

-- Held reservations whose time is over, of all environments.
CREATE FUNCTION overdue_reservations(most integer)
RETURNS TABLE (environment_id uuid, id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET enable_seqscan = off
AS $$
    SELECT r.environment_id, r.id FROM reservations r
     WHERE r.state = 'HELD' AND r.expires_at <= now() ORDER BY r.expires_at LIMIT most
$$;
