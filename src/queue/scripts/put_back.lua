-- Makes the lines that wait for a batch the head of the queue again. One call moves a thousand lines or 4 MiB.
-- KEYS: queue, rest, batches. ARGV: prefix of in-flight lists, tombstone, '1' if batches may stand before them in their list.
-- Returns 1 if there is more to do, otherwise 0.
local queue, rest, batches = unpack(KEYS)
local prefix, tombstone, beside_batches = unpack(ARGV)

local list, from, to = range_of(redis.call('GET', rest))
if not list then return 0 end
local key = prefix .. list
if first_of(list, redis.call('HVALS', batches)) then
  if beside_batches ~= '1' then return 0 end
  local _, last = push_back(queue, key, from, to, tombstone)
  if last == from then
    redis.call('DEL', rest)
    return 0
  end
  redis.call('SET', rest, table.concat({list, from, last}, ' '))
  return 1
end

-- The list is theirs alone: it takes in what was pushed since, and becomes the queue.
redis.call('LTRIM', key, -from, -to - 1)
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
