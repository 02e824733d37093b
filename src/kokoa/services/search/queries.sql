-- name: search_page
-- A page of product ids that fit, best first, each with the number of all that fit.
SELECT product_id, total FROM search_documents(/* environment_id */ $1, to_tsquery('english', $2), $3, $4);

-- name: search_count
-- How many products fit, for pages beyond the last.
SELECT count_documents(/* environment_id */ $1, to_tsquery('english', $2));

-- name: put_document
-- Index a product, unless a newer version of it is indexed already.
INSERT INTO documents (environment_id, product_id, version, words)
VALUES ($1, $2, $3, setweight(to_tsvector('english', $4), 'A') || setweight(to_tsvector('simple', $5), 'B')
                    || setweight(to_tsvector('english', $6), 'C') || setweight(to_tsvector('english', $7), 'D'))
ON CONFLICT (environment_id, product_id) DO UPDATE
   SET version = excluded.version, words = excluded.words, indexed_at = now()
 WHERE documents.version <= excluded.version;

-- name: delete_documents
-- Forget products that are gone.
DELETE FROM documents WHERE environment_id = $1 AND product_id = ANY ($2::uuid[]);
