"""Rows for the tests of plans: a catalogue, made by PostgreSQL itself.  $1: environment; $2: how many products."""

from datetime import UTC, datetime

PRODUCTS = 20_000
START = datetime(2026, 1, 1, tzinfo=UTC)
CATEGORIES = """
    INSERT INTO categories (environment_id, id, parent_id, slug, path, name, depth, position)
    SELECT $1::uuid, md5($1::text || n)::uuid, NULL, 'shelf-' || n, 'shelf-' || n, 'Shelf ' || n, 1, n
      FROM generate_series(0, 19) n
"""
SUBCATEGORIES = """
    INSERT INTO categories (environment_id, id, parent_id, slug, path, name, depth, position)
    SELECT $1::uuid, md5($1::text || n || '/' || m)::uuid, md5($1::text || n)::uuid, 'box-' || m,
           'shelf-' || n || '/box-' || m, 'Box ' || m, 2, m
      FROM generate_series(0, 19) n, generate_series(0, 9) m
"""
PRODUCT_ROWS = """
    INSERT INTO products (environment_id, id, slug, name, category, external_reference, price_minor, currency, status,
                          created_at, updated_at)
    SELECT $1::uuid, md5($1::text || n)::uuid, 'thing-' || n, 'Thing ' || substr(md5(n::text), 1, 8) || ' ' || n,
           'shelf-' || n % 20 || '/box-' || (n / 20) % 10, 'erp-' || n, n % 9000, (ARRAY['EUR', 'USD'])[n % 2 + 1],
           (ARRAY['PUBLISHED', 'PUBLISHED', 'PUBLISHED', 'DRAFT', 'ARCHIVED'])[n % 5 + 1],
           timestamptz '2026-01-01Z' + n * interval '1 minute', timestamptz '2026-01-01Z' + n * interval '2 minutes'
      FROM generate_series(1, $2::integer) n
"""
VARIANT_ROWS = """
    INSERT INTO variants (environment_id, id, product_id, position, sku, price_minor, currency)
    SELECT $1::uuid, md5('v' || $1::text || n)::uuid, md5($1::text || n)::uuid, 0, 'SKU-' || n, n % 9000,
           (ARRAY['EUR', 'USD'])[n % 2 + 1]
      FROM generate_series(1, $2::integer) n
"""

TYPE_ROWS = """
    INSERT INTO product_types (environment_id, id, key, name, attributes)
    SELECT $1::uuid, md5('t' || $1::text || n)::uuid, 'kind' || n, 'Kind', '[]' FROM generate_series(0, 99) n
"""
DETAIL_ROWS = """
    INSERT INTO product_details (environment_id, product_id, type_id, attributes, options)
    SELECT $1::uuid, md5($1::text || n)::uuid, md5('t' || $1::text || n % 100)::uuid, '{}', '[]'
      FROM generate_series(1, $2::integer) n
"""
# An ean that is nearly the only one, a material that a third of the products has, a power of many values.
VALUE_ROWS = """
    INSERT INTO attribute_values (environment_id, product_id, owner_id, key, position, value)
    SELECT $1::uuid, md5($1::text || n)::uuid, md5($1::text || n)::uuid, one.key, 0, one.value
      FROM generate_series(1, $2::integer) n, LATERAL (VALUES
           ('ean', '=' || n), ('material', '=' || (ARRAY['brass', 'oak', 'steel'])[n % 3 + 1]),
           ('power', '#' || (10::numeric ^ 24 + (n % 9000) * 10::numeric ^ 9)::numeric(30, 0))) AS one (key, value)
"""


CHANNEL_ROWS = "INSERT INTO channels (environment_id, id, key, name) VALUES ($1::uuid, $1::uuid, 'rare', 'Rare')"
LIMIT_ROWS = """
    INSERT INTO product_channels (environment_id, product_id, channels)
    SELECT $1::uuid, md5($1::text || n)::uuid, CASE WHEN n % 3 = 0 THEN ARRAY['rare'] ELSE ARRAY['other', 'more'] END
      FROM generate_series(1, $2::integer, 2) n
"""
RELATION_ROWS = """
    INSERT INTO product_relations (environment_id, product_id, kind, position, related_id)
    SELECT $1::uuid, md5($1::text || n)::uuid, 'RELATED', m, md5($1::text || (n + m * 77) % $2::integer + 1)::uuid
      FROM generate_series(1, $2::integer) n, generate_series(1, 3) m
"""
BUNDLE_ROWS = """
    INSERT INTO bundle_items (environment_id, product_id, position, variant_id, quantity)
    SELECT $1::uuid, md5($1::text || n)::uuid, m, md5('v' || $1::text || n + 5000 + m)::uuid, 1
      FROM generate_series(1, 5000) n, generate_series(1, 3) m
"""
CATEGORY_HISTORY_ROWS = """
    INSERT INTO category_history (environment_id, category_id, at, changed_in, version, kind)
    SELECT $1::uuid, md5($1::text || n)::uuid, timestamptz '2026-01-01Z' + m * interval '1 minute', m, m, 'UPDATED'
      FROM generate_series(0, 19) n, generate_series(1, 1000) m
"""
TOMBSTONE_ROWS = """
    INSERT INTO product_tombstones (environment_id, changed_in, id, version)
    SELECT $1::uuid, n, md5($1::text || n)::uuid, 2 FROM generate_series(1, 20000) n
"""
