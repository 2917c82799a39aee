#!lua
-- Adds what a worker has counted to the totals and to the history, whose oldest parts expire.
-- Without allow-oom: where memory has run out, the worker keeps its counts and tells them later.
-- KEYS: totals of all workers, recent messages, queue, invalid list, batches, rest.
-- ARGV: prefix of the history, messages kept, names a step may have, seconds that those are kept,
-- what was counted (JSON: totals, points and tops, each an object of counts; recent, an array of strings), then name,
-- seconds and seconds kept of each kind of step, the longest last: names are counted in that one alone.
local metrics, recent, queue, invalid, batches, rest = unpack(KEYS)
local history_prefix = ARGV[1]
local recent_kept, names_a_step, names_kept = tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local counted = cjson.decode(ARGV[5])

local function add(key, fields)
  for field, count in pairs(fields) do
    redis.call('HINCRBY', key, field, string.format('%.0f', count))
  end
end

local function lines_of(record)
  local from, to = string.match(record or '', '%d+:%d+%S* (%d+) (%d+)$')
  return from and from - to or 0
end
local in_flight = 0
for _, entry in ipairs(redis.call('HVALS', batches)) do in_flight = in_flight + lines_of(entry) end
local gauges = {
  depth = redis.call('LLEN', queue) + lines_of(redis.call('GET', rest)),
  invalid = redis.call('LLEN', invalid),
  in_flight = in_flight,
}

add(metrics, counted.totals)
local now = tonumber(redis.call('TIME')[1])
for at = 6, #ARGV, 3 do
  local seconds = tonumber(ARGV[at + 1])
  local key = history_prefix .. ARGV[at] .. ':' .. string.format('%.0f', math.floor(now / seconds))
  add(key, counted.points)
  for name, value in pairs(gauges) do
    -- The most that was seen: a queue that was full for a moment shows.
    if value >= tonumber(redis.call('HGET', key, name) or 0) then redis.call('HSET', key, name, value) end
  end
  redis.call('HSET', key, 'waiting', gauges.depth + gauges.in_flight)
  redis.call('EXPIRE', key, ARGV[at + 2])
  if at + 3 > #ARGV then
    local tops = key .. ':tops'
    local room = names_a_step - redis.call('HLEN', tops)
    for name, count in pairs(counted.tops) do
      if room <= 0 and redis.call('HEXISTS', tops, name) == 0 then
        name = string.match(name, '^%a+:') .. 'other'
      end
      if redis.call('HINCRBY', tops, name, string.format('%.0f', count)) == count then room = room - 1 end
    end
    redis.call('EXPIRE', tops, names_kept)
  end
end

for _, message in ipairs(counted.recent) do redis.call('RPUSH', recent, message) end
redis.call('LTRIM', recent, -recent_kept, -1)
