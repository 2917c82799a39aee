-- Puts the last lines of a batch back at the head of the queue, without tombstones: one call a thousand lines or 4 MiB.
-- KEYS: queue, in-flight list, batches, lease, rest. ARGV: token, field, tombstone.
-- Returns {status} or {'ok', lines given back, lines left}.
local queue, inflight, batches, lease, rest = unpack(KEYS)
local token, field, tombstone = unpack(ARGV)

if redis.call('GET', lease) ~= token then return {'lost'} end
local entry = redis.call('HGET', batches, field)
if not entry then return {'ok', 0, 0} end
local list, from, to = range_of(entry)
local pushed, last = push_back(queue, inflight, from, to, tombstone)
if last == from then
  redis.call('HDEL', batches, field)
  free(inflight, list, batches, rest)
else
  redis.call('HSET', batches, field, (string.gsub(entry, '%S+$', last)))
end
return {'ok', pushed, from - last}
