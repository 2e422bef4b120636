local sim = require "umpire.sim"

local STORY = [[
local host = require "umpire"
local book = { api = 1, tick_rate = 5 }
local players = {} -- by name, so that the order of pairs matters
function book.connect(client) players["p" .. host.random(1000000)] = client end
function book.disconnect(client) for name, c in pairs(players) do if c == client then players[name] = nil end end end
function book.load() for client in host.clients() do players[client.id] = client end end
function book.execute(client, event)
  client.data.n = (client.data.n or 0) + host.random(6)
  host.broadcast("rolled", { client.data.n, event.data })
end
local ticks = 0
function book.tick()
  ticks = ticks + 1
  if ticks % 10 == 0 then
    host.broadcast("tick", ticks)
    for name, client in pairs(players) do host.notify(client, name, { ticks = ticks, name = name }) end
  end
end
return book
]]

local function story(seed)
  local world = sim.run_text(STORY, { seed = seed })
  world:network { loss = 0.2, duplicate = 0.1, reorder = 0.1, lag = 0.05, jitter = 0.03, rate = 64 * 1024 }
  local players = {}
  for i = 1, 5 do players[i] = world:connect() end
  for round = 1, 40 do
    for _, player in ipairs(players) do
      if player.registered then player:send("roll", round) end
    end
    world:advance(0.25)
    if round % 10 == 0 then assert(world:reload()) end
  end
  world:settle()
  local hash, counters = world:hash(), world:counters()
  local rolled = players[1]:received "rolled"
  world:close()
  return hash, counters, rolled
end

-- Lua's own pairs meets the same keys in another order in every VM. A VM that must run the same way sorts them.
local ORDER = [[
local host = require "umpire"
local book = { api = 1 }
function book.legal(client, event)
  local t = { 10, 20, 30, [2.5] = "f", [-1] = "n", [true] = "b", [client] = "c" }
  for i = 1, 20 do t["k" .. i] = i end
  t.k3, t[2] = nil, nil
  local seen = {}
  for k, v in pairs(t) do
    seen[#seen + 1] = tostring(k == client and "client" or k)
    t[k] = type(v) == "number" and v + 1 or v -- changing is allowed
    t.k9 = nil                                -- so is clearing
  end
  local proxy = setmetatable({}, { __pairs = function() return function(_, k) return not k and 1 or nil end, nil, nil end })
  for k in pairs(proxy) do seen[#seen + 1] = "proxy" .. k end
  seen[#seen + 1] = tostring(t.k1)
  local ok, err = pcall(function() for _ in pairs(5) do break end end)
  return false, table.concat(seen, " ") .. (ok and "" or " " .. err:match "bad.*")
end
return book
]]

describe("pairs in a simulated rulebook", function()
  it("goes in the order of the keys", function()
    local world = sim.run_text(ORDER)
    assert.equal("-1 1 2.5 3 k1 k10 k11 k12 k13 k14 k15 k16 k17 k18 k19 k2 k20 k4 k5 k6 k7 k8 true client proxy1 2 "
      .. "bad argument #1 to 'for iterator' (table expected, got number)", world:connect():event("x").reason)
    world:close()
  end)
end)

describe("the same seed", function()
  it("gives the same run", function()
    local hash, counters, rolled = story(7)
    for _ = 1, 3 do
      local again, same_counters, same_rolls = story(7)
      assert.equal(hash, again)
      assert.same(counters, same_counters)
      assert.same(rolled, same_rolls)
    end
    assert.equal(0, sim.open_objects())
  end)

  it("and another seed another one", function()
    if os.getenv "UMPIRE_SEED" then return end -- it stands over both seeds
    assert.not_equal((story(7)), (story(8)))
  end)
end)

describe("a failing run", function()
  -- A busted of its own, on a spec that fails when the dice say so.
  local function busted(seed)
    local name = os.tmpname()
    local spec = name .. "_spec.lua"
    local file = assert(io.open(spec, "w"))
    file:write [[
      local sim = require "umpire.sim"
      it("rolls a six", function()
        local world <close> = sim.run("rules/echo.lua")
        assert.equal("never", world.seed)
      end)
    ]]
    file:close()
    local program = io.popen("command -v busted"):read "l"
    local pipe = io.popen(("UMPIRE_SEED=%s lua5.4 %s --output=plainTerminal %s 2>&1"):format(seed, program, spec))
    local text = pipe:read "a"
    pipe:close()
    os.remove(spec)
    os.remove(name)
    return text
  end

  it("prints the seed that repeats it", function()
    local text = busted ""
    local seed = text:match '"rolls a six" failed with seed (%d+)'
    assert.truthy(seed, text)
    assert.matches("UMPIRE_SEED=" .. seed, text, 1, true)
    assert.matches('failed with seed ' .. seed, busted(seed), 1, true)
  end)

  it("refuses a seed that is no number", function()
    assert.matches("UMPIRE_SEED must be an integer", busted "seven")
  end)
end)
