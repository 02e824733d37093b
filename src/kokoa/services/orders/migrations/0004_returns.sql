-- Goods that come back, money that is given back, and what other systems call an order and say of it.
ALTER TABLE orders
    ADD COLUMN refunded_minor          bigint NOT NULL DEFAULT 0,
    -- Of it, what was given back of delivery.
    ADD COLUMN refunded_shipping_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN external_reference      text,
    ADD COLUMN external_status         text,
    ADD COLUMN external_status_at      timestamptz,
    -- The feed of changes is ordered by transaction: see catalog.
    ADD COLUMN changed_in              bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint;
CREATE UNIQUE INDEX orders_by_reference ON orders (environment_id, external_reference);
CREATE INDEX orders_by_change ON orders (environment_id, changed_in, id);

CREATE FUNCTION note_order_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    NEW.changed_in := pg_current_xact_id()::text::bigint;
    RETURN NEW;
END
$$;
CREATE TRIGGER order_changed BEFORE UPDATE ON orders
    FOR EACH ROW WHEN (OLD.version <> NEW.version) EXECUTE FUNCTION note_order_change();

-- What is to come back of an order. Whoever changes one has locked its order.
CREATE TABLE returns (
    environment_id uuid NOT NULL,
    id             uuid NOT NULL,
    order_id       uuid NOT NULL,
    key            text COLLATE "C" NOT NULL,
    fingerprint    bytea NOT NULL,
    state          text NOT NULL,
    -- See ReturnLine in returning/model.py.
    lines          jsonb NOT NULL,
    note           text,
    -- Why it was cancelled or rejected.
    reason         text,
    actor          text NOT NULL,
    version        integer NOT NULL DEFAULT 1,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, id),
    FOREIGN KEY (environment_id, order_id) REFERENCES orders (environment_id, id)
);
CREATE UNIQUE INDEX returns_by_key ON returns (environment_id, key);
CREATE INDEX returns_by_order ON returns (order_id, environment_id, created_at);

-- Receptions and refunds are changes of an order, too: it has one at a time.
ALTER TABLE changes
    DROP CONSTRAINT changes_kind_check,
    ADD CONSTRAINT changes_kind_check CHECK (kind IN ('FULFIL', 'CANCEL', 'RECEIVE', 'REFUND')),
    -- Null of a refund that is of none.
    ADD COLUMN return_id uuid,
    -- What came back in which condition, or what is given back: see returning/model.py.
    ADD COLUMN detail    jsonb;
ALTER TABLE history ADD COLUMN return_id uuid;
