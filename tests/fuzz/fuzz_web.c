/* Requests of any kind, cut in two ways: both must come to the same, and nothing of the one may be taken for the next.
 * The first byte says how the second way is cut. */
#include <stdlib.h>
#include <string.h>

#include "web/request.h"
#include "web/web.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { REQUESTS = 8 };

static void must(bool so) {
  if (!so) abort();
}

static void check(const struct ump__web_request *r) {
  must(r->n_bytes <= UMP_WEB_HEAD && r->lines <= UMP__WEB_LINES + 1);
  if (r->refused) {
    must(!r->keep && r->refused >= 400 && r->refused <= 505);
    return;
  }
  must(r->path >= r->url && r->path < r->url + sizeof r->url ? memchr(r->path, 0, UMP__WEB_URL + 1) != NULL
                                                             : strcmp(r->path, "/") == 0);
  for (int i = 0; i < UMP__WEB_FIELDS; i++) {
    const char *value = ump__web_request_value(r, (enum ump__web_field)i);
    must(!value || strlen(value) <= UMP__WEB_VALUE);
  }
}

/* How many bytes were taken by each request that was done; the rest of out is 0. */
static void run(struct ump_bytes in, size_t piece, size_t out[REQUESTS], unsigned refused[REQUESTS]) {
  struct ump__web_request *r = malloc(sizeof *r);
  size_t done = 0;
  ump__web_request_init(r);
  while (in.n && done < REQUESTS) {
    size_t some = in.n < piece ? in.n : piece;
    uint8_t *copy = malloc(some); /* of its own, so that a sanitizer sees a read beyond its end */
    memcpy(copy, in.p, some);
    struct ump_bytes part = ump_bytes(copy, some);
    bool whole = ump__web_request_feed(r, &part);
    size_t taken = some - part.n;
    free(copy);
    must(whole || part.n == 0);
    in = ump_bytes(in.p + taken, in.n - taken);
    if (!whole) continue;
    check(r);
    out[done] = r->n_bytes, refused[done++] = r->refused;
    if (r->refused) break;
    ump__web_request_init(r);
  }
  free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  size_t whole[REQUESTS] = {0}, cut[REQUESTS] = {0};
  unsigned refused[REQUESTS] = {0}, refused_cut[REQUESTS] = {0};
  if (n == 0) return 0;
  run(ump_bytes(data + 1, n - 1), SIZE_MAX, whole, refused);
  run(ump_bytes(data + 1, n - 1), (size_t)data[0] + 1, cut, refused_cut);
  for (int i = 0; i < REQUESTS; i++) must(!refused[i] == !refused_cut[i] && (refused[i] || whole[i] == cut[i]));
  return 0;
}
