--- What a simulated player has been told: the part that players of all protocols share. A player has `notifies`, a list of
-- { name, data, time, ... } in order of arrival, and gets these methods by give(Class), and with them those of
-- umpire.sim.expect and umpire.sim.link.
local expect = require "umpire.sim.expect"
local link = require "umpire.sim.link"

local Heard = {}

--- The data of the notifies with this name, in order of arrival. Without a name: all notifies.
function Heard:received(name)
  if name == nil then return self.notifies end
  local out = {}
  for _, notify in ipairs(self.notifies) do
    if notify.name == name then out[#out + 1] = notify.data == nil and true or notify.data end
  end
  return out
end

--- The latest data of that name; nil: none came. (A notify without data gives true.)
function Heard:last(name)
  local all = self:received(name)
  return all[#all]
end

--- Forgets the notifies that came so far, and for players who have them the verdicts.
function Heard:forget()
  self.notifies = {}
  if self.verdicts then self.verdicts = {} end
  return self
end

-- For the classes: a notify came.
function Heard:_heard(notify)
  self.notifies[#self.notifies + 1] = notify
  if self.on_notify then self.on_notify(notify) end
end

local M = {}

function M.give(class)
  for _, methods in ipairs { Heard, expect.methods, link.methods } do
    for name, method in pairs(methods) do class[name] = method end
  end
end

return M
