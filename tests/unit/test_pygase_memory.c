/* Every allocation failing in its turn, once and for ever: whatever happens, what was taken is given back, and nothing
 * dies. */
#include "pg_world.h"

static void story(struct pg_world *w) {
  struct pg_client a, b;
  uint8_t plain[64];
  struct ump_writer p = ump_writer(plain, sizeof plain);
  ump_plain_put_int(&p, 7);
  w->feed.fat = 300;
  for (int i = 0; i < PG_CELLS; i++) pg_set_sub(&w->feed, i, i, i);
  pg_client_init(&a, pg_addr(1, 5000)), pg_client_init(&b, pg_addr(2, 5000));
  struct pg_package held = pg_package(1, 0, 0, 0);
  pg_add_plain_event(&held, "early");
  pg_in(w, b.addr, held.bytes, held.n);
  b.sequence = 1;
  for (int i = 0; i < 40; i++) {
    pg_client_run(w, &a, 25 * UMP_MS);
    pg_client_run(w, &b, 25 * UMP_MS);
    if (i == 10) pg_remove(&w->feed, 3);
    for (uint32_t s = 0; i == 20 && s < 2; s++)
      if (w->sessions[s].there) pg_notify(w, s, "x", ump_written(&p));
  }
  assert_null(ump_pygase_check(w->proto));
}

static void each(bool forever) {
  for (size_t n = 1;; n++) {
    struct pg_world w;
    struct testing_mem mem;
    testing_mem_init(&mem);
    testing_mem_fail(&mem, n, forever);
    pg_open(&w, (struct pg_cfg){.mem = &mem.mem});
    if (w.created == 0) story(&w);
    size_t failed = mem.failed;
    testing_mem_fail(&mem, 0, false);
    pg_close(&w);
    testing_mem_assert_empty(&mem);
    if (!failed) return;
    assert_true(n < 1000);
  }
}

static void test_pygase_survives_each_failed_allocation(void **state) {
  (void)state;
  each(false);
}
static void test_pygase_survives_when_there_is_no_memory_any_more(void **state) {
  (void)state;
  each(true);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_pygase_survives_each_failed_allocation),
      cmocka_unit_test(test_pygase_survives_when_there_is_no_memory_any_more),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
