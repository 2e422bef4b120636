-- tag: a field without edges, and one who chases. PyGaSe, Neteria and browser players in one game.
--
-- The rules:
--   * Who comes watches until he has told a name: 1 to 16 characters, no two alike, at most 40 players.
--   * Players run in the direction that they say, 100 units a second; the chaser runs 112. The field is 640 by 420 and has no
--     edges: who leaves it on one side comes in on the other.
--   * There is always exactly one chaser: at first who came first. Whom he touches (18 units from middle to middle) is the
--     chaser from then on, and for 5 seconds everybody is safe from the new one.
--   * When the chaser leaves, or has not moved for 15 seconds, another is drawn by lot, with the same 5 seconds.
--   * Whoever catches scores a point. Nobody moves anybody but himself.
--
-- Everybody sees the same replicated state: PyGaSe clients by their protocol, the others as notifies named "state".
--   { field = { 640, 420 }, chaser_id = "2", protection = true, countdown = 4, players = { ["2"] = { name = "ann",
--     position = { 320, 17 }, score = 1 } } }
-- These names, the events JOIN and MOVE, and MOVE's way of telling a place instead of a direction are those of PyGaSe's own
-- example game, chase: its client plays along as it is.
--
-- Start it with `scripts/start tag` and open http://127.0.0.1:8000/ in two browser windows.
local host = require "umpire"
local schema = require "umpire.middleware.schema"
local throttle = require "umpire.middleware.throttle"

local WIDTH, HEIGHT = 640, 420
local SPEED, CHASER_SPEED = 100, 112 -- units a second
local TOUCH = 18                     -- units between two middles
local PROTECTION = 5                 -- seconds
local IDLE = 15                      -- seconds without a step: somebody else chases
local MOST_PLAYERS = 40
local STRIDE = 0.4                   -- seconds of running that a MOVE may make up for at once, after a pause

local tag = {
  api = 1, version = 1, tick_rate = 20,
  listen = { "pygase://0.0.0.0:8080", "neteria://0.0.0.0:40080", "joint://0.0.0.0:7680" },
  channels = {
    tag = {
      mode = "rpc", max_rate = 60,
      remotes = { [0] = { { "join", "String" }, { "go", "Float", "Float" }, { "leave" } } },
      client_remotes = { [0] = {
        { "state", "String" },             -- host.subscribe's notifies
        { "welcome", "String" },           -- you are in: your id
        { "caught", "String", "String" },  -- ids: who was, and by whom
        { "refused", "String", "String" }, -- what you asked for, and why not: the host's own word
      } },
    },
  },
}

-- client.data.id is the player's id while he is in. What follows is kept across a reload by save().
local players = {}   -- id -> { name, x, y, dx, dy, score, moved (when), stride (s), at = { x, y } as published }
local chaser         -- id; nil: nobody is in
local safe_until     -- host clock; nil: the chaser may catch
local next_id = 1

-- ---- the field ----

-- From a to b the short way round, along one axis.
local function way(a, b, size)
  local d = (b - a) % size
  return d > size / 2 and d - size or d
end

local function distance(x1, y1, x2, y2)
  local dx, dy = way(x1, x2, WIDTH), way(y1, y2, HEIGHT)
  return (dx * dx + dy * dy) ^ 0.5
end

local function speed_of(id) return id == chaser and CHASER_SPEED or SPEED end

-- Of some spots the one that is furthest from the chaser.
local function find_spot()
  local best, best_x, best_y = -1, nil, nil
  for _ = 1, 8 do
    local x, y = host.random(0, WIDTH - 1), host.random(0, HEIGHT - 1)
    local d = chaser and distance(x, y, players[chaser].x, players[chaser].y) or 0
    if d > best then best, best_x, best_y = d, x, y end
  end
  return best_x, best_y
end

local function sorted_ids()
  local ids = {}
  for id in pairs(players) do ids[#ids + 1] = id end
  table.sort(ids) -- so that the same game is the same game
  return ids
end

-- ---- what everybody sees ----

local function published(p) return { name = p.name, position = { p.at[1], p.at[2] }, score = p.score } end

-- Where he is, in whole units; true if that is news.
local function place(p)
  local x, y = math.floor(p.x) % WIDTH, math.floor(p.y) % HEIGHT
  if p.at and p.at[1] == x and p.at[2] == y then return false end
  p.at = { x, y }
  return true
end

local function countdown() return safe_until and math.max(0, math.ceil(safe_until - host.now())) or 0 end

local shown = 0 -- the countdown that everybody sees

local function publish_chaser()
  shown = countdown()
  host.update { chaser_id = chaser or host.DELETE, protection = safe_until ~= nil, countdown = shown }
end

-- ---- who chases ----

local function make_chaser(id)
  chaser = id
  safe_until = id and next(players, next(players)) and host.now() + PROTECTION or nil -- alone there is nobody to protect
  if id then players[id].moved = host.now() end
  publish_chaser()
end

local function draw_chaser(except)
  local ids = {}
  for _, id in ipairs(sorted_ids()) do
    if id ~= except then ids[#ids + 1] = id end
  end
  make_chaser(ids[1] and ids[host.random(#ids)])
end

local function whom_he_touches()
  local he, best, best_d = players[chaser], nil, TOUCH
  for _, id in ipairs(sorted_ids()) do
    if id ~= chaser then
      local p = players[id]
      local d = distance(he.x, he.y, p.x, p.y)
      if d < best_d then best, best_d = id, d end
    end
  end
  return best
end

local function catch(id)
  local by = chaser
  players[by].score = players[by].score + 1
  host.update { players = { [by] = { score = players[by].score } } }
  make_chaser(id)
  host.broadcast("caught", { id, by })
end

-- ---- coming and going ----

local function enter(client, name)
  local id = tostring(next_id)
  next_id = next_id + 1
  local x, y = find_spot()
  local p = { name = name, x = x, y = y, dx = 0, dy = 0, score = 0, moved = host.now(), stride = STRIDE }
  place(p)
  players[id], client.data.id = p, id
  host.update { players = { [id] = published(p) } }
  if not chaser then make_chaser(id) end
  host.notify(client, "welcome", { id })
end

local function leave(client)
  local id = client.data.id
  if not id then return end
  players[id], client.data.id = nil, nil
  host.update { players = { [id] = host.DELETE } }
  if id == chaser then draw_chaser() end
end

-- Why he cannot come in under that name; nil: he can.
local function no_entry(name)
  if name:find "^%s" or name:find "%s$" or name:find "%c" then return "a name begins and ends with something to be seen" end
  local n = 0
  for _, p in pairs(players) do
    n = n + 1
    if p.name:lower() == name:lower() then return ("%s is playing already"):format(p.name) end
  end
  if n >= MOST_PLAYERS then return ("the field is full (%d players)"):format(n) end
end

-- ---- what players may say: each verb's check (why not, or nil), and what it does ----

local can, act = {}, {}

function can.join(client, name)
  if client.data.id then return "you are in already" end
  return no_entry(name)
end
act.join = enter

function can.go(_, dx, dy)
  if dx * dx + dy * dy > 1.001 then return "nobody runs that fast: a direction is no longer than 1" end -- floats are single
end
function act.go(client, dx, dy)
  local p = players[client.data.id]
  p.dx, p.dy = dx, dy
  p.moved = host.now()
end

local function stride(p) return math.min(STRIDE, p.stride + host.now() - (p.strode or 0)) end

function can.move(client, x, y, whose)
  local id = client.data.id
  if whose ~= nil and whose ~= id then return "nobody moves anybody but himself" end
  if x < 0 or x >= WIDTH or y < 0 or y >= HEIGHT then return ("the field is %d by %d"):format(WIDTH, HEIGHT) end
  local p = players[id]
  if distance(p.x, p.y, x, y) > stride(p) * speed_of(id) + 1 then return "nobody runs that fast" end
end
function act.move(client, x, y)
  local id = client.data.id
  local p = players[id]
  local far = distance(p.x, p.y, x, y)
  p.stride, p.strode = math.max(0, stride(p) - far / speed_of(id)), host.now()
  p.x, p.y, p.dx, p.dy = x, y, 0, 0
  if far > 0 then p.moved = host.now() end
  if place(p) then host.update { players = { [id] = { position = { p.at[1], p.at[2] } } } } end
end

function act.leave(client) leave(client) end

-- ---- how they say it: protocol -> event -> what its data must be, and the verb and arguments that it means ----

local NAME, PART = schema.string(1, 16), schema.number(-1, 1)
local DIRECTION, PLACE = schema.tuple { PART, PART }, schema.tuple { schema.number(), schema.number() }

local function first(d) return d[1] end
local function both(d) return d[1], d[2] end

local SAYS = {
  neteria = { --             {"join": "ann"}  {"go": [1, 0]}  {"move": [12, 40]}  "leave"
    join = { NAME, "join", function(name) return name end },
    go = { DIRECTION, "go", both },
    move = { PLACE, "move", both },
    leave = { schema.nothing, "leave" },
  },
  pygase = { --              JOIN(name)  GO(dx, dy)  MOVE(player_id=..., new_position=(x, y))  LEAVE()
    JOIN = { schema.tuple { NAME }, "join", first },
    GO = { DIRECTION, "go", both },
    MOVE = { schema.fields { player_id = schema.anything, new_position = PLACE }, "move", function(d)
      return d.new_position[1], d.new_position[2], d.player_id
    end },
    LEAVE = { schema.anything, "leave" },
  },
  joint = { --               as declared in channels.tag.remotes
    join = { schema.tuple { NAME }, "join", first },
    go = { DIRECTION, "go", both },
    leave = { schema.anything, "leave" },
  },
}

local check = {}
for protocol, events in pairs(SAYS) do
  local kinds = {}
  for name, event in pairs(events) do kinds[name] = event[1] end
  check[protocol] = schema.events(kinds)
end

local function well_formed(client, event) return check[client.protocol](client, event) end

-- Calls verbs[what](client, arguments of the event ...).
local function carry(verbs, client, event)
  local says = SAYS[client.protocol][event.name]
  local verb = verbs[says[2]]
  if not verb then return nil end
  if not says[3] then return verb(client) end
  return verb(client, says[3](event.data))
end

local function someone(client, event)
  local what = SAYS[client.protocol][event.name][2]
  return client.data.id ~= nil or what == "join" or what == "leave", "tell your name first"
end

local function possible(client, event)
  local why = carry(can, client, event)
  return why == nil, why
end

-- Cheap ones first; each may rely on those before it.
tag.legal = { throttle { rate = 60, burst = 120 }, well_formed, someone, possible }

function tag.execute(client, event) return carry(act, client, event) end

-- ---- time ----

local function run(dt)
  local moved
  for id, p in pairs(players) do
    if p.dx ~= 0 or p.dy ~= 0 then
      local far = speed_of(id) * dt
      p.x, p.y, p.moved = (p.x + p.dx * far) % WIDTH, (p.y + p.dy * far) % HEIGHT, host.now()
      if place(p) then
        moved = moved or {}
        moved[id] = { position = { p.at[1], p.at[2] } }
      end
    end
  end
  if moved then host.update { players = moved } end
end

function tag.tick(dt)
  run(dt)
  if not chaser then return end
  local now = host.now()
  if safe_until then
    if now >= safe_until then safe_until = nil end
    if not safe_until or countdown() ~= shown then publish_chaser() end
  elseif now - players[chaser].moved > IDLE and next(players, next(players)) then
    draw_chaser(chaser)
  else
    local id = whom_he_touches()
    if id then catch(id) end
  end
end

-- ---- connections ----

local NOT_FOR_THEM = "tag is played over PyGaSe, Neteria and joint"

-- PyGaSe clients have the state by their protocol.
local function show(client)
  if client.protocol ~= "pygase" then host.subscribe(client) end
end

function tag.connect(client)
  if not SAYS[client.protocol] then return false, NOT_FOR_THEM end
  show(client)
end

function tag.disconnect(client) leave(client) end

-- ---- across a reload ----

function tag.save()
  return { players = players, chaser = chaser, safe = safe_until and safe_until - host.now(), next_id = next_id }
end

-- The state outlives the rulebook. One of another game goes; in ours, players who are not here any more.
local function publish_all(is_ours)
  local patch = {}
  for key in pairs(host.state) do patch[key] = not is_ours and host.DELETE or nil end
  host.update(patch)
  patch = { field = { WIDTH, HEIGHT }, players = {} }
  for id in pairs(is_ours and host.state.players or {}) do patch.players[id] = host.DELETE end
  for id, p in pairs(players) do patch.players[id] = published(p) end
  host.update(patch)
  publish_chaser()
end

function tag.load(saved)
  local is_ours = saved ~= nil
  saved = saved or {}
  players, chaser, next_id = saved.players or {}, saved.chaser, saved.next_id or 1
  safe_until = saved.safe and host.now() + saved.safe
  local here = {}
  for client in host.clients() do
    local id = client.data.id
    if not SAYS[client.protocol] then
      host.kick(client, NOT_FOR_THEM)
    else
      if id and players[id] then here[id] = true else client.data.id = nil end
      show(client)
    end
  end
  for id, p in pairs(players) do
    if not here[id] then players[id] = nil end -- after a restart: who comes back comes in anew
    p.moved, p.strode = host.now(), host.now()
  end
  publish_all(is_ours)
  if chaser and not players[chaser] then draw_chaser() end
end

return tag
