--- A simulated PYMMORPG player: umpire.client.pymmorpg behind the simulated network. What it shares with the players of other
-- streams (send_raw, disconnect, cut, vanish, silence, hold, received, last, ...) is in umpire.sim.stream. Flags are its
-- notifies.
local pymmorpg = require "umpire.client.pymmorpg"
local expect = require "umpire.sim.expect"
local stream = require "umpire.sim.stream"

-- user, password: log in when the connection is open; the account is made if there is none of that name (default: stay
-- outside)
local Player = stream.class("umpire.sim.Pymmorpg", { user = true, password = true })

Player.tuple = pymmorpg.tuple

function Player:begin(options)
  self.user = nil    -- what it is logged in as
  self.answers = {}  -- every reply, in order of arrival
  self.pending = {}  -- number -> what send() returned
  self.wanted = options.user
  self.wire = pymmorpg.new {
    send = self:sender(), close = self:closer(),
    on_reply = function(_, reply) self:_reply(reply) end,
    on_opened = function() self:_enter(options.user, options.password or "secret") end,
  }
end

-- `new`, and `login` if the name is taken.
function Player:_enter(user, password)
  if not user then return end
  self:send("new", user, password).after = function(made)
    if made.value == true then self.wanted = nil return end
    self:send("login", user, password).after = function() self.wanted = nil end
  end
end

function Player:ready() return self.open and not self.wanted end

function Player:_reply(reply)
  local handle = self.pending[reply.number] or {}
  self.pending[reply.number] = nil
  handle.done, handle.lost, handle.value, handle.flags = true, reply.lost or false, reply.value, reply.flags
  if not reply.lost then handle.legal = reply.value ~= false end
  handle.time, handle.took = reply.time, reply.time - reply.sent
  if (reply.command == "login" or reply.command == "new") and reply.value == true then self.user = handle.user end
  self.answers[#self.answers + 1] = handle
  for _, flag in ipairs(reply.flags) do self:_notify(flag) end
  if handle.after then handle.after(handle) end
end

--- Sends a request, a command and its arguments, and returns at once; its reply comes as time passes. The handle: done, and the
-- fields of a reply.
function Player:send(command, ...)
  local handle = { done = false, lost = false, command = command, user = (...) }
  self.pending[self.wire.number + 1] = handle -- before it is sent: the answer may be there at once
  self.wire:request(self:now(), command, ...)
  return handle
end

--- Sends a request and lets time pass until it is answered. The reply: legal (false when the value is False; nil when none
-- came: then lost is true), value, flags, time (s), took (s).
function Player:event(command, ...) return self:await(self:send(command, ...)) end

--- The same, for those who want the value alone.
function Player:ask(command, ...) return self:event(command, ...).value end

--- As event, and fails unless the reply's value is False. (A reply says no reason.)
function Player:expects_illegal(command, ...)
  local reply = expect.illegal(self, nil, command, ...)
  return reply
end

function Player:login(user, password) return self:event("login", user, password) end

--- A pickle with its size in front, for what no client would say.
function Player:send_pickle(bytes) return self:send_raw(pymmorpg.frame(bytes)) end

return Player
