/* A hash table of nodes that live inside their owners. Grows by one bucket at a time (linear hashing, Litwin 1980), so
 * that no insertion pauses the host to move everything, and a failed allocation only makes chains longer.
 *
 * The caller makes the 64-bit hashes, keyed, and compares what else has to be equal. */
#ifndef UMP_BASE_TABLE_H
#define UMP_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

struct ump_table_node {
  struct ump_table_node *next;
  uint64_t hash;
};

#define UMP_TABLE_SEGMENT  1024 /* buckets of a segment: 8 KiB */
#define UMP_TABLE_SEGMENTS 4096 /* of a table: 4 million buckets */

struct ump_table {
  const struct ump_mem *mem;
  struct ump_table_node ***segments; /* UMP_TABLE_SEGMENTS pointers once there is more than one segment */
  struct ump_table_node **first;     /* segment 0 */
  size_t n_buckets, n;
};

int ump_table_init(struct ump_table *t, const struct ump_mem *mem); /* 0 or UMP_ENOMEM */
void ump_table_deinit(struct ump_table *t);                         /* nodes are their owners' */
void ump_table_put(struct ump_table *t, struct ump_table_node *n,
                   uint64_t hash);                                    /* never fails; equal hashes are allowed */
void ump_table_remove(struct ump_table *t, struct ump_table_node *n); /* must be in the table */
/* The first node with this hash, or the next one after `after`. */
struct ump_table_node *ump_table_find(const struct ump_table *t, uint64_t hash);
struct ump_table_node *ump_table_next(const struct ump_table_node *after);

#endif
