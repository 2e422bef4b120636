/* A connection's life: open, bound to a user by its first request, ended. */
#include "proto/laneya/internal.h"

struct conn *ump__laneya_conn(struct laneya *l, uint32_t id) {
  return id < l->conns_cap ? l->conns[id] : NULL;
}

void ump__laneya_touch(struct laneya *l, struct conn *c) {
  if (!ump_list_linked(&c->touched)) ump_list_push(&l->touched, &c->touched);
}

void ump__laneya_wake(struct laneya *l, struct conn *c) {
  if (!ump_list_linked(&c->ready)) ump_list_push(&l->ready, &c->ready);
}

void ump__laneya_end(struct laneya *l, struct conn *c, const char *why) {
  if (c->gone) return;
  c->gone = why;
  c->closing = true;
  ump_list_remove(&c->reading);
  ump_list_remove(&c->first);
  ump__laneya_unbind(l, c);
  ump__laneya_wake(l, c);
  ump__laneya_touch(l, c);
  ump__laneya_moved(l, c);
}

void ump__laneya_abort(struct laneya *l, struct conn *c, const char *why) {
  ump__laneya_end(l, c, why);
  c->aborted = true;
  ump__laneya_touch(l, c);
}

void ump__laneya_free(struct laneya *l, struct conn *c) {
  ump__laneya_unbind(l, c);
  ump__laneya_forget_answers(l, c);
  ump_list_remove(&c->first);
  ump_list_remove(&c->reading);
  ump_list_remove(&c->stalled);
  ump_list_remove(&c->ready);
  ump_list_remove(&c->touched);
  ump_buffer_deinit(&c->in);
  ump_outqueue_deinit(&c->out);
  ump_free(l->mem, c->request.results, c->request.results_cap);
  ump_tally_sub(&l->addresses, &c->addr);
  l->conns[c->id] = NULL;
  l->n_conns--;
  ump_free(l->mem, c, sizeof *c);
}

void ump__laneya_incomplete(struct laneya *l, struct conn *c, ump_time now) {
  bool waits = ump_buffer_bytes(&c->in).n > 0;
  if (waits && ump_list_linked(&c->reading) && !c->fresh) return;
  c->fresh = false;
  c->last = now;
  ump_list_remove(&c->reading);
  if (waits) ump_list_push(&l->reading, &c->reading);
}

void ump__laneya_moved(struct laneya *l, struct conn *c) {
  c->moved = l->now;
  ump_list_remove(&c->stalled);
  if (c->transport_gone || c->aborted) return;
  if (c->closing)
    ump_list_push(&l->leaving, &c->stalled);
  else if (c->out.n >= l->unsent)
    ump_list_push(&l->full, &c->stalled);
}

void ump__laneya_queued(struct laneya *l, struct conn *c) {
  ump__laneya_touch(l, c);
  if (c->out.n >= l->unsent && !ump_list_linked(&c->stalled)) ump__laneya_moved(l, c);
}

/* ---- names ---- */

static struct conn **name_place(struct laneya *l, uint64_t hash, struct ump_bytes user) {
  struct conn **at = &l->names[hash % NAME_BUCKETS];
  while (*at && !((*at)->user_hash == hash && ump_bytes_equal(ump_text((*at)->user), user))) at = &(*at)->next_name;
  return at;
}

int ump__laneya_bind(struct laneya *l, struct conn *c, struct ump_bytes user) {
  uint64_t hash = ump_hash64(&l->hash_key, user);
  struct conn **at = name_place(l, hash, user);
  if (*at) return UMP_EFULL;
  c->user = ump_alloc(l->mem, user.n + 1);
  if (!c->user) return UMP_ENOMEM;
  memcpy(c->user, user.p, user.n);
  c->user[user.n] = 0;
  c->user_hash = hash;
  c->next_name = NULL;
  *at = c;
  return 0;
}

void ump__laneya_unbind(struct laneya *l, struct conn *c) {
  if (!c->user) return;
  struct conn **at = &l->names[c->user_hash % NAME_BUCKETS];
  while (*at != c) at = &(*at)->next_name;
  *at = c->next_name;
  ump_free(l->mem, c->user, strlen(c->user) + 1);
  c->user = NULL;
}
