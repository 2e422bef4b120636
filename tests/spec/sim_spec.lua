local sim = require "umpire.sim"

-- Says what happens to it in its log, which the network cannot lose.
local BOOK = [[
local host = require "umpire"
local book = { api = 1, version = 1 }
function book.connect(client)
  if client.version == "0.1" then return false, "too old" end
  host.log.info("connect", client.version)
end
function book.legal(client, event)
  if event.name == "forbidden" then return false, "because" end
  if event.name == "broken" then error "oops" end
  if event.name == "endless" then while true do end end
  return true
end
function book.execute(client, event)
  host.log.info("execute", event.name, event.priority)
  if event.name == "ping" then host.notify(client, "pong", event.data) end
  if event.name == "tell" then host.broadcast("told", event.data, client) end
end
function book.disconnect(client, reason) host.log.info("disconnect", reason) end
function book.login(name, password) return password == "sesame", "wrong" end
return book
]]

describe("sim.run", function()
  it("refuses a rulebook that is wrong, with file and line", function()
    local ok, err = pcall(sim.run_text, "return {\n  api = 1,\n  execute = function( end,\n}")
    assert.is_false(ok)
    assert.matches("%.lua:3:", err)
    assert.equal(0, sim.open_objects())
  end)

  it("refuses a rulebook that is not there", function()
    local ok, err = pcall(sim.run, "rules/no_such_game.lua")
    assert.is_false(ok)
    assert.matches("no_such_game", err)
  end)

  it("names options that it does not know", function()
    local function run(options) return function() sim.run("rules/echo.lua", options) end end
    assert.error_matches(run { sede = 1 }, "unknown option 'sede'")
    assert.error_matches(run { listen = "neteria://x:1?colour=red" }, "unknown listen option colour")
    assert.error_matches(run { listen = "neteria://x:1?limit=many" }, "limit")
    assert.error_matches(run { listen = "gopher://x:1" }, "does not speak \"gopher\"")
    assert.error_matches(run { listen = "nonsense" }, "no listen URL")
    assert.equal(0, sim.open_objects())
  end)

  it("takes options of the listener from its URL", function()
    local world = sim.run_text(BOOK, { listen = "neteria://0.0.0.0:40080?limit=1" })
    assert.is_true(world:connect().registered)
    local second = world:connect()
    assert.is_false(second.registered)
    assert.matches("full", second.refused)
    world:close()
  end)
end)

describe("a world", function()
  local world
  before_each(function() world = sim.run_text(BOOK, { seed = 11 }) end)
  after_each(function()
    world:close()
    assert.equal(0, sim.open_objects())
  end)

  describe("with a client", function()
    it("judges its events", function()
      local ann = world:connect "neteria"
      assert.is_true(ann.registered)
      local verdict = ann:event("hello", { 1, 2 })
      assert.is_true(verdict.legal)
      assert.is_nil(verdict.reason)
      assert.is_false(verdict.lost)
      assert.equal(1, verdict.tries)
      assert.is_true(verdict.took >= 0.001 and verdict.took < 0.01) -- a first verdict is held 1 ms
      assert.equal(world:now(), verdict.time)
      assert.truthy(world:logged "execute hello normal")
    end)

    it("says why something is illegal", function()
      local verdict = world:connect():event "forbidden"
      assert.is_false(verdict.legal)
      assert.equal("because", verdict.reason)
      assert.falsy(world:logged "execute forbidden")
    end)

    it("answers an error in the rules with ILLEGAL and a traceback in the log", function()
      local verdict = world:connect():event "broken"
      assert.is_false(verdict.legal)
      assert.equal("internal", verdict.reason)
      assert.truthy(world:logged("%.lua:9: oops", true))
      assert.equal(1, world:info().errors)
    end)

    it("ends a rule that never ends, and goes on", function()
      local ann = world:connect()
      assert.is_false(ann:event("endless").legal)
      assert.equal(1, world:info().tripped)
      assert.is_true(ann:event("hello").legal)
    end)

    it("refuses whom the rulebook refuses", function()
      local old = world:connect("neteria", { version = "0.1" })
      assert.is_false(old.registered)
      assert.equal("too old", old.refused)
      assert.equal(0, #world:clients())
      assert.error_matches(function() old:event "hello" end, "is not registered %(too old%)")
    end)

    it("sends what the real client sends when it gives no version", function()
      world:connect("neteria", { version = "1.0.3" })
      world:connect "neteria"
      assert.truthy(world:logged "connect 1.0.3")
      assert.truthy(world:logged "connect nil")
    end)

    it("uses the priority of the client or of the event", function()
      local eager = world:connect("neteria", { priority = "high" })
      assert.is_true(eager:event("first").legal)
      assert.is_true(eager:event("second", nil, { priority = "normal" }).legal)
      assert.truthy(world:logged "execute first high")
      assert.truthy(world:logged "execute second normal")
      local forbidden = eager:event "forbidden"
      assert.equal("forbidden", eager:rollbacks()[forbidden.id])
    end)

    it("keeps legal moves of high priority as confirmed", function()
      local eager = world:connect("neteria", { priority = "high" })
      local verdict = eager:event("step", { 1, 0 })
      assert.same({ step = { 1, 0 } }, eager:confirmations()[verdict.id])
    end)

    it("gives it the address that was asked for", function()
      world:connect("neteria", { address = "10.9.8.7:51000" })
      local clients = world:clients()
      assert.equal(1, #clients)
      assert.equal("10.9.8.7:51000", clients[1].address)
      assert.equal("neteria", clients[1].protocol)
      assert.matches("^%x+%-%x+%-4%x+%-%x+%-%x+$", clients[1].id)
      assert.error_matches(function() world:connect("neteria", { address = "10.9.8.7:51000" }) end, "belong to another")
      assert.error_matches(function() world:connect("neteria", { address = "nowhere" }) end, "no address")
    end)

    it("knows an option that is not there", function()
      assert.error_matches(function() world:connect("neteria", { adress = "x" }) end, "unknown option 'adress'")
      assert.error_matches(function() world:connect "pong" end, "nobody listens for \"pong\".*neteria")
    end)

    it("does not wait when told not to", function()
      local ann = world:connect("neteria", { wait = false })
      assert.is_false(ann.registered)
      world:settle()
      assert.is_true(ann.registered)
    end)

    it("sends without waiting, and awaits later", function()
      local ann = world:connect()
      local first, second = ann:send "one", ann:send "forbidden"
      assert.is_false(first.done)
      ann:await(second)
      assert.is_true(first.done and second.done)
      assert.is_true(first.legal)
      assert.is_false(second.legal)
      assert.equal(2, #ann.verdicts)
    end)

    it("calls back for verdicts and notifies", function()
      local ann = world:connect()
      local seen = {}
      ann.on_verdict = function(verdict) seen[#seen + 1] = verdict.legal end
      ann.on_notify = function(notify) seen[#seen + 1] = notify.name end
      ann:event("ping", 5)
      world:advance(0.1)
      assert.same({ true, "pong" }, seen)
    end)

    it("collects notifies by name", function()
      local ann, bob = world:connect(), world:connect()
      ann:event("tell", "hi")
      ann:event("tell", "ho")
      ann:event "tell"
      world:settle()
      assert.same({ "hi", "ho", true }, bob:received "told")
      assert.equal(3, #bob:received())
      assert.is_true(bob:last "told")
      assert.is_nil(ann:last "told")
      bob:forget()
      assert.same({}, bob:received "told")
    end)

    it("logs in", function()
      local ann = world:connect()
      assert.is_false(ann:login("ann", "open").legal)
      assert.is_nil(world:clients()[1].name)
      assert.is_true(ann:login("ann", "sesame").legal)
      assert.equal("ann", world:clients()[1].name)
    end)

    it("takes whatever data JSON can carry", function()
      local ann = world:connect()
      for _, data in ipairs { 1, 2.5, true, "Grüße 🎮", { 1, { 2, "x" } }, { a = 1, b = { c = 2 } } } do
        ann:event("ping", data)
        world:settle()
        assert.same(data, ann:last "pong")
      end
    end)

    it("loses one that is unplugged, in the end", function()
      local ann = world:connect()
      ann:disconnect()
      ann:disconnect() -- twice is no matter
      assert.error_matches(function() ann:event "hello" end, "is disconnected")
      assert.equal(1, #world:clients())
      assert.is_true(world:wait_for(function() return #world:clients() == 0 end, 400))
      assert.truthy(world:logged "disconnect")
    end)

    it("answers one that was silent for a while", function()
      local ann = world:connect()
      ann:silence()
      local handle = ann:send "hello"
      world:advance(3)
      assert.is_false(handle.done)
      ann:silence(false)
      ann:await(handle)
      assert.is_true(handle.legal)
      assert.is_true(handle.tries > 1)
    end)

    it("lets a client give up, without a verdict", function()
      local ann = world:connect()
      world:network { loss = 1 }
      local verdict = ann:event "hello"
      assert.is_nil(verdict.legal)
      assert.is_true(verdict.lost)
      assert.equal("no answer", verdict.reason)
      assert.equal(5, verdict.tries)
      assert.is_near(10, verdict.took, 0.01)
    end)

    it("does not believe a client that comes from elsewhere, until the old address has proved silent", function()
      local ann = world:connect()
      assert.is_true(ann:event("hello").legal)
      ann:move_to "10.77.0.1:50123"
      local handle = ann:send "moved"
      world:advance(0.5)
      assert.is_false(handle.done)
      ann:await(handle)
      -- The real client's repeats bridge the time until the session has moved, or it gives up.
      if handle.legal then assert.equal("10.77.0.1:50123", world:clients()[1].address) else assert.is_true(handle.lost) end
    end)

    it("carries raw bytes from anywhere, and answers only what deserves it", function()
      local say = world:raw "10.66.0.1:6666"
      assert.same({}, say "no json")
      say '{"method": "OHAI", "version": "1.0.3", "cuuid": "f9052238-e591-11f1-a965-02fc00000001"}'
      world:advance(0.1)
      assert.equal(1, #say())
      assert.matches("OHAI Client", say()[1])
    end)
  end)

  describe("lets time pass", function()
    it("exactly as told", function()
      assert.equal(0, world:now())
      world:advance(2.5)
      assert.equal(2.5, world:now())
      world:advance(0)
      assert.equal(2.5, world:now())
      assert.error_matches(function() world:advance(-1) end, "seconds")
    end)

    it("until something is true, or too late", function()
      assert.is_true(world:wait_for(function() return world:now() >= 0 end))
      assert.is_false(world:wait_for(function() return false end, 3))
      assert.equal(3, world:now())
    end)
  end)

  describe("has weather", function()
    local function delays(weather)
      world:network(weather)
      local ann = world:connect()
      local took = {}
      for i = 1, 100 do took[i] = ann:event("hello").took end
      table.sort(took)
      return took
    end

    it("with lag and jitter", function()
      local took = delays { lag = 0.08, jitter = 0.04 }
      assert.is_true(took[1] >= 0.08 and took[100] <= 0.25) -- there and back, 40 to 120 ms each, and 1 ms held
      assert.is_true(took[100] - took[1] > 0.05)
    end)

    it("with a rate", function()
      local took = delays { rate = 1000 } -- an event of about 230 bytes takes 0.2 s, its verdict another tenth
      assert.is_true(took[50] > 0.2 and took[50] < 1)
    end)

    it("that drops what a slow line cannot hold", function()
      local ann = world:connect()
      world:network { rate = 1000 }
      for _ = 1, 50 do ann:send "hello" end
      world:advance(1)
      assert.is_true(world:counters()["network.crowded"] > 0)
      world:settle()
    end)

    it("of another kind each way", function()
      local ann = world:connect()
      world:network { lag = 0.5, up = { lag = 0.1 }, down = { loss = 0 } }
      assert.is_near(0.601, ann:event("hello").took, 1e-6)
    end)

    it("that loses and doubles as much as it says", function()
      delays { duplicate = 0.2 }
      world:network { loss = 0.3, duplicate = 0.1, lag = 0.01 }
      local ann = world:connect("neteria", { attempts = 50 })
      for _ = 1, 1000 do assert.is_true(ann:event("hello").legal) end
      local c = world:counters()
      assert.is_near(0.3, c["network.lost"] / c["network.sent"], 0.05)
      assert.is_true(c["network.doubled"] > 100)
    end)

    it("that reorders", function()
      local ann, bob = world:connect(), world:connect()
      world:network { lag = 0.01, reorder = 0.3 }
      for i = 1, 100 do ann:send("tell", i) end
      world:settle()
      local told = bob:received "told"
      assert.equal(100, #told)
      local swapped = 0
      for i = 2, #told do if told[i] < told[i - 1] then swapped = swapped + 1 end end
      assert.is_true(swapped > 0)
      assert.is_true(world:counters()["network.reordered"] > 10)
    end)

    it("that keeps order without reorder, whatever the jitter", function()
      local ann, bob = world:connect(), world:connect()
      world:network { lag = 0.05, jitter = 0.05 }
      for i = 1, 100 do ann:send("tell", i) end
      world:settle()
      local told = bob:received "told"
      for i = 1, 100 do assert.equal(i, told[i]) end
    end)

    it("of which it knows all knobs", function()
      assert.error_matches(function() world:network { los = 1 } end, "unknown knob 'los'")
      assert.error_matches(function() world:network { loss = 2 } end, "loss must be a number from 0 to 1")
      assert.error_matches(function() world:network { up = { lag = -1 } } end, "up.lag")
    end)
  end)

  describe("reloads", function()
    it("as SIGHUP does", function()
      local ann = world:connect()
      assert.is_true(world:reload())
      assert.equal(2, world:info().loads)
      assert.is_true(ann:event("hello").legal)
    end)

    it("and changes the rules without anybody reconnecting", function()
      local ann = world:connect()
      assert.is_false(ann:event("forbidden").legal)
      world:rewrite((BOOK:gsub('"forbidden"', '"hello"')))
      assert.is_false(ann:event("forbidden").legal) -- not before it is asked to
      assert.is_true(world:reload())
      assert.is_true(ann:event("forbidden").legal)
      assert.is_false(ann:event("hello").legal)
    end)

    it("and puts another rulebook in its place", function()
      local ann = world:connect()
      assert.is_false((world:reload "rules/no_such_game.lua"))
      assert.is_true((world:reload())) -- the old one, from where it was
      assert.is_false(ann:event("forbidden").legal)
      assert.is_true((world:reload "rules/echo.lua"))
      assert.is_true(ann:event("forbidden").legal)
      assert.equal("rules/echo.lua", world:info().path)
    end)

    it("and keeps the old rules when the new ones are wrong", function()
      local ann = world:connect()
      world:rewrite((BOOK:gsub("book.execute", "book.exekute")))
      local ok, report = world:reload()
      assert.is_false(ok)
      assert.matches("exekute", report)
      assert.matches("did you mean 'execute'", report)
      assert.is_false(ann:event("forbidden").legal)
      assert.equal(1, world:info().refused)
    end)
  end)

  it("counts", function()
    world:connect():event "hello"
    world:settle()
    local counters = world:counters()
    assert.is_true(counters["network.sent"] >= 5)
    assert.is_true(counters["network.delivered"] >= 5)
    local kinds = {}
    for name in pairs(counters) do kinds[name:match "^%a+"] = true end
    assert.same({ network = true, neteria = true, engine = true }, kinds)
  end)

  it("tells facts", function()
    local info = world:info()
    assert.matches("^%x+$", info.hash)
    assert.equal(1, info.version)
    assert.is_true(info.memory > 0 and info.bytes > 0)
    assert.equal(1, info.loads)
  end)

  it("stops as on SIGTERM: everybody is told, and everybody goes", function()
    world:connect()
    world:connect()
    world:stop()
    assert.equal(0, #world:clients())
    local n = 0
    for _, line in ipairs(world.log) do if line:find "disconnect the server is stopping" then n = n + 1 end end
    assert.equal(2, n)
  end)

  it("is closed for good", function()
    local other = sim.run("rules/echo.lua", { seed = 1 })
    assert.equal(2, sim.open_objects())
    other:close()
    other:close()
    assert.error_matches(function() other:now() end, "closed")
    do
      local third <close> = sim.run "rules/echo.lua"
      assert.is_number(third.seed)
    end
    assert.equal(1, sim.open_objects())
  end)
end)
