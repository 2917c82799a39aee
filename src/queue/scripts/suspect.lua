#!lua flags=allow-oom
-- Puts the line that is about to be enriched on record, so that the next take-over knows where this one ended.
-- KEYS: batches, lease. ARGV: token, field, index of the line or '-'. Returns {status}.
local holder = redis.call('GET', KEYS[2])
if not holder then return {'absent'} end
if holder ~= ARGV[1] then return {'lost'} end
local entry = redis.call('HGET', KEYS[1], ARGV[2])
if not entry then return {'gone'} end
-- The sixth word, in every format.
local changed = string.gsub(entry, '^(%S+ %S+ %S+ %S+ %S+ )%S+', '%1' .. ARGV[3])
redis.call('HSET', KEYS[1], ARGV[2], changed)
return {'ok'}
