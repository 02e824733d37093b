-- name: override_policies
-- The policies of the environment, by subject; bounded by how many there may be.
SELECT subject, percent, deadline_ms, fallback, shadow, version, changed_at FROM override_policies
 WHERE environment_id = $1 ORDER BY subject;

-- name: override_policy_count
-- How many policies the environment has.
SELECT count(*) FROM override_policies WHERE environment_id = $1;

-- name: override_policy_version
-- The version of a subject's policy, held until this transaction ends.
SELECT version FROM override_policies WHERE environment_id = $1 AND subject = $2 FOR UPDATE;

-- name: put_override_policy
-- A policy in the place of what was there.
INSERT INTO override_policies (environment_id, subject, percent, deadline_ms, fallback, shadow)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (environment_id, subject) DO UPDATE
   SET percent = excluded.percent, deadline_ms = excluded.deadline_ms, fallback = excluded.fallback,
       shadow = excluded.shadow, version = override_policies.version + 1, changed_at = now()
RETURNING version, changed_at;

-- name: delete_override_policy
-- Forget a policy.
DELETE FROM override_policies WHERE environment_id = $1 AND subject = $2 RETURNING subject;

-- name: subjects_not_reported
-- Those of these subjects of which nothing was counted yet.
SELECT new.subject FROM unnest($2::text[]) AS new (subject)
 WHERE NOT EXISTS (SELECT FROM override_counts c WHERE c.environment_id = $1 AND c.subject = new.subject);

-- name: subjects_reported
-- How many subjects there are counts of, as far as a bound; one look into the index for each.
WITH RECURSIVE subjects (subject, number) AS (
    (SELECT subject, 1 FROM override_counts WHERE environment_id = $1 ORDER BY subject LIMIT 1)
    UNION ALL
    SELECT next.subject, s.number + 1
      FROM subjects s, LATERAL (SELECT c.subject FROM override_counts c
                                 WHERE c.environment_id = $1 AND c.subject > s.subject
                                 ORDER BY c.subject LIMIT 1) next
     WHERE s.number < $2
)
SELECT count(*) FROM subjects;

-- name: add_override_counts
-- More of what happened: subjects, outcomes, hours and counts side by side, in one order for everybody.
INSERT INTO override_counts (environment_id, subject, outcome, hour, count)
SELECT $1, new.subject, new.outcome, new.hour, new.count
  FROM unnest($2::text[], $3::text[], $4::timestamptz[], $5::bigint[]) AS new (subject, outcome, hour, count)
 ORDER BY new.subject, new.outcome, new.hour
ON CONFLICT (environment_id, subject, outcome, hour) DO UPDATE SET count = override_counts.count + excluded.count;

-- name: add_override_samples
-- Samples, oldest first, their columns side by side.
INSERT INTO override_samples (environment_id, subject, outcome, seen_at, correlation_id, reason, native, other)
SELECT $1, new.subject, new.outcome, new.seen_at, new.correlation_id, new.reason, new.native, new.other
  FROM unnest($2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::text[])
       WITH ORDINALITY AS new (subject, outcome, seen_at, correlation_id, reason, native, other, place)
 ORDER BY new.place;

-- name: trim_override_samples
-- Of each of these subjects and outcomes only the newest samples stay.
DELETE FROM override_samples s
 USING unnest($2::text[], $3::text[]) AS kind (subject, outcome)
 WHERE s.environment_id = $1 AND s.subject = kind.subject AND s.outcome = kind.outcome
   AND s.id <= (SELECT o.id FROM override_samples o
                 WHERE o.environment_id = $1 AND o.subject = kind.subject AND o.outcome = kind.outcome
                 ORDER BY o.id DESC OFFSET $4 LIMIT 1);

-- name: override_counts_since
-- What was counted since a moment, by subject and outcome.
SELECT subject, outcome, sum(count)::bigint AS count, max(hour) AS hour FROM override_counts
 WHERE environment_id = $1 AND hour >= $2 GROUP BY subject, outcome ORDER BY subject, outcome LIMIT $3;

-- name: override_counts_of
-- What was counted of one subject since a moment, by hours.
SELECT outcome, hour, count FROM override_counts
 WHERE environment_id = $1 AND subject = $2 AND hour >= $3 ORDER BY hour, outcome LIMIT $4;

-- name: override_samples_of
-- The samples of one subject since a moment, newest first.
SELECT outcome, seen_at, correlation_id, reason, native, other FROM override_samples
 WHERE environment_id = $1 AND subject = $2 AND seen_at >= $3 ORDER BY id DESC LIMIT $4;

-- name: forget_reports
-- What is older than a moment ($1), a batch ($2) of any environment_id; of a function that sees all of them.
SELECT forget_override_reports($1, $2) /* of any environment_id */;
