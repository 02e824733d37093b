-- name: search_page
-- A search: a page of product ids, and of the rest what is asked for.
SELECT product_ids, total, categories, prices
  FROM search_documents(/* environment_id */ $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

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
-- Index products in each generation ($2), unless newer versions of them are indexed already.
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
            string_to_array(nullif(category_path, ''), '/') AS parts) AS made
 ORDER BY g.id, product_id
ON CONFLICT (environment_id, generation_id, product_id) DO UPDATE
   SET version = excluded.version, name = excluded.name, name_key = excluded.name_key,
       name_words = excluded.name_words, words = excluded.words, category_paths = excluded.category_paths,
       currency = excluded.currency, price_minor = excluded.price_minor, created_at = excluded.created_at,
       indexed_at = now()
 WHERE documents.version <= excluded.version;

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
