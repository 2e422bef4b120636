---@meta umpire.middleware.logged_in

---What logged_in may be told.
---@class umpire.logged_in.Options
---@field except string[]|nil events that anybody may send
---@field reason string|nil what the client is told; nil: "log in first"

---Only for clients that have logged in: `client.name` must be set.
---
---    local logged_in = require "umpire.middleware.logged_in"
---    game.legal = { logged_in { except = { "look" } } }
---@param options umpire.logged_in.Options|nil an unknown one raises
---@return umpire.Judge judge
local function logged_in(options) end

return logged_in
