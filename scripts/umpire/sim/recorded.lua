--- Recorded play on the simulator: what the specs that `umpire replay FILE --spec` writes are made of.
--
--   local play = recorded.open("rules/arena.lua", { listen = { "neteria://0.0.0.0:0" }, chance = "9f3a..." })
--   play.connect(1, "neteria")                             -- clients are numbered in the order in which they came
--   play.at(0.25)                                          -- seconds since the recording began
--   play.event(1, "legal", nil, "move", { 1, 0 })          -- client, verdict, reason, event
--   play.hears({ 2, 3 }, "moved", { "A", 3, 4 })           -- somebody was told that
--   play.done()                                            -- compares, and fails with the lines of the spec that are not true
-- Events are sent at their times without waiting for answers, as they were; what came of them is looked at in the end.
local sim = require "umpire.sim"

local M = {}

-- ---- the same? ----

local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for k, v in pairs(a) do if not same(v, b[k]) then return false end end
  for k in pairs(b) do if a[k] == nil then return false end end
  return true
end

local function show(v)
  if type(v) ~= "table" then return type(v) == "string" and ("%q"):format(v) or tostring(v) end
  local parts = {}
  for k, item in pairs(v) do
    parts[#parts + 1] = type(k) == "string" and k .. " = " .. show(item) or show(item)
  end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

-- ---- how each protocol says an event, and what its wire tells of the verdict ----

local say = {}
function say.neteria(player, name, data, high)
  return player:send(name == nil and data or name, name ~= nil and data or nil, high and { priority = "high" } or nil)
end
function say.laneya(player, name, data) return player:send(name, data or {}) end
function say.pymmorpg(player, name, data) return player:send(name, table.unpack(data or {})) end
function say.pygase(player, name, data) return player:send(name, data) end
function say.joint(player, name, data)
  if name == "chunk" or name == "data" then player:send(data) else player:call(name, data) end
end

local hear_verdict = {}
function hear_verdict.neteria(handle)
  if handle.legal == nil then return "nothing" end
  return handle.legal and "legal" or "illegal", handle.reason
end
function hear_verdict.laneya(handle)
  if handle.status == nil then return "nothing" end
  return handle.status == "success" and "legal" or handle.status, handle.reason
end
function hear_verdict.pymmorpg(handle) -- a reply says True, False, or what execute gave, which may be either
  if handle.lost or not handle.done then return "nothing" end
  return handle.value == false and "illegal" or "legal"
end

-- Wires know fewer words than the host: Neteria and PYMMORPG say illegal for invalid and internal too.
local function agrees(protocol, was, is)
  if was == is then return true end
  if protocol == "laneya" then return false end
  return was ~= "legal" and is == "illegal" or protocol == "pymmorpg" and was == "legal" and is == "illegal"
end

-- ---- the play ----

local function line() return debug.getinfo(3, "l").currentline end

function M.open(rulebook, options)
  local world = sim.run(rulebook, { listen = options.listen, chance = options.chance })
  local play, players, protocols, checks, wanted, wrong = { world = world }, {}, {}, {}, {}, {}

  local function fail(at, format, ...) wrong[#wrong + 1] = ("line %d: "):format(at) .. format:format(...) end

  --- So many seconds since the recording began; time never goes back.
  function play.at(seconds)
    local left = seconds - world:now()
    if left > 0 then world:advance(left) end
  end

  --- What the server and the rulebook draw from chance next, as they did.
  function play.chance(hex) world:chance(hex) end

  --- A client that joins; refused: that it was not let in. with.id: its client.id, as the server had made it.
  function play.connect(n, protocol, with, refused)
    with = with or {}
    if with.id then world.core:give_id(with.id) end
    with.id = nil
    with.name, with.wait = "client " .. n, false
    players[n], protocols[n] = world:connect(protocol, with), protocol
    world:advance(0)
    if protocol ~= "neteria" then return end
    local player, at = players[n], line()
    checks[#checks + 1] = function()
      if refused and player.was_in then fail(at, "client %d was refused, and is let in", n) end
      if not refused and not player.registered and player.connected then
        fail(at, "client %d was let in, and is refused: %s", n, player.refused or "no answer")
      end
    end
  end

  --- What a client sent, and the verdict that it got.
  function play.event(n, verdict, reason, name, data, high)
    local player, protocol, at = players[n], protocols[n], line()
    if protocol ~= "neteria" and player.over or protocol == "neteria" and not player.registered then
      fail(at, "client %d is not there, and cannot send %s", n, show(name))
      return
    end
    local handle = say[protocol](player, name, data, high)
    world:advance(0)
    if not hear_verdict[protocol] then return end
    checks[#checks + 1] = function()
      local is, why = hear_verdict[protocol](handle)
      if not agrees(protocol, verdict, is) then
        fail(at, "client %d: %s %s was %s, and is %s%s", n, name or "", show(data), verdict, is, why and ": " .. why or "")
      elseif reason and why and verdict ~= "legal" and reason ~= why then
        fail(at, "client %d: %s %s was refused with %q, and is with %q", n, name or "", show(data), reason, why)
      end
    end
  end

  --- A log-in. Passwords are not recorded: the spec's author knows them.
  function play.login(n, verdict, name, password, create)
    local player, protocol, at = players[n], protocols[n], line()
    local legal
    if protocol == "neteria" then
      legal = player:login(name, password).legal
    elseif protocol == "pymmorpg" then
      legal = player:event(create and "new" or "login", name, password).value
    else
      return
    end
    if (verdict == "legal") ~= (legal == true) then
      fail(at, "client %d: the log-in as %s was %s, and is not: is the password right?", n, name, verdict)
    end
  end

  --- Clients who were told something, in whatever order.
  function play.hears(whom, name, data)
    local at = line()
    for _, n in ipairs(whom) do wanted[#wanted + 1] = { n = n, name = name, data = data, line = at } end
  end

  function play.leave(n) players[n]:disconnect() world:advance(0) end
  function play.reload() assert(world:reload()) end

  local function look_at_notifies()
    local heard = {}
    for n, player in pairs(players) do
      heard[n] = {}
      for _, notify in ipairs(player:received()) do heard[n][#heard[n] + 1] = notify end
    end
    for _, w in ipairs(wanted) do
      local found
      for i, notify in ipairs(heard[w.n]) do
        if notify.name == w.name and same(notify.data, w.data) then found = i break end
      end
      if found then table.remove(heard[w.n], found)
      else fail(w.line, "client %d was told %s %s, and is not", w.n, w.name, show(w.data)) end
    end
  end

  --- Lets what is under way arrive, and compares.
  function play.done()
    world:advance(0.1)
    world:settle(30)
    for _, check in ipairs(checks) do check() end
    look_at_notifies()
    local n = #wrong
    if n > 10 then wrong[11] = ("... and %d more"):format(n - 10) end
    local text = table.concat(wrong, "\n  ", 1, math.min(n, 11))
    world:close()
    if n > 0 then error(("recorded play is judged differently, %d times:\n  %s"):format(n, text), 2) end
  end

  return play
end

return M
