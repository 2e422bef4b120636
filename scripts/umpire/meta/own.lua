---@meta umpire.middleware.own

---What own may be told.
---@class umpire.own.Options
---@field except string[]|nil names that anybody may set attributes of: things that are no players
---@field reason string|nil what the log says

---PYMMORPG's `set` names the player whose attribute it is, and a stranger may write any name there: only one's own, or what is
---listed. It is what rulebooks without `legal` have by themselves.
---
---    local own = require "umpire.middleware.own"
---    game.legal = { own { except = { "doors" } } }
---@param options umpire.own.Options|nil an unknown one raises
---@return umpire.Judge judge
local function own(options) end

return own
