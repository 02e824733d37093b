-- Cheapest first looked at all that fit, to show the first page of it. Now the index knows in which band each price is,
-- and a search reads the lowest bands until the page is full. The product whose whole name is typed comes first, however
-- many others fit. Counting looks at all that fit too: what is counted is
-- remembered by whoever asked, and a generation tells whether it has changed since.
ALTER TABLE generations ADD COLUMN changes bigint NOT NULL DEFAULT 0;

-- The price's band among 1, 2, 5, 10, 20, 50, …; 0 for nothing and less.
CREATE FUNCTION band_of(price bigint)
RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE WHEN price <= 0 THEN 0
                ELSE 3 * length(price::text) - 2
                     + CASE WHEN left(price::text, 1) >= '5' THEN 2 WHEN left(price::text, 1) >= '2' THEN 1 ELSE 0 END END
$$;

-- The words, categories and the band of the price of a document, as they are indexed.
CREATE FUNCTION terms_in(generation bigint, words tsvector, category_paths text[], currency text, price bigint)
RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    terms text[] := '{}';
    path  text;
BEGIN
    IF words <> '' THEN
        terms := string_to_array(
            generation || '.' || array_to_string(tsvector_to_array(words), chr(1) || generation || '.'), chr(1));
    END IF;
    FOREACH path IN ARRAY category_paths LOOP
        terms := terms || (generation || '@' || md5(path));
    END LOOP;
    IF price IS NOT NULL THEN
        terms := terms || (generation || '$' || currency || search.band_of(price));
    END IF;
    RETURN array_to_tsvector(terms);
END
$$;

DROP INDEX documents_terms_in;
CREATE INDEX documents_terms_in ON documents
    USING gin (terms_in(generation_id, words, category_paths, currency, price_minor)) WITH (gin_pending_list_limit = 256);

CREATE OR REPLACE FUNCTION fitting(
    environment uuid, generation bigint, indexed tsquery, phrases tsquery,
    in_category text, in_currency text, price_from bigint, price_to bigint
)
RETURNS SETOF documents
LANGUAGE sql STABLE
AS $$
    SELECT d.*
      FROM documents d
     WHERE d.environment_id IS NOT DISTINCT FROM environment
       AND terms_in(d.generation_id, d.words, d.category_paths, d.currency, d.price_minor) @@ indexed
       AND (phrases IS NULL OR d.words @@ phrases)
       AND (in_category IS NULL OR d.category_paths @> ARRAY[in_category])
       AND (in_currency IS NULL OR d.currency = in_currency)
       AND (price_from IS NULL OR d.price_minor >= price_from)
       AND (price_to IS NULL OR d.price_minor <= price_to)
$$;
DROP FUNCTION terms_in(bigint, tsvector, text[]);

-- A page of what fits, in another order than relevance, if at most `few` fit; n: how many do, at most few + 1.
CREATE FUNCTION sorted_few(
    environment uuid, generation bigint, indexed tsquery, phrases tsquery,
    in_category text, in_currency text, price_from bigint, price_to bigint,
    sorting text, most integer, skip integer, few integer,
    OUT n integer, OUT ids uuid[]
)
LANGUAGE sql STABLE
AS $$
    WITH fit AS MATERIALIZED (
        SELECT d.product_id,
               CASE sorting WHEN 'NAME' THEN d.name_key WHEN 'NEWEST' THEN NULL ELSE d.currency END AS text,
               CASE sorting WHEN 'PRICE_ASC' THEN d.price_minor WHEN 'PRICE_DESC' THEN -d.price_minor END AS number,
               CASE sorting WHEN 'NEWEST' THEN d.created_at END AS moment
          FROM fitting(environment, generation, indexed, phrases, in_category, in_currency, price_from, price_to) d
         LIMIT few + 1
    )
    SELECT c.n::integer,
           CASE WHEN c.n <= few
                THEN ARRAY(SELECT f.product_id FROM fit f
                            ORDER BY f.text, f.number, f.moment DESC,
                                     CASE WHEN sorting IN ('PRICE_ASC', 'NAME') THEN f.product_id END, f.product_id DESC
                            LIMIT most OFFSET skip) END
      FROM (SELECT count(*) AS n FROM fit) c
$$;

-- The first of what fits by price, one currency after the other, at least `enough` of them if there are. Null where that
-- cannot be told by bands: too many stand in one, or products without a price follow.
CREATE FUNCTION first_by_price(
    environment uuid, generation bigint, indexed tsquery, phrases tsquery,
    in_category text, in_currency text, price_from bigint, price_to bigint,
    dearest_first boolean, enough integer, few integer
)
RETURNS uuid[]
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    found   uuid[] := '{}';
    more    uuid[];
    sold    text COLLATE "C" := in_currency;
    lowest  integer;
    highest integer;
    bands   integer;  -- read at once
    lower   integer;  -- the first and the last of them
    upper   integer;
    banded  tsquery;
BEGIN
    LOOP
        IF in_currency IS NULL THEN
            SELECT d.currency INTO sold FROM documents d
             WHERE d.generation_id = generation AND d.currency > coalesce(sold, '') ORDER BY d.currency LIMIT 1;
            IF sold IS NULL THEN
                RETURN NULL;
            END IF;
        END IF;
        SELECT band_of(greatest((SELECT d.price_minor FROM documents d
                                  WHERE d.generation_id = generation AND d.currency = sold
                                  ORDER BY d.price_minor LIMIT 1), price_from)),
               band_of(least((SELECT d.price_minor FROM documents d
                               WHERE d.generation_id = generation AND d.currency = sold
                               ORDER BY d.price_minor DESC LIMIT 1), price_to))
          INTO lowest, highest;
        bands := 1;
        WHILE lowest <= highest LOOP
            lower := CASE WHEN dearest_first THEN greatest(highest - bands + 1, lowest) ELSE lowest END;
            upper := CASE WHEN dearest_first THEN highest ELSE least(lowest + bands - 1, highest) END;
            -- PostgreSQL would not inline `fitting` with a SELECT among its arguments.
            banded := indexed && (SELECT string_agg(format('''%s$%s%s''', generation, sold, band), '|')
                                    FROM generate_series(lower, upper) AS band)::tsquery;
            more := ARRAY(
                SELECT f.product_id FROM (
                    SELECT d.product_id, d.price_minor
                      FROM fitting(environment, generation, banded, phrases, in_category, sold, price_from, price_to) d
                     LIMIT few + 1) f
                 ORDER BY CASE WHEN dearest_first THEN -f.price_minor ELSE f.price_minor END,
                          CASE WHEN NOT dearest_first THEN f.product_id END, f.product_id DESC);
            IF cardinality(more) > few THEN
                RETURN NULL;
            END IF;
            found := found || more;
            IF cardinality(found) >= enough THEN
                RETURN found;
            END IF;
            lowest := CASE WHEN dearest_first THEN lowest ELSE upper + 1 END;
            highest := CASE WHEN dearest_first THEN lower - 1 ELSE highest END;
            bands := bands * 2;
        END LOOP;
        IF in_currency IS NOT NULL THEN
            RETURN found;
        END IF;
    END LOOP;
END
$$;

-- Those whose name is just this, in small letters: at most a page of them.
CREATE FUNCTION fitting_by_whole_name(
    environment uuid, generation bigint, whole_name text,
    in_category text, in_currency text, price_from bigint, price_to bigint
)
RETURNS SETOF documents
LANGUAGE sql STABLE
AS $$
    SELECT d.*
      FROM documents d
     WHERE d.environment_id IS NOT DISTINCT FROM environment
       AND d.generation_id = generation AND d.name_key = whole_name
       AND (in_category IS NULL OR d.category_paths @> ARRAY[in_category])
       AND (in_currency IS NULL OR d.currency = in_currency)
       AND (price_from IS NULL OR d.price_minor >= price_from)
       AND (price_to IS NULL OR d.price_minor <= price_to)
     ORDER BY d.product_id LIMIT 100
$$;

-- The best of many, in their order: those with the words in their names before others, and all boosted products and those
-- in first_ids among them. named_in: what is searched in names, as the index has it; wanted_in: what is searched anywhere.
CREATE OR REPLACE FUNCTION best_of_many(
    environment uuid, generation bigint, first_ids uuid[], first_scores double precision[], whole tsquery, begun tsquery,
    named_in tsquery, wanted_in tsquery, wanted_as tsquery, boosted boolean,
    in_category text, in_currency text, price_from bigint, price_to bigint
)
RETURNS uuid[]
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    named_as tsquery := phrases_in(begun);
    best     uuid[];
BEGIN
    WITH named AS MATERIALIZED (
        SELECT d.product_id,
               relevance(d.name_words, d.words, whole, begun)
                   * CASE WHEN boosted THEN factor_of(environment, d.product_id, d.category_paths) ELSE 1 END AS score
          FROM fitting_by_name(environment, generation, named_in, named_as,
                               in_category, in_currency, price_from, price_to) d
         LIMIT 100
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

-- What a search finds in a generation, as long as this stays the same.
CREATE FUNCTION state_of(generation generations)
RETURNS text
LANGUAGE sql IMMUTABLE
AS $$ SELECT generation.id || '/' || generation.changes $$;

-- How many fit, and their facets; or no total, if the state is still the one that is known.
CREATE FUNCTION count_documents(
    environment uuid, typed text[],
    in_category text, in_currency text, price_from bigint, price_to bigint, facetting boolean, known_state text,
    OUT total integer, OUT categories jsonb, OUT prices jsonb, OUT state text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET enable_seqscan = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    generation bigint;
    language   regconfig;
    known      boolean;
    wanted     tsquery;
    indexed    tsquery;
    phrases    tsquery;
BEGIN
    SELECT g.id, g.language::regconfig, state_of(g),
           EXISTS (SELECT FROM synonyms s WHERE s.environment_id = environment AND s.word = ANY (typed))
      INTO generation, language, state, known
      FROM generations g WHERE g.environment_id = environment AND g.state = 'serving';
    categories := '[]'; prices := '[]'; state := coalesce(state, '');
    IF state = known_state THEN
        RETURN;
    END IF;
    total := 0;
    IF generation IS NULL THEN
        RETURN;
    END IF;
    wanted := query_of(environment, typed, language, known, true);
    FOR attempt IN 1 .. 2 LOOP
        indexed := query_in(environment, generation, wanted, in_category);
        phrases := phrases_in(wanted);
        SELECT count(*) INTO total FROM (
            SELECT FROM fitting(environment, generation, indexed, phrases, in_category, in_currency, price_from, price_to)
             LIMIT 10001) f;
        EXIT WHEN attempt = 2 OR total >= 3;
        wanted := wanted || similar_query_of(generation, typed, language);
    END LOOP;
    IF facetting THEN
        SELECT f.categories, f.prices INTO categories, prices
          FROM facets_of(environment, generation, indexed, phrases, in_category, in_currency, price_from, price_to) f;
    END IF;
END
$$;

DROP FUNCTION search_documents(uuid, text[], integer, integer, text, text, text, bigint, bigint, boolean, boolean);

-- A search, in one statement.
--
--   few   at most 100 documents fit (by price 250, by name or age 2,000): all are read, ranked or sorted, and counted. When
--         hardly any fit, words are taken as misspelt too.
--   many  more fit. By relevance: 100 of those with the words in the name (else anywhere), those with this very name, and
--         all boosted products that fit are ranked, and the others follow. By price: the bands of prices are read until the page is full, unless
--         2,000 fit in one. In all other cases the index of the order is walked until the page is full.
--
-- total: null when more fit than were read and nobody counts; at most 10,001.  categories: (path, count), prices: (currency, from,
-- count), of at most 10,000 documents. What stands in a CASE below is sorted only when it is wanted.
CREATE FUNCTION search_documents(
    environment uuid, typed text[], name_typed text, most integer, skip integer, sorting text,
    in_category text, in_currency text, price_from bigint, price_to bigint, counting boolean, facetting boolean,
    OUT product_ids uuid[], OUT total integer, OUT categories jsonb, OUT prices jsonb, OUT state text
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
    ranked     uuid[];   -- the best first, when the page needs more than them
    scores     double precision[];
    exact      uuid[];   -- those whose whole name was typed
    exact_scores double precision[];
    few        integer := CASE sorting WHEN 'RELEVANCE' THEN 100 WHEN 'NAME' THEN 2000 WHEN 'NEWEST' THEN 2000 ELSE 250 END;
BEGIN
    product_ids := '{}'; total := 0; categories := '[]'; prices := '[]';
    SELECT g.id, g.language::regconfig, state_of(g),
           EXISTS (SELECT FROM synonyms s WHERE s.environment_id = environment AND s.word = ANY (typed)),
           EXISTS (SELECT FROM boosts b WHERE b.environment_id = environment)
      INTO generation, language, state, known, boosted
      FROM generations g WHERE g.environment_id = environment AND g.state = 'serving';
    state := coalesce(state, '');
    IF generation IS NULL THEN
        RETURN;
    END IF;
    whole := query_of(environment, typed, language, known, false);
    begun := query_of(environment, typed, language, known, true);
    wanted := begun;
    FOR attempt IN 1 .. 2 LOOP
        indexed := query_in(environment, generation, wanted, in_category);
        phrases := phrases_in(wanted);
        IF sorting = 'RELEVANCE' THEN
            WITH fit AS MATERIALIZED (
                SELECT d.product_id,
                       relevance(d.name_words, d.words, whole, begun)
                           * CASE WHEN boosted THEN factor_of(environment, d.product_id, d.category_paths) ELSE 1 END
                       AS score
                  FROM fitting(environment, generation, indexed, phrases, in_category, in_currency, price_from, price_to) d
                 LIMIT few + 1
            ), counted AS (
                SELECT count(*) AS n, count(*) FILTER (WHERE f.score >= 3) AS named FROM fit f
            )
            SELECT c.n, c.named,
                   ARRAY(SELECT f.product_id FROM fit f ORDER BY f.score DESC, f.product_id LIMIT most OFFSET skip),
                   CASE WHEN c.n > few
                        THEN ARRAY(SELECT f.product_id FROM fit f ORDER BY f.score DESC, f.product_id) END,
                   CASE WHEN c.n > few AND (boosted OR c.named * 2 < few)
                        THEN ARRAY(SELECT f.score FROM fit f ORDER BY f.score DESC, f.product_id) END
              INTO total, named, product_ids, ranked, scores FROM counted c;
        ELSE
            SELECT s.n, s.ids INTO total, product_ids
              FROM sorted_few(environment, generation, indexed, phrases, in_category, in_currency, price_from, price_to,
                              sorting, most, skip, few) s;
        END IF;
        EXIT WHEN attempt = 2 OR total >= 3;
        wanted := begun || similar_query_of(generation, typed, language);
    END LOOP;
    IF total > few AND sorting IN ('PRICE_ASC', 'PRICE_DESC') THEN
        ranked := first_by_price(environment, generation, indexed, phrases, in_category, in_currency, price_from, price_to,
                                 sorting = 'PRICE_DESC', skip + most, 2000);
        product_ids := ranked[skip + 1 : skip + most];
        IF ranked IS NULL THEN
            few := 2000;
            SELECT s.n, s.ids INTO total, product_ids
              FROM sorted_few(environment, generation, indexed, phrases, in_category, in_currency, price_from, price_to,
                              sorting, most, skip, few) s;
        END IF;
    END IF;
    IF total > few AND sorting = 'RELEVANCE' THEN
        SELECT array_agg(d.product_id ORDER BY d.product_id),
               array_agg(relevance(d.name_words, d.words, whole, begun) * factor_of(environment, d.product_id, d.category_paths)
                         ORDER BY d.product_id)
          INTO exact, exact_scores
          FROM fitting_by_whole_name(environment, generation, name_typed, in_category, in_currency, price_from, price_to) d;
        IF boosted OR named * 2 < few THEN
            ranked := best_of_many(environment, generation, ranked || exact, scores || exact_scores, whole, begun,
                                   query_in(environment, generation, begun, NULL), indexed, phrases, boosted,
                                   in_category, in_currency, price_from, price_to);
        ELSIF exact IS NOT NULL THEN
            ranked := exact || ARRAY(SELECT r.id FROM unnest(ranked) WITH ORDINALITY AS r (id, place)
                                      WHERE r.id <> ALL (exact) ORDER BY r.place);
        END IF;
        IF boosted OR named * 2 < few OR exact IS NOT NULL THEN
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
    ELSIF product_ids IS NULL AND sorting = 'PRICE_DESC' THEN
        -- One currency after the other, the dearest first; products without a price come last.
        EXECUTE format(
            'WITH RECURSIVE sold (currency) AS ('
            '    (SELECT d.currency FROM documents d WHERE d.generation_id = %2$L AND (%5$L IS NULL OR d.currency = %5$L)'
            '      ORDER BY d.currency LIMIT 1)'
            '    UNION ALL'
            '    SELECT (SELECT d.currency FROM documents d WHERE d.generation_id = %2$L AND d.currency > s.currency'
            '             ORDER BY d.currency LIMIT 1)'
            '      FROM sold s WHERE s.currency IS NOT NULL AND %5$L IS NULL)'
            'SELECT ARRAY('
            '    SELECT f.product_id FROM ('
            '        SELECT s.currency, o.* FROM sold s CROSS JOIN LATERAL ('
            '            SELECT d.price_minor, d.product_id FROM fitting_one_by_one(%1$L, %2$L, %3$L, %4$L, %5$L, %6$L, %7$L) d'
            '             WHERE d.currency = s.currency ORDER BY d.price_minor DESC, d.product_id DESC LIMIT %8$L) o'
            '        UNION ALL'
            '        (SELECT NULL, NULL, d.product_id FROM fitting_one_by_one(%1$L, %2$L, %3$L, %4$L, %5$L, %6$L, %7$L) d'
            '          WHERE d.currency IS NULL ORDER BY d.product_id DESC LIMIT %8$L)) f'
            '     ORDER BY f.currency, f.price_minor DESC, f.product_id DESC LIMIT %9$L OFFSET %10$L)',
            environment, generation, wanted, in_category, in_currency, price_from, price_to, skip + most, most, skip)
           INTO product_ids;
    ELSIF product_ids IS NULL THEN
        -- With its values in it, so that PostgreSQL sees how soon the page is full.
        EXECUTE format('SELECT ARRAY(SELECT d.product_id FROM fitting_one_by_one(%L, %L, %L, %L, %L, %L, %L) d'
                       ' ORDER BY %s LIMIT %L OFFSET %L)',
                       environment, generation, wanted, in_category, in_currency, price_from, price_to,
                       CASE sorting WHEN 'PRICE_ASC' THEN 'd.currency, d.price_minor, d.product_id'
                                    WHEN 'NAME' THEN 'd.name_key, d.product_id'
                                    ELSE 'd.created_at DESC, d.product_id DESC' END, most, skip)
           INTO product_ids;
    END IF;
    IF total > few AND NOT counting THEN
        total := NULL;
    ELSIF total > few THEN
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
