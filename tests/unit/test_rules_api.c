/* host.*, function by function: what it does, what it refuses and in which words. */
#include "rules_testing.h"

/* execute runs `text`; the verdict (and trace) is `trace`, or the error logged holds `trace` when it does not begin
 * "answer". */
static void runs(const char *before, const char *text, const char *trace) {
  struct rules_test t;
  char book[1024];
  snprintf(book, sizeof book, "%s\nfunction r.execute(c, e) %s end", before, text);
  rules_test_start(&t, book);
  rules_test_connect(&t, 1);
  rules_test_event(&t, 1, "e1", "x", "[1,2]");
  if (strncmp(trace, "answer", 6) == 0) {
    expect(&t.w, trace);
  } else {
    rules_test_logged(&t, "rule_error", trace);
    expect(&t.w, "answer a1 e1 internal: internal");
  }
  rules_test_end(&t);
}

static void all_run(const char *const (*cases)[2], size_t n) {
  for (size_t i = 0; i < n; i++) runs("", cases[i][0], cases[i][1]);
}
#define ALL_RUN(cases) all_run(cases, sizeof(cases) / sizeof *(cases))

static void test_rules_api_notify_tells_one_client(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"return host.notify(c, 'hp', { 40 })", "answer a1 e1 legal = true\nnotify a1 hp [40]"},
      {"host.notify(c, 'ping')", "answer a1 e1 legal\nnotify a1 ping"},
      {"host.notify(c, nil, 'text')", "answer a1 e1 legal\nnotify a1 \"text\""},
      {"host.notify(c, 'l', host.array {})", "answer a1 e1 legal\nnotify a1 l []"},
      {"host.notify(c, 'x', { host.null, false })", "answer a1 e1 legal\nnotify a1 x [null,false]"},
      {"host.notify(c, 'x', e.data)", "answer a1 e1 legal\nnotify a1 x [1,2]"},
      {"host.notify('ann', 'x')", "bad argument #1 to 'host.notify' (client expected, got string)"},
      {"host.notify()", "bad argument #1 to 'host.notify' (client expected, got nil)"},
      {"host.notify(e, 'x')", "bad argument #1 to 'host.notify' (client expected, got umpire.Event)"},
      {"host.notify(c, 5)", "bad argument #2 to 'host.notify' (string or nil expected, got number)"},
      {"host.notify(c)", "host.notify: neither a name nor data to send"},
      {"host.notify(c, 'a\\0b')",
       "bad argument #2 to 'host.notify' (a name is UTF-8 text of at most 256 bytes without zeros)"},
      {"host.notify(c, 'x', c)", "value at data is a userdata"},
      {"host.notify(c, 'x', { a = print })", "value at data.a is a function"},
      {"host.notify(c, 'x', ('y'):rep(200))", "host.notify: too large for the client's protocol; nothing was sent"},
  };
  ALL_RUN(cases);
}

static void test_rules_api_notify_says_when_the_queue_is_full(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(&t, "function r.execute(c) local n = 0 while true do local ok, why, code = host.notify(c, 'x')\n"
                       "if not ok then return { n, why, code } end n = n + 1 end end");
  rules_test_connect(&t, 1);
  t.w.proto[0].room = 2;
  rules_test_event(&t, 1, "e1", "x", NULL);
  expect(&t.w, "answer a1 e1 legal = [2,\"the queue is full\",\"full\"]", "notify a1 x", "notify a1 x");
  rules_test_end(&t);
}

static void test_rules_api_broadcast_tells_all_but_one(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(&t, "function r.execute(c, e) host.broadcast('m', e.data, e.name == 'others' and c or nil) end");
  for (uint32_t i = 1; i <= 3; i++) rules_test_connect(&t, i);
  rules_test_event(&t, 2, "e1", "all", "1");
  expect(&t.w, "answer a2 e1 legal", "notify a1 m 1", "notify a2 m 1", "notify a3 m 1");
  rules_test_event(&t, 2, "e2", "others", "{\"a\":[]}");
  expect(&t.w, "answer a2 e2 legal", "notify a1 m {\"a\":[]}", "notify a3 m {\"a\":[]}");
  rules_test_end(&t);
  runs("", "host.broadcast(c)", "bad argument #1 to 'host.broadcast' (string or nil expected, got client)");
  runs("", "host.broadcast('x', 1, 'ann')", "bad argument #3 to 'host.broadcast' (client expected, got string)");
  runs("", "host.broadcast()", "host.broadcast: neither a name nor data to send");
}

static void test_rules_api_clients_is_stable_while_everybody_is_thrown_out(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(&t, "local left = 0 function r.disconnect() left = left + 1 end\n"
                       "function r.execute(c, e) if e.name == 'left' then return left end\n"
                       "for other in host.clients() do if other ~= c then host.kick(other, 'bye') end end end");
  for (uint32_t i = 1; i <= 4; i++) rules_test_connect(&t, i);
  rules_test_event(&t, 3, "e1", "x", NULL);
  expect(&t.w, "answer a3 e1 legal", "kick a1 bye", "kick a2 bye", "kick a4 bye");
  rules_test_event(&t, 3, "e2", "left", NULL);
  expect(&t.w, "answer a3 e2 legal = 3");
  rules_test_end(&t);
}

/* A micro-thread waits in its loop; who leaves meanwhile is passed over, who comes is not met, nobody twice. */
static void test_rules_api_clients_is_stable_over_time(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(&t, "function r.execute(c) host.spawn(function() for o in host.clients() do host.notify(o, 'met') "
                       "host.sleep(1) end end) end");
  for (uint32_t i = 1; i <= 3; i++) rules_test_connect(&t, i);
  rules_test_event(&t, 1, "e1", "x", NULL);
  world_advance(&t.w, UMP_S / 2);
  expect(&t.w, "answer a1 e1 legal", "notify a1 met");
  world_leave(&t.w, 0, 2);
  rules_test_connect(&t, 4);
  world_advance(&t.w, 10 * UMP_S);
  expect(&t.w, "notify a3 met");
  rules_test_end(&t);
}

static void test_rules_api_kick_is_checked(void **state) {
  (void)state;
  runs("", "host.kick(c)", "answer a1 e1 legal\nkick a1 kicked");
  runs("", "host.kick('c')", "bad argument #1 to 'host.kick' (client expected, got string)");
  runs("", "host.kick(c, {})", "bad argument #2 to 'host.kick' (string or nil expected, got table)");
  runs("", "host.kick(c) return { host.kick(c) }",
       "answer a1 e1 legal = [null,\"the client is gone\",\"gone\"]\nkick a1 kicked");
}

static void test_rules_api_timers_fire_repeat_and_end(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(
      &t, "local every\nfunction r.execute(c, e)\n"
          "  if e.name == 'stop' then return { host.cancel(every), host.cancel(every), host.cancel(12345) } end\n"
          "  host.after(0.5, function() host.notify(c, 'once', host.now()) end)\n"
          "  every = host.every(1, function() host.notify(c, 'again') end) end");
  rules_test_connect(&t, 1);
  rules_test_event(&t, 1, "e1", "go", NULL);
  world_advance(&t.w, 5 * UMP_S / 2);
  expect(&t.w, "answer a1 e1 legal", "notify a1 once 1000.5", "notify a1 again", "notify a1 again");
  rules_test_event(&t, 1, "e2", "stop", NULL);
  world_advance(&t.w, 5 * UMP_S);
  expect(&t.w, "answer a1 e2 legal = [true,false,false]");
  assert_int_equal(ump_engine_load(t.w.engine), 2); /* the client, here and at its protocol: no timer is left */
  rules_test_end(&t);
  runs("", "host.after('x', print)", "bad argument #1 to 'host.after' (number expected, got string)");
  runs("", "host.after(-1, print)", "bad argument #1 to 'host.after' (seconds from 0 to a hundred years expected)");
  runs("", "host.after(0/0, print)", "bad argument #1 to 'host.after' (seconds");
  runs("", "host.every(1)", "bad argument #2 to 'host.every' (function expected, got nothing)");
  runs("", "host.cancel('x')", "bad argument #1 to 'host.cancel' (timer or micro-thread expected, got string)");
}

static void test_rules_api_timer_that_fails_is_logged_and_others_go_on(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(
      &t, "function r.execute(c)\n host.every(1, function() host.notify(c, 'lost')\n error('in a timer') end)\n"
          " host.every(1, function() host.notify(c, 'fine') end) end");
  rules_test_connect(&t, 1);
  rules_test_event(&t, 1, "e1", "x", NULL);
  world_advance(&t.w, 5 * UMP_S / 2);
  expect(&t.w, "answer a1 e1 legal", "notify a1 fine", "notify a1 fine");
  rules_test_logged(&t, "rule_error", "game.lua:5: in a timer");
  rules_test_end(&t);
}

static void test_rules_api_tick_gets_the_time_that_went_by(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(&t, "r.tick_rate = 4 local sum, n = 0, 0 function r.tick(dt) sum, n = sum + dt, n + 1 end\n"
                       "function r.execute() return { sum, n } end");
  rules_test_connect(&t, 1);
  world_advance(&t.w, 2 * UMP_S + UMP_S / 10);
  rules_test_event(&t, 1, "e1", "x", NULL);
  expect(&t.w, "answer a1 e1 legal = [2.0,8]");
  rules_test_end(&t);
}

static void test_rules_api_threads_sleep_and_give_way(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(
      &t, "function r.execute(c) local function say(x) host.notify(c, x) end\n"
          "host.spawn(function() say 'a1' host.sleep(1) say 'a2' pcall(function() host.sleep(1) end) say 'a3' end)\n"
          "host.spawn(function() say 'b1' host.yield() say 'b2' host.yield(5000) say 'b3' end) end");
  rules_test_connect(&t, 1);
  rules_test_event(&t, 1, "e1", "x", NULL);
  expect(&t.w, "answer a1 e1 legal");
  world_advance(&t.w, UMP_S / 2);
  expect(&t.w, "notify a1 a1", "notify a1 b1", "notify a1 b2");
  world_advance(&t.w, 3 * UMP_S);
  expect(&t.w, "notify a1 a2", "notify a1 a3");
  world_advance(&t.w, 3 * UMP_S);
  expect(&t.w, "notify a1 b3");
  assert_int_equal(ump_engine_load(t.w.engine), 2);
  rules_test_end(&t);
}

/* However many threads of low priority there are, one of real time runs in every turn, and they run too. */
static void test_rules_api_real_time_threads_are_never_starved(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(
      &t, "local fast, slow = 0, 0\nfunction r.execute(c, e) if e.name == 'ask' then return { fast, slow } end\n"
          "host.spawn(function() while true do fast = fast + 1 host.yield(0) end end)\n"
          "for i = 1, 100 do host.spawn(function() while true do slow = slow + 1 host.yield(9) end end) end end");
  rules_test_connect(&t, 1);
  rules_test_event(&t, 1, "e1", "x", NULL);
  world_advance(&t.w, UMP_S);
  rules_test_event(&t, 1, "e2", "ask", NULL);
  expect(&t.w, "answer a1 e1 legal", "answer a1 e2 legal = [1000,10000]");
  rules_test_end(&t);
}

static void test_rules_api_thread_that_fails_ends_alone(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(
      &t,
      "function r.execute(c)\n host.spawn(function() host.sleep(1) host.notify(c, 'lost')\n local x = nil + 1 end)\n"
      " host.spawn(function() host.sleep(1) host.notify(c, 'fine') end) end");
  rules_test_connect(&t, 1);
  rules_test_event(&t, 1, "e1", "x", NULL);
  world_advance(&t.w, 3 * UMP_S);
  expect(&t.w, "answer a1 e1 legal", "notify a1 fine");
  rules_test_logged(&t, "rule_error", "game.lua:5: attempt to perform arithmetic on a nil value");
  rules_test_end(&t);
}

static void test_rules_api_thread_resumed_by_hand_is_not_woken_twice(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(&t,
                   "local co, n = nil, 0\nfunction r.execute(c, e)\n"
                   "if e.name == 'poke' then coroutine.resume(co) end if e.name ~= 'go' then return n end\n"
                   "host.spawn(function() co = coroutine.running() while true do n = n + 1 host.sleep(1) end end) end");
  rules_test_connect(&t, 1);
  rules_test_event(&t, 1, "e1", "go", NULL);
  world_advance(&t.w, UMP_S / 2);
  rules_test_event(&t, 1, "e2", "poke", NULL);
  world_advance(&t.w, 9 * UMP_S / 10); /* the timer of the first sleep has come, that of the second has not */
  rules_test_event(&t, 1, "e3", "ask", NULL);
  world_advance(&t.w, UMP_S / 5);
  rules_test_event(&t, 1, "e4", "ask", NULL);
  expect(&t.w, "answer a1 e1 legal", "answer a1 e2 legal = 2", "answer a1 e3 legal = 2", "answer a1 e4 legal = 3");
  rules_test_end(&t);
}

/* A timer of no time comes in the next turn, so one that starts itself again does not stop the world. */
static void test_rules_api_nothing_runs_sooner_than_the_next_turn(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(&t, "local n, m = 0, 0 local function again() n = n + 1 host.after(0, again) end\n"
                       "local function thread() m = m + 1 host.spawn(thread) host.sleep(0) end\n"
                       "function r.execute(c, e) if e.name == 'ask' then return { n, m } end host.after(0, again) "
                       "host.spawn(thread) end");
  rules_test_connect(&t, 1);
  rules_test_event(&t, 1, "e1", "go", NULL);
  world_advance(&t.w, UMP_S / 10);
  rules_test_event(&t, 1, "e2", "ask", NULL);
  expect(&t.w, "answer a1 e1 legal", "answer a1 e2 legal = [100,100]");
  rules_test_end(&t);
}

static void test_rules_api_sleep_outside_of_a_thread_says_so(void **state) {
  (void)state;
  runs("", "host.sleep(1)", "host.sleep works in a micro-thread only: start one with host.spawn(function() ... end)");
  runs("", "host.yield()", "host.yield works in a micro-thread only");
  runs("", "coroutine.wrap(function() host.sleep(1) end)()", "host.sleep works in a micro-thread only");
  runs("", "host.spawn(1)", "bad argument #1 to 'host.spawn' (function expected, got number)");
  runs("", "host.sleep('x')", "bad argument #1 to 'host.sleep' (number expected, got string)");
  runs("", "host.yield(-1)", "bad argument #1 to 'host.yield' (a priority from 0 to 1000000 expected)");
}

static void test_rules_api_chance_is_the_hosts(void **state) {
  (void)state;
  runs("",
       "local u, v = host.uuid(), host.uuid() return { #u, u:match('^%x+%-%x+%-4%x+%-[89ab]%x+%-%x+$') == u, u ~= v }",
       "answer a1 e1 legal = [36,true,true]");
  runs("",
       "local lo, hi = 9, 0 for i = 1, 1000 do local x = host.random(3, 5) lo, hi = math.min(lo, x), math.max(hi, x) "
       "end return { lo, hi, host.random(1), host.random(7, 7) }",
       "answer a1 e1 legal = [3,5,1,7]");
  runs("",
       "local x = host.random() return x >= 0 and x < 1 and math.type(host.random(math.mininteger, math.maxinteger)) "
       "== 'integer'",
       "answer a1 e1 legal = true");
  runs("", "host.random(0)", "bad argument #1 to 'host.random' (interval is empty)");
  runs("", "host.random(2, 1)", "bad argument #2 to 'host.random' (interval is empty)");
  runs("", "host.random('x')", "bad argument #1 to 'host.random' (integer expected, got string)");
  runs("", "host.random(1.5)", "bad argument #1 to 'host.random' (integer expected, got number)");
}

static void test_rules_api_log_lines_reach_the_log(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(&t, "function r.execute(c, e) host.log.debug('d') host.log.info('a', 1, nil, {} ~= nil) "
                       "host.log.warn('w') host.log.error('e', c) end");
  rules_test_connect(&t, 1);
  size_t before = t.w.log.n;
  rules_test_event(&t, 1, "e1", "x", NULL);
  expect(&t.w, "answer a1 e1 legal");
  static const enum ump_level levels[] = {UMP_DEBUG, UMP_INFO, UMP_WARN, UMP_ERROR};
  for (size_t i = 0; i < 4; i++) assert_int_equal(t.w.log.lines[(before + i) % TESTING_LOG_LINES].level, levels[i]);
  assert_string_equal(t.w.log.lines[(before + 1) % TESTING_LOG_LINES].text, "a 1 nil true");
  rules_test_end(&t);
}

static void test_rules_api_values_and_unknown_names(void **state) {
  (void)state;
  runs("", "return { host.api, host.null == e.data[9], #host.array {}, #host.array() }",
       "answer a1 e1 legal = [1,false,0,0]");
  runs("", "host.array(1)", "bad argument #1 to 'host.array' (table expected, got number)");
  runs("", "host.invalid(1)", "bad argument #1 to 'host.invalid' (string expected, got number)");
  runs("", "host.notfy(c)", "host has no 'notfy': did you mean 'notify'?");
  runs("", "host.teleport(c)", "host has no 'teleport'");
  runs("", "return require 'umpire' == host", "answer a1 e1 legal = true");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rules_api_notify_tells_one_client),
      cmocka_unit_test(test_rules_api_notify_says_when_the_queue_is_full),
      cmocka_unit_test(test_rules_api_broadcast_tells_all_but_one),
      cmocka_unit_test(test_rules_api_clients_is_stable_while_everybody_is_thrown_out),
      cmocka_unit_test(test_rules_api_clients_is_stable_over_time),
      cmocka_unit_test(test_rules_api_kick_is_checked),
      cmocka_unit_test(test_rules_api_timers_fire_repeat_and_end),
      cmocka_unit_test(test_rules_api_timer_that_fails_is_logged_and_others_go_on),
      cmocka_unit_test(test_rules_api_tick_gets_the_time_that_went_by),
      cmocka_unit_test(test_rules_api_threads_sleep_and_give_way),
      cmocka_unit_test(test_rules_api_real_time_threads_are_never_starved),
      cmocka_unit_test(test_rules_api_thread_that_fails_ends_alone),
      cmocka_unit_test(test_rules_api_thread_resumed_by_hand_is_not_woken_twice),
      cmocka_unit_test(test_rules_api_nothing_runs_sooner_than_the_next_turn),
      cmocka_unit_test(test_rules_api_sleep_outside_of_a_thread_says_so),
      cmocka_unit_test(test_rules_api_chance_is_the_hosts),
      cmocka_unit_test(test_rules_api_log_lines_reach_the_log),
      cmocka_unit_test(test_rules_api_values_and_unknown_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
