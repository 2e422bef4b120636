/* Plain data as a flat run of bytes. Counts are checked against the bytes that are left (every value takes at least
 * one), so that nobody reserves memory by a number that a damaged file contains. */
#include "base/plain.h"

static void put_raw(struct ump_writer *w, enum ump_plain_tag tag, const void *p, size_t n) {
  uint8_t b[9] = {(uint8_t)tag};
  memcpy(b + 1, p, n);
  ump_write_bytes(w, ump_bytes(b, 1 + n));
}

void ump_plain_put_tag(struct ump_writer *w, enum ump_plain_tag tag) {
  ump_write_u8(w, (uint8_t)tag);
}
void ump_plain_put_int(struct ump_writer *w, int64_t v) {
  put_raw(w, UMP_PLAIN_INT, &v, sizeof v);
}
void ump_plain_put_float(struct ump_writer *w, double v) {
  put_raw(w, UMP_PLAIN_FLOAT, &v, sizeof v);
}
void ump_plain_put_array(struct ump_writer *w, uint32_t count) {
  put_raw(w, UMP_PLAIN_ARRAY, &count, sizeof count);
}
void ump_plain_put_tuple(struct ump_writer *w, uint32_t count) {
  put_raw(w, UMP_PLAIN_TUPLE, &count, sizeof count);
}
void ump_plain_put_map(struct ump_writer *w, uint32_t count) {
  put_raw(w, UMP_PLAIN_MAP, &count, sizeof count);
}
void ump_plain_put_mixed(struct ump_writer *w, uint32_t count) {
  put_raw(w, UMP_PLAIN_MIXED, &count, sizeof count);
}

void ump_plain_put_string(struct ump_writer *w, struct ump_bytes s) {
  uint32_t n = (uint32_t)s.n;
  if (n != s.n) {
    w->full = true; /* over 4 GiB: no writer of ours is that large */
    return;
  }
  put_raw(w, UMP_PLAIN_STRING, &n, sizeof n);
  ump_write_bytes(w, s);
}

static void get_raw(struct ump_reader *r, void *out, size_t n) {
  struct ump_bytes b = ump_read_bytes(r, n);
  if (b.n == n) memcpy(out, b.p, n);
}

/* How many values follow a container directly. */
static uint64_t values_of(const struct ump_plain *v) {
  switch (v->tag) {
  case UMP_PLAIN_ARRAY:
  case UMP_PLAIN_TUPLE:
    return v->count;
  case UMP_PLAIN_MAP:
    return 2 * (uint64_t)v->count;
  case UMP_PLAIN_MIXED:
    return (uint64_t)v->count + 1; /* and its map */
  default:
    return 0;
  }
}

int ump_plain_get(struct ump_reader *r, struct ump_plain *out) {
  uint32_t n = 0;
  memset(out, 0, sizeof *out);
  uint8_t tag = ump_read_u8(r);
  if (tag > UMP_PLAIN_DELETE) r->bad = true;
  if (r->bad) return 0;
  out->tag = (enum ump_plain_tag)tag;
  if (tag == UMP_PLAIN_INT) get_raw(r, &out->i, sizeof out->i);
  if (tag == UMP_PLAIN_FLOAT) get_raw(r, &out->f, sizeof out->f);
  if (tag >= UMP_PLAIN_STRING && tag <= UMP_PLAIN_TUPLE) get_raw(r, &n, sizeof n);
  if (tag == UMP_PLAIN_STRING)
    out->s = ump_read_bytes(r, n);
  else
    out->count = n;
  if (values_of(out) > ump_reader_left(r)) r->bad = true;
  return !r->bad;
}

int ump_plain_skip(struct ump_reader *r) {
  struct ump_plain v;
  uint64_t left = 1; /* values still to step over; the bytes end before it can wrap */
  while (left > 0) {
    if (!ump_plain_get(r, &v)) return 0;
    left += values_of(&v);
    left--;
  }
  return 1;
}
