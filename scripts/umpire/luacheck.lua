-- The globals that a rulebook has, as a standard for luacheck. What is not here, is not there.
--
--   stds.umpire = dofile ".umpire/luacheck.lua"    -- in .luacheckrc; `umpire new` writes that line
--   std = "umpire"
--
-- `umpire check` asks luacheck with this standard, and the page of the library lists it. luacheck may run on any Lua.
local function set(names, into)
  for name in names:gmatch "%S+" do into[name] = {} end
  return into
end

local function of(names) return { fields = set(names, {}) } end

return { read_globals = set([[
  _VERSION assert collectgarbage error getmetatable ipairs load next pairs pcall print rawequal rawget rawlen rawset require
  select setmetatable tonumber tostring type warn xpcall]], {
  _G = { other_fields = true },
  coroutine = of "close create isyieldable resume running status wrap yield",
  math = of [[
    abs acos asin atan ceil cos deg exp floor fmod huge log max maxinteger min mininteger modf pi rad random randomseed sin
    sqrt tan tointeger type ult]],
  os = of "clock date difftime time",
  package = { fields = { loaded = { other_fields = true }, preload = { other_fields = true } } },
  string = of "byte char find format gmatch gsub len lower match pack packsize rep reverse sub unpack upper",
  table = of "concat insert move pack remove sort unpack",
  utf8 = of "char charpattern codepoint codes len offset",
}) }
