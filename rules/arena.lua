-- arena: players walk on a grid and race for a coin.
--
-- The rules:
--   * Up to 50 players. Who joins gets a letter and a free cell.
--   * "move" {dx, dy} goes one cell left, right, up or down; not diagonally, not further.
--   * Nobody walks into a wall, off the map or into another player.
--   * Ten steps a second, and no more than five at once after a rest.
--   * Who steps on the coin ($) scores a point, and the coin goes elsewhere.
--
-- Clients apply their own moves at once and send them with high priority; what is judged illegal here, they undo.
-- Change REACH to 2, reload (SIGHUP), and everybody who is playing may leap two cells from the next move on.
local host = require "umpire"

local REACH = 1            -- cells in one move
local STEPS_PER_SECOND, STEPS_AT_ONCE = 10, 5
local MOST_PLAYERS = 50    -- so that "welcome" fits into one datagram
local MAP = {
  "##############################",
  "#............................#",
  "#..####................####..#",
  "#..#......................#..#",
  "#.........##......##.........#",
  "#.........#........#.........#",
  "#............................#",
  "#.........#........#.........#",
  "#.........##......##.........#",
  "#..#......................#..#",
  "#..####................####..#",
  "#............................#",
  "##############################",
}
local LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

local arena = { api = 1, version = 1, listen = { "neteria://0.0.0.0:40080" } }

-- client.data = { letter, x, y, score, steps, rested }: it survives a reload. What follows is made again by load().
local players = {} -- letter -> client
local cells = {}   -- key(x, y) -> letter of who stands there
local coin         -- { x, y }

local function key(x, y) return y * 1000 + x end
local function is_floor(x, y) return MAP[y] ~= nil and MAP[y]:sub(x, x) == "." end
local function is_free(x, y) return is_floor(x, y) and not cells[key(x, y)] end

local function find_free_cell()
  local free = {}
  for y = 1, #MAP do
    for x = 1, #MAP[y] do
      if is_free(x, y) and not (coin and coin[1] == x and coin[2] == y) then free[#free + 1] = { x, y } end
    end
  end
  return free[host.random(#free)] -- there are always more cells than players
end

local function put(client, x, y)
  local data = client.data
  data.x, data.y = x, y
  cells[key(x, y)] = data.letter
end

local function free_letter()
  for letter in LETTERS:sub(1, MOST_PLAYERS):gmatch "." do
    if not players[letter] then return letter end
  end
end

-- ---- joining and leaving ----

local function welcome(client, letter)
  local cell = find_free_cell()
  client.data = { letter = letter, score = 0, steps = STEPS_AT_ONCE, rested = host.now() }
  put(client, cell[1], cell[2])
  players[letter] = client
  local others = host.array {}
  for other in host.clients() do
    local d = other.data
    if other ~= client and d.letter then others[#others + 1] = { d.letter, d.x, d.y, d.score } end
  end
  host.notify(client, "welcome", { you = letter, x = cell[1], y = cell[2], map = MAP, coin = coin, players = others })
  host.broadcast("joined", { letter, cell[1], cell[2], 0 }, client)
end

function arena.connect(client)
  local letter = free_letter()
  if not letter then return false, ("the arena is full (%d players)"):format(MOST_PLAYERS) end
  welcome(client, letter)
end

function arena.disconnect(client)
  local data = client.data
  players[data.letter] = nil
  cells[key(data.x, data.y)] = nil
  host.broadcast("left", data.letter, client)
end

-- ---- the judge ----

local function steps_left(data, now)
  return math.min(STEPS_AT_ONCE, data.steps + (now - data.rested) * STEPS_PER_SECOND)
end

function arena.legal(client, event)
  if event.name ~= "move" then return host.invalid "the arena knows one event: move" end
  local step = event.data
  if type(step) ~= "table" or math.type(step[1]) ~= "integer" or math.type(step[2]) ~= "integer" or #step ~= 2 then
    return host.invalid "move needs two whole numbers: how far right, how far down"
  end
  local dx, dy = step[1], step[2]
  if (dx == 0) == (dy == 0) then return false, "one direction at a time" end
  if dx < -REACH or dx > REACH or dy < -REACH or dy > REACH then
    return false, ("too far: %d in one move"):format(REACH)
  end
  local data = client.data
  if steps_left(data, event.time) < 1 then return false, "too fast" end
  local x, y = data.x + dx, data.y + dy
  if not is_floor(x, y) then return false, "a wall is there" end
  if not is_free(x, y) then return false, ("%s stands there"):format(cells[key(x, y)]) end
  return true
end

-- ---- what a legal move does ----

function arena.execute(client, event)
  local data = client.data
  data.steps, data.rested = steps_left(data, event.time) - 1, event.time
  cells[key(data.x, data.y)] = nil
  put(client, data.x + event.data[1], data.y + event.data[2])
  host.broadcast("moved", { data.letter, data.x, data.y }, client)
  if data.x == coin[1] and data.y == coin[2] then
    data.score = data.score + 1
    coin = find_free_cell()
    host.broadcast("scored", { data.letter, data.score, coin[1], coin[2] })
  end
end

-- ---- across a reload ----

function arena.save() return { coin = coin } end

local function stand_again(client)
  local data = client.data
  players[data.letter] = client
  if is_free(data.x, data.y) then
    put(client, data.x, data.y)
  else -- the map has changed, and there is a wall now
    local cell = find_free_cell()
    put(client, cell[1], cell[2])
    host.broadcast("moved", { data.letter, data.x, data.y })
  end
end

function arena.load(saved)
  local strangers = {} -- came while another rulebook was judging
  for client in host.clients() do
    if client.data.letter then stand_again(client) else strangers[#strangers + 1] = client end
  end
  coin = saved and saved.coin
  if not coin or not is_floor(coin[1], coin[2]) then coin = find_free_cell() end
  host.broadcast("map", { map = MAP, coin = coin })
  for _, client in ipairs(strangers) do
    local letter = free_letter()
    if letter then welcome(client, letter) else host.kick(client, "the arena is full") end
  end
end

return arena
