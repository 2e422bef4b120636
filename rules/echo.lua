-- echo: whatever a client sends comes back to it as a notify. The smallest rulebook that does something.
local host = require "umpire"
local echo = { api = 1 }

function echo.execute(client, event)
  host.notify(client, event.name, event.data)
end

return echo
