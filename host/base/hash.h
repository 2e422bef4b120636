/* SipHash-1-3 (Aumasson and Bernstein), keyed, so that strangers cannot choose colliding keys. With one round a word
 * and three at the end: what tables need, as strangers see none of the hashes; Python, Rust and Ruby use the same for
 * theirs. Own code because base depends on the C library alone. */
#ifndef UMP_BASE_HASH_H
#define UMP_BASE_HASH_H

#include "base/bytes.h"

struct ump_hash_key {
  uint8_t b[16];
};

uint64_t ump_hash64(const struct ump_hash_key *k, struct ump_bytes in);

#endif
