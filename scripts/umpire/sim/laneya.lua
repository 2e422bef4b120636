--- A simulated laneya player: umpire.client.laneya behind the simulated network. What it shares with the players of other
-- streams (send_raw, disconnect, cut, vanish, silence, hold, received, last, ...) is in umpire.sim.stream.
local laneya = require "umpire.client.laneya"
local stream = require "umpire.sim.stream"

-- user: its name (default: the player's name); actions: umpire.client.laneya's ACTIONS to be as strict about updates as the
-- real game's client (default: every update is taken); timeout: seconds until a request is given up (default 2)
local Player = stream.class("umpire.sim.Laneya", { user = true, actions = true, timeout = true })

function Player:begin(options)
  self.answers = {}  -- every response, in order of arrival
  self.pending = {}  -- key -> what send() returned
  self.wire = laneya.new {
    send = self:sender(), close = self:closer(),
    user = options.user or self.name, actions = options.actions, timeout = options.timeout,
    on_response = function(_, response) self:_response(response) end,
    on_update = function(_, action, data) self:_notify(action, data) end,
  }
end

function Player:_response(response)
  local handle = self.pending[response.key] or {}
  self.pending[response.key] = nil
  handle.done, handle.lost = true, response.status == nil
  handle.status, handle.data, handle.key = response.status, response.data, response.key
  handle.legal = response.status and response.status == "success"
  if handle.lost then handle.legal, handle.data, handle.reason = nil, nil, response.data end
  if response.status and not handle.legal then handle.reason = response.data.message end
  handle.time, handle.took = response.time, response.time - response.sent
  self.answers[#self.answers + 1] = handle
end

--- Sends a request and returns at once; its answer comes as time passes. The handle: key, done, and the fields of an answer.
function Player:send(action, data, key)
  local handle = { done = false, lost = false }
  handle.key = self.wire:request(action, data, self:now(), key)
  self.pending[handle.key] = handle
  self:_alarm()
  return handle
end

--- Sends a request and lets time pass until it is answered or given up. The answer: legal (true, false; nil when none came:
-- then lost is true), status, data, reason, time (s), took (s), key.
function Player:event(action, data, key) return self:await(self:send(action, data, key)) end

--- Several actions in one request, { { "move", { direction = "east" } }, ... }; waits for the answer.
function Player:batch(actions)
  local handle = { done = false, lost = false }
  handle.key = self.wire:batch(actions, self:now())
  self.pending[handle.key] = handle
  self:_alarm()
  return self:await(handle)
end

--- Bytes of a payload as a netstring, for what no client would say.
function Player:send_payload(payload) return self:send_raw(laneya.netstring(payload)) end

return Player
