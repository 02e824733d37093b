-- A placement is written down where it matters what was done, no more: every call on the way is answered alike when it is made again.
UPDATE placements SET step = CASE step WHEN 'FROZEN' THEN 'STARTED' WHEN 'RESERVED' THEN 'PRICED' WHEN 'REDEEMED' THEN 'PRICED'
                                       WHEN 'ALLOCATED' THEN 'COMMITTED'
                                       WHEN 'AUTHORIZED' THEN CASE WHEN payment_id IS NULL THEN 'PRICED' ELSE 'PAYING' END END
 WHERE step IN ('FROZEN', 'RESERVED', 'REDEEMED', 'AUTHORIZED', 'ALLOCATED');
