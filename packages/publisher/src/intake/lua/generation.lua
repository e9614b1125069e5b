#!lua flags=no-writes
-- Under which generation the Redis runs that answers for the intake.
--
-- KEYS  intake
-- Returns the first 12 digits of its replication id
return string.match(redis.call('INFO', 'replication'), 'master_replid:(%x%x%x%x%x%x%x%x%x%x%x%x)')
