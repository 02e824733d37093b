-- The most invocations of a function that may run at once (PutFunctionConcurrency); NULL = as many as the account may.
ALTER TABLE functions ADD COLUMN reserved_concurrency integer CHECK (reserved_concurrency >= 0);
