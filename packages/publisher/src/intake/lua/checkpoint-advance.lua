#!lua
-- Moves a checkpoint forward, never back; refused where it was set back under other generations than the caller knows.
--
-- KEYS  checkpoint
-- ARGV  generations, position
-- Returns 1, or 0 where it was refused
local stored = redis.call('HMGET', KEYS[1], 'p', 'g')
if stored[2] ~= ARGV[1] then return 0 end
local function parse(id)
  return string.match(id, '^(%d+)-(%d+)$')
end
-- Of numbers without leading zeros, as text: a sequence may be any of 64 bits, and Lua's numbers tell 53 of them apart.
local function is_greater(a, b)
  if #a ~= #b then return #a > #b end
  return a > b
end
local ms, seq = parse(stored[1])
local new_ms, new_seq = parse(ARGV[2])
if is_greater(new_ms, ms) or (new_ms == ms and is_greater(new_seq, seq)) then redis.call('HSET', KEYS[1], 'p', ARGV[2]) end
return 1
