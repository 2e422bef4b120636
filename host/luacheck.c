#include "luacheck.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "place.h"

/* Seven arguments of ours, then the files. The caller frees it. */
static const char **arguments(const char *program, const char *config, const char *files, size_t n) {
  const char *const ours[] = {program, "--config", config, "--formatter", "plain", "--codes", "--no-cache", "--"};
  enum { OURS = sizeof ours / sizeof *ours };
  size_t count = 0;
  for (size_t at = 0; at < n; at += strlen(files + at) + 1) count++;
  const char **args = calloc(OURS + count + 1, sizeof *args);
  if (!args) return NULL;
  memcpy(args, ours, sizeof ours);
  for (size_t i = OURS, at = 0; at < n; at += strlen(files + at) + 1) args[i++] = files + at;
  return args;
}

/* Starts it with its output in a pipe. */
static pid_t start(const char **args, const char *std, FILE **out) {
  int ends[2];
  if (pipe(ends) != 0) return -1;
  pid_t pid = fork();
  if (pid == 0) {
    setenv("UMPIRE_LUACHECK_STD", std, 1);
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]), close(ends[1]);
    execv(args[0], (char *const *)(void *)args);
    _exit(127);
  }
  close(ends[1]);
  *out = pid > 0 ? fdopen(ends[0], "r") : NULL;
  if (!*out) close(ends[0]);
  return pid;
}

/* "FILE:LINE:COLUMN: (W211) unused variable 'x'" */
static void take_line(char *line, luacheck_fn *tell, void *ctx) {
  char *code = strstr(line, ": ("), *end = code ? strstr(code, ") ") : NULL;
  if (!end) return;
  *code = *end = 0;
  line[strcspn(line, "\n")] = 0;
  char *column = strrchr(line, ':');
  if (column) *column = 0;
  char *number = column ? strrchr(line, ':') : NULL;
  if (!number) return;
  *number = 0;
  const char *file = strncmp(line, "./", 2) == 0 ? line + 2 : line;
  end[2 + strcspn(end + 2, "\n")] = 0;
  tell(ctx, file, atoi(number + 1), code + 3, end + 2);
}

enum luacheck_result luacheck_ask(const char *library, const char *files, size_t n, luacheck_fn *tell, void *ctx) {
  char program[UMP_PLACE], config[UMP_PLACE + 32], std[UMP_PLACE + 32], line[4096];
  FILE *out = NULL;
  int status = 0;
  if (!ump_program_find("luacheck", program, sizeof program)) return LUACHECK_MISSING;
  snprintf(config, sizeof config, "%s/umpire/luacheckrc", library);
  snprintf(std, sizeof std, "%s/umpire/luacheck.lua", library);
  const char **args = arguments(program, config, files, n);
  pid_t pid = args ? start(args, std, &out) : -1;
  while (out && fgets(line, sizeof line, out)) take_line(line, tell, ctx);
  if (out) fclose(out);
  bool ended = pid > 0 && waitpid(pid, &status, 0) == pid;
  free(args);
  /* 0: nothing found, 1: warnings, 2: errors; more: it could not do its work */
  return out && ended && WIFEXITED(status) && WEXITSTATUS(status) <= 2 ? LUACHECK_ASKED : LUACHECK_FAILED;
}
