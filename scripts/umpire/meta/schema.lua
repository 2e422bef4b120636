---@meta umpire.middleware.schema

--[[md
## Middleware

Judges to put into the list that `legal` may be: plain functions `(client, event)`, in `umpire.middleware.NAME`.
`rules/gate.lua` shows `schema`, `throttle` and `logged_in` at work.

```lua
local schema    = require "umpire.middleware.schema"
local throttle  = require "umpire.middleware.throttle"
local logged_in = require "umpire.middleware.logged_in"
local game      = { api = 1 }

game.legal = { -- asked in this order until one says no: cheap ones first, and each may rely on those before it
  throttle { rate = 20, burst = 40 },
  schema.events { say = schema.fields { text = schema.string(1, 200) }, look = schema.nothing },
  logged_in { except = { "look" } },
  function(client, event) return not client.data.muted, "you are muted" end,
}
return game
```

### schema

Is the event what its name promises? Types, bounds, nothing extra. What does not fit is malformed (`host.invalid`) rather than
illegal, and the reason says what is wrong and where: `data[2]: expected an integer from -1 to 1, got 7`.
]]

---A kind of data: nil when the value fits, else a sentence that says what is wrong. One of your own fits in wherever these do.
---@alias umpire.Kind fun(value: umpire.Data, where: string): string?

local schema = {}

---The judge: the kind of data for each event name. Events that are not listed are refused.
---
---    local schema = require "umpire.middleware.schema"
---    game.legal = schema.events {
---      move = schema.tuple { schema.integer(-1, 1), schema.integer(-1, 1) },
---      say = schema.string(1, 200),
---      buy = schema.fields { item = schema.one_of { "bow", "axe" }, count = schema.optional(schema.integer(1, 99)) },
---      wave = schema.nothing,
---    }
---@param kinds table<string, umpire.Kind>
---@return umpire.Judge judge
function schema.events(kinds) end

---A whole number. 3.0 is one too: JSON knows no difference.
---
---    local schema = require "umpire.middleware.schema"
---    game.legal = schema.events { roll = schema.integer(1, 6) }
---@param min integer|nil no bound when nil
---@param max integer|nil
---@return umpire.Kind kind
function schema.integer(min, max) end

---A finite number.
---
---    local schema = require "umpire.middleware.schema"
---    game.legal = schema.events { turn = schema.number(-math.pi, math.pi) }
---@param min number|nil no bound when nil
---@param max number|nil
---@return umpire.Kind kind
function schema.number(min, max) end

---A string of min to max characters of UTF-8. Both are needed: a stranger chooses the length.
---
---    local schema = require "umpire.middleware.schema"
---    game.legal = schema.events { say = schema.string(1, 200) }
---@param min integer
---@param max integer
---@return umpire.Kind kind
function schema.string(min, max) end

---A kind: true or false. Used without a call.
---
---    local schema = require "umpire.middleware.schema"
---    game.legal = schema.events { ready = schema.boolean }
---@param value umpire.Data
---@param where string
---@return string? wrong
function schema.boolean(value, where) end

---A kind: no data; an event that is only its name. Used without a call.
---
---    local schema = require "umpire.middleware.schema"
---    game.legal = schema.events { jump = schema.nothing }
---@param value umpire.Data
---@param where string
---@return string? wrong
function schema.nothing(value, where) end

---A kind: anything at all. The rest of your rules then has to look at it with care. Used without a call.
---
---    local schema = require "umpire.middleware.schema"
---    game.legal = { schema.events { raw = schema.anything }, function(_, event) return event.data == 1, "1 was meant" end }
---@param value umpire.Data
---@param where string
---@return string? wrong
function schema.anything(value, where) end

---One of the listed values.
---
---    local schema = require "umpire.middleware.schema"
---    game.legal = schema.events { turn = schema.one_of { "left", "right" } }
---@param list umpire.Data[] at least one
---@return umpire.Kind kind
function schema.one_of(list) end

---Like kind, but nil (or JSON's null) is good too.
---
---    local schema = require "umpire.middleware.schema"
---    game.legal = schema.events { wave = schema.optional(schema.string(1, 20)) }
---@param kind umpire.Kind
---@return umpire.Kind kind
function schema.optional(kind) end

---A list of min to max values of one kind.
---
---    local schema = require "umpire.middleware.schema"
---    game.legal = schema.events { path = schema.list(schema.integer(0, 3), 1, 20) }
---@param kind umpire.Kind
---@param min integer
---@param max integer
---@return umpire.Kind kind
function schema.list(kind, min, max) end

---A list with a kind for each place.
---
---    local schema = require "umpire.middleware.schema"
---    game.legal = schema.events { move = schema.tuple { schema.integer(-1, 1), schema.integer(-1, 1) } }
---@param kinds umpire.Kind[]
---@return umpire.Kind kind
function schema.tuple(kinds) end

---A table with these fields and no others.
---
---    local schema = require "umpire.middleware.schema"
---    game.legal = schema.events { say = schema.fields { text = schema.string(1, 200) } }
---@param kinds table<string, umpire.Kind>
---@return umpire.Kind kind
function schema.fields(kinds) end

---What a type is, as plain data, for tools: { type = "integer", min = 1, max = 6 }, { type = "tuple", of = { ... } }. A function of
---your own is { type = "custom" }.
---
---    local schema = require "umpire.middleware.schema"
---    local text = schema.string(1, 20)
---    local said = schema.describe (text) -- { type = "string", min = 1, max = 20 }
---    host.log.info(said.type)
---    game.legal = schema.events { say = text }
---@param kind umpire.Kind
---@return table description
function schema.describe(kind) end

---What schema.events was told of each event: name to description. The simulator's sim.fuzz sends events by it.
---
---    local schema = require "umpire.middleware.schema"
---    game.legal = schema.events { wave = schema.nothing }
---    host.log.info(schema.declared().wave.type) -- nothing
---@return table<string, table> events
function schema.declared() end

return schema
