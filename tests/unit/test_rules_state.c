/* The state as a rulebook in Lua sees it: kept across restarts, copied where it is passed on, and whole when memory is
 * short. */
#include "rules_testing.h"

static struct ump_bytes copy_of(struct ump_bytes b, uint8_t *to, size_t cap) {
  assert_in_range(b.n, 1, cap);
  memcpy(to, b.p, b.n);
  return ump_bytes(to, b.n);
}

static size_t saved_by(const char *text, uint8_t *to, size_t cap) {
  struct rules_test t;
  struct ump_bytes saved;
  rules_test_start(&t, text);
  assert_int_equal(ump_rules_save(t.rules, t.w.now, &saved), 0);
  size_t n = saved.n ? copy_of(saved, to, cap).n : 0;
  rules_test_end(&t);
  return n;
}

static bool open_with(struct rules_test *t, const char *text, struct ump_bytes saved) {
  rules_test_init(t);
  rules_test_book(t, text);
  t->rules = ump_rules_open(&t->cfg, saved, 3, t->w.now, &t->report);
  return t->rules != NULL;
}

static const char LOOK[] = "local got function r.load(s, v) got = { s and s.gold or 'none', v or 0, host.state.a and "
                           "host.state.a.b or 'none' } end "
                           "function r.execute() return got end";

static void expect_look(uint8_t *saved, size_t n, const char *answer) {
  struct rules_test t;
  assert_true(open_with(&t, LOOK, ump_bytes(saved, n)));
  rules_test_connect(&t, 1);
  rules_test_event(&t, 1, "e1", "x", NULL);
  expect(&t.w, answer);
  rules_test_end(&t);
}

static void test_state_is_saved_with_what_save_gives(void **state) {
  (void)state;
  uint8_t saved[512];
  expect_look(saved,
              saved_by("host.update { a = { b = 1 } } function r.save() return { gold = 5 } end", saved, sizeof saved),
              "answer a1 e1 legal = [5,3,1]");
  expect_look(saved, saved_by("host.update { a = { b = 1 } }", saved, sizeof saved),
              "answer a1 e1 legal = [\"none\",0,1]");
  expect_look(saved, saved_by("function r.save() return { gold = 5 } end", saved, sizeof saved),
              "answer a1 e1 legal = [5,3,\"none\"]");
  assert_int_equal(saved_by("host.update { a = 1 } host.update { a = host.DELETE }", saved, sizeof saved), 0);
}

static void test_state_that_was_saved_must_fit(void **state) {
  (void)state;
  uint8_t saved[512];
  struct rules_test t;
  size_t n = saved_by("host.update { a = 1, b = 2, c = 3 }", saved, sizeof saved);
  rules_test_init(&t);
  world_drop(&t.w);
  testing_mem_init(&t.w.mem);
  assert_true(world_make(&t.w, &(struct ump_limits){.state_keys = 2}));
  assert_int_equal(world_listen(&t.w, 0), 0);
  t.cfg.engine = t.w.engine;
  rules_test_book(&t, "");
  t.rules = ump_rules_open(&t.cfg, ump_bytes(saved, n), 0, t.w.now, &t.report);
  assert_null(t.rules);
  rules_test_reported(&t, "the saved state cannot be put back");
  assert_int_equal(ump_state_keys(ump_engine_state(t.w.engine)), 0);
  ump_report_free(&t.report);
  assert_true(rules_test_open(&t)); /* without it, it goes */
  rules_test_end(&t);
}

/* What was passed on is a copy of its own. */
static void test_state_that_is_passed_on_is_a_copy(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(&t, "host.update { a = { b = 1, list = { 1, { 2 } } } }\n"
                       "function r.execute(c, e)\n"
                       "  if e.name == 'keep' then c.data.kept = host.state.a host.notify(c, 'is', { "
                       "host.state.a.list, host.state }) end\n"
                       "  if e.name == 'change' then host.update { a = { b = 2, list = { 3 } } } end\n"
                       "  if e.name == 'look' then return c.data.kept end\n"
                       "end");
  rules_test_connect(&t, 1);
  rules_test_event(&t, 1, "e1", "keep", NULL);
  expect(&t.w, "answer a1 e1 legal", "notify a1 is [[1,[2]],{\"a\":{\"b\":1,\"list\":[1,[2]]}}]");
  assert_true(rules_test_reload(&t)); /* client.data is packed */
  rules_test_event(&t, 1, "e2", "change", NULL);
  rules_test_event(&t, 1, "e3", "look", NULL);
  expect(&t.w, "answer a1 e2 legal", "answer a1 e3 legal = {\"b\":1,\"list\":[1,[2]]}");
  rules_test_end(&t);
}

/* Whatever allocation fails, the state is that of before or after, and nothing is lost. */
static void test_state_is_whole_whenever_memory_is_short(void **state) {
  (void)state;
  for (size_t n = 1;; n++) {
    struct rules_test t;
    rules_test_start(&t, "host.update { a = { b = 1, list = { 1, { 2 } }, gone = 1 } }\n"
                         "function r.view(c, s) return { a = s.a } end\n"
                         "function r.execute(c, e)\n"
                         "  for k, v in pairs(host.state.a) do c.data[k] = v end\n"
                         "  host.update { a = { b = { 2 }, gone = host.DELETE, more = { deep = { 'x' } } } }\n"
                         "  host.notify(c, 'is', host.state)\n"
                         "end");
    rules_test_connect(&t, 1);
    testing_mem_fail(&t.w.mem, n, false);
    t.w.quiet = true;
    rules_test_event(&t, 1, "e1", "x", NULL);
    size_t failed = t.w.mem.failed;
    testing_mem_fail(&t.w.mem, 0, false);
    uint32_t keys = ump_state_keys(ump_engine_state(t.w.engine));
    assert_true(keys == 4 || keys == 5);
    rules_test_end(&t);
    if (!failed) break;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_state_is_saved_with_what_save_gives),
      cmocka_unit_test(test_state_that_was_saved_must_fit),
      cmocka_unit_test(test_state_that_is_passed_on_is_a_copy),
      cmocka_unit_test(test_state_is_whole_whenever_memory_is_short),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
