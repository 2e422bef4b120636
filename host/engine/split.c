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
  size_t most, start;
  uint32_t items;
  struct level level[UMP_STATE_DEPTH + 2];
  unsigned depth; /* levels in use */
  int err;
};

static void open_levels(struct splitter *w) {
  struct ump__out *o = &w->s->maps;
  for (unsigned i = 0; i < w->depth; i++) {
    struct level *l = &w->level[i];
    if (l->open) continue;
    if (i) w->level[i - 1].count++;
    ump__out_put(o, l->key);
    *l = (struct level){.key = l->key, .at = o->n, .open = true};
    ump__out_map(o, 0);
  }
}

static bool more_parts(struct splitter *w) {
  struct ump__split *s = w->s;
  if (s->n < s->cap) return true;
  if (s->cap >= UMP__SPLIT_PARTS) return w->err = UMP_EFULL, false;
  uint32_t cap = s->cap ? 2 * s->cap : 8;
  const struct ump_mem *m = s->maps.mem;
  size_t *ends = ump_realloc(m, s->ends, s->cap * sizeof *ends, cap * sizeof *ends);
  if (!ends) return w->err = UMP_ENOMEM, false;
  s->ends = ends;
  uint32_t *items = ump_alloc(m, cap * sizeof *items);
  if (!items) { /* the ends must be given back with the size that they have */
    ump_free(m, ends, cap * sizeof *ends);
    s->ends = NULL, s->n = 0;
    ump_free(m, s->items, s->cap * sizeof *items);
    s->items = NULL, s->cap = 0;
    return w->err = UMP_ENOMEM, false;
  }
  if (s->n) memcpy(items, s->items, s->n * sizeof *items);
  ump_free(m, s->items, s->cap * sizeof *items);
  s->items = items, s->cap = cap;
  return true;
}

static void end_part(struct splitter *w) {
  struct ump__split *s = w->s;
  if (w->err || !more_parts(w)) return;
  for (unsigned i = w->depth; i-- > 0;) {
    if (w->level[i].open) ump__out_recount(&s->maps, w->level[i].at, w->level[i].count);
    w->level[i].open = false;
  }
  s->ends[s->n] = w->start = s->maps.n;
  s->items[s->n++] = w->items;
  w->items = 0;
}

static void put_value(struct splitter *w, struct ump_bytes pair) {
  open_levels(w);
  ump__out_put(&w->s->maps, pair);
  w->level[w->depth - 1].count++;
  w->items++;
  if (w->s->maps.n - w->start >= w->most) end_part(w);
}

static void put_removed(struct splitter *w, struct ump_bytes key) {
  struct ump__out *o = &w->s->removed;
  ump__out_array(o, w->depth);
  for (unsigned i = 1; i < w->depth; i++) ump__out_put(o, w->level[i].key);
  ump__out_put(o, key);
  w->s->n_removed++;
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
      if (done->open) ump__out_recount(&w->s->maps, done->at, done->count);
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
  *s = (struct ump__split){.maps = ump__out(mem), .removed = ump__out(mem)};
  ump_plain_get(&in, &v);
  walk(&w, &in, v.count);
  if (!w.err && (w.items || !s->n)) {
    open_levels(&w);
    end_part(&w);
  }
  if (s->maps.failed || s->removed.failed) return UMP_ENOMEM;
  return w.err;
}

void ump__split_free(struct ump__split *s) {
  const struct ump_mem *mem = s->maps.mem;
  ump_free(mem, s->ends, s->cap * sizeof *s->ends);
  ump_free(mem, s->items, s->cap * sizeof *s->items);
  ump__out_free(&s->maps);
  ump__out_free(&s->removed);
}

struct ump_bytes ump__split_part(const struct ump__split *s, uint32_t i) {
  size_t start = i ? s->ends[i - 1] : 0;
  return ump_bytes(s->maps.p + start, s->ends[i] - start);
}
