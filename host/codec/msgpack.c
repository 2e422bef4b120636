/* MessagePack to plain data. The formats are those of the MessagePack specification (msgpack.org); what is refused and
 * why is in wire/pygase sections 4 and 8. */
#include "codec/msgpack.h"

#include <math.h>

/* ---- one token ---- */

static int fail(struct ump_msgpack_reader *m) {
  m->r.bad = true;
  return 0;
}

static int integer(struct ump_msgpack_reader *m, struct ump_plain *out, int64_t v) {
  out->tag = UMP_PLAIN_INT, out->i = v;
  return !m->r.bad;
}

static int unsigned_64(struct ump_msgpack_reader *m, struct ump_plain *out) {
  uint64_t v = ump_read_u64be(&m->r);
  if (v <= INT64_MAX) return integer(m, out, (int64_t)v);
  out->tag = UMP_PLAIN_FLOAT, out->f = (double)v;
  return !m->r.bad;
}

static int floating(struct ump_msgpack_reader *m, struct ump_plain *out, double v) {
  out->tag = UMP_PLAIN_FLOAT, out->f = v;
  return m->r.bad || !isfinite(v) ? fail(m) : 1;
}

static int single(struct ump_msgpack_reader *m, struct ump_plain *out) {
  uint32_t bits = ump_read_u32be(&m->r);
  float v;
  memcpy(&v, &bits, sizeof v);
  return floating(m, out, (double)v);
}

static int twofold(struct ump_msgpack_reader *m, struct ump_plain *out) {
  uint64_t bits = ump_read_u64be(&m->r);
  double v;
  memcpy(&v, &bits, sizeof v);
  return floating(m, out, v);
}

static int string(struct ump_msgpack_reader *m, struct ump_plain *out, size_t n, bool text) {
  out->tag = UMP_PLAIN_STRING, out->s = ump_read_bytes(&m->r, n);
  if (m->r.bad) return 0;
  return text && !ump_utf8_valid(out->s) ? fail(m) : 1;
}

/* Every value takes at least one byte, so a count that lies is seen here. */
static int container(struct ump_msgpack_reader *m, struct ump_plain *out, enum ump_plain_tag tag, uint32_t count) {
  uint64_t values = tag == UMP_PLAIN_MAP ? 2 * (uint64_t)count : count;
  out->tag = tag, out->count = count;
  return m->r.bad || values > ump_reader_left(&m->r) ? fail(m) : 1;
}

int ump_msgpack_get(struct ump_msgpack_reader *m, struct ump_plain *out, bool *text) {
  if (!m->left--) return m->left = 0, fail(m);
  uint8_t b = ump_read_u8(&m->r);
  out->count = 0;
  *text = false;
  if (m->r.bad) return 0;
  if (b < 0x80) return integer(m, out, b);
  if (b < 0x90) return container(m, out, UMP_PLAIN_MAP, b & 0x0f);
  if (b < 0xa0) return container(m, out, UMP_PLAIN_ARRAY, b & 0x0f);
  if (b < 0xc0) return *text = true, string(m, out, b & 0x1f, true);
  if (b >= 0xe0) return integer(m, out, (int8_t)b);
  *text = b >= 0xd9 && b <= 0xdb;
  // clang-format off
  switch (b) {
  case 0xc0: return out->tag = UMP_PLAIN_NULL, 1;
  case 0xc2: return out->tag = UMP_PLAIN_FALSE, 1;
  case 0xc3: return out->tag = UMP_PLAIN_TRUE, 1;
  case 0xc4: return string(m, out, ump_read_u8(&m->r), false);
  case 0xc5: return string(m, out, ump_read_u16be(&m->r), false);
  case 0xc6: return string(m, out, ump_read_u32be(&m->r), false);
  case 0xca: return single(m, out);
  case 0xcb: return twofold(m, out);
  case 0xcc: return integer(m, out, ump_read_u8(&m->r));
  case 0xcd: return integer(m, out, ump_read_u16be(&m->r));
  case 0xce: return integer(m, out, ump_read_u32be(&m->r));
  case 0xcf: return unsigned_64(m, out);
  case 0xd0: return integer(m, out, (int8_t)ump_read_u8(&m->r));
  case 0xd1: return integer(m, out, (int16_t)ump_read_u16be(&m->r));
  case 0xd2: return integer(m, out, (int32_t)ump_read_u32be(&m->r));
  case 0xd3: return integer(m, out, (int64_t)ump_read_u64be(&m->r));
  case 0xd9: return string(m, out, ump_read_u8(&m->r), true);
  case 0xda: return string(m, out, ump_read_u16be(&m->r), true);
  case 0xdb: return string(m, out, ump_read_u32be(&m->r), true);
  case 0xdc: return container(m, out, UMP_PLAIN_ARRAY, ump_read_u16be(&m->r));
  case 0xdd: return container(m, out, UMP_PLAIN_ARRAY, ump_read_u32be(&m->r));
  case 0xde: return container(m, out, UMP_PLAIN_MAP, ump_read_u16be(&m->r));
  case 0xdf: return container(m, out, UMP_PLAIN_MAP, ump_read_u32be(&m->r));
  default: return fail(m); /* c1, which nobody writes, and the ext types */
  }
  // clang-format on
}

/* ---- keys that are there twice ---- */

#define PAIRS 16 /* so few keys are compared each with each */
#define KEYS  (UMP_MSGPACK_VALUES / 2)

static int compare(struct ump_bytes a, struct ump_bytes b) {
  int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
  return c ? c : (a.n > b.n) - (a.n < b.n);
}

/* The key at an offset, as plain data writes it: those bytes are alike exactly if the keys are. */
static struct ump_bytes key_at(struct ump_bytes map, uint16_t at) {
  struct ump_reader r = ump_reader(ump_bytes(map.p + at, map.n - at));
  ump_plain_skip(&r);
  return ump_bytes(map.p + at, (size_t)(r.p - (map.p + at)));
}

static void sift(struct ump_bytes map, uint16_t *v, size_t at, size_t n) {
  for (size_t child; (child = 2 * at + 1) < n; at = child) {
    if (child + 1 < n && compare(key_at(map, v[child]), key_at(map, v[child + 1])) < 0) child++;
    if (compare(key_at(map, v[at]), key_at(map, v[child])) >= 0) return;
    uint16_t t = v[at];
    v[at] = v[child], v[child] = t;
  }
}

/* Heapsort: whoever chooses the keys cannot make it slow, and it needs no memory. */
static void sort(struct ump_bytes map, uint16_t *v, size_t n) {
  for (size_t i = n / 2; i-- > 0;) sift(map, v, i, n);
  for (size_t i = n; i-- > 1;) {
    uint16_t t = v[0];
    v[0] = v[i], v[i] = t;
    sift(map, v, 0, i);
  }
}

static bool twice(struct ump_bytes map, const uint16_t *v, size_t n, size_t reach) {
  for (size_t i = 1; i < n; i++)
    for (size_t k = i > reach ? i - reach : 0; k < i; k++)
      if (ump_bytes_equal(key_at(map, v[i]), key_at(map, v[k]))) return true;
  return false;
}

static bool keys_differ(struct ump_bytes map, uint32_t n) {
  uint16_t v[KEYS];
  struct ump_reader r = ump_reader(map);
  if (n > KEYS || map.n > UINT16_MAX) return false; /* more than a message may hold */
  for (uint32_t i = 0; i < n; i++) {
    v[i] = (uint16_t)(r.p - map.p);
    if (!ump_plain_skip(&r) || !ump_plain_skip(&r)) return false;
  }
  if (n <= PAIRS) return !twice(map, v, n, n);
  sort(map, v, n);
  return !twice(map, v, n, 1);
}

/* ---- whole values ---- */

static int put(struct ump_msgpack_reader *m, struct ump_writer *out, const struct ump_plain *v) {
  switch (v->tag) {
  case UMP_PLAIN_INT:
    ump_plain_put_int(out, v->i);
    break;
  case UMP_PLAIN_FLOAT:
    ump_plain_put_float(out, v->f);
    break;
  case UMP_PLAIN_STRING:
    ump_plain_put_string(out, v->s);
    break;
  default:
    ump_plain_put_tag(out, v->tag);
    break;
  }
  return out->full ? fail(m) : 1;
}

static int contents(struct ump_msgpack_reader *m, struct ump_writer *out, const struct ump_plain *v) {
  if (!m->depth) return fail(m);
  m->depth--;
  if (v->tag == UMP_PLAIN_ARRAY) {
    ump_plain_put_array(out, v->count);
    if (!ump_msgpack_values(m, out, v->count)) return 0;
  } else {
    ump_plain_put_map(out, v->count);
    if (!ump_msgpack_pairs(m, out, v->count, false)) return 0;
  }
  m->depth++;
  return out->full ? fail(m) : 1;
}

int ump_msgpack_value(struct ump_msgpack_reader *m, struct ump_writer *out) {
  struct ump_plain v;
  bool text;
  if (!ump_msgpack_get(m, &v, &text)) return 0;
  return v.tag == UMP_PLAIN_ARRAY || v.tag == UMP_PLAIN_MAP ? contents(m, out, &v) : put(m, out, &v);
}

int ump_msgpack_values(struct ump_msgpack_reader *m, struct ump_writer *out, uint32_t n) {
  while (n--)
    if (!ump_msgpack_value(m, out)) return 0;
  return 1;
}

int ump_msgpack_pairs(struct ump_msgpack_reader *m, struct ump_writer *out, uint32_t n, bool text_keys) {
  size_t start = out->n;
  for (uint32_t i = 0; i < n; i++) {
    struct ump_plain key;
    bool text;
    if (!ump_msgpack_get(m, &key, &text)) return 0;
    if (text_keys ? !text : key.tag != UMP_PLAIN_STRING && key.tag != UMP_PLAIN_INT) return fail(m);
    if (!put(m, out, &key) || !ump_msgpack_value(m, out)) return 0;
  }
  return n < 2 || keys_differ(ump_bytes(out->p + start, out->n - start), n) ? 1 : fail(m);
}
