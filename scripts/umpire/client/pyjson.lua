--- JSON as Python's json.dumps writes it: ASCII only, ", " and ": " between things, floats that read back exactly.
-- The real Neteria client is a Python program; a server that only ever saw lua-cjson's compact output would not have
-- been tested against it. Keys are written in sorted order (Python keeps the order of insertion, Lua has none to keep),
-- so that the same value always makes the same bytes.
local cjson = require "cjson"

local M = { null = cjson.null }

--- Marks an empty table as a list: {} is written as an object, M.list{} as [].
local list_mt = {}
function M.list(t) return setmetatable(t, list_mt) end

local short = { ['"'] = '\\"', ["\\"] = "\\\\",
  ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\b"] = "\\b", ["\f"] = "\\f" }

local function escape(code)
  if code < 0x80 then
    local c = string.char(code)
    if short[c] then return short[c] end
    if code >= 0x20 and code < 0x7f then return c end
  end
  if code < 0x10000 then return ("\\u%04x"):format(code) end
  code = code - 0x10000
  return ("\\u%04x\\u%04x"):format(0xd800 + (code >> 10), 0xdc00 + (code & 0x3ff))
end

--- One quoted string. Raises when s is not UTF-8, as Python does when it has to.
function M.string(s)
  if not s:find('[^ !#-%[%]-~]') then return '"' .. s .. '"' end
  if not utf8.len(s) then error("a string that is not UTF-8 cannot become JSON: " .. ("%q"):format(s:sub(1, 40)), 2) end
  local out = {}
  for _, code in utf8.codes(s) do out[#out + 1] = escape(code) end
  return '"' .. table.concat(out) .. '"'
end

local function number(v)
  if math.type(v) == "integer" then return ("%d"):format(v) end
  if v ~= v then return "NaN" end -- as Python does; the server has to cope
  if v == math.huge then return "Infinity" elseif v == -math.huge then return "-Infinity" end
  for digits = 15, 17 do
    local text = ("%." .. digits .. "g"):format(v)
    if tonumber(text) == v then
      return text:find "[.e]" and text or text .. ".0"
    end
  end
end

local function is_list(t)
  if getmetatable(t) == list_mt then return true end
  local n = #t
  if n == 0 then return false end
  local count = 0
  for _ in pairs(t) do count = count + 1 end
  return count == n
end

local write

local function key_of(k)
  if type(k) == "string" then return k end
  if type(k) == "number" then return number(k) end
  error("a key of a JSON object must be a string, got a " .. type(k), 0)
end

local function write_table(t, out, depth)
  if depth > 100 then error("a table nested over 100 deep (or within itself) cannot become JSON", 0) end
  if is_list(t) then
    out[#out + 1] = "["
    for i = 1, #t do
      if i > 1 then out[#out + 1] = ", " end
      write(t[i], out, depth)
    end
    out[#out + 1] = "]"
    return
  end
  local keys, values = {}, {}
  for k, v in pairs(t) do
    local key = key_of(k)
    keys[#keys + 1], values[key] = key, v
  end
  table.sort(keys)
  out[#out + 1] = "{"
  for i, key in ipairs(keys) do
    out[#out + 1] = (i > 1 and ", " or "") .. M.string(key) .. ": "
    write(values[key], out, depth)
  end
  out[#out + 1] = "}"
end

function write(v, out, depth)
  local kind = type(v)
  if kind == "string" then out[#out + 1] = M.string(v)
  elseif kind == "number" then out[#out + 1] = number(v)
  elseif kind == "boolean" then out[#out + 1] = v and "true" or "false"
  elseif v == nil or v == cjson.null then out[#out + 1] = "null"
  elseif kind == "table" then write_table(v, out, depth + 1)
  else error("a " .. kind .. " cannot become JSON", 0) end
end

--- The text of a value. A table with positive integer keys 1..n is a list, any other an object.
function M.encode(v)
  local kind = type(v)
  if kind == "string" then return M.string(v) end
  local out = {}
  write(v, out, 0)
  return table.concat(out)
end

-- lua-cjson before 2.1.0.9 makes every number a float; whole ones become integers again, so that 40 prints as 40.
local function tidy(v)
  if type(v) == "number" then
    return math.type(v) == "float" and v >= -2^53 and v <= 2^53 and math.tointeger(v) or v
  elseif type(v) == "table" then
    for k, item in pairs(v) do v[k] = tidy(item) end
  end
  return v
end

--- The value of a text; nil and a message when it is no JSON. Whole numbers up to 2^53 are integers; null is M.null
-- inside containers and nil at the top.
function M.decode(text)
  local ok, v = pcall(cjson.decode, text)
  if not ok then return nil, v end
  return tidy(v)
end

return M
