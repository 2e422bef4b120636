-- What a test expects of players, and what it is told when that does not come.
local sim = require "umpire.sim"
local match = require "umpire.sim.match"

local BOOK = [[
local host = require "umpire"
local book = { api = 1, listen = { "neteria://x:1", "laneya://x:2", "pymmorpg://x:3", "joint://x:4", "pygase://x:5" },
  channels = { lobby = { mode = "chunk" } } }
function book.legal(_, event)
  if event.name == "broken" then error "oops" end
  return event.name ~= "far", "too far: 1 in one move"
end
function book.execute(client, event)
  if event.name == "later" then
    host.after(2, function() host.notify(client, "came", { after = 2, deep = { x = 1, y = 2 } }) end)
  end
  if event.name == "now" then host.notify(client, "came", event.data) end
  if event.name == "twice" then host.notify(client, "came", 1) host.notify(client, "came", 2) end
  if event.name == "chunk" then host.notify(client, "chunk", "back " .. event.data) end
  if client.protocol == "pymmorpg" then host.notify(client, "flag") return event.name ~= "no" end
end
function book.login() return true end
return book
]]

describe("a player", function()
  local world, ann
  before_each(function()
    world = sim.run_text(BOOK, { seed = 5 })
    ann = world:connect("neteria", { name = "ann" })
  end)
  after_each(function()
    world:close()
    assert.equal(0, sim.open_objects())
  end)

  -- The message of what fails; it has to fail as an assertion does, not as an error.
  local function failure(fn, ...)
    local arguments = table.pack(...)
    local ok, err = pcall(function()
      fn(table.unpack(arguments, 1, arguments.n))
      return nil
    end)
    assert.is_false(ok)
    assert.equal("failure", getmetatable(err).__type)
    return tostring(err)
  end

  describe("expects a notify", function()
    it("that has come", function()
      ann:event("now", { 1, 2 })
      assert.same({ 1, 2 }, (ann:expects("came", { 1, 2 })))
    end)

    it("that comes while time passes, and no longer than it takes", function()
      ann:event "later"
      local data, notify = ann:expects("came", { deep = { y = 2 } })
      assert.equal(2, data.after)
      assert.equal(world:now(), notify.time)
      assert.is_true(world:now() < 2.1)
    end)

    it("once each", function()
      ann:event "twice"
      assert.equal(1, (ann:expects "came"))
      assert.equal(2, (ann:expects "came"))
      assert.matches("it did not come", failure(ann.expects, ann, "came"))
    end)

    it("and says what came instead, when, to whom, and in which run", function()
      ann:event("now", { 1, 2 })
      local text = failure(ann.expects, ann, "came", { 1, 3 }, { within = 0.5 })
      assert.matches('ann expects "came" with { 1, 3 }, and it did not come', text, 1, true)
      assert.matches("virtual time, seed " .. world.seed, text, 1, true)
      assert.matches('"came" { 1, 2 }  <- data[2]: expected 3, got 2', text, 1, true)
      assert.matches("sim_expect_spec.lua", text, 1, true) -- the test's own line
    end)

    it("and says why nothing can come", function()
      ann:event "broken"
      local text = failure(ann.expects, ann, "came")
      assert.matches("nothing has arrived at ann at all", text, 1, true)
      assert.matches("the last error in the log.*oops", text)
      ann:disconnect()
      local at = world:now()
      assert.matches("it is unplugged", failure(ann.expects, ann, "came"))
      assert.equal(at, world:now()) -- it does not wait for what cannot come
    end)

    it("and knows its options", function()
      assert.error_matches(function() ann:expects("came", nil, { withn = 1 }) end, "unknown option 'withn'")
    end)
  end)

  describe("expects nothing", function()
    it("for a second", function()
      local from = world:now()
      ann:expects_nothing "came"
      assert.equal(from + 1, world:now())
      ann:expects_nothing(nil, nil, { within = 2 })
      assert.equal(from + 3, world:now())
    end)

    it("but what it expected before", function()
      ann:event("now", 7)
      ann:expects("came", 7)
      ann:expects_nothing "came"
    end)

    it("and says what came", function()
      ann:event "later"
      local text = failure(ann.expects_nothing, ann, "came", nil, { within = 3 })
      assert.matches('ann expects no "came", and one came', text, 1, true)
      assert.matches("<- this one", text, 1, true)
      assert.matches("ann:forget()", failure(ann.expects_nothing, ann), 1, true)
      ann:forget()
      ann:expects_nothing()
    end)
  end)

  describe("expects a verdict", function()
    it("and gets it", function()
      assert.is_true(ann:expects_legal("now", 1).legal)
      assert.equal("too far: 1 in one move", ann:expects_illegal("far", 2).reason)
      ann:expects_illegal("far", 2, "too far")
    end)

    it("and says which one came instead", function()
      assert.matches("ann expects far { 2, 0 } to be legal: illegal: too far: 1 in one move",
        failure(ann.expects_legal, ann, "far", { 2, 0 }), 1, true)
      assert.matches("ann expects now 1 to be illegal: legal", failure(ann.expects_illegal, ann, "now", 1), 1, true)
      local text = failure(ann.expects_illegal, ann, "far", 1, "too slow")
      assert.matches('because of "too slow": illegal: too far', text, 1, true)
      world:network { loss = 1 }
      assert.matches("no answer came", failure(ann.expects_legal, ann, "now"))
    end)
  end)

  it("of another protocol expects the same", function()
    local eve = world:connect("laneya", { name = "eve" })
    eve:expects_legal("now", { n = 4 })
    eve:expects("came", { n = 4 })
    eve:expects_illegal("far", {}, "too far")
    local ada = world:connect("pymmorpg", { user = "ada" })
    ada:expects_legal("move", ada.tuple { 1, 0, 0 })
    ada:expects_illegal("no", 1, 2)
    ada:expects "flag"
    local cat = world:connect("joint", { channel = "lobby" })
    cat:send "hello"
    cat:expects("chunk", "back hello")
    assert.error_matches(function() cat:expects_legal "x" end, "has no verdicts")
    local dan = world:connect("pygase", { name = "dan" })
    dan:event("now", { 1, x = 2 })
    dan:expects("came", { [1] = 1, x = 2 })
    dan:expects_nothing "came"
    eve:vanish()
    assert.matches("its connection is over: vanished", failure(eve.expects, eve, "came"))
  end)
end)

describe("data", function()
  local check = match.check
  it("matches what is named, deep, and may have more", function()
    assert.is_nil(check({ a = { b = 1 } }, { a = { b = 1, c = 2 }, d = 3 }))
    assert.equal("data.a.b: expected 1, got 2", check({ a = { b = 1 } }, { a = { b = 2 } }))
    assert.equal("data.a: expected { b = 1 }, got nothing", check({ a = { b = 1 } }, {}))
    assert.equal("data[\"two words\"]: expected 1, got nothing", check({ ["two words"] = 1 }, {}))
  end)

  it("matches a list of that length", function()
    assert.is_nil(check({ 1, { 2 } }, { 1, { 2 } }))
    assert.matches("a list of 2 values", check({ 1, 2 }, { 1, 2, 3 }))
    assert.equal("data[2][1]: expected 2, got 3", check({ 1, { 2 } }, { 1, { 3 } }))
    assert.matches("expected {}", check({}, { 1 }))
  end)

  it("matches what a function or a pattern says", function()
    assert.is_nil(check({ x = sim.near(1.5, 0.1), name = sim.like "^a", n = sim.a "integer", y = sim.any, z = sim.nothing },
      { x = 1.45, name = "ann", n = 3, y = false }))
    assert.equal("data.x: expected 1.5 +- 0.1, got 2", check({ x = sim.near(1.5, 0.1) }, { x = 2 }))
    assert.equal('data: expected a string like "^a", got "bob"', check(sim.like "^a", "bob"))
    assert.equal("data: expected a integer, got 1.5", check(sim.a "integer", 1.5))
    assert.equal("data.z: expected nothing, got 1", check({ z = sim.nothing }, { z = 1 }))
    assert.is_nil(check(sim.exactly { a = 1 }, { a = 1 }))
    assert.equal("data: expected exactly { a = 1 }, got { a = 1, b = 2 }", check(sim.exactly { a = 1 }, { a = 1, b = 2 }))
    assert.is_nil(check(function(v) return v > 3 end, 4))
    assert.equal("data[1]: too small", check({ function(v) return v > 3, "too small" end }, { 3 }))
  end)

  it("is shown on one line, and not for ever", function()
    assert.equal('{ 1, "two", [7] = false, b = { c = 0.5 }, ["d e"] = true }',
      match.show { 1, "two", b = { c = 0.5 }, ["d e"] = true, [7] = false })
    assert.equal('"a\\nb\\xff"', match.show "a\nb\xff")
    assert.equal('"Grüße"', match.show "Grüße")
    assert.is_true(#match.show(("x"):rep(10000)) < 200)
    local t = {}
    for i = 1, 1000 do t[i] = i end
    assert.is_true(#match.show(t) < 200)
    t = {}
    t.t = t
    assert.is_true(#match.show(t) < 200)
  end)
end)
