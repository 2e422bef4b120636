-- What HTTP asks of a server and what strangers do to one, at the socket that serves a rulebook's pages.
package.path = "tests/e2e/?.lua;" .. package.path
local host = require "host"
local socket = require "socket"
local web = require "web"

local PAGE = web.PAGE
local serve, connect, read, ask, get, raw = web.serve, web.connect, web.read, web.ask, web.get, web.raw

describe("pages over HTTP", function()
  after_each(host.cleanup)

  it("are given in pieces to those who ask for one", function()
    local h, folder = serve()
    local letters = ("abcdefghij"):rep(10)
    host.write(folder .. "/x/web/letters.txt", letters)
    local function part(range, more) return get(h, "/letters.txt", "Range: " .. range .. "\r\n" .. (more or "")) end
    for range, expected in pairs {
      ["bytes=0-9"] = { 1, 10 }, ["bytes=5-5"] = { 6, 6 }, ["bytes=90-"] = { 91, 100 }, ["bytes=-7"] = { 94, 100 },
      ["bytes=98-1000"] = { 99, 100 }, ["bytes=-1000"] = { 1, 100 }, ["bytes=0-"] = { 1, 100 },
    } do
      local answer = part(range)
      assert.equal(206, answer.status, range)
      assert.equal(letters:sub(expected[1], expected[2]), answer.body)
      assert.equal(("bytes %d-%d/100"):format(expected[1] - 1, expected[2] - 1), answer.headers["content-range"])
      assert.equal("text/plain; charset=utf-8", answer.headers["content-type"])
    end
    for _, range in ipairs { "bytes=100-", "bytes=100-200", "bytes=-0", "bytes=999999999999999999-" } do
      local answer = part(range)
      assert.equal(416, answer.status, range)
      assert.equal("bytes */100", answer.headers["content-range"])
    end
    for _, range in ipairs { "bytes=0-1,5-6", "bytes=5-4", "lines=1-2", "bytes=", "bytes=-", "bytes=a-b", "0-1", "bytes=1-2x",
      "bytes=99999999999999999999-", "bytes= 1-2", ("bytes=0-1,"):rep(60) } do
      local answer = part(range)
      assert.equal(200, answer.status, range)
      assert.equal(letters, answer.body)
    end
    local whole = get(h, "/letters.txt")
    assert.equal("bytes", whole.headers["accept-ranges"])
    assert.equal(206, part("bytes=0-1", "If-Range: " .. whole.headers.etag .. "\r\n").status)
    assert.equal(206, part("bytes=0-1", "If-Range: " .. whole.headers["last-modified"] .. "\r\n").status)
    assert.equal(200, part("bytes=0-1", "If-Range: \"other\"\r\n").status)
    assert.equal(200, part("bytes=0-1", "If-Range: W/" .. whole.headers.etag .. "\r\n").status)
    assert.equal(304, part("bytes=0-1", "If-None-Match: " .. whole.headers.etag .. "\r\n").status)
    assert.equal(200, ask(h, "HEAD", "/letters.txt", "Range: bytes=0-1\r\n").status)
    assert.equal(416, get(h, "/empty.txt", "Range: bytes=0-\r\n").status)
    assert.equal(0, h:stop())
  end)

  it("are dated, and empty ones are whole", function()
    local h = serve()
    local empty = get(h, "/empty.txt")
    assert.equal(200, empty.status)
    assert.equal("0", empty.headers["content-length"])
    assert.truthy(empty.headers.date:match "^%a%a%a, %d%d %a%a%a %d%d%d%d %d%d:%d%d:%d%d GMT$")
    assert.equal(0, h:stop())
  end)

  it("come to those who ask for many at once, in order, whatever each is", function()
    local h = serve()
    local tcp = connect(h)
    local asks, expected = {}, {}
    for i = 1, 200 do
      local path = ({ "/", "/blob.bin", "/nothing", "/app.js", "/play" })[i % 5 + 1]
      local method = i % 7 == 0 and "HEAD" or "GET"
      asks[i] = ("%s %s HTTP/1.1\r\nHost: x\r\n\r\n"):format(method, path)
      expected[i] = { method, ({ 200, 200, 404, 200, 301 })[i % 5 + 1] }
    end
    tcp:send(table.concat(asks))
    for i = 1, 200 do
      local answer = read(tcp, expected[i][1] == "HEAD")
      assert.equal(expected[i][2], answer.status)
      if expected[i][1] == "GET" then assert.equal(tonumber(answer.headers["content-length"]), #answer.body) end
    end
    tcp:send "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"
    assert.equal("close", read(tcp).headers.connection)
    assert.equal("closed", select(2, tcp:receive(1))) -- what was asked for behind the last is not answered
    tcp:close()
    assert.equal(0, h:stop())
  end)

  it("come to those whose request is cut anywhere, and whose side is shut already", function()
    local h = serve()
    local text = "GET /app.js HTTP/1.1\r\nHost: x\r\nRange: bytes=0-5\r\n\r\n"
    for cut = 1, #text - 1, 3 do
      local tcp = connect(h)
      tcp:setoption("tcp-nodelay", true)
      tcp:send(text:sub(1, cut))
      socket.sleep(0.001)
      tcp:send(text:sub(cut + 1))
      if cut % 2 == 0 then tcp:shutdown "send" end
      local answer = read(tcp)
      assert.equal(206, answer.status)
      assert.equal("export", answer.body)
      tcp:close()
    end
    assert.equal(0, h:stop())
  end)

  it("are refused with the status that says why, and then the connection ends", function()
    local h = serve()
    for request, status in pairs {
      ["GET / HTTP/1.1\r\n\r\n"] = 400, -- no Host
      ["GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"] = 400,
      ["GET / HTTP/1.1\r\nHost : x\r\n\r\n"] = 400,
      ["GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"] = 400,
      ["GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"] = 413,
      ["GET / HTTP/2.0\r\nHost: x\r\n\r\n"] = 505,
      ["GET /\r\n\r\n"] = 505,
      ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] = 501,
      ["\22\3\1\2\0\1\0\1\252\3\3"] = 501, -- somebody speaks TLS
      ["GET x HTTP/1.1\r\nHost: x\r\n\r\n"] = 400,
      ["POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"] = 405,
    } do
      local answer, ended = raw(h, request)
      assert.equal(status, answer.status, request)
      assert.equal("close", answer.headers.connection)
      assert.is_true(ended)
    end
    local answer, ended = raw(h, "GET / HTTP/1.0\r\n\r\n")
    assert.equal(200, answer.status)
    assert.is_true(ended)
    answer, ended = raw(h, "GET http://x/app.js?y HTTP/1.1\r\nHost: x\r\n\r\n")
    assert.equal(200, answer.status)
    assert.is_false(ended)
    assert.equal(400, raw(h, "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n").status)
    assert.equal(0, h:stop())
  end)

  it("survive peers who send what is no request and hang up at any moment", function()
    local h = serve()
    local texts = { ("A"):rep(100000), ("GET / HTTP/1.1\r\n" .. ("X: a\r\n"):rep(8000)), "GET /" .. ("a"):rep(40000),
      "\0\1\2\3\r\n\r\n", "hello\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\r\n\r\n\r\n",
      ("GET /blob.bin HTTP/1.1\r\nHost: x\r\n\r\n"):rep(40), "GET /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n" }
    for round = 1, 20 do
      for i, text in ipairs(texts) do
        local tcp = connect(h)
        if (round + i) % 3 == 0 then tcp:setoption("linger", { on = true, timeout = 0 }) end -- a reset, not an end
        tcp:send(text)
        tcp:settimeout(0.01) -- some wait for an answer that does not come
        if (round + i) % 4 == 0 then tcp:receive(10) end
        tcp:close()
      end
    end
    assert.equal(PAGE, get(h, "/").body)
    assert.equal(0, h:stop())
  end)

  it("do not wait for one who does not read", function()
    local h = serve()
    local lazy = {}
    for i = 1, 20 do
      lazy[i] = connect(h)
      lazy[i]:send(("GET /blob.bin HTTP/1.1\r\nHost: x\r\n\r\n"):rep(20))
    end
    local start = socket.gettime()
    for _ = 1, 20 do assert.equal(PAGE, get(h, "/").body) end
    assert.truthy(socket.gettime() - start < 5)
    for _, tcp in ipairs(lazy) do tcp:close() end
    assert.equal(0, h:stop())
  end)

  it("that are written while they are sent end the connection, and nothing else", function()
    local h, folder = serve()
    host.write(folder .. "/x/web/large.bin", ("x"):rep(32 * 1024 * 1024))
    local tcp = connect(h)
    tcp:send "GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n"
    assert.equal("HTTP/1.1 200 OK", (tcp:receive "*l"))
    host.write(folder .. "/x/web/large.bin", "short")
    local all, why, some = tcp:receive "*a"
    assert.truthy(#(all or some) < 32 * 1024 * 1024)
    assert.truthy(all or why == "closed")
    tcp:close()
    assert.equal("short", get(h, "/large.bin").body)
    assert.equal(0, h:stop())
  end)
end)
