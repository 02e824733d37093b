-- Categories become a tree. What there was are its roots.

-- A migration sees rows of all environments only while row-level security is not forced; the runner forces it again.
ALTER TABLE categories NO FORCE ROW LEVEL SECURITY;

ALTER TABLE products DROP CONSTRAINT products_environment_id_category_fkey;
ALTER TABLE categories
    DROP CONSTRAINT categories_pkey,
    ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid(),
    ADD COLUMN parent_id uuid,
    -- The slugs from the root down, `furniture/lamps`. In bytewise order a subtree is one range of an index.
    ADD COLUMN path text COLLATE "C",
    ADD COLUMN depth integer NOT NULL DEFAULT 1 CHECK (depth BETWEEN 1 AND 8),
    ADD COLUMN version integer NOT NULL DEFAULT 1;
UPDATE categories SET path = slug;
ALTER TABLE categories
    ALTER COLUMN path SET NOT NULL,
    ADD PRIMARY KEY (environment_id, id),
    ADD CONSTRAINT categories_path UNIQUE (environment_id, path),
    ADD CONSTRAINT categories_parent FOREIGN KEY (environment_id, parent_id)
        REFERENCES categories (environment_id, id);
CREATE INDEX categories_of_parent ON categories (environment_id, parent_id, position, path);
CREATE INDEX categories_by_level ON categories (environment_id, depth, position, path);

-- A product keeps its category's path, so that a list of a subtree reads one range; a category that moves takes the
-- paths of its products along.
ALTER TABLE products ALTER COLUMN category TYPE text COLLATE "C";
ALTER TABLE products
    ADD CONSTRAINT products_category FOREIGN KEY (environment_id, category)
        REFERENCES categories (environment_id, path) ON UPDATE CASCADE;
