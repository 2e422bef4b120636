#define _GNU_SOURCE
#include "net/entropy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* getrandom fails only before the kernel has entropy (it waits then) or when a sandbox forbids it. Going on with bytes
 * that can be guessed would be worse than not going on. */
static void from_kernel(unsigned char *out, size_t n) {
  while (n > 0) {
    ssize_t got = getrandom(out, n, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) abort();
    out += got;
    n -= (size_t)got;
  }
}

static void fill(void *ctx, void *out, size_t n) {
  struct ump_entropy *e = ctx;
  if (n > sizeof e->pool / 4) {
    from_kernel(out, n);
    return;
  }
  if (e->left < n) {
    from_kernel(e->pool, sizeof e->pool);
    e->left = sizeof e->pool;
  }
  unsigned char *at = e->pool + (sizeof e->pool - e->left);
  memcpy(out, at, n);
  explicit_bzero(at, n);
  e->left -= n;
}

void ump_entropy_init(struct ump_entropy *e) {
  e->left = 0;
}

void ump_entropy_deinit(struct ump_entropy *e) {
  explicit_bzero(e->pool, sizeof e->pool);
  e->left = 0;
}

struct ump_rng ump_entropy_rng(struct ump_entropy *e) {
  return (struct ump_rng){fill, e};
}
