-- An order is written once, with its lines; what was paid of it payments knows.
CREATE TABLE orders (
    environment_id   uuid NOT NULL,
    -- The placement's.
    id               uuid NOT NULL,
    number           bigint NOT NULL,
    state            text NOT NULL,
    cart_id          uuid NOT NULL,
    customer_id      uuid,
    -- Null when there was nothing to pay.
    payment_id       uuid,
    total_minor      bigint NOT NULL,
    -- See Basket in model.py.
    basket           jsonb NOT NULL,
    placed_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, id)
);
CREATE UNIQUE INDEX orders_by_number ON orders (environment_id, number);
CREATE INDEX orders_by_customer ON orders (customer_id, environment_id, number) WHERE customer_id IS NOT NULL;
-- A cart is ordered once, whoever asks how often.
CREATE UNIQUE INDEX orders_by_cart ON orders (cart_id, environment_id);

-- The last number that an order has; its row is locked until the order is committed, so no number is missing.
CREATE TABLE counters (
    environment_id uuid NOT NULL,
    last           bigint NOT NULL,
    PRIMARY KEY (environment_id)
);

-- A cart on its way to an order. Whoever works on it holds the lease until due_at; then, or without a lease, anybody may.
CREATE TABLE placements (
    environment_id uuid NOT NULL,
    id             uuid NOT NULL,
    key            text COLLATE "C" NOT NULL,
    fingerprint    bytea NOT NULL,
    step           text NOT NULL,
    cart_id        uuid NOT NULL,
    customer_id    uuid,
    -- SHA-256 of what opens the anonymous cart.
    token_digest   bytea,
    -- See Request in model.py.
    request        jsonb NOT NULL,
    -- See Basket in model.py; null before it is priced.
    basket         jsonb,
    payment_id     uuid,
    action_url     text,
    refusal        jsonb,
    lease          uuid,
    -- When it is gone on with; null when nothing is left to do.
    due_at         timestamptz,
    attempts       integer NOT NULL DEFAULT 0,
    -- Of the last attempt, for whoever looks after it.
    error          text,
    started_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, id)
);
CREATE UNIQUE INDEX placements_by_key ON placements (environment_id, key);
CREATE INDEX placements_due ON placements (due_at) WHERE due_at IS NOT NULL;

-- Of each environment a few, so that one cannot keep the others waiting.
CREATE FUNCTION overdue_placements(most integer, most_of_one integer)
RETURNS TABLE (environment_id uuid, id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET enable_seqscan = off
AS $$
    SELECT o.environment_id, o.id FROM (
        SELECT f.*, row_number() OVER (PARTITION BY f.environment_id ORDER BY f.due_at) AS place FROM (
            SELECT p.environment_id, p.id, p.due_at FROM placements p
             WHERE p.due_at <= now() ORDER BY p.due_at LIMIT 20 * most) f) o
     WHERE o.place <= most_of_one ORDER BY o.due_at LIMIT most
$$;
