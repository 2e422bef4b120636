/* The pipeline of an event: validate, look up, reserve, judge, remember, effects and answer. */
#include <stdio.h>

#include "world.h"

static void test_engine_judges_an_event_end_to_end(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  world_connect(&w, 0, 1);
  expect(&w, "connect a1", "admit a1");
  w.judgement.data = ump_text("42");
  world_event(&w, 0, 1, "e1", "move");
  expect(&w, "judge a1 move", "answer a1 e1 legal = 42");
  w.judgement = (struct ump_judgement){.verdict = UMP_ILLEGAL, .reason = ump_text("too far")};
  world_event(&w, 0, 1, "e2", "jump");
  expect(&w, "judge a1 jump", "answer a1 e2 illegal: too far");
  w.judgement = (struct ump_judgement){.verdict = UMP_INVALID, .reason = ump_text("no number")};
  world_event(&w, 0, 1, "e3", "hop");
  expect(&w, "judge a1 hop", "answer a1 e3 invalid: no number");
  assert_int_equal(world_count(&w, "events"), 3);
  assert_int_equal(world_count(&w, "legal") + world_count(&w, "illegal") + world_count(&w, "invalid"), 3);
  world_leave(&w, 0, 1);
  expect(&w, "disconnect a1 left", "forget a1");
  world_end(&w);
}

static struct ump_event event(uint32_t session, const char *id) {
  return (struct ump_event){.type = UMP_EVENT_JUDGE, .session = session, .id = ump_text(id), .once = true};
}

static void give(struct world *w, struct ump_event ev) {
  world_push(w, 0, ev);
  world_drive(w, 0);
}

static void join(struct world *w) {
  world_connect(w, 0, 1);
  w->n_trace = 0;
}

/* ---- exactly once ---- */

static void test_engine_repeats_the_verdict_without_asking_again(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  join(&w);
  w.judgement = (struct ump_judgement){.verdict = UMP_ILLEGAL, .reason = ump_text("too far")};
  struct ump_event ev = event(1, "e1");
  ev.high = true;
  give(&w, ev);
  expect(&w, "judge a1 ", "answer a1 e1 illegal high: too far");
  w.judgement =
      (struct ump_judgement){.verdict = UMP_LEGAL}; /* the rules have changed their mind; the verdict has not */
  for (int copy = 0; copy < 3; copy++) {
    w.now += 2 * UMP_S;
    world_event(&w, 0, 1, "e1", "another payload"); /* and with another priority */
    expect(&w, "repeat a1 e1 illegal high: too far");
  }
  assert_int_equal(world_count(&w, "event_repeats"), 3);
  assert_int_equal(w.judged, 1);
  world_end(&w);
}

static void test_engine_judges_copies_of_different_clients_apart(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  world_connect(&w, 0, 1), world_connect(&w, 0, 2);
  w.n_trace = 0;
  world_event(&w, 0, 1, "e1", "move");
  world_event(&w, 0, 2, "e1", "move");
  expect(&w, "judge a1 move", "answer a1 e1 legal", "judge a2 move", "answer a2 e1 legal");
  world_end(&w);
}

static void test_engine_judges_each_time_what_is_not_once(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  join(&w);
  struct ump_event ev = event(1, "e1");
  ev.once = false;
  give(&w, ev), give(&w, ev);
  expect(&w, "judge a1 ", "answer a1 e1 legal", "judge a1 ", "answer a1 e1 legal");
  world_end(&w);
}

static int remember_id(struct world *w, const char *what, struct ump_client *c, const char *arg) {
  (void)what, (void)c, (void)arg;
  *(size_t *)w->user += 1;
  return WORLD_DEFAULT;
}

static void test_engine_makes_an_id_where_there_is_none(void **state) {
  (void)state;
  struct world w;
  size_t calls = 0;
  world_init(&w, NULL);
  join(&w);
  w.hook = remember_id, w.user = &calls;
  give(&w, event(1, "")), give(&w, event(1, ""));
  assert_int_equal(calls, 2);
  char first[64] = "", second[64] = "";
  assert_int_equal(sscanf(w.trace, "judge a1 \nanswer a1 %63s legal\njudge a1 \nanswer a1 %63s legal\n", first, second),
                   2);
  struct ump_uuid id;
  assert_true(ump_uuid_parse(ump_text(first), &id) && ump_uuid_parse(ump_text(second), &id));
  assert_string_not_equal(first, second);
  w.n_trace = 0;
  world_end(&w);
}

static void test_engine_answers_malformed_without_asking(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  join(&w);
  struct ump_event ev = event(1, "e1");
  ev.malformed = true;
  give(&w, ev);
  expect(&w, "answer a1 e1 invalid: malformed");
  give(&w, event(1, "e1")); /* the same id with sound data: the same verdict */
  expect(&w, "repeat a1 e1 invalid: malformed");
  assert_int_equal(w.judged, 0);
  world_end(&w);
}

static int fail_judge(struct world *w, const char *what, struct ump_client *c, const char *arg) {
  (void)arg;
  if (strcmp(what, "judge") != 0) return WORLD_DEFAULT;
  assert_int_equal(notify(w, c, "half done"), 0);
  return UMP_ENOMEM;
}

static void test_engine_an_error_in_the_rules_is_internal_and_changes_nothing(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  join(&w);
  w.hook = fail_judge;
  w.judgement = (struct ump_judgement){.verdict = UMP_LEGAL, .reason = ump_text("secret detail")};
  world_event(&w, 0, 1, "e1", "move");
  expect(&w, "judge a1 move", "answer a1 e1 internal: internal");
  world_event(&w, 0, 1, "e1", "move"); /* not tried again */
  expect(&w, "repeat a1 e1 internal: internal");
  assert_int_equal(world_count(&w, "calls_failed"), 1);
  w.hook = NULL;
  w.judgement.verdict = (enum ump_verdict)77; /* a verdict that is none */
  world_event(&w, 0, 1, "e2", "move");
  expect(&w, "judge a1 move", "answer a1 e2 internal: internal");
  world_end(&w);
}

static void test_engine_cuts_reasons_between_characters(void **state) {
  (void)state;
  struct world w;
  char reason[256], wanted[300];
  world_init(&w, NULL);
  join(&w);
  memset(reason, 'x', sizeof reason);
  memcpy(reason + 198, "\xE2\x82\xAC", 3); /* the sign would end at 201 */
  w.judgement = (struct ump_judgement){.verdict = UMP_ILLEGAL, .reason = ump_bytes(reason, sizeof reason)};
  world_event(&w, 0, 1, "e1", "m");
  snprintf(wanted, sizeof wanted, "answer a1 e1 illegal: %.198s", reason);
  expect(&w, "judge a1 m", wanted);
  world_event(&w, 0, 1, "e1", "m");
  snprintf(wanted, sizeof wanted, "repeat a1 e1 illegal: %.198s", reason);
  expect(&w, wanted);
  w.judgement.reason = ump_bytes("\xFF\xFE", 2);
  world_event(&w, 0, 1, "e2", "m");
  expect(&w, "judge a1 m", "answer a1 e2 illegal");
  world_end(&w);
}

/* 30 % loss, every event sent up to five times, in any order: each that arrived was executed once, with one verdict. */
static void test_engine_executes_once_over_a_bad_network(void **state) {
  (void)state;
  enum { EVENTS = 10000, COPIES = 5 };
  static unsigned char arrived[EVENTS];
  struct world w;
  struct testing_rng r;
  size_t distinct = 0;
  testing_rng_init(&r, 7);
  world_init(&w, NULL);
  join(&w);
  w.quiet = true;
  memset(arrived, 0, sizeof arrived);
  for (int sent = 0; sent < EVENTS * COPIES; sent++) {
    unsigned i = (unsigned)ump_rng_below(&r.rng, EVENTS);
    char id[16];
    w.now += UMP_MS;
    if (ump_rng_below(&r.rng, 10) < 3) continue;
    distinct += !arrived[i], arrived[i] = 1;
    snprintf(id, sizeof id, "e%u", i);
    world_event(&w, 0, 1, id, "step");
    assert_int_equal(w.judged, distinct);
  }
  assert_true(distinct > EVENTS / 2);
  w.quiet = false;
  world_end(&w);
}

static void test_engine_full_window_gives_no_answer_and_forgets_nothing(void **state) {
  (void)state;
  struct world w;
  struct ump_limits limits = {.window_bytes = 1,
                              .window_per_client = 1000000}; /* one segment of 1024 cells, and no more */
  char id[16];
  world_init(&w, &limits);
  join(&w);
  w.quiet = true;
  for (int i = 0; i < 3000; i++) snprintf(id, sizeof id, "e%d", i), world_event(&w, 0, 1, id, "");
  size_t judged = w.judged;
  assert_in_range(judged, 700, 1024);
  assert_int_equal(judged + world_count(&w, "event_window_full"), 3000);
  for (int i = 0; i < 3000; i++) snprintf(id, sizeof id, "e%d", i), world_event(&w, 0, 1, id, "");
  assert_int_equal(w.judged, judged); /* none is judged a second time, and the refused ones still are */
  assert_int_equal(world_count(&w, "event_repeats"), judged);
  assert_int_equal(testing_log_count(&w.log, "window_full"), 1);
  w.now += 302 * UMP_S;
  w.quiet = false;
  world_event(&w, 0, 1, "later", "m"); /* room again */
  expect(&w, "judge a1 m", "answer a1 later legal");
  world_end(&w);
}

static void test_engine_gives_each_client_its_share_of_the_window(void **state) {
  (void)state;
  struct world w;
  struct ump_limits limits = {.window_per_client = 2}; /* 600 in 300 s */
  char id[16];
  world_init(&w, &limits);
  world_connect(&w, 0, 1), world_connect(&w, 0, 2);
  w.quiet = true;
  for (int i = 0; i < 1000; i++) snprintf(id, sizeof id, "e%d", i), world_event(&w, 0, 1, id, "");
  assert_int_equal(w.judged, 600);
  assert_int_equal(world_count(&w, "event_over_rate"), 400);
  w.quiet = false, w.n_trace = 0;
  world_event(&w, 0, 1, "e5", "m"); /* known ones are answered as ever */
  expect(&w, "repeat a1 e5 legal");
  world_event(&w, 0, 2, "e5", "m"); /* the other client notices nothing */
  expect(&w, "judge a2 m", "answer a2 e5 legal");
  w.now += UMP_S;
  for (int i = 0; i < 3; i++) snprintf(id, sizeof id, "f%d", i), world_event(&w, 0, 1, id, "m");
  expect(&w, "judge a1 m", "answer a1 f0 legal", "judge a1 m", "answer a1 f1 legal"); /* two more a second */
  world_end(&w);
}

/* ---- older than the window ---- */

/* A version 1 UUID made when the client's clock says t; the clock is `ahead` of ours. */
static const char *v1(char out[40], ump_time t, int64_t ahead_s) {
  uint64_t c = 138000000000000000u + (uint64_t)(t / 100 + ahead_s * 10000000);
  snprintf(out, 40, "%08x-%04x-1%03x-aa15-02fc00000001", (unsigned)(c & 0xFFFFFFFF), (unsigned)(c >> 32 & 0xFFFF),
           (unsigned)(c >> 48 & 0xFFF));
  return out;
}

static bool judged_now(struct world *w, const char *id) {
  size_t before = w->judged;
  world_event(w, 0, 1, id, "");
  return w->judged == before + 1;
}

static void test_engine_copy_at_301_s_with_a_v1_id_gets_no_answer(void **state) {
  (void)state;
  struct world w;
  char id[40], other[40];
  world_init(&w, NULL);
  join(&w);
  ump_time t = w.now;
  world_event(&w, 0, 1, v1(id, t, 0), "m");
  w.n_trace = 0;
  w.now = t + 299 * UMP_S;
  world_event(&w, 0, 1, id, "m"); /* at 299 s: the same verdict, and it counts as seen */
  assert_int_equal(w.judged, 1);
  assert_int_equal(world_count(&w, "event_repeats"), 1);
  w.n_trace = 0;
  w.now += 301 * UMP_S;
  world_event(&w, 0, 1, id, "m");
  expect_nothing(&w);
  assert_int_equal(w.judged, 1);
  assert_int_equal(world_count(&w, "event_too_old"), 1);
  assert_true(judged_now(&w, v1(other, w.now, 0))); /* new ones are judged */
  w.n_trace = 0;
  world_end(&w);
}

static void test_engine_copy_after_a_long_silence_gets_no_answer(void **state) {
  (void)state;
  struct world w;
  char id[40];
  world_init(&w, NULL);
  join(&w);
  w.quiet = true;
  assert_true(judged_now(&w, v1(id, w.now, 0)));
  w.now += 3600 * UMP_S;
  assert_false(judged_now(&w, id));
  w.quiet = false;
  world_end(&w);
}

static void test_engine_copy_at_301_s_with_another_id_is_new(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  join(&w);
  w.quiet = true;
  assert_true(judged_now(&w, "b2a8f3a0-e591-41f1-aa15-02fc00000001")); /* version 4: no clock in it */
  w.now += 301 * UMP_S;
  assert_true(judged_now(&w, "b2a8f3a0-e591-41f1-aa15-02fc00000001"));
  w.quiet = false;
  world_end(&w);
}

static void test_engine_does_not_care_what_time_the_client_thinks_it_is(void **state) {
  (void)state;
  for (int64_t ahead = -1000000000; ahead <= 1000000000; ahead += 500000000) { /* 32 years either way */
    struct world w;
    char id[40];
    world_init(&w, NULL);
    join(&w);
    w.quiet = true;
    for (int i = 0; i < 1000; i++) {
      w.now += 3 * UMP_S;
      /* made up to 130 s ago, the longest that the network may hold it, and its clock drifts by 200 ppm */
      ump_time made = w.now - (i * 37 % 130) * UMP_S;
      assert_true(judged_now(&w, v1(id, made + made / 5000, ahead)));
    }
    w.quiet = false;
    world_end(&w);
  }
}

static void test_engine_hears_a_client_whose_clock_was_set_back_within_10_minutes(void **state) {
  (void)state;
  for (int before_s = 1; before_s < 600; before_s += 41) {
    struct world w;
    char id[40];
    world_init(&w, NULL);
    join(&w);
    w.quiet = true;
    for (int s = 0; s < before_s; s++) w.now += UMP_S, assert_true(judged_now(&w, v1(id, w.now, 0)));
    ump_time set_back = w.now, heard = 0;
    for (int s = 0; s < 700; s++) {
      w.now += UMP_S;
      if (judged_now(&w, v1(id, w.now, -3600)) && !heard) heard = w.now;
    }
    assert_in_range(heard - set_back, 1, 602 * UMP_S);
    /* Set forward, it is heard at once. */
    w.now += UMP_S;
    assert_true(judged_now(&w, v1(id, w.now, +7200)));
    w.quiet = false;
    world_end(&w);
  }
}

/* ---- order of effects and answer ---- */

static int notify_and_kick(struct world *w, const char *what, struct ump_client *c, const char *arg) {
  if (strcmp(what, "judge") != 0) return WORLD_DEFAULT;
  assert_int_equal(notify(w, c, "first"), 0);
  if (strcmp(arg, "kick") == 0) assert_int_equal(kick(w, c, "enough"), 0);
  return WORLD_DEFAULT;
}

static void test_engine_verdict_first_then_effects(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  join(&w);
  w.hook = notify_and_kick;
  world_event(&w, 0, 1, "e1", "move");
  expect(&w, "judge a1 move", "answer a1 e1 legal", "notify a1 first");
  world_event(&w, 0, 1, "e2", "kick");
  expect(&w, "judge a1 kick", "answer a1 e2 legal", "notify a1 first", "disconnect a1 enough", "kick a1 enough",
         "forget a1");
  world_end(&w);
}

static void test_engine_effects_first_where_the_wire_wants_it(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  w.proto[1].ops.effects_first = true;
  assert_int_equal(world_listen(&w, 1), 0);
  world_connect(&w, 1, 1);
  w.n_trace = 0;
  w.hook = notify_and_kick;
  world_event(&w, 1, 1, "e1", "move");
  expect(&w, "judge b1 move", "notify b1 first", "answer b1 e1 legal");
  world_event(&w, 1, 1, "e2", "kick"); /* thrown out, but not before it has its answer */
  expect(&w, "judge b1 kick", "notify b1 first", "answer b1 e2 legal", "disconnect b1 enough", "kick b1 enough",
         "forget b1");
  world_end(&w);
}

/* ---- rulebooks ---- */

static void test_engine_without_rules_admits_and_judges_nobody(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  ump_engine_set_rulebook(w.engine, NULL, w.now);
  world_connect(&w, 0, 1);
  expect(&w, "refuse a1 no rules");
  ump_engine_set_rulebook(w.engine, &w.rules, w.now);
  join(&w);
  ump_engine_set_rulebook(w.engine, NULL, w.now);
  world_event(&w, 0, 1, "e1", "m"); /* no answer, nothing remembered: its copy will be judged */
  expect_nothing(&w);
  struct ump_event ev = event(1, "r1");
  ev.once = false; /* a request on a stream wants an answer */
  give(&w, ev);
  expect(&w, "answer a1 r1 internal: no rules");
  ump_engine_set_rulebook(w.engine, &w.rules, w.now);
  world_event(&w, 0, 1, "e1", "m");
  expect(&w, "judge a1 m", "answer a1 e1 legal");
  world_end(&w);
}

static void test_engine_swaps_rulebooks_between_two_events(void **state) {
  (void)state;
  struct world w, other;
  world_init(&w, NULL);
  join(&w);
  struct ump_client *c = world_client(&w, 0, 1);
  world_event(&w, 0, 1, "e1", "m");
  expect(&w, "judge a1 m", "answer a1 e1 legal");
  other = w; /* a rulebook with a world of its own to write to */
  other.rules.self = &other, other.n_trace = 0;
  other.judgement = (struct ump_judgement){.verdict = UMP_ILLEGAL, .reason = ump_text("new rules")};
  ump_engine_set_rulebook(w.engine, &other.rules, w.now);
  world_event(&w, 0, 1, "e1", "m"); /* what the old rules said stands */
  expect(&w, "repeat a1 e1 legal");
  world_event(&w, 0, 1, "e2", "m");
  expect(&other, "judge a1 m");
  expect(&w, "answer a1 e2 illegal: new rules");
  assert_ptr_equal(world_client(&w, 0, 1), c);
  ump_engine_set_rulebook(w.engine, &w.rules, w.now);
  world_end(&w);
}

static void test_engine_does_not_allocate_for_an_event(void **state) {
  (void)state;
  struct world w;
  char id[40];
  world_init(&w, NULL);
  join(&w);
  w.quiet = true;
  size_t allocations = w.mem.allocations;
  for (int i = 0; i < 500; i++) w.now += UMP_MS, world_event(&w, 0, 1, v1(id, w.now, 0), "m");
  assert_int_equal(w.judged, 500);
  assert_int_equal(w.mem.allocations, allocations);
  w.quiet = false;
  world_end(&w);
}

/* ---- events that were announced ---- */

/* A datagram of these tests: the session's digit and the event's id. */
static void expect_it(const void *self, struct ump_bytes in, int step, struct ump_coming *coming) {
  const struct fake_proto *p = self;
  uint32_t session = in.p[0] - (uint32_t)'0';
  if (step < 2) return;
  coming->client = p->clients[session], coming->serial = p->serials[session];
  coming->id = ump_bytes(in.p + 1, in.n - 1);
}

static void announce(struct world *w, const char *datagram) {
  struct ump_coming coming = {0};
  for (int step = 0; step < UMP_EXPECT_STEPS; step++)
    ump_engine_expect(w->engine, 0, ump_text(datagram), step, &coming);
}

/* Whatever is announced, in whatever order, as often as anybody likes, and whether it comes or not: every event of a
 * client is judged once. */
static void test_engine_announcements_change_nothing(void **state) {
  (void)state;
  enum { CLIENTS = 3, IDS = 40, STEPS = 4000 };
  struct world w;
  struct ump_rng_seeded seed;
  bool came[CLIENTS][IDS] = {{false}};
  size_t distinct = 0;
  ump_rng_seed(&seed, 1);
  struct ump_rng rng = ump_rng_of(&seed);
  world_init(&w, NULL);
  w.quiet = true;
  w.proto[0].ops.expect = expect_it;
  for (uint32_t c = 0; c < CLIENTS; c++) world_connect(&w, 0, c);
  for (int i = 0; i < STEPS; i++) {
    char datagram[64];
    uint32_t c = (uint32_t)ump_rng_below(&rng, CLIENTS), id = (uint32_t)ump_rng_below(&rng, IDS);
    snprintf(datagram, sizeof datagram, "%uabbbc0f4-e591-41f1-aa15-0000000000%02u", c, id);
    if (ump_rng_below(&rng, 4)) announce(&w, datagram);
    if (ump_rng_below(&rng, 2)) continue;
    world_event(&w, 0, c, datagram + 1, "move");
    distinct += !came[c][id];
    came[c][id] = true;
    assert_int_equal(w.judged, distinct);
  }
  assert_int_equal(distinct, CLIENTS * IDS);
  world_end(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_engine_judges_an_event_end_to_end),
      cmocka_unit_test(test_engine_repeats_the_verdict_without_asking_again),
      cmocka_unit_test(test_engine_judges_copies_of_different_clients_apart),
      cmocka_unit_test(test_engine_judges_each_time_what_is_not_once),
      cmocka_unit_test(test_engine_makes_an_id_where_there_is_none),
      cmocka_unit_test(test_engine_answers_malformed_without_asking),
      cmocka_unit_test(test_engine_an_error_in_the_rules_is_internal_and_changes_nothing),
      cmocka_unit_test(test_engine_cuts_reasons_between_characters),
      cmocka_unit_test(test_engine_executes_once_over_a_bad_network),
      cmocka_unit_test(test_engine_announcements_change_nothing),
      cmocka_unit_test(test_engine_full_window_gives_no_answer_and_forgets_nothing),
      cmocka_unit_test(test_engine_gives_each_client_its_share_of_the_window),
      cmocka_unit_test(test_engine_copy_at_301_s_with_a_v1_id_gets_no_answer),
      cmocka_unit_test(test_engine_copy_after_a_long_silence_gets_no_answer),
      cmocka_unit_test(test_engine_copy_at_301_s_with_another_id_is_new),
      cmocka_unit_test(test_engine_does_not_care_what_time_the_client_thinks_it_is),
      cmocka_unit_test(test_engine_hears_a_client_whose_clock_was_set_back_within_10_minutes),
      cmocka_unit_test(test_engine_verdict_first_then_effects),
      cmocka_unit_test(test_engine_effects_first_where_the_wire_wants_it),
      cmocka_unit_test(test_engine_without_rules_admits_and_judges_nobody),
      cmocka_unit_test(test_engine_swaps_rulebooks_between_two_events),
      cmocka_unit_test(test_engine_does_not_allocate_for_an_event),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
