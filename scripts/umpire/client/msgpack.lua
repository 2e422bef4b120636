--- MessagePack in plain Lua, as u-msgpack-python writes it: the shortest integers, floats in single precision, str for what is
-- valid UTF-8 and bin for what is not. Reads every form but ext; raises on all that u-msgpack raises on, with the offset.
--
--   msgpack.encode { name = "ann", at = msgpack.array { 1, 2.5 } }
--   local value, next_offset = msgpack.decode(bytes)      -- one value; bytes may follow: see decode_all
--
-- A table with keys 1 ... n is an array, every other one (an empty one, too) a map; array(t) and map(t) say it outright. What
-- was read as an array is marked as one. str and bin both become Lua strings. nil inside containers is msgpack.null.
local M = {}

local pack, unpack, byte, sub = string.pack, string.unpack, string.byte, string.sub
local utf8_len = utf8.len

local MOST_DEEP = 64

M.null = setmetatable({}, { __name = "umpire.client.msgpack.null", __tostring = function() return "null" end })

local Array = { __name = "umpire.client.msgpack.Array" }
local Map = { __name = "umpire.client.msgpack.Map" }
local Bin = { __name = "umpire.client.msgpack.Bin" }

function M.array(t) return setmetatable(t or {}, Array) end
function M.map(t) return setmetatable(t or {}, Map) end
--- A string that is to be written as bin, whatever is in it.
function M.bin(s) return setmetatable({ s }, Bin) end
function M.is_map(value) return type(value) == "table" and getmetatable(value) ~= Array and value ~= M.null end

-- ---- writing ----

local function write_integer(n)
  if n >= 0 then
    if n < 128 then return pack("B", n) end
    if n < 0x100 then return pack("BB", 0xcc, n) end
    if n < 0x10000 then return pack(">BI2", 0xcd, n) end
    if n < 0x100000000 then return pack(">BI4", 0xce, n) end
    return pack(">Bi8", 0xcf, n)
  end
  if n >= -32 then return pack("b", n) end
  if n >= -0x80 then return pack("Bb", 0xd0, n) end
  if n >= -0x8000 then return pack(">Bi2", 0xd1, n) end
  if n >= -0x80000000 then return pack(">Bi4", 0xd2, n) end
  return pack(">Bi8", 0xd3, n)
end

local function head(n, fixed, most_fixed, tag8, tag16)
  if n <= most_fixed then return pack("B", fixed | n) end
  if tag8 and n < 0x100 then return pack("BB", tag8, n) end
  if n < 0x10000 then return pack(">BI2", tag16, n) end
  return pack(">BI4", tag16 + 1, n)
end

local function write_string(s)
  if utf8_len(s) then return head(#s, 0xa0, 31, 0xd9, 0xda) .. s end
  return head(#s, 0, -1, 0xc4, 0xc5) .. s
end

local function is_array(t)
  local n = #t
  if n == 0 then return false end
  local count = 0
  for _ in pairs(t) do count = count + 1 end
  return count == n
end

local write

local function write_array(out, t, deep)
  out[#out + 1] = head(#t, 0x90, 15, nil, 0xdc)
  for i = 1, #t do write(out, t[i], deep) end
end

local function write_map(out, t, deep)
  local keys, names = {}, {}
  for key in pairs(t) do
    keys[#keys + 1] = key
    names[key] = type(key) .. tostring(key) -- one order, so that the same map is the same bytes
  end
  table.sort(keys, function(a, b) return names[a] < names[b] end)
  out[#out + 1] = head(#keys, 0x80, 15, nil, 0xde)
  for _, key in ipairs(keys) do
    write(out, key, deep)
    write(out, t[key], deep)
  end
end

local function write_table(out, t, deep)
  if deep > MOST_DEEP then error("msgpack: more than " .. MOST_DEEP .. " deep, or a cycle", 0) end
  local kind = getmetatable(t)
  if t == M.null then out[#out + 1] = "\xc0"
  elseif kind == Bin then out[#out + 1] = head(#t[1], 0, -1, 0xc4, 0xc5) .. t[1]
  elseif kind == Array or (kind ~= Map and is_array(t)) then write_array(out, t, deep + 1)
  else write_map(out, t, deep + 1) end
end

function write(out, value, deep)
  local kind = math.type(value) or type(value)
  if kind == "integer" then out[#out + 1] = write_integer(value)
  elseif kind == "float" then out[#out + 1] = pack(">Bf", 0xca, value)
  elseif kind == "string" then out[#out + 1] = write_string(value)
  elseif kind == "table" then write_table(out, value, deep)
  elseif kind == "boolean" then out[#out + 1] = value and "\xc3" or "\xc2"
  elseif kind == "nil" then out[#out + 1] = "\xc0"
  else error("msgpack: a " .. kind .. " cannot be written", 0) end
end

--- The bytes of a value. Raises on functions, cycles and the like.
function M.encode(value)
  local out = {}
  write(out, value, 0)
  return table.concat(out)
end

-- ---- reading: a reader gets the text and where what follows the tag begins; it gives the value and where the next begins ----

local read

local function wrong(what, at) error(("msgpack: %s at byte %d"):format(what, at - 1), 0) end

local function read_str(text, at, n)
  if at + n - 1 > #text then wrong("a string that is cut short", at) end
  local s = sub(text, at, at + n - 1)
  if not utf8_len(s) then wrong("a string that is not UTF-8", at) end
  return s, at + n
end

local function read_bin(text, at, n)
  if at + n - 1 > #text then wrong("bytes that are cut short", at) end
  return sub(text, at, at + n - 1), at + n
end

local function read_array(text, at, n, deep)
  if deep >= MOST_DEEP then wrong("more than " .. MOST_DEEP .. " deep", at) end
  local t = setmetatable({}, Array)
  for i = 1, n do -- a count is believed only as far as there are bytes
    local value
    value, at = read(text, at, deep + 1)
    if value == nil then value = M.null end
    t[i] = value
  end
  return t, at
end

local function read_map(text, at, n, deep)
  if deep >= MOST_DEEP then wrong("more than " .. MOST_DEEP .. " deep", at) end
  local t = {}
  for _ = 1, n do
    local key, value
    local start = at
    key, at = read(text, at, deep + 1)
    if key == nil or type(key) == "table" or key ~= key then wrong("a key that cannot be one", start) end
    if t[key] ~= nil then wrong("a key that is there already", start) end
    value, at = read(text, at, deep + 1)
    if value == nil then value = M.null end
    t[key] = value
  end
  return t, at
end

local readers = {
  [0xc0] = function(_, at) return nil, at end,
  [0xc2] = function(_, at) return false, at end,
  [0xc3] = function(_, at) return true, at end,
  [0xcf] = function(text, at)
    local n, after = unpack(">i8", text, at)
    return n >= 0 and n or n + 2.0 ^ 64, after -- Lua has no integers above 2^63 - 1
  end,
}

local function number(tag, format, size)
  readers[tag] = function(text, at)
    if at + size - 1 > #text then wrong("a number that is cut short", at) end
    return unpack(format, text, at)
  end
end
number(0xca, ">f", 4) number(0xcb, ">d", 8)
number(0xcc, "B", 1) number(0xcd, ">I2", 2) number(0xce, ">I4", 4)
number(0xd0, "b", 1) number(0xd1, ">i2", 2) number(0xd2, ">i4", 4) number(0xd3, ">i8", 8)

local function sized(tag, size, reader)
  local format = ">I" .. size
  readers[tag] = function(text, at, deep)
    if at + size - 1 > #text then wrong("a size that is cut short", at) end
    local n, after = unpack(format, text, at)
    return reader(text, after, n, deep)
  end
end
sized(0xc4, 1, read_bin) sized(0xc5, 2, read_bin) sized(0xc6, 4, read_bin)
sized(0xd9, 1, read_str) sized(0xda, 2, read_str) sized(0xdb, 4, read_str)
sized(0xdc, 2, read_array) sized(0xdd, 4, read_array)
sized(0xde, 2, read_map) sized(0xdf, 4, read_map)

function read(text, at, deep)
  local tag = byte(text, at)
  if not tag then wrong("the end where a value should be", at) end
  if tag < 0x80 then return tag, at + 1 end
  if tag >= 0xe0 then return tag - 256, at + 1 end
  if tag >= 0xa0 and tag < 0xc0 then return read_str(text, at + 1, tag & 31) end
  if tag < 0x90 then return read_map(text, at + 1, tag & 15, deep) end
  if tag < 0xa0 then return read_array(text, at + 1, tag & 15, deep) end
  local reader = readers[tag]
  if not reader then wrong(("a type that is not spoken here (%02x)"):format(tag), at) end
  return reader(text, at + 1, deep)
end

--- The value at `at` (default 1) and the offset after it. Raises.
function M.decode(text, at) return read(text, at or 1, 0) end

--- The one value that text is. Raises, also when bytes follow it.
function M.decode_all(text)
  local value, after = read(text, 1, 0)
  if after ~= #text + 1 then wrong("bytes after the value", after) end
  return value
end

return M
