/* One set-associative table for addresses and names, told apart by a byte in what is hashed. */
#include "engine/attempts.h"

enum { SETS = 1024, WAYS = 4, MINUTE_S = 60 };

struct tries {
  uint64_t key;   /* keyed hash of the address or name */
  uint32_t since; /* second of the first of these attempts */
  uint32_t n;     /* 0: unused */
};
struct ump__attempt_set {
  struct tries way[WAYS];
};

void ump__attempts_init(struct ump__attempts *a, const struct ump_mem *mem, const struct ump_hash_key *key) {
  *a = (struct ump__attempts){.mem = mem, .key = *key};
}

void ump__attempts_deinit(struct ump__attempts *a) {
  ump_free(a->mem, a->sets, SETS * sizeof *a->sets);
  a->sets = NULL;
}

static uint64_t key_of_name(const struct ump__attempts *a, struct ump_bytes name) {
  uint8_t text[1 + 64] = {'n'};
  size_t n = name.n < 64 ? name.n : 64;
  memcpy(text + 1, name.p, n);
  return ump_hash64(&a->key, ump_bytes(text, 1 + n));
}

static uint64_t key_of_addr(const struct ump__attempts *a, const struct ump_addr *from) {
  uint8_t text[2 + 8] = {'a', from->family};
  memcpy(text + 2, from->ip, 8); /* an IPv4 address is four bytes and zeroes */
  return ump_hash64(&a->key, ump_bytes(text, sizeof text));
}

static bool over(const struct tries *t, uint32_t now_s) {
  return t->n == 0 || now_s - t->since >= MINUTE_S;
}

/* Where this key is counted, fresh if it was not. */
static struct tries *find(struct ump__attempts *a, uint64_t key, uint32_t now_s) {
  struct tries *way = a->sets[key % SETS].way, *least = way;
  for (int i = 0; i < WAYS; i++) {
    if (over(&way[i], now_s))
      way[i].n = 0;
    else if (way[i].key == key)
      return &way[i];
    if (way[i].n < least->n) least = &way[i];
  }
  *least = (struct tries){.key = key, .since = now_s};
  return least;
}

bool ump__attempts_take(struct ump__attempts *a, const struct ump_addr *from, struct ump_bytes name, uint32_t most,
                        ump_time now) {
  uint32_t now_s = (uint32_t)(now / UMP_S);
  if (!a->sets && !(a->sets = ump_zalloc(a->mem, SETS * sizeof *a->sets))) return false;
  struct tries *t = find(a, key_of_addr(a, from), now_s);
  if (t->n >= most) return false;
  t->n++;
  /* The name's place may be the address's when a set is crowded; then the address loses its count, which harms nobody.
   */
  t = find(a, key_of_name(a, name), now_s);
  if (t->n >= most) return false;
  t->n++;
  return true;
}
