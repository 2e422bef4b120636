-- Many seeds, and the random driver: that they find what is wrong, say how to repeat it, and leave nothing open.
local sim = require "umpire.sim"
local invent = require "umpire.sim.invent"

local pinned = os.getenv "UMPIRE_SEED"

local function failure(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  assert.equal("failure", type(err) == "table" and getmetatable(err).__type or err)
  return tostring(err)
end

describe("sim.explore", function()
  if pinned then return end -- it stands over the seeds that are explored

  it("runs a test with each seed", function()
    local ran = {}
    assert.equal(5, sim.explore(5, function(seed)
      local world = sim.run("rules/echo.lua", { seed = 99 }) -- left open, and with a seed of its own
      assert.equal(seed, world.seed)
      ran[#ran + 1] = seed
    end))
    assert.same({ 1, 2, 3, 4, 5 }, ran)
    assert.equal(0, sim.open_objects())
    ran = {}
    sim.explore({ from = 7, to = 9 }, function(seed) ran[#ran + 1] = seed end)
    sim.explore({ 30, 10, 20 }, function(seed) ran[#ran + 1] = seed end)
    assert.same({ 7, 8, 9, 10, 20, 30 }, ran)
  end)

  it("names the smallest seed that fails, with what it raised and how to repeat it", function()
    local ran = 0
    local function test(seed)
      local world = sim.run "rules/echo.lua"
      world:connect()
      ran = ran + 1
      assert.is_true(seed % 4 ~= 3, "the dice said so: " .. seed)
    end
    local text = failure(sim.explore, 20, test)
    assert.matches("seed 3 fails, the smallest of 5 that did; 20 of 20 ran. The same again: UMPIRE_SEED=3", text, 1, true)
    assert.matches("the dice said so: 3", text, 1, true)
    assert.equal(20, ran)
    assert.equal(0, sim.open_objects())
    ran = 0
    text = failure(sim.explore, { 50, 11, 7, 1 }, test, { stop = true })
    assert.matches("seed 7 fails, the smallest of 1 that did; 2 of 4 ran", text, 1, true)
    assert.equal(2, ran)
  end)

  it("shows where a plain error was raised", function()
    assert.matches("explore_spec.lua:%d+: attempt to index a nil value.*stack traceback", failure(sim.explore, 1, function()
      return ({}).nobody.name
    end))
  end)

  it("finds a rare order of things", function()
    local book = [[
      local host = require "umpire"
      local book = { api = 1 }
      local last
      function book.execute(client, event)
        if event.name == "second" and last ~= "first" then host.broadcast("late", event.name) end
        last = event.name
      end
      return book]]
    local text = failure(sim.explore, 100, function()
      local world = sim.run_text(book)
      world:network { lag = 0.02, reorder = 0.05 }
      local ann = world:connect()
      ann:send "first"
      ann:send "second"
      ann:expects_nothing "late"
    end)
    local seed = tonumber(text:match "seed (%d+) fails")
    assert.is_true(seed >= 1 and seed <= 100)
    assert.matches('expects no "late"', text, 1, true)
  end)

  it("says what it takes", function()
    for _, wrong in ipairs { 0, -1, "many", {}, 1.5 } do
      assert.error_matches(function() sim.explore(wrong, function() end) end, "how many seeds")
    end
    assert.error_matches(function() sim.explore({ "x" }, function() end) end, "a seed is an integer")
    assert.error_matches(function() sim.explore(3) end, "a function expected")
    assert.error_matches(function() sim.explore(3, function() end, { stopp = true }) end, "unknown option 'stopp'")
  end)
end)

local BOOK = [[
local host = require "umpire"
local schema = require "umpire.middleware.schema"
local book = { api = 1, listen = { "neteria://x:1", "laneya://x:2", "pymmorpg://x:3", "joint://x:4" },
  channels = { lobby = { mode = "chunk" }, arena = { mode = "rpc", remotes = { [0] = { { "step", "Int32", "String" } } } } } }
local things = { count = 0 }
local step = schema.integer(-1, 1)
local only = schema.events {
  move = schema.tuple { step, step }, say = schema.string(1, 20), wave = schema.nothing,
  roll = schema.optional(schema.number(0, 6)),
  buy = schema.fields { item = schema.one_of { "bow", "axe" }, count = schema.integer(1, 9) },
  path = schema.list(step, 1, 3), yes = schema.boolean, any = schema.anything, own = function() end,
}
book.legal = function(client, event)
  if client.protocol == "joint" then return true end
  return only(client, event)
end
function book.execute(client, event)
  things.count = things.count + 1
  --FAULT
  host.log.info("did", client.protocol, event.name)
end
function book.save() return things end
function book.load(saved) things = saved or things end
function book.login() return true end
return book
]]

local function faulty(fault) return (BOOK:gsub("%-%-FAULT", function() return fault end)) end

describe("sim.fuzz", function()
  it("sends everything that is declared, over every protocol, and finds nothing in a good rulebook", function()
    local seen = {}
    local counters = sim.fuzz(BOOK, { seed = 1, steps = 1500, clients = 8, invariant = function(world)
      for _, line in ipairs(world.log) do
        local protocol, name = line:match "did (%S+) (%S+)"
        if protocol then seen[protocol .. " " .. name] = true end
      end
    end })
    for _, name in ipairs { "move", "say", "wave", "roll", "buy", "path", "yes", "any", "own" } do
      assert.is_true(seen["neteria " .. name], name)
    end
    assert.is_true(seen["laneya buy"])
    assert.is_true(seen["joint step"] or seen["joint chunk"])
    assert.is_true(counters["engine.invalid"] > 10)
    assert.is_true(counters["engine.legal"] > 100)
    assert.is_true(counters["network.lost"] > 10)
    assert.equal(0, sim.open_objects())
  end)

  it("is the same with the same seed", function()
    assert.same(sim.fuzz(BOOK, { seed = 5 }), sim.fuzz(BOOK, { seed = 5 }))
  end)

  it("finds a handler that fails, and tells the shortest way there as Lua that does the same", function()
    local book = faulty [[
      if event.name == "wave" then client.data.waved = true end
      if event.name == "buy" and event.data.count >= 8 and client.data.waved then error "too much" end]]
    local text = failure(sim.fuzz, book, { seed = 5, steps = 600, listen = "neteria://x:1" })
    assert.matches("sim.fuzz found something with seed %d+ %(a handler failed%): .*too much", text)
    local code = text:match "these are enough:\n\n(.-\nend%))\n"
    assert.truthy(code, text)
    local sends = select(2, code:gsub(":send%(", ""))
    assert.equal(2, sends, code)
    assert.matches(':send%("wave"%)', code)
    -- The code, run: it fails as it was told, and passes with the fault mended.
    local function runs(rulebook)
      local env = { RULEBOOK = rulebook, sim = sim, assert = assert, it = function(_, fn) fn() end }
      setmetatable(env, { __index = _G })
      return pcall(assert(load(code, "=code", "t", env)))
    end
    local ok, err = runs(book)
    assert.is_false(ok)
    assert.matches("too much", tostring(err))
    assert.is_true((runs(BOOK)))
  end)

  it("finds an invariant that does not hold", function()
    local text = failure(sim.fuzz, faulty 'if event.name == "wave" then client.data.n = (client.data.n or 0) + 1 end', {
      seed = 2, listen = "neteria://x:1",
      invariant = function(world)
        for _, data in pairs(world.core:peek "clients") do
          if (data.n or 0) > 2 then return false, "somebody waved three times" end
        end
      end })
    assert.matches("the invariant does not hold%): somebody waved three times", text)
    assert.equal(3, select(2, text:gsub(":send%(\"wave\"%)", "")))
    assert.equal(0, sim.open_objects())
  end)

  it("finds what is lost in a reload", function()
    local book = faulty [[
      if things.count == 1 then things.first = event.name end
      host.notify(client, "first", things.first)]]
    book = book:gsub("return things end", "return { count = things.count } end")
    local text = failure(sim.fuzz, book, { seed = 2, reload = "every", listen = "neteria://x:1" })
    assert.matches("the rulebook loses something in a reload", text, 1, true)
    assert.matches('reload = "every"', text, 1, true)
  end)

  it("takes events that no schema declares", function()
    local book = "return { api = 1, execute = function(_, e) if e.data == 3 then error 'three' end end }\n"
    assert.matches("three", failure(sim.fuzz, book, { seed = 1, events = { n = { 1, 2, 3 } } }))
    local counters = sim.fuzz(book, { seed = 1, hostile = 0, events = { n = function(random) return random(4, 9) end } })
    assert.is_true(counters["engine.legal"] > 50)
    assert.error_matches(function() sim.fuzz(book, {}) end, "declares no events")
    assert.error_matches(function() sim.fuzz(book, { step = 1 }) end, "unknown option 'step'; known: clients, events")
    assert.error_matches(function() sim.fuzz "return 5\n" end, "the rulebook was refused")
    assert.equal(0, sim.open_objects())
  end)

  it("finds nothing in the rulebooks that are shipped", function()
    sim.fuzz("rules/gate.lua", { steps = 400 })
    sim.fuzz("rules/tavern.lua", { steps = 400, clients = 6 })
    sim.fuzz("rules/arena.lua", { steps = 400, events = { move = { { 1, 0 }, { 0, 1 }, { -1, 0 }, { 0, -1 } } } })
  end)
end)

describe("invented data", function()
  it("fit, or do not", function()
    local random = invent.random(1)
    local n, s = { type = "integer", min = 1, max = 6 }, { type = "string", min = 2, max = 4 }
    local d = { type = "fields", of = { n = n, s = s } }
    local wrong = 0
    for _ = 1, 300 do
      local t = invent.fitting(d, random)
      assert.is_true(t.n >= 1 and t.n <= 6 and utf8.len(t.s) >= 2 and utf8.len(t.s) <= 4)
      local miss = invent.missing(d, random)
      if type(miss) ~= "table" or type(miss.n) ~= "number" or type(miss.s) ~= "string" or miss.n < 1 or miss.n > 6
        or miss.n % 1 ~= 0 or #miss.s < 2 or #miss.s > 4 then wrong = wrong + 1 end
    end
    assert.is_true(wrong > 200)
  end)

  it("come from the seed alone", function()
    local a, b, c = invent.random(7), invent.random(7), invent.random(8)
    local same = 0
    for _ = 1, 1000 do
      local x = a(1, 100)
      assert.is_true(x >= 1 and x <= 100)
      assert.equal(x, b(1, 100))
      if x == c(1, 100) then same = same + 1 end
    end
    assert.is_true(same < 40)
  end)
end)
