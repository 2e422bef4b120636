--- A Neteria client that does no I/O: datagrams and the time go in, datagrams come out.
--
-- It behaves like the class NeteriaClient (version 1.0.3), faults included: EVENT and REGISTER are sent 5 times, 2 s
-- apart, then given up; AUTH is sent once; a second ILLEGAL, or a second LEGAL of high priority, is not confirmed; a LEGAL
-- for an event it does not know is; BYE REGISTER and BYE EVENT change nothing. The simulator and scripts/play both use it.
--
--   local client = neteria.new { send = function(bytes, broadcast) ... end }
--   client:register(now)
--   client:receive(bytes, now)                  -- for each datagram
--   client:poll(now)                            -- when client:deadline() has passed
--   local id = client:event({ move = { 1, 0 } }, now, "high")
--
-- Times are seconds of a clock that only goes forward. What happens is told to the functions on_registered(client),
-- on_refused(client, reason), on_verdict(client, verdict), on_notify(client, notify), on_discovered(client, message) and
-- on_unknown(client) (BYE EVENT: the server does not know us), all optional.
local json = require "umpire.client.pyjson"

local M = {}

local Client = {}
Client.__index = Client
Client.__name = "umpire.client.Neteria"

M.PORT = 40080
M.MAX_DATAGRAM = 10240 -- what the real client reads, and refuses to exceed
M.VERSION = "1.0.3"
M.ATTEMPTS = 5  -- transmissions in all
M.INTERVAL = 2  -- seconds between them

local quote = json.string

-- ---- names and data: a string is a name, an object of one key is a name and its data (design, the table of wires) ----

--- event_data for a name and data. Without a name the data goes as it is.
function M.join(name, data)
  if name == nil then return data end
  if data == nil then return name end
  return { [name] = data }
end

--- The name (or nil) and the data (or nil) in event_data.
function M.split(event_data)
  if type(event_data) == "string" then return event_data, nil end
  if type(event_data) == "table" then
    local key, value = next(event_data)
    if type(key) == "string" and next(event_data, key) == nil then
      if value == json.null then value = nil end
      return key, value
    end
  end
  return nil, event_data
end

-- ---- UUIDs of version 1: a clock of 100 ns since 1582 and a node ----

local GREGORIAN = 0x01b21dd213814000 -- 100 ns between 1582-10-15 and 1970-01-01

local function uuid1(self)
  local t = math.floor(self.wall() * 1e7) + GREGORIAN
  if t <= self.last_uuid_time then t = self.last_uuid_time + 1 end -- as Python does: never twice the same
  self.last_uuid_time = t
  return ("%08x-%04x-%04x-%s"):format(t & 0xffffffff, (t >> 32) & 0xffff, ((t >> 48) & 0x0fff) | 0x1000, self.uuid_tail)
end

local function timestamp(wall)
  local seconds = math.floor(wall)
  local micros = math.floor((wall - seconds) * 1e6)
  local text = os.date("!%Y-%m-%d %H:%M:%S", seconds)
  return micros == 0 and text or ("%s.%06d"):format(text, micros)
end

-- ---- life ----

--- A client that is not registered yet. Options: send (needed) function(bytes, broadcast), wall function giving Unix
-- seconds (default os.time), cuuid, node (12 hex digits) and clock_seq (0..16383) for its UUIDs, version (nil: the
-- real one), send_version (true: REGISTER names the version, which the real client does not), attempts, interval.
function M.new(options)
  assert(type(options.send) == "function", "send: a function that takes a datagram is needed")
  local self = setmetatable({
    send_datagram = options.send,
    wall = options.wall or os.time,
    version = options.version or M.VERSION,
    send_version = options.send_version or false,
    attempts = options.attempts or M.ATTEMPTS,
    interval = options.interval or M.INTERVAL,
    uuid_tail = ("%04x-%s"):format(0x8000 | (options.clock_seq or 0), options.node or "02fc00000001"),
    last_uuid_time = 0,
    registered = false,
    registering = nil,      -- the REGISTER that is being repeated
    refused = nil,          -- the reason of the last BYE REGISTER
    server_name = nil, server_version = nil,
    event_uuids = {},         -- id -> event_data: waiting for a verdict
    event_confirmations = {}, -- id -> event_data: high priority and legal
    event_rollbacks = {},     -- id -> event_data: illegal, to be undone
    event_notifies = {},      -- id -> event_data: pushed by the server
    records = {},             -- id -> what is being repeated
    queue = {}, head = 1, tail = 0, -- repeats by time; one interval, so in order
    count = { sent = 0, received = 0, repeats = 0, given_up = 0, strange = 0, unknown = 0, verdicts = 0, notifies = 0,
      doubled_notifies = 0, doubled_verdicts = 0 },
  }, Client)
  self.cuuid = options.cuuid or uuid1(self)
  self.quoted_cuuid = quote(self.cuuid)
  return self
end

local function transmit(self, bytes, broadcast)
  if #bytes > M.MAX_DATAGRAM then
    error(("a datagram of %d bytes: Neteria's limit is %d; send less at once"):format(#bytes, M.MAX_DATAGRAM), 3)
  end
  self.count.sent = self.count.sent + 1
  self.send_datagram(bytes, broadcast or false)
end

local function schedule(self, record, due)
  record.due = due
  self.tail = self.tail + 1
  self.queue[self.tail] = record
end

--- Asks every server in reach to answer (OHAI). register: register with the first one that does.
function Client:discover(register)
  self.autoregister = register or false
  transmit(self, ('{"method": "OHAI", "version": %s, "cuuid": %s}'):format(quote(self.version), self.quoted_cuuid), true)
end

--- Starts to register; repeats until answered or given up.
function Client:register(now)
  local version = self.send_version and (', "version": ' .. quote(self.version)) or ""
  local bytes = ('{"method": "REGISTER", "cuuid": %s%s}'):format(self.quoted_cuuid, version)
  self.registering = { bytes = bytes, tries = 1 }
  schedule(self, self.registering, now + self.interval)
  transmit(self, bytes)
end

local function compose(self, method, event_data, priority, record)
  return ('{"method": "%s", "cuuid": %s, "euuid": "%s", "event_data": %s, "timestamp": "%s", "retry": '):format(
    method, self.quoted_cuuid, record.id, json.encode(event_data), timestamp(self.wall())),
    (', "priority": %s}'):format(quote(priority))
end

local function begin(self, method, event_data, now, priority)
  if not self.registered then error("not registered: this client sends no event before OK REGISTER", 3) end
  local record = { id = uuid1(self), tries = 1, data = event_data, priority = priority, sent = now }
  record.before, record.after = compose(self, method, event_data, priority, record)
  transmit(self, record.before .. "0" .. record.after)
  self.event_uuids[record.id] = event_data
  self.records[record.id] = record
  return record
end

--- Sends an event; returns its id. priority "high": the application has applied it already and undoes it if illegal.
function Client:event(event_data, now, priority)
  local record = begin(self, "EVENT", event_data, now, priority or "normal")
  schedule(self, record, now + self.interval)
  return record.id
end

--- Logs in: event_data has name (or user) and password. Sent once, as the real client does; on_verdict tells that no
-- answer came when an event would have been given up.
function Client:auth(event_data, now)
  local record = begin(self, "AUTH", event_data, now, "normal")
  record.once = true
  schedule(self, record, now + self.interval)
  return record.id
end

-- ---- time ----

local function live(self, record) return record == self.registering or (record.id and self.records[record.id] == record) end

--- When poll has something to do; nil: never.
function Client:deadline()
  while self.head <= self.tail do
    local record = self.queue[self.head]
    if live(self, record) then return record.due end
    self.queue[self.head] = nil
    self.head = self.head + 1
  end
  return nil
end

local function settle(self, record, verdict)
  self.records[record.id] = nil
  self.event_uuids[record.id] = nil
  verdict.id, verdict.data, verdict.priority = record.id, record.data, record.priority
  verdict.sent, verdict.tries = record.sent, record.tries
  if self.on_verdict then self.on_verdict(self, verdict) end
end

local function give_up(self, record, now)
  self.count.given_up = self.count.given_up + 1
  if record == self.registering then
    self.registering = nil
    if self.on_refused then self.on_refused(self, self.refused or "no answer") end
  else
    settle(self, record, { lost = true, reason = "no answer", time = now })
  end
end

--- Repeats what is due, gives up what was repeated often enough.
function Client:poll(now)
  local due = self:deadline()
  while due and due <= now do
    local record = self.queue[self.head]
    self.queue[self.head] = nil
    self.head = self.head + 1
    if record.tries >= self.attempts then
      give_up(self, record, now)
    else
      if not record.once then
        transmit(self, record.bytes or (record.before .. ("%d"):format(record.tries) .. record.after))
        self.count.repeats = self.count.repeats + 1
      end
      record.tries = record.tries + 1
      schedule(self, record, now + self.interval)
    end
    due = self:deadline()
  end
end

-- ---- datagrams in ----

local function confirm(self, method, id)
  transmit(self, ('{"cuuid": %s, "method": "%s", "euuid": %s}'):format(self.quoted_cuuid, method, quote(id)))
end

local methods = {}

methods["OHAI Client"] = function(self, message, now)
  -- The real client reads both keys and raises when one is missing.
  if message.version == nil or message.server_name == nil then return false end
  self.server_version = message.version
  self.server_name = message.server_name ~= json.null and message.server_name or nil
  if self.on_discovered then self.on_discovered(self, message) end
  if self.autoregister and not self.registered and not self.registering then self:register(now) end
  return true
end

methods["OK REGISTER"] = function(self)
  local news = not self.registered
  self.registered, self.registering = true, nil
  if news and self.on_registered then self.on_registered(self) end
  return true
end

methods["BYE REGISTER"] = function(self, message) -- noted, and asked again
  self.refused = type(message.reason) == "string" and message.reason or "refused"
  return true
end

methods["BYE EVENT"] = function(self)
  self.count.unknown = self.count.unknown + 1
  if self.on_unknown then self.on_unknown(self) end
  return true
end

local function verdict(self, message, now, legal)
  local id, priority = message.euuid, message.priority
  if type(id) ~= "string" or priority == nil then return false end
  local record = self.records[id]
  if not record then
    self.count.doubled_verdicts = self.count.doubled_verdicts + 1
    -- KeyError inside the original, so no confirmation, unless it is an ordinary LEGAL
    if not legal or priority == "high" then return false end
    confirm(self, "OK EVENT", id)
    return true
  end
  if not legal then self.event_rollbacks[id] = record.data
  elseif priority == "high" then self.event_confirmations[id] = record.data end
  self.count.verdicts = self.count.verdicts + 1
  confirm(self, "OK EVENT", id)
  local reason = type(message.reason) == "string" and message.reason or nil
  settle(self, record, { legal = legal, reason = reason, time = now })
  return true
end

methods["LEGAL"] = function(self, message, now) return verdict(self, message, now, true) end
methods["ILLEGAL"] = function(self, message, now) return verdict(self, message, now, false) end

methods["NOTIFY"] = function(self, message, now)
  local id, data = message.euuid, message.event_data
  if type(id) ~= "string" or data == nil then return false end
  confirm(self, "OK NOTIFY", id)
  if self.event_notifies[id] ~= nil then
    self.count.doubled_notifies = self.count.doubled_notifies + 1
    return true
  end
  self.event_notifies[id] = data
  self.count.notifies = self.count.notifies + 1
  if self.on_notify then
    local name, value = M.split(data)
    self.on_notify(self, { id = id, name = name, data = value, time = now })
  end
  return true
end

--- Takes one datagram. False when the real client would have thrown it away or raised inside; nothing changed then.
function Client:receive(bytes, now)
  self.count.received = self.count.received + 1
  local message = #bytes <= M.MAX_DATAGRAM and json.decode(bytes)
  local method = type(message) == "table" and methods[message.method]
  local taken = method and method(self, message, now) or false
  if not taken then self.count.strange = self.count.strange + 1 end
  return taken
end

--- True when nothing is waiting for an answer.
function Client:idle() return self:deadline() == nil end

return M
