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
  struct ump_list all;        /* in the feed's list */
  struct ump_moment *present; /* of this view at the published version; NULL: nobody needed it. Not counted */
  struct ump_list patches;    /* the whole of it, as cached; see feed.c */
  uint64_t hash;
  size_t n_text; /* its canonical form */
  uint8_t *text;
};

/* NULL: not seen. */
const struct ump__part *ump__part_of(const struct ump__part *p, const struct ump_key *key);

/* From the plain data that a rulebook's view gave: true is everything, false and nil are nothing, a map's values are
 * parts; what is neither a map nor false or nil lets all of its place be seen. With a reference for the caller. 0,
 * UMP_ENOMEM, UMP_EINVAL. views: the list of all, in which equal ones are found. */
int ump__view_make(const struct ump_mem *mem, const struct ump_hash_key *key, struct ump_list *views,
                   struct ump_bytes plain, struct ump_view **out);
struct ump_view *ump__view_ref(struct ump_view *v);
void ump__view_unref(const struct ump_mem *mem, struct ump_view *v); /* NULL is allowed */

#endif
