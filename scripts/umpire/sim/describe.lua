--- What bytes on the wire mean, in a line for people who look at a failed test. What is not understood is shown as it is.
local match = require "umpire.sim.match"

local M = {}

local function json(text) return require "umpire.client.pyjson".decode(text) end

local of = {}

local function event(data)
  local name, value = require "umpire.client.neteria".split(data)
  if name == nil then return match.show(value) end
  return ("%q"):format(name) .. (value ~= nil and " " .. match.show(value) or "")
end

function of.neteria(bytes, client)
  local t = json(bytes)
  if type(t) ~= "table" or not t.method then return nil end
  if t.method == "NOTIFY" then return "notify " .. event(t.event_data) end
  if t.method == "EVENT" or t.method == "AUTH" then return "event " .. event(t.event_data) end
  local handle = client.pending and client.pending[t.euuid]
  local about = handle and handle.name and (" for %s%s"):format(handle.name, handle.data ~= nil and " "
    .. match.show(handle.data, 60) or "") or ""
  return t.method .. about .. (t.reason and ": " .. tostring(t.reason) or "")
end

function of.laneya(bytes)
  local text = bytes:match "^%d+:(.*),$"
  local t = text and json(text)
  return t and match.show(t)
end

function of.pymmorpg(bytes)
  local text = bytes:match "^%d+ (.*)$"
  local ok, t = pcall(require "umpire.client.pickle".decode, text or "")
  return text and ok and match.show(t) or nil
end

local function said(client, bytes)
  local explain = client and of[client.protocol]
  local ok, text = pcall(explain or function() end, bytes, client)
  return ok and text or match.show(bytes, 200)
end

--- What arrived at a client: datagram, or stream ("open", "data", "end", "reset"), or nothing (its alarm clock).
function M.got(client, bytes, what)
  if what == "open" then return "its connection" end
  if what == "end" then return "the end of its connection" end
  if what == "reset" then return "a reset of its connection" end
  if not bytes then return "woken by its own clock" end
  return said(client, bytes)
end

--- What a client had sent; size: of all of it, if bytes are its beginning.
function M.sent(client, bytes, size)
  if size == 0 then return "the beginning or the end of its connection" end
  return said(client, bytes)
end

return M
