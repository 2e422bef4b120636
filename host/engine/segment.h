/* A segment of the exactly-once window: 1024 cells in 256 cache lines of four. Inside of verdict.c.
 *
 * The low 16 bits of a fingerprint name two lines, in either of which its cell may be; with one step of moving a
 * neighbour to its other line that fills a segment to about nine tenths before a cell finds no place.
 *
 * The top bits of a fingerprint name the segment where it is at home. A cell that finds no place there, when the window
 * may not grow any more, stays with another segment, which the middle bits name: a guest. The home remembers for how
 * long some guest of its own may be alive, so that nobody looks elsewhere without need. */
#ifndef UMP_ENGINE_SEGMENT_H
#define UMP_ENGINE_SEGMENT_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

enum {
  UMP__CELLS = 4,   /* 16 bytes each, a cache line of 64 */
  UMP__LINES = 256, /* 16 KiB of cells */
  UMP__SEGMENT_CELLS = UMP__CELLS * UMP__LINES,
  UMP__CELL_LIFE = 300, /* seconds after the last sight; wire/neteria section 5 */
};

struct ump__cell {
  uint64_t key;  /* the fingerprint */
  uint32_t seen; /* second of the last sight; 0: never used, and dead: seconds begin at UMP__CELL_LIFE + 1 */
  uint32_t what; /* verdict.c's */
};
struct ump__line {
  alignas(64) struct ump__cell cell[UMP__CELLS];
};
struct ump__segment {
  struct ump__line line[UMP__LINES];
  void *block;     /* what was allocated; the segment is aligned within */
  uint64_t first;  /* the least key that is at home here */
  uint32_t depth;  /* how many top bits all keys at home here have in common */
  uint32_t abroad; /* second of the last sight of a cell that is at home here and a guest elsewhere; 0: none */
};
enum { UMP__SEGMENT_BYTES = sizeof(struct ump__segment) + alignof(struct ump__segment) };

static inline bool ump__cell_live(const struct ump__cell *c, uint32_t now_s) {
  return now_s - c->seen <= UMP__CELL_LIFE;
}
static inline uint64_t ump__guest_key(uint64_t key) {
  return key << 32 | key >> 32;
} /* names where it may be a guest */

struct ump__segment *ump__segment_new(const struct ump_mem *mem); /* without cells; NULL: no memory */
void ump__segment_free(const struct ump_mem *mem, struct ump__segment *s);

void ump__segment_prefetch(const struct ump__segment *s, uint64_t key);
struct ump__cell *ump__segment_find(struct ump__segment *s, uint64_t key, uint32_t now_s); /* NULL: not here, or dead */
/* A place for a key that is not here; may move another cell. NULL: there is none. */
struct ump__cell *ump__segment_place(struct ump__segment *s, uint64_t key, uint32_t now_s);
size_t ump__segment_count(const struct ump__segment *s, uint32_t now_s); /* live cells */

/* Moves the cells that belong to the upper half of the keys to high, which is empty; both halves get their own depth
 * and first. Dead cells are dropped. One pass over 16 KiB. */
void ump__segment_divide(struct ump__segment *low, struct ump__segment *high, uint32_t now_s);
/* The opposite, into a third one, which is empty. False: there was no place for a cell, and nothing has changed. */
bool ump__segment_unite(struct ump__segment *both, const struct ump__segment *low, const struct ump__segment *high,
                        uint32_t now_s);

#endif
