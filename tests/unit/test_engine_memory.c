/* The engine when memory runs out, at every allocation there is, and a long life of chance in which it must stay in
 * order. */
#include <stdio.h>

#include "world.h"

/* ---- every allocation fails ---- */

/* Asks for one of everything; whatever is refused is refused. */
static int ask_for_everything(struct world *w, const char *what, struct ump_client *c, const char *arg) {
  uint64_t id;
  struct ump_bytes name = ump_text("somebody");
  if (strcmp(what, "login") == 0) return 1;
  if (c && !c->leaving) {
    notify(w, c, "notify");
    ump_engine_set_name(w->engine, c, &name);
  }
  broadcast(w, "broadcast", c);
  if (ump_engine_timer(w->engine, UMP_S, 0, &id) == 0 && strcmp(arg, "cancel") == 0) ump_engine_cancel(w->engine, id);
  struct ump_client *other = world_client(w, 0, 3);
  if (strcmp(arg, "kick") == 0 && other) kick(w, other, "out");
  return strcmp(arg, "fail") == 0 ? UMP_EINVAL : WORLD_DEFAULT;
}

/* Events are remembered with their reasons, in more than one segment, so that the window has to grow too. */
static void fill_window(struct world *w) {
  char id[16], reason[16];
  for (int i = 0; i < 1200; i++) {
    snprintf(id, sizeof id, "w%d", i), snprintf(reason, sizeof reason, "reason %d", i % 5);
    w->judgement = (struct ump_judgement){.verdict = UMP_ILLEGAL, .reason = ump_text(reason)};
    world_event(w, 0, 1, id, "");
  }
  w->judgement = (struct ump_judgement){.verdict = UMP_LEGAL};
}

static void event_of(struct world *w, uint32_t session, const char *id, const char *name) {
  if (world_client(w, 0, session)) world_event(w, 0, session, id, name);
}

static void play(struct world *w) {
  if (!world_make(w, NULL)) return;
  bool listening = world_listen(w, 0) == 0;
  ump_engine_set_rulebook(w->engine, &w->rules, w->now);
  w->hook = ask_for_everything;
  for (uint32_t s = 1; listening && s <= 40; s++) world_connect(w, 0, s);
  event_of(w, 1, "e1", "m"), event_of(w, 2, "e1", "cancel"), event_of(w, 1, "e2", "fail"), event_of(w, 1, "e3", "kick");
  if (world_client(w, 0, 1)) world_login(w, 0, 1, "l1", "ann");
  world_advance(w, 3 * UMP_S);
  w->hook = NULL;
  if (world_client(w, 0, 1)) fill_window(w);
  for (uint32_t s = 1; s <= 40; s += 3)
    if (world_client(w, 0, s)) world_leave(w, 0, s);
  assert_true(ump_engine_consistent(w->engine));
  ump_engine_drain(w->engine, w->now);
  assert_int_equal(ump_engine_load(w->engine), 0);
  ump_engine_free(w->engine);
}

static size_t runs_until_all_went_through(bool forever) {
  static struct world w;
  for (size_t n = 1;; n++) {
    memset(&w, 0, sizeof w);
    w.quiet = true;
    testing_mem_init(&w.mem);
    testing_mem_fail(&w.mem, n, forever);
    play(&w);
    testing_mem_assert_empty(&w.mem);
    if (!w.mem.failed) return n - 1;
  }
}

static void test_engine_survives_each_allocation_failing(void **state) {
  (void)state;
  assert_in_range(runs_until_all_went_through(false), 100, 5000);
}

static void test_engine_survives_memory_running_out_for_good(void **state) {
  (void)state;
  assert_in_range(runs_until_all_went_through(true), 100, 5000);
}

static void test_engine_says_that_it_has_no_memory_and_goes_on(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  testing_mem_fail(&w.mem, 1, true);
  world_connect(&w, 0, 1);
  expect(&w, "refuse a1 internal");
  testing_mem_fail(&w.mem, 0, false);
  world_connect(&w, 0, 1);
  expect(&w, "connect a1", "admit a1");
  struct ump_client *c = world_client(&w, 0, 1);
  uint64_t id;
  struct ump_bytes name = ump_text("ann");
  testing_mem_fail(&w.mem, 1, true);
  assert_int_equal(notify(&w, c, "n"), UMP_ENOMEM);
  assert_int_equal(broadcast(&w, "n", NULL), UMP_ENOMEM);
  assert_int_equal(kick(&w, c, "n"), UMP_ENOMEM);
  assert_int_equal(ump_engine_timer(w.engine, 0, 0, &id), UMP_ENOMEM);
  assert_int_equal(ump_engine_set_name(w.engine, c, &name), UMP_ENOMEM);
  world_event(&w, 0, 1, "e1", "m"); /* judging needs none */
  expect(&w, "judge a1 m", "answer a1 e1 legal");
  testing_mem_fail(&w.mem, 0, false);
  world_end(&w);
}

/* ---- a life of chance ---- */

struct chance {
  struct testing_rng rng;
  uint64_t timers[8];
};

static unsigned roll(struct chance *x, unsigned n) {
  return (unsigned)ump_rng_below(&x->rng.rng, n);
}

static struct ump_client *anybody(struct world *w) {
  struct chance *x = w->user;
  return world_client(w, roll(x, WORLD_PROTOS), roll(x, FAKE_SESSIONS));
}

static void ask_something(struct world *w) {
  struct chance *x = w->user;
  struct ump_client *c = anybody(w);
  struct ump_bytes name = ump_text("name");
  switch (roll(x, 7)) {
  case 0:
    broadcast(w, "b", c);
    break;
  case 1:
    ump_engine_timer(w->engine, roll(x, 3) * UMP_S, roll(x, 2) * UMP_S, &x->timers[roll(x, 8)]);
    break;
  case 2:
    ump_engine_cancel(w->engine, x->timers[roll(x, 8)]);
    break;
  case 3:
    if (c && roll(x, 4) == 0) kick(w, c, "out");
    break;
  case 4:
    if (c) ump_engine_set_name(w->engine, c, roll(x, 2) ? &name : NULL);
    break;
  default:
    if (c) notify(w, c, "n");
  }
}

static int ask_by_chance(struct world *w, const char *what, struct ump_client *c, const char *arg) {
  struct chance *x = w->user;
  (void)what, (void)c, (void)arg;
  for (unsigned n = roll(x, 4); n > 0; n--) ask_something(w);
  return roll(x, 10) == 0 ? UMP_EINVAL : WORLD_DEFAULT;
}

static void drive_by_chance(struct world *w) {
  struct chance *x = w->user;
  uint32_t proto = roll(x, WORLD_PROTOS), session = roll(x, FAKE_SESSIONS);
  char id[8];
  snprintf(id, sizeof id, "e%u", roll(x, 1000));
  bool there = world_client(w, proto, session);
  w->proto[proto].notify_err = roll(x, 10) == 0 ? UMP_EFULL : 0;
  w->proto[proto].disconnects_on_notify = roll(x, 4) == 0 && w->proto[proto].n_queue < FAKE_QUEUE / 4;
  switch (roll(x, 8)) {
  case 0:
    world_advance(w, roll(x, 1000) * UMP_MS);
    break;
  case 1:
    if (there) world_leave(w, proto, session);
    break;
  case 2:
    ask_something(w);
    break; /* from outside of a call */
  case 3:
    if (there) world_login(w, proto, session, id, "user");
    break;
  case 4:
    if (roll(x, 50) == 0) ump_engine_set_rulebook(w->engine, roll(x, 2) ? NULL : &w->rules, w->now);
    break;
  default:
    if (there)
      world_event(w, proto, session, id, "m");
    else
      world_connect(w, proto, session);
  }
  assert_true(ump_engine_consistent(w->engine));
}

static void live(uint64_t seed, int steps, unsigned fails) {
  static struct world w;
  struct chance x = {0};
  testing_rng_init(&x.rng, seed);
  world_init(&w, &(struct ump_limits){.effects = 6, .effect_bytes = 100, .timers = 20, .window_bytes = 40000});
  w.proto[1].ops.encoding = UMP_PLAIN, w.proto[1].ops.effects_first = true;
  assert_int_equal(world_listen(&w, 1), 0);
  w.rules.tick_rate = 7;
  w.quiet = true, w.hook = ask_by_chance, w.user = &x;
  for (int i = 0; i < steps; i++) {
    if (fails && roll(&x, fails) == 0) testing_mem_fail(&w.mem, 1 + roll(&x, 3), false);
    drive_by_chance(&w);
  }
  testing_mem_fail(&w.mem, 0, false);
  w.quiet = false;
  for (uint32_t i = 0; i < WORLD_PROTOS; i++) w.proto[i].notify_err = 0;
  world_end(&w);
}

static void test_engine_stays_in_order_through_a_life_of_chance(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 20; seed++) live(seed, 5000, 0);
}

static void test_engine_stays_in_order_while_memory_comes_and_goes(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 20; seed++) live(seed, 5000, 5);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_engine_survives_each_allocation_failing),
      cmocka_unit_test(test_engine_survives_memory_running_out_for_good),
      cmocka_unit_test(test_engine_says_that_it_has_no_memory_and_goes_on),
      cmocka_unit_test(test_engine_stays_in_order_through_a_life_of_chance),
      cmocka_unit_test(test_engine_stays_in_order_while_memory_comes_and_goes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
