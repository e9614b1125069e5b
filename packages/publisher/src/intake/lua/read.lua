#!lua flags=no-writes
-- The entries behind an id, oldest first, as many as fit: a COUNT alone says nothing of how large they are, and small ones
-- say nothing of those behind them.
--
-- KEYS  intake
-- ARGV  id, how many entries at most, how many bytes at most (one entry comes however large it is)
-- Returns the entries, as XRANGE does
local MAX_STEP = 16
local after, room, left = '(' .. ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local found, step = {}, 1

while room > 0 and left > 0 do
  local count = math.min(step, room)
  local some = redis.call('XRANGE', KEYS[1], after, '+', 'COUNT', count)
  for n = 1, #some do
    local fields = some[n][2]
    for f = 1, #fields do left = left - #fields[f] end
    if left < 0 and #found > 0 then return found end
    found[#found + 1] = some[n]
  end
  if #some < count then break end
  after = '(' .. some[count][1]
  room = room - count
  step = math.min(2 * step, MAX_STEP)
end
return found
