#!lua
-- Pushes lines, unless an earlier copy of this call did: its answer may have been lost. Refused at the memory limit, as
-- the pushes of trackers are.
-- KEYS: queue, how many lines were pushed. ARGV: how many were pushed before these, then the lines.
-- Returns how many are pushed now.
local queue, count = unpack(KEYS)
local pushed = tonumber(redis.call('GET', count) or 0)
if pushed ~= tonumber(ARGV[1]) then return pushed end
for at = 2, #ARGV, 1000 do
  redis.call('RPUSH', queue, unpack(ARGV, at, math.min(at + 999, #ARGV)))
end
pushed = pushed + #ARGV - 1
redis.call('SET', count, pushed)
return pushed
