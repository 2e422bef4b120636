#include "proto/pygase/wheel.h"

static unsigned slot_of(int64_t tick) {
  return (unsigned)tick % PG_WHEEL;
}

void ump__pg_wheel_init(struct pg_wheel *w, ump_time now) {
  *w = (struct pg_wheel){.cursor = now / PG_TICK + 1};
  ump_list_init(&w->due);
  for (unsigned i = 0; i < PG_WHEEL; i++) ump_list_init(&w->slots[i]);
}

/* The first occupied slot; there must be one. */
static int64_t first_tick(const struct pg_wheel *w) {
  unsigned at = slot_of(w->cursor);
  uint64_t ahead = at ? w->occupied >> at | w->occupied << (PG_WHEEL - at) : w->occupied;
  return w->cursor + __builtin_ctzll(ahead);
}

static void come(struct pg_wheel *w, unsigned i) {
  while (!ump_list_empty(&w->slots[i])) {
    struct pg_wheel_node *node = UMP_CONTAINER(w->slots[i].next, struct pg_wheel_node, at);
    ump_list_remove(&node->at);
    ump_list_push(&w->due, &node->at);
    node->due = true;
  }
  w->counts[i] = 0;
  w->occupied &= ~((uint64_t)1 << i);
}

/* However long nobody looked: afterwards the slots begin with the tick after now. */
static void turn(struct pg_wheel *w, ump_time now) {
  int64_t tick = now / PG_TICK;
  if (tick < w->cursor) return;
  while (w->occupied && first_tick(w) <= tick) come(w, slot_of(first_tick(w)));
  w->cursor = tick + 1;
}

static void put(struct pg_wheel *w, struct pg_wheel_node *node, int64_t tick) {
  if (tick < w->cursor) tick = w->cursor;
  if (tick >= w->cursor + PG_WHEEL) tick = w->cursor + PG_WHEEL - 1;
  unsigned i = slot_of(tick);
  node->tick = tick, node->due = false;
  ump_list_push(&w->slots[i], &node->at);
  w->counts[i]++;
  w->occupied |= (uint64_t)1 << i;
}

void ump__pg_wheel_again(struct pg_wheel *w, struct pg_wheel_node *node, ump_time now, unsigned interval) {
  int64_t tick = now / PG_TICK, behind = tick - node->tick;
  turn(w, now);
  put(w, node, node->tick + (behind / interval + 1) * interval);
}

void ump__pg_wheel_spread(struct pg_wheel *w, struct pg_wheel_node *node, ump_time now, unsigned within) {
  turn(w, now);
  int64_t best = w->cursor;
  for (int64_t tick = w->cursor; tick < w->cursor + within; tick++)
    if (w->counts[slot_of(tick)] < w->counts[slot_of(best)]) best = tick;
  put(w, node, best);
}

void ump__pg_wheel_remove(struct pg_wheel *w, struct pg_wheel_node *node) {
  if (!ump_list_linked(&node->at)) return;
  ump_list_remove(&node->at);
  if (node->due) return;
  unsigned i = slot_of(node->tick);
  if (--w->counts[i] == 0) w->occupied &= ~((uint64_t)1 << i);
}

struct pg_wheel_node *ump__pg_wheel_pop(struct pg_wheel *w, ump_time now) {
  turn(w, now);
  if (ump_list_empty(&w->due)) return NULL;
  struct pg_wheel_node *node = UMP_CONTAINER(w->due.next, struct pg_wheel_node, at);
  ump_list_remove(&node->at);
  return node;
}

ump_time ump__pg_wheel_deadline(const struct pg_wheel *w) {
  if (!ump_list_empty(&w->due)) return 0;
  return w->occupied ? first_tick(w) * PG_TICK : UMP_NEVER;
}
