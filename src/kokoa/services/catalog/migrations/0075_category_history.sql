-- Who changed what of a category, when, as product_history has it of products: triggers write it in the transaction of the
-- change, one row for a category and a transaction.
CREATE TABLE category_history (
    environment_id uuid NOT NULL,
    category_id    uuid NOT NULL,
    -- The beginning of the transaction, and its number.
    at             timestamptz NOT NULL DEFAULT now(),
    changed_in     bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    version        integer NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('CREATED', 'UPDATED', 'RENAMED', 'MOVED', 'FOLLOWED', 'ORDERED', 'DELETED')),
    -- As the transaction said (kokoa.caller, kokoa.correlation_id); null where nobody asked, such as a seed.
    caller         jsonb DEFAULT nullif(current_setting('kokoa.caller', true), '')::jsonb,
    correlation_id text DEFAULT nullif(current_setting('kokoa.correlation_id', true), ''),
    -- Field → [old, new]. A category that is created has none, whatever else its transaction did to it.
    changes        jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (environment_id, category_id, at, changed_in)
);
CREATE INDEX category_history_old ON category_history USING brin (at);

-- Of categories. A move writes rows of a whole subtree: what is below only follows. The order of siblings gives no version.
CREATE FUNCTION note_category_history() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO category_history (environment_id, category_id, version, kind)
        SELECT n.environment_id, n.id, n.version, 'CREATED' FROM new_rows n;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO category_history AS h (environment_id, category_id, version, kind, changes)
        SELECT o.environment_id, o.id, o.version + 1, 'DELETED',
               (SELECT jsonb_object_agg(f.field, f.pair) FROM history_fields(to_jsonb(o) - 'depth', '{}', '') f)
          FROM old_rows o
        ON CONFLICT (environment_id, category_id, at, changed_in) DO UPDATE
           SET version = excluded.version, kind = excluded.kind, changes = history_merge(h.changes, excluded.changes);
    ELSE
        INSERT INTO category_history AS h (environment_id, category_id, version, kind, changes)
        SELECT c.environment_id, c.id, (c.new_row -> 'version')::integer,
               CASE WHEN d.changes ? 'parent_id' THEN 'MOVED'
                    WHEN d.changes ?| ARRAY['name', 'slug'] THEN 'RENAMED'
                    WHEN d.changes ? 'path' THEN 'FOLLOWED'
                    WHEN d.changes ? 'position' THEN 'ORDERED' ELSE 'UPDATED' END,
               d.changes
          FROM (SELECT r.environment_id, r.id, (array_agg(r.row) FILTER (WHERE r.was))[1] AS old_row,
                       (array_agg(r.row) FILTER (WHERE NOT r.was))[1] AS new_row
                  FROM (SELECT true AS was, o.environment_id, o.id, to_jsonb(o) - 'depth' AS row FROM old_rows o
                         UNION ALL
                        SELECT false, n.environment_id, n.id, to_jsonb(n) - 'depth' FROM new_rows n) r
                 GROUP BY r.environment_id, r.id) c
         CROSS JOIN LATERAL (SELECT coalesce(jsonb_object_agg(f.field, f.pair), '{}') AS changes
                               FROM history_fields(c.old_row, c.new_row, '') f) d
         WHERE c.old_row <> c.new_row
        ON CONFLICT (environment_id, category_id, at, changed_in) DO UPDATE
           SET version = excluded.version,
               kind = CASE WHEN h.kind = 'CREATED' OR excluded.kind = 'UPDATED' THEN h.kind ELSE excluded.kind END,
               changes = CASE WHEN h.kind = 'CREATED' THEN h.changes
                              ELSE history_merge(h.changes, excluded.changes) END;
    END IF;
    RETURN NULL;
END
$$;

-- Of a table whose rows are parts of categories. Arguments: what stands before the fields' names, and a column that tells
-- the parts of a category apart, if there is one. The parts of a category that is deleted are gone with it. Categories are
-- looked up one by one, by key: a join would be planned once, while the tables are small, and then read all of them.
CREATE FUNCTION note_category_part_history() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
AS $$
DECLARE
    keys      text[] := ARRAY['category_id'] || TG_ARGV[1:1];
    documents boolean := TG_TABLE_NAME = 'category_custom_values';
    old_list  jsonb[];
    new_list  jsonb[];
    names     jsonb;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        SELECT array_agg(to_jsonb(o)) INTO old_list FROM old_rows o;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        SELECT array_agg(to_jsonb(n)) INTO new_list FROM new_rows n;
    END IF;
    -- A field that was removed just now is in the revision before the newest.
    IF documents THEN
        SELECT jsonb_object_agg(f.field ->> 'id', f.field -> 'key') INTO names
          FROM (SELECT r.definitions FROM custom_field_revisions r
                 WHERE r.environment_id = ((coalesce(new_list, old_list))[1] ->> 'environment_id')::uuid
                 ORDER BY r.revision DESC LIMIT 2) r
         CROSS JOIN LATERAL jsonb_array_elements(r.definitions -> 'fields') f (field);
    END IF;
    INSERT INTO category_history AS h (environment_id, category_id, version, kind, changes)
    SELECT c.environment, c.owner, max(c.version), 'UPDATED', jsonb_object_agg(f.field, f.pair)
      FROM (SELECT r.environment, r.owner, r.part, max(r.version) AS version,
                   (array_agg(r.row - keys) FILTER (WHERE r.was))[1] AS old_row,
                   (array_agg(r.row - keys) FILTER (WHERE NOT r.was))[1] AS new_row
              FROM (SELECT a.was, a.environment, a.owner,
                           concat_ws('.', nullif(TG_ARGV[0], ''), a.row ->> TG_ARGV[1]) AS part,
                           CASE WHEN documents THEN history_row(a.row, names) ELSE a.row END AS row,
                           (SELECT g.version FROM categories g
                             WHERE g.environment_id = a.environment AND g.id = a.owner) AS version
                      FROM (SELECT true AS was, o AS row, (o ->> 'environment_id')::uuid AS environment,
                                   (o ->> 'category_id')::uuid AS owner
                              FROM unnest(old_list) o
                             UNION ALL
                            SELECT false, n, (n ->> 'environment_id')::uuid, (n ->> 'category_id')::uuid
                              FROM unnest(new_list) n) a
                    OFFSET 0) r
             WHERE r.version IS NOT NULL
             GROUP BY r.environment, r.owner, r.part) c
     CROSS JOIN LATERAL history_fields(coalesce(c.old_row, '{}'), coalesce(c.new_row, '{}'), c.part) f
     GROUP BY c.environment, c.owner
    ON CONFLICT (environment_id, category_id, at, changed_in) DO UPDATE
       SET version = excluded.version,
           changes = CASE WHEN h.kind = 'CREATED' THEN h.changes ELSE history_merge(h.changes, excluded.changes) END;
    RETURN NULL;
END
$$;

-- Lets a function write the history of a table: note_category_history_of('category_seo', 'note_…(''seo'')').
CREATE PROCEDURE note_category_history_of(changed_table text, call text)
LANGUAGE plpgsql
AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER history_insert AFTER INSERT ON %I REFERENCING NEW TABLE AS new_rows
                    FOR EACH STATEMENT EXECUTE FUNCTION %s', changed_table, call);
    EXECUTE format('CREATE TRIGGER history_update AFTER UPDATE ON %I REFERENCING OLD TABLE AS old_rows
                    NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION %s', changed_table, call);
    EXECUTE format('CREATE TRIGGER history_delete AFTER DELETE ON %I REFERENCING OLD TABLE AS old_rows
                    FOR EACH STATEMENT EXECUTE FUNCTION %s', changed_table, call);
END
$$;
CALL note_category_history_of('categories', 'note_category_history()');
CALL note_category_history_of('category_translations', $$note_category_part_history('translations', 'locale')$$);
CALL note_category_history_of('category_seo', $$note_category_part_history('seo')$$);
CALL note_category_history_of('category_custom_values', $$note_category_part_history('')$$);

-- What is older than the retention, of all environments, a batch at a time.
CREATE FUNCTION forget_category_history(before timestamptz, most integer)
RETURNS bigint
LANGUAGE sql SECURITY DEFINER
AS $$
    WITH old AS (
        SELECT h.environment_id, h.category_id, h.at, h.changed_in FROM category_history h
         WHERE h.at < before LIMIT most FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM category_history h USING old
         WHERE h.environment_id = old.environment_id AND h.category_id = old.category_id AND h.at = old.at
           AND h.changed_in = old.changed_in
        RETURNING 1
    )
    SELECT count(*) FROM gone
$$;
