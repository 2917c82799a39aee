-- Leaves a batch no more than its first lines; the others are the slot's next batch. A second time it does nothing.
-- KEYS: batches, seq, lease. ARGV: token, slot, seq, the seq after it, lines.
-- Returns {status}, {'ok', entry}, or {'taken'} where the slot has had another batch since.
local batches, seqs, lease = unpack(KEYS)
local token, slot, seq, next_seq, lines = unpack(ARGV)

local holder = redis.call('GET', lease)
if not holder then return {'absent'} end
if holder ~= token then return {'lost'} end
local field, next_field = slot .. ':' .. seq, slot .. ':' .. next_seq
local entry = redis.call('HGET', batches, field)
if not entry then return {'gone'} end

local list, from, to = range_of(entry)
local middle = from - tonumber(lines)
if middle <= to then return {'ok', entry} end
-- No seq comes twice: Kafka may have it already.
local last_seq = tonumber(redis.call('HGET', seqs, slot) or 0)
if tonumber(next_seq) <= last_seq or redis.call('HEXISTS', batches, next_field) == 1 then return {'taken'} end
local function with_range(first, last)
  return (string.gsub(entry, '%S+ %S+ %S+$', table.concat({list, first, last}, ' ')))
end
redis.call('HSET', batches, field, with_range(from, middle), next_field, with_range(middle, to))
redis.call('HSET', seqs, slot, next_seq)
return {'ok', with_range(from, middle)}
