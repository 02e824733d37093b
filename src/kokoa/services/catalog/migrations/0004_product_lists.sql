-- What lists filter and sort by. Under row-level security only comparisons that are leakproof may use an index, so what
-- a list needs of a function (lower, coalesce) is a column.
ALTER TABLE products
    ADD COLUMN name_folded text COLLATE "C" GENERATED ALWAYS AS (lower(name)) STORED,
    -- Without a price: behind every currency.
    ADD COLUMN price_currency text COLLATE "C" GENERATED ALWAYS AS (coalesce(currency, '~')) STORED,
    ADD COLUMN price_amount bigint GENERATED ALWAYS AS (coalesce(price_minor, -1)) STORED;
CREATE INDEX products_by_folded_name ON products (environment_id, name_folded, id);
CREATE INDEX products_by_price ON products (environment_id, price_currency, price_amount, id);
CREATE INDEX products_by_created ON products (environment_id, created_at, id);
CREATE INDEX products_by_updated ON products (environment_id, updated_at, id);
CREATE INDEX products_name_parts ON products USING gin (environment_id, name_folded public.gin_trgm_ops);

-- `LIKE` is not leakproof, so under row-level security it could not use the index above. This function takes the
-- environment instead. pattern: in lower case, with `%` around, its own `%`, `_` and `\` escaped.
CREATE FUNCTION products_named(environment uuid, pattern text)
RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER
AS $$ SELECT p.id FROM products p WHERE p.environment_id = environment AND p.name_folded LIKE pattern $$;
