-- The history follows all parts of products: types, attributes and options, translations, SEO, media, custom values.
-- attribute_values only mirrors other tables, and has none.

-- In which fields two rows of a table differ; a field may be in one of them only. part: what stands before the fields'
-- names. What the house itself keeps is left out.
CREATE OR REPLACE FUNCTION history_fields(old_row jsonb, new_row jsonb, part text) RETURNS TABLE (field text, pair jsonb)
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

-- Of a table whose rows are parts of products, or of variants. Arguments: what stands before the fields' names, and up to
-- three columns that tell the parts of a product apart. The parts of a product that this transaction made are no changes
-- (a product may also be told its next version after its parts), and those of a deleted one are gone with it. Products and
-- variants are looked up one by one, by key: a join would be planned once, while the tables are small, and then read all
-- products.
CREATE OR REPLACE FUNCTION note_part_history() RETURNS trigger
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

CALL note_history_of('product_details', $$''$$);
CALL note_history_of('variant_details', $$'variants', 'sku'$$);
CALL note_history_of('product_translations', $$'translations', 'locale'$$);
CALL note_history_of('product_seo', $$'seo'$$);
CALL note_history_of('product_media', $$'media', 'id'$$);
CALL note_history_of('product_custom_values', $$''$$);
CALL note_history_of('variant_custom_values', $$'variants', 'sku'$$);
