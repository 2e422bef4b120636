--- What a world with { reload = "every" } has instead of its core: two of them, driven by the same calls. The first is the
-- world that the test sees. In the second the rulebook is loaded again after every event, log-in, arrival and departure. What
-- arrives at clients, client.data and host.state must be the same in both; the first difference fails the test, and says what
-- was lost, in save() too.
--
-- The second one's reloads leave no other trace: clients are not told what load() tells them, and chance goes on as it was.
local describe = require "umpire.sim.describe"
local expect = require "umpire.sim.expect"
local match = require "umpire.sim.match"

local Twin = {}
Twin.__index = Twin

local NS = 1000000000

function Twin.new(first, second)
  return setmetatable({ first = first, second = second, alike = true, seen = 0, lines = {} }, Twin)
end

-- Everything that changes a world is done to both, to the first one first: what it refuses, the second never hears of.
for _, name in ipairs { "listen", "peer", "move", "drop", "send", "wake", "dial", "write", "shut", "reset", "pause", "silence",
  "cut", "network", "weather", "drain", "chance" } do
  Twin[name] = function(self, ...)
    local results = table.pack(self.first[name](self.first, ...))
    if self.alike then self.second[name](self.second, ...) end
    return table.unpack(results, 1, results.n)
  end
end

for _, name in ipairs { "urls", "now", "alive", "clients", "counters", "info", "hash", "log", "peek" } do
  Twin[name] = function(self, ...) return self.first[name](self.first, ...) end
end

-- ---- the rulebook ----

-- A text that may be rewritten has a copy of its own for the second, so that a reload of that alone does not read the new one.
local function copy_text(self)
  local from = assert(io.open(self.text_path))
  local text = from:read "a"
  from:close()
  local to = assert(io.open(self.copy_path, "w"))
  to:write(text)
  to:close()
  return text
end

function Twin:open(path, library, limits, is_text)
  local ok, report, took = self.first:open(path, library, limits)
  if not ok then return ok, report, took end
  local own = path
  if is_text then
    self.text_path, self.copy_path = path, path:gsub("%.lua$", "") .. "_twin.lua"
    self.text = copy_text(self)
    own = self.copy_path
  end
  assert(self.second:open(own, library, limits))
  self.second:rehearse()
  return ok, report, took
end

function Twin:aim(path)
  self.first:aim(path)
  if self.alike then self.second:aim(path == self.text_path and self.copy_path or path) end
end

function Twin:reload()
  local ok, report, took = self.first:reload()
  if self.alike then
    local before = self.text
    if before then self.text = copy_text(self) end
    self.second:reload() -- refused like the first, it has used up the same chance
    if not ok and before then
      self.text = before
      local file = assert(io.open(self.copy_path, "w"))
      file:write(before)
      file:close()
    end
  end
  return ok, report, took
end

function Twin:close()
  if self.copy_path then os.remove(self.copy_path) end
  local left = self.second:close()
  local own = self.first:close()
  if own == nil or left == nil then return own end
  return own + left
end

-- ---- telling the difference ----

local function ordinal(n)
  local tail = n % 10
  local teen = n % 100 >= 11 and n % 100 <= 13
  return n .. (teen and "th" or tail == 1 and "st" or tail == 2 and "nd" or tail == 3 and "rd" or "th")
end

-- The first place where two plain values differ: its path, and what is there in each.
local function difference(a, b, where)
  if type(a) ~= "table" or type(b) ~= "table" then
    if a == b or (a ~= a and b ~= b) then return nil end
    return where, a, b
  end
  local keys = {}
  for key in pairs(a) do keys[key] = true end
  for key in pairs(b) do keys[key] = true end
  for _, key in ipairs(match.sorted_keys(keys)) do
    local at, left, right = difference(a[key], b[key], match.at(where, key))
    if at then return at, left, right end
  end
end

local function shown(value) return value == nil and "nothing" or match.show(value, 100) end

-- Whether what the host keeps for it is the same; packed, most of what is equal is equal byte for byte. What save() gives is
-- the rulebook's own affair: it may be written in another way after load(), and counts when something comes of it.
local function keeps_the_same(self)
  for _, what in ipairs { "clients", "state" } do
    if self.first:peek(what, true) ~= self.second:peek(what, true)
      and difference(self.first:peek(what), self.second:peek(what), what) then return false end
  end
  return true
end

-- What the rulebook knows that differs, a line each.
local function what_it_knows(self)
  local out = {}
  local function compare(a, b, where)
    local at, left, right = difference(a, b, where)
    if at then out[#out + 1] = ("  %s: %s without the reloads, %s with them"):format(at, shown(left), shown(right)) end
  end
  compare(self.first:peek "saved", self.second:peek "saved", "save()")
  compare(self.first:peek "state", self.second:peek "state", "host.state")
  local mine, its = self.first:peek "clients", self.second:peek "clients"
  local names = {}
  for _, c in ipairs(self.first:clients()) do names[c.id] = self.name_of(c) end
  for _, id in ipairs(match.sorted_keys(mine or {})) do
    compare(mine[id], its and its[id], ("client.data of %s"):format(names[id] or id))
  end
  return out
end

-- The errors that only the second one's log has.
local function errors_of(self)
  local out = {}
  if self.second:info().errors <= self.first:info().errors then return out end
  for _, line in ipairs(self.second:log()) do
    if line[2] == "error" then out = { "  with them, a handler failed: " .. line[4]:gsub("\n", "\n      ") } end
  end
  return out
end

local function tell(self, what)
  self.alike = false
  local n, at, peer, bytes, size = self.second:rehearsed()
  local out = { ("the rulebook loses something in a reload (%.3f s of virtual time, seed %d)"):format(self.first:now() / NS,
    self.seed) }
  for _, line in ipairs(what) do out[#out + 1] = line end
  for _, line in ipairs(what_it_knows(self)) do out[#out + 1] = line end
  for _, line in ipairs(errors_of(self)) do out[#out + 1] = line end
  if n > 0 then
    local cause = "a time-out of the server's"
    if self.client_at(peer) then
      cause = ("what %s had sent: %s"):format(self.name_at(peer), describe.sent(self.client_at(peer), bytes, size))
    end
    out[#out + 1] = ("  it was loaded for the %s time at %.3f s, after %s"):format(ordinal(n), at / NS, cause)
  end
  local counters = self.first:counters()
  if (counters["engine.timers"] or 0) > 0 then
    out[#out + 1] = "  (timers and micro-threads end with a reload. Make them again in load(), from times that save() keeps.)"
  end
  expect.fail_outside(table.concat(out, "\n"))
end

local function arrival(self, peer, bytes, what, now)
  if not peer then return ("nothing, until %.3f s"):format(now / NS) end
  return ("at %.3f s %s gets %s"):format(now / NS, self.name_at(peer), describe.got(self.client_at(peer), bytes, what))
end

--- As the core's run, in both.
function Twin:run(limit, quiet)
  local peer, bytes, what = self.first:run(limit, quiet)
  if not self.alike then return peer, bytes, what end
  local ok, its_peer, its_bytes, its_what = pcall(self.second.run, self.second, limit, quiet)
  if not ok then tell(self, { "  it cannot be loaded again: " .. tostring(its_peer):gsub("\n", "\n      ") }) end
  -- its alarm clocks go first to where they were set; both stand at the same time unless they differ
  if peer ~= its_peer or bytes ~= its_bytes or what ~= its_what or self.first:now() ~= self.second:now() then
    tell(self, { "  without reloads: " .. arrival(self, peer, bytes, what, self.first:now()),
      "  with them:       " .. arrival(self, its_peer, its_bytes, its_what, self.second:now()) })
  end
  local n = self.second:rehearsed()
  if n ~= self.seen then
    self.seen = n
    if not keeps_the_same(self) then tell(self, {}) end
  end
  return peer, bytes, what
end

return Twin
