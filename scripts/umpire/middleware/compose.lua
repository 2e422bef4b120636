--- Building one judge from others. A judge is a function (client, event) that returns true, or false and a reason, or
-- host.invalid(reason): what `legal` is.
local compose = {}

--- All of them, in order, until one says no. (`legal` may be a list itself; this is for lists within lists.)
function compose.all(judges)
  return function(client, event)
    for _, judge in ipairs(judges) do
      local legal, reason = judge(client, event)
      if legal ~= true then return legal, reason end
    end
    return true
  end
end

--- A judge for each event name; names that are not listed go to `otherwise` (default: they are legal).
function compose.by_name(judges, otherwise)
  return function(client, event)
    local judge = event.name ~= nil and judges[event.name] or otherwise
    if not judge then return true end
    return judge(client, event)
  end
end

--- The judge, only for those events (a list of names); the others pass.
function compose.only(names, judge)
  local set = {}
  for _, name in ipairs(names) do set[name] = true end
  return function(client, event)
    if event.name == nil or not set[event.name] then return true end
    return judge(client, event)
  end
end

return compose
