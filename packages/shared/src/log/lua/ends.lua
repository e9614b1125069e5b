#!lua flags=no-writes
-- Where logs end, of many channels at once: a gateway compares all that live on it, little by little, and a call for each
-- would bring its last event along, which nobody reads.
--
-- KEYS  logs
-- Returns per log the id of its last entry, "" where there is none, or where something else lies under its key
local ends = {}
for n, log in ipairs(KEYS) do
  local last = redis.pcall('XREVRANGE', log, '+', '-', 'COUNT', 1)
  if last.err and string.sub(last.err, 1, 9) ~= 'WRONGTYPE' then return last end
  ends[n] = last[1] and last[1][1] or ''
end
return ends
