#!lua flags=allow-oom
-- Leases the lowest slot that has neither a lease nor batches.
-- KEYS: batches, seq. ARGV: what the keys of leases begin with, token, lease in milliseconds.
-- Returns the slot, the last seq that was reserved in it, and Redis' own time in microseconds.
local taken = {}
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  taken[string.match(field, '^%d+')] = true
end
local slot = 0
while taken[tostring(slot)] or redis.call('EXISTS', ARGV[1] .. slot) == 1 do
  slot = slot + 1
end
local last = redis.call('HGET', KEYS[2], slot) or '0'
local time = redis.call('TIME')
redis.call('SET', ARGV[1] .. slot, ARGV[2], 'PX', ARGV[3])
return {slot, last, time[1] .. string.format('%06d', time[2])}
