--- A laneya client that does no I/O: bytes and the time go in, bytes come out.
--
-- It behaves like laneya's ClientProtocol: keys count 1, 2, 3, a request without an answer is given up after 2 s and a late
-- answer ignored; whatever its class would raise on (a response of other than the four keys, a key that is a list, an update
-- that its module does not know) ends its connection, here by dropping it and keeping the reason.
--
--   local client = laneya.new { user = "ann", send = function(bytes) ... end, close = function() ... end }
--   client:receive(bytes, now)                         -- split anywhere
--   client:poll(now)                                   -- when client:deadline() has passed
--   local key = client:request("move", { direction = "north" }, now)
--
-- Told through on_response(client, response) and on_update(client, action, data), both optional. A response: key, status
-- ("success", "invalid", "illegal", "internal"; nil when it was given up), data, sent, time.
local json = require "umpire.client.pyjson"

local M = {}

local Client = {}
Client.__index = Client
Client.__name = "umpire.client.Laneya"

M.PORT = 5001
M.TIMEOUT = 2 -- seconds
M.array = json.list

--- What travels: a length, the payload, a comma.
function M.netstring(payload) return #payload .. ":" .. payload .. "," end

local directions = { north = true, east = true, south = true, west = true, stop = true }

local function only(data, known)
  for name in pairs(data) do
    if not known[name] then return false end
  end
  return true
end

-- Python tells 11 from 11.0, lua-cjson does not: the text decides.
local function written_as_integer(text, name) return text:find('"' .. name .. '"%s*:%s*%-?%d+%s*[,}]') ~= nil end

--- What the module `actions` of the game laneya takes: name -> function(data, text), true if it would not raise.
M.ACTIONS = {
  move = function(data)
    return only(data, { direction = true }) and (data.direction == nil or directions[data.direction] == true)
  end,
  position = function(data, text)
    return only(data, { x = true, y = true, entity = true }) and data.entity ~= nil and written_as_integer(text, "x")
      and written_as_integer(text, "y")
  end,
  logout = function(data) return next(data) == nil end,
  get_map = function(data) return only(data, { map_id = true }) and data.map_id ~= nil end,
}

--- Options: send (needed), close, user, actions (M.ACTIONS, or a table like it; nil: every update is taken), timeout.
function M.new(options)
  assert(type(options.send) == "function", "send: a function that takes bytes is needed")
  return setmetatable({
    send_bytes = options.send, close_stream = options.close,
    user = options.user or "someone", actions = options.actions, timeout = options.timeout or M.TIMEOUT,
    key = 0,
    pending = {},                   -- key -> request
    queue = {}, head = 1, tail = 0, -- requests by time of giving up; one timeout, so in order
    waiting = {}, waiting_n = 0,    -- pieces of the message that is not whole yet
    dropped = nil,                  -- why it closed its connection
    on_response = options.on_response, on_update = options.on_update,
    count = { requests = 0, responses = 0, updates = 0, given_up = 0, ignored = 0 },
  }, Client)
end

function Client:drop(why)
  if self.dropped then return end
  self.dropped = why
  if self.close_stream then self.close_stream() end
end

--- Sends a request; returns its key. data: arguments by name. key: another one than the next number.
function Client:request(action, data, now, key)
  if key == nil then
    self.key = self.key + 1
    key = self.key
  end
  local request = { key = key, action = action, sent = now, due = now + self.timeout }
  self.pending[key] = request
  self.tail = self.tail + 1
  self.queue[self.tail] = request
  self.count.requests = self.count.requests + 1
  self.send_bytes(M.netstring(('{"type": "request", "key": %s, "user": %s, "action": %s, "data": %s}'):format(
    json.encode(key), json.encode(self.user), json.encode(action), json.encode(data or {}))))
  return key
end

--- Several actions in one request, done in order: { { "move", { direction = "east" } }, ... }.
function Client:batch(actions, now)
  local list = M.array {}
  for i, item in ipairs(actions) do list[i] = { action = item[1], data = item[2] or {} } end
  return self:request("batch", { actions = list }, now)
end

-- ---- time ----

--- When poll has something to do; nil: never.
function Client:deadline()
  while self.head <= self.tail do
    local request = self.queue[self.head]
    if self.pending[request.key] == request then return request.due end
    self.queue[self.head] = nil
    self.head = self.head + 1
  end
  return nil
end

local function settle(self, request, status, data, now)
  self.pending[request.key] = nil
  if self.on_response then
    self.on_response(self, { key = request.key, action = request.action, status = status, data = data, sent = request.sent,
      time = now })
  end
end

--- Gives up what was not answered in time.
function Client:poll(now)
  local due = self:deadline()
  while due and due <= now do
    self.count.given_up = self.count.given_up + 1
    settle(self, self.queue[self.head], nil, "timeout", now)
    due = self:deadline()
  end
end

-- ---- bytes in ----

local function count_keys(t)
  local n = 0
  for _ in pairs(t) do n = n + 1 end
  return n
end

local types = {}

function types.response(self, message, now)
  if count_keys(message) ~= 4 or message.status == nil or type(message.data) ~= "table" then
    return self:drop "a response must have exactly type, key, status and data, an object"
  end
  if type(message.key) == "table" then return self:drop "unhashable key" end
  local request = message.key ~= nil and self.pending[message.key]
  self.count.responses = self.count.responses + 1
  if not request then
    self.count.ignored = self.count.ignored + 1
    self.last_ignored = message
    return
  end
  settle(self, request, message.status, message.data, now)
end

function types.update(self, message, _, text)
  local action, data = message.action, message.data
  if count_keys(message) ~= 3 or type(action) ~= "string" or type(data) ~= "table" then
    return self:drop "an update must have exactly type, action and data, an object"
  end
  if data.action ~= nil or data.self ~= nil then return self:drop("update " .. action .. ": argument named twice") end
  if self.actions then
    local takes = self.actions[action]
    if not takes then return self:drop("update " .. action .. ": no such action") end
    if not takes(data, text) then return self:drop("update " .. action .. ": wrong arguments") end
  end
  self.count.updates = self.count.updates + 1
  if self.on_update then self.on_update(self, action, data) end
end

local function take(self, payload, now)
  local message, why = json.decode(payload)
  if type(message) ~= "table" then return self:drop("no JSON: " .. tostring(why or message)) end
  local handle = types[message.type]
  if not handle then return self:drop("a message of type " .. tostring(message.type)) end
  handle(self, message, now, payload)
end

-- Takes one message from the front of text; the rest, or nil when it is not whole yet, and how many bytes it takes in all.
local function cut(self, text, at, now)
  local digits, colon = text:match("^(%d+)()", at)
  if not digits or (#digits > 1 and digits:sub(1, 1) == "0") then
    if #text >= at then self:drop "no netstring" end
    return nil
  end
  if colon > #text then return nil end
  if text:byte(colon) ~= 58 then return self:drop "no netstring" end
  local last = colon + tonumber(digits) + 1
  if #text < last then return nil, last - at + 1 end
  if text:byte(last) ~= 44 then return self:drop "no netstring" end
  take(self, text:sub(colon + 1, last - 1), now)
  return last + 1
end

--- Takes bytes as they come. What is not whole waits in pieces, so that a large message in small ones stays linear.
function Client:receive(bytes, now)
  if self.dropped then return end
  self.waiting[#self.waiting + 1] = bytes
  self.waiting_n = self.waiting_n + #bytes
  if self.needs and self.waiting_n < self.needs then return end
  local text, at = table.concat(self.waiting), 1
  self.needs = nil
  while not self.dropped do
    local rest, needs = cut(self, text, at, now)
    if not rest then
      self.needs = needs
      break
    end
    at = rest
  end
  self.waiting = at <= #text and { text:sub(at) } or {}
  self.waiting_n = math.max(0, #text - at + 1)
end

--- The connection is over: nothing that waits will be answered.
function Client:closed(_, now)
  while self:deadline() do settle(self, self.queue[self.head], nil, "connection lost", now) end
end

--- True when nothing is waiting for an answer.
function Client:idle() return self:deadline() == nil end

return M
