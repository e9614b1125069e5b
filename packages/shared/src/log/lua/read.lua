#!lua
-- Reads a channel at one instant: its position, what follows a position or its last entries, its snapshot.
-- A channel without a log gets one where that is wanted.
--
-- KEYS  log, meta, snapshot
-- ARGV  from ("" for the end), entries wanted at most where `from` does not reach, snapshot ("always"|"broken"|"never"),
--       mark ttl s; 0 begins no log, the position is then 0-0
-- Returns {position, continuous (0|1), {id, body, id, body, …} with an empty body for a mark,
--          snapshot {key, frame, …} or false}
local log, meta, snapshot = KEYS[1], KEYS[2], KEYS[3]
local from, wanted, mode, mark_ttl = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]

local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
local position = last and last[1] or (mark_ttl ~= '0' and mark(log, meta, mark_ttl) or '0-0')

local rows, continuous = {}, 0
if from ~= '' then
  -- Looked up first: anybody may name a position, and what follows it is the whole log where it is older than that.
  if redis.call('XRANGE', log, from, from, 'COUNT', 1)[1] then
    continuous = 1
    rows = redis.call('XRANGE', log, '(' .. from, '+')
  end
end
if continuous == 0 and wanted > 0 then
  local backwards = redis.call('XREVRANGE', log, '+', '-', 'COUNT', wanted)
  for n = #backwards, 1, -1 do rows[#rows + 1] = backwards[n] end
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
