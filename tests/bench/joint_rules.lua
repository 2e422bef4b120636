-- The rulebook of the joint benchmark: its channel gives back every chunk.
local host = require "umpire"
local book = { api = 1, channels = { lobby = { mode = "chunk", max_chunk = 32768, max_rate = 1e6 } } }

function book.execute(client, event) host.notify(client, nil, event.data) end

return book
