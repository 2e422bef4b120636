-- WebSocket on real sockets, frame by frame: what the cases 1 to 7 of the Autobahn test suite ask of a server, under their
-- numbers, written anew for a server that takes a stream in binary messages. So echoes are those of a rulebook, a message
-- has the length of the case with the joint protocol's bytes inside, and every text message (1.1, 6) is refused with 1003.
local host = require "tests.e2e.host"
local joint = require "umpire.client.joint"
local socket = require "socket"

local RULES = [[
local host = require "umpire"
local game = { api = 1 }
game.channels = { echo = { mode = "chunk", max_chunk = 65536, max_rate = 1e6 } }
function game.execute(client, event)
  if event.name == "chunk" then host.notify(client, nil, event.data) end
end
return game
]]

local CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
local MASK = "\55\250\33\61" -- the one of RFC 6455, 5.7

-- ---- frames ----

local function masked(payload)
  local out = {}
  for i = 1, #payload do out[i] = string.char(payload:byte(i) ~ MASK:byte((i - 1) % 4 + 1)) end
  return table.concat(out)
end

-- more: fin = false, rsv = 0 to 7, length: what the header says, unmasked
local function frame(opcode, payload, more)
  more = more or {}
  local n = more.length or #payload
  local first = (more.fin == false and 0 or 0x80) | (more.rsv or 0) << 4 | opcode
  local mask = more.unmasked and 0 or 0x80
  local head = n < 126 and string.pack(">BB", first, mask | n) or n < 65536 and string.pack(">BBI2", first, mask | 126, n)
    or string.pack(">BBI8", first, mask | 127, n)
  return head .. (more.unmasked and payload or MASK .. masked(payload))
end

local function close_payload(code, reason) return string.pack(">I2", code) .. (reason or "") end

-- ---- a client that says what it is told to ----

local Peer = {}
Peer.__index = Peer

local function upgrade(port, more)
  local tcp = assert(socket.connect("127.0.0.1", port))
  tcp:setoption("tcp-nodelay", true)
  tcp:settimeout(10)
  tcp:send("GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    .. "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" .. (more or "") .. "\r\n")
  local head = {}
  for line in function() return tcp:receive "*l" end do
    if line == "" then break end
    head[#head + 1] = line
  end
  return tcp, table.concat(head, "\n")
end

-- The next frame of the server, held against what it may send; nil: the end of the connection.
function Peer:read()
  local first = self.tcp:receive(1)
  if not first then return nil end
  local n = self.tcp:receive(1):byte()
  assert.truthy(n < 128, "a server's frame must not be masked")
  if n == 126 then
    n = string.unpack(">I2", self.tcp:receive(2))
    assert.truthy(n > 125, "a length that is not in its shortest form")
  end
  assert.not_equal(127, n)
  assert.equal(0x80, first:byte() & 0xf0) -- whole, no reserved bits
  return { opcode = first:byte() & 0x0f, payload = n == 0 and "" or self.tcp:receive(n) }
end

-- Reads until there is a frame that is not the stream, which is taken in, or until done(), or the end.
function Peer:listen(done)
  while not done or not done() do
    local got = self:read()
    if not got or got.opcode ~= BINARY then return got end
    self.wire:receive(got.payload)
  end
end

function Peer:send(...)
  for _, bytes in ipairs { ... } do self.tcp:send(bytes) end
  return self
end

-- The same in pieces of n bytes, each a segment of its own.
function Peer:chop(n, bytes)
  for at = 1, #bytes, n do self.tcp:send(bytes:sub(at, at + n - 1)) end
  return self
end

-- The joint protocol's bytes of a chunk that the rulebook will echo.
function Peer:chunk(text)
  self.said = ""
  self.channel:send(text)
  return self.said
end

-- That it comes back; pongs before it are kept in self.pongs.
function Peer:hears(text)
  local before = #self.heard
  repeat
    local got = self:listen(function() return #self.heard > before end)
    if got then
      assert.equal(PONG, got.opcode)
      self.pongs[#self.pongs + 1] = got.payload
    end
  until not got
  assert.is_true(text == self.heard[#self.heard], "what came back is not what was sent")
  return self
end

function Peer:is_answered(payload)
  local got = self:listen()
  assert.equal(PONG, got and got.opcode)
  assert.equal(payload, got.payload)
  return self
end

-- That the server closes with this code (nil: with none), and then ends the connection, saying nothing more.
function Peer:is_closed(code)
  local got = self:listen()
  assert.equal(CLOSE, got and got.opcode)
  assert.equal(code, #got.payload >= 2 and string.unpack(">I2", got.payload) or nil)
  assert.equal("closed", select(2, self.tcp:receive(1)))
  self.tcp:close()
end

local function connect(h)
  local self = setmetatable({ heard = {}, pongs = {}, said = "" }, Peer)
  self.tcp = upgrade(h.port)
  self.wire = joint.new { send = function(bytes) self.said = self.said .. bytes end }
  self.wire:opened()
  self.channel = self.wire:enter("echo", { max_chunk = 65536,
    on_chunk = function(_, bytes) self.heard[#self.heard + 1] = bytes end })
  self:send(frame(BINARY, self.said))
  self:listen(function() return self.channel.number end)
  return self
end

-- A text whose chunk is n bytes long as the joint protocol has it.
local function filling(peer, n)
  local text = ("*"):rep(math.max(0, n - 12))
  while #peer:chunk(text .. "*") <= n do text = text .. "*" end
  return text
end

describe("WebSocket, by the cases of the Autobahn test suite,", function()
  local h
  before_each(function() h = host.start { rules = RULES, listen = { "joint://127.0.0.1:0" } } end)
  after_each(function()
    local peer = connect(h) -- whatever a case did, others are served
    peer:send(frame(BINARY, peer:chunk "still there")):hears "still there"
    peer.tcp:close()
    assert.equal(0, h:stop())
    host.cleanup()
  end)

  it("1.1 refuses text of each length with 1003", function()
    for _, n in ipairs { 0, 125, 126, 127, 128, 65535, 65536 } do connect(h):send(frame(TEXT, ("*"):rep(n))):is_closed(1003) end
  end)

  it("1.2 takes binary messages of each length, whole and in pieces of 997 bytes", function()
    for i, n in ipairs { 0, 125, 126, 127, 128, 32700, 65535, 65536 } do
      local peer = connect(h)
      local text = n == 0 and "x" or filling(peer, math.min(n, 32700))
      local bytes = peer:chunk(text)
      if n == 0 then peer:send(frame(BINARY, "")) end
      if n > 32700 then -- two of the joint protocol's in one message
        local second = filling(peer, n - #bytes)
        bytes = peer:chunk(text) .. peer:chunk(second)
        assert.equal(n, #bytes)
        peer:send(frame(BINARY, bytes)):hears(text)
        while #peer.heard < 2 do peer:listen(function() return #peer.heard == 2 end) end
        peer:chop(997, frame(BINARY, bytes))
        while #peer.heard < 4 do peer:listen(function() return #peer.heard == 4 end) end
        assert.is_true(peer.heard[4] == second)
      else
        assert.truthy(n == 0 or #bytes == n, i)
        peer:send(frame(BINARY, bytes)):hears(text)
        peer:chop(997, frame(BINARY, bytes)):hears(text)
      end
      peer:send(frame(CLOSE, close_payload(1000))):is_closed(1000)
    end
  end)

  it("2 answers pings, bounds them, and lets pongs pass", function()
    for _, payload in ipairs { "", "Hello, world!", "\0\255\254\253\252\251\0\255", ("\254"):rep(125) } do -- 2.1 to 2.4
      connect(h):send(frame(PING, payload)):is_answered(payload)
    end
    connect(h):send(frame(PING, ("\254"):rep(126))):is_closed(1002) -- 2.5
    connect(h):chop(1, frame(PING, ("\254"):rep(125))):is_answered(("\254"):rep(125)) -- 2.6
    local peer = connect(h)
    peer:send(frame(PONG, ""), frame(PONG, "unsolicited")) -- 2.7, 2.8
    peer:send(frame(PING, "after it")):is_answered "after it" -- 2.9
    for _, chop in ipairs { 1000, 1 } do -- 2.10, 2.11
      peer = connect(h)
      for i = 1, 10 do peer:chop(chop, frame(PING, "payload-" .. i)) end
      for i = 1, 10 do peer:is_answered("payload-" .. i) end
    end
  end)

  it("3 closes with 1002 when a reserved bit is set", function()
    for rsv = 1, 7 do
      for _, opcode in ipairs { TEXT, BINARY, PING, CLOSE, CONTINUATION } do
        connect(h):send(frame(opcode, opcode == CLOSE and close_payload(1000) or "x", { rsv = rsv })):is_closed(1002)
      end
    end
    for _, chop in ipairs { 1000, 1 } do -- 3.2 to 3.4: between good ones
      local peer = connect(h)
      peer:chop(chop, frame(BINARY, peer:chunk "good") .. frame(BINARY, "x", { rsv = 2 }) .. frame(PING, ""))
      peer:hears "good"
      peer:is_closed(1002)
    end
  end)

  it("4 closes with 1002 for opcodes that there are not", function()
    for _, opcode in ipairs { 3, 4, 5, 6, 7, 11, 12, 13, 14, 15 } do
      for _, payload in ipairs { "", "reserved opcode" } do
        local peer = connect(h)
        peer:send(frame(BINARY, peer:chunk "good"), frame(opcode, payload), frame(PING, ""))
        peer:hears "good"
        peer:is_closed(1002)
      end
    end
  end)

  it("5.1, 5.2 take no control frame in fragments", function()
    connect(h):send(frame(PING, "frag", { fin = false }), frame(CONTINUATION, "ment")):is_closed(1002)
    connect(h):send(frame(PONG, "frag", { fin = false }), frame(CONTINUATION, "ment")):is_closed(1002)
    connect(h):send(frame(CLOSE, close_payload(1000), { fin = false })):is_closed(1002)
  end)

  it("5.3 to 5.8, 5.19, 5.20 put fragments together, with pings between them", function()
    for _, chop in ipairs { 100000, 7, 1 } do
      for _, ping in ipairs { false, "between" } do
        local peer = connect(h)
        local bytes = peer:chunk(("fragment"):rep(40))
        peer:chop(chop, frame(BINARY, bytes:sub(1, 100), { fin = false }))
        if ping then peer:chop(chop, frame(PING, ping)) end
        peer:chop(chop, frame(CONTINUATION, bytes:sub(101, 101), { fin = false }))
        if ping then peer:chop(chop, frame(PING, ping)) end
        peer:chop(chop, frame(CONTINUATION, "", { fin = false }) .. frame(CONTINUATION, bytes:sub(102)))
        peer:hears(("fragment"):rep(40))
        if ping then assert.same({ ping, ping }, peer.pongs) end
      end
    end
  end)

  it("5.9 to 5.18 close with 1002 for what stands where nothing is to be continued, or where something is", function()
    for _, fin in ipairs { true, false } do
      for _, chop in ipairs { 1000, 1 } do -- 5.9 to 5.14
        local peer = connect(h)
        peer:chop(chop, frame(CONTINUATION, "non-continuation", { fin = fin }) .. frame(BINARY, "x")):is_closed(1002)
      end
    end
    local peer = connect(h) -- 5.15: one more than there was to continue
    local bytes = peer:chunk "twice"
    peer:send(frame(BINARY, bytes:sub(1, 3), { fin = false }), frame(CONTINUATION, bytes:sub(4)),
      frame(CONTINUATION, "x", { fin = false }), frame(BINARY, "x"))
    peer:hears "twice"
    peer:is_closed(1002)
    for _, opcode in ipairs { BINARY, TEXT } do -- 5.18
      connect(h):send(frame(BINARY, "\4", { fin = false }), frame(opcode, "x")):is_closed(opcode == BINARY and 1002 or 1003)
    end
  end)

  it("6 refuses text before its payload is there, be it UTF-8 or none", function()
    for _, text in ipairs { "", "\206\186\225\189\185\207\131", "\206\186\237\160\128edited", "\244\144\128\128" } do
      connect(h):send(frame(TEXT, text)):is_closed(1003)
      connect(h):send(frame(TEXT, "", { length = 1000 })):is_closed(1003) -- 6.4: by its head
      connect(h):send(frame(TEXT, text, { fin = false })):is_closed(1003)
    end
  end)

  it("7.1 ends with the first close, and answers nothing behind it", function()
    for _, behind in ipairs { -- 7.1.1 to 7.1.4
      "", frame(CLOSE, close_payload(1001)), frame(PING, "late"), frame(BINARY, "late"), frame(CONTINUATION, "late"),
    } do
      connect(h):send(frame(CLOSE, close_payload(1000)) .. behind):is_closed(1000)
    end
    local peer = connect(h) -- 7.1.5: in the middle of a message
    peer:send(frame(BINARY, peer:chunk("cut"):sub(1, 2), { fin = false }))
    peer:send(frame(CLOSE, close_payload(1000))):is_closed(1000)
    peer = connect(h) -- 7.1.6: what came before it counts
    local text = ("BAsd7&jh23"):rep(3200)
    for _ = 1, 8 do peer:send(frame(BINARY, peer:chunk(text))) end
    peer:send(frame(CLOSE, close_payload(1000))):is_closed(1000)
    for i = 1, 8 do assert.is_true(peer.heard[i] == text) end
  end)

  it("7.3, 7.5 closes with what a close may hold", function()
    connect(h):send(frame(CLOSE, "")):is_closed(nil)
    connect(h):send(frame(CLOSE, "a")):is_closed(1002)
    connect(h):send(frame(CLOSE, close_payload(1000))):is_closed(1000)
    connect(h):send(frame(CLOSE, close_payload(1000, "Hello World!"))):is_closed(1000)
    connect(h):send(frame(CLOSE, close_payload(1000, ("*"):rep(123)))):is_closed(1000)
    connect(h):send(frame(CLOSE, close_payload(1000, ("*"):rep(124)))):is_closed(1002)
    connect(h):send(frame(CLOSE, close_payload(1000, "\206\186\237\160\128edited"))):is_closed(1007)
  end)

  it("7.7 to 7.13 takes the codes that may be sent, and no others", function()
    for _, code in ipairs { 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999 } do
      connect(h):send(frame(CLOSE, close_payload(code))):is_closed(code)
    end
    for _, code in ipairs { 0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535 } do
      connect(h):send(frame(CLOSE, close_payload(code))):is_closed(1002)
      connect(h):send(frame(CLOSE, close_payload(code, "why"))):is_closed(1002)
    end
  end)

  it("9 takes a message of many frames, and no frame over 1 MiB or message of over 64", function()
    local peer = connect(h)
    local text = ("x"):rep(60000)
    local bytes = peer:chunk(text)
    local step = #bytes // 63 + 1
    for at = 1, #bytes, step do
      peer:send(frame(at == 1 and BINARY or CONTINUATION, bytes:sub(at, at + step - 1), { fin = at + step > #bytes }))
    end
    peer:hears(text)
    connect(h):send(frame(BINARY, "", { length = 1024 * 1024 + 1 })):is_closed(1009)
    connect(h):send("\130\255" .. string.pack(">I8", 1 << 63) .. MASK):is_closed(1002) -- RFC 6455, 5.2: the top bit
    peer = connect(h)
    for i = 1, 65 do peer:send(frame(i == 1 and BINARY or CONTINUATION, "", { fin = false })) end
    peer:is_closed(1008)
  end)

  it("takes no frame without a mask, no length that could be shorter, and offers no compression (12, 13)", function()
    connect(h):send(frame(BINARY, "x", { unmasked = true })):is_closed(1002)
    connect(h):send(frame(PING, "", { unmasked = true })):is_closed(1002)
    connect(h):send("\130\254\0\1" .. MASK .. "x"):is_closed(1002)
    connect(h):send("\130\255\0\0\0\0\0\0\0\1" .. MASK .. "x"):is_closed(1002)
    local tcp, head = upgrade(h.port, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n")
    assert.truthy(head:find("^HTTP/1.1 101 "))
    assert.falsy(head:lower():find "extensions")
    tcp:close()
  end)
end)
