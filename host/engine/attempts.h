/* Log-ins a minute per address and per name. A minute begins with the first attempt in it; the attempts that go over
 * the limit are not counted, so they prolong nothing.
 *
 * Bounded: 4096 addresses and names at once in 64 KiB, allocated at the first attempt. When there are more, the one
 * that tried least gives way, so those near their limit stay. IPv6 counts by /64, as in base/tally.h. */
#ifndef UMP_ENGINE_ATTEMPTS_H
#define UMP_ENGINE_ATTEMPTS_H

#include "base/addr.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/time.h"

struct ump__attempt_set;
struct ump__attempts {
  const struct ump_mem *mem;
  struct ump_hash_key key;
  struct ump__attempt_set *sets; /* NULL until the first attempt */
};

void ump__attempts_init(struct ump__attempts *a, const struct ump_mem *mem, const struct ump_hash_key *key);
void ump__attempts_deinit(struct ump__attempts *a);
/* One more attempt to log in as name from this address, at most `most` a minute for each. True: let it through
 * (counted); false: not now, or there is no memory to know. */
bool ump__attempts_take(struct ump__attempts *a, const struct ump_addr *from, struct ump_bytes name, uint32_t most,
                        ump_time now);

#endif
