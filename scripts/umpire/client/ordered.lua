--- pairs in the order of the keys, numbers before strings before the rest: clients that write tables in it send the same bytes
-- every time, which makes a simulated run repeatable. (Lua meets the string keys of a table in another order in every process.)
local rank = { number = 1, string = 2 }

local function before(a, b)
  local ra, rb = rank[type(a)] or 3, rank[type(b)] or 3
  if ra ~= rb then return ra < rb end
  if ra == 3 then return tostring(a) < tostring(b) end
  return a < b
end

return function(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys, before)
  local i = 0
  return function()
    i = i + 1
    if keys[i] ~= nil then return keys[i], t[keys[i]] end
  end
end
