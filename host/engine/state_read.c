/* Reading the state as it is now. */
#include "engine/tree.h"

uint64_t ump_state_version(const struct ump_state *s) {
  return s->version;
}
uint64_t ump_state_published(const struct ump_state *s) {
  return s->published;
}
size_t ump_state_bytes(const struct ump_state *s) {
  return s->bytes;
}
uint32_t ump_state_keys(const struct ump_state *s) {
  return s->keys;
}
uint32_t ump_state_removed(const struct ump_state *s) {
  return s->n_graves;
}
uint64_t ump_state_epoch(const struct ump_state *s) {
  return s->epoch;
}
const struct ump_node *ump_state_root(const struct ump_state *s) {
  return s->root;
}

const struct ump_node *ump_state_find(const struct ump_state *s, const struct ump_node *map,
                                      const struct ump_key *key) {
  struct ump_node *n = ump__node_find(s, map->map, key);
  return n && n->alive ? n : NULL;
}

const struct ump_node *ump_state_next(const struct ump_node *map, const struct ump_node *after) {
  struct ump_list *at = after ? after->birth.next : map->map->births.next;
  return at == &map->map->births ? NULL : UMP__BORN(at);
}

const struct ump_node *ump_state_after(const struct ump_node *map, uint64_t serial) {
  const struct ump_node *n = NULL;
  while ((n = ump_state_next(map, n)) && n->serial <= serial) {
  }
  return n;
}

uint64_t ump_node_serial(const struct ump_node *n) {
  return n->serial;
}
uint32_t ump_node_count(const struct ump_node *map) {
  return map->map->n_alive;
}
bool ump_node_is_map(const struct ump_node *n) {
  return n->kind == UMP__MAP;
}
struct ump_bytes ump_node_plain(const struct ump_node *leaf) {
  return ump_bytes(leaf->leaf->p, leaf->leaf->n);
}
uint64_t ump_node_written(const struct ump_node *n) {
  return n->written;
}

struct ump_key ump_node_key(const struct ump_node *n) {
  return (struct ump_key){n->is_text, n->number, ump_bytes(n->text, n->n_text)};
}

void ump__out_key(struct ump__out *o, const struct ump_node *n) {
  if (n->is_text)
    ump__out_string(o, ump_bytes(n->text, n->n_text));
  else
    ump__out_int(o, n->number);
}

static void put_content(struct ump__out *o, const struct ump_node *n) {
  if (n->kind == UMP__LEAF) {
    ump__out_put(o, ump_node_plain(n));
    return;
  }
  ump__out_map(o, ump_node_count(n));
  for (const struct ump_node *c = NULL; (c = ump_state_next(n, c));) {
    ump__out_key(o, c);
    put_content(o, c);
  }
}

struct ump_blob *ump_state_content(const struct ump_state *s, const struct ump_node *n) {
  struct ump__out o = ump__out(s->mem);
  if (n)
    put_content(&o, n);
  else
    ump__out_tag(&o, UMP_PLAIN_NIL);
  struct ump_blob *b = o.failed ? NULL : ump_blob_new(s->mem, o.n);
  if (b) memcpy(b->p, o.p, o.n);
  ump__out_free(&o);
  return b;
}
