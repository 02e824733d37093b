-- name: claim
-- Whether nobody has asked for this with the key before. Whoever asks at the same time waits for our end.
INSERT INTO answered (environment_id, operation, key, fingerprint) VALUES ($1, $2, $3, $4)
ON CONFLICT (environment_id, operation, key) DO NOTHING RETURNING true;

-- name: known
-- What was answered to the key.
SELECT fingerprint, answer FROM answered WHERE environment_id = $1 AND operation = $2 AND key = $3;

-- name: keep
-- What is answered to the key, now and again.
UPDATE answered SET answer = $4 WHERE environment_id = $1 AND operation = $2 AND key = $3;
