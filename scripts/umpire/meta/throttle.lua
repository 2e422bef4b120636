---@meta umpire.middleware.throttle

---What throttle may be told.
---@class umpire.throttle.Options
---@field rate number events a second, over 0; needed
---@field burst number|nil how many at once after a pause, at least 1; nil: rate, at least 1
---@field only string[]|nil these events alone are counted
---@field except string[]|nil these are not
---@field reason string|nil what the client is told

---Not too fast: a bucket of tokens for each client. The network's repeats take none; a refused event has taken one; a reload
---fills the buckets. Put it first in the list, so that a flood is cheap to refuse.
---
---    local throttle = require "umpire.middleware.throttle"
---    game.legal = {
---      throttle { rate = 10, burst = 20 }, -- 10 events a second, 20 at once after a pause
---      throttle { rate = 1, burst = 3, only = { "say" }, reason = "you talk too much" },
---    }
---@param options umpire.throttle.Options an unknown one raises
---@return umpire.Judge judge
local function throttle(options) end

return throttle
