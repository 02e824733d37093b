-- A cart is read and written as a whole, so its lines stand in it: who has locked the row knows all of it, and two who fill
-- one cart at the same time lose no line.
CREATE TABLE carts (
    environment_id   uuid NOT NULL,
    id               uuid NOT NULL,
    state            text NOT NULL DEFAULT 'ACTIVE'
                     CHECK (state IN ('ACTIVE', 'FROZEN', 'ORDERED', 'MERGED', 'EXPIRED')),
    version          integer NOT NULL DEFAULT 1,
    -- SHA-256 of what opens an anonymous cart; null for one that was made for a customer.
    token_digest     bytea,
    customer_id      uuid,
    -- ISO 4217.
    currency         text NOT NULL,
    email            text,
    locale           text,
    channel          text,
    note             text,
    shipping_address jsonb,
    billing_address  jsonb,
    -- See Line in model.py; at most 200.
    lines            jsonb NOT NULL DEFAULT '[]',
    -- Of whoever froze it, such as an order's id.
    freeze_key       text,
    frozen_until     timestamptz,
    order_id         text,
    merged_into      uuid,
    created_at       timestamptz NOT NULL,
    changed_at       timestamptz NOT NULL,
    -- When it expires, unless it is changed before.
    expires_at       timestamptz NOT NULL,
    PRIMARY KEY (environment_id, id),
    CHECK (state <> 'FROZEN' OR freeze_key IS NOT NULL AND frozen_until IS NOT NULL),
    CHECK (state <> 'ORDERED' OR order_id IS NOT NULL),
    CHECK (state <> 'MERGED' OR merged_into IS NOT NULL)
) WITH (fillfactor = 80);
-- What most changes of a cart change stands in no index: so PostgreSQL writes the row alone (heap-only tuples).
-- Without statistics an index that begins with the environment looks as good as the key; so these begin with what is looked
-- for, and of equals the one that was made last is taken.
CREATE INDEX carts_by_state ON carts (state, environment_id, id);
CREATE INDEX carts_by_customer ON carts (customer_id, environment_id, id) WHERE customer_id IS NOT NULL;
CREATE UNIQUE INDEX carts_in_use_by_customer ON carts (customer_id, environment_id) WHERE state IN ('ACTIVE', 'FROZEN');
CREATE UNIQUE INDEX carts_by_token ON carts (token_digest, environment_id);
CREATE INDEX carts_by_expiry ON carts (expires_at) WHERE state = 'ACTIVE';
CREATE INDEX carts_by_thaw ON carts (frozen_until) WHERE state = 'FROZEN';
CREATE INDEX carts_closed ON carts (expires_at) WHERE state IN ('EXPIRED', 'MERGED');

-- Carts of all environments that are to thaw or to expire.
CREATE FUNCTION overdue_carts(moment timestamptz, most integer)
RETURNS TABLE (environment_id uuid, id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET enable_seqscan = off
AS $$
    (SELECT c.environment_id, c.id FROM carts c
      WHERE c.state = 'FROZEN' AND c.frozen_until <= moment ORDER BY c.frozen_until LIMIT most)
    UNION ALL
    (SELECT c.environment_id, c.id FROM carts c
      WHERE c.state = 'ACTIVE' AND c.expires_at <= moment ORDER BY c.expires_at LIMIT most)
    LIMIT most
$$;

CREATE FUNCTION forget_closed_carts(before timestamptz, most integer)
RETURNS integer
LANGUAGE sql SECURITY DEFINER
SET enable_seqscan = off
AS $$
    WITH old AS (
        SELECT environment_id, id FROM carts WHERE state IN ('EXPIRED', 'MERGED') AND expires_at < before
         ORDER BY expires_at LIMIT most FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM carts c USING old WHERE c.environment_id = old.environment_id AND c.id = old.id RETURNING 1
    )
    SELECT count(*)::integer FROM gone
$$;

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
