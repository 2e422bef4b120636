--- Runs a test with many seeds, and names the smallest that fails.
--
--   sim.explore(200, function(seed)
--     local world = sim.run "rules/arena.lua"     -- with that seed, whatever its options say
--     ...
--   end)
local expect = require "umpire.sim.expect"
local seeds = require "umpire.sim.seeds"

local M = {}

local function list_of(which)
  local list = {}
  if math.type(which) == "integer" and which > 0 then
    for seed = 1, which do list[seed] = seed end
  elseif type(which) == "table" and which.from and which.to then
    for seed = which.from, which.to do list[#list + 1] = seed end
  elseif type(which) == "table" then
    for i, seed in ipairs(which) do
      list[i] = math.tointeger(seed) or error("sim.explore: a seed is an integer, got " .. tostring(seed), 4)
    end
    table.sort(list)
  end
  if #list == 0 then
    error("sim.explore: how many seeds, a list of them, or { from = 1, to = 50 } expected", 3)
  end
  return list
end

local function is_pending(err)
  local mt = type(err) == "table" and getmetatable(err)
  return mt and mt.__type == "pending"
end

-- Runs fn with the seed; closes the worlds it made. nil, or what failed.
local function try(seed, fn)
  local worlds = seeds.begin(seed)
  local ok, err = xpcall(fn, function(e)
    return type(e) == "string" and debug.traceback(e, 2):gsub("\n%s*%[C%]: in function 'xpcall'.*", "") or e
  end, seed)
  seeds.finish()
  for _, world in ipairs(worlds) do
    local closed, why = pcall(world.close, world)
    if ok and not closed then ok, err = false, why end
  end
  return not ok and (err == nil and "nil" or err) or nil
end

--- which: how many (1, 2, ...), a list, or { from = a, to = b }. fn(seed) is the test. options.stop: at the first failure.
-- UMPIRE_SEED in the environment goes over which. Raises what the smallest failing seed raised, with how to repeat it;
-- gives how many ran.
function M.explore(which, fn, options)
  local list = list_of(which)
  if type(fn) ~= "function" then error("sim.explore(seeds, fn): a function expected, got " .. type(fn), 2) end
  for name in pairs(options or {}) do
    if name ~= "stop" then error(("sim.explore: unknown option '%s'; known: stop"):format(tostring(name)), 2) end
  end
  local pinned = seeds.pinned()
  if pinned then list = { pinned } end
  local failed, smallest, why, ran = 0, nil, nil, 0
  for _, seed in ipairs(list) do
    local err = try(seed, fn)
    ran = ran + 1
    if is_pending(err) then error(err, 0) end
    if err then
      failed = failed + 1
      if not smallest then smallest, why = seed, err end
      if options and options.stop then break end
    end
  end
  if not smallest then return ran end
  expect.fail_outside(("seed %d fails, the smallest of %d that did; %d of %d ran. The same again: UMPIRE_SEED=%d\n%s"):format(
    smallest, failed, ran, #list, smallest, tostring(why)))
end

return M
