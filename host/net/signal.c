#include "net/signal.h"

#include <signal.h>
#include <uv.h>

#define N_SIGNALS 3

struct ump_signals {
  struct ump_signals_cfg cfg;
  const struct ump_mem *mem;
  uv_signal_t handles[N_SIGNALS];
  unsigned open; /* handles whose close callback is still to come */
};

static void on_signal(uv_signal_t *h, int signo) {
  struct ump_signals *s = h->data;
  if (signo == SIGHUP)
    s->cfg.reload(s->cfg.ctx);
  else
    s->cfg.stop(s->cfg.ctx, signo);
}

struct ump_signals *ump_signals_new(struct ump_loop *l, const struct ump_signals_cfg *cfg) {
  static const int numbers[N_SIGNALS] = {SIGHUP, SIGTERM, SIGINT};
  struct ump_signals *s = ump_zalloc(ump_loop_mem(l), sizeof *s);
  if (!s) return NULL;
  s->cfg = *cfg;
  s->mem = ump_loop_mem(l);
  s->open = N_SIGNALS;
  for (unsigned i = 0; i < N_SIGNALS; i++) {
    uv_signal_init(ump_loop_uv(l), &s->handles[i]);
    s->handles[i].data = s;
    uv_signal_start(&s->handles[i], on_signal, numbers[i]);
  }
  signal(SIGPIPE, SIG_IGN);
  return s;
}

static void on_closed(uv_handle_t *h) {
  struct ump_signals *s = h->data;
  if (--s->open == 0) ump_free(s->mem, s, sizeof *s);
}

void ump_signals_free(struct ump_signals *s) {
  if (!s) return;
  for (unsigned i = 0; i < N_SIGNALS; i++) uv_close((uv_handle_t *)&s->handles[i], on_closed);
}
