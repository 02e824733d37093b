-- name: search_page
-- A page of product ids that fit, best first, each with the number of all that fit.
SELECT product_id, total FROM search_documents(/* environment_id */ $1, to_tsquery('english', $2), $3, $4);

-- name: search_count
-- How many products fit, for pages beyond the last.
SELECT count_documents(/* environment_id */ $1, to_tsquery('english', $2));

-- name: put_documents
-- Index products, one element of each array for each, unless newer versions of them are indexed already.
INSERT INTO documents (environment_id, product_id, version, words)
SELECT $1, product_id, version,
       setweight(to_tsvector('english', name), 'A') || setweight(to_tsvector('simple', skus), 'B')
           || setweight(to_tsvector('english', category), 'C') || setweight(to_tsvector('english', description), 'D')
  FROM unnest($2::uuid[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::text[])
       AS d (product_id, version, name, skus, category, description)
ON CONFLICT (environment_id, product_id) DO UPDATE
   SET version = excluded.version, words = excluded.words, indexed_at = now()
 WHERE documents.version <= excluded.version;

-- name: delete_documents
-- Forget products that are gone.
DELETE FROM documents WHERE environment_id = $1 AND product_id = ANY ($2::uuid[]);
