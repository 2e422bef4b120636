/* The tree of the state from inside; for state.c, seed.c and diff.c alone.
 *
 * A key's life is [born, died). A key that is removed stays as a tomb: a node that is not alive. When it comes again,
 * the life that it had goes on as a ghost, a node without content behind it; so does a life whose kind ends, since a
 * map that becomes a leaf is another thing to who sees only a part of it. Tombs and ghosts are in one queue by time of
 * death, so forgetting takes them from its front. Those of a map come before the map's own, as its keys die with it.
 *
 * Merging cannot fail: whatever needs memory is made when a patch is read, as seeds, nodes that lie outside of the
 * tree. A seed that finds its key gives its content to the node there, and its body becomes a ghost if one is needed.
 * Indexes are an exception: without memory for one, a map is searched from end to end. */
#ifndef UMP_ENGINE_TREE_H
#define UMP_ENGINE_TREE_H

#include "base/list.h"
#include "engine/out.h"
#include "engine/state.h"

enum ump__kind { UMP__LEAF, UMP__MAP, UMP__MARKER /* of seeds: to be removed */ };

struct ump__leaf {
  size_t n;
  uint8_t p[];
};

struct ump__map {
  struct ump_list order;  /* every key, tombs too, last written first */
  struct ump_list births; /* those alive, oldest first */
  struct ump_node **table;
  uint32_t cap, n_all, n_alive; /* cap: of the table, a power of two; 0: there is none */
};

struct ump_node {
  struct ump_node *parent; /* of a ghost: the node whose life it was. NULL: the root, a seed */
  struct ump_node *chain;  /* in the table; of a ghost: the one before; of a seed: its next sibling */
  struct ump_list order, birth, grave;
  struct ump_node *ghosts; /* youngest first */
  struct ump_node *seeds;  /* of a seed that is a map: what is in it */
  struct ump__map *map;    /* of a map; and of what was one, while its tombs are remembered */
  struct ump__leaf *leaf;
  struct ump__leaf *shadow; /* the leaf as it was published, if it was another */
  struct ump_node *next_shadow;
  uint64_t born, died, written, serial;
  int64_t number;
  uint32_t hash, n_text;
  uint8_t kind; /* enum ump__kind */
  bool is_text, alive, ghost;
  uint8_t text[];
};

struct ump_state {
  const struct ump_mem *mem;
  struct ump_hash_key key;
  struct ump_state_limits limits;
  struct ump_node *root;
  struct ump_list graves;
  struct ump_node *shadows;
  uint64_t version, published, epoch, serials;
  size_t bytes;
  uint32_t keys, n_graves;
  bool changed;       /* since the last commit */
  size_t ahead_bytes; /* what patches that were read and not merged may add */
  uint32_t ahead_keys, n_ahead;
};

struct ump_state_patch {
  struct ump_node *seed; /* a map without a key */
  /* What it may add at most to what is there, whatever is merged before it. */
  size_t more_bytes;
  uint32_t more_keys;
};

struct ump_node *ump__node_new(const struct ump_state *s, const struct ump_key *key); /* NULL: no memory */
void ump__node_free(const struct ump_state *s, struct ump_node *n);                   /* a seed with all in it */
struct ump__map *ump__map_new(const struct ump_state *s);
struct ump__leaf *ump__leaf_new(const struct ump_state *s, struct ump_bytes plain);
size_t ump__node_cost(const struct ump_node *n); /* what it counts for in the limits, without what is in it */
/* Any node of this key, tombs too; NULL: none. */
struct ump_node *ump__node_find(const struct ump_state *s, const struct ump__map *m, const struct ump_key *key);
void ump__out_key(struct ump__out *o, const struct ump_node *n);

#define UMP__ORDERED(n) UMP_CONTAINER(n, struct ump_node, order)
#define UMP__BORN(n)    UMP_CONTAINER(n, struct ump_node, birth)

#endif
