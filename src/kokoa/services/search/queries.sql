-- name: search_page
-- A search: a page of product ids, and of the rest what is asked for.
SELECT product_ids, total, categories, prices, state
  FROM search_documents(/* environment_id */ $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12);

-- name: search_count
-- How many products fit a search, and their facets; no total if the index is as it was ($8).
SELECT total, categories, prices, state FROM count_documents(/* environment_id */ $1, $2, $3, $4, $5, $6, $7, $8);

-- name: suggestions
-- Names of products that begin so, or have a word that does.
SELECT suggest_names(/* environment_id */ $1, $2, $3, $4) AS name;

-- name: written_generations
-- The indexes that changes go to. They stay as long as the transaction: a swap, or a batch of a rebuild, waits.
SELECT id, state FROM generations WHERE environment_id = $1 AND state <> 'retired' ORDER BY id FOR KEY SHARE;

-- name: first_generation
-- An environment's first index.
INSERT INTO generations (environment_id, state, language)
VALUES ($1, 'serving', coalesce((SELECT language FROM settings WHERE environment_id = $1), 'simple'))
ON CONFLICT DO NOTHING;

-- name: put_documents
-- Index products in each generation ($2), unless newer versions of them are indexed already. OFFSET 0: the words of a name
-- are made once, and not wherever they are used.
INSERT INTO documents (environment_id, generation_id, product_id, version, name, name_key, name_words, words,
                       category_paths, currency, price_minor, created_at)
SELECT $1, g.id, product_id, version, name, lower(name), named,
       named || setweight(to_tsvector('simple', skus), 'B')
           || setweight(to_tsvector(g.language::regconfig, category), 'C')
           || setweight(to_tsvector('simple', category), 'C')
           || setweight(to_tsvector(g.language::regconfig, description), 'D'),
       -- The paths of those above it too: 'a/b' is in 'a'.
       ARRAY(SELECT array_to_string(parts[:depth], '/') FROM generate_series(1, cardinality(parts)) AS depth),
       currency, price_minor, created_at
  FROM unnest($3::uuid[], $4::integer[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
              $11::bigint[], $12::timestamptz[])
       AS d (product_id, version, name, skus, category, description, category_path, currency, price_minor, created_at)
  JOIN generations g ON g.environment_id = $1 AND g.id = ANY ($2::bigint[])
 CROSS JOIN LATERAL (
     SELECT setweight(to_tsvector(g.language::regconfig, name), 'A') || setweight(to_tsvector('simple', name), 'A') AS named,
            string_to_array(nullif(category_path, ''), '/') AS parts
     OFFSET 0) AS made
 ORDER BY g.id, product_id
ON CONFLICT (environment_id, generation_id, product_id) DO UPDATE
   SET version = excluded.version, name = excluded.name, name_key = excluded.name_key,
       name_words = excluded.name_words, words = excluded.words, category_paths = excluded.category_paths,
       currency = excluded.currency, price_minor = excluded.price_minor, created_at = excluded.created_at,
       indexed_at = now()
 WHERE documents.version <= excluded.version;

-- name: note_changes
-- What was counted in these generations before counts no more.
UPDATE generations SET changes = changes + 1 WHERE environment_id = $1 AND id = ANY ($2::bigint[]);

-- name: note_meanings
-- What was counted with other synonyms before counts no more.
UPDATE generations SET changes = changes + 1 WHERE environment_id = $1 AND state <> 'retired';

-- name: put_lexemes
-- The words that are made of what stands between spaces ($3), in each generation ($2).
INSERT INTO lexemes (environment_id, generation_id, lexeme)
SELECT $1, w.generation_id, w.lexeme
  FROM (SELECT DISTINCT g.id AS generation_id, up_to_digit(word) AS lexeme
          FROM generations g, unnest($3::text[]) AS chunk,
               unnest(tsvector_to_array(to_tsvector(g.language::regconfig, chunk) || to_tsvector('simple', chunk))) AS word
         WHERE g.environment_id = $1 AND g.id = ANY ($2::bigint[])
           AND word >= ':' COLLATE "C") w  -- what begins with a digit is never asked for
 WHERE (SELECT true FROM lexemes l WHERE l.environment_id = $1 AND l.generation_id = w.generation_id
                                     AND l.lexeme = w.lexeme) IS NULL
 ORDER BY 2, 3
ON CONFLICT DO NOTHING;

-- name: put_vocabulary
-- The words from which misspelt ones are guessed, in each generation ($2).
INSERT INTO vocabulary (environment_id, generation_id, word)
SELECT $1, g, w.word
  FROM unnest($2::bigint[]) AS g, unnest($3::text[]) AS w (word)
 WHERE NOT EXISTS (SELECT FROM vocabulary v WHERE v.environment_id = $1 AND v.generation_id = g AND v.word = w.word)
 ORDER BY g, w.word
ON CONFLICT DO NOTHING;

-- name: delete_documents
-- Forget products that are gone, in each generation.
DELETE FROM documents WHERE environment_id = $1 AND generation_id = ANY ($2::bigint[]) AND product_id = ANY ($3::uuid[]);

-- name: forget_for_good
-- What a generation that is building ($2) must not take up any more from what was read before.
INSERT INTO forgotten (environment_id, generation_id, product_id)
SELECT $1, g, p FROM unnest($2::bigint[]) AS g, unnest($3::uuid[]) AS p ORDER BY g, p
ON CONFLICT DO NOTHING;

-- name: take_back
-- Products that are there again.
DELETE FROM forgotten WHERE environment_id = $1 AND generation_id = ANY ($2::bigint[]) AND product_id = ANY ($3::uuid[]);

-- name: retire_building
-- A generation that is building is given up: another begins.
UPDATE generations SET state = 'retired' WHERE environment_id = $1 AND state = 'building';

-- name: begin_building
-- A new generation ($2: its language) beside the serving one.
INSERT INTO generations (environment_id, state, language) VALUES ($1, 'building', $2);

-- name: next_language
-- In which language the next generation is: as chosen, else as the serving one.
SELECT coalesce((SELECT language FROM settings WHERE environment_id = $1),
                (SELECT language FROM generations WHERE environment_id = $1 AND state = 'serving'), 'simple');

-- name: choose_language
-- Of generations to come.
INSERT INTO settings (environment_id, language) VALUES ($1, $2)
ON CONFLICT (environment_id) DO UPDATE SET language = excluded.language;

-- name: building_generation
-- Where a building generation goes on.
SELECT cursor FROM generations WHERE environment_id = $1 AND id = $2 AND state = 'building';

-- name: hold_building
-- As long as the transaction nobody else writes to the generation, and it is not swapped.
SELECT id FROM generations WHERE environment_id = $1 AND id = $2 AND state = 'building' FOR UPDATE;

-- name: already_told
-- Of these products those of which events have told since the generation began.
SELECT product_id FROM documents WHERE environment_id = $1 AND generation_id = $2 AND product_id = ANY ($3::uuid[])
UNION ALL
SELECT product_id FROM forgotten WHERE environment_id = $1 AND generation_id = $2 AND product_id = ANY ($3::uuid[]);

-- name: advance_building
-- So far the generation is filled.
UPDATE generations SET cursor = $3, done = done + $4 WHERE environment_id = $1 AND id = $2 AND state = 'building';

-- name: retire_serving
-- The first half of a swap.
UPDATE generations SET state = 'retired' WHERE environment_id = $1 AND state = 'serving';

-- name: serve_building
-- The second half of a swap.
UPDATE generations SET state = 'serving', swapped_at = now(), cursor = NULL
 WHERE environment_id = $1 AND id = $2 AND state = 'building';

-- name: unfinished_generations
-- Generations that are to be built or removed, of all environments.
SELECT environment_id, id, state FROM unfinished_generations($1);

-- name: remove_some_documents
-- A part of what a retired generation holds.
DELETE FROM documents
 WHERE environment_id = $1 AND generation_id = $2 AND product_id IN (
           SELECT product_id FROM documents WHERE environment_id = $1 AND generation_id = $2 LIMIT $3);

-- name: remove_vocabulary
-- The words of a retired generation.
DELETE FROM vocabulary WHERE environment_id = $1 AND generation_id = $2;

-- name: remove_lexemes
-- Those of a retired generation.
DELETE FROM lexemes WHERE environment_id = $1 AND generation_id = $2;

-- name: remove_forgotten
-- What need not be remembered any more: the generation is not building.
DELETE FROM forgotten WHERE environment_id = $1 AND generation_id = $2;

-- name: remove_generation
-- A retired generation, when it is empty.
DELETE FROM generations WHERE environment_id = $1 AND id = $2 AND state = 'retired';

-- name: note_lag
-- How long the last indexed change had waited.
INSERT INTO lags (environment_id, lag_ms) VALUES ($1, $2)
ON CONFLICT (environment_id) DO UPDATE SET lag_ms = excluded.lag_ms, indexed_at = now();

-- name: status
-- The serving generation and what is known of the index.
SELECT s.id AS generation, s.language,
       (SELECT count(*) FROM documents d WHERE d.environment_id = $1 AND d.generation_id = s.id) AS documents,
       (SELECT count(*) FROM (SELECT FROM stale w WHERE w.environment_id = $1 LIMIT $2) w) AS waiting,
       l.lag_ms, l.indexed_at, b.id AS building, b.language AS building_language, b.done, b.started_at
  FROM (VALUES ($1::uuid)) e (environment_id)
  LEFT JOIN generations s ON s.environment_id = e.environment_id AND s.state = 'serving'
  LEFT JOIN generations b ON b.environment_id = e.environment_id AND b.state = 'building'
  LEFT JOIN lags l ON l.environment_id = e.environment_id;

-- name: lock_settings
-- One after the other may add synonyms and boosts, or begin a rebuild, so that their bounds hold.
SELECT pg_advisory_xact_lock(hashtextextended('search-settings:' || /* environment_id */ $1::uuid, 0));

-- name: synonyms_page
-- A page of synonyms.
SELECT word, meaning FROM synonyms WHERE environment_id = $1 ORDER BY word, meaning LIMIT $2 OFFSET $3;

-- name: synonyms_of_word
-- The meanings of one word.
SELECT word, meaning FROM synonyms WHERE environment_id = $1 AND word = $2 ORDER BY meaning;

-- name: add_synonyms
-- One element of each array for each.
INSERT INTO synonyms (environment_id, word, meaning)
SELECT $1, word, meaning FROM unnest($2::text[], $3::text[]) AS s (word, meaning)
ON CONFLICT DO NOTHING;

-- name: remove_synonyms
-- Some meanings of a word, or all when $3 is null.
DELETE FROM synonyms WHERE environment_id = $1 AND word = $2 AND ($3::text[] IS NULL OR meaning = ANY ($3));

-- name: count_synonyms
-- How many there are, and how many the fullest word has.
SELECT coalesce(sum(n), 0) AS total, coalesce(max(n), 0) AS most
  FROM (SELECT count(*) AS n FROM synonyms WHERE environment_id = $1 GROUP BY word) w;

-- name: boosts
-- All of an environment.
SELECT kind, subject, factor FROM boosts WHERE environment_id = $1 ORDER BY kind DESC, subject;

-- name: put_boost
-- Another factor, or the first.
INSERT INTO boosts (environment_id, kind, subject, factor) VALUES ($1, $2, $3, $4)
ON CONFLICT (environment_id, kind, subject) DO UPDATE SET factor = excluded.factor;

-- name: remove_boost
-- As if there had been none.
DELETE FROM boosts WHERE environment_id = $1 AND kind = $2 AND subject = $3;
