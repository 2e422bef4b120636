--- A client of the joint protocol (peote-net's PeoteClient and PeoteServer) that does no I/O: bytes and the time go in, bytes
-- come out; raw or over WebSocket. It owns channels and enters those of others, speaks data, application chunks and remote
-- calls, and ends the connection with a reason where the Haxe library would fall over (client.dropped).
--
--   local client = joint.new { send = function(bytes) ... end, close = function() ... end, web = false }
--   client:opened(now)
--   client:receive(bytes, now)                        -- split anywhere
--   local lobby = client:enter("lobby", { mode = "chunk", on_chunk = function(channel, bytes) ... end })
--   lobby:send "hello"
--
-- Options besides: origin, on_web_close, on_pong, and mask: a function that gives the 4 bytes of a WebSocket mask (default:
-- chance).
-- A channel's options, each optional:
--   mode              "chunk" (default), "data" or "rpc";  max_chunk: the largest chunk both sides were built with (32768)
--   remotes, client_remotes   for rpc, written as in a rulebook: { [0] = { { "step", "Int32", "Int32" } } }. remotes are the
--                     owner's objects, client_remotes the users'
--   on_open(channel)  it was created or entered;  on_error(channel, code): it was not
--   on_gone(channel, reason)                          it has ended: "disconnect", "close" or "kick"
--   on_user(channel, user), on_user_gone(channel, user, reason)   an owner's users
--   on_data(channel, bytes, user), on_chunk(channel, bytes, user), on_call(channel, name, arguments, user)   user: owner's only
-- A channel: id, number (nil: not open), error, gone, users (of an owner: a set).
local ordered = require "umpire.client.ordered"

local M = {}

local pack, unpack, byte, char = string.pack, string.unpack, string.byte, string.char

M.PORT = 7680
M.REASONS = { [0] = "disconnect", "close", "kick" }
M.CREATE_ERRORS = { "full", "taken" }
M.ENTER_ERRORS = { "missing", "own", "twice", "full", "max" }

-- ---- sizes ----

local function frame_size(n) return n < 128 and char(n) or pack(">I2", 0x8000 | n) end

local function chunk_width(max_chunk)
  local m, most = 1, 256
  while m < 5 and max_chunk > most do m, most = m + 1, most << 7 end
  return m
end

--- The size of an application chunk as the wire has it: minus one, in at most m bytes.
local function chunk_size(n, m)
  local v, out = n - 1, {}
  while #out + 1 < m and v > 127 do
    out[#out + 1] = char(0x80 | v & 0x7f)
    v = v >> 7
  end
  return table.concat(out) .. char(v)
end
M.chunk_size, M.chunk_width = chunk_size, chunk_width

-- The size at `at`, and where the body begins; nil: not whole.
local function read_chunk_size(text, at, m)
  local v = 0
  for i = 0, m - 1 do
    local b = byte(text, at + i)
    if not b then return nil end
    local last = i + 1 == m or b < 128
    v = v | (last and b or b & 0x7f) << 7 * i
    if last then return v + 1, at + i + 1 end
  end
end

-- ---- remote calls: parameters are written by their types ----

local formats = { Bool = "B", Byte = "B", UInt16 = "<I2", Int16 = "<i2", Int32 = "<i4", Int = "<i4", Float = "<f",
  Double = "<d" }
local texts = { String = true, Bytes = true, Serialized = true }

local function parse_type(text)
  text = text:gsub("%s", "")
  local name, inner = text:match "^(%w+)<(.*)>$"
  if not name then
    assert(formats[text] or texts[text], "no such type: " .. text)
    return { name = text }
  end
  if name == "IntMap" then return { name = "Map", key = parse_type "Int", value = parse_type(inner) } end
  if name == "StringMap" then return { name = "Map", key = parse_type "String", value = parse_type(inner) } end
  if name == "Map" then
    local key, value = inner:match "^(%w+),(.*)$"
    return { name = "Map", key = parse_type(key), value = parse_type(value) }
  end
  assert(name == "Array" or name == "List" or name == "Vector", "no such type: " .. text)
  return { name = "Array", value = parse_type(inner) }
end

local function write_size(n, out)
  for _ = 1, 3 do
    if n < 128 then break end
    out[#out + 1] = char(0x80 | n & 0x7f)
    n = n >> 7
  end
  out[#out + 1] = char(n)
end

local function write_value(t, value, out)
  if t.name == "Array" then
    write_size(#value, out)
    for _, v in ipairs(value) do write_value(t.value, v, out) end
  elseif t.name == "Map" then
    local n = 0
    for _ in pairs(value) do n = n + 1 end
    write_size(n, out)
    for k, v in ordered(value) do
      write_value(t.key, k, out)
      write_value(t.value, v, out)
    end
  elseif texts[t.name] then
    write_size(#value, out)
    out[#out + 1] = value
  elseif t.name == "Bool" then
    out[#out + 1] = value and "\1" or "\0"
  else
    out[#out + 1] = pack(formats[t.name], value)
  end
end

local function read_size(text, at)
  local v = 0
  for i = 0, 3 do
    local b = byte(text, at + i) or error("cut short", 0)
    local last = i == 3 or b < 128
    v = v | (last and b or b & 0x7f) << 7 * i
    if last then return v, at + i + 1 end
  end
end

local function read_value(t, text, at)
  local n, value
  if t.name == "Array" then
    n, at = read_size(text, at)
    value = {}
    for i = 1, n do value[i], at = read_value(t.value, text, at) end
    return value, at
  elseif t.name == "Map" then
    n, at = read_size(text, at)
    value = {}
    for _ = 1, n do
      local k
      k, at = read_value(t.key, text, at)
      value[k], at = read_value(t.value, text, at)
    end
    return value, at
  elseif texts[t.name] then
    n, at = read_size(text, at)
    if at + n - 1 > #text then error("cut short", 0) end
    return text:sub(at, at + n - 1), at + n
  end
  value, at = unpack(formats[t.name], text, at)
  if t.name == "Bool" then value = value ~= 0 end
  return value, at
end

--- The parameters of a call as bytes, and back. types: { "Int32", "String" }
function M.encode(types, arguments)
  local out = {}
  for i, t in ipairs(types) do write_value(parse_type(t), arguments[i], out) end
  return table.concat(out)
end
function M.decode(types, text)
  local arguments, at = {}, 1
  for i, t in ipairs(types) do arguments[i], at = read_value(parse_type(t), text, at) end
  if at <= #text then error("bytes remain", 0) end
  return arguments
end

-- ---- WebSocket ----

-- A fixed key, whose answer is known: it proves no more than that the server has read it, and that is all it is for.
local KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

local function masked(payload, mask)
  local out = {}
  local m = { byte(mask, 1, 4) }
  for at = 1, #payload, 4096 do
    local piece = { byte(payload, at, math.min(at + 4095, #payload)) }
    for i = 1, #piece do piece[i] = piece[i] ~ m[(at + i - 2) % 4 + 1] end
    for i = 1, #piece, 200 do out[#out + 1] = char(table.unpack(piece, i, math.min(i + 199, #piece))) end
  end
  return table.concat(out)
end

--- A client's frame. opcode 2: binary, 8: close, 9: ping
function M.web_frame(opcode, payload, mask)
  local n = #payload
  local size = n < 126 and char(0x80 | n) or n < 65536 and pack(">BI2", 0xfe, n) or pack(">BI8", 0xff, n)
  mask = mask or char(math.random(0, 255), math.random(0, 255), math.random(0, 255), math.random(0, 255))
  return char(0x80 | opcode) .. size .. mask .. masked(payload, mask)
end

-- ---- channels ----

local Channel = {}
Channel.__index = Channel
Channel.__name = "umpire.client.Channel"

local function tell(channel, what, ...)
  local handler = channel[what]
  if handler then handler(channel, ...) end
end

-- Data of the library's frames: at most 32765 bytes, to all 32766.
local function send_data(self, data, user, except)
  local client, joint = self.client, self.number
  assert(joint, "the channel is not open")
  for at = 1, #data, 32765 do
    local piece = data:sub(at, at + 32764)
    if not self.owns then
      client:_say(frame_size(#piece + 1) .. char(joint) .. piece)
    elseif user then
      client:_say(frame_size(#piece + 2) .. char(0x80 | joint, user) .. piece)
    elseif except then
      client:_say("\1\0" .. frame_size(#piece + 2) .. char(0x80 | joint, except) .. piece)
    else
      client:_say("\1\1" .. frame_size(#piece + 1) .. char(0x80 | joint) .. piece)
    end
  end
end

local function whole(self, bytes)
  if self.mode == "data" then return { bytes } end
  return { chunk_size(#bytes, self.width), bytes } -- as the library sends them: two frames
end

--- Sends bytes: to the owner, or from the owner to one user.
function Channel:send(bytes, user)
  assert(not self.owns or user, "send: an owner says to which user")
  for _, piece in ipairs(whole(self, bytes)) do send_data(self, piece, user) end
end

--- An owner's: to all users, or all but one.
function Channel:broadcast(bytes, except)
  for _, piece in ipairs(whole(self, bytes)) do send_data(self, piece, nil, except) end
end

--- Calls a procedure of the other side; user: whose, by an owner.
function Channel:call(name, arguments, user)
  for id, procedures in pairs(self.owns and self.client_remotes or self.remotes) do
    for i, procedure in ipairs(procedures) do
      if procedure[1] == name then
        return self:send(char(id, i - 1) .. M.encode({ table.unpack(procedure, 2) }, arguments or {}), user)
      end
    end
  end
  error("no procedure " .. tostring(name), 2)
end

function Channel:leave()
  if self.number then self.client:_say(char(0, 2, 0, 1, self.number)) end
  self.client.entered[self.number or -1] = nil
  self.number = nil
end

function Channel:delete()
  if self.number then self.client:_say(char(0, 3, 0, 1, self.number)) end
  self.client.owned[self.number or -1] = nil
  self.number = nil
end

function Channel:kick(user) self.client:_say(char(0, 4, 0, 2, self.number, user)) end

local function offer(self, user)
  local ids = {}
  for id in pairs(self.owns and self.remotes or self.client_remotes) do ids[#ids + 1] = id end
  table.sort(ids)
  for _, id in ipairs(ids) do self:send(char(id), user) end
end

local function called(self, chunk, user)
  local id, number = byte(chunk, 1, 2)
  if not number then -- an object is offered
    self.offered[user or 0] = self.offered[user or 0] or {}
    self.offered[user or 0][id] = true
    return tell(self, "on_offer", id, user)
  end
  local object = (self.owns and self.remotes or self.client_remotes)[id]
  local procedure = object and object[number + 1]
  if not procedure then return tell(self, "on_malformed", chunk, user) end
  local ok, arguments = pcall(M.decode, { table.unpack(procedure, 2) }, chunk:sub(3))
  if not ok then return tell(self, "on_malformed", chunk, user) end
  tell(self, "on_call", procedure[1], arguments, user)
end

local function hear(self, data, user)
  if self.mode == "data" then return tell(self, "on_data", data, user) end
  local text = (self.waiting[user or 0] or "") .. data
  local at = 1
  while true do
    local n, body = read_chunk_size(text, at, self.width)
    if not n or body + n - 1 > #text then break end
    local chunk = text:sub(body, body + n - 1)
    at = body + n
    if self.mode == "rpc" then called(self, chunk, user) else tell(self, "on_chunk", chunk, user) end
  end
  self.waiting[user or 0] = text:sub(at)
end

-- ---- the client ----

local Client = {}
Client.__index = Client
Client.__name = "umpire.client.Joint"

--- Options: send (needed), close, web (true: over WebSocket), origin (of the web page that it says it is on).
function M.new(options)
  assert(type(options.send) == "function", "send: a function that takes bytes is needed")
  return setmetatable({
    send_bytes = options.send, close_stream = options.close, web = options.web, origin = options.origin,
    mask = options.mask, on_web_close = options.on_web_close, on_pong = options.on_pong,
    ready = false,           -- may send frames
    said = {},               -- what waits for that
    owned = {}, entered = {},-- by number
    asked = {}, asked_head = 1, asked_tail = 0, nr = 0, -- answers come in the order of the questions
    joint = "", wire = "",   -- what is not whole yet: of the joint stream, of the connection
    dropped = nil, count = { keep_alives = 0, frames = 0 },
  }, Client)
end

function Client:drop(why)
  if self.dropped then return end
  self.dropped = why
  if self.close_stream then self.close_stream() end
end

function Client:_say(bytes)
  if not self.ready then
    self.said[#self.said + 1] = bytes
    return
  end
  self.send_bytes(self.web and M.web_frame(2, bytes, self.mask and self.mask()) or bytes)
end

local function is_ready(self)
  self.ready = true
  for _, bytes in ipairs(self.said) do self:_say(bytes) end
  self.said = {}
end

--- The connection is there.
function Client:opened()
  if not self.web then return is_ready(self) end
  self.send_bytes("GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    .. "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " .. KEY .. "\r\n"
    .. (self.origin and "Origin: " .. self.origin .. "\r\n" or "") .. "\r\n")
end

local function ask(self, command, id, options, owns)
  local channel = setmetatable({}, Channel)
  for k, v in pairs(options or {}) do channel[k] = v end
  channel.client, channel.id, channel.owns = self, id, owns
  channel.mode, channel.width = channel.mode or "chunk", chunk_width(channel.max_chunk or 32768)
  channel.remotes, channel.client_remotes = channel.remotes or {}, channel.client_remotes or {}
  channel.users, channel.waiting, channel.offered = {}, {}, {}
  self.nr = self.nr % 255 + 1
  channel.nr = self.nr
  self.asked_tail = self.asked_tail + 1
  self.asked[self.asked_tail] = channel
  self:_say(char(0, command, self.nr, #id) .. id)
  return channel
end

--- Creates a channel that is then owned; enters one of others. The answer comes later (on_open, on_error).
function Client:create(id, options) return ask(self, 0, id, options, true) end
function Client:enter(id, options) return ask(self, 1, id, options, false) end

--- A WebSocket's ping, and its close.
function Client:ping(payload) self.send_bytes(M.web_frame(9, payload or "", self.mask and self.mask())) end
function Client:web_close(code)
  self.send_bytes(M.web_frame(8, code and pack(">I2", code) or "", self.mask and self.mask()))
end

-- ---- what comes ----

local function answered(self, nr, failed, value)
  local channel = self.asked[self.asked_head]
  if not channel or channel.nr ~= nr then return self:drop("an answer to what nobody asked: " .. nr) end
  self.asked[self.asked_head] = nil
  self.asked_head = self.asked_head + 1
  if failed ~= 0 then
    channel.error = (channel.owns and M.CREATE_ERRORS or M.ENTER_ERRORS)[value] or value
    return tell(channel, "on_error", value)
  end
  channel.number = value
  local held = channel.owns and self.owned or self.entered
  if held[value] then return self:drop("a number that is held already: " .. value) end
  held[value] = channel
  tell(channel, "on_open")
  if channel.mode == "rpc" and not channel.owns then offer(channel) end
end

local function user_entered(self, joint, user)
  local channel = self.owned[joint]
  if not channel or channel.users[user] then return self:drop("a user of no channel, or twice") end
  channel.users[user] = true
  tell(channel, "on_user", user)
  if channel.mode == "rpc" then offer(channel, user) end
end

local function user_gone(self, joint, user, reason)
  local channel = self.owned[joint]
  if not channel then return end -- deleted meanwhile
  if not channel.users[user] then return self:drop("a user is gone that was not there") end
  channel.users[user], channel.waiting[user], channel.offered[user] = nil, nil, nil
  tell(channel, "on_user_gone", user, M.REASONS[reason] or reason)
end

local function gone(self, joint, reason)
  local channel = self.entered[joint]
  if not channel then return end -- left meanwhile
  self.entered[joint] = nil
  channel.number, channel.gone = nil, M.REASONS[reason] or reason
  tell(channel, "on_gone", channel.gone)
end

-- A command at `at`; where the next thing begins, nil: not whole.
local function command(self, text, at)
  local length = byte(text, at + 1)
  if not length then return nil end
  if length == 3 then
    local nr, failed, value = byte(text, at + 2, at + 4)
    if not value then return nil end
    answered(self, nr, failed, value)
    return at + 5
  end
  local _, kind, joint, user, reason = byte(text, at + 2, at + 6)
  if length == 5 then
    if not reason then return nil end
    user_gone(self, joint, user, reason)
    return at + 7
  elseif length ~= 4 then
    self:drop("a command of length " .. length)
    return nil
  end
  if not user then return nil end
  if kind == 0 then user_entered(self, joint, user)
  elseif kind == 2 then gone(self, joint, user)
  elseif kind == 255 then self.count.keep_alives = self.count.keep_alives + 1
  else self:drop("a command " .. kind) end
  return at + 6
end

local function data(self, text, at)
  local n, from = byte(text, at), at + 1
  if n & 0x80 ~= 0 then
    if #text < from then return nil end
    n, from = (n & 0x7f) << 8 | byte(text, from), from + 1
  end
  if #text < from + n - 1 then return nil end
  local joint = byte(text, from)
  self.count.frames = self.count.frames + 1
  if joint < 128 then
    local channel = self.entered[joint]
    if channel then hear(channel, text:sub(from + 1, from + n - 1)) end -- else: it left meanwhile
  else
    local channel, user = self.owned[joint & 0x7f], byte(text, from + 1)
    if channel and not channel.users[user] then
      self:drop "data of a user that is not there"
      return nil
    end
    if channel then hear(channel, text:sub(from + 2, from + n - 1), user) end
  end
  return from + n
end

local function take(self, bytes)
  local text, at = self.joint .. bytes, 1
  while at <= #text and not self.dropped do
    local after = (byte(text, at) == 0 and command or data)(self, text, at)
    if not after then break end
    at = after
  end
  self.joint = text:sub(at)
end

local function upgraded(self)
  local head, rest = self.wire:match "^(.-\r\n)\r\n(.*)$"
  if not head then return false end
  self.wire = rest
  self.status = tonumber(head:match "^HTTP/1%.1 (%d+)")
  if self.status ~= 101 or head:match "Sec%-WebSocket%-Accept: (%S+)" ~= ACCEPT then
    self:drop("the server does not open a WebSocket: " .. tostring(self.status))
    return false
  end
  is_ready(self)
  return true
end

local function web_frames(self)
  local text, at = self.wire, 1
  while #text >= at + 1 do
    local first, n = byte(text, at, at + 1)
    local from = at + 2
    if n == 126 then
      if #text < at + 3 then break end
      n, from = unpack(">I2", text, from)
    end
    if #text < from + n - 1 then break end
    local payload = text:sub(from, from + n - 1)
    at = from + n
    if first == 0x82 then
      take(self, payload)
    elseif first == 0x8a then
      if self.on_pong then self.on_pong(self, payload) end
    elseif first == 0x88 then
      self.web_closed = #payload >= 2 and unpack(">I2", payload) or 0
      if self.on_web_close then self.on_web_close(self, self.web_closed) end
    else
      return self:drop(("a frame that begins with %02x"):format(first))
    end
  end
  self.wire = text:sub(at)
end

--- Takes bytes as they come.
function Client:receive(bytes)
  if self.dropped then return end
  if not self.web then return take(self, bytes) end
  self.wire = self.wire .. bytes
  if self.ready or upgraded(self) then web_frames(self) end
end

--- The connection is over: every channel with it.
function Client:closed()
  for _, held in ipairs { self.owned, self.entered } do
    local all = {}
    for number, channel in pairs(held) do all[#all + 1], held[number] = channel, nil end
    for _, channel in ipairs(all) do
      channel.number, channel.gone = nil, "disconnect"
      tell(channel, "on_gone", "disconnect")
    end
  end
end

--- It has no timers: silence is legal.
function Client:deadline() return nil end -- luacheck: ignore self
function Client:poll() end -- luacheck: ignore self

--- True when nothing is waiting for an answer.
function Client:idle() return self.asked_head > self.asked_tail end

return M
