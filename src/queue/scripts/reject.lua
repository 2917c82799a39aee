-- Moves lines of a batch to the invalid list and leaves a tombstone in the place of each; where one stands already,
-- nothing happens, so that a call that is repeated writes no line twice.
-- KEYS: invalid list, lease, totals, batches.
-- ARGV: token, tombstone, lines and bytes the invalid list may have, field, prefix of
-- in-flight lists, then index, reason and record of each line.
-- Returns {status} or {'ok', lines moved, oldest lines dropped}.
local invalid, lease, totals, batches = unpack(KEYS)
local token, tombstone, max_lines, max_bytes, field, prefix = unpack(ARGV)
max_lines, max_bytes = tonumber(max_lines), tonumber(max_bytes)

local holder = redis.call('GET', lease)
if not holder then return {'absent'} end
if holder ~= token then return {'lost'} end
local entry = redis.call('HGET', batches, field)
if not entry then return {'gone'} end
local list, from, to = batch_range(prefix, field, entry)
local inflight = prefix .. list
for key, kind in pairs({[inflight] = 'list', [invalid] = 'list', [totals] = 'hash'}) do
  if not is(key, kind) then return redis.error_reply('WRONGTYPE ' .. key .. ' is no ' .. kind) end
end

local moved = 0
for at = 7, #ARGV, 3 do
  local place, reason, record = from - ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local line = place > to and redis.call('LINDEX', inflight, -place)
  if line and line ~= tombstone then
    redis.call('RPUSH', invalid, record)
    redis.call('LSET', inflight, -place, tombstone)
    redis.call('HINCRBY', totals, 'invalid:' .. reason, 1)
    moved = moved + 1
  end
end

local dropped = math.max(0, redis.call('LLEN', invalid) - max_lines)
if dropped > 0 then redis.call('LTRIM', invalid, dropped, -1) end
local bytes = redis.call('MEMORY', 'USAGE', invalid, 'SAMPLES', 0)
while bytes and bytes > max_bytes do
  local length = redis.call('LLEN', invalid)
  local oldest = math.max(1, math.ceil(length * (bytes - max_bytes) / bytes))
  redis.call('LTRIM', invalid, oldest, -1)
  dropped = dropped + math.min(oldest, length)
  bytes = redis.call('MEMORY', 'USAGE', invalid, 'SAMPLES', 0)
end
if dropped > 0 then redis.call('HINCRBY', totals, 'invalid_dropped', dropped) end
return {'ok', moved, dropped}
