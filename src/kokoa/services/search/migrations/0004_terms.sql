-- What a search reads, it reads once, and less of it: the place in the tree of categories is in the index of words too, so
-- that a search within a category looks at nothing else; in a category's thousandth part it looked at everything that the
-- words fit. Pages beyond what is ranked are no longer empty.

-- What is indexed of a document: its words, and the category it is in with those above, each with the generation. Paths
-- may be longer than PostgreSQL's words.
CREATE FUNCTION terms_in(generation bigint, words tsvector, category_paths text[])
RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT array_to_tsvector(ARRAY(
        SELECT generation || '.' || word FROM unnest(tsvector_to_array(words)) AS word
        UNION ALL SELECT generation || '@' || md5(path) FROM unnest(category_paths) AS path))
$$;
CREATE INDEX documents_terms_in ON documents USING gin (terms_in(generation_id, words, category_paths))
    WITH (gin_pending_list_limit = 256);
DROP INDEX documents_words_in;

-- The words of a query, which have only letters and digits, likewise. The index knows no positions: of a phrase all
-- words must be there. (`bigint || text` would keep PostgreSQL from inlining it.)
CREATE OR REPLACE FUNCTION query_in(generation bigint, wanted tsquery)
RETURNS tsquery
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT regexp_replace(regexp_replace(wanted::text, '<(-|\d+)>', '&', 'g'),
                          '''([^'']+)''', '''' || generation::text || '.\1''', 'g')::tsquery
$$;

-- The same within a category, if there is one.
CREATE FUNCTION query_within(generation bigint, wanted tsquery, in_category text)
RETURNS tsquery
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE WHEN in_category IS NULL THEN query_in(generation, wanted)
                ELSE query_in(generation, wanted)
                     && ('''' || generation::text || '@' || md5(in_category) || '''')::tsquery END
$$;

DROP FUNCTION search_documents(uuid, text[], integer, integer, text, text, text, bigint, bigint, boolean, boolean);
DROP FUNCTION search_many(uuid, bigint, uuid[], double precision[], tsquery, tsquery, tsquery, integer, integer, boolean,
                          text, text, bigint, bigint);
DROP FUNCTION fitting(uuid, bigint, tsquery, text, text, bigint, bigint);
DROP FUNCTION fitting_by_name(uuid, bigint, tsquery, text, text, bigint, bigint);
DROP FUNCTION facets_of(uuid, bigint, tsquery, text, text, bigint, bigint);
DROP FUNCTION query_of(uuid, text[], regconfig, boolean);

-- The documents of a generation that fit; part of the statements below, into which PostgreSQL inlines it. indexed: the
-- words, and the category, with their generation (query_within); phrases: what is looked at again in each document, null without phrases. No index knows
-- IS NOT DISTINCT FROM, so that of the words is taken: before a table's first statistics PostgreSQL believes that a
-- generation has one document, and would read all of it by its key.
CREATE FUNCTION fitting(
    environment uuid, generation bigint, indexed tsquery, phrases tsquery,
    in_category text, in_currency text, price_from bigint, price_to bigint
)
RETURNS SETOF documents
LANGUAGE sql STABLE
AS $$
    SELECT d.*
      FROM documents d
     WHERE d.environment_id IS NOT DISTINCT FROM environment AND d.generation_id IS NOT DISTINCT FROM generation
       AND terms_in(d.generation_id, d.words, d.category_paths) @@ indexed
       AND (phrases IS NULL OR d.words @@ phrases)
       AND (in_category IS NULL OR d.category_paths @> ARRAY[in_category])
       AND (in_currency IS NULL OR d.currency = in_currency)
       AND (price_from IS NULL OR d.price_minor >= price_from)
       AND (price_to IS NULL OR d.price_minor <= price_to)
$$;

-- Those with the words in their names.
CREATE FUNCTION fitting_by_name(
    environment uuid, generation bigint, indexed tsquery, phrases tsquery,
    in_category text, in_currency text, price_from bigint, price_to bigint
)
RETURNS SETOF documents
LANGUAGE sql STABLE
AS $$
    SELECT d.*
      FROM documents d
     WHERE d.environment_id IS NOT DISTINCT FROM environment AND d.generation_id IS NOT DISTINCT FROM generation
       AND words_in(d.generation_id, d.name_words) @@ indexed
       AND (phrases IS NULL OR d.name_words @@ phrases)
       AND (in_category IS NULL OR d.category_paths @> ARRAY[in_category])
       AND (in_currency IS NULL OR d.currency = in_currency)
       AND (price_from IS NULL OR d.price_minor >= price_from)
       AND (price_to IS NULL OR d.price_minor <= price_to)
$$;

-- The query of some words: each itself or, if any is `known`, a synonym of it; `unfinished`: the last may be the beginning
-- of one.
CREATE FUNCTION query_of(environment uuid, typed text[], language regconfig, known boolean, unfinished boolean)
RETURNS tsquery
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    last    integer := cardinality(typed);
    made    tsquery;
    one     tsquery;
    meaning text;
BEGIN
    IF NOT known AND NOT unfinished THEN
        RETURN to_tsquery(language, array_to_string(typed, ' & '));
    END IF;
    FOR place IN 1 .. last LOOP
        one := to_tsquery(language, typed[place]);
        IF unfinished AND place = last AND (numnode(one) > 0 OR last = 1) THEN
            -- What begins with a word is also the word itself.
            one := CASE WHEN one = to_tsquery('simple', typed[place]) THEN to_tsquery('simple', typed[place] || ':*')
                        ELSE one || to_tsquery('simple', typed[place] || ':*') END;
        END IF;
        IF known THEN
            FOR meaning IN SELECT s.meaning FROM synonyms s WHERE s.environment_id = environment AND s.word = typed[place]
            LOOP
                one := one || phraseto_tsquery(language, meaning);
            END LOOP;
        END IF;
        made := coalesce(made && one, one);
    END LOOP;
    RETURN made;
END
$$;

-- Of at most 10,000 documents: how many are in each category, the 100 largest, and in each band of prices. A band is
-- 1, 2 or 5 times a power of ten of minor units up to the next of these.
CREATE FUNCTION facets_of(
    environment uuid, generation bigint, indexed tsquery, phrases tsquery,
    in_category text, in_currency text, price_from bigint, price_to bigint,
    OUT categories jsonb, OUT prices jsonb
)
LANGUAGE sql STABLE
AS $$
    WITH fit AS MATERIALIZED (
        SELECT d.category_paths, d.currency, d.price_minor,
               10::numeric ^ (length(d.price_minor::text) - 1) AS power
          FROM fitting(environment, generation, indexed, phrases, in_category, in_currency, price_from, price_to) d
         LIMIT 10000
    ), paths AS (
        SELECT path, count(*) AS n FROM fit, unnest(fit.category_paths) AS path
         GROUP BY path ORDER BY n DESC, path LIMIT 100
    ), bands AS (
        SELECT currency, CASE WHEN price_minor <= 0 THEN 0 WHEN price_minor >= 5 * power THEN 5 * power
                              WHEN price_minor >= 2 * power THEN 2 * power ELSE power END::bigint AS band, count(*) AS n
          FROM fit WHERE price_minor IS NOT NULL
         GROUP BY 1, 2 ORDER BY currency, band LIMIT 200
    )
    SELECT coalesce((SELECT jsonb_agg(jsonb_build_array(path, n) ORDER BY n DESC, path) FROM paths), '[]'),
           coalesce((SELECT jsonb_agg(jsonb_build_array(currency, band, n) ORDER BY currency, band) FROM bands), '[]')
$$;

-- The best of many, in their order: those with the words in their names before others, and all boosted products among
-- them.
CREATE FUNCTION best_of_many(
    environment uuid, generation bigint, first_ids uuid[], first_scores double precision[], wanted tsquery,
    whole tsquery, begun tsquery, boosted boolean, in_category text, in_currency text, price_from bigint, price_to bigint
)
RETURNS uuid[]
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    begun_in  tsquery := query_in(generation, begun);
    begun_as  tsquery := phrases_in(begun);
    wanted_in tsquery := query_within(generation, wanted, in_category);
    wanted_as tsquery := phrases_in(wanted);
    best      uuid[];
BEGIN
    WITH named AS MATERIALIZED (
        SELECT d.product_id,
               relevance(d.name_words, d.words, whole, begun)
                   * CASE WHEN boosted THEN factor_of(environment, d.product_id, d.category_paths) ELSE 1 END AS score
          FROM fitting_by_name(environment, generation, begun_in, begun_as,
                               in_category, in_currency, price_from, price_to) d
         LIMIT 250
    ), favoured AS (
        SELECT d.product_id,
               relevance(d.name_words, d.words, whole, begun)
                   * factor_of(environment, d.product_id, d.category_paths) AS score
          FROM boosts b
          JOIN fitting(environment, generation, wanted_in, wanted_as, in_category, in_currency, price_from, price_to) d
            ON d.product_id = b.subject::uuid
         WHERE boosted AND b.environment_id = environment AND b.kind = 'product'
    ), candidates AS (
        SELECT * FROM named UNION SELECT * FROM favoured
        UNION SELECT * FROM unnest(first_ids, first_scores)
    )
    SELECT ARRAY(SELECT d.product_id FROM candidates d ORDER BY d.score DESC, d.product_id) INTO best;
    RETURN best;
END
$$;

-- A search, in one statement.
--
--   few   at most 250 documents fit (in another order than relevance: 1,000): all are read, ranked or sorted, and counted.
--         When hardly any fit, words are taken as misspelt too.
--   many  more fit. By relevance: 250 of those with the words in the name (else anywhere) and all boosted products that
--         fit are ranked, and the others follow. In another order: the index of that order is walked until the page is
--         full.
--
-- total: as many as were read when nobody counts; at most 10,001.  categories: (path, count), prices: (currency, from,
-- count), of at most 10,000 documents.
CREATE FUNCTION search_documents(
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
    known      boolean;  -- whether a word has synonyms
    boosted    boolean;
    whole      tsquery;  -- all words as typed
    begun      tsquery;  -- the last may be unfinished
    wanted     tsquery;  -- what is searched: begun, or misspelt too
    indexed    tsquery;  -- the same as the index has it
    phrases    tsquery;
    named      integer;  -- how many of those that were ranked have the words in their names
    ranked     uuid[];   -- the best first
    scores     double precision[];
    few        integer := CASE sorting WHEN 'RELEVANCE' THEN 250 ELSE 1000 END;
BEGIN
    product_ids := '{}'; total := 0; categories := '[]'; prices := '[]';
    SELECT g.id, g.language::regconfig,
           EXISTS (SELECT FROM synonyms s WHERE s.environment_id = environment AND s.word = ANY (typed)),
           EXISTS (SELECT FROM boosts b WHERE b.environment_id = environment)
      INTO generation, language, known, boosted
      FROM generations g WHERE g.environment_id = environment AND g.state = 'serving';
    IF generation IS NULL THEN
        RETURN;
    END IF;
    whole := query_of(environment, typed, language, known, false);
    begun := query_of(environment, typed, language, known, true);
    wanted := begun;
    FOR attempt IN 1 .. 2 LOOP
        indexed := query_within(generation, wanted, in_category);
        phrases := phrases_in(wanted);
        IF sorting = 'RELEVANCE' THEN
            WITH fit AS MATERIALIZED (
                SELECT d.product_id,
                       relevance(d.name_words, d.words, whole, begun)
                           * CASE WHEN boosted THEN factor_of(environment, d.product_id, d.category_paths) ELSE 1 END
                       AS score
                  FROM fitting(environment, generation, indexed, phrases, in_category, in_currency, price_from, price_to) d
                 LIMIT few + 1
            )
            SELECT count(*), count(*) FILTER (WHERE f.score >= 3),
                   array_agg(f.product_id ORDER BY f.score DESC, f.product_id),
                   array_agg(f.score ORDER BY f.score DESC, f.product_id)
              INTO total, named, ranked, scores FROM fit f;
            product_ids := coalesce(ranked[skip + 1 : skip + most], '{}');
        ELSE
            WITH fit AS MATERIALIZED (
                SELECT d.product_id, d.currency, d.price_minor, d.name_key, d.created_at
                  FROM fitting(environment, generation, indexed, phrases, in_category, in_currency, price_from, price_to) d
                 LIMIT few + 1
            )
            SELECT (SELECT count(*) FROM fit),
                   ARRAY(SELECT d.product_id FROM fit d ORDER BY
                       CASE WHEN sorting IN ('PRICE_ASC', 'PRICE_DESC') THEN d.currency END,
                       CASE sorting WHEN 'PRICE_ASC' THEN d.price_minor WHEN 'PRICE_DESC' THEN -d.price_minor END,
                       CASE sorting WHEN 'NAME' THEN d.name_key END,
                       CASE sorting WHEN 'NEWEST' THEN d.created_at END DESC, d.product_id LIMIT most OFFSET skip)
              INTO total, product_ids;
        END IF;
        EXIT WHEN attempt = 2 OR total >= 3;
        wanted := begun || similar_query_of(generation, typed, language);
    END LOOP;
    IF total > few AND sorting = 'RELEVANCE' THEN
        IF boosted OR named * 2 < few THEN
            ranked := best_of_many(environment, generation, ranked, scores, wanted, whole, begun, boosted,
                                   in_category, in_currency, price_from, price_to);
            product_ids := ranked[skip + 1 : skip + most];
        END IF;
        IF skip + most > cardinality(ranked) THEN
            WITH others AS (
                SELECT d.product_id, row_number() OVER () AS n
                  FROM fitting(environment, generation, indexed, phrases, in_category, in_currency, price_from, price_to) d
                 LIMIT skip + most
            )
            SELECT product_ids || ARRAY(
                       SELECT o.product_id FROM others o
                        WHERE NOT EXISTS (SELECT FROM unnest(ranked) AS r (id) WHERE r.id = o.product_id) ORDER BY o.n
                        LIMIT most - cardinality(product_ids) OFFSET greatest(skip - cardinality(ranked), 0))
              INTO product_ids;
        END IF;
    ELSIF total > few THEN
        -- With its values in it, so that PostgreSQL sees how soon the page is full.
        EXECUTE format('SELECT ARRAY(SELECT d.product_id FROM fitting_one_by_one(%L, %L, %L, %L, %L, %L, %L) d'
                       ' ORDER BY %s LIMIT %L OFFSET %L)',
                       environment, generation, wanted, in_category, in_currency, price_from, price_to,
                       CASE sorting WHEN 'PRICE_ASC' THEN 'd.currency, d.price_minor'
                                    WHEN 'PRICE_DESC' THEN 'd.currency DESC, d.price_minor DESC'
                                    WHEN 'NAME' THEN 'd.name_key' ELSE 'd.created_at DESC' END, most, skip)
           INTO product_ids;
    END IF;
    IF total > few AND counting THEN
        SELECT count(*) INTO total FROM (
            SELECT FROM fitting(environment, generation, indexed, phrases, in_category, in_currency, price_from, price_to)
             LIMIT 10001) f;
    END IF;
    IF facetting THEN
        SELECT f.categories, f.prices INTO categories, prices
          FROM facets_of(environment, generation, indexed, phrases, in_category, in_currency, price_from, price_to) f;
    END IF;
END
$$;
