--- A PyGaSe client that does no I/O: datagrams and the time go in, datagrams come out.
--
-- It behaves on the wire as the class pygase.Client (version 0.3.1), faults included: a package each 25 ms (50 ms if
-- congested) whether or not there is news, at most five events in each, the package before a gap forgotten in the bitfield,
-- bit 32 never looked at, no repeats, 5 s of silence and it never speaks again. Where the real one dies (a doubled sequence,
-- one more than 32 behind, a package that cannot be read) this one raises when it is strict, which is the default; otherwise it
-- drops what it cannot bear, as a client that is better than the original would.
--
--   local client = pygase.new { send = function(bytes) ... end }
--   client:connect(now)
--   client:receive(bytes, now)                   -- for each datagram
--   client:poll(now)                             -- when client:deadline() has passed
--   client:event("MOVE", { 3, fast = true }, { on_ack = function() ... end })
--   client.state.players                         -- its copy of the state
--
-- Times are seconds of a clock that only goes forward. What happens is told to the functions on_event(client, name, data),
-- on_state(client, update), on_connected(client) and on_disconnected(client), all optional. An event's data is one table: its
-- array part are the positional arguments, the rest the keyword arguments; nil: there are none.
local msgpack = require "umpire.client.msgpack"

local M = {}

local pack, unpack = string.pack, string.unpack

local Client = {}
Client.__index = Client
Client.__name = "umpire.client.PyGaSe"

M.PORT = 8080
M.ID = "\xff\xd0\xfa\xb9"
M.MAX_PACKAGE = 2048
M.DELETE = "\xd2\x81\xe5\xba"
M.EVENTS = 5                       -- in one package
M.GOOD, M.BAD = 1 / 40, 1 / 20     -- seconds between packages
M.TIMEOUT = 5                      -- without a package: the connection is over
M.PACKAGE_TIMEOUT = 1              -- a package that is not confirmed counts as lost
M.THRESHOLD = 0.25                 -- latency that slows it down
M.MONITOR = 0.5                    -- how often that is looked at
M.MIN_THROTTLE, M.MAX_THROTTLE = 1, 60

local WRAP = 65535 -- 1 ... 65535, 1, ...: 0 is "none yet"
local TOP = 0x80000000

--- a - b on the circle; above 0: a is newer.
function M.difference(a, b)
  local d = a - b
  if d > 32767 then return d - WRAP elseif d < -32767 then return d + WRAP end
  return d
end
local difference = M.difference

-- ---- life ----

--- Options: send (needed), strict (default true), state (a copy to go on with), the functions of the head.
function M.new(options)
  assert(type(options.send) == "function", "send: a function that takes a datagram is needed")
  return setmetatable({
    send_datagram = options.send,
    strict = options.strict ~= false,
    status = "new",            -- then "connecting", "connected", "disconnected"
    state = {}, time_order = 0, game_status = 0,
    sequence = 0,              -- of the last package sent
    remote = 0, bits = 0,      -- the newest that came, and the 32 before it: the highest bit is remote - 1
    latency = 0, quality = "good", interval = M.GOOD,
    sent = {},                 -- sequence -> when, for those that are not confirmed
    callbacks = {},            -- sequence -> list of events that want to be told
    queue = {}, head = 1, tail = 0, -- events to be sent
    on_event = options.on_event, on_state = options.on_state,
    on_connected = options.on_connected, on_disconnected = options.on_disconnected,
    count = { sent = 0, received = 0, strange = 0, updates = 0, events = 0, sent_events = 0, acked = 0, lost = 0 },
  }, Client)
end

--- Begins to send: it connects with its first package, there is no handshake.
function Client:connect(now)
  self.status = "connecting"
  self.last_recv, self.send_at, self.monitor_at = now, now, now
  self.throttle, self.last_change, self.last_milestone = M.MIN_THROTTLE, now, now
  self:poll(now)
end

--- Ends it without a word, as disconnect() does; shutdown: with the word that ends the original's server, if it comes from
-- the host, and here says that one leaves.
function Client:disconnect(shutdown)
  if self.status == "disconnected" then return end
  if shutdown then self.send_datagram "shutdown" end
  self.status, self.closed = "disconnected", true
end

-- ---- what it sends ----

local function write_event(name, data)
  local args, kwargs = msgpack.array {}, msgpack.map {}
  if type(data) == "table" then
    local n = #data
    for key, value in pairs(data) do
      if math.type(key) == "integer" and key >= 1 and key <= n then args[key] = value
      elseif type(key) == "string" then kwargs[key] = value
      else error("an event's keyword arguments have strings as names, got " .. tostring(key), 3) end
    end
  elseif data ~= nil then
    args[1] = data
  end
  local bytes = "\x83\xa4type" .. msgpack.encode(name) .. "\xachandler_args" .. msgpack.encode(args)
    .. "\xaehandler_kwargs" .. msgpack.encode(kwargs)
  return pack(">s2", bytes)
end

--- Queues an event for the next package that has room. callbacks: on_ack() when its package was received, on_lost() when that
-- is not known after a second. Neither says whether it was legal, and it is not sent again.
function Client:event(name, data, callbacks)
  self.tail = self.tail + 1
  self.queue[self.tail] = { bytes = write_event(name, data), callbacks = callbacks }
end

-- At most five; a strict client does not look at the size, as the original does not, which then kills it.
local function take_events(self, sequence)
  local out, size = {}, 14
  while #out < M.EVENTS and self.head <= self.tail do
    local event = self.queue[self.head]
    size = size + #event.bytes
    if size > M.MAX_PACKAGE and not self.strict and #out > 0 then break end
    out[#out + 1] = event.bytes
    self.queue[self.head] = nil
    self.head = self.head + 1
    self.count.sent_events = self.count.sent_events + 1
    if event.callbacks then
      local list = self.callbacks[sequence] or {}
      self.callbacks[sequence] = list
      list[#list + 1] = event.callbacks
    end
  end
  if size > M.MAX_PACKAGE then
    error(("a package of %d bytes: PyGaSe's limit is %d; send less at once"):format(size, M.MAX_PACKAGE), 0)
  end
  return table.concat(out)
end

local function send_package(self, now)
  local sequence = self.sequence % WRAP + 1
  self.sequence = sequence
  local bytes = pack(">I4I2I2I4I2", 0xffd0fab9, sequence, self.remote, self.bits, self.time_order)
  if self.head <= self.tail then bytes = bytes .. take_events(self, sequence) end
  self.count.sent = self.count.sent + 1
  self.sent[sequence] = now
  self.send_datagram(bytes)
end

-- ---- time ----

local function slow_down(self, now)
  self.quality, self.interval = "bad", M.BAD
  if now - self.last_change < self.throttle then self.throttle = math.min(2 * self.throttle, M.MAX_THROTTLE) end
  self.last_change = now
end

-- The two states of congestion avoidance.
local function monitor(self, now)
  if self.quality == "good" then
    if self.latency > M.THRESHOLD then
      slow_down(self, now)
    elseif now - self.last_milestone > self.throttle then
      self.interval = M.GOOD
      self.throttle = math.max(self.throttle / 2, M.MIN_THROTTLE)
      self.last_milestone = now
    end
  elseif self.latency < M.THRESHOLD then
    self.quality, self.last_change, self.last_milestone = "good", now, now
  end
end

local function is_speaking(self) return self.status == "connecting" or (self.status == "connected" and not self.timed_out) end

--- When poll has something to do; nil: never again.
function Client:deadline() return is_speaking(self) and self.send_at or nil end

--- Sends what is due.
function Client:poll(now)
  if not is_speaking(self) or now < self.send_at then return end
  while self.monitor_at <= now do
    monitor(self, self.monitor_at)
    self.monitor_at = self.monitor_at + M.MONITOR
  end
  if now - self.last_recv > M.TIMEOUT then
    self.status, self.timed_out = "disconnected", true -- it sends no more, whatever comes
    if self.on_disconnected then self.on_disconnected(self) end
    return
  end
  send_package(self, now)
  self.send_at = now + self.interval
end

-- ---- what comes ----

-- Where the real client dies: strict raises, lax drops (false).
local function dies(self, why, ...)
  self.count.strange = self.count.strange + 1
  self.last_strange = why:format(...)
  if self.strict then error("the real client dies: " .. self.last_strange, 0) end
  return false
end

-- Takes the sequence of a package into account. False: it came before, or too late.
local function note_sequence(self, sequence)
  if self.remote == 0 then
    self.remote = sequence
    return true
  end
  local d = difference(sequence, self.remote)
  if d > 0 then
    if d == 1 then self.bits = self.bits >> 1 | TOP
    elseif d < 32 then self.bits = self.bits >> d -- the one before the gap is forgotten: one bit too few
    else self.bits = 0 end
    self.remote = sequence
    return true
  end
  if d == 0 then return dies(self, "sequence %d is doubled", sequence) end
  if d < -32 then return dies(self, "sequence %d is more than 32 behind %d", sequence, self.remote) end
  local bit = TOP >> (-d - 1)
  if self.bits & bit ~= 0 then return dies(self, "sequence %d is doubled", sequence) end
  self.bits = self.bits | bit
  return true
end

local function settle(self, sequence, what)
  self.sent[sequence] = nil
  local list = self.callbacks[sequence]
  if not list then return end
  self.callbacks[sequence] = nil
  for _, callbacks in ipairs(list) do
    self.count[what == "on_ack" and "acked" or "lost"] = self.count[what == "on_ack" and "acked" or "lost"] + 1
    if callbacks[what] then callbacks[what]() end
  end
end

-- What of ours has arrived there. Bit 32 is never looked at.
local function note_ack(self, ack, bits, now)
  local done
  for sequence, when in pairs(self.sent) do -- a handful, unless much is lost: those of the last second
    local d = ack - sequence
    if d > 32767 then d = d - WRAP elseif d < -32767 then d = d + WRAP end
    if d == 0 or (d > 0 and d < 32 and bits & (TOP >> (d - 1)) ~= 0) then
      self.latency = self.latency + 0.1 * (now - when - self.latency)
      if self.callbacks[sequence] then
        done = done or {}
        done[sequence] = "on_ack"
      else
        self.sent[sequence] = nil
      end
    elseif now - when > M.PACKAGE_TIMEOUT then
      done = done or {}
      done[sequence] = "on_lost"
    end
  end
  if not done then return end
  for sequence, what in pairs(done) do settle(self, sequence, what) end
end

local function merge(into, update)
  for key, value in pairs(update) do
    local old = into[key]
    if value == M.DELETE and old ~= nil then into[key] = nil
    elseif old ~= nil and msgpack.is_map(value) and msgpack.is_map(old) then merge(old, value)
    else into[key] = value end -- a marker for what is not there, too
  end
end

-- The top level are keyword arguments and attributes of a Python object.
local function check_update(self, update)
  if not msgpack.is_map(update) then return dies(self, "the update is no map") end
  local order, status = update.time_order, update.game_status
  if math.type(order) ~= "integer" then return dies(self, "time_order is missing, or no whole number") end
  if order < 0 or order > WRAP then return dies(self, "time_order %d is out of range", order) end
  if status ~= nil and status ~= 0 and status ~= 1 then return dies(self, "game_status is %s", tostring(status)) end
  for key in pairs(update) do
    if type(key) ~= "string" then return dies(self, "a key at the top that is no string: %s", tostring(key)) end
    if key == "self" then return dies(self, "a key at the top that is called self") end
  end
  return true
end

local function apply(self, update)
  if difference(update.time_order, self.time_order) <= 0 then return end
  self.time_order, self.game_status = update.time_order, update.game_status or self.game_status
  update.time_order, update.game_status, update.data = nil, nil, nil -- `data` falls under the table there
  merge(self.state, update)
  self.count.updates = self.count.updates + 1
  if self.on_state then self.on_state(self, update) end
end

local function read_event(bytes)
  local event = msgpack.decode_all(bytes)
  if not msgpack.is_map(event) or type(event.type) ~= "string" then error("an event that is no map, or has no type", 0) end
  local args, kwargs = event.handler_args, event.handler_kwargs
  if type(args) ~= "table" or msgpack.is_map(args) then error("an event's handler_args are no list", 0) end
  if not msgpack.is_map(kwargs) then error("an event's handler_kwargs are no map", 0) end
  local data = {}
  for i, value in ipairs(args) do data[i] = value end
  for key, value in pairs(kwargs) do
    if type(key) ~= "string" then error("an event's keyword argument that is no string", 0) end
    data[key] = value
  end
  return { name = event.type, data = next(data) ~= nil and data or nil }
end

local IDLE = "\x81\xaatime_order"

-- The update and the events of a package.
local function read_body(bytes)
  local n, at = unpack(">I2", bytes, 13)
  if at + n - 1 > #bytes then error("an update that is cut short", 0) end
  local update, after, events
  if bytes:sub(at, at + 11) == IDLE then -- most of them: nothing has changed
    local order
    order, after = msgpack.decode(bytes, at + 12)
    update = { time_order = order }
  else
    update, after = msgpack.decode(bytes, at)
  end
  if after ~= at + n then error("an update of another length than it says", 0) end
  while after <= #bytes do
    if after == #bytes then error("a byte after the last event", 0) end
    local size, from = unpack(">I2", bytes, after)
    if size == 0 or from + size - 1 > #bytes then error("an event that is empty or cut short", 0) end
    events = events or {}
    events[#events + 1] = read_event(bytes:sub(from, from + size - 1))
    after = from + size
  end
  return update, events
end

--- Takes one datagram. False: it was dropped (a strict client raises instead).
function Client:receive(bytes, now)
  if self.closed then return false end
  self.count.received = self.count.received + 1
  if #bytes > M.MAX_PACKAGE then return dies(self, "a package of %d bytes", #bytes) end
  if #bytes < 14 or bytes:sub(1, 4) ~= M.ID then return dies(self, "no package of PyGaSe's: %q", bytes:sub(1, 16)) end
  local read, update, events = pcall(read_body, bytes)
  if not read then return dies(self, "%s", update) end
  local sequence, ack, bits = unpack(">I2I2I4", bytes, 5)
  if sequence == 0 then return dies(self, "sequence 0") end
  if not check_update(self, update) then return false end
  self.last_recv = now
  if not note_sequence(self, sequence) then return false end
  if self.status == "connecting" then
    self.status = "connected"
    if self.on_connected then self.on_connected(self) end
  end
  note_ack(self, ack, bits, now)
  apply(self, update)
  for _, event in ipairs(events or {}) do
    self.count.events = self.count.events + 1
    if self.on_event then self.on_event(self, event.name, event.data) end
  end
  return true
end

--- True when no event waits to be sent or to be confirmed.
function Client:idle() return not is_speaking(self) or (self.head > self.tail and next(self.callbacks) == nil) end

return M
