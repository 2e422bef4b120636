/* The replicated state: the input is a script of patches, views, time and clients that get patches or lose them
 * (state_model.h). Whoever has everything must have what the model says that he may see; nothing may be left in the
 * end. */
#include <stdio.h>

#include "state_model.h"

static void state_model_failed(const char *what, int line) {
  fprintf(stderr, "state_model.h:%d: %s\n", line, what);
  abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  static struct run r;
  struct ump_rng_seeded seeded;
  ump_rng_seed(&seeded, 1);
  struct ump_rng rng = ump_rng_of(&seeded);
  struct ump_log log = {0};
  struct ump_engine_cfg cfg = {.mem = &ump_mem_libc, .rng = &rng, .log = &log, .limits = {.window_bytes = 1 << 16}};
  struct ump_engine *e = ump_engine_new(&cfg, 0);
  struct script s = {data, n, 0};
  if (n && data[0] & 1) e->limits.state_keys = 20; /* so many removed ones; the state's own limit is another */
  run_begin(&r, e);
  run_script(&r, &s);
  run_catch_up(&r);
  run_end(&r);
  ump_engine_free(e);
  return 0;
}
