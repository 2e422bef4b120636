/* Micro-threads when there is more to do than time: who comes when, and how they end. What a slice costs is counted in
 * instructions here, and the clock goes forward as the test says, so each run is the same. */
#include "rules_testing.h"

/* A slice of one of BURNERS costs more than a turn shares out (2 of 50 ms, of 5 000 000 instructions), so a turn has
 * time for one of them. */
#define BURN "local function burn() for i = 1, 300000 do end end\n"
enum { BURNERS = 40 };

static void turn(struct rules_test *t, ump_time took) {
  t->w.now += took;
  ump_engine_expire(t->w.engine, t->w.now);
}

static void start(struct rules_test *t, const char *text) {
  rules_test_start(t, text);
  rules_test_connect(t, 1);
  rules_test_event(t, 1, "go", "go", NULL);
  expect(&t->w, "answer a1 go legal");
}

/* What "ask" is answered: the text that the rulebook's function ask gives. */
static void asks(struct rules_test *t, const char *id, const char *answer) {
  char line[256];
  rules_test_event(t, 1, id, "ask", NULL);
  snprintf(line, sizeof line, "answer a1 %s legal = %s", id, answer);
  expect(&t->w, line);
}

static void test_threads_of_real_time_run_in_each_turn_however_much_others_do(void **state) {
  (void)state;
  struct rules_test t;
  start(&t, BURN "local fast, slow = 0, {} function r.execute(c, e) if e.name == 'ask' then\n"
                 "  local least, most = math.huge, 0\n"
                 "  for i = 1, 40 do least, most = math.min(least, slow[i]), math.max(most, slow[i]) end\n"
                 "  return { fast, least, most } end\n"
                 "for i = 1, 40 do slow[i] = 0 host.spawn(function() host.yield(i % 3 + 1)\n"
                 "  while true do slow[i] = slow[i] + 1 burn() host.yield(i % 3 + 1) end end) end\n"
                 "host.spawn(function() while true do fast = fast + 1 host.yield() end end) end");
  turn(&t, UMP_MS);                                            /* everybody's first slice, which is real time */
  for (int i = 0; i < 5 * BURNERS; i++) turn(&t, 10 * UMP_MS); /* one of them, and the one of real time */
  asks(&t, "e1", "[201,5,5]");                                 /* and each has its fifth of them */
  rules_test_end(&t);
}

static void test_threads_of_low_priority_run_however_much_real_time_takes(void **state) {
  (void)state;
  struct rules_test t;
  start(&t,
        BURN "local fast, slow, last = 0, 0, 0 function r.execute(c, e) if e.name == 'ask' then return { fast, slow, "
             "last } end\n"
             "for i = 1, 5 do host.spawn(function() while true do fast = fast + 1 burn() host.yield(0) end end) end\n"
             "for i = 1, 10 do host.spawn(function() host.yield(1) while true do slow = slow + 1 burn() host.yield(1) "
             "end end) end\n"
             "host.spawn(function() host.yield(100) last = fast end) end");
  for (int i = 0; i < 111; i++) turn(&t, 15 * UMP_MS);
  /* One of low priority a turn; the patient one came due in the eighth, with nine before it. */
  asks(&t, "e1", "[555,110,85]");
  rules_test_end(&t);
}

/* The priority of the last yield holds through sleeps. */
static void test_threads_that_sleep_keep_their_priority(void **state) {
  (void)state;
  struct rules_test t;
  start(&t, BURN "local n = 0 function r.execute(c, e) if e.name == 'ask' then return n end\n"
                 "for i = 1, 6 do host.spawn(function() if i > 2 then host.yield(1) end host.sleep(1) n = n + 1 burn() "
                 "end) end end");
  for (int i = 0; i < 4; i++) turn(&t, 10 * UMP_MS);
  turn(&t, UMP_S);
  asks(&t, "e1", "3"); /* two of real time, one of the others */
  turn(&t, 10 * UMP_MS);
  asks(&t, "e2", "4");
  turn(&t, 0); /* no time went by: it is another turn all the same */
  asks(&t, "e3", "5");
  rules_test_end(&t);
}

static void test_threads_end_others_from_inside(void **state) {
  (void)state;
  struct rules_test t;
  start(&t, "local n, a, b = 0 local function count() while true do n = n + 1 host.sleep(1) end end\n"
            "function r.execute(c, e) if e.name == 'ask' then return n end\n"
            "a, b = host.spawn(count), host.spawn(count)\n"
            "host.spawn(function() host.sleep(2.5) local was = host.cancel(a) local again = host.cancel(a)\n"
            "  host.notify(c, 'a', { was, again, coroutine.status(a) }) host.sleep(2) host.cancel(b)\n"
            "  local own = host.spawn(count) host.notify(c, 'own', host.cancel(own))\n"
            "  host.sleep(2) host.notify(c, 'still', host.cancel(b)) end) end");
  world_advance(&t.w, 4 * UMP_S);
  expect(&t.w, "notify a1 a [true,false,\"suspended\"]");
  asks(&t, "e1", "7"); /* 3 of a, 4 of b */
  world_advance(&t.w, 4 * UMP_S);
  expect(&t.w, "notify a1 own true", "notify a1 still false");
  asks(&t, "e2", "8");
  assert_int_equal(ump_engine_load(t.w.engine), 2);
  rules_test_end(&t);
}

static void test_threads_cancelled_by_a_handler_that_fails_go_on(void **state) {
  (void)state;
  struct rules_test t;
  start(&t, "local n, a = 0 function r.execute(c, e) if e.name == 'ask' then return n end\n"
            "if e.name == 'end' then host.cancel(a) error('no') end\n"
            "a = host.spawn(function() while true do n = n + 1 host.sleep(1) end end) end");
  world_advance(&t.w, UMP_S / 2);
  rules_test_event(&t, 1, "e1", "end", NULL);
  expect(&t.w, "answer a1 e1 internal: internal");
  world_advance(&t.w, UMP_S);
  asks(&t, "e2", "2");
  rules_test_end(&t);
}

/* The one by whom the next turn would be known may be gone by then. */
static void test_threads_that_wait_for_the_next_turn_can_be_ended(void **state) {
  (void)state;
  struct rules_test t;
  start(&t,
        BURN "local n, list = 0, {} function r.execute(c, e) if e.name == 'ask' then return n end\n"
             "if e.name == 'end' then return host.cancel(list[2]) end\n"
             "for i = 1, 4 do list[i] = host.spawn(function() host.yield(1) n = n + 10 ^ i // 10 burn() end) end end");
  turn(&t, UMP_MS);
  turn(&t, 10 * UMP_MS);
  asks(&t, "e1", "1.0");
  rules_test_event(&t, 1, "e2", "end", NULL);
  expect(&t.w, "answer a1 e2 legal = true");
  turn(&t, 0);
  asks(&t, "e3", "101.0");
  turn(&t, 0);
  asks(&t, "e4", "1101.0");
  assert_true(ump_engine_deadline(t.w.engine) > t.w.now);
  rules_test_end(&t);
}

static void test_threads_cannot_end_what_is_none(void **state) {
  (void)state;
  struct rules_test t;
  start(&t, "function r.execute(c, e) if e.name == 'go' then host.spawn(function()\n"
            "  host.notify(c, 'self', { pcall(host.cancel, coroutine.running()) }) end) return end\n"
            "host.cancel(coroutine.create(print)) end");
  world_advance(&t.w, UMP_S);
  expect(&t.w, "notify a1 self [false,\"host.cancel: a micro-thread ends itself by returning from its function\"]");
  rules_test_event(&t, 1, "e1", "x", NULL);
  expect(&t.w, "answer a1 e1 internal: internal");
  rules_test_logged(&t, "rule_error",
                    "game.lua:5: bad argument #1 to 'host.cancel' (timer or micro-thread expected, got a "
                    "coroutine that host.spawn did not make)");
  rules_test_end(&t);
}

/* One that was closed by hand is over, and nobody has to be told. */
static void test_threads_closed_by_hand_are_over(void **state) {
  (void)state;
  struct rules_test t;
  start(
      &t,
      "local a, b = nil function r.execute(c, e) if e.name == 'go' then a = host.spawn(function()\n"
      "  local x <close> = setmetatable({}, { __close = function() host.notify(c, 'closed') end }) host.sleep(1) end)\n"
      "  b = host.spawn(print) return coroutine.close(b) and nil end\n"
      "return { coroutine.close(a), coroutine.status(a), host.cancel(a) } end");
  world_advance(&t.w, UMP_S / 2);
  rules_test_event(&t, 1, "e1", "x", NULL);
  expect(&t.w, "answer a1 e1 legal = [true,\"dead\",true]", "notify a1 closed");
  world_advance(&t.w, 2 * UMP_S);
  expect_nothing(&t.w);
  assert_null(testing_log_last(&t.w.log, "rule_error"));
  rules_test_end(&t);
}

static void test_threads_that_never_yield_are_ended_by_their_budget(void **state) {
  (void)state;
  struct rules_test t;
  start(&t, "local n = 0 local function search()\n  while true do end\nend\n"
            "local function think() return 1 + search() end\n"
            "function r.execute(c, e) if e.name == 'ask' then return n end\n"
            "host.spawn(function() n = n + 1\n pcall(think)\n n = 1000 end)\n"
            "host.spawn(function() while true do n = n + 10 host.yield(1) end end) end");
  world_advance(&t.w, 10 * UMP_MS);
  asks(&t, "e1", "51");
  rules_test_logged(&t, "rule_budget",
                    "game.lua:4: this call ran for more than its budget of 5000000 instructions and was ended\n");
  rules_test_logged(&t, "rule_budget", "game.lua:9: in the function of line 8\n    called for a micro-thread");
  rules_test_end(&t);
}

static void test_threads_that_fail_say_where(void **state) {
  (void)state;
  struct rules_test t;
  start(&t, "local function step(x)\n  return x.y\nend\nfunction r.execute(c)\n"
            "host.spawn(function()\n  local a = step(nil)\n return a end)\n"
            "host.spawn(function() host.sleep(1) host.notify(c, 'fine') end) end");
  world_advance(&t.w, 2 * UMP_S);
  expect(&t.w, "notify a1 fine");
  rules_test_logged(&t, "rule_error", "game.lua:4: attempt to index a nil value (local 'x')\n");
  rules_test_logged(&t, "rule_error", "game.lua:4: in upvalue 'step'\n");
  rules_test_logged(&t, "rule_error", "game.lua:8: in the function of line 7\n    called for a micro-thread");
  rules_test_end(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_threads_of_real_time_run_in_each_turn_however_much_others_do),
      cmocka_unit_test(test_threads_of_low_priority_run_however_much_real_time_takes),
      cmocka_unit_test(test_threads_that_sleep_keep_their_priority),
      cmocka_unit_test(test_threads_end_others_from_inside),
      cmocka_unit_test(test_threads_cancelled_by_a_handler_that_fails_go_on),
      cmocka_unit_test(test_threads_that_wait_for_the_next_turn_can_be_ended),
      cmocka_unit_test(test_threads_cannot_end_what_is_none),
      cmocka_unit_test(test_threads_closed_by_hand_are_over),
      cmocka_unit_test(test_threads_that_never_yield_are_ended_by_their_budget),
      cmocka_unit_test(test_threads_that_fail_say_where),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
