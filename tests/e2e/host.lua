-- Helpers of the tests that run the real program on real sockets: start and stop hosts, wait for log lines, speak Neteria.
-- Every wait ends with what it waits for; the deadlines are only there to end a test that fails.

local cjson = require "cjson"
local socket = require "socket"
local uv = require "luv"

local M = {}

local build = os.getenv "UMPIRE_BUILD" or "build"
M.program = build .. "/umpire"
local DEADLINE = 10 -- seconds; sanitizers and busy machines are slow

-- ---- processes ----

-- Lets the event loop of luv run until done() or for so many seconds at most; true if done.
local function run_until(done, seconds)
  local expired = false
  local timer = uv.new_timer()
  uv.update_time() -- the loop's clock stood still while the test did something else
  timer:start(math.ceil(seconds * 1000), 0, function() expired = true end)
  while not done() and not expired do uv.run "once" end
  timer:close()
  return done()
end

-- What the program's environment is: ours, without what was meant for us, and what the test asks for.
local function environment(extra)
  local all, list = uv.os_environ(), {}
  for name in pairs(all) do
    if name:match "^UMPIRE_" then all[name] = nil end
  end
  all.LD_PRELOAD = nil -- a sanitizer's runtime for the interpreter; the program has its own
  for name, value in pairs(extra or {}) do all[name] = value end
  for name, value in pairs(all) do list[#list + 1] = name .. "=" .. value end
  return list
end

-- Starts the program. take(text) is called with what it writes to standard error, out_take with the rest. prefix: a command
-- that becomes the program ({"prlimit", "--nofile=200"}).
local function spawn(args, env, out_take, take, prefix)
  local p = { open = 2 }
  local pipes = { uv.new_pipe(false), uv.new_pipe(false) }
  local options = { args = args, env = environment(env), stdio = { nil, pipes[1], pipes[2] } }
  local command = M.program
  if prefix then
    command = prefix[1]
    options.args = { table.unpack(prefix, 2) }
    options.args[#options.args + 1] = M.program
    table.move(args, 1, #args, #options.args + 1, options.args)
  end
  p.handle, p.pid = uv.spawn(command, options, function(code, signal)
    p.code = signal ~= 0 and -signal or code
    p.handle:close()
  end)
  assert(p.handle, p.pid)
  for i, sink in ipairs { out_take, take } do
    pipes[i]:read_start(function(_, data)
      if data then return sink(data) end
      pipes[i]:close()
      p.open = p.open - 1
    end)
  end
  return p
end

local function reap(p, seconds)
  if run_until(function() return p.code and p.open == 0 end, seconds) then return p.code end
  uv.kill(p.pid, "sigkill")
  run_until(function() return p.code end, DEADLINE)
  error(("process %d did not end within %g s"):format(p.pid, seconds), 3)
end

-- ---- files ----

local folders = {}

function M.folder()
  local path = assert(uv.fs_mkdtemp "/tmp/umpire-e2e-XXXXXX")
  folders[#folders + 1] = path
  return path
end

function M.write(path, text)
  local f = assert(io.open(path, "w"))
  f:write(text)
  f:close()
  return path
end

function M.read(path)
  local f = assert(io.open(path, "rb"))
  local text = f:read "a"
  f:close()
  return text
end

-- ---- commands that end by themselves ----

-- host.run({"check", path}, env): exit code, standard output, standard error
function M.run(args, env)
  local out, err = {}, {}
  local p = spawn(args, env, function(text) out[#out + 1] = text end, function(text) err[#err + 1] = text end)
  return reap(p, 2 * DEADLINE), table.concat(out), table.concat(err)
end

-- ---- hosts ----

local Host = {}
Host.__index = Host
local running = {}

-- host.start{ rules = "source" | rulebook = "path", listen = {urls}, flags = {...}, env = {...}, ready = false, prefix = {} }
function M.start(o)
  local self = setmetatable({ folder = M.folder(), lines = {}, seen = 0, rest = "" }, Host)
  self.rulebook = o.rulebook or self.folder .. "/rules.lua"
  if o.rules then M.write(self.rulebook, o.rules) end
  self.control = o.control or self.folder .. "/control"
  local args = { "run", self.rulebook, "--control", self.control }
  for _, url in ipairs(o.listen or { "neteria://127.0.0.1:0" }) do
    args[#args + 1] = "--listen"
    args[#args + 1] = url
  end
  for _, flag in ipairs(o.flags or {}) do args[#args + 1] = flag end
  local function take(text)
    self.rest = (self.rest .. text):gsub("([^\n]*)\n", function(line)
      self.lines[#self.lines + 1] = line
      return ""
    end)
  end
  self.process = spawn(args, o.env, take, take, o.prefix)
  self.pid = self.process.pid
  running[self] = true
  if o.ready == false then return self end
  self:wait_log "^ready$"
  self.ports = {}
  for _, line in ipairs(self.lines) do
    local port = line:match "^listening %w+://.*:(%d+)$"
    if port then self.ports[#self.ports + 1] = tonumber(port) end
  end
  self.port = self.ports[1]
  return self
end

-- The next log line, after those waited for before, that matches the pattern; its captures, or the line.
function Host:wait_log(pattern)
  local found
  local function look()
    while not found and self.seen < #self.lines do
      self.seen = self.seen + 1
      local captures = { self.lines[self.seen]:match(pattern) }
      if #captures > 0 then found = captures end
    end
    return found or (self.process.code and self.process.open == 0)
  end
  run_until(look, DEADLINE)
  if found then return table.unpack(found) end
  error(("no line like %q in the log:\n%s"):format(pattern, table.concat(self.lines, "\n")), 2)
end

function Host:signal(name) assert(uv.kill(self.pid, "sig" .. name:lower())) end

-- The exit code; negative: the signal it died of.
function Host:wait_exit(seconds)
  running[self] = nil
  return reap(self.process, seconds or DEADLINE)
end

function Host:stop()
  self:signal "TERM"
  return self:wait_exit()
end

-- umpire COMMAND for this host: exit code, standard output, standard error
function Host:ask(command, ...)
  return M.run({ command, "--control", self.control, ... })
end

function Host:status()
  local code, out, err = self:ask("status", "--json")
  assert(code == 0, err)
  return cjson.decode(out)
end

-- The rulebook with other contents, written as editors do: beside, then renamed over.
function Host:rewrite(text)
  M.write(self.rulebook .. ".new", text)
  assert(os.rename(self.rulebook .. ".new", self.rulebook))
end

-- ---- a Neteria client: datagrams as they are ----

local Client = {}
Client.__index = Client
local clients = {}
local made = 0

local function id(kind)
  made = made + 1
  return ("%s-%d-%06d"):format(kind, math.floor(socket.gettime() * 1000), made)
end

function M.client(port, address)
  local udp = assert((address or ""):find ":" and socket.udp6() or socket.udp4())
  assert(udp:setpeername(address or "127.0.0.1", port))
  local c = setmetatable({ udp = udp, cuuid = id "c", inbox = {} }, Client)
  clients[c] = true
  return c
end

function Client:send(message) assert(self.udp:send(type(message) == "string" and message or cjson.encode(message))) end

-- The next message for which wanted(m) is true; answers OK to what wants to be confirmed, as the real client does.
function Client:receive(wanted, seconds)
  local until_ = socket.gettime() + (seconds or DEADLINE)
  repeat
    for i, m in ipairs(self.inbox) do
      if wanted(m) then return table.remove(self.inbox, i) end
    end
    self.udp:settimeout(math.max(0, math.min(0.05, until_ - socket.gettime())))
    local data = self.udp:receive()
    if data then
      local m = cjson.decode(data)
      if m.method == "LEGAL" or m.method == "ILLEGAL" then
        self:send { method = "OK EVENT", cuuid = self.cuuid, euuid = m.euuid }
      elseif m.method == "NOTIFY" then
        self:send { method = "OK NOTIFY", cuuid = self.cuuid, euuid = m.euuid }
      end
      self.inbox[#self.inbox + 1] = m
    end
  until socket.gettime() > until_
  return nil
end

function Client:register()
  self:send { method = "REGISTER", cuuid = self.cuuid }
  local m = self:receive(function(m) return m.method == "OK REGISTER" or m.method == "BYE REGISTER" end)
  return m and m.method == "OK REGISTER", m and m.reason
end

-- Sends an event and waits for its verdict: "LEGAL" or "ILLEGAL", and the reason
function Client:event(data, euuid)
  euuid = euuid or id "e"
  self:send { method = "EVENT", cuuid = self.cuuid, euuid = euuid, event_data = data, priority = "normal", retry = 0 }
  local m = self:receive(function(m) return m.euuid == euuid end)
  return m and m.method, m and m.reason
end

function Client:notify(seconds)
  local m = self:receive(function(m) return m.method == "NOTIFY" end, seconds)
  return m and m.event_data
end

-- ---- the shell ----

-- In front of a command: without a sanitizer's runtime for the interpreter, as the program has its own.
M.shell = "unset LD_PRELOAD; "

-- Ends the test as pending where the system gives out no pseudo-terminals (a bare chroot without /dev/pts).
function M.needs_terminal(pending)
  if not os.execute(M.shell .. "script -qec true /dev/null >/dev/null 2>&1 </dev/null") then
    pending "there is no /dev/pts here"
  end
end

-- ---- after each test ----

-- Ends what a failed test left running, and removes what it wrote.
function M.cleanup()
  for host in pairs(running) do
    uv.kill(host.pid, "sigkill")
    pcall(reap, host.process, DEADLINE)
  end
  for client in pairs(clients) do client.udp:close() end
  for _, folder in ipairs(folders) do os.execute("rm -rf '" .. folder .. "'") end
  uv.run "nowait" -- handles that are closing must be closed before Lua ends: luv 1.44 walks over freed ones otherwise
  running, clients, folders = {}, {}, {}
end

return M
