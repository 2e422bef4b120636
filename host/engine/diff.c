/* Two versions of the tree side by side: what a client has, by the lives of the keys at that time, and the published
 * one.
 *
 * Maps are walked in the order of their last write, as far as they were written since. Where a map shows few of its
 * keys and many others were written, its keys are looked up instead. Only where the view itself has changed, all keys
 * are looked at. */
#include "engine/diff.h"

#include "engine/tree.h"

enum { NOTHING = -1 };

struct walk {
  const struct ump_state *s;
  struct ump__out *out;
  uint64_t from, to;
  bool exact;
};

/* What the key was in a version: NOTHING, UMP__LEAF or UMP__MAP. */
static int kind_at(const struct ump_node *n, uint64_t version) {
  if (n->born <= version && (n->alive || version < n->died)) return n->kind;
  for (const struct ump_node *g = n->ghosts; g; g = g->chain)
    if (g->born <= version && version < g->died) return g->kind;
  return NOTHING;
}

/* Did a life end within (from, to]? Then a client may have met it on the way. */
static bool ended_between(const struct walk *w, const struct ump_node *n) {
  if (!n->alive && n->died > w->from && n->born <= w->to) return true;
  for (const struct ump_node *g = n->ghosts; g; g = g->chain)
    if (g->died > w->from && g->born <= w->to) return true;
  return false;
}

static bool shows(const struct ump__part *p, int kind) {
  return p && kind != NOTHING && (p->all || kind == UMP__MAP);
}

static struct ump_bytes leaf_at(const struct ump_node *n) {
  const struct ump__leaf *l = n->shadow ? n->shadow : n->leaf;
  return ump_bytes(l->p, l->n);
}

static bool walk_node(struct walk *w, const struct ump_node *n, const struct ump__part *had,
                      const struct ump__part *has);

static uint32_t walk_key(struct walk *w, const struct ump_node *n, const struct ump__part *had,
                         const struct ump__part *has) {
  struct ump_key key = ump_node_key(n);
  const struct ump__part *was = had ? ump__part_of(had, &key) : NULL;
  const struct ump__part *is = had == has ? was : ump__part_of(has, &key);
  if (!was && !is) return 0;
  if (was && is && was->all && is->all) was = is; /* here the view has not changed */
  size_t at = w->out->n;
  ump__out_key(w->out, n);
  if (walk_node(w, n, was, is)) return 1;
  w->out->n = at;
  return 0;
}

/* What was written since, of a view that stays the same. False: too many for what it shows; nothing is written. */
static bool walk_written(struct walk *w, const struct ump_node *map, const struct ump__part *part, uint32_t *n) {
  size_t start = w->out->n, looked = 0;
  bool exact = w->exact;
  for (const struct ump_list *at = map->map->order.next; at != &map->map->order; at = at->next) {
    const struct ump_node *c = UMP__ORDERED(at);
    if (c->written <= w->from) break;
    if (!part->all && ++looked > 2 * (size_t)part->n) {
      w->out->n = start, w->exact = exact, *n = 0;
      return false;
    }
    *n += walk_key(w, c, part, part);
  }
  return true;
}

static uint32_t walk_named(struct walk *w, const struct ump_node *map, const struct ump__part *part) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < part->n; i++) {
    const struct ump_node *c = ump__node_find(w->s, map->map, &part->keys[i]);
    if (c && c->written > w->from) n += walk_key(w, c, part, part);
  }
  return n;
}

/* The keys of a map that is one in the version it leads to. had NULL: the client has nothing of it. */
static uint32_t walk_keys(struct walk *w, const struct ump_node *map, const struct ump__part *had,
                          const struct ump__part *has) {
  uint32_t n = 0;
  if (!map->map) return 0; /* it was an empty one, and is none any more */
  if (had == has) return walk_written(w, map, has, &n) ? n : walk_named(w, map, has);
  if (!had && !has->all && has->n < map->map->n_all) {
    for (uint32_t i = 0; i < has->n; i++) {
      const struct ump_node *c = ump__node_find(w->s, map->map, &has->keys[i]);
      if (c) n += walk_key(w, c, NULL, has);
    }
    return n;
  }
  for (const struct ump_list *at = map->map->order.prev; at != &map->map->order; at = at->prev)
    n += walk_key(w, UMP__ORDERED(at), had, has);
  return n;
}

/* Writes the value that a patch has for n. False: none, and what may be there is taken back by the caller. */
static bool walk_node(struct walk *w, const struct ump_node *n, const struct ump__part *had,
                      const struct ump__part *has) {
  int was = kind_at(n, w->from), is = kind_at(n, w->to);
  bool before = shows(had, was), now = shows(has, is);
  if (!now) {
    if (had && ended_between(w, n)) w->exact = true;
    if (!before) return false;
    w->exact = true;
    ump__out_tag(w->out, UMP_PLAIN_DELETE);
    return true;
  }
  if (is == UMP__LEAF) {
    if (before && n->written <= w->from) return false;
    ump__out_put(w->out, leaf_at(n));
    return true;
  }
  size_t at = w->out->n;
  /* The client has a map there, and has had nothing else meanwhile; else even an empty one is news. */
  bool merged = before && was == UMP__MAP, stayed = merged && !ended_between(w, n);
  ump__out_map(w->out, 0);
  /* Tombs of a map that came, went and came again matter for who met it on the way. */
  uint32_t count = walk_keys(w, n, merged || (had == has) ? had : NULL, has);
  if (!count && stayed) return false;
  ump__out_recount(w->out, at, count);
  return true;
}

bool ump__diff(const struct ump_state *s, const struct ump__part *had, uint64_t from, const struct ump__part *has,
               struct ump__out *out) {
  struct walk w = {s, out, had ? from : 0, s->published, had && had != has};
  size_t at = out->n;
  ump__out_map(out, 0);
  uint32_t count = walk_keys(&w, s->root, had, has);
  ump__out_recount(out, at, count);
  return w.exact;
}
