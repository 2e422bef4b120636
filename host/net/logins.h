/* Log-ins that take their time: what the engine asks of accounts is answered on libuv's thread pool, so that the loop
 * never waits for a hash, a lock or a disk. A few run at once, so many wait, and more than that are told so at once. */
#ifndef UMP_NET_LOGINS_H
#define UMP_NET_LOGINS_H

#include "engine/accounts.h"
#include "net/loop.h"

struct ump_logins;

struct ump_logins_cfg {
  struct ump_loop *loop;
  /* Runs on other threads, several at once. 1: yes, 0: no, or a negative enum ump_err with the reason in error, which
   * is logged. */
  int (*check)(void *ctx, bool create, struct ump_bytes name, struct ump_bytes password, char *error, size_t error_cap);
  void *ctx;
  unsigned running, waiting; /* 0: 2 and 64. libuv has four threads, and looks up names on them too */
};

struct ump_logins *ump_logins_new(const struct ump_logins_cfg *cfg);  /* NULL: no memory */
const struct ump_accounts *ump_logins_accounts(struct ump_logins *l); /* for ump_engine_set_accounts */
/* Gives up those that wait. Those that run end while ump_loop_free runs, and are told to nobody. NULL is allowed. */
void ump_logins_free(struct ump_logins *l);

#endif
