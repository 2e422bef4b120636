-- Loss, doubling and reordering never change what the rules see.
local sim = require "umpire.sim"

local BOOK = [[
local host = require "umpire"
local book = { api = 1 }
function book.legal(_, event)
  host.log.info("judge " .. event.data)
  return event.data % 10 ~= 0, "tens are illegal"
end
function book.execute(_, event) host.log.info("execute " .. event.data) end
return book
]]

local STORM = { loss = 0.3, duplicate = 0.1, reorder = 0.2, lag = 0.08, jitter = 0.04 }

-- Sends `total` events from four clients, 200 a second, and waits for all verdicts.
local function run(total, attempts)
  local world = sim.run_text(BOOK, { listen = "neteria://x:1" })
  local players, handles = {}, {}
  for i = 1, 4 do players[i] = world:connect("neteria", { attempts = attempts }) end
  world:network(STORM)
  for n = 1, total do
    handles[n] = players[n % 4 + 1]:send("n", n)
    if n % 20 == 0 then world:advance(0.1) end
  end
  assert.is_true(world:settle(300))
  local judged, executed = {}, {}
  for _, line in ipairs(world.log) do
    local what, n = line:match "(%a+) (%d+)$"
    n = tonumber(n)
    if what == "judge" then judged[n] = (judged[n] or 0) + 1 end
    if what == "execute" then executed[n] = (executed[n] or 0) + 1 end
  end
  return world, handles, judged, executed
end

describe("10 000 events through a network that loses 30 %, doubles 10 % and reorders 20 %", function()
  it("are each executed exactly once, with one verdict, if the client keeps asking", function()
    local world, handles, judged, executed = run(10000, 60)
    for n, handle in ipairs(handles) do
      local legal = n % 10 ~= 0
      assert.equal(legal, handle.legal)
      assert.equal(legal and 1 or nil, executed[n])
      assert.equal(1, judged[n])
    end
    local counters = world:counters()
    assert.is_true(counters["network.lost"] > 10000)
    assert.is_true(counters["network.doubled"] > 2000)
    assert.is_true(counters["network.reordered"] > 4000)
    world:close()
    assert.equal(0, sim.open_objects())
  end)

  it("are never executed twice when the client gives up after 5 attempts, as the real one does", function()
    local world, handles, judged, executed = run(10000)
    local lost = 0
    for n, handle in ipairs(handles) do
      assert.is_true((judged[n] or 0) <= 1)
      if handle.lost then lost = lost + 1
      else
        assert.equal(n % 10 ~= 0, handle.legal)
        assert.equal(1, judged[n])
      end
      if n % 10 == 0 then assert.is_nil(executed[n]) else assert.equal(judged[n], executed[n]) end
    end
    assert.is_true(lost > 0 and lost < 500, lost .. " events got no answer")
    world:close()
  end)
end)

describe("a notify", function()
  it("arrives exactly once through the same network, or not at all after five attempts", function()
    local world = sim.run_text [[
      local host = require "umpire"
      local book = { api = 1, tick_rate = 10 }
      local n = 0
      function book.tick()
        n = n + 1
        if n <= 1000 then host.broadcast("n", n) end
      end
      return book]]
    local players = {}
    for i = 1, 3 do players[i] = world:connect() end
    world:advance(1) -- in fair weather, so that every address has proved itself before the storm
    assert.equal(3, world:counters()["neteria.proven"])
    world:network(STORM)
    world:advance(130)
    for _, player in ipairs(players) do
      local seen, count = {}, 0
      for _, n in ipairs(player:received "n") do
        assert.is_nil(seen[n])
        seen[n], count = true, count + 1
      end
      assert.is_true(count > 900, count .. " of 1000 arrived")
    end
    world:close()
  end)
end)
