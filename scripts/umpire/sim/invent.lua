--- Data of events by chance: what a schema's description (umpire.middleware.schema) allows, and near misses of it; and
-- parameters of remote procedures by their types. The same random numbers give the same data.
local M = {}

--- A stream of random numbers of its own: random(n) in 1..n, random(m, n), random() in [0, 1).
function M.random(seed)
  local state = seed * 0x9e3779b97f4a7c15 ~ 0x2545f4914f6cdd1d
  local function bits() -- splitmix64
    state = state + 0x9e3779b97f4a7c15
    local z = state
    z = (z ~ (z >> 30)) * 0xbf58476d1ce4e5b9
    z = (z ~ (z >> 27)) * 0x94d049bb133111eb
    return z ~ (z >> 31)
  end
  return function(m, n)
    if not m then return (bits() >> 11) / (1 << 53) end
    if not n then m, n = 1, m end
    return m + (bits() >> 1) % (n - m + 1)
  end
end

local function pick(random, list) return list[random(#list)] end

local WORDS = { "", "a", "ann", "hello", "the quick brown fox", "Grüße 🎮", "0", "null", "__index", "'; --", "%s%d", "\n",
  ("x"):rep(300) }

local function text(random, min, max)
  local n = random() < 0.3 and pick(random, { min, max }) or random(min, math.min(max, min + 20))
  local out = {}
  for i = 1, n do out[i] = random() < 0.9 and string.char(random(97, 122)) or pick(random, { "ü", " ", "7", "\"", "\\" }) end
  return table.concat(out)
end

--- Anything that JSON can carry.
function M.anything(random, depth)
  depth = depth or 0
  local what = random(depth < 3 and 9 or 7)
  if what == 1 then return nil
  elseif what == 2 then return random() < 0.5
  elseif what == 3 then return random(-3, 100)
  elseif what == 4 then return pick(random, { 0.5, -1.5, 1e300, -0.0, 2^53, 1e-9 })
  elseif what == 5 then return pick(random, { 0, -1, math.maxinteger, math.mininteger, 1 << 31, 1 << 32, 255, 256 })
  elseif what <= 7 then return pick(random, WORDS) end
  local t = {}
  for i = 1, random(0, 4) do
    local key = what == 8 and i or pick(random, { "x", "y", "name", "id", "data", "n", "__gc" })
    t[key] = M.anything(random, depth + 1)
  end
  return t
end

local function between(random, min, max)
  min = min or (max or 0) - 1000
  max = max or min + 2000
  local what = random(6)
  if what == 1 then return min elseif what == 2 then return max end
  if math.type(min) == "integer" and math.type(max) == "integer" then return random(min, max) end
  return min + (max - min) * random()
end

local make = {}

--- Data that fit the description.
function M.fitting(description, random)
  local maker = make[description.type]
  if not maker then return M.anything(random) end
  return maker(description, random)
end

function make.integer(d, random)
  local min = d.min and math.ceil(d.min)
  local max = d.max and math.floor(d.max)
  return math.tointeger(between(random, min, max)) or 0
end
function make.number(d, random) return between(random, d.min, d.max) end
function make.string(d, random) return text(random, d.min, d.max) end
function make.boolean(_, random) return random() < 0.5 end
function make.one_of(d, random) return pick(random, d.values) end
function make.nothing() return nil end
function make.anything(_, random) return M.anything(random) end
function make.optional(d, random)
  if random() < 0.3 then return nil end
  return M.fitting(d.of, random)
end
function make.list(d, random)
  local t = {}
  local n = random() < 0.3 and pick(random, { d.min, d.max }) or random(d.min, math.min(d.max, d.min + 5))
  for i = 1, math.min(n, 200) do t[i] = M.fitting(d.of, random) end
  return t
end
function make.tuple(d, random)
  local t = {}
  for i, kind in ipairs(d.of) do t[i] = M.fitting(kind, random) end
  return t
end
function make.fields(d, random)
  local t, names = {}, {}
  for name in pairs(d.of) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do t[name] = M.fitting(d.of[name], random) end
  return t
end

local function keys_of(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  return keys
end

-- Near misses that only that type has.
local miss = {}

local function out_of_bounds(d, random, step)
  local near = {}
  if d.min then near[#near + 1] = d.min - step end
  if d.max then near[#near + 1] = d.max + step end
  for _, n in ipairs { math.huge, -math.huge, 0 / 0, 0.5, -0.0, math.maxinteger, math.mininteger, 1e300 } do
    near[#near + 1] = n
  end
  return pick(random, near)
end
function miss.integer(d, random) return out_of_bounds(d, random, 1) end
function miss.number(d, random) return out_of_bounds(d, random, 0.001) end
function miss.string(d, random)
  if random() < 0.3 and d.min > 0 then return ("x"):rep(d.min - 1) end
  if random() < 0.5 then return ("y"):rep(d.max + 1) end
  return pick(random, { "a\0b", "\27[2J", "\226\128\174abc", ("🎮"):rep(d.max + 1) })
end
local function broken_table(d, random)
  local t = M.fitting(d, random)
  local keys = keys_of(t)
  local what = random(4)
  if #keys == 0 or what == 1 then t[pick(random, { "extra", "x", "1", #t + 1 })] = M.anything(random)
  elseif what == 2 then t[pick(random, keys)] = nil
  else
    local key = pick(random, keys)
    local of = d.type == "list" and d.of or d.of[key]
    t[key] = of and M.missing(of, random) or M.anything(random)
  end
  return t
end
miss.tuple, miss.fields, miss.list = broken_table, broken_table, broken_table
function miss.optional(d, random) return M.missing(d.of, random) end

--- Data that nearly fit, or not at all.
function M.missing(description, random)
  local own = miss[description.type]
  if own and random() < 0.7 then return own(description, random) end
  return M.anything(random)
end

--- The parameter of a remote procedure, by its type's text.
function M.parameter(kind, random)
  kind = kind:gsub("%s", "")
  local name, inner = kind:match "^(%w+)<(.*)>$"
  if name == "IntMap" then name, inner = "Map", "Int32," .. inner end
  if name == "StringMap" then name, inner = "Map", "String," .. inner end
  if name == "Map" then
    local key, value = inner:match "^(%w+),(.*)$"
    local t = {}
    for _ = 1, random(0, 3) do t[M.parameter(key, random)] = M.parameter(value, random) end
    return t
  elseif name then
    local t = {}
    for i = 1, random(0, 4) do t[i] = M.parameter(inner, random) end
    return t
  end
  if kind == "Bool" then return random() < 0.5
  elseif kind == "Byte" then return pick(random, { 0, 1, 127, 128, 255 })
  elseif kind == "UInt16" then return pick(random, { 0, 1, 65535, random(0, 65535) })
  elseif kind == "Int16" then return pick(random, { 0, -1, 1, 32767, -32768 })
  elseif kind == "Float" or kind == "Double" then return pick(random, { 0.0, -1.5, 1.0, 1e30, math.huge, 0 / 0 })
  elseif kind == "String" or kind == "Bytes" or kind == "Serialized" then return pick(random, WORDS) end
  return pick(random, { 0, 1, -1, 2147483647, -2147483648, random(-100, 100) })
end

return M
