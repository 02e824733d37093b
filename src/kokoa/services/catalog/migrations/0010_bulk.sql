-- Imports name a category by the names from the top down (`Grocery > Snacks > Chips`).
CREATE INDEX categories_by_name ON categories (environment_id, name);

-- Exports page by the reference; products without one come after all others.
CREATE INDEX products_without_reference ON products (environment_id, id) WHERE external_reference IS NULL;

-- The feed of changes is ordered by the transaction that made them: a reader that stops before the oldest one that is
-- still open misses nothing, however late that one commits. bigint, because its comparison is leakproof, so that the
-- index serves under row-level security.
ALTER TABLE products ADD COLUMN changed_in bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint;
CREATE INDEX products_by_change ON products (environment_id, changed_in, id);

CREATE FUNCTION note_product_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    NEW.changed_in := pg_current_xact_id()::text::bigint;
    RETURN NEW;
END
$$;
CREATE TRIGGER product_changed BEFORE UPDATE ON products FOR EACH ROW EXECUTE FUNCTION note_product_change();

-- What is left of a product that was deleted.
CREATE TABLE product_tombstones (
    environment_id     uuid NOT NULL,
    changed_in         bigint NOT NULL,
    id                 uuid NOT NULL,
    version            integer NOT NULL,
    external_reference text,
    deleted_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, changed_in, id)
);

CREATE FUNCTION note_product_deletion() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    INSERT INTO product_tombstones (environment_id, changed_in, id, version, external_reference)
    VALUES (OLD.environment_id, pg_current_xact_id()::text::bigint, OLD.id, OLD.version + 1, OLD.external_reference);
    RETURN NULL;
END
$$;
CREATE TRIGGER product_deleted AFTER DELETE ON products FOR EACH ROW EXECUTE FUNCTION note_product_deletion();
