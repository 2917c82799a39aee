#!lua flags=allow-oom
-- Renews a lease; one that is merely absent (Redis restarted) is set again.
-- KEYS: lease. ARGV: token, lease in milliseconds. Returns 'ok', 'absent' when it was, 'lost' when another holds it.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
  return 'lost'
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return holder and 'ok' or 'absent'
