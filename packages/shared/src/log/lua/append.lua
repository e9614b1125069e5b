#!lua
-- Appends events: compare-and-set on the intake position, epoch, log, snapshot, facts, publish. All or nothing, so a
-- publisher may repeat a call whose answer it did not see; also where a key is of another type: the call then fails.
-- Several channels in one call are several appends: where the call fails some may be done, and repeating them is harmless
-- too. Not so for one thing only: where somebody else wrote an id into the log that none can follow, the call fails with
-- the first event, and the facts of entries without events before it stand.
--
-- KEYS  per channel: log, meta, snapshot, facts, topic, then one key per idempotency key in the order of the entries
--       that have one
-- ARGV  generations the caller knows ("" does not check them), log ttl s, idempotency ttl s, channel count,
--       then per channel: max events, snapshot ttl s (0: kept), field of the lane, expected ("" or "ms-seq"), which hashes
--                         its entries write to ("", "snapshot", "facts", "both"), entry count,
--       then per entry: intake id, has idempotency key (0|1), event count, fact count,
--                       per event: "" or what it does to the snapshot ("+key" sets an entry, "-key" takes it away),
--                       body; per fact: field, value ("" deletes it)
-- Returns per channel {"ok", epoch changed (0|1), result per entry: "" where it had been applied before, "-" where it
--                      brought no event, else the ids joined by ","}. Where nothing is expected, an entry
--                      whose key was seen before moves the lane on and brings nothing
--                  or {"conflict", the lane's position}: somebody else moved the channel on since the caller read it
--                  or {"fenced", generation}: Redis restarted or failed over and may have lost what came before these
--                      entries. Were they applied now, the lost ones could never be: the lane would stand behind them.
--
-- Meta  e: epoch, g: the generation it began in, v<lane>: the lane's position, t: the epoch and the ttls that the keys were given,
--       r: when the next event gives them their ttls anew, in seconds since 1970
--
-- Keys get their ttl and a tenth on top, and get them anew when that tenth is over, instead of with every event: behind
-- the last event each stays for its ttl at least. Redis' clock may jump: `r` and what expires are told by the same one.
local call, pcall = redis.call, redis.pcall
local find, match, sub, tonumber = string.find, string.match, string.sub, tonumber
local KEYS, ARGV = KEYS, ARGV
local known, log_ttl, idempotency_ttl = ARGV[1], ARGV[2], ARGV[3]
local key_at, at = 1, 5

local function replication_id()
  local info = call('INFO', 'replication')
  local _, before = find(info, 'master_replid:', 1, true)
  return sub(info, before + 1, before + 12)
end
local current = replication_id()
local fenced = known ~= '' and not find(known, current, 1, true)

local seconds, milliseconds
local function now()
  if not seconds then
    local t = call('TIME')
    seconds = tonumber(t[1])
    milliseconds = seconds * 1000 + math.floor(t[2] / 1000)
  end
  return seconds, milliseconds
end

local function parse(id)
  return match(id, '^(%d+)-(%d+)$')
end

-- Of numbers without leading zeros, as text: a sequence may be any of 64 bits, and Lua's numbers tell 53 of them apart.
local function is_greater(a, b)
  if #a ~= #b then return #a > #b end
  return a > b
end

local function is_later(ms, seq, applied_ms, applied_seq)
  if ms == applied_ms then return is_greater(seq, applied_seq) end
  return is_greater(ms, applied_ms)
end

-- Later than any epoch before, and than the log's own end should its meta have been lost.
local function new_epoch(log, previous)
  local _, epoch = now()
  if previous then epoch = math.max(epoch, tonumber(previous) + 1) end
  local last = call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
  if last then epoch = math.max(epoch, parse(last[1]) + 1) end
  if epoch > 9007199254740991 then
    error({ err = 'WRONGTYPE the log has an entry of somebody else, with an id that none can follow' })
  end
  return string.format('%.0f', epoch)
end

-- Somebody else wrote an entry with an id later than ours: what follows goes behind it, in an epoch of its own. An id that
-- nothing can come behind breaks the channel, as a key of another type does.
local function epoch_behind_foreign(log)
  local info = call('XINFO', 'STREAM', log)
  local ended
  for n = 1, #info, 2 do
    if info[n] == 'last-generated-id' then ended = parse(info[n + 1]) end
  end
  if not ended or tonumber(ended) >= 9007199254740991 then
    error({ err = 'WRONGTYPE the log has an entry of somebody else, with an id that none can follow' })
  end
  return string.format('%.0f', ended + 1)
end

local function add(how, log, max_events, epoch, body, id)
  return how('XADD', log, 'MAXLEN', '=', max_events, epoch .. '-*', 'd', body, 'i', id)
end

-- Adds an event to an epoch that has events, or a mark, already. Where it would be the first its log is gone (expired,
-- evicted, made anew by somebody else): old positions would be given to new events. It is taken back, and nil returned.
local function add_behind(log, max_events, epoch, body, id)
  local position = add(pcall, log, max_events, epoch, body, id)
  local is_first = type(position) == 'string' and string.byte(position, #epoch + 2) == 48 -- "0": no other offset begins so
  if is_first then
    call('XDEL', log, position)
    return nil
  end
  return position
end

-- Whether an event is to give the keys their ttls.
local function is_due(ttls, given, due)
  return ttls ~= given or now() >= (tonumber(due) or 0)
end

local function expire(key, ttl, spare)
  if ttl > 0 then call('EXPIRE', key, ttl + spare) else call('PERSIST', key) end
end

-- Passes over what belongs to one entry, from its first event on.
local function skip(event_count, fact_count, has_key)
  at = at + 2 * event_count + 2 * fact_count
  if has_key then key_at = key_at + 1 end
end

local function append()
  local log, meta, snapshot, facts, topic = unpack(KEYS, key_at, key_at + 4)
  local max_events, snapshot_ttl, lane, expected, hashes, entries = unpack(ARGV, at, at + 5)
  key_at, at = key_at + 5, at + 6

  -- These fail where a key is of another type: before anything is written, and not after half of it.
  local m = call('HMGET', meta, 'e', 'g', lane, 't', 'r')
  local kept = (hashes == 'snapshot' or hashes == 'both') and call('HLEN', snapshot)
  if hashes == 'facts' or hashes == 'both' then call('HLEN', facts) end

  local epoch, generation, stood = m[1], m[2], m[3] or '0-0'
  local goes_on = epoch and generation == current
  local applied = stood
  local applied_ms, applied_seq = parse(applied)
  local results, changed, appended, renews, refused = {}, 0, false, false, nil

  for n = 1, tonumber(entries) do
    local id, has_key, event_count, fact_count =
      ARGV[at], ARGV[at + 1] == '1', tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
    at = at + 4
    local ms, seq = parse(id)
    local repeated = not is_later(ms, seq, applied_ms, applied_seq)
    if not repeated and not refused then
      if fenced then
        refused = { 'fenced', current }
      elseif expected ~= '' and expected ~= applied then
        refused = { 'conflict', applied }
      end
    end
    if repeated or refused then
      results[n] = ''
      skip(event_count, fact_count, has_key)
    else
      if has_key and expected == '' and call('EXISTS', KEYS[key_at]) == 1 then
        skip(event_count, fact_count, has_key)
        event_count, fact_count, has_key = 0, 0, false
      end
      -- An event, where it comes first, fails by itself.
      if event_count == 0 and applied == stood then call('XLEN', log) end
      local positions = '-'
      for e = 1, event_count do
        local key, body = ARGV[at], ARGV[at + 1]
        at = at + 2
        local position = goes_on and add_behind(log, max_events, epoch, body, id)
        if not position then
          if epoch and generation ~= current then changed = 1 end
          epoch, goes_on, renews = new_epoch(log, epoch), true, true
          position = add(pcall, log, max_events, epoch, body, id)
        end
        if type(position) == 'table' then
          epoch, changed, renews = epoch_behind_foreign(log), 1, true
          position = add(call, log, max_events, epoch, body, id)
        end
        local frame = '{"id":"' .. position .. '",' .. sub(body, 2)
        if key ~= '' then
          local entry = sub(key, 2)
          if string.byte(key) == 43 then
            if kept == 0 and snapshot_ttl ~= '0' then renews = true end
            kept = kept + call('HSET', snapshot, entry, frame)
          else
            kept = kept - call('HDEL', snapshot, entry)
          end
        end
        call('SPUBLISH', topic, frame)
        positions = e == 1 and position or positions .. ',' .. position
        appended = true
      end
      for _ = 1, fact_count do
        local field, value = ARGV[at], ARGV[at + 1]
        at = at + 2
        if value == '' then call('HDEL', facts, field) else call('HSET', facts, field, value) end
      end
      if has_key then
        call('SET', KEYS[key_at], id, 'EX', idempotency_ttl)
        key_at = key_at + 1
      end
      results[n] = positions
      applied, applied_ms, applied_seq = id, ms, seq
      if expected ~= '' then expected = id end
    end
  end

  if refused then return refused end
  -- With the epoch: a gateway that begins a log gives it less.
  local ttls = (epoch or '') .. ' ' .. log_ttl .. ' ' .. snapshot_ttl
  if not renews and not is_due(ttls, m[4], m[5]) then
    if applied ~= stood then call('HSET', meta, lane, applied) end
  elseif appended then
    local log_s, snapshot_s = tonumber(log_ttl), tonumber(snapshot_ttl)
    local spare = math.floor((snapshot_s > 0 and math.min(log_s, snapshot_s) or log_s) / 10)
    call('HSET', meta, lane, applied, 'e', epoch, 'g', current, 't', ttls, 'r', now() + spare)
    expire(log, log_s, spare)
    expire(meta, log_s, spare)
    expire(snapshot, snapshot_s, spare)
  else
    -- The log and the snapshot stay as they are without an event: the next one is to give all of them their ttls.
    call('HSET', meta, lane, applied, 'r', 0)
    call('EXPIRE', meta, log_ttl)
  end
  return { 'ok', changed, results }
end

local outcomes = {}
for n = 1, tonumber(ARGV[4]) do outcomes[n] = append() end
return outcomes
