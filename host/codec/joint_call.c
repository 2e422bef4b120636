/* The parameters of a remote procedure: between the wire, where only the declaration says what the bytes are, and plain
 * data. Sizes of strings and counts are here not minus one: at most three bytes of seven bits, then one of eight. */
#include "codec/joint.h"

enum { SIZE_BYTES = 4, SIZE_MOST = (1 << 29) - 1 }; /* 3 * 7 + 8 bits */

/* ---- from the wire ---- */

struct reading {
  struct ump_reader in;
  struct ump_writer *out;
};

static uint32_t read_size(struct ump_reader *r) {
  uint32_t v = 0;
  for (unsigned i = 0; i < SIZE_BYTES; i++) {
    uint8_t b = ump_read_u8(r);
    bool last = i + 1 == SIZE_BYTES || b < 0x80;
    v |= (uint32_t)(last ? b : b & 0x7f) << 7 * i;
    if (!last) continue;
    if (i > 0 && b == 0) r->bad = true; /* not the shortest form: refused by the library too */
    break;
  }
  return r->bad ? 0 : v;
}

/* A count of what takes at least a byte each: never more than the bytes that are there. */
static uint32_t read_count(struct ump_reader *r) {
  uint32_t n = read_size(r);
  if (n > ump_reader_left(r)) r->bad = true;
  return r->bad ? 0 : n;
}

static double read_float(struct ump_reader *r) {
  uint32_t bits = ump_read_u32le(r);
  float f;
  memcpy(&f, &bits, sizeof f);
  return (double)f;
}

static double read_double(struct ump_reader *r) {
  uint64_t bits = ump_read_u64le(r);
  double f;
  memcpy(&f, &bits, sizeof f);
  return f;
}

static void read_text(struct reading *c, bool utf8) {
  struct ump_bytes s = ump_read_bytes(&c->in, read_size(&c->in));
  if (utf8 && !ump_utf8_valid(s)) c->in.bad = true;
  if (!c->in.bad) ump_plain_put_string(c->out, s);
}

static void read_value(struct reading *c, struct ump_bytes *types);

/* The types of the elements are read anew for each; behind the last one *types is moved on past them. */
static void read_elements(struct reading *c, struct ump_bytes *types, uint32_t count, unsigned types_each) {
  struct ump_bytes start = *types;
  for (uint32_t i = 0; i < count && !c->in.bad && !c->out->full; i++) {
    *types = start;
    for (unsigned k = 0; k < types_each; k++) read_value(c, types);
  }
  *types = start;
  for (unsigned k = 0; k < types_each; k++) {
    size_t n = ump_joint_type_length(*types);
    *types = ump_bytes(types->p + n, types->n - n);
  }
}

static void read_value(struct reading *c, struct ump_bytes *types) {
  enum ump_joint_type t = (enum ump_joint_type)types->p[0];
  uint32_t count;
  *types = ump_bytes(types->p + 1, types->n - 1);
  switch (t) {
  case UMP_JOINT_BOOL:
    ump_plain_put_tag(c->out, ump_read_u8(&c->in) ? UMP_PLAIN_TRUE : UMP_PLAIN_FALSE);
    break;
  case UMP_JOINT_BYTE:
    ump_plain_put_int(c->out, ump_read_u8(&c->in));
    break;
  case UMP_JOINT_UINT16:
    ump_plain_put_int(c->out, ump_read_u16le(&c->in));
    break;
  case UMP_JOINT_INT16:
    ump_plain_put_int(c->out, (int16_t)ump_read_u16le(&c->in));
    break;
  case UMP_JOINT_INT32:
    ump_plain_put_int(c->out, (int32_t)ump_read_u32le(&c->in));
    break;
  case UMP_JOINT_FLOAT:
    ump_plain_put_float(c->out, read_float(&c->in));
    break;
  case UMP_JOINT_DOUBLE:
    ump_plain_put_float(c->out, read_double(&c->in));
    break;
  case UMP_JOINT_STRING:
    read_text(c, true);
    break;
  case UMP_JOINT_BYTES:
    read_text(c, false);
    break;
  case UMP_JOINT_ARRAY:
    ump_plain_put_array(c->out, count = read_count(&c->in));
    read_elements(c, types, count, 1);
    break;
  case UMP_JOINT_MAP:
    ump_plain_put_map(c->out, count = read_count(&c->in));
    read_elements(c, types, count, 2);
    break;
  default:
    c->in.bad = true;
  }
}

static uint32_t count_types(struct ump_bytes types) {
  uint32_t n = 0;
  for (size_t len; (len = ump_joint_type_length(types)); n++) types = ump_bytes(types.p + len, types.n - len);
  return n;
}

int ump_joint_call_read(struct ump_bytes types, struct ump_bytes in, struct ump_writer *plain) {
  struct reading c = {ump_reader(in), plain};
  ump_plain_put_array(plain, count_types(types));
  while (types.n && !c.in.bad && !plain->full) read_value(&c, &types);
  if (c.in.bad) return UMP_EMALFORMED;
  if (plain->full) return UMP_ETOOBIG;
  return ump_reader_left(&c.in) ? UMP_EMALFORMED : 0;
}

/* ---- to the wire ---- */

struct writing {
  struct ump_reader in;
  struct ump_writer *out;
  const char *why;
};

static void lacks(struct writing *c, const char *why) {
  if (!c->why) c->why = why;
}

static void write_size(struct writing *c, size_t n) {
  if (n > SIZE_MOST) {
    lacks(c, "is too long for the wire");
    return;
  }
  for (unsigned i = 0; i + 1 < SIZE_BYTES && n > 0x7f; i++, n >>= 7) ump_write_u8(c->out, (uint8_t)(0x80 | (n & 0x7f)));
  ump_write_u8(c->out, (uint8_t)n);
}

static int64_t whole(struct writing *c, const struct ump_plain *v, int64_t min, int64_t max, const char *why) {
  int64_t i = v->i;
  bool ok = v->tag == UMP_PLAIN_INT;
  if (v->tag == UMP_PLAIN_FLOAT && v->f >= (double)min && v->f <= (double)max)
    i = (int64_t)v->f, ok = (double)i == v->f;
  if (ok && i >= min && i <= max) return i;
  lacks(c, why);
  return 0;
}

static double number(struct writing *c, const struct ump_plain *v) {
  if (v->tag == UMP_PLAIN_INT) return (double)v->i;
  if (v->tag != UMP_PLAIN_FLOAT) lacks(c, "must be a number");
  return v->f;
}

static void write_text(struct writing *c, const struct ump_plain *v, bool utf8) {
  if (v->tag != UMP_PLAIN_STRING)
    lacks(c, "must be a string");
  else if (utf8 && !ump_utf8_valid(v->s))
    lacks(c, "must be UTF-8 text; for other bytes declare it as Bytes");
  if (c->why) return;
  write_size(c, v->s.n);
  ump_write_bytes(c->out, v->s);
}

static void write_float(struct writing *c, double d) {
  float f = (float)d;
  uint32_t bits;
  memcpy(&bits, &f, sizeof bits);
  ump_write_u32le(c->out, bits);
}

static void write_double(struct writing *c, double d) {
  uint64_t bits;
  memcpy(&bits, &d, sizeof bits);
  ump_write_u64le(c->out, bits);
}

static void write_value(struct writing *c, struct ump_bytes *types);
static void write_one(struct writing *c, struct ump_bytes *types, const struct ump_plain *v);

static void skip_type(struct ump_bytes *types) {
  size_t n = ump_joint_type_length(*types);
  *types = ump_bytes(types->p + n, types->n - n);
}

static void write_list(struct writing *c, struct ump_bytes *types, const struct ump_plain *v) {
  struct ump_bytes element = *types;
  bool list = v->tag == UMP_PLAIN_ARRAY || v->tag == UMP_PLAIN_TUPLE;
  bool empty = v->tag == UMP_PLAIN_NIL || v->tag == UMP_PLAIN_NULL || (v->tag == UMP_PLAIN_MAP && !v->count);
  if (!list && !empty) lacks(c, "must be a list");
  write_size(c, list ? v->count : 0);
  for (uint32_t i = 0; list && i < v->count && !c->why && !c->out->full; i++) {
    *types = element;
    write_value(c, types);
  }
  *types = element;
  skip_type(types);
}

/* The values of a table's list part, as a map: with the keys 1, 2, 3. */
static void write_numbered(struct writing *c, struct ump_bytes pair, uint32_t count) {
  for (uint32_t i = 1; i <= count && !c->why && !c->out->full; i++) {
    struct ump_bytes types = pair;
    write_one(c, &types, &(struct ump_plain){.tag = UMP_PLAIN_INT, .i = i});
    write_value(c, &types);
  }
}

static void write_pairs(struct writing *c, struct ump_bytes pair, uint32_t count) {
  for (uint32_t i = 0; i < count && !c->why && !c->out->full; i++) {
    struct ump_bytes types = pair;
    write_value(c, &types);
    write_value(c, &types);
  }
}

/* How many pairs a mixed table's map holds: it comes behind the list part. */
static uint32_t mixed_pairs(struct ump_reader r, uint32_t list) {
  struct ump_plain map;
  for (uint32_t i = 0; i < list; i++)
    if (!ump_plain_skip(&r)) return 0;
  return ump_plain_get(&r, &map) ? map.count : 0;
}

static void write_map(struct writing *c, struct ump_bytes *types, const struct ump_plain *v) {
  struct ump_bytes pair = *types;
  struct ump_plain map = *v;
  skip_type(types), skip_type(types);
  switch (v->tag) {
  case UMP_PLAIN_NIL:
  case UMP_PLAIN_NULL:
    write_size(c, 0);
    return;
  case UMP_PLAIN_MAP:
    write_size(c, v->count);
    write_pairs(c, pair, v->count);
    return;
  case UMP_PLAIN_ARRAY:
  case UMP_PLAIN_TUPLE:
    write_size(c, v->count);
    write_numbered(c, pair, v->count);
    return;
  case UMP_PLAIN_MIXED:
    write_size(c, (size_t)v->count + mixed_pairs(c->in, v->count));
    write_numbered(c, pair, v->count);
    if (!c->why && !c->out->full && ump_plain_get(&c->in, &map)) write_pairs(c, pair, map.count);
    return;
  default:
    lacks(c, "must be a table");
  }
}

static void write_one(struct writing *c, struct ump_bytes *types, const struct ump_plain *v) {
  enum ump_joint_type t = (enum ump_joint_type)types->p[0];
  *types = ump_bytes(types->p + 1, types->n - 1);
  switch (t) {
  case UMP_JOINT_BOOL:
    if (v->tag != UMP_PLAIN_TRUE && v->tag != UMP_PLAIN_FALSE) lacks(c, "must be true or false");
    ump_write_u8(c->out, v->tag == UMP_PLAIN_TRUE);
    break;
  case UMP_JOINT_BYTE:
    ump_write_u8(c->out, (uint8_t)whole(c, v, 0, 255, "must be a whole number from 0 to 255"));
    break;
  case UMP_JOINT_UINT16:
    ump_write_u16le(c->out, (uint16_t)whole(c, v, 0, 65535, "must be a whole number from 0 to 65535"));
    break;
  case UMP_JOINT_INT16:
    ump_write_u16le(c->out, (uint16_t)whole(c, v, -32768, 32767, "must be a whole number from -32768 to 32767"));
    break;
  case UMP_JOINT_INT32:
    ump_write_u32le(c->out, (uint32_t)whole(c, v, INT32_MIN, INT32_MAX, "must be a whole number of 32 bits"));
    break;
  case UMP_JOINT_FLOAT:
    write_float(c, number(c, v));
    break;
  case UMP_JOINT_DOUBLE:
    write_double(c, number(c, v));
    break;
  case UMP_JOINT_STRING:
    write_text(c, v, true);
    break;
  case UMP_JOINT_BYTES:
    write_text(c, v, false);
    break;
  case UMP_JOINT_ARRAY:
    write_list(c, types, v);
    break;
  case UMP_JOINT_MAP:
    write_map(c, types, v);
    break;
  default:
    lacks(c, "is of no type that the wire knows");
  }
}

static void write_value(struct writing *c, struct ump_bytes *types) {
  struct ump_plain v;
  if (!ump_plain_get(&c->in, &v))
    lacks(c, "is missing");
  else
    write_one(c, types, &v);
}

static bool is_table(const struct ump_plain *v) {
  return v->tag >= UMP_PLAIN_ARRAY;
}

/* Is data the list of arguments? Then it has been stepped into. A bare value stands for the only one. */
static bool enter_list(struct writing *c, uint32_t wanted, bool *bare) {
  struct ump_reader start = c->in;
  struct ump_plain v = {.tag = UMP_PLAIN_NIL};
  *bare = false;
  if (ump_reader_left(&c->in) && !ump_plain_get(&c->in, &v)) return false;
  if (v.tag == UMP_PLAIN_ARRAY || v.tag == UMP_PLAIN_TUPLE) return v.count == wanted;
  if (wanted == 0) return v.tag == UMP_PLAIN_NIL || (v.tag == UMP_PLAIN_MAP && v.count == 0);
  c->in = start;
  return *bare = wanted == 1 && (!is_table(&v) || v.tag == UMP_PLAIN_MAP) && v.tag != UMP_PLAIN_NIL;
}

int ump_joint_call_write(struct ump_bytes types, struct ump_bytes data, struct ump_writer *out,
                         struct ump_joint_fault *fault) {
  struct writing c = {ump_reader(data), out, NULL};
  bool bare;
  *fault = (struct ump_joint_fault){0, "a list of as many values as the procedure has parameters is needed"};
  if (!enter_list(&c, count_types(types), &bare)) return UMP_EMALFORMED;
  for (unsigned i = 1; types.n && !out->full; i++) {
    *fault = (struct ump_joint_fault){.parameter = i};
    write_value(&c, &types);
    fault->why = c.why;
    if (c.why) return UMP_EMALFORMED;
  }
  return out->full ? UMP_ETOOBIG : 0;
}
