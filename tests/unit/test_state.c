/* The replicated state: its tree, the patches that lead clients from one moment to another, and what is remembered. */
#include <stdio.h>

#include "testing.h"

#include "state_model.h"

static void state_model_failed(const char *what, int line) {
  fail_msg("state_model.h:%d: %s", line, what);
}

struct host {
  struct testing_mem mem;
  struct testing_rng rng;
  struct testing_log log;
  struct ump_engine *e;
};

static bool host_make(struct host *h, const struct ump_limits *limits) {
  testing_rng_init(&h->rng, 1);
  testing_log_init(&h->log);
  struct ump_engine_cfg cfg = {.mem = &h->mem.mem, .rng = &h->rng.rng, .log = &h->log.log};
  if (limits) cfg.limits = *limits;
  cfg.limits.window_bytes = 1 << 16;
  h->e = ump_engine_new(&cfg, 0);
  return h->e != NULL;
}

static void host_init(struct host *h, const struct ump_limits *limits) {
  testing_mem_init(&h->mem);
  assert_true(host_make(h, limits));
}

static void host_end(struct host *h) {
  ump_engine_free(h->e);
  testing_mem_assert_empty(&h->mem);
}

/* ---- by chance ---- */

static size_t fill(uint8_t *p, size_t n, uint64_t seed) {
  struct testing_rng rng;
  testing_rng_init(&rng, seed);
  ump_rng_fill(&rng.rng, p, n);
  return n;
}

static void test_state_leads_every_client_to_what_it_may_see(void **state) {
  (void)state;
  static uint8_t bytes[6000];
  static struct run r;
  size_t patches = 0, markers = 0, exact = 0;
  for (uint64_t seed = 1; seed <= 60; seed++) {
    struct host h;
    host_init(&h, NULL);
    struct script s = {bytes, fill(bytes, sizeof bytes, seed), 0};
    run_begin(&r, h.e);
    run_script(&r, &s);
    run_catch_up(&r);
    patches += r.patches, markers += r.markers, exact += r.exact;
    run_end(&r);
    host_end(&h);
  }
  assert_true(patches > 10000 && markers > 1000 && exact > 1000 && exact < patches); /* it was about something */
}

static void test_state_expires_moments_when_too_much_was_removed(void **state) {
  (void)state;
  static uint8_t bytes[6000];
  static struct run r;
  size_t wholes = 0, expired = 0;
  for (uint64_t seed = 1; seed <= 20; seed++) {
    struct host h;
    host_init(&h, NULL);
    h.e->limits.state_keys = 30; /* so many removed ones; the state itself keeps its own limit */
    struct script s = {bytes, fill(bytes, sizeof bytes, seed), 0};
    run_begin(&r, h.e);
    run_script(&r, &s);
    run_catch_up(&r);
    wholes += r.wholes, expired += h.e->counts[UMP__state_moments_expired];
    run_end(&r);
    host_end(&h);
  }
  assert_true(expired > 100 && wholes > 100);
}

static void test_state_keeps_all_or_nothing_when_memory_is_short(void **state) {
  (void)state;
  static uint8_t bytes[700];
  static struct run r;
  struct script s = {bytes, fill(bytes, sizeof bytes, 3), 0};
  for (size_t n = 1;; n += n < 400 ? 1 : 23) {
    struct host h;
    testing_mem_init(&h.mem);
    testing_mem_fail(&h.mem, n, false);
    if (host_make(&h, NULL)) {
      testing_mem_fail(&h.mem, 0, false);
      size_t made = h.mem.allocations;
      run_begin(&r, h.e); /* its clients' first views are not what this is about */
      testing_mem_fail(&h.mem, n > made ? n - made : 1, false);
      s.at = 0;
      run_script(&r, &s);
      testing_mem_fail(&h.mem, 0, false);
      run_catch_up(&r);
      run_end(&r);
    }
    size_t failed = h.mem.failed;
    host_end(&h);
    if (!failed) break;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_state_leads_every_client_to_what_it_may_see),
      cmocka_unit_test(test_state_expires_moments_when_too_much_was_removed),
      cmocka_unit_test(test_state_keeps_all_or_nothing_when_memory_is_short),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
