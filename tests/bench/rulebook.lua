-- The benchmark's rules. Everyone stands on a field of 1000 x 1000 cells and moves one cell at a time, not through walls;
-- a shout is told to everyone. legal looks at every field that it uses, execute changes the client's place.
-- rules_plain.lua and node_server.mjs hold the same rules for the servers that umpire is compared with.
local host = require "umpire"

local SIZE = 1000
local game = { api = 1, version = 1 }

function game.connect(client)
  client.data.x, client.data.y, client.data.steps = SIZE // 2, SIZE // 2, 0
  host.notify(client, "welcome", client.data.x)
end

function game.legal(client, event)
  local name, step = event.name, event.data
  if name == "shout" then return type(step) == "table" and #step == 2 end
  if name ~= "move" then return false, "unknown event" end
  if type(step) ~= "table" or #step ~= 2 then return false, "a move is [dx, dy]" end
  local dx, dy = step[1], step[2]
  if type(dx) ~= "number" or type(dy) ~= "number" then return false, "a move is two numbers" end
  if dx < -1 or dx > 1 or dy < -1 or dy > 1 then return false, "one cell at a time" end
  local me = client.data
  local x, y = me.x + dx, me.y + dy
  if x < 0 or y < 0 or x >= SIZE or y >= SIZE then return false, "there is a wall" end
  return true
end

function game.execute(client, event)
  if event.name == "shout" then return host.broadcast("said", event.data) end
  local me, step = client.data, event.data
  me.x, me.y, me.steps = me.x + step[1], me.y + step[2], me.steps + 1
end

return game
