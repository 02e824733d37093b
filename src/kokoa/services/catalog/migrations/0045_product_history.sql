-- Who changed what of a product, when. Triggers write it, in the transaction of the change, so that no way of changing a
-- product can forget to: one row for a product and a transaction, one statement whatever the number of products.
CREATE TABLE product_history (
    environment_id uuid NOT NULL,
    product_id     uuid NOT NULL,
    -- The beginning of the transaction, and its number.
    at             timestamptz NOT NULL DEFAULT now(),
    changed_in     bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    version        integer NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('CREATED', 'UPDATED', 'PUBLISHED', 'UNPUBLISHED', 'ARCHIVED', 'RESTORED',
                                                 'DELETED')),
    -- As the transaction said (kokoa.caller, kokoa.correlation_id); null where nobody asked, such as a seed.
    caller         jsonb DEFAULT nullif(current_setting('kokoa.caller', true), '')::jsonb,
    correlation_id text DEFAULT nullif(current_setting('kokoa.correlation_id', true), ''),
    -- Field → [old, new]. A product that is created has none: what it had is told by later changes and by what it is.
    changes        jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (environment_id, product_id, at, changed_in)
);
-- Rows come in the order of time, so ranges of blocks are enough to find the old ones, and cost an import nothing.
CREATE INDEX product_history_old ON product_history USING brin (at);

-- A value as it is kept: long ones by their beginning.
CREATE FUNCTION history_value(value jsonb) RETURNS jsonb
LANGUAGE sql STABLE
AS $$ SELECT CASE WHEN length(value::text) <= 500 THEN value ELSE to_jsonb(left(value #>> '{}', 500) || '…') END $$;

-- In which fields two rows of a table differ; a field may be in one of them only. part: what stands before the fields'
-- names. What the house itself keeps is left out.
CREATE FUNCTION history_fields(old_row jsonb, new_row jsonb, part text) RETURNS TABLE (field text, pair jsonb)
LANGUAGE sql STABLE
AS $$
    SELECT concat_ws('.', nullif(part, ''), k.name),
           jsonb_build_array(history_value(old_row -> k.name), history_value(new_row -> k.name))
      FROM jsonb_object_keys(old_row || new_row) k (name)
     WHERE nullif(old_row -> k.name, 'null') IS DISTINCT FROM nullif(new_row -> k.name, 'null')
       AND k.name <> ALL (ARRAY[
           'environment_id', 'id', 'product_id', 'variant_id', 'version', 'created_at', 'updated_at', 'changed_in',
           'name_folded', 'price_currency', 'price_amount', 'due_at', 'base', 'staged_at'])
$$;

-- A row whose documents are fields of their own, `attributes.power` in place of `attributes`. The point before a name
-- that somebody else chose is U+001F here: what stands behind it is no column, and stays as it is spelt.
-- names: of custom fields, by their numbers.
CREATE FUNCTION history_row(part_row jsonb, names jsonb) RETURNS jsonb
LANGUAGE sql STABLE
AS $$
    SELECT part_row - ARRAY(SELECT d.kept FROM unnest(ARRAY['attributes', 'options', 'document']) d (kept)
                             WHERE jsonb_typeof(part_row -> d.kept) = 'object' OR part_row -> d.kept = '[]')
           || coalesce(jsonb_object_agg(concat(d.part, E'\x1f', coalesce(names ->> e.key, e.key)), e.value), '{}')
      FROM (VALUES ('attributes', 'attributes'), ('options', 'options'), ('document', 'custom')) d (kept, part)
     CROSS JOIN LATERAL jsonb_each(CASE WHEN jsonb_typeof(part_row -> d.kept) = 'object'
                                        THEN part_row -> d.kept ELSE '{}' END) e
$$;

-- Two sets of changes of one transaction, the later over the earlier; what is as it was before is left out.
CREATE FUNCTION history_merge(earlier jsonb, later jsonb) RETURNS jsonb
LANGUAGE sql STABLE
AS $$
    SELECT CASE WHEN NOT earlier ?| ARRAY(SELECT jsonb_object_keys(later)) THEN earlier || later ELSE (
        SELECT coalesce(jsonb_object_agg(m.key, m.pair), '{}') FROM (
            SELECT coalesce(e.key, l.key) AS key,
                   jsonb_build_array(coalesce(e.value, l.value) -> 0, coalesce(l.value, e.value) -> 1) AS pair
              FROM jsonb_each(earlier) e FULL JOIN jsonb_each(later) l ON l.key = e.key
        ) m WHERE m.pair -> 0 IS DISTINCT FROM m.pair -> 1
    ) END
$$;

-- Of products. Old and new rows are brought together by grouping, not by a join: a plan that was made for one row, and
-- is kept, would compare each of a thousand with each.
CREATE FUNCTION note_product_history() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO product_history (environment_id, product_id, version, kind)
        SELECT n.environment_id, n.id, n.version, 'CREATED' FROM new_rows n;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO product_history AS h (environment_id, product_id, version, kind, changes)
        SELECT o.environment_id, o.id, o.version + 1, 'DELETED',
               (SELECT jsonb_object_agg(f.field, f.pair) FROM history_fields(to_jsonb(o), '{}', '') f)
          FROM old_rows o
        ON CONFLICT (environment_id, product_id, at, changed_in) DO UPDATE
           SET version = excluded.version, kind = excluded.kind, changes = history_merge(h.changes, excluded.changes);
    ELSE
        -- A category that moves takes products along; that is no change of theirs, and no version.
        INSERT INTO product_history AS h (environment_id, product_id, version, kind, changes)
        SELECT p.environment_id, p.id, (p.new_row -> 'version')::integer,
               CASE WHEN p.new_row -> 'status' = p.old_row -> 'status' THEN 'UPDATED'
                    WHEN p.new_row ->> 'status' <> 'DRAFT' THEN p.new_row ->> 'status'
                    WHEN p.old_row ->> 'status' = 'ARCHIVED' THEN 'RESTORED' ELSE 'UNPUBLISHED' END,
               coalesce((SELECT jsonb_object_agg(f.field, f.pair)
                           FROM history_fields(p.old_row, p.new_row, '') f), '{}')
          FROM (SELECT r.environment_id, r.id, (array_agg(r.row) FILTER (WHERE r.was))[1] AS old_row,
                       (array_agg(r.row) FILTER (WHERE NOT r.was))[1] AS new_row
                  FROM (SELECT true AS was, o.environment_id, o.id, to_jsonb(o) AS row FROM old_rows o
                         UNION ALL SELECT false, n.environment_id, n.id, to_jsonb(n) FROM new_rows n) r
                 GROUP BY r.environment_id, r.id) p
         WHERE p.old_row -> 'version' <> p.new_row -> 'version'
        ON CONFLICT (environment_id, product_id, at, changed_in) DO UPDATE
           SET version = excluded.version, changes = history_merge(h.changes, excluded.changes),
               kind = CASE WHEN excluded.kind = 'UPDATED' THEN h.kind ELSE excluded.kind END;
    END IF;
    RETURN NULL;
END
$$;

-- Of a table whose rows are parts of products, or of variants. Arguments: what stands before the fields' names, and up to
-- three columns that tell the parts of a product apart. The parts of a product that this transaction made are no changes
-- (a product may also be told its next version after its parts), and those of a deleted one are gone with it. Products and
-- variants are looked up one by one, by key: a join would be planned once, while the tables are small, and then read all
-- products.
CREATE FUNCTION note_part_history() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_seqscan = off
AS $$
DECLARE
    keys      text[] := TG_ARGV[1:3];
    documents boolean := TG_TABLE_NAME IN ('product_details', 'variant_details', 'product_custom_values',
                                           'variant_custom_values');
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
    IF TG_TABLE_NAME IN ('product_custom_values', 'variant_custom_values') THEN
        SELECT jsonb_object_agg(f.field ->> 'id', f.field -> 'key') INTO names
          FROM (SELECT r.definitions FROM custom_field_revisions r
                 WHERE r.environment_id = ((coalesce(new_list, old_list))[1] ->> 'environment_id')::uuid
                 ORDER BY r.revision DESC LIMIT 2) r
         CROSS JOIN LATERAL jsonb_array_elements(r.definitions -> 'fields') f (field);
    END IF;
    INSERT INTO product_history AS h (environment_id, product_id, version, kind, changes)
    SELECT c.environment, c.owner, max(c.version), 'UPDATED', jsonb_object_agg(f.field, f.pair)
      FROM (SELECT r.environment, r.owner, r.part, max(r.version) AS version,
                   (array_agg(r.row - keys) FILTER (WHERE r.was))[1] AS old_row,
                   (array_agg(r.row - keys) FILTER (WHERE NOT r.was))[1] AS new_row
              FROM (SELECT t.was, t.row, t.environment, t.owner, t.version,
                           concat_ws('.', nullif(TG_ARGV[0], ''), t.row ->> TG_ARGV[1], t.row ->> TG_ARGV[2],
                                     t.row ->> TG_ARGV[3]) AS part
                      FROM (SELECT o.was, o.environment, o.owner, o.version,
                                   CASE WHEN NOT documents THEN o.row ELSE history_row(o.row, names) || CASE
                                        WHEN o.row ? 'variant_id' THEN jsonb_build_object('sku', (
                                             SELECT v.sku FROM variants v
                                              WHERE v.environment_id = o.environment
                                                AND v.id = (o.row ->> 'variant_id')::uuid))
                                        WHEN o.row ? 'type_id' THEN jsonb_build_object('type_id', NULL, 'product_type', (
                                             SELECT t.key FROM product_types t
                                              WHERE t.environment_id = o.environment
                                                AND t.id = (o.row ->> 'type_id')::uuid))
                                        ELSE '{}' END END AS row
                              FROM (SELECT b.was, b.row, b.environment, b.owner,
                                           (SELECT p.version FROM products p
                                             WHERE p.environment_id = b.environment AND p.id = b.owner
                                               AND (p.version > 1
                                                    OR p.changed_in <> pg_current_xact_id()::text::bigint)) AS version
                                      FROM (SELECT a.was, a.row, a.environment,
                                                   coalesce((a.row ->> 'product_id')::uuid,
                                                            (SELECT v.product_id FROM variants v
                                                              WHERE v.environment_id = a.environment
                                                                AND v.id = (a.row ->> 'variant_id')::uuid)) AS owner
                                              FROM (SELECT true AS was, o AS row,
                                                           (o ->> 'environment_id')::uuid AS environment
                                                      FROM unnest(old_list) o
                                                     UNION ALL SELECT false, n, (n ->> 'environment_id')::uuid
                                                      FROM unnest(new_list) n) a
                                            OFFSET 0) b
                                    OFFSET 0) o
                             WHERE o.version IS NOT NULL
                            OFFSET 0) t) r
             GROUP BY r.environment, r.owner, r.part) c
     CROSS JOIN LATERAL history_fields(coalesce(c.old_row, '{}'), coalesce(c.new_row, '{}'), c.part) f
     GROUP BY c.environment, c.owner
    ON CONFLICT (environment_id, product_id, at, changed_in) DO UPDATE
       SET version = excluded.version, changes = history_merge(h.changes, excluded.changes);
    RETURN NULL;
END
$$;

CREATE TRIGGER history_insert AFTER INSERT ON products REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION note_product_history();
CREATE TRIGGER history_update AFTER UPDATE ON products REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION note_product_history();
CREATE TRIGGER history_delete AFTER DELETE ON products REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION note_product_history();

-- Lets the history follow a table of parts of products: note_history_of('variants', '''variants'', ''sku''').
CREATE PROCEDURE note_history_of(part_table text, arguments text)
LANGUAGE plpgsql
AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER history_insert AFTER INSERT ON %I REFERENCING NEW TABLE AS new_rows
                    FOR EACH STATEMENT EXECUTE FUNCTION note_part_history(%s)', part_table, arguments);
    EXECUTE format('CREATE TRIGGER history_update AFTER UPDATE ON %I REFERENCING OLD TABLE AS old_rows
                    NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_part_history(%s)',
                   part_table, arguments);
    EXECUTE format('CREATE TRIGGER history_delete AFTER DELETE ON %I REFERENCING OLD TABLE AS old_rows
                    FOR EACH STATEMENT EXECUTE FUNCTION note_part_history(%s)', part_table, arguments);
END
$$;
CALL note_history_of('variants', $$'variants', 'sku'$$);
CALL note_history_of('product_schedules', $$'schedule'$$);
CALL note_history_of('staged_changes', $$'staged'$$);
CALL note_history_of('product_channels', $$''$$);
CALL note_history_of('variant_prices', $$'prices', 'variant_id', 'currency', 'channel'$$);
CALL note_history_of('product_relations', $$'related', 'kind', 'position'$$);
CALL note_history_of('bundle_items', $$'bundle', 'variant_id'$$);

-- What is older than the retention, of all environments, a batch at a time.
CREATE FUNCTION forget_product_history(before timestamptz, most integer)
RETURNS bigint
LANGUAGE sql SECURITY DEFINER
AS $$
    WITH old AS (
        SELECT h.environment_id, h.product_id, h.at, h.changed_in FROM product_history h
         WHERE h.at < before LIMIT most FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM product_history h USING old
         WHERE h.environment_id = old.environment_id AND h.product_id = old.product_id AND h.at = old.at
           AND h.changed_in = old.changed_in
        RETURNING 1
    )
    SELECT count(*) FROM gone
$$;
