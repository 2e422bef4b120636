/* Linear hashing: with 2^k <= n_buckets < 2^(k+1), a hash belongs to bucket hash mod 2^(k+1) if there is one, else to
 * hash mod 2^k. Adding bucket b splits bucket b - 2^k and touches nothing else. */
#include "proto/neteria/table.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"

static size_t segment_bytes(void) { return NT_SEGMENT * sizeof(struct nt_node *); }

int ump__nt_table_init(struct nt_table *t, const struct ump_mem *mem) {
  *t = (struct nt_table){.mem = mem, .n_buckets = NT_SEGMENT};
  t->first = ump_zalloc(mem, segment_bytes());
  return t->first ? 0 : UMP_ENOMEM;
}

void ump__nt_table_deinit(struct nt_table *t) {
  for (size_t i = 1; t->segments && i < NT_SEGMENTS; i++) ump_free(t->mem, t->segments[i], segment_bytes());
  ump_free(t->mem, t->segments, NT_SEGMENTS * sizeof *t->segments);
  ump_free(t->mem, t->first, segment_bytes());
}

static struct nt_node **bucket(const struct nt_table *t, size_t i) {
  return i < NT_SEGMENT ? &t->first[i] : &t->segments[i / NT_SEGMENT][i % NT_SEGMENT];
}

/* The highest power of two that is not above n. */
static size_t level(size_t n) { return (size_t)1 << (8 * sizeof n - 1 - (size_t)__builtin_clzl(n)); }

static struct nt_node **chain(const struct nt_table *t, uint64_t hash) {
  size_t low = level(t->n_buckets), i = (size_t)hash & (2 * low - 1);
  return bucket(t, i < t->n_buckets ? i : i - low);
}

static bool room_for(struct nt_table *t, size_t i) {
  if (i % NT_SEGMENT) return true;
  if (i / NT_SEGMENT >= NT_SEGMENTS) return false;
  if (!t->segments && !(t->segments = ump_zalloc(t->mem, NT_SEGMENTS * sizeof *t->segments))) return false;
  return (t->segments[i / NT_SEGMENT] = ump_zalloc(t->mem, segment_bytes())) != NULL;
}

static void grow(struct nt_table *t) {
  size_t i = t->n_buckets, low = level(i);
  if (!room_for(t, i)) return;
  struct nt_node **from = bucket(t, i - low), **to = bucket(t, i);
  while (*from) {
    struct nt_node *n = *from;
    if ((n->hash & (2 * low - 1)) == i) {
      *from = n->next, n->next = *to, *to = n;
    } else {
      from = &n->next;
    }
  }
  t->n_buckets++;
}

void ump__nt_table_put(struct nt_table *t, struct nt_node *n, uint64_t hash) {
  if (t->n >= t->n_buckets) grow(t);
  struct nt_node **at = chain(t, hash);
  n->hash = hash, n->next = *at, *at = n;
  t->n++;
}

void ump__nt_table_remove(struct nt_table *t, struct nt_node *n) {
  struct nt_node **at = chain(t, n->hash);
  while (*at != n) {
    assert(*at);
    at = &(*at)->next;
  }
  *at = n->next;
  t->n--;
}

struct nt_node *ump__nt_table_find(const struct nt_table *t, uint64_t hash) {
  struct nt_node *n = *chain(t, hash);
  while (n && n->hash != hash) n = n->next;
  return n;
}

struct nt_node *ump__nt_table_next(const struct nt_node *after) {
  struct nt_node *n = after->next;
  while (n && n->hash != after->hash) n = n->next;
  return n;
}
