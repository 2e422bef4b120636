/* umpire test [ARGS...]: busted, with the Lua library and the simulator where `require` finds them. Everything after
 * the command goes to busted as it is. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "place.h"

/* LuaRocks installs busted as a shell script around Lua, Debian as a Lua script whose first line may name another Lua.
 */
static bool is_shell_script(const char *path) {
  char line[128] = "";
  FILE *f = fopen(path, "r");
  if (!f) return false;
  if (!fgets(line, sizeof line, f)) line[0] = 0;
  fclose(f);
  return strncmp(line, "#!", 2) == 0 && strstr(line, "lua") == NULL;
}

static void prepend(const char *name, const char *fallback_name, const char *ours) {
  const char *set = getenv(name);
  if (!set) set = getenv(fallback_name);
  size_t n = strlen(ours) + (set ? strlen(set) : 0) + 3;
  char *value = malloc(n);
  if (!value) return;
  snprintf(value, n, "%s;%s", ours, set && *set ? set : ";"); /* ;; is Lua's own default path */
  setenv(name, value, 1);                                     /* the _5_4 names win over the plain ones */
  free(value);
}

static int missing(const char *what, const char *package) {
  fprintf(stderr, "umpire test: %s was not found; install it with: apt-get install %s\n", what, package);
  return EXIT_RULEBOOK;
}

static int run(const struct command *self, int argc, char **argv) {
  char lua[UMP_PLACE], busted[UMP_PLACE], path[3 * UMP_PLACE];
  struct ump_places places;
  if (argc > 0 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0))
    return ump_flags_help(self, stdout), EXIT_OK;
  ump_places_find(&places);
  if (argc == 1 && strcmp(argv[0], "--paths") == 0) return printf("%s\n%s\n", places.library, places.modules), EXIT_OK;
  if (!ump_program_find("lua5.4", lua, sizeof lua)) return missing("lua5.4", "lua5.4");
  if (!ump_program_find("busted", busted, sizeof busted)) return missing("busted", "lua-busted");
  snprintf(path, sizeof path, "%s/?.lua;%s/?/init.lua", places.library, places.library);
  prepend("LUA_PATH_5_4", "LUA_PATH", path);
  snprintf(path, sizeof path, "%s/?.so", places.modules);
  prepend("LUA_CPATH_5_4", "LUA_CPATH", path);
  const char **args = calloc((size_t)argc + 3, sizeof *args);
  if (!args) return EXIT_RULEBOOK;
  size_t n = 0;
  bool shell = is_shell_script(busted);
  if (!shell) args[n++] = lua;
  args[n++] = busted;
  for (int i = 0; i < argc; i++) args[n++] = argv[i];
  /* A simulator that was built with a sanitizer needs its runtime in the interpreter before anything else. */
  const char *preload = getenv("UMPIRE_PRELOAD");
  if (preload && *preload) setenv("LD_PRELOAD", preload, 1);
  execv(args[0], (char *const *)(void *)args);
  fprintf(stderr, "umpire test: cannot run %s: %s\n", args[0], strerror(errno));
  free(args);
  return EXIT_RULEBOOK;
}

static void more_help(FILE *out) {
  fprintf(
      out,
      "The arguments are busted's (busted --help lists them): files, folders, --filter PATTERN, --output FORMAT ...\n"
      "In specs, require \"umpire.sim\" gives the simulator.\n\n"
      "In the environment, UMPIRE_SEED=N repeats the run with that seed, which a failing test prints; "
      "UMPIRE_RELOAD=every has\n"
      "the rulebook loaded again after every event in a twin of each world, and fails at the first difference.\n\n"
      "umpire test --paths runs nothing, and prints two folders: of the Lua library, and of the simulator's module.\n");
}

const struct command ump_cmd_test = {
    .name = "test",
    .operands = "[ARGS...]",
    .summary = "run busted with umpire's Lua library and simulator on the path",
    .run = run,
    .more_help = more_help,
};
