-- What `core/quota_book.py` does, in Redis: line by line the same, in the same whole numbers.
-- `tests/stores/test_quota_script.py` holds the two together. Floating point is exact up to 2^53, and nothing is above.
--
-- KEYS  1 state of the buckets and of the money (hash)   2 live reservations, by when they are undone (sorted set)
--       3 undone ones, by when they are forgotten (sorted set)   4 what live ones hold (hash)   5 leases (hash)
-- ARGV  1 what to do   2-7 limits, -1 for none: requests, tokens, places, money per hour, day, month   8… its own

local MICRO, MINUTE, HOUR, DAY = 1e6, 6e7, 3.6e9, 8.64e10
local HOLD, LEASE, UNDONE, AT_ONCE, TRY_AGAIN = 6e7, 1e6, 6e8, 256, 1e6
local MOST_TOKENS, MOST_COST, DEBT_MINUTES = 1e9, 1e12, 60
local MONEY = {'h', 'd', 'm'}

local function text(number) return string.format('%.0f', number) end
local function whole(number, by) return (number - math.fmod(number, by)) / by end
local function capacity(limit) return limit * MICRO end

local function refilled(level, limit, elapsed, room)
  elapsed = math.max(0, elapsed)
  local rest = math.fmod(elapsed, MINUTE)
  local gain = capacity(limit) * math.min((elapsed - rest) / MINUTE, DEBT_MINUTES + 1) + whole(limit * rest, 60)
  return math.min(room, level + gain)
end

local function changed(level, by, limit, room)
  return math.max(-DEBT_MINUTES * capacity(limit), math.min(room, level + by))
end

local function fills_in(missing, limit)
  if missing <= 0 then return 0 end
  local rest = math.fmod(missing, capacity(limit))
  return (missing - rest) / capacity(limit) * MINUTE + whole(rest * 60 + limit - 1, limit)
end

local function wait_for(need, level, limit)
  if level >= need then return 0 end
  if need > capacity(limit) then return -1 end
  return fills_in(need - level, limit)
end

local function month_of(day)
  local from = day + 719468
  local of_era = math.fmod(from, 146097)
  local year = whole(of_era - whole(of_era, 1460) + whole(of_era, 36524) - whole(of_era, 146096), 365)
  local of_year = of_era - (365 * year + whole(year, 4) - whole(year, 100))
  return (whole(from, 146097) * 400 + year) * 12 + whole(5 * of_year + 2, 153) + 2
end

local function first_day(month)
  local from_march = math.fmod(month - 2, 12)
  local year = whole(month - 2, 12)
  local of_era = math.fmod(year, 400)
  return whole(year, 400) * 146097 + of_era * 365 + whole(of_era, 4) - whole(of_era, 100)
    + whole(153 * from_march + 2, 5) - 719468
end

local function windows(at)
  local day = whole(at, DAY)
  return {whole(at, HOUR), day, month_of(day)}
end

-- Redis's own clock: gateways need not agree what time it is.
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * MICRO + tonumber(clock[2])

local op, rpm, tpm, places = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local most = {tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])}
local has_money = most[1] >= 0 or most[2] >= 0 or most[3] >= 0
local current = windows(now)

local kept = redis.call('HMGET', KEYS[1], 'at', 'r', 't', 'hn', 'h', 'dn', 'd', 'mn', 'm')
local at = tonumber(kept[1] or 0)
local requests = rpm >= 0 and tonumber(kept[2] or capacity(rpm)) or nil
local tokens = tpm >= 0 and tonumber(kept[3] or capacity(tpm)) or nil
local numbers, amounts = {}, {}
for index = 1, 3 do
  numbers[index] = tonumber(kept[2 * index + 2] or 0)
  amounts[index] = tonumber(kept[2 * index + 3] or 0)
end

local leases, out_requests, out_tokens = {}, 0, 0
local lent = redis.call('HGETALL', KEYS[5])
for index = 1, #lent, 2 do
  local ends, of_requests, of_tokens = string.match(lent[index + 1], '^(%d+):(%d+):(%d+)$')
  if tonumber(ends) > now then
    leases[lent[index]] = {tonumber(of_requests), tonumber(of_tokens)}
    out_requests, out_tokens = out_requests + tonumber(of_requests), out_tokens + tonumber(of_tokens)
  else
    redis.call('HDEL', KEYS[5], lent[index])
  end
end

local function change(by_requests, by_tokens)
  if requests then requests = changed(requests, by_requests, rpm, capacity(rpm) - out_requests) end
  if tokens then tokens = changed(tokens, by_tokens, tpm, capacity(tpm) - out_tokens) end
end

local function spent(index)
  return numbers[index] == current[index] and amounts[index] or 0
end

local function put(index, amount)
  numbers[index], amounts[index] = current[index], amount
end

local function replace(held_tokens, held_cost, made_at, took_tokens, took_cost)
  change(0, (held_tokens - took_tokens) * MICRO)
  local by = took_cost - held_cost
  if by == 0 or not has_money then return end
  local made = windows(made_at)
  for index = 1, 3 do
    if most[index] >= 0 and (by > 0 or made[index] == current[index]) then
      put(index, math.max(0, spent(index) + by))
    end
  end
end

local function held(key)
  local of_tokens, cost, made_at = string.match(redis.call('HGET', KEYS[4], key) or '0:0:0', '^(%d+):(%d+):(%d+)$')
  return tonumber(of_tokens), tonumber(cost), tonumber(made_at)
end

-- Time has passed.
if requests then requests = refilled(requests, rpm, now - at, capacity(rpm) - out_requests) end
if tokens then tokens = refilled(tokens, tpm, now - at, capacity(tpm) - out_tokens) end
for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', text(now), 'LIMIT', 0, AT_ONCE)) do
  local of_tokens, cost, made_at = held(key)
  replace(of_tokens, cost, made_at, 0, 0)
  redis.call('ZREM', KEYS[2], key)
  redis.call('HDEL', KEYS[4], key)
  redis.call('ZADD', KEYS[3], text(now + UNDONE), key)
end
for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', text(now), 'LIMIT', 0, AT_ONCE)) do
  redis.call('ZREM', KEYS[3], key)
end

local worst, worst_wait = 0, 0
local function waits(number, wait)
  if worst_wait < 0 or wait == 0 then return end
  if wait < 0 or wait > worst_wait then worst, worst_wait = number, wait end
end

local function wait_for_buckets(need_requests, need_tokens)
  if requests then waits(2, wait_for(need_requests, requests, rpm)) end
  if tokens then waits(3, wait_for(need_tokens, tokens, tpm)) end
end

local function wait_for_money(cost)
  local left = {
    (current[1] + 1) * HOUR - now, (current[2] + 1) * DAY - now, first_day(current[3] + 1) * DAY - now,
  }
  for index = 1, 3 do
    if most[index] >= 0 and spent(index) + cost > most[index] then
      waits(index + 3, cost > most[index] and -1 or left[index])
    end
  end
end

local given_requests, given_tokens, count = 0, 0, 0

if op == 'reserve' then
  local key, asked = ARGV[8], tonumber(ARGV[9])
  local asked_tokens = math.min(tonumber(ARGV[10]), MOST_TOKENS)
  local cost = math.min(tonumber(ARGV[11]), MOST_COST)
  if not redis.call('ZSCORE', KEYS[2], key) then
    if places >= 0 and redis.call('ZCARD', KEYS[2]) >= places then waits(1, TRY_AGAIN) end
    wait_for_buckets(asked * MICRO, asked_tokens * MICRO)
    if cost > 0 then wait_for_money(cost) end
    if worst == 0 then
      if requests then requests = requests - asked * MICRO end
      if tokens then tokens = tokens - asked_tokens * MICRO end
      if cost > 0 then
        for index = 1, 3 do
          if most[index] >= 0 then put(index, spent(index) + cost) end
        end
      end
      if tpm >= 0 or places >= 0 or has_money then
        redis.call('HSET', KEYS[4], key, text(asked_tokens) .. ':' .. text(cost) .. ':' .. text(now))
        redis.call('ZADD', KEYS[2], text(now + HOLD), key)
      end
    end
  end
elseif op == 'settle' then
  for index = 8, #ARGV, 3 do
    local key = ARGV[index]
    local took_tokens = math.min(tonumber(ARGV[index + 1]), MOST_TOKENS)
    local took_cost = math.min(tonumber(ARGV[index + 2]), MOST_COST)
    if redis.call('ZREM', KEYS[2], key) == 1 then
      local of_tokens, cost, made_at = held(key)
      redis.call('HDEL', KEYS[4], key)
      replace(of_tokens, cost, made_at, took_tokens, took_cost)
      count = count + 1
    elseif redis.call('ZREM', KEYS[3], key) == 1 then
      replace(0, 0, now, took_tokens, took_cost)
      count = count + 1
    end
  end
elseif op == 'renew' then
  for index = 8, #ARGV do
    count = count + redis.call('ZADD', KEYS[2], 'XX', 'CH', text(now + HOLD), ARGV[index])
  end
elseif op == 'lease' then
  local holder, want_requests, want_tokens = ARGV[8], tonumber(ARGV[13]), tonumber(ARGV[14])
  local own = leases[holder]
  if own then
    redis.call('HDEL', KEYS[5], holder)
    out_requests, out_tokens = out_requests - own[1], out_tokens - own[2]
  end
  change(tonumber(ARGV[9]), tonumber(ARGV[10]))
  wait_for_buckets(tonumber(ARGV[11]), tonumber(ARGV[12]))
  if worst == 0 then
    if requests then given_requests = math.max(tonumber(ARGV[11]), math.min(want_requests, requests)) end
    if tokens then given_tokens = math.max(tonumber(ARGV[12]), math.min(want_tokens, tokens)) end
    if requests then requests = requests - given_requests end
    if tokens then tokens = tokens - given_tokens end
    redis.call('HSET', KEYS[5], holder, text(now + LEASE) .. ':' .. text(given_requests) .. ':' .. text(given_tokens))
    redis.call('PEXPIRE', KEYS[5], 2000)
  end
end

local state = {'at', text(now)}
if requests then table.insert(state, 'r'); table.insert(state, text(requests))
else redis.call('HDEL', KEYS[1], 'r') end
if tokens then table.insert(state, 't'); table.insert(state, text(tokens))
else redis.call('HDEL', KEYS[1], 't') end
for index = 1, 3 do
  if numbers[index] > 0 then
    local name = MONEY[index]
    table.insert(state, name .. 'n'); table.insert(state, text(numbers[index]))
    table.insert(state, name); table.insert(state, text(amounts[index]))
  end
end
redis.call('HSET', KEYS[1], unpack(state))
-- Until every bucket is full and every debt forgiven; money until its month is over.
local keep = has_money and '2764800000' or '7200000'
for index = 1, 4 do redis.call('PEXPIRE', KEYS[index], keep) end

-- One text: a list of numbers costs the reader ten times as much.
return string.format(
  '%d %d %d %d %d %d %d %d %d %d %d %d %d',
  worst, worst_wait,
  requests and whole(math.max(0, requests), MICRO) or 0,
  tokens and whole(math.max(0, tokens), MICRO) or 0,
  requests and fills_in(capacity(rpm) - requests, rpm) or 0,
  tokens and fills_in(capacity(tpm) - tokens, tpm) or 0,
  given_requests, given_tokens, count, redis.call('ZCARD', KEYS[2]), spent(1), spent(2), spent(3)
)
