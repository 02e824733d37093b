-- code: in capitals, as it is compared; shown_code: as it was put. rule: what it takes off, from what and for whom, as
-- JSON (model.Rule): it is read and written whole. used: redemptions that were not released; whoever redeems locks the row.
CREATE TABLE promotions (
    environment_id        uuid NOT NULL,
    code                  text COLLATE "C" NOT NULL,
    shown_code            text NOT NULL,
    name                  text NOT NULL,
    active                boolean NOT NULL,
    kind                  text NOT NULL CHECK (kind IN ('PERCENT', 'FIXED', 'FREE_SHIPPING')),
    rule                  jsonb NOT NULL,
    valid_from            timestamptz,
    valid_to              timestamptz,
    uses_max              integer CHECK (uses_max > 0),
    uses_per_customer_max integer CHECK (uses_per_customer_max > 0),
    stackable             boolean NOT NULL,
    version               integer NOT NULL DEFAULT 1,
    used                  integer NOT NULL DEFAULT 0 CHECK (used >= 0),
    PRIMARY KEY (environment_id, code)
);

-- One use. key: whose, as the caller names it, such as an order's id.
CREATE TABLE redemptions (
    environment_id uuid NOT NULL,
    key            text COLLATE "C" NOT NULL,
    code           text COLLATE "C" NOT NULL,
    customer_id    uuid,
    redeemed_at    timestamptz NOT NULL DEFAULT now(),
    released_at    timestamptz,
    PRIMARY KEY (environment_id, key),
    FOREIGN KEY (environment_id, code) REFERENCES promotions
);
CREATE INDEX redemptions_by_customer ON redemptions (environment_id, code, customer_id) WHERE released_at IS NULL;
CREATE INDEX redemptions_by_code ON redemptions (environment_id, code);
