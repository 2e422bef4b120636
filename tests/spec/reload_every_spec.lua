-- A world in which every event is followed by a reload must be like one without any. What a rulebook would lose is found, and
-- told.
local sim = require "umpire.sim"

local HEAD = [[
local host = require "umpire"
local book = { api = 1, tick_rate = 10, listen = { "neteria://x:1", "laneya://x:2" } }
]]

-- Keeps everything that it has to.
local GOOD = HEAD .. [[
local total, names = 0, {}
function book.connect(client) client.data.n = 0 end
function book.legal(_, event) return event.data ~= 13, "unlucky" end
function book.execute(client, event)
  client.data.n, total = client.data.n + 1, total + 1
  names[event.name] = (names[event.name] or 0) + 1
  host.update { players = { [client.id] = { n = client.data.n } }, total = total }
  host.broadcast("count", { client.data.n, total, names, host.random(1000), math.random(1000), host.uuid() })
  return { total = total }
end
function book.tick() total = total + 1 end
function book.save() return { total = total, names = names } end
function book.load(saved)
  if saved then total, names = saved.total, saved.names end
  host.random(6) math.random(6) host.uuid() -- chance that is used in load changes nothing for the rest
  host.broadcast("rules", "new ones")       -- and nobody is told what load tells
end
return book
]]

local function play(text, options)
  options = options or {}
  options.reload = options.reload or "every"
  options.seed = options.seed or 4
  local world = sim.run_text(text, options)
  world:network { loss = 0.1, duplicate = 0.1, lag = 0.03, jitter = 0.02 }
  local ann = world:connect("neteria", { name = "ann", attempts = 30 })
  local bob = world:connect("neteria", { name = "bob", attempts = 30 })
  local eve = world:connect("laneya", { name = "eve" })
  for i = 1, 10 do
    ann:event("move", i)
    bob:send("jump", 13)
    eve:event("look", { x = i })
    world:advance(0.1)
  end
  bob:vanish()
  world:advance(30)
  world:settle()
  return world
end

describe("a rulebook that keeps all it knows", function()
  it("is the same with a reload after every event as without any", function()
    local world = play(GOOD)
    local plain = play(GOOD, { reload = false })
    assert.equal(plain:trace(), world:trace())
    assert.equal(1, world:info().loads) -- the world that the test sees is the one without
    assert.is_true(world.core.second:info().loads > 30)
    world:close()
    plain:close()
    assert.equal(0, sim.open_objects())
  end)

  it("may be rewritten and reloaded meanwhile, refused and taken", function()
    local world = sim.run_text(GOOD, { reload = "every", listen = "neteria://x:1" })
    local ann = world:connect("neteria", { name = "ann" })
    ann:expects_illegal("x", 13)
    world:rewrite((GOOD:gsub("13", "14")))
    ann:expects_illegal("x", 13, "unlucky") -- not before it is asked to
    assert.is_true((world:reload()))
    ann:expects("rules", "new ones")        -- what load tells in a reload that the test asked for is told
    ann:expects_legal("x", 13)
    world:rewrite "return 5"
    assert.is_false((world:reload()))
    ann:expects_legal("x", 13)
    ann:expects_illegal("x", 14)
    assert.is_true((world:reload "rules/echo.lua"))
    ann:expects_legal("x", 14)
    world:close()
    assert.equal(0, sim.open_objects())
  end)

  it("costs little more than two worlds", function()
    local began = os.clock()
    local world = sim.run_text(GOOD, { reload = "every", listen = "neteria://x:1" })
    local ann = world:connect()
    for i = 1, 500 do ann:event("move", i ~= 13 and i or 0) end
    assert.is_true(world.core.second:info().loads > 500)
    world:close()
    assert.is_true(os.clock() - began < 10)
  end)
end)

describe("what load() writes in another way", function()
  it("is not lost, if nothing comes of it", function()
    local book = GOOD:gsub("if saved then total", "if saved then saved.names.loaded = 1 total")
    play((book:gsub("names, host", "1, host"))):close()
  end)
end)

describe("what would be lost in a reload is told:", function()
  local function lost(text)
    local ok, err = pcall(play, text)
    assert.is_false(ok)
    assert.equal("failure", getmetatable(err).__type)
    return tostring(err)
  end

  local function without(what, instead)
    local a, b = GOOD:find(what, 1, true)
    return GOOD:sub(1, a - 1) .. (instead or "") .. GOOD:sub(b + 1)
  end

  it("what save() does not give, when it shows in a notify or an answer", function()
    local text = lost(without("return { total = total, names = names }", "return { total = total, names = {} }"))
    local seed = os.getenv "UMPIRE_SEED" or 4
    assert.matches("the rulebook loses something in a reload %([%d.]+ s of virtual time, seed " .. seed, text)
    assert.matches('without reloads: at [%d.]+ s %a+ gets notify "count"', text)
    assert.matches('with them:       at [%d.]+ s %a+ gets notify "count"', text)
    assert.matches("it was loaded for the %d+%a%a time at [%d.]+ s, after what %a+ had sent: ", text)
    assert.matches("reload_every_spec.lua:%d+", text) -- where the test was
  end)

  it("what load() does not take, with what save() shows of it", function()
    local text = lost(without("total, names = saved.total, saved.names", "names = saved.names"))
    assert.matches("save%(%).total: %d+ without the reloads, %d+ with them", text)
  end)

  it("what is kept beside client.data", function()
    local text = lost(HEAD .. [[
      local seen = {}
      function book.legal(client) return not seen[client], "once" end
      function book.execute(client) seen[client] = true client.data.times = (client.data.times or 0) + 1 end
      return book]])
    assert.matches("without reloads: .* ann gets ILLEGAL for move 2: once", text)
    assert.matches("with them: .* ann gets LEGAL", text)
  end)

  it("what client.data shows", function()
    local text = lost(HEAD .. [[
      local times = 0
      function book.execute(client) times = times + 1 client.data.times = times end
      return book]])
    assert.matches("client.data of %a+.times: 2 without the reloads, 1 with them", text)
  end)

  it("state that load() puts back to where it began", function()
    local text = lost(HEAD .. [[
      function book.load() host.update { round = 0 } end
      function book.execute() host.update { round = host.state.round + 1 } end
      return book]])
    assert.matches("host.state.round: 1 without the reloads, 0 with them", text, 1, true)
  end)

  it("a handler that fails after a reload", function()
    local text = lost(HEAD .. [[
      local games = {}
      function book.connect(client) games[client.id] = { n = 0 } end
      function book.execute(client) games[client.id].n = games[client.id].n + 1 end
      return book]])
    assert.matches("with them, a handler failed: .*attempt to index a nil value", text)
    assert.matches("ILLEGAL.*internal", text)
  end)

  it("timers", function()
    local text = lost(HEAD .. [[
      function book.execute(_, event)
        if event.name == "move" then host.after(1, function() host.broadcast "late" end) end
      end
      return book]])
    assert.matches("timers and micro-threads end with a reload", text, 1, true)
  end)

  it("a rulebook that cannot be loaded again", function()
    local text = lost(HEAD .. [[
      function book.load(saved) if saved then error "what is this?" end end
      function book.save() return 1 end
      return book]])
    assert.matches("it cannot be loaded again:.*what is this%?", text)
  end)
end)

describe("sim.run", function()
  it("knows how often", function()
    assert.error_matches(function() sim.run("rules/echo.lua", { reload = "sometimes" }) end, '"every" or false expected')
  end)
end)
