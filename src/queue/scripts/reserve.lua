-- Gives a batch the next lines. No payload is touched: what the queue holds becomes an in-flight list as it is, and batches
-- are ranges of it.
-- KEYS: queue, in-flight list that this batch would begin, batches, seq, paused, lease, id, rest.
-- ARGV: token, id, slot, seq, batch size, format version, delivery mode, prefix of in-flight lists.
-- Returns {status} or {'batch', entry}.
local queue, inflight, batches, seqs, paused, lease, id, rest = unpack(KEYS)
local token, the_id, slot, seq, batch_size, format, mode, prefix = unpack(ARGV)

local holder = redis.call('GET', lease)
if not holder then return {'absent'} end
if holder ~= token then return {'lost'} end

local function is(key, kind)
  local found = redis.call('TYPE', key).ok
  return found == kind or found == 'none'
end
if not (is(queue, 'list') and is(batches, 'hash') and is(seqs, 'hash') and is(rest, 'string')) then
  return redis.error_reply('WRONGTYPE a key of ' .. queue .. ' holds another type')
end
-- Redis came back empty, or as another: a batch that is reserved now would be looked for under the id of now.
if redis.call('GET', id) ~= the_id then return {'strange'} end

local field = slot .. ':' .. seq
local reserved = redis.call('HGET', batches, field)
-- The answer to an earlier copy of this call was lost; or the batch before was too large, and this is what it left.
if reserved then return {'batch', reserved} end
if tonumber(seq) <= tonumber(redis.call('HGET', seqs, slot) or 0) then
  -- Another was in the slot meanwhile; or a late second copy of a call whose batch has been acknowledged since.
  return {'stale'}
end
if redis.call('EXISTS', paused) == 1 then return {'paused'} end

local list, from, to = range_of(redis.call('GET', rest))
-- Lines that somebody has deleted are not waited for.
if list then from = math.min(from, redis.call('LLEN', prefix .. list)) end
if not list or from <= to then
  list, from, to = field, redis.call('LLEN', queue), 0
  if from == 0 then return {'empty'} end
  if redis.call('RENAMENX', queue, inflight) == 0 then
    return redis.error_reply('ERR ' .. inflight .. ' has no entry in ' .. batches)
  end
  redis.call('PERSIST', inflight)
end

local after = math.max(to, from - tonumber(batch_size))
local time = redis.call('TIME')
local entry = table.concat({
  format, time[1] .. string.format('%06d', time[2]), mode, '0', '-', '-', list, from, after,
}, ' ')
redis.call('HSET', batches, field, entry)
redis.call('HSET', seqs, slot, seq)
if after > to then
  redis.call('SET', rest, table.concat({list, after, to}, ' '))
else
  redis.call('DEL', rest)
end
return {'batch', entry}
