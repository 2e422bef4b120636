/* The replicated state: one tree for all, which rules change with patches and every client keeps a copy of.
 *
 * A map holds keys, strings or integers; under a key there is a map or a leaf. A leaf is a scalar or a whole array,
 * kept as plain data (base/plain.h); arrays are replaced, never merged. A patch is a map: a map in it is merged key by
 * key into the map that is there, anything else replaces, UMP_PLAIN_DELETE removes, and removing what is not there is
 * nothing.
 *
 * Each commit that changed something makes a new version. So that a patch can be made for a client that is behind, the
 * tree knows for each key when it was last written, and remembers removed keys with the time of their lives until
 * nobody needs them any more. What is walked to make a patch is what was written since, nothing else: each map keeps
 * its keys in the order of their last write.
 *
 * It can be read as it is now and as it was at the version last published (ump_state_publish), which is the one that
 * clients are led to: a rulebook's views have been asked about that version, and not yet about later ones. */
#ifndef UMP_ENGINE_STATE_H
#define UMP_ENGINE_STATE_H

#include "base/bytes.h"
#include "base/hash.h"
#include "base/mem.h"

struct ump_state;
struct ump_node; /* a key and what is under it; the root has no key */

enum { UMP_STATE_DEPTH = 32 }; /* maps in one another, and arrays within the innermost */

struct ump_state_limits {
  size_t bytes;  /* of keys and values with their administration (some 190 bytes a key) */
  uint32_t keys; /* at all depths; and so many removed ones may be remembered */
};

struct ump_key {
  bool is_text;
  int64_t number;
  struct ump_bytes text;
};

/* What is wrong with a patch, for its author. */
struct ump_state_fault {
  const char *why;    /* constant words that follow the path: "is ..." */
  char path[200];     /* "players.ann.inventory", cut; empty: the whole patch */
  size_t size, most;  /* bytes or keys, where that is what is wrong; most 0: not known */
  const char *scheme; /* of the wire that it does not fit; NULL: none */
};

/* mem is borrowed; the key is copied. NULL: no memory. */
struct ump_state *ump_state_new(const struct ump_mem *mem, const struct ump_hash_key *key,
                                const struct ump_state_limits *limits);
void ump_state_free(struct ump_state *s); /* NULL is allowed */

/* ---- changing: a patch is read and checked first, which may fail, and merged later, which cannot ---- */

struct ump_state_patch;

/* plain: the patch, borrowed. Patches that were read and are neither merged nor freed yet count for the limits. 0;
 * UMP_EINVAL: no map, or something in it cannot be in the state; UMP_EFULL: the state would be larger than its limits;
 * UMP_ENOMEM. why is written when it is EINVAL or EFULL. */
int ump_state_patch_read(struct ump_state *s, struct ump_bytes plain, struct ump_state_patch **out,
                         struct ump_state_fault *why);
void ump_state_patch_free(struct ump_state *s, struct ump_state_patch *p); /* NULL is allowed */
/* Calls each for every value of the patch: plain is a map that leads to that value alone, borrowed. Small ones, of up
 * to `least` bytes with their path, are passed over. Stops at the first that is not 0 and gives that; UMP_ENOMEM. */
int ump_state_patch_each(struct ump_state *s, const struct ump_state_patch *p, size_t least,
                         int (*each)(void *ctx, struct ump_bytes plain), void *ctx, struct ump_state_fault *why);

void ump_state_merge(struct ump_state *s, struct ump_state_patch *p); /* takes p over */
bool ump_state_commit(struct ump_state *s); /* what was merged since is one version; false: nothing has changed */
void ump_state_skip(struct ump_state *s);   /* a version in which nothing is different */
/* Clients are led to this version from now on. floor: the oldest version from which a patch can still be asked for. */
void ump_state_publish(struct ump_state *s, uint64_t floor);
void ump_state_forget(struct ump_state *s, uint64_t floor); /* what was removed up to then */

uint64_t ump_state_version(const struct ump_state *s); /* 1 at first */
uint64_t ump_state_published(const struct ump_state *s);
size_t ump_state_bytes(const struct ump_state *s);
uint32_t ump_state_keys(const struct ump_state *s);
uint32_t ump_state_removed(const struct ump_state *s); /* remembered */

/* ---- reading it as it is now ----
 * A node is good until the epoch changes, which happens when something was removed, never in the middle of a call into
 * the rulebook. */
uint64_t ump_state_epoch(const struct ump_state *s);
const struct ump_node *ump_state_root(const struct ump_state *s); /* a map, always there */
/* map must be one. NULL: there is no such key. */
const struct ump_node *ump_state_find(const struct ump_state *s, const struct ump_node *map, const struct ump_key *key);
/* In the order in which keys came to be. after NULL: the first; the end: NULL. */
const struct ump_node *ump_state_next(const struct ump_node *map, const struct ump_node *after);
/* The same for who has lost the node: the first whose serial is greater. */
const struct ump_node *ump_state_after(const struct ump_node *map, uint64_t serial);
uint64_t ump_node_serial(const struct ump_node *n); /* grows with each key that comes to be */
uint32_t ump_node_count(const struct ump_node *map);
bool ump_node_is_map(const struct ump_node *n);
struct ump_bytes ump_node_plain(const struct ump_node *leaf); /* borrowed until the next commit */
struct ump_key ump_node_key(const struct ump_node *n);        /* the same */
uint64_t ump_node_written(const struct ump_node *n);          /* the version that last wrote it or something in it */
/* Everything under the node (NULL: nothing is there) as plain data; NULL: no memory. One reference. */
struct ump_blob *ump_state_content(const struct ump_state *s, const struct ump_node *n);

#endif
