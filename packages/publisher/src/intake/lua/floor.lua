#!lua
-- Has the intake go on behind an id that it is known to have reached: a master that was promoted without the last entries,
-- and whose clock is behind, would give their ids again, or earlier ones. Channels that lie on other masters and have
-- those entries would take the new ones for repetitions.
--
-- KEYS  intake
-- ARGV  an id that was reached, ms by which to go further where ids went back
-- Returns the id behind which it goes on now, or false where it does so anyway
local ms, seq = string.match(ARGV[1], '^(%d+)-(%d+)$')
ms = tonumber(ms)
local t = redis.call('TIME')
if t[1] * 1000 + math.floor(t[2] / 1000) > ms then return false end

-- Of numbers without leading zeros, as text: a sequence may be any of 64 bits, and Lua's numbers tell 53 of them apart.
local function is_greater(a, b)
  if #a ~= #b then return #a > #b end
  return a > b
end

if redis.call('EXISTS', KEYS[1]) == 1 then
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for n = 1, #info, 2 do
    if info[n] == 'last-generated-id' then
      local last_ms, last_seq = string.match(info[n + 1], '^(%d+)-(%d+)$')
      last_ms = tonumber(last_ms)
      if last_ms > ms or (last_ms == ms and not is_greater(seq, last_seq)) then return false end
    end
  end
end
-- An entry that is gone in the same moment leaves its id behind.
local id = redis.call('XADD', KEYS[1], string.format('%.0f', ms + 1 + tonumber(ARGV[2])) .. '-0', 'floor', '1')
redis.call('XDEL', KEYS[1], id)
return id
