#!lua flags=allow-oom
-- Forgets a worker that has stopped. KEYS: workers. ARGV: worker.
redis.call('HDEL', KEYS[1], ARGV[1])
