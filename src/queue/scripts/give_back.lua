#!lua flags=allow-oom
-- Puts the last lines of an in-flight list back at the head of the queue, without tombstones: one call a thousand
-- lines or 4 MiB. Each line is in one of the two lists at any time.
-- KEYS: queue, in-flight list, batches, lease. ARGV: token, field, tombstone.
-- Returns {status} or {'ok', lines given back, lines left}.
local queue, inflight, batches, lease = unpack(KEYS)
local token, field, tombstone = unpack(ARGV)

if redis.call('GET', lease) ~= token then return {'lost'} end
local given, bytes = 0, 0
for _ = 1, 1000 do
  local line = redis.call('LMOVE', inflight, queue, 'RIGHT', 'LEFT')
  if not line then break end
  if line == tombstone then
    redis.call('LPOP', queue)
  else
    given = given + 1
    bytes = bytes + #line
  end
  if bytes > 4194304 then break end
end
local left = redis.call('LLEN', inflight)
if left == 0 then redis.call('HDEL', batches, field) end
return {'ok', given, left}
