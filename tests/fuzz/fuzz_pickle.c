/* Pickles: whatever comes is decoded to plain data within the limits of the wire page or refused, with memory that
 * follows the bytes and not the numbers in them; and what was decoded is encoded to a pickle that means the same. The
 * input is copied to its exact size, so that not a byte beside it is touched. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/plain.h"
#include "codec/pickle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct account {
  size_t bytes, peak;
};

static void must_at(int so, const char *what, int line) {
  if (so) return;
  fprintf(stderr, "fuzz_pickle.c:%d: does not hold: %s\n", line, what);
  abort();
}
#define must(condition) must_at(condition, #condition, __LINE__)

static void *resize(void *ctx, void *p, size_t old, size_t n) {
  struct account *a = ctx;
  a->bytes += n - (p ? old : 0);
  if (a->bytes > a->peak) a->peak = a->bytes;
  if (n) return realloc(p, n);
  free(p);
  return NULL;
}

/* Walks one value: how many there are in it. */
static size_t walk(struct ump_reader *r, unsigned depth, int root) {
  struct ump_plain v;
  must(ump_plain_get(r, &v) && depth <= 33);
  must(v.tag != UMP_PLAIN_MIXED && (v.tag != UMP_PLAIN_NIL || root));
  size_t n = 1;
  for (uint32_t i = 0; i < v.count; i++) {
    if (v.tag == UMP_PLAIN_MAP) {
      struct ump_reader key = *r;
      struct ump_plain k;
      must(ump_plain_get(&key, &k) && k.tag < UMP_PLAIN_ARRAY && (k.tag != UMP_PLAIN_FLOAT || k.f == k.f));
      n += walk(r, depth + 1, 0);
    }
    n += walk(r, depth + 1, 0);
  }
  return n;
}

static void check_round_trip(const struct ump_mem *mem, const struct ump_blob *plain, size_t values) {
  size_t cap = plain->n * 8 + 64;
  uint8_t *pickle = malloc(cap);
  struct ump_writer w = ump_writer(pickle, cap);
  struct ump_blob *again = NULL;
  struct ump_pickle_error error = {0};
  must(ump_pickle_encode(ump_bytes(plain->p, plain->n), &w) == 0);
  int err = ump_pickle_decode(mem, ump_written(&w), &again, &error);
  if (err)
    must(values > 7000 && strcmp(error.why, "too many values") == 0); /* bytes take five values each on the way */
  else
    must(again->n == plain->n && memcmp(again->p, plain->p, again->n) == 0);
  ump_blob_unref(again);
  free(pickle);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  struct account a = {0};
  struct ump_mem mem = {resize, &a};
  struct ump_pickle_error error = {0}, error2 = {0};
  struct ump_blob *out = NULL, *message = NULL;
  uint8_t *in = malloc(n + !n);
  if (n) memcpy(in, data, n);
  int err = ump_pickle_decode(&mem, ump_bytes(in, n), &out, &error);
  must(a.peak <= ((size_t)14 << 20) + 300 * n);
  must(err == 0 ? out != NULL : err == UMP_EMALFORMED && !out && error.why && error.offset <= n);
  int as_message = ump_pickle_decode_message(&mem, ump_bytes(in, n), &message, &error2);
  must(as_message == 0 ? err == 0 && ump_bytes_equal(ump_bytes(out->p, out->n), ump_bytes(message->p, message->n))
                       : as_message == UMP_EMALFORMED && error2.why);
  if (!err) {
    struct ump_reader r = ump_reader(ump_bytes(out->p, out->n));
    size_t values = walk(&r, 1, 1);
    must(ump_reader_left(&r) == 0 && values <= 10000);
    check_round_trip(&mem, out, values);
  }
  ump_blob_unref(out);
  ump_blob_unref(message);
  must(a.bytes == 0);
  free(in);
  return 0;
}
