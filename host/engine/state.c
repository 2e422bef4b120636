/* The tree of the state: lives and deaths of its keys, and merging. */
#include "engine/state.h"

#include <assert.h>

#include "engine/tree.h"

enum { INDEXED = 8 }; /* a map with fewer keys is as quickly searched from end to end */

/* ---- nodes ---- */

static uint32_t hash_key(const struct ump_state *s, const struct ump_key *key) {
  struct ump_bytes b = key->is_text ? key->text : ump_bytes(&key->number, sizeof key->number);
  return (uint32_t)ump_hash64(&s->key, b); /* keyed: what strangers are called becomes keys */
}

struct ump_node *ump__node_new(const struct ump_state *s, const struct ump_key *key) {
  size_t n_text = key && key->is_text ? key->text.n : 0;
  struct ump_node *n = ump_zalloc(s->mem, sizeof *n + n_text);
  if (!n || !key) return n;
  n->is_text = key->is_text;
  n->number = key->number;
  n->n_text = (uint32_t)n_text;
  n->hash = hash_key(s, key);
  if (n_text) memcpy(n->text, key->text.p, n_text);
  return n;
}

struct ump__map *ump__map_new(const struct ump_state *s) {
  struct ump__map *m = ump_zalloc(s->mem, sizeof *m);
  if (m) ump_list_init(&m->order), ump_list_init(&m->births);
  return m;
}

static void map_free(const struct ump_state *s, struct ump__map *m) {
  if (!m) return;
  assert(m->n_all == 0);
  ump_free(s->mem, m->table, m->cap * sizeof *m->table);
  ump_free(s->mem, m, sizeof *m);
}

struct ump__leaf *ump__leaf_new(const struct ump_state *s, struct ump_bytes plain) {
  struct ump__leaf *l = ump_alloc(s->mem, sizeof *l + plain.n);
  if (!l) return NULL;
  l->n = plain.n;
  memcpy(l->p, plain.p, plain.n);
  return l;
}

static void leaf_free(const struct ump_state *s, struct ump__leaf *l) {
  if (l) ump_free(s->mem, l, sizeof *l + l->n);
}

void ump__node_free(const struct ump_state *s, struct ump_node *n) {
  if (!n) return;
  for (struct ump_node *seed = n->seeds, *next; seed; seed = next) next = seed->chain, ump__node_free(s, seed);
  map_free(s, n->map);
  leaf_free(s, n->leaf);
  leaf_free(s, n->shadow);
  ump_free(s->mem, n, sizeof *n + n->n_text);
}

size_t ump__node_cost(const struct ump_node *n) {
  size_t content = n->kind == UMP__MAP ? sizeof *n->map : n->leaf ? sizeof *n->leaf + n->leaf->n : 0;
  return sizeof *n + n->n_text + content;
}

static void count(struct ump_state *s, const struct ump_node *n, bool in) {
  size_t cost = ump__node_cost(n);
  if (in)
    s->bytes += cost, s->keys++;
  else
    s->bytes -= cost, s->keys--;
}

/* ---- the keys of a map ---- */

static bool is_key(const struct ump_node *n, const struct ump_key *key) {
  if (n->is_text != key->is_text) return false;
  return n->is_text ? ump_bytes_equal(ump_bytes(n->text, n->n_text), key->text) : n->number == key->number;
}

struct ump_node *ump__node_find(const struct ump_state *s, const struct ump__map *m, const struct ump_key *key) {
  if (m->cap) {
    struct ump_node *n = m->table[hash_key(s, key) & (m->cap - 1)];
    while (n && !is_key(n, key)) n = n->chain;
    return n;
  }
  for (struct ump_list *at = m->order.next; at != &m->order; at = at->next)
    if (is_key(UMP__ORDERED(at), key)) return UMP__ORDERED(at);
  return NULL;
}

static void chain_in(struct ump__map *m, struct ump_node *n) {
  struct ump_node **bucket = &m->table[n->hash & (m->cap - 1)];
  n->chain = *bucket;
  *bucket = n;
}

/* Of twice the size. Without memory things stay as they are, only slower. */
static void grow_index(const struct ump_state *s, struct ump__map *m) {
  uint32_t cap = m->cap ? 2 * m->cap : 2 * INDEXED;
  struct ump_node **table = cap <= UINT32_MAX / 4 ? ump_zalloc(s->mem, cap * sizeof *table) : NULL;
  if (!table) return;
  ump_free(s->mem, m->table, m->cap * sizeof *table);
  m->table = table, m->cap = cap;
  for (struct ump_list *at = m->order.next; at != &m->order; at = at->next) chain_in(m, UMP__ORDERED(at));
}

static void push_front(struct ump_list *head, struct ump_list *n) {
  ump_list_push(head->next, n); /* before the first */
}

static void index_in(const struct ump_state *s, struct ump__map *m, struct ump_node *n) {
  push_front(&m->order, &n->order);
  m->n_all++;
  if (m->cap) chain_in(m, n);
  if (m->n_all > INDEXED && m->n_all > m->cap) grow_index(s, m);
}

static void index_out(struct ump__map *m, struct ump_node *n) {
  ump_list_remove(&n->order);
  m->n_all--;
  if (!m->cap) return;
  struct ump_node **at = &m->table[n->hash & (m->cap - 1)];
  while (*at != n) at = &(*at)->chain;
  *at = n->chain;
}

/* ---- lives ---- */

static uint64_t writing(const struct ump_state *s) {
  return s->version + 1; /* what the commit under way is going to be */
}

static void touch(struct ump_state *s, struct ump_node *n) {
  n->written = writing(s);
  if (!n->parent) return;
  ump_list_remove(&n->order);
  push_front(&n->parent->map->order, &n->order);
}

static void begin_life(struct ump_state *s, struct ump_node *n) {
  n->born = writing(s);
  n->serial = ++s->serials;
  n->alive = true;
  ump_list_push(&n->parent->map->births, &n->birth);
  n->parent->map->n_alive++;
  count(s, n, true);
}

/* What clients are still led to stays as the shadow. */
static void retire_leaf(struct ump_state *s, struct ump_node *n) {
  if (n->written <= s->published) {
    assert(!n->shadow);
    n->shadow = n->leaf;
    n->next_shadow = s->shadows;
    s->shadows = n;
  } else {
    leaf_free(s, n->leaf);
  }
  n->leaf = NULL;
}

static void bury(struct ump_state *s, struct ump_node *n) {
  n->died = writing(s);
  ump_list_push(&s->graves, &n->grave);
  s->n_graves++;
}

static void end_life(struct ump_state *s, struct ump_node *n);

static void end_content(struct ump_state *s, struct ump_node *n) {
  if (n->kind == UMP__LEAF) {
    retire_leaf(s, n);
    return;
  }
  while (!ump_list_empty(&n->map->births)) end_life(s, UMP__BORN(n->map->births.next));
  if (n->map->n_all == 0) map_free(s, n->map), n->map = NULL;
}

static void end_life(struct ump_state *s, struct ump_node *n) {
  count(s, n, false);
  end_content(s, n);
  n->alive = false;
  ump_list_remove(&n->birth);
  n->parent->map->n_alive--;
  bury(s, n);
  touch(s, n);
  s->epoch++;
}

/* The life that n has behind it stays known as a ghost, whose body is a seed that is not needed any more. */
static void haunt(struct ump_node *n, struct ump_node *body) {
  body->ghost = true;
  body->parent = n;
  body->kind = n->kind;
  body->born = n->born, body->died = n->died;
  body->chain = n->ghosts;
  n->ghosts = body;
}

/* ---- merging ---- */

static bool merge(struct ump_state *s, struct ump_node *map, struct ump_node *seed);

static bool merge_list(struct ump_state *s, struct ump_node *map, struct ump_node *seeds) {
  bool changed = false;
  for (struct ump_node *seed = seeds, *next; seed; seed = next) {
    next = seed->chain, seed->chain = NULL;
    changed |= merge(s, map, seed);
  }
  return changed;
}

static struct ump_node *take_seeds(struct ump_node *seed) {
  struct ump_node *seeds = seed->seeds;
  seed->seeds = NULL;
  return seeds;
}

static void plant(struct ump_state *s, struct ump_node *map, struct ump_node *seed) {
  seed->parent = map;
  index_in(s, map->map, seed);
  begin_life(s, seed);
  merge_list(s, seed, take_seeds(seed));
}

/* A tomb comes to life with what the seed holds. The life that ended takes its place among the graves, which are in
 * order of time. */
static void revive(struct ump_state *s, struct ump_node *n, struct ump_node *seed) {
  struct ump_node *seeds = take_seeds(seed);
  struct ump__map *map = seed->map;
  uint8_t kind = seed->kind;
  n->leaf = seed->leaf;
  seed->leaf = NULL, seed->map = NULL;
  haunt(n, seed);
  ump_list_push(&n->grave, &seed->grave); /* in front of n */
  ump_list_remove(&n->grave);
  n->kind = kind;
  if (n->map)
    map_free(s, map);
  else
    n->map = map;
  begin_life(s, n);
  merge_list(s, n, seeds);
}

static bool replace_leaf(struct ump_state *s, struct ump_node *n, struct ump_node *seed) {
  if (ump_bytes_equal(ump_bytes(n->leaf->p, n->leaf->n), ump_bytes(seed->leaf->p, seed->leaf->n))) return false;
  count(s, n, false);
  retire_leaf(s, n);
  n->leaf = seed->leaf, seed->leaf = NULL;
  count(s, n, true);
  return true;
}

/* Takes the seed over. */
static bool merge(struct ump_state *s, struct ump_node *map, struct ump_node *seed) {
  struct ump_key key = ump_node_key(seed);
  struct ump_node *n = ump__node_find(s, map->map, &key);
  bool changed = true;
  if (seed->kind == UMP__MARKER) {
    changed = n && n->alive;
    if (changed) end_life(s, n);
    ump__node_free(s, seed);
    return changed;
  }
  if (!n) {
    plant(s, map, n = seed);
  } else if (!n->alive) {
    revive(s, n, seed);
  } else if (n->kind != seed->kind) {
    end_life(s, n);
    revive(s, n, seed);
  } else {
    changed = n->kind == UMP__MAP ? merge_list(s, n, take_seeds(seed)) : replace_leaf(s, n, seed);
    ump__node_free(s, seed);
  }
  if (changed) touch(s, n);
  return changed;
}

void ump_state_merge(struct ump_state *s, struct ump_state_patch *p) {
  if (merge_list(s, s->root, take_seeds(p->seed))) {
    touch(s, s->root);
    s->changed = true;
  }
  ump_state_patch_free(s, p);
}

bool ump_state_commit(struct ump_state *s) {
  bool changed = s->changed;
  s->version += changed;
  s->changed = false;
  return changed;
}

void ump_state_skip(struct ump_state *s) {
  assert(!s->changed);
  s->version++;
}

/* ---- forgetting ---- */

static void forget_ghost(struct ump_state *s, struct ump_node *g) {
  struct ump_node **at = &g->parent->ghosts;
  while (*at != g) at = &(*at)->chain;
  *at = g->chain;
  ump__node_free(s, g);
}

static void forget_tomb(struct ump_state *s, struct ump_node *n) {
  struct ump_node *parent = n->parent;
  assert(!n->ghosts && !n->map && !n->shadow);
  index_out(parent->map, n);
  if (parent->map->n_all == 0 && (!parent->alive || parent->kind != UMP__MAP))
    map_free(s, parent->map), parent->map = NULL;
  ump__node_free(s, n);
  s->epoch++;
}

void ump_state_forget(struct ump_state *s, uint64_t floor) {
  while (!ump_list_empty(&s->graves)) {
    struct ump_node *n = UMP_CONTAINER(s->graves.next, struct ump_node, grave);
    if (n->died > floor) return;
    ump_list_remove(&n->grave);
    s->n_graves--;
    if (n->ghost)
      forget_ghost(s, n);
    else
      forget_tomb(s, n);
  }
}

void ump_state_publish(struct ump_state *s, uint64_t floor) {
  assert(!s->changed && floor <= s->version);
  for (struct ump_node *n = s->shadows; n; n = n->next_shadow) leaf_free(s, n->shadow), n->shadow = NULL;
  s->shadows = NULL;
  s->published = s->version;
  ump_state_forget(s, floor);
}

/* ---- life ---- */

struct ump_state *ump_state_new(const struct ump_mem *mem, const struct ump_hash_key *key,
                                const struct ump_state_limits *limits) {
  struct ump_state *s = ump_zalloc(mem, sizeof *s);
  if (!s) return NULL;
  s->mem = mem, s->key = *key, s->limits = *limits;
  s->version = s->published = 1;
  ump_list_init(&s->graves);
  s->root = ump__node_new(s, NULL);
  if (s->root) s->root->map = ump__map_new(s);
  if (s->root && s->root->map) {
    s->root->kind = UMP__MAP;
    s->root->alive = true;
    s->root->born = s->root->written = 1;
    return s;
  }
  ump__node_free(s, s->root);
  ump_free(mem, s, sizeof *s);
  return NULL;
}

void ump_state_free(struct ump_state *s) {
  if (!s) return;
  assert(s->n_ahead == 0);
  while (!ump_list_empty(&s->root->map->births)) end_life(s, UMP__BORN(s->root->map->births.next));
  s->version++;
  s->changed = false;
  ump_state_publish(s, s->version);
  assert(s->bytes == 0 && s->keys == 0 && s->n_graves == 0);
  ump__node_free(s, s->root);
  ump_free(s->mem, s, sizeof *s);
}
