/* A set-associative table: the hash of a text names a set of eight places, allocated when it is first needed. Nothing
 * is ever moved, so a reference is simply a place, and no insertion costs more than looking through one set. */
#include "engine/reasons.h"

#include <assert.h>

enum {
  WAYS = 8,
  MOST_SETS = 8192, /* 65,536 reasons: with a life of 300 s that is 218 new ones a second */
  LEAST_SETS = 16,
  LONGEST = 200, /* bytes of a reason, proto.h */
  SWEEP = 8,     /* sets per step of tidying: 64 texts */
};

struct reason {
  uint64_t hash;
  char *text; /* owned; NULL: free */
  uint32_t seen;
  uint16_t n;
};
struct ump__reason_set {
  struct reason way[WAYS];
};

void ump__reasons_init(struct ump__reasons *r, const struct ump_mem *mem, const struct ump_hash_key *key,
                       size_t max_bytes) {
  *r = (struct ump__reasons){.mem = mem, .key = *key, .max_bytes = max_bytes, .n_sets = LEAST_SETS};
  /* A set with eight texts of 40 bytes is some 512 bytes. */
  while (r->n_sets < MOST_SETS && r->n_sets * (size_t)512 < max_bytes) r->n_sets *= 2;
}

static void let_go(struct ump__reasons *r, struct reason *e) {
  ump_free(r->mem, e->text, e->n);
  r->bytes -= e->n;
  *e = (struct reason){0};
}

void ump__reasons_deinit(struct ump__reasons *r) {
  for (uint32_t i = 0; r->sets && i < r->n_sets; i++) {
    if (!r->sets[i]) continue;
    for (int w = 0; w < WAYS; w++)
      if (r->sets[i]->way[w].text) let_go(r, &r->sets[i]->way[w]);
    ump_free(r->mem, r->sets[i], sizeof **r->sets);
  }
  ump_free(r->mem, r->sets, r->n_sets * sizeof *r->sets);
  r->sets = NULL;
}

static void *take(struct ump__reasons *r, size_t n) {
  if (n > r->max_bytes - r->bytes) return NULL;
  void *p = ump_zalloc(r->mem, n);
  if (p) r->bytes += n;
  return p;
}

static struct ump__reason_set *set_of(struct ump__reasons *r, uint32_t i) {
  if (!r->sets) r->sets = take(r, r->n_sets * sizeof *r->sets);
  if (!r->sets) return NULL;
  if (!r->sets[i]) r->sets[i] = take(r, sizeof **r->sets);
  return r->sets[i];
}

static bool dead(const struct reason *e, uint32_t now_s, uint32_t life_s) {
  return now_s - e->seen > life_s;
}

void ump__reasons_tidy(struct ump__reasons *r, uint32_t now_s, uint32_t life_s) {
  for (int i = 0; r->sets && i < SWEEP; i++, r->hand++) {
    struct ump__reason_set *set = r->sets[r->hand & (r->n_sets - 1)];
    for (int w = 0; set && w < WAYS; w++)
      if (set->way[w].text && dead(&set->way[w], now_s, life_s)) let_go(r, &set->way[w]);
  }
}

/* The place that holds this text already, else one that is free or dead, else NULL. */
static struct reason *place_of(struct ump__reason_set *set, uint64_t hash, struct ump_bytes text, uint32_t now_s,
                               uint32_t life_s) {
  struct reason *vacant = NULL;
  for (int w = 0; w < WAYS; w++) {
    struct reason *e = &set->way[w];
    if (e->text && e->hash == hash && ump_bytes_equal(ump_bytes(e->text, e->n), text)) return e;
    if (!vacant && (!e->text || dead(e, now_s, life_s))) vacant = e;
  }
  return vacant;
}

static bool fill(struct ump__reasons *r, struct reason *e, uint64_t hash, struct ump_bytes text, uint32_t now_s,
                 uint32_t life_s) {
  if (e->text && e->hash == hash && ump_bytes_equal(ump_bytes(e->text, e->n), text)) return true;
  if (e->text) let_go(r, e);
  if (text.n > r->max_bytes - r->bytes) ump__reasons_tidy(r, now_s, life_s);
  char *copy = take(r, text.n);
  if (!copy) return false;
  memcpy(copy, text.p, text.n);
  *e = (struct reason){.hash = hash, .text = copy, .n = (uint16_t)text.n};
  return true;
}

uint32_t ump__reasons_put(struct ump__reasons *r, struct ump_bytes text, uint32_t now_s, uint32_t life_s) {
  if (text.n == 0 || text.n > LONGEST) return 0;
  uint64_t hash = ump_hash64(&r->key, text);
  uint32_t i = (uint32_t)hash & (r->n_sets - 1);
  struct ump__reason_set *set = set_of(r, i);
  struct reason *e = set ? place_of(set, hash, text, now_s, life_s) : NULL;
  if (!e || !fill(r, e, hash, text, now_s, life_s)) return 0;
  e->seen = now_s;
  return i * WAYS + (uint32_t)(e - set->way) + 1;
}

struct ump_bytes ump__reasons_get(struct ump__reasons *r, uint32_t ref, uint32_t now_s) {
  if (ref == 0) return ump_bytes(NULL, 0);
  assert(r->sets && ref <= r->n_sets * WAYS && r->sets[(ref - 1) / WAYS]);
  struct reason *e = &r->sets[(ref - 1) / WAYS]->way[(ref - 1) % WAYS];
  assert(e->text);
  e->seen = now_s;
  return ump_bytes(e->text, e->n);
}
