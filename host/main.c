/* umpire: which command is meant, --help and --version. */
#include <stdio.h>
#include <string.h>

#include "bindings/vm.h"
#include "cmd.h"
#include "net/loop.h"

static const struct command *const commands[] = {&ump_cmd_new,     &ump_cmd_run,    &ump_cmd_check, &ump_cmd_test,
                                                 &ump_cmd_reload,  &ump_cmd_status, &ump_cmd_stop,  &ump_cmd_health,
                                                 &ump_cmd_console, &ump_cmd_replay};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static int help(FILE *out, int code) {
  fprintf(out, "umpire: a scriptable multiplayer game-server host. C does the network; your Lua makes the calls.\n\n");
  for (size_t i = 0; i < N_COMMANDS; i++) {
    char left[64];
    snprintf(left, sizeof left, "umpire %s %s", commands[i]->name, commands[i]->operands);
    fprintf(out, "  %-24s %.*s\n", left, (int)strcspn(commands[i]->summary, "\n"), commands[i]->summary);
  }
  fprintf(
      out,
      "\n  umpire COMMAND --help    what else it can be told\n  umpire --version\n\n"
      "Exit codes: 0 clean, 1 the rulebook or the configuration is wrong, 2 usage, 3 a socket could not be bound.\n");
  return code;
}

static int version(void) {
  printf("umpire %s (%s, libuv %s)\n", UMPIRE_VERSION, ump_lua_release(), ump_loop_release());
  if (ump_lua_is_old())
    fprintf(stderr,
            "%s can corrupt memory on valid code (fixed in 5.4.6): fine for development; for production use the "
            "container image or Debian 13\n",
            ump_lua_release());
  return EXIT_OK;
}

int main(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "";
  if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) return version();
  bool help_on = argc > 2 && strcmp(name, "help") == 0; /* umpire help run: as umpire run --help */
  for (size_t i = 0; help_on && i < N_COMMANDS; i++)
    if (strcmp(argv[2], commands[i]->name) == 0) return ump_flags_help(commands[i], stdout), EXIT_OK;
  if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) return help(stdout, EXIT_OK);
  for (size_t i = 0; i < N_COMMANDS; i++)
    if (strcmp(name, commands[i]->name) == 0) return commands[i]->run(commands[i], argc - 2, argv + 2);
  if (*name)
    return ump_usage(
        NULL, "unknown command \"%s\"; commands are new, run, check, test, replay, reload, status, stop, health", name);
  return help(stderr, EXIT_USAGE);
}
