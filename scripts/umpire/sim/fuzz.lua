--- A random driver: players of every protocol that the rulebook listens for send what its schema allows, and near misses of it,
-- over a bad network, with reloads in between. Something is wrong when a handler fails, when the author's invariant does not
-- hold, or when the world cannot be closed. Then the list of what was done is cut down as far as it still goes wrong, and told
-- as Lua to paste into a spec.
local expect = require "umpire.sim.expect"
local invent = require "umpire.sim.invent"
local match = require "umpire.sim.match"

local M = {}

local NETWORK = { loss = 0.05, duplicate = 0.05, reorder = 0.1, lag = 0.04, jitter = 0.03 }
local SHRINK_SECONDS, SHRINK_RUNS = 10, 400

local known = { steps = true, clients = true, protocols = true, network = true, reload = true, hostile = true, events = true,
  invariant = true, seed = true, listen = true, shrink = true }

local function check(options)
  for name in pairs(options) do
    if not known[name] then
      local names = {}
      for k in pairs(known) do names[#names + 1] = k end
      table.sort(names)
      error(("sim.fuzz: unknown option '%s'; known: %s"):format(tostring(name), table.concat(names, ", ")), 4)
    end
  end
end

-- ---- what can be sent ----

-- What the author says of an event: a description, a list of samples, or a function(random) -> data.
local function maker_of(said)
  if type(said) == "function" then
    return function(random, hostile) if hostile then return invent.anything(random) end return said(random) end
  elseif said.type then
    return function(random, hostile) return (hostile and invent.missing or invent.fitting)(said, random) end
  end
  return function(random, hostile) if hostile then return invent.anything(random) end return said[random(#said)] end
end

-- Reads the rulebook's declarations: of its events, and of its channels.
local function plan(start, options)
  local world = start()
  local schemes = {}
  for scheme in pairs(world.listeners) do schemes[#schemes + 1] = scheme end
  table.sort(schemes)
  local p = { schemes = options.protocols or schemes, makers = {}, names = {}, channels = {} }
  for name, description in pairs(world.core:peek "schema" or {}) do p.makers[name] = maker_of(description) end
  for name, said in pairs(options.events or {}) do p.makers[name] = maker_of(said) end
  local config = world.core:peek "config" or {}
  for name, declared in pairs(config.channels or {}) do
    p.channels[#p.channels + 1] = { name = name, declared = declared }
  end
  table.sort(p.channels, function(a, b) return a.name < b.name end)
  world:close()
  p.names = match.sorted_keys(p.makers)
  if #p.names == 0 and #p.channels == 0 then
    error("sim.fuzz: the rulebook declares no events (umpire.middleware.schema) and no channels: say in options.events what it "
      .. "takes, { move = { { 1, 0 }, { 0, 1 } } }", 3)
  end
  return p
end

local function procedures_of(channel)
  local out = {}
  for _, object in ipairs(match.sorted_keys(channel.declared.remotes or {})) do
    for _, procedure in ipairs(channel.declared.remotes[object]) do out[#out + 1] = procedure end
  end
  return out
end

local function invent_connect(p, random, who)
  local protocol = p.schemes[(who - 1) % #p.schemes + 1]
  local options = {}
  if protocol == "neteria" then options = { attempts = 3, priority = random() < 0.3 and "high" or nil }
  elseif protocol == "pymmorpg" then options = { user = "player" .. who }
  elseif protocol == "joint" and #p.channels > 0 then
    local channel = p.channels[random(#p.channels)]
    options = { channel = channel.name, declared = channel.declared }
  elseif protocol == "pygase" then options = { strict = false } end
  return { "connect", who, protocol, options }
end

local GARBAGE = { "", "\0", "{", "nonsense", '{"method": "EVENT"}', "5:hello,", "99999999999:", "\255\255\255\255",
  "7 (lp0\n." }

local function invent_event(p, random, who, protocol, options)
  local hostile = random() < p.hostile
  if protocol == "joint" then
    local channel
    for _, c in ipairs(p.channels) do if c.name == options.channel then channel = c end end
    if not channel then return nil end
    if channel.declared.mode == "rpc" then
      local procedures = procedures_of(channel)
      if #procedures == 0 then return nil end
      local procedure, arguments = procedures[random(#procedures)], {}
      for i = 2, #procedure do arguments[i - 1] = invent.parameter(procedure[i], random) end
      return { "call", who, procedure[1], arguments }
    end
    return { "say", who, invent.parameter("Bytes", random) .. "." }
  end
  if #p.names == 0 then return nil end
  local name = p.names[random(#p.names)]
  local data = p.makers[name](random, hostile)
  if hostile and random() < 0.2 then name = ({ "", "nobody knows", name .. "x", "connect", "__index" })[random(5)] end
  return { "event", who, name, data }
end

-- The list of what is done. Nothing in it depends on how things go, so that it can be cut.
local function invent_script(p, options, random)
  local script, n = {}, options.clients or 3
  local players = {}
  for who = 1, n do
    script[#script + 1] = invent_connect(p, random, who)
    players[who] = script[#script]
  end
  local reload = type(options.reload) == "number" and options.reload or options.reload == nil and 0.02 or 0
  for _ = 1, options.steps or 300 do
    local who, dice = random(n), random()
    if dice < reload then script[#script + 1] = { "reload" }
    elseif dice < reload + 0.02 then script[#script + 1] = { "vanish", who }
    elseif dice < reload + 0.05 then script[#script + 1] = { "reconnect", who }
    elseif dice < reload + 0.06 then script[#script + 1] = { "raw", who, GARBAGE[random(#GARBAGE)] }
    elseif dice < 0.35 then
      script[#script + 1] = { "advance", ({ 0.01, 0.02, 0.05, 0.1, 0.3, 1, 5 })[random(random(7))] }
    else script[#script + 1] = invent_event(p, random, who, players[who][3], players[who][4]) end
  end
  return script
end

-- ---- doing it ----

local function here(player)
  if player.over or player.connected == false or player.registered == false then return false end
  return not player.ready or player:ready()
end

local act = {}

function act.connect(world, players, step)
  players[step[2]] = world:connect(step[3], step[4])
  return true
end
function act.advance(world, _, step)
  world:advance(step[2])
  return true
end
function act.reload(world)
  local ok, report = world:reload()
  if not ok then error("a reload was refused:\n" .. report, 0) end
  return true
end

local of_player = {}
function of_player.event(player, step)
  if player.protocol == "pymmorpg" and type(step[4]) == "table" then -- arguments are an array
    player:send(step[3], table.unpack(step[4]))
  else player:send(step[3], step[4]) end
end
function of_player.call(player, step) player:call(step[3], step[4]) end
function of_player.say(player, step) player:send(step[3]) end
function of_player.raw(player, step) player:send_raw(step[3]) end
function of_player.vanish(player) player:vanish() end

-- Whether the step did anything: who is not there does nothing, and what a client's own code refuses is not sent.
local function perform(world, players, step)
  if act[step[1]] then return act[step[1]](world, players, step) end
  local player = players[step[2]]
  if not player then return false end
  if step[1] == "reconnect" then
    if here(player) or not player.begin_again then return false end
    player:reconnect()
    return true
  end
  if not here(player) then return false end
  return (pcall(of_player[step[1]], player, step))
end

-- What is wrong with the world now; nil: nothing. what: a word for its kind.
local function wrong_with(world, players, options)
  local info = world:info()
  if info.errors > 0 then
    local last
    for _, line in ipairs(world.log) do if line:find "^[%d.]+ error " then last = line end end
    return "handler", last or "a handler failed"
  end
  if options.invariant then
    local ok, said, why = pcall(options.invariant, world, players)
    if not ok then return "invariant", tostring(said) end
    if said == false then return "invariant", tostring(why or "the invariant does not hold") end
  end
end

-- Runs a script. nil, or: kind of failure, message, the steps that did something.
local function run(start, script, options, network)
  local world, players, done = start(), {}, {}
  if network then world:network(network) end
  local kind, why
  local ok, err = pcall(function()
    for _, step in ipairs(script) do
      if perform(world, players, step) then done[#done + 1] = step end
      kind, why = wrong_with(world, players, options)
      if kind then return end
    end
    world:network()
    world:advance(2)
    kind, why = wrong_with(world, players, options)
  end)
  if not ok then kind, why = "error", tostring(err) end
  local stats = not kind and world:counters() or nil
  local closed, left = pcall(world.close, world)
  if not kind and not closed then kind, why = "close", tostring(left) end
  return kind, why, done, stats
end

-- ---- cutting it down ----

-- Failures are the same when they differ in numbers only.
local function alike(text)
  local first = text:match "^[^\n]*"
  return (first:gsub("^[%d.]+ ", ""):gsub("%x+%-%x+%-%x+%-%x+%-%x+", "ID"):gsub("/tmp/lua_%w+", "BOOK")
    :gsub(":(%d+):", ":@%1@:"):gsub("%f[%w]%d+%.?%d*%f[^%w@]", "N"))
end

local function without(script, from, to)
  local out = {}
  for i, step in ipairs(script) do if i < from or i > to then out[#out + 1] = step end end
  return out
end

-- Leaves out ever smaller pieces for as long as it still fails.
local function shrink(script, fails)
  local size = #script // 2
  while size >= 1 do
    local at, cut = 1, false
    while at <= #script do
      local shorter = without(script, at, at + size - 1)
      local verdict = fails(shorter)
      if verdict == nil then return script end -- no more time
      if verdict then script, cut = shorter, true else at = at + size end
    end
    if size > 1 then size = size // 2 elseif not cut then size = 0 end
  end
  return script
end

-- ---- telling it ----

local function literal(value)
  local kind = type(value)
  if kind == "table" then
    local out, n = {}, #value
    for i = 1, n do out[i] = literal(value[i]) end
    for _, key in ipairs(match.sorted_keys(value)) do
      if not (math.type(key) == "integer" and key >= 1 and key <= n) then
        local name = type(key) == "string" and key:find "^[%a_][%w_]*$" and key or "[" .. literal(key) .. "]"
        out[#out + 1] = name .. " = " .. literal(value[key])
      end
    end
    return #out == 0 and "{}" or "{ " .. table.concat(out, ", ") .. " }"
  elseif kind == "string" then return (("%q"):format(value):gsub("\\\n", "\\n"):gsub("[\127-\255]", function(c)
      return ("\\x%02x"):format(c:byte())
    end))
  elseif kind == "number" then
    if value ~= value then return "0/0" end
    return (("%q"):format(value):gsub("^0x1p%+0$", "1.0"))
  elseif kind == "userdata" then return "require 'cjson'.null" end
  return tostring(value)
end

local function line_of(step)
  local what, who = step[1], "p" .. tostring(step[2])
  if what == "connect" then
    return ("local %s = world:connect(%s, %s)"):format(who, literal(step[3]), literal(step[4]))
  elseif what == "event" then
    return ("%s:send(%s%s)"):format(who, literal(step[3]), step[4] ~= nil and ", " .. literal(step[4]) or "")
  elseif what == "call" then return ("%s:call(%s, %s)"):format(who, literal(step[3]), literal(step[4]))
  elseif what == "say" then return ("%s:send(%s)"):format(who, literal(step[3]))
  elseif what == "raw" then return ("%s:send_raw(%s)"):format(who, literal(step[3]))
  elseif what == "advance" then return ("world:advance(%s)"):format(literal(step[2]))
  elseif what == "reload" then return "assert(world:reload())" end
  return ("%s:%s()"):format(who, what)
end

local function as_lua(path, seed, done, network, options)
  local out = { ("it(\"does not fail as sim.fuzz found (seed %d)\", function()"):format(seed) }
  local run_options = { seed = seed, listen = options.listen, reload = options.reload == "every" and "every" or nil }
  if path:find "\n" then out[#out + 1] = ("  local world = sim.run_text(RULEBOOK, %s)"):format(literal(run_options))
  else out[#out + 1] = ("  local world = sim.run(%s, %s)"):format(literal(path), literal(run_options)) end
  if network then out[#out + 1] = ("  world:network %s"):format(literal(network)) end
  for _, step in ipairs(done) do out[#out + 1] = "  " .. line_of(step) end
  out[#out + 1] = "  world:advance(2)"
  out[#out + 1] = "  assert.equal(0, world:info().errors, world:logged \" error \")"
  if options.invariant then out[#out + 1] = "  -- and the invariant" end
  out[#out + 1] = "end)"
  return table.concat(out, "\n")
end

--- Drives a rulebook (a path, or a text of several lines) at random; start_with(seed) makes a world of it. The options are in
-- umpire/meta/sim.lua. Gives the world's counters when nothing went wrong; else the test fails, with the shortest script.
function M.fuzz(path, options, start_with)
  check(options)
  local random = invent.random(options.seed)
  local function start() return start_with(options.seed) end
  local p = plan(start, options)
  p.hostile = options.hostile or 0.2
  local network = options.network
  if network == nil then network = NETWORK end
  local script = invent_script(p, options, random)
  local kind, why, done, stats = run(start, script, options, network)
  if not kind then return stats end

  local runs, until_when = 0, os.clock() + SHRINK_SECONDS
  local function fails_with(weather)
    return function(shorter)
      if runs >= SHRINK_RUNS or os.clock() > until_when then return nil end
      runs = runs + 1
      local its_kind, its_why, its_done = run(start, shorter, options, weather)
      if its_kind ~= kind or alike(its_why) ~= alike(why) then return false end
      done = its_done
      return true
    end
  end
  local before = #script
  if options.shrink ~= false then
    script = done
    if network and fails_with(false)(script) then network = false end
    shrink(script, fails_with(network))
  end
  local _, last = run(start, done, options, network) -- what the shortest one says
  expect.fail_outside(("sim.fuzz found something with seed %d (%s): %s\n\nOf %d steps, these are enough:\n\n%s\n"):format(
    options.seed, kind == "handler" and "a handler failed" or kind == "invariant" and "the invariant does not hold" or kind,
    last or why, before, as_lua(path, options.seed, done, network, options)))
end

return M
