#!lua flags=allow-oom
-- Says that a worker lives, and forgets those that have not said so for long.
-- KEYS: workers. ARGV: worker, what it says (JSON), seconds after which a worker is forgotten.
local now = tonumber(redis.call('TIME')[1])
redis.call('HSET', KEYS[1], ARGV[1], now .. ' ' .. ARGV[2])
local all = redis.call('HGETALL', KEYS[1])
for at = 1, #all, 2 do
  local seen = tonumber(string.match(all[at + 1], '^%d+')) or 0
  if now - seen > tonumber(ARGV[3]) then redis.call('HDEL', KEYS[1], all[at]) end
end
