/* Plain data to MessagePack, by msgpack-c's packer: its template, made to write into a writer of ours, so that there is
 * no call through a pointer for each value. msgpack/pack.h would bring objects and zones along, and with them stdio. */
#include <float.h>
#include <math.h>

#include "codec/msgpack.h"
#include "base/err.h"

#include <msgpack/pack_define.h>

typedef struct msgpack_timestamp { /* the template names it; nobody here does (wire/pygase section 4: no timestamps) */
  int64_t tv_sec;
  uint32_t tv_nsec;
} msgpack_timestamp;

#define msgpack_pack_inline_func(name)             static inline int msgpack_pack##name
#define msgpack_pack_inline_func_cint(name)        static inline int msgpack_pack##name
#define msgpack_pack_inline_func_fixint(name)      static inline int msgpack_pack_fix##name
#define msgpack_pack_user                          struct ump_writer *
#define msgpack_pack_append_buffer(user, buf, len) return ump_write_bytes(user, ump_bytes(buf, len)), 0
#include <msgpack/pack_template.h>

void ump_msgpack_put_nil(struct ump_writer *w) {
  msgpack_pack_nil(w);
}
void ump_msgpack_put_int(struct ump_writer *w, int64_t v) {
  msgpack_pack_int64(w, v);
}
void ump_msgpack_put_array(struct ump_writer *w, uint32_t count) {
  msgpack_pack_array(w, count);
}
void ump_msgpack_put_map(struct ump_writer *w, uint32_t count) {
  msgpack_pack_map(w, count);
}

void ump_msgpack_put_bool(struct ump_writer *w, bool v) {
  if (v)
    msgpack_pack_true(w);
  else
    msgpack_pack_false(w);
}

void ump_msgpack_put_float(struct ump_writer *w, double v) {
  if (isfinite(v) && fabs(v) > (double)FLT_MAX)
    msgpack_pack_double(w, v);
  else
    msgpack_pack_float(w, (float)v);
}

void ump_msgpack_put_bin(struct ump_writer *w, struct ump_bytes s) {
  msgpack_pack_bin(w, s.n);
  msgpack_pack_bin_body(w, s.p, s.n);
}

void ump_msgpack_put_string(struct ump_writer *w, struct ump_bytes s) {
  if (!ump_utf8_valid(s)) {
    ump_msgpack_put_bin(w, s);
    return;
  }
  msgpack_pack_str(w, s.n);
  msgpack_pack_str_body(w, s.p, s.n);
}

struct walk {
  struct ump_writer *w;
  struct ump_reader *r;
  struct ump_bytes marker;
};

static bool value(struct walk *k, unsigned depth);

static bool values(struct walk *k, uint64_t n, unsigned depth) {
  while (n--)
    if (!value(k, depth)) return false;
  return true;
}

/* Its head says how many there are, so the map behind the array part is looked at first. */
static bool mixed(struct walk *k, uint32_t n, unsigned depth) {
  struct ump_reader ahead = *k->r;
  struct ump_plain map;
  for (uint32_t i = 0; i < n; i++)
    if (!ump_plain_skip(&ahead)) return false;
  if (!ump_plain_get(&ahead, &map) || map.tag != UMP_PLAIN_MAP) return false;
  ump_msgpack_put_map(k->w, n + map.count);
  for (uint32_t i = 1; i <= n; i++) {
    ump_msgpack_put_int(k->w, i);
    if (!value(k, depth)) return false;
  }
  return ump_plain_get(k->r, &map) && values(k, 2 * (uint64_t)map.count, depth);
}

static bool value(struct walk *k, unsigned depth) {
  struct ump_plain v;
  if (!depth || k->w->full || !ump_plain_get(k->r, &v)) return false;
  switch (v.tag) {
  case UMP_PLAIN_NIL:
  case UMP_PLAIN_NULL:
    return ump_msgpack_put_nil(k->w), true;
  case UMP_PLAIN_FALSE:
  case UMP_PLAIN_TRUE:
    return ump_msgpack_put_bool(k->w, v.tag == UMP_PLAIN_TRUE), true;
  case UMP_PLAIN_INT:
    return ump_msgpack_put_int(k->w, v.i), true;
  case UMP_PLAIN_FLOAT:
    return ump_msgpack_put_float(k->w, v.f), true;
  case UMP_PLAIN_STRING:
    if (k->marker.n && ump_bytes_equal(v.s, k->marker))
      ump_msgpack_put_nil(k->w); /* it would be read as one */
    else
      ump_msgpack_put_string(k->w, v.s);
    return true;
  case UMP_PLAIN_ARRAY:
  case UMP_PLAIN_TUPLE:
    return ump_msgpack_put_array(k->w, v.count), values(k, v.count, depth - 1);
  case UMP_PLAIN_MAP:
    return ump_msgpack_put_map(k->w, v.count), values(k, 2 * (uint64_t)v.count, depth - 1);
  case UMP_PLAIN_MIXED:
    return mixed(k, v.count, depth - 1);
  case UMP_PLAIN_DELETE:
    return ump_msgpack_put_bin(k->w, k->marker), true;
  }
  return false;
}

int ump_msgpack_put_plain(struct ump_writer *w, struct ump_reader *plain, struct ump_bytes marker) {
  struct walk k = {w, plain, marker};
  if (!value(&k, UMP_MSGPACK_WRITE_DEPTH)) return w->full ? UMP_ETOOBIG : UMP_EMALFORMED;
  return w->full ? UMP_ETOOBIG : 0;
}
