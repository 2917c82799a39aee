-- Puts the last lines of a batch back at the head of the queue, without tombstones: one call a thousand lines or 4 MiB.
-- KEYS: queue, batches, lease, rest. ARGV: token, field, tombstone, prefix of in-flight lists.
-- Returns {status} or {'ok', lines given back, lines left}.
local queue, batches, lease, rest = unpack(KEYS)
local token, field, tombstone, prefix = unpack(ARGV)

if redis.call('GET', lease) ~= token then return {'lost'} end
local entry = redis.call('HGET', batches, field)
if not entry then return {'ok', 0, 0} end
local list, from, to = range_of(entry)
local pushed, last = push_back(queue, prefix .. list, from, to, tombstone)
if last == from then
  redis.call('HDEL', batches, field)
  free(prefix, list, batches, rest)
else
  redis.call('HSET', batches, field, (string.gsub(entry, '%S+$', last)))
end
return {'ok', pushed, from - last}
