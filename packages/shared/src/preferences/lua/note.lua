#!lua
-- Writes down what a user may read by a token that was shown, unless a newer one was shown before.
--
-- KEYS  access, marks
-- ARGV  user, when the token was issued in seconds, digest of what may be read, what may be read ("" where that should be
--       the same as before), 1 to begin following the user's access, else 0
-- Returns what may be read now: by this token or the newer one; "" where it is not the same as before, and has to be sent;
--         false where the user's access is not followed
local access, marks = KEYS[1], KEYS[2]
local user, issued, digest, readable = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local mark = redis.call('HGET', marks, user)
if not mark and ARGV[5] ~= '1' then return false end
if mark then
  local at, before = string.match(mark, '^(%S+) ?(.*)$')
  local seconds = tonumber(at) or 0
  -- A token says whole seconds only.
  if tonumber(issued) < math.floor(seconds) then return redis.call('HGET', access, user) end
  if readable == '' and before ~= digest then return '' end
  if tonumber(issued) < seconds then issued = at end
end
if readable ~= '' then redis.call('HSET', access, user, readable) end
redis.call('HSET', marks, user, issued .. ' ' .. digest)
return redis.call('HGET', access, user)
