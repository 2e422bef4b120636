/* The rulebook's timers and ticks, in virtual time. */
#include <stdio.h>

#include "world.h"

static uint64_t timer(struct world *w, ump_time after, ump_time every) {
  uint64_t id = 0;
  assert_int_equal(ump_engine_timer(w->engine, after, every, &id), 0);
  assert_int_not_equal(id, 0);
  return id;
}

/* ---- timers ---- */

static void test_timers_fire_once_at_their_time(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  timer(&w, 2 * UMP_S, 0), timer(&w, UMP_S, 0), timer(&w, 2 * UMP_S, 0);
  assert_true(ump_engine_deadline(w.engine) == w.now + UMP_S);
  world_advance(&w, UMP_S - 1);
  expect_nothing(&w);
  world_advance(&w, 1);
  expect(&w, "timer 1", "timer_gone 1");
  world_advance(&w, 10 * UMP_S);
  expect(&w, "timer 0", "timer_gone 0", "timer 2", "timer_gone 2"); /* equal times in the order of asking */
  assert_int_equal(world_count(&w, "timers"), 3);
  assert_true(ump_engine_deadline(w.engine) == UMP_NEVER);
  world_end(&w);
}

static int puts_off(struct world *w, const char *what, struct ump_client *c, const char *arg) {
  (void)c, (void)arg;
  int *left = w->user;
  return strcmp(what, "timer") == 0 && (*left)-- > 0 ? 1 : WORLD_DEFAULT;
}

/* What is put off waits behind all that is due, for the next run; it comes at once then, and in the same order. */
static void test_timers_may_be_put_off(void **state) {
  (void)state;
  struct world w;
  int left = 2;
  world_init(&w, NULL);
  w.hook = puts_off, w.user = &left;
  timer(&w, UMP_S, 0), timer(&w, UMP_S, 0), timer(&w, 2 * UMP_S, 0);
  uint64_t id = timer(&w, 9 * UMP_S, 0);
  w.now += 3 * UMP_S;
  ump_engine_expire(w.engine, w.now);
  expect(&w, "timer 0", "timer 1", "timer 2", "timer_gone 2");
  assert_true(ump_engine_deadline(w.engine) == w.now);
  ump_engine_expire(w.engine, w.now);
  expect(&w, "timer 0", "timer_gone 0", "timer 1", "timer_gone 1");
  assert_int_equal(world_count(&w, "timers"), 3);
  left = 1, w.now += 6 * UMP_S;
  ump_engine_expire(w.engine, w.now);
  assert_int_equal(ump_engine_cancel(w.engine, id), 0);
  expect(&w, "timer 3", "timer_gone 3");
  world_end(&w);
}

static void test_timers_repeat_without_drift(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  ump_time begin = w.now;
  uint64_t id = timer(&w, 100 * UMP_MS, 250 * UMP_MS);
  for (int i = 0; i < 1000; i++) { /* the host is always some ms late */
    ump_time due = begin + 100 * UMP_MS + i * 250 * UMP_MS;
    assert_true(ump_engine_deadline(w.engine) == due);
    w.now = due + (i * 7 % 200) * UMP_MS;
    ump_engine_expire(w.engine, w.now);
    expect(&w, "timer 0");
  }
  w.now += 100 * UMP_S; /* after a stall: once, and on with the next multiple */
  ump_engine_expire(w.engine, w.now);
  expect(&w, "timer 0");
  assert_true(ump_engine_deadline(w.engine) > w.now &&
              (ump_engine_deadline(w.engine) - begin) % (250 * UMP_MS) == 100 * UMP_MS);
  assert_int_equal(ump_engine_cancel(w.engine, id), 0);
  expect(&w, "timer_gone 0");
  world_end(&w);
}

static void test_timers_cancelled_do_not_fire(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  uint64_t id = timer(&w, UMP_S, 0);
  assert_int_equal(ump_engine_cancel(w.engine, id), 0);
  expect(&w, "timer_gone 0");
  assert_int_equal(ump_engine_cancel(w.engine, id), UMP_EGONE);
  assert_int_equal(ump_engine_cancel(w.engine, 0), UMP_EGONE);
  assert_int_equal(ump_engine_cancel(w.engine, 12345), UMP_EGONE);
  assert_int_equal(ump_engine_cancel(w.engine, UINT64_MAX), UMP_EGONE);
  uint64_t next = timer(&w, UMP_S, 0);
  assert_int_not_equal(next, id); /* in the same place, by another id */
  assert_int_equal(ump_engine_cancel(w.engine, id), UMP_EGONE);
  world_advance(&w, 5 * UMP_S);
  expect(&w, "timer 1", "timer_gone 1");
  world_end(&w);
}

static uint64_t early, late;
static int start_and_cancel(struct world *w, const char *what, struct ump_client *c, const char *arg) {
  (void)c;
  if (strcmp(what, "judge") != 0) return WORLD_DEFAULT;
  late = timer(w, UMP_S, 0);
  assert_int_equal(ump_engine_cancel(w->engine, late), 0);
  assert_int_equal(ump_engine_cancel(w->engine, late), UMP_EGONE); /* asked for already */
  assert_int_equal(ump_engine_cancel(w->engine, early), 0);
  return strcmp(arg, "fail") == 0 ? UMP_EINVAL : WORLD_DEFAULT;
}

static void test_timers_started_and_cancelled_in_one_call(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  world_connect(&w, 0, 1);
  early = timer(&w, UMP_S, 0);
  w.n_trace = 0;
  w.hook = start_and_cancel;
  world_event(&w, 0, 1, "e1", "fail"); /* taken back: the early one runs on, the late one never came to be */
  expect(&w, "judge a1 fail", "timer_gone 1", "answer a1 e1 internal: internal");
  world_event(&w, 0, 1, "e2", "go");
  expect(&w, "judge a1 go", "answer a1 e2 legal", "timer_gone 2", "timer_gone 0");
  world_advance(&w, 5 * UMP_S);
  world_end(&w);
}

static int cancel_itself(struct world *w, const char *what, struct ump_client *c, const char *arg) {
  (void)c, (void)arg;
  if (strcmp(what, "timer") != 0) return WORLD_DEFAULT;
  assert_int_equal(ump_engine_cancel(w->engine, w->timer), w->user ? 0 : UMP_EGONE);
  return WORLD_DEFAULT;
}

static void test_timers_may_cancel_themselves(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  w.hook = cancel_itself, w.user = &w;
  timer(&w, UMP_S, UMP_S);
  world_advance(&w, 5 * UMP_S);
  expect(&w, "timer 0", "timer_gone 0");
  w.user = NULL; /* one that fires once is over already */
  timer(&w, UMP_S, 0);
  world_advance(&w, 5 * UMP_S);
  expect(&w, "timer 1", "timer_gone 1");
  world_end(&w);
}

static int fail_in_timer(struct world *w, const char *what, struct ump_client *c, const char *arg) {
  uint64_t id;
  (void)c, (void)arg;
  if (strcmp(what, "timer") != 0) return WORLD_DEFAULT;
  assert_int_equal(ump_engine_timer(w->engine, UMP_S, 0, &id), 0);
  return UMP_EINVAL;
}

static void test_timers_go_on_after_an_error(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  w.hook = fail_in_timer;
  uint64_t id = timer(&w, UMP_S, UMP_S);
  world_advance(&w, 2 * UMP_S);
  expect(&w, "timer 0", "timer_gone 1", "timer 0", "timer_gone 2");
  assert_int_equal(world_count(&w, "calls_failed"), 2);
  assert_int_equal(ump_engine_cancel(w.engine, id), 0);
  w.n_trace = 0;
  world_end(&w);
}

static int start_again_at_once(struct world *w, const char *what, struct ump_client *c, const char *arg) {
  uint64_t id;
  (void)c, (void)arg;
  if (strcmp(what, "timer") == 0) assert_int_equal(ump_engine_timer(w->engine, 0, 0, &id), 0);
  return WORLD_DEFAULT;
}

static void test_timers_of_no_delay_do_not_keep_the_host(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  w.hook = start_again_at_once;
  timer(&w, -5, 0); /* the past is now */
  for (int i = 0; i < 3; i++) {
    assert_true(ump_engine_deadline(w.engine) <= w.now);
    ump_engine_expire(w.engine, w.now); /* returns */
  }
  expect(&w, "timer 0", "timer_gone 0", "timer 1", "timer_gone 1", "timer 2", "timer_gone 2");
  uint64_t id = timer(&w, UMP_S, 1); /* each ns, says the rulebook; each ms, says the host */
  w.hook = NULL;
  world_advance(&w, UMP_S + 10 * UMP_MS);
  assert_int_equal(world_count(&w, "timers"), 3 + 1 + 11);
  assert_int_equal(ump_engine_cancel(w.engine, id), 0);
  w.n_trace = 0;
  world_end(&w);
}

static void test_timers_far_away_do_not_overflow(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  uint64_t id = timer(&w, UMP_NEVER, UMP_NEVER);
  world_advance(&w, 1000 * UMP_S);
  expect_nothing(&w);
  assert_int_equal(ump_engine_cancel(w.engine, id), 0);
  expect(&w, "timer_gone 0");
  world_end(&w);
}

static void test_timers_are_bounded(void **state) {
  (void)state;
  struct world w;
  uint64_t ids[100], more;
  struct ump_limits limits = {.timers = 100};
  world_init(&w, &limits);
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 100; i++) ids[i] = timer(&w, UMP_S, 0);
    assert_int_equal(ump_engine_timer(w.engine, UMP_S, 0, &more), UMP_EFULL);
    assert_int_equal(ump_engine_load(w.engine), 100);
    for (int i = 0; i < 100; i++) assert_int_equal(ump_engine_cancel(w.engine, ids[i]), 0);
    w.n_trace = 0;
  }
  size_t allocations = w.mem.allocations; /* and the steady path does not allocate */
  timer(&w, UMP_S, 0);
  world_advance(&w, UMP_S);
  assert_int_equal(w.mem.allocations, allocations);
  w.n_trace = 0;
  world_end(&w);
}

/* ---- rulebooks come and go ---- */

static void test_timers_end_with_their_rulebook(void **state) {
  (void)state;
  struct world w, other;
  world_init(&w, NULL);
  other = w, other.rules.self = &other;
  uint64_t old = timer(&w, UMP_S, UMP_S);
  ump_engine_begin(w.engine, &other.rules, w.now); /* the new one's load */
  timer(&w, 2 * UMP_S, 0);
  assert_int_equal(ump_engine_cancel(w.engine, old), UMP_EGONE); /* it cannot end those of others */
  ump_engine_commit(w.engine);
  expect_nothing(&w);
  ump_engine_set_rulebook(w.engine, &other.rules, w.now);
  expect(&w, "timer_gone 0"); /* said to the old one */
  expect_nothing(&other);
  w.rules.ops = NULL; /* which may be closed now */
  world_advance(&w, 10 * UMP_S);
  expect(&other, "timer 1", "timer_gone 1");
  w.rules.ops = other.rules.ops;
  ump_engine_set_rulebook(w.engine, &w.rules, w.now);
  world_end(&w);
}

static void test_timers_of_a_refused_rulebook_never_come_to_be(void **state) {
  (void)state;
  struct world w, other;
  world_init(&w, NULL);
  other = w, other.rules.self = &other;
  timer(&w, UMP_S, 0);
  ump_engine_begin(w.engine, &other.rules, w.now);
  timer(&w, UMP_S, 0), timer(&w, UMP_S, UMP_S);
  ump_engine_rollback(w.engine);
  expect(&other, "timer_gone 1", "timer_gone 2");
  other.rules.ops = NULL;
  world_advance(&w, 5 * UMP_S);
  expect(&w, "timer 0", "timer_gone 0");
  world_end(&w);
}

/* ---- ticks ---- */

static void ticking(struct world *w, double rate_hz) {
  world_init(w, NULL);
  w->rules.tick_rate = rate_hz;
  ump_engine_set_rulebook(w->engine, &w->rules, w->now);
}

static void test_ticks_come_at_the_rate(void **state) {
  (void)state;
  struct world w;
  ticking(&w, 20);
  world_advance(&w, 49 * UMP_MS);
  expect_nothing(&w);
  world_advance(&w, UMP_MS);
  expect(&w, "tick 50 ms");
  world_advance(&w, 100 * UMP_MS);
  expect(&w, "tick 50 ms", "tick 50 ms");
  world_end(&w);
}

static ump_time sum_of_dt;
static int (*tick_of_world)(void *self, ump_time dt);
static int sum_up(void *self, ump_time dt) {
  return sum_of_dt += dt, tick_of_world(self, dt);
}

static void test_ticks_do_not_drift_in_ten_hours(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  struct ump_rulebook_ops ops = *w.rules.ops;
  tick_of_world = ops.tick, ops.tick = sum_up, sum_of_dt = 0;
  struct ump_rulebook rules = {.ops = &ops, .self = &w, .tick_rate = 60}; /* 16,666,666.67 ns */
  ump_engine_set_rulebook(w.engine, &rules, w.now);
  w.quiet = true;
  for (int i = 0; i < 36000; i++) world_advance(&w, UMP_S);
  assert_in_range(world_count(&w, "ticks"), 36000 * 60 - 1, 36000 * 60);
  assert_in_range(36000 * UMP_S - sum_of_dt, 0, UMP_S / 60);
  assert_int_equal(world_count(&w, "ticks_late"), 0);
  ump_engine_set_rulebook(w.engine, &w.rules, w.now);
  w.quiet = false;
  world_end(&w);
}

static void test_ticks_catch_up_once_after_a_stall(void **state) {
  (void)state;
  struct world w;
  ticking(&w, 20);
  w.now += 1030 * UMP_MS; /* 20 ticks are due */
  ump_engine_expire(w.engine, w.now);
  expect(&w, "tick 50 ms", "tick 950 ms"); /* the sum is the time that went by */
  assert_int_equal(world_count(&w, "ticks_late"), 1);
  world_advance(&w, 19 * UMP_MS);
  expect_nothing(&w);
  world_advance(&w, UMP_MS); /* and the beat is the old one */
  expect(&w, "tick 50 ms");
  w.now += 100 * UMP_MS; /* exactly two */
  ump_engine_expire(w.engine, w.now);
  expect(&w, "tick 50 ms", "tick 50 ms");
  world_end(&w);
}

static void test_ticks_keep_their_beat_over_reloads(void **state) {
  (void)state;
  struct world w;
  ticking(&w, 20);
  for (int i = 0; i < 10; i++) { /* a reload each 30 ms does not put them off */
    world_advance(&w, 30 * UMP_MS);
    ump_engine_set_rulebook(w.engine, &w.rules, w.now);
  }
  assert_int_equal(world_count(&w, "ticks"), 6);
  w.n_trace = 0;
  w.rules.tick_rate = 10; /* another rate begins anew */
  ump_engine_set_rulebook(w.engine, &w.rules, w.now);
  world_advance(&w, 100 * UMP_MS);
  expect(&w, "tick 100 ms");
  w.rules.tick_rate = 0;
  ump_engine_set_rulebook(w.engine, &w.rules, w.now);
  world_advance(&w, UMP_S);
  expect_nothing(&w);
  assert_true(ump_engine_deadline(w.engine) == UMP_NEVER);
  world_end(&w);
}

static void test_ticks_and_timers_come_in_order_of_time(void **state) {
  (void)state;
  struct world w;
  ticking(&w, 20);
  timer(&w, 40 * UMP_MS, 0), timer(&w, 50 * UMP_MS, 0), timer(&w, 60 * UMP_MS, 0);
  w.now += 60 * UMP_MS;
  ump_engine_expire(w.engine, w.now);
  expect(&w, "timer 0", "timer_gone 0", "timer 1", "timer_gone 1", "tick 50 ms", "timer 2", "timer_gone 2");
  world_end(&w);
}

/* ---- a protocol's deadline ---- */

static void test_engine_expires_the_listener_that_is_due(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  assert_int_equal(world_listen(&w, 1), 0);
  w.proto[0].deadline = w.now + 2 * UMP_S;
  w.proto[1].deadline = w.now + UMP_S;
  assert_true(ump_engine_deadline(w.engine) == w.now + UMP_S);
  world_advance(&w, UMP_S);
  expect(&w, "expire b");
  world_advance(&w, UMP_S);
  expect(&w, "expire a");
  world_end(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_timers_fire_once_at_their_time),
      cmocka_unit_test(test_timers_may_be_put_off),
      cmocka_unit_test(test_timers_repeat_without_drift),
      cmocka_unit_test(test_timers_cancelled_do_not_fire),
      cmocka_unit_test(test_timers_started_and_cancelled_in_one_call),
      cmocka_unit_test(test_timers_may_cancel_themselves),
      cmocka_unit_test(test_timers_go_on_after_an_error),
      cmocka_unit_test(test_timers_of_no_delay_do_not_keep_the_host),
      cmocka_unit_test(test_timers_far_away_do_not_overflow),
      cmocka_unit_test(test_timers_are_bounded),
      cmocka_unit_test(test_timers_end_with_their_rulebook),
      cmocka_unit_test(test_timers_of_a_refused_rulebook_never_come_to_be),
      cmocka_unit_test(test_ticks_come_at_the_rate),
      cmocka_unit_test(test_ticks_do_not_drift_in_ten_hours),
      cmocka_unit_test(test_ticks_catch_up_once_after_a_stall),
      cmocka_unit_test(test_ticks_keep_their_beat_over_reloads),
      cmocka_unit_test(test_ticks_and_timers_come_in_order_of_time),
      cmocka_unit_test(test_engine_expires_the_listener_that_is_due),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
