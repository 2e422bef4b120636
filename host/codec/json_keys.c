/* Keys of one object: are two of them the same once decoded? A mark of 31 bits settles nearly all comparisons. It is not
 * keyed, so a stranger can make keys with equal marks; that costs comparisons of bytes, in all at most the length of the
 * text times the logarithm of the number of keys. */
#include "codec/json_internal.h"

/* The first eight bytes, the last eight and the length, all of the decoded key. */
struct sample {
  uint64_t first, last, n;
};

static struct sample sample_plain(const uint8_t *p, size_t n) {
  struct sample s = {0, 0, n};
  if (n >= 8) {
    s.first = ump__json_load(p);
    s.last = ump__json_load(p + n - 8);
    return s;
  }
  for (size_t i = 0; i < n; i++) s.first |= (uint64_t)p[i] << (8 * i);
  return s;
}

static struct sample sample_escaped(const uint8_t *p, size_t n) {
  struct ump__json_cursor c = {p, p + n};
  struct sample s = {0};
  uint8_t piece[4];
  for (size_t got; (got = ump__json_decode(&c, piece)) > 0;) {
    for (size_t i = 0; i < got; i++, s.n++) {
      if (s.n < 8) s.first |= (uint64_t)piece[i] << (8 * s.n);
      s.last = s.last >> 8 | (uint64_t)piece[i] << 56;
    }
  }
  if (s.n < 8) s.last = 0;
  return s;
}

struct ump__json_key ump__json_key(const struct ump__json_string *s) {
  struct sample m = s->escaped ? sample_escaped(s->p, s->n) : sample_plain(s->p, s->n);
  /* odd constants with about half of their bits set: those of splitmix64 and the golden ratio */
  uint64_t mix = m.first * 0x9E3779B97F4A7C15u ^ (m.last + m.n) * 0xBF58476D1CE4E5B9u;
  mix = (mix ^ mix >> 32) * 0x94D049BB133111EBu;
  return (struct ump__json_key){s->p, (uint32_t)s->n, s->escaped, (uint32_t)(mix >> 33)};
}

/* Less than, equal to or greater than 0, by decoded bytes. */
static int compare_decoded(struct ump__json_cursor a, struct ump__json_cursor b) {
  uint8_t pa[4], pb[4];
  size_t na = 0, nb = 0, ia = 0, ib = 0;
  for (;; ia++, ib++) {
    if (ia == na) na = ump__json_decode(&a, pa), ia = 0;
    if (ib == nb) nb = ump__json_decode(&b, pb), ib = 0;
    if (!na || !nb) return (na != 0) - (nb != 0);
    if (pa[ia] != pb[ib]) return pa[ia] < pb[ib] ? -1 : 1;
  }
}

static int compare_plain(const uint8_t *a, size_t na, const uint8_t *b, size_t nb) {
  int order = memcmp(a, b, na < nb ? na : nb);
  return order ? order : (na > nb) - (na < nb);
}

static int compare(const struct ump__json_key *a, const struct ump__json_key *b) {
  if (a->mark != b->mark) return a->mark < b->mark ? -1 : 1;
  if (!a->escaped && !b->escaped) return compare_plain(a->p, a->n, b->p, b->n);
  return compare_decoded((struct ump__json_cursor){a->p, a->p + a->n}, (struct ump__json_cursor){b->p, b->p + b->n});
}

bool ump__json_key_equal(const struct ump__json_key *a, const struct ump__json_key *b) { return compare(a, b) == 0; }

bool ump__json_key_is(const struct ump__json_string *key, struct ump_bytes plain) {
  struct ump__json_cursor c = {key->p, key->p + key->n};
  uint8_t piece[4];
  size_t at = 0;
  for (size_t n; (n = ump__json_decode(&c, piece)) > 0; at += n) {
    if (plain.n - at < n || memcmp(plain.p + at, piece, n) != 0) return false;
  }
  return at == plain.n;
}

/* Moves the key at i down to its place in a heap whose root is the greatest. */
static void sink(struct ump__json_key *keys, size_t n, size_t i) {
  struct ump__json_key key = keys[i];
  for (size_t child; (child = 2 * i + 1) < n; i = child) {
    if (child + 1 < n && compare(&keys[child], &keys[child + 1]) < 0) child++;
    if (compare(&key, &keys[child]) >= 0) break;
    keys[i] = keys[child];
  }
  keys[i] = key;
}

const struct ump__json_key *ump__json_keys_doubled(struct ump__json_key *keys, size_t n) {
  for (size_t i = n / 2; i > 0; i--) sink(keys, n, i - 1);
  for (size_t left = n; left > 1; left--) {
    struct ump__json_key greatest = keys[0];
    keys[0] = keys[left - 1];
    keys[left - 1] = greatest;
    sink(keys, left - 1, 0);
  }
  for (size_t i = 1; i < n; i++) {
    if (compare(&keys[i - 1], &keys[i]) == 0) return keys[i - 1].p > keys[i].p ? &keys[i - 1] : &keys[i];
  }
  return NULL;
}
