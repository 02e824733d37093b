-- The values of one product are looked up by the primary key. Here its id is only read, not sought: as long as there are no
-- statistics both indexes would seem as good, and this one would be read for all products that have the attribute.
-- It is a quarter smaller, too.
DROP INDEX attribute_values_by_value;
CREATE INDEX attribute_values_by_value ON attribute_values (environment_id, key, value) INCLUDE (product_id);
