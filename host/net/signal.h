/* SIGHUP, SIGTERM and SIGINT, told to the host between two turns of the loop. SIGPIPE is ignored while this lives: a
 * peer that closes is an error of one write. */
#ifndef UMP_NET_SIGNAL_H
#define UMP_NET_SIGNAL_H

#include "net/loop.h"

struct ump_signals;

struct ump_signals_cfg {
  void (*reload)(void *ctx);          /* SIGHUP */
  void (*stop)(void *ctx, int signo); /* SIGTERM, SIGINT; called again for each further one */
  void *ctx;
};

struct ump_signals *ump_signals_new(struct ump_loop *l, const struct ump_signals_cfg *cfg); /* NULL: no memory */
void ump_signals_free(struct ump_signals *s); /* before ump_loop_free; NULL is allowed */

#endif
