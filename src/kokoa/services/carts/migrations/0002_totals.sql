-- How the goods are to be delivered, a key of the shipping service; and the promotion codes that were given, in capitals, at most 10.
ALTER TABLE carts ADD COLUMN shipping_method text;
ALTER TABLE carts ADD COLUMN codes text[] NOT NULL DEFAULT '{}';
