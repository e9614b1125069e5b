#!lua
-- Reads what detection compares a change with, and the version it is true for.
--
-- KEYS  meta, facts, then one key per idempotency key
-- ARGV  lane, then the fields of the facts that are wanted
-- Returns {the lane's position or "0-0", values in the order of the fields (false where none), 0|1 per idempotency key}
local fields = {}
for n = 2, #ARGV do fields[#fields + 1] = ARGV[n] end
local seen = {}
for n = 3, #KEYS do seen[#seen + 1] = redis.call('EXISTS', KEYS[n]) end
local values = #fields > 0 and redis.call('HMGET', KEYS[2], unpack(fields)) or {}
return { redis.call('HGET', KEYS[1], 'v' .. ARGV[1]) or '0-0', values, seen }
