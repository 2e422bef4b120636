-- PYMMORPG in the simulator: the real protocol, pickles and accounts, over a network that splits, delays and cuts.
local sim = require "umpire.sim"
local pickle = require "umpire.client.pickle"

local BOOK = [=[
local host = require "umpire"
local book = { api = 1, listen = { "pymmorpg://0.0.0.0:5050" }, pymmorpg = { version = "1.0.3" } }
local who = {}
local function of(name)
  who[name] = who[name] or { hp = 100, pos = { 0, 0, 0 } }
  return who[name]
end
local run = {}
function run.update()
  local things = host.array {}
  for client in host.clients() do
    if client.name then
      things[#things + 1] = { name = client.name, pos = of(client.name).pos, visual = "hero" }
    end
  end
  return things
end
function run.move(client, data)
  local pos = of(client.name).pos
  for i = 1, 3 do pos[i] = pos[i] + data[1][i] end
end
function run.get(_, data) return of(data[1])[data[2]] end
function run.set(_, data)
  local it = of(data[1])
  it[data[2]] = data.relative and it[data[2]] + data[3] or data[3]
end
function run.edit(client, data)
  local command, list = data[1][1], data[1][2]
  if command == "flag" then host.broadcast(list[1])
  elseif command == "tell" then host.notify(client, list[1], { 1 })
  elseif command == "fail" then error "on purpose"
  else return list end
end
function book.execute(client, event) return run[event.name](client, event.data) end
return book
]=]

describe("the client's pickles", function()
  it("come back as they went", function()
    local value = { "x", pickle.tuple { 1, pickle.tuple {}, pickle.tuple { "a", "\xff\0" }, { pickle.null, true, false } },
      pickle.dict {}, { a = { 1.5 } }, pickle.tuple { 1, 2, 3, 4 }, -5, 1 << 40, math.mininteger }
    assert.same(value, pickle.decode(pickle.encode(value)))
  end)

  it("read bytes as the server writes them, and nothing that is no data", function()
    local bytes = "c_codecs\nencode\nX\x06\0\0\0a\xc3\xbf\xc2\x80bX\x06\0\0\0latin1\x86R"
    assert.same({ { pickle.tuple { "a", "a\xff\x80b" }, pickle.tuple { "b", {} } } },
      pickle.decode("\x80\x02](](U\x01a" .. bytes .. "\x86U\x01b]\x86ee."))
    for _, bad in ipairs { "cos\nsystem\n(S'ls'\ntR.", "\x80\x02", "", "N", "NN.", "e.", "\x86.", "]0.", "\x80\x06N." } do
      assert.is_false((pcall(pickle.decode, bad)))
    end
  end)
end)

local function world_of(options) return sim.run_text(BOOK, options or { seed = 5 }) end

describe("a PYMMORPG player", function()
  local world
  after_each(function() if world then world:close() end end)

  it("makes an account, plays, and is known when it comes again", function()
    world = world_of()
    local ann = world:connect("pymmorpg", { user = "ann" })
    assert.equal("ann", ann.user)
    assert.equal("1.0.3", ann:ask "ver")
    assert.is_true(ann:ask("move", ann.tuple { 1, 0.5, 0 }))
    assert.is_true(ann:ask("move", { 1, 0, 0 }))
    local things = ann:ask "update"
    assert.same({ "ann", "hero" }, { things[1].name, things[1].visual })
    assert.is_true(pickle.is_tuple(things[1].pos))
    assert.same({ 2, 0.5, 0 }, { table.unpack(things[1].pos) })
    assert.is_true(ann:ask("set", "ann", "hp", ann.tuple { -5 }))
    assert.equal(95, ann:ask("get", "ann", "hp"))
    local none = ann:event("get", "ann", "nothing")
    assert.is_nil(none.value)
    assert.is_true(none.legal)
    ann:disconnect()
    world:advance(1)
    assert.equal(0, #world:clients())
    assert.equal("ann", world:connect("pymmorpg", { user = "ann" }).user)
    assert.is_nil(world:connect("pymmorpg", { user = "ann", password = "guess" }).user)
  end)

  it("may ask only for the version, the files and a log-in before it has logged in", function()
    world = world_of()
    local guest = world:connect "pymmorpg"
    for _, request in ipairs { { "update" }, { "move", { 1, 0, 0 } }, { "get", "a", "b" }, { "edit", { "x", {} } } } do
      assert.is_false(guest:ask(table.unpack(request)))
    end
    assert.equal("1.0.3", guest:ask "ver")
    assert.is_false(guest:ask "upgrade") -- this rulebook names no folder
    assert.is_false(guest:ask("login", "nobody", "x"))
    assert.is_true(guest:ask("new", "guest", "x"))
    assert.equal(1, #guest:ask "update")
  end)

  it("may not change what is another's, unless a rulebook says so", function()
    world = world_of()
    local ann, bob = world:connect("pymmorpg", { user = "ann" }), world:connect("pymmorpg", { user = "bob" })
    assert.is_false(bob:ask("set", "ann", "hp", 0))
    assert.is_true(bob:ask("set", "bob", "hp", 1))
    assert.equal(100, bob:ask("get", "ann", "hp")) -- looking is not touching
    world:rewrite((BOOK:gsub("return book%s*$", "function book.legal() return true end\nreturn book\n")))
    assert.is_true(world:reload())
    assert.is_true(bob:ask("set", "ann", "hp", 7))
    assert.equal(7, ann:ask("get", "ann", "hp"))
  end)

  it("keeps what is its own under a rulebook that judges, by the middleware", function()
    world = sim.run_text((BOOK:gsub("return book%s*$",
      'book.legal = { require "umpire.middleware.own" { except = { "door" } } }\nreturn book\n')))
    local ann = world:connect("pymmorpg", { user = "ann" })
    assert.is_false(ann:ask("set", "bob", "hp", 0))
    assert.is_true(ann:ask("set", "ann", "hp", 0))
    assert.is_true(ann:ask("set", "door", "open", true))
    assert.is_true(ann:ask("move", { 1, 0, 0 }))
  end)

  it("finds flags on its next reply, each once, in order", function()
    world = world_of()
    local ann, bob = world:connect("pymmorpg", { user = "ann" }), world:connect("pymmorpg", { user = "bob" })
    local guest = world:connect "pymmorpg"
    assert.same({ "map" }, ann:event("edit", { "flag", { "map" } }).flags)
    ann:event("edit", { "flag", { "client" } })
    ann:event("edit", { "flag", { "map" } })
    assert.same({ "map", "client" }, bob:event("ver").flags)
    assert.same({}, bob:event("ver").flags)
    assert.same({}, guest:event("ver").flags)
    assert.same({ "map", "client" }, { bob.notifies[1].name, bob.notifies[2].name })
  end)

  it("is told False when rules fail, and the log says why", function()
    world = world_of()
    local ann = world:connect("pymmorpg", { user = "ann" })
    assert.is_false(ann:ask("edit", { "fail", {} }))
    assert.truthy(world:logged "on purpose")
    assert.is_false(ann:ask("edit", { "tell", { "map" } }))
    assert.truthy(world:logged "no word for that")
  end)

  it("reads and writes every kind of plain data", function()
    world = world_of()
    local ann = world:connect("pymmorpg", { user = "ann" })
    local values = { true, false, 0, 255, 256, 65536, -1, 2147483648, math.mininteger, math.maxinteger, 0.5, -1e300, "", "abc",
      "grün", "\xff\x00", ("x"):rep(300), { 1, { 2, {} } }, { a = { b = 1 } } }
    for _, value in ipairs(values) do
      assert.is_true(ann:ask("set", "ann", "it", value))
      local got = ann:ask("get", "ann", "it")
      assert.same(value, got)
      if math.type(value) then assert.equal(math.type(value), math.type(got)) end
    end
  end)

  it("survives lag, jitter and any split of its bytes", function()
    for _, split in ipairs { 1, 3, "random" } do
      local w <close> = world_of { seed = 9 }
      w:network { lag = 0.05, jitter = 0.03, split = split }
      local ann = w:connect("pymmorpg", { user = "ann" })
      local handles = {}
      for i = 1, 50 do handles[i] = ann:send("set", "ann", "it", ("x"):rep(i * 20)) end
      for i = 1, 50 do assert.is_true(ann:await(handles[i]).value) end
      assert.equal(("x"):rep(1000), ann:ask("get", "ann", "it"))
    end
  end)

  it("gets the answers to what came before a half-close, and is logged out", function()
    world = world_of()
    local ann = world:connect("pymmorpg", { user = "ann" })
    local a, b = ann:send "ver", ann:send("get", "ann", "hp")
    ann:shut()
    ann:wait_for(function() return b.done end)
    assert.same({ "1.0.3", 100 }, { a.value, b.value })
    world:advance(1)
    assert.equal(0, #world:clients())
  end)

  it("that vanished is found out after ten minutes, before log-in after two", function()
    world = world_of()
    local ann, guest = world:connect("pymmorpg", { user = "ann" }), world:connect "pymmorpg"
    ann:vanish()
    guest:vanish()
    world:advance(121)
    assert.equal(1, #world:clients())
    world:advance(480)
    assert.equal(0, #world:clients())
  end)

  it("that begins a message and says no more is let go after ten seconds", function()
    world = world_of()
    local ann = world:connect("pymmorpg", { user = "ann" })
    ann:send_raw "100 abc"
    world:advance(9)
    assert.is_nil(ann.over)
    world:advance(2)
    assert.equal("end", ann.over)
  end)

  it("with code in its pickles is not answered, and runs nothing", function()
    world = world_of()
    local ann = world:connect("pymmorpg", { user = "ann" })
    ann:send_pickle "cos\nsystem\n(S'touch /tmp/owned'\ntR."
    assert.equal("1.0.3", ann:ask "ver")
    for _ = 1, 4 do ann:send_pickle "junk" end
    assert.equal("1.0.3", ann:ask "ver") -- a readable one resets the count
    for _ = 1, 5 do ann:send_pickle "junk" end
    world:advance(1)
    assert.equal("end", ann.over)
  end)

  it("that guesses is answered late, and only after the limit", function()
    world = sim.run_text(BOOK, { seed = 5, listen = "pymmorpg://x:1?attempts=3" })
    local eve = world:connect "pymmorpg"
    for _ = 1, 3 do assert.is_true(eve:login("ann", "guess").took < 1) end
    local late = eve:login("ann", "guess")
    assert.is_false(late.value)
    assert.is_true(late.took >= 1)
  end)

  it("meets the rulebook's own login, told whether the account is to be made", function()
    world = sim.run_text([[
      local host = require "umpire"
      local book = { api = 1, listen = { "pymmorpg://0.0.0.0:5050" } }
      function book.login(name, password, client, create)
        host.notify(client, create and "welcome" or "again")
        return password == "open"
      end
      return book]])
    local ann = world:connect "pymmorpg"
    local made = ann:event("new", "ann", "open")
    assert.same({ true, { "welcome" } }, { made.value, made.flags })
    local failed = ann:event("login", "bob", "shut")
    assert.is_false(failed.value)
    assert.equal("ann", world:clients()[1].name) -- changes nothing if it fails
    local guest = world:connect "pymmorpg"
    assert.same({ false, {} }, (function(r) return { r.value, r.flags } end)(guest:event("login", "bob", "shut")))
    assert.same({}, guest:event("ver").flags)
  end)
end)
