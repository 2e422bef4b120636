---@meta umpire.sandbox
-- What of Lua a rulebook has: only text for the page. Editors learn it from .luarc.json, luacheck from ../luacheck.lua.

--[[md
### What of Lua is there

Lua 5.4 without the ways out. What is not in this table is not there; reading or setting an undefined global is an error.

{{globals}}

- `print` and `warn` write to the host's log. `tostring` of a table or function tells no address, so that a run repeats.
- `math.random` and `os.time` and its kin are the host's: seeded and virtual in the simulator.
- `string.find`, `match`, `gmatch` and `gsub` are ended when a pattern takes over a million steps; `umpire check` warns of patterns
  that can.
- `require "umpire"` is the host, `require "umpire.middleware.NAME"` the shipped middleware; other names are files in the
  rulebook's folder: `require "maps.cave"` is `maps/cave.lua` or `maps/cave/init.lua`.
- `__gc` is not there (a finalizer would run where no budget ends it); `__close` is.
- `load` takes text only.
]]
