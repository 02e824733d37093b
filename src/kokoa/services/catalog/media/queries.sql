-- name: media_of_products
-- The first pictures of each of several products in their order, in one statement.
SELECT m.* FROM unnest($2::uuid[]) AS wanted (product_id)
 CROSS JOIN LATERAL (
    SELECT id, product_id, position, alt, content_hash, width, height FROM product_media
     WHERE environment_id = $1 AND product_id = wanted.product_id ORDER BY position, id LIMIT $3
 ) m;

-- name: one_media
-- A picture of a product by its id.
SELECT id, product_id, position, alt, content_hash, width, height FROM product_media
 WHERE environment_id = $1 AND id = $2;

-- name: media_of_content
-- A product's picture by what it shows.
SELECT id, product_id, position, alt, content_hash, width, height FROM product_media
 WHERE environment_id = $1 AND product_id = $2 AND content_hash = $3;

-- name: media_places
-- The ids of all pictures of a product, at most 100.
SELECT id, position FROM product_media WHERE environment_id = $1 AND product_id = $2 ORDER BY position, id;

-- name: claim_file
-- Before files are written: the sweeper lets them be for a day. No row while it is removing them.
INSERT INTO media_files (environment_id, content_hash, state) VALUES ($1, $2, 'pending')
ON CONFLICT (environment_id, content_hash) DO UPDATE SET touched_at = now() WHERE media_files.state <> 'removing'
RETURNING state, width, height;

-- name: file_ready
-- All files of a picture are there. No row while the sweeper is removing them; until the end of the transaction it
-- cannot begin.
UPDATE media_files SET state = 'ready', width = $3, height = $4, touched_at = now()
 WHERE environment_id = $1 AND content_hash = $2 AND state <> 'removing'
RETURNING content_hash;

-- name: touch_file
-- Nobody may show a picture any more: pages that were served before shall find it for another day.
UPDATE media_files SET touched_at = now() WHERE environment_id = $1 AND content_hash = $2;

-- name: insert_media
-- A picture of a product.
INSERT INTO product_media (environment_id, id, product_id, position, alt, content_hash, width, height)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: set_alt
-- Another alternative text.
UPDATE product_media SET alt = $3 WHERE environment_id = $1 AND id = $2;

-- name: order_media
-- The pictures of a product in the order of $3.
UPDATE product_media m SET position = o.position - 1
  FROM unnest($3::uuid[]) WITH ORDINALITY AS o (id, position)
 WHERE m.environment_id = $1 AND m.product_id = $2 AND m.id = o.id;

-- name: delete_media
-- A picture of a product; its files stay for the sweeper.
DELETE FROM product_media WHERE environment_id = $1 AND id = $2;

-- name: unused_files
-- Pictures of all environments that nobody shows, and nobody has touched since $1; the least recent first.
SELECT environment_id, content_hash FROM media_files_unused($1, $2);

-- name: begin_removal
-- Before files are deleted: if nobody has shown or uploaded the picture since $3. An upload that holds the row is
-- waited for, and then found to have touched it.
UPDATE media_files SET state = 'removing'
 WHERE environment_id = $1 AND content_hash = $2 AND touched_at < $3
   AND NOT EXISTS (SELECT FROM product_media m WHERE m.environment_id = $1 AND m.content_hash = $2)
RETURNING content_hash;

-- name: end_removal
-- After files are deleted.
DELETE FROM media_files WHERE environment_id = $1 AND content_hash = $2 AND state = 'removing';
