-- Pictures of products. The files are in object storage; a row here says that they are there, whole.

-- One row for each picture that an environment has, whoever shows it: the same bytes are one picture.
-- pending: files are being written; ready: all are there; removing: they are being deleted, and nobody may refer to it.
CREATE TABLE media_files (
    environment_id uuid NOT NULL,
    content_hash   text NOT NULL,
    state          text NOT NULL CHECK (state IN ('pending', 'ready', 'removing')),
    width          integer,
    height         integer,
    -- Of the last upload, or of the last time that a product let go of it.
    touched_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, content_hash),
    CHECK (state <> 'ready' OR (width > 0 AND height > 0))
);
CREATE INDEX media_files_by_touch ON media_files (touched_at);

CREATE TABLE product_media (
    environment_id uuid NOT NULL,
    id             uuid NOT NULL,
    product_id     uuid NOT NULL,
    position       integer NOT NULL,
    alt            text NOT NULL,
    content_hash   text NOT NULL,
    width          integer NOT NULL,
    height         integer NOT NULL,
    PRIMARY KEY (environment_id, id),
    FOREIGN KEY (environment_id, product_id) REFERENCES products (environment_id, id) ON DELETE CASCADE,
    FOREIGN KEY (environment_id, content_hash) REFERENCES media_files (environment_id, content_hash),
    CONSTRAINT product_media_once UNIQUE (environment_id, product_id, content_hash)
);
CREATE INDEX product_media_in_order ON product_media (environment_id, product_id, position);
CREATE INDEX product_media_of_file ON product_media (environment_id, content_hash);

-- For the sweeper, which alone spans environments.
CREATE FUNCTION media_files_unused(before timestamptz, most integer)
RETURNS TABLE (environment_id uuid, content_hash text)
LANGUAGE sql STABLE SECURITY DEFINER
AS $$
    SELECT f.environment_id, f.content_hash FROM media_files f
     WHERE f.touched_at < before
       AND NOT EXISTS (SELECT FROM product_media m
                        WHERE m.environment_id = f.environment_id AND m.content_hash = f.content_hash)
     ORDER BY f.touched_at LIMIT most
$$;
