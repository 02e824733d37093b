-- name: note_used
-- Documents that were used: digests, texts and days side by side, in the order of digests.
INSERT INTO used_operations (environment_id, digest, document, bytes, last_used)
SELECT e.environment_id, used.digest, used.document, octet_length(used.document), used.last_used
  FROM environments e, unnest($2::text[], $3::text[], $4::date[]) AS used (digest, document, last_used)
 WHERE e.environment_id = $1
ON CONFLICT (environment_id, digest) DO UPDATE SET last_used = excluded.last_used, days = used_operations.days + 1
 WHERE used_operations.last_used < excluded.last_used
RETURNING digest;

-- name: forget_used
-- Documents that were used before a day, and of the others those over a number or a size: first those that were used on
-- one day alone, as a flood is, then those used longest ago.
DELETE FROM used_operations
 WHERE environment_id = $1
   AND (last_used < $2 OR digest IN (
         SELECT digest
           FROM (SELECT digest, row_number() OVER best AS place, sum(bytes) OVER best AS size
                   FROM used_operations WHERE environment_id = $1
                 WINDOW best AS (ORDER BY (days > 1) DESC, last_used DESC, digest DESC)) AS ranked
          WHERE place > $3 OR size > $4));

-- name: used_since
-- Documents that were used since a day, by digest, after the given one.
SELECT digest, document, last_used FROM used_operations
 WHERE environment_id = $1 AND last_used >= $2 AND digest > $3 ORDER BY digest LIMIT $4;
