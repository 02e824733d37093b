-- Products are drafts, published or archived. Those that are there stay published.
ALTER TABLE products
    ADD COLUMN status text NOT NULL DEFAULT 'PUBLISHED' CHECK (status IN ('DRAFT', 'PUBLISHED', 'ARCHIVED'));

-- What a storefront lists: its pages do not walk over drafts and years of archived products.
CREATE INDEX products_published_by_name ON products (environment_id, name, id) WHERE status = 'PUBLISHED';
CREATE INDEX products_published_by_category ON products (environment_id, category, name, id)
    WHERE status = 'PUBLISHED';
