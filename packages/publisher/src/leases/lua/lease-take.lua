#!lua
-- Takes a free lease, or renews one's own.
--
-- KEYS  lease
-- ARGV  name, ms
-- Returns 1 where it is the caller's now, else 0
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
