--- A PYMMORPG client that does no I/O: bytes and the time go in, bytes come out. The page that describes the protocol has no
-- client; this one does what it says: each request is answered by one reply, in order, and whatever stands behind a reply's
-- value is a flag.
--
--   local client = pymmorpg.new { send = function(bytes) end, close = function() end, on_reply = function(client, reply) end }
--   client:receive(bytes, now)                        -- split anywhere
--   client:request(now, "login", "ann", "secret")     -- the request's number
--   client:request(now, "move", pymmorpg.tuple { 1, 0, 0 })
--
-- A reply: number, command, value (nil for None), flags (a list), sent, time. One that never came: lost is true.
local pickle = require "umpire.client.pickle"

local M = { PORT = 5050, tuple = pickle.tuple, dict = pickle.dict, null = pickle.null }

local Client = {}
Client.__index = Client
Client.__name = "umpire.client.Pymmorpg"

--- A message as it travels: its size, a blank, the pickle.
function M.frame(bytes) return #bytes .. " " .. bytes end

function M.new(options)
  assert(type(options.send) == "function", "send: a function that takes bytes is needed")
  return setmetatable({
    send_bytes = options.send, close_stream = options.close,
    on_reply = options.on_reply, on_opened = options.on_opened,
    asked = {}, first = 1, number = 0, -- requests without a reply
    waiting = "",
    dropped = nil,                     -- why it closed its connection
  }, Client)
end

function Client:opened(now) if self.on_opened then self.on_opened(self, now) end end

--- Sends a request: the command and its arguments, as they are.
function Client:request(now, command, ...)
  local message, n = { command }, select("#", ...)
  for i = 1, n do
    local argument = select(i, ...)
    message[i + 1] = argument == nil and pickle.null or argument
  end
  self.number = self.number + 1
  self.asked[self.number] = { number = self.number, command = command, sent = now }
  self.send_bytes(M.frame(pickle.encode(message)))
  return self.number
end

local function drop(self, why)
  self.dropped = why
  if self.close_stream then self.close_stream() end
end

local function take(self, bytes, now)
  local ok, message = pcall(pickle.decode, bytes)
  if not ok or type(message) ~= "table" or message[1] == nil then return drop(self, "no reply: " .. tostring(message)) end
  local reply = self.asked[self.first]
  if not reply then return drop(self, "a reply that nobody asked for") end
  self.asked[self.first] = nil
  self.first = self.first + 1
  reply.value, reply.flags, reply.time = message[1], { table.unpack(message, 2) }, now
  if reply.value == pickle.null then reply.value = nil end
  if self.on_reply then self.on_reply(self, reply) end
end

--- Takes bytes as they come.
function Client:receive(bytes, now)
  self.waiting = self.waiting .. bytes
  while not self.dropped do
    local size, from = self.waiting:match "^([1-9]%d*) ()"
    if not size then
      if not self.waiting:match "^[1-9]?%d*$" then drop(self, "no size in front of a message") end
      return
    end
    local last = from + tonumber(size) - 1
    if #self.waiting < last then return end
    local message = self.waiting:sub(from, last)
    self.waiting = self.waiting:sub(last + 1)
    take(self, message, now)
  end
end

--- The connection is over: nothing that waits will be answered.
function Client:closed(_, now)
  for i = self.first, self.number do
    local reply = self.asked[i]
    self.asked[i], self.first = nil, i + 1
    reply.lost, reply.flags, reply.time = true, {}, now
    if self.on_reply then self.on_reply(self, reply) end
  end
end

function Client.deadline() return nil end
function Client.poll() end
--- True when no reply is awaited.
function Client:idle() return self.first > self.number end

return M
