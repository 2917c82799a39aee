-- Forgets a batch that has been delivered, and counts it. A second time it does nothing.
-- KEYS: batches, lease, totals, topics, bytes by topic, rest.
-- ARGV: token, field, prefix of in-flight lists, then topic, lines and bytes of each topic.
-- Returns {status}.
local batches, lease, totals, topics, bytes, rest = unpack(KEYS)
local token, field, prefix = unpack(ARGV)

local holder = redis.call('GET', lease)
if not holder then return {'absent'} end
if holder ~= token then return {'lost'} end
for key, kind in pairs({
  [batches] = 'hash', [totals] = 'hash', [topics] = 'hash', [bytes] = 'hash', [rest] = 'string',
}) do
  if not is(key, kind) then return redis.error_reply('WRONGTYPE ' .. key .. ' is no ' .. kind) end
end
local entry = redis.call('HGET', batches, field)
if not entry then return {'gone'} end
local list = batch_range(prefix, field, entry)
if not is(prefix .. list, 'list') then return redis.error_reply('WRONGTYPE ' .. list .. ' is no list') end

redis.call('HDEL', batches, field)
free(prefix, list, batches, rest)
redis.call('HINCRBY', totals, 'batches', 1)
for at = 4, #ARGV, 3 do
  redis.call('HINCRBY', topics, ARGV[at], ARGV[at + 1])
  redis.call('HINCRBY', bytes, ARGV[at], ARGV[at + 2])
  redis.call('HINCRBY', totals, 'delivered', ARGV[at + 1])
end
return {'ok'}
