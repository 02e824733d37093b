-- name: insert_function
-- A new function; nothing when the account has one of the name.
INSERT INTO functions (environment_id, account_id, name, description, runtime, handler, role, timeout_s, memory_mb,
                       architecture, variables_sealed, tags, code_sha256, code_size, state, last_update_status,
                       revision_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 'Active', 'Successful', $15)
ON CONFLICT DO NOTHING
RETURNING *;

-- name: function_by_name
-- One function.
SELECT * FROM functions WHERE environment_id = $1 AND account_id = $2 AND name = $3;

-- name: function_for_update
-- One function, locked until the transaction ends.
SELECT * FROM functions WHERE environment_id = $1 AND account_id = $2 AND name = $3 FOR UPDATE;

-- name: functions_page
-- Functions of an account by name, after the given one.
SELECT * FROM functions WHERE environment_id = $1 AND account_id = $2 AND name > $3 ORDER BY name LIMIT $4;

-- name: update_settings
-- New configuration under a new revision.
UPDATE functions SET description = $4, runtime = $5, handler = $6, role = $7, timeout_s = $8, memory_mb = $9,
                     architecture = $10, variables_sealed = $11, revision_id = $12, modified_at = now()
 WHERE environment_id = $1 AND account_id = $2 AND name = $3
RETURNING *;

-- name: update_code
-- New code under a new revision.
UPDATE functions SET code_sha256 = $4, code_size = $5, architecture = $6, revision_id = $7, modified_at = now()
 WHERE environment_id = $1 AND account_id = $2 AND name = $3
RETURNING *;

-- name: update_reserved_concurrency
-- Another bound of what runs at once; the revision stays, because nothing that runs changes.
UPDATE functions SET reserved_concurrency = $4 WHERE environment_id = $1 AND account_id = $2 AND name = $3;

-- name: lock_reservations
-- Nobody else reserves concurrency in the account until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('reservations/' || environment_id || '/' || $2, 0))
  FROM (SELECT $1::uuid AS environment_id) AS own;

-- name: reserved_concurrency
-- How much the account's functions have reserved together, without the function of the given name.
SELECT coalesce(sum(reserved_concurrency), 0)::integer
  FROM functions WHERE environment_id = $1 AND account_id = $2 AND name <> $3;

-- name: update_tags
-- Other tags; the revision stays, because nothing that runs changes.
UPDATE functions SET tags = $4 WHERE environment_id = $1 AND account_id = $2 AND name = $3;

-- name: delete_function
-- Remove a function; its permissions go with it.
DELETE FROM functions WHERE environment_id = $1 AND account_id = $2 AND name = $3 RETURNING name;

-- name: code_storage
-- How many functions an account has, and how many bytes of packages, without the function of the given name.
SELECT count(*) AS functions, coalesce(sum(code_size), 0)::bigint AS bytes
  FROM functions WHERE environment_id = $1 AND account_id = $2 AND name <> $3;

-- name: permissions_of
-- The statements of a function's policy, oldest first.
SELECT * FROM permissions WHERE environment_id = $1 AND account_id = $2 AND function_name = $3
 ORDER BY created_at, statement_id;

-- name: insert_permission
-- A new statement; nothing when there is one of the id.
INSERT INTO permissions (environment_id, account_id, function_name, statement_id, action, principal, source_arn,
                         source_account)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT DO NOTHING
RETURNING statement_id;

-- name: delete_permission
-- Remove a statement.
DELETE FROM permissions WHERE environment_id = $1 AND account_id = $2 AND function_name = $3 AND statement_id = $4
RETURNING statement_id;

-- name: insert_api
-- A new HTTP API.
INSERT INTO apis (environment_id, account_id, api_id, name, description, version, region, endpoint, note, tags)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
RETURNING *;

-- name: api_by_id
-- One API of the account.
SELECT * FROM apis WHERE environment_id = $1 AND account_id = $2 AND api_id = $3;

-- name: lock_api
-- One API, locked until the transaction ends, so that its parts are counted in peace.
SELECT * FROM apis WHERE environment_id = $1 AND account_id = $2 AND api_id = $3 FOR UPDATE;

-- name: apis_page
-- APIs of an account by id, after the given one.
SELECT * FROM apis WHERE environment_id = $1 AND account_id = $2 AND api_id > $3 ORDER BY api_id LIMIT $4;

-- name: api_count
-- How many APIs the account has.
SELECT count(*) FROM apis WHERE environment_id = $1 AND account_id = $2;

-- name: update_placement
-- Where the API is now, and what its deployer should know.
UPDATE apis SET endpoint = $4, note = $5 WHERE environment_id = $1 AND account_id = $2 AND api_id = $3;

-- name: delete_api
-- Remove an API with its routes, integrations and stages.
DELETE FROM apis WHERE environment_id = $1 AND account_id = $2 AND api_id = $3 RETURNING name;

-- name: insert_integration
-- A new integration of an API.
INSERT INTO integrations (environment_id, account_id, api_id, integration_id, function_name, integration_uri,
                          description, payload_format_version, timeout_ms, managed)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: integrations_of
-- The integrations of an API by id, after the given one.
SELECT * FROM integrations WHERE environment_id = $1 AND account_id = $2 AND api_id = $3 AND integration_id > $4
 ORDER BY integration_id LIMIT $5;

-- name: integration_by_id
-- One integration.
SELECT * FROM integrations WHERE environment_id = $1 AND account_id = $2 AND api_id = $3 AND integration_id = $4;

-- name: integration_count
-- How many integrations the API has.
SELECT count(*) FROM integrations WHERE environment_id = $1 AND account_id = $2 AND api_id = $3;

-- name: integration_in_use
-- A route that points at the integration, if there is one.
SELECT route_key FROM routes WHERE environment_id = $1 AND account_id = $2 AND api_id = $3 AND integration_id = $4
 LIMIT 1;

-- name: delete_integration
-- Remove an integration.
DELETE FROM integrations WHERE environment_id = $1 AND account_id = $2 AND api_id = $3 AND integration_id = $4
RETURNING integration_id;

-- name: insert_route
-- A new route; nothing when the API has one of the key.
INSERT INTO routes (environment_id, account_id, api_id, route_id, route_key, integration_id, managed)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT DO NOTHING
RETURNING route_id;

-- name: routes_of
-- The routes of an API by id, after the given one.
SELECT * FROM routes WHERE environment_id = $1 AND account_id = $2 AND api_id = $3 AND route_id > $4
 ORDER BY route_id LIMIT $5;

-- name: route_by_id
-- One route.
SELECT * FROM routes WHERE environment_id = $1 AND account_id = $2 AND api_id = $3 AND route_id = $4;

-- name: route_keys_of
-- All route keys of an API.
SELECT route_key FROM routes WHERE environment_id = $1 AND account_id = $2 AND api_id = $3 ORDER BY route_key;

-- name: delete_route
-- Remove a route.
DELETE FROM routes WHERE environment_id = $1 AND account_id = $2 AND api_id = $3 AND route_id = $4
RETURNING route_id;

-- name: insert_stage
-- A new stage; nothing when the API has one of the name.
INSERT INTO stages (environment_id, account_id, api_id, name, description, auto_deploy, managed)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT DO NOTHING
RETURNING *;

-- name: stages_of
-- The stages of an API by name, after the given one.
SELECT * FROM stages WHERE environment_id = $1 AND account_id = $2 AND api_id = $3 AND name > $4
 ORDER BY name LIMIT $5;

-- name: stage_by_name
-- One stage.
SELECT * FROM stages WHERE environment_id = $1 AND account_id = $2 AND api_id = $3 AND name = $4;

-- name: stage_count
-- How many stages the API has.
SELECT count(*) FROM stages WHERE environment_id = $1 AND account_id = $2 AND api_id = $3;

-- name: delete_stage
-- Remove a stage.
DELETE FROM stages WHERE environment_id = $1 AND account_id = $2 AND api_id = $3 AND name = $4 RETURNING name;

-- name: extension_routes
-- Every route with a target of an environment's APIs, oldest API first; bounded.
SELECT a.api_id, a.name, a.account_id, a.description, a.version, a.region, a.endpoint, a.note, a.tags, a.created_at,
       r.route_key, i.function_name, i.payload_format_version, i.timeout_ms
  FROM apis a
  JOIN routes r USING (environment_id, account_id, api_id)
  JOIN integrations i USING (environment_id, account_id, api_id, integration_id)
 WHERE a.environment_id = $1
 ORDER BY a.created_at, a.api_id, r.route_key LIMIT $2;

-- name: api_permissions
-- The policy statements of all functions that routes of the environment lead to.
SELECT DISTINCT p.account_id, p.function_name, p.statement_id, p.action, p.principal, p.source_arn, p.source_account
  FROM permissions p
  JOIN integrations i USING (environment_id, account_id, function_name)
 WHERE p.environment_id = $1;

-- name: insert_log_events
-- Log events; those that are there already stay as they are.
INSERT INTO log_events (environment_id, account_id, id, log_group, log_stream, timestamp_ms, ingested_ms, message,
                        request_id, correlation_id)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::text[],
                         $9::text[], $10::text[])
ON CONFLICT DO NOTHING;

-- name: touch_log_streams
-- The streams of new events; sorted, so that two writers never wait for each other in a circle.
INSERT INTO log_streams (environment_id, account_id, log_group, log_stream, first_event_ms, last_event_ms,
                         ingested_ms, created_ms)
SELECT $1, s.account_id, s.log_group, s.log_stream, s.first_ms, s.last_ms, s.ingested_ms, s.first_ms
  FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[])
       AS s (account_id, log_group, log_stream, first_ms, last_ms, ingested_ms)
 ORDER BY s.account_id, s.log_group, s.log_stream
ON CONFLICT (environment_id, account_id, log_group, log_stream) DO UPDATE
   SET first_event_ms = least(log_streams.first_event_ms, excluded.first_event_ms),
       last_event_ms = greatest(log_streams.last_event_ms, excluded.last_event_ms),
       ingested_ms = greatest(log_streams.ingested_ms, excluded.ingested_ms);

-- name: log_groups_page
-- Log groups of an account by name, after the given one.
SELECT log_group, min(created_ms) AS created_ms FROM log_streams
 WHERE environment_id = $1 AND account_id = $2 AND log_group > $3 AND starts_with(log_group, $4)
   AND strpos(log_group, $5) > 0
 GROUP BY log_group ORDER BY log_group LIMIT $6;

-- name: log_group_exists
-- Whether the account has the log group.
SELECT EXISTS (SELECT FROM log_streams WHERE environment_id = $1 AND account_id = $2 AND log_group = $3);

-- name: log_stream_exists
-- Whether the log group has the stream.
SELECT EXISTS (SELECT FROM log_streams
                WHERE environment_id = $1 AND account_id = $2 AND log_group = $3 AND log_stream = $4);

-- name: log_streams_by_name
-- Streams of a group by name, after the given one.
SELECT * FROM log_streams
 WHERE environment_id = $1 AND account_id = $2 AND log_group = $3 AND log_stream > $4 AND starts_with(log_stream, $5)
 ORDER BY log_stream LIMIT $6;

-- name: log_streams_by_name_descending
-- Streams of a group from the last name down, before the given one.
SELECT * FROM log_streams
 WHERE environment_id = $1 AND account_id = $2 AND log_group = $3 AND ($4 = '' OR log_stream < $4)
   AND starts_with(log_stream, $5)
 ORDER BY log_stream DESC LIMIT $6;

-- name: log_streams_by_time
-- Streams of a group by their last event, after the given pair.
SELECT * FROM log_streams
 WHERE environment_id = $1 AND account_id = $2 AND log_group = $3 AND (last_event_ms, log_stream) > ($4, $5)
 ORDER BY last_event_ms, log_stream LIMIT $6;

-- name: log_streams_by_time_descending
-- Streams of a group, the liveliest first, before the given pair.
SELECT * FROM log_streams
 WHERE environment_id = $1 AND account_id = $2 AND log_group = $3 AND (last_event_ms, log_stream) < ($4, $5)
 ORDER BY last_event_ms DESC, log_stream DESC LIMIT $6;

-- name: scan_end
-- Where a page of searching ends: so many events after the given pair; nothing when there are fewer.
SELECT timestamp_ms, position FROM log_events
 WHERE environment_id = $1 AND account_id = $2 AND log_group = $3
   AND timestamp_ms >= $4 AND timestamp_ms < $5 AND (timestamp_ms, position) > ($6, $7)
 ORDER BY timestamp_ms, position OFFSET $8 LIMIT 1;

-- name: filter_log_events
-- Events of a group in a span of time, between two pairs, that hold all of some terms, one of others, none of the
-- rest; an empty list of streams means any. A term that is a request's id or its correlation id stands for all events
-- of that request. The page ends where its messages pass so many bytes; `found` says how many there would be without.
SELECT * FROM (
    SELECT e.*, count(*) OVER () AS found,
           sum(octet_length(message)) OVER (ORDER BY timestamp_ms, position) - octet_length(message) AS bytes_before
      FROM (SELECT * FROM log_events
             WHERE environment_id = $1 AND account_id = $2 AND log_group = $3
               AND timestamp_ms >= $4 AND timestamp_ms < $5 AND (timestamp_ms, position) > ($6, $7)
               AND (timestamp_ms, position) <= ($8, $9)
               AND ($10::text[] = '{}' OR log_stream = ANY ($10::text[])) AND starts_with(log_stream, $11)
               AND NOT EXISTS (SELECT FROM unnest($12::text[]) AS term
                                WHERE strpos(message, term) = 0 AND term NOT IN (request_id, correlation_id))
               AND ($13::text[] = '{}'
                    OR EXISTS (SELECT FROM unnest($13::text[]) AS term
                                WHERE strpos(message, term) > 0 OR term IN (request_id, correlation_id)))
               AND NOT EXISTS (SELECT FROM unnest($14::text[]) AS term WHERE strpos(message, term) > 0)
             ORDER BY timestamp_ms, position LIMIT $15) AS e
) AS page
 WHERE bytes_before < $16 ORDER BY timestamp_ms, position;

-- name: stream_events_forward
-- Events of one stream, oldest first, after the given pair, up to so many bytes.
SELECT * FROM (
    SELECT e.*,
           sum(octet_length(message)) OVER (ORDER BY timestamp_ms, position) - octet_length(message) AS bytes_before
      FROM (SELECT * FROM log_events
             WHERE environment_id = $1 AND account_id = $2 AND log_group = $3 AND log_stream = $4
               AND timestamp_ms >= $5 AND timestamp_ms < $6 AND (timestamp_ms, position) > ($7, $8)
             ORDER BY timestamp_ms, position LIMIT $9) AS e
) AS page
 WHERE bytes_before < $10 ORDER BY timestamp_ms, position;

-- name: stream_events_backward
-- Events of one stream, newest first, before the given pair, up to so many bytes.
SELECT * FROM (
    SELECT e.*, sum(octet_length(message)) OVER (ORDER BY timestamp_ms DESC, position DESC)
                - octet_length(message) AS bytes_before
      FROM (SELECT * FROM log_events
             WHERE environment_id = $1 AND account_id = $2 AND log_group = $3 AND log_stream = $4
               AND timestamp_ms >= $5 AND timestamp_ms < $6 AND (timestamp_ms, position) < ($7, $8)
             ORDER BY timestamp_ms DESC, position DESC LIMIT $9) AS e
) AS page
 WHERE bytes_before < $10 ORDER BY timestamp_ms DESC, position DESC;

-- name: forget_old_logs
-- Delete log events of all environments that are older than a moment; at most so many at a time.
SELECT forget_old_logs($1, $2);
