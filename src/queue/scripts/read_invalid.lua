#!lua flags=no-writes
-- Reads lines of the invalid list from an index on, those with a reason where one is named.
-- KEYS: invalid list.
-- ARGV: index (one beyond the list is its end), '1' towards the tail or '-1' towards the head, lines to look at, lines and
-- bytes to give, reason or ''. The line that goes beyond the bytes is given as well.
-- Returns {index to go on at or -1 at the end of the list, lines looked at, {index, line, ...}}.
local invalid = KEYS[1]
local at, step, look_at, wanted, bytes = unpack(ARGV)
at, step, look_at, wanted, bytes = tonumber(at), tonumber(step), tonumber(look_at), tonumber(wanted), tonumber(bytes)
local reason = ARGV[6]

local length = redis.call('LLEN', invalid)
if step < 0 then at = math.min(at, length - 1) end
if at < 0 or at >= length or look_at < 1 then return {-1, 0, {}} end

local first, last = at, at + look_at - 1
if step < 0 then first, last = math.max(0, at - look_at + 1), at end
local lines = redis.call('LRANGE', invalid, first, last)
local found, looked_at = {}, 0
while looked_at < #lines and #found < 2 * wanted and bytes > 0 do
  local index = at + step * looked_at
  local line = lines[index - first + 1]
  looked_at = looked_at + 1
  if reason == '' or string.match(line, '^{"reason":"([^"\\]*)"') == reason then
    found[#found + 1] = index
    found[#found + 1] = line
    bytes = bytes - #line
  end
end
local following = at + step * looked_at
if following < 0 or following >= length then following = -1 end
return {following, looked_at, found}
