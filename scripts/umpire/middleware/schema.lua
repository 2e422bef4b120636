--- Legality middleware: is the event what its name promises? Types, bounds, nothing extra.
--
--   local schema = require "umpire.middleware.schema"
--   rules.legal = {
--     schema.events {
--       move = schema.tuple { schema.integer(-1, 1), schema.integer(-1, 1) },
--       say  = schema.string(1, 200),
--       buy  = schema.fields { item = schema.one_of { "bow", "axe" }, count = schema.optional(schema.integer(1, 99)) },
--       wave = schema.nothing,
--     },
--     ...
--   }
--
-- A type is a function (value, where) that returns nil when the value fits and otherwise a sentence that says what is wrong
-- and where: "data[2]: expected an integer from -1 to 1, got 7". Your own functions of that kind fit in everywhere.
-- What does not fit is malformed rather than illegal (host.invalid). An event whose name is not listed is refused.
--
-- What was declared can be looked at: schema.describe(kind), schema.declared(). The simulator's sim.fuzz sends what they say.
local host = require "umpire"

local schema = {}

local said = setmetatable({}, { __mode = "k" }) -- kind -> what it is, as plain data
local declared = {}                             -- name of an event -> its kind

local function kind_of(description, kind)
  said[kind] = description
  return kind
end

--- What a type is, as plain data: { type = "integer", min = 1, max = 6 }. A function of your own is { type = "custom" }.
function schema.describe(kind)
  return said[kind] or { type = "custom" }
end

--- What all events are that schema.events was told of: name -> what describe says of its data.
function schema.declared()
  local out = {}
  for name, kind in pairs(declared) do out[name] = schema.describe(kind) end
  return out
end

-- Values come from strangers: a reason shows a little of them.
local function shown(value)
  local kind = math.type(value) or type(value)
  if kind == "string" then
    local cut = #value > 24 and value:sub(1, 24):gsub("[\x80-\xff]+$", "") .. "…" or value
    return '"' .. cut .. '"'
  elseif kind == "integer" or kind == "float" or kind == "boolean" then return tostring(value)
  elseif kind == "nil" then return "nothing"
  elseif value == host.null then return "null" end
  return "a " .. kind
end

local function mismatch(where, expected, value)
  return ("%s: expected %s, got %s"):format(where, expected, shown(value))
end

local function range(what, min, max)
  if min and max then return ("%s from %s to %s"):format(what, min, max) end
  if min then return ("%s of at least %s"):format(what, min) end
  if max then return ("%s of at most %s"):format(what, max) end
  return what
end

local function check_bounds(name, min, max)
  if min and max and min > max then
    error(("schema.%s: the least (%s) is over the most (%s)"):format(name, min, max), 3)
  end
end

--- A whole number, within bounds (either may be nil). 3.0 is one too: JSON knows no difference.
function schema.integer(min, max)
  check_bounds("integer", min, max)
  local expected = range("an integer", min, max)
  return kind_of({ type = "integer", min = min, max = max }, function(value, where)
    local n = type(value) == "number" and math.tointeger(value)
    if not n or (min and n < min) or (max and n > max) then return mismatch(where, expected, value) end
  end)
end

--- A finite number, within bounds (either may be nil).
function schema.number(min, max)
  check_bounds("number", min, max)
  local expected = range("a number", min, max)
  local least, most = min or -math.huge, max or math.huge
  return kind_of({ type = "number", min = min, max = max }, function(value, where)
    if type(value) ~= "number" or value ~= value or value < least or value > most
      or value == math.huge or value == -math.huge then
      return mismatch(where, expected, value)
    end
  end)
end

--- A string of min to max characters (UTF-8; max is needed: a stranger chooses the length).
function schema.string(min, max)
  if math.type(min) ~= "integer" or math.type(max) ~= "integer" then
    error("schema.string(min, max): two lengths in characters are needed", 2)
  end
  check_bounds("string", min, max)
  local expected = ("a string of %d to %d characters"):format(min, max)
  return kind_of({ type = "string", min = min, max = max }, function(value, where)
    if type(value) ~= "string" then return mismatch(where, expected, value) end
    local n = #value <= max * 4 and utf8.len(value)
    if not n or n < min or n > max then return mismatch(where, expected, value) end
  end)
end

--- true or false.
function schema.boolean(value, where)
  if type(value) ~= "boolean" then return mismatch(where, "true or false", value) end
end

kind_of({ type = "boolean" }, schema.boolean)

--- One of the listed values.
function schema.one_of(list)
  local set, names = {}, {}
  for i, value in ipairs(list) do
    set[value] = true
    names[i] = shown(value)
  end
  if #names == 0 then error("schema.one_of: a list of at least one value is needed", 2) end
  local expected = "one of " .. table.concat(names, ", ")
  return kind_of({ type = "one_of", values = list }, function(value, where)
    if value == nil or value ~= value or not set[value] then return mismatch(where, expected, value) end
  end)
end

--- Anything at all. The rest of your rules then has to look at it with care.
function schema.anything() end

--- No data: an event that is only its name.
function schema.nothing(value, where)
  if value ~= nil then return mismatch(where, "nothing", value) end
end

kind_of({ type = "anything" }, schema.anything)
kind_of({ type = "nothing" }, schema.nothing)

--- Like kind, but may be left out.
function schema.optional(kind)
  return kind_of({ type = "optional", of = schema.describe(kind) }, function(value, where)
    if value ~= nil and value ~= host.null then return kind(value, where) end
  end)
end

-- How many of value's keys are 1..#value; nil when it has others.
local function length(value)
  local count = 0
  for key in pairs(value) do
    if math.type(key) ~= "integer" then return nil end
    count = count + 1
  end
  return count == #value and count or nil
end

--- A list of min to max values of one kind.
function schema.list(kind, min, max)
  if math.type(min) ~= "integer" or math.type(max) ~= "integer" then
    error("schema.list(kind, min, max): two lengths are needed", 2)
  end
  check_bounds("list", min, max)
  local expected = ("a list of %d to %d values"):format(min, max)
  return kind_of({ type = "list", of = schema.describe(kind), min = min, max = max }, function(value, where)
    local n = type(value) == "table" and length(value)
    if not n or n < min or n > max then return mismatch(where, expected, value) end
    for i = 1, n do
      local wrong = kind(value[i], ("%s[%d]"):format(where, i))
      if wrong then return wrong end
    end
  end)
end

local function described(kinds)
  local out = {}
  for key, kind in pairs(kinds) do out[key] = schema.describe(kind) end
  return out
end

--- A list with a kind for each place.
function schema.tuple(kinds)
  local expected = ("a list of %d values"):format(#kinds)
  return kind_of({ type = "tuple", of = described(kinds) }, function(value, where)
    if type(value) ~= "table" or length(value) ~= #kinds then return mismatch(where, expected, value) end
    for i, kind in ipairs(kinds) do
      local wrong = kind(value[i], ("%s[%d]"):format(where, i))
      if wrong then return wrong end
    end
  end)
end

--- A table with these fields and no others.
function schema.fields(kinds)
  local order = {}
  for name in pairs(kinds) do order[#order + 1] = name end
  table.sort(order)
  local expected = "a table with the fields " .. table.concat(order, ", ")
  return kind_of({ type = "fields", of = described(kinds) }, function(value, where)
    if type(value) ~= "table" then return mismatch(where, expected, value) end
    for _, name in ipairs(order) do
      local wrong = kinds[name](value[name], where .. "." .. name)
      if wrong then return wrong end
    end
    local stray
    for name in pairs(value) do -- always the same one is named, whatever order pairs has
      if kinds[name] == nil and (stray == nil or tostring(name) < tostring(stray)) then stray = name end
    end
    if stray ~= nil then return ("%s: unknown field %s; expected %s"):format(where, shown(stray), expected) end
  end)
end

--- The judge: the kind of data for each event name. Events that are not listed are refused.
function schema.events(kinds)
  local names = {}
  for name, kind in pairs(kinds) do
    if type(name) ~= "string" or type(kind) ~= "function" then
      error(("schema.events: '%s' needs a type, such as schema.integer(1, 6) or schema.nothing"):format(tostring(name)), 2)
    end
    names[#names + 1] = name
    declared[name] = kind
  end
  table.sort(names)
  local known = table.concat(names, ", ")
  return function(_, event)
    local kind = event.name ~= nil and kinds[event.name]
    if not kind then
      return host.invalid(("unknown event %s; known: %s"):format(shown(event.name), known))
    end
    local wrong = kind(event.data, "data")
    if wrong then return host.invalid(wrong) end
    return true
  end
end

return schema
