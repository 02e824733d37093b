-- One row a product: what can be searched, weighted by where it stands.
CREATE TABLE documents (
    environment_id uuid NOT NULL,
    product_id     uuid NOT NULL,
    version        integer NOT NULL,
    words          tsvector NOT NULL,
    indexed_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, product_id)
);
CREATE INDEX documents_words ON documents USING gin (environment_id, words);

-- `@@` is not leakproof, so under row-level security it could not use the index (20 ms instead of 0.1 on 180,000
-- rows). This function takes the environment instead, and nothing else reads across environments.
CREATE FUNCTION search_documents(environment uuid, wanted tsquery, most integer, skip integer)
RETURNS TABLE (product_id uuid, total bigint)
LANGUAGE sql STABLE SECURITY DEFINER
AS $$
    SELECT d.product_id, count(*) OVER ()
      FROM documents d
     WHERE d.environment_id = environment AND d.words @@ wanted
     ORDER BY ts_rank_cd(d.words, wanted) DESC, d.product_id
     LIMIT most OFFSET skip
$$;

CREATE FUNCTION count_documents(environment uuid, wanted tsquery)
RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER
AS $$ SELECT count(*) FROM documents d WHERE d.environment_id = environment AND d.words @@ wanted $$;
