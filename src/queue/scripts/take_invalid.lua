#!lua flags=allow-oom
-- Takes lines off the invalid list; those that are replayed go to the tail of the queue in the same step.
-- KEYS: invalid list, queue. ARGV: tombstone, '1' to replay or '0', then index, record and payload of each line.
-- A record that no longer stands at its index (the oldest were dropped meanwhile) is passed over.
-- Returns how many were taken.
local invalid, queue = unpack(KEYS)
for key in pairs({[invalid] = true, [queue] = true}) do
  local found = redis.call('TYPE', key).ok
  if found ~= 'list' and found ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. key .. ' is no list')
  end
end
local taken = 0
for at = 3, #ARGV, 3 do
  local index, record, payload = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  if redis.call('LINDEX', invalid, index) == record then
    if ARGV[2] == '1' then redis.call('RPUSH', queue, payload) end
    redis.call('LSET', invalid, index, ARGV[1])
    taken = taken + 1
  end
end
-- Counted, so that it need not look through all of a long list.
if taken > 0 then redis.call('LREM', invalid, taken, ARGV[1]) end
return taken
