-- The beginning of a word is searched as the words that begin so. The index of words answers for a word as it stands from
-- one list; for a beginning it gathers all lists into a map of pages first, which took half of PostgreSQL's time of a
-- search.

-- The words that stand in a generation's documents (and some that stood there), each up to its first digit: what goes on
-- with a digit ends in chr(1). So codes, of which every product has its own, do not fill it. Numbers are left out.
CREATE TABLE lexemes (
    environment_id uuid NOT NULL,
    generation_id  bigint NOT NULL,
    lexeme         text COLLATE "C" NOT NULL,
    PRIMARY KEY (environment_id, generation_id, lexeme)
);

-- What is kept of a word.
CREATE FUNCTION up_to_digit(word text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE WHEN word ~ '[0-9]' THEN substring(word FROM '^[^0-9]*') || chr(1) ELSE word END
$$;

ALTER TABLE documents NO FORCE ROW LEVEL SECURITY;
INSERT INTO lexemes (environment_id, generation_id, lexeme)
SELECT DISTINCT environment_id, generation_id, up_to_digit(word)
  FROM (SELECT DISTINCT d.environment_id, d.generation_id, word
          FROM documents d, unnest(tsvector_to_array(d.words)) AS word WHERE word >= ':' COLLATE "C") w;

-- The words of a document as they are indexed, as before; without a query inside, so that it costs half.
CREATE OR REPLACE FUNCTION words_in(generation bigint, words tsvector)
RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    IF words = '' THEN
        RETURN words;
    END IF;
    RETURN array_to_tsvector(string_to_array(
        generation || '.' || array_to_string(tsvector_to_array(words), chr(1) || generation || '.'), chr(1)));
END
$$;

CREATE OR REPLACE FUNCTION terms_in(generation bigint, words tsvector, category_paths text[])
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
    RETURN array_to_tsvector(terms);
END
$$;

-- Columns in the order in which a search reads them: to look at a price PostgreSQL walked over all words of a document
-- before, which took a third of the time of sorting or counting what fits.
DROP FUNCTION fitting(uuid, bigint, tsquery, tsquery, text, text, bigint, bigint);
DROP FUNCTION fitting_by_name(uuid, bigint, tsquery, tsquery, text, text, bigint, bigint);
DROP FUNCTION fitting_one_by_one(uuid, bigint, tsquery, text, text, bigint, bigint);
ALTER TABLE documents RENAME TO documents_before;
ALTER INDEX documents_pkey RENAME TO documents_before_pkey;
CREATE TABLE documents (
    environment_id uuid NOT NULL,
    generation_id  bigint NOT NULL,
    product_id     uuid NOT NULL,
    -- Of the product's lowest price.
    price_minor    bigint,
    created_at     timestamptz NOT NULL,
    indexed_at     timestamptz NOT NULL DEFAULT now(),
    -- Of the product that was read.
    version        integer NOT NULL,
    -- ISO 4217, of the product's lowest price.
    currency       text COLLATE "C",
    -- The category's path and those above it.
    category_paths text[] NOT NULL,
    -- Folded, for sorting and suggestions.
    name_key       text COLLATE "C" NOT NULL,
    name           text NOT NULL,
    name_words     tsvector NOT NULL,
    words          tsvector NOT NULL
);
INSERT INTO documents
SELECT environment_id, generation_id, product_id, price_minor, created_at, indexed_at, version, currency, category_paths,
       name_key, name, name_words, words
  FROM documents_before;
DROP TABLE documents_before;
ALTER TABLE documents ADD PRIMARY KEY (environment_id, generation_id, product_id);
CREATE INDEX documents_by_name ON documents (generation_id, name_key, product_id);
CREATE INDEX documents_by_price ON documents (generation_id, currency, price_minor, product_id);
CREATE INDEX documents_by_created ON documents (generation_id, created_at, product_id);
-- A long list of pending entries would be read by every search.
CREATE INDEX documents_name_words_in ON documents USING gin (words_in(generation_id, name_words))
    WITH (gin_pending_list_limit = 256);
CREATE INDEX documents_terms_in ON documents USING gin (terms_in(generation_id, words, category_paths))
    WITH (gin_pending_list_limit = 256);

DROP FUNCTION search_documents(uuid, text[], integer, integer, text, text, text, bigint, bigint, boolean, boolean);
DROP FUNCTION suggest_names(uuid, text[], text, integer);
DROP FUNCTION best_of_many(uuid, bigint, uuid[], double precision[], tsquery, tsquery, tsquery, boolean, text, text,
                           bigint, bigint);
DROP FUNCTION query_within(bigint, tsquery, text);
DROP FUNCTION query_in(bigint, tsquery);

-- What is looked at again in what the index finds: the query, if it has phrases. Words have only letters and digits.
CREATE OR REPLACE FUNCTION phrases_in(wanted tsquery)
RETURNS tsquery
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT CASE WHEN strpos(wanted::text, '<') > 0 THEN wanted END $$;

-- The words that begin so, as a part of a query of the index. Null if they are many: then the index is quicker alone.
CREATE FUNCTION begun_in(environment uuid, generation bigint, beginning text)
RETURNS text
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    few   constant integer := 8;
    found text[];
    made  text[] := '{}';
    one   text;
BEGIN
    IF beginning ~ '[0-9]' THEN
        RETURN NULL;
    END IF;
    found := ARRAY(
        SELECT l.lexeme FROM lexemes l
         WHERE l.environment_id = environment AND l.generation_id = generation
           AND l.lexeme >= beginning AND l.lexeme < beginning || chr(1114111) LIMIT few + 1);
    IF cardinality(found) > few THEN
        RETURN NULL;
    END IF;
    -- The word itself, when there is none, finds nothing.
    FOREACH one IN ARRAY CASE WHEN found = '{}' THEN ARRAY[beginning] ELSE found END LOOP
        one := '''' || generation || '.' || replace(replace(one, '\', '\\'), '''', '''''');
        IF right(one, 1) = chr(1) THEN
            FOR digit IN 0 .. 9 LOOP
                made := made || (left(one, -1) || digit || ''':*');
            END LOOP;
        ELSE
            made := made || (one || '''');
        END IF;
    END LOOP;
    RETURN '(' || array_to_string(made, ' | ') || ')';
END
$$;

-- A query as the index has it: each word with the generation, and the category, if there is one. The index knows no
-- positions: of a phrase all words must be there. (Only the quote that opens a word has a space before it.)
CREATE FUNCTION query_in(environment uuid, generation bigint, wanted tsquery, in_category text)
RETURNS tsquery
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    made  text := replace(' ' || wanted::text, ' ''', ' ''' || generation || '.');
    begun text;
BEGIN
    IF strpos(made, '<') > 0 THEN
        made := regexp_replace(made, '<(-|\d+)>', '&', 'g');
    END IF;
    IF strpos(made, ':*') > 0 THEN
        begun := substring(made FROM '''\d+\.([^'']+)'':\*');
        made := replace(made, '''' || generation || '.' || begun || ''':*',
                        coalesce(begun_in(environment, generation, begun), '''' || generation || '.' || begun || ''':*'));
    END IF;
    IF in_category IS NULL THEN
        RETURN made::tsquery;
    END IF;
    RETURN made::tsquery && ('''' || generation || '@' || md5(in_category) || '''')::tsquery;
END
$$;

-- The documents of a generation that fit; part of the statements below, into which PostgreSQL inlines it. indexed: the
-- words, and the category, with their generation (query_in), so that none of another generation fits: the column stands
-- behind the words, and reading it would cost a look at memory for each document. phrases: what is looked at again in
-- each document, null without phrases. No index knows IS NOT DISTINCT FROM, so that of the words is taken: before a
-- table's first statistics PostgreSQL believes that a generation has one document, and would read all of it by its key.
CREATE FUNCTION fitting(
    environment uuid, generation bigint, indexed tsquery, phrases tsquery,
    in_category text, in_currency text, price_from bigint, price_to bigint
)
RETURNS SETOF documents
LANGUAGE sql STABLE
AS $$
    SELECT d.*
      FROM documents d
     WHERE d.environment_id IS NOT DISTINCT FROM environment
       AND terms_in(d.generation_id, d.words, d.category_paths) @@ indexed
       AND (phrases IS NULL OR d.words @@ phrases)
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
CREATE FUNCTION fitting_by_name(
    environment uuid, generation bigint, indexed tsquery, phrases tsquery,
    in_category text, in_currency text, price_from bigint, price_to bigint
)
RETURNS SETOF documents
LANGUAGE sql STABLE
AS $$
    SELECT d.*
      FROM documents d
     WHERE d.environment_id IS NOT DISTINCT FROM environment
       AND words_in(d.generation_id, d.name_words) @@ indexed
       AND (phrases IS NULL OR d.name_words @@ phrases)
       AND (in_category IS NULL OR d.category_paths @> ARRAY[in_category])
       AND (in_currency IS NULL OR d.currency = in_currency)
       AND (price_from IS NULL OR d.price_minor >= price_from)
       AND (price_to IS NULL OR d.price_minor <= price_to)
$$;

-- The best of many, in their order: those with the words in their names before others, and all boosted products among
-- them. named_in: what is searched in names, as the index has it; wanted_in: what is searched anywhere.
CREATE FUNCTION best_of_many(
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
--   few   at most 250 documents fit (in another order than relevance: 2,000): all are read, ranked or sorted, and counted.
--         When hardly any fit, words are taken as misspelt too.
--   many  more fit. By relevance: 250 of those with the words in the name (else anywhere) and all boosted products that
--         fit are ranked, and the others follow. In another order: the index of that order is walked until the page is
--         full.
--
-- total: as many as were read when nobody counts; at most 10,001.  categories: (path, count), prices: (currency, from,
-- count), of at most 10,000 documents. What stands in a CASE below is sorted only when it is wanted.
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
    ranked     uuid[];   -- the best first, when the page needs more than them
    scores     double precision[];
    few        integer := CASE sorting WHEN 'RELEVANCE' THEN 250 ELSE 2000 END;
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
                   CASE WHEN c.n > few AND (boosted OR c.named * 2 < few OR skip + most > few + 1)
                        THEN ARRAY(SELECT f.product_id FROM fit f ORDER BY f.score DESC, f.product_id) END,
                   CASE WHEN c.n > few AND (boosted OR c.named * 2 < few)
                        THEN ARRAY(SELECT f.score FROM fit f ORDER BY f.score DESC, f.product_id) END
              INTO total, named, product_ids, ranked, scores FROM counted c;
        ELSE
            WITH fit AS MATERIALIZED (
                SELECT d.product_id,
                       CASE sorting WHEN 'NAME' THEN d.name_key WHEN 'NEWEST' THEN NULL ELSE d.currency END AS text,
                       CASE sorting WHEN 'PRICE_ASC' THEN d.price_minor WHEN 'PRICE_DESC' THEN -d.price_minor END AS number,
                       CASE sorting WHEN 'NEWEST' THEN d.created_at END AS moment
                  FROM fitting(environment, generation, indexed, phrases, in_category, in_currency, price_from, price_to) d
                 LIMIT few + 1
            )
            SELECT c.n,
                   CASE WHEN c.n <= few
                        THEN ARRAY(SELECT f.product_id FROM fit f
                                    ORDER BY f.text, f.number, f.moment DESC, f.product_id LIMIT most OFFSET skip) END
              INTO total, product_ids FROM (SELECT count(*) AS n FROM fit) c;
        END IF;
        EXIT WHEN attempt = 2 OR total >= 3;
        wanted := begun || similar_query_of(generation, typed, language);
    END LOOP;
    IF total > few AND sorting = 'RELEVANCE' THEN
        IF boosted OR named * 2 < few THEN
            ranked := best_of_many(environment, generation, ranked, scores, whole, begun,
                                   query_in(environment, generation, begun, NULL), indexed, phrases, boosted,
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
    ELSIF total > few AND sorting = 'PRICE_DESC' THEN
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
    ELSIF total > few THEN
        -- With its values in it, so that PostgreSQL sees how soon the page is full.
        EXECUTE format('SELECT ARRAY(SELECT d.product_id FROM fitting_one_by_one(%L, %L, %L, %L, %L, %L, %L) d'
                       ' ORDER BY %s LIMIT %L OFFSET %L)',
                       environment, generation, wanted, in_category, in_currency, price_from, price_to,
                       CASE sorting WHEN 'PRICE_ASC' THEN 'd.currency, d.price_minor, d.product_id'
                                    WHEN 'NAME' THEN 'd.name_key, d.product_id'
                                    ELSE 'd.created_at DESC, d.product_id DESC' END, most, skip)
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

-- Names that begin so, each once; then names with a word that does. Bounded: a name is found by one look at the index.
CREATE FUNCTION suggest_names(environment uuid, typed text[], beginning text, most integer)
RETURNS SETOF text
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET enable_seqscan = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    generation bigint := (SELECT g.id FROM generations g WHERE g.environment_id = environment AND g.state = 'serving');
    wanted     tsquery;
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
    IF cardinality(seen) >= most THEN
        RETURN;
    END IF;
    wanted := query_in(environment, generation, to_tsquery('simple', array_to_string(typed, ' & ') || ':*'), NULL);
    FOR one IN
        SELECT DISTINCT ON (f.name_key) f.name, f.name_key FROM (
            SELECT d.name, d.name_key FROM documents d
             WHERE d.generation_id IS NOT DISTINCT FROM generation
               AND words_in(d.generation_id, d.name_words) @@ wanted
             LIMIT 200) f
         WHERE f.name_key <> ALL (seen) ORDER BY f.name_key LIMIT most - cardinality(seen)
    LOOP
        RETURN NEXT one.name;
    END LOOP;
END
$$;
