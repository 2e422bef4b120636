-- laneya against the real program, on real sockets: umpire.client.laneya over luasocket, and the host's own TCP code under
-- slow readers, half-open connections, crowds and want of descriptors.
package.path = "tests/e2e/?.lua;" .. package.path
local host = require "host"
local laneya = require "umpire.client.laneya"
local socket = require "socket"

local BOOK = [[
local host = require "umpire"
local book = { api = 1, version = 1 }
function book.legal(client, event) return event.name ~= "bad", "because" end
function book.execute(client, event)
  if event.name == "shout" then host.broadcast("told", { text = event.data.text }) end
  if event.name == "big" then return { text = ("x"):rep(event.data.n) } end
  if event.name == "version" then return { version = book.version } end
  return event.data
end
function book.disconnect(client, reason) host.log.info("left", client.name, reason) end
return book
]]

local open = {}

local Player = {}
Player.__index = Player

local function dial(h, user)
  local tcp = assert(socket.tcp())
  assert(tcp:connect("127.0.0.1", h.port))
  tcp:setoption("tcp-nodelay", true)
  tcp:settimeout(0)
  local self = setmetatable({ tcp = tcp, answers = {}, updates = {}, out = "" }, Player)
  self.wire = laneya.new {
    user = user,
    send = function(bytes) self.out = self.out .. bytes end,
    close = function() tcp:close() end,
    on_response = function(_, response) self.answers[response.key] = response end,
    on_update = function(_, action, data) self.updates[#self.updates + 1] = { action, data } end,
  }
  open[#open + 1] = tcp
  return self
end

-- Writes and reads what goes; false: the server has closed.
function Player:turn(wait)
  local now = socket.gettime()
  if #self.out > 0 then
    local last, _, partial = self.tcp:send(self.out)
    self.out = self.out:sub((last or partial or 0) + 1)
  end
  if self.deaf then return true end
  if wait then socket.select({ self.tcp }, #self.out > 0 and { self.tcp } or nil, wait) end
  local data, why, rest = self.tcp:receive(65536)
  data = data or rest
  if data and #data > 0 then self.wire:receive(data, now) end
  self.over = self.over or (why == "closed" and "end") or (why and why ~= "timeout" and why) or nil
  return not self.over
end

function Player:wait(done, seconds)
  local limit = socket.gettime() + (seconds or 10)
  while not done() and socket.gettime() < limit do
    if not self:turn(0.02) then break end
  end
  return done()
end

function Player:event(action, data)
  local key = self.wire:request(action, data, socket.gettime())
  self:wait(function() return self.answers[key] end)
  return self.answers[key]
end

-- CPU seconds that the process has used.
local function cpu(h)
  local fields = {}
  for field in host.read(("/proc/%d/stat"):format(h.pid)):match("%) (.*)$"):gmatch "%S+" do fields[#fields + 1] = field end
  return (tonumber(fields[12]) + tonumber(fields[13])) / 100
end

local function memory(h) -- KiB
  return tonumber(host.read(("/proc/%d/status"):format(h.pid)):match "VmRSS:%s*(%d+)")
end

-- A sanitizer keeps what was freed for a while: memory says nothing then.
local sanitized = os.getenv "UMPIRE_PRELOAD" ~= nil -- tests/run sets it for programs built so

local function counter(h, name)
  local function find(t)
    for k, v in pairs(t) do
      if k == name then return v end
      if type(v) == "table" then
        local found = find(v)
        if found ~= nil then return found end
      end
    end
  end
  return find(h:status())
end

local function start(options, extra)
  local o = { rules = BOOK, listen = { "laneya://127.0.0.1:0" .. (options or "") } }
  for k, v in pairs(extra or {}) do o[k] = v end
  return host.start(o)
end

describe("laneya on a real socket", function()
  after_each(function()
    for _, tcp in ipairs(open) do tcp:close() end
    open = {}
    host.cleanup()
  end)

  it("is judged, answered and told what others do, and plays on through a reload", function()
    local h = start()
    local ann, bob = dial(h, "ann"), dial(h, "bob")
    assert.equal("success", ann:event("walk", { to = "north" }).status)
    assert.equal("illegal", ann:event("bad").status)
    assert.equal("because", ann:event("bad").data.message)
    assert.equal("success", bob:event("shout", { text = "hey" }).status)
    assert.equal(1, #bob.updates)
    ann:wait(function() return #ann.updates == 1 end)
    assert.equal("hey", ann.updates[1][2].text)
    h:rewrite((BOOK:gsub("version = 1 }", "version = 2 }")))
    h:signal "HUP"
    h:wait_log "^reloaded "
    assert.equal(2, ann:event("version").data.version)
    assert.equal(0, h:stop())
    ann:wait(function() return ann.over end)
    assert.equal("end", ann.over)
  end)

  it("takes any split and pipelining", function()
    local h = start()
    local ann = dial(h, "ann")
    ann.wire:request("walk", {}, 0)
    local text = ann.out
    for i = 1, #text do
      ann.out = text:sub(i, i)
      ann:turn()
    end
    assert.is_true(ann:wait(function() return ann.answers[1] end) ~= nil)
    local n = 2000
    for _ = 1, n do ann.wire:request("walk", {}, 0) end
    ann:wait(function() return ann.answers[n + 1] end)
    for key = 1, n + 1 do assert.equal("success", ann.answers[key].status) end
    assert.equal(0, h:stop())
  end)

  it("answers a half-closed client, then closes", function()
    local h = start()
    local ann = dial(h, "ann")
    ann.wire:request("walk", {}, 0)
    ann:turn()
    ann.tcp:shutdown "send"
    ann:wait(function() return ann.over end)
    assert.equal("success", ann.answers[1].status)
    assert.equal("end", ann.over)
    h:wait_log "left ann left"
    assert.equal(0, h:stop())
  end)

  it("lets one who does not read wait, in bounded memory, and nobody else", function()
    local h = start()
    local slow, other = dial(h, "slow"), dial(h, "other")
    other:event "walk"
    local before = memory(h)
    slow.deaf = true
    for _ = 1, 500 do slow.wire:request("big", { n = 100000 }, 0) end -- 50 MB of answers
    local began = socket.gettime()
    while socket.gettime() < began + 1 do
      slow:turn()
      local asked = socket.gettime()
      assert.equal("success", other:event("walk").status)
      assert.is_true(socket.gettime() - asked < 5) -- who waited for the slow one would wait for ever
    end
    if not sanitized then assert.is_true(memory(h) - before < 24 * 1024, "grew by " .. memory(h) - before .. " KiB") end
    slow.deaf = false
    slow:wait(function() return slow.answers[500] end, 20)
    assert.equal(100000, #slow.answers[500].data.text)
    assert.equal(0, h:stop())
  end)

  it("closes one who takes no updates, and tells the rules", function()
    local h = start("?unsent=65536")
    local slow, ann = dial(h, "slow"), dial(h, "ann")
    slow:event "walk"
    slow.deaf = true
    local text = ("x"):rep(60000)
    for _ = 1, 400 do
      assert.equal("success", ann:event("shout", { text = text }).status)
      if counter(h, "closed_slow_reader") == 1 then break end
    end
    h:wait_log "left slow it does not read what it is sent"
    assert.equal("success", ann:event("walk").status)
    assert.equal(0, h:stop())
  end)

  it("keeps to its limits of connections", function()
    local h = start("?per_address=3")
    local players = {}
    for i = 1, 4 do players[i] = dial(h, "user" .. i) end
    for i = 1, 3 do assert.equal("success", players[i]:event("walk").status) end
    players[4]:wait(function() return players[4].over end)
    assert.truthy(players[4].over)
    players[1].tcp:close()
    h:wait_log "left user1"
    assert.equal("success", dial(h, "again"):event("walk").status)
    assert.equal(0, h:stop())
  end)

  it("serves nine hundred at once", function()
    local h = start("?per_address=5000")
    local players, n = {}, 900 -- select() of the test's own sockets ends at 1024; the load program opens 10,000
    for i = 1, n do players[i] = dial(h, "user" .. i) end
    local before = memory(h)
    for i = 1, n do
      players[i].wire:request("walk", {}, 0)
      players[i]:turn()
    end
    for i = 1, n do assert.is_true(players[i]:wait(function() return players[i].answers[1] end) ~= nil) end
    if not sanitized then assert.is_true(memory(h) - before < n * 8) end
    assert.equal("success", players[1]:event("shout", { text = "all" }).status)
    for i = 1, n do players[i]:wait(function() return #players[i].updates == 1 end) end
    for i = 1, n do assert.equal(1, #players[i].updates) end
    for i = 1, n do players[i].tcp:close() end
    assert.is_true(dial(h, "last"):event("walk") ~= nil)
    assert.equal(0, h:stop())
  end)

  it("lets newcomers wait when descriptors run short, without spinning, and lets them in later", function()
    local h = start("?per_address=5000", { prefix = { "prlimit", "--nofile=200" } })
    local players = {}
    for i = 1, 180 do players[i] = dial(h, "user" .. i) end
    local served = 0
    for i = 1, 180 do
      players[i].wire:request("walk", {}, 0)
      players[i]:turn()
    end
    for i = 1, 120 do
      if players[i]:wait(function() return players[i].answers[1] end, 2) then served = served + 1 end
    end
    assert.is_true(served >= 100)
    local before = cpu(h)
    socket.sleep(1)
    assert.is_true(cpu(h) - before <= 0.05, "it spins")
    assert.equal(0, (h:ask "status")) -- descriptors are kept for everything else
    h:signal "HUP"
    h:wait_log "^reloaded "
    for i = 1, 120 do players[i].tcp:close() end
    for i = 150, 180 do
      assert.is_true(players[i]:wait(function() return players[i].answers[1] end) ~= nil, "user" .. i .. " never came in")
    end
    assert.equal(0, h:stop())
  end)
end)
