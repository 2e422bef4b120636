/* Reload: what goes over, what refuses it, and that a refusal leaves everything as it was. */
#include "rules_testing.h"

static void test_rules_reload_swaps_rules_and_hands_over_what_was_saved(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(&t, "r.version = 3 local rounds = 0 function r.execute(c) rounds = rounds + 1 return rounds end\n"
                       "function r.save() return { rounds = rounds, list = host.array {}, big = math.maxinteger, null "
                       "= host.null } end");
  rules_test_connect(&t, 1);
  rules_test_event(&t, 1, "e1", "x", NULL);
  rules_test_book(
      &t, "r.version = 4 local got, from = nil, nil function r.load(saved, v) got, from = saved, v end\n"
          "function r.execute() return { got.rounds, from, got.list, got.big == math.maxinteger, got.null } end");
  if (!rules_test_reload(&t)) fail_msg("%s", t.report.text);
  rules_test_event(&t, 1, "e2", "x", NULL);
  expect(&t.w, "answer a1 e1 legal = 1", "answer a1 e2 legal = [1,3,[],true,null]");
  struct ump_rules_info info;
  ump_rules_info(t.rules, &info);
  assert_int_equal(info.loads, 2);
  assert_int_equal(info.refused, 0);
  assert_int_equal(info.version, 4);
  rules_test_end(&t);
}

static void test_rules_reload_repeats_keep_their_verdict(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(&t, "function r.legal() return false, 'old' end");
  rules_test_connect(&t, 1);
  rules_test_event(&t, 1, "e1", "x", NULL);
  rules_test_book(&t, "function r.legal() return true end");
  assert_true(rules_test_reload(&t));
  rules_test_event(&t, 1, "e1", "x", NULL);
  rules_test_event(&t, 1, "e2", "x", NULL);
  expect(&t.w, "answer a1 e1 illegal: old", "repeat a1 e1 illegal: old", "answer a1 e2 legal");
  rules_test_end(&t);
}

#define COUNTING                                                                                                       \
  "function r.execute(c) c.data.n = (c.data.n or 0) + 1 c.data.deep = { { 1.0, host.null } } return c.data.n end"

static void test_rules_reload_keeps_client_data_through_any_number_of_reloads(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(&t, COUNTING);
  rules_test_connect(&t, 1);
  rules_test_connect(&t, 2);
  rules_test_event(&t, 1, "e1", "x", NULL);
  for (int i = 0; i < 3; i++) assert_true(rules_test_reload(&t)); /* nobody has looked at it in between */
  rules_test_event(&t, 1, "e2", "x", NULL);
  rules_test_event(&t, 2, "e3", "x", NULL);
  assert_true(rules_test_reload(&t));
  rules_test_event(&t, 1, "e4", "x", NULL);
  rules_test_event(&t, 2, "e5", "x", NULL);
  expect(&t.w, "answer a1 e1 legal = 1", "answer a1 e2 legal = 2", "answer a2 e3 legal = 1", "answer a1 e4 legal = 3",
         "answer a2 e5 legal = 2");
  rules_test_end(&t);
}

static void test_rules_reload_data_does_not_go_to_the_next_in_the_slot(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(&t, COUNTING);
  rules_test_connect(&t, 1);
  rules_test_event(&t, 1, "e1", "x", NULL);
  assert_true(rules_test_reload(&t));
  world_leave(&t.w, 0, 1);
  rules_test_connect(&t, 2);
  rules_test_event(&t, 2, "e2", "x", NULL);
  expect(&t.w, "answer a2 e2 legal = 1");
  rules_test_end(&t);
}

static void test_rules_reload_gives_back_what_it_kept_once_all_is_unpacked(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(
      &t, "function r.connect(c) c.data.text = ('x'):rep(100000) end function r.execute(c) return #c.data.text end");
  for (uint32_t i = 1; i <= 3; i++) rules_test_connect(&t, i);
  size_t before = t.w.mem.bytes;
  assert_true(rules_test_reload(&t));
  assert_in_range(t.w.mem.bytes, before + 300000, before + 1000000);
  rules_test_event(&t, 1, "e1", "x", NULL);
  world_leave(&t.w, 0, 2);
  rules_test_event(&t, 3, "e2", "x", NULL);
  expect(&t.w, "answer a1 e1 legal = 100000", "answer a3 e2 legal = 100000");
  assert_in_range(t.w.mem.bytes, 0, before + 4096);
  rules_test_end(&t);
}

static void test_rules_reload_load_sees_clients_and_their_data(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(&t, COUNTING);
  rules_test_connect(&t, 1);
  rules_test_connect(&t, 2);
  rules_test_event(&t, 2, "e1", "x", NULL);
  rules_test_book(&t, "function r.load() for c in host.clients() do c.data.n = (c.data.n or 10) + 100 host.notify(c, "
                      "'n', c.data.n) end end\n" COUNTING);
  assert_true(rules_test_reload(&t));
  expect(&t.w, "answer a2 e1 legal = 1", "notify a1 n 110", "notify a2 n 101");
  rules_test_event(&t, 1, "e2", "x", NULL);
  expect(&t.w, "answer a1 e2 legal = 111");
  rules_test_end(&t);
}

static void test_rules_reload_ends_old_timers_and_keeps_new_ones(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(&t, "host.every(1, function() host.broadcast 'old' end) host.spawn(function() while true do "
                       "host.sleep(1) host.broadcast 'old thread' end end)");
  rules_test_connect(&t, 1);
  world_advance(&t.w, 11 * UMP_S / 10);
  expect(&t.w, "notify a1 old", "notify a1 old thread");
  rules_test_book(&t, "function r.load() host.every(1, function() host.broadcast 'new' end) host.spawn(function() "
                      "host.sleep(1) host.broadcast 'new thread' end) end");
  assert_true(rules_test_reload(&t));
  world_advance(&t.w, 23 * UMP_S / 10);
  expect(&t.w, "notify a1 new", "notify a1 new thread", "notify a1 new");
  rules_test_end(&t);
}

static void test_rules_reload_kick_of_load_reaches_the_new_rules(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(&t, "function r.disconnect() host.broadcast 'old says bye' end");
  rules_test_connect(&t, 1);
  rules_test_connect(&t, 2);
  rules_test_book(&t, "function r.disconnect(c) host.broadcast 'new says bye' end function r.load() "
                      "host.kick(host.clients()(), 'x') end");
  assert_true(rules_test_reload(&t));
  expect(&t.w, "notify a2 new says bye", "kick a1 x");
  rules_test_end(&t);
}

/* ---- refusals ---- */

static void test_rules_reload_refused_leaves_the_old_rules_as_they_were(void **state) {
  (void)state;
  static const char *const broken[][2] = {
      {"function r.legal(", "game.lua:4: "},
      {"function r.excute() end", "game.lua:3: unknown handler 'excute': did you mean 'execute'?"},
      {"\nr.tick_rate = -1", "game.lua:4: tick_rate must be"},
      {"\n\npirnt()", "game.lua:5: undefined global 'pirnt'"},
      {"error('no')", "game.lua:3: no"},
      {"function r.load(s)\n error('cannot migrate ' .. s.n) end", "game.lua:4: cannot migrate 1"},
      {"function r.load(s) while true do end end", "game.lua:3: this call ran for more than its budget"},
      {"while true do pcall(function() while true do end end) end", "budget"},
      {"function r.load() local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end end", "memory"},
      {"host.every(1, function() host.broadcast 'never' end) function r.load() host.broadcast('never')\n for c in "
       "host.clients() do c.data.n = 99 host.kick(c) end error('late') end",
       "game.lua:4: late"},
  };
  struct rules_test t;
  rules_test_init(&t);
  t.cfg.vm.memory = 4 << 20;
  rules_test_book(&t, "local n = 0 host.every(10, function() host.broadcast('old', n) end)\n"
                      "function r.execute(c) n = n + 1 c.data.n = (c.data.n or 0) + 1 return { n, c.data.n } end "
                      "function r.save() return { n = n } end");
  assert_true(rules_test_open(&t));
  rules_test_connect(&t, 1);
  rules_test_event(&t, 1, "e0", "x", NULL);
  expect(&t.w, "answer a1 e0 legal = [1,1]");
  size_t bytes = t.w.mem.bytes, load = ump_engine_load(t.w.engine);
  for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
    rules_test_book(&t, broken[i][0]);
    assert_false(rules_test_reload(&t));
    rules_test_reported(&t, broken[i][1]);
    rules_test_reported(&t, t.folder);
    assert_int_equal(ump_engine_load(t.w.engine), load);
    expect_nothing(&t.w);
  }
  assert_in_range(t.w.mem.bytes, 0, bytes + 1024); /* a buffer may have grown, once */
  rules_test_event(&t, 1, "e1", "x", NULL);
  world_advance(&t.w, 10 * UMP_S);
  expect(&t.w, "answer a1 e1 legal = [2,2]", "notify a1 old 2");
  struct ump_rules_info info;
  ump_rules_info(t.rules, &info);
  assert_int_equal(info.loads, 1);
  assert_int_equal(info.refused, sizeof broken / sizeof *broken);
  assert_int_equal(info.errors, 0);
  rules_test_end(&t);
}

static void test_rules_reload_refused_when_the_old_rules_cannot_hand_over(void **state) {
  (void)state;
  static const char *const broken[][2] = {
      {"function r.save()\n return { items = { 1, print } } end", "value at save().items[2] is a function"},
      {"function r.save()\n error('not now') end", "game.lua:4: not now"},
      {"function r.save() local c = {} c.c = c return c end", "value at save().c is a table that contains itself"},
      {"function r.save() host.broadcast('x') end",
       "host.broadcast cannot be called in save: save must change nothing"},
      {"function r.connect(c) c.data.f = { print } end",
       "value at client.data.f[1] is a function: only nil, booleans, numbers, strings and "
       "tables of them can be kept across a reload"},
      {"function r.connect(c) c.data.me = c end", "value at client.data.me is a userdata"},
  };
  for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
    struct rules_test t;
    rules_test_start(&t, broken[i][0]);
    rules_test_connect(&t, 1);
    rules_test_book(&t, "function r.execute() return 'new' end");
    assert_false(rules_test_reload(&t));
    rules_test_reported(&t, broken[i][1]);
    rules_test_reported(&t, "of the rulebook in place");
    rules_test_event(&t, 1, "e1", "x", NULL);
    expect(&t.w, "answer a1 e1 legal");
    rules_test_end(&t);
  }
}

static void test_rules_save_gives_bytes_that_open_takes(void **state) {
  (void)state;
  struct rules_test t;
  struct ump_bytes saved;
  char copy[512];
  rules_test_start(&t, "r.version = 7 function r.save() return { { gold = 5 } } end");
  assert_int_equal(ump_rules_save(t.rules, t.w.now, &saved), 0);
  assert_in_range(saved.n, 1, sizeof copy);
  memcpy(copy, saved.p, saved.n);
  ump_rules_close(t.rules);
  rules_test_book(&t, "local got function r.load(s, v) got = { s[1].gold, v } end function r.execute() return got end");
  ump_report_free(&t.report);
  t.rules = ump_rules_open(&t.cfg, ump_bytes(copy, saved.n), 7, t.w.now, &t.report);
  assert_non_null(t.rules);
  rules_test_connect(&t, 1);
  rules_test_event(&t, 1, "e1", "x", NULL);
  expect(&t.w, "answer a1 e1 legal = [5,7]");
  assert_int_equal(ump_rules_save(t.rules, t.w.now, &saved), 0);
  assert_int_equal(saved.n, 0); /* no save handler */
  rules_test_end(&t);
}

/* Every third one broken, events in between: none is lost, none judged twice, and memory is where it was. */
static void test_rules_reload_a_thousand_times_every_third_broken(void **state) {
  (void)state;
  struct rules_test t;
  size_t bytes = 0, memory = 0;
  rules_test_start(&t, "local n = 0 function r.load(s) n = s and s.n or 0 host.every(3600, function() end) end "
                       "function r.save() return { n = n } end\n"
                       "function r.execute(c) n = n + 1 c.data.n = (c.data.n or 0) + 1 return n == c.data.n end");
  rules_test_connect(&t, 1);
  char good[512];
  snprintf(good, sizeof good, "%s/good.lua", t.folder);
  FILE *f = fopen(t.path, "rb");
  char text[1024];
  size_t n_text = fread(text, 1, sizeof text - 1, f);
  text[n_text] = 0;
  fclose(f);
  for (int i = 0; i < 1000; i++) {
    char id[16];
    bool broken = i % 3 == 2;
    if (broken)
      rules_test_book(&t, i % 2 ? "function r.load() error 'x' end" : "function r.excute() end");
    else
      rules_test_write(&t, "game.lua", text);
    assert_int_equal(rules_test_reload(&t), !broken);
    snprintf(id, sizeof id, "e%d", i);
    rules_test_event(&t, 1, id, "x", NULL);
    char wanted[64];
    snprintf(wanted, sizeof wanted, "answer a1 %s legal = true", id);
    expect(&t.w, wanted);
    if (i == 10) {
      struct ump_rules_info info;
      ump_rules_info(t.rules, &info);
      bytes = t.w.mem.bytes, memory = info.memory;
    }
  }
  struct ump_rules_info info;
  ump_rules_info(t.rules, &info);
  assert_int_equal(info.loads, 1 + 667);
  assert_int_equal(info.refused, 333);
  assert_in_range(info.memory, 0, memory + 16384);
  assert_in_range(t.w.mem.bytes, 0, bytes + 65536); /* 990 more events in the exactly-once window */
  rules_test_end(&t);
}

/* The nth allocation of the host's own fails, for every n: opening, judging and reloading either work or say why, and
 * nothing is left behind. */
static void one_run(struct rules_test *t) {
  if (!rules_test_open(t)) {
    rules_test_reported(t, "memory");
    return;
  }
  for (uint32_t s = 1; s <= 3; s++) world_connect(&t->w, 0, s);
  for (uint32_t s = 1; s <= 3; s++)
    if (world_client(&t->w, 0, s)) rules_test_event(t, s, s == 1 ? "e1" : s == 2 ? "e2" : "e3", "x", "[1.0,[]]");
  rules_test_reload(t);
  world_advance(&t->w, UMP_S);
  t->w.n_trace = 0;
}

static void test_rules_survive_every_failing_allocation(void **state) {
  (void)state;
  for (size_t n = 1;; n++) {
    struct rules_test t;
    rules_test_init(&t);
    rules_test_book(&t, "function r.connect(c) c.data.x = { 1, 2 } end function r.save() return { 1 } end\n"
                        "function r.load() host.after(0.5, function() host.broadcast('b', { 1.0 }) end) end\n"
                        "function r.execute(c, e) host.notify(c, 'n', e.data) host.spawn(function() host.sleep(0.1) "
                        "host.broadcast 'x' end) return e.data end");
    testing_mem_fail(&t.w.mem, n, false);
    one_run(&t);
    size_t failed = t.w.mem.failed;
    testing_mem_fail(&t.w.mem, 0, false);
    rules_test_end(&t);
    if (!failed) break;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rules_reload_swaps_rules_and_hands_over_what_was_saved),
      cmocka_unit_test(test_rules_reload_repeats_keep_their_verdict),
      cmocka_unit_test(test_rules_reload_keeps_client_data_through_any_number_of_reloads),
      cmocka_unit_test(test_rules_reload_data_does_not_go_to_the_next_in_the_slot),
      cmocka_unit_test(test_rules_reload_gives_back_what_it_kept_once_all_is_unpacked),
      cmocka_unit_test(test_rules_reload_load_sees_clients_and_their_data),
      cmocka_unit_test(test_rules_reload_ends_old_timers_and_keeps_new_ones),
      cmocka_unit_test(test_rules_reload_kick_of_load_reaches_the_new_rules),
      cmocka_unit_test(test_rules_reload_refused_leaves_the_old_rules_as_they_were),
      cmocka_unit_test(test_rules_reload_refused_when_the_old_rules_cannot_hand_over),
      cmocka_unit_test(test_rules_save_gives_bytes_that_open_takes),
      cmocka_unit_test(test_rules_reload_a_thousand_times_every_third_broken),
      cmocka_unit_test(test_rules_survive_every_failing_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
