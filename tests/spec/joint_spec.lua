-- The joint protocol in the simulator: a rulebook that owns channels of each mode, raw players and players over WebSocket,
-- brokers' channels beside them, and bad weather.
local sim = require "umpire.sim"
local joint = require "umpire.client.joint"

local arena = {
  mode = "rpc",
  remotes = { [0] = { { "step", "Int32", "Int32" }, { "say", "String" } },
    [2] = { { "all", "Bool", "Byte", "UInt16", "Int16", "Int32", "Float", "Double", "String", "Bytes", "Array<Int>",
      "Map<String, Array<Int16>>", "IntMap<Bool>" } } },
  client_remotes = { [3] = { { "moved", "String", "Int32", "Int32" }, { "list", "Map<Int, String>" } } },
}

local rules = [[
local host = require "umpire"
local game = { api = 1, listen = { "joint://0.0.0.0:7680" } }
game.channels = {
  lobby = { mode = "chunk", max_chunk = 100 },
  raw = { mode = "data", max_users = 2 },
  arena = {
    mode = "rpc",
    remotes = { [0] = { { "step", "Int32", "Int32" }, { "say", "String" } },
      [2] = { { "all", "Bool", "Byte", "UInt16", "Int16", "Int32", "Float", "Double", "String", "Bytes", "Array<Int>",
        "Map<String, Array<Int16>>", "IntMap<Bool>" } } },
    client_remotes = { [3] = { { "moved", "String", "Int32", "Int32" }, { "list", "Map<Int, String>" } } },
  },
}
local blocked, heard = {}, {}
function game.connect(client)
  if blocked[client.address:match "^[^:]+"] then return false, "blocked" end
  client.data.channel = client.channel
  if client.channel == "arena" then host.notify(client, "moved", { "welcome", 0, 0 }) end
end
function game.legal(_, event)
  if event.name == "step" then return math.abs(event.data[1]) + math.abs(event.data[2]) == 1, "one cell at a time" end
  return true
end
function game.execute(client, event)
  if event.name == "chunk" then
    if event.data == "kick me" then host.kick(client, "asked for it") return end
    if event.data == "block me" then blocked[client.address:match "^[^:]+"] = true host.kick(client) return end
    for other in host.clients() do
      if other.channel == "lobby" then host.notify(other, nil, event.data) end
    end
  elseif event.name == "data" then
    host.notify(client, "data", event.data:reverse())
  elseif event.name == "step" then
    host.broadcast("moved", { client.channel, event.data[1], event.data[2] })
  elseif event.name == "say" then
    local ok, why = pcall(host.notify, client, "mooved", event.data)
    host.notify(client, "list", { [5] = tostring(ok), [7] = why }) -- one parameter: the bare value will do
    ok, why = pcall(host.notify, client, "moved", { event.data[1], 1, "x" })
    host.notify(client, "list", { { [5] = tostring(ok), [7] = why } })
  elseif event.name == "all" then
    heard[#heard + 1] = event.data
    host.log.info("all", event.data[1], event.data[2], event.data[3], event.data[4], event.data[5], event.data[6],
      event.data[7], event.data[8], #event.data[9], event.data[10][2], event.data[11].a[1], event.data[12][-4])
  end
end
function game.disconnect(client, reason) host.log.info("gone", client.channel, reason) end
return game
]]

local function world(options)
  return sim.run_text(rules, options or { seed = 5 })
end

local function each_way(story)
  for _, web in ipairs { false, true } do story(web) end
end

describe("joint", function()
  it("brings chunks to the rulebook and back, raw and over WebSocket", function()
    each_way(function(web)
      local w = world()
      local ann = w:connect("joint", { channel = "lobby", web = web })
      local bob = w:connect("joint", { channel = "lobby", web = not web })
      assert.equal(0, ann.channel.number)
      ann:send "hello"
      w:settle()
      assert.same({ "hello" }, ann:received "chunk")
      assert.same({ "hello" }, bob:received "chunk")
      ann:disconnect()
      w:settle()
      assert.truthy(w:logged "gone lobby connection lost")
      w:close()
    end)
  end)

  it("knows the library's errors", function()
    local w = world()
    local ann = w:connect("joint", { channel = "nowhere" })
    assert.equal("missing", ann.channel.error)
    assert.equal(0, ann:enter("lobby").number)
    assert.equal("twice", ann:enter("lobby").error)
    assert.equal("taken", ann:create("lobby").error)
    w:connect("joint", { channel = "raw", mode = "data" })
    w:connect("joint", { channel = "raw", mode = "data" })
    assert.equal("full", w:connect("joint", { channel = "raw", mode = "data" }).channel.error)
    w:close()
  end)

  it("has data mode, where borders mean nothing", function()
    local w = world()
    local ann = w:connect("joint", { channel = "raw", mode = "data" })
    ann:send "abc"
    w:settle()
    assert.equal("cba", table.concat(ann:received "data"))
    w:close()
  end)

  it("carries calls both ways, with every type", function()
    each_way(function(web)
      local w = world()
      local ann = w:connect("joint", { channel = "arena", declared = arena, web = web })
      w:settle()
      assert.same({ { "welcome", 0, 0 } }, ann:received "moved") -- it waited until ann offered the object
      assert.same({ [0] = true, [2] = true }, ann.channel.offered[0])
      ann:call("step", { 0, -1 })
      ann:call("step", { 2, 0 }) -- illegal: the wire has no word for it
      w:settle()
      assert.same({ { "welcome", 0, 0 }, { "arena", 0, -1 } }, ann:received "moved")
      ann:call("all", { true, 255, 65535, -32768, -2147483648, 1.5, 0.1, "häh", "\0\255", { 8, 9 }, { a = { -3 } },
        { [-4] = true } })
      w:settle()
      assert.truthy(w:logged "all true 255 65535 -32768 -2147483648 1.5 0.1 häh 2 9 -3 true")
      w:close()
    end)
  end)

  it("says in the rulebook what cannot be called", function()
    local w = world()
    local ann = w:connect("joint", { channel = "arena", declared = arena })
    ann:call("say", { "hm" })
    w:settle()
    local lists = ann:received "list"
    assert.same("false", lists[1][1][5])
    assert.equal("host.notify: channel 'arena' has no procedure 'mooved' among its client_remotes: did you mean 'moved'?",
      lists[1][1][7])
    assert.truthy(lists[2][1][7]:find("parameter 3 of 'moved' must be a whole number of 32 bits", 1, true))
    w:close()
  end)

  it("kicks with reason KICK, and blocks", function()
    local w = world()
    local ann = w:connect("joint", { channel = "lobby" })
    ann:send "kick me"
    w:settle()
    assert.equal("kick", ann.channel.gone)
    assert.truthy(w:logged "gone lobby asked for it")
    assert.truthy(ann:enter("lobby").number) -- a kick is no ban
    ann:enter("raw", { mode = "data" })
    local bob = w:connect("joint", { channel = "lobby", address = "10.9.9.9:1000" })
    bob:send "block me"
    w:settle()
    assert.equal("kick", bob.channel.gone)
    assert.equal("missing", bob:enter("lobby").error)
    assert.equal("missing", w:connect("joint", { channel = "lobby", address = "10.9.9.9:1001" }).channel.error)
    assert.truthy(bob:create("bobs").number) -- his connection is as it was
    w:close()
  end)

  it("kicks whose chunk is over the channel's limit", function()
    local w = world()
    local ann = w:connect("joint", { channel = "lobby" })
    ann:send(("x"):rep(100))
    ann:send(("x"):rep(101))
    w:settle()
    assert.equal(1, #ann:received "chunk")
    assert.equal("kick", ann.channel.gone)
    w:close()
  end)

  it("is a broker for everybody else's channels", function()
    each_way(function(web)
      local w = world()
      local owner = w:connect("joint", { web = web })
      local said, gone = {}, {}
      local mine = owner:create("mine", {
        on_chunk = function(channel, bytes, user)
          said[#said + 1] = user .. ":" .. bytes
          channel:broadcast("all but " .. user, user)
        end,
        on_user_gone = function(_, user, reason) gone[#gone + 1] = user .. " " .. reason end,
      })
      local ann = w:connect("joint", { channel = "mine" })
      local bob = w:connect("joint", { channel = "mine", web = true })
      ann:send "hi"
      bob:send "ho"
      w:settle()
      table.sort(said)
      assert.same({ "0:hi", "1:ho" }, said)
      assert.same({ "all but 1" }, ann:received "chunk")
      assert.same({ "all but 0" }, bob:received "chunk")
      mine:kick(0)
      w:settle()
      assert.equal("kick", ann.channel.gone)
      bob.channel:leave()
      w:settle()
      assert.same({ "0 kick", "1 close" }, gone)
      local again = ann:enter "mine"
      local twin = ann:enter "lobby"
      owner:disconnect()
      w:settle()
      assert.equal("disconnect", again.gone)
      assert.truthy(twin.number)
      w:close()
    end)
  end)

  it("gives the reasons that the library understands", function()
    local w = world()
    local owner = w:connect "joint"
    local one, two = owner:create "one", owner:create "two"
    local ann = w:connect("joint", { channel = "one" })
    local second = ann:enter "two"
    one:delete()
    w:settle()
    assert.equal("close", ann.channel.gone)
    assert.truthy(two.number)
    owner:cut()
    w:settle()
    assert.equal("disconnect", second.gone)
    w:close()
  end)

  it("keeps users across a reload, and closes channels that are gone", function()
    local w = world()
    local ann = w:connect("joint", { channel = "lobby" })
    local raw = ann:enter("raw", { mode = "data" })
    w:rewrite(rules:gsub("raw = { mode = \"data\", max_users = 2 },", "")):reload()
    w:settle()
    assert.equal("close", raw.gone)
    ann:send "still here"
    w:settle()
    assert.equal("still here", ann:last "chunk")
    w:close()
  end)

  it("refuses wrong declarations with file and line", function()
    local function refused(channels, ...)
      local ok, why = pcall(sim.run_text, "return { api = 1,\n listen = { 'joint://0.0.0.0:1' },\n channels = {\n  lobby = {"
        .. channels .. "\n  } } }")
      assert.is_false(ok)
      for _, text in ipairs { ... } do assert.truthy(why:find(text, 1, true), why) end
    end
    refused("\nmode = 'chunks' ", ".lua:5: channels.lobby.mode must be \"chunk\", \"data\" or \"rpc\", got \"chunks\"")
    refused("\n\nmax_chunk = 0 ", ".lua:6: channels.lobby.max_chunk must be a whole number from 1 to 4194304, got 0")
    refused("max_user = 5 ", "unknown field 'channels.lobby.max_user': did you mean 'max_users'?")
    refused("max_rate = -1 ", "channels.lobby.max_rate must be a number of events a second")
    refused("remotes = {} ", "channels.lobby.remotes is for channels with mode = \"rpc\"")
    refused("mode = 'rpc',\n remotes = { [0] = { { 'a', 'Int3' } } } ",
      ".lua:5: channels.lobby: parameter 1 of \"a\", \"Int3\": no such type; types are")
    refused("mode = 'rpc', remotes = { [0] = { { 'a' }, { 'a' } } } ", "channels.lobby.remotes has two procedures \"a\"")
    refused("mode = 'rpc', remotes = { [256] = {} } ",
      "channels.lobby.remotes holds lists of procedures under numbers from 0 to 255")
    refused("mode = 'rpc', remotes = { [0] = { 'a' } } ", "channels.lobby.remotes[0][1] must be a name and types")
    local ok, why = pcall(sim.run_text, "return { api = 1, channels = { lobby = 'chunk' } }")
    assert.is_false(ok)
    assert.truthy(why:find("channels.lobby must be a table, { mode = \"chunk\" }, got \"chunk\"", 1, true), why)
  end)

  it("says what a client's channel is, and nil where there is none", function()
    local w = sim.run_text([[
      local host = require "umpire"
      local game = { api = 1, listen = { "neteria://0.0.0.0:1", "joint://0.0.0.0:2" }, channels = { lobby = {} } }
      function game.connect(client) host.log.info("channel", tostring(client.channel)) end
      return game]], { seed = 2 })
    w:connect "neteria"
    w:connect("joint", { channel = "lobby" })
    assert.truthy(w:logged "channel nil")
    assert.truthy(w:logged "channel lobby")
    w:close()
  end)

  it("comes through any weather", function()
    for seed = 1, 12 do
      local w = world { seed = seed }
      w:network { loss = 0.1, lag = 0.05, jitter = 0.05, split = seed % 3 == 0 and 1 or "random", rate = 200 * 1024 }
      local ann = w:connect("joint", { channel = "lobby", web = seed % 2 == 0 })
      local sent = {}
      for i = 1, 30 do
        sent[i] = ("%d "):format(i):rep(i)
        ann:send(sent[i]:sub(1, 100))
      end
      w:settle()
      local got = ann:received "chunk"
      assert.equal(30, #got)
      for i = 1, 30 do assert.equal(sent[i]:sub(1, 100), got[i]) end
      assert.is_nil(ann.wire.dropped)
      w:close()
    end
  end)

  it("closes whoever does not read, and nobody else", function()
    local w = world()
    w:network { window = 65536 }
    local owner = w:connect "joint"
    local mine = owner:create "mine"
    local slow = w:connect("joint", { channel = "mine" })
    local quick = w:connect("joint", { channel = "mine", web = true })
    slow:hold(true)
    local n = 0
    for _ = 1, 60 do
      mine:broadcast(("x"):rep(32768))
      n = n + 1
    end
    w:advance(20)
    assert.truthy(w:counters()["joint.closed_slow_reader"] == 1)
    assert.equal(n, #quick:received "chunk")
    assert.is_nil(quick.over)
    w:close()
  end)

  it("answers pings and closes, and turns pages of other origins away", function()
    local w = world { seed = 3, listen = "joint://0.0.0.0:7680?origin=https://play.example" }
    local good = w:connect("joint", { web = true, origin = "https://play.example", channel = "lobby" })
    assert.truthy(good.channel.number)
    local pongs = {}
    good.wire.on_pong = function(_, payload) pongs[#pongs + 1] = payload end
    good.wire:ping "abc"
    w:settle()
    assert.same({ "abc" }, pongs)
    good.wire:web_close(1000)
    w:settle()
    assert.equal(1000, good.wire.web_closed)
    local evil = w:connect("joint", { web = true, origin = "https://evil.example" })
    assert.equal(403, evil.wire.status)
    w:close()
  end)

  it("drops nobody for silence, and keeps idle connections alive", function()
    local w = world()
    local ann = w:connect("joint", { channel = "lobby" })
    w:advance(3600)
    assert.is_nil(ann.over)
    assert.is_true(ann.wire.count.keep_alives >= 719)
    ann:send "back"
    w:settle()
    assert.equal("back", ann:last "chunk")
    w:close()
  end)

  it("agrees with the library's examples of sizes", function()
    for _, case in ipairs { { 1, 2, "00" }, { 128, 2, "7f" }, { 129, 2, "8001" }, { 300, 2, "ab02" }, { 32768, 2, "ffff" },
      { 33000, 3, "e78102" } } do
      local hex = joint.chunk_size(case[1], case[2]):gsub(".", function(c) return ("%02x"):format(c:byte()) end)
      assert.equal(case[3], hex)
    end
  end)
end)
