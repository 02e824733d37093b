-- A batch that makes categories writes them after its products, so that the tree is locked for the end of its
-- transaction only. Everybody else is told at once of a category that is not there.
ALTER TABLE products ALTER CONSTRAINT products_category DEFERRABLE INITIALLY IMMEDIATE;

CREATE FUNCTION check_categories_later(environment uuid) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    SET CONSTRAINTS products_category DEFERRED;
END
$$;
