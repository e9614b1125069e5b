#!lua
-- Where a share is to be read from. A checkpoint is true of the generations of Redis that it was written under; under
-- others appends that it stands behind may be lost, so it is set back, once.
--
-- KEYS  checkpoint
-- ARGV  generations, rewind ms
-- Returns {position, 1 where it was set back, else 0}
local stored = redis.call('HMGET', KEYS[1], 'p', 'g')
local position, generations = stored[1] or '0-0', stored[2]
if generations == ARGV[1] then return { position, 0 } end
local rewound = 0
if generations then
  rewound = 1
  local ms = tonumber(string.match(position, '^(%d+)-'))
  position = string.format('%.0f', math.max(0, ms - tonumber(ARGV[2]))) .. '-0'
end
redis.call('HSET', KEYS[1], 'p', position, 'g', ARGV[1])
return { position, rewound }
