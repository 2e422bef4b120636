-- The trace of a run: the same in every process for the same seed and script, another one for whatever is not the same.
local sim = require "umpire.sim"

-- Data with many keys, of every protocol: their order must not depend on the process.
local BOOK = [[
local host = require "umpire"
local book = { api = 1, tick_rate = 5, listen = { "neteria://x:1", "laneya://x:2", "pymmorpg://x:3", "joint://x:4",
  "pygase://x:5" },
  channels = {
    lobby = { mode = "chunk" },
    arena = { mode = "rpc", remotes = { [0] = { { "put", "Map<String, Int32>" } } },
      client_remotes = { [1] = { { "all", "Map<String, Int32>" } } } },
  } }
local things = {}
function book.execute(client, event)
  local data = event.data
  if type(data) == "table" then
    for name, value in pairs(data) do things[tostring(name) .. #tostring(name)] = value end
  end
  local list = { "b", "a", { z = 1, y = { q = { 1.5, "two", false }, p = "quoted \" , } text" }, x = host.array {} } }
  if client.protocol == "joint" and client.channel == "arena" then
    host.notify(client, "all", { { one = 1, two = 2, three = 3, four = 4, five = 5, six = 6 } })
  elseif client.protocol == "neteria" or client.protocol == "laneya" then
    host.notify(client, "things", { all = things, list = list, n = 1, roll = host.random(1000), m = math.random(1000) })
  end
  if client.protocol == "pygase" then
    host.notify(client, "all", { 1, 2, eins = 1, zwei = 2, drei = { vier = 4, fuenf = 5, sechs = 6 } })
    host.update { things = things, of = { [client.id] = { n = host.random(9), one = 1, two = 2, three = 3 } } }
  end
  return client.protocol == "pymmorpg" and { alpha = 1, beta = { gamma = 2, delta = 3 }, epsilon = 4 } or things
end
function book.save() return things end
function book.load(saved) things = saved or {} end
function book.login() return true end
return book
]]

local DATA = { one = 1, two = 2, three = { four = 4, five = 5, six = 6 }, seven = "7" }

local function run(options)
  options = options or {}
  local world = sim.run_text(BOOK, { seed = options.seed or 7 })
  world:network { loss = 0.2, duplicate = 0.1, reorder = 0.1, lag = 0.05, jitter = 0.03, split = "random" }
  local ann, bob = world:connect "neteria", world:connect("neteria", { attempts = 40 })
  local eve, ada = world:connect "laneya", world:connect("pymmorpg", { user = "ada" })
  local fay = world:connect("pygase", { strict = false })
  local rpc = { mode = "rpc", remotes = { [0] = { { "put", "Map<String, Int32>" } } },
    client_remotes = { [1] = { { "all", "Map<String, Int32>" } } } }
  local cat = world:connect("joint", { channel = "arena", declared = rpc, web = true })
  local dot = world:connect("joint", { channel = "lobby" })
  for round = 1, 5 do
    local first, second = ann, bob
    if options.swap == round then first, second = bob, ann end
    if ann.registered then first:send("put", DATA) end
    if ann.registered then second:send("put", DATA) end
    eve:send("put", DATA)
    fay:send("put", DATA)
    ada:send("set", "ada", "things", DATA)
    cat:call("put", { { eins = 1, zwei = 2, drei = 3, vier = 4 } })
    dot:send(options.say or "hello")
    world:advance(0.7)
    if round == options.reload then world:reload() end
  end
  world:settle()
  local trace = world:trace()
  world:close()
  return trace
end

describe("a trace", function()
  if os.getenv "UMPIRE_SEED" then return end -- it stands over all seeds
  it("is sixteen hex digits", function() assert.matches("^%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x$", run()) end)

  it("is the same for the same script and seed, and another one for another", function()
    local trace = run()
    assert.equal(trace, run())
    assert.not_equal(trace, run { seed = 8 })
    assert.not_equal(trace, run { swap = 5 }) -- two events in another order
    assert.not_equal(trace, run { say = "hellp" })
    assert.equal(trace, run())
  end)

  it("is the same in another process", function()
    local name = os.tmpname()
    local file = assert(io.open(name, "w"))
    file:write(("package.path, package.cpath = %q, %q\n"):format(package.path, package.cpath))
    local own = assert(io.open "tests/spec/trace_spec.lua"):read "a"
    file:write((own:match "^(.-)\ndescribe%("), "\nprint(run())\n")
    file:close()
    for _ = 1, 3 do
      local pipe = io.popen("lua5.4 " .. name .. " 2>&1")
      local said = pipe:read "a"
      pipe:close()
      assert.equal(run() .. "\n", said)
    end
    os.remove(name)
  end)

  it("tells lists apart whose values are swapped", function()
    local function say(text)
      local world = sim.run_text(text, { seed = 1 })
      world:connect():event "x"
      world:settle()
      local trace = world:trace()
      world:close()
      return trace
    end
    local book = "local host = require 'umpire' return { api = 1, execute = function(c) host.notify(c, 'n', %s) end }"
    assert.not_equal(say(book:format "{ 1, 2 }"), say(book:format "{ 2, 1 }"))
    local one, other = "{ a = 1, bb = 2, ccc = { d = 3, e = 4 } }", "{ ccc = { e = 4, d = 3 }, bb = 2, a = 1 }"
    assert.equal(say(book:format(one)), say(book:format(other)))
  end)
end)

describe("two worlds at once", function()
  it("run as each would alone", function()
    local function play(world, step)
      if step == 0 then
        world:network { loss = 0.3, lag = 0.05, jitter = 0.05 }
        world.ann = world:connect("neteria", { attempts = 30 })
      elseif world.ann.registered then
        world.ann:event("put", DATA)
        world:advance(0.3)
      end
    end
    local alone = {}
    for seed = 1, 2 do
      local world = sim.run_text(BOOK, { seed = seed, listen = "neteria://x:1" })
      for step = 0, 20 do play(world, step) end
      alone[seed] = world:trace()
      world:close()
    end
    local worlds = {}
    for seed = 1, 2 do worlds[seed] = sim.run_text(BOOK, { seed = seed, listen = "neteria://x:1" }) end
    for step = 0, 20 do
      for seed = 1, 2 do play(worlds[seed], step) end
    end
    for seed = 1, 2 do
      assert.equal(alone[seed], worlds[seed]:trace())
      worlds[seed]:close()
    end
    if not os.getenv "UMPIRE_SEED" then assert.not_equal(alone[1], alone[2]) end
    assert.equal(0, sim.open_objects())
  end)
end)
