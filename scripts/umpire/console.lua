-- What `umpire console` says and does inside of the running VM. Loaded by bindings/console.c when it is first asked for; it is
-- no module, and not part of the rulebook's hash. core holds what plain Lua has no way to: { host, handlers, upvalue(f, i),
-- setupvalue(f, i, v), kind(v), where(f), judge(client, name, data, high) }.
--
-- A console that may not write sees everything of the rulebook through frozen views and can call none of its functions, so
-- nothing that is typed there can change a game. One that may write runs as a handler does: what it asks of the host happens
-- when the line ends without an error, and not at all otherwise.
local core = ...
local host = core.host

local DEEP, WIDE, LONG = 3, 50, 200 -- what is shown of a value: levels of tables, entries of each, bytes of a string
local OUTPUT = 32 * 1024            -- bytes shown for one line
local FUNCTIONS = 1000              -- of the rulebook, looked through for locals

local HELP = [[
Lua, a line at a time; a line that is not complete goes on in the next. What you can name:
  clients()             who is there; clients()[1].data, client "ann" (a name, or how an id begins)
  state                 the replicated state
  locals()              the locals that the rulebook's handlers use; each can be named as if you were in its file,
                        or as rule.NAME where the console has something of that name itself
  host                  what rulebooks have as host
  show(value, levels)   shows more of a value than its first levels
  inject(client, name, data, priority)   an event, judged and executed as if the client had sent it
  kick(client, reason)
Variables of your own live until the next reload. host.*, inject, kick, assignments to the rulebook's locals and calls of its
functions need a host started with --console rw.]]

---- locals of the rulebook ----

local known -- of the line under way

-- name -> { function, number of the upvalue }; handlers first, then what they use, nearest first.
local function find_locals()
  if known then return known end
  local found, queue, seen = {}, {}, {}
  local function add(f)
    if type(f) == "function" and not seen[f] and #queue < FUNCTIONS then
      seen[f] = true
      queue[#queue + 1] = f
    end
  end
  for _, h in ipairs(core.handlers) do add(h) end
  local at = 1
  while queue[at] do
    for i = 1, 255 do
      local name, value = core.upvalue(queue[at], i)
      if not name then break end
      if not rawequal(value, host) and name ~= "_ENV" and name ~= "" then
        found[name] = found[name] or { queue[at], i }
        add(value)
        if type(value) == "table" then
          for _, member in next, value do add(member) end
        end
      end
    end
    at = at + 1
  end
  known = found
  return found
end

local function local_value(place)
  local _, value = core.upvalue(place[1], place[2])
  return value
end

---- frozen views ----

local live_of = setmetatable({}, { __mode = "k" })   -- view -> what it shows
local view_of = setmetatable({}, { __mode = "kv" })  -- the same, the other way
local frozen

local READ_ONLY = "this console only looks: start the host with --console rw to change things"
local function refuse() error(READ_ONLY, 2) end

-- Without running code of the rulebook: only tables of the host's own and of the console's have metamethods that are called.
-- A metatable of a rulebook's may say __metatable = false as well as ours do, so that tells nothing.
local ours = setmetatable({}, { __mode = "k" })

local function is_plain(live)
  return type(live) == "table" and not ours[live] and core.kind(live) ~= "umpire.State"
end

local function look_up(live, key)
  if is_plain(live) then return rawget(live, key) end
  return live[key]
end

local function each(live)
  if is_plain(live) then return next, live, nil end
  return pairs(live)
end

-- A function or coroutine of the rulebook's: it can be shown, and neither called, resumed nor closed.
local function kept_from(f)
  local stand_in = view_of[f]
  if not stand_in then
    stand_in = function() refuse() end
    view_of[f], live_of[stand_in] = stand_in, f
  end
  return stand_in
end

local function new_view(live)
  return setmetatable({}, {
    __index = function(_, key) return frozen(look_up(live, key)) end,
    __newindex = refuse,
    __len = function() return is_plain(live) and rawlen(live) or #live end,
    __pairs = function()
      local step, s, key = each(live)
      return function()
        local value
        key, value = step(s, key)
        return frozen(key), frozen(value)
      end
    end,
    __metatable = false,
  })
end

function frozen(value)
  local kind = type(value)
  if kind == "function" or kind == "thread" then return kept_from(value) end
  if kind ~= "table" and not core.kind(value) then return value end
  if live_of[value] then return value end
  local view = view_of[value]
  if not view then
    view = new_view(value)
    view_of[value], live_of[view] = view, value
  end
  return view
end

---- showing ----

local function quoted(s)
  local cut = #s > LONG and s:sub(1, LONG) or s
  local text = ("%q"):format(cut):gsub("\\\n", "\\n"):gsub("[\0-\31\127]", function(c) return ("\\%d"):format(c:byte()) end)
  return #s > LONG and ("%s... (%d bytes)"):format(text, #s) or text
end

local function client_text(c)
  if c.gone then return "a client that is gone" end
  return ("client %s %s %s %s"):format(c.name and quoted(c.name) or "without a name", c.protocol, c.address, c.id)
end

local ORDER = { number = 1, string = 2, boolean = 3 }
local function before(a, b)
  local x, y = ORDER[type(a)] or 4, ORDER[type(b)] or 4
  if x ~= y then return x < y end
  return x < 3 and a < b
end

local function key_text(key)
  if type(key) == "string" and key:find "^[%a_][%w_]*$" then return key end
  return "[" .. (type(key) == "string" and quoted(key) or tostring(key)) .. "]"
end

local function writer()
  local out = { n = 0 }
  function out:put(s)
    if self.n > OUTPUT then return end
    self.n = self.n + #s
    self[#self + 1] = self.n > OUTPUT and "\n... (there is more)" or s
  end
  return out
end

local put_value

local function put_table(out, live, levels, indent, path)
  if path[live] then return out:put "(itself, from above)" end
  local keys = {}
  for key in each(live) do keys[#keys + 1] = key end
  if #keys == 0 then return out:put "{}" end
  if levels == 0 then return out:put(("{ %d more }"):format(#keys)) end
  table.sort(keys, before)
  path[live] = true
  out:put "{"
  for i, key in ipairs(keys) do
    out:put("\n" .. indent .. "  ")
    if i > WIDE then
      out:put(("... %d more"):format(#keys - WIDE))
      break
    end
    if key ~= i then out:put(key_text(key) .. " = ") end
    put_value(out, look_up(live, key), levels - 1, indent .. "  ", path)
    out:put(i < #keys and "," or "")
  end
  out:put("\n" .. indent .. "}")
  path[live] = nil
end

function put_value(out, value, levels, indent, path)
  value = live_of[value] or value
  local kind = core.kind(value)
  if type(value) == "string" then out:put(quoted(value))
  elseif kind == "umpire.Client" then out:put(client_text(value))
  elseif kind == "umpire.Event" or type(value) == "table" then put_table(out, value, levels, indent, path)
  elseif type(value) == "function" then out:put(core.where(value))
  elseif value == host.null then out:put "null"
  else out:put(tostring(value)) end
end

---- what can be named ----

local function list_of_clients(see)
  local list = {}
  for c in host.clients() do list[#list + 1] = see(c) end
  return list
end

local function find_client(who)
  if type(who) ~= "string" then
    local c = live_of[who] or who
    return core.kind(c) == "umpire.Client" and c or error("a client is meant: client \"ann\", or clients()[1]", 3)
  end
  local found
  for c in host.clients() do
    if c.name == who or (#who >= 4 and c.id:sub(1, #who) == who) then
      if found then error(("more than one client is called %q"):format(who), 3) end
      found = c
    end
  end
  return found or error(("nobody here has the name %q, or an id that begins so (four letters at least)"):format(who), 3)
end

local function copied(library, ...)
  local copy = {}
  for k, v in pairs(library) do copy[k] = v end
  for _, name in ipairs { ... } do copy[name] = nil end
  return copy
end

-- What of Lua itself a console has: copies of its own, so that nobody takes string.format away from the rulebook. One that only
-- looks does not use up the rulebook's random numbers either.
local function lua_for(writes)
  local t = {}
  for _, name in ipairs { "assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "rawequal", "rawget",
    "rawlen", "select", "setmetatable", "tonumber", "tostring", "type", "xpcall", "_VERSION" } do
    t[name] = _G[name]
  end
  for _, name in ipairs { "string", "table", "utf8", "os", "coroutine" } do t[name] = copied(_G[name]) end
  t.rawset = function(to, key, value)
    if live_of[to] then refuse() end
    return rawset(to, key, value)
  end
  t.math = writes and copied(math) or copied(math, "random", "randomseed")
  return t
end

local function looking_host()
  local looks = { now = host.now, api = host.api, null = host.null, clients = function()
    local list, i = list_of_clients(frozen), 0
    return function()
      i = i + 1
      return list[i]
    end
  end }
  ours[looks] = true
  return setmetatable(looks, {
    __index = function(_, name) return name == "state" and host.state or host[name] and refuse end,
    __metatable = false,
  })
end

local printed -- what print gave in the line under way

local function make_session(writes)
  local see = writes and function(v) return v end or frozen
  local own = {
    clients = function() return list_of_clients(see) end,
    client = function(who) return see(find_client(who)) end,
    locals = function()
      local all = {}
      for name, place in pairs(find_locals()) do all[name] = see(local_value(place)) end
      return all
    end,
    show = function(value, levels)
      local out = writer()
      put_value(out, value, math.min(levels or 8, 30), "", {})
      printed:put(table.concat(out) .. "\n")
    end,
    print = function(...)
      local parts = table.pack(...)
      for i = 1, parts.n do parts[i] = tostring(parts[i]) end
      printed:put(table.concat(parts, "\t") .. "\n")
    end,
    help = HELP,
    host = writes and host or looking_host(),
    inject = writes and function(who, name, data, priority)
      local verdict, reason, response = core.judge(find_client(who), name, data, priority == "high")
      return { verdict = verdict, reason = reason, response = response }
    end or refuse,
    kick = writes and function(who, reason) return host.kick(find_client(who), reason) end or refuse,
  }
  local rule = setmetatable({}, {
    __index = function(_, name)
      local place = find_locals()[name]
      if place then return see(local_value(place)) end
    end,
    __newindex = function(_, name, value)
      if not writes then refuse() end
      local place = find_locals()[name]
      if not place then error(("the rulebook's handlers use no local %q"):format(tostring(name)), 2) end
      core.setupvalue(place[1], place[2], value)
    end,
    __pairs = function() return pairs(own.locals()) end,
    __metatable = false,
  })
  own.rule, ours[rule] = rule, true
  local session = lua_for(writes)
  for name, value in pairs(own) do session[name] = value end
  local function find(_, name)
    if name == "state" then return host.state end
    local place = find_locals()[name]
    if place then return see(local_value(place)) end
    error(("there is no %q: neither here, nor in Lua, nor among the locals of the rulebook's handlers (locals() shows them)")
      :format(tostring(name)), 2)
  end
  ours[session] = true
  setmetatable(session, {
    __index = find,
    __newindex = function(_, name, value)
      local place = find_locals()[name]
      if not place then return rawset(session, name, value) end
      if not writes then refuse() end
      core.setupvalue(place[1], place[2], value)
    end,
    __metatable = false,
  })
  local function names()
    local all = { state = true }
    for _, t in ipairs { session, find_locals() } do
      for name in next, t do all[name] = true end
    end
    return all
  end
  return { env = session, names = names }
end

local sessions = {}
local function session_for(writes)
  sessions[writes] = sessions[writes] or make_session(writes)
  return sessions[writes]
end

---- requests ----

local function evaluate(text, writes)
  local env = session_for(writes).env
  local chunk = load("return " .. text, "=line", "t", env)
  if not chunk then
    local message
    chunk, message = load(text, "=line", "t", env)
    if not chunk then return message:find "near <eof>$" and "more" or "error", message end
  end
  printed = writer()
  local results = table.pack(chunk())
  for i = 1, results.n do
    put_value(printed, results[i], DEEP, "", {})
    if i < results.n then printed:put "\n" end
  end
  if results.n == 1 and results[1] == HELP then return "done", HELP end
  return "done", (table.concat(printed):gsub("\n$", ""))
end

local CLIENT_FIELDS = { "id", "name", "protocol", "address", "version", "channel", "data", "gone" }

-- The words that the last word of a line may become, as far as that can be told without running anything of the rulebook's.
local function complete(text, writes)
  local session, found = session_for(writes), {}
  local path, word = text:match "^(.*)[.:]([%w_]*)$"
  local names
  if not path then
    path, word, names = "", text, session.names()
  else
    local at = session.env
    for step in path:gmatch "[^.]+" do at = look_up(live_of[at] or at, step) end
    at = live_of[at] or at
    names = {}
    if core.kind(at) == "umpire.Client" then
      for _, name in ipairs(CLIENT_FIELDS) do names[name] = true end
    elseif type(at) == "table" then
      for name in each(at) do names[name] = true end
    end
  end
  for name in pairs(names) do
    if type(name) == "string" and name:find "^[%a_][%w_]*$" and name:sub(1, #word) == word then
      found[#found + 1] = (path ~= "" and text:sub(1, #path + 1) or "") .. name
    end
  end
  table.sort(found)
  return "done", table.concat(found, "\n", 1, math.min(#found, 200))
end

return function(what, text, writes)
  known = nil
  if what == "evaluate" then return evaluate(text, writes) end
  local ok, status, names = pcall(complete, text, writes)
  if ok then return status, names end
  return "done", ""
end
