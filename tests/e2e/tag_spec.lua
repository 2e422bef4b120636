-- The game of tag on real sockets: a PyGaSe client, a Neteria client and one over WebSocket in one game, against the real host.
package.path = "tests/e2e/?.lua;" .. package.path
local host = require "host"
local joint = require "umpire.client.joint"
local json = require "umpire.client.pyjson"
local neteria = require "umpire.client.neteria"
local pygase = require "umpire.client.pygase"
local socket = require "socket"
local state = require "umpire.client.state"

local DECLARED = {
  mode = "rpc",
  remotes = { [0] = { { "join", "String" }, { "go", "Float", "Float" }, { "leave" } } },
  client_remotes = { [0] = { { "state", "String" }, { "welcome", "String" }, { "caught", "String", "String" },
    { "refused", "String", "String" } } },
}

-- ---- players on sockets, turned together ----

local players = {}

local function turn(player)
  local now = socket.gettime()
  for _ = 1, 20 do -- all that has come
    local bytes, why, part = player.socket:receive(player.udp and nil or 65536)
    bytes = bytes or part
    if bytes and #bytes > 0 then player.wire:receive(bytes, now) end
    if why then break end
  end
  local due = player.wire:deadline()
  if due and due <= now then player.wire:poll(now) end
end

-- Lets all of them read and send until done() or so many seconds (default 10) have passed; done()'s value.
local function pump(done, seconds)
  local give_up = socket.gettime() + (seconds or 10)
  repeat
    local result = done()
    if result then return result end
    local sockets = {}
    for _, player in ipairs(players) do
      if not player.gone then sockets[#sockets + 1] = player.socket end
    end
    socket.select(sockets, nil, 0.01)
    for _, player in ipairs(players) do
      if not player.gone then turn(player) end
    end
  until socket.gettime() > give_up
  return done()
end

local Player = {}
Player.__index = Player

local function player_on(sock, udp)
  sock:settimeout(0)
  local player = setmetatable({ socket = sock, udp = udp, news = {} }, Player)
  players[#players + 1] = player
  return player
end

function Player:id()
  for id, p in pairs(self.sees().players or {}) do if p.name == self.name then return id end end
end
function Player:place(id) return table.unpack(self.sees().players[id or self:id()].position) end
function Player:chases() return self:id() ~= nil and self.sees().chaser_id == self:id() end
function Player:quit()
  self.gone = true
  self.socket:close()
end

local function udp_to(port)
  local udp = assert(socket.udp4())
  assert(udp:setpeername("127.0.0.1", port))
  return udp
end

local come = {}

function come.pygase(port)
  local udp = udp_to(port)
  local player = player_on(udp, true)
  player.wire = pygase.new {
    send = function(bytes) udp:send(bytes) end,
    on_event = function(_, name, data) player.news[name] = data end,
  }
  player.wire:connect(socket.gettime())
  function player.sees() return player.wire.state end
  function player.join(name) player.wire:event("JOIN", { name }) end
  function player.go(dx, dy) player.wire:event("GO", { dx, dy }) end
  return player
end

local function keep_copy(player)
  local copy = state.new()
  function player.sees() return copy.state end
  return copy
end

function come.neteria(port)
  local udp = udp_to(port)
  local player = player_on(udp, true)
  local copy = keep_copy(player)
  player.wire = neteria.new { send = function(bytes) udp:send(bytes) end, wall = socket.gettime }
  player.wire.on_notify = function(_, notify)
    player.news[notify.name] = notify.data
    if notify.name == "state" then copy:take(notify.data) end
  end
  player.wire:register(socket.gettime())
  assert.is_true(pump(function() return player.wire.registered end))
  function player.join(name) player.wire:event({ join = name }, socket.gettime()) end
  function player.go(dx, dy) player.wire:event({ go = { dx, dy } }, socket.gettime()) end
  return player
end

function come.web(port)
  local tcp = assert(socket.connect("127.0.0.1", port))
  tcp:setoption("tcp-nodelay", true)
  local player = player_on(tcp)
  local copy = keep_copy(player)
  player.wire = joint.new { send = function(bytes) tcp:send(bytes) end, web = true }
  local options = { on_call = function(_, call, arguments)
    player.news[call] = arguments
    if call == "state" then copy:take(json.decode(arguments[1])) end
  end }
  for k, v in pairs(DECLARED) do options[k] = v end
  player.wire:opened(socket.gettime())
  local channel = player.wire:enter("tag", options)
  assert.truthy(pump(function() return channel.number end))
  function player.join(name) channel:call("join", { name }) end
  function player.go(dx, dy) channel:call("go", { dx, dy }) end
  return player
end

-- ---- the game ----

local KINDS = { "pygase", "neteria", "web" }

local function open_game()
  local h = host.start {
    rulebook = "rules/tag.lua", flags = { "--web", "0" },
    listen = { "pygase://127.0.0.1:0", "neteria://127.0.0.1:0", "joint://127.0.0.1:0" },
  }
  return h, { pygase = h.ports[1], neteria = h.ports[2], web = h.ports[3] }
end

local function company(ports)
  local all = {}
  for _, kind in ipairs(KINDS) do
    local player = come[kind](ports[kind])
    player.name = kind -- each is called what it speaks
    assert.is_true(pump(function() return player.sees().field ~= nil end), kind)
    player.join(kind)
    assert.truthy(pump(function() return player:id() end), kind)
    all[kind] = player
  end
  assert.is_true(pump(function()
    for _, player in pairs(all) do
      local n = 0
      for _ in pairs(player.sees().players) do n = n + 1 end
      if n < 3 then return false end
    end
    return true
  end))
  return all
end

local function way(a, b, size)
  local d = (b - a) % size
  return d > size / 2 and d - size or d
end

-- The chaser runs after somebody until somebody is caught; who that was: another may stand in the way.
local function catch(all, chaser)
  local prey
  for _, player in pairs(all) do if player ~= chaser then prey = player end end
  local id, next_turn = chaser:id(), 0
  local caught = pump(function()
    if chaser.sees().chaser_id ~= id then return chaser.sees().chaser_id end
    if socket.gettime() < next_turn then return nil end
    next_turn = socket.gettime() + 0.1
    local x, y = chaser:place()
    local px, py = chaser:place(prey:id())
    local dx, dy = way(x, px, 640), way(y, py, 420)
    local far = math.max(1, (dx * dx + dy * dy) ^ 0.5)
    chaser.go(0.999 * dx / far, 0.999 * dy / far)
  end, 20)
  chaser.go(0, 0)
  for _, player in pairs(all) do if player:id() == caught then return player end end
  error "nobody was caught"
end

local function same_for_all(all)
  local deep = require("luassert.util").deepcompare
  return pump(function()
    return deep(all.pygase.sees(), all.neteria.sees(), true) and deep(all.pygase.sees(), all.web.sees(), true)
  end)
end

describe("tag on real sockets", function()
  after_each(function()
    for _, player in ipairs(players) do player:quit() end
    players = {}
    host.cleanup()
  end)

  it("is played by all kinds of clients, who see the same, and catch each other", function()
    local h, ports = open_game()
    local all = company(ports)
    assert.is_true(same_for_all(all))
    assert.is_true(all.pygase:chases())
    for _, kind in ipairs(KINDS) do
      assert.is_true(pump(function() return all[kind].news.welcome end)[1] == all[kind]:id())
    end
    local second = catch(all, all.pygase)
    assert.truthy(pump(function() return all.neteria.news.caught and all.web.news.caught and all.pygase.news.caught end))
    assert.same({ second:id(), all.pygase:id() }, all.neteria.news.caught)
    assert.is_true(pump(function() return all.neteria.sees().protection and all.web.sees().protection end))
    all.pygase.go(0.6, 0.8) -- away, and not once around, or it is caught as soon as that is allowed
    assert.is_true(pump(function() return not all.pygase.sees().protection end))
    all.pygase.go(0, 0)
    local third = catch(all, second)
    assert.is_true(pump(function() return third:chases() end))
    assert.is_true(same_for_all(all))
    assert.equal(1, all.neteria.sees().players[all.pygase:id()].score)
    assert.equal(1, all.web.sees().players[second:id()].score)
    assert.equal("connected", all.pygase.wire.status)
    assert.equal(0, all.pygase.wire.count.strange)
    assert.equal(0, h:stop())
  end)

  it("goes on for everybody when the rulebook is loaded again, and when somebody is gone", function()
    local h, ports = open_game()
    local all = company(ports)
    local places = { all.web:place(all.pygase:id()) }
    assert.equal(0, (h:ask "reload"))
    all.neteria.go(1, 0)
    local x = all.neteria:place()
    assert.is_true(pump(function() return all.pygase:place(all.neteria:id()) ~= x end))
    all.neteria.go(0, 0)
    assert.same(places, { all.web:place(all.pygase:id()) })
    assert.is_true(same_for_all(all))
    all.pygase.wire:disconnect(true) -- the chaser leaves
    all.pygase.gone = true
    assert.is_true(pump(function() return all.web:chases() or all.neteria:chases() end))
    assert.equal(0, h:stop())
  end)

  it("is served with its page", function()
    local h = open_game()
    local port
    for _, line in ipairs(h.lines) do port = port or line:match "^web http://.*:(%d+)/$" end
    for path, what in pairs { ["/"] = "<title>Tag</title>", ["/tag.js"] = "StateCopy", ["/umpire/joint.js"] = "class Joint",
      ["/umpire/state.js"] = "class StateCopy" } do
      local tcp = assert(socket.connect("127.0.0.1", tonumber(port)))
      tcp:send("GET " .. path .. " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
      local page = tcp:receive "*a"
      tcp:close()
      assert.matches("^HTTP/1.1 200", page)
      assert.truthy(page:find(what, 1, true), path)
    end
    assert.equal(0, h:stop())
  end)
end)
