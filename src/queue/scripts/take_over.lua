#!lua flags=allow-oom
-- Leases a slot that its owner left with batches in it, and counts the take-over in each of them.
-- KEYS: batches, lease. ARGV: slot, token, lease in milliseconds, newest format version and the delivery mode known.
-- Returns {'ok', seq, entry, convicted line or '-', ...}, {'held'}, {'empty'} or {'unknown'}.
local batches, lease = unpack(KEYS)
local slot, token, lease_ms, format, mode = unpack(ARGV)

if redis.call('EXISTS', lease) == 1 then return {'held'} end
local found = {}
for _, field in ipairs(redis.call('HKEYS', batches)) do
  local seq = string.match(field, '^' .. slot .. ':(%d+)$')
  if seq then
    local entry = redis.call('HGET', batches, field)
    local version, time, its_mode, takeovers, before, now =
      string.match(entry, '^(%d+) (%d+) (%S+) (%d+) (%S+) (%S+)$')
    -- Another release's batch is that release's to finish.
    if tonumber(version) ~= tonumber(format) or its_mode ~= mode then return {'unknown'} end
    local convicted = '-'
    if now == '-' then
      before = '-'
    elseif before == now then
      -- Stays on record until the line has been rejected.
      convicted = now
    else
      before, now = now, '-'
    end
    local changed = table.concat({version, time, its_mode, takeovers + 1, before, now}, ' ')
    found[#found + 1] = {field = field, seq = seq, entry = changed, convicted = convicted}
  end
end
if #found == 0 then return {'empty'} end

redis.call('SET', lease, token, 'PX', lease_ms)
table.sort(found, function(a, b) return tonumber(a.seq) < tonumber(b.seq) end)
local answer = {'ok'}
for _, batch in ipairs(found) do
  redis.call('HSET', batches, batch.field, batch.entry)
  answer[#answer + 1] = batch.seq
  answer[#answer + 1] = batch.entry
  answer[#answer + 1] = batch.convicted
end
return answer
