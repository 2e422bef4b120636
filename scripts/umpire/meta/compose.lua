---@meta umpire.middleware.compose

--[[md
### compose

Judges made of judges.
]]

local compose = {}

---All of them, in order, until one says no: a list within the list.
---
---    local compose = require "umpire.middleware.compose"
---    local never = function() return false, "closed" end
---    game.legal = { compose.all { never, never } }
---@param judges umpire.Judge[]
---@return umpire.Judge judge
function compose.all(judges) end

---A judge for each event name.
---
---    local compose = require "umpire.middleware.compose"
---    game.legal = compose.by_name({
---      roll = function(client) return client.data.turn == true, "it is not your turn" end,
---    }, function() return host.invalid "only rolling is known here" end)
---@param judges table<string, umpire.Judge>
---@param otherwise umpire.Judge|nil for names that are not listed; nil: they are legal
---@return umpire.Judge judge
function compose.by_name(judges, otherwise) end

---The judge, for those events alone; the others pass.
---
---    local compose = require "umpire.middleware.compose"
---    game.legal = compose.only({ "say" }, function(client) return not client.data.muted, "you are muted" end)
---@param names string[]
---@param judge umpire.Judge
---@return umpire.Judge judge
function compose.only(names, judge) end

return compose
