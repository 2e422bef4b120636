-- luacheck .
stds.umpire = dofile ".umpire/luacheck.lua" -- the globals that a rulebook has
std = "umpire"
max_line_length = 120
unused_args = false
files["spec"] = { std = "lua54+busted" }
exclude_files = { ".umpire", "lua_modules" }
