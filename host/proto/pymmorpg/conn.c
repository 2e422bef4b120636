/* A connection's life and its timers. */
#include "proto/pymmorpg/internal.h"

struct conn *ump__pm_conn(struct pymmorpg *p, uint32_t id) {
  return id < p->conns_cap ? p->conns[id] : NULL;
}

void ump__pm_touch(struct pymmorpg *p, struct conn *c) {
  if (!ump_list_linked(&c->touched)) ump_list_push(&p->touched, &c->touched);
}

void ump__pm_wake(struct pymmorpg *p, struct conn *c) {
  if (!ump_list_linked(&c->ready)) ump_list_push(&p->ready, &c->ready);
}

/* ---- timers ---- */

void ump__pm_arm(struct pymmorpg *p, struct conn *c, enum timer_kind kind, ump_time now) {
  struct timer *t = &c->timers[kind];
  ump_list_remove(&t->link);
  t->since = now;
  ump_list_push(&p->timers[kind], &t->link);
}

void ump__pm_disarm(struct conn *c, enum timer_kind kind) {
  ump_list_remove(&c->timers[kind].link);
}

struct conn *ump__pm_due(struct pymmorpg *p, enum timer_kind kind, ump_time now) {
  if (ump_list_empty(&p->timers[kind])) return NULL;
  struct timer *t = UMP_CONTAINER(p->timers[kind].next, struct timer, link);
  if (t->since + TIMER_LENGTH[kind] > now) return NULL;
  ump_list_remove(&t->link);
  return t->conn;
}

static void disarm_all(struct conn *c) {
  for (int k = 0; k < N_TIMERS; k++) ump__pm_disarm(c, (enum timer_kind)k);
}

/* ---- life ---- */

static int make_place(struct pymmorpg *p, uint32_t id) {
  if (id < p->conns_cap) return 0;
  uint32_t cap = p->conns_cap ? p->conns_cap : 16;
  while (cap <= id) cap *= 2;
  struct conn **conns = ump_realloc(p->mem, p->conns, p->conns_cap * sizeof *conns, cap * sizeof *conns);
  if (!conns) return UMP_ENOMEM;
  memset(conns + p->conns_cap, 0, (cap - p->conns_cap) * sizeof *conns);
  p->conns = conns, p->conns_cap = cap;
  return 0;
}

struct conn *ump__pm_conn_new(struct pymmorpg *p, uint32_t id, const struct ump_addr *from, ump_time now) {
  struct conn *c = make_place(p, id) ? NULL : ump_zalloc(p->mem, sizeof *c);
  if (!c) return NULL;
  c->id = id, c->addr = *from;
  ump_buffer_init(&c->in, p->mem, WHOLE_MAX + 2 * READ_MAX);
  ump_outqueue_init(&c->out, p->mem);
  for (int k = 0; k < N_TIMERS; k++) c->timers[k].conn = c;
  p->conns[id] = c;
  p->n_conns++;
  ump__pm_arm(p, c, T_OUTSIDE, now);
  ump__pm_wake(p, c);
  return c;
}

void ump__pm_drop_flags(struct pymmorpg *p, struct conn *c) {
  for (unsigned i = 0; i < c->n_flags; i++) ump_blob_unref(c->flags[i]);
  ump_free(p->mem, c->flags, FLAGS_MAX * sizeof *c->flags);
  c->flags = NULL, c->n_flags = 0;
}

void ump__pm_conn_free(struct pymmorpg *p, struct conn *c) {
  disarm_all(c);
  ump__pm_drop_flags(p, c);
  ump_list_remove(&c->ready);
  ump_list_remove(&c->touched);
  ump_buffer_deinit(&c->in);
  ump_outqueue_deinit(&c->out);
  ump_tally_sub(&p->addresses, &c->addr);
  p->conns[c->id] = NULL;
  p->n_conns--;
  ump_free(p->mem, c, sizeof *c);
}

void ump__pm_end(struct pymmorpg *p, struct conn *c, const char *why, ump_time now) {
  if (c->gone) return;
  c->gone = why;
  c->closing = true;
  c->waiting = false;
  disarm_all(c);
  ump_buffer_deinit(&c->in);
  ump__pm_drop_flags(p, c);
  if (c->out.n) ump__pm_arm(p, c, T_STUCK, now); /* our last words do not wait for ever either */
  ump__pm_wake(p, c);
  ump__pm_touch(p, c);
}

void ump__pm_abort(struct pymmorpg *p, struct conn *c, const char *why, ump_time now) {
  ump__pm_end(p, c, why, now);
  disarm_all(c);
  c->aborted = true;
  ump__pm_touch(p, c);
}
