---@meta umpire
-- What `require "umpire"` gives inside a rulebook, and what the host asks of one, for editors that know LuaCATS annotations
-- (lua-language-server: put this folder into "workspace.library"). Nothing here runs.
--
-- Units: times are seconds, as floats, of the host clock. Errors: misuse raises, with the number of the argument; what the
-- world does (a client has left, a queue is full) returns nil, a message and a code.

---Plain data: what crosses the border between rules and host. nil, booleans, integers, floats, strings and tables of them,
---without cycles, at most 32 deep. A table may hold an array part and a hash part at once.
---@alias umpire.Data nil|boolean|integer|number|string|table

---A timer's id.
---@alias umpire.Timer integer
---@alias umpire.Thread thread

---The result of host.invalid; only `legal` may return it.
---@class umpire.Invalid

---A client, whatever it speaks. The same object for as long as it is connected and the rulebook is not reloaded. Once it is
---gone every field but `gone` raises.
---@class umpire.Client
---@field id string a UUID of the server's own making; may be told to other players
---@field name string|nil what it is logged in as; at most 64 bytes
---@field protocol "neteria"|"laneya"|"joint"|"pymmorpg" what it speaks
---@field address string "192.0.2.7:50123", "[2001:db8::1]:50123"
---@field version string|nil its own word for its version; at most 64 bytes. Neteria's real client does not say
---@field channel string|nil joint: the channel of the rulebook's that it is in
---@field data table yours: plain data that stays with the client, reloads included. You may set another table (not in legal)
---@field gone boolean true once it has left: the only field that may be read then

---Something a client did.
---@class umpire.Event
---@field id string a UUID; the same event is judged and executed once, however often the network repeats it
---@field name string|nil what kind of event; nil when the client's data names none
---@field data umpire.Data whatever the client sent. It comes from a stranger: check it
---@field priority "normal"|"high" high: the client has applied it already, and undoes it if it is illegal
---@field time number host clock when it was judged, in seconds

---A judge: true; or false and a reason for people (at most 200 bytes); or host.invalid(reason).
---@alias umpire.Judge fun(client: umpire.Client, event: umpire.Event): boolean|umpire.Invalid, string?

---A procedure: its name, then the types of its parameters: Bool, Byte, UInt16, Int16, Int32 (Int), Float, Double, String,
---Bytes, Array<T> (List, Vector), Map<K, V> (IntMap<V>, StringMap<V>), Serialized.
---
---    { "moved", "String", "Int32", "Int32" }
---@alias umpire.Procedure string[]

---A channel of the joint protocol. Users enter it by its name; each is a client with that name in its `channel`.
---@class umpire.Channel
---@field mode "chunk"|"data"|"rpc"|nil chunk (default): event "chunk", bytes; data: event "data", cut anywhere; rpc: calls
---@field max_chunk integer|nil bytes of a chunk or call, 1 to 4194304, default 32768; clients are built with the same
---@field max_users integer|nil 1 to 256, the default
---@field max_rate number|nil events a second that one user may send, default 1000; who sends more is read more slowly
---@field remotes table<integer, umpire.Procedure[]>|nil rpc: objects that the rulebook offers; a call is an event of that name
---@field client_remotes table<integer, umpire.Procedure[]>|nil rpc: objects of users; host.notify(client, name, arguments)

---What PYMMORPG clients may ask for before they log in.
---@class umpire.Pymmorpg
---@field version string|nil the client version that the server offers, "1.0.3"; 1 to 64 bytes
---@field client_image string|nil the client's files: a folder below the rulebook's own, "client/". Read at each (re)load; links
---are left out; more than one message of 1 MiB holds is answered False

---What a rulebook's file returns. Every handler is optional.
---
---    local host = require "umpire"
---    local game = { api = 1 }
---    function game.legal(client, event) return event.name == "roll", "only rolling is allowed" end
---    function game.execute(client, event) host.broadcast("rolled", host.random(6)) end
---    return game
---@class umpire.Rulebook
---@field api 1 the version of this interface that it is written for; required
---@field version integer|nil your own version; load() is told from which one the saved data comes
---@field tick_rate number|nil how often a second tick() is called, at most 1000; nil: never
---@field listen string[]|nil listen URLs, used when neither flags nor environment name any:
---"neteria://0.0.0.0:40080?limit=50", "laneya://0.0.0.0:5001"
---@field pymmorpg umpire.Pymmorpg|nil what PYMMORPG's `ver` and `upgrade` answer; nil: False
---@field legal umpire.Judge|umpire.Judge[]|nil the judge, or a list asked in order until one says no; nil: everything is legal.
---Must change nothing: host.notify and the like raise in it.
---@field web string|nil the folder of pages that `umpire run --web` serves, below the rulebook's own: "pages/"; nil: `web`
---beside init.lua, for x.lua x/web
---@field channels table<string, umpire.Channel>|nil channels that the rulebook owns where the joint protocol is spoken
local Rulebook = {}

---A client registers, enters or logs in. Return false and a reason to refuse it; anything else admits it.
---@param client umpire.Client
---@return boolean? admitted
---@return string? reason at most 200 bytes
function Rulebook.connect(client) end

---A legal event is carried out. What it returns is the response's data where the protocol carries one (Neteria does not).
---If it fails, nothing that it asked of the host happens, and the client is told that the event was not legal ("internal").
---@param client umpire.Client
---@param event umpire.Event
---@return umpire.Data
function Rulebook.execute(client, event) end

---A client has left, timed out or was kicked. Its data can still be read; it can be told nothing any more.
---@param client umpire.Client
---@param reason string
function Rulebook.disconnect(client, reason) end

---Someone logs in (Neteria: AUTH; PYMMORPG: login, new). True: client.name is `name` from now on. At most ten tries a minute
---per address and name. Without this handler the host's accounts answer: `umpire run --store FILE`.
---@param name string
---@param password string
---@param client umpire.Client
---@param create boolean a new account is wanted (PYMMORPG: new); false is "taken, or not allowed"
---@return boolean accepted
---@return string? reason
function Rulebook.login(name, password, client, create) end

---tick_rate times a second.
---@param dt number seconds since the last one
function Rulebook.tick(dt) end

---What is to be kept across a reload and a clean restart. Must change nothing.
---@return umpire.Data
function Rulebook.save() end

---After every load and reload, before the first event: make timers and whatever you keep in locals again. If it fails, a
---reload is refused and the rulebook before goes on.
---@param saved umpire.Data what save() returned; nil the first time
---@param from_version integer? the version of the rulebook that saved it
function Rulebook.load(saved, from_version) end

---@class umpire.Log
local log = {}
---Writes a line; the arguments are joined by blanks, as print does.
---@param ... any
function log.debug(...) end
---@param ... any
function log.info(...) end
---@param ... any
function log.warn(...) end
---@param ... any
function log.error(...) end

---The host. What a handler asks of it happens when the handler returns, in order, and not at all if it fails.
---@class umpire.host
---@field api 1 the version of this interface that the host speaks
---@field null lightuserdata JSON's null inside containers. At the top an event's null data is nil
---@field log umpire.Log lines in the host's log, with the cause "rules"
local host = {}
host.log = log

---Tells one client. Reliable: repeated until confirmed, at most 5 times in 8 s. On Neteria a name with data is sent as
---{name: data}, a name alone as a string, data alone as it is. On PYMMORPG a name is a flag on the client's next reply, and
---data raises. Raises if it is over 10 240 bytes when encoded.
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
---    host.broadcast("moved", { client.id, x, y }, client)
---@param name string|nil
---@param data umpire.Data
---@param except umpire.Client|nil
---@return true|nil sent
---@return string? message
---@return "full"|nil code
function host.broadcast(name, data, except) end

---Iterates over the connected clients, oldest first. Clients may come and go meanwhile.
---
---    for client in host.clients() do ... end
---@return fun(): umpire.Client?
function host.clients() end

---Disconnects it; disconnect is called with the reason.
---@param client umpire.Client
---@param reason string|nil "kicked" if there is none
---@return true|nil done
---@return string? message
---@return "gone"|nil code
function host.kick(client, reason) end

---The host clock in seconds. It only goes forward; its zero means nothing (0 at the start in the simulator).
---@return number
function host.now() end

---Calls fn once, `seconds` from now (at least a turn of 1 ms). Ends with the rulebook: start it again in load.
---@param seconds number 0 to a hundred years
---@param fn fun()
---@return umpire.Timer
function host.after(seconds, fn) end

---Calls fn every so many seconds.
---@param seconds number
---@param fn fun()
---@return umpire.Timer
function host.every(seconds, fn) end

---Ends a timer, or a micro-thread, which then never goes on from where it waits (what it has to close is not closed; a
---micro-thread ends itself by returning). If the handler that asks for it fails, it goes on.
---@param timer umpire.Timer|umpire.Thread
---@return boolean was false: it had ended already
function host.cancel(timer) end

---Starts a micro-thread, in the next turn of the host (a turn is 1 ms, or longer when there is much to do). It runs in
---slices, from one yield or sleep to the next. Each slice is a call with a budget of its own: what it asks of the host
---happens when it gives way, and an error or a spent budget ends that micro-thread alone. Micro-threads may start others
---and end others.
---
---    local countdown = host.spawn(function()
---      for i = 3, 1, -1 do host.broadcast("countdown", i) host.sleep(1) end
---    end)
---    host.cancel(countdown)
---@param fn fun()
---@return umpire.Thread
function host.spawn(fn) end

---In a micro-thread: gives way. 0 or nil is real time (the next turn); a higher number is a lower priority and waits for
---that many more turns. The priority holds until the next yield, through sleeps too; at first it is real time.
---
---When the slices of a turn have taken 2 ms, those that are not real time and still to come wait, in order, for the next
---turn; one of them runs in any turn. So one of real time runs in each turn, however much the others do, and nobody waits
---for ever.
---@param priority number|nil 0 to 1 000 000
function host.yield(priority) end

---In a micro-thread: waits.
---@param seconds number
function host.sleep(seconds) end

---A fresh UUID of version 4.
---@return string
function host.uuid() end

---As math.random: () a float in [0, 1), (n) an integer in 1..n, (m, n) in m..n. In the simulator from the seed; in production
---unpredictable.
---@overload fun(): number
---@overload fun(n: integer): integer
---@param m integer
---@param n integer
---@return integer
function host.random(m, n) end

---What `legal` returns for an event that is malformed, as opposed to illegal. Where the protocol has no word for it
---(Neteria), it is ILLEGAL with the reason.
---@param reason string|nil at most 200 bytes
---@return umpire.Invalid
function host.invalid(reason) end

---Marks a table as a list, so that an empty one is sent as [] rather than {}.
---@param t table|nil without one: a new empty list
---@return table t the same table
function host.array(t) end

return host
