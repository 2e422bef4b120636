/* Numbers from a stream of random bytes, and a seeded stream. Bytes are taken as little endian, so a seed means the
 * same numbers on every machine. */
#include "base/rng.h"

#include <assert.h>
#include <string.h>

uint64_t ump_rng_u64(const struct ump_rng *r) {
  uint8_t b[8];
  uint64_t v = 0;
  ump_rng_fill(r, b, sizeof b);
  for (size_t i = sizeof b; i > 0; i--) v = v << 8 | b[i - 1];
  return v;
}

uint64_t ump_rng_below(const struct ump_rng *r, uint64_t n) {
  assert(n >= 1);
  uint64_t uneven = (0 - n) % n; /* 2^64 mod n: that many numbers too many for equal shares */
  uint64_t v;
  do v = ump_rng_u64(r);
  while (v < uneven);
  return v % n;
}

double ump_rng_unit(const struct ump_rng *r) {
  return (double)(ump_rng_u64(r) >> 11) * 0x1p-53;
}

static uint64_t rotl(uint64_t v, int n) {
  return v << n | v >> (64 - n);
}

/* splitmix64 (Steele, Lea, Flood 2014); xoshiro's authors name it for seeding: it never yields four zeroes. */
void ump_rng_seed(struct ump_rng_seeded *s, uint64_t seed) {
  for (size_t i = 0; i < 4; i++) {
    uint64_t z = seed += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    s->s[i] = z ^ z >> 31;
  }
}

/* xoshiro256** 1.0 (Blackman and Vigna 2018) */
static uint64_t next(struct ump_rng_seeded *x) {
  uint64_t *s = x->s, result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = rotl(s[3], 45);
  return result;
}

static void fill(void *ctx, void *out, size_t n) {
  uint8_t *p = out;
  while (n > 0) {
    uint64_t v = next(ctx);
    for (size_t i = 0; i < 8 && n > 0; i++, n--, v >>= 8) *p++ = (uint8_t)v;
  }
}

struct ump_rng ump_rng_of(struct ump_rng_seeded *s) {
  return (struct ump_rng){fill, s};
}
