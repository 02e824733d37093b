-- Parts of the statements in queries.sql. {0}, {1}, … become parameters; $1 is the environment there as well.

-- name: published
-- What storefronts see.
status = 'PUBLISHED'

-- name: statuses
-- One of these statuses.
status = ANY ({0}::text[])

-- name: ids
-- One of these products.
id = ANY ({0}::uuid[])

-- name: category
-- In the category with this path.
category = {0}::text

-- name: subtree
-- In the category with this path, or below it: one range of the index, without siblings such as `home-office`.
category >= {0}::text AND category < {0}::text || '0' AND (category = {0}::text OR category >= {0}::text || '/')

-- name: category_id
-- In the category with this id.
category = (SELECT path FROM categories WHERE environment_id = $1 AND id = {0}::uuid)

-- name: subtree_id
-- In the category with this id, or below it.
category >= (SELECT path FROM categories WHERE environment_id = $1 AND id = {0}::uuid)
AND category < (SELECT path || '0' FROM categories WHERE environment_id = $1 AND id = {0}::uuid)
AND (category = (SELECT path FROM categories WHERE environment_id = $1 AND id = {0}::uuid)
  OR category >= (SELECT path || '/' FROM categories WHERE environment_id = $1 AND id = {0}::uuid))

-- name: name_prefix
-- The name begins so; capitals do not matter.
name_folded >= lower({0}::text) AND name_folded < lower({0}::text) || chr(1114111)

-- name: name_contains
-- The name has this part; capitals do not matter. For parts that many names have: it uses no index, but needs none.
name_folded LIKE lower({0}::text)

-- name: skus
-- One of the variants has one of these SKUs.
id IN (SELECT product_id FROM variants WHERE environment_id = $1 AND sku = ANY ({0}::text[]))

-- name: product_type
-- Of one of the types with these keys.
id IN (SELECT product_id FROM product_details WHERE environment_id = $1
          AND type_id IN (SELECT id FROM product_types WHERE environment_id = $1 AND key = ANY ({0}::text[])))

-- name: attribute_values
-- The product, or one of its variants, has one of these values of an attribute.
id IN (SELECT product_id FROM attribute_values
        WHERE environment_id = $1 AND key = {0}::text AND value = ANY ({1}::text[]))

-- name: attribute_range
-- The product, or one of its variants, has a value of an attribute within these, themselves included.
id IN (SELECT product_id FROM attribute_values
        WHERE environment_id = $1 AND key = {0}::text AND value >= {1}::text AND value <= {2}::text)
-- name: channel
-- Sold in the channel with this key; nothing is in one that is not there.
EXISTS (SELECT FROM channels WHERE environment_id = $1 AND key = {0}::text)
AND NOT EXISTS (SELECT FROM product_channels l
                 WHERE l.environment_id = $1 AND l.product_id = products.id AND {0}::text <> ALL (l.channels))

-- name: external_references
-- One of these keys of another system.
external_reference = ANY ({0}::text[])

-- name: currency
-- Priced in this currency.
price_currency = {0}::text

-- name: price_from
-- At this price or above, in minor units.
price_amount >= {0}::bigint

-- name: price_to
-- At this price or below, in minor units.
price_amount <= {0}::bigint

-- name: created_from
-- Made then or later.
created_at >= {0}::timestamptz

-- name: created_to
-- Made before.
created_at < {0}::timestamptz

-- name: updated_from
-- Changed last then or later.
updated_at >= {0}::timestamptz

-- name: updated_to
-- Changed last before.
updated_at < {0}::timestamptz

-- name: order_name
-- By name.
name, id

-- name: order_name_backwards
-- By name, last first.
name DESC, id DESC

-- name: above_name
-- Behind a cursor by name.
(name, id) > ({0}::text, {1}::uuid)

-- name: below_name
-- Before a cursor by name.
(name, id) < ({0}::text, {1}::uuid)

-- name: order_price
-- By currency and price; without a price last.
price_currency, price_amount, id

-- name: order_price_backwards
-- By currency and price, dearest first; without a price first.
price_currency DESC, price_amount DESC, id DESC

-- name: above_price
-- Behind a cursor by price.
(price_currency, price_amount, id) > ({0}::text, {1}::bigint, {2}::uuid)

-- name: below_price
-- Before a cursor by price.
(price_currency, price_amount, id) < ({0}::text, {1}::bigint, {2}::uuid)

-- name: order_created
-- Oldest first.
created_at, id

-- name: order_created_backwards
-- Newest first.
created_at DESC, id DESC

-- name: above_created
-- Behind a cursor by time of making.
(created_at, id) > ({0}::timestamptz, {1}::uuid)

-- name: below_created
-- Before a cursor by time of making.
(created_at, id) < ({0}::timestamptz, {1}::uuid)

-- name: order_updated
-- Longest unchanged first.
updated_at, id

-- name: order_updated_backwards
-- Changed last first.
updated_at DESC, id DESC

-- name: above_updated
-- Behind a cursor by time of change.
(updated_at, id) > ({0}::timestamptz, {1}::uuid)

-- name: below_updated
-- Before a cursor by time of change.
(updated_at, id) < ({0}::timestamptz, {1}::uuid)
