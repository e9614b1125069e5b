-- Gives a channel without a log one: an epoch whose offset 0 is a mark, so that even silence has a position to follow
-- from. It is dropped sooner than a log with events: names cost nothing, and anybody who may read every property can make
-- them up. Part of the scripts that read.
local generation

local function mark(log, meta, ttl)
  local t = redis.call('TIME')
  local epoch = t[1] * 1000 + math.floor(t[2] / 1000)
  local previous = redis.call('HGET', meta, 'e')
  if previous then epoch = math.max(epoch, tonumber(previous) + 1) end
  local name = string.format('%.0f', epoch)
  if not generation then
    generation = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x%x%x%x%x%x%x%x%x%x%x%x)')
  end
  -- The first event is to give this log the ttl of one with events.
  redis.call('HSET', meta, 'e', name, 'g', generation, 'r', 0)
  local id = redis.call('XADD', log, name .. '-*', 'm', '1')
  redis.call('EXPIRE', log, ttl)
  -- What knows how far publishers have come stays as long as it was to.
  if redis.call('TTL', meta) < tonumber(ttl) then redis.call('EXPIRE', meta, ttl) end
  return id
end
