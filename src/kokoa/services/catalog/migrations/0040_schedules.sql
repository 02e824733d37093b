-- When a product is put into the store and taken out of it again. A worker does what is due.
CREATE TABLE product_schedules (
    environment_id uuid NOT NULL,
    product_id     uuid NOT NULL,
    publish_at     timestamptz,
    unpublish_at   timestamptz,
    -- What comes next of the two (LEAST passes over nulls).
    due_at         timestamptz GENERATED ALWAYS AS (LEAST(publish_at, unpublish_at)) STORED,
    -- Why it could not be done when it was due; then nobody tries again until somebody schedules it anew.
    failure        text,
    PRIMARY KEY (environment_id, product_id),
    CHECK (publish_at IS NOT NULL OR unpublish_at IS NOT NULL),
    FOREIGN KEY (environment_id, product_id) REFERENCES products (environment_id, id) ON DELETE CASCADE
);
CREATE INDEX product_schedules_due ON product_schedules (due_at, environment_id) WHERE failure IS NULL;

-- Where something is due, for the workers, which know no environments. It tells nothing else: what is due is read, locked
-- and done in a transaction of its environment.
CREATE FUNCTION due_environments(moment timestamptz, most integer)
RETURNS TABLE (environment_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
AS $$
    SELECT DISTINCT s.environment_id FROM product_schedules s
     WHERE s.due_at <= moment AND s.failure IS NULL LIMIT most
$$;
