--- A simulated peote-net program: umpire.client.joint behind the simulated network. What it shares with the players of other
-- streams (send_raw, disconnect, cut, vanish, silence, hold, received, last, ...) is in umpire.sim.stream.
--
--   local ann = world:connect("joint", { channel = "lobby" })                   -- raw; web = true: over WebSocket
--   ann:send "hello"                                                            -- an application chunk
--   local bob = world:connect("joint", { channel = "arena", declared = game.channels.arena })
--   bob:call("step", { 1, 0 })
--   local owner = world:connect "joint"                                         -- nobody's channel yet
--   local mine = owner:create("mine")
-- received(name) gives what came from the rulebook: under "chunk" or "data" the bytes, under a procedure's name its arguments.
local joint = require "umpire.client.joint"
local stream = require "umpire.sim.stream"

-- channel: a channel to enter when the connection is there; mode, max_chunk: how it speaks; declared: the same and remotes and
-- client_remotes as in the rulebook; web, origin: WebSocket
local Player = stream.class("umpire.sim.Joint", { channel = true, mode = true, max_chunk = true, declared = true, web = true,
  origin = true })

local passed_on = { "mode", "max_chunk", "remotes", "client_remotes", "on_open", "on_error", "on_gone", "on_user",
  "on_user_gone", "on_data", "on_chunk", "on_call", "on_offer" }

local function listen_to(self, options)
  local o = {}
  for _, from in ipairs { options.declared or {}, options } do
    for _, name in ipairs(passed_on) do
      if from[name] ~= nil then o[name] = from[name] end
    end
  end
  local function keep(name)
    return function(_, data, user) self:_notify(name, user and { user, data } or data) end
  end
  o.on_data, o.on_chunk = o.on_data or keep "data", o.on_chunk or keep "chunk"
  o.on_call = o.on_call or function(_, name, arguments) self:_notify(name, arguments) end
  return o
end

function Player:begin(options)
  local masks = self.peer
  self.wire = joint.new {
    send = self:sender(), close = self:closer(), web = options.web, origin = options.origin,
    mask = function() -- the same run every time
      masks = masks * 0x5bd1e995 + 0x9e3779b9 & 0xffffffff
      return string.pack(">I4", masks)
    end,
  }
  if options.channel then self.channel = self.wire:enter(options.channel, listen_to(self, options)) end
end

--- In its channel, or refused; without one, when the connection is open.
function Player:ready()
  if self.wire.web and not self.wire.ready then return false end
  return self.open and (not self.channel or self.channel.number ~= nil or self.channel.error ~= nil)
end

local function wait(self, channel)
  self:wait_for(function() return channel.number ~= nil or channel.error ~= nil end)
  return channel
end

--- Enters or creates another channel, and waits for the answer: look at channel.number and channel.error.
function Player:enter(id, options) return wait(self, self.wire:enter(id, listen_to(self, options or {}))) end
function Player:create(id, options) return wait(self, self.wire:create(id, listen_to(self, options or {}))) end

--- A chunk (or data, by the mode) to the owner of the channel it is in.
function Player:send(bytes)
  self.channel:send(bytes)
  return self
end

--- Calls a procedure that the owner of its channel offers.
function Player:call(name, arguments)
  self.channel:call(name, arguments)
  return self
end

return Player
