/* What a client may see of the state: a selector, a tree of keys whose ends let everything below them be seen.
 * Selectors are canonical, so clients who may see the same share one, and patches that are made for one are good for
 * all. */
#ifndef UMP_ENGINE_VIEW_H
#define UMP_ENGINE_VIEW_H

#include "base/list.h"
#include "engine/state.h"

/* A part of a selector. all: everything that is there. Otherwise what is there is seen if it is a map, and of its keys
 * those named. */
struct ump__part {
  bool all;
  uint32_t n;
  struct ump_key *keys; /* in order: integers, then texts by their bytes */
  struct ump__part *parts;
};

struct ump_view {
  struct ump__part part;
  size_t refs;
  struct ump_view *chain;     /* in the table */
  struct ump_moment *present; /* the last one of this view, if it lives. Not counted */
  struct ump_list patches;    /* the whole of it, as cached; see feed.c */
  uint64_t hash;
  size_t n_text; /* its canonical form */
  uint8_t *text;
};

/* All views there are, by their canonical form. Zeroed at first; mem and key are given by whoever has it. Without
 * memory to grow it is slower. */
struct ump__views {
  const struct ump_mem *mem;
  struct ump_hash_key key;
  struct ump_view **table;
  struct ump_view *first[8]; /* the table until there is a larger one */
  uint32_t cap, n;
};
void ump__views_init(struct ump__views *all, const struct ump_mem *mem, const struct ump_hash_key *key);
void ump__views_deinit(struct ump__views *all); /* when none is left */

/* NULL: not seen. */
const struct ump__part *ump__part_of(const struct ump__part *p, const struct ump_key *key);

/* From the plain data that a rulebook's view gave: true is everything, false and nil are nothing, a map's values are
 * parts; what is neither a map nor false or nil lets all of its place be seen. With a reference for the caller. 0,
 * UMP_ENOMEM, UMP_EINVAL. */
int ump__view_make(struct ump__views *all, struct ump_bytes plain, struct ump_view **out);
struct ump_view *ump__view_ref(struct ump_view *v);
void ump__view_unref(struct ump__views *all, struct ump_view *v); /* NULL is allowed */

#endif
