#!lua flags=allow-oom
-- Leases a slot that its owner left with batches in it, and counts the take-over in each of them.
-- KEYS: batches, lease, id. ARGV: slot, token, lease in milliseconds, an id for the database if it has none, prefix of
-- in-flight lists, the format version that is known, then the delivery modes that are.
-- Returns {'ok', id, seq, entry, convicted line or '-', ...}, {'held'}, {'empty'} or {'unknown'}.
local batches, lease, id = unpack(KEYS)
local slot, token, lease_ms, new_id, prefix, format = unpack(ARGV)
local is_known = {}
for at = 7, #ARGV do is_known[ARGV[at]] = true end

if redis.call('EXISTS', lease) == 1 then return {'held'} end
local found = {}
for _, field in ipairs(redis.call('HKEYS', batches)) do
  local seq = string.match(field, '^' .. slot .. ':(%d+)$')
  if seq then
    local entry = redis.call('HGET', batches, field)
    -- In format 1 each batch had a list of its own.
    if string.find(entry, '^1 ') then
      entry = string.gsub(entry, '^1', '2') .. ' ' .. field .. ' ' .. redis.call('LLEN', prefix .. field) .. ' 0'
    end
    local version, time, its_mode, takeovers, before, now, range =
      string.match(entry, '^(%d+) (%d+) (%S+) (%d+) (%S+) (%S+) (%d+:%d+%S* %d+ %d+)$')
    -- Another release's batch is that release's to finish.
    if version ~= format or not is_known[its_mode] then return {'unknown'} end
    local convicted = '-'
    if now == '-' then
      before = '-'
    elseif before == now then
      -- Stays on record until the line has been rejected.
      convicted = now
    else
      before, now = now, '-'
    end
    local changed = table.concat({version, time, its_mode, takeovers + 1, before, now, range}, ' ')
    found[#found + 1] = {field = field, seq = seq, entry = changed, convicted = convicted}
  end
end
if #found == 0 then return {'empty'} end

local the_id = redis.call('GET', id) or new_id
redis.call('SET', id, the_id)
redis.call('SET', lease, token, 'PX', lease_ms)
table.sort(found, function(a, b) return tonumber(a.seq) < tonumber(b.seq) end)
local answer = {'ok', the_id}
for _, batch in ipairs(found) do
  redis.call('HSET', batches, batch.field, batch.entry)
  answer[#answer + 1] = batch.seq
  answer[#answer + 1] = batch.entry
  answer[#answer + 1] = batch.convicted
end
return answer
