#!lua flags=allow-oom
-- Leases the lowest slot that has neither a lease nor batches.
-- KEYS: batches, seq, id. ARGV: what the keys of leases begin with, token, lease in milliseconds, an id for the database
-- if it has none yet.
-- Returns the slot, the last seq that was reserved in it, Redis' own time in microseconds, and the id.
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
local id = redis.call('GET', KEYS[3]) or ARGV[4]
redis.call('SET', KEYS[3], id)
redis.call('SET', ARGV[1] .. slot, ARGV[2], 'PX', ARGV[3])
return {slot, last, time[1] .. string.format('%06d', time[2]), id}
