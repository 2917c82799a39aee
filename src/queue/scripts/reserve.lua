#!lua flags=allow-oom
-- Moves the first lines of the queue to an in-flight list. No payload passes through Lua: SORT copies inside Redis, and a
-- queue that is taken whole is not even copied.
-- KEYS: queue, in-flight list, batches, seq, paused, lease, id.
-- ARGV: token, id, slot, seq, batch size, bytes a batch may have, format version, delivery mode.
-- Returns {status} or {'batch', lines, bytes, entry}.
local queue, inflight, batches, seqs, paused, lease, id = unpack(KEYS)
local token, the_id, slot, seq, batch_size, batch_bytes, format, mode = unpack(ARGV)

local holder = redis.call('GET', lease)
if not holder then return {'absent'} end
if holder ~= token then return {'lost'} end

local function is(key, kind)
  local found = redis.call('TYPE', key).ok
  return found == kind or found == 'none'
end
if not (is(queue, 'list') and is(batches, 'hash') and is(seqs, 'hash')) then
  return redis.error_reply('WRONGTYPE a key of ' .. queue .. ' holds another type')
end
-- Redis came back empty, or as another: a batch that is reserved now would be looked for under the id of now.
if redis.call('GET', id) ~= the_id then return {'strange'} end

local field = slot .. ':' .. seq
if redis.call('EXISTS', inflight) == 1 then
  -- The answer to an earlier copy of this call was lost.
  local entry = redis.call('HGET', batches, field)
  if not entry then
    return redis.error_reply('ERR ' .. inflight .. ' has no entry in ' .. batches)
  end
  return {'batch', redis.call('LLEN', inflight), redis.call('MEMORY', 'USAGE', inflight, 'SAMPLES', 0), entry}
end
if tonumber(seq) <= tonumber(redis.call('HGET', seqs, slot) or 0) then
  -- Another was in the slot meanwhile; or a late second copy of a call whose batch has been acknowledged since.
  return {'stale'}
end
if redis.call('EXISTS', paused) == 1 then return {'paused'} end

local length = redis.call('LLEN', queue)
if length == 0 then return {'empty'} end
local memory = redis.call('MEMORY', 'USAGE', queue, 'SAMPLES', 1000)
local lines = math.min(tonumber(batch_size), math.max(1, math.floor(tonumber(batch_bytes) * length / memory)))

local time = redis.call('TIME')
local entry = table.concat({format, time[1] .. string.format('%06d', time[2]), mode, '0', '-', '-'}, ' ')
if lines >= length then
  redis.call('RENAME', queue, inflight)
  redis.call('PERSIST', inflight)
else
  redis.call('SORT', queue, 'BY', 'nosort', 'LIMIT', 0, lines, 'STORE', inflight)
  redis.call('LTRIM', queue, lines, -1)
end
redis.call('HSET', batches, field, entry)
redis.call('HSET', seqs, slot, seq)
return {'batch', math.min(lines, length), redis.call('MEMORY', 'USAGE', inflight, 'SAMPLES', 0), entry}
