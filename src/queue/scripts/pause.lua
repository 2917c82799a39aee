#!lua flags=allow-oom
-- Makes workers stop reserving, or go on. KEYS: paused. ARGV: '1' to pause, '0' to resume. Returns 1 if it changed.
if ARGV[1] == '1' then
  return redis.call('SETNX', KEYS[1], '1')
end
return redis.call('DEL', KEYS[1])
