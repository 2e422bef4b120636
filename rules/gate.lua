-- gate: legality middleware at work. A guarded gate with a crowd in front of it.
--
-- The rules:
--   * "look" tells anybody who is there and whether the gate is open.
--   * "say" {text} is heard by everybody; only who has logged in may speak, at most one sentence a second (three at once).
--   * "open" and "close" {code} work the gate: logged in, with the right code, one try in five seconds.
--   * Whatever else is sent, or does not look as it should, is refused with a reason. Nobody sends over 20 events a second.
--
-- The accounts below are a demonstration: in plain text, in memory, in a file that everybody can read, sent over a wire
-- that is not encrypted. Do not do this with real passwords.
local host = require "umpire"
local schema = require "umpire.middleware.schema"
local throttle = require "umpire.middleware.throttle"
local logged_in = require "umpire.middleware.logged_in"

local ACCOUNTS = { ann = "swordfish", bob = "hunter2" } -- demonstration only, see above
local CODE = 1234

local gate = { api = 1, version = 1 }
local is_open = false

function gate.login(name, password)
  if ACCOUNTS[name] == nil or ACCOUNTS[name] ~= password then return false, "wrong name or password" end
  return true
end

local function right_code(_, event)
  if (event.name == "open" or event.name == "close") and event.data.code ~= CODE then return false, "wrong code" end
  return true
end

-- Asked in this order until one says no: cheap ones first, and each may rely on those before it.
gate.legal = {
  throttle { rate = 20, burst = 40 },
  schema.events {
    look = schema.nothing,
    say = schema.fields { text = schema.string(1, 200) },
    open = schema.fields { code = schema.integer(0, 9999) },
    close = schema.fields { code = schema.integer(0, 9999) },
  },
  logged_in { except = { "look" } },
  throttle { rate = 1, burst = 3, only = { "say" }, reason = "you talk too much" },
  throttle { rate = 1 / 5, burst = 1, only = { "open", "close" }, reason = "one try in five seconds" },
  right_code,
}

local act = {}

function act.look(client)
  local here = host.array {}
  for other in host.clients() do
    if #here < 100 then here[#here + 1] = other.name or "somebody" end
  end
  host.notify(client, "seen", { open = is_open, here = here })
end

function act.say(client, data) host.broadcast("said", { client.name, data.text }, client) end

local function turn(open)
  return function(client)
    is_open = open
    host.broadcast("gate", { open = open, by = client.name })
  end
end
act.open, act.close = turn(true), turn(false)

function gate.execute(client, event) act[event.name](client, event.data) end

function gate.save() return { open = is_open } end
function gate.load(saved) is_open = saved ~= nil and saved.open end

return gate
