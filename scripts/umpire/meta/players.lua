---@meta umpire.sim.players


--[[md
### A player
]]

---What world:connect may be told.
---@class umpire.sim.ClientOptions
---@field name string|nil for messages
---@field address string|nil "10.0.0.7:50007"
---@field wait boolean|nil false: let no time pass
---@field version string|nil neteria
---@field cuuid string|nil neteria
---@field priority "normal"|"high"|nil neteria: of its events
---@field attempts integer|nil neteria: transmissions before it gives up
---@field user string|nil laneya: its name; pymmorpg: the account, made if there is none; without it, it stays outside
---@field password string|nil pymmorpg
---@field actions table|nil laneya: umpire.client.laneya's ACTIONS, to be as strict as the real game's client
---@field timeout number|nil laneya: seconds until a request is given up (default 2)
---@field channel string|nil joint: enters it
---@field mode string|nil joint: of the channel
---@field max_chunk integer|nil joint: of the channel
---@field declared umpire.Channel|nil joint: the rulebook's table of the channel
---@field strict boolean|nil pygase: false: it drops what the real client dies of
---@field web boolean|nil joint: over WebSocket
---@field origin string|nil joint: of the page that it says it is on

---A Neteria player.
---@class umpire.sim.Client
---@field registered boolean it is in
---@field refused string|nil why it is not
---@field notifies table[] in order of arrival, each once: `name`, `data`, `time`, `id`
---@field verdicts umpire.sim.Verdict[] the same for verdicts
---@field on_notify fun(notify: table)|nil called with each
---@field on_verdict fun(verdict: umpire.sim.Verdict)|nil called with each
local client = {}

---The answer to an event.
---@class umpire.sim.Verdict
---@field legal boolean|nil nil when no answer came: then lost is true
---@field lost boolean
---@field done boolean false as long as it is awaited
---@field reason string|nil
---@field time number virtual seconds
---@field took number seconds from sending to the answer
---@field tries integer|nil transmissions
---@field id string|nil

---Sends an event and lets time pass until it is judged or the client gives up.
---
---    local verdict = ann:event("move", { 1, 0 })
---    assert.is_true(verdict.legal, verdict.reason)
---@param name umpire.Data a string is the name; anything else the whole data
---@param data umpire.Data
---@param options { priority: "normal"|"high" }|nil
---@return umpire.sim.Verdict verdict
function client:event(name, data, options) end

---Sends an event and returns at once; the handle becomes the verdict as time passes.
---
---    local first, second = ann:send("move", { 1, 0 }), ann:send("move", { 0, 1 })
---    world:settle()
---    assert.is_true(first.done and second.done)
---@param name umpire.Data
---@param data umpire.Data
---@param options { priority: "normal"|"high" }|nil
---@return umpire.sim.Verdict handle
function client:send(name, data, options) end

---Waits for the verdict of what send returned.
---
---    assert.is_true(ann:await(ann:send "hello").legal)
---@param handle umpire.sim.Verdict
---@return umpire.sim.Verdict verdict
function client:await(handle) end

---Logs in (AUTH, sent once as the real client does) and waits for the verdict.
---
---    assert.is_false(ann:login("ann", "swordfish").legal)
---@param user string
---@param password string
---@return umpire.sim.Verdict verdict
function client:login(user, password) end

---The data of the notifies with this name, in order of arrival (true for those without); without a name all notifies.
---
---    ann:event("hello", 5)
---    world:settle()
---    assert.same({ 5 }, ann:received "hello")
---@param name string|nil
---@return table data
function client:received(name) end

---The latest data of that name; nil: none came.
---
---    ann:event("hello", 5)
---    world:settle()
---    assert.equal(5, ann:last "hello")
---@param name string
---@return umpire.Data data
function client:last(name) end

---Waits in virtual time for a notify of that name whose data match; fails the test, with what did arrive, when none comes. A
---pattern is a value; a table of fields, which may have more of them; a list, of that length; a function that gets the value and
---returns true, or false and why; or sim.any, sim.nothing, sim.near, sim.like, sim.a, sim.exactly. A notify answers one expectation.
---
---    ann:event("hello", { x = 1, y = 2 })
---    local data = ann:expects("hello", { x = 1 })
---    assert.equal(2, data.y)
---@param name string|nil nil: a notify without a name
---@param pattern any nil: whatever the data are
---@param options { within: number }|nil seconds, default 5
---@return umpire.Data data true: it has none
---@return table notify
function client:expects(name, pattern, options) end

---Fails when such a notify has come that nothing has expected before, or comes within a second.
---
---    ann:expects_nothing("winner", nil, { within = 3 })
---@param name string|nil nil, without a pattern: any notify
---@param pattern any
---@param options { within: number }|nil seconds, default 1
---@return umpire.sim.Client client
function client:expects_nothing(name, pattern, options) end

---Sends the event, waits for the verdict, and fails unless it is legal.
---
---    ann:expects_legal("move", { 1, 0 })
---@param name umpire.Data as for event
---@param data umpire.Data
---@param ... any as for event
---@return umpire.sim.Verdict verdict
function client:expects_legal(name, data, ...) end

---Sends the event, waits for the verdict, and fails unless it is illegal, and says so for that reason.
---
---    local strict = sim.run_text "return { api = 1, legal = function() return false, 'closed today' end }"
---    strict:connect "neteria":expects_illegal("enter", nil, "closed")
---@param name umpire.Data
---@param data umpire.Data
---@param reason string|nil a text that has to be in the verdict's reason. (PYMMORPG knows no reasons: all arguments are the event's)
---@param ... any as for event
---@return umpire.sim.Verdict verdict
function client:expects_illegal(name, data, reason, ...) end

---Weather of this link alone, over the world's; what is not named is as in the world. Nothing: as everybody's.
---
---    ann:network { lag = 0.3, down = { loss = 0.1 } }
---    ann:network()
---@param weather umpire.sim.Weather|nil
---@return umpire.sim.Client client
function client:network(weather) end

---Connects again, after it went or while it is there (then it vanishes first): the same player with the same identity, where the
---protocol has one, and no memory of what it waited for. Its notifies stay.
---
---    ann:vanish()
---    world:advance(10)
---    ann:reconnect()
---@param options { address: string, wait: boolean }|nil address: default the same; of streams, with another port
---@return umpire.sim.Client client
function client:reconnect(options) end

---Forgets the notifies and verdicts that came so far.
---
---    ann:event("hello", 5)
---    world:settle()
---    assert.same({}, ann:forget():received "hello")
---@return umpire.sim.Client client
function client:forget() end

---Events that were applied at once (high priority) and are illegal: id to event_data, as the real client keeps them.
---
---    assert.same({}, ann:rollbacks())
---@return table<string, umpire.Data> events
function client:rollbacks() end

---Events of high priority that were confirmed.
---
---    ann:event("hello", nil, { priority = "high" })
---    assert.is_truthy(next(ann:confirmations()))
---@return table<string, umpire.Data> events
function client:confirmations() end

---Registers again.
---
---    ann:register()
---    assert.is_true(ann.registered)
---@param wait boolean|nil false: let no time pass
---@return umpire.sim.Client client
function client:register(wait) end

---Unplugged for good. Neteria has no goodbye; the server has to find out.
---
---    ann:disconnect()
function client:disconnect() end

---The same, by the name that it has with all players.
---
---    ann:vanish()
function client:vanish() end

---Unplugged for a while (true), and plugged in again (false): what is sent meanwhile is lost.
---
---    ann:silence()
---    ann:silence(false)
---@param on boolean|nil
---@return umpire.sim.Client client
function client:silence(on) end

---From now on it sends from another address, as after a NAT forgot it.
---
---    ann:move_to "10.0.0.7:50007"
---@param address string
---@return umpire.sim.Client client
function client:move_to(address) end

---Any bytes, from its address.
---
---    ann:send_raw "nonsense"
---@param bytes string
---@return umpire.sim.Client client
function client:send_raw(bytes) end

--[[md
### A player on a stream

Players of laneya, joint and PYMMORPG have `received`, `last`, `forget`, `on_notify` as above, and these.
]]

---@class umpire.sim.Stream
---@field open boolean it is connected
---@field over "end"|"reset"|"refused"|"left"|"cut"|"vanished"|nil why it is not any more; "end": the server closed it
local stream = {}

---Whether connect has done its work.
---
---    assert.is_true(ann:ready())
---@return boolean ready
function stream:ready() end

---Any bytes.
---
---    ann:send_raw "nonsense"
---@param bytes string
---@return boolean sent false: the connection is closed on this side
function stream:send_raw(bytes) end

---Lets time pass until condition() is true or the connection is over.
---
---    ann:wait_for(function() return ann:last "hello" end, 1)
---@param condition fun(): any
---@param seconds number|nil at most, default 60
---@return boolean came
function stream:wait_for(condition, seconds) end

---Waits for the answer to what send returned, where the protocol has answers.
---
---    assert.is_true(ann:await(ann:send "look").legal)
---@param handle umpire.sim.Verdict
---@return umpire.sim.Verdict answer
function stream:await(handle) end

---The data of the notifies with this name; without a name all notifies.
---
---    assert.same({}, ann:received "nothing")
---@param name string|nil
---@return table data
function stream:received(name) end

---The latest data of that name.
---
---    assert.is_nil(ann:last "nothing")
---@param name string
---@return umpire.Data data
function stream:last(name) end

---Forgets the notifies that came so far.
---
---    ann:forget()
function stream:forget() end

---Waits in virtual time for a notify of that name whose data match; fails the test, with what did arrive, when none comes. A
---pattern is a value; a table of fields, which may have more of them; a list, of that length; a function that gets the value and
---returns true, or false and why; or sim.any, sim.nothing, sim.near, sim.like, sim.a, sim.exactly. A notify answers one expectation.
---
---    local greeter = sim.run_text([[
---      local host = require "umpire"
---      return { api = 1, connect = function(client) host.notify(client, "welcome", { hp = 9, level = 1 }) end }
---    ]], { listen = "laneya://0.0.0.0:5001" })
---    greeter:connect "laneya":expects("welcome", { hp = 9 })
---@param name string|nil nil: a notify without a name
---@param pattern any nil: whatever the data are
---@param options { within: number }|nil seconds, default 5
---@return umpire.Data data true: it has none
---@return table notify
function stream:expects(name, pattern, options) end

---Fails when such a notify has come that nothing has expected before, or comes within a second.
---
---    ann:expects_nothing("winner", nil, { within = 3 })
---@param name string|nil nil, without a pattern: any notify
---@param pattern any
---@param options { within: number }|nil seconds, default 1
---@return umpire.sim.Client client
function stream:expects_nothing(name, pattern, options) end

---Sends the event, waits for the verdict, and fails unless it is legal.
---
---    ann:expects_legal("move", { direction = "east" })
---@param name umpire.Data as for event
---@param data umpire.Data
---@param ... any as for event
---@return umpire.sim.Verdict verdict
function stream:expects_legal(name, data, ...) end

---Sends the event, waits for the verdict, and fails unless it is illegal, and says so for that reason.
---
---    local strict = sim.run_text "return { api = 1, legal = function() return false, 'closed today' end }"
---    strict:connect "neteria":expects_illegal("enter", nil, "closed")
---@param name umpire.Data
---@param data umpire.Data
---@param reason string|nil a text that has to be in the verdict's reason. (PYMMORPG knows no reasons: all arguments are the event's)
---@param ... any as for event
---@return umpire.sim.Verdict verdict
function stream:expects_illegal(name, data, reason, ...) end

---Weather of this link alone, over the world's; what is not named is as in the world. Nothing: as everybody's.
---
---    ann:network { lag = 0.3, down = { loss = 0.1 } }
---    ann:network()
---@param weather umpire.sim.Weather|nil
---@return umpire.sim.Client client
function stream:network(weather) end

---Connects again, after it went or while it is there (then it vanishes first): the same player with the same identity, where the
---protocol has one, and no memory of what it waited for. Its notifies stay.
---
---    ann:vanish()
---    world:advance(10)
---    ann:reconnect()
---@param options { address: string, wait: boolean }|nil address: default the same; of streams, with another port
---@return umpire.sim.Client client
function stream:reconnect(options) end

---Closes the connection in order: what was sent before still arrives.
---
---    ann:disconnect()
function stream:disconnect() end

---Says that it sends no more, but goes on reading (a half-close).
---
---    ann:shut()
function stream:shut() end

---Resets the connection: what is under way is lost.
---
---    ann:cut()
function stream:cut() end

---Unplugged for good: a half-open connection, of whose end nobody is told. The server has to find out.
---
---    ann:vanish()
function stream:vanish() end

---A half-open line for a while (true): what is sent either way meanwhile arrives afterwards (false).
---
---    ann:silence()
---    ann:silence(false)
---@param on boolean|nil
function stream:silence(on) end

---Stops reading what the server sends (true), so that its window fills; reads again (false).
---
---    ann:hold()
---    ann:hold(false)
---@param on boolean|nil
function stream:hold(on) end

--[[md
### A laneya player
]]

---Its answers have `status` (`"success"`, `"invalid"`, `"illegal"`, `"internal"`), `data` and `key` besides a verdict's fields.
---@class umpire.sim.Laneya: umpire.sim.Stream
---@field notifies table[]
local laneya = {}

---Sends a request and lets time pass until it is answered or given up.
---
---    assert.equal("success", ann:event("move", { direction = "east" }).status)
---@param action string
---@param data table|nil arguments by name
---@param key any another one than the next number
---@return umpire.sim.Verdict answer
function laneya:event(action, data, key) end

---Sends a request and returns at once.
---
---    ann:send("move", { direction = "east" })
---@param action string
---@param data table|nil
---@param key any
---@return umpire.sim.Verdict handle
function laneya:send(action, data, key) end

---Several actions in one request; waits for the answer.
---
---    ann:batch { { "move", { direction = "east" } }, { "look" } }
---@param actions table[]
---@return umpire.sim.Verdict answer
function laneya:batch(actions) end

---Anything, as a netstring.
---
---    ann:send_payload "nonsense"
---@param payload string
function laneya:send_payload(payload) end

--[[md
### A joint player
]]

---received(name) gives the bytes under `"chunk"` or `"data"`, and lists of arguments under a procedure's name.
---@class umpire.sim.Joint: umpire.sim.Stream
---@field channel table the one that it entered first: `channel.number`, `channel.error`
local joint = {}

---Bytes to the owner of its channel.
---
---    ann:send "hello"
---@param bytes string
function joint:send(bytes) end

---Calls a procedure that the owner of its channel offers.
---
---    local declared = { mode = "rpc", remotes = { [0] = { { "step", "Int32", "Int32" } } } }
---    local bob = world:connect("joint", { channel = "arena", declared = declared })
---    bob:call("step", { 1, 0 })
---@param name string
---@param arguments table|nil
function joint:call(name, arguments) end

---Enters another channel, and waits for the answer: see its `number` and `error`.
---
---    assert.is_nil(ann:enter("arena", { mode = "rpc" }).error)
---@param id string
---@param options table|nil umpire.client.joint has the `on_...` options, and its methods
---@return table channel
function joint:enter(id, options) end

---Creates a channel, as its owner.
---
---    assert.is_nil(ann:create("mine").error)
---@param id string
---@param options table|nil
---@return table channel
function joint:create(id, options) end

--[[md
### A PYMMORPG player
]]

---Flags are its notifies.
---@class umpire.sim.Pymmorpg: umpire.sim.Stream
---@field user string|nil what it is logged in as
local pymmorpg = {}

---Sends a request and lets time pass until it is answered: `value` (nil for None), `legal` (false when it is False), `flags`,
---`took`, `lost`.
---
---    assert.is_true(ann:event("move", { 1, 0, 0 }).legal)
---@param command string
---@param ... any
---@return umpire.sim.Verdict reply
function pymmorpg:event(command, ...) end

---The same, the value alone.
---
---    assert.is_true(ann:ask("move", { 1, 0, 0 }))
---@param command string
---@param ... any
---@return any value
function pymmorpg:ask(command, ...) end

---Sends a request and returns at once.
---
---    ann:send "update"
---@param command string
---@param ... any
---@return umpire.sim.Verdict handle
function pymmorpg:send(command, ...) end

---Logs in.
---
---    ann:login("ann", "wrong")
---@param user string
---@param password string
---@return umpire.sim.Verdict reply
function pymmorpg:login(user, password) end

---Anything, with its size in front.
---
---    ann:send_pickle "nonsense"
---@param bytes string
function pymmorpg:send_pickle(bytes) end

--[[md
### A PyGaSe player

Has `received`, `last`, `forget`, `expects` and the other methods for links and expectations as above. Packages go to and fro all
the time; the wire has no verdicts. It is as strict as the real client: what that dies of (a doubled package, one more than 32
behind, one over 2048 bytes, ...) raises in the middle of `world:advance`. A network that doubles packages to the clients does
that: give `down = { duplicate = 0 }`, or connect with `strict = false`.
]]

---@class umpire.sim.PyGaSe
---@field state table its copy of host.state
---@field wire table umpire.client.pygase: `time_order`, `status`, `latency`, `interval`, `count`
local pygase = {}

---Sends an event, and lets time pass until its package was received (`acked`) or that is not known after a second (`lost`).
---Neither says whether it was legal.
---
---    assert.is_true(ann:event("MOVE", { player_id = 3, new_position = { 12, 40 } }).acked)
---@param name string
---@param data umpire.Data its array part are the positional arguments, the rest the keyword arguments
---@param options { retries: integer }|nil so often it is sent again when it seems lost; it may be executed more than once
---@return table handle acked, lost, done, time
function pygase:event(name, data, options) end

---Sends an event and returns at once.
---
---    ann:send("JOIN", { "ann" }, { retries = 3 })
---@param name string
---@param data umpire.Data
---@param options { retries: integer }|nil
---@return table handle
function pygase:send(name, data, options) end

---Unplugged for a while (true), and plugged in again (false). What is sent either way meanwhile is lost.
---
---    ann:silence "up"
---    world:advance(6) -- the server gives it up
---    ann:silence(false)
---@param on boolean|"up"|"down"|nil "up": only what it sends; "down": only what it gets
---@return umpire.sim.PyGaSe player
function pygase:silence(on) end

---Ends without a word, as the real client does: the server finds out after 5 s.
---
---    ann:disconnect(true)
---@param shutdown boolean|nil with the word "shutdown", which ends the original's server and here says that it leaves
function pygase:disconnect(shutdown) end

---Begins anew, as a program that was started again: with another port and nothing known. For the server it is somebody else.
---
---    ann:reconnect()
---    assert.is_true(ann:ready())
---@param options { address: string, wait: boolean }|nil
---@return umpire.sim.PyGaSe player
function pygase:reconnect(options) end

---From now on it sends from another address, as after a NAT forgot it.
---
---    ann:move_to "10.7.7.7:7777"
---@param address string
---@return umpire.sim.PyGaSe player
function pygase:move_to(address) end
