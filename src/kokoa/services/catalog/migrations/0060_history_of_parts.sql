-- The history follows all parts of products: types, attributes and options, translations, SEO, media, custom values.
-- attribute_values only mirrors other tables, and has none.
CALL note_history_of('product_details', $$''$$);
CALL note_history_of('variant_details', $$'variants', 'sku'$$);
CALL note_history_of('product_translations', $$'translations', 'locale'$$);
CALL note_history_of('product_seo', $$'seo'$$);
CALL note_history_of('product_media', $$'media', 'id'$$);
CALL note_history_of('product_custom_values', $$''$$);
CALL note_history_of('variant_custom_values', $$'variants', 'sku'$$);
