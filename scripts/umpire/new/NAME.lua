-- @NAME@: find the number that the host thinks of.
--
-- The rules:
--   * The host thinks of a whole number from 1 to 100.
--   * "guess" N tells everybody whether the number is higher or lower.
--   * Who finds it scores a point, and there is a new one.
--   * What has been ruled out is not guessed again, and nobody guesses more often than twice a second.
--   * "look" shows what is known so far, and the scores.
local host = require "umpire"
local schema = require "umpire.middleware.schema"
local throttle = require "umpire.middleware.throttle"

local LEAST, MOST = 1, 100

---@type umpire.Rulebook
local game = { api = 1, version = 1, listen = { "neteria://0.0.0.0:40080" } }

-- client.data = { score }: it stays with the client, reloads included. These are kept by save() and load():
local number        -- what is to be found
local low, high     -- it is from low to high, as far as all have been told

local function think()
  number, low, high = host.random(LEAST, MOST), LEAST, MOST
end

local function known()
  local scores = host.array {}
  for client in host.clients() do scores[#scores + 1] = { client.id, client.data.score } end
  return { low = low, high = high, scores = scores }
end

-- ---- coming and going ----

function game.connect(client)
  client.data.score = 0
  host.notify(client, "welcome", known())
end

-- ---- the judge: a list, asked in order until one says no. It changes nothing ----

local function not_ruled_out(_, event)
  if event.name ~= "guess" or (event.data >= low and event.data <= high) then return true end
  return false, ("it is from %d to %d"):format(low, high)
end

game.legal = {
  throttle { rate = 2, burst = 4 },
  schema.events { guess = schema.integer(LEAST, MOST), look = schema.nothing },
  not_ruled_out,
}

-- ---- what a legal event does: once, however often the network repeats it ----

local act = {}

function act.look(client) host.notify(client, "known", known()) end

function act.guess(client, guess)
  if guess == number then
    client.data.score = client.data.score + 1
    host.broadcast("found", { by = client.id, number = number, score = client.data.score })
    think()
  elseif guess < number then
    low = guess + 1
    host.broadcast("higher", guess)
  else
    high = guess - 1
    host.broadcast("lower", guess)
  end
end

function game.execute(client, event) act[event.name](client, event.data) end

-- ---- across a reload: SIGHUP, `umpire reload`, or every save with --watch ----

function game.save() return { number = number, low = low, high = high } end

function game.load(saved)
  if saved then number, low, high = saved.number, saved.low, saved.high else think() end
end

return game
