-- Links of single players: cut and healed, of other weather, gone without a word, and back again.
local sim = require "umpire.sim"

local BOOK = [[
local host = require "umpire"
local book = { api = 1, listen = { "neteria://x:1", "laneya://x:2", "pymmorpg://x:3", "joint://x:4",
  "pygase://x:5" },
  channels = { lobby = { mode = "chunk" } } }
function book.connect(client) client.data.since = host.now() end
function book.execute(client, event)
  host.broadcast("told", event.data)
  client.data.n = (client.data.n or 0) + 1
  return { client.data.n }
end
function book.disconnect(_, reason) host.log.info("left", reason) end
function book.login() return true end
return book
]]

describe("a link", function()
  local world
  before_each(function() world = sim.run_text(BOOK) end)
  after_each(function()
    world:close()
    assert.equal(0, sim.open_objects())
  end)

  it("is cut, and healed", function()
    local ann, bob = world:connect(), world:connect()
    world:cut(ann)
    local handle = ann:send("hello", 1)
    assert.is_true(bob:event("hello", 2).legal)
    ann:expects_nothing "told"
    assert.is_false(handle.done)
    world:heal(ann)
    assert.is_true(ann:await(handle).legal)
    ann:expects("told", 1)
    ann:expects("told", 2) -- the server had repeated it
  end)

  it("is cut one way", function()
    local ann = world:connect()
    world:cut(ann, "down")
    local handle = ann:send("hello", 1)
    world:advance(1)
    assert.equal(1, world:counters()["engine.events"]) -- it came through, its verdict did not
    assert.is_false(handle.done)
    world:heal(ann, "down")
    assert.is_true(ann:await(handle).legal)
    world:cut(ann, "up")
    handle = ann:send("hello", 2)
    world:advance(1)
    assert.equal(1, world:counters()["engine.events"])
    world:heal(ann)
    assert.is_true(ann:await(handle).legal)
  end)

  it("is cut while something is under way on it", function()
    world:network { lag = 0.1 }
    local ann = world:connect()
    ann:send("hello", 1)
    world:advance(0.05)
    world:cut(ann)
    world:advance(0.2)
    assert.equal(0, world:counters()["engine.events"])
  end)

  it("that was cut when something was sent has lost it, even if it is healed meanwhile", function()
    world:network { lag = 0.2 }
    local ann = world:connect("neteria", { attempts = 1 })
    world:cut(ann)
    ann:send("hello", 1)
    world:heal(ann)
    world:advance(1)
    assert.equal(0, world:counters()["engine.events"])
  end)

  it("of a stream holds what was under way when it was cut", function()
    world:network { lag = 0.2 }
    local eve = world:connect("laneya", { timeout = 60 })
    eve:send("say", { a = 1 })
    world:advance(0.1)
    world:cut(eve)
    world:advance(5)
    assert.equal(0, world:counters()["engine.events"])
    world:heal(eve)
    world:settle()
    assert.equal(1, world:counters()["engine.events"])
  end)

  it("of a stream keeps what it carries until it is healed, one way or both", function()
    local eve = world:connect("laneya", { timeout = 60 })
    local function ask(way)
      world:cut(eve, way)
      local handle = eve:send("say", { a = 1 })
      local before = world:counters()["engine.events"]
      world:advance(3)
      assert.equal(way == "down" and before + 1 or before, world:counters()["engine.events"])
      assert.is_false(handle.done)
      world:heal(eve)
      assert.is_true(eve:await(handle).legal)
      assert.is_near(3.2, handle.took, 0.21) -- resent 0.2 s after
    end
    ask "up"
    ask "down"
    ask()
    world:cut(eve, "down")
    world:heal(eve, "up") -- another way than was cut
    local handle = eve:send("say", { a = 1 })
    world:advance(3)
    assert.is_false(handle.done)
  end)

  it("that is cut before a stream is dialled carries nothing either", function()
    local eve = world:connect("laneya", { wait = false })
    world:cut(eve)
    world:advance(10)
    assert.is_false(eve.open)
    world:heal(eve)
    world:settle()
    assert.is_true(eve.open)
    world:cut(eve)
    eve:reconnect { wait = false }
    world:advance(10)
    assert.is_false(eve.open)
    world:heal(eve)
    world:settle()
    assert.is_true(eve.open)
  end)

  it("has weather of its own, over the world's", function()
    local ann, bob = world:connect(), world:connect()
    ann:network { lag = 0.5, down = { lag = 1 } }
    assert.is_near(1.501, ann:event("x").took, 1e-6)
    assert.is_near(0.001, bob:event("x").took, 1e-6)
    world:network { lag = 0.1 }
    assert.is_near(1.501, ann:event("x").took, 1e-6)
    assert.is_near(0.201, bob:event("x").took, 1e-6)
    world:settle() -- what is under way keeps its order
    ann:network { up = { lag = 0.3 } } -- the rest is as in the world
    assert.is_near(0.401, ann:event("x").took, 1e-6)
    world:network { lag = 0.2 }
    assert.is_near(0.501, ann:event("x").took, 1e-6)
    world:settle()
    ann:network()
    assert.is_near(0.401, ann:event("x").took, 1e-6)
    assert.error_matches(function() ann:network { los = 1 } end, "unknown knob 'los'")
  end)

  it("that loses for one loses for nobody else, and changes nobody else's chance", function()
    local function run(own)
      local w = sim.run_text(BOOK, { seed = 3 })
      w:network { loss = 0.2, lag = 0.05, jitter = 0.05 }
      local ann, bob = w:connect("neteria", { attempts = 30 }), w:connect("neteria", { attempts = 30 })
      if own then ann:network { lag = 0.06 } end
      local took = {}
      for i = 1, 50 do took[i] = bob:event("x").took end
      w:close()
      return took
    end
    assert.same(run(), run(true))
  end)

  it("is known by the client of this world that it belongs to", function()
    local other = sim.run "rules/echo.lua"
    local stranger = other:connect()
    assert.error_matches(function() world:cut(stranger) end, "a client of this world expected")
    assert.error_matches(function() world:cut(world:connect(), "left") end, '"up", "down" or nothing')
    other:close()
  end)
end)

describe("a player", function()
  local world
  before_each(function() world = sim.run_text(BOOK) end)
  after_each(function()
    world:close()
    assert.equal(0, sim.open_objects())
  end)

  it("goes without a word, and the server finds out", function()
    local ann, eve = world:connect(), world:connect "laneya"
    ann:vanish()
    eve:vanish()
    world:advance(1)
    assert.equal(2, #world:clients())
    assert.is_true(world:wait_for(function() return #world:clients() < 2 end, 600))
  end)

  it("comes back as who it was", function()
    local ann = world:connect("neteria", { name = "ann" })
    ann:event("say", 1)
    ann:expects("told", 1)
    local id = world:clients()[1].id
    local waiting = ann:send "x"
    ann:vanish()
    world:advance(2)
    assert.is_true(ann:reconnect().registered)
    assert.is_true(waiting.lost)
    assert.equal("reconnected", waiting.reason)
    assert.equal(1, #world:clients())
    assert.equal(id, world:clients()[1].id) -- the server knows it by its cuuid
    ann:expects_legal("say", 2)
    ann:expects("told", 2)
  end)

  it("of PyGaSe is cut off, comes back, and is somebody else for the server", function()
    local dan = world:connect("pygase", { name = "dan" })
    dan:event("say", { 1 })
    dan:expects "told"
    world:cut(dan)
    dan:expects_nothing("told", nil, { within = 2 })
    world:heal(dan)
    dan:vanish()
    dan:reconnect()
    dan:event("say", { 2 })
    dan:expects("told", { 2 })
    world:settle()
    world:network { lag = 0.05 }
    assert.is_true(world:settle()) -- however many keep-alives fly
    local many = world:connect_many("pygase", 10)
    assert.is_true(many[10]:ready())
  end)

  it("comes back without having gone", function()
    local ann = world:connect()
    ann:reconnect()
    assert.is_true(ann.registered)
    assert.equal(1, #world:clients())
    ann:expects_legal("say", 2)
  end)

  it("comes back from elsewhere", function()
    local ann = world:connect("neteria", { address = "10.1.1.1:50001", attempts = 60 })
    ann:vanish()
    ann:reconnect { address = "10.2.2.2:50002" }
    world:advance(120) -- the server asks the old address first whether it is still there
    if not ann.registered then ann:register() end
    assert.is_true(ann.registered, ann.refused)
    assert.is_true(ann:event("say", 1).legal)
    assert.equal("10.2.2.2:50002", world:clients()[#world:clients()].address)
    assert.error_matches(function() ann:reconnect { adress = "x" } end, "unknown option 'adress'")
  end)

  it("of a stream comes back with a new connection, however the old one ended", function()
    for _, protocol in ipairs { "laneya", "pymmorpg", "joint" } do
      local eve = world:connect(protocol, protocol == "joint" and { channel = "lobby" } or { user = "eve" })
      for _, leave in ipairs { "vanish", "cut", "disconnect", "no" } do
        if eve[leave] then eve[leave](eve) end
        world:advance(0.1) -- until the server has heard of it, where it does
        eve:reconnect()
        assert.is_true(eve.open, protocol)
        assert.is_nil(eve.over)
        if protocol == "laneya" and leave ~= "vanish" and leave ~= "no" then eve:expects_legal("say", { a = 1 }) end
        if protocol == "pymmorpg" then eve:expects_legal("move", eve.tuple { 1, 0, 0 }) end
        if protocol == "joint" then
          assert.truthy(eve.channel.number)
          eve:send "hello"
        end
      end
      eve:disconnect()
      world:wait_for(function() return #world:clients() == 0 end, 600)
    end
  end)

  it("keeps its link's weather and cuts when it comes back", function()
    local ann = world:connect()
    ann:network { lag = 0.5 }
    ann:reconnect()
    assert.is_near(1.001, ann:event("x").took, 1e-6)
    world:cut(ann)
    ann:reconnect { wait = false }
    world:advance(1)
    assert.is_false(ann.registered)
    world:heal(ann)
    world:settle()
    assert.is_true(ann.registered)
  end)
end)

describe("many players", function()
  it("join together", function()
    local world = sim.run_text(BOOK, { seed = 2 })
    world:network { lag = 0.05, loss = 0.1 }
    local start = os.clock()
    local crowd = world:connect_many("neteria", 300, { attempts = 30 })
    assert.equal(300, #crowd)
    assert.equal(300, #world:clients())
    assert.is_true(world:now() < 20)
    local named = world:connect_many("laneya", 3, function(i) return { name = "eve" .. i, user = "eve" .. i } end)
    assert.equal("eve3", named[3].name)
    for _, eve in ipairs(named) do assert.is_true(eve.open) end
    local late = world:connect_many("joint", 2, { wait = false })
    assert.is_false(late[1].open)
    assert.same({}, world:connect_many("neteria", 0))
    assert.error_matches(function() world:connect_many "neteria" end, "a number of clients")
    crowd[1]:send("say", 1)
    world:network()
    world:settle()
    for _, player in ipairs(crowd) do player:expects("told", 1) end
    assert.is_true(os.clock() - start < 10)
    world:close()
  end)
end)

describe("a world that does not settle", function()
  it("says what keeps it busy", function()
    local world = sim.run_text(BOOK)
    local ann, bob = world:connect("neteria", { name = "ann", attempts = 100 }), world:connect()
    world:cut(ann)
    ann:send "x"
    local ok, err = pcall(function() world:settle(5) end)
    assert.is_false(ok)
    assert.matches("the world did not settle within 5 s %(at 5%.0", tostring(err))
    assert.matches("ann waits for an answer", tostring(err), 1, true)
    world:heal(ann)
    assert.is_true(world:settle())
    world:cut(ann)
    bob:event("x")
    assert.is_true(world:settle(20)) -- the server gives it up
    assert.is_true(world:now() > 8)
    world:close()
  end)
end)
