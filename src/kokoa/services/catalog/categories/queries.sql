-- name: categories_page
-- A page of categories, level by level, each level in the merchant's order.
SELECT id, parent_id, slug, name, path, depth, position, version FROM categories
 WHERE environment_id = $1 ORDER BY depth, position, path LIMIT $2 OFFSET $3;

-- name: categories_of_depth
-- A page of one level in the merchant's order; the roots have depth 1.
SELECT id, parent_id, slug, name, path, depth, position, version FROM categories
 WHERE environment_id = $1 AND depth = $2 ORDER BY position, path LIMIT $3 OFFSET $4;

-- name: categories_by_paths
-- The categories with these paths, in any order.
SELECT id, parent_id, slug, name, path, depth, position, version FROM categories
 WHERE environment_id = $1 AND path = ANY ($2::text[]);

-- name: categories_by_ids
-- The categories with these ids, in any order.
SELECT id, parent_id, slug, name, path, depth, position, version FROM categories
 WHERE environment_id = $1 AND id = ANY ($2::uuid[]);

-- name: children_of_categories
-- A page of children in the merchant's order for each of several parents, in one statement.
SELECT c.* FROM unnest($2::uuid[]) AS wanted (parent_id)
 CROSS JOIN LATERAL (
    SELECT id, parent_id, slug, name, path, depth, position, version FROM categories
     WHERE environment_id = $1 AND parent_id = wanted.parent_id ORDER BY position, path LIMIT $3 OFFSET $4
 ) c;

-- name: lock_tree
-- One change of an environment's tree at a time: two moves at once could make a cycle.
SELECT pg_advisory_xact_lock(hashtextextended('categories of environment_id ' || $1::text, 0));

-- name: keep_tree
-- Nobody changes the tree until the transaction ends; others may keep it too.
SELECT pg_advisory_xact_lock_shared(hashtextextended('categories of environment_id ' || $1::text, 0));

-- name: check_categories_later
-- In this transaction a product may be in a category that is written after it.
SELECT check_categories_later(/* environment_id */ $1);

-- name: count_at_paths
-- How many of these categories are where they are said to be.
SELECT count(*) FROM unnest($2::uuid[], $3::text[]) AS said (id, path)
 CROSS JOIN LATERAL (SELECT path FROM categories WHERE environment_id = $1 AND id = said.id OFFSET 0) c
 WHERE c.path = said.path;

-- name: categories_named
-- The categories with one of these names, wherever they stand; parents first, each level in the merchant's order.
SELECT c.id, c.parent_id, c.slug, c.name, c.path, c.depth, c.position, c.version
  FROM unnest($2::text[]) AS wanted (name)
  JOIN categories c ON c.environment_id = $1 AND c.name = wanted.name
 ORDER BY c.depth, c.position, c.path;

-- name: children_places
-- Slugs and positions of all children of these parents and, if $3, of the roots.
SELECT parent_id, slug, position FROM categories
 WHERE environment_id = $1 AND (parent_id = ANY ($2::uuid[]) OR ($3::boolean AND parent_id IS NULL));

-- name: insert_categories
-- New categories, one element of each array for each.
INSERT INTO categories (environment_id, id, parent_id, slug, name, path, depth, position)
SELECT $1, * FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::integer[], $8::integer[]);

-- name: count_all
-- How many categories there are, and how many children this parent has (null: roots).
SELECT count(*) AS in_all,
       count(*) FILTER (WHERE parent_id IS NOT DISTINCT FROM $2::uuid) AS beside,
       coalesce(max(position) FILTER (WHERE parent_id IS NOT DISTINCT FROM $2::uuid), -1) + 1 AS next_position
  FROM categories WHERE environment_id = $1;

-- name: insert_category
-- A new category.
INSERT INTO categories (environment_id, id, parent_id, slug, name, path, depth, position)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
RETURNING id, parent_id, slug, name, path, depth, position, version;

-- name: rename_category
-- Another name for a category.
UPDATE categories SET name = $3, version = version + 1 WHERE environment_id = $1 AND id = $2;

-- name: subtree_height
-- How many levels there are below this path.
SELECT coalesce(max(depth), 0) FROM categories
 WHERE environment_id = $1 AND path >= $2::text || '/' AND path < $2::text || '0';

-- name: subtree_products
-- How many products a subtree has, counted up to a bound.
SELECT count(*) FROM (
    SELECT FROM products WHERE environment_id = $1 AND category = $2
     UNION ALL
    SELECT FROM products WHERE environment_id = $1 AND category >= $2::text || '/' AND category < $2::text || '0'
     LIMIT $3
) counted;

-- name: relocate_category
-- Another slug or another parent for a category; its subtree and their products follow.
UPDATE categories
   SET path = $4::text || substr(path, length($3::text) + 1),
       depth = depth + $5::integer,
       slug = CASE WHEN id = $2 THEN $6::text ELSE slug END,
       parent_id = CASE WHEN id = $2 THEN $7::uuid ELSE parent_id END,
       position = CASE WHEN id = $2 THEN $8::integer ELSE position END,
       version = version + 1
 WHERE environment_id = $1 AND (id = $2::uuid OR (path >= $3::text || '/' AND path < $3::text || '0'));

-- name: children_ids
-- The ids of a parent's children (null: the roots), in the merchant's order.
SELECT id FROM categories WHERE environment_id = $1 AND parent_id IS NOT DISTINCT FROM $2::uuid
 ORDER BY position, path;

-- name: order_categories
-- Positions for categories: the order of the ids.
UPDATE categories SET position = wanted.position - 1
  FROM unnest($2::uuid[]) WITH ORDINALITY AS wanted (id, position)
 WHERE categories.environment_id = $1 AND categories.id = wanted.id;

-- name: delete_category
-- Remove a category; foreign keys keep one that has children or products.
DELETE FROM categories WHERE environment_id = $1 AND id = $2;
