--- Legality middleware: not too fast. A bucket of tokens for each client: an event takes one, time puts them back.
--
--   local throttle = require "umpire.middleware.throttle"
--   rules.legal = {
--     throttle { rate = 10, burst = 20 },                        -- 10 events a second, 20 at once after a pause
--     throttle { rate = 1, burst = 3, only = { "say" }, reason = "you talk too much" },
--     ...
--   }
--
-- About "legal must change nothing": the buckets are this file's own book, apart from the game; no rule can see them. The
-- host judges an event once however often the network repeats it, so a repeat takes no token; an event that this or a later
-- judge refuses has taken one, since asking costs the server the same. A reload begins with full buckets.
-- Put it first in the list, so that a flood is cheap to refuse.
local host = require "umpire"

local function set_of(list, what)
  if list == nil then return nil end
  if type(list) ~= "table" then error(("throttle: %s must be a list of event names"):format(what), 3) end
  local set = {}
  for _, name in ipairs(list) do set[name] = true end
  return set
end

local known = { rate = true, burst = true, only = true, except = true, reason = true }

--- rate: events a second (over 0); burst: how many at once (default: rate, at least 1); only, except: lists of event names;
-- reason: what the client is told.
return function(options)
  for name in pairs(options) do
    if not known[name] then
      error(("throttle: unknown option '%s'; known: burst, except, only, rate, reason"):format(tostring(name)), 2)
    end
  end
  local rate = options.rate
  if type(rate) ~= "number" or rate ~= rate or rate <= 0 then
    error("throttle: rate must be a number of events a second over 0", 2)
  end
  local burst = options.burst or math.max(1, rate)
  if type(burst) ~= "number" or burst ~= burst or burst < 1 then
    error("throttle: burst must be a number of at least 1", 2)
  end
  local only, except = set_of(options.only, "only"), set_of(options.except, "except")
  local reason = options.reason or ("too fast: at most %g events a second"):format(rate)
  local buckets = setmetatable({}, { __mode = "k" }) -- client -> { tokens, time }; goes with the client

  return function(client, event)
    local name = event.name
    if (only and not only[name]) or (except and except[name]) then return true end
    local now = host.now()
    local bucket = buckets[client]
    if not bucket then
      bucket = { tokens = burst, time = now }
      buckets[client] = bucket
    end
    bucket.tokens = math.min(burst, bucket.tokens + (now - bucket.time) * rate)
    bucket.time = now
    if bucket.tokens < 1 then return false, reason end
    bucket.tokens = bucket.tokens - 1
    return true
  end
end
