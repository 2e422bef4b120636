/* luacheck, a program that others keep, asked about a rulebook's files. Without it a check is the poorer, and says so.
 */
#ifndef UMP_HOST_LUACHECK_H
#define UMP_HOST_LUACHECK_H

#include <stdbool.h>
#include <stddef.h>

/* A finding: "unused variable 'x'", "W211". */
typedef void luacheck_fn(void *ctx, const char *file, int line, const char *code, const char *message);

enum luacheck_result {
  LUACHECK_ASKED,
  LUACHECK_MISSING, /* it is not on the PATH */
  LUACHECK_FAILED,  /* it is there, and does not work */
};

/* files: paths, each with its NUL, n bytes in all. library: the folder that "umpire/luacheckrc" is below. */
enum luacheck_result luacheck_ask(const char *library, const char *files, size_t n, luacheck_fn *tell, void *ctx);

#endif
