/* Types, calls and sizes of the joint protocol: whatever declaration and bytes come, reading writes no more than it
 * says, and what was read is written back as it came. The first byte is the length of the declaration's text. */
#include <stdlib.h>
#include <string.h>

#include "codec/joint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool so) {
  if (!so) abort();
}

static void sizes(struct ump_bytes in) {
  size_t value, len = ump_joint_size_get(in, &value);
  uint8_t out[UMP_JOINT_CHUNK_HEAD];
  bool padded;
  if (len) must(value <= UMP_JOINT_SIZE_MAX && ump_joint_size_put(out, value) <= 2);
  for (unsigned m = 1; m <= 5; m++) {
    len = ump_joint_chunk_get(in, m, &value, &padded);
    if (!len || padded) continue;
    must(len <= m && value >= 1 && ump_joint_chunk_put(out, value, m) == len && memcmp(out, in.p, len) == 0);
  }
}

/* Bytes that are no 0 or 1 are true as well, and come back as 1; a float may be a NaN of another kind. Read twice,
 * then. */
static void calls(struct ump_bytes types, struct ump_bytes in) {
  size_t cap = in.n * UMP_JOINT_PLAIN_FACTOR + UMP_JOINT_PLAIN_EXTRA;
  uint8_t *plain = malloc(cap), *wire = malloc(in.n + 1), *again = malloc(cap);
  struct ump_writer p = ump_writer(plain, cap), w = ump_writer(wire, in.n + 1), q = ump_writer(again, cap);
  struct ump_joint_fault fault;
  int err = ump_joint_call_read(types, in, &p);
  must(err == 0 || err == UMP_EMALFORMED);
  if (err == 0) {
    struct ump_reader r = ump_reader(ump_written(&p));
    must(ump_plain_skip(&r) && ump_reader_left(&r) == 0);
    must(ump_joint_call_write(types, ump_written(&p), &w, &fault) == 0 && w.n == in.n);
    must(ump_joint_call_read(types, ump_written(&w), &q) == 0 && q.n == p.n);
  }
  /* and the other way: any bytes that are plain data, into any types */
  struct ump_writer x = ump_writer(wire, in.n + 1);
  ump_joint_call_write(types, in, &x, &fault);
  free(plain), free(wire), free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  uint8_t types[4 * UMP_JOINT_TYPE_MAX];
  struct ump_writer t = ump_writer(types, sizeof types);
  const char *why;
  if (n == 0) return 0;
  struct ump_bytes all = ump_bytes(data + 1, n - 1), text = ump_bytes(all.p, data[0] < all.n ? data[0] : all.n);
  struct ump_bytes in = ump_bytes(all.p + text.n, all.n - text.n);
  while (text.n) { /* types, each ended by a ; */
    size_t len = 0;
    while (len < text.n && text.p[len] != ';') len++;
    if (ump_joint_type_parse(ump_bytes(text.p, len), &t, &why) != 0) must(why != NULL);
    len += len < text.n;
    text = ump_bytes(text.p + len, text.n - len);
  }
  sizes(in);
  calls(ump_written(&t), in);
  return 0;
}
