local sim = require "umpire.sim"

describe("the gate", function()
  local world, ann, bob
  before_each(function()
    world = sim.run "rules/gate.lua"
    ann, bob = world:connect(), world:connect()
  end)
  after_each(function()
    world:close()
    assert.equal(0, sim.open_objects())
  end)

  local function reason(verdict)
    assert.is_false(verdict.legal)
    return verdict.reason
  end

  it("lets anybody look", function()
    assert.is_true(ann:event("look").legal)
    world:settle()
    assert.same({ open = false, here = { "somebody", "somebody" } }, ann:last "seen")
  end)

  it("lets only those speak who have logged in", function()
    assert.equal("log in first", reason(ann:event("say", { text = "hello" })))
    assert.equal("wrong name or password", reason(ann:login("ann", "wrong")))
    assert.equal("wrong name or password", reason(ann:login("carl", "swordfish")))
    assert.is_true(ann:login("ann", "swordfish").legal)
    assert.is_true(ann:event("say", { text = "hello" }).legal)
    world:settle()
    assert.same({ "ann", "hello" }, bob:last "said")
  end)

  it("stays logged in across a reload", function()
    ann:login("ann", "swordfish")
    assert.is_true(world:reload())
    assert.is_true(ann:event("say", { text = "still here" }).legal)
  end)

  it("refuses what does not look as it should, with a reason", function()
    ann:login("ann", "swordfish")
    assert.equal('unknown event "dance"; known: close, look, open, say', reason(ann:event "dance"))
    assert.equal("unknown event nothing; known: close, look, open, say", reason(ann:event { 1, 2 }))
    assert.equal('data: expected nothing, got "around"', reason(ann:event("look", "around")))
    assert.equal('data: expected a table with the fields text, got "hi"', reason(ann:event("say", "hi")))
    assert.equal('data.text: expected a string of 1 to 200 characters, got ""', reason(ann:event("say", { text = "" })))
    assert.matches("^data.text: expected a string of 1 to 200", reason(ann:event("say", { text = ("é"):rep(201) })))
    assert.matches('^data: unknown field "loud"', reason(ann:event("say", { text = "hi", loud = true })))
    assert.equal("data.code: expected an integer from 0 to 9999, got 10000", reason(ann:event("open", { code = 10000 })))
    assert.is_true(ann:event("say", { text = ("é"):rep(200) }).legal)
  end)

  it("opens for the right code", function()
    ann:login("ann", "swordfish")
    assert.equal("wrong code", reason(ann:event("open", { code = 1 })))
    assert.equal("one try in five seconds", reason(ann:event("open", { code = 1234 })))
    world:advance(5)
    assert.is_true(ann:event("open", { code = 1234 }).legal)
    assert.is_true(world:reload())
    bob:event "look"
    world:settle()
    assert.is_true(bob:last "seen".open)
    assert.same({ open = true, by = "ann" }, bob:last "gate")
  end)

  it("throttles talk, and counts a repeat of the network's only once", function()
    ann:login("ann", "swordfish")
    world:advance(5)
    for _ = 1, 3 do assert.is_true(ann:event("say", { text = "a" }).legal) end
    assert.equal("you talk too much", reason(ann:event("say", { text = "b" })))
    world:advance(10)
    world:network { duplicate = 1 } -- everything arrives twice
    for _ = 1, 3 do assert.is_true(ann:event("say", { text = "c" }).legal) end
    world:settle()
    assert.equal(6, #bob:received "said")
  end)

  it("throttles everything, for each client alone", function()
    local handles = {}
    for i = 1, 60 do handles[i] = ann:send "look" end
    world:settle()
    local legal = 0
    for _, handle in ipairs(handles) do
      if handle.legal then legal = legal + 1 else assert.matches("^too fast", handle.reason) end
    end
    assert.equal(40, legal)
    assert.is_true(bob:event("look").legal)
  end)
end)
