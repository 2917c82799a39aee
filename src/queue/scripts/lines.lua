#!lua flags=allow-oom
-- What the scripts have in common that reserve lines, reject them, or are done with them. The queue is taken whole, by RENAME:
-- what it held is an in-flight list from then on, of which batches are ranges. Places are counted from its end, so that they
-- stay when lines before them leave; nothing joins it while batches stand in it. A batch is where its record says, at the moment
-- of the call.

-- Whether a key may be used as a list, a hash or a string: before the first write, since nothing is rolled back.
local function is(key, kind)
  local found = redis.call('TYPE', key).ok
  return found == kind or found == 'none'
end

-- What a record (of a batch, or of the lines that wait for one) ends with: a list, by its name behind the prefix, and the range
-- from the line that is `from`th from its end to the one before the `to`th.
local function range_of(record)
  local list, from, to = string.match(record or '', '(%d+:%d+%S*) (%d+) (%d+)$')
  return list, tonumber(from), tonumber(to)
end

-- The same of a batch. In format 1 each had a list of its own.
local function batch_range(prefix, field, entry)
  local list, from, to = range_of(entry)
  if list then return list, from, to end
  return field, redis.call('LLEN', prefix .. field), 0
end

-- The batches that stand in a list, by field, and their records.
local function batches_in(list, batches)
  local found = {}
  local all = redis.call('HGETALL', batches)
  for at = 1, #all, 2 do
    if range_of(all[at + 1]) == list then found[all[at]] = all[at + 1] end
  end
  return found
end

-- Gives a batch a list of its own, so that nothing is kept or held up for its sake.
local function detach(prefix, field, entry, batches)
  local list, from, to = range_of(entry)
  local own = field .. ':own'
  local length = redis.call('LLEN', prefix .. list)
  from = math.min(from, length)
  local lines = redis.call(
    'SORT', prefix .. list, 'BY', 'nosort', 'LIMIT', length - from, math.max(0, from - to), 'STORE', prefix .. own
  )
  redis.call('HSET', batches, field, (string.gsub(entry, '%S+ %S+ %S+$', table.concat({own, lines, 0}, ' '))))
end

-- Frees lines at the front of a list; so many a call that Redis is not blocked for long. Says whether more is left to free.
local function trim(key, kept)
  local done = redis.call('LLEN', key) - kept
  if done > 0 then redis.call('LTRIM', key, math.min(done, 100000), -1) end
  return done > 100000
end

-- Frees the lines of a list that stand before all that are in flight or wait. Where very many are kept that nobody needs, the
-- first batch leaves the list: memory would be held for its sake, and each look into the list take longer.
local function free(prefix, list, batches, rest)
  local key = prefix .. list
  local first, second, needed, field, entry = 0, 0, 0, nil, nil
  local rest_list, rest_from, rest_to = range_of(redis.call('GET', rest))
  if rest_list == list then first, needed = rest_from, rest_from - rest_to end
  for its_field, its_entry in pairs(batches_in(list, batches)) do
    local _, from, to = range_of(its_entry)
    needed = needed + from - to
    if from > first then
      first, second, field, entry = from, first, its_field, its_entry
    elseif from > second then
      second = from
    end
  end
  if field and first - needed > 200000 then
    detach(prefix, field, entry, batches)
    first = second
  end
  if first == 0 then
    redis.call('UNLINK', key)
  else
    trim(key, first)
  end
end

-- Puts copies of the last lines of a range at the head of the queue, without tombstones: a thousand lines or about 4 MiB. Gives
-- how many, and where the range ends now.
local function push_back(queue, key, from, to, tombstone)
  local pushed, bytes, last, some = 0, 0, math.min(from, to + 1000), 50
  while to < last and bytes < 4194304 do
    local count = math.min(some, last - to)
    local lines = redis.call('LRANGE', key, -to - count, -to - 1)
    for at = #lines, 1, -1 do
      bytes = bytes + #lines[at]
      if lines[at] ~= tombstone then
        redis.call('LPUSH', queue, lines[at])
        pushed = pushed + 1
      end
    end
    to = to + count
    -- Lines of even size are read by two calls: each has to find its place in the list.
    if bytes * 20 < 4194304 then some = 1000 end
  end
  return pushed, to
end

