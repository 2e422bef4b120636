/* Randomness is an argument. The host hands in a pooled getrandom, the simulator a stream made from its seed. */
#ifndef UMP_BASE_RNG_H
#define UMP_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct ump_rng {
  void (*fill)(void *ctx, void *out, size_t n); /* never fails */
  void *ctx;
};

static inline void ump_rng_fill(const struct ump_rng *r, void *out, size_t n) {
  r->fill(r->ctx, out, n);
}
uint64_t ump_rng_u64(const struct ump_rng *r);
uint64_t ump_rng_below(const struct ump_rng *r, uint64_t n); /* 0 .. n-1 without bias; n >= 1 */
double ump_rng_unit(const struct ump_rng *r);                /* [0, 1), 53 bits */

/* A seeded stream (xoshiro256**, seeded by splitmix64): the same seed gives the same numbers everywhere.
 * For simulations and for rules' math.random; NOT for ids that strangers must not guess. */
struct ump_rng_seeded {
  uint64_t s[4];
};
void ump_rng_seed(struct ump_rng_seeded *s, uint64_t seed);
struct ump_rng ump_rng_of(struct ump_rng_seeded *s); /* borrows s */

#endif
