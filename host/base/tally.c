/* Open addressing with linear probing; taking one out moves later ones back, so there are no tombstones to grow. */
#include "base/tally.h"

#include "base/err.h"

enum { FIRST_CAP = 16 };

struct ump__tally_slot {
  uint64_t net;   /* the IPv4 address, or the upper half of the IPv6 one */
  uint32_t count; /* 0: a free slot */
  uint8_t family;
};

void ump_tally_init(struct ump_tally *t, const struct ump_mem *mem, const struct ump_hash_key *key, size_t limit) {
  *t = (struct ump_tally){.mem = mem, .key = *key, .limit = limit};
}

void ump_tally_deinit(struct ump_tally *t) {
  ump_free(t->mem, t->slots, t->cap * sizeof *t->slots);
  t->slots = NULL;
  t->n = t->cap = 0;
}

static struct ump__tally_slot slot_of(const struct ump_addr *a) {
  struct ump__tally_slot s = {0, 0, a->family};
  memcpy(&s.net, a->ip, a->family == 4 ? 4 : 8);
  return s;
}

static size_t home(const struct ump_tally *t, const struct ump__tally_slot *s) {
  uint8_t b[9];
  memcpy(b, &s->net, 8);
  b[8] = s->family;
  return (size_t)ump_hash64(&t->key, ump_bytes(b, sizeof b)) & (t->cap - 1);
}

/* Where this address is, or the free slot where it would be. There always is a free one: at most 3 of 4 are taken. */
static size_t find(const struct ump_tally *t, const struct ump__tally_slot *s) {
  for (size_t i = home(t, s);; i = (i + 1) & (t->cap - 1)) {
    const struct ump__tally_slot *there = &t->slots[i];
    if (!there->count || (there->net == s->net && there->family == s->family)) return i;
  }
}

static int grow(struct ump_tally *t) {
  if (4 * (t->n + 1) <= 3 * t->cap) return 0;
  struct ump_tally old = *t;
  size_t cap = t->cap ? 2 * t->cap : FIRST_CAP;
  struct ump__tally_slot *slots = ump_zalloc(t->mem, cap * sizeof *slots);
  if (!slots) return UMP_ENOMEM;
  t->slots = slots;
  t->cap = cap;
  for (size_t i = 0; i < old.cap; i++) {
    if (old.slots[i].count) slots[find(t, &old.slots[i])] = old.slots[i];
  }
  ump_free(t->mem, old.slots, old.cap * sizeof *old.slots);
  return 0;
}

int ump_tally_add(struct ump_tally *t, const struct ump_addr *a, uint32_t most) {
  struct ump__tally_slot s = slot_of(a);
  uint32_t count = ump_tally_count(t, a);
  if (count >= most || (count == 0 && t->n >= t->limit)) return UMP_EFULL;
  if (count == 0) {
    if (grow(t)) return UMP_ENOMEM;
    t->n++;
  }
  s.count = count + 1;
  t->slots[find(t, &s)] = s;
  return 0;
}

/* Frees slot i and moves back those behind it that only stand there because it was taken. */
static void vacate(struct ump_tally *t, size_t i) {
  size_t mask = t->cap - 1;
  for (size_t j = (i + 1) & mask; t->slots[j].count; j = (j + 1) & mask) {
    size_t wanted = home(t, &t->slots[j]);
    if (((j - wanted) & mask) >= ((j - i) & mask)) t->slots[i] = t->slots[j], i = j;
  }
  t->slots[i].count = 0;
  t->n--;
}

void ump_tally_sub(struct ump_tally *t, const struct ump_addr *a) {
  if (!t->cap) return;
  struct ump__tally_slot s = slot_of(a);
  size_t i = find(t, &s);
  if (t->slots[i].count && --t->slots[i].count == 0) vacate(t, i);
}

uint32_t ump_tally_count(const struct ump_tally *t, const struct ump_addr *a) {
  if (!t->cap) return 0;
  struct ump__tally_slot s = slot_of(a);
  return t->slots[find(t, &s)].count;
}

void ump_tally_clear(struct ump_tally *t) {
  if (t->cap) memset(t->slots, 0, t->cap * sizeof *t->slots);
  t->n = 0;
}
