---@meta umpire.sim

--[[md
## The simulator

The real engine with a virtual clock and a simulated network, in [busted](https://lunarmodules.github.io/busted/): no sockets, no
sleeping, the same bytes as in production, and the same seed gives the same run. An hour with two clients takes about a second.

```lua
local sim = require "umpire.sim"

it("lets nobody step two cells", function()
  local world = sim.run("rules/arena.lua", { seed = 7 })
  local ann = world:connect "neteria"
  local verdict = ann:event("move", { 2, 0 })
  assert.is_false(verdict.legal)
  assert.equal("too far: 1 in one move", verdict.reason)
  world:close()
end)
```

Run it with `umpire test`, or in umpire's own folder with `lua5.4 /usr/bin/busted` (Debian's `busted` starts whatever `lua` is, which
may be 5.1). A failing test prints the seed of its worlds; `UMPIRE_SEED=7` in the environment repeats it. In a simulated rulebook
`pairs` goes in the order of the keys, so that a run repeats; in production it is Lua's own, in no order. A call's budget is counted
in instructions there, not in time.

Where an example below stands alone, `world` is a world and `ann` a player in it.
]]

---What sim.run may be told.
---@class umpire.sim.Options
---@field seed integer|nil without it a new one each time; `UMPIRE_SEED` in the environment goes over both
---@field listen string|string[]|nil listen URLs, "neteria://0.0.0.0:40080?limit=2&hold_ms=0"; nil: the rulebook's own
---@field memory integer|nil bytes for the rulebook's VM
---@field instructions integer|nil VM instructions of one call
---@field load_budget number|nil seconds for loading
---@field chance string|nil what is drawn while the rulebook is loaded, see world:chance
---@field reload "every"|false|nil "every": beside the world runs a twin in which the rulebook is loaded again after every event,
---log-in, arrival and departure. What arrives at clients, `client.data` and `host.state` must be the same in both: the first
---difference fails the test, with the client, the event, the time, and what was lost, in `save()` too. Timers and micro-threads end with a reload, so what
---hangs on them has to be made again in `load`. nil: as UMPIRE_RELOAD in the environment says, so that a whole suite can be run so

---@class umpire.sim
---@field version string umpire's version
---@field any table a pattern: any value, but there has to be one
---@field nothing table a pattern: no value; a field that must not be there
local sim = {}

---A world that is judged by the rulebook at path. Raises what `umpire check` would say.
---
---    local arena = sim.run("rules/arena.lua", { seed = 7, listen = "neteria://0.0.0.0:40080?limit=2" })
---    assert.equal(0, arena:now())
---@param path string a file, or a folder with init.lua
---@param options umpire.sim.Options|nil an unknown one raises
---@return umpire.sim.World world
function sim.run(path, options) end

---The same for a rulebook given as text; world:rewrite(text) changes it.
---
---    local small = sim.run_text "return { api = 1, legal = function() return false, 'closed' end }"
---    assert.equal("closed", small:connect "neteria":event "open".reason)
---@param text string
---@param options umpire.sim.Options|nil
---@return umpire.sim.World world
function sim.run_text(text, options) end

---A pattern: a number that differs by at most `by`.
---
---    ann:event("hello", { x = 1.49, y = 2 })
---    ann:expects("hello", { x = sim.near(1.5, 0.1) })
---@param number number
---@param by number|nil default 1e-6
---@return table pattern
function sim.near(number, by) end

---A pattern: a string in which the Lua pattern is found.
---
---    ann:event("hello", { text = "see you" })
---    ann:expects("hello", { text = sim.like "^see" })
---@param pattern string
---@return table pattern
function sim.like(pattern) end

---A pattern: a value of that type, "string", "number", "integer", "float", "boolean", "table".
---
---    ann:event("hello", { 7, "x" })
---    ann:expects("hello", { sim.a "integer", sim.a "string" })
---@param kind string
---@return table pattern
function sim.a(kind) end

---A pattern: a table with exactly these fields and no others.
---
---    ann:event("hello", { x = 1 })
---    ann:expects("hello", sim.exactly { x = 1 })
---@param fields table
---@return table pattern
function sim.exactly(fields) end

---Runs a test with many seeds: each world that it makes has that seed, and is closed after it. Fails with what the smallest failing
---seed raised, and how to repeat it; UMPIRE_SEED in the environment runs that one alone.
---
---    sim.explore(20, function()
---      local world = sim.run "rules/echo.lua"
---      world:network { loss = 0.3, reorder = 0.2, lag = 0.05 }
---      local ann = world:connect("neteria", { attempts = 30 })
---      ann:expects_legal("hello", { 1, 2 })
---    end)
---@param seeds integer|integer[]|{ from: integer, to: integer } how many (1, 2, ...), a list, or a range
---@param fn fun(seed: integer) the test
---@param options { stop: boolean }|nil stop: at the first failure, instead of counting them
---@return integer ran how many
function sim.explore(seeds, fn, options) end

---What sim.fuzz may be told.
---@class umpire.sim.FuzzOptions
---@field steps integer|nil how much is done, default 300; a thousand take about a tenth of a second
---@field clients integer|nil default 3; they take turns with the protocols
---@field protocols string[]|nil default: all that the rulebook, or `listen`, listens for
---@field network umpire.sim.Weather|false|nil default: it loses, doubles and reorders some; false: perfect
---@field reload number|"every"|nil share of steps that are reloads, default 0.02; "every": as in sim.run
---@field hostile number|nil share of events that only nearly fit, default 0.2
---@field events table|nil what events carry, over what the schema says, by name: a description as schema.describe gives it, a list
---of samples, or a function (random) that gives data
---@field invariant fun(world: umpire.sim.World, players: umpire.sim.Client[]): boolean?, string? asked after every step; false and
---why, or an error: it does not hold
---@field seed integer|nil what repeats it
---@field listen string|string[]|nil as in sim.run
---@field shrink boolean|nil false: tell the whole script, do not look for a shorter one

---Drives a rulebook at random: players send every event that umpire.middleware.schema was told of, with data that fit or nearly fit,
---call declared procedures, send garbage, vanish and come back, on a bad network, with reloads in between. Fails when a handler
---fails, a reload is refused, or the invariant does not hold; tells the shortest list of steps that it finds to do that (within ten
---seconds), as Lua to paste into a spec.
---
---    local counters = sim.fuzz("rules/gate.lua", { steps = 200, invariant = function(world) return world:info().tripped == 0 end })
---    assert.is_true(counters["engine.legal"] > 0)
---@param path string a rulebook; a text of several lines is one
---@param options umpire.sim.FuzzOptions|nil an unknown one raises
---@return table<string, integer> counters of the world, when nothing was found
function sim.fuzz(path, options) end

---How many worlds are open. A suite ends by showing that it is 0.
---
---    assert.is_true(sim.open_objects() >= 1)
---@return integer worlds
function sim.open_objects() end

--[[md
### world
]]

---A simulated world. A test's end closes what it left open.
---@class umpire.sim.World
---@field log string[] the server's log so far, "1.500 info rules: ..."
---@field state table a copy of host.state as it is now
---@field seed integer what repeats it
local world = {}

---A client that joins; time passes until it is in, or gives up, or `wait` is false. Always a client, see its fields.
---
---    local bob = world:connect("neteria", { name = "bob", attempts = 3 })
---    assert.is_true(bob.registered, bob.refused)
---@param protocol string|nil "neteria" (default), "pygase", "laneya", "joint", "pymmorpg"
---@param options umpire.sim.ClientOptions|nil an unknown one raises
---@return umpire.sim.Client client
function world:connect(protocol, options) end

---So many clients that join together.
---
---    local crowd = world:connect_many("neteria", 20, function(i) return { name = "player " .. i } end)
---    assert.equal("player 20", crowd[20].name)
---@param protocol string
---@param n integer
---@param options umpire.sim.ClientOptions|fun(i: integer): umpire.sim.ClientOptions|nil
---@return umpire.sim.Client[] clients
function world:connect_many(protocol, n, options) end

---Cuts a client's link. Datagrams are lost, also those under way; what streams carry waits until the link is healed.
---
---    world:cut(ann)
---    local handle = ann:send "hello"
---    world:advance(1)
---    assert.is_false(handle.done)
---    world:heal(ann)
---@param client umpire.sim.Client
---@param way "up"|"down"|nil to the server, to the client, or both
---@return umpire.sim.World world
function world:cut(client, way) end

---Mends a link that was cut.
---
---    world:cut(ann, "down")
---    world:heal(ann)
---    ann:expects_legal "hello"
---@param client umpire.sim.Client
---@param way "up"|"down"|nil
---@return umpire.sim.World world
function world:heal(client, way) end

---Lets so many seconds of virtual time pass.
---
---    world:advance(2.5)
---@param seconds number 0 or more
---@return umpire.sim.World world
function world:advance(seconds) end

---Virtual seconds since the start; the same number as host.now().
---
---    local began = world:now()
---    world:advance(1)
---    assert.equal(began + 1, world:now())
---@return number seconds
function world:now() end

---Lets time pass until condition() is true.
---
---    assert.is_true(world:wait_for(function() return #world:clients() > 0 end, 5))
---@param condition fun(): any
---@param seconds number|nil at most, default 60
---@return boolean came false: too late
function world:wait_for(condition, seconds) end

---Lets time pass until nothing is under way, no client waits for an answer, and what the server told before is confirmed or given
---up. Ticks, timers of the rulebook and keep-alives do not count. Raises when it is too late, with what keeps the world busy.
---
---    local handle = ann:send "hello"
---    world:settle()
---    assert.is_true(handle.done)
---@param seconds number|nil at most, default 60
---@return boolean settled true
function world:settle(seconds) end

---Sets the weather; what is not named is perfect.
---
---    world:network { loss = 0.3, duplicate = 0.1, lag = 0.08, jitter = 0.04, rate = 128 * 1024, down = { loss = 0 } }
---@param weather umpire.sim.Weather|nil an unknown knob raises
---@return umpire.sim.World world
function world:network(weather) end

---What SIGHUP does.
---
---    local ok, report = world:reload()
---    assert.is_true(ok, report)
---@param path string|nil another rulebook takes over
---@return boolean ok
---@return string report
---@return number? seconds that the engine stood still
function world:reload(path) end

---What the server and the rulebook draw from chance next (host.random, host.uuid, math.random's seed), as hexadecimal digits; what is drawn
---beyond that is made from the seed again. So a recording's dice fall as they fell: `umpire replay FILE --spec` writes such specs, in
---the words of `umpire.sim.recorded`.
---
---    world:chance "8f3c21d00a5be7714fd2b1a09be4c57d"
---    assert.equal(world, world:chance "00ff")
---@param hex string
---@return umpire.sim.World world
function world:chance(hex) end

---What SIGTERM does: disconnect is called for each client, and everybody's session ends.
---
---    world:stop()
---@return umpire.sim.World world
function world:stop() end

---Changes the rulebook of sim.run_text, for a later reload.
---
---    world:rewrite "return { api = 1 }"
---    assert.is_true((world:reload()))
---@param text string
function world:rewrite(text) end

---The clients that the server knows, with their fields.
---
---    assert.equal("neteria", world:clients()[1].protocol)
---@return table[] clients
function world:clients() end

---The server's counters, by name.
---
---    for name, count in pairs(world:counters()) do assert.is_true(count >= 0, name) end
---@return table<string, integer> counters
function world:counters() end

---What the server and the network hold.
---
---    assert.equal(1, world:info().loads)
---@return table info
function world:info() end

---The first log line with the text.
---
---    assert.is_nil(world:logged "rule_error")
---@param text string
---@param pattern boolean|nil true: text is a Lua pattern
---@return string? line
function world:logged(text, pattern) end

---A hash of everything that was sent, in order, and of what became of it and when, as 16 hex digits. Runs with the same seed and
---the same script have the same, in every process; any other order or byte or fate gives another.
---
---    local trace = world:trace()
---    ann:event "hello"
---    assert.not_equal(trace, world:trace())
---@return string trace
function world:trace() end

---The same, by its older name.
---
---    assert.equal(world:hash(), world:trace())
---@return string trace
function world:hash() end

---A function that sends any bytes from an address and returns the answers so far.
---
---    local say = world:raw "10.0.9.9:50999"
---    say "nonsense"
---@param address string|nil
---@return fun(bytes: string?): string[] say
function world:raw(address) end

---Ends the world, and proves that nothing of it is left: raises if the engine or the rulebook still holds memory.
---
---    world:close()
function world:close() end

--[[md
### Weather
]]

---What world:network takes. `up = {...}` and `down = {...}` name differences for one way. On streams nothing is lost, doubled or
---reordered: a lost piece comes late (after 0.2 s or twice the lag, doubling) and holds up what is behind it, and a rate makes the
---writer wait.
---@class umpire.sim.Weather
---@field loss number|nil share, 0 to 1
---@field duplicate number|nil share, 0 to 1
---@field reorder number|nil share, 0 to 1: a datagram is held back so that later ones overtake it
---@field lag number|nil seconds; each way takes lag - jitter to lag + jitter, in order
---@field jitter number|nil seconds
---@field rate number|nil bytes a second for each client; what would wait over 1 s is dropped
---@field split integer|"random"|nil of streams: bytes of a piece, at most; 1 brings every byte alone, "random" cuts anywhere
---@field window integer|nil of streams: bytes under way or unread at most (64 KiB): who does not read makes the other wait
---@field cut number|nil of streams: share of pieces, 0 to 1, that meet a reset of their connection
---@field up umpire.sim.Weather|nil to the server
---@field down umpire.sim.Weather|nil to the clients

return sim
