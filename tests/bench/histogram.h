/* Latencies in ns, to 1.6 %: 64 steps for each power of two. */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

struct histogram {
  uint64_t n, longest, counts[40 * 64];
};

static inline unsigned histogram_step(uint64_t ns) {
  if (ns < 64) return (unsigned)ns;
  unsigned shift = 63 - 6 - (unsigned)__builtin_clzll(ns);
  unsigned step = (shift + 1) * 64 + (unsigned)(ns >> shift) - 64;
  return step < 40 * 64 ? step : 40 * 64 - 1;
}

static inline void histogram_add(struct histogram *h, uint64_t ns) {
  h->n++;
  h->counts[histogram_step(ns)]++;
  if (ns > h->longest) h->longest = ns;
}

/* The latency that a fraction q of all did not exceed. */
static inline uint64_t histogram_at(const struct histogram *h, double q) {
  uint64_t want = (uint64_t)(q * (double)h->n), seen = 0;
  for (unsigned i = 0; i < 40 * 64; i++) {
    seen += h->counts[i];
    if (seen > want) return i < 64 ? i : (uint64_t)(64 + i % 64) << (i / 64 - 1);
  }
  return h->longest;
}

#endif
