#!lua
-- The positions of channels that are opened together. When ten thousand clients come at once, each with a channel of its
-- own, a call for each would cost more than what is done in it.
--
-- KEYS  per channel: log, meta
-- ARGV  mark ttl s
-- Returns the positions
local positions = {}
for n = 1, #KEYS, 2 do
  local last = redis.call('XREVRANGE', KEYS[n], '+', '-', 'COUNT', 1)[1]
  positions[#positions + 1] = last and last[1] or mark(KEYS[n], KEYS[n + 1], ARGV[1])
end
return positions
