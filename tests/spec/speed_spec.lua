local sim = require "umpire.sim"

describe("the simulator", function()
  it("passes an hour in seconds: two clients in the arena, 30 % loss", function()
    local world = sim.run "rules/arena.lua"
    local ann, bob = world:connect("neteria", { priority = "high" }), world:connect("neteria", { priority = "high" })
    world:advance(1)
    world:network { loss = 0.3, lag = 0.05, jitter = 0.02 }
    local start = os.clock()
    for second = 1, 3600 do
      local way = second % 2 == 0 and 1 or -1
      ann:send("move", { way, 0 })
      bob:send("move", { 0, way })
      world:advance(1)
    end
    local took = os.clock() - start
    assert.is_true(#ann.verdicts + #bob.verdicts > 7000)
    world:close()
    -- About a second on a machine of 2020; the bound leaves room for slow ones and for sanitizers.
    assert.is_true(took < 20, ("an hour took %.1f s"):format(took))
    if os.getenv "UMPIRE_SHOW_SPEED" then print(("an hour of virtual time: %.2f s"):format(took)) end
  end)
end)
