-- Makes the lines that wait for a batch the head of the queue again, by parts: a call moves a thousand lines or 4 MiB.
-- KEYS: queue, rest, batches. ARGV: prefix of in-flight lists, tombstone, '1' if batches may stand before them in their list.
-- Returns 1 if there is more to do, otherwise 0.
local queue, rest, batches = unpack(KEYS)
local prefix, tombstone, beside_batches = unpack(ARGV)

local list, from, to = range_of(redis.call('GET', rest))
if not list then return 0 end
local key = prefix .. list
local field, entry = next(batches_in(list, batches))
if field then
  if beside_batches ~= '1' then return 0 end
  detach(prefix, field, entry, batches)
  free(prefix, list, batches, rest)
  return 1
end

-- The list is theirs alone. What is shorter moves: they in front of the queue, or the queue behind them.
if from - to <= redis.call('LLEN', queue) then
  local _, last = push_back(queue, key, from, to, tombstone)
  if last < from then
    redis.call('LTRIM', key, 0, -last - 1)
    redis.call('SET', rest, table.concat({list, from - last, 0}, ' '))
    return 1
  end
  redis.call('DEL', rest)
  redis.call('UNLINK', key)
  return 0
end
if trim(key, from) then return 1 end
local moved, bytes = 0, 0
while moved < 1000 and bytes < 4194304 do
  local line = redis.call('LMOVE', queue, key, 'LEFT', 'RIGHT')
  if not line then break end
  moved, bytes = moved + 1, bytes + #line
end
if redis.call('EXISTS', queue) == 1 then
  redis.call('SET', rest, table.concat({list, redis.call('LLEN', key), 0}, ' '))
  return 1
end
if redis.call('EXISTS', key) == 1 then redis.call('RENAME', key, queue) end
redis.call('DEL', rest)
return 0
