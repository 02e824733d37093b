-- name: lock_environment
-- Let nobody else change the environment's subgraphs or grants until this transaction ends.
SELECT environment_id FROM environments WHERE environment_id = $1 FOR UPDATE;

-- name: head
-- A subgraph's newest version, with what it is made of; no sdl for a withdrawn one.
SELECT s.name, s.account_id, s.version, s.live, v.sha256, v.target, v.function_name, v.url
  FROM subgraphs s JOIN subgraph_versions v USING (environment_id, name, version)
 WHERE s.environment_id = $1 AND s.name = $2;

-- name: granted_to
-- What parts of the graph an account was granted.
SELECT pattern FROM grants WHERE environment_id = $1 AND account_id = $2 AND kind IN ('type', 'field')
 ORDER BY pattern LIMIT $3;

-- name: partner_of
-- The partner of an account.
SELECT partner FROM accounts WHERE environment_id = $1 AND account_id = $2;

-- name: partners
-- The environment's partners.
SELECT partner FROM accounts WHERE environment_id = $1 ORDER BY partner LIMIT $2;

-- name: names_of_account
-- How many names the account has, withdrawn ones too.
SELECT count(*) FROM subgraphs WHERE environment_id = $1 AND account_id = $2;

-- name: live_others
-- How many subgraphs are live beside one, and how long their texts are together.
SELECT count(*) AS live, coalesce(sum(t.bytes), 0)::bigint AS bytes
  FROM subgraphs s
  JOIN subgraph_versions v USING (environment_id, name, version)
  JOIN subgraph_texts t ON (t.environment_id, t.account_id, t.sha256) = (v.environment_id, v.account_id, v.sha256)
 WHERE s.environment_id = $1 AND s.live AND s.name <> $2;

-- name: insert_text
-- Keep a text; nothing if the account has it already.
INSERT INTO subgraph_texts (environment_id, account_id, sha256, sdl, bytes) VALUES ($1, $2, $3, $4, octet_length($4))
ON CONFLICT DO NOTHING
RETURNING bytes;

-- name: text_bytes
-- How much text an account keeps.
SELECT coalesce(sum(bytes), 0)::bigint FROM subgraph_texts WHERE environment_id = $1 AND account_id = $2;

-- name: put_head
-- The newest version of a subgraph.
INSERT INTO subgraphs (environment_id, name, account_id, version, live) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (environment_id, name) DO UPDATE SET version = excluded.version, live = excluded.live;

-- name: insert_version
-- A version, for good.
INSERT INTO subgraph_versions
       (environment_id, name, version, account_id, sha256, target, function_name, url, needs, published_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: put_digest
-- What is live now.
INSERT INTO extended_graphs (environment_id, digest) VALUES ($1, $2)
ON CONFLICT (environment_id) DO UPDATE SET digest = excluded.digest;

-- name: graph_digest
-- Which subgraphs are live; nothing if there never were any.
SELECT digest FROM extended_graphs WHERE environment_id = $1;

-- name: live_heads
-- What is live, without its texts; bounded by how many there may be.
SELECT s.name, s.account_id, a.partner, s.version, v.sha256, v.target, v.function_name, v.url, v.needs, '' AS sdl
  FROM subgraphs s
  JOIN accounts a USING (environment_id, account_id)
  JOIN subgraph_versions v USING (environment_id, name, version)
 WHERE s.environment_id = $1 AND s.live
 ORDER BY s.name;

-- name: live
-- What is live, with its texts.
SELECT s.name, s.account_id, a.partner, s.version, v.sha256, v.target, v.function_name, v.url, v.needs, t.sdl
  FROM subgraphs s
  JOIN accounts a USING (environment_id, account_id)
  JOIN subgraph_versions v USING (environment_id, name, version)
  JOIN subgraph_texts t ON (t.environment_id, t.account_id, t.sha256) = (v.environment_id, v.account_id, v.sha256)
 WHERE s.environment_id = $1 AND s.live
 ORDER BY s.name;

-- name: subgraph
-- One subgraph, withdrawn or not.
SELECT s.name, s.account_id, a.partner, s.version, s.live, v.target, v.function_name, v.url,
       coalesce(v.sha256, '') AS sha256, v.published_by, v.published_at
  FROM subgraphs s
  JOIN accounts a USING (environment_id, account_id)
  JOIN subgraph_versions v USING (environment_id, name, version)
 WHERE s.environment_id = $1 AND s.name = $2;

-- name: subgraphs_all
-- Every subgraph of an account or, for an empty one, of all, withdrawn ones too, by name, after the given one.
SELECT s.name, s.account_id, a.partner, s.version, s.live, v.target, v.function_name, v.url,
       coalesce(v.sha256, '') AS sha256, v.published_by, v.published_at
  FROM subgraphs s
  JOIN accounts a USING (environment_id, account_id)
  JOIN subgraph_versions v USING (environment_id, name, version)
 WHERE s.environment_id = $1 AND s.name > $2 AND ($4 = '' OR s.account_id = $4)
 ORDER BY s.name LIMIT $3;

-- name: versions_page
-- Versions of an account's subgraph, newest first, before the given one.
SELECT v.version, v.target, v.function_name, v.url, coalesce(v.sha256, '') AS sha256, coalesce(t.bytes, 0) AS bytes,
       v.published_by, v.published_at
  FROM subgraph_versions v
  LEFT JOIN subgraph_texts t
    ON (t.environment_id, t.account_id, t.sha256) = (v.environment_id, v.account_id, v.sha256)
 WHERE v.environment_id = $1 AND v.account_id = $2 AND v.name = $3 AND v.version < $4
 ORDER BY v.version DESC LIMIT $5;

-- name: version_source
-- What a version of an account's subgraph was made of; nothing for a withdrawal.
SELECT t.sdl, v.target, v.function_name, v.url
  FROM subgraph_versions v
  JOIN subgraph_texts t ON (t.environment_id, t.account_id, t.sha256) = (v.environment_id, v.account_id, v.sha256)
 WHERE v.environment_id = $1 AND v.account_id = $2 AND v.name = $3 AND v.version = $4;
