---@meta umpire.client
-- Only text for the page: the clients' files say what each of their functions does.

--[[md
## Clients without I/O

`umpire.client.neteria` takes datagrams and the time and gives datagrams; it repeats, confirms and gives up as the real client
does. The simulator and `scripts/play` use it; its file says how. `umpire.client.arena` is the screen of an arena player:
prediction and rollback in a hundred lines.

`umpire.client.laneya` takes and gives the bytes of a stream, split anywhere. It gives a request up after 2 s as the real client
does, and with `actions = laneya.ACTIONS` drops its connection over any update that the real game's client would raise on.
`umpire.client.joint` is both sides of peote-net, user and owner, raw and over WebSocket, with remote calls of every type; where
the Haxe library would fall over it drops its connection and keeps the reason.
`umpire.client.pymmorpg` pairs each reply with its request; `umpire.client.pickle` writes and reads pickles of plain data.

`umpire.client.pygase` does on the wire what the class pygase.Client does, faults included, and keeps the copy of the state; strict,
it raises where that dies. `umpire.client.msgpack` is its MessagePack. `umpire.client.state` keeps the copy of a client of another
protocol, from the notifies named `state` that it gets when a rulebook has subscribed it.

`umpire.sim.stream` says what a client of a further protocol has to offer to be played in the simulator.

## Editors

The annotations are in `meta/`. A folder that `umpire new` made has a copy of them, which `.luarc.json` names; elsewhere, put the
folder into lua-language-server's `workspace.library`. VS Code (with the extension "Lua" by sumneko), Neovim and most others use
that server, and then complete and check as you type.

`luacheck.lua` is the standard for luacheck: `stds.umpire = dofile ".umpire/luacheck.lua"` and `std = "umpire"` in `.luacheckrc`.
`umpire check` asks luacheck with it, if luacheck is installed.
]]
