-- The rulebook that tests/bench/pygase_load.c loads: "start" makes a state of so many entities, so many of which move each tick
local host = require "umpire"
local bench = { api = 1, version = 1, tick_rate = 20 }
local entities, moving, at, x = 0, 0, 0, 0

function bench.legal() return true end

function bench.execute(_, event)
  if event.name ~= "start" then return end
  entities, moving = event.data[1], event.data[2]
  local all = {}
  for i = 1, entities do all["e" .. i] = { x = 0.5, y = 0.5 } end
  host.update { e = all }
end

function bench.tick()
  if moving == 0 then return end
  local e = {}
  x = x + 0.25
  for _ = 1, moving do
    at = at % entities + 1
    e["e" .. at] = { x = x, y = -x }
  end
  host.update { t = math.floor(host.now() * 1e5) % 1000000000, e = e } -- when it was, in units of 10 us
end

return bench
