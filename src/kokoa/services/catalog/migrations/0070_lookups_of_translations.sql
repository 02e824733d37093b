-- The index of slugs begins with the same columns. Beside it this one was taken for look-ups of single translations while
-- the table had no statistics, as in a first import: each read all texts of its locale.
DROP INDEX product_translations_of_locale;
