/* Linear hashing: with 2^k <= n_buckets < 2^(k+1), a hash belongs to bucket hash mod 2^(k+1) if there is one, else to
 * hash mod 2^k. Adding bucket b splits bucket b - 2^k and touches nothing else. */
#include "base/table.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"

static size_t segment_bytes(void) {
  return UMP_TABLE_SEGMENT * sizeof(struct ump_table_node *);
}

int ump_table_init(struct ump_table *t, const struct ump_mem *mem) {
  *t = (struct ump_table){.mem = mem, .n_buckets = UMP_TABLE_SEGMENT};
  t->first = ump_zalloc(mem, segment_bytes());
  return t->first ? 0 : UMP_ENOMEM;
}

void ump_table_deinit(struct ump_table *t) {
  for (size_t i = 1; t->segments && i < UMP_TABLE_SEGMENTS; i++) ump_free(t->mem, t->segments[i], segment_bytes());
  ump_free(t->mem, t->segments, UMP_TABLE_SEGMENTS * sizeof *t->segments);
  ump_free(t->mem, t->first, segment_bytes());
}

static struct ump_table_node **bucket(const struct ump_table *t, size_t i) {
  return i < UMP_TABLE_SEGMENT ? &t->first[i] : &t->segments[i / UMP_TABLE_SEGMENT][i % UMP_TABLE_SEGMENT];
}

/* The highest power of two that is not above n. */
static size_t level(size_t n) {
  return (size_t)1 << (8 * sizeof n - 1 - (size_t)__builtin_clzl(n));
}

static struct ump_table_node **chain(const struct ump_table *t, uint64_t hash) {
  size_t low = level(t->n_buckets), i = (size_t)hash & (2 * low - 1);
  return bucket(t, i < t->n_buckets ? i : i - low);
}

static bool room_for(struct ump_table *t, size_t i) {
  if (i % UMP_TABLE_SEGMENT) return true;
  if (i / UMP_TABLE_SEGMENT >= UMP_TABLE_SEGMENTS) return false;
  if (!t->segments && !(t->segments = ump_zalloc(t->mem, UMP_TABLE_SEGMENTS * sizeof *t->segments))) return false;
  return (t->segments[i / UMP_TABLE_SEGMENT] = ump_zalloc(t->mem, segment_bytes())) != NULL;
}

static void grow(struct ump_table *t) {
  size_t i = t->n_buckets, low = level(i);
  if (!room_for(t, i)) return;
  struct ump_table_node **from = bucket(t, i - low), **to = bucket(t, i);
  while (*from) {
    struct ump_table_node *n = *from;
    if ((n->hash & (2 * low - 1)) == i) {
      *from = n->next, n->next = *to, *to = n;
    } else {
      from = &n->next;
    }
  }
  t->n_buckets++;
}

void ump_table_put(struct ump_table *t, struct ump_table_node *n, uint64_t hash) {
  if (t->n >= t->n_buckets) grow(t);
  struct ump_table_node **at = chain(t, hash);
  n->hash = hash, n->next = *at, *at = n;
  t->n++;
}

void ump_table_remove(struct ump_table *t, struct ump_table_node *n) {
  struct ump_table_node **at = chain(t, n->hash);
  while (*at != n) {
    assert(*at);
    at = &(*at)->next;
  }
  *at = n->next;
  t->n--;
}

struct ump_table_node *ump_table_find(const struct ump_table *t, uint64_t hash) {
  struct ump_table_node *n = *chain(t, hash);
  while (n && n->hash != hash) n = n->next;
  return n;
}

struct ump_table_node *ump_table_next(const struct ump_table_node *after) {
  struct ump_table_node *n = after->next;
  while (n && n->hash != after->hash) n = n->next;
  return n;
}
