-- Every word is indexed with the generation that it is in (`7.lamp`). A search then looks only at what fits in its own
-- generation, and not also at the list of everything in it, which took two thirds of the time of a narrow search.

-- The words of a document as they are indexed.
CREATE FUNCTION words_in(generation bigint, words tsvector)
RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT array_to_tsvector(ARRAY(SELECT generation || '.' || word FROM unnest(tsvector_to_array(words)) AS word)) $$;

-- The words of a query, which have only letters and digits, likewise. The index knows no positions: of a phrase all
-- words must be there.
CREATE FUNCTION query_in(generation bigint, wanted tsquery)
RETURNS tsquery
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT regexp_replace(regexp_replace(wanted::text, '<(-|\d+)>', '&', 'g'),
                          '''([^'']+)''', '''' || generation || '.\1''', 'g')::tsquery
$$;

-- What is looked at again in what the index finds: the query, if it has phrases.
CREATE FUNCTION phrases_in(wanted tsquery)
RETURNS tsquery
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT CASE WHEN wanted::text ~ '<(-|\d+)>' THEN wanted END $$;

CREATE INDEX documents_words_in ON documents USING gin (words_in(generation_id, words))
    WITH (gin_pending_list_limit = 256);
CREATE INDEX documents_name_words_in ON documents USING gin (words_in(generation_id, name_words))
    WITH (gin_pending_list_limit = 256);
DROP INDEX documents_words, documents_name_words;

-- The documents of a generation that fit; part of the statements below, into which PostgreSQL inlines it. No index knows
-- IS NOT DISTINCT FROM, so that of the words is taken: before a table's first statistics PostgreSQL believes that a
-- generation has one document, and would read all of it by its key.
CREATE OR REPLACE FUNCTION fitting(
    environment uuid, generation bigint, wanted tsquery,
    in_category text, in_currency text, price_from bigint, price_to bigint
)
RETURNS SETOF documents
LANGUAGE sql STABLE
AS $$
    SELECT d.*
      FROM documents d
     WHERE d.environment_id IS NOT DISTINCT FROM environment AND d.generation_id IS NOT DISTINCT FROM generation
       AND words_in(d.generation_id, d.words) @@ (SELECT query_in(generation, wanted))
       AND ((SELECT phrases_in(wanted)) IS NULL OR d.words @@ wanted)
       AND (in_category IS NULL OR d.category_paths @> ARRAY[in_category])
       AND (in_currency IS NULL OR d.currency = in_currency)
       AND (price_from IS NULL OR d.price_minor >= price_from)
       AND (price_to IS NULL OR d.price_minor <= price_to)
$$;

-- The same for who walks along another index, and looks at one document after the other.
CREATE FUNCTION fitting_one_by_one(
    environment uuid, generation bigint, wanted tsquery,
    in_category text, in_currency text, price_from bigint, price_to bigint
)
RETURNS SETOF documents
LANGUAGE sql STABLE
AS $$
    SELECT d.*
      FROM documents d
     WHERE d.environment_id = environment AND d.generation_id = generation AND d.words @@ wanted
       AND (in_category IS NULL OR d.category_paths @> ARRAY[in_category])
       AND (in_currency IS NULL OR d.currency = in_currency)
       AND (price_from IS NULL OR d.price_minor >= price_from)
       AND (price_to IS NULL OR d.price_minor <= price_to)
$$;

-- Those with the words in their names.
CREATE OR REPLACE FUNCTION fitting_by_name(
    environment uuid, generation bigint, wanted tsquery,
    in_category text, in_currency text, price_from bigint, price_to bigint
)
RETURNS SETOF documents
LANGUAGE sql STABLE
AS $$
    SELECT d.*
      FROM documents d
     WHERE d.environment_id IS NOT DISTINCT FROM environment AND d.generation_id IS NOT DISTINCT FROM generation
       AND words_in(d.generation_id, d.name_words) @@ (SELECT query_in(generation, wanted))
       AND ((SELECT phrases_in(wanted)) IS NULL OR d.name_words @@ wanted)
       AND (in_category IS NULL OR d.category_paths @> ARRAY[in_category])
       AND (in_currency IS NULL OR d.currency = in_currency)
       AND (price_from IS NULL OR d.price_minor >= price_from)
       AND (price_to IS NULL OR d.price_minor <= price_to)
$$;

-- A search, in one statement.
--
--   few   at most 500 documents fit (in another order than relevance: 1,000): all are read, ranked or sorted, and counted.
--         When hardly any fit, words are taken as misspelt too.
--   many  more fit. By relevance: some hundreds of those with the words in the name (else anywhere) and all boosted
--         products that fit are ranked. In another order: the index of that order is walked until the page is full.
--
-- total: as many as were read when nobody counts; at most 10,001.  categories: (path, count), prices: (currency, from,
-- count), of at most 10,000 documents.
CREATE OR REPLACE FUNCTION search_documents(
    environment uuid, typed text[], most integer, skip integer, sorting text,
    in_category text, in_currency text, price_from bigint, price_to bigint, counting boolean, facetting boolean,
    OUT product_ids uuid[], OUT total integer, OUT categories jsonb, OUT prices jsonb
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET enable_seqscan = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    generation bigint;
    language   regconfig;
    whole      tsquery;  -- all words as typed
    begun      tsquery;  -- the last may be unfinished
    wanted     tsquery;  -- what is searched: begun, or misspelt too
    boosted    boolean;
    named      integer;  -- how many have the words in their names
    first_ids  uuid[];   -- the best of those that were read, with their scores
    first_scores double precision[];
    place      text;
    few        integer := CASE sorting WHEN 'RELEVANCE' THEN 500 ELSE 1000 END;
BEGIN
    SELECT g.id, g.language::regconfig INTO generation, language
      FROM generations g WHERE g.environment_id = environment AND g.state = 'serving';
    product_ids := '{}'; total := 0; categories := '[]'; prices := '[]';
    IF generation IS NULL THEN
        RETURN;
    END IF;
    whole := query_of(environment, typed, language, false);
    begun := query_of(environment, typed, language, true);
    boosted := sorting = 'RELEVANCE' AND EXISTS (SELECT FROM boosts b WHERE b.environment_id = environment);
    wanted := begun;
    FOR attempt IN 1 .. 2 LOOP
        WITH fit AS MATERIALIZED (
            SELECT d.product_id, d.currency, d.price_minor, d.name_key, d.created_at,
                   CASE sorting WHEN 'RELEVANCE' THEN relevance(d.name_words, d.words, whole, begun)
                       * CASE WHEN boosted THEN factor_of(environment, d.product_id, d.category_paths) ELSE 1 END
                   END AS score
              FROM fitting(environment, generation, wanted, in_category, in_currency, price_from, price_to) d
             LIMIT few + 1
        )
        SELECT (SELECT count(*) FROM fit), (SELECT count(*) FROM fit WHERE score >= 3),
               ARRAY(SELECT d.product_id FROM fit d ORDER BY
                   CASE WHEN sorting IN ('PRICE_ASC', 'PRICE_DESC') THEN d.currency END,
                   CASE sorting WHEN 'PRICE_ASC' THEN d.price_minor WHEN 'PRICE_DESC' THEN -d.price_minor END,
                   CASE sorting WHEN 'NAME' THEN d.name_key END,
                   CASE sorting WHEN 'NEWEST' THEN d.created_at END DESC,
                   d.score DESC, d.product_id LIMIT most OFFSET skip),
               ARRAY(SELECT d.product_id FROM fit d ORDER BY d.score DESC, d.product_id LIMIT most + skip),
               ARRAY(SELECT d.score FROM fit d ORDER BY d.score DESC, d.product_id LIMIT most + skip)
          INTO total, named, product_ids, first_ids, first_scores;
        EXIT WHEN attempt = 2 OR total >= 3;
        wanted := begun || similar_query_of(generation, typed, language);
    END LOOP;
    IF total > few AND sorting = 'RELEVANCE' AND named >= 250 AND NOT boosted THEN
        NULL;  -- those that were read are as good as any
    ELSIF total > few AND sorting = 'RELEVANCE' THEN
        product_ids := search_many(environment, generation, first_ids, first_scores, wanted, whole, begun, most, skip, boosted,
                                   in_category, in_currency, price_from, price_to);
    ELSIF total > few THEN
        place := CASE sorting WHEN 'PRICE_ASC' THEN 'd.currency, d.price_minor'
                              WHEN 'PRICE_DESC' THEN 'd.currency DESC, d.price_minor DESC'
                              WHEN 'NAME' THEN 'd.name_key' ELSE 'd.created_at DESC' END;
        -- With its values in it, so that PostgreSQL sees how soon the page is full.
        EXECUTE format('SELECT ARRAY(SELECT d.product_id FROM fitting_one_by_one(%L, %L, %L, %L, %L, %L, %L) d'
                       ' ORDER BY %s LIMIT %L OFFSET %L)',
                       environment, generation, wanted, in_category, in_currency, price_from, price_to,
                       place, most, skip)
           INTO product_ids;
    END IF;
    IF total > few AND counting THEN
        SELECT count(*) INTO total FROM (
            SELECT FROM fitting(environment, generation, wanted, in_category, in_currency, price_from, price_to)
             LIMIT 10001) f;
    END IF;
    IF facetting THEN
        SELECT f.categories, f.prices INTO categories, prices
          FROM facets_of(environment, generation, wanted, in_category, in_currency, price_from, price_to) f;
    END IF;
END
$$;

-- The best of many: those with the words in their names before others, and all boosted products among them.
CREATE OR REPLACE FUNCTION search_many(
    environment uuid, generation bigint, first_ids uuid[], first_scores double precision[], wanted tsquery,
    whole tsquery, begun tsquery, most integer, skip integer, boosted boolean,
    in_category text, in_currency text, price_from bigint, price_to bigint
)
RETURNS uuid[]
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    best uuid[];
BEGIN
    WITH named AS MATERIALIZED (
        SELECT d.product_id,
               relevance(d.name_words, d.words, whole, begun)
                   * CASE WHEN boosted THEN factor_of(environment, d.product_id, d.category_paths) ELSE 1 END AS score
          FROM fitting_by_name(environment, generation, begun, in_category, in_currency, price_from, price_to) d
         LIMIT 500
    ), favoured AS (
        SELECT d.product_id,
               relevance(d.name_words, d.words, whole, begun)
                   * factor_of(environment, d.product_id, d.category_paths) AS score
          FROM boosts b
          JOIN fitting(environment, generation, wanted, in_category, in_currency, price_from, price_to) d
            ON d.product_id = b.subject::uuid
         WHERE boosted AND b.environment_id = environment AND b.kind = 'product'
    ), candidates AS (
        SELECT * FROM named UNION SELECT * FROM favoured
        UNION SELECT * FROM unnest(first_ids, first_scores)
    )
    SELECT ARRAY(SELECT d.product_id FROM candidates d ORDER BY d.score DESC, d.product_id LIMIT most OFFSET skip)
      INTO best;
    RETURN best;
END
$$;

-- Names that begin so, each once; then names with a word that does. Bounded: a name is found by one look at the index.
CREATE OR REPLACE FUNCTION suggest_names(environment uuid, typed text[], beginning text, most integer)
RETURNS SETOF text
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET enable_seqscan = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    generation bigint := (SELECT g.id FROM generations g WHERE g.environment_id = environment AND g.state = 'serving');
    seen       text[] := '{}';
    after      text COLLATE "C" := beginning;
    past       text COLLATE "C" := beginning || chr(1114111);
    one        record;
BEGIN
    WHILE cardinality(seen) < most LOOP
        SELECT d.name, d.name_key INTO one FROM documents d
         WHERE d.generation_id = generation AND d.name_key >= after AND d.name_key < past
         ORDER BY d.name_key, d.product_id LIMIT 1;
        EXIT WHEN NOT FOUND;
        seen := seen || one.name_key;
        after := one.name_key || chr(1);
        RETURN NEXT one.name;
    END LOOP;
    FOR one IN
        SELECT DISTINCT ON (f.name_key) f.name, f.name_key FROM (
            SELECT d.name, d.name_key FROM documents d
             WHERE d.generation_id IS NOT DISTINCT FROM generation
               AND words_in(d.generation_id, d.name_words)
                   @@ (SELECT query_in(generation, to_tsquery('simple', array_to_string(typed, ' & ') || ':*')))
             LIMIT CASE WHEN cardinality(seen) < most THEN 200 ELSE 0 END) f
         WHERE f.name_key <> ALL (seen) ORDER BY f.name_key LIMIT most - cardinality(seen)
    LOOP
        RETURN NEXT one.name;
    END LOOP;
END
$$;
