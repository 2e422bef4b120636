/* A binary heap whose nodes know their place, so that one in the middle can be taken out without a search. */
#include "base/heap.h"

#include <assert.h>

#include "base/err.h"

enum { FIRST_CAP = 16 };

void ump_heap_init(struct ump_heap *h, const struct ump_mem *mem) {
  *h = (struct ump_heap){.mem = mem};
}

void ump_heap_deinit(struct ump_heap *h) {
  for (size_t i = 0; i < h->n; i++) h->nodes[i]->place = 0;
  ump_free(h->mem, h->nodes, h->cap * sizeof *h->nodes);
  *h = (struct ump_heap){.mem = h->mem};
}

static bool before(const struct ump_heap_node *a, const struct ump_heap_node *b) {
  return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void put(struct ump_heap *h, size_t i, struct ump_heap_node *node) {
  h->nodes[i] = node;
  node->place = i + 1;
}

/* The node belongs at i or nearer to the root. */
static void rise(struct ump_heap *h, size_t i, struct ump_heap_node *node) {
  for (; i > 0 && before(node, h->nodes[(i - 1) / 2]); i = (i - 1) / 2) put(h, i, h->nodes[(i - 1) / 2]);
  put(h, i, node);
}

/* The node belongs at i or further from the root. */
static void sink(struct ump_heap *h, size_t i, struct ump_heap_node *node) {
  for (size_t child; (child = 2 * i + 1) < h->n; i = child) {
    if (child + 1 < h->n && before(h->nodes[child + 1], h->nodes[child])) child++;
    if (!before(h->nodes[child], node)) break;
    put(h, i, h->nodes[child]);
  }
  put(h, i, node);
}

static void settle(struct ump_heap *h, size_t i, struct ump_heap_node *node) {
  if (i > 0 && before(node, h->nodes[(i - 1) / 2]))
    rise(h, i, node);
  else
    sink(h, i, node);
}

static int grow(struct ump_heap *h) {
  if (h->n < h->cap) return 0;
  size_t cap = h->cap ? 2 * h->cap : FIRST_CAP;
  void *p = ump_realloc(h->mem, h->nodes, h->cap * sizeof *h->nodes, cap * sizeof *h->nodes);
  if (!p) return UMP_ENOMEM;
  h->nodes = p;
  h->cap = cap;
  return 0;
}

int ump_heap_insert(struct ump_heap *h, struct ump_heap_node *node, ump_time at) {
  if (!node->place) {
    if (grow(h)) return UMP_ENOMEM;
    put(h, h->n++, node);
  }
  assert(h->nodes[node->place - 1] == node);
  node->at = at;
  node->order = h->order++;
  settle(h, node->place - 1, node);
  return 0;
}

void ump_heap_remove(struct ump_heap *h, struct ump_heap_node *node) {
  if (!node->place) return;
  size_t i = node->place - 1;
  assert(i < h->n && h->nodes[i] == node);
  struct ump_heap_node *last = h->nodes[--h->n];
  if (last != node) settle(h, i, last);
  node->place = 0;
}

struct ump_heap_node *ump_heap_first(const struct ump_heap *h) {
  return h->n ? h->nodes[0] : NULL;
}

struct ump_heap_node *ump_heap_pop_due(struct ump_heap *h, ump_time now) {
  if (!h->n || h->nodes[0]->at > now) return NULL;
  struct ump_heap_node *first = h->nodes[0];
  ump_heap_remove(h, first);
  return first;
}
