-- The rules of the benchmark of streams: the original's `move`, judged and answered {}.
local host = require "umpire"
local directions = { north = true, east = true, south = true, west = true, stop = true }

local book = { api = 1, version = 1 }

function book.legal(_, event)
  if event.name ~= "move" then return false, "unknown action" end
  if not directions[event.data.direction] then return host.invalid "direction" end
  return true
end

function book.execute(client, event) client.data.direction = event.data.direction end

return book
