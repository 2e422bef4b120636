/* Small blocks of a VM: strings, tables and userdata, of which an event makes half a dozen and the collector gives back
 * as many. malloc and free take about 280 instructions for each; here it is 20. A block comes from the list of those
 * given back in its size, else from the part of the VM's region that was never used. The region is address space, as
 * much as the VM may have of memory: what was never touched costs nothing, and all of it goes back when the VM is
 * closed.
 *
 * What one size has given back stays its own. So a rulebook that goes through the sizes, each time up to the cap, uses
 * the region up; from then on (or when there is no region) blocks are malloc's, and their address tells which they are.
 * Together that is never more than twice the cap. */
#ifndef UMP_BINDINGS_SMALL_H
#define UMP_BINDINGS_SMALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* AddressSanitizer watches malloc's blocks only, so under it a VM has no others. */
#if defined(__SANITIZE_ADDRESS__)
#define UMP__SMALL_USED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UMP__SMALL_USED 0
#endif
#endif
#ifndef UMP__SMALL_USED
#define UMP__SMALL_USED 1
#endif

enum {
  UMP__SMALL_GRAIN = 8,  /* bytes: sizes are rounded up to it; all that Lua asks for and promises (its LUAI_MAXALIGN),
                            and most  of its objects fill it: a table is 56 bytes */
  UMP__SMALL_MOST = 256, /* bytes; above it are growing lists and long texts, which are malloc's */
};

/* Zeroed: without a region. */
struct ump__small {
  uint8_t *region, *fresh, *end;                   /* fresh: from here to the end it was never used */
  void *spare[UMP__SMALL_MOST / UMP__SMALL_GRAIN]; /* given back, by size; each holds the next in its first bytes */
};

void ump__small_init(struct ump__small *s, size_t n); /* bytes of the region; if there are none, it does without */
void ump__small_deinit(struct ump__small *s);         /* every block of the region is void afterwards */

static inline size_t ump__small_class(size_t n) {
  return (n - 1) / UMP__SMALL_GRAIN;
}
/* A block of one size serves the other. */
static inline bool ump__small_same(size_t n, size_t other) {
  return ump__small_class(n) == ump__small_class(other);
}

void *ump__small_fresh(struct ump__small *s, size_t n); /* one that was not given back before */

/* n: 1 to UMP__SMALL_MOST. NULL: no memory */
static inline void *ump__small_take(struct ump__small *s, size_t n) {
  void **list = &s->spare[ump__small_class(n)], **block = *list;
  if (!block) return ump__small_fresh(s, n);
  *list = *block;
  return block;
}

/* One taken here, or malloc's. */
static inline void ump__small_give(struct ump__small *s, void *p, size_t n) {
  if ((uintptr_t)p - (uintptr_t)s->region >= (uintptr_t)s->end - (uintptr_t)s->region) {
    free(p);
    return;
  }
  void **list = &s->spare[ump__small_class(n)], **block = p;
  *block = *list, *list = block;
}

#endif
