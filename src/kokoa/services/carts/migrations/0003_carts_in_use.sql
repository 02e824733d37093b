-- A cart that is nobody's is one of any number: it is in this index no more, and creating and freezing it write one index less.
DROP INDEX carts_in_use_by_customer;
CREATE UNIQUE INDEX carts_in_use_by_customer ON carts (customer_id, environment_id)
 WHERE state IN ('ACTIVE', 'FROZEN') AND customer_id IS NOT NULL;
