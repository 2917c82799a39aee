#!lua flags=allow-oom
-- How scripts that reserve lines, or are done with them, begin. The queue is taken whole, by RENAME: what it held is an
-- in-flight list from then on, which nothing is pushed onto and of which batches are ranges. Places are counted from its end,
-- so that they stay when lines before them leave.

-- What a record (of a batch, or of the lines that wait for one) ends with: a list, by the name of the batch that began it, and
-- the range from the line that is `from`th from its end to the one before the `to`th.
local function range_of(record)
  local list, from, to = string.match(record or '', '(%d+:%d+) (%d+) (%d+)$')
  return list, tonumber(from), tonumber(to)
end

-- Where the first range of a list begins; nothing where no record is of that list.
local function first_of(list, records)
  local first
  for _, record in ipairs(records) do
    local its_list, from = range_of(record)
    if its_list == list then first = math.max(first or 0, from) end
  end
  return first
end

-- Frees the lines of a list that stand before all that are in flight or wait; so many a call that Redis is not blocked long.
local function free(key, list, batches, rest)
  local records = redis.call('HVALS', batches)
  records[#records + 1] = redis.call('GET', rest) or ''
  local first = first_of(list, records)
  if not first then
    redis.call('UNLINK', key)
  else
    local done = redis.call('LLEN', key) - first
    if done > 0 then redis.call('LTRIM', key, math.min(done, 100000), -1) end
  end
end

-- Puts the last lines of a range at the head of the queue, without tombstones: a thousand lines or about 4 MiB. Gives how many,
-- and where the range ends now.
local function push_back(queue, key, from, to, tombstone)
  local pushed, bytes, last = 0, 0, math.min(from, to + 1000)
  while to < last and bytes < 4194304 do
    local some = math.min(50, last - to)
    local lines = redis.call('LRANGE', key, -to - some, -to - 1)
    for at = #lines, 1, -1 do
      if lines[at] ~= tombstone then
        redis.call('LPUSH', queue, lines[at])
        pushed, bytes = pushed + 1, bytes + #lines[at]
      end
    end
    to = to + some
  end
  return pushed, to
end

