/* Keys of one object: are two of them the same once decoded? They are ordered by length and then by their bytes. A
 * stranger can make keys that are hard to tell apart, but has to send them: sorting reads at most the length of the
 * text times the logarithm of the number of keys. No hash, so no key to keep secret. */
#include "codec/json_internal.h"

struct ump__json_key ump__json_key_escaped(const struct ump__json_string *text, uint64_t *bit) {
  struct ump__json_cursor c = {text->p, text->p + text->n};
  struct ump__json_key key = {text->p, 0, (uint32_t)text->n};
  uint8_t piece[4], first = 0, last = 0;
  for (size_t n; (n = ump__json_decode(&c, piece)) > 0; key.n += (uint32_t)n) {
    if (key.n == 0) first = piece[0];
    last = piece[n - 1];
  }
  *bit = ump__json_key_bit(key.n, first, last);
  return key;
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

static int compare(const struct ump__json_key *a, const struct ump__json_key *b) {
  if (a->n != b->n) return a->n < b->n ? -1 : 1;
  if (a->n == a->raw_n && b->n == b->raw_n) return memcmp(a->p, b->p, a->n);
  return compare_decoded((struct ump__json_cursor){a->p, a->p + a->raw_n},
                         (struct ump__json_cursor){b->p, b->p + b->raw_n});
}

bool ump__json_key_equal(const struct ump__json_key *a, const struct ump__json_key *b) {
  return compare(a, b) == 0;
}

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
