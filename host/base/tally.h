/* How many of something each network address has: sessions, connections, log-in attempts. Ports do not count, and IPv6
 * counts by /64: a household gets one and could otherwise take 2^64 places. A zone (scope) does not count either.
 *
 * Bounded: at most `limit` addresses at once; add and sub cost O(1), keyed so that strangers cannot choose colliding
 * addresses. Memory grows with the addresses that were there at once: 22 to 43 bytes each. */
#ifndef UMP_BASE_TALLY_H
#define UMP_BASE_TALLY_H

#include "base/addr.h"
#include "base/hash.h"
#include "base/mem.h"

/* mem is borrowed for the tally's life. */
struct ump_tally {
  const struct ump_mem *mem;
  struct ump_hash_key key;
  struct ump__tally_slot *slots;
  size_t n, cap, limit; /* addresses there; slots, a power of two or 0; the most addresses */
};

/* Allocates nothing; the key is copied. */
void ump_tally_init(struct ump_tally *t, const struct ump_mem *mem, const struct ump_hash_key *key, size_t limit);
void ump_tally_deinit(struct ump_tally *t);

/* One more for this address, but not more than `most`. 0; UMP_EFULL: it has that many, or there are `limit` addresses
 * already; UMP_ENOMEM. On failure nothing changed. */
int ump_tally_add(struct ump_tally *t, const struct ump_addr *a, uint32_t most);
void ump_tally_sub(struct ump_tally *t, const struct ump_addr *a); /* one less; one that is not there is allowed */
uint32_t ump_tally_count(const struct ump_tally *t, const struct ump_addr *a);
void ump_tally_clear(struct ump_tally *t); /* forgets all, keeps the memory: "attempts a minute" */

#endif
