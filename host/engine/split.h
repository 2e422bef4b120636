/* A patch for clients whose protocol has no markers: what is removed apart from the rest, and in parts of a size that a
 * notify can take. Each part is a patch of its own; applied one after the other they do what the whole does. */
#ifndef UMP_ENGINE_SPLIT_H
#define UMP_ENGINE_SPLIT_H

#include "engine/out.h"

enum { UMP__SPLIT_PARTS = 4096 }; /* at most */

struct ump__pieces {
  struct ump__out out; /* one behind the other */
  struct ump__piece {
    size_t end;
    uint32_t items; /* values, paths */
  } * v;
  uint32_t n, cap;
};
struct ump__split {
  struct ump__pieces maps;
  struct ump__pieces removed; /* paths as arrays of keys, for an array that says how many */
};

/* plain: of a struct ump_patch. most: bytes of a part; a value that is larger has a part of its own. At least one part,
 * which may be empty. 0, UMP_ENOMEM, UMP_EFULL: too many parts. Free it either way. */
int ump__split(struct ump__split *s, const struct ump_mem *mem, struct ump_bytes plain, size_t most);
void ump__split_free(struct ump__split *s);
/* Part i: its map, and with the first parts the paths that are removed. */
struct ump__part_of_patch {
  struct ump_bytes map, removed; /* map empty: none; else plain data. removed: to be put behind the head of an array */
  uint32_t items, n_removed;
};
uint32_t ump__split_count(const struct ump__split *s);
struct ump__part_of_patch ump__split_part(const struct ump__split *s, uint32_t i);

#endif
