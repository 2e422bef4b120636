/* As in "SipHash: a fast short-input PRF" (Aumasson and Bernstein 2012). */
#include "base/hash.h"

struct sip {
  uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotl(uint64_t v, int n) {
  return v << n | v >> (64 - n);
}

/* The compiler makes one load of it on little endian machines. */
static inline uint64_t load(const uint8_t *p) {
  return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 | (uint64_t)p[4] << 32 |
         (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
}

static inline void one_round(struct sip *s) {
  s->v0 += s->v1, s->v1 = rotl(s->v1, 13) ^ s->v0, s->v0 = rotl(s->v0, 32);
  s->v2 += s->v3, s->v3 = rotl(s->v3, 16) ^ s->v2;
  s->v0 += s->v3, s->v3 = rotl(s->v3, 21) ^ s->v0;
  s->v2 += s->v1, s->v1 = rotl(s->v1, 17) ^ s->v2, s->v2 = rotl(s->v2, 32);
}

static inline void word(struct sip *s, uint64_t m) {
  s->v3 ^= m;
  one_round(s);
  s->v0 ^= m;
}

uint64_t ump_hash64(const struct ump_hash_key *k, struct ump_bytes in) {
  uint64_t k0 = load(k->b), k1 = load(k->b + 8);
  struct sip s = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u,
                  k1 ^ 0x7465646279746573u};
  size_t at = 0;
  for (; in.n - at >= 8; at += 8) word(&s, load(in.p + at));
  uint64_t last = (uint64_t)in.n << 56; /* the length, modulo 256, ends the last word */
  for (size_t i = 0; at + i < in.n; i++) last |= (uint64_t)in.p[at + i] << (8 * i);
  word(&s, last);
  s.v2 ^= 0xff;
  for (int i = 0; i < 3; i++) one_round(&s);
  return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
