/* Requests and frames of any kind, cut in two ways: both must come to the same. The first byte says whether frames
 * without a mask are taken, whether a request comes first, and how the second way is cut. */
#include <stdlib.h>
#include <string.h>

#include "codec/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct end {
  int status;          /* of the request */
  enum ump_ws_got got; /* MORE: it was open at the end */
  uint16_t code;
  unsigned pings;
  size_t n_stream;
  uint64_t sum; /* of the stream, in order */
};

static void must(bool so) {
  if (!so) abort();
}

static bool same(const struct end *a, const struct end *b) {
  return a->status == b->status && a->got == b->got && a->code == b->code && a->pings == b->pings &&
         a->n_stream == b->n_stream && a->sum == b->sum;
}

static void take(struct end *e, enum ump_ws_got got, struct ump_bytes data, uint16_t code) {
  if (got == UMP_WS_DATA) {
    must(data.n > 0);
    for (size_t i = 0; i < data.n; i++) e->sum = e->sum * 31 + data.p[i];
    e->n_stream += data.n;
  } else if (got == UMP_WS_PING) {
    must(data.n <= UMP_WS_CONTROL_MAX);
    e->pings++;
  } else if (got != UMP_WS_PONG) {
    e->got = got, e->code = code;
  }
}

static void feed(struct ump_ws *ws, struct ump_ws_pool *pool, struct ump_bytes in, struct end *e) {
  struct ump_bytes data;
  uint16_t code = 0;
  for (enum ump_ws_got got; (got = ump_ws_next(ws, pool, &in, &data, &code)) != UMP_WS_MORE;) {
    must(e->got == UMP_WS_MORE); /* nothing comes behind an end */
    take(e, got, data, code);
  }
  must(in.n == 0);
}

/* A copy of its own, so that a sanitizer sees a read beyond its end. */
static void copied(struct ump_ws *ws, struct ump_ws_pool *pool, struct ump_bytes in, struct end *e) {
  uint8_t *p = malloc(in.n ? in.n : 1);
  if (in.n) memcpy(p, in.p, in.n);
  feed(ws, pool, ump_bytes(p, in.n), e);
  free(p);
}

static struct end run(struct ump_bytes in, unsigned how, size_t piece) {
  struct end e = {.got = UMP_WS_MORE};
  struct ump_ws ws = {.unmasked = how & 1};
  struct ump_ws_pool pool = {0};
  struct ump_ws_upgrade *u = how & 2 ? ump_ws_upgrade_new(&ump_mem_libc) : NULL;
  int err = u ? UMP_EAGAIN : 0;
  while (in.n && e.got == UMP_WS_MORE) {
    struct ump_bytes part = ump_bytes(in.p, in.n < piece ? in.n : piece);
    in = ump_bytes(in.p + part.n, in.n - part.n);
    if (err == UMP_EAGAIN) {
      uint8_t answer[UMP_WS_ANSWER_MAX];
      struct ump_writer w = ump_writer(answer, sizeof answer);
      err = ump_ws_upgrade_feed(u, &part);
      if (err != UMP_EAGAIN)
        e.status = ump_ws_upgrade_answer(u, how & 4 ? ump_text("http://a, https://b") : ump_text(""), &w);
      must(!w.full);
    }
    if (err || (u && err == 0 && e.status != 101)) {
      if (err == UMP_EAGAIN) continue;
      break;
    }
    copied(&ws, &pool, part, &e);
  }
  ump_ws_upgrade_free(u);
  ump_ws_deinit(&ws, &pool);
  ump_ws_pool_deinit(&pool);
  return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  if (n == 0) return 0;
  struct ump_bytes in = ump_bytes(data + 1, n - 1);
  struct end whole = run(in, data[0], SIZE_MAX), cut = run(in, data[0], (size_t)(data[0] >> 3) + 1);
  must(same(&whole, &cut));
  return 0;
}
