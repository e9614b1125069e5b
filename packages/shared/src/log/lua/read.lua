#!lua
-- Reads a channel at one instant: its position, what follows a position or its last entries, its snapshot.
-- A channel without a log gets one where that is wanted: an epoch whose offset 0 is a mark, so that even silence has a
-- position to follow from. It is dropped sooner than a log with events: names cost nothing, and anybody who may read every
-- property can make them up.
--
-- KEYS  log, meta, snapshot
-- ARGV  from ("" for the end), entries wanted at most where `from` does not reach, snapshot ("always"|"broken"|"never"),
--       mark ttl s; 0 begins no log, the position is then 0-0
-- Returns {position, continuous (0|1), {id, body, id, body, …} with an empty body for a mark,
--          snapshot {key, frame, …} or false}
local log, meta, snapshot = KEYS[1], KEYS[2], KEYS[3]
local from, wanted, mode, mark_ttl = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]

local function begin()
  local t = redis.call('TIME')
  local epoch = t[1] * 1000 + math.floor(t[2] / 1000)
  local previous = redis.call('HGET', meta, 'e')
  if previous then epoch = math.max(epoch, tonumber(previous) + 1) end
  local name = string.format('%.0f', epoch)
  local generation = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x%x%x%x%x%x%x%x%x%x%x%x)')
  redis.call('HSET', meta, 'e', name, 'g', generation)
  local mark = redis.call('XADD', log, name .. '-*', 'm', '1')
  redis.call('EXPIRE', log, mark_ttl)
  -- What knows how far publishers have come stays as long as it was to.
  if redis.call('TTL', meta) < tonumber(mark_ttl) then redis.call('EXPIRE', meta, mark_ttl) end
  return mark
end

local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
local position = last and last[1] or (mark_ttl ~= '0' and begin() or '0-0')

local rows, continuous = {}, 0
if from ~= '' then
  rows = redis.call('XRANGE', log, from, '+')
  if rows[1] and rows[1][1] == from then
    continuous = 1
    table.remove(rows, 1)
  end
end
if continuous == 0 then
  rows = {}
  if wanted > 0 then
    local backwards = redis.call('XREVRANGE', log, '+', '-', 'COUNT', wanted)
    for n = #backwards, 1, -1 do rows[#rows + 1] = backwards[n] end
  end
end

local entries = {}
for n = 1, #rows do
  local fields = rows[n][2]
  entries[#entries + 1] = rows[n][1]
  entries[#entries + 1] = fields[1] == 'd' and fields[2] or ''
end

local state = false
if mode == 'always' or (mode == 'broken' and continuous == 0) then state = redis.call('HGETALL', snapshot) end
return { position, continuous, entries, state }
