/* A hash table of nodes that live inside their owners. Grows by one bucket at a time (linear hashing, Litwin 1980), so that no
 * insertion pauses the host to move everything, and a failed allocation only makes chains longer.
 *
 * The caller makes the 64-bit hashes, keyed, and compares what else has to be equal. */
#ifndef UMP_PROTO_NETERIA_TABLE_H
#define UMP_PROTO_NETERIA_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

struct nt_node {
  struct nt_node *next;
  uint64_t hash;
};

#define NT_SEGMENT 1024     /* buckets of a segment: 8 KiB */
#define NT_SEGMENTS 4096    /* of a table: 4 million buckets */

struct nt_table {
  const struct ump_mem *mem;
  struct nt_node ***segments; /* NT_SEGMENTS pointers once there is more than one segment */
  struct nt_node **first;     /* segment 0 */
  size_t n_buckets, n;
};

int ump__nt_table_init(struct nt_table *t, const struct ump_mem *mem); /* 0 or UMP_ENOMEM */
void ump__nt_table_deinit(struct nt_table *t);                         /* nodes are their owners' */
void ump__nt_table_put(struct nt_table *t, struct nt_node *n, uint64_t hash); /* never fails; equal hashes are allowed */
void ump__nt_table_remove(struct nt_table *t, struct nt_node *n);             /* must be in the table */
/* The first node with this hash, or the next one after `after`. */
struct nt_node *ump__nt_table_find(const struct nt_table *t, uint64_t hash);
struct nt_node *ump__nt_table_next(const struct nt_node *after);

#endif
