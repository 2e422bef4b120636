-- luacheck scripts rules tests bindings
std = "lua54"
max_line_length = 128
files["**/spec/**"] = { std = "+busted" }
files["scripts/umpire/meta"] = { ignore = { "212", "241" } } -- declarations for editors: nothing is used, by design
files["scripts/play"] = { std = "lua54" }
exclude_files = { "build*" }
