#!lua
-- Says that a publisher is alive, forgets those that are not, and counts.
--
-- KEYS  publishers
-- ARGV  name, ms until a silent publisher is forgotten
-- Returns how many are alive
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))
return redis.call('ZCARD', KEYS[1])
