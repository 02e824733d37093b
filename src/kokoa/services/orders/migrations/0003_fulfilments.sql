-- What became of an order after it was placed.  progress: see Progress in model.py; of lines that nothing happened to, nothing.
ALTER TABLE orders
    ADD COLUMN version  integer NOT NULL DEFAULT 1,
    ADD COLUMN progress jsonb NOT NULL DEFAULT '{}';

-- A part of an order that leaves, or the end of an order. Whoever works on it holds the lease until due_at, as with placements.
CREATE TABLE changes (
    environment_id  uuid NOT NULL,
    id              uuid NOT NULL,
    order_id        uuid NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('FULFIL', 'CANCEL')),
    key             text COLLATE "C" NOT NULL,
    fingerprint     bytea NOT NULL,
    step            text NOT NULL,
    -- Quantities by line; of a cancellation, those that nothing was left of.
    lines           jsonb NOT NULL,
    -- What is captured for it; null before that is known.
    captured_minor  bigint,
    reason          text,
    carrier         text,
    tracking_number text,
    refusal         jsonb,
    actor           text NOT NULL,
    lease           uuid,
    -- When it is gone on with; null when nothing is left to do.
    due_at          timestamptz,
    attempts        integer NOT NULL DEFAULT 0,
    -- Of the last attempt, for whoever looks after it.
    error           text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, id),
    FOREIGN KEY (environment_id, order_id) REFERENCES orders (environment_id, id)
);
CREATE UNIQUE INDEX changes_by_key ON changes (environment_id, key);
CREATE INDEX changes_by_order ON changes (order_id, environment_id, created_at);
-- An order has one change at a time.
CREATE UNIQUE INDEX changes_open ON changes (order_id, environment_id) WHERE due_at IS NOT NULL;
CREATE INDEX changes_due ON changes (due_at) WHERE due_at IS NOT NULL;

-- Who did what, in the transaction that did it.
CREATE TABLE history (
    environment_id uuid NOT NULL,
    id             uuid NOT NULL,
    order_id       uuid NOT NULL,
    kind           text NOT NULL,
    -- Of the part of the order that it is about.
    change_id      uuid,
    note           text,
    actor          text NOT NULL,
    happened_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, id),
    FOREIGN KEY (environment_id, order_id) REFERENCES orders (environment_id, id)
);
CREATE INDEX history_by_order ON history (order_id, environment_id, happened_at, id);

-- Of each environment a few, so that one cannot keep the others waiting.
CREATE FUNCTION overdue_changes(most integer, most_of_one integer)
RETURNS TABLE (environment_id uuid, id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET enable_seqscan = off
AS $$
    SELECT o.environment_id, o.id FROM (
        SELECT f.*, row_number() OVER (PARTITION BY f.environment_id ORDER BY f.due_at) AS place FROM (
            SELECT c.environment_id, c.id, c.due_at FROM changes c
             WHERE c.due_at <= now() ORDER BY c.due_at LIMIT 20 * most) f) o
     WHERE o.place <= most_of_one ORDER BY o.due_at LIMIT most
$$;
