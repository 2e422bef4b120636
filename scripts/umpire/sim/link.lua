--- A player's link: weather of its own, over the world's, and another connection by the same player. Players of all protocols
-- have these methods.
local M = {}

local Link = {}

--- Weather of this link alone. What is not named is as in the world, also when that changes. {} or nothing: as everybody's.
function Link:network(weather)
  self.world:_weather_of(self, weather)
  return self
end

--- Connects again after it vanished, was cut off or left (an open connection vanishes first): the same player with the same
-- identity, where the protocol has one, and no memory of what it waited for. Options: address ("10.0.0.7:50007"; default:
-- the same where the protocol takes datagrams, else with another port), wait = false (let no time pass). What it was told
-- stays in its notifies.
function Link:reconnect(options)
  options = options or {}
  for name in pairs(options) do
    if name ~= "address" and name ~= "wait" then
      error(("reconnect: unknown option '%s'; known: address, wait"):format(tostring(name)), 2)
    end
  end
  self.world:_plug_in(self, options.address)
  self:begin_again()
  return self:register(options.wait)
end

M.methods = Link
return M
