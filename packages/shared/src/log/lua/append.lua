#!lua
-- Appends events: compare-and-set on the intake position, epoch, log, snapshot, facts, publish. All or nothing, so a
-- publisher may repeat a call whose answer it did not see; also where a key is of another type: the call then fails. Several channels in one call are several appends: where the
-- call fails some may be done, and repeating them is harmless too.
--
-- KEYS  per channel: log, meta, snapshot, facts, topic, then one key per idempotency key in the order of the entries
--       that have one
-- ARGV  generations the caller knows ("" does not check them), log ttl s, idempotency ttl s, channel count,
--       then per channel: max events, snapshot ttl s (0: kept), lane, expected ("" or "ms-seq"), entry count,
--       then per entry: intake id, has idempotency key (0|1), event count, fact count,
--                       per event: "" or what it does to the snapshot ("+key" sets an entry, "-key" takes it away),
--                       body; per fact: field, value ("" deletes it)
-- Returns per channel {"ok", epoch changed (0|1), result per entry: "" where it had been applied before, "-" where it
--                      brought no event, else the ids joined by ","}
--                  or {"conflict", the lane's position}: somebody else moved the channel on since the caller read it
--                  or {"fenced", generation}: Redis restarted or failed over and may have lost what came before these
--                      entries. Were they applied now, the lost ones could never be: the lane would stand behind them.
local known, log_ttl, idempotency_ttl = ARGV[1], ARGV[2], ARGV[3]
local key_at, at = 1, 5
local current

local function parse(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end

local function replication_id()
  if not current then
    current = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x%x%x%x%x%x%x%x%x%x%x%x)')
  end
  return current
end

-- Later than any epoch before, and than the log's own end should its meta have been lost.
local function new_epoch(log, previous)
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

-- Somebody else wrote an entry with an id later than ours: what follows goes behind it, in an epoch of its own. An id that
-- nothing can come behind breaks the channel, as a key of another type does.
local function epoch_behind_foreign(log)
  local info = redis.call('XINFO', 'STREAM', log)
  local ended
  for n = 1, #info, 2 do
    if info[n] == 'last-generated-id' then ended = parse(info[n + 1]) end
  end
  if not ended or ended >= 9007199254740991 then
    error({ err = 'WRONGTYPE the log has an entry of somebody else, with an id that none can follow' })
  end
  return string.format('%.0f', ended + 1)
end

-- Passes over what belongs to one entry, from its first event on.
local function skip(event_count, fact_count, has_key)
  at = at + 2 * event_count + 2 * fact_count
  if has_key then key_at = key_at + 1 end
end

local function append()
  local log, meta, snapshot, facts, topic = unpack(KEYS, key_at, key_at + 4)
  local max_events, snapshot_ttl, lane, expected, entries =
    ARGV[at], tonumber(ARGV[at + 1]), 'v' .. ARGV[at + 2], ARGV[at + 3], tonumber(ARGV[at + 4])
  key_at, at = key_at + 5, at + 5

  local m = redis.call('HMGET', meta, 'e', 'g', lane)
  -- These fail where the key is of another type: before anything is written, and not after half of it.
  local length = redis.call('XLEN', log)
  redis.call('HLEN', snapshot)
  redis.call('HLEN', facts)
  local epoch, generation, applied = m[1], m[2], m[3] or '0-0'
  local applied_ms, applied_seq = parse(applied)
  local results, changed, appended, refused = {}, 0, false, nil

  for n = 1, entries do
    local id, has_key, event_count, fact_count =
      ARGV[at], ARGV[at + 1] == '1', tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
    at = at + 4
    local ms, seq = parse(id)
    local repeated = ms < applied_ms or (ms == applied_ms and seq <= applied_seq)
    if not repeated and not refused then
      if known ~= '' and not string.find(known, replication_id(), 1, true) then
        refused = { 'fenced', current }
      elseif expected ~= '' and expected ~= applied then
        refused = { 'conflict', applied }
      end
    end
    if repeated or refused then
      results[n] = ''
      skip(event_count, fact_count, has_key)
    else
      if event_count > 0 and not appended then
        appended = true
        -- Without its log (expired, evicted) an epoch would count from 0 again, and give old positions to new events.
        if not epoch or generation ~= replication_id() or length == 0 then
          if epoch and generation ~= current then changed = 1 end
          epoch = new_epoch(log, epoch)
          redis.call('HSET', meta, 'e', epoch, 'g', replication_id())
        end
      end
      local ids = {}
      for e = 1, event_count do
        local key, body = ARGV[at], ARGV[at + 1]
        at = at + 2
        local position = redis.pcall('XADD', log, 'MAXLEN', '=', max_events, epoch .. '-*', 'd', body, 'i', id)
        if type(position) == 'table' and position.err then
          epoch, changed = epoch_behind_foreign(log), 1
          redis.call('HSET', meta, 'e', epoch)
          position = redis.call('XADD', log, 'MAXLEN', '=', max_events, epoch .. '-*', 'd', body, 'i', id)
        end
        local frame = '{"id":"' .. position .. '",' .. string.sub(body, 2)
        if key ~= '' then
          local entry = string.sub(key, 2)
          if string.byte(key) == 43 then
            redis.call('HSET', snapshot, entry, frame)
          else
            redis.call('HDEL', snapshot, entry)
          end
        end
        redis.call('SPUBLISH', topic, frame)
        ids[e] = position
      end
      for _ = 1, fact_count do
        local field, value = ARGV[at], ARGV[at + 1]
        at = at + 2
        if value == '' then redis.call('HDEL', facts, field) else redis.call('HSET', facts, field, value) end
      end
      if has_key then
        redis.call('SET', KEYS[key_at], id, 'EX', idempotency_ttl)
        key_at = key_at + 1
      end
      results[n] = event_count == 0 and '-' or table.concat(ids, ',')
      applied, applied_ms, applied_seq = id, ms, seq
      if expected ~= '' then expected = id end
    end
  end

  if refused then return refused end
  if applied ~= (m[3] or '0-0') then redis.call('HSET', meta, lane, applied) end
  if appended then
    redis.call('EXPIRE', log, log_ttl)
    if snapshot_ttl > 0 then redis.call('EXPIRE', snapshot, snapshot_ttl) end
  end
  redis.call('EXPIRE', meta, log_ttl)
  return { 'ok', changed, results }
end

local outcomes = {}
for n = 1, tonumber(ARGV[4]) do outcomes[n] = append() end
return outcomes
