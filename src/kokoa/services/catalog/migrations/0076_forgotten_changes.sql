-- Deletions are told for a while, and then forgotten: up to here, in the order of the feed of changes. Whoever follows the feed
-- from an earlier place has to begin anew.
CREATE TABLE forgotten_changes (
    environment_id uuid NOT NULL PRIMARY KEY,
    changed_in     bigint NOT NULL,
    id             uuid NOT NULL
);
-- Rows come in the order of time, so ranges of blocks are enough to find the old ones.
CREATE INDEX product_tombstones_old ON product_tombstones USING brin (deleted_at);

-- What was deleted before a moment, of all environments, a batch at a time. How far it got is written by the same statement,
-- so that no reader can find a deletion gone and not be told. In the order of environments: two at once wait for each other.
CREATE FUNCTION forget_product_deletions(before timestamptz, most integer)
RETURNS bigint
LANGUAGE sql SECURITY DEFINER
AS $$
    WITH old AS (
        SELECT t.environment_id, t.changed_in, t.id FROM product_tombstones t
         WHERE t.deleted_at < before LIMIT most FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM product_tombstones t USING old
         WHERE t.environment_id = old.environment_id AND t.changed_in = old.changed_in AND t.id = old.id
        RETURNING t.environment_id, t.changed_in, t.id
    ), told AS (
        INSERT INTO forgotten_changes AS f (environment_id, changed_in, id)
        SELECT DISTINCT ON (g.environment_id) g.environment_id, g.changed_in, g.id FROM gone g
         ORDER BY g.environment_id, g.changed_in DESC, g.id DESC
        ON CONFLICT (environment_id) DO UPDATE SET changed_in = excluded.changed_in, id = excluded.id
         WHERE (excluded.changed_in, excluded.id) > (f.changed_in, f.id)
    )
    SELECT count(*) FROM gone
$$;
