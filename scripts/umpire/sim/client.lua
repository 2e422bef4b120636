--- A simulated player: umpire.client.neteria behind the simulated network.
local neteria = require "umpire.client.neteria"
local heard = require "umpire.sim.heard"

local Client = {}
Client.__index = Client
Client.__name = "umpire.sim.Client"
heard.give(Client) -- received, last, forget

local NS = 1000000000

local option_names = { name = true, version = true, cuuid = true, address = true, priority = true, attempts = true,
  wait = true }

local function check(options)
  for name in pairs(options) do
    if not option_names[name] then
      error(("connect: unknown option '%s'; known: address, attempts, cuuid, name, priority, version, wait"):format(
        tostring(name)), 4)
    end
  end
end

local function listen_to(self, wire)
  wire.on_registered = function() self.registered, self.refused = true, nil end
  wire.on_refused = function(_, reason) self.refused = reason end
  wire.on_verdict = function(_, verdict) self:_verdict(verdict) end
  wire.on_notify = function(_, notify) self:_heard(notify) end
end

function Client.new(world, peer, listener, options)
  check(options)
  local core = world.core
  local self = setmetatable({
    world = world, core = core, peer = peer, listener = listener,
    name = options.name or ("client " .. peer + 1),
    priority = options.priority or "normal",
    registered = false,
    refused = nil,      -- why it is not registered
    notifies = {},      -- { name, data, time, id }, in order of arrival, each once
    verdicts = {},      -- the same for verdicts, given up ones too
    pending = {},       -- id -> the handle that send() returned
    connected = true,   -- false after disconnect
  }, Client)
  self.given = options
  self:begin()
  return self
end

function Client:begin()
  local given, world, before = self.given, self.world, self.wire
  self.wire = neteria.new {
    send = function(bytes) self:_send(bytes) end,
    wall = function() return world.epoch + world.core:now() / NS end,
    cuuid = before and before.cuuid or given.cuuid, version = given.version, send_version = given.version ~= nil,
    attempts = given.attempts, clock_seq = self.peer & 0x3fff, node = ("02fc%08x"):format(self.peer + 1),
  }
  listen_to(self, self.wire)
end

-- For reconnect: a program that was started again. It knows who it is, and nothing else.
function Client:begin_again()
  for _, handle in pairs(self.pending) do
    handle.done, handle.lost, handle.reason, handle.time = true, true, "reconnected", self.world:now()
  end
  self.pending, self.registered, self.refused, self.connected = {}, false, nil, true
  self:begin()
end

-- ---- between the wire and the world ----

function Client:_send(bytes)
  if self.silenced then return end
  self.core:send(self.peer, self.listener, bytes)
end

function Client:_alarm()
  if not self.connected then return end
  local due = self.wire:deadline()
  self.core:wake(self.peer, due and math.ceil(due * NS) or nil)
end

function Client:_arrived(bytes)
  if not self.connected then return end
  local now = self.core:now() / NS
  if bytes then
    if self.deaf then return end
    self.wire:receive(bytes, now)
  else
    self.wire:poll(math.max(now, self.wire:deadline() or now)) -- the alarm rounds to whole ns
  end
  self:_alarm()
end

function Client:_verdict(verdict)
  local handle = self.pending[verdict.id]
  self.pending[verdict.id] = nil
  if not handle then handle = {} end
  handle.done, handle.lost = true, verdict.lost or false
  handle.legal, handle.reason, handle.time = verdict.legal, verdict.reason, verdict.time
  handle.took, handle.tries = verdict.time - verdict.sent, verdict.tries
  self.verdicts[#self.verdicts + 1] = handle
  if self.on_verdict then self.on_verdict(handle) end
end

--- Whether connect has done its work, one way or the other.
function Client:settled_in() return not self.connected or not self.wire.registering end

function Client:idle() return not self.connected or self.wire:idle() end

-- ---- what a test asks of it ----

--- Registers (again). Time passes until it is answered or gives up, unless wait is false.
function Client:register(wait)
  self.wire:register(self.core:now() / NS)
  self:_alarm()
  if wait == false then return self end
  self.world:_run(self.core:now() + 60 * NS, function() return self:settled_in() end)
  return self
end

local function ready(self, what)
  if not self.connected then error(self.name .. " is disconnected and cannot " .. what, 3) end
  if not self.registered then
    error(("%s is not registered (%s) and cannot %s"):format(self.name, self.refused or "no answer yet", what), 3)
  end
end

--- Sends an event and returns at once; its verdict comes as time passes. The handle: id, done, and the fields of a verdict.
-- name and data as design's table of wires says: a string alone is the name; a name with data is {name: data}; a first
-- argument that is no string is the whole data. options.priority: "normal" or "high".
function Client:send(name, data, options)
  ready(self, "send events")
  local priority = options and options.priority or self.priority
  local event_data = name
  if type(name) == "string" then event_data = neteria.join(name, data) end
  local now = self.core:now() / NS
  local handle = { done = false, lost = false, name = type(name) == "string" and name or nil, data = data, sent = now,
    priority = priority }
  handle.id = self.wire:event(event_data, now, priority)
  self.pending[handle.id] = handle
  self:_alarm()
  return handle
end

--- Waits for the verdict of what send returned.
function Client:await(handle)
  self.world:_run(self.core:now() + 600 * NS, function() return handle.done or not self.connected end)
  return handle
end

--- Sends an event and lets time pass until it is judged or the client gives up. The verdict: legal (true, false; nil when
-- no answer came: then lost is true), reason, time (s), took (s), tries (transmissions), id.
function Client:event(name, data, options)
  return self:await(self:send(name, data, options))
end

--- Logs in (AUTH, sent once as the real client does) and waits for the verdict.
function Client:login(user, password)
  ready(self, "log in")
  local now = self.core:now() / NS
  local handle = { done = false, lost = false, name = "AUTH", sent = now }
  handle.id = self.wire:auth({ name = user, password = password }, now)
  self.pending[handle.id] = handle
  self:_alarm()
  return self:await(handle)
end

--- Sends an event's datagram once more, as a network that doubles would (id: of a handle that is not done, or bytes).
function Client:send_raw(bytes)
  self.core:send(self.peer, self.listener, bytes)
  return self
end

--- Events that were applied at once and are illegal: id -> event_data, as the real client keeps them.
function Client:rollbacks() return self.wire.event_rollbacks end
function Client:confirmations() return self.wire.event_confirmations end

--- Unplugged for good: nothing goes out, nothing comes in. Neteria has no goodbye; the server has to find out.
function Client:disconnect()
  if not self.connected then return end
  self.connected, self.registered = false, false
  self.core:drop(self.peer)
end

--- The same: it goes without a word.
function Client:vanish() self:disconnect() end

--- Unplugged for a while (true) and plugged in again (false): what is sent either way meanwhile is lost.
function Client:silence(on)
  self.silenced, self.deaf = on ~= false, on ~= false
  return self
end

--- From now on it sends from another address ("10.0.0.7:50007"), as after a NAT forgot it.
function Client:move_to(address)
  local a, b, c, d, port = self.world:_address(address)
  self.core:move(self.peer, a, b, c, d, port)
  self.place = { a, b, c, d, port }
  return self
end

return Client
