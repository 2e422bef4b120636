/* `umpire check`: what can be known about a rulebook before anybody plays. It is loaded as the host would, its files
 * are looked at, and its judges are tried on made-up clients and events, to see that they change nothing. */
#ifndef UMP_BINDINGS_CHECK_H
#define UMP_BINDINGS_CHECK_H

#include "bindings/buf.h"
#include "bindings/vm.h"

struct ump_check_cfg {
  const char *path;     /* a .lua file, or a folder with init.lua */
  struct ump_vm_cfg vm; /* as for ump_rules_open; borrowed for the call */
  /* Is this a listen URL that can be served? False: error says why, in one line. NULL: it is not asked. */
  bool (*listen)(void *ctx, const char *url, char *error, size_t cap);
  void *ctx;
};

/* Lines "FILE:LINE: what is wrong, and what to do", each finding one line or several of which the first looks so. Freed
 * by ump_checked_free. */
struct ump_checked {
  struct ump_buf errors;   /* would be refused, or is certain to be a mistake */
  struct ump_buf warnings; /* works, and may be a mistake */
  struct ump_buf about;    /* it loads: its handlers, settings and files, some lines */
  struct ump_buf files;    /* its own files as they can be opened, each with its NUL: not those of the library */
};
void ump_check(const struct ump_check_cfg *cfg, struct ump_checked *out);
void ump_checked_free(struct ump_checked *c);

#endif
