CREATE INDEX placements_ended ON placements (started_at) WHERE due_at IS NULL;

-- Placements of all environments with which nothing is left to do; what became of them is in the orders.
CREATE FUNCTION forget_placements(before timestamptz, most integer)
RETURNS integer
LANGUAGE sql SECURITY DEFINER
SET enable_seqscan = off
AS $$
    WITH old AS (
        SELECT environment_id, id FROM placements WHERE due_at IS NULL AND started_at < before
         ORDER BY started_at LIMIT most FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM placements p USING old WHERE p.environment_id = old.environment_id AND p.id = old.id RETURNING 1
    )
    SELECT count(*)::integer FROM gone
$$;
