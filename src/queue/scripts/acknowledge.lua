-- Forgets a batch that has been delivered, and counts it. A second time it does nothing.
-- KEYS: in-flight list, batches, lease, totals, topics, bytes by topic, rest.
-- ARGV: token, field, then topic, lines and bytes of each topic.
-- Returns {status}.
local inflight, batches, lease, totals, topics, bytes, rest = unpack(KEYS)
local token, field = unpack(ARGV)

local holder = redis.call('GET', lease)
if not holder then return {'absent'} end
if holder ~= token then return {'lost'} end
for key, kind in pairs({[batches] = 'hash', [totals] = 'hash', [topics] = 'hash', [bytes] = 'hash'}) do
  local found = redis.call('TYPE', key).ok
  if found ~= kind and found ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. key .. ' is no ' .. kind)
  end
end
local entry = redis.call('HGET', batches, field)
if not entry then return {'gone'} end

redis.call('HDEL', batches, field)
free(inflight, (range_of(entry)), batches, rest)
redis.call('HINCRBY', totals, 'batches', 1)
for at = 3, #ARGV, 3 do
  redis.call('HINCRBY', topics, ARGV[at], ARGV[at + 1])
  redis.call('HINCRBY', bytes, ARGV[at], ARGV[at + 2])
  redis.call('HINCRBY', totals, 'delivered', ARGV[at + 1])
end
return {'ok'}
