#!lua
-- Appends events of one channel: compare-and-set on the intake position, epoch, log, snapshot, facts, publish. All or
-- nothing, so a publisher may repeat a call whose answer it did not see.
--
-- KEYS  log, meta, snapshot, facts, topic, then one key per idempotency key in the order of the entries that have one
-- ARGV  max events, log ttl s, snapshot ttl s (0: kept), idempotency ttl s, lane, expected ("" or "ms-seq"), entry count,
--       generations the caller knows ("" does not check them),
--       then per entry: intake id, has idempotency key (0|1), event count, fact count,
--                       per event: "" or what it does to the snapshot ("+key" sets an
--                        entry, "-key" takes it away), body; per fact: field, value ("" deletes it)
-- Returns {"ok", epoch changed (0|1), result per entry: "" where it had been applied before, "-" where it brought no
--          event, else the ids joined by ","}
--      or {"conflict", the lane's position}: somebody else moved the channel on since the caller read it
--      or {"fenced", generation}: Redis restarted or failed over and may have lost what came before these entries. Were
--         they applied now, the lost ones could never be: the lane would stand behind them.
local log, meta, snapshot, facts, topic = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local max_events, log_ttl, snapshot_ttl, idempotency_ttl = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local lane, expected, entries, known = 'v' .. ARGV[5], ARGV[6], tonumber(ARGV[7]), ARGV[8]

local function parse(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end

local function replication_id()
  return string.match(redis.call('INFO', 'replication'), 'master_replid:(%x%x%x%x%x%x%x%x%x%x%x%x)')
end

-- Later than any epoch before, and than the log's own end should its meta have been lost.
local function new_epoch(previous)
  local t = redis.call('TIME')
  local epoch = t[1] * 1000 + math.floor(t[2] / 1000)
  if previous then epoch = math.max(epoch, tonumber(previous) + 1) end
  local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
  if last then
    local ended = parse(last[1])
    epoch = math.max(epoch, ended + 1)
  end
  return string.format('%.0f', epoch)
end

local m = redis.call('HMGET', meta, 'e', 'g', lane)
local epoch, generation, applied = m[1], m[2], m[3] or '0-0'
local applied_ms, applied_seq = parse(applied)

local results, changed, appended = {}, 0, false
local current
local at, idempotency_at = 9, 6
for n = 1, entries do
  local id, has_key, event_count, fact_count = ARGV[at], ARGV[at + 1] == '1', tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  at = at + 4
  local ms, seq = parse(id)
  if ms < applied_ms or (ms == applied_ms and seq <= applied_seq) then
    results[n] = ''
    at = at + 2 * event_count + 2 * fact_count
  else
    if not current and (known ~= '' or event_count > 0) then
      current = replication_id()
      if known ~= '' and not string.find(known, current, 1, true) then return { 'fenced', current } end
    end
    if expected ~= '' and expected ~= applied then return { 'conflict', applied } end
    if event_count > 0 and not appended then
      appended = true
      -- Without its log (expired, evicted) an epoch would count from 0 again, and give old positions to new events.
      if not epoch or generation ~= current or redis.call('EXISTS', log) == 0 then
        if epoch and generation ~= current then changed = 1 end
        epoch = new_epoch(epoch)
        redis.call('HSET', meta, 'e', epoch, 'g', current)
      end
    end
    local ids = {}
    for e = 1, event_count do
      local key, body = ARGV[at], ARGV[at + 1]
      at = at + 2
      local position = redis.call('XADD', log, 'MAXLEN', '=', max_events, epoch .. '-*', 'd', body, 'i', id)
      local frame = '{"id":"' .. position .. '",' .. string.sub(body, 2)
      if key ~= '' then
        local entry = string.sub(key, 2)
        if string.byte(key) == 43 then redis.call('HSET', snapshot, entry, frame) else redis.call('HDEL', snapshot, entry) end
      end
      redis.call('SPUBLISH', topic, frame)
      ids[e] = position
    end
    for _ = 1, fact_count do
      local field, value = ARGV[at], ARGV[at + 1]
      at = at + 2
      if value == '' then redis.call('HDEL', facts, field) else redis.call('HSET', facts, field, value) end
    end
    if has_key then redis.call('SET', KEYS[idempotency_at], id, 'EX', idempotency_ttl) end
    redis.call('HSET', meta, lane, id)
    results[n] = event_count == 0 and '-' or table.concat(ids, ',')
    applied, applied_ms, applied_seq = id, ms, seq
    if expected ~= '' then expected = id end
  end
  if has_key then idempotency_at = idempotency_at + 1 end
end

if appended then
  redis.call('EXPIRE', log, log_ttl)
  if snapshot_ttl > 0 then redis.call('EXPIRE', snapshot, snapshot_ttl) end
end
redis.call('EXPIRE', meta, log_ttl)
return { 'ok', changed, results }
