--- A simulated PyGaSe player: umpire.client.pygase behind the simulated network.
--
--   local ann = world:connect "pygase"                 -- returns when the state is there, or it was refused
--   ann:event("move", { 1, 0, fast = true })           -- returns when it was received: the wire has no verdicts
--   world:advance(0.1)
--   ann.state.players                                  -- its copy of host.state
--   ann:received "caught"                              -- the data of events that came
--
-- connect's options: name (for messages), address, wait = false; strict = false: it drops what the real client dies of. A
-- strict one raises in the middle of world:advance then. A network that doubles packages to the clients (network { duplicate })
-- kills real ones, so a world with such weather needs strict = false, or up = { duplicate = ... } alone.
--
-- Packages go to and fro all the time, so world:settle() is for worlds without lag; wait for something to come true instead.
local heard = require "umpire.sim.heard"
local link = require "umpire.sim.link"
local pygase = require "umpire.client.pygase"

local Player = {}
Player.__index = Player
Player.__name = "umpire.sim.PyGaSe"
heard.give(Player) -- received, last, forget, what a test expects, and links

local NS = 1000000000
local REFUSED = 10 -- seconds without a state: it will not come

local known = { name = true, address = true, wait = true, strict = true }

local function check(options)
  for name in pairs(options) do
    if not known[name] then
      error(("connect: unknown option '%s'; known: address, name, strict, wait"):format(tostring(name)), 4)
    end
  end
end

local function new_wire(self)
  self.wire = pygase.new {
    strict = self.strict,
    send = function(bytes) self:_send(bytes) end,
    on_event = function(_, name, data) self:_heard { name = name, data = data, time = self:now() } end,
    on_state = function(_, update) if self.on_state then self.on_state(update) end end,
  }
  self.state = self.wire.state -- its copy; the same table until it reconnects
end

function Player.new(world, peer, listener, options)
  check(options)
  local self = setmetatable({
    world = world, core = world.core, peer = peer, listener = listener,
    name = options.name or ("client " .. peer + 1),
    strict = options.strict,
    connected = true,       -- false after disconnect
    notifies = {},          -- { name, data, time }: the events that came, in order of arrival
  }, Player)
  new_wire(self)
  return self
end

-- ---- between the wire and the world ----

--- Seconds of virtual time.
function Player:now() return self.core:now() / NS end

function Player:_send(bytes)
  if self.mute then return end
  self.core:send(self.peer, self.listener, bytes)
end

function Player:_alarm()
  if not self.connected then return end
  local due = self.wire:deadline()
  self.core:wake(self.peer, due and math.ceil(due * NS) or nil)
end

function Player:_arrived(bytes)
  if not self.connected then return end
  local now = self.core:now() / NS
  if not bytes then
    local due = self.wire:deadline() or now
    self.wire:poll(due > now and due or now) -- the alarm rounds to whole ns
    self:_alarm()
  elseif not self.deaf then
    self.wire:receive(bytes, now)
  end
end

function Player:idle() return not self.connected or self.wire:idle() end

--- Whether it has a state: then it is connected.
function Player:ready() return self.wire.time_order ~= 0 end

-- For connect_many: connect has done its work.
function Player:settled_in() return self:ready() or self.wire.status == "disconnected" end

--- Begins to speak. Time passes until it has the state, or until it is clear that it was refused, unless wait is false.
function Player:register(wait)
  self.wire:connect(self:now())
  self:_alarm()
  if wait == false then return self end
  self.world:_run(self.core:now() + REFUSED * NS, function() return self:settled_in() end)
  return self
end

-- ---- what a test asks of it ----

--- Lets time pass until condition() is true (at most so many seconds, default 60).
function Player:wait_for(condition, seconds) return self.world:wait_for(condition, seconds) end

local function queue(self, handle, retries)
  self.wire:event(handle.name, handle.data, {
    on_ack = function() handle.done, handle.acked, handle.time = true, true, self:now() end,
    on_lost = function()
      if retries > 0 and not handle.done then return queue(self, handle, retries - 1) end
      handle.done, handle.lost = true, true
    end,
  })
end

--- Sends an event and returns at once. The handle: done; acked (its package was received) or lost (that is not known after a
-- second); time. Neither says that it was legal. options.retries: so often it is sent again when it seems lost, as older
-- versions of the real client do; it may then be executed more than once.
function Player:send(name, data, options)
  if not self.connected then error(self.name .. " has left and cannot send events", 2) end
  local handle = { done = false, acked = false, lost = false, name = name, data = data, sent = self:now() }
  queue(self, handle, options and options.retries or 0)
  return handle
end

--- Waits until what send returned is done.
function Player:await(handle)
  self.world:wait_for(function() return handle.done or not self.connected or self.wire.status == "disconnected" end, 600)
  return handle
end

--- Sends an event and lets time pass until it was received or seems lost.
function Player:event(name, data, options) return self:await(self:send(name, data, options)) end

--- A datagram as it is, for what no client would say.
function Player:send_raw(bytes)
  self.core:send(self.peer, self.listener, bytes)
  return self
end

--- Unplugged for a while (true) and plugged in again (false): what is sent either way meanwhile is lost. "up", "down": only
-- what it sends, only what it gets.
function Player:silence(on)
  if on == nil then on = true end
  self.mute, self.deaf = on == true or on == "up", on == true or on == "down"
  return self
end

--- Ends without a word, as the real client does: the server finds out after 5 s. shutdown: with the word "shutdown".
function Player:disconnect(shutdown)
  if not self.connected then return end
  self.wire:disconnect(shutdown)
  self.connected = false
  self.core:drop(self.peer)
end
function Player:vanish() self:disconnect() end

-- For reconnect: a program that was started again. It knows nothing.
function Player:begin_again()
  self.connected, self.mute, self.deaf = true, false, false
  new_wire(self)
end

--- Begins anew, as a program that was started again: nothing known and, unless options.address says otherwise, another port.
-- For the server it is somebody else. Options: address, wait = false.
function Player:reconnect(options)
  local given = {}
  for name, value in pairs(options or {}) do given[name] = value end
  if not given.address then
    local a, b, c, d, port = table.unpack(self.place)
    given.address = ("%d.%d.%d.%d:%d"):format(a, b, c, d, port < 65535 and port + 1 or 1024)
  end
  return link.methods.reconnect(self, given)
end

--- From now on it sends from another address ("10.0.0.7:50007"), as after a NAT forgot it.
function Player:move_to(address)
  self.core:move(self.peer, self.world:_address(address))
  return self
end

return Player
