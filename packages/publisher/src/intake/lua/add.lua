#!lua
-- Writes reports to the intake, behind an id that it is known to have reached: a master that was promoted without the last
-- entries, and whose clock is behind, would give their ids again, or earlier ones. Channels that lie on other masters and
-- have those entries would take the new ones for repetitions.
--
-- KEYS  intake
-- ARGV  an id that was reached ("" where none is known), ms by which to go further where ids went back,
--       then per report: its field, its text, its idempotency key ("" for none)
-- Returns {the id behind which the intake goes on now, or false where it does so anyway, the reports' ids}
local stream, reached = KEYS[1], ARGV[1]

-- Of numbers without leading zeros, as text: a sequence may be any of 64 bits, and Lua's numbers tell 53 of them apart.
local function is_greater(a, b)
  if #a ~= #b then return #a > #b end
  return a > b
end

local function goes_on_behind(ms, seq)
  local t = redis.call('TIME')
  if t[1] * 1000 + math.floor(t[2] / 1000) > ms then return true end
  if redis.call('EXISTS', stream) == 0 then return false end
  local info = redis.call('XINFO', 'STREAM', stream)
  for n = 1, #info, 2 do
    if info[n] == 'last-generated-id' then
      local last_ms, last_seq = string.match(info[n + 1], '^(%d+)-(%d+)$')
      last_ms = tonumber(last_ms)
      return last_ms > ms or (last_ms == ms and not is_greater(seq, last_seq))
    end
  end
end

local raised, ids = false, {}
if reached ~= '' then
  local ms, seq = string.match(reached, '^(%d+)-(%d+)$')
  ms = tonumber(ms)
  if not goes_on_behind(ms, seq) then
    -- An entry that is gone in the same moment leaves its id behind.
    raised = redis.call('XADD', stream, string.format('%.0f', ms + 1 + tonumber(ARGV[2])) .. '-0', 'floor', '1')
    redis.call('XDEL', stream, raised)
  end
end
for n = 3, #ARGV, 3 do
  local field, text, key = ARGV[n], ARGV[n + 1], ARGV[n + 2]
  if key == '' then
    ids[#ids + 1] = redis.call('XADD', stream, '*', field, text)
  else
    ids[#ids + 1] = redis.call('XADD', stream, '*', field, text, 'key', key)
  end
end
return { raised, ids }
