-- Code as it stands in pages and annotations, tried: what kind of piece it is follows from what it says.
--   a rulebook        ends by returning one: loaded, played and reloaded in a world
--   a piece of one    sets fields of `game`: the same, between a head and a tail
--   a piece of a spec asks sim, world, ann, it or describe for something: run beside a world of that kind
--   anything else     what a handler does: run in `execute`
-- A first line "-- NAME.lua" makes it a file: see blocks.files.
local sim = require "umpire.sim"
local luassert = require "luassert"
local M = {}

function M.read(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

--- The fences of a page: { code, line }, of that language.
function M.fences(text, language)
  local out, code, n, line = {}, nil, 0, 0
  for l in (text .. "\n"):gmatch "(.-)\n" do
    n = n + 1
    if code and l:find "^```" then
      if code.language == language then out[#out + 1] = { code = table.concat(code, "\n") .. "\n", line = line } end
      code = nil
    elseif code then code[#code + 1] = l
    elseif l:find "^```" then code, line = { language = l:match "^```(%w*)" }, n + 1 end
  end
  return out
end

function M.kind(code)
  if code:find 'require "umpire.sim"' or code:find "%f[%w]describe%(" or code:find "%f[%w]it%(" then return "spec" end
  if code:find "\nreturn [%w{][^\n]*\n$" or code:find "^return [^\n]*\n$" then return "rulebook" end
  if code:find "%f[%w]game%.[%w_]+ *=[^=]" or code:find "function game%." then return "piece" end
  if code:find "%f[%w]world%f[%W]" or code:find "%f[%w]ann%f[%W]" or code:find "%f[%w]sim%." or code:find "assert%." then
    return "test"
  end
  return "handler"
end

local HEAD = 'local host, game = require "umpire", { api = 1 }\n'

-- Something happens in it: nothing that it does may fail.
local function play(text, what)
  local world = sim.run_text(text, { listen = "neteria://0.0.0.0:40080" })
  local ann = world:connect "neteria"
  if ann.registered then
    ann:send("example", { 1, 0 })
    ann:send "wave"
    world:settle()
    ann:login("ann", "swordfish")
  end
  world:advance(70)
  local ok, report = world:reload()
  assert(ok, report)
  ann:disconnect()
  world:advance(40)
  local wrong = world:logged "called for"
  world:close()
  assert(not wrong, ("%s: %s"):format(what, wrong))
end

local WORLD = [[
local host, game = require "umpire", { api = 1 }
game.channels = { lobby = { mode = "chunk" }, arena = { mode = "rpc", remotes = { [0] = { { "step", "Int32", "Int32" } } } } }
function game.execute(client, event)
  if client.protocol == "neteria" then host.notify(client, event.name, event.data) end
end
return game]]
local LISTEN = { "neteria://0.0.0.0:40080", "laneya://0.0.0.0:5001", "joint://0.0.0.0:7680", "pymmorpg://0.0.0.0:5050",
  "pygase://0.0.0.0:8080" }
local OPTIONS = { joint = { channel = "lobby" }, pymmorpg = { user = "ann", password = "swordfish" } }

local function play_beside(code, what, player)
  local world = sim.run_text(WORLD, { listen = LISTEN })
  local ann = world:connect(player, OPTIONS[player])
  local env = setmetatable({ world = world, sim = sim, assert = luassert, ann = ann }, { __index = _G })
  assert(load(code, "=" .. what, "t", env))()
  if not world.core_closed then world:settle() end
  local wrong = world:logged "called for"
  world:close()
  assert(not wrong, ("%s: %s"):format(what, wrong))
end

-- A whole spec: the describe and it of busted are played by this, in place.
local function play_spec(code, what)
  local env = setmetatable({ assert = luassert }, { __index = _G })
  env.describe = function(_, fn) fn() end
  env.it = env.describe
  assert(load(code, "=" .. what, "t", env))()
end

local play_kind = {
  rulebook = play,
  piece = function(code, what) play(HEAD .. code .. "\nreturn game", what) end,
  handler = function(code, what)
    play(HEAD .. "function game.execute(client, event)\n" .. code .. "\nend\nreturn game", what)
  end,
  spec = play_spec,
  test = play_beside,
}

--- Tries a piece of code; raises when it does not work. player: the protocol of `ann`, where there is one (default neteria).
function M.try(code, what, player)
  play_kind[M.kind(code)](code, what, player or "neteria")
end

-- ---- pages whose code is files ----

--- The fences of a page that are files, "-- NAME.lua" or "-- FOLDER/NAME.lua" in their first line: name -> text. A later one of
-- the same name counts, as for a reader who goes through the page; order: the names as they come first.
function M.files(text)
  local files, order = {}, {}
  for _, fence in ipairs(M.fences(text, "lua")) do
    local name = fence.code:match "^%-%- ([%w_/%-%.]+%.lua)%f[\n:]"
    if name then
      if not files[name] then order[#order + 1] = name end
      files[name] = fence.code
    end
  end
  return files, order
end

return M
