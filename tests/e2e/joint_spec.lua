-- The joint protocol on real sockets: raw TCP and WebSocket clients, a rulebook's channels and channels among clients, a
-- reload while they play, and what a stranger may not do to the others.
local host = require "tests.e2e.host"
local joint = require "umpire.client.joint"
local socket = require "socket"

local rules = [[
local host = require "umpire"
local game = { api = 1 }
game.channels = {
  lobby = { mode = "chunk", max_chunk = 65536, max_rate = 1e6 },
  arena = { mode = "rpc", remotes = { [0] = { { "step", "Int32", "Int32" } } },
    client_remotes = { [3] = { { "moved", "String", "Int32", "Int32" } } } },
}
function game.execute(client, event)
  if event.name == "chunk" then host.notify(client, nil, "VERSION:" .. event.data) end
  if event.name == "step" then host.broadcast("moved", { client.channel, event.data[1], event.data[2] }) end
end
return game
]]

local declared = { mode = "rpc", remotes = { [0] = { { "step", "Int32", "Int32" } } },
  client_remotes = { [3] = { { "moved", "String", "Int32", "Int32" } } } }

local function rulebook(version) return (rules:gsub("VERSION", version)) end

-- A client on a socket; pump(done) reads until done() or 10 s have passed.
local function connect(port, options)
  options = options or {}
  local tcp = assert(socket.connect("127.0.0.1", port))
  tcp:setoption("tcp-nodelay", true)
  local c = { tcp = tcp, heard = {} }
  local function send(bytes)
    local at = 1
    while at <= #bytes do
      tcp:settimeout(10)
      local last, why, part = tcp:send(bytes, at)
      if why == "closed" then c.over = true return end
      at = (last or part) + 1
    end
  end
  c.wire = joint.new { send = send, web = options.web, origin = options.origin }
  function c.pump(done, seconds)
    local give_up = socket.gettime() + (seconds or 10)
    while not done() and not c.over and socket.gettime() < give_up do
      tcp:settimeout(0.05)
      local bytes, why, part = tcp:receive(65536)
      bytes = bytes or part
      if bytes and #bytes > 0 then c.wire:receive(bytes) end
      if why == "closed" then c.over = true end
    end
    return done()
  end
  function c.enter(id, how)
    how = how or {}
    how.on_chunk = how.on_chunk or function(_, bytes, user) c.heard[#c.heard + 1] = user and user .. ":" .. bytes or bytes end
    how.on_call = function(_, name, arguments) c.heard[#c.heard + 1] = name .. " " .. table.concat(arguments, " ") end
    local channel = c.wire[how.create and "create" or "enter"](c.wire, id, how)
    assert.is_true(c.pump(function() return channel.number or channel.error end) ~= nil)
    return channel
  end
  c.wire:opened()
  return c
end

local function hears(c, text)
  return c.pump(function()
    for _, heard in ipairs(c.heard) do if heard == text then return true end end
    return false
  end)
end

describe("joint on real sockets", function()
  after_each(host.cleanup)

  it("plays a rulebook's channels over TCP and WebSocket, through a reload", function()
    local h = host.start { rules = rulebook "one", listen = { "joint://127.0.0.1:0" } }
    local ann, bob = connect(h.port), connect(h.port, { web = true })
    local a, b = ann.enter("lobby", { max_chunk = 65536 }), bob.enter("lobby", { max_chunk = 65536 })
    a:send "hi"
    b:send(("x"):rep(40000)) -- several frames
    assert.is_true(hears(ann, "one:hi"))
    assert.is_true(hears(bob, "one:" .. ("x"):rep(40000)))
    local step = connect(h.port, { web = true })
    local arena = step.enter("arena", declared)
    arena:call("step", { 3, -4 })
    assert.is_true(hears(step, "moved arena 3 -4"))
    h:rewrite(rulebook "two")
    assert.equal(0, (h:ask "reload"))
    a:send "hi"
    b:send "ho"
    assert.is_true(hears(ann, "two:hi"))
    assert.is_true(hears(bob, "two:ho"))
    h:signal "TERM"
    assert.is_true(ann.pump(function() return a.gone ~= nil end))
    assert.equal("close", a.gone) -- the host says goodbye
    assert.equal(0, h:wait_exit())
  end)

  it("is a broker: owners and users, all but one, reasons", function()
    local h = host.start { rules = rulebook "one", listen = { "joint://127.0.0.1:0" } }
    local owner, ann, bob = connect(h.port, { web = true }), connect(h.port), connect(h.port, { web = true })
    local mine = owner.enter("mine", { create = true })
    assert.equal("taken", ann.enter("lobby", { create = true }).error)
    local a, b = ann.enter "mine", bob.enter "mine"
    a:send "from ann"
    assert.is_true(hears(owner, "0:from ann"))
    mine:broadcast(("y"):rep(32000), 0)
    mine:broadcast "to all"
    assert.is_true(hears(owner, "0:from ann"))
    assert.is_true(hears(ann, "to all"))
    assert.is_true(hears(bob, ("y"):rep(32000)))
    assert.is_true(hears(bob, "to all"))
    assert.equal(1, #ann.heard)
    mine:kick(0)
    assert.is_true(ann.pump(function() return a.gone ~= nil end))
    assert.equal("kick", a.gone)
    owner.tcp:close()
    assert.is_true(bob.pump(function() return b.gone ~= nil end))
    assert.equal("disconnect", b.gone)
    assert.equal(0, h:stop())
  end)

  it("answers what is no WebSocket, or comes from elsewhere, by the book", function()
    local h = host.start { rules = rulebook "one", listen = { "joint://127.0.0.1:0?origin=https%3A%2F%2Fplay.example" } }
    local function ask(text)
      local tcp = assert(socket.connect("127.0.0.1", h.port))
      tcp:settimeout(10)
      tcp:send(text)
      local answer, _, part = tcp:receive "*a"
      tcp:close()
      return (answer or part):match "^HTTP/1.1 (%d+)"
    end
    assert.equal("400", ask "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    local evil = connect(h.port, { web = true, origin = "https://evil.example" })
    evil.pump(function() return evil.wire.dropped ~= nil end)
    assert.equal(403, evil.wire.status)
    local good = connect(h.port, { web = true, origin = "https://play.example" })
    assert.equal(0, good.enter("lobby").number)
    good.wire:web_close(1001)
    assert.is_true(good.pump(function() return good.wire.web_closed end) ~= nil)
    assert.equal(1001, good.wire.web_closed)
    assert.equal(0, h:stop())
  end)

  it("takes 23 connections from one address, and says nothing to the next", function()
    local h = host.start { rules = rulebook "one", listen = { "joint://127.0.0.1:0" } }
    local all = {}
    for i = 1, 23 do
      all[i] = connect(h.port)
      all[i].enter "lobby"
    end
    local surplus = assert(socket.connect("127.0.0.1", h.port))
    surplus:settimeout(10)
    local bytes, why, part = surplus:receive(1)
    assert.is_nil(bytes)
    assert.equal("closed", why)
    assert.equal("", part)
    surplus:close()
    for _, c in ipairs(all) do c.tcp:close() end
    assert.equal(0, h:stop())
  end)

  it("ends those who do not speak the protocol, and nobody else", function()
    local h = host.start { rules = rulebook "one", listen = { "joint://127.0.0.1:0" } }
    local ann = connect(h.port)
    local a = ann.enter("lobby", { max_chunk = 65536 })
    for _, bytes in ipairs { "\0\9\2\1?", "\0\2\0\2\0\0", "GARBAGE\r\n", "\0\0\0\1a" } do
      local tcp = assert(socket.connect("127.0.0.1", h.port))
      tcp:settimeout(10)
      tcp:send(bytes)
      local _, why = tcp:receive "*a"
      assert.is_true(why == nil or why == "closed")
      tcp:close()
    end
    a:send "still there"
    assert.is_true(hears(ann, "one:still there"))
    assert.equal(0, h:stop())
  end)
end)
