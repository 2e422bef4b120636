-- PyGaSe players in the simulator: the real protocol, engine and replicated state, clients that are as strict as the original
-- (they raise where it would die), and all weathers.
local sim = require "umpire.sim"
local pygase = require "umpire.client.pygase"

-- Clients write the state and tell notes.
local BOOK = [==[
local host = require "umpire"
local book = { api = 1, tick_rate = 20, listen = { "pygase://0.0.0.0:8080", "neteria://0.0.0.0:40080" } }
local say = {}
function say.set(_, d) host.update { [d[1]] = d[2] } end
function say.del(_, d) host.update { [d[1]] = host.DELETE } end
function say.put(_, d) host.update { things = { [d[1]] = { [d[2]] = d[3] } } } end
function say.drop(_, d) host.update { things = { [d[1]] = host.DELETE } } end
function say.swap(_, d) host.update { things = { [d[1]] = host.DELETE } } host.update { things = { [d[1]] = d[2] } } end
function say.fill(_, d)
  local all = {}
  for i = 1, d[1] do all["thing" .. i] = { x = i, text = ("t"):rep(d[2]) } end
  host.update { big = all }
end
function say.empty() host.update { big = host.DELETE } end
function say.tell(_, d) host.broadcast("note", d) end
function say.echo(client, d) host.notify(client, "echo", d) end
function say.kick(client) host.kick(client, "asked for it") end
function book.connect(client)
  if client.address:match "^10%.66%." then return false, "blocked" end
  host.log.info("came", client.protocol, client.id)
end
function book.disconnect(client, reason) host.log.info("left", client.id, reason) end
function book.legal(_, event) return say[event.name] ~= nil, "no such word" end
function book.execute(client, event) say[event.name](client, event.data or {}) end
function book.view(client, state)
  if client.protocol ~= "pygase" or not state.secrets then return true end
  local parts = { secrets = { [client.address] = true } }
  for key in pairs(state) do if key ~= "secrets" then parts[key] = true end end
  return parts
end
return book
]==]

local deepcompare = require("luassert.util").deepcompare

-- Waits until every copy is what the host has now.
local function same_everywhere(world, players)
  local want = world.state
  world:wait_for(function()
    for _, player in ipairs(players) do
      if not deepcompare(want, player.state, true) then return false end
    end
    return true
  end, 20)
  for _, player in ipairs(players) do assert.same(want, player.state, player.name) end
end

describe("a PyGaSe player", function()
  local world
  local function run(options) world = sim.run_text(BOOK, options or { seed = 5 }) end
  after_each(function()
    if world then world:close() end
    assert.equal(0, sim.open_objects())
  end)

  it("proves that it is there before it gets anything, and then has the whole state", function()
    run()
    world:connect("neteria"):event("set", { "hp", 7 })
    world:connect("neteria"):event("set", { "players", { ann = { x = 1, y = 2.5 } } })
    local sent = {}
    local ann = world:connect("pygase", { wait = false })
    local receive = ann.wire.receive
    function ann.wire.receive(wire, bytes, now)
      sent[#sent + 1] = bytes
      return receive(wire, bytes, now)
    end
    world:advance(0.2)
    assert.equal(27, #sent[1])
    assert.same({ "\x81\xaatime_order\0" }, { sent[1]:sub(15) })
    assert.same({ hp = 7, players = { ann = { x = 1, y = 2.5 } } }, ann.state)
    assert.equal(1, ann.wire.game_status)
    assert.equal("pygase", world:clients()[3].protocol)
  end)

  it("is sent nothing that it did not prove to want: a forged address gets one small package for each of its own", function()
    run()
    local say = world:raw("10.0.9.9:4444", "pygase")
    for i = 1, 10 do
      say(string.pack(">I4I2I2I4I2", 0xffd0fab9, i, 0, 0, 0))
      world:advance(0.1)
    end
    world:advance(10)
    assert.equal(10, #say())
    for _, bytes in ipairs(say()) do assert.equal(27, #bytes) end
    assert.equal(0, #world:clients())
  end)

  it("plays: its events are judged and executed, and their changes come back to all", function()
    run()
    local ann, bob = world:connect "pygase", world:connect "pygase"
    assert.is_true(ann:event("put", { "door", "open", true }).acked)
    world:advance(0.2)
    assert.same({ things = { door = { open = true } } }, bob.state)
    assert.same(ann.state, bob.state)
    assert.is_true(bob:event("fly", { 1 }).acked) -- received is not legal
    ann:event("put", { "door", "open", false })
    bob:event("put", { "door", "colour", "red" })
    world:advance(0.2)
    assert.same({ things = { door = { open = false, colour = "red" } } }, ann.state)
    assert.same(ann.state, bob.state)
  end)

  it("is told events with their arguments, as many as there are, in order", function()
    run()
    local ann, bob = world:connect "pygase", world:connect "pygase"
    ann:event("tell", { "hello", 2, loud = true })
    ann:event "tell"
    world:advance(0.2)
    assert.same({ { "hello", 2, loud = true }, true }, bob:received "note")
    for i = 1, 23 do bob:send("echo", { i }) end
    world:advance(2)
    local heard = {}
    for i, data in ipairs(bob:received "echo") do heard[i] = data[1] end
    assert.equal(23, #heard)
    for i = 1, 23 do assert.equal(i, heard[i]) end
    assert.equal(0, #ann:received "echo")
  end)

  it("loses keys that were deleted, and gets them again when they come back", function()
    run()
    local ann, bob = world:connect "pygase", world:connect "pygase"
    for round = 1, 5 do
      ann:event("set", { "flag", { x = round } })
      ann:event("put", { "door", "n", round })
      same_everywhere(world, { ann, bob })
      assert.equal(round, bob.state.flag.x)
      ann:send("del", { "flag" })
      ann:send("drop", { "door" })
      ann:send("drop", { "nothing" })
      world:advance(0.15)
      same_everywhere(world, { ann, bob })
      assert.same({ things = {} }, bob.state)
    end
  end)

  it("has no key of a map that gave way to another one at the same place", function()
    run()
    world:network { lag = 0.1 }
    local ann = world:connect "pygase"
    ann:event("put", { "door", "old", 1 })
    same_everywhere(world, { ann })
    ann:send("swap", { "door", { new = 2 } })
    world:advance(0.3)
    same_everywhere(world, { ann })
    assert.same({ things = { door = { new = 2 } } }, ann.state)
    ann:send("swap", { "door", 7 })
    ann:send("swap", { "door", { newer = 3 } })
    world:advance(0.5)
    same_everywhere(world, { ann })
    assert.same({ things = { door = { newer = 3 } } }, ann.state)
  end)

  it("gets a state that is larger than a package in parts", function()
    run()
    local ann = world:connect "pygase"
    ann:event("fill", { 150, 60 })
    local bob = world:connect "pygase"
    assert.is_true(world:wait_for(function()
      return bob.state.big and bob.state.big.thing150 and ann.state.big and ann.state.big.thing1
    end, 20))
    world:advance(5)
    for _, player in ipairs { ann, bob } do
      local n = 0
      for name, thing in pairs(player.state.big) do
        n = n + 1
        assert.equal("thing" .. thing.x, name)
        assert.equal(60, #thing.text)
      end
      assert.equal(150, n)
    end
    ann:event("empty")
    world:advance(2)
    assert.is_nil(ann.state.big)
    assert.is_nil(bob.state.big)
  end)

  it("sees what the rulebook's view shows it, and nothing else crosses the wire", function()
    run()
    local ann, bob = world:connect "pygase", world:connect "pygase"
    local seen = { [ann] = {}, [bob] = {} }
    for player, list in pairs(seen) do
      local receive = player.wire.receive
      function player.wire.receive(wire, bytes, now)
        list[#list + 1] = bytes
        return receive(wire, bytes, now)
      end
    end
    local secrets = {}
    for _, client in ipairs(world:clients()) do secrets[client.address] = "of " .. client.address end
    world:connect("neteria"):event("set", { "secrets", secrets })
    world:advance(1)
    local addresses = {}
    for address in pairs(secrets) do addresses[#addresses + 1] = address end
    table.sort(addresses)
    for i, player in ipairs { ann, bob } do
      assert.same({ [addresses[i]] = secrets[addresses[i]] }, player.state.secrets)
      assert.is_nil(table.concat(seen[player]):find(secrets[addresses[3 - i]], 1, true))
    end
  end)

  it("hears nothing when it is refused", function()
    run()
    local eve = world:connect("pygase", { address = "10.66.0.1:5000" })
    assert.is_false(eve:ready())
    assert.equal("disconnected", eve.wire.status)
    assert.same({}, eve.state)
    assert.equal(0, #world:clients())
  end)

  it("is gone 5 s after its last package, and is the same when it comes back by itself", function()
    run()
    local ann, bob = world:connect "pygase", world:connect "pygase"
    ann:event("set", { "a", 1 })
    ann:silence "up" -- it hears the server, and goes on sending for as long as that talks
    world:advance(5.2)
    assert.truthy(world:logged("left.*timed out", true))
    bob:event("set", { "b", 2 })
    bob:event("del", { "a" })
    ann:silence(false)
    same_everywhere(world, { ann, bob })
    assert.same({ b = 2 }, ann.state)
    local ids = {}
    for _, line in ipairs(world.log) do ids[#ids + 1] = line:match "came pygase (%S+)" end
    assert.equal(3, #ids)
    ann:event("set", { "c", 3 })
    world:advance(0.2)
    assert.equal(3, bob.state.c)
  end)

  it("gives up itself after 5 s without an answer; started again it is somebody else", function()
    run()
    local ann, bob = world:connect "pygase", world:connect "pygase"
    ann:silence()
    world:advance(6)
    assert.equal("disconnected", ann.wire.status)
    bob:event("set", { "b", 2 })
    ann:reconnect()
    assert.is_true(ann:ready())
    same_everywhere(world, { ann, bob })
    assert.equal(3, select(2, table.concat(world.log, "\n"):gsub("came pygase", "")))
  end)

  it("says that it leaves with the word that ended the original's server", function()
    run()
    local ann, bob = world:connect "pygase", world:connect "pygase"
    ann:disconnect(true)
    world:advance(1.5)
    assert.truthy(world:logged("left", false))
    assert.equal(1, #world:clients())
    bob:send_raw "shutdown" -- but it goes on: the word was forged
    bob:send_raw "shut_me_down"
    world:advance(3)
    assert.equal(1, #world:clients())
    assert.is_true(bob:event("set", { "b", 2 }).acked)
  end)

  it("is not disturbed by what would have ended the original", function()
    run()
    local ann = world:connect "pygase"
    local head = string.pack(">I4I2I2I4I2", 0xffd0fab9, 1, 0, 0, 0)
    local say = world:raw(nil, "pygase")
    for _, bytes in ipairs { "", "hello", "\xff\xd0\xfa\xb9", head .. "\0\0", head .. "\0", head .. "\0\x20\x81",
      head .. "\0\1\5", head .. ("x"):rep(2048), "shut_me_down" } do
      say(bytes)
      ann:send_raw(bytes)
    end
    world:advance(1)
    assert.equal(0, #say())
    assert.is_true(ann:event("set", { "fine", true }).acked)
    assert.equal(0, world:info().errors)
  end)

  it("keeps its copy across a reload", function()
    run()
    local ann = world:connect "pygase"
    ann:event("set", { "kept", { 1, 2, 3 } })
    assert.is_true(world:reload())
    ann:event("put", { "new", "x", 1 })
    same_everywhere(world, { ann })
    assert.same({ kept = { 1, 2, 3 }, things = { new = { x = 1 } } }, ann.state)
  end)

  it("sends half as many packages when the network is slow, and so does the server", function()
    run()
    local ann = world:connect "pygase"
    world:advance(2)
    local received = ann.wire.count.received
    world:advance(4)
    assert.is_true(math.abs(ann.wire.count.received - received - 160) <= 2)
    world:network { lag = 0.2 }
    world:advance(8)
    received = ann.wire.count.received
    world:advance(4)
    assert.equal("bad", ann.wire.quality)
    assert.is_true(math.abs(ann.wire.count.received - received - 80) <= 2)
  end)
end)

-- ---- copies that must be the same as the host's in the end, whatever the network does ----

-- The state changes at random all the time: values and lists of several depths, maps that give way to others, deletions.
local RESTLESS = [==[
local host = require "umpire"
local book = { api = 1, tick_rate = RATE, listen = { "pygase://0.0.0.0:8080", "neteria://0.0.0.0:40080" } }
local quiet = false
local names = { "a", "b", "c", "d", "e", "f", "g", "h" }
local function name() return names[host.random(#names)] end
local function value(depth)
  local dice = host.random(10)
  if dice <= 3 then return host.random(-100000, 100000) end
  if dice == 4 then return host.random(-100, 100) / 4 end
  if dice == 5 then return ("s"):rep(host.random(20)) end
  if dice == 6 then return { host.random(9), name(), true } end
  if depth >= 3 then return host.random(2) == 1 end
  local map = {}
  for _ = 1, host.random(3) do map[name()] = value(depth + 1) end
  return map
end
local function change()
  local patch = {}
  local at = patch
  for _ = 1, host.random(3) do
    local key = name()
    at[key] = {}
    at = at[key]
  end
  at[name()] = host.random(4) == 1 and host.DELETE or value(1)
  host.update(patch)
end
function book.tick() if not quiet then for _ = 1, host.random(3) do change() end end end
function book.execute(_, event) quiet = event.name == "quiet" end
return book
]==]

describe("copies of a state that changes all the time", function()
  local world
  local function run(rate, seed) world = sim.run_text((RESTLESS:gsub("RATE", tostring(rate))), { seed = seed }) end
  after_each(function()
    if world then world:close() end
    assert.equal(0, sim.open_objects())
  end)

  local function end_equal(players)
    world:network {}
    local mind = world:connect "neteria"
    mind:event "quiet"
    world:advance(5)
    local want = world.state
    assert.is_true(next(want) ~= nil)
    for _, player in ipairs(players) do
      assert.same(want, player.state, player.name)
      assert.equal("connected", player.wire.status)
    end
    assert.equal(0, world:info().errors)
  end

  for seed = 1, 3 do
    it("are equal in the end under loss, reordering and lag, seed " .. seed, function()
      run(20, seed)
      world:network { loss = 0.25, reorder = 0.1, lag = 0.06, jitter = 0.05, up = { duplicate = 0.2 } }
      local players = world:connect_many("pygase", 6)
      world:advance(60)
      end_equal(players)
    end)
  end

  it("are equal in the end when packages to the clients are doubled, which the original does not survive", function()
    run(20, 9)
    world:network { loss = 0.1, duplicate = 0.3, reorder = 0.2, lag = 0.05, jitter = 0.05 }
    local players = world:connect_many("pygase", 4, { strict = false })
    world:advance(60)
    assert.is_true(players[1].wire.count.strange > 100)
    end_equal(players)
  end)

  it("are equal in the end when clients come, go silent and start again", function()
    run(20, 4)
    world:network { loss = 0.1, lag = 0.03, jitter = 0.02 }
    local players = world:connect_many("pygase", 6)
    for round = 1, 12 do
      local player = players[round % 6 + 1]
      if round % 3 == 0 then player:reconnect { wait = false }
      elseif round % 3 == 1 then player:silence "up"
      else player:silence "down" end
      world:advance(4)
      player:silence(false)
      world:advance(3)
    end
    end_equal(players)
  end)

  it("are equal after an hour under 20 % loss, for ten clients", function()
    run(5, 1)
    world:network { loss = 0.2, lag = 0.04, jitter = 0.02 }
    local players = world:connect_many("pygase", 10)
    world:advance(3600)
    for _, player in ipairs(players) do assert.is_true(player.wire.count.updates > 3600) end
    end_equal(players)
  end)
end)

it("numbers go round as the wire has them", function()
  assert.equal(1, pygase.difference(1, 65535))
  assert.equal(-1, pygase.difference(65535, 1))
end)
