-- The replicated state: host.update and host.state, who may see what, and the copies that subscribers keep.
local copies = require "umpire.client.state"
local sim = require "umpire.sim"

-- A rulebook that updates what it is told: event "update" carries a patch, in which the string "DELETE" stands for host.DELETE.
-- `more` is Lua text in front of its return.
local function rules(more, listen)
  return ([[
local host = require "umpire"
local game = { api = 1, version = 1, listen = { %s } }
local function patch(t)
  local out = {}
  for key, value in pairs(t) do
    if type(value) == "table" and #value == 0 then value = patch(value) end
    if value == "DELETE" then value = host.DELETE end
    out[key] = value
  end
  return out
end
function game.execute(client, event)
  if event.name == "update" then host.update(patch(event.data)) end
  if event.name == "subscribe" then host.subscribe(client) end
  if event.name == "unsubscribe" then host.unsubscribe(client) end
  if event.name == "kick" then for other in host.clients() do if other ~= client then host.kick(other, "out") end end end
  local asked = game._asks and game._asks[event.name]
  if asked then return asked(client, event.data) end
end
%s
return game
]]):format(listen or '"laneya://0.0.0.0:5001", "neteria://0.0.0.0:40080"', more or "")
end

local function as_json(value) -- integer keys of maps are strings there
  if type(value) ~= "table" then return value end
  local out = {}
  for key, v in pairs(value) do out[(#value == 0 or key ~= math.floor(key)) and tostring(key) or key] = as_json(v) end
  return out
end

-- A client that keeps a copy.
local function follow(client)
  client.copy = copies.new()
  for _, data in ipairs(client:received "state") do client.copy:take(data) end
  client.on_notify = function(notify)
    if notify.name == "state" then client.copy:take(notify.data) end
  end
  return client
end

local function count(world, name) return world:counters()["engine." .. name] end

describe("host.update and host.state:", function()
  local world, ann
  local function open(more)
    world = sim.run_text(rules(more))
    ann = world:connect "laneya"
  end
  after_each(function() assert.equal(0, world:close() or 0) end)

  it("merges deeply, replaces lists, and removes what is marked", function()
    open()
    ann:event("update", { players = { ann = { x = 1, y = 2 }, bob = { x = 3 } }, list = { 1, 2, 3 }, round = 1 })
    ann:event("update", { players = { ann = { x = 5 }, bob = "DELETE", nobody = "DELETE" }, list = { 9 }, gone = "DELETE" })
    assert.same({ players = { ann = { x = 5, y = 2 } }, list = { 9 }, round = 1 }, world.state)
    ann:event("update", { players = "DELETE" })
    assert.same({ list = { 9 }, round = 1 }, world.state)
    ann:event("update", { round = { first = { deep = true } } }) -- a map in place of a number
    ann:event("update", { list = { now = "a map" } })
    assert.same({ list = { now = "a map" }, round = { first = { deep = true } } }, world.state)
  end)

  it("is seen when the handler has returned, and not at all if it failed", function()
    open [[
      host.update { n = 1 }
      game._asks = {
        look = function() host.update { n = 2 } return { n = host.state.n } end,
        fail = function() host.update { n = 3, more = { host = 1 } } error "no" end,
        catch = function() pcall(host.update, { n = 4, bad = print }) return { n = host.state.n } end,
      }
    ]]
    assert.same({ n = 1 }, ann:event("look", {}).data)
    assert.same({ n = 2 }, world.state)
    assert.is_false(ann:event("fail", {}).legal)
    assert.same({ n = 2 }, world.state)
    ann:event("catch", {}) -- all or nothing of one patch, too
    assert.same({ n = 2 }, world.state)
  end)

  it("reads as an ordinary table", function()
    open [[
      host.update { players = { ann = { x = 1 }, bob = { x = 2 } }, list = { 10, { deep = { 20 } }, "c" }, [7] = "seven",
        none = {}, yes = true, half = 0.5 }
      game._asks = { look = function()
        local s, names, list = host.state, {}, {}
        for name, player in pairs(s.players) do names[#names + 1] = name .. player.x end
        for i, value in ipairs(s.list) do list[i] = type(value) end
        local first, second, third = table.unpack(s.list)
        local key, value = next(s.players)
        return { types = { type(s), type(s.players), type(s.list), math.type(s.half) }, names = names, list = list,
          unpacked = { first, second.deep[1], third }, n = { #s.list, #s.players, rawlen(s.list) }, seven = s[7],
          next = { key, value.x, next(s.players, "bob") == nil, next(s.none) == nil }, yes = s.yes, nothing = s.nobody == nil,
          same = s.players == s.players and s.list == s.list and rawequal(s.players.ann, host.state.players.ann),
          joined = table.concat({ table.unpack(s.list[2].deep) }, ","), whole = s.players, copy = { s.list[2], s.players.ann },
          raw = rawget(s.players, "ann").x }
      end }
    ]]
    assert.same({
      types = { "table", "table", "table", "float" }, names = { "ann1", "bob2" },
      list = { "number", "table", "string" },
      unpacked = { 10, 20, "c" }, n = { 3, 0, 3 }, seven = "seven", next = { "ann", 1, true, true }, yes = true, nothing = true,
      same = true, joined = "20", whole = { ann = { x = 1 }, bob = { x = 2 } },
      copy = { { deep = { 20 } }, { x = 1 } }, raw = 1,
    }, ann:event("look", {}).data)
  end)

  it("what pairs steps with walks its own table, whatever it is called with", function()
    open [[
      host.update { a = { x = 1, y = 2 }, b = { z = 3, w = 4 }, list = { 5, 6 } }
      game._asks = { look = function()
        local keys, step = {}, pairs(host.state.a)
        for i, with in ipairs { host.state.a, host.state.b, 7 } do keys[i] = step(with) or "end" end
        local list = pairs(host.state.list)
        return { keys = keys, none = (pairs(host.state))() , list = { list() , list({}, 1) } }
      end }
    ]]
    assert.same({ keys = { "x", "y", "end" }, none = "a", list = { 1, 2, 6 } }, ann:event("look", {}).data)
  end)

  it("goes on in the order in which keys came to be", function()
    open [[
      for _, name in ipairs { "z", "a", "m" } do host.after(0, function() host.update { m = { [name] = 1 } } end) end
      game._asks = { look = function()
        local names = {}
        for name in pairs(host.state.m) do names[#names + 1] = name end
        return { names = names }
      end }
    ]]
    world:advance(0.1)
    assert.same({ names = { "z", "a", "m" } }, ann:event("look", {}).data)
    ann:event("update", { m = { z = "DELETE", a = 2 } })
    ann:event("update", { m = { z = 3 } })
    assert.same({ names = { "a", "m", "z" } }, ann:event("look", {}).data)
  end)

  it("stands for a place: a table that is kept shows the present, and nothing once it is removed", function()
    open [[
      host.update { players = { ann = { x = 1 } } }
      local kept, list
      game._asks = {
        keep = function() kept = host.state.players.ann end,
        look = function() return { x = kept.x or "nothing", empty = next(kept) == nil } end,
      }
    ]]
    ann:event("keep", {})
    ann:event("update", { players = { ann = { x = 2 } } })
    assert.same({ x = 2, empty = false }, ann:event("look", {}).data)
    ann:event("update", { players = { ann = "DELETE" } })
    assert.same({ x = "nothing", empty = true }, ann:event("look", {}).data)
    ann:event("update", { players = "DELETE" })
    world:advance(1)
    ann:event("update", { players = { bob = { x = 3 } } })
    assert.same({ x = "nothing", empty = true }, ann:event("look", {}).data)
  end)

  it("refuses to be written, with the line and what to write instead", function()
    open [[
      host.update { players = { ann = { x = 1 } }, list = { 1, { 2 } } }
      local function raises(fn) local ok, why = pcall(fn) assert(not ok) return (why:gsub("^.-:%d+: ", "")) end
      game._asks = { write = function() return { written = {
        raises(function() host.state.players.ann.x = 2 end),
        raises(function() host.state.players["two words"] = 2 end),
        raises(function() rawset(host.state, "x", 2) end),
        raises(function() host.state.list[1] = 2 end),
        raises(function() host.state.list[2][1] = 2 end),
        raises(function() table.insert(host.state.list, 2) end),
        raises(function() table.sort(host.state.list, function() return true end) end),
        raises(function() setmetatable(host.state, nil) end),
      } } end,
      oops = function() host.state.players.ann.x = 2 end }
    ]]
    local says = "cannot be set: every client has a copy of the state, and only host.update changes it: "
    local list = "a list of host.state cannot be changed: host.update replaces it with another one"
    assert.same({
      "host.state.players.ann.x " .. says .. "host.update{ players = { ann = { x = ... } } }",
      "host.state.players[\"two words\"] " .. says .. "host.update{ players = { [\"two words\"] = ... } }",
      "host.state.x " .. says .. "host.update{ x = ... }", list, list, list, list, "cannot change a protected metatable",
    }, ann:event("write", {}).data.written)
    assert.is_false(ann:event("oops", {}).legal)
    assert.matches("%.lua:%d+: host%.state%.players%.ann%.x cannot be set", table.concat(world.log, "\n"))
    assert.same({ players = { ann = { x = 1 } }, list = { 1, { 2 } } }, world.state)
  end)

  it("says what is wrong with a patch, by its path", function()
    open [[
      local function raises(...) local ok, why = pcall(...) assert(not ok) return (why:gsub("^.-:%d+: ", "")) end
      game._asks = { wrong = function(client) return { says = {
        raises(host.update, { a = { b = 0 / 0 } }),
        raises(host.update, { a = { b = "\xff" } }),
        raises(host.update, { a = { [true] = 1 } }),
        raises(host.update, { a = { [1.5] = 1 } }),
        raises(host.update, { a = { 1, host.DELETE } }),
        raises(host.update, { a = { b = print } }),
        raises(host.update, { 1, 2 }),
        raises(host.update, "x"),
        raises(host.notify, client, "x", { host.DELETE }),
        raises(host.broadcast, "x", { y = host.DELETE }),
      } } end }
      function game.legal(client, event)
        if event.name == "change" then host.update { x = 1 } end
        return true
      end
    ]]
    assert.same({
      "host.update: value at patch.a.b is infinite or not a number, which no wire can carry",
      "host.update: value at patch.a.b is a string that is not valid UTF-8: encode bytes first",
      "host.update: value at patch.a has a key that is no string and no integer",
      "host.update: value at patch.a has a key that is no string and no integer",
      "host.update: value at patch.a holds host.DELETE in a list: a list is replaced as a whole",
      "value at patch.a.b is a function: only nil, booleans, numbers, strings and tables of them can be in the state",
      "host.update: the patch is no table with names as keys",
      "bad argument #1 to 'host.update' (table expected, got string)",
      "value at data[1] is host.DELETE, which means something in host.update alone",
      "value at data.y is host.DELETE, which means something in host.update alone",
    }, ann:event("wrong", {}).data.says)
    assert.is_false(ann:event("change", {}).legal)
    assert.matches("host.update cannot be called in legal: legal must change nothing", table.concat(world.log, "\n"))
    assert.same({}, world.state)
  end)

  it("is kept by a reload", function()
    open()
    ann:event("update", { players = { ann = { x = 1 } } })
    assert.is_true(world:rewrite(rules [[
      function game.load() host.update { players = { ann = { y = host.state.players.ann.x + 1 } } } end
    ]]):reload())
    assert.same({ players = { ann = { x = 1, y = 2 } } }, world.state)
    world:rewrite(rules [[ function game.load() host.update { players = host.DELETE } error "no" end ]])
    assert.is_false(world:reload())
    assert.same({ players = { ann = { x = 1, y = 2 } } }, world.state)
  end)
end)

describe("subscribers:", function()
  local world
  after_each(function() assert.equal(0, world:close() or 0) end)

  it("get the full state and then patches, in a chain", function()
    world = sim.run_text(rules())
    local ann = world:connect "laneya"
    ann:event("update", { players = { ann = { x = 1 } }, list = { 1 } })
    ann:event("subscribe", {})
    world:advance(0.1)
    ann:event("update", { players = { bob = { x = 2 } } })
    ann:event("update", { players = { ann = "DELETE" }, list = { 2 } })
    world:advance(0.1)
    local got = ann:received "state"
    assert.same({ time = got[1].time, full = true, state = { players = { ann = { x = 1 } }, list = { 1 } } }, got[1])
    assert.same({ time = got[2].time, since = got[1].time, patch = { players = { bob = { x = 2 } }, list = { 2 } },
      removed = { { "players", "ann" } } }, got[2])
    assert.equal(2, #got) -- at most one in 50 ms
    ann:event("unsubscribe", {})
    ann:event("update", { list = { 3 } })
    world:advance(1)
    assert.equal(2, #ann:received "state")
    ann:event("subscribe", {})
    world:advance(0.1)
    assert.is_true(ann:last "state".full)
    assert.is_true(ann:last "state".time > got[2].time)
  end)

  it("are told at most once a tick", function()
    world = sim.run_text(rules [[
      game.tick_rate = 5
      function game.tick() host.update { n = (host.state.n or 0) + 1 } host.update { m = (host.state.m or 0) + 1 } end
      function game.connect(client) host.subscribe(client) end
    ]])
    local ann = world:connect "laneya"
    world:advance(2.05)
    local got = ann:received "state"
    assert.is_true(#got >= 9 and #got <= 11, #got)
    assert.equal(1, count(world, "ticks") - got[#got].patch.n < 2 and 1 or 0)
  end)

  it("get integer keys as strings where the wire is JSON, and nothing twice when nothing changes", function()
    world = sim.run_text(rules [[
      host.update { [7] = { [-1] = "x" }, empty = {}, list = host.array {}, null = host.null }
      function game.connect(client) host.subscribe(client) end
    ]])
    local ann = world:connect "laneya"
    world:advance(10)
    assert.equal(1, #ann:received "state")
    local state = ann:last "state".state
    assert.same({ ["-1"] = "x" }, state["7"])
  end)

  for _, protocol in ipairs { "laneya", "neteria" } do
    it(protocol .. ": keep a copy that is right in the end, whatever the network does", function()
      world = sim.run_text(rules [[
        function game.connect(client) host.subscribe(client) end
        local names = { "a", "b", "c", "d" }
        local function value(depth)
          local r = host.random(6)
          if r == 1 then return host.DELETE end
          if r < 4 or depth > 2 then return host.random(9) end
          if r == 4 then return { host.random(9), "x" } end
          local t = {}
          for i = 1, host.random(3) do t[names[host.random(4)] ] = value(depth + 1) end
          return t
        end
        local left = 600
        host.every(0.03, function()
          left = left - 1
          if left > 0 then host.update { [names[host.random(4)] ] = value(0) } end
        end)
      ]], { seed = 5 })
      world:network { loss = 0.25, duplicate = 0.2, reorder = 0.3, lag = 0.05, jitter = 0.2 }
      local all = {}
      for i = 1, 5 do all[i] = follow(world:connect(protocol)) end
      world:advance(20)
      world:network {}
      world:advance(30)
      for i, client in ipairs(all) do
        assert.same(as_json(world.state), client.copy.state, "client " .. i)
        assert.equal(0, #client.copy.waiting)
      end
    end)
  end

  it("a PyGaSe client needs no subscription: it has the state anyway", function()
    world = sim.run_text(rules([[
      host.update { n = 1 }
      function game.connect(client) assert(host.subscribe(client)) end
    ]], '"pygase://0.0.0.0:8080"'))
    local ann = world:connect "pygase"
    world:advance(0.5)
    assert.equal(1, ann.state.n)
    assert.equal(0, #ann:received "state")
  end)

  it("who did not hear one of them gets the whole anew when it is back", function()
    world = sim.run_text(rules [[ function game.connect(client) host.subscribe(client) end ]], { listen = {
      "laneya://0.0.0.0:5001", "neteria://0.0.0.0:40080" } })
    local ann, bob = follow(world:connect "neteria"), world:connect "laneya"
    bob:event("update", { n = 1, keep = { a = 1 } })
    world:advance(1)
    assert.same({ n = 1, keep = { a = 1 } }, ann.copy.state)
    world:cut(ann)
    bob:event("update", { n = 2, keep = { a = "DELETE", b = 2 } })
    world:advance(12) -- five times in 8 s, then the host gives that one up
    world:heal(ann)
    ann:event("hello", {})
    world:advance(5)
    assert.same({ n = 2, keep = { b = 2 } }, ann.copy.state)
    assert.is_true(ann:last "state".full)
  end)

  it("are told everything but what is too large for one notify", function()
    world = sim.run_text(rules([[
      function game.connect(client) host.subscribe(client) end
      host.update { k1 = 1, k2 = 2, k3 = 3, k4 = 4, k5 = 5 }
      game._asks = { grow = function()
        local gone = host.DELETE
        host.update { k1 = gone, k2 = gone, k3 = gone, k4 = gone, k5 = gone, a = 1, large = ("x"):rep(30000), z = { y = 2 } }
      end }
    ]], '"neteria://0.0.0.0:40080"'))
    local ann, bob = follow(world:connect "neteria"), world:connect "neteria"
    world:advance(1)
    assert.same({ k1 = 1, k2 = 2, k3 = 3, k4 = 4, k5 = 5 }, ann.copy.state)
    bob:event("grow", {})
    world:advance(2)
    assert.same({ a = 1, z = { y = 2 } }, ann.copy.state)
    assert.matches("too large for one notify of neteria", table.concat(world.log, "\n"), 1, true)
    local late = follow(world:connect "neteria")
    world:advance(1)
    assert.same({ a = 1, z = { y = 2 } }, late.copy.state)
  end)

  it("get a large state in parts", function()
    world = sim.run_text(rules [[
      function game.connect(client) host.subscribe(client) end
      local big = {}
      for i = 1, 2000 do big["unit " .. i] = { x = i, y = i / 3, name = ("unit number %d"):format(i) } end
      host.update { units = big }
      game._asks = { clear = function()
        local gone, n = {}, 0
        for name in pairs(host.state.units) do
          n = n + 1
          if n > 1 then gone[name] = host.DELETE end
        end
        host.update { units = gone }
      end }
    ]])
    local ann, bob = follow(world:connect "neteria"), follow(world:connect "laneya")
    world:advance(5)
    assert.same(world.state, ann.copy.state)
    assert.same(world.state, bob.copy.state)
    assert.is_true(#ann:received "state" > 4)
    bob:event("clear", {})
    world:advance(5)
    assert.same({ units = { ["unit 1"] = { x = 1, y = 1 / 3, name = "unit number 1" } } }, world.state)
    assert.same(world.state, ann.copy.state)
    assert.same(world.state, bob.copy.state)
  end)

  it("on joint get JSON, as a chunk or as a call", function()
    world = sim.run_text(rules([[
      game.channels = { lobby = { mode = "chunk" }, raw = { mode = "data" },
        arena = { mode = "rpc", client_remotes = { [3] = { { "state", "String" } } } } }
      game.channels.mute = { mode = "rpc", remotes = { [0] = { { "x" } } } }
      host.update { n = 1 }
      function game.connect(client) host.subscribe(client) end
    ]], '"joint://0.0.0.0:7680", "laneya://0.0.0.0:5001"'))
    local ann = world:connect("joint", { channel = "lobby" })
    local bob = world:connect("joint", { channel = "arena",
      declared = { mode = "rpc", client_remotes = { [3] = { { "state", "String" } } } } })
    world:advance(1)
    assert.matches('^{"time":%d+,"full":true,"state":{"n":1}}$', ann:last "chunk")
    assert.matches('^{"time":%d+,"full":true,"state":{"n":1}}$', bob:last "state"[1])
    world:connect("joint", { channel = "raw" })
    world:connect("joint", { channel = "mute" })
    local log = table.concat(world.log, "\n")
    assert.matches("host.subscribe: channel 'raw' carries bytes without bounds", log)
    assert.matches("channel 'mute' has no procedure 'state'", log)
  end)

  it("pymmorpg clients cannot be: they are told why", function()
    world = sim.run_text(rules([[
      function game.login() return true end
      function game.connect(client) host.subscribe(client) end
    ]], '"pymmorpg://0.0.0.0:5050"'))
    pcall(world.connect, world, "pymmorpg")
    assert.matches("clients of PYMMORPG ask, they are told nothing but flags", table.concat(world.log, "\n"))
  end)
end)

describe("views:", function()
  local world
  after_each(function() assert.equal(0, world:close() or 0) end)
  local HANDS = [[
    host.update { players = {}, hands = {}, secret = { seed = "the seed" }, round = 1 }
    function game.connect(client) host.subscribe(client) end
    function game.execute(client, event)
      if event.name == "deal" then
        host.update { hands = { [client.id] = { event.data.card } }, players = { [client.id] = { cards = 1 } } }
      end
      if event.name == "fold" then host.update { hands = { [client.id] = host.DELETE } } end
      if event.name == "look" then client.data.looks = event.data.on host.update { round = host.state.round + 1 } end
    end
    function game.view(client, state)
      return { players = state.players, round = true, hands = { [client.id] = state.hands[client.id] },
        secret = client.data.looks and state.secret }
    end
  ]]

  it("everyone sees his own hand, and a part that left the view is removed", function()
    world = sim.run_text(rules(HANDS))
    local ann, bob = follow(world:connect "laneya"), follow(world:connect "laneya")
    ann:event("deal", { card = "queen" })
    bob:event("deal", { card = "ten" })
    world:advance(0.2)
    local ids = {}
    for i, c in ipairs(world:clients()) do ids[i] = c.id end
    assert.same({ [ids[1]] = { "queen" } }, ann.copy.state.hands)
    assert.same({ [ids[2]] = { "ten" } }, bob.copy.state.hands)
    assert.same({ [ids[1]] = { cards = 1 }, [ids[2]] = { cards = 1 } }, bob.copy.state.players)
    ann:event("look", { on = true })
    world:advance(0.2)
    assert.same({ seed = "the seed" }, ann.copy.state.secret)
    ann:event("look", { on = false })
    world:advance(0.2)
    assert.is_nil(ann.copy.state.secret)
    ann:event("fold", {})
    world:advance(0.2)
    assert.same({}, ann.copy.state.hands)
    assert.equal(3, ann.copy.state.round)
  end)

  -- Units come out of the fog and go back, between the beats too. What is hidden says so.
  local FOG = [[
      function game.connect(client) if client.protocol ~= "pygase" then host.subscribe(client) end end
      function game.view(client, state)
        local mine = {}
        for name, unit in pairs(state.units or {}) do if unit.open then mine[name] = unit end end
        return { units = mine, round = true }
      end
      local n = 0
      host.every(0.007, function()
        n = n + 1
        local name, open = "unit" .. host.random(8), host.random(3) == 1
        host.update { units = { [name] = { open = open, at = (open and "OPEN" or "HIDDEN") .. n } }, round = n }
        if host.random(10) == 1 then host.update { units = { [name] = host.DELETE } } end
      end)
    ]]
  local LISTEN = '"laneya://0.0.0.0:5001", "neteria://0.0.0.0:40080", "joint://0.0.0.0:7680", "pygase://0.0.0.0:8080"'

  -- Every byte that arrives at the client.
  local function listen_in(client)
    local arrived, heard = client._arrived, {}
    client._arrived = function(self, bytes, ...)
      heard[#heard + 1] = bytes
      return arrived(self, bytes, ...)
    end
    return function() return table.concat(heard) end
  end

  for _, protocol in ipairs { "laneya", "neteria", "joint", "pygase" } do
    it("nothing hidden ever crosses the wire: it is not among its bytes: " .. protocol, function()
      world = sim.run_text(rules(FOG .. [[ game.channels = { lobby = { mode = "chunk" } } ]], LISTEN), { seed = 11 })
      local ann = world:connect(protocol, protocol == "joint" and { channel = "lobby" } or nil)
      local heard = listen_in(ann)
      world:advance(20)
      local _, shown = heard():gsub("OPEN", "")
      assert.is_true(shown > 100, shown)
      assert.is_nil(heard():find "HIDDEN")
      local all = {}
      for _, unit in pairs(world.state.units) do all[#all + 1] = unit.at end
      assert.matches("HIDDEN", table.concat(all)) -- there was something to hide
    end)

    it("a reload hides at once what the new rulebook hides: " .. protocol, function()
      world = sim.run_text(rules([[
        host.update { a = "OPEN" }
        game.channels = { lobby = { mode = "chunk" } }
        function game.connect(client) if client.protocol ~= "pygase" then host.subscribe(client) end end
      ]], LISTEN))
      local ann = world:connect(protocol, protocol == "joint" and { channel = "lobby" } or nil)
      local bob = world:connect "laneya"
      world:advance(0.2)
      for i = 1, 6 do -- the last beat was a moment ago, so the new rulebook's first is yet to come
        bob:event("update", { a = "OPEN", n = i })
        world:advance(0.011)
      end
      local heard = listen_in(ann)
      world:rewrite(rules([[
        game.channels = { lobby = { mode = "chunk" } }
        function game.view() return { a = true } end
        function game.load() host.update { b = "HIDDEN by load" } end
      ]], LISTEN)):reload()
      for i = 1, 30 do
        bob:event("update", { a = "OPEN" .. i, b = "HIDDEN" .. i })
        world:advance(0.01)
      end
      world:advance(0.2)
      assert.matches("OPEN30", heard())
      assert.is_nil(heard():find "HIDDEN")
    end)
  end

  it("an error leaves the view that was, and a newcomer nothing", function()
    world = sim.run_text(rules [[
      host.update { a = 1, b = 2 }
      function game.connect(client) host.subscribe(client) end
      local broken = false
      local execute = game.execute
      function game.execute(client, event)
        if event.name == "break" then broken = true host.update { a = 10 } end
        return execute(client, event)
      end
      function game.view(client, state)
        if broken then error "no view" end
        return { a = state.a }
      end
    ]])
    local ann = follow(world:connect "laneya")
    world:advance(0.2)
    assert.same({ a = 1 }, ann.copy.state)
    ann:event("break", {})
    world:advance(0.2)
    assert.same({ a = 10 }, ann.copy.state)
    local bob = follow(world:connect "laneya")
    world:advance(0.2)
    assert.equal(0, #bob:received "state")
    assert.matches("no view.-called for view", table.concat(world.log, "\n"))
  end)

  it("must change nothing, and name parts at their own places", function()
    for text, says in pairs {
      ["host.update { x = 1 } return true"] = "host.update cannot be called in view: view must change nothing",
      ["return { players = state.hands }"] = "view: players: another part of host.state stands here",
      ["return state.players"] = "view: part of host.state was returned: say where it is",
      ["return 5"] = "view: must return true, false or a table, got a number",
      ["local t = true for i = 1, 30 do t = { a = t, b = t } end return t"] = "more than 65536 places",
    } do
      world = sim.run_text(rules([[
        host.update { players = { ann = 1 }, hands = { ann = 2 } }
        function game.connect(client) host.subscribe(client) end
        function game.view(client, state) ]] .. text .. [[ end
      ]]))
      local ann = world:connect "laneya"
      world:advance(0.2)
      assert.matches(says, table.concat(world.log, "\n"), 1, true)
      assert.equal(0, #ann:received "state")
      world:close()
    end
  end)

  it("true is everything, nothing is an empty state; a reload asks the new rulebook before anything more goes out", function()
    world = sim.run_text(rules [[
      host.update { a = 1, b = 2 }
      function game.connect(client) host.subscribe(client) end
      function game.view(client, state) return state end
    ]])
    local ann = follow(world:connect "laneya")
    world:advance(0.2)
    assert.same({ a = 1, b = 2 }, ann.copy.state)
    world:rewrite(rules [[ function game.view(client, state) return { b = true } end ]]):reload()
    ann:event("update", { a = 99, b = 3 })
    world:advance(0.2)
    assert.same({ b = 3 }, ann.copy.state)
    for _, data in ipairs(ann:received "state") do assert.is_true((data.patch or data.state).a ~= 99) end
    world:rewrite(rules [[ function game.view() return false end ]]):reload()
    world:advance(0.2)
    assert.same({}, ann.copy.state)
    world:rewrite(rules()):reload()
    world:advance(0.2)
    assert.same({ a = 99, b = 3 }, ann.copy.state)
  end)

  it("costs what changed: a view is asked once a version, a patch is made once for all with the same view", function()
    world = sim.run_text(rules [[
      function game.connect(client) host.subscribe(client) end
      function game.view(client, state) return { a = true } end
    ]])
    local ann = world:connect "laneya"
    for _ = 1, 9 do world:connect "laneya" end
    world:advance(1)
    local views, patches = count(world, "views"), count(world, "state_patches")
    ann:event("update", { a = 1 })
    world:advance(10)
    assert.equal(10, count(world, "views") - views)
    assert.equal(1, count(world, "state_patches") - patches)
  end)
end)

it("a reload after every event changes nothing for those who follow the state", function()
  for _, more in ipairs { "", "game.tick_rate = 10 function game.tick() end",
    "function game.view(client, state) return { players = state.players } end" } do
    local world = sim.run_text(rules([[
      function game.connect(client) if client.protocol ~= "pygase" then host.subscribe(client) end end
    ]] .. more, '"laneya://0.0.0.0:5001", "pygase://0.0.0.0:8080"'), { seed = 3, reload = "every" })
    local ann, bob = follow(world:connect "laneya"), world:connect "pygase"
    for i = 1, 20 do
      ann:event("update", { players = { ann = { x = i }, bob = i % 3 == 0 and "DELETE" or { y = i } } })
      world:advance(0.017 * (i % 5))
      ann:event("nothing", {}) -- and loaded again, when there is nothing to tell
      world:advance(0.003 * (i % 9))
    end
    world:advance(1)
    assert.same({ players = { ann = { x = 20 }, bob = { y = 20 } } }, world.state)
    assert.same(world.state, ann.copy.state)
    assert.same(world.state.players, bob.state.players)
    world:close()
  end
end)
