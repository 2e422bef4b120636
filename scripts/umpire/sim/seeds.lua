--- Seeds: where they come from, and saying which one made a test fail.
local M = {}

local function parse(text)
  return math.tointeger(tonumber(text)) or error("UMPIRE_SEED must be an integer, got \"" .. text .. "\"", 0)
end

local made = 0

local exploring -- { seed, worlds } while sim.explore runs a test

--- From now on every world has this seed; gives the list of worlds that are made, which are nobody else's to close.
function M.begin(seed)
  exploring = { seed = seed, worlds = {}, outer = exploring }
  return exploring.worlds
end
function M.finish() exploring = exploring.outer end

--- The environment's seed, or nil.
function M.pinned()
  local fixed = os.getenv "UMPIRE_SEED"
  if fixed and fixed ~= "" then return parse(fixed) end
end

--- The seed for a new world: the environment's, the one that is explored, the caller's, or a fresh one.
function M.choose(wanted)
  local fixed = M.pinned() or exploring and exploring.seed
  if fixed then return fixed end
  if wanted ~= nil then
    return math.tointeger(wanted) or error("seed: an integer expected, got " .. tostring(wanted), 3)
  end
  made = made + 1
  return (os.time() * 1000003 + made * 7919 + (tonumber(tostring({}):match "0x(%x+)", 16) or 0)) & 0x7fffffff
end

-- busted gives each spec file modules of its own, but itself stays one: what must be known once per run is kept there.
local function book()
  local busted = package.loaded["busted"]
  if type(busted) ~= "table" or type(busted.subscribe) ~= "function" then return nil end
  local b = rawget(busted, "umpire_sim")
  if b then return b end
  b = { worlds = {} } -- made since the test under way began
  rawset(busted, "umpire_sim", b)
  busted.subscribe({ "test", "start" }, function()
    b.worlds = {}
    return nil, true
  end)
  busted.subscribe({ "test", "end" }, function(element, _, status)
    for _, world in ipairs(b.worlds) do
      if status == "failure" or status == "error" then
        io.stderr:write(("\numpire.sim: \"%s\" failed with seed %d (%s). The same run again: UMPIRE_SEED=%d\n"):format(
          element.name or "a test", world.seed, world.path, world.seed))
      end
      local ok, err = pcall(world.close, world) -- what the test left open ends with it
      if not ok then io.stderr:write(("\numpire.sim: \"%s\": %s\n"):format(element.name or "a test", tostring(err))) end
    end
    b.worlds = {}
    return nil, true
  end)
  return b
end

--- Remembers that the test under way made this world, to name its seed if the test fails, and to close it.
function M.note(world)
  if exploring then
    exploring.worlds[#exploring.worlds + 1] = world
    return
  end
  local b = book()
  if b then b.worlds[#b.worlds + 1] = world end
end

return M
