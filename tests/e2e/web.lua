-- Helpers of the tests that ask for pages: a rulebook with some, a host that serves them, HTTP by hand.
local host = require "host"
local socket = require "socket"

local M = {}

M.BOOK = [[
local host = require "umpire"
local book = { api = 1 }
function book.legal() return true end
return book
]]

M.PAGE = "<!doctype html><title>hello</title>"

--- A folder with a rulebook x.lua and its pages, and things beside them that must not be seen.
function M.place()
  local folder = host.folder()
  os.execute(("mkdir -p %s/x/web/play %s/x/web/.git %s/x/web/folder"):format(folder, folder, folder))
  host.write(folder .. "/x.lua", M.BOOK)
  host.write(folder .. "/x/secret.txt", "SECRET")
  host.write(folder .. "/x/web/index.html", M.PAGE)
  host.write(folder .. "/x/web/app.js", "export const a = 1")
  host.write(folder .. "/x/web/a b.css", "b {}")
  host.write(folder .. "/x/web/blob.bin", ("x"):rep(1024 * 1024))
  host.write(folder .. "/x/web/empty.txt", "")
  host.write(folder .. "/x/web/play/index.html", "play")
  host.write(folder .. "/x/web/.git/config", "SECRET")
  host.write(folder .. "/x/web/.env", "SECRET")
  local web = folder .. "/x/web"
  os.execute(("ln -s ../secret.txt %s/link.txt; ln -s .. %s/up; mkfifo %s/pipe"):format(web, web, web))
  return folder
end

--- A host that serves them; h.web: the port.
function M.serve(options)
  local folder = options and options.folder or M.place()
  local listen = options and options.listen
  local h = host.start { rulebook = folder .. "/x.lua", listen = listen, flags = { "--web", "127.0.0.1:0" } }
  for _, line in ipairs(h.lines) do h.web = h.web or tonumber(line:match "^web http://127%.0%.0%.1:(%d+)/$") end
  assert(h.web, "the host did not say where its pages are")
  return h, folder
end

function M.connect(h)
  local tcp = assert(socket.tcp())
  tcp:settimeout(10)
  assert(tcp:connect("127.0.0.1", h.web))
  return tcp
end

--- Reads one answer: { status, headers by lower case name, body }; nil: the connection ended without one.
function M.read(tcp, head)
  local line = tcp:receive "*l"
  if not line then return nil end
  local answer = { status = tonumber(line:match "^HTTP/1%.1 (%d%d%d) "), headers = {} }
  for header in function() return tcp:receive "*l" end do
    if header == "" then break end
    local name, value = header:match "^([^:]+): (.*)$"
    answer.headers[name:lower()] = value
  end
  local n = tonumber(answer.headers["content-length"] or 0)
  answer.body = (head or answer.status == 304 or n == 0) and "" or tcp:receive(n)
  return answer
end

--- Sends bytes, and reads one answer and then the end: answer, and whether the connection ended.
function M.raw(h, bytes)
  local tcp = M.connect(h)
  tcp:send(bytes)
  local answer = M.read(tcp)
  tcp:settimeout(0.05)
  local _, why = tcp:receive(1)
  tcp:close()
  return answer, why == "closed"
end

function M.ask(h, method, path, headers, body)
  local tcp = M.connect(h)
  tcp:send(("%s %s HTTP/1.1\r\nHost: x\r\n%sConnection: close\r\n\r\n%s"):format(method, path, headers or "", body or ""))
  local answer = M.read(tcp, method == "HEAD")
  tcp:close()
  return answer
end

function M.get(h, path, headers) return M.ask(h, "GET", path, headers) end

return M
