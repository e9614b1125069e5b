#!lua
-- Looks up fields in the hashes of all gateways that are alive.
--
-- KEYS  nodes
-- ARGV  start of the names of the hashes, then the fields
-- Returns per gateway {its name, the values in the order of the fields, false where there is none}
local t = redis.call('TIME')
local alive = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. (t[1] * 1000 + math.floor(t[2] / 1000)), '+inf')
local found = {}
for n = 1, #alive do
  found[n] = { alive[n] }
  if #ARGV > 1 then
    local values = redis.call('HMGET', ARGV[1] .. alive[n], unpack(ARGV, 2))
    for v = 1, #values do found[n][v + 1] = values[v] end
  end
end
return found
