#include "engine/split.h"

#include "base/err.h"
#include "engine/state.h"

/* The maps that lead to where we are. One is written into a part when the first value in it is. */
struct level {
  struct ump_bytes key; /* plain data; empty: the outermost */
  size_t at;
  uint32_t count;
  bool open;
};

struct splitter {
  struct ump__split *s;
  size_t most;
  uint32_t items, removed; /* in the piece under way */
  struct level level[UMP_STATE_DEPTH + 2];
  unsigned depth; /* levels in use */
  int err;
};

static void open_levels(struct splitter *w) {
  struct ump__out *o = &w->s->maps.out;
  for (unsigned i = 0; i < w->depth; i++) {
    struct level *l = &w->level[i];
    if (l->open) continue;
    if (i) w->level[i - 1].count++;
    ump__out_put(o, l->key);
    *l = (struct level){.key = l->key, .at = o->n, .open = true};
    ump__out_map(o, 0);
  }
}

static size_t size_of_last(const struct ump__pieces *p) {
  return p->out.n - (p->n ? p->v[p->n - 1].end : 0);
}

/* What was written since the last piece becomes one. */
static int end_piece(struct ump__pieces *p, uint32_t items) {
  if (p->n == p->cap) {
    uint32_t cap = p->cap ? 2 * p->cap : 8;
    if (p->n >= UMP__SPLIT_PARTS / 2) return UMP_EFULL;
    void *v = ump_realloc(p->out.mem, p->v, p->cap * sizeof *p->v, cap * sizeof *p->v);
    if (!v) return UMP_ENOMEM;
    p->v = v, p->cap = cap;
  }
  p->v[p->n++] = (struct ump__piece){p->out.n, items};
  return 0;
}

static void end_part(struct splitter *w) {
  for (unsigned i = w->depth; i-- > 0;) {
    if (w->level[i].open) ump__out_recount(&w->s->maps.out, w->level[i].at, w->level[i].count);
    w->level[i].open = false;
  }
  if (!w->err) w->err = end_piece(&w->s->maps, w->items);
  w->items = 0;
}

static void put_value(struct splitter *w, struct ump_bytes pair) {
  if (w->items && size_of_last(&w->s->maps) + pair.n > w->most) end_part(w); /* what is too large must be alone */
  open_levels(w);
  ump__out_put(&w->s->maps.out, pair);
  w->level[w->depth - 1].count++;
  w->items++;
  if (size_of_last(&w->s->maps) >= w->most) end_part(w);
}

static void put_removed(struct splitter *w, struct ump_bytes key) {
  struct ump__pieces *p = &w->s->removed;
  ump__out_array(&p->out, w->depth);
  for (unsigned i = 1; i < w->depth; i++) ump__out_put(&p->out, w->level[i].key);
  ump__out_put(&p->out, key);
  w->removed++;
  if (size_of_last(p) < w->most || w->err) return;
  w->err = end_piece(p, w->removed);
  w->removed = 0;
}

static void walk(struct splitter *w, struct ump_reader *in, uint32_t count) {
  for (uint32_t i = 0; i < count && !w->err; i++) {
    const uint8_t *start = in->p;
    struct ump_plain v;
    ump_plain_skip(in);
    struct ump_bytes key = ump_bytes(start, (size_t)(in->p - start));
    const uint8_t *value = in->p;
    ump_plain_get(in, &v);
    if (v.tag == UMP_PLAIN_DELETE) {
      put_removed(w, key);
    } else if (v.tag == UMP_PLAIN_MAP && v.count) {
      w->level[w->depth++] = (struct level){.key = key};
      walk(w, in, v.count);
      struct level *done = &w->level[--w->depth];
      if (done->open) ump__out_recount(&w->s->maps.out, done->at, done->count);
    } else {
      in->p = value;
      ump_plain_skip(in);
      put_value(w, ump_bytes(start, (size_t)(in->p - start)));
    }
  }
}

int ump__split(struct ump__split *s, const struct ump_mem *mem, struct ump_bytes plain, size_t most) {
  struct splitter w = {.s = s, .most = most, .depth = 1};
  struct ump_reader in = ump_reader(plain);
  struct ump_plain v;
  *s = (struct ump__split){.maps.out = ump__out(mem), .removed.out = ump__out(mem)};
  ump_plain_get(&in, &v);
  walk(&w, &in, v.count);
  if (!w.err && (w.items || !s->maps.n)) {
    open_levels(&w);
    end_part(&w);
  }
  if (!w.err && w.removed) w.err = end_piece(&s->removed, w.removed);
  if (s->maps.out.failed || s->removed.out.failed) return UMP_ENOMEM;
  return w.err;
}

static void pieces_free(struct ump__pieces *p) {
  ump_free(p->out.mem, p->v, p->cap * sizeof *p->v);
  ump__out_free(&p->out);
}

void ump__split_free(struct ump__split *s) {
  pieces_free(&s->maps);
  pieces_free(&s->removed);
}

static struct ump_bytes piece(const struct ump__pieces *p, uint32_t i) {
  size_t start = i ? p->v[i - 1].end : 0;
  return ump_bytes(p->out.p + start, p->v[i].end - start);
}

/* The last of the removed goes with the first of the maps, so that a small patch is one part. */
static uint32_t before_maps(const struct ump__split *s) {
  return s->removed.n ? s->removed.n - 1 : 0;
}

uint32_t ump__split_count(const struct ump__split *s) {
  return before_maps(s) + s->maps.n;
}

struct ump__part_of_patch ump__split_part(const struct ump__split *s, uint32_t i) {
  struct ump__part_of_patch p = {0};
  if (i < s->removed.n) p.removed = piece(&s->removed, i), p.n_removed = s->removed.v[i].items;
  if (i < before_maps(s)) return p;
  i -= before_maps(s);
  p.map = piece(&s->maps, i), p.items = s->maps.v[i].items;
  return p;
}
