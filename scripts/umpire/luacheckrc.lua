-- What `umpire check` asks luacheck for: names that are unused, shadowed or not there, values that nobody reads, code that is
-- never reached. Not how a file looks: that is for the .luacheckrc of its author, which is not read here.
stds.umpire = dofile(os.getenv "UMPIRE_LUACHECK_STD")
std = "umpire"
unused_args = false -- handlers are called with what they are called with
max_line_length = false
max_cyclomatic_complexity = false
ignore = { "6..", "542" } -- white space; empty branches
