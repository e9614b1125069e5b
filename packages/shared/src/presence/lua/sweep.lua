#!lua
-- Forgets a gateway that has not been heard of in time, part by part: what nobody else follows is vacated.
--
-- KEYS  nodes, versions, occupied, occupancy
-- ARGV  start of the names of the users' hashes, of the channels' hashes, max entries of the occupancy stream,
--       about how many channels to work on
-- Returns 1 when there may be more to do
local nodes, versions, occupied, occupancy = unpack(KEYS)
local t = redis.call('TIME')
local node = redis.call('ZRANGEBYSCORE', nodes, '-inf', t[1] * 1000 + math.floor(t[2] / 1000), 'LIMIT', 0, 1)[1]
if not node then return 0 end

-- First of all: should it come back now, it finds that Redis has forgotten it, and tells everything anew.
redis.call('HDEL', versions, node)
local channels = ARGV[2] .. node
local found = redis.call('HSCAN', channels, 0, 'COUNT', ARGV[4])[2]
for n = 1, #found, 2 do
  local channel = found[n]
  redis.call('HDEL', channels, channel)
  if redis.call('HINCRBY', occupied, channel, -1) <= 0 then
    redis.call('HDEL', occupied, channel)
    redis.call('XADD', occupancy, 'MAXLEN', '~', ARGV[3], '*', 'channel', channel, 'event', 'vacated')
  end
end
if redis.call('EXISTS', channels) == 0 then
  redis.call('UNLINK', ARGV[1] .. node)
  redis.call('ZREM', nodes, node)
end
return 1
