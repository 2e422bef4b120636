-- The annotations for editors, the page made of them, the standard for luacheck and what there really is say the same; and each
-- example runs. What fails here is put right in scripts/umpire/meta; scripts/reference then makes the page.
package.path = "tests/spec/?.lua;" .. package.path
local sim = require "umpire.sim"
local reference = require "umpire.reference"
local blocks = require "blocks"

local META = "scripts/umpire/meta/"

local function sorted(set)
  local list = {}
  for name in pairs(set) do list[#list + 1] = name end
  table.sort(list)
  return list
end

-- Of each file, what it says of: functions by variable, and classes by name.
local functions, classes, items = {}, {}, {}
for _, name in ipairs(reference.FILES) do
  for _, item in ipairs(reference.parse(META .. name .. ".lua")) do
    items[#items + 1] = item
    if item.kind == "function" then
      functions[item.variable] = functions[item.variable] or {}
      functions[item.variable][item.name] = true
    elseif item.kind == "class" then
      classes[item.name] = {}
      for _, field in ipairs(item.doc.fields) do classes[item.name][field.name] = field.type end
    end
  end
end

local function names_in(text)
  local set = {}
  for name in text:gmatch "[%a_][%w_]*" do set[name] = true end
  set["and"] = nil
  return set
end

-- Runs in a sandbox: what `code` hands to tell(...) comes back as words.
local function ask(code)
  local head = 'local host = require "umpire" local function tell(...) host.log.info("SAYS", ...) end '
  local world = sim.run_text(head .. code .. " return { api = 1 }")
  local out = {}
  for _, line in ipairs(world.log) do
    local words = line:match "rules: SAYS (.*)$"
    if words then out[#out + 1] = words end
  end
  world:close()
  return out
end

local function set_of(list)
  local set = {}
  for _, name in ipairs(list) do set[name] = true end
  return set
end

-- The protocols that the simulator speaks.
local function protocols()
  local world, set = sim.run "rules/echo.lua", {}
  local _, says = world.core:listen("zzzz", {})
  for scheme in says:match "it speaks: (.*)$":gmatch "%w+" do set[scheme] = true end
  world:close()
  return sorted(set)
end

describe("the annotations name what a rulebook has, no less and no more:", function()
  it("functions and values of host", function()
    local there, said = {}, {}
    for _, words in ipairs(ask "for name, value in pairs(host) do tell(name, type(value)) end") do
      local name, kind = words:match "^(%S+) (%S+)$"
      there[name] = kind == "function" and "function" or "value"
    end
    for name in pairs(functions.host) do said[name] = "function" end
    for name in pairs(classes["umpire.host"]) do said[name] = "value" end
    assert.same(there, said)
  end)

  it("functions of host.log", function()
    assert.same(sorted(set_of(ask "for name in pairs(host.log) do tell(name) end")), sorted(functions.log))
  end)

  it("fields of clients and events", function()
    -- an unknown field is answered with those that there are
    local world = sim.run_text [[
      local host = require "umpire"
      return { api = 1, execute = function(client, event)
        local _, says = pcall(function() return client.zzzzzzzzzz end)
        host.log.info("CLIENT", says)
        _, says = pcall(function() return event.zzzzzzzzzz end)
        host.log.info("EVENT", says)
      end }]]
    world:connect "neteria":event "x"
    local function fields(what) return names_in(world:logged(what):match "it has ([%w_, ]+)") end
    local client, event = fields "CLIENT", fields "EVENT"
    world:close()
    client.gone = true -- told apart, because it alone may be read of one that has left
    assert.same(sorted(client), sorted(classes["umpire.Client"]))
    assert.same(sorted(event), sorted(classes["umpire.Event"]))
  end)

  it("handlers and settings that a rulebook's table may have", function()
    local function known(value)
      local _, says = pcall(sim.run_text, "return { api = 1, zzzzzzzzzz = " .. value .. " }")
      return names_in(says:match "there are ([%w_, \n]+);")
    end
    local handlers, settings = known "function() end", known "1"
    handlers.legal = true
    assert.same(sorted(handlers), sorted(functions.Rulebook))
    local fields = {}
    for name in pairs(classes["umpire.Rulebook"]) do fields[name] = true end
    assert.is_true(fields.legal) -- may be a list: it is a field, too
    fields.legal = nil
    assert.same(sorted(settings), sorted(fields))
  end)

  it("options of listen URLs, those of all and those of each protocol", function()
    local world = sim.run "rules/echo.lua"
    local tried = 0
    for _, scheme in ipairs(protocols()) do
      local _, says = world.core:listen(scheme, { { "zzzz", "1" } })
      local there, said = names_in(says:match "known: (.*)$"), {}
      for name in pairs(classes["umpire.listen"]) do said[name] = true end
      for name in pairs(classes["umpire.listen." .. scheme] or {}) do said[name] = true end
      assert.same(sorted(there), sorted(said), scheme)
      tried = tried + 1
    end
    assert.is_true(tried >= 4)
    world:close()
  end)

  it("protocols that a client may speak", function()
    local said = classes["umpire.Client"].protocol
    for _, scheme in ipairs(protocols()) do
      assert.truthy(said:find('"' .. scheme .. '"', 1, true), scheme .. " is not among the protocols of umpire.Client")
    end
  end)

  it("fields of channels", function()
    local _, says = pcall(sim.run_text, "return { api = 1, channels = { a = { zzzzzzzzzz = 1 } } }")
    assert.same(sorted(names_in(says:match "there are ([%w_, \n]+)")), sorted(classes["umpire.Channel"]))
  end)

  it("middleware", function()
    for _, name in ipairs { "schema", "compose" } do
      assert.same(sorted(set_of(ask(('for f in pairs(require "umpire.middleware.%s") do tell(f) end'):format(name)))),
        sorted(functions[name]))
    end
    for _, name in ipairs { "throttle", "logged_in", "own" } do
      local says = ask(('local _, m = pcall(require "umpire.middleware.%s", { zzzz = 1 }) tell(m)'):format(name))
      assert.same(sorted(names_in(says[1]:match "known: (.*)$")), sorted(classes["umpire." .. name .. ".Options"]))
      assert.is_true(functions[""][name])
    end
    local pipe = io.popen "ls scripts/umpire/middleware"
    for file in pipe:lines() do assert.truthy(set_of(reference.FILES)[file:gsub("%.lua$", "")], file .. " is not annotated") end
    pipe:close()
  end)

  it("globals of the sandbox, which is what luacheck is told as well", function()
    local there = ask [[
      for name, value in pairs(_G) do
        if type(value) == "table" and name ~= "_G" then
          for field in pairs(value) do tell(name .. "." .. field) end
        else tell(name) end
      end]]
    local said = {}
    for name, what in pairs(dofile "scripts/umpire/luacheck.lua".read_globals) do
      if what.fields then
        for field in pairs(what.fields) do said[name .. "." .. field] = true end
      else said[name] = true end
    end
    assert.same(sorted(set_of(there)), sorted(said))
  end)
end)

describe("the annotations name what a spec has:", function()
  local function public(t)
    local set = {}
    for name, value in pairs(t) do
      if type(value) == "function" and not name:find "^_" then set[name] = true end
    end
    return set
  end

  it("functions of sim", function() assert.same(sorted(public(sim)), sorted(functions.sim)) end)

  it("options of sim.run", function()
    local _, says = pcall(sim.run, "rules/echo.lua", { zzzz = 1 })
    assert.same(sorted(names_in(says:match "known: (.*)$")), sorted(classes["umpire.sim.Options"]))
  end)

  it("methods of worlds", function()
    assert.same(sorted(public(require "umpire.sim.world".methods)), sorted(functions.world))
  end)

  it("knobs of the weather", function()
    local world = sim.run "rules/echo.lua"
    local _, says = pcall(world.network, world, { zzzz = 1 })
    world:close()
    local there = names_in(says:match "known: (.*)$":gsub("%b()", ""):gsub("of streams:", ""))
    assert.same(sorted(there), sorted(classes["umpire.sim.Weather"]))
  end)

  -- Methods that a class has of its own, without those for the classes' makers.
  local makers = set_of { "new", "idle", "begin", "begin_again", "settled_in", "sender", "closer", "now", "tuple" }
  it("methods of players", function()
    local stream = public(getmetatable(require "umpire.sim.laneya").__index)
    for _, scheme in ipairs(protocols()) do
      local name, there, said = scheme == "neteria" and "client" or scheme, {}, {}
      assert.truthy(functions[name], "scripts/umpire/meta/players.lua has no player of " .. scheme)
      for method in pairs(public(require("umpire.sim." .. name))) do
        if not makers[method] then there[method] = true end
      end
      for method in pairs(functions[name]) do said[method] = true end
      if not functions[name].received then -- on a stream: what is as on every stream need not be said again
        for method in pairs(stream) do there[method], said[method] = nil, nil end
      end
      assert.same(sorted(there), sorted(said), name)
    end
    for method in pairs(makers) do stream[method] = nil end
    stream.register = nil -- connect has called it
    assert.same(sorted(stream), sorted(functions.stream))
  end)
end)

describe("each function that is annotated", function()
  it("says what it does, what each argument is, and shows it", function()
    local n = 0
    for _, item in ipairs(items) do
      if item.kind == "function" then
        local name, params, args = reference.name(item), {}, {}
        assert.truthy(item.doc.lines[1], name .. " has no words")
        assert.is_true(#reference.examples(item.doc) > 0, name .. " has no example")
        for _, p in ipairs(item.doc.params) do params[#params + 1] = p.name end
        for arg in item.args:gmatch "[%w_%.]+" do args[#args + 1] = arg end
        assert.same(args, params, name)
        n = n + 1
      end
    end
    assert.is_true(n > 80)
  end)
end)

describe("each example", function()
  for _, item in ipairs(items) do
    for _, code in ipairs(reference.examples(item.doc or { lines = {} })) do
      local name = reference.name(item)
      it("of " .. name .. " works", function()
        local player = item.variable == "stream" and "laneya" or item.variable
        if not set_of { "laneya", "joint", "pymmorpg", "pygase" }[player] then player = "neteria" end
        blocks.try(code, name, player)
      end)
    end
  end
end)

describe("the page", function()
  it("is what the annotations say", function()
    assert.equal(reference.page "scripts/umpire", blocks.read "scripts/umpire/README.md",
      "scripts/umpire/README.md is outdated: run scripts/reference")
  end)

  it("has examples that work", function()
    local page, n = blocks.read "scripts/umpire/README.md", 0
    for _, item in ipairs(items) do
      for _, fence in ipairs(item.kind == "text" and blocks.fences(item.text, "lua") or {}) do
        blocks.try(fence.code, item.file .. ":" .. item.line)
        assert.truthy(page:find(fence.code, 1, true))
        n = n + 1
      end
    end
    assert.is_true(n >= 5)
  end)

  it("has no link to a place that is not there", function()
    local page, there = blocks.read "scripts/umpire/README.md", {}
    for heading in page:gmatch "\n#+ ([^\n]*)" do there[heading:lower():gsub("[^%w_ %-]", ""):gsub(" ", "-")] = true end
    for anchor in page:gmatch "%]%(#([^)]*)%)" do assert.is_true(there[anchor], "#" .. anchor) end
    for path in page:gmatch "%]%(([%w_/%.%-]+)%)" do
      local file = io.open("scripts/umpire/" .. path)
      assert.truthy(file, path)
      file:close()
    end
  end)
end)

describe("the annotations", function()
  it("are loaded by editors without an error", function()
    for _, name in ipairs(reference.FILES) do assert(loadfile(META .. name .. ".lua"))() end
  end)
  it("are all on the page", function()
    local pipe = io.popen("ls " .. META)
    for file in pipe:lines() do assert.truthy(set_of(reference.FILES)[file:gsub("%.lua$", "")], file) end
    pipe:close()
  end)
end)

describe("require 'umpire' outside of a rulebook", function()
  it("says where it works", function()
    assert.error_matches(function() require "umpire" end, "inside a rulebook only")
  end)
end)
