#!lua
-- Gives back a lease that is the caller's.
--
-- KEYS  lease
-- ARGV  name
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
