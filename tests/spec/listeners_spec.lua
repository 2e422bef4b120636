-- Clients that register and then only listen, in bad weather. An address that has not proven itself is sent at most three bytes
-- for each that came from it, so a REGISTER of the real client buys OK REGISTER and four probes. With a share p of datagrams
-- lost each way, a try fails with 1 - (1 - p)^2, and who fails four times is gone after a minute. Some have more tries, since
-- an OK REGISTER that got lost makes the client ask again, and pay again; so these are the worst cases:
--   p = 0.1: 0.13 %    p = 0.3: 6.8 %
local sim = require "umpire.sim"

local BOOK = [[
local host = require "umpire"
local book = { api = 1, tick_rate = 0.5 }
function book.tick() host.broadcast("positions", { 1, 2, 3, 4, 5, 6, 7, 8 }) end
return book
]]

local CLIENTS = 300

-- 1 - (1 - p)^2, to the power of tries: the share that is lost.
local function arithmetic(loss, tries) return (1 - (1 - loss) ^ 2) ^ tries end

-- At most so many of n, with less than one chance in a thousand that it is more although each is lost with that probability.
local function at_most(n, probability)
  local mean = n * probability
  return math.ceil(mean + 3.1 * math.sqrt(mean * (1 - probability)))
end

local function address(i) return ("10.0.%d.%d:50000"):format(i // 250, i % 250 + 1) end

-- Clients that join one after another and say nothing else. Returns how many registered, and how many the server still has.
local function listen(loss, minutes)
  local world = sim.run_text(BOOK, { seed = 11, listen = "neteria://x:1?limit=1000&per_address=1000" })
  world:network { loss = loss, lag = 0.03, jitter = 0.02 }
  local players, registered = {}, 0
  for i = 1, CLIENTS do
    players[i] = world:connect("neteria", { wait = false, address = address(i) })
    world:advance(0.02)
  end
  world:advance(12) -- they ask five times in 8 s, and give up 2 s later
  for _, player in ipairs(players) do registered = registered + (player.registered and 1 or 0) end
  world:advance(60 * minutes)
  local there = {}
  for _, client in ipairs(world:clients()) do there[client.address] = true end
  local lost, deaf = 0, 0
  for i, player in ipairs(players) do
    if player.registered and not there[address(i)] then lost = lost + 1 end
    player:forget()
  end
  world:advance(20)
  for i, player in ipairs(players) do
    if there[address(i)] and #player:received "positions" == 0 then deaf = deaf + 1 end
  end
  world:close()
  return registered, lost, deaf
end

describe("300 clients that only listen", function()
  for _, loss in ipairs { 0, 0.1, 0.3 } do
    it(("stay when %d %% of all datagrams get lost, as far as three bytes for one allow"):format(100 * loss), function()
      local registered, lost, deaf = listen(loss, 3)
      local bound = loss == 0 and 0 or at_most(registered, arithmetic(loss, 4))
      print(("# %d %% loss: %d registered, %d of them lost (four tries: %.1f expected)"):format(100 * loss, registered, lost,
        registered * arithmetic(loss, 4)))
      assert.is_true(registered > 0.9 * CLIENTS)
      assert.is_true(lost <= bound, lost .. " of " .. registered .. " lost")
      assert.is_true(deaf <= 0.01 * registered, deaf .. " of those who are there hear nothing")
    end)
  end
end)
