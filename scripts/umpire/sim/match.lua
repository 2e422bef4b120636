--- What a test expects of data, and saying why data is not that.
--
--   match.check({ name = "ann", at = { 1, match.near(2, 0.1) } }, data) -> nil, or "data.at[2]: expected 2 +- 0.1, got 3"
--
-- A table of fields matches a table that has these fields, whatever else it has; a list matches a list of that length. A
-- function is asked: it returns true, or false and why. Anything else matches what equals it (1 and 1.0 do).
local M = {}

local MARK = {} -- the metatable of what this module makes

-- ---- showing ----

local function key_text(key)
  if type(key) == "string" and key:find "^[%a_][%w_]*$" then return key end
  return "[" .. M.show(key) .. "]"
end

--- The path of a field: at("data", "x") is "data.x", at("data", 2) "data[2]".
function M.at(where, key)
  local text = key_text(key)
  return where .. (text:byte() == 91 and "" or ".") .. text
end

local function sorted_keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b)
    local ka, kb = type(a), type(b)
    if ka ~= kb then return ka < kb end
    if ka == "number" or ka == "string" then return a < b end
    return tostring(a) < tostring(b)
  end)
  return keys
end
M.sorted_keys = sorted_keys

local function show_table(t, depth, most)
  if next(t) == nil then return "{}" end
  if depth > 4 then return "{ ... }" end
  local out, size, n = {}, 0, #t
  local function put(text)
    out[#out + 1] = text
    size = size + #text + 2
    return size < most
  end
  for i = 1, n do
    if not put(M.show(t[i], most - size, depth + 1)) then break end
  end
  for _, key in ipairs(size < most and sorted_keys(t) or {}) do
    if not (math.type(key) == "integer" and key >= 1 and key <= n)
      and not put(key_text(key) .. " = " .. M.show(t[key], most - size, depth + 1)) then break end
  end
  if size >= most then out[#out + 1] = "..." end
  return "{ " .. table.concat(out, ", ") .. " }"
end

--- A value as Lua would write it, on one line, cut after about `most` characters (default 160).
function M.show(value, most, depth)
  most = most or 160
  if getmetatable(value) == MARK then return value.text end
  local kind = type(value)
  if kind == "string" then
    local cut = #value > most and value:sub(1, most) or value
    local text = ("%q"):format(cut):gsub("\\\n", "\\n"):gsub("[\128-\255]+", function(bytes)
      return utf8.len(bytes) and bytes or bytes:gsub(".", function(c) return ("\\x%02x"):format(c:byte()) end)
    end)
    return cut == value and text or text .. ".."
  elseif kind == "table" then return show_table(value, depth or 1, most)
  elseif kind == "number" then
    return math.type(value) == "float" and ("%.14g"):format(value) or ("%d"):format(value)
  elseif kind == "userdata" and value == require "cjson".null then return "null"
  elseif kind == "function" then return "what a function says" end
  return tostring(value)
end

-- ---- matching ----

local function wrong(where, expected, got)
  return ("%s: expected %s, got %s"):format(where, expected, got == nil and "nothing" or M.show(got))
end

local function is_list(t)
  local n = #t
  if n == 0 then return false end
  local count = 0
  for _ in pairs(t) do count = count + 1 end
  return count == n
end

local function check_table(pattern, value, where)
  if type(value) ~= "table" then return wrong(where, M.show(pattern), value) end
  if is_list(pattern) and #value ~= #pattern then
    return wrong(where, ("a list of %d values, %s"):format(#pattern, M.show(pattern)), value)
  end
  if next(pattern) == nil and next(value) ~= nil then return wrong(where, "{}", value) end
  for _, key in ipairs(sorted_keys(pattern)) do
    local why = M.check(pattern[key], value[key], M.at(where, key))
    if why then return why end
  end
end

--- nil when the value matches; else a sentence that says where it does not.
function M.check(pattern, value, where)
  where = where or "data"
  if getmetatable(pattern) == MARK then
    if not pattern.test(value) then return wrong(where, pattern.text, value) end
  elseif type(pattern) == "function" then
    local ok, why = pattern(value)
    if not ok then return ("%s: %s"):format(where, why or "refused by the test's function: " .. M.show(value)) end
  elseif type(pattern) == "table" then
    return check_table(pattern, value, where)
  elseif pattern ~= value then
    return wrong(where, M.show(pattern), value)
  end
end

-- ---- patterns ----

local function made(text, test) return setmetatable({ text = text, test = test }, MARK) end

--- Any value, but there has to be one.
M.any = made("anything", function(value) return value ~= nil end)

--- No value: a field that must not be there.
M.nothing = made("nothing", function(value) return value == nil end)

--- A number that differs by at most `by` (default 1e-6).
function M.near(number, by)
  by = by or 1e-6
  return made(("%s +- %s"):format(M.show(number), M.show(by)), function(value)
    return type(value) == "number" and math.abs(value - number) <= by
  end)
end

--- A string in which the Lua pattern is found.
function M.like(pattern)
  return made("a string like " .. M.show(pattern), function(value)
    return type(value) == "string" and value:find(pattern) ~= nil
  end)
end

--- A value of that Lua type: "string", "number", "integer", "table", "boolean".
function M.a(kind)
  return made("a " .. kind, function(value) return type(value) == kind or math.type(value) == kind end)
end

--- A table with exactly these fields and no others.
function M.exactly(pattern)
  return made("exactly " .. M.show(pattern), function(value)
    if M.check(pattern, value) then return false end
    for key in pairs(type(value) == "table" and value or {}) do
      if pattern[key] == nil then return false end
    end
    return true
  end)
end

return M
