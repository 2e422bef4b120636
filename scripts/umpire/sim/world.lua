--- A simulated world: time, weather, clients and what the server says about itself.

local expect = require "umpire.sim.expect"
local Twin = require "umpire.sim.twin"

local World = {}
local methods = {}
World.methods = methods

local NS = 1000000000
local REPEATED = 10 -- seconds: longer than any protocol repeats a datagram that is not confirmed (neteria: 5 times in 8 s)
local function ns(seconds) return math.floor(seconds * NS + 0.5) end

-- world.log brings the lines that came since it was looked at last; world.state is a copy of host.state as it is now.
function World.__index(self, key)
  if key == "log" then return self:_take_log() end
  if key == "state" then return assert(self.core:peek "state") end
  return methods[key]
end
World.__name = "umpire.sim.World"
World.__close = function(self) self:close() end

-- ---- starting ----

local function decode(text) return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)) end

local function parse_url(url)
  local scheme, rest = url:match "^(%a[%w]*)://(.*)$"
  if not scheme then
    error(("\"%s\" is no listen URL: scheme://host:port[?option=value&...] expected"):format(url), 0)
  end
  local options = {}
  for name, value in (rest:match "%?(.*)$" or ""):gmatch "([^&=]+)=([^&]*)" do
    options[#options + 1] = { name, decode(value) }
  end
  return scheme, options
end

local function listen(self, core, wanted)
  local urls = wanted or core:urls()
  if type(urls) == "string" then urls = { urls } end
  if #urls == 0 then urls = { "neteria://0.0.0.0:40080" } end
  for _, url in ipairs(urls) do
    local scheme, options = parse_url(url)
    local index, why = core:listen(scheme, options)
    if not index then error(why, 0) end
    self.listeners[scheme] = self.listeners[scheme] or index
  end
end

-- What a twin has to know to speak of clients.
local function introduce(self, core)
  core.seed = self.seed
  core.client_at = function(peer) return self.by_peer[peer] end
  core.name_at = function(peer) return self.by_peer[peer] and self.by_peer[peer].name or "someone" end
  core.name_of = function(known) -- as core:clients() lists it
    for _, client in pairs(self.by_peer) do
      local place = client.place
      if place and ("%d.%d.%d.%d:%d"):format(table.unpack(place)) == known.address then return client.name end
    end
    return known.id
  end
end

function World.new(core_module, seed, path, library, options, reloads, is_text)
  local core = core_module.new(seed)
  if reloads then core = Twin.new(core, core_module.new(seed, true)) end
  local self = setmetatable({
    seed = seed, path = path,
    core = core, epoch = core_module.epoch, module = core_module,
    listeners = {},   -- scheme -> listener
    by_peer = {},     -- peer number -> client
    lines = {},       -- the log so far
    n_clients = 0,
    n_peers = 0,
    weather = {},     -- of the world
    own_weather = {}, -- client -> its link's
    cuts = {},        -- client -> { true, true }: to the server, to the client
  }, World)
  if reloads then introduce(self, core) end
  local ok, err = pcall(function()
    if options.chance then self:chance(options.chance) end
    local good, report = core:open(path, library, {
      memory = options.memory, instructions = options.instructions,
      load_budget = options.load_budget and ns(options.load_budget),
    }, is_text)
    if not good then error("the rulebook was refused:\n" .. report, 0) end
    self.report = report
    listen(self, core, options.listen)
  end)
  if not ok then
    core:close()
    error(err, 0)
  end
  return self
end

-- ---- time ----

--- Virtual seconds since the start; the same number as host.now().
function methods:now() return self.core:now() / NS end

local function handle(self, peer, bytes, what)
  local client = self.by_peer[peer]
  if client then client:_arrived(bytes, what) end
end

-- Lets time pass until done() is true or the time is up; true: done() said so.
function methods:_run(limit, done)
  local core = self.core
  while true do
    if done and done() then return true end
    local peer, bytes, what = core:run(limit)
    if not peer then return done and done() or false end
    handle(self, peer, bytes, what)
  end
end

--- Lets so many seconds pass.
function methods:advance(seconds)
  if type(seconds) ~= "number" or seconds < 0 then error("advance: seconds, 0 or more, expected", 2) end
  self:_run(self.core:now() + ns(seconds))
  return self
end

--- Lets time pass until condition() is true, at most so many seconds (default 60); true if it came true.
function methods:wait_for(condition, seconds)
  return self:_run(self.core:now() + ns(seconds or 60), condition)
end

-- What is not settled, in words; nil: all is.
local function busy_with(self, confirmed)
  local info, out = self.core:info(), {}
  local under_way = info.under_way - (confirmed and info.datagrams or 0)
  if under_way > 0 then out[1] = ("%d datagrams or pieces of streams are under way"):format(under_way) end
  if info.unconfirmed > 0 and not confirmed then
    out[#out + 1] = ("the server repeats %d notifies or answers until they are confirmed"):format(info.unconfirmed)
  end
  for peer = 0, self.n_peers - 1 do
    local client = self.by_peer[peer]
    if client and not client:idle() then out[#out + 1] = (client.name or "a client") .. " waits for an answer" end
  end
  return out[1] and out or nil
end

local function is_busy(self, confirmed)
  local info = self.core:info()
  if info.under_way > (confirmed and info.datagrams or 0) or info.unconfirmed > 0 and not confirmed then return true end
  for _, client in pairs(self.by_peer) do
    if not client:idle() then return true end
  end
  return false
end

--- Lets time pass until nothing is under way, no client waits for an answer, and what the server had told before is confirmed
-- or given up. Ticks, timers of the rulebook and keep-alives do not count. Raises after so many seconds (default 60), with what
-- keeps it busy.
function methods:settle(seconds)
  local core, limit, repeated = self.core, self.core:now() + ns(seconds or 60), self.core:now() + ns(REPEATED)
  while true do
    local confirmed = core:now() >= repeated -- what is repeated or flies now is younger: of ticks, keep-alives
    if not is_busy(self, confirmed) then return true end
    if core:now() >= limit then
      expect.fail(("the world did not settle within %g s (at %.3f s, seed %d):\n  %s"):format(seconds or 60, self:now(),
        self.seed, table.concat(busy_with(self, confirmed), "\n  ")), 2)
    end
    local until_when = confirmed and limit or math.min(limit, repeated)
    local peer, bytes, what = core:run(until_when, core:info().under_way > 0) -- what arrives at the server ends it, too
    if peer then handle(self, peer, bytes, what) end
  end
end

-- ---- weather ----

local knobs = { loss = 1, duplicate = 1, reorder = 1, lag = math.huge, jitter = math.huge, rate = math.huge, cut = 1,
  split = 65536, window = 1 << 30 }

local function check_link(t, where)
  for name, value in pairs(t) do
    local most = knobs[name]
    if not most and (where ~= "" or (name ~= "up" and name ~= "down")) then
      error(("network: unknown knob '%s'; known: loss, duplicate, reorder (0..1), lag, jitter (s), rate (bytes/s), up, down; "
        .. "of streams: cut (0..1), split (bytes, or \"random\"), window (bytes)"):format(tostring(name)), 3)
    end
    local random = name == "split" and value == "random"
    if most and not random and (type(value) ~= "number" or value < 0 or value > most) then
      error(("network: %s%s must be a number from 0 to %s, got %s"):format(where, name, most, tostring(value)), 3)
    end
  end
end

local WAYS = { "up", "down" }

local function check_weather(weather)
  check_link(weather, "")
  for _, name in ipairs(WAYS) do check_link(weather[name] or {}, name .. ".") end
end

local function copy_weather(weather)
  local copy = {}
  for name, value in pairs(weather) do copy[name] = type(value) == "table" and copy_weather(value) or value end
  return copy
end

-- What the core takes for one way: the knobs of the first weather that names them, the way's own before the rest.
local function knobs_of(way, ...)
  local layers = { ... }
  local function knob(key)
    for _, weather in ipairs(layers) do
      local own = weather[WAYS[way]]
      if own and own[key] then return own[key] end
      if weather[key] then return weather[key] end
    end
    return 0
  end
  local split = knob "split"
  return knob "loss", knob "duplicate", knob "reorder", ns(knob "lag"), ns(knob "jitter"), knob "rate", knob "cut",
    split == "random" and -1 or math.floor(split), math.floor(knob "window")
end

local function push_weather(self, client)
  if not self.core:alive(client.peer) then return end
  for way in ipairs(WAYS) do
    local own = self.own_weather[client]
    if own then self.core:weather(client.peer, way, knobs_of(way, own, self.weather))
    else self.core:weather(client.peer, way) end
  end
end

--- Sets the weather, both ways; what is not named is 0 (perfect). up = {...} and down = {...} name differences for one way:
-- to the server, to the clients. See umpire.sim's page for the knobs.
function methods:network(weather)
  weather = weather or {}
  check_weather(weather)
  self.weather = copy_weather(weather)
  for way in ipairs(WAYS) do self.core:network(way, knobs_of(way, self.weather)) end
  for client in pairs(self.own_weather) do push_weather(self, client) end
  return self
end

-- For client:network: weather of its link, over the world's.
function methods:_weather_of(client, weather)
  if weather then check_weather(weather) end
  self.own_weather[client] = weather and next(weather) ~= nil and copy_weather(weather) or nil
  push_weather(self, client)
end

local function cut(self, what, client, way, on)
  local found = false
  if type(client) ~= "table" or not client.peer or client.world ~= self then
    error(what .. ": a client of this world expected", 3)
  end
  self.cuts[client] = self.cuts[client] or {}
  for i, name in ipairs(WAYS) do
    if way == nil or way == name then
      found, self.cuts[client][i] = true, on or nil
      if self.core:alive(client.peer) then self.core:cut(client.peer, i, on) end
    end
  end
  if not found then error(("%s: \"up\", \"down\" or nothing for both expected, got %s"):format(what, tostring(way)), 3) end
  return self
end

--- Cuts the client's link: to the server ("up"), to the client ("down"), or both (nil). Datagrams are lost, also those under
-- way; what streams carry waits.
function methods:cut(client, way) return cut(self, "cut", client, way, true) end

--- Mends it, both ways or one. What streams carried comes now.
function methods:heal(client, way) return cut(self, "heal", client, way, false) end

-- ---- clients ----

local function address_of(self, text)
  local n = self.n_clients + 1
  if not text then return 10, (n >> 16) & 255, (n >> 8) & 255, n & 255, 50000 + n % 10000 end
  local a, b, c, d, port = text:match "^(%d+)%.(%d+)%.(%d+)%.(%d+):(%d+)$"
  if not a then error(("\"%s\" is no address: 10.0.0.7:50007 expected"):format(tostring(text)), 3) end
  return tonumber(a), tonumber(b), tonumber(c), tonumber(d), tonumber(port)
end
function methods:_address(text) return address_of(self, text) end

-- A peer of the network there.
local function new_peer(self, place)
  local peer = self.core:peer(table.unpack(place))
  self.n_clients = self.n_clients + 1
  self.n_peers = peer + 1
  return peer
end

-- The player of a protocol: umpire.sim.client speaks neteria, umpire.sim.NAME the others.
local function player_of(protocol)
  return require("umpire.sim." .. (protocol == "neteria" and "client" or protocol))
end

--- A client that joins, speaking the protocol (default "neteria"); time passes until it is in or gives up. Always a client.
-- On streams (umpire.sim.stream and the protocol's own page): look at client.open and client.over.
-- Neteria: look at client.registered and client.refused. Options: name (for messages), version, cuuid, address
-- ("10.0.0.7:50007"), priority (of its events: "normal" or "high"), attempts (transmissions before it gives up),
-- wait = false (do not let time pass).
function methods:connect(protocol, options)
  protocol, options = protocol or "neteria", options or {}
  local listener = self.listeners[protocol]
  if not listener then
    error(("nobody listens for \"%s\" in this world; listening: %s"):format(protocol, self:_schemes()), 2)
  end
  local place = { address_of(self, options.address) }
  local peer = new_peer(self, place)
  local client = player_of(protocol).new(self, peer, listener, options)
  client.place, client.protocol, self.by_peer[peer] = place, protocol, client
  client:register(options.wait)
  return client
end

--- So many clients that join together, as a list. options: as for connect, or a function (i) that gives them.
function methods:connect_many(protocol, n, options)
  if math.type(n) ~= "integer" or n < 0 then error("connect_many(protocol, n, options): a number of clients expected", 2) end
  local clients, at = {}, 1
  for i = 1, n do
    local own = {}
    for name, value in pairs(type(options) == "function" and options(i) or options or {}) do own[name] = value end
    local wait = own.wait
    own.wait = false
    clients[i] = self:connect(protocol, own)
    if wait == false then at = n + 1 end
  end
  self:_run(self.core:now() + 60 * NS, function()
    while at <= n and (clients[at].settled_in or clients[at].idle)(clients[at]) do at = at + 1 end
    return at > n
  end)
  return clients
end

-- For client:reconnect: another peer at the same place, or another one.
function methods:_plug_in(client, address)
  if not client.begin_again then error(("reconnect: %s's player cannot"):format(client.name), 3) end
  local stream = client.open ~= nil
  if stream and not client.over or client.connected then client:vanish() end
  local place = client.place
  if address then place = { address_of(self, address) }
  elseif stream then
    place = { table.unpack(place) }
    place[5] = place[5] < 65535 and place[5] + 1 or 1024
  end
  self.by_peer[client.peer] = nil
  client.place, client.peer = place, new_peer(self, place)
  self.by_peer[client.peer] = client
  push_weather(self, client)
  for way, on in pairs(self.cuts[client] or {}) do self.core:cut(client.peer, way, on) end
end

function methods:_schemes()
  local names = {}
  for scheme in pairs(self.listeners) do names[#names + 1] = scheme end
  table.sort(names)
  return table.concat(names, ", ")
end

--- Datagrams from an address, for what no client would say. Returns a function that gives the answers that came so far.
function methods:raw(address, listener)
  local peer = new_peer(self, { address_of(self, address) })
  local answers = {}
  self.by_peer[peer] = { _arrived = function(_, bytes) answers[#answers + 1] = bytes end, idle = function() return true end }
  return function(bytes)
    if bytes then self.core:send(peer, self.listeners[listener or "neteria"], bytes) end
    return answers
  end
end

-- ---- the rulebook ----

--- What SIGHUP does: true, the report and the pause (s), or false and the report: then the old rulebook goes on.
-- path: of another rulebook that is to take over, with everybody who is there.
function methods:reload(path)
  if path then self.core:aim(path) end
  local ok, report, took = self.core:reload()
  if ok then self.path = path or self.path elseif path then self.core:aim(self.path) end
  self.report = report
  return ok, report, took / NS
end

--- Writes another text into the rulebook of a world that was made by sim.run_text. It judges after the next reload.
function methods:rewrite(text)
  if not self.text_path then error("rewrite: only for worlds made by sim.run_text", 2) end
  local file = assert(io.open(self.text_path, "w"))
  file:write(text)
  file:close()
  return self
end

--- What the server and the rulebook draw next from chance (host.random, host.uuid), as hexadecimal digits; after
-- that it is made from the seed again. For recorded play, see umpire.sim.recorded.
function methods:chance(hex)
  self.core:chance((hex:gsub("%x%x", function(digits) return string.char(tonumber(digits, 16)) end)))
  return self
end

-- ---- looking ----

--- The clients as the server knows them: a list of { id, name, address, protocol, version }, oldest first.
function methods:clients() return self.core:clients() end

--- Every counter by name: "neteria.…", "engine.…", "network.…".
function methods:counters() return self.core:counters() end

--- Facts: load (everything queued or remembered in the engine), under_way (datagrams), bytes (of the engine), memory (of the
-- rulebook's VM), loads, refused, errors, tripped, hash (of the rulebook's files), version, path.
function methods:info() return self.core:info() end

--- A hash of everything that was sent in this world, in order, and what became of it and when, as 16 hex digits: two runs that
-- were the same have the same, also in another process.
function methods:trace() return self.core:hash() end

--- The same, by its older name.
function methods:hash() return self.core:hash() end

function methods:_take_log()
  if self.core_closed then return self.lines end
  for _, line in ipairs(self.core:log()) do
    self.lines[#self.lines + 1] = ("%.3f %s %s: %s"):format(line[1] / NS, line[2], line[3], line[4])
  end
  return self.lines
end

--- The first log line that has the text (or Lua pattern, if pattern is true) in it; nil: none.
function methods:logged(text, pattern)
  for _, line in ipairs(self.log) do
    if line:find(text, 1, not pattern) then return line end
  end
  return nil
end

-- ---- the end ----

--- What SIGTERM does: disconnect is called for each client, and everybody's session ends.
function methods:stop()
  self.core:drain()
  return self
end

--- Ends the world, and proves that nothing of it is left: raises if the engine or the rulebook still holds memory.
function methods:close()
  if self.core_closed then return end
  self:_take_log()
  self.core_closed = true
  local left = self.core:close()
  if self.text_path then os.remove(self.text_path) end
  if left ~= 0 then
    error(("a closed world must be empty, but %d bytes and blocks are left (seed %d)"):format(left, self.seed), 2)
  end
end

return World
