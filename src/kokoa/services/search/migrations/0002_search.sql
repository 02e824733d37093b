-- A generation is one whole index of an environment. One serves; beside it one may be building, in another language or
-- to mend what is wrong, and takes its place in one transaction. Its rows are then removed bit by bit.
CREATE TABLE generations (
    id             bigint GENERATED ALWAYS AS IDENTITY,
    environment_id uuid NOT NULL,
    state          text NOT NULL CHECK (state IN ('serving', 'building', 'retired')),
    language       text NOT NULL,
    -- Of a building one: where it goes on after a crash (null: from the start), and how far it is.
    cursor         text,
    done           integer NOT NULL DEFAULT 0,
    started_at     timestamptz NOT NULL DEFAULT now(),
    swapped_at     timestamptz,
    PRIMARY KEY (id)
);
CREATE UNIQUE INDEX generations_one_serves ON generations (environment_id) WHERE state = 'serving';
CREATE UNIQUE INDEX generations_one_builds ON generations (environment_id) WHERE state = 'building';
CREATE INDEX generations_unfinished ON generations (state) WHERE state <> 'serving';

-- What was there: it serves on while a generation with all columns is built. Row-level security, which the migration
-- runner forces again on every table, would show the owner nothing.
ALTER TABLE documents NO FORCE ROW LEVEL SECURITY;
INSERT INTO generations (environment_id, state, language)
SELECT e.environment_id, s.state, 'english'
  FROM (SELECT DISTINCT environment_id FROM documents) e, (VALUES ('serving'), ('building')) s (state);

DROP FUNCTION search_documents(uuid, tsquery, integer, integer);
DROP FUNCTION count_documents(uuid, tsquery);
DROP INDEX documents_words;
ALTER TABLE documents
    ADD COLUMN generation_id  bigint NOT NULL DEFAULT 0,
    ADD COLUMN name           text NOT NULL DEFAULT '',
    -- Folded, for sorting and suggestions.
    ADD COLUMN name_key       text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN name_words     tsvector NOT NULL DEFAULT '',
    -- The category's path and those above it.
    ADD COLUMN category_paths text[] NOT NULL DEFAULT '{}',
    -- ISO 4217, of the product's lowest price.
    ADD COLUMN currency       text COLLATE "C",
    ADD COLUMN price_minor    bigint,
    ADD COLUMN created_at     timestamptz NOT NULL DEFAULT now();
UPDATE documents d
   SET generation_id = g.id, name_words = ts_filter(d.words, '{a}')
  FROM generations g WHERE g.environment_id = d.environment_id AND g.state = 'serving';
ALTER TABLE documents DROP CONSTRAINT documents_pkey, ADD PRIMARY KEY (environment_id, generation_id, product_id);

-- A long list of pending entries would be read by every search.
CREATE INDEX documents_words ON documents USING gin (generation_id, words) WITH (gin_pending_list_limit = 256);
CREATE INDEX documents_name_words ON documents USING gin (generation_id, name_words) WITH (gin_pending_list_limit = 256);
CREATE INDEX documents_by_name ON documents (generation_id, name_key, product_id);
CREATE INDEX documents_by_price ON documents (generation_id, currency, price_minor, product_id);
CREATE INDEX documents_by_created ON documents (generation_id, created_at, product_id);

-- Products that were forgotten while a generation was building: what was read of them before comes too late.
CREATE TABLE forgotten (
    environment_id uuid NOT NULL,
    generation_id  bigint NOT NULL,
    product_id     uuid NOT NULL,
    PRIMARY KEY (environment_id, generation_id, product_id)
);

-- Words of names and categories, from which misspelt ones are guessed.
CREATE TABLE vocabulary (
    environment_id uuid NOT NULL,
    generation_id  bigint NOT NULL,
    word           text COLLATE "C" NOT NULL,
    PRIMARY KEY (environment_id, generation_id, word)
);
CREATE INDEX vocabulary_parts ON vocabulary USING gin (generation_id, word public.gin_trgm_ops);

-- A word, and what it means too.
CREATE TABLE synonyms (
    environment_id uuid NOT NULL,
    word           text COLLATE "C" NOT NULL,
    meaning        text COLLATE "C" NOT NULL,
    PRIMARY KEY (environment_id, word, meaning)
);

-- How much more, or less, a product or a category's products count. subject: a product's id or a category's path.
CREATE TABLE boosts (
    environment_id uuid NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('product', 'category')),
    subject        text COLLATE "C" NOT NULL,
    factor         double precision NOT NULL,
    PRIMARY KEY (environment_id, kind, subject)
);

-- What a merchant has chosen, for the next generation.
CREATE TABLE settings (
    environment_id uuid NOT NULL PRIMARY KEY,
    language       text NOT NULL
);

-- How long the last indexed change had waited.
CREATE TABLE lags (
    environment_id uuid NOT NULL PRIMARY KEY,
    lag_ms         bigint NOT NULL,
    indexed_at     timestamptz NOT NULL DEFAULT now()
);

-- `@@` and `%` are not leakproof, so under row-level security they could not use an index (20 ms instead of 0.1 on
-- 180,000 rows). The SECURITY DEFINER functions below take the environment instead, and read no other's.

-- The documents of a generation that fit; part of the statements below, into which PostgreSQL inlines it.
CREATE FUNCTION fitting(
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
    environment uuid, generation bigint, wanted tsquery,
    in_category text, in_currency text, price_from bigint, price_to bigint
)
RETURNS SETOF documents
LANGUAGE sql STABLE
AS $$
    SELECT d.*
      FROM documents d
     WHERE d.environment_id = environment AND d.generation_id = generation AND d.name_words @@ wanted
       AND (in_category IS NULL OR d.category_paths @> ARRAY[in_category])
       AND (in_currency IS NULL OR d.currency = in_currency)
       AND (price_from IS NULL OR d.price_minor >= price_from)
       AND (price_to IS NULL OR d.price_minor <= price_to)
$$;

-- 4: all words are in the name; 3: all, the last unfinished; 2 and 1: the same anywhere; 0: misspelt. Below that,
-- ts_rank.
CREATE FUNCTION relevance(name_words tsvector, words tsvector, whole tsquery, begun tsquery)
RETURNS double precision
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE WHEN name_words @@ whole THEN 4 + ts_rank(name_words, whole, 1)
                WHEN name_words @@ begun THEN 3 + ts_rank(name_words, begun, 1)
                WHEN words @@ whole THEN 2 + ts_rank(words, whole, 1)
                WHEN words @@ begun THEN 1 + ts_rank(words, begun, 1)
                ELSE 0 END
$$;

-- A product's own factor, or that of the nearest boosted category.
CREATE FUNCTION factor_of(environment uuid, product uuid, paths text[])
RETURNS double precision
LANGUAGE sql STABLE
AS $$
    SELECT coalesce((
        SELECT b.factor FROM boosts b
         WHERE b.environment_id = environment
           AND (b.kind = 'product' AND b.subject = product::text OR b.kind = 'category' AND b.subject = ANY (paths))
         ORDER BY b.kind DESC, length(b.subject) DESC LIMIT 1), 1)
$$;

-- The query of some words: each itself or a synonym of it; `unfinished`: the last may be the beginning of one.
CREATE FUNCTION query_of(environment uuid, typed text[], language regconfig, unfinished boolean)
RETURNS tsquery
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    last    integer := cardinality(typed);
    known   boolean := EXISTS (SELECT FROM synonyms s WHERE s.environment_id = environment AND s.word = ANY (typed));
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
            one := one || to_tsquery('simple', typed[place] || ':*');
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

-- The same for words that may be misspelt: each also as the most similar words of names and categories.
CREATE FUNCTION similar_query_of(generation bigint, typed text[], language regconfig)
RETURNS tsquery
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    made    tsquery;
    one     tsquery;
    guessed text;
BEGIN
    FOR place IN 1 .. cardinality(typed) LOOP
        one := to_tsquery(language, typed[place]);
        IF place = cardinality(typed) THEN
            one := one || to_tsquery('simple', typed[place] || ':*');
        END IF;
        IF length(typed[place]) >= 3 THEN
            FOR guessed IN
                SELECT v.word FROM vocabulary v
                 WHERE v.generation_id = generation AND v.word OPERATOR(public.%) typed[place]
                   AND abs(length(v.word) - length(typed[place])) <= 2
                 ORDER BY public.similarity(v.word, typed[place]) DESC, v.word LIMIT 4
            LOOP
                one := one || to_tsquery('simple', guessed);
            END LOOP;
        END IF;
        made := coalesce(made && one, one);
    END LOOP;
    RETURN made;
END
$$;

-- The best of many: those with the words in their names before others, and all boosted products among them.
CREATE FUNCTION search_many(
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
         LIMIT 1000
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

-- Of at most 10,000 documents: how many are in each category, the 100 largest, and in each band of prices. A band is
-- 1, 2 or 5 times a power of ten of minor units up to the next of these.
CREATE FUNCTION facets_of(
    environment uuid, generation bigint, wanted tsquery,
    in_category text, in_currency text, price_from bigint, price_to bigint,
    OUT categories jsonb, OUT prices jsonb
)
LANGUAGE sql STABLE
AS $$
    WITH fit AS MATERIALIZED (
        SELECT d.category_paths, d.currency, d.price_minor,
               10::numeric ^ (length(d.price_minor::text) - 1) AS power
          FROM fitting(environment, generation, wanted, in_category, in_currency, price_from, price_to) d LIMIT 10000
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

-- A search, in one statement.
--
--   few   at most 1,000 documents fit: all are read, ranked or sorted, and counted. When hardly any fit, words are taken
--         as misspelt too.
--   many  more fit. By relevance: some 1,000 of those with the words in the name (else anywhere) and all boosted
--         products that fit are ranked. In another order: the index of that order is walked until the page is full.
--
-- total: null when nobody counts; at most 10,001.  categories: (path, count), prices: (currency, from, count), of at
-- most 10,000 documents.
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
    whole      tsquery;  -- all words as typed
    begun      tsquery;  -- the last may be unfinished
    wanted     tsquery;  -- what is searched: begun, or misspelt too
    boosted    boolean;
    named      integer;  -- how many have the words in their names
    first_ids  uuid[];   -- the best of those that were read, with their scores
    first_scores double precision[];
    place      text;
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
             LIMIT 1001
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
    IF total > 1000 AND sorting = 'RELEVANCE' AND named >= 500 AND NOT boosted THEN
        NULL;  -- those that were read are as good as any
    ELSIF total > 1000 AND sorting = 'RELEVANCE' THEN
        product_ids := search_many(environment, generation, first_ids, first_scores, wanted, whole, begun, most, skip, boosted,
                                   in_category, in_currency, price_from, price_to);
    ELSIF total > 1000 THEN
        place := CASE sorting WHEN 'PRICE_ASC' THEN 'd.currency, d.price_minor'
                              WHEN 'PRICE_DESC' THEN 'd.currency DESC, d.price_minor DESC'
                              WHEN 'NAME' THEN 'd.name_key' ELSE 'd.created_at DESC' END;
        -- With its values in it, so that PostgreSQL sees how soon the page is full.
        EXECUTE format('SELECT ARRAY(SELECT d.product_id FROM fitting(%L, %L, %L, %L, %L, %L, %L) d'
                       ' ORDER BY %s LIMIT %L OFFSET %L)',
                       environment, generation, wanted, in_category, in_currency, price_from, price_to,
                       place, most, skip)
           INTO product_ids;
    END IF;
    IF total > 1000 AND counting THEN
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

-- Names that begin so, each once; then names with a word that does. Bounded: a name is found by one look at the index.
CREATE FUNCTION suggest_names(environment uuid, typed text[], beginning text, most integer)
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
             WHERE d.generation_id = generation
               AND d.name_words @@ to_tsquery('simple', array_to_string(typed, ' & ') || ':*')
             LIMIT CASE WHEN cardinality(seen) < most THEN 200 ELSE 0 END) f
         WHERE f.name_key <> ALL (seen) ORDER BY f.name_key LIMIT most - cardinality(seen)
    LOOP
        RETURN NEXT one.name;
    END LOOP;
END
$$;

-- Generations that are to be built or removed, of all environments.
CREATE FUNCTION unfinished_generations(most integer)
RETURNS TABLE (environment_id uuid, id bigint, state text)
LANGUAGE sql STABLE SECURITY DEFINER
AS $$
    SELECT g.environment_id, g.id, g.state FROM generations g WHERE g.state <> 'serving' ORDER BY g.id LIMIT most
$$;
