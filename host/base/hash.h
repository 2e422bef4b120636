/* SipHash-2-4 (Aumasson and Bernstein), keyed, so that strangers cannot choose colliding keys.
 * Own code because base depends on the C library alone; 64 and 128 bit results. */
#ifndef UMP_BASE_HASH_H
#define UMP_BASE_HASH_H

#include "base/bytes.h"

struct ump_hash_key {
  uint8_t b[16];
};
struct ump_hash128 {
  uint64_t lo, hi;
};

uint64_t ump_hash64(const struct ump_hash_key *k, struct ump_bytes in);
struct ump_hash128 ump_hash128(const struct ump_hash_key *k, struct ump_bytes in);

#endif
