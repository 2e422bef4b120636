-- The rules of @NAME@, tried in the simulator:
-- the real engine with a virtual clock and a simulated network.
local sim = require "umpire.sim"

-- Plays until the number is found. A guess that is refused because it came too soon is made again.
local function find(world, client)
  local low, high = 1, 100
  while true do
    local guess = (low + high) // 2
    local verdict = client:event("guess", guess)
    assert.is_true(verdict.legal, verdict.reason)
    world:advance(0.5)
    if client:last "found" then return guess end
    if client:last "higher" == guess then low = guess + 1 else high = guess - 1 end
  end
end

describe("@NAME@", function()
  local world, ann, bob
  before_each(function()
    world = sim.run "@NAME@.lua"
    ann, bob = world:connect "neteria", world:connect "neteria"
  end)
  after_each(function() world:close() end)

  it("tells who comes what is known", function()
    world:settle()
    assert.equal(100, ann:last "welcome".high)
  end)

  it("gives a point to who finds the number, and everybody hears of it", function()
    local number = find(world, ann)
    assert.equal(number, bob:last "found".number)
    assert.equal(1, bob:last "found".score)
    assert.is_true(bob:event("look").legal)
    world:settle()
    assert.equal(100, bob:last "known".high) -- there is a new one
  end)

  it("refuses what has been ruled out", function()
    ann:event("guess", 50)
    world:settle()
    local told = bob:last "higher" or bob:last "lower" or bob:last "found".number
    assert.equal(50, told)
    if not bob:last "found" then
      local verdict = bob:event("guess", 50)
      assert.is_false(verdict.legal)
      assert.matches("it is from", verdict.reason)
    end
  end)

  it("refuses what is no guess", function()
    for _, data in ipairs { 0, 101, 1.5, "7", true } do assert.is_false(ann:event("guess", data).legal) end
  end)

  it("refuses who guesses too often", function()
    local legal = 0
    for _ = 1, 20 do legal = legal + (ann:event("look").legal and 1 or 0) end
    assert.is_true(legal < 10)
  end)

  it("loses nothing in a reload, on a bad network", function()
    world:network { loss = 0.1, duplicate = 0.1, lag = 0.05, jitter = 0.03 }
    ann:event("guess", 50)
    local ok, report = world:reload()
    assert.is_true(ok, report)
    bob:event "look"
    world:settle()
    local range = bob:last "known"
    assert.is_true(ann:last "found" ~= nil or range.low == 51 or range.high == 49)
  end)

  it("stands a reload after every event", function()
    -- fails when a run without reloads would go otherwise
    local twice = sim.run("@NAME@.lua", { reload = "every" })
    local cid = twice:connect "neteria"
    for guess = 10, 90, 10 do
      cid:event("guess", guess)
      twice:advance(0.6)
    end
    twice:close()
  end)
end)
