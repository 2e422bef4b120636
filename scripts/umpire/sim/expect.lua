--- What a test expects of a player: the part that players of all protocols share. Time passes until it came, or it is too late;
-- a failure says which seed, when, who, and what did arrive.
--
--   ann:expects("moved", { "bob", 3, 4 })            -- data of the notify; partially, see umpire.sim.match
--   ann:expects_nothing "moved"
--   ann:expects_legal("move", { 1, 0 })               -- sends the event, and gives its verdict
--   ann:expects_illegal("move", { 2, 0 }, "too far")
--
-- A notify answers one expectation only: what was expected already is not there for the next one.
local match = require "umpire.sim.match"

local M = { WITHIN = 5, QUIET = 1 } -- seconds

local NS = 1000000000
local SHOWN = 12 -- of what arrived

--- Raises what busted counts as a failed test rather than as an error; level as in error.
function M.fail(message, level)
  local busted = package.loaded["busted"]
  if type(busted) == "table" and busted.fail then busted.fail(message, level + 1) end
  error(message, level + 1)
end

--- The same, at the place in the test that called into the simulator.
function M.fail_outside(message)
  local level = 2
  while true do
    local info = debug.getinfo(level, "S")
    if not info then break end
    if info.what ~= "C" and not info.source:find("umpire/sim/", 1, true) then break end
    level = level + 1
  end
  M.fail(message, level)
end

-- ---- saying it ----

local function where(self, from)
  local now = self.world:now()
  local when = from and from < now and ("from %.3f s to %.3f s"):format(from, now) or ("at %.3f s"):format(now)
  return ("%s of virtual time, seed %d"):format(when, self.world.seed)
end

local function kind(name, pattern, given)
  local text = name == nil and "a notify without a name" or ("%q"):format(name)
  return given and text .. " with " .. match.show(pattern) or text
end

local function line(self, notify, note)
  local name = notify.name == nil and "(no name)" or ("%q"):format(notify.name)
  local data = notify.data == nil and "" or " " .. match.show(notify.data, 100)
  note = note or self.met[notify] and "  (expected before)" or ""
  return ("    %8.3f s  %s%s%s"):format(notify.time or 0, name, data, note)
end

-- The last of what arrived; note(notify) may say something about each.
local function arrived(self, note)
  local all = self.notifies
  if #all == 0 then return ("  nothing has arrived at %s at all"):format(self.name) end
  local out = { ("  what arrived at %s:"):format(self.name) }
  if #all > SHOWN then out[2] = ("    ... and %d before"):format(#all - SHOWN) end
  for i = math.max(1, #all - SHOWN + 1), #all do out[#out + 1] = line(self, all[i], note and note(all[i])) end
  return table.concat(out, "\n")
end

-- What may be the reason: the player is gone, or the rulebook failed.
local function hints(self)
  local out = {}
  if self.over then out[#out + 1] = ("  its connection is over: %s"):format(self.over) end
  if self.connected == false then out[#out + 1] = "  it is unplugged" end
  if self.refused then out[#out + 1] = ("  it is not registered: %s"):format(self.refused) end
  local log = self.world.log
  for i = #log, math.max(1, #log - 200), -1 do
    if log[i]:find "^[%d.]+ error " then
      out[#out + 1] = "  the last error in the log: " .. log[i]:gsub("\n", "\n      ")
      break
    end
  end
  return #out > 0 and "\n" .. table.concat(out, "\n") or ""
end

-- ---- finding it ----

local function options_of(options, known, fallback, what)
  for name in pairs(options or {}) do
    if not known[name] then error(("%s: unknown option '%s'; known: within (seconds)"):format(what, tostring(name)), 3) end
  end
  local within = options and options.within or fallback
  if type(within) ~= "number" or within < 0 then error(what .. ": within: seconds, 0 or more, expected", 3) end
  return within
end

-- The first notify from the `from`th on that fits and was not expected before; its position too.
local function find(self, name, pattern, from)
  for i = from, #self.notifies do
    local notify = self.notifies[i]
    if notify.name == name and not self.met[notify] and (pattern == nil or not match.check(pattern, notify.data)) then
      return notify
    end
  end
end

local function remember(self)
  if not self.met then self.met = setmetatable({}, { __mode = "k" }) end
end

local function gone(self) return self.over ~= nil or self.connected == false end

local function wait(self, seconds, found)
  local world = self.world
  local last
  world:_run(world.core:now() + math.floor(seconds * NS + 0.5), function()
    last = last or found()
    return last ~= nil or gone(self)
  end)
  return last or found()
end

local Expect = {}

--- Waits until a notify of that name came whose data match (nil: whatever they are), at most options.within seconds of virtual
-- time (default 5). Gives its data (true: it has none) and the notify.
function Expect:expects(name, pattern, options)
  remember(self)
  local within = options_of(options, { within = true }, M.WITHIN, "expects")
  local from, next_one, list = self.world:now(), 1, self.notifies
  local notify = wait(self, within, function()
    if list ~= self.notifies then list, next_one = self.notifies, 1 end -- it was made to forget
    local found = find(self, name, pattern, next_one)
    next_one = #list + 1
    return found
  end)
  if notify then
    self.met[notify] = true
    return notify.data == nil and true or notify.data, notify
  end
  M.fail(("%s expects %s, and it did not come (%s)\n%s%s"):format(self.name, kind(name, pattern, pattern ~= nil),
    where(self, from), arrived(self, function(n)
      if n.name == name and not self.met[n] and pattern ~= nil then return "  <- " .. match.check(pattern, n.data) end
    end), hints(self)), 2)
end

--- Fails if such a notify has come that was not expected before, or comes within options.within seconds (default 1). Without a
-- name: any notify.
function Expect:expects_nothing(name, pattern, options)
  remember(self)
  local within = options_of(options, { within = true }, M.QUIET, "expects_nothing")
  local from = self.world:now()
  local function unwanted()
    if name ~= nil or pattern ~= nil then return find(self, name, pattern, 1) end
    for _, notify in ipairs(self.notifies) do if not self.met[notify] then return notify end end
  end
  local before = unwanted()
  local notify = before or wait(self, within, unwanted)
  if not notify then return self end
  local any = name == nil and pattern == nil
  M.fail(("%s expects no %s, and one came (%s)%s\n%s%s"):format(self.name,
    any and "notify" or kind(name, pattern, pattern ~= nil), where(self, from),
    before and "\n  it came before this was asked: ann:forget() forgets what came so far" or "",
    arrived(self, function(n) return n == notify and "  <- this one" or nil end), hints(self)), 2)
end

-- ---- verdicts ----

local function shown_event(name, data)
  if type(name) ~= "string" then return match.show(name) end
  return name .. (data ~= nil and " " .. match.show(data) or "")
end

local function outcome(verdict)
  if verdict.lost then return "no answer came" .. (verdict.reason and " (" .. verdict.reason .. ")" or "") end
  if verdict.legal == nil then return "it was not answered" end
  return (verdict.legal and "legal" or "illegal") .. (verdict.reason and ": " .. verdict.reason or "")
end

local function judged(self, what, ...)
  if not self.event then
    error(("%s: %s's protocol has no verdicts; look at what comes of it: expects, expects_nothing"):format(what, self.name), 3)
  end
  return self:event(...)
end

--- Sends the event and fails unless it is judged legal. Gives the verdict. Arguments as for event.
function Expect:expects_legal(name, data, ...)
  local verdict = judged(self, "expects_legal", name, data, ...)
  if verdict.legal ~= true then
    M.fail(("%s expects %s to be legal: %s (%s)%s"):format(self.name, shown_event(name, data), outcome(verdict), where(self),
      hints(self)), 2)
  end
  return verdict
end

--- The same for all protocols, with the arguments of event; for the method below, and for players whose events take more.
function M.illegal(self, reason, name, ...)
  local verdict = judged(self, "expects_illegal", name, ...)
  local because = reason == nil or (verdict.reason or ""):find(reason, 1, true)
  if verdict.legal ~= false or not because then
    M.fail(("%s expects %s to be illegal%s: %s (%s)%s"):format(self.name, shown_event(name, (...)),
      reason and (" because of %q"):format(reason) or "", outcome(verdict), where(self), hints(self)), 3)
  end
  return verdict
end

--- Sends the event and fails unless it is judged illegal; and, if a reason is given, unless the reason has that text in it.
-- Gives the verdict. Further arguments as for event.
function Expect:expects_illegal(name, data, reason, ...)
  if reason ~= nil and type(reason) ~= "string" then
    error("expects_illegal(name, data, reason): the reason is a text or nil", 2)
  end
  local verdict = M.illegal(self, reason, name, data, ...)
  return verdict
end

M.methods = Expect
return M
