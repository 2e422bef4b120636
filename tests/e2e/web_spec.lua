-- The rulebook's pages over HTTP, on real sockets, as browsers and others ask for them.
package.path = "tests/e2e/?.lua;" .. package.path
local host = require "host"
local cjson = require "cjson"
local socket = require "socket"
local web = require "web"

local BOOK, PAGE = web.BOOK, web.PAGE
local place, serve, connect, read, ask, get = web.place, web.serve, web.connect, web.read, web.ask, web.get

describe("umpire run --web", function()
  after_each(host.cleanup)

  it("serves the rulebook's pages with their types, and says where before it is ready", function()
    local h = serve()
    local before_ready = false
    for _, line in ipairs(h.lines) do
      if line:match "^web http" then before_ready = true end
      if line == "ready" then assert.is_true(before_ready) end
    end
    local page = get(h, "/")
    assert.equal(200, page.status)
    assert.equal(PAGE, page.body)
    assert.equal("text/html; charset=utf-8", page.headers["content-type"])
    assert.equal("text/javascript; charset=utf-8", get(h, "/app.js").headers["content-type"])
    assert.equal("text/css; charset=utf-8", get(h, "/a%20b.css").headers["content-type"])
    assert.equal("application/octet-stream", get(h, "/blob.bin").headers["content-type"])
    assert.equal(1024 * 1024, #get(h, "/blob.bin").body)
    assert.equal(200, get(h, "/app.js?v=2").status)
    assert.equal("play", get(h, "/play/").body)
    assert.equal("/play/", get(h, "/play").headers.location)
    assert.equal(404, get(h, "/nothing.html").status)
    assert.equal(404, get(h, "/folder/").status) -- no list of what is in it
    assert.same({ url = ("http://127.0.0.1:%d"):format(h.web), requests = 10, errors = 2 }, h:status().web)
    local _, text = h:ask "status"
    local line = ("\n  web       http://127.0.0.1:%d/ 10 requests, 2 of them refused\n"):format(h.web)
    assert.truthy(text:find(line, 1, true), text)
    assert.equal(0, h:stop())
  end)

  it("answers HEAD with the head of GET's answer, and no other method", function()
    local h = serve()
    local head, page = ask(h, "HEAD", "/"), get(h, "/")
    assert.equal(200, head.status)
    head.headers.date, page.headers.date = nil, nil
    assert.same(page.headers, head.headers)
    for _, method in ipairs { "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH", "get", "GETGET" } do
      local answer = ask(h, method, method == "CONNECT" and "x:80" or "/", "Content-Length: 5\r\n", "hello")
      assert.equal(method:find "[Gg][Ee][Tt]" and 501 or 405, answer.status, method) -- 501: no method that HTTP has
      assert.equal("GET, HEAD", answer.headers.allow)
    end
    assert.equal(0, h:stop())
  end)

  it("tells browsers to guess nothing, to run nothing from elsewhere, and to ask before they use a copy", function()
    local h = serve { listen = { "joint://127.0.0.1:0", "neteria://127.0.0.1:0" } }
    for _, path in ipairs { "/", "/nothing.html", "/umpire.json" } do
      local headers = get(h, path).headers
      assert.equal("nosniff", headers["x-content-type-options"])
      assert.equal("no-cache", headers["cache-control"])
      assert.truthy(headers["content-security-policy"]:find(
        ("default-src 'self'; connect-src 'self' ws://*:%d wss://*:%d; "):format(h.ports[1], h.ports[1]), 1, true))
      assert.truthy(headers["content-security-policy"]:find("frame-ancestors 'none'", 1, true))
    end
    assert.equal(0, h:stop())
  end)

  it("does not send again what has not changed", function()
    local h, folder = serve()
    local page = get(h, "/")
    assert.equal(304, get(h, "/", "If-None-Match: " .. page.headers.etag .. "\r\n").status)
    assert.equal(304, get(h, "/", "If-None-Match: \"other\", W/" .. page.headers.etag .. "\r\n").status)
    assert.equal(304, get(h, "/", "If-Modified-Since: " .. page.headers["last-modified"] .. "\r\n").status)
    assert.equal(200, get(h, "/", "If-None-Match: \"other\"\r\nIf-Modified-Since: "
      .. page.headers["last-modified"] .. "\r\n").status)
    host.write(folder .. "/x/web/index.html", "another page")
    assert.equal("another page", get(h, "/", "If-None-Match: " .. page.headers.etag .. "\r\n").body)
    assert.equal(0, h:stop())
  end)

  it("tells pages where the joint listeners are", function()
    local h = serve { listen = { "neteria://127.0.0.1:0", "joint://127.0.0.1:0", "joint://127.0.0.1:0" } }
    local about = get(h, "/umpire.json")
    assert.equal("application/json", about.headers["content-type"])
    assert.same({ joint = { { scheme = "ws", port = h.ports[2] }, { scheme = "ws", port = h.ports[3] } } },
      cjson.decode(about.body))
    assert.equal(0, h:stop())
    h = serve { listen = { "neteria://127.0.0.1:0" } }
    assert.equal('{"joint":[]}\n', get(h, "/umpire.json").body)
    assert.equal(0, h:stop())
  end)

  it("never leaves the folder, whatever is asked for", function()
    local h = serve()
    for _, path in ipairs {
      "/../secret.txt", "/%2e%2e/secret.txt", "/%2E%2e/secret.txt", "/.%2e/secret.txt", "/..%2fsecret.txt",
      "/%2e%2e%2fsecret.txt",
      "/play/../../secret.txt", "/play/%2e%2e/%2e%2e/secret.txt", "/./../secret.txt", "/..\\secret.txt", "/..%5csecret.txt",
      "/%252e%252e/secret.txt", "/..;/secret.txt", "//../secret.txt", "/x/../../secret.txt", "/%c0%ae%c0%ae/secret.txt",
      "//etc/passwd", "/%2fetc/passwd", "/%2f%2fetc%2fpasswd", "/../../../../../../../../etc/passwd",
      "/link.txt", "/up/secret.txt", "/up/web/index.html", "/pipe", "/.git/config", "/.env", "/%2egit/config", "/.%67it/config",
      "/play/../.env", "/index.html/", "/index.html/x", "/app.js%2f", "http://x/../secret.txt", "/" .. ("a/"):rep(2000),
      "/" .. ("a"):rep(300), "/%00/secret.txt", "/app.js%00.png", "/a%0d%0aSet-Cookie:%20x", "/%zz", "/%", "/%4", "*", "x",
    } do
      local answer = get(h, path)
      local why = ("%s: %s"):format(path:sub(1, 60), answer and answer.status or "nothing")
      assert.truthy(answer == nil or answer.status == 404 or answer.status == 400, why)
      assert.falsy(answer and answer.body:find("SECRET", 1, true), why)
      assert.falsy(answer and answer.body:find("root:", 1, true), why)
      assert.falsy(answer and answer.headers["set-cookie"], why)
    end
    assert.equal(200, get(h, "/").status)
    assert.equal(0, h:stop())
  end)

  it("refuses heads that are too large, endless or no HTTP, and goes on", function()
    local h = serve()
    assert.equal(431, get(h, "/", "X: " .. ("a"):rep(40000) .. "\r\n").status)
    assert.equal(431, get(h, "/", ("X: a\r\n"):rep(8000)).status)
    assert.equal(414, get(h, "/" .. ("a"):rep(40000)).status)
    for _, bytes in ipairs { "\0\1\2\3\r\n\r\n", "hello\r\n\r\n", "GET\r\n\r\n", ("A"):rep(100000),
      "GET / HTTP/9.9\r\n\r\n", "\r\n\r\n\r\n" } do
      local tcp = connect(h)
      tcp:send(bytes)
      tcp:close()
    end
    assert.equal(200, get(h, "/").status)
    assert.equal(0, h:stop())
  end)

  it("answers several requests on one connection, and hangs up on a GET with a body", function()
    local h = serve()
    local tcp = connect(h)
    tcp:send(("GET / HTTP/1.1\r\nHost: x\r\n\r\n"):rep(3))
    for _ = 1, 3 do assert.equal(PAGE, read(tcp).body) end
    tcp:send "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nmore"
    assert.equal(413, read(tcp).status)
    assert.equal("closed", select(2, tcp:receive(1)))
    tcp:close()
    assert.equal(0, h:stop())
  end)

  it("bounds connections of one address, and slow ones do not disturb the game", function()
    local h = serve()
    local slow = {}
    for i = 1, 80 do
      slow[i] = connect(h)
      slow[i]:send "GET / HTTP/1.1\r\nHost"
    end
    local refused = 0
    for i = 65, 80 do
      local _, why = slow[i]:receive(1)
      if why == "closed" then refused = refused + 1 end
    end
    assert.equal(80 - 64, refused)
    local ann = host.client(h.port)
    assert.is_true(ann:register())
    local start = socket.gettime()
    for _ = 1, 20 do assert.equal("LEGAL", (ann:event { step = 1 })) end
    assert.truthy(socket.gettime() - start < 5)
    for _, tcp in ipairs(slow) do tcp:close() end
    assert.equal(0, h:stop())
  end)

  it("serves what another rulebook names after a reload", function()
    local h, folder = serve()
    assert.equal(PAGE, get(h, "/").body)
    os.execute(("mkdir -p %s/pages/new"):format(folder))
    host.write(folder .. "/pages/new/index.html", "new pages")
    h:rewrite(BOOK:gsub("api = 1", "api = 1, web = \"pages/new/\""))
    assert.equal(0, (h:ask "reload"))
    assert.equal("new pages", get(h, "/").body)
    h:rewrite(BOOK:gsub("api = 1", "api = 1, web = \"../x\""))
    local code, _, err = h:ask "reload"
    assert.equal(1, code)
    assert.truthy(err:find(
      'x.lua:2: web must be the path of a folder below the rulebook\'s own, without "..": "pages/", got "../x"', 1, true), err)
    assert.equal("new pages", get(h, "/").body)
    assert.equal(0, h:stop())
  end)

  it("tells what is wrong with a declared folder when the rulebook is checked", function()
    local folder = place()
    os.execute(("ln -s /etc %s/elsewhere"):format(folder))
    for text, said in pairs {
      ['"nowhere"'] = 'x.lua:2: web = "nowhere": No such file or directory',
      ['"elsewhere"'] = 'x.lua:2: web = "elsewhere": no folder, or a link on the way',
      ['"x.lua"'] = 'x.lua:2: web = "x.lua": no folder, or a link on the way',
      ['"/etc"'] = 'x.lua:2: web must be the path of a folder below',
      ["7"] = "x.lua:2: web must be the path of a folder below",
      ['""'] = "x.lua:2: web must be the path of a folder below",
    } do
      host.write(folder .. "/x.lua", (BOOK:gsub("api = 1", "api = 1, web = " .. text)))
      local code, _, err = host.run { "check", folder .. "/x.lua" }
      assert.equal(1, code)
      assert.truthy(err:find(said, 1, true), err)
    end
  end)

  it("says what to do when there is no folder, and what is wrong with its address", function()
    local folder = host.folder()
    host.write(folder .. "/y.lua", BOOK)
    local function run(pages, env)
      local args = { "run", folder .. "/y.lua", "--control", "none", "--listen", "neteria://127.0.0.1:0" }
      if pages then args[#args + 1], args[#args + 2] = "--web", pages end
      local code, _, err = host.run(args, env)
      return code, err
    end
    local code, err = run "0"
    assert.equal(1, code)
    assert.truthy(err:find("there is no folder " .. folder .. "/y/web; make it, with an index.html in it, or name another",
      1, true), err)
    assert.equal(1, (run(nil, { UMPIRE_WEB = "0" })))
    for _, wrong in ipairs { "70000", "127.0.0.1:x", "http://127.0.0.1:80", "::1:80", "127.0.0.1:80?limit=1", ":80" } do
      code, err = run(wrong)
      assert.equal(2, code, wrong .. " " .. err)
    end
    os.execute(("mkdir -p %s/y/web"):format(folder))
    local taken = assert(socket.bind("127.0.0.1", 0))
    local _, port = taken:getsockname()
    code, err = run(tostring(port))
    assert.equal(3, code)
    assert.truthy(err:find(("cannot bind http://127.0.0.1:%d: Address already in use"):format(port), 1, true), err)
    taken:close()
  end)
end)
