-- Does `legal` change anything? `umpire check` runs this beside a rulebook that plays by itself: before each event the judges
-- are asked once here, with everything that the rest of the rulebook can see written down before and compared after.
--
-- What belongs to the judges alone (a throttle's own buckets, though connect fills and disconnect empties them) they may
-- change; what execute, tick or login, a client's data or the event lead to, they may not. Weak tables are caches, and pass.
-- What was changed is put back, and the judge is asked again with an eye on that one place, line by line: so the line is told
-- that did it.
--
-- The host gives the debug library (which rulebooks do not have), what there is to look at, and calls try().
local debug, host, given = ...
local MOST_TABLES, MOST_SAMPLES, MOST_VALUES = 3000, 400, 6

local checker = {}

-- ---- what the handlers can see ----

local function is_shipped(info) return given.shipped[info.source] == true end

local function key_text(key)
  if type(key) == "string" and key:find "^[%a_][%w_]*$" then return "." .. key end
  if type(key) == "string" then return ("[%q]"):format(key) end
  return "[" .. tostring(key) .. "]"
end

local foreign = { [_G] = true, [host] = true, [host.log] = true }
for _, library in next, _G do
  if type(library) == "table" then foreign[library] = true end
end

-- In an order that is the same each time, functions last, so that a place that can be reached in two ways always has one name.
local function each_field(t, visit)
  local words, functions = {}, {}
  for key, value in next, t do
    if type(key) == "string" then words[#words + 1] = key else visit(key, value) end
  end
  table.sort(words)
  for _, key in ipairs(words) do
    local value = rawget(t, key)
    if type(value) == "function" then functions[#functions + 1] = key else visit(key, value) end
  end
  for _, key in ipairs(functions) do visit(key, rawget(t, key)) end
end

-- seen.tables: table -> its name; seen.cells: identity of an upvalue -> { f, i, name }
local function look(seen, value, name)
  local kind = type(value)
  if kind == "table" then
    local meta = debug.getmetatable(value)
    if foreign[value] or seen.tables[value] or (meta and rawget(meta, "__mode")) then return end
    if seen.count >= MOST_TABLES then seen.full = true return end
    seen.count = seen.count + 1
    seen.tables[value] = name
    each_field(value, function(k, v)
      if type(k) == "table" or type(k) == "function" then look(seen, k, name) end
      if type(v) == "table" or type(v) == "function" then look(seen, v, name .. key_text(k)) end
    end)
    if meta then look(seen, meta, name) end
  elseif kind == "function" and not seen.functions[value] then
    local info = debug.getinfo(value, "S")
    seen.functions[value] = true
    if info.what == "C" or is_shipped(info) then return end
    for i = 1, 255 do
      local upvalue, held = debug.getupvalue(value, i)
      if not upvalue then break end
      if upvalue ~= "_ENV" then
        local id = debug.upvalueid(value, i)
        if not seen.cells[id] then seen.cells[id] = { f = value, i = i, name = upvalue } end
        look(seen, held, upvalue)
      end
    end
  end
end

-- ---- before and after ----

local function photograph(event)
  local seen = { tables = {}, cells = {}, functions = {}, count = 0 }
  look(seen, event.data, "event.data")
  for client in host.clients() do look(seen, client.data, "client.data") end
  each_field(given.others, function(name, handler) look(seen, handler, name) end)
  if seen.full then return nil end
  for t in next, seen.tables do
    local copy = {}
    for k, v in next, t do copy[k] = v end
    seen.tables[t] = { name = seen.tables[t], copy = copy }
  end
  for _, cell in next, seen.cells do cell.held = select(2, debug.getupvalue(cell.f, cell.i)) end
  return seen
end

-- A place: what it is called, and how it is read and put back.
local function entry(t, key, name, old)
  return { name = name .. key_text(key), old = old, read = function() return rawget(t, key) end,
    restore = function() rawset(t, key, old) end }
end

local function cell_place(cell)
  return { name = cell.name, old = cell.held, is_variable = true,
    read = function() return (select(2, debug.getupvalue(cell.f, cell.i))) end,
    restore = function() debug.setupvalue(cell.f, cell.i, cell.held) end }
end

local function changes(seen)
  local places = {}
  for t, was in next, seen.tables do
    for key, v in next, t do
      if not rawequal(v, was.copy[key]) then places[#places + 1] = entry(t, key, was.name, was.copy[key]) end
    end
    for key, v in next, was.copy do
      if rawget(t, key) == nil then places[#places + 1] = entry(t, key, was.name, v) end
    end
  end
  for _, cell in next, seen.cells do
    if not rawequal(select(2, debug.getupvalue(cell.f, cell.i)), cell.held) then places[#places + 1] = cell_place(cell) end
  end
  table.sort(places, function(a, b) return a.name < b.name end)
  return places
end

local function put_back(places)
  for _, place in ipairs(places) do place.restore() end
end

-- ---- asking, and finding the line ----

local function tell(file, line, text)
  file = file:gsub("^@", ""):gsub("^%./", "")
  local place = ("%s:%d"):format(file, line)
  if checker.told[place] then return end
  checker.told[place] = true
  local findings = checker.findings
  findings[#findings + 1] = { file, line, text }
  table.sort(findings, function(a, b)
    if a[1] ~= b[1] then return a[1] < b[1] end
    return a[2] < b[2]
  end)
end

-- As the host does: in order until one says no. A judge that fails on a made-up event is no news; one that asks the host for an
-- effect is.
local function ask(client, event)
  for _, judge in ipairs(given.legal) do
    local ok, legal = pcall(judge, client, event)
    if not ok then
      local file, line, text = tostring(legal):match "^(.-):(%d+): ([^\n]*must change nothing[^\n]*)"
      if file then tell(file, tonumber(line), text) end
      return
    end
    if legal ~= true then return end
  end
end

local function culprit(place, client, event)
  local last, found
  local function watch(what)
    if found then return end
    if not rawequal(place.read(), place.old) then
      found = last
      return
    end
    local info = debug.getinfo(what == "line" and 2 or 3, "Sl") -- a function that has returned: its caller goes on
    if info and info.what ~= "C" and info.currentline > 0 and not is_shipped(info) then
      last = { info.source, info.currentline }
    end
  end
  debug.sethook(watch, "rl")
  ask(client, event)
  debug.sethook()
  return found
end

local function line_of_first()
  local info = debug.getinfo(given.legal[1], "S")
  return { info.source, info.linedefined }
end

function checker.try(client, event)
  local seen = photograph(event)
  if not seen then return end
  ask(client, event)
  local places = changes(seen)
  put_back(places)
  for i = 1, math.min(#places, 3) do
    local place = places[i]
    local at = culprit(place, client, event)
    put_back(changes(seen))
    at = at or line_of_first()
    local what = place.is_variable and "the variable '%s'" or "%s"
    tell(at[1], at[2], ("legal changes " .. what .. ": it must change nothing, since what it is asked about may be refused "
      .. "yet; do that in execute"):format(place.name))
  end
end

-- ---- what to ask about ----

local function upvalues(f)
  local all = {}
  for i = 1, 255 do
    local name, value = debug.getupvalue(f, i)
    if not name then break end
    all[name] = value
  end
  return all
end

local GENERIC = { 1, 0, -1, 2, 7, 50, 0.5, "x", "north", "hello", true, false, {}, { 1, 0 }, { 0, 1 }, { -1, 0 }, { 1 },
  { "x" }, { "x", "y", 1 }, { x = 1, y = 1 }, { text = "hello" }, { name = "x" }, { id = 1 } }

local fits

local function fits_all(kinds, order)
  local of = {}
  for i, key in ipairs(order) do of[i] = fits(kinds[key]) end
  local out = {}
  for variant = 0, MOST_VALUES - 1 do
    local value = {}
    for i, key in ipairs(order) do
      if #of[i] > 0 then value[key] = of[i][(variant * (2 * i - 1) + i - 1) % #of[i] + 1] end
    end
    out[#out + 1] = value
  end
  return out
end

local function in_order(list)
  local order = {}
  for i = 1, #list do order[i] = i end
  return order
end

-- Candidates by how the shipped schema makes its kinds; each kind then judges them itself.
local function candidates(kind)
  local u = upvalues(kind)
  if type(u.kinds) == "table" then return fits_all(u.kinds, type(u.order) == "table" and u.order or in_order(u.kinds)) end
  if type(u.set) == "table" then
    local out = {}
    for value in next, u.set do out[#out + 1] = value end
    return out
  end
  if type(u.kind) == "function" then
    local values = fits(u.kind)
    if not u.max then return values end -- optional
    local out = {}
    for variant = 1, MOST_VALUES do
      local list = {}
      for i = 1, math.min(math.max(u.min, 1), 64) do list[i] = values[(variant + i) % math.max(#values, 1) + 1] end
      out[variant] = list
    end
    return out
  end
  local out = { 1, 0, -1, u.min or 2, u.max or 3 }
  if math.type(u.min) == "integer" and math.type(u.max) == "integer" then
    out[#out + 1] = (u.min + u.max) // 2
    if u.min >= 0 then out[#out + 1] = ("x"):rep(math.min(math.max(u.min, 1), 1000)) end
  end
  return table.move(GENERIC, 1, #GENERIC, #out + 1, out)
end

function fits(kind)
  local out = {}
  if type(kind) ~= "function" then return out end
  for _, value in ipairs(candidates(kind)) do
    local ok, wrong = pcall(kind, value, "data")
    if ok and wrong == nil and #out < MOST_VALUES then out[#out + 1] = value end
  end
  return out
end

local function sample(name, data)
  if #checker.samples < MOST_SAMPLES then checker.samples[#checker.samples + 1] = { name, data } end
end

-- The schemas among the judges, wherever they are.
local function each_schema(value, seen, found)
  if seen[value] then return end
  seen[value] = true
  if type(value) == "table" and not foreign[value] then
    for _, v in next, value do
      if type(v) == "table" or type(v) == "function" then each_schema(v, seen, found) end
    end
  elseif type(value) == "function" and debug.getinfo(value, "S").what ~= "C" then
    local u = upvalues(value)
    if type(u.kinds) == "table" and type(u.known) == "string" and is_shipped(debug.getinfo(value, "S")) then
      found[#found + 1] = u.kinds
      return
    end
    for _, v in next, u do
      if type(v) == "table" or type(v) == "function" then each_schema(v, seen, found) end
    end
  end
end

local function sample_schemas()
  local found = {}
  each_schema(given.legal, {}, found)
  for _, kinds in ipairs(found) do
    for name, kind in pairs(kinds) do
      if type(kind) == "function" and pcall(kind, nil, "data") and kind(nil, "data") == nil then sample(name, nil) end
      for _, value in ipairs(fits(kind)) do sample(name, value) end
    end
  end
  return #found > 0
end

local ARGUMENT = { Bool = true, Byte = 1, Int = 1, Int32 = 1, Int16 = 1, UInt16 = 1, Float = 0.5, Double = 0.5, String = "x",
  Bytes = "x" }

local function sample_remotes()
  for _, channel in next, given.declared.channels or {} do
    for _, procedures in next, type(channel) == "table" and channel.remotes or {} do
      for _, procedure in ipairs(procedures) do
        local data = {}
        for i = 2, #procedure do data[i - 1] = ARGUMENT[procedure[i]] or {} end
        sample(procedure[1], data)
      end
    end
    if type(channel) == "table" and channel.mode ~= "rpc" then sample(channel.mode or "chunk", "hello") end
  end
end

-- Words that the rulebook's files mention: event names are among them.
local function sample_words()
  local words = {}
  for text in next, given.strings do
    if text:find "^[%a][%w_]*$" and #text <= 24 then words[#words + 1] = text end
  end
  table.sort(words)
  for _, data in ipairs(GENERIC) do sample(nil, data) end
  for i = 1, #GENERIC + 1 do
    for _, word in ipairs(words) do sample(word, GENERIC[i]) end
  end
end

checker.samples, checker.findings, checker.told = {}, {}, {}
sample_remotes()
if not sample_schemas() then sample_words() end

return checker
