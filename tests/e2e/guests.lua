-- Guests of the tavern on real sockets, one of each protocol, turned together: what they ask, and what they hear of each other.
-- Every wait ends with what it waits for; the deadlines are only there to end a test that fails.
local assert = require "luassert"
local joint = require "umpire.client.joint"
local laneya = require "umpire.client.laneya"
local neteria = require "umpire.client.neteria"
local pymmorpg = require "umpire.client.pymmorpg"
local socket = require "socket"

local M = {}

-- As rules/tavern.lua declares it, written as another program would: from its page's words.
local DECLARED = {
  mode = "rpc",
  remotes = { [0] = { { "enter", "String" }, { "step", "Int32", "Int32" }, { "say", "String" }, { "leave" } } },
  client_remotes = { [0] = {
    { "room", "Array<String>" }, { "welcome", "String" }, { "entered", "String", "String", "Int32", "Int32" },
    { "moved", "String", "Int32", "Int32" }, { "said", "String", "String" }, { "left", "String" },
    { "refused", "String", "String" },
  } },
}

-- ---- guests on sockets, turned together ----

local guests = {}

-- Lets all of them read and repeat until done() or 10 s have passed; done()'s value.
local function pump(done)
  local give_up = socket.gettime() + 10
  repeat
    local result = done()
    if result then return result end
    local sockets = {}
    for _, guest in ipairs(guests) do
      if not guest.over then sockets[#sockets + 1] = guest.socket end
    end
    socket.select(sockets, nil, 0.02)
    for _, guest in ipairs(guests) do guest:turn() end
  until socket.gettime() > give_up
  return done()
end

local Guest = {}
Guest.__index = Guest

local function guest_on(sock, udp)
  sock:settimeout(0)
  local guest = setmetatable({ socket = sock, udp = udp, heard = {} }, Guest)
  guests[#guests + 1] = guest
  return guest
end

function Guest:turn()
  if self.over then return end
  local now = socket.gettime()
  local bytes, why, part = self.socket:receive(self.udp and nil or 65536)
  bytes = bytes or part
  if bytes and #bytes > 0 then self.wire:receive(bytes, now) end
  if why == "closed" and not self.udp then self.over = true end
  local due = self.wire.deadline and self.wire:deadline()
  if due and due <= now then self.wire:poll(now) end
end

-- What was told, as "name word word": whatever the wire, in one form.
function Guest:hear(...) self.heard[#self.heard + 1] = table.concat({ ... }, " ") end
function Guest:hears(line)
  return pump(function()
    for _, heard in ipairs(self.heard) do if heard == line then return true end end
    return false
  end)
end

function Guest:leave()
  self.over = true
  self.socket:close()
end

local function dial(port)
  local tcp = assert(socket.connect("127.0.0.1", port))
  tcp:setoption("tcp-nodelay", true)
  return tcp
end

local come = {}

function come.neteria(port, name)
  local udp = assert(socket.udp4())
  assert(udp:setpeername("127.0.0.1", port))
  local guest, verdicts = guest_on(udp, true), {}
  guest.wire = neteria.new { send = function(bytes) udp:send(bytes) end, wall = socket.gettime }
  guest.wire.on_verdict = function(_, verdict) verdicts[verdict.id] = verdict end
  guest.wire.on_notify = function(_, notify)
    local d = notify.data
    if notify.name == "entered" then guest:hear("entered", d.name, d.speaks, d.x, d.y)
    elseif notify.name == "left" then guest:hear("left", d)
    elseif notify.name == "moved" or notify.name == "said" then guest:hear(notify.name, table.unpack(d)) end
  end
  guest.wire:register(socket.gettime())
  assert.is_true(pump(function() return guest.wire.registered end))
  function guest.ask(event_data)
    local id = guest.wire:event(event_data, socket.gettime(), "normal")
    local verdict = pump(function() return verdicts[id] end)
    return verdict.legal, verdict.reason
  end
  function guest.step(dx, dy) return guest.ask { move = { dx, dy } } end
  function guest.say(text) return guest.ask { say = text } end
  assert.is_true(guest.ask { enter = name })
  return guest
end

function come.laneya(port, name)
  local tcp = dial(port)
  local guest, answers = guest_on(tcp), {}
  guest.wire = laneya.new {
    user = name,
    send = function(bytes) tcp:send(bytes) end,
    on_response = function(_, response) answers[response.key] = response end,
    on_update = function(_, action, data)
      local who = data.entity:match "^User:(.*)$"
      if action == "position" then guest:hear("moved", who, data.x, data.y)
      elseif action == "said" then guest:hear("said", who, data.text)
      else guest:hear(action, who) end
    end,
  }
  function guest.ask(action, data)
    local key = guest.wire:request(action, data, socket.gettime())
    local answer = pump(function() return answers[key] end)
    return answer.status == "success", answer.data and answer.data.message
  end
  local names = { ["0 -1"] = "north", ["1 0"] = "east", ["0 1"] = "south", ["-1 0"] = "west" }
  function guest.step(dx, dy) return guest.ask("move", { direction = names[dx .. " " .. dy] }) end
  function guest.say(text) return guest.ask("say", { text = text }) end
  assert.is_true(guest.ask("hear", {}))
  return guest
end

local function come_by_joint(web)
  return function(port, name)
    local tcp = dial(port)
    local guest, told = guest_on(tcp), 0
    guest.wire = joint.new { send = function(bytes) tcp:send(bytes) end, web = web }
    local options = { on_call = function(_, call, arguments)
      if call == "refused" then guest.refused = arguments end
      if call ~= "room" then guest:hear(call, table.unpack(arguments)) end
      local mine = arguments[1] == name and (call == "moved" or call == "said" or call == "welcome")
      if mine or call == "refused" then told = told + 1 end
    end }
    for k, v in pairs(DECLARED) do options[k] = v end
    guest.wire:opened(socket.gettime())
    local channel = guest.wire:enter("tavern", options)
    assert.truthy(pump(function() return channel.number end))
    function guest.ask(...) -- the wire has no answers: what comes of it is told
      local before = told
      guest.refused = nil
      channel:call(...)
      assert.is_true(pump(function() return told > before end))
      return guest.refused == nil, guest.refused and guest.refused[2]
    end
    function guest.step(dx, dy) return guest.ask("step", { dx, dy }) end
    function guest.say(text) return guest.ask("say", { text }) end
    assert.is_true(guest.ask("enter", { name }))
    return guest
  end
end
come.joint, come.web = come_by_joint(false), come_by_joint(true)

function come.pymmorpg(port, name)
  local tcp = dial(port)
  local guest, replies = guest_on(tcp), {}
  guest.wire = pymmorpg.new {
    send = function(bytes) tcp:send(bytes) end,
    on_reply = function(_, reply) replies[reply.number] = reply end,
  }
  function guest.ask(...)
    local number = guest.wire:request(socket.gettime(), ...)
    return pump(function() return replies[number] end).value
  end
  function guest.step(dx, dy) return guest.ask("move", pymmorpg.tuple { dx, dy, 0 }) end
  function guest.say(text) return guest.ask("set", name, "say", text) end
  function guest:hears(line) -- it asks
    return pump(function()
      for _, said in ipairs(self.ask("get", "tavern", "said")) do
        if line == "said " .. said[1] .. " " .. said[2] then return true end
      end
      for _, seen in ipairs(self.ask "update") do
        if line == ("moved %s %d %d"):format(seen.name, seen.pos[1], seen.pos[2]) then return true end
      end
      return false
    end)
  end
  assert.is_true(guest.ask("new", name, "not looked at"))
  return guest
end

-- ---- for tests ----

M.KINDS = { "neteria", "laneya", "joint", "web", "pymmorpg" }
M.come, M.dial, M.pump = come, dial, pump

-- Everybody, each called what it speaks. ports: kind -> port
function M.company(ports)
  local all = {}
  for _, kind in ipairs(M.KINDS) do all[kind] = come[kind](ports[kind], kind) end
  return all
end

function M.leave()
  for _, guest in ipairs(guests) do guest.socket:close() end
  guests = {}
end

return M
