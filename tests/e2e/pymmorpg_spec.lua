-- PYMMORPG and accounts on real sockets: the program, its thread pool, a database on the disk.
package.path = "tests/e2e/?.lua;" .. package.path
local host = require "host"
local socket = require "socket"
local pymmorpg = require "umpire.client.pymmorpg"
local uv = require "luv"

local BOOK = [=[
local host = require "umpire"
local book = { api = 1, pymmorpg = { version = "1.0.3", client_image = "client" } }
function book.execute(client, event)
  if event.name == "edit" then host.broadcast(event.data[1][1]) return true end
  return { client.name, event.name, event.data }
end
return book
]=]

-- ---- a client on a socket ----

local Player = {}
Player.__index = Player
local players = {}

local function connect(port)
  local tcp = assert(socket.connect("127.0.0.1", port))
  tcp:setoption("tcp-nodelay", true)
  local self = setmetatable({ tcp = tcp, replies = {} }, Player)
  self.wire = pymmorpg.new {
    send = function(bytes) tcp:send(bytes) end,
    on_reply = function(_, reply) self.replies[#self.replies + 1] = reply end,
  }
  players[#players + 1] = self
  return self
end

-- The next reply; nil: the connection ended.
function Player:next(seconds)
  local until_ = socket.gettime() + (seconds or 20)
  self.tcp:settimeout(0.05)
  while #self.replies == 0 do
    local bytes, why, part = self.tcp:receive(65536)
    bytes = bytes or part
    if bytes and #bytes > 0 then self.wire:receive(bytes, socket.gettime()) end
    if why == "closed" and #self.replies == 0 then return nil end
    assert(socket.gettime() < until_, "no reply")
  end
  return table.remove(self.replies, 1)
end

function Player:event(...)
  self.wire:request(socket.gettime(), ...)
  return self:next()
end

function Player:ask(...)
  local reply = self:event(...)
  return reply and reply.value
end

local function start(o)
  local folder = o.folder or host.folder()
  os.execute("mkdir -p '" .. folder .. "/client/img'")
  host.write(folder .. "/client/main.py", "print('hello')\n")
  host.write(folder .. "/client/img/hero.png", "\x89PNG\xff\0")
  host.write(folder .. "/rules.lua", o.book or BOOK)
  o.rulebook, o.listen = folder .. "/rules.lua", o.listen or { "pymmorpg://127.0.0.1:0" }
  local h = host.start(o)
  h.at = folder
  return h
end

describe("PYMMORPG on a real socket", function()
  after_each(function()
    for _, player in ipairs(players) do player.tcp:close() end
    players = {}
    host.cleanup()
  end)

  it("serves version, files, log-in, requests and flags", function()
    local h = start {}
    local ann, bob = connect(h.port), connect(h.port)
    assert.equal("1.0.3", ann:ask "ver")
    local image = ann:ask "upgrade"
    assert.same({ "img", "main.py" }, { image[1][1], image[2][1] })
    assert.same({ "hero.png", "\x89PNG\xff\0" }, { image[1][2][1][1], image[1][2][1][2] })
    assert.equal("print('hello')\n", image[2][2])
    assert.is_false(ann:ask "update")
    assert.is_true(ann:ask("new", "ann", "secret"))
    assert.is_true(bob:ask("new", "bob", "secret"))
    assert.is_false(bob:ask("new", "ann", "secret"))
    assert.same({ "ann", "get", { "x", "y" } }, ann:ask("get", "x", "y"))
    assert.same({ "map" }, ann:event("edit", { "map", {} }).flags)
    assert.same({ "map" }, bob:event("ver").flags)
    assert.same({}, bob:event("ver").flags)
    assert.equal(0, h:stop())
  end)

  it("serves others while passwords are hashed, and ends in good order in the middle of it", function()
    local h = start { listen = { "pymmorpg://127.0.0.1:0?attempts=1000" } }
    local busy, quick = {}, connect(h.port)
    for i = 1, 12 do
      busy[i] = connect(h.port)
      busy[i].wire:request(0, "new", "player" .. i, "secret")
      busy[i].wire:request(0, "get", "a", "b")
    end
    for _ = 1, 20 do assert.equal("1.0.3", quick:ask "ver") end
    for i = 1, 12 do
      assert.is_true(busy[i]:next().value)
      assert.equal("player" .. i, busy[i]:next().value[1])
    end
    for i = 1, 12 do busy[i].wire:request(0, "login", "player" .. i, "secret") end
    quick:ask "ver"
    assert.equal(0, h:stop())
  end)

  it("closes a connection whose size is no number, and drops what it cannot read", function()
    local h = start {}
    local eve = connect(h.port)
    eve.tcp:send("35 cos\nsystem\n(S'touch /tmp/owned'\ntR.")
    assert.equal("1.0.3", eve:ask "ver")
    eve.tcp:send "-5 hello"
    assert.is_nil(eve:next())
    assert.equal(0, h:stop())
  end)
end)

describe("accounts", function()
  after_each(function()
    for _, player in ipairs(players) do player.tcp:close() end
    players = {}
    host.cleanup()
  end)

  it("are there again after a restart, and after a crash", function()
    local folder = host.folder()
    local store = folder .. "/accounts.db"
    local h = start { flags = { "--store", store } }
    assert.is_true(connect(h.port):ask("new", "ann", "secret"))
    assert.equal(0, h:stop())
    h = start { flags = { "--store", store } }
    assert.is_true(connect(h.port):ask("login", "ann", "secret"))
    assert.is_true(connect(h.port):ask("new", "bob", "secret"))
    h:signal "KILL"
    h:wait_exit()
    h = start { env = { UMPIRE_STORE = store } }
    local again = connect(h.port)
    assert.is_true(again:ask("login", "bob", "secret"))
    assert.is_false(again:ask("login", "bob", "Secret"))
    assert.is_false(again:ask("login", "nobody", "secret"))
    assert.is_false(again:ask("new", "ann", "secret"))
    assert.equal("600", ("%o"):format(uv.fs_stat(store).mode & 511))
    assert.equal(0, h:stop())
  end)

  it("are forgotten with the host when no file is named", function()
    local h = start {}
    assert.is_true(connect(h.port):ask("new", "ann", "secret"))
    h:stop()
    h = start {}
    assert.is_false(connect(h.port):ask("login", "ann", "secret"))
    h:stop()
  end)

  it("serve AUTH of Neteria, too", function()
    local h = start { listen = { "pymmorpg://127.0.0.1:0", "neteria://127.0.0.1:0" } }
    assert.is_true(connect(h.ports[1]):ask("new", "ann", "secret"))
    local c = host.client(h.ports[2])
    assert.is_true(c:register())
    local function auth(password, euuid)
      local message = { method = "AUTH", cuuid = c.cuuid, euuid = euuid, priority = "normal",
        event_data = { name = "ann", password = password } }
      c:send(message)
      c:send(message) -- a copy while the first one is being hashed: the same answer, and no second hash
      local m = c:receive(function(m) return m.euuid == euuid end)
      return m and m.method
    end
    assert.equal("ILLEGAL", auth("wrong", "a-1"))
    assert.equal("LEGAL", auth("secret", "a-2"))
    assert.equal("LEGAL", (c:event { get = "me" }))
    assert.equal(0, h:stop())
  end)

  it("that cannot be opened are told before anything is served", function()
    local folder = host.folder()
    local function refused(path, text)
      local code, _, err = host.run { "run", host.write(folder .. "/r.lua", "return { api = 1 }"), "--control", "none",
        "--listen", "pymmorpg://127.0.0.1:0", "--store", path }
      assert.equal(1, code)
      assert.truthy(err:find(text, 1, true), err)
      assert.truthy(err:find(path, 1, true), err)
    end
    refused(folder .. "/none/accounts.db", "folder must be there")
    refused(host.write(folder .. "/letter", ("no database "):rep(1000)), "no SQLite database")
    refused(folder, "directory")
  end)
end)
