--- Legality middleware: only for clients that have logged in (client.name is set by the rulebook's login handler).
--
--   local logged_in = require "umpire.middleware.logged_in"
--   rules.legal = { logged_in { except = { "look" } }, ... }
return function(options)
  options = options or {}
  for name in pairs(options) do
    if name ~= "except" and name ~= "reason" then
      error(("logged_in: unknown option '%s'; known: except, reason"):format(tostring(name)), 2)
    end
  end
  local except = {}
  for _, name in ipairs(options.except or {}) do except[name] = true end
  local reason = options.reason or "log in first"
  return function(client, event)
    if client.name ~= nil or (event.name ~= nil and except[event.name]) then return true end
    return false, reason
  end
end
