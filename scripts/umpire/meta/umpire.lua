---@meta umpire
-- What `require "umpire"` gives inside a rulebook, and what the host asks of one, for editors that know LuaCATS annotations
-- (lua-language-server: put this folder into "workspace.library"). Nothing here runs.
--
-- scripts/reference makes scripts/umpire/README.md of this folder: what is said here is said there. A long comment that begins
-- with "md" is text of that page at its place; code that is indented by four blanks is an example, and the tests run it.

--[[md
# The Lua library

What a rulebook is, what it may call, the middleware that ships with it, and how to test it. This page is made of the
annotations in [meta/](meta), which editors read: `umpire new NAME` makes a folder that is set up for them, and
"[Editors](#editors)" says how to do it elsewhere.

- [The rulebook](#the-rulebook) · [client](#client) · [event](#event) · [host](#host) · [micro-threads](#micro-threads) ·
  [the replicated state](#the-replicated-state) · [channels](#channels) · [listen URLs](#listen-urls) · [what of Lua is there](#what-of-lua-is-there)
- [Middleware](#middleware)
- [The simulator](#the-simulator)
- [Clients without I/O](#clients-without-io)
- [Editors](#editors)

Guides, each of which can be followed as it stands:

{{guides}}

Times are seconds, as floats, of the host clock. Misuse raises an error that names the argument; what the world does (a client
has left, a queue is full) returns nil, a message and a code. Where an example stands alone, `host`, `client` and `event` are
there as in `execute`, and `game` is the rulebook's table.

## The rulebook

A file that returns a table (or a folder with `init.lua`; `require` then finds its other files). Every handler is optional.

```lua
local host = require "umpire"
local game = { api = 1, version = 1, tick_rate = 20, listen = { "neteria://0.0.0.0:40080" } }

function game.connect(client)               end -- may return false, reason
function game.legal(client, event)          return true end -- true | false, reason | host.invalid(reason). Must change nothing
function game.execute(client, event)        end -- only for legal events, once each
function game.disconnect(client, reason)    end
function game.login(name, password, client, create) return true end -- true | false, reason. Without it: the host's accounts
function game.tick(dt)                      end -- tick_rate times a second
function game.save()                        end -- plain data, kept across a reload
function game.load(saved, from_version)     end -- after every load and reload; nil the first time
function game.view(client, state)           return true end -- what of host.state it may see; without it: everything
return game
```

- What a handler asks of the host happens when it returns, in order, and not at all if it fails. An error or a call over its
  budget costs that call: the client's event is answered ILLEGAL, `internal`, and the log has file, line and traceback.
- Across a reload go: `save()` → `load()`, `client.data`, connections, unconfirmed notifies, the memory of judged events. Not:
  locals, timers and micro-threads; make them again in `load`.
- `umpire run --web 8000` serves the rulebook's pages to browsers: the folder `web` beside `init.lua`, for `x.lua` the folder
  `x/web`, or what the rulebook names as `web`. `/umpire.json` tells a page where the joint protocol is spoken.
- Log-ins are answered by `login`, or else by the host's accounts: names and argon2id hashes in an SQLite database (`umpire run
  --store FILE`; without it they are gone when the host stops). Either way at most ten attempts a minute per address and per
  name (`?attempts=`).
- It is Lua 5.4 without the ways out (`io`, `os.execute`, `debug`, binary chunks); an undefined variable is an error, and so is
  a field of the rulebook's table that nobody knows. Names that begin with `_` are the author's own.
]]

---Plain data: what crosses the border between rules and host. nil, booleans, integers, floats, strings and tables of them,
---without cycles, at most 32 deep. A table may hold an array part and a hash part at once.
---@alias umpire.Data nil|boolean|integer|number|string|table

---A judge: true; or false and a reason for people (at most 200 bytes); or host.invalid(reason).
---@alias umpire.Judge fun(client: umpire.Client, event: umpire.Event): boolean|umpire.Invalid, string?

---What a rulebook's file returns. Its fields:
---@class umpire.Rulebook
---@field api 1 the version of this interface that it is written for; required
---@field version integer|nil your own version; load() is told from which one the saved data comes
---@field tick_rate number|nil how often a second tick() is called, at most 1000; nil: never
---@field listen string[]|nil [listen URLs](#listen-urls), used when neither flags nor environment name any
---@field legal umpire.Judge|umpire.Judge[]|nil the judge, or a list asked in order until one says no; nil: everything is legal,
---but PYMMORPG's `set` of what is another's
---@field channels table<string, umpire.Channel>|nil [channels](#channels) that the rulebook owns where the joint protocol is spoken
---@field pymmorpg umpire.Pymmorpg|nil what PYMMORPG's `ver` and `upgrade` answer; nil: False
---@field web string|nil the folder of pages that `umpire run --web` serves, below the rulebook's own: "pages/"; nil: `web`
---beside init.lua, for x.lua x/web
local Rulebook = {}

--[[md
Its handlers:
]]

---A client registers, enters or logs in. Return false and a reason to refuse it; anything else admits it.
---
---    function game.connect(client)
---      if client.address:find "^192%.0%.2%." then return false, "not from there" end
---      client.data.score = 0
---    end
---@param client umpire.Client
---@return boolean? admitted nothing is yes
---@return string? reason at most 200 bytes
function Rulebook.connect(client) end

---Judges an event before anything happens. It must change nothing: host.notify and the like raise in it, and what it writes
---to client.data or to the rulebook's own tables is a mistake that `umpire check` looks for. If it fails, the event is not
---legal ("internal").
---
---    function game.legal(client, event)
---      if event.name ~= "roll" then return host.invalid "only rolling is known here" end
---      return client.data.turn == true, "it is not your turn"
---    end
---@param client umpire.Client
---@param event umpire.Event
---@return boolean|umpire.Invalid verdict
---@return string? reason at most 200 bytes
function Rulebook.legal(client, event) end

---A legal event is carried out. What it returns is the response's data where the protocol carries one (Neteria and joint do
---not). If it fails, nothing that it asked of the host happens, and the client is told that the event was not legal
---("internal").
---
---    function game.execute(client, event)
---      client.data.rolled = host.random(6)
---      host.broadcast("rolled", client.data.rolled)
---    end
---@param client umpire.Client
---@param event umpire.Event
---@return umpire.Data response
function Rulebook.execute(client, event) end

---A client has left, timed out or was kicked. Its data can still be read; it can be told nothing any more.
---
---    function game.disconnect(client, reason)
---      host.log.info(client.id, "left:", reason)
---    end
---@param client umpire.Client
---@param reason string
function Rulebook.disconnect(client, reason) end

---Someone logs in (Neteria: AUTH; PYMMORPG: login, new). True: client.name is `name` from now on. At most ten tries a minute
---per address and name. Without this handler the host's accounts answer: `umpire run --store FILE`.
---
---    function game.login(name, password, client, create)
---      if create then return false, "accounts are made elsewhere" end
---      return name == "ann" and password == "swordfish", "wrong name or password"
---    end
---@param name string
---@param password string
---@param client umpire.Client
---@param create boolean a new account is wanted (PYMMORPG: new); false is "taken, or not allowed"
---@return boolean accepted
---@return string? reason
function Rulebook.login(name, password, client, create) end

---Called tick_rate times a second.
---
---    game.tick_rate = 20
---    local left = 60
---    function game.tick(dt)
---      left = left - dt
---    end
---@param dt number seconds since the last one
function Rulebook.tick(dt) end

---What is to be kept across a reload and a clean restart. Must change nothing.
---
---    local scores = {}
---    function game.save() return { scores = scores } end
---    function game.load(saved) scores = saved and saved.scores or {} end
---@return umpire.Data saved
function Rulebook.save() end

---After every load and reload, before the first event: make timers and whatever you keep in locals again. If it fails, a
---reload is refused and the rulebook before goes on.
---
---    game.version = 2
---    function game.load(saved, from_version)
---      if saved and from_version == 1 then saved.level = 1 end -- version 1 had none
---      host.every(60, function() host.broadcast "minute" end)
---    end
---@param saved umpire.Data what save() returned; nil the first time
---@param from_version integer? the version of the rulebook that saved it
function Rulebook.load(saved, from_version) end

---What the client may see of the [replicated state](#the-replicated-state): true is everything, false and nil are nothing, and a
---table names parts at their own places: a part of `state`, or true, shows all that is there; a table goes deeper. Only places
---matter: no value that is returned is sent. Asked at each tick (every 50 ms without a tick_rate) for clients that get the
---state, at most once a version, and only when the state has changed. It must change nothing. If it fails, the client keeps
---the view that it had; a newcomer sees nothing.
---
---A view that changes takes effect with the next update. One that is under way in parts, because it is larger than a packet, is
---told to its end first: with the values of the time when they could be seen, and then what is hidden now is removed.
---
---    function game.view(client, state)
---      return { players = state.players, hands = { [client.id] = true }, deck = { size = true } }
---    end
---@param client umpire.Client
---@param state table host.state
---@return boolean|table|nil visible
function Rulebook.view(client, state) end

--[[md
### pymmorpg
]]

---What PYMMORPG clients may ask for before they log in: `game.pymmorpg = { version = "1.0.3", client_image = "client/" }`.
---@class umpire.Pymmorpg
---@field version string|nil the client version that the server offers, "1.0.3"; 1 to 64 bytes
---@field client_image string|nil the client's files: a folder below the rulebook's own, "client/". Read at each (re)load; links
---are left out; more than one message of 1 MiB holds is answered False

--[[md
### client
]]

---A client, whatever it speaks. The same object for as long as it is connected and the rulebook is not reloaded. Once it is
---gone every field but `gone` raises. An unknown field raises, and only `data` can be set.
---@class umpire.Client
---@field id string a UUID of the server's own making; may be told to other players
---@field name string|nil what it is logged in as; at most 64 bytes
---@field protocol "neteria"|"pygase"|"laneya"|"joint"|"pymmorpg" what it speaks
---@field address string "192.0.2.7:50123", "[2001:db8::1]:50123"
---@field version string|nil its own word for its version; at most 64 bytes. Neteria's real client does not say
---@field channel string|nil joint: the [channel](#channels) of the rulebook's that it is in
---@field data table yours: plain data that stays with the client, reloads included. You may set another table (not in legal)
---@field gone boolean true once it has left: the only field that may be read then

--[[md
### event
]]

---Something a client did. All of it is read-only.
---@class umpire.Event
---@field id string a UUID; the same event is judged and executed once, however often the network repeats it
---@field name string|nil what kind of event; nil when the client's data names none
---@field data umpire.Data whatever the client sent. It comes from a stranger: check it
---@field priority "normal"|"high" high: the client has applied it already, and undoes it if it is illegal
---@field time number host clock when it was judged, in seconds

--[[md
How name and data meet each wire:

| | an event's name and data | what a client is told |
|---|---|---|
| neteria | a string is the name; an object with one key is name and data; anything else is data without a name | a name alone is the string; name and data `{name: data}`; data without a name as it is. One notify is at most 10 240 bytes |
| pygase | the type; data's array part are the positional arguments, the rest the keyword arguments; none: nil | the same, as an event of at most 1900 bytes. A value that is no table is one argument |
| laneya | the action, and the object of its arguments | an `update` with action and data |
| joint | `"chunk"` or `"data"` and the bytes as a string, or a remote procedure's name and the list of its arguments | bytes, or a call of a remote procedure of the client's |
| pymmorpg | the command (`update`, `move`, `get`, `set`, `edit`), and a list of its arguments. A relative `set`, whose value came in a tuple: `data[3]` is the value, `data.relative` is true | a flag on its next reply: `"map"`, `"client"` or any other name, which has no data there (`notify` with data raises; `broadcast` with data passes those clients over). What `execute` returns is the reply: nothing is True (for `get` None, for `update` an empty list), and `pos` of each thing of an `update` becomes a tuple |
]]

---The result of host.invalid; only `legal` may return it.
---@class umpire.Invalid

---A timer's id.
---@alias umpire.Timer integer
---@alias umpire.Thread thread

--[[md
### host

`local host = require "umpire"`. What a handler asks of it happens when the handler returns, in order, and not at all if it
fails; in `legal` and `save`, which must change nothing, what would have an effect raises.
]]

---@class umpire.Log
local log = {}
---Writes a line of level debug to the host's log (`--log-level debug` shows it). The arguments are joined by blanks.
---
---    host.log.debug("thinking about", event.name)
---@param ... any
function log.debug(...) end
---The same, of level info.
---
---    host.log.info("a round begins with", 3, "players")
---@param ... any
function log.info(...) end
---The same, of level warn.
---
---    host.log.warn("nobody has saved for", 600, "s")
---@param ... any
function log.warn(...) end
---The same, of level error.
---
---    if client.data.score == -1 then host.log.error("a score below zero:", client.id) end
---@param ... any
function log.error(...) end

---What `require "umpire"` gives.
---@class umpire.host
---@field api 1 the version of this interface that the host speaks
---@field null lightuserdata JSON's null inside containers. At the top an event's null data is nil
---@field log umpire.Log lines in the host's log, with the cause "rules"
---@field state table the [replicated state](#the-replicated-state), to be read: an ordinary table, except that writing it raises
---@field DELETE lightuserdata in a patch for host.update: the key is removed. It means nothing anywhere else, and raises there
local host = {}
host.log = log

---Tells one client. Reliable: repeated until confirmed, at most 5 times in 8 s on Neteria. A name with data, a name alone, or
---data alone (name nil): the table above says how it meets each wire. Raises if it is over 10 240 bytes when encoded.
---
---    host.notify(client, "health", 40)
---@param client umpire.Client
---@param name string|nil at most 256 bytes
---@param data umpire.Data
---@return true|nil sent
---@return string? message
---@return "gone"|"full"|nil code gone: it has left or is silent; full: 1 024 notifies are waiting for it
function host.notify(client, name, data) end

---Tells all connected clients, but `except`. Clients that cannot take it now are counted, not told.
---
---    host.broadcast("moved", { client.id, 4, 2 }, client)
---@param name string|nil at most 256 bytes
---@param data umpire.Data
---@param except umpire.Client|nil
---@return true|nil sent
---@return string? message
---@return "full"|nil code
function host.broadcast(name, data, except) end

---Merges a patch into the [replicated state](#the-replicated-state), of which clients have copies. A table in it is merged key
---by key into the table that is there, anything else replaces, host.DELETE removes; removing what is not there is nothing.
---Lists are replaced as a whole. host.state shows it once the handler has returned.
---
---Raises, and changes nothing, when something in it is no plain data (or no UTF-8, infinite, not a number), when the state
---would grow over `--state-memory` (default 16 MiB, with some 190 bytes for each key) or `--state-keys` (default 262 144), and
---when a value does not fit one packet of a protocol that carries the state (PyGaSe: 1 400 bytes with its path).
---
---    host.update { players = { [client.id] = { x = 4, y = 2, bag = host.DELETE } } }
---@param patch table
function host.update(patch) end

---The client gets the state as notifies named "state": the whole first, then what changes, at most one a tick (50 ms without a
---tick_rate). "[The replicated state](#the-replicated-state)" says what is in them; give notifies of your own other names. For
---every protocol: joint channels get them as JSON text, and PyGaSe's clients have the state anyway, so nothing is done.
---PYMMORPG's are told nothing, so it raises.
---
---    function game.connect(client)
---      if client.protocol ~= "pymmorpg" then host.subscribe(client) end
---    end
---@param client umpire.Client
---@return true|nil subscribed
---@return string? message
---@return "gone"|nil code
function host.subscribe(client) end

---No more of them.
---
---    host.unsubscribe(client)
---@param client umpire.Client
---@return true|nil unsubscribed
---@return string? message
---@return "gone"|nil code
function host.unsubscribe(client) end

---Iterates over the connected clients, oldest first. Clients may come and go meanwhile.
---
---    for other in host.clients() do
---      if other ~= client then host.notify(client, "here", other.id) end
---    end
---@return fun(): umpire.Client? iterator
function host.clients() end

---Disconnects it; disconnect is called with the reason.
---
---    host.kick(client, "you were told twice")
---@param client umpire.Client
---@param reason string|nil "kicked" if there is none
---@return true|nil done
---@return string? message
---@return "gone"|nil code
function host.kick(client, reason) end

---The host clock in seconds. It only goes forward; its zero means nothing (0 at the start in the simulator).
---
---    client.data.asked = host.now()
---@return number seconds
function host.now() end

---Calls fn once, `seconds` from now (at least a turn of 1 ms). Ends with the rulebook: start it again in load.
---
---    host.after(30, function() host.broadcast "over" end)
---@param seconds number 0 to a hundred years
---@param fn fun()
---@return umpire.Timer timer
function host.after(seconds, fn) end

---Calls fn every so many seconds.
---
---    local hunger = host.every(5, function() host.broadcast "hungry" end)
---    host.after(60, function() host.cancel(hunger) end)
---@param seconds number
---@param fn fun()
---@return umpire.Timer timer
function host.every(seconds, fn) end

---Ends a timer, or a micro-thread, which then never goes on from where it waits (what it has to close is not closed; a
---micro-thread ends itself by returning). If the handler that asks for it fails, it goes on.
---
---    local bomb = host.after(3, function() host.broadcast "boom" end)
---    host.cancel(bomb)
---@param timer umpire.Timer|umpire.Thread
---@return boolean was false: it had ended already
function host.cancel(timer) end

---Starts a [micro-thread](#micro-threads), in the next turn of the host (a turn is 1 ms, or longer when there is much to do).
---It runs in slices, from one yield or sleep to the next. Each slice is a call with a budget of its own: what it asks of the
---host happens when it gives way, and an error or a spent budget ends that micro-thread alone. Micro-threads may start others
---and end others.
---
---    host.spawn(function()
---      for i = 3, 1, -1 do host.broadcast("countdown", i) host.sleep(1) end
---    end)
---@param fn fun()
---@return umpire.Thread thread what host.cancel takes
function host.spawn(fn) end

---In a micro-thread: gives way. 0 or nil is real time (the next turn); a higher number is a lower priority and waits for
---that many more turns. The priority holds until the next yield, through sleeps too; at first it is real time.
---
---    host.spawn(function()
---      for cell = 1, 100 do
---        client.data.looked = cell
---        host.yield(2)
---      end
---    end)
---@param priority number|nil 0 to 1 000 000
function host.yield(priority) end

---In a micro-thread: waits.
---
---    host.spawn(function()
---      host.sleep(0.5)
---      host.broadcast "dawn"
---    end)
---@param seconds number
function host.sleep(seconds) end

---A fresh UUID of version 4.
---
---    client.data.sword = { id = host.uuid(), sharp = true }
---@return string uuid
function host.uuid() end

---As math.random: () a float in [0, 1), (n) an integer in 1..n, (m, n) in m..n. In the simulator from the seed; in production
---unpredictable.
---
---    client.data.rolled = host.random(6)
---@overload fun(): number
---@overload fun(n: integer): integer
---@param m integer
---@param n integer
---@return integer number
function host.random(m, n) end

---What `legal` returns for an event that is malformed, as opposed to illegal. Where the protocol has no word for it
---(Neteria), it is ILLEGAL with the reason.
---
---    function game.legal(client, event)
---      if type(event.data) ~= "number" then return host.invalid "a number was expected" end
---      return event.data < 7, "a die has six sides"
---    end
---@param reason string|nil at most 200 bytes
---@return umpire.Invalid invalid
function host.invalid(reason) end

---Marks a table as a list, so that an empty one is sent as [] rather than {}.
---
---    host.notify(client, "players", host.array {})
---@param t table|nil without one: a new empty list
---@return table t the same table
function host.array(t) end

--[[md
### Micro-threads

What takes its time (a countdown, monsters that think, a long search) is a function that gives way now and then:

```lua
local pack = { { think = function() end } }

local wolves = host.spawn(function()          -- starts in the next turn of the host, about a millisecond from now
  while true do
    for _, wolf in ipairs(pack) do
      wolf:think()
      host.yield(3)                           -- 0 or nil: real time; a higher number: leaves that many turns to others
    end
    host.sleep(0.5)                           -- seconds; the priority stays what it was
  end
end)

host.after(60, function() host.cancel(wolves) end) -- from a handler, a timer or another micro-thread
```

- From one `yield` or `sleep` to the next is one call, with a budget of its own (50 ms, as a handler): who never gives way is
  ended, and the log says where it was. An error ends that micro-thread alone. What it asks of the host happens when it gives
  way.
- One of real time runs in each turn, whatever the others do. When a turn's slices have taken 2 ms, those of lower priority
  that are still to come wait, in order, for the next turn, and the host looks at its sockets first; one of them runs in any
  turn, so nobody waits for ever.
- They end with their rulebook, as timers do: `load` starts them again.

### The replicated state

One state for all, which only the rulebook changes, and which clients keep copies of: `host.update` merges a patch into it,
`host.state` reads it.

```lua
function game.connect(client)
  host.update { players = { [client.id] = { x = 0, y = 0 } } }
end

function game.execute(client, event)
  local me = host.state.players[client.id]              -- reads like any table: pairs, #, next, table.unpack, ...
  if event.name == "step" then host.update { players = { [client.id] = { x = me.x + 1 } } } end
end

function game.disconnect(client)
  host.update { players = { [client.id] = host.DELETE } }
end
```

- What a handler updates is seen when it has returned, and not at all if it failed. The order of `pairs` is the order in which
  keys came to be.
- `host.state` and the tables in it cannot be written, not even by `rawset`: that raises and says what to write instead. They
  may be passed to `host.notify` and kept in `client.data`: a copy is taken.
- A table of it stands for its place: `local me = host.state.players.ann` shows the present, also in a micro-thread that has
  waited, and is empty once ann was removed. A list that was read stays as it was.
- Keys are strings or integers. **A table whose keys are 1, 2, 3 ... is a list**, which is replaced as a whole: use strings
  (client ids, names) for things that come and go one by one. JSON clients get integer keys of maps as strings: `{"7": ...}`.
- It is the host's, so a reload keeps it. `umpire run --save FILE` keeps it across a clean restart, with what `save()` gives;
  `load` then finds it there. Whatever in it belongs to clients that were connected is `load`'s to remove.

PyGaSe's clients have it, as that protocol is made for; clients of other protocols get it by `host.subscribe`, as notifies named
`state` whose data is one of

    { time = 8192, full = true, state = { players = ... } }
    { time = 12288, since = 8192, patch = { players = { ann = { x = 5 } } }, removed = { { "players", "bob" } } }

The first replaces all that the client has, if its time is not older. The second leads from the time `since` to `time`: what is
listed in `removed`, as paths, goes first; then `patch` is merged, maps key by key, anything else replaces. Times only grow;
nothing else is to be read from them. So a client of a protocol that loses, repeats and reorders (Neteria) applies what follows
its own time, keeps what does not follow it yet, and drops what is older: `umpire.client.state` does it for Lua. A large state
comes in several such notifies, the first full, the others following it. Who does not read gets fewer and larger ones; who did
not confirm one in time gets the whole anew. On a joint channel the data is JSON text: the chunk itself (a channel of chunks), or
the argument of a procedure `state` that takes one `String` and that the user offers (`client_remotes`).

### Channels

Where the joint protocol is spoken (`joint://0.0.0.0:7680`, raw TCP and WebSocket on one port), the rulebook owns the channels
that it declares; every connection may create others beside them, which the host forwards and rules never see. A connection that
enters two of yours is two clients, each with its `channel`.

```lua
game.channels = {
  lobby = { mode = "chunk", max_chunk = 32768, max_users = 256, max_rate = 1000 },
  arena = { mode = "rpc",
    remotes        = { [0] = { { "step", "Int32", "Int32" }, { "say", "String" } } }, -- ours: event "step", data { 1, 0 }
    client_remotes = { [3] = { { "moved", "String", "Int32", "Int32" } } } },         -- theirs: host.notify(client, "moved", { "ann", 4, 2 })
}
```
]]

---A procedure: its name, then the types of its parameters: `Bool Byte UInt16 Int16 Int32` (or `Int`) `Float` (32 bits) `Double
---String` (UTF-8) `Bytes`, `Array<T>` (or `List`, `Vector`), `Map<K, V>` with whole numbers or String as keys (`IntMap<V>`,
---`StringMap<V>`), nested as one likes; `Serialized` is the text of haxe.Serializer, handed on as it is.
---@alias umpire.Procedure string[]

---A channel of the joint protocol. Users enter it by its name; each is a client with that name in its `channel`.
---@class umpire.Channel
---@field mode "chunk"|"data"|"rpc"|nil `"chunk"` (default): whole application chunks, event `"chunk"`. `"data"`: bytes as they
---come, cut anywhere, event `"data"`. `"rpc"`: remote procedures
---@field max_chunk integer|nil bytes of a chunk or call, 1 to 4194304 (default 32768). It says how sizes are written, so clients
---are built with the same. A longer one gets its sender kicked
---@field max_users integer|nil 1 to 256, the default
---@field max_rate number|nil events a second that one user may send (default 1000, a second's worth at once); who sends more is
---read more slowly, and loses nothing
---@field remotes table<integer, umpire.Procedure[]>|nil rpc: objects that the rulebook offers, by number, 0 to 255, each a list of
---procedures in their order; a call is an event of that name. Names are used once
---@field client_remotes table<integer, umpire.Procedure[]>|nil rpc: objects of users; host.notify(client, name, arguments)

--[[md
- `host.notify(client, nil, "bytes")` in chunk and data mode; `host.notify(client, "moved", { ... })` in rpc mode, where one
  parameter may stand without its list. It raises when the channel cannot carry it, with the parameter that does not fit. A call to
  an object that the user has not offered yet waits for that. `host.broadcast` passes over channels that have no such procedure.
- The wire has no verdicts: an illegal event is simply not carried out. A channel that has `{ "refused", "String", "String" }` in
  its `client_remotes` gets that called by the host, with the event's name and the reason. Calls that are malformed never reach the rules; after 16 in
  a row the user is kicked.
- `host.kick(client, reason)` puts it out of the channel; the library says KICK. The connection stays, and it may enter again: to
  block it, remember `client.address` without its port and say no in `connect`.
- A reload keeps the users of channels that are still declared. They are told CLOSE when theirs is gone, or its `mode` or the width
  of its sizes (`max_chunk` up to 256, 32768, 4194304) has changed. New `max_users` and `max_rate` hold from then on; objects that
  are new in `remotes` are offered to everybody there.

### Listen URLs

`SCHEME://HOST:PORT[?option=value&...]`, in a rulebook's `listen` list, after `--listen` or in `UMPIRE_LISTEN`. IPv6 addresses
stand in brackets, and port 0 lets the system pick one. `umpire run --help` describes each option.
]]

---Options of every listen URL: `neteria://0.0.0.0:40080?limit=50&attempts=5`.
---@class umpire.listen
---@field limit integer clients at a time
---@field per_address integer connections or sessions from one address
---@field attempts integer log-ins a minute, per address and per name

---Neteria: UDP, port 40080.
---@class umpire.listen.neteria
---@field hold_ms integer ms that a first verdict is held: the original client notes an event only after sending it
---@field versions string comma separated versions of clients that are answered when they look for servers; empty: all
---@field server_name string told to clients that look for servers
---@field discoverable boolean answers clients that look for servers
---@field compression boolean understands the original's compressed datagrams (Python 2 clients only)
---@field ignore_encryption boolean lets clients that ask for encryption go on in plain text
---@field queue_mib integer MiB of verdicts and notifies that wait to be sent or confirmed

---pygase: UDP, port 8080.
---@class umpire.listen.pygase
---@field host_shutdown boolean lets the client that has been connected for longest stop the host with its shutdown command

---laneya: TCP, port 5001.
---@class umpire.listen.laneya
---@field payload integer bytes of one message
---@field unsent integer bytes waiting for one connection above which it is not read from
---@field batch integer actions in one request

---joint: TCP and WebSocket, port 7680.
---@class umpire.listen.joint
---@field users integer users of one channel
---@field payload integer bytes of data in a frame
---@field unsent integer bytes waiting for one connection
---@field origin string comma separated origins whose pages may open a WebSocket
---@field unmasked boolean takes WebSocket frames without a mask

--[[md
PYMMORPG (TCP, port 5050) has none of its own.
]]

return host
