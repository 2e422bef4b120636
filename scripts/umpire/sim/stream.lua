--- A simulated player on a stream: what the players of all protocols over TCP share. umpire/sim/NAME.lua makes the player of
-- a protocol of it (world:connect "NAME" finds it there):
--
--   local stream = require "umpire.sim.stream"
--   local Player = stream.class("umpire.sim.Laneya", { name = true, user = true })   -- the options it knows, besides ours
--   function Player:begin(options) self.wire = laneya.new { send = self:sender(), ... } end
--   function Player:ready() return self.wire.joined end  -- optional: when connect has done its work; default: when it is open
--
-- The wire is umpire/client/NAME.lua: the protocol's client without I/O, which e2e tests drive over real sockets, too:
--
--   wire = client.new { send = function(bytes) end, close = function() end, ... }
--   wire:opened(now)            -- the connection is there (optional)
--   wire:receive(bytes, now)    -- bytes, split anywhere
--   wire:closed(why, now)       -- the connection is over: "end" (in order), "reset", "refused" (before it was open) (optional)
--   wire:deadline() -> seconds or nil;  wire:poll(now): its time has come
--   wire:idle() -> true when no answer is awaited
--
-- Times are seconds of a clock that only goes forward. What happens, the wire tells through functions that the player gives it.
local heard = require "umpire.sim.heard"

local M = {}

local NS = 1000000000

local Player = {}
Player.__index = Player
M.Player = Player
heard.give(Player) -- received, last, forget

local common = { name = true, address = true, wait = true }

local function check(class, options)
  for name in pairs(options) do
    if not common[name] and not class.options[name] then
      local known = {}
      for k in pairs(common) do known[#known + 1] = k end
      for k in pairs(class.options) do known[#known + 1] = k end
      table.sort(known)
      error(("connect: unknown option '%s'; known: %s"):format(tostring(name), table.concat(known, ", ")), 4)
    end
  end
end

--- A class of players: its methods find those below. options: the names of those that connect takes.
function M.class(name, options)
  local class = setmetatable({ __name = name, options = options or {} }, { __index = Player })
  class.__index = class
  function class.new(world, peer, listener, given)
    check(class, given)
    local self = setmetatable({
      world = world, core = world.core, peer = peer, listener = listener,
      name = given.name or ("client " .. peer + 1),
      open = false,       -- the connection is there
      over = nil,         -- why it is not any more: "end" (the server closed it), "reset", "refused", "left", "cut", "vanished"
      notifies = {},      -- { name, data, time }, in order of arrival
    }, class)
    self.given = given
    self:begin(given)
    return self
  end
  return class
end

-- ---- between the wire and the world ----

--- A function for the wire to send bytes with, and one to close the connection with.
function Player:sender() return function(bytes) self:send_raw(bytes) end end
function Player:closer() return function() self:disconnect() end end

--- Seconds of virtual time.
function Player:now() return self.core:now() / NS end

function Player:_alarm()
  local due = not self.over and self.wire:deadline()
  self.core:wake(self.peer, due and math.ceil(due * NS) or nil)
end

function Player:_closed(why)
  if self.over then return end
  self.open, self.over = false, why
  if self.wire.closed then self.wire:closed(why, self:now()) end
end

function Player:_arrived(bytes, what)
  if self.over == "vanished" then return end
  local now = self:now()
  if what == "open" then
    self.open = true
    if self.wire.opened then self.wire:opened(now) end
  elseif what == "data" then
    if not self.over then self.wire:receive(bytes, now) end
  elseif what == "end" then
    self.core:shut(self.peer) -- as clients do: nothing more will be answered
    self:_closed(self.open and "end" or "refused")
  elseif what == "reset" then
    self:_closed(self.open and "reset" or "refused")
  elseif not self.over then
    self.wire:poll(math.max(now, self.wire:deadline() or now)) -- the alarm rounds to whole ns
  end
  self:_alarm()
end

function Player:idle() return self.over ~= nil or self.wire:idle() end

-- For reconnect.
function Player:begin_again()
  self.open, self.over = false, nil
  self:begin(self.given)
end

--- Whether connect has done its work, one way or the other.
function Player:settled_in() return self.over ~= nil or self:ready() end

--- Whether it is in.
function Player:ready() return self.open end

--- Dials. Time passes until it is ready or over, unless wait is false.
function Player:register(wait)
  self.core:dial(self.peer, self.listener)
  self:_alarm()
  if wait == false then return self end
  self.world:_run(self.core:now() + 60 * NS, function() return self:settled_in() end)
  return self
end

-- ---- what a test asks of it ----

--- Bytes as they are, for what no client would say. False: the connection is closed on our side.
function Player:send_raw(bytes)
  if self.over then return false end
  return self.core:write(self.peer, bytes)
end

--- Lets time pass until condition() is true or the connection is over (at most so many seconds, default 60).
function Player:wait_for(condition, seconds)
  self.world:_run(self.core:now() + math.floor((seconds or 60) * NS), function() return condition() or self.over ~= nil end)
  return condition()
end

--- Waits for the answer to what send returned, a handle with `done`. (The end of a connection settles what was sent, too.)
function Player:await(handle)
  self.world:_run(self.core:now() + 600 * NS, function() return handle.done end)
  return handle
end

-- For the classes: a notify came.
function Player:_notify(name, data)
  self:_heard { name = name, data = data, time = self:now() }
end

--- Closes the connection in order: what was sent before still arrives.
function Player:disconnect()
  if self.over then return end
  self.core:shut(self.peer)
  self:_closed("left")
  self:_alarm()
end

--- Says that it sends no more, but goes on reading (a half-close).
function Player:shut()
  self.core:shut(self.peer)
  return self
end

--- Resets the connection (RST): what is under way is lost.
function Player:cut()
  if self.over then return end
  self.core:reset(self.peer)
  self:_closed("cut")
  self:_alarm()
end

--- Unplugged for good: a half-open connection, of whose end nobody is told. The server has to find out.
function Player:vanish()
  if self.over == "vanished" then return end
  self:_closed("vanished")
  self.core:drop(self.peer)
end

--- Unplugged for a while (true) and plugged in again (false): what is sent either way meanwhile arrives afterwards.
function Player:silence(on)
  self.core:silence(self.peer, on ~= false)
  return self
end

--- Stops reading what the server sends (true), so that its window fills; reads again (false).
function Player:hold(on)
  self.core:pause(self.peer, on ~= false)
  return self
end

return M
