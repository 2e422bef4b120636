-- luacheck scripts rules tests bindings
std = "lua54"
max_line_length = 128
files["**/spec/**"] = { std = "+busted" }
files["scripts/umpire/meta"] = { ignore = { "212", "241", "631" } } -- declarations: nothing is used; tables of the page
files["scripts/play"] = { std = "lua54" }
exclude_files = { "build*" }
