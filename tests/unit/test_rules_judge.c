/* The judge: legal, then execute, in one call; what each may return; events and clients as rules see them. */
#include "rules_testing.h"

static void test_rules_judge_legal_event_is_executed_and_answered(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(
      &t, "function r.legal(c, e) return e.name == 'move' end\n"
          "function r.execute(c, e) return { e.data[1] + 1, e.name, e.id, e.priority, e.time == host.now() } end");
  rules_test_connect(&t, 1);
  rules_test_event(&t, 1, "e1", "move", "[41]");
  expect(&t.w, "answer a1 e1 legal = [42,\"move\",\"e1\",\"normal\",true]");
  rules_test_event(&t, 1, "e2", "fly", NULL);
  expect(&t.w, "answer a1 e2 illegal");
  rules_test_end(&t);
}

/* The strings of names are kept for the next event: these all share their place, and the last two are too long to be
 * kept. */
static void test_rules_judge_names_that_are_alike_stay_apart(void **state) {
  static const char *const names[] = {
      "move", "eovm", "mxye", "move", "abcdefghijklmnop", "abcdefghXjklmnop", "abcdefghijklmnopq", "mve"};
  (void)state;
  struct rules_test t;
  rules_test_start(&t, "function r.execute(c, e) return { e.name, #e.name } end");
  rules_test_connect(&t, 1);
  for (size_t i = 0; i < 2 * sizeof names / sizeof *names; i++) {
    const char *name = names[i % (sizeof names / sizeof *names)];
    char id[8], line[64];
    snprintf(id, sizeof id, "e%zu", i);
    snprintf(line, sizeof line, "answer a1 %s legal = [\"%s\",%zu]", id, name, strlen(name));
    rules_test_event(&t, 1, id, name, NULL);
    expect(&t.w, line);
  }
  rules_test_end(&t);
}

static void test_rules_judge_without_handlers_everything_is_legal(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(&t, "");
  rules_test_connect(&t, 1);
  rules_test_event(&t, 1, "e1", NULL, "{\"a\":1}");
  expect(&t.w, "answer a1 e1 legal");
  rules_test_end(&t);
}

static void test_rules_judge_repeat_is_answered_and_not_executed(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(&t, "local n = 0 function r.execute(c, e) n = n + 1 host.notify(c, 'n', n) end");
  rules_test_connect(&t, 1);
  rules_test_event(&t, 1, "e1", "x", NULL);
  rules_test_event(&t, 1, "e1", "x", NULL);
  rules_test_event(&t, 1, "e2", "x", NULL);
  expect(&t.w, "answer a1 e1 legal", "notify a1 n 1", "repeat a1 e1 legal", "answer a1 e2 legal", "notify a1 n 2");
  rules_test_end(&t);
}

static void test_rules_judge_middleware_runs_in_order_until_one_says_no(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(&t, "local seen = ''\n"
                       "local function step(name, answer) return function(c, e) seen = seen .. name\n"
                       "  if e.name == name then return answer, 'stopped at ' .. name end return true end end\n"
                       "r.legal = { step('a', false), step('b', false), step('c', false) }\n"
                       "function r.execute() local s = seen seen = '' return s end");
  rules_test_connect(&t, 1);
  rules_test_event(&t, 1, "e1", "b", NULL);
  expect(&t.w, "answer a1 e1 illegal: stopped at b");
  rules_test_event(&t, 1, "e2", "none", NULL);
  expect(&t.w, "answer a1 e2 legal = \"ababc\"");
  rules_test_end(&t);
}

static void test_rules_judge_invalid_is_told_apart_from_illegal(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(&t, "function r.legal(c, e) if e.name == 'i' then local x = host.invalid('no sense') return x end\n"
                       "  if e.name == 'j' then return host.invalid() end return false end");
  rules_test_connect(&t, 1);
  rules_test_event(&t, 1, "e1", "i", NULL);
  rules_test_event(&t, 1, "e2", "j", NULL);
  rules_test_event(&t, 1, "e3", "k", NULL);
  expect(&t.w, "answer a1 e1 invalid: no sense", "answer a1 e2 invalid", "answer a1 e3 illegal");
  rules_test_end(&t);
}

static void test_rules_judge_reason_is_cut_at_200_bytes_between_characters(void **state) {
  (void)state;
  struct rules_test t;
  char wanted[256] = "answer a1 e1 illegal: ";
  rules_test_start(&t, "function r.legal(c, e) if e.name == 'raw' then return false, 'a\\255\\254' end return false, "
                       "('x' .. ('\\u{e9}'):rep(150)) end");
  rules_test_connect(&t, 1);
  rules_test_event(&t, 1, "e1", "x", NULL);
  size_t n = strlen(wanted);
  wanted[n++] = 'x';
  for (int i = 0; i < 99; i++) wanted[n++] = '\xc3', wanted[n++] = '\xa9';
  wanted[n] = 0;
  expect(&t.w, wanted);
  rules_test_event(&t, 1, "e2", "raw", NULL);
  expect(&t.w, "answer a1 e2 illegal: a??");
  rules_test_end(&t);
}

static void test_rules_judge_what_is_no_verdict_is_internal_and_says_where(void **state) {
  (void)state;
  static const char *const wrong[][2] = {
      {"function r.legal() end", "game.lua:3: legal must return true or false, got nil (does every path return?)"},
      {"\nfunction r.legal() return {} end", "game.lua:4: legal must return true or false, got a table"},
      {"function r.legal() return 1 end", "game.lua:3: legal must return true or false, got a number"},
      {"function r.legal() return false, {} end", "game.lua:3: legal must give its reason as a string, got a table"},
      {"r.legal = { function() return true end,\n function() return 'yes' end }",
       "game.lua:4: legal must return true or false, got a string"},
      {"function r.legal(c, e)\n return e.data.x > 1 end", "game.lua:4: attempt to index a nil value (field 'data')"},
      {"function r.execute() return print end", "value at response is a function"},
      {"function r.execute() return host.invalid('x') end", "host.invalid is for legal"},
      {"function r.execute() return { a = { 0/0 } } end", "value at response.a[1] is not a number (nan)"},
      {"function r.execute()\n error('boom') end", "game.lua:4: boom"},
      {"function r.execute(c)\n while true do pcall(function() while true do end end) end end", "budget"},
      {"function r.execute(c)\n local t = {} while true do t = { t, ('x'):rep(100000) .. #t } end end", "memory"},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    struct rules_test t;
    rules_test_init(&t);
    t.cfg.vm.instructions = 2000000, t.cfg.vm.memory = 2 << 20;
    rules_test_book(&t, wrong[i][0]);
    if (!rules_test_open(&t)) fail_msg("%s", t.report.text);
    rules_test_connect(&t, 1);
    rules_test_event(&t, 1, "e1", "x", NULL);
    expect(&t.w, "answer a1 e1 internal: internal");
    const struct testing_log_line *l = &t.w.log.lines[(t.w.log.n - 1) % TESTING_LOG_LINES];
    if (!strstr(l->text, wrong[i][1])) fail_msg("logged:\n%s\nnot: %s", l->text, wrong[i][1]);
    struct ump_rules_info info;
    ump_rules_info(t.rules, &info);
    assert_int_equal(info.errors, 1);
    assert_int_equal(info.tripped, i == 10);
    rules_test_event(&t, 1, "e1", "x", NULL);
    expect(&t.w, "repeat a1 e1 internal: internal");
    rules_test_end(&t);
  }
}

static void test_rules_judge_legal_changes_nothing(void **state) {
  (void)state;
  static const char *const wrong[][2] = {
      {"host.notify(c, 'x')", "host.notify cannot be called in legal: legal must change nothing"},
      {"host.broadcast('x')", "host.broadcast cannot be called in legal"},
      {"host.kick(c)", "host.kick cannot be called in legal"},
      {"host.after(1, print)", "host.after cannot be called in legal"},
      {"host.every(1, print)", "host.every cannot be called in legal"},
      {"host.cancel(1)", "host.cancel cannot be called in legal"},
      {"host.spawn(print)", "host.spawn cannot be called in legal"},
      {"c.data = {}", "setting client.data is not possible in legal"},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    struct rules_test t;
    char text[512];
    snprintf(text, sizeof text, "function r.legal(c, e)\n %s return true end", wrong[i][0]);
    rules_test_start(&t, text);
    rules_test_connect(&t, 1);
    rules_test_event(&t, 1, "e1", "x", NULL);
    expect(&t.w, "answer a1 e1 internal: internal");
    rules_test_logged(&t, "rule_error", wrong[i][1]);
    rules_test_logged(&t, "rule_error", "game.lua:4: ");
    rules_test_end(&t);
  }
}

/* A failing handler leaves no trace: nothing told, nobody thrown out, no timer. */
static void test_rules_judge_failing_execute_has_no_effects(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(&t, "function r.execute(c, e) host.notify(c, 'n') host.broadcast('b') host.after(1, function() "
                       "host.notify(c, 'late') end)\n"
                       "host.spawn(function() host.notify(c, 'thread') end) host.kick(c, 'out') if e.name == 'fail' "
                       "then error 'no' end end");
  rules_test_connect(&t, 1);
  rules_test_event(&t, 1, "e1", "fail", NULL);
  world_advance(&t.w, 2 * UMP_S);
  expect(&t.w, "answer a1 e1 internal: internal");
  rules_test_event(&t, 1, "e2", "fine", NULL);
  expect(&t.w, "answer a1 e2 legal", "notify a1 n", "notify a1 b", "kick a1 out");
  rules_test_end(&t);
}

static void test_rules_judge_event_is_a_copy_that_cannot_be_changed(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(&t, "local kept = {}\n"
                       "function r.execute(c, e) kept[#kept + 1] = e\n"
                       "  if e.name == 'set' then e.data = 1 end if e.name == 'typo' then return e.nmae end\n"
                       "  local n = {} for k, v in pairs(e) do n[#n + 1] = k end\n"
                       "  return { kept[1].id, kept[1].data, n, tostring(e) } end");
  rules_test_connect(&t, 1);
  rules_test_event(&t, 1, "e1", "a", "7");
  expect(&t.w, "answer a1 e1 legal = [\"e1\",7,[\"id\",\"name\",\"data\",\"priority\",\"time\"],\"event e1 (a)\"]");
  rules_test_event(&t, 1, "e2", NULL, NULL);
  expect(&t.w, "answer a1 e2 legal = [\"e1\",7,[\"id\",\"priority\",\"time\"],\"event e2 (without a name)\"]");
  rules_test_event(&t, 1, "e3", "set", NULL);
  rules_test_logged(&t, "rule_error", "event.data cannot be set: an event is what the client sent");
  rules_test_event(&t, 1, "e4", "typo", NULL);
  rules_test_logged(&t, "rule_error", "an event has no field 'nmae': did you mean 'name'?");
  expect(&t.w, "answer a1 e3 internal: internal", "answer a1 e4 internal: internal");
  rules_test_end(&t);
}

static void test_rules_judge_client_fields_and_their_guards(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"return { #c.id, c.name == nil, c.protocol, c.address, c.version == nil, c.gone }",
       "= [36,true,\"fake\",\"10.0.0.1:1234\",true,false]"},
      {"c.data.n = (c.data.n or 0) + 1 return c.data.n", "= 1"},
      {"c.data = { x = 5 } return c.data.x", "= 5"},
      {"return c == c and c == host.clients()()", "= true"},
      {"return tostring(c):sub(1, 7)", "= \"client \""},
      {"c.id = 1", "client.id cannot be set: it is the host's"},
      {"c.score = 1", "a client has no field 'score': it has id, name"},
      {"return c.nmae", "a client has no field 'nmae': did you mean 'name'?"},
      {"c.data = 5", "client.data must be a table, got number"},
      {"return getmetatable(c)", "= false"},
      {"return c[1]", "a client has no field '1'"},
      {"return c[{}]", "a client has no field of type table"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct rules_test t;
    char text[512], wanted[256];
    snprintf(text, sizeof text, "function r.execute(c, e) %s end", cases[i][0]);
    rules_test_start(&t, text);
    rules_test_connect(&t, 1);
    rules_test_event(&t, 1, "e1", "x", NULL);
    if (cases[i][1][0] == '=') {
      snprintf(wanted, sizeof wanted, "answer a1 e1 legal %s", cases[i][1]);
      expect(&t.w, wanted);
    } else {
      rules_test_logged(&t, "rule_error", cases[i][1]);
      expect(&t.w, "answer a1 e1 internal: internal");
    }
    rules_test_end(&t);
  }
}

static void test_rules_judge_client_that_left_is_gone(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(&t, "local other, name\n"
                       "function r.connect(c) other = other or c end\n"
                       "function r.disconnect(c, reason) name = c.id:sub(1, 0) .. reason end\n"
                       "function r.execute(c, e) if e.name == 'ask' then return { other.gone, name, "
                       "tostring(other):match('gone') } end\n"
                       "  if e.name == 'tell' then host.notify(other, 'x') end return other.id end");
  rules_test_connect(&t, 1);
  rules_test_connect(&t, 2);
  world_leave(&t.w, 0, 1);
  rules_test_event(&t, 2, "e1", "ask", NULL);
  expect(&t.w, "answer a2 e1 legal = [true,\"left\",\"gone\"]");
  rules_test_event(&t, 2, "e2", "read", NULL);
  rules_test_logged(&t, "rule_error", "is gone: it left");
  rules_test_event(&t, 2, "e3", "tell", NULL);
  expect(&t.w, "answer a2 e2 internal: internal", "answer a2 e3 internal: internal");
  rules_test_end(&t);
}

static void test_rules_connect_may_refuse_with_a_reason(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(&t, "local n = 0 function r.connect(c) n = n + 1 if n == 1 then return false, 'full' end\n"
                       "if n == 2 then error 'x' end if n == 3 then return 'maybe' end host.notify(c, 'hello') end");
  for (uint32_t i = 1; i <= 4; i++) world_connect(&t.w, 0, i);
  expect(&t.w, "refuse a1 full", "refuse a2 internal", "refuse a3 internal", "admit a4", "notify a4 hello");
  rules_test_logged(&t, "rule_error", "connect must return true or false, got a string");
  rules_test_end(&t);
}

static void test_rules_login_names_the_client(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(&t, "function r.login(name, password, c) if name == 'odd' then return end return name == 'ann' and "
                       "password == 'secret', 'who?' end\n"
                       "function r.execute(c) return c.name end");
  rules_test_connect(&t, 1);
  world_login(&t.w, 0, 1, "l1", "bob");
  world_login(&t.w, 0, 1, "l2", "ann");
  rules_test_event(&t, 1, "e1", "x", NULL);
  expect(&t.w, "answer a1 l1 illegal: who?", "answer a1 l2 legal", "answer a1 e1 legal = \"ann\"");
  world_login(&t.w, 0, 1, "l3", "odd");
  rules_test_logged(&t, "rule_error", "login must return true or false, got nil");
  expect(&t.w, "answer a1 l3 internal: internal");
  rules_test_end(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rules_judge_legal_event_is_executed_and_answered),
      cmocka_unit_test(test_rules_judge_names_that_are_alike_stay_apart),
      cmocka_unit_test(test_rules_judge_without_handlers_everything_is_legal),
      cmocka_unit_test(test_rules_judge_repeat_is_answered_and_not_executed),
      cmocka_unit_test(test_rules_judge_middleware_runs_in_order_until_one_says_no),
      cmocka_unit_test(test_rules_judge_invalid_is_told_apart_from_illegal),
      cmocka_unit_test(test_rules_judge_reason_is_cut_at_200_bytes_between_characters),
      cmocka_unit_test(test_rules_judge_what_is_no_verdict_is_internal_and_says_where),
      cmocka_unit_test(test_rules_judge_legal_changes_nothing),
      cmocka_unit_test(test_rules_judge_failing_execute_has_no_effects),
      cmocka_unit_test(test_rules_judge_event_is_a_copy_that_cannot_be_changed),
      cmocka_unit_test(test_rules_judge_client_fields_and_their_guards),
      cmocka_unit_test(test_rules_judge_client_that_left_is_gone),
      cmocka_unit_test(test_rules_connect_may_refuse_with_a_reason),
      cmocka_unit_test(test_rules_login_names_the_client),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
