/* Numbers for things that come and go: small, dense, and used again. A protocol's handles of its sessions are such.
 * The numbers are 0, 1, 2...; the one that was given back last is taken first. */
#ifndef UMP_BASE_SLOTS_H
#define UMP_BASE_SLOTS_H

#include <stdint.h>

#include "base/mem.h"

struct ump_slots {  /* all zeros: empty */
  void **at;        /* by number; NULL: nobody has it */
  uint32_t *free;   /* a stack */
  size_t n, n_free; /* both arrays have n places */
};

int ump_slots_take(struct ump_slots *s, const struct ump_mem *mem, void *thing, uint32_t *number); /* 0, UMP_ENOMEM */
static inline void ump_slots_leave(struct ump_slots *s, uint32_t number) {
  s->at[number] = NULL;
  s->free[s->n_free++] = number;
}
static inline void *ump_slots_find(const struct ump_slots *s, uint32_t number) { /* NULL: nobody */
  return number < s->n ? s->at[number] : NULL;
}
void ump_slots_deinit(struct ump_slots *s, const struct ump_mem *mem); /* the things are their owner's */

#endif
