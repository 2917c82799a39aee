-- Gives a batch the next lines. No payload is touched: what the queue holds becomes an in-flight list as it is, and batches
-- are ranges of it.
-- KEYS: queue, in-flight list that this batch would begin, batches, seq, paused, lease, id, rest.
-- ARGV: token, id, slot, seq, lines and bytes a batch may have, format version, delivery mode, prefix of in-flight lists.
-- Returns {status} or {'batch', entry}.
local queue, inflight, batches, seqs, paused, lease, id, rest = unpack(KEYS)
local token, the_id, slot, seq, batch_size, batch_bytes, format, mode, prefix = unpack(ARGV)

local holder = redis.call('GET', lease)
if not holder then return {'absent'} end
if holder ~= token then return {'lost'} end

if not (is(queue, 'list') and is(batches, 'hash') and is(seqs, 'hash') and is(rest, 'string')) then
  return redis.error_reply('WRONGTYPE a key of ' .. queue .. ' holds another type')
end
-- Redis came back empty, or as another: a batch that is reserved now would be looked for under the id of now.
if redis.call('GET', id) ~= the_id then return {'strange'} end

local field = slot .. ':' .. seq
local reserved = redis.call('HGET', batches, field)
-- The answer to an earlier copy of this call was lost.
if reserved then return {'batch', reserved} end
if tonumber(seq) <= tonumber(redis.call('HGET', seqs, slot) or 0) then
  -- Another was in the slot meanwhile; or a late second copy of a call whose batch has been acknowledged since.
  return {'stale'}
end
if redis.call('EXISTS', paused) == 1 then return {'paused'} end

local list, from, to = range_of(redis.call('GET', rest))
if list then
  -- Lines that somebody has deleted are not waited for.
  from = math.min(from, redis.call('LLEN', prefix .. list))
  if from <= to then
    redis.call('DEL', rest)
    list = nil
  end
end
if not list then
  list, from, to = field, redis.call('LLEN', queue), 0
  if from == 0 then return {'empty'} end
  if redis.call('RENAMENX', queue, inflight) == 0 then
    return redis.error_reply('ERR ' .. inflight .. ' has no entry in ' .. batches)
  end
  redis.call('PERSIST', inflight)
end

-- As many lines as are wanted and, by the length of each 400th, have room.
local stride, room, last = 400, tonumber(batch_bytes), from
local wanted = math.max(to, from - tonumber(batch_size))
while last > wanted and room > 0 do
  local bytes = math.max(1, #(redis.call('LINDEX', prefix .. list, -last) or ''))
  local lines = math.min(stride, last - wanted, math.floor(room / bytes))
  room = lines < stride and 0 or room - lines * bytes
  last = last - lines
end
last = math.min(last, from - 1)

local time = redis.call('TIME')
local entry = table.concat({
  format, time[1] .. string.format('%06d', time[2]), mode, '0', '-', '-', list, from, last,
}, ' ')
redis.call('HSET', batches, field, entry)
redis.call('HSET', seqs, slot, seq)
if last > to then
  redis.call('SET', rest, table.concat({list, last, to}, ' '))
else
  redis.call('DEL', rest)
end
return {'batch', entry}
