#!lua
-- Writes what has changed at one gateway, and that it is alive.
--
-- KEYS  nodes, versions, occupied, occupancy, the gateway's users, the gateway's channels
-- ARGV  gateway, the version it knows ("" takes any), ms for which it counts, max entries of the occupancy stream,
--       number of users, then per user: id, value ("" takes it away), then per channel: name, followers
-- Returns the new version, or -1: Redis does not have what the gateway wrote last, nothing was written
local nodes, versions, occupied, occupancy, users, channels = unpack(KEYS)
local node, known, ttl, max = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]

if known ~= '' and known ~= (redis.call('HGET', versions, node) or '0') then return -1 end

local t = redis.call('TIME')
redis.call('ZADD', nodes, t[1] * 1000 + math.floor(t[2] / 1000) + ttl, node)

local at = 6
for _ = 1, tonumber(ARGV[5]) do
  if ARGV[at + 1] == '' then redis.call('HDEL', users, ARGV[at]) else redis.call('HSET', users, ARGV[at], ARGV[at + 1]) end
  at = at + 2
end
for n = at, #ARGV, 2 do
  local channel, followers = ARGV[n], ARGV[n + 1]
  if followers ~= '0' then
    if redis.call('HSET', channels, channel, followers) == 1 and redis.call('HINCRBY', occupied, channel, 1) == 1 then
      redis.call('XADD', occupancy, 'MAXLEN', '~', max, '*', 'channel', channel, 'event', 'occupied')
    end
  elseif redis.call('HDEL', channels, channel) == 1 and redis.call('HINCRBY', occupied, channel, -1) <= 0 then
    redis.call('HDEL', occupied, channel)
    redis.call('XADD', occupancy, 'MAXLEN', '~', max, '*', 'channel', channel, 'event', 'vacated')
  end
end
return redis.call('HINCRBY', versions, node, 1)
