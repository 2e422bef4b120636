/* The reasons that remembered verdicts were given with, each text kept once. Inside of verdict.c.
 *
 * There are no reference counts: cells die silently. A reason lives as long as the youngest cell that refers to it,
 * because every sight of a cell is a sight of its reason; so a live cell never refers to a dead reason. */
#ifndef UMP_ENGINE_REASONS_H
#define UMP_ENGINE_REASONS_H

#include "base/bytes.h"
#include "base/hash.h"
#include "base/mem.h"

struct ump__reason_set;

struct ump__reasons {
  const struct ump_mem *mem;
  struct ump_hash_key key;
  struct ump__reason_set **sets; /* NULL until the first reason comes */
  uint32_t n_sets, hand;         /* a power of two; the set that is looked at next for dead texts */
  size_t bytes, max_bytes;
};

/* now_s and life_s: seconds, as the verdict table counts them. max_bytes bounds everything held. Allocates nothing. */
void ump__reasons_init(struct ump__reasons *r, const struct ump_mem *mem, const struct ump_hash_key *key,
                       size_t max_bytes);
void ump__reasons_deinit(struct ump__reasons *r);
/* A reference to the text, below 2^29; 0: there is no room for it, or it is empty. */
uint32_t ump__reasons_put(struct ump__reasons *r, struct ump_bytes text, uint32_t now_s, uint32_t life_s);
/* The text of a reference that put gave; counts as seen now. */
struct ump_bytes ump__reasons_get(struct ump__reasons *r, uint32_t ref, uint32_t now_s);
void ump__reasons_tidy(struct ump__reasons *r, uint32_t now_s, uint32_t life_s); /* frees the dead of a few sets */

#endif
