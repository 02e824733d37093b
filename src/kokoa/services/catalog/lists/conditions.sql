-- Parts of the statements in queries.sql. {0}, {1}, … become parameters; $1 is the environment there as well.
--
-- A condition on other tables has three forms: `skus` leaves the way to the planner; `skus_of_one` looks by key at the
-- product in hand (OFFSET keeps the planner from making a join of it, and `|| ''` or IS TRUE from an index in which it would
-- read all products with the value); and of `skus_ids` come the products that have it.

-- name: columns
-- What a page shows of a product.
products.id, products.slug, products.name, products.description, products.category, products.external_reference,
products.price_minor, products.currency, products.version, products.status, products.created_at, products.updated_at

-- name: of_all
-- It is one of these, all of which are read before. (IS TRUE keeps the planner from making a join of it; LIMIT, from thinking
-- that they are too many to be a set.)
(id IN (SELECT id FROM ({0}) AS ids LIMIT (SELECT NULL::bigint))) IS TRUE

-- name: products_ids
-- Products that their own columns choose.
SELECT id FROM products WHERE environment_id = $1 AND {0}

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
-- The name has this part; capitals do not matter.
name_folded LIKE lower({0}::text)

-- name: name_contains_in_order
-- The same, of what the index of names holds.
lower(by_name) LIKE lower({0}::text)

-- name: name_contains_ids
-- Products whose name has this part, by trigrams.
SELECT products_named($1, lower({0}::text)) AS id

-- name: skus
-- One of the variants has one of these SKUs.
id IN (SELECT product_id FROM variants WHERE environment_id = $1 AND sku = ANY ({0}::text[]))

-- name: skus_of_one
-- One of its variants has one of these SKUs.
EXISTS (SELECT FROM variants v
         WHERE v.environment_id = $1 AND v.product_id = products.id AND v.sku = ANY ({0}::text[]) OFFSET 0)

-- name: skus_ids
-- Products with these SKUs.
SELECT product_id AS id FROM variants WHERE environment_id = $1 AND sku = ANY ({0}::text[])

-- name: product_type
-- Of one of the types with these keys.
id IN (SELECT product_id FROM product_details WHERE environment_id = $1
          AND type_id IN (SELECT id FROM product_types WHERE environment_id = $1 AND key = ANY ({0}::text[])))

-- name: product_type_of_one
-- It is of one of the types with these keys.
EXISTS (SELECT FROM product_details d
         WHERE d.environment_id = $1 AND d.product_id = products.id
           AND (d.type_id = ANY (ARRAY(SELECT id FROM product_types
                                        WHERE environment_id = $1 AND key = ANY ({0}::text[])))) IS TRUE OFFSET 0)

-- name: product_type_ids
-- Products of the types with these keys.
SELECT product_id AS id FROM product_details
 WHERE environment_id = $1 AND type_id = ANY (ARRAY(SELECT id FROM product_types
                                                     WHERE environment_id = $1 AND key = ANY ({0}::text[])))

-- name: attribute_values
-- The product, or one of its variants, has one of these values of an attribute.
id IN (SELECT product_id FROM attribute_values
        WHERE environment_id = $1 AND key = {0}::text AND value = ANY ({1}::text[]))

-- name: attribute_values_of_one
-- It, or one of its variants, has one of these values of an attribute.
EXISTS (SELECT FROM attribute_values a
         WHERE a.environment_id = $1 AND a.product_id = products.id AND a.key || '' = {0}::text
           AND a.value || '' = ANY ({1}::text[]) OFFSET 0)

-- name: attribute_values_ids
-- Products that have, or of which variants have, these values of an attribute.
SELECT product_id AS id FROM attribute_values
 WHERE environment_id = $1 AND key = {0}::text AND value = ANY ({1}::text[])

-- name: attribute_range
-- The product, or one of its variants, has a value of an attribute within these, themselves included.
id IN (SELECT product_id FROM attribute_values
        WHERE environment_id = $1 AND key = {0}::text AND value >= {1}::text AND value <= {2}::text)

-- name: attribute_range_of_one
-- It, or one of its variants, has a value of an attribute within these.
EXISTS (SELECT FROM attribute_values a
         WHERE a.environment_id = $1 AND a.product_id = products.id AND a.key || '' = {0}::text
           AND a.value || '' >= {1}::text AND a.value || '' <= {2}::text OFFSET 0)

-- name: attribute_range_ids
-- Products that have, or of which variants have, a value of an attribute within these.
SELECT product_id AS id FROM attribute_values
 WHERE environment_id = $1 AND key = {0}::text AND value >= {1}::text AND value <= {2}::text

-- name: channel
-- Sold in the channel with this key; nothing is in one that is not there.
EXISTS (SELECT FROM channels WHERE environment_id = $1 AND key = {0}::text)
AND NOT EXISTS (SELECT FROM product_channels l
                 WHERE l.environment_id = $1 AND l.product_id = products.id AND {0}::text <> ALL (l.channels))

-- name: channel_of_one
-- It is sold in the channel with this key.
EXISTS (SELECT FROM channels WHERE environment_id = $1 AND key = {0}::text)
AND NOT EXISTS (SELECT FROM product_channels l
                 WHERE l.environment_id = $1 AND l.product_id = products.id AND {0}::text <> ALL (l.channels) OFFSET 0)

-- name: channel_of_all
-- It is none of those that are not sold in the channel with this key.
EXISTS (SELECT FROM channels WHERE environment_id = $1 AND key = {0}::text)
AND (id IN (SELECT product_id FROM product_channels
             WHERE environment_id = $1 AND {0}::text <> ALL (channels) LIMIT (SELECT NULL::bigint))) IS NOT TRUE

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

-- name: keys_name
-- What a list by name is ordered by.
{0}name AS by_name, {0}id AS by_id

-- name: order_name
-- By name.
{0}name{1}, {0}id{1}

-- name: begin_name
-- Always so. It tells the planner, who may know nothing of this environment, to read the index of the order.
name >= ''

-- name: above_name
-- Behind a cursor by name.
(name, id) > ({0}::text, {1}::uuid)

-- name: below_name
-- Before a cursor by name.
(name, id) < ({0}::text, {1}::uuid)

-- name: keys_price
-- What a list by price is ordered by.
{0}price_currency AS by_price_currency, {0}price_amount AS by_price_amount, {0}id AS by_id

-- name: order_price
-- By currency and price; without a price last.
{0}price_currency{1}, {0}price_amount{1}, {0}id{1}

-- name: order_price_of_one_currency
-- By price. An index that is bound to a currency has no order by it any more.
{0}price_amount{1}, {0}id{1}

-- name: begin_price
-- Always so. It tells the planner, who may know nothing of this environment, to read the index of the order.
price_currency >= ''

-- name: above_price
-- Behind a cursor by price.
(price_currency, price_amount, id) > ({0}::text, {1}::bigint, {2}::uuid)

-- name: below_price
-- Before a cursor by price.
(price_currency, price_amount, id) < ({0}::text, {1}::bigint, {2}::uuid)

-- name: keys_created
-- What a list by time of making is ordered by.
{0}created_at AS by_created_at, {0}id AS by_id

-- name: order_created
-- Oldest first.
{0}created_at{1}, {0}id{1}

-- name: begin_created
-- Always so. It tells the planner, who may know nothing of this environment, to read the index of the order.
created_at >= '-infinity'

-- name: above_created
-- Behind a cursor by time of making.
(created_at, id) > ({0}::timestamptz, {1}::uuid)

-- name: below_created
-- Before a cursor by time of making.
(created_at, id) < ({0}::timestamptz, {1}::uuid)

-- name: keys_updated
-- What a list by time of change is ordered by.
{0}updated_at AS by_updated_at, {0}id AS by_id

-- name: order_updated
-- Longest unchanged first.
{0}updated_at{1}, {0}id{1}

-- name: begin_updated
-- Always so. It tells the planner, who may know nothing of this environment, to read the index of the order.
updated_at >= '-infinity'

-- name: above_updated
-- Behind a cursor by time of change.
(updated_at, id) > ({0}::timestamptz, {1}::uuid)

-- name: below_updated
-- Before a cursor by time of change.
(updated_at, id) < ({0}::timestamptz, {1}::uuid)
