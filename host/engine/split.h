/* A patch for clients whose protocol has no markers: what is removed apart from the rest, and in parts of a size that a
 * notify can take. Each part is a patch of its own; applied one after the other they do what the whole does. */
#ifndef UMP_ENGINE_SPLIT_H
#define UMP_ENGINE_SPLIT_H

#include "engine/out.h"

enum { UMP__SPLIT_PARTS = 4096 }; /* at most */

struct ump__split {
  struct ump__out maps; /* the maps of the parts, one behind the other */
  size_t *ends;         /* where each ends */
  uint32_t *items;      /* how many values are in each */
  uint32_t n, cap;
  struct ump__out removed; /* paths as arrays of keys, for an array that says how many */
  uint32_t n_removed;
};

/* plain: of a struct ump_patch. most: bytes of a part; a value that is larger has a part of its own. At least one part,
 * which may be empty. 0, UMP_ENOMEM, UMP_EFULL: too many parts. Free it either way. */
int ump__split(struct ump__split *s, const struct ump_mem *mem, struct ump_bytes plain, size_t most);
void ump__split_free(struct ump__split *s);
struct ump_bytes ump__split_part(const struct ump__split *s, uint32_t i);

#endif
