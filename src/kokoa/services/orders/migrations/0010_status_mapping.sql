-- What statuses of other systems mean; one row an environment, none before anything was said.  rules: see StatusRule in
-- following/model.py.
CREATE TABLE status_mappings (
    environment_id uuid NOT NULL PRIMARY KEY,
    rules          jsonb NOT NULL,
    version        integer NOT NULL
);

-- What customers are told; as the mapping said when the status came.
ALTER TABLE orders ADD COLUMN display_status text;

-- What an order is to do because another system said something of it. Whoever works on it holds the lease until due_at.
CREATE TABLE status_actions (
    environment_id uuid NOT NULL,
    -- Also the idempotency key of what is begun.
    id             uuid NOT NULL,
    order_id       uuid NOT NULL,
    -- The order's when it was said: actions of an order are done one after the other.
    order_version  integer NOT NULL,
    status         text NOT NULL,
    said_at        timestamptz NOT NULL,
    action         text NOT NULL CHECK (action IN ('FULFILL', 'SHIP', 'DELIVER', 'CANCEL')),
    reason         text,
    actor          text NOT NULL,
    -- Why it is not done.
    refusal        jsonb,
    lease          uuid,
    -- When it is gone on with; null when nothing is left to do.
    due_at         timestamptz,
    attempts       integer NOT NULL DEFAULT 0,
    -- Of the last attempt, for whoever looks after it.
    error          text,
    PRIMARY KEY (environment_id, id),
    FOREIGN KEY (environment_id, order_id) REFERENCES orders (environment_id, id)
);
-- Once for each time that a status is said of an order.
CREATE UNIQUE INDEX status_actions_said ON status_actions (order_id, environment_id, status, said_at);
CREATE INDEX status_actions_open ON status_actions (order_id, environment_id, order_version) WHERE due_at IS NOT NULL;
CREATE INDEX status_actions_due ON status_actions (due_at) WHERE due_at IS NOT NULL;

-- Of each environment a few, so that one cannot keep the others waiting, and of an order only the first.
CREATE FUNCTION overdue_status_actions(most integer, most_of_one integer)
RETURNS TABLE (environment_id uuid, id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET enable_seqscan = off
AS $$
    SELECT o.environment_id, o.id FROM (
        SELECT f.*, row_number() OVER (PARTITION BY f.environment_id ORDER BY f.due_at) AS place FROM (
            SELECT a.environment_id, a.id, a.due_at FROM status_actions a
             WHERE a.due_at <= now()
               AND NOT EXISTS (SELECT FROM status_actions b
                                WHERE b.order_id = a.order_id AND b.environment_id = a.environment_id
                                  AND b.due_at IS NOT NULL AND b.order_version < a.order_version)
             ORDER BY a.due_at LIMIT 20 * most) f) o
     WHERE o.place <= most_of_one ORDER BY o.due_at LIMIT most
$$;
