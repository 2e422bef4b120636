--- The simulator: the real engine with a virtual clock and a simulated network. No sockets, no sleeping, the same bytes as
-- in production; the same seed gives the same run.
--
--   local sim = require "umpire.sim"
--   local world = sim.run("rules/arena.lua", { seed = 7 })
--   local ann = world:connect "neteria"
--   local verdict = ann:event("move", { 1, 0 })
--   assert.is_true(verdict.legal, verdict.reason)
--   world:close()
--
-- scripts/umpire/README.md has the reference.
local explore = require "umpire.sim.explore"
local fuzz = require "umpire.sim.fuzz"
local match = require "umpire.sim.match"
local World = require "umpire.sim.world"
local seeds = require "umpire.sim.seeds"

local ok, core = pcall(require, "umpire.sim.core")
if not ok then
  if tostring(core):find("module 'umpire.sim.core' not found", 1, true) then
    error("the simulator's C part is not on the path: build it (cmake --build build), then run busted in umpire's folder, "
      .. "or set UMPIRE_MODULES to the build's lua folder\n" .. tostring(core), 0)
  end
  error(core, 0)
end

local sim = { version = core.version }

-- Patterns for what a test expects of data: see umpire.sim.match.
for _, name in ipairs { "any", "nothing", "near", "like", "a", "exactly" } do sim[name] = match[name] end

--- How many worlds are open. A suite ends by showing that it is 0.
function sim.open_objects() return core.open_objects() end

-- Where the shipped library is: the folder above the one that this file was loaded from.
local function library()
  local path = package.searchpath("umpire.sim.world", package.path)
  return (path:gsub("/?umpire/sim/world%.lua$", ""):gsub("^$", "."))
end

local known = { chance = true, instructions = true, listen = true, load_budget = true, memory = true, reload = true,
  seed = true }

local function check_options(options)
  for name in pairs(options) do
    if not known[name] then
      error(("sim.run: unknown option '%s'; known: chance, instructions, listen, load_budget, memory, reload, seed"):format(
        tostring(name)), 3)
    end
  end
  if options.reload ~= nil and options.reload ~= "every" and options.reload ~= false then
    error('sim.run: reload: "every" or false expected, got ' .. tostring(options.reload), 3)
  end
end

-- The option, or else the environment: a whole suite may be run so.
local function reloads(options)
  if options.reload ~= nil then return options.reload == "every" end
  return os.getenv "UMPIRE_RELOAD" == "every"
end

local text_mark = {} -- sim.run_text's word to sim.run

--- Starts a world that is judged by the rulebook at path (a file, or a folder with init.lua). Options:
--   seed         integer. Without it a new one each time; the environment's UMPIRE_SEED goes over both
--   listen       a listen URL or a list of them, "neteria://0.0.0.0:40080?limit=2&hold_ms=0"; default: the rulebook's own
--   reload       "every": the world has a twin in which the rulebook is loaded again after every event, and the test fails at
--                the first difference: umpire.sim.twin. Default: what UMPIRE_RELOAD in the environment says; false: never
--   memory       bytes for the rulebook's VM;  instructions: VM instructions of one call;  load_budget: seconds for loading
-- Raises when the rulebook is refused, with what `umpire check` would say.
function sim.run(path, options, is_text)
  options = options or {}
  if type(path) ~= "string" then error("sim.run: the path of a rulebook expected, got " .. type(path), 2) end
  check_options(options)
  local seed = seeds.choose(options.seed)
  local world = World.new(core, seed, path, library(), options, reloads(options), is_text == text_mark)
  seeds.note(world)
  return world
end

--- The same for a rulebook given as text. It is written to a file that goes when the world is closed;
-- world:rewrite(text) changes it, for a later world:reload().
function sim.run_text(text, options)
  local path = os.tmpname()
  os.remove(path) -- only the name is needed: a rulebook's ends in .lua
  path = path .. ".lua"
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  local done, world = pcall(sim.run, path, options, text_mark)
  if not done then
    os.remove(path)
    error(world, 0)
  end
  world.text_path = path
  return world
end

--- Runs a test with many seeds, and raises what the smallest failing one raised: see umpire.sim.explore.
function sim.explore(which, fn, options) return explore.explore(which, fn, options) end

--- Drives a rulebook at random, and tells the shortest script that makes it fail: see umpire.sim.fuzz.
function sim.fuzz(path, options)
  local own = {}
  for name, value in pairs(options or {}) do own[name] = value end
  own.seed = seeds.choose(own.seed)
  return fuzz.fuzz(path, own, function(seed)
    local worlds = seeds.begin(seed) -- they are closed here, whatever comes
    local how = { seed = seed, listen = own.listen, reload = own.reload == "every" and "every" or nil }
    local done, world = pcall(path:find "\n" and sim.run_text or sim.run, path, how)
    seeds.finish()
    if not done then error(world, 0) end
    return worlds[1]
  end)
end

return sim
