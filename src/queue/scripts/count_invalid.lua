#!lua flags=no-writes
-- Counts lines of the invalid list by reason. KEYS: invalid list. ARGV: first index, lines to look at.
-- Returns {lines looked at, {reason, lines, ...}}; an entry that is no record of ours has the reason ''.
local first, look_at = tonumber(ARGV[1]), tonumber(ARGV[2])
local lines = redis.call('LRANGE', KEYS[1], first, first + look_at - 1)
local counts = {}
for _, line in ipairs(lines) do
  local reason = string.match(line, '^{"reason":"([^"\\]*)"') or ''
  counts[reason] = (counts[reason] or 0) + 1
end
local answer = {}
for reason, count in pairs(counts) do
  answer[#answer + 1] = reason
  answer[#answer + 1] = count
end
return {#lines, answer}
