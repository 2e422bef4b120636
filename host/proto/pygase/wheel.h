/* When whose package is due: 64 slots of a millisecond. Packages are due every 25 or 50 ms, so nothing is ever further
 * ahead.
 *
 * Everything is O(1). Who is put in by spread() gets the least crowded of the next slots, and keeps its place in the
 * interval from then on: thousands of clients are sent to a few at a time, and never in one burst. */
#ifndef UMP_PROTO_PYGASE_WHEEL_H
#define UMP_PROTO_PYGASE_WHEEL_H

#include "base/list.h"
#include "base/time.h"

#define PG_WHEEL 64
#define PG_TICK  UMP_MS

struct pg_wheel_node { /* inside its owner; zeroed: in no wheel */
  struct ump_list at;
  int64_t tick;
  bool due; /* it is in the list of those */
};

struct pg_wheel {
  struct ump_list slots[PG_WHEEL];
  uint32_t counts[PG_WHEEL];
  uint64_t occupied;   /* bit i: slots[i] is not empty */
  int64_t cursor;      /* the slots hold ticks from here on */
  struct ump_list due; /* whose tick has come */
};

void ump__pg_wheel_init(struct pg_wheel *w, ump_time now);
/* One that came out of the wheel: due again `interval` ticks after the last time, or so many times that as it takes to
 * lie ahead. */
void ump__pg_wheel_again(struct pg_wheel *w, struct pg_wheel_node *node, ump_time now, unsigned interval);
/* One that is new: within the next so many ticks. */
void ump__pg_wheel_spread(struct pg_wheel *w, struct pg_wheel_node *node, ump_time now, unsigned within);
void ump__pg_wheel_remove(struct pg_wheel *w, struct pg_wheel_node *node); /* one in no wheel is allowed */
struct pg_wheel_node *ump__pg_wheel_pop(struct pg_wheel *w, ump_time now); /* NULL: nothing is due */
ump_time ump__pg_wheel_deadline(const struct pg_wheel *w);                 /* 0: at once */

#endif
