-- How fast the simulator is, by CPU time, so that neighbours on a busy machine count little. The bounds leave room for slow
-- machines and for sanitizers; UMPIRE_SHOW_SPEED=1 prints what it was.
local sim = require "umpire.sim"

local function fast(what, bound, fn)
  local start = os.clock()
  fn()
  local took = os.clock() - start
  if os.getenv "UMPIRE_SHOW_SPEED" then print(("%-50s %.3f s"):format(what, took)) end
  assert.is_true(took < bound, ("%s took %.1f s"):format(what, took))
end

describe("the simulator", function()
  it("passes an hour in seconds: two clients in the arena, 30 % loss", function()
    local world = sim.run("rules/arena.lua", { reload = false })
    local ann, bob = world:connect("neteria", { priority = "high" }), world:connect("neteria", { priority = "high" })
    world:advance(1)
    world:network { loss = 0.3, lag = 0.05, jitter = 0.02 }
    fast("an hour of two players, an event a second each", 20, function()
      for second = 1, 3600 do
        local way = second % 2 == 0 and 1 or -1
        ann:send("move", { way, 0 })
        bob:send("move", { 0, way })
        world:advance(1)
      end
    end)
    assert.is_true(#ann.verdicts + #bob.verdicts > 7000)
    world:close()
  end)

  it("jumps from deadline to deadline when nobody does anything", function()
    local world = sim.run("rules/arena.lua", { reload = false })
    world:connect_many("neteria", 2)
    fast("an hour in which nobody does anything", 1, function() world:advance(3600) end)
    world:close()
  end)

  it("connects a thousand players at once", function()
    local world = sim.run("rules/echo.lua", { listen = "neteria://x:1", reload = false })
    fast("a thousand players join", 5, function() world:connect_many("neteria", 1000) end)
    assert.equal(1000, #world:clients())
    world:close()
  end)

  it("reloads after each of a thousand events", function()
    local world = sim.run("rules/arena.lua", { reload = "every" })
    local ann = world:connect()
    fast("a thousand events, each followed by a reload", 20, function()
      for _ = 1, 1000 do ann:event("move", { 1, 0 }) end
    end)
    world:close()
  end)

  it("invents thousands of events", function()
    fast("5000 steps of sim.fuzz", 20, function() sim.fuzz("rules/gate.lua", { steps = 5000, clients = 10 }) end)
  end)
end)
