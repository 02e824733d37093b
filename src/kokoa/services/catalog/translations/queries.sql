-- name: all_locales
-- The environment's locales, the default first; there are at most 50.
SELECT locale, is_default, fallback, chain FROM locales WHERE environment_id = $1 ORDER BY position;

-- name: lock_locales
-- One change of an environment's locales at a time.
SELECT pg_advisory_xact_lock(hashtextextended('locales of environment_id ' || $1::text, 0));

-- name: translated_locales
-- Those of these locales that have translations.
SELECT wanted.locale FROM unnest($2::text[]) AS wanted (locale)
 WHERE EXISTS (SELECT FROM product_translations p WHERE p.environment_id = $1 AND p.locale = wanted.locale)
    OR EXISTS (SELECT FROM category_translations c WHERE c.environment_id = $1 AND c.locale = wanted.locale);

-- name: remove_locales
-- All locales but these.
DELETE FROM locales WHERE environment_id = $1 AND locale <> ALL ($2::text[]);

-- name: clear_default
-- No default, before another locale becomes it.
UPDATE locales SET is_default = false WHERE environment_id = $1 AND is_default;

-- name: put_locale
-- A locale, new or changed.
INSERT INTO locales (environment_id, locale, position, is_default, fallback, chain) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (environment_id, locale) DO UPDATE
   SET position = excluded.position, is_default = excluded.is_default, fallback = excluded.fallback,
       chain = excluded.chain;

-- name: locale_for_share
-- One locale, which stays as long as the transaction.
SELECT is_default FROM locales WHERE environment_id = $1 AND locale = $2 FOR KEY SHARE;

-- name: product_texts_in
-- What there is for a shopper's locale: the most specific of $2 that the store has, and the translations of its chain,
-- nearest first.
WITH found AS (
    SELECT locale, chain FROM locales WHERE environment_id = $1 AND locale = ANY ($2::text[])
     ORDER BY length(locale) DESC LIMIT 1
)
SELECT f.locale AS found, t.product_id, t.locale, t.name, t.description, t.slug, t.seo_title, t.seo_description
  FROM found f
  LEFT JOIN product_translations t
    ON t.environment_id = $1 AND t.product_id = ANY ($3::uuid[]) AND t.locale = ANY (f.chain)
 ORDER BY array_position(f.chain, t.locale);

-- name: category_texts_in
-- The same for categories.
WITH found AS (
    SELECT locale, chain FROM locales WHERE environment_id = $1 AND locale = ANY ($2::text[])
     ORDER BY length(locale) DESC LIMIT 1
)
SELECT f.locale AS found, t.category_id, t.locale, t.name, NULL, NULL, t.seo_title, t.seo_description
  FROM found f
  LEFT JOIN category_translations t
    ON t.environment_id = $1 AND t.category_id = ANY ($3::uuid[]) AND t.locale = ANY (f.chain)
 ORDER BY array_position(f.chain, t.locale);

-- name: product_translations_of
-- The translations of these products, in one locale or (null) in all, in the order of the locales.
SELECT t.product_id, t.locale, t.name, t.description, t.slug, t.seo_title, t.seo_description
  FROM product_translations t JOIN locales l ON l.environment_id = $1 AND l.locale = t.locale
 WHERE t.environment_id = $1 AND t.product_id = ANY ($2::uuid[]) AND ($3::text IS NULL OR t.locale = $3)
 ORDER BY l.position;

-- name: category_translations_of
-- The same for categories.
SELECT t.category_id, t.locale, t.name, NULL, NULL, t.seo_title, t.seo_description
  FROM category_translations t JOIN locales l ON l.environment_id = $1 AND l.locale = t.locale
 WHERE t.environment_id = $1 AND t.category_id = ANY ($2::uuid[]) AND ($3::text IS NULL OR t.locale = $3)
 ORDER BY l.position;

-- name: product_seo_of
-- What was set for search engines, and the texts of the chain of a locale (as above; none with no candidates), nearest
-- first, in one statement.
WITH found AS (
    SELECT chain FROM locales WHERE environment_id = $1 AND locale = ANY ($2::text[])
     ORDER BY length(locale) DESC LIMIT 1
)
SELECT s.product_id, NULL::integer AS nearness, NULL AS name, NULL AS body, s.title, s.description,
       s.canonical_path, s.no_index
  FROM product_seo s WHERE s.environment_id = $1 AND s.product_id = ANY ($3::uuid[])
UNION ALL
SELECT t.product_id, array_position(f.chain, t.locale), t.name, t.description, t.seo_title, t.seo_description,
       NULL, false
  FROM found f JOIN product_translations t
    ON t.environment_id = $1 AND t.product_id = ANY ($3::uuid[]) AND t.locale = ANY (f.chain)
 ORDER BY nearness NULLS LAST;

-- name: category_seo_of
-- The same for categories.
WITH found AS (
    SELECT chain FROM locales WHERE environment_id = $1 AND locale = ANY ($2::text[])
     ORDER BY length(locale) DESC LIMIT 1
)
SELECT s.category_id, NULL::integer AS nearness, NULL AS name, NULL AS body, s.title, s.description,
       s.canonical_path, s.no_index
  FROM category_seo s WHERE s.environment_id = $1 AND s.category_id = ANY ($3::uuid[])
UNION ALL
SELECT t.category_id, array_position(f.chain, t.locale), t.name, NULL, t.seo_title, t.seo_description, NULL, false
  FROM found f JOIN category_translations t
    ON t.environment_id = $1 AND t.category_id = ANY ($3::uuid[]) AND t.locale = ANY (f.chain)
 ORDER BY nearness NULLS LAST;

-- name: products_by_localized_slug
-- Products that have this slug in a locale, in one it falls back to, or as their own, nearest first; at most nine.
WITH found AS (
    SELECT chain FROM locales WHERE environment_id = $1 AND locale = ANY ($2::text[])
     ORDER BY length(locale) DESC LIMIT 1
)
SELECT t.product_id, array_position(f.chain, t.locale) AS nearness
  FROM found f JOIN product_translations t
    ON t.environment_id = $1 AND t.locale = ANY (f.chain) AND t.slug = $3
UNION ALL
SELECT p.id, NULL FROM products p WHERE p.environment_id = $1 AND p.slug = $3
 ORDER BY nearness NULLS LAST LIMIT 9;

-- name: put_product_translation
-- A product's texts in a locale, new or replaced.
INSERT INTO product_translations
    (environment_id, product_id, locale, name, description, slug, seo_title, seo_description)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (environment_id, product_id, locale) DO UPDATE
   SET name = excluded.name, description = excluded.description, slug = excluded.slug,
       seo_title = excluded.seo_title, seo_description = excluded.seo_description;

-- name: put_category_translation
-- A category's texts in a locale, new or replaced.
INSERT INTO category_translations (environment_id, category_id, locale, name, seo_title, seo_description)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (environment_id, category_id, locale) DO UPDATE
   SET name = excluded.name, seo_title = excluded.seo_title, seo_description = excluded.seo_description;

-- name: remove_product_translation
-- A product's texts in a locale, if there are any.
DELETE FROM product_translations WHERE environment_id = $1 AND product_id = $2 AND locale = $3 RETURNING locale;

-- name: remove_category_translation
-- A category's texts in a locale, if there are any.
DELETE FROM category_translations WHERE environment_id = $1 AND category_id = $2 AND locale = $3 RETURNING locale;

-- name: put_product_seo
-- What a product says to search engines, new or replaced.
INSERT INTO product_seo (environment_id, product_id, title, description, canonical_path, no_index)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (environment_id, product_id) DO UPDATE
   SET title = excluded.title, description = excluded.description, canonical_path = excluded.canonical_path,
       no_index = excluded.no_index;

-- name: put_category_seo
-- What a category says to search engines, new or replaced.
INSERT INTO category_seo (environment_id, category_id, title, description, canonical_path, no_index)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (environment_id, category_id) DO UPDATE
   SET title = excluded.title, description = excluded.description, canonical_path = excluded.canonical_path,
       no_index = excluded.no_index;

-- name: touch_category
-- The next version of a category whose texts changed; it is locked with the tree.
UPDATE categories SET version = version + 1 WHERE environment_id = $1 AND id = $2
RETURNING id, parent_id, slug, name, path, depth, position, version;

-- name: locales_for_share
-- Those of these locales that there are; they stay as long as the transaction.
SELECT locale, is_default FROM locales WHERE environment_id = $1 AND locale = ANY ($2::text[]) FOR KEY SHARE;

-- name: translations_to_change
-- Translations of products, one element of each array for each; each is looked up by its product. Without statistics, as
-- in a first import, an index that begins with the locale would look as good, and reads all texts of it. No index is
-- asked for what is not DISTINCT.
SELECT t.* FROM unnest($2::uuid[], $3::text[]) AS wanted (product_id, locale)
 CROSS JOIN LATERAL (
    SELECT t.product_id, t.locale, t.name, t.description, t.slug, t.seo_title, t.seo_description
      FROM product_translations t
     WHERE t.environment_id = $1 AND t.product_id = wanted.product_id AND t.locale IS NOT DISTINCT FROM wanted.locale
    OFFSET 0) t;

-- name: translated_slug_owners
-- Which products have these slugs in these locales, one element of each array for each, looked up one by one.
SELECT t.* FROM unnest($2::text[], $3::text[]) AS wanted (locale, slug)
 CROSS JOIN LATERAL (
    SELECT t.locale, t.slug, t.product_id FROM product_translations t
     WHERE t.environment_id = $1 AND t.locale = wanted.locale AND t.slug = wanted.slug OFFSET 0) t;

-- name: seo_to_change
-- What was set for search engines of these products.
SELECT product_id, title, description, canonical_path, no_index FROM product_seo
 WHERE environment_id = $1 AND product_id = ANY ($2::uuid[]);

-- name: remove_translations
-- Translations of products, one element of each array for each. The caller has locked the products.
DELETE FROM product_translations t USING unnest($2::uuid[], $3::text[]) AS gone (product_id, locale)
 WHERE t.environment_id = $1 AND t.product_id = gone.product_id AND t.locale IS NOT DISTINCT FROM gone.locale;

-- name: put_translations
-- Translations of products, new or replaced, one element of each array for each. The caller has locked the products.
INSERT INTO product_translations
    (environment_id, product_id, locale, name, description, slug, seo_title, seo_description)
SELECT $1, * FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
ON CONFLICT (environment_id, product_id, locale) DO UPDATE
   SET name = excluded.name, description = excluded.description, slug = excluded.slug,
       seo_title = excluded.seo_title, seo_description = excluded.seo_description;

-- name: put_seo_of_products
-- What products say to search engines, new or replaced, one element of each array for each.
INSERT INTO product_seo (environment_id, product_id, title, description, canonical_path, no_index)
SELECT $1, * FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::boolean[])
ON CONFLICT (environment_id, product_id) DO UPDATE
   SET title = excluded.title, description = excluded.description, canonical_path = excluded.canonical_path,
       no_index = excluded.no_index;
