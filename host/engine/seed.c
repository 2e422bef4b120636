/* A patch is read into seeds: checked, measured against the limits, and made ready to be merged without fail. */
#include <assert.h>

#include "base/err.h"
#include "engine/tree.h"

enum { KEY_MAX = 65535 };

struct reading {
  struct ump_state *s;
  struct ump_state_fault *why;
  struct ump_reader in;
};

/* Where a value is, one on the stack for each map that leads to it. */
struct step {
  const struct step *up;
  struct ump_key key;
};

/* ---- faults ---- */

static void put_step(struct ump_writer *w, const struct step *at) {
  if (at->up) put_step(w, at->up);
  if (w->n) ump_write_u8(w, '.');
  struct ump_bytes text = at->key.text;
  if (!at->key.is_text)
    ump_write_decimal(w, at->key.number);
  else
    ump_write_bytes(w, text.n <= 64 ? text : ump_bytes(text.p, 64));
}

static int fault(struct ump_state_fault *why, int err, const char *words, const struct step *at) {
  struct ump_writer w = ump_writer(why->path, sizeof why->path - 1);
  *why = (struct ump_state_fault){.why = words};
  if (at) put_step(&w, at);
  for (size_t i = 0; i < w.n; i++) /* it is going to be in a message */
    if (w.p[i] < ' ' || w.p[i] > '~') w.p[i] = '?';
  return err;
}

/* ---- reading ---- */

static int read_key(struct reading *r, const struct step *at, struct ump_key *key) {
  struct ump_plain v;
  if (!ump_plain_get(&r->in, &v)) return fault(r->why, UMP_EINVAL, "is broken", at);
  *key = (struct ump_key){v.tag == UMP_PLAIN_STRING, v.i, v.s};
  if (v.tag == UMP_PLAIN_INT) return 0;
  if (v.tag != UMP_PLAIN_STRING) return fault(r->why, UMP_EINVAL, "has a key that is no string and no integer", at);
  if (v.s.n > KEY_MAX) return fault(r->why, UMP_EINVAL, "has a key of more than 65535 bytes", at);
  if (!ump_utf8_valid(v.s) || memchr(v.s.n ? (const void *)v.s.p : "", 0, v.s.n))
    return fault(r->why, UMP_EINVAL, "has a key that is not UTF-8 text without zeros", at);
  return 0;
}

/* What is inside of a leaf must be fit for every wire. */
static int check_leaf(struct reading *r, struct ump_bytes plain, const struct step *at) {
  struct ump_reader in = ump_reader(plain);
  struct ump_plain v;
  while (ump_reader_left(&in)) {
    if (!ump_plain_get(&in, &v)) return fault(r->why, UMP_EINVAL, "is broken", at);
    if (v.tag == UMP_PLAIN_DELETE)
      return fault(r->why, UMP_EINVAL, "holds host.DELETE in a list: a list is replaced as a whole", at);
    if (v.tag == UMP_PLAIN_FLOAT && v.f - v.f != 0)
      return fault(r->why, UMP_EINVAL, "is infinite or not a number, which no wire can carry", at);
    if (v.tag == UMP_PLAIN_STRING && !ump_utf8_valid(v.s))
      return fault(r->why, UMP_EINVAL, "is a string that is not valid UTF-8: encode bytes first", at);
  }
  return 0;
}

static int read_value(struct reading *r, const struct step *at, const struct ump_key *key, unsigned depth,
                      struct ump_node **out);

static int read_pair(struct reading *r, const struct step *up, struct ump_key key, unsigned depth,
                     struct ump_node ***tail) {
  struct step at = {up, key};
  int err = read_value(r, &at, &key, depth, *tail);
  if (!err) *tail = &(**tail)->chain;
  return err;
}

/* The pairs of a map, and the array part of a table that has both, as integer keys. */
static int read_map(struct reading *r, const struct step *at, const struct ump_plain *v, unsigned depth,
                    struct ump_node *map) {
  struct ump_node **tail = &map->seeds;
  struct ump_plain pairs = *v;
  struct ump_key key;
  int err = 0;
  if (depth >= UMP_STATE_DEPTH)
    return fault(r->why, UMP_EINVAL, "is nested too deep: at most 32 maps in one another", at);
  for (uint32_t i = 1; v->tag == UMP_PLAIN_MIXED && i <= v->count && !err; i++)
    err = read_pair(r, at, (struct ump_key){.number = i}, depth + 1, &tail);
  if (err) return err;
  if (v->tag == UMP_PLAIN_MIXED && (!ump_plain_get(&r->in, &pairs) || pairs.tag != UMP_PLAIN_MAP))
    return fault(r->why, UMP_EINVAL, "is broken", at);
  for (uint32_t i = 0; i < pairs.count && !err; i++) {
    err = read_key(r, at, &key);
    if (!err) err = read_pair(r, at, key, depth + 1, &tail);
  }
  return err;
}

/* *out: the seed, also when it is only half there. */
static int read_value(struct reading *r, const struct step *at, const struct ump_key *key, unsigned depth,
                      struct ump_node **out) {
  const uint8_t *start = r->in.p;
  struct ump_plain v;
  struct ump_node *n = *out = ump__node_new(r->s, key);
  if (!n) return UMP_ENOMEM;
  if (!ump_plain_get(&r->in, &v)) return fault(r->why, UMP_EINVAL, "is broken", at);
  if (v.tag == UMP_PLAIN_MAP || v.tag == UMP_PLAIN_MIXED) {
    n->kind = UMP__MAP;
    n->map = ump__map_new(r->s);
    return n->map ? read_map(r, at, &v, depth, n) : UMP_ENOMEM;
  }
  if (!key) return fault(r->why, UMP_EINVAL, "is no table with names as keys", at);
  n->kind = UMP__MARKER;
  if (v.tag == UMP_PLAIN_DELETE) return 0;
  if (v.tag == UMP_PLAIN_NIL) return fault(r->why, UMP_EINVAL, "is nil: host.DELETE removes a key", at);
  n->kind = UMP__LEAF;
  r->in.p = start;
  if (!ump_plain_skip(&r->in)) return fault(r->why, UMP_EINVAL, "is broken", at);
  struct ump_bytes plain = ump_bytes(start, (size_t)(r->in.p - start));
  int err = check_leaf(r, plain, at);
  if (err) return err;
  n->leaf = ump__leaf_new(r->s, plain);
  return n->leaf ? 0 : UMP_ENOMEM;
}

/* ---- limits ----
 * How the state grows. net: all in all, if nothing else comes before it. more: without what it removes, which is right
 * whatever comes before it. */

struct growth {
  int64_t net_bytes, net_keys;
  size_t more_bytes;
  uint32_t more_keys;
};

static void grow_by(struct growth *g, int64_t bytes, int64_t keys) {
  g->net_bytes += bytes, g->net_keys += keys;
  if (bytes > 0) g->more_bytes += (size_t)bytes;
  if (keys > 0) g->more_keys += (uint32_t)keys;
}

static void shrink_by_all(struct growth *g, const struct ump_node *n) {
  grow_by(g, -(int64_t)ump__node_cost(n), -1);
  if (n->kind != UMP__MAP) return;
  for (const struct ump_node *c = NULL; (c = ump_state_next(n, c));) shrink_by_all(g, c);
}

static void grow_by_seed(struct growth *g, const struct ump_node *seed) {
  if (seed->kind == UMP__MARKER) return;
  grow_by(g, (int64_t)ump__node_cost(seed), 1);
  for (const struct ump_node *c = seed->seeds; c; c = c->chain) grow_by_seed(g, c);
}

static void measure(const struct ump_state *s, const struct ump_node *map, const struct ump_node *seed,
                    struct growth *g) {
  struct ump_key key = ump_node_key(seed);
  const struct ump_node *n = ump_state_find(s, map, &key);
  if (n && n->kind == UMP__MAP && seed->kind == UMP__MAP) {
    for (const struct ump_node *c = seed->seeds; c; c = c->chain) measure(s, n, c, g);
  } else if (n && n->kind == UMP__LEAF && seed->kind == UMP__LEAF) {
    grow_by(g, (int64_t)seed->leaf->n - (int64_t)n->leaf->n, 0);
  } else {
    if (n) shrink_by_all(g, n);
    grow_by_seed(g, seed);
  }
}

static int too_large(struct ump_state_fault *why, const char *words, size_t size, size_t most) {
  *why = (struct ump_state_fault){.why = words, .size = size, .most = most};
  return UMP_EFULL;
}

static int check_limits(const struct ump_state *s, struct ump_state_patch *p, struct ump_state_fault *why) {
  struct growth g = {0};
  for (const struct ump_node *c = p->seed->seeds; c; c = c->chain) measure(s, s->root, c, &g);
  p->more_bytes = g.more_bytes, p->more_keys = g.more_keys;
  int64_t bytes = (int64_t)(s->bytes + s->ahead_bytes) + (s->n_ahead ? (int64_t)g.more_bytes : g.net_bytes);
  int64_t keys = (int64_t)s->keys + s->ahead_keys + (s->n_ahead ? (int64_t)g.more_keys : g.net_keys);
  if (g.net_bytes > 0 && bytes > (int64_t)s->limits.bytes)
    return too_large(why, "would make the state larger than it may be in bytes", (size_t)bytes, s->limits.bytes);
  if (g.net_keys > 0 && keys > (int64_t)s->limits.keys)
    return too_large(why, "would give the state more keys than it may have", (size_t)keys, s->limits.keys);
  return 0;
}

int ump_state_patch_read(struct ump_state *s, struct ump_bytes plain, struct ump_state_patch **out,
                         struct ump_state_fault *why) {
  struct reading r = {s, why, ump_reader(plain)};
  struct ump_state_patch *p = ump_zalloc(s->mem, sizeof *p);
  if (!p) return UMP_ENOMEM;
  int err = read_value(&r, NULL, NULL, 0, &p->seed);
  if (!err) err = check_limits(s, p, why);
  s->n_ahead++;
  if (err) {
    p->more_bytes = p->more_keys = 0;
    ump_state_patch_free(s, p);
    return err;
  }
  s->ahead_bytes += p->more_bytes, s->ahead_keys += p->more_keys;
  *out = p;
  return 0;
}

void ump_state_patch_free(struct ump_state *s, struct ump_state_patch *p) {
  if (!p) return;
  assert(s->n_ahead > 0);
  s->n_ahead--;
  s->ahead_bytes -= p->more_bytes, s->ahead_keys -= p->more_keys;
  ump__node_free(s, p->seed);
  ump_free(s->mem, p, sizeof *p);
}

/* ---- value by value ---- */

struct visit {
  struct ump_state *s;
  struct ump__out out;
  size_t least;
  int (*each)(void *ctx, struct ump_bytes plain);
  void *ctx;
  struct ump_state_fault *why;
};

static void put_path(struct ump__out *o, const struct step *at) {
  if (at->up) put_path(o, at->up);
  ump__out_map(o, 1);
  if (at->key.is_text)
    ump__out_string(o, at->key.text);
  else
    ump__out_int(o, at->key.number);
}

static int visit_seed(struct visit *v, const struct ump_node *seed, const struct step *up, size_t n_path) {
  struct step at = {up, ump_node_key(seed)};
  int err = 0;
  n_path += 10 + seed->n_text;
  for (const struct ump_node *c = seed->seeds; c && !err; c = c->chain) err = visit_seed(v, c, &at, n_path);
  if (seed->kind == UMP__MAP && seed->seeds) return err;
  if (n_path + (seed->leaf ? seed->leaf->n : 5) <= v->least) return 0;
  v->out.n = 0;
  put_path(&v->out, &at);
  if (seed->kind == UMP__LEAF)
    ump__out_put(&v->out, ump_bytes(seed->leaf->p, seed->leaf->n));
  else if (seed->kind == UMP__MAP)
    ump__out_map(&v->out, 0);
  else
    ump__out_tag(&v->out, UMP_PLAIN_DELETE);
  if (v->out.failed) return UMP_ENOMEM;
  if (!(err = v->each(v->ctx, ump__out_bytes(&v->out)))) return 0;
  fault(v->why, err, "is too large", &at);
  v->why->size = v->out.n;
  return err;
}

int ump_state_patch_each(struct ump_state *s, const struct ump_state_patch *p, size_t least,
                         int (*each)(void *ctx, struct ump_bytes plain), void *ctx, struct ump_state_fault *why) {
  struct visit v = {.s = s, .out = ump__out(s->mem), .least = least, .each = each, .ctx = ctx, .why = why};
  int err = 0;
  for (const struct ump_node *c = p->seed->seeds; c && !err; c = c->chain) err = visit_seed(&v, c, NULL, 0);
  ump__out_free(&v.out);
  return err;
}
