--- Legality middleware: nobody changes what is another's. PYMMORPG's `set` names the player whose attribute it is, and a
-- stranger may write any name there. A rulebook without `legal` has this by itself; one that judges says it, because only its
-- author knows what may be allowed.
--
--   game.legal = { own { except = { "doors" } }, ... }
--
-- except: names that anybody may set attributes of (things that are no players). reason: for the log.
return function(options)
  options = options or {}
  for name in pairs(options) do
    if name ~= "except" and name ~= "reason" then
      error(("own: unknown option '%s'; known: except, reason"):format(tostring(name)), 2)
    end
  end
  local anyone = {}
  for _, name in ipairs(options.except or {}) do anyone[name] = true end
  local reason = options.reason or "this is another player's"
  return function(client, event)
    if event.name ~= "set" or client.protocol ~= "pymmorpg" then return true end
    local whose = event.data[1]
    if whose == client.name or anyone[whose] then return true end
    return false, reason
  end
end
