/* What a rulebook asks for: all or nothing, in order, bounded. */
#include <stdio.h>

#include "world.h"

/* The hook of most tests: a function of the test's, called in judge only. */
typedef int asking(struct world *w, struct ump_client *c);
static int ask_in_judge(struct world *w, const char *what, struct ump_client *c, const char *arg) {
  (void)arg;
  asking *const *ask = w->user;
  return strcmp(what, "judge") == 0 ? (*ask)(w, c) : WORLD_DEFAULT;
}

static void event_that_asks(struct world *w, const char *id, asking *ask) {
  w->hook = ask_in_judge;
  w->user = &ask;
  world_event(w, 0, 1, id, "ask");
  w->hook = NULL;
}

static void join(struct world *w, uint32_t n) {
  for (uint32_t s = 1; s <= n; s++) world_connect(w, 0, s);
  w->n_trace = 0;
}

/* ---- all or nothing ---- */

static uint64_t timer_id;

static int ask_for_everything(struct world *w, struct ump_client *c) {
  struct ump_client *other = world_client(w, 0, 2);
  struct ump_bytes name = ump_text("ann");
  assert_int_equal(notify(w, c, "one"), 0);
  assert_int_equal(broadcast(w, "two", NULL), 0);
  assert_int_equal(notify(w, other, "three"), 0);
  assert_int_equal(broadcast(w, "four", c), 0);
  assert_int_equal(ump_engine_timer(w->engine, UMP_S, 0, &timer_id), 0);
  assert_int_equal(ump_engine_set_name(w->engine, c, &name), 0);
  assert_int_equal(kick(w, other, "bye"), 0);
  world_trace(w, "asked"); /* nothing has happened yet */
  return WORLD_DEFAULT;
}
static int ask_for_everything_and_fail(struct world *w, struct ump_client *c) {
  ask_for_everything(w, c);
  return UMP_EINVAL;
}

static void test_effects_are_done_in_order_after_the_call(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  join(&w, 2);
  event_that_asks(&w, "e1", ask_for_everything);
  expect(&w, "judge a1 ask", "asked", "answer a1 e1 legal", "notify a1 one", "notify a1 two", "notify a2 two",
         "notify a2 three", "notify a2 four", "disconnect a2 bye", "kick a2 bye", "forget a2");
  assert_string_equal(world_client(&w, 0, 1)->name, "ann");
  world_advance(&w, UMP_S);
  expect(&w, "timer 0", "timer_gone 0");
  world_end(&w);
}

static void test_effects_of_a_failed_call_never_happen(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  join(&w, 2);
  event_that_asks(&w, "e1", ask_for_everything_and_fail);
  expect(&w, "judge a1 ask", "asked", "timer_gone 0", "answer a1 e1 internal: internal");
  assert_null(world_client(&w, 0, 1)->name);
  assert_false(world_client(&w, 0, 2)->leaving);
  world_advance(&w, 10 * UMP_S);
  expect_nothing(&w);
  event_that_asks(&w, "e1", ask_for_everything); /* a copy asks for nothing */
  expect(&w, "repeat a1 e1 internal: internal");
  world_end(&w);
}

static int say_illegal(struct world *w, struct ump_client *c) {
  w->judgement = (struct ump_judgement){.verdict = UMP_ILLEGAL, .reason = ump_text("no")};
  assert_int_equal(notify(w, c, "you may not"), 0);
  return WORLD_DEFAULT;
}

static void test_effects_of_an_illegal_event_happen(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  join(&w, 1);
  event_that_asks(&w, "e1", say_illegal);
  expect(&w, "judge a1 ask", "answer a1 e1 illegal: no", "notify a1 you may not");
  world_end(&w);
}

static void test_effects_outside_of_a_call_happen_at_once(void **state) {
  (void)state;
  struct world w;
  struct ump_bytes name = ump_text("ann");
  world_init(&w, NULL);
  join(&w, 2);
  struct ump_client *c = world_client(&w, 0, 1);
  assert_int_equal(notify(&w, c, "hello"), 0);
  expect(&w, "notify a1 hello");
  assert_int_equal(broadcast(&w, "all", c), 0);
  expect(&w, "notify a2 all");
  assert_int_equal(ump_engine_set_name(w.engine, c, &name), 0);
  assert_string_equal(c->name, "ann");
  w.proto[0].notify_err = UMP_EFULL;
  assert_int_equal(notify(&w, c, "hello"), UMP_EFULL); /* the protocol's own word */
  w.proto[0].notify_err = 0;
  assert_int_equal(kick(&w, c, "out"), 0);
  expect(&w, "disconnect a1 out", "kick a1 out", "forget a1");
  world_end(&w);
}

/* ---- errors that are known at once ---- */

static int too_big(struct world *w, struct ump_client *c) {
  char big[200];
  memset(big, 'x', sizeof big - 1), big[sizeof big - 1] = 0;
  assert_int_equal(notify(w, c, big), UMP_ETOOBIG);
  assert_int_equal(broadcast(w, big, NULL), UMP_ETOOBIG);
  assert_int_equal(notify(w, c, "?"), UMP_ENOSUPPORT);
  assert_int_equal(notify(w, c, "small"), 0);
  return WORLD_DEFAULT;
}

static void test_effects_too_big_is_told_at_once_and_the_rest_goes_on(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  join(&w, 1);
  event_that_asks(&w, "e1", too_big);
  expect(&w, "judge a1 ask", "answer a1 e1 legal", "notify a1 small");
  world_end(&w);
}

static int fill_queue(struct world *w, struct ump_client *c) {
  for (int i = 0; i < 2; i++) assert_int_equal(notify(w, c, "n"), 0);
  assert_int_equal(broadcast(w, "b", NULL), 0);
  assert_int_equal(notify(w, c, "n"), UMP_EFULL); /* room for three */
  assert_int_equal(notify(w, world_client(w, 0, 2), "m"), 0);
  return WORLD_DEFAULT;
}

static void test_effects_count_what_the_call_has_asked_for_already(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  join(&w, 2);
  w.proto[0].room = 3;
  for (int i = 0; i < 2; i++) { /* each call counts anew */
    event_that_asks(&w, i ? "e2" : "e1", fill_queue);
    w.n_trace = 0;
  }
  assert_int_equal(world_count(&w, "notifies"), 10);
  world_end(&w);
}

static int ask_too_much(struct world *w, struct ump_client *c) {
  uint64_t id;
  for (int i = 0; i < 9; i++) assert_int_equal(notify(w, c, "n"), 0);
  assert_int_equal(ump_engine_timer(w->engine, UMP_S, 0, &id), 0);
  assert_int_equal(notify(w, c, "n"), UMP_EFULL);
  assert_int_equal(broadcast(w, "n", NULL), UMP_EFULL);
  assert_int_equal(kick(w, c, "n"), UMP_EFULL);
  assert_int_equal(ump_engine_timer(w->engine, UMP_S, 0, &id), UMP_EFULL);
  assert_int_equal(ump_engine_set_name(w->engine, c, NULL), UMP_EFULL);
  return WORLD_DEFAULT;
}
static int ask_for_too_many_bytes(struct world *w, struct ump_client *c) {
  char text[100];
  memset(text, 'x', sizeof text - 1), text[sizeof text - 1] = 0;
  for (int i = 0; i < 5; i++) assert_int_equal(notify(w, c, text), 0); /* of 99 bytes */
  assert_int_equal(notify(w, c, "6 more"), UMP_EFULL);
  assert_int_equal(notify(w, c, "5 fit"), 0);
  return UMP_EINVAL;
}

static void test_effects_of_one_call_are_bounded(void **state) {
  (void)state;
  struct world w;
  struct ump_limits limits = {.effects = 10, .effect_bytes = 500};
  world_init(&w, &limits);
  join(&w, 1);
  event_that_asks(&w, "e1", ask_too_much);
  w.n_trace = 0;
  world_advance(&w, UMP_S);
  expect(&w, "timer 0", "timer_gone 0"); /* the one that was told so; the refused ones are nobody's business */
  event_that_asks(&w, "e2", ask_for_too_many_bytes);
  event_that_asks(&w, "e3", ask_for_too_many_bytes);
  w.n_trace = 0;
  world_end(&w);
}

/* ---- kicks ---- */

static int kick_twice(struct world *w, struct ump_client *c) {
  struct ump_client *other = world_client(w, 0, 2);
  assert_int_equal(notify(w, other, "before"), 0);
  assert_int_equal(kick(w, other, "out"), 0);
  assert_int_equal(kick(w, other, "out again"), UMP_EGONE);
  assert_int_equal(notify(w, other, "after"), UMP_EGONE);
  assert_int_equal(ump_engine_set_name(w->engine, other, NULL), UMP_EGONE);
  assert_int_equal(broadcast(w, "to all that stay", NULL), 0);
  (void)c;
  return WORLD_DEFAULT;
}

static void test_effects_nothing_reaches_one_that_is_kicked(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  join(&w, 2);
  event_that_asks(&w, "e1", kick_twice);
  expect(&w, "judge a1 ask", "answer a1 e1 legal", "notify a2 before", "notify a1 to all that stay",
         "disconnect a2 out", "kick a2 out", "forget a2");
  assert_int_equal(world_count(&w, "kicks"), 1);
  world_end(&w);
}

static int kick_and_fail(struct world *w, struct ump_client *c) {
  assert_int_equal(kick(w, c, "out"), 0);
  return UMP_EINVAL;
}

static void test_effects_a_kick_that_was_taken_back_leaves_no_trace(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  join(&w, 1);
  event_that_asks(&w, "e1", kick_and_fail);
  w.n_trace = 0;
  assert_int_equal(notify(&w, world_client(&w, 0, 1), "still here"), 0);
  expect(&w, "notify a1 still here");
  world_end(&w);
}

/* Each that goes takes the next one along. */
static int kick_the_next(struct world *w, const char *what, struct ump_client *c, const char *arg) {
  (void)arg;
  if (strcmp(what, "disconnect") != 0) return WORLD_DEFAULT;
  int *depth = w->user;
  assert_int_equal(++*depth, 1); /* never inside one another */
  struct ump_client *next = world_client(w, 0, c->session + 1);
  if (next) assert_int_equal(kick(w, next, "you too"), 0);
  if (c->session > 1) assert_int_equal(kick(w, c, "me?"), UMP_EGONE);
  --*depth;
  return WORLD_DEFAULT;
}

static void test_effects_kicks_in_disconnect_are_queued(void **state) {
  (void)state;
  struct world w;
  int depth = 0;
  world_init(&w, NULL);
  join(&w, 3);
  w.hook = kick_the_next, w.user = &depth;
  world_leave(&w, 0, 1);
  expect(&w, "disconnect a1 left", "forget a1", "disconnect a2 you too", "kick a2 you too", "forget a2",
         "disconnect a3 you too", "kick a3 you too", "forget a3");
  world_end(&w);
}

static void test_effects_a_kick_chain_does_not_use_the_stack(void **state) {
  (void)state;
  struct world w;
  int depth = 0;
  world_init(&w, NULL);
  w.quiet = true;
  for (uint32_t s = 1; s < FAKE_SESSIONS; s++) world_connect(&w, 0, s);
  w.hook = kick_the_next, w.user = &depth;
  assert_int_equal(kick(&w, world_client(&w, 0, 1), "first"), 0);
  assert_int_equal(ump_engine_n_clients(w.engine), 0);
  assert_int_equal(world_count(&w, "kicks"), FAKE_SESSIONS - 1);
  w.quiet = false;
  world_end(&w);
}

/* ---- several listeners ---- */

static void two_listeners(struct world *w) {
  world_init(w, NULL);
  w->proto[1].ops.encoding = UMP_PLAIN;
  assert_int_equal(world_listen(w, 1), 0);
  world_connect(w, 0, 1), world_connect(w, 1, 1);
  w->n_trace = 0;
}

static void test_effects_broadcast_speaks_each_listeners_encoding(void **state) {
  (void)state;
  struct world w;
  two_listeners(&w);
  assert_int_equal(ump_engine_encodings(w.engine), 1u << UMP_JSON | 1u << UMP_PLAIN);
  assert_int_equal(ump_engine_encoding(w.engine, world_client(&w, 1, 1)), UMP_PLAIN);
  struct ump_notice json = {.has_name = true, .name = ump_text("json")},
                    plain = {.has_name = true, .name = ump_text("plain")};
  const struct ump_notice *const both[3] = {[UMP_JSON] = &json, [UMP_PLAIN] = &plain}, *const one[3] = {[UMP_JSON] =
                                                                                                            &json};
  assert_int_equal(ump_engine_broadcast(w.engine, both, NULL), 0);
  expect(&w, "notify a1 json", "notify b1 plain");
  assert_int_equal(ump_engine_broadcast(w.engine, both, world_client(&w, 0, 1)), 0);
  expect(&w, "notify b1 plain");
  assert_int_equal(ump_engine_broadcast(w.engine, one, NULL), 0);
  expect(&w, "notify a1 json");
  world_end(&w);
}

static int broadcast_that_fails_late(struct world *w, struct ump_client *c) {
  (void)c;
  w->proto[1].max_notice = 3;
  assert_int_equal(broadcast(w, "long", NULL), UMP_ETOOBIG); /* for b; so a gets none of it either */
  assert_int_equal(broadcast(w, "ok", NULL), 0);
  return WORLD_DEFAULT;
}

static void test_effects_a_broadcast_too_big_for_one_goes_to_none(void **state) {
  (void)state;
  struct world w;
  two_listeners(&w);
  event_that_asks(&w, "e1", broadcast_that_fails_late);
  expect(&w, "judge a1 ask", "answer a1 e1 legal", "notify a1 ok", "notify b1 ok");
  assert_int_equal(broadcast(&w, "?nobody has a word for it", NULL), UMP_ETOOBIG);
  w.proto[1].max_notice = 100;
  assert_int_equal(broadcast(&w, "?nobody has a word for it", NULL), 0);
  world_end(&w);
}

static int notify_all(struct world *w, struct ump_client *c) {
  (void)c;
  assert_int_equal(broadcast(w, "n", NULL), 0);
  return WORLD_DEFAULT;
}

static void test_effects_a_session_that_a_notify_ended_is_taken_leave_of(void **state) {
  (void)state;
  struct world w;
  two_listeners(&w);
  w.proto[1].notify_err = UMP_EFULL, w.proto[1].disconnects_on_notify = true;
  event_that_asks(&w, "e1", notify_all); /* an event of listener a ends a session of listener b */
  expect(&w, "judge a1 ask", "answer a1 e1 legal", "notify a1 n", "disconnect b1 slow", "forget b1");
  assert_int_equal(world_count(&w, "notifies_lost"), 1);
  world_end(&w);
}

/* ---- calls that the engine does not make itself ---- */

static void test_effects_of_a_call_from_outside_wait_for_commit(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  join(&w, 2);
  ump_engine_begin(w.engine, &w.rules, w.now);
  assert_int_equal(notify(&w, world_client(&w, 0, 1), "n"), 0);
  assert_int_equal(kick(&w, world_client(&w, 0, 2), "out"), 0);
  expect_nothing(&w);
  ump_engine_commit(w.engine);
  expect(&w, "notify a1 n", "disconnect a2 out", "kick a2 out", "forget a2");
  ump_engine_begin(w.engine, &w.rules, w.now);
  assert_int_equal(notify(&w, world_client(&w, 0, 1), "n"), 0);
  ump_engine_rollback(w.engine);
  expect_nothing(&w);
  world_end(&w);
}

static void test_effects_whom_load_kicks_the_new_rulebook_takes_leave_of(void **state) {
  (void)state;
  struct world w, other;
  world_init(&w, NULL);
  join(&w, 1);
  other = w;
  other.rules.self = &other;
  ump_engine_begin(w.engine, &other.rules, w.now);
  assert_int_equal(kick(&w, world_client(&w, 0, 1), "new rules"), 0);
  ump_engine_commit(w.engine);
  expect_nothing(&w);
  assert_int_equal(notify(&w, world_client(&w, 0, 1), "n"), UMP_EGONE);
  ump_engine_set_rulebook(w.engine, &other.rules, w.now);
  expect(&other, "disconnect a1 new rules", "forget a1");
  expect(&w, "kick a1 new rules");
  ump_engine_set_rulebook(w.engine, &w.rules, w.now);
  world_end(&w);
}

/* timer_gone and forget let go and ask nothing; if they do ask, it is refused. */
static struct ump_rulebook_ops asking_ops;
static void ask_in_timer_gone(void *self, uint64_t id) {
  struct world *w = self;
  uint64_t other;
  (void)id;
  assert_int_equal(broadcast(w, "n", NULL), UMP_EFULL);
  assert_int_equal(notify(w, world_client(w, 0, 1), "n"), UMP_EGONE);
  assert_int_equal(ump_engine_timer(w->engine, 1, 1, &other), UMP_EFULL);
  assert_int_equal(ump_engine_cancel(w->engine, id), UMP_EGONE);
  world_trace(w, "asked");
}
static void test_effects_cannot_be_asked_for_while_letting_go(void **state) {
  (void)state;
  struct world w;
  uint64_t id;
  world_init(&w, NULL);
  join(&w, 1);
  asking_ops = *w.rules.ops;
  asking_ops.timer_gone = ask_in_timer_gone;
  struct ump_rulebook asking_rules = {.ops = &asking_ops, .self = &w};
  ump_engine_set_rulebook(w.engine, &asking_rules, w.now);
  assert_int_equal(ump_engine_timer(w.engine, UMP_S, 0, &id), 0);
  assert_int_equal(ump_engine_cancel(w.engine, id), 0);
  expect(&w, "asked");
  ump_engine_set_rulebook(w.engine, &w.rules, w.now);
  world_end(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_effects_are_done_in_order_after_the_call),
      cmocka_unit_test(test_effects_of_a_failed_call_never_happen),
      cmocka_unit_test(test_effects_of_an_illegal_event_happen),
      cmocka_unit_test(test_effects_outside_of_a_call_happen_at_once),
      cmocka_unit_test(test_effects_too_big_is_told_at_once_and_the_rest_goes_on),
      cmocka_unit_test(test_effects_count_what_the_call_has_asked_for_already),
      cmocka_unit_test(test_effects_of_one_call_are_bounded),
      cmocka_unit_test(test_effects_nothing_reaches_one_that_is_kicked),
      cmocka_unit_test(test_effects_a_kick_that_was_taken_back_leaves_no_trace),
      cmocka_unit_test(test_effects_kicks_in_disconnect_are_queued),
      cmocka_unit_test(test_effects_a_kick_chain_does_not_use_the_stack),
      cmocka_unit_test(test_effects_broadcast_speaks_each_listeners_encoding),
      cmocka_unit_test(test_effects_a_broadcast_too_big_for_one_goes_to_none),
      cmocka_unit_test(test_effects_a_session_that_a_notify_ended_is_taken_leave_of),
      cmocka_unit_test(test_effects_of_a_call_from_outside_wait_for_commit),
      cmocka_unit_test(test_effects_whom_load_kicks_the_new_rulebook_takes_leave_of),
      cmocka_unit_test(test_effects_cannot_be_asked_for_while_letting_go),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
