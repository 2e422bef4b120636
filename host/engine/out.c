#include "engine/out.h"

enum { LEAST = 256, HEAD = 16 /* more than a tag and its number take */ };

void ump__out_free(struct ump__out *o) {
  ump_free(o->mem, o->p, o->cap);
  *o = ump__out(o->mem);
}

static bool room(struct ump__out *o, size_t n) {
  if (o->failed) return false;
  if (o->cap - o->n >= n) return true;
  size_t cap = o->cap ? o->cap : LEAST;
  while (cap - o->n < n) {
    if (cap > SIZE_MAX / 2) return o->failed = true, false;
    cap *= 2;
  }
  void *p = ump_realloc(o->mem, o->p, o->cap, cap);
  if (!p) return o->failed = true, false;
  o->p = p, o->cap = cap;
  return true;
}

static struct ump_writer end(struct ump__out *o) {
  return ump_writer(o->p + o->n, o->cap - o->n);
}

void ump__out_put(struct ump__out *o, struct ump_bytes plain) {
  if (!plain.n || !room(o, plain.n)) return;
  memcpy(o->p + o->n, plain.p, plain.n);
  o->n += plain.n;
}

void ump__out_tag(struct ump__out *o, enum ump_plain_tag tag) {
  uint8_t byte = (uint8_t)tag;
  ump__out_put(o, ump_bytes(&byte, 1));
}

void ump__out_int(struct ump__out *o, int64_t v) {
  if (!room(o, HEAD)) return;
  struct ump_writer w = end(o);
  ump_plain_put_int(&w, v);
  o->n += w.n;
}

void ump__out_string(struct ump__out *o, struct ump_bytes s) {
  if (!room(o, HEAD + s.n)) return;
  struct ump_writer w = end(o);
  ump_plain_put_string(&w, s);
  o->n += w.n;
}

void ump__out_map(struct ump__out *o, uint32_t count) {
  if (!room(o, HEAD)) return;
  struct ump_writer w = end(o);
  ump_plain_put_map(&w, count);
  o->n += w.n;
}

void ump__out_array(struct ump__out *o, uint32_t count) {
  if (!room(o, HEAD)) return;
  struct ump_writer w = end(o);
  ump_plain_put_array(&w, count);
  o->n += w.n;
}

void ump__out_recount(struct ump__out *o, size_t at, uint32_t count) {
  if (!o->failed) memcpy(o->p + at + 1, &count, sizeof count); /* base/plain.h: a tag, then four bytes */
}
