-- Products that a product points to, in order, each kind for itself.
CREATE TABLE product_relations (
    environment_id uuid NOT NULL,
    product_id     uuid NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('RELATED', 'ACCESSORY', 'UPSELL', 'CROSS_SELL', 'REPLACEMENT')),
    position       integer NOT NULL,
    related_id     uuid NOT NULL,
    PRIMARY KEY (environment_id, product_id, kind, position),
    FOREIGN KEY (environment_id, product_id) REFERENCES products (environment_id, id) ON DELETE CASCADE,
    FOREIGN KEY (environment_id, related_id) REFERENCES products (environment_id, id) ON DELETE CASCADE
);
-- For the foreign key: whoever deletes a product looks here.
CREATE INDEX product_relations_of ON product_relations (environment_id, related_id);
