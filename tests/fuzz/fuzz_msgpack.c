/* MessagePack from strangers. What is read, written and read again is the same (floats become single at the first
 * writing); nothing is read or written beyond its slice, and what is written stays within the growth that is promised.
 */
#include <stdio.h>
#include <stdlib.h>

#include "codec/msgpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must_at(bool so, const char *what, int line) {
  if (so) return;
  fprintf(stderr, "fuzz_msgpack.c:%d: not so: %s\n", line, what);
  abort();
}
#define must(so) must_at((so), #so, __LINE__)

/* Copies of exactly their size, so that the sanitizer sees a step beyond. */
static struct ump_bytes copy_of(struct ump_bytes b) {
  uint8_t *p = malloc(b.n ? b.n : 1);
  must(p != NULL);
  if (b.n) memcpy(p, b.p, b.n);
  return ump_bytes(p, b.n);
}

static bool read_into(struct ump_bytes in, struct ump_writer *out) {
  struct ump_bytes copy = copy_of(in);
  struct ump_msgpack_reader m = ump_msgpack_reader(copy);
  bool ok = ump_msgpack_value(&m, out) && !ump_reader_left(&m.r);
  must(m.left <= UMP_MSGPACK_VALUES && m.depth <= UMP_MSGPACK_DEPTH);
  free((void *)(uintptr_t)copy.p);
  return ok;
}

static size_t write_into(struct ump_bytes plain, struct ump_writer *out) {
  struct ump_bytes copy = copy_of(plain);
  struct ump_reader r = ump_reader(copy);
  must(ump_msgpack_put_plain(out, &r, ump_bytes("\xd2\x81\xe5\xba", 4)) == 0);
  must(!ump_reader_left(&r));
  free((void *)(uintptr_t)copy.p);
  return out->n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  enum { MOST = 4096, ROOM = UMP_MSGPACK_GROWTH * MOST };
  static uint8_t a[ROOM], b[ROOM], c[ROOM], d[ROOM];
  if (n > MOST) return 0;
  struct ump_writer first = ump_writer(a, sizeof a), again = ump_writer(c, sizeof c);
  struct ump_writer packed = ump_writer(b, sizeof b), repacked = ump_writer(d, sizeof d);
  if (!read_into(ump_bytes(data, n), &first)) return 0;
  must(first.n <= UMP_MSGPACK_GROWTH * n);
  write_into(ump_written(&first), &packed);
  if (packed.n > MOST ||
      !read_into(ump_written(&packed), &again)) { /* a double that single precision makes infinite stays double */
    must(packed.n > MOST);
    return 0;
  }
  write_into(ump_written(&again), &repacked);
  must(ump_bytes_equal(ump_written(&packed), ump_written(&repacked)));
  return 0;
}
