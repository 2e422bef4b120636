/* Neteria's short cut for the layouts of the real client, against the reader that takes any layout: what the short cut
 * accepts, the other accepts with the same result. */
#include <stdlib.h>
#include <string.h>

#include "proto/neteria/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool so) {
  if (!so) abort();
}

static void no_chance(void *ctx, void *out, size_t n) {
  (void)ctx;
  memset(out, 1, n);
}

/* An instance without sessions: reading changes nothing in it. */
static struct ump_neteria *instance(void) {
  static const struct ump_rng rng = {no_chance, NULL};
  static const struct ump_log log = {NULL, NULL};
  static void *self; /* one for all inputs */
  struct ump_proto_cfg cfg = {.mem = &ump_mem_libc, .rng = &rng, .log = &log, .limit = 1, .per_address = 1};
  if (!self) must(ump_neteria.create(&self, &cfg, 0) == 0);
  return self;
}

static bool same(const struct ump_json_value *a, const struct ump_json_value *b) {
  return a->type == b->type && a->holds == b->holds && a->n_members == b->n_members && a->escaped == b->escaped &&
         a->raw.p == b->raw.p && a->raw.n == b->raw.n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  struct ump_neteria *self = instance();
  struct ump_addr from = {.family = 4, .port = 1};
  struct nt_request quick = {.from = &from, .n = n}, slow = quick;
  if (n > NT_TEXT || !ump__nt_read_layout(&quick, ump_bytes(data, n))) return 0;
  self->decoded_n = 0;
  must(ump__nt_read_any(self, &slow, ump_bytes(data, n)));
  must(quick.method == slow.method && quick.high == slow.high && !slow.malformed && !quick.malformed);
  must(ump_bytes_equal(quick.cuuid, slow.cuuid) && ump_bytes_equal(quick.euuid, slow.euuid));
  must(same(&quick.data, &slow.data));
  must(quick.version.type == slow.version.type && quick.encryption.type == slow.encryption.type);
  return 0;
}
