-- tavern: one room for everybody, whatever they speak. Neteria, laneya, joint (TCP and browsers) and PYMMORPG guests see each
-- other, walk about and talk.
--
-- The rules:
--   * Who comes is at the door: sees and hears the room, and is not in it until it has told a name. Nobody asks for papers:
--     a name is whose it is while he is here. At most 16 characters, no two alike, at most 40 guests.
--   * A step goes one cell left, right, up or down, not into walls, tables, the bar, the fire or another guest.
--   * Eight steps a second. What is said is 1 to 200 characters long; one sentence a second, four at once after a silence.
--   * Nobody moves or changes anybody but himself.
--
-- Everybody does this in the way that is natural for what he speaks: the tables SAYS and TELLS are all there is to it.
-- Start it with `scripts/start tavern` and open http://127.0.0.1:8000/ in two browser windows.
local host = require "umpire"
local schema = require "umpire.middleware.schema"
local throttle = require "umpire.middleware.throttle"

local MOST_GUESTS = 40
local KEPT = 20 -- sentences, for PYMMORPG guests, who have to ask
local MAP = {   -- # wall, D door, c bar, t table, h fire, p plant; a dot is floor
  "################",
  "#..cccc.....hh.#",
  "#..c..c........#",
  "#..c..c..tt....#",
  "#........tt....#",
  "#..............#",
  "#.tt......tt...#",
  "#.tt......tt...#",
  "#..............#",
  "#p............p#",
  "#..............#",
  "#######DD#######",
}
local DOOR = { 8, 11 } -- where one comes in. Cells are counted from 1 here, and from 0 on every wire

local tavern = {
  api = 1, version = 1,
  listen = { "neteria://0.0.0.0:40080", "laneya://0.0.0.0:5001", "joint://0.0.0.0:7680", "pymmorpg://0.0.0.0:5050" },
  pymmorpg = { version = "1.0.0" },
  channels = {
    tavern = {
      mode = "rpc", max_rate = 30,
      remotes = { [0] = { { "enter", "String" }, { "step", "Int32", "Int32" }, { "say", "String" }, { "leave" } } },
      client_remotes = { [0] = {
        { "room", "Array<String>" },                      -- the map; then everybody who is in
        { "welcome", "String" },                          -- you are in, under this name
        { "entered", "String", "String", "Int32", "Int32" }, -- name, protocol, x, y
        { "moved", "String", "Int32", "Int32" },
        { "said", "String", "String" },
        { "left", "String" },
        { "refused", "String", "String" },                -- what you asked for, and why not: the host's own word
      } },
    },
  },
}

local guests = {} -- lower-cased name -> client: those who are in. client.data: name, x, y
local at = {}     -- cell -> client
local talk = {}   -- what was said last: { name, text }

-- ---- the room ----

local function cell(x, y) return y * 1000 + x end

local function is_floor(x, y)
  local tile = MAP[y] and MAP[y]:sub(x, x)
  return tile == "." or tile == "D"
end

local function neighbours(x0, y0)
  local n = 0
  for y = y0 - 1, y0 + 1 do
    for x = x0 - 1, x0 + 1 do n = n + (at[cell(x, y)] and 1 or 0) end
  end
  return n
end

-- A free cell near another, with elbow room if there is some; nil: none.
local function free_cell_near(x0, y0)
  local best, best_x, best_y
  for y = 1, #MAP do
    for x = 1, #MAP[1] do
      if is_floor(x, y) and not at[cell(x, y)] then
        local cost = math.abs(x - x0) + math.abs(y - y0) + 2 * neighbours(x, y)
        if not best or cost < best then best, best_x, best_y = cost, x, y end
      end
    end
  end
  return best_x, best_y
end

local function put(client, x, y)
  client.data.x, client.data.y = x, y
  at[cell(x, y)] = client
end

local function each_guest()
  local names = {}
  for name in pairs(guests) do names[#names + 1] = name end
  table.sort(names) -- so that everybody is told in the same order
  local i = 0
  return function()
    i = i + 1
    return guests[names[i]]
  end
end

-- ---- names ----

local function is_in(client) return client.data.name ~= nil end

-- Why he cannot come in under that name; nil: he can.
local function no_entry(name, client)
  if name:find "^%s" or name:find "%s$" or name:find "%c" then return "a name begins and ends with something to be seen" end
  local holder = guests[name:lower()]
  if holder and holder ~= client then return ("%s is here already"):format(name) end
  if not is_in(client) and not free_cell_near(DOOR[1], DOOR[2]) then return "there is no room left" end
  local n = 0
  for _ in pairs(guests) do n = n + 1 end
  if n >= MOST_GUESTS and not is_in(client) then return ("the tavern is full (%d guests)"):format(n) end
end

-- ---- what players are told: protocol -> news -> how. What has no entry is not told ----

local TELLS = {}

local function tell(client, news, ...)
  local how = TELLS[client.protocol][news]
  if how then how(client, ...) end
end

local function tell_all(news, ...)
  for client in host.clients() do tell(client, news, ...) end
end

TELLS.neteria = {
  room = function(to) host.notify(to, "room", MAP) end,
  welcome = function(to, name) host.notify(to, "welcome", name) end,
  entered = function(to, guest, x, y)
    host.notify(to, "entered", { name = guest.data.name, speaks = guest.protocol, x = x, y = y })
  end,
  moved = function(to, guest, x, y) host.notify(to, "moved", { guest.data.name, x, y }) end,
  said = function(to, name, text) host.notify(to, "said", { name, text }) end,
  left = function(to, name) host.notify(to, "left", name) end,
}

-- A laneya client falls over an update that it does not know, and all know "position". The others are told to who has said
-- that it can bear them ("hear").
local function position(to, guest, x, y) host.notify(to, "position", { entity = "User:" .. guest.data.name, x = x, y = y }) end
TELLS.laneya = {
  entered = position, moved = position,
  said = function(to, name, text)
    if to.data.hears then host.notify(to, "said", { entity = "User:" .. name, text = text }) end
  end,
  left = function(to, name)
    if to.data.hears then host.notify(to, "left", { entity = "User:" .. name }) end
  end,
}

TELLS.joint = {
  room = function(to) host.notify(to, "room", { MAP }) end,
  welcome = function(to, name) host.notify(to, "welcome", { name }) end,
  entered = function(to, guest, x, y) host.notify(to, "entered", { guest.data.name, guest.protocol, x, y }) end,
  moved = function(to, guest, x, y) host.notify(to, "moved", { guest.data.name, x, y }) end,
  said = function(to, name, text) host.notify(to, "said", { name, text }) end,
  left = function(to, name) host.notify(to, "left", { name }) end,
}

-- A PYMMORPG client asks for everything; flags on the replies say what has become worth asking for.
TELLS.pymmorpg = {
  room = function(to) host.notify(to, "map") end,
  said = function(to) host.notify(to, "said") end,
}

local function tell_place(news, guest) tell_all(news, guest, guest.data.x - 1, guest.data.y - 1) end

local function show_room(client)
  tell(client, "room")
  for guest in each_guest() do tell(client, "entered", guest, guest.data.x - 1, guest.data.y - 1) end
end

-- ---- what happens ----

local function leave(client)
  local data = client.data
  if not is_in(client) then return end
  guests[data.name:lower()] = nil
  at[cell(data.x, data.y)] = nil
  tell_all("left", data.name)
  data.name, data.x, data.y = nil, nil, nil
end

local function enter(client, name)
  leave(client) -- under the name that he had
  client.data.name = name
  guests[name:lower()] = client
  put(client, free_cell_near(DOOR[1], DOOR[2]))
  tell_place("entered", client)
  tell(client, "welcome", name)
end

-- Each verb: what speaks against it (a reason, or nil), and what it does (what execute returns).
local can, act = {}, {}

function can.enter(client, name)
  if is_in(client) then return "you are in already" end
  return no_entry(name, client)
end
act.enter = enter

-- Where he is, or will be once he has come in.
local function place_of(client)
  if is_in(client) then return client.data.x, client.data.y end
  return free_cell_near(DOOR[1], DOOR[2])
end

function can.step(client, dx, dy)
  if (dx == 0) == (dy == 0) then return "one direction at a time" end
  local x, y = place_of(client)
  x, y = x + dx, y + dy
  if not is_floor(x, y) then return "there is no way through" end
  local who = at[cell(x, y)]
  if who then return who.data.name .. " stands there" end
end
function act.step(client, dx, dy)
  local data = client.data
  at[cell(data.x, data.y)] = nil
  put(client, data.x + dx, data.y + dy)
  tell_place("moved", client)
end

function can.say(_, text)
  if text:find "%c" or not text:find "%S" then return "say something" end
end
function act.say(client, text)
  talk[#talk + 1] = { client.data.name, text }
  if #talk > KEPT then table.remove(talk, 1) end
  client.data.said = text
  tell_all("said", client.data.name, text)
end

function act.leave(client) leave(client) end
function act.stand() end

function act.hear(client) client.data.hears = true end

function act.map() -- as laneya draws it: columns of "wall" and "floor"
  local columns = {}
  for x = 1, #MAP[1] do
    columns[x] = {}
    for y = 1, #MAP do columns[x][y] = is_floor(x, y) and "floor" or "wall" end
  end
  return { floor_layer = columns }
end

local function seen(guest)
  local data = guest.data
  return { name = data.name, visual = guest.protocol, pos = { data.x - 1, data.y - 1, 0 }, say = data.said or "" }
end

function act.update()
  local list = host.array {}
  for guest in each_guest() do list[#list + 1] = seen(guest) end
  return list
end

function can.get(_, name, attribute)
  if name:lower() == "tavern" then
    if attribute ~= "map" and attribute ~= "said" then return "the tavern has a map, and what was said" end
  elseif not guests[name:lower()] then return ("%s is not here"):format(name) end
end
function act.get(_, name, attribute)
  if name:lower() == "tavern" then return attribute == "map" and MAP or host.array(talk) end
  return seen(guests[name:lower()])[attribute]
end

function can.set(client, name, attribute, value)
  if name ~= client.data.name then return "that is not yours" end
  if attribute ~= "say" then return "all that is yours to set is what you say" end
  return can.say(client, value)
end
function act.set(client, _, _, value) act.say(client, value) end

-- ---- what players say: protocol -> event -> what its data must be, and the verb and arguments that it means ----

local NAME, TEXT = schema.string(1, 16), schema.string(1, 200)
local STEP = schema.tuple { schema.integer(-1, 1), schema.integer(-1, 1) }
local DIRECTIONS = { north = { 0, -1 }, east = { 1, 0 }, south = { 0, 1 }, west = { -1, 0 } }

local function whole(d) return math.tointeger(d[1]), math.tointeger(d[2]) end -- JSON may say 1.0
local function verb(name) return function() return name end end

local function own_attribute(value, where) -- a name, an attribute, a text; pickles may ask for changes by, too
  if type(value) ~= "table" or value.relative then return where .. ": a text cannot be changed by an amount" end
  return schema.tuple { NAME, NAME, TEXT }(value, where)
end

local SAYS = {
  neteria = { --            {"enter": "ann"}  {"move": [1, 0]}  {"say": "hello"}  "leave"
    enter = { NAME, function(name) return "enter", name end },
    move = { STEP, function(d) return "step", whole(d) end },
    say = { TEXT, function(text) return "say", text end },
    leave = { schema.nothing, verb "leave" },
  },
  laneya = { --             the user of the first request that is legal is who comes in
    move = { schema.fields { direction = schema.one_of { "north", "east", "south", "west", "stop" } }, function(d)
      if d.direction == "stop" then return "stand" end
      return "step", table.unpack(DIRECTIONS[d.direction])
    end },
    say = { schema.fields { text = TEXT }, function(d) return "say", d.text end },
    hear = { schema.fields {}, verb "hear" },
    get_map = { schema.anything, verb "map" },
    logout = { schema.fields {}, verb "leave" },
  },
  joint = { --              as declared in channels.tavern.remotes
    enter = { schema.tuple { NAME }, function(d) return "enter", d[1] end },
    step = { STEP, function(d) return "step", whole(d) end },
    say = { schema.tuple { TEXT }, function(d) return "say", d[1] end },
    leave = { schema.anything, verb "leave" },
  },
  pymmorpg = { --           who logs in is in: see tavern.login
    move = { schema.tuple { schema.tuple { schema.integer(-1, 1), schema.integer(-1, 1), schema.integer(0, 0) } }, function(d)
      return "step", whole(d[1])
    end },
    update = { schema.anything, verb "update" },
    get = { schema.tuple { NAME, NAME }, function(d) return "get", d[1], d[2] end },
    set = { own_attribute, function(d) return "set", d[1], d[2], d[3] end }, -- ['set', 'ann', 'say', 'hello']
  },
}

local check = {}
for protocol, events in pairs(SAYS) do
  local kinds = {}
  for name, event in pairs(events) do kinds[name] = event[1] end
  check[protocol] = schema.events(kinds)
end

local function well_formed(client, event) return check[client.protocol](client, event) end

local function meaning(client, event) return SAYS[client.protocol][event.name][2](event.data) end

-- A laneya client has told its name with its first request.
local function comes_with_name(client) return client.protocol == "laneya" and not is_in(client) and client.name end

local function someone(client, event)
  local what = meaning(client, event)
  if is_in(client) or what == "enter" or what == "leave" then return true end
  if not comes_with_name(client) then return false, "tell your name first" end
  if utf8.len(client.name) > 16 then return false, "a name has at most 16 characters" end
  local why = no_entry(client.name, client)
  return why == nil, why
end

local function possible(client, event)
  local function judge(what, ...)
    local why = can[what] and can[what](client, ...)
    return not why, why or nil
  end
  return judge(meaning(client, event))
end

-- Cheap ones first; each may rely on those before it.
tavern.legal = {
  throttle { rate = 20, burst = 40 },
  well_formed,
  someone,
  throttle { rate = 8, burst = 8, only = { "move", "step" }, reason = "not so fast: eight steps a second" },
  throttle { rate = 1, burst = 4, only = { "say", "set" }, reason = "let the others speak, too" },
  possible,
}

function tavern.execute(client, event)
  if event.name ~= "logout" and comes_with_name(client) then enter(client, client.name) end
  local function carry_out(what, ...) return act[what](client, ...) end
  return carry_out(meaning(client, event))
end

-- ---- coming and going ----

function tavern.connect(client) show_room(client) end

-- PYMMORPG's login and new, and Neteria's AUTH. No password is asked for: see the rules.
function tavern.login(name, _, client)
  if (utf8.len(name) or 99) > 16 then return false, "a name has at most 16 characters" end
  local why = no_entry(name, client)
  if why then return false, why end
  enter(client, name)
  return true
end

function tavern.disconnect(client) leave(client) end

-- ---- across a reload ----

function tavern.save() return { talk = talk } end

function tavern.load(saved)
  talk = saved and saved.talk or {}
  local displaced = {}
  for client in host.clients() do
    local data = client.data
    if is_in(client) then
      guests[data.name:lower()] = client
      if is_floor(data.x, data.y) and not at[cell(data.x, data.y)] then put(client, data.x, data.y)
      else displaced[#displaced + 1] = client end
    end
  end
  for _, client in ipairs(displaced) do put(client, free_cell_near(client.data.x, client.data.y)) end -- the map is another
  for client in host.clients() do show_room(client) end
end

return tavern
