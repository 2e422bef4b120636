--- A copy of the replicated state, kept by the notifies named "state" that a subscriber gets (host.subscribe).
--
--   local copy = state.new()
--   copy:take(data)             -- of each notify, in whatever order they come. True: something has changed
--   copy.state.players
--
-- data is { time, full = true, state } or { time, since, patch, removed }: the patch leads from `since` to `time`. One whose
-- predecessor is still under way waits for it. Maps are merged key by key, anything else replaces (lists, too), and what is
-- listed in `removed`, as paths, goes first.
local M = {}

local Copy = {}
Copy.__index = Copy
Copy.__name = "umpire.client.State"

function M.new() return setmetatable({ state = {}, time = nil, waiting = {} }, Copy) end

-- A table with keys 1 ... n is a list; an empty one a map.
local function is_map(value) return type(value) == "table" and #value == 0 end

local function merge(into, patch)
  for key, value in pairs(patch) do
    if is_map(value) and is_map(into[key]) then merge(into[key], value) else into[key] = value end
  end
end

local function remove(from, path)
  for i = 1, #path - 1 do
    from = type(from) == "table" and from[path[i]] or nil
  end
  if type(from) == "table" then from[path[#path]] = nil end
end

local function catch_up(self)
  local changed = false
  repeat
    local again, waiting = false, {}
    for _, data in ipairs(self.waiting) do
      if data.since == self.time then
        for _, path in ipairs(data.removed or {}) do remove(self.state, path) end
        merge(self.state, data.patch or {})
        self.time, again, changed = data.time, true, true
      elseif not self.time or data.time > self.time then
        waiting[#waiting + 1] = data
      end
    end
    self.waiting = waiting
  until not again
  return changed
end

function Copy:take(data)
  if data.full then
    if self.time and data.time < self.time then return false end
    self.state, self.time = data.state or {}, data.time
    catch_up(self)
    return true
  end
  self.waiting[#self.waiting + 1] = data
  return catch_up(self)
end

return M
