--- Python pickles of plain data, both ways: what PYMMORPG's clients write and what its server answers. Decoding knows data and
-- nothing else; a name (other than _codecs.encode, which is how bytes are written below protocol 3) is an error.
--
--   pickle.encode { "move", pickle.tuple { 1, 0, 0 } }   -- protocol 2, as Python 2.7 and 3 read it
--   pickle.decode(bytes) -> value; raises what is wrong
--
-- None is nil at the top and pickle.null inside; lists and tuples are sequences, tuples marked by pickle.is_tuple; dicts are
-- tables. An empty table is a list unless it is pickle.dict {}.
local ordered = require "umpire.client.ordered"

local M = {}

local Tuple, Dict = { __name = "umpire.pickle.Tuple" }, { __name = "umpire.pickle.Dict" }

M.null = setmetatable({}, { __name = "umpire.pickle.Null", __tostring = function() return "None" end })

function M.tuple(t) return setmetatable(t, Tuple) end
function M.dict(t) return setmetatable(t, Dict) end
function M.is_tuple(t) return type(t) == "table" and getmetatable(t) == Tuple end

-- ---- encoding ----

local put

local function put_integer(out, i)
  if i >= 0 and i < 0x100 then out[#out + 1] = string.pack("<c1B", "K", i)
  elseif i >= 0 and i < 0x10000 then out[#out + 1] = string.pack("<c1I2", "M", i)
  elseif i >= -0x80000000 and i < 0x80000000 then out[#out + 1] = string.pack("<c1i4", "J", i)
  else out[#out + 1] = string.pack("<Bs1", 0x8a, string.pack("<i8", i)) end
end

local function put_string(out, s)
  if utf8.len(s) then out[#out + 1] = string.pack("<c1s4", "X", s)       -- str of Python 3, unicode of Python 2
  elseif #s < 256 then out[#out + 1] = string.pack("<c1s1", "U", s)      -- str of Python 2
  else out[#out + 1] = string.pack("<c1s4", "T", s) end
end

local function put_items(out, t, close)
  for i = 1, #t do put(out, t[i]) end
  out[#out + 1] = close
end

local function put_table(out, t)
  local mark = getmetatable(t)
  if mark == Tuple then
    out[#out + 1] = "("
    put_items(out, t, "t")
  elseif mark == Dict or (#t == 0 and next(t) ~= nil) then
    out[#out + 1] = "}("
    for key, value in ordered(t) do
      put(out, key)
      put(out, value)
    end
    out[#out + 1] = "u"
  else
    out[#out + 1] = "]("
    put_items(out, t, "e")
  end
end

function put(out, value)
  local kind = type(value)
  if value == nil or value == M.null then out[#out + 1] = "N"
  elseif kind == "boolean" then out[#out + 1] = value and "\x88" or "\x89"
  elseif kind == "string" then put_string(out, value)
  elseif math.type(value) == "integer" then put_integer(out, value)
  elseif kind == "number" then out[#out + 1] = string.pack(">c1d", "G", value)
  elseif kind == "table" then put_table(out, value)
  else error("a " .. kind .. " is no plain data", 0) end
end

function M.encode(value)
  local out = { "\x80\x02" }
  put(out, value)
  out[#out + 1] = "."
  return table.concat(out)
end

-- ---- decoding ----

local MARK, ENCODE = {}, {}

local function latin1(text)
  return (text:gsub(utf8.charpattern, function(c)
    local point = utf8.codepoint(c)
    if point > 255 then error("a character that is no byte", 0) end
    return string.char(point)
  end))
end

local function take_marked(stack)
  local items, at = {}, #stack
  while stack[at] ~= MARK do
    if at == 0 then error("no mark", 0) end
    at = at - 1
  end
  for i = at + 1, #stack do items[#items + 1] = stack[i] end
  for i = #stack, at, -1 do stack[i] = nil end
  return items
end

local function last(stack, n)
  local items = {}
  if #stack < n then error("the stack is empty", 0) end
  for i = #stack - n + 1, #stack do
    items[#items + 1] = stack[i]
    stack[i] = nil
  end
  return M.tuple(items)
end

local function long(s)
  local value = 0
  if #s > 8 then error("an integer of more than 64 bits", 0) end
  for i = #s, 1, -1 do value = value << 8 | s:byte(i) end
  if #s > 0 and #s < 8 and s:byte(#s) > 127 then value = value - (1 << (8 * #s)) end
  return value
end

-- opcode -> function(stack, bytes, at): the next position. What is pushed is wrapped: nil cannot be on a stack.
local ops = {}
local function reads(op, format, convert)
  ops[op] = function(stack, bytes, at)
    local value, next_at = string.unpack(format, bytes, at)
    if convert then value = convert(value) end
    stack[#stack + 1] = value
    return next_at
  end
end
local function pushes(op, make) ops[op] = function(stack, _, at) stack[#stack + 1] = make() return at end end

reads("K", "<B") reads("M", "<I2") reads("J", "<i4") reads("G", ">d") reads("\x8a", "<s1", long)
reads("U", "<s1") reads("T", "<s4") reads("X", "<s4") reads("C", "<s1") reads("B", "<s4") reads("\x8c", "<s1")
pushes("N", function() return M.null end)
pushes("\x88", function() return true end)
pushes("\x89", function() return false end)
pushes("]", function() return {} end)
pushes("}", function() return M.dict {} end)
pushes(")", function() return M.tuple {} end)
pushes("(", function() return MARK end)
local function push(stack, value, at) -- a function, so that the value is made before the place for it is looked up
  stack[#stack + 1] = value
  return at
end
for n = 1, 3 do ops[string.char(0x84 + n)] = function(stack, _, at) return push(stack, last(stack, n), at) end end
function ops.t(stack, _, at) return push(stack, M.tuple(take_marked(stack)), at) end
function ops.e(stack, _, at)
  local items = take_marked(stack)
  local list = stack[#stack]
  for _, item in ipairs(items) do list[#list + 1] = item end
  return at
end
function ops.a(stack, _, at)
  local item = table.remove(stack)
  table.insert(stack[#stack], item)
  return at
end
function ops.u(stack, _, at)
  local items = take_marked(stack)
  for i = 1, #items, 2 do stack[#stack][items[i]] = items[i + 1] end
  return at
end
function ops.c(stack, bytes, at)
  local module, name, next_at = bytes:match("^([^\n]*)\n([^\n]*)\n()", at)
  if module ~= "_codecs" or name ~= "encode" then error("the name of a thing that is no data", 0) end
  stack[#stack + 1] = ENCODE
  return next_at
end
function ops.R(stack, _, at)
  local args, callee = table.remove(stack), table.remove(stack)
  if callee ~= ENCODE or #args ~= 2 or args[2] ~= "latin1" then error("a call", 0) end
  stack[#stack + 1] = latin1(args[1])
  return at
end
ops["\x80"] = function(_, bytes, at)
  if bytes:byte(at) > 5 then error("a protocol that is not known", 0) end
  return at + 1
end

function M.decode(bytes)
  local stack, at = {}, 1
  while true do
    local op = bytes:sub(at, at)
    if op == "." and at == #bytes and #stack == 1 then break end
    local run = ops[op] or error(("opcode %q at byte %d"):format(op, at), 0)
    at = run(stack, bytes, at + 1)
  end
  local value = stack[1]
  if value == M.null then return nil end
  return value
end

return M
