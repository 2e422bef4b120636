/* Deadlines in order: a binary min-heap of nodes that live inside their owners. For timers of many different lengths (a
 * rulebook's after and every); timers of one length are cheaper as a list (list.h).
 *
 * insert, remove and pop cost O(log n). Equal deadlines come out in the order in which they were set. */
#ifndef UMP_BASE_HEAP_H
#define UMP_BASE_HEAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"
#include "base/time.h"

/* Zeroed: in no heap. Must stay where it is while it is in one. at is the heap's to write. */
struct ump_heap_node {
  ump_time at;
  uint64_t order; /* of setting, among equal deadlines */
  size_t place;   /* index + 1; 0: in no heap */
};

/* mem is borrowed for the heap's life; nodes are borrowed until they are taken out. */
struct ump_heap {
  const struct ump_mem *mem;
  struct ump_heap_node **nodes;
  size_t n, cap;
  uint64_t order;
};

void ump_heap_init(struct ump_heap *h, const struct ump_mem *mem); /* allocates nothing */
void ump_heap_deinit(struct ump_heap *h);                          /* nodes still in it are in no heap afterwards */

/* Sets the node's deadline. 0, or UMP_ENOMEM: nothing changed. A node that is already in this heap is moved: that never
 * fails. */
int ump_heap_insert(struct ump_heap *h, struct ump_heap_node *node, ump_time at);
void ump_heap_remove(struct ump_heap *h, struct ump_heap_node *node); /* a node in no heap is allowed */

struct ump_heap_node *ump_heap_first(const struct ump_heap *h);           /* the earliest, stays in; NULL: empty */
struct ump_heap_node *ump_heap_pop_due(struct ump_heap *h, ump_time now); /* takes out one with at <= now; NULL: none */
static inline bool ump_heap_linked(const struct ump_heap_node *n) {
  return n->place != 0;
}
static inline ump_time ump_heap_deadline(const struct ump_heap *h) {
  return h->n ? h->nodes[0]->at : UMP_NEVER;
}

#endif
