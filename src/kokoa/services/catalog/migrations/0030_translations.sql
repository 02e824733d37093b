-- Texts of products and categories in other locales than the default one, whose texts are the products' own.

-- chain: the locale and what it falls back to, nearest first, without the default; made when locales are set, so that
-- a text is found by one statement.
CREATE TABLE locales (
    environment_id uuid NOT NULL,
    locale         text NOT NULL,
    position       integer NOT NULL,
    is_default     boolean NOT NULL,
    fallback       text,
    chain          text[] NOT NULL,
    PRIMARY KEY (environment_id, locale)
);
CREATE UNIQUE INDEX locales_default ON locales (environment_id) WHERE is_default;

CREATE TABLE product_translations (
    environment_id  uuid NOT NULL,
    product_id      uuid NOT NULL,
    locale          text NOT NULL,
    name            text,
    description     text,
    slug            text,
    seo_title       text,
    seo_description text,
    PRIMARY KEY (environment_id, product_id, locale),
    FOREIGN KEY (environment_id, product_id) REFERENCES products (environment_id, id) ON DELETE CASCADE,
    CONSTRAINT product_translations_locale FOREIGN KEY (environment_id, locale)
        REFERENCES locales (environment_id, locale)
);
CREATE UNIQUE INDEX product_translations_slug ON product_translations (environment_id, locale, slug);
CREATE INDEX product_translations_of_locale ON product_translations (environment_id, locale);

CREATE TABLE category_translations (
    environment_id  uuid NOT NULL,
    category_id     uuid NOT NULL,
    locale          text NOT NULL,
    name            text,
    seo_title       text,
    seo_description text,
    PRIMARY KEY (environment_id, category_id, locale),
    FOREIGN KEY (environment_id, category_id) REFERENCES categories (environment_id, id) ON DELETE CASCADE,
    CONSTRAINT category_translations_locale FOREIGN KEY (environment_id, locale)
        REFERENCES locales (environment_id, locale)
);
CREATE INDEX category_translations_of_locale ON category_translations (environment_id, locale);

-- What a merchant says to search engines in the default locale; what is null is derived.
CREATE TABLE product_seo (
    environment_id uuid NOT NULL,
    product_id     uuid NOT NULL,
    title          text,
    description    text,
    canonical_path text,
    no_index       boolean NOT NULL,
    PRIMARY KEY (environment_id, product_id),
    FOREIGN KEY (environment_id, product_id) REFERENCES products (environment_id, id) ON DELETE CASCADE
);

CREATE TABLE category_seo (
    environment_id uuid NOT NULL,
    category_id    uuid NOT NULL,
    title          text,
    description    text,
    canonical_path text,
    no_index       boolean NOT NULL,
    PRIMARY KEY (environment_id, category_id),
    FOREIGN KEY (environment_id, category_id) REFERENCES categories (environment_id, id) ON DELETE CASCADE
);
