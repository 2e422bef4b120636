/* Is the engine in order with itself? Asked after every driving call in debug builds, and by tests. */
#include "engine/inside.h"

/* Looking at everything after every event would make debug builds quadratic. */
enum { ALL_BELOW = 64, EVERY = 1024 };

static bool slots_in_order(const struct ump_engine *e) {
  uint32_t n = 0, vacant = 0;
  for (uint32_t i = 0; i < e->n_slots; i++) {
    const struct ump_client *c = e->slots[i].client;
    if (!c) continue;
    n++;
    if (c->slot != i || c->serial == 0 || c->serial > e->serials || c->listener >= e->n_listeners) return false;
    if (c->admitted != ump_list_linked(&c->all)) return false;
    if (ump_list_linked(&c->kicks) && !c->leaving) return false;
  }
  for (uint32_t at = e->vacant; at; at = e->slots[at - 1].next_vacant, vacant++)
    if (at > e->n_slots || e->slots[at - 1].client || vacant > e->n_slots) return false;
  return n + vacant == e->n_slots;
}

static bool list_in_order(const struct ump_engine *e) {
  size_t staying = 0;
  for (const struct ump_list *at = e->all.next; at != &e->all; at = at->next) {
    const struct ump_client *c = UMP_CONTAINER(at, struct ump_client, all);
    if (at->next->prev != at || ump__client_at(e, c->slot, c->serial) != c) return false;
    staying += !c->leaving;
  }
  return staying == e->n_clients;
}

bool ump_engine_consistent(const struct ump_engine *e) {
  const struct ump__effects *x = &e->effects;
  if (x->n > x->cap || x->bytes > e->limits.effect_bytes) return false;
  if (x->asking == UMP__AT_ONCE && (x->n || x->bytes || x->owner)) return false;
  if (e->timers.n > e->timers.n_slots || e->timers.heap.n != e->timers.n) return false;
  if (e->n_slots > ALL_BELOW && e->counts[UMP__events] % EVERY) return true;
  return slots_in_order(e) && list_in_order(e);
}
