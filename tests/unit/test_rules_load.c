/* Loading and checking: everything wrong is told at once, with its line and what to do. */
#include "rules_testing.h"

/* game.lua is `text`; the report must hold these parts, and only so many lines that begin with a place. */
static void refused(const char *text, size_t n_lines, const char *const *parts) {
  struct rules_test t;
  rules_test_init(&t);
  rules_test_write(&t, "game.lua", text);
  assert_false(rules_test_open(&t));
  for (; *parts; parts++) rules_test_reported(&t, *parts);
  size_t n = 0;
  for (const char *p = t.report.text; (p = strstr(p, "game.lua")); p++)
    n += p == t.report.text + strlen(t.folder) + 1 || p[-(long)strlen(t.folder) - 2] == '\n';
  if (n != n_lines) fail_msg("%zu findings, not %zu:\n%s", n, n_lines, t.report.text);
  ump_report_free(&t.report);
  assert_false(ump_rules_check(t.path, &t.cfg.vm, &t.report)); /* check says the same */
  rules_test_reported(&t, "game.lua");
  rules_test_end(&t);
}
#define REFUSED(text, n, ...) refused(text, n, (const char *const[]){__VA_ARGS__, NULL})

static void test_rules_load_syntax_error_has_its_line(void **state) {
  (void)state;
  REFUSED("local r = { api = 1 }\nfunction r.legal(\nreturn r", 1, "game.lua:3: <name>", "expected near 'return'");
  REFUSED("return", 1,
          "game.lua: a rulebook must return its table, and this file returns nothing: is `return` missing at its end?");
  REFUSED("return 5", 1, "this file returns a number");
}

static void test_rules_load_misspelt_handlers_have_their_line(void **state) {
  (void)state;
  REFUSED("local r = { api = 1 }\n\nfunction r.excute() end\nreturn r", 1,
          "game.lua:3: unknown handler 'excute': did you mean 'execute'?");
  REFUSED("local r = {\n api = 1,\n disconect = function() end,\n}\nreturn r", 1,
          "game.lua:3: unknown handler 'disconect': did you mean 'disconnect'?");
  REFUSED("local r = { api = 1 }\nr.tickrate = 20\nreturn r", 1,
          "game.lua:2: unknown field 'tickrate': did you mean 'tick_rate'?");
  REFUSED("local r = { api = 1 }\nr.players = {}\nreturn r", 1,
          "game.lua:2: unknown field 'players': there are api, version");
  REFUSED("local r = { api = 1 }\nfunction r.spawn_monster() end\nreturn r", 1,
          "game.lua:2: unknown handler 'spawn_monster': there are connect");
  REFUSED("return { api = 1, 5 }", 1, "game.lua: a rulebook's table has names as keys, and this one has a number");
}

static void test_rules_load_wrong_types_are_told(void **state) {
  (void)state;
  REFUSED("local r = { api = 1 }\nr.execute = 5\nreturn r", 1, "game.lua:2: execute must be a function, got 5");
  REFUSED("local r = { api = 1 }\nr.legal = 'x'\nreturn r", 1,
          "game.lua:2: legal must be a function or a list of functions, got a string");
  REFUSED("local r = { api = 1 }\nr.legal = { function() end, 5 }\nreturn r", 1,
          "game.lua:2: legal[2] must be a function, got a number");
  REFUSED("local r = { api = 1 }\nr.legal = {}\nreturn r", 1, "game.lua:2: legal is an empty list");
  REFUSED("local r = { api = 1 }\nr.version = 1.5\nreturn r", 1, "game.lua:2: version must be an integer, got 1.5");
  REFUSED("local r = { api = 1 }\nr.tick_rate = 0\nreturn r", 1,
          "game.lua:2: tick_rate must be a number of calls a second, over 0 and up to 1000, got 0");
  REFUSED("local r = { api = 1 }\nr.tick_rate = 'fast'\nreturn r", 1,
          "tick_rate must be a number of calls a second, over 0 and up to 1000, got a string");
  REFUSED("local r = { api = 1 }\nfunction r.tick() end\nreturn r", 1, "game.lua:2: tick needs tick_rate");
  REFUSED("local r = { api = 1 }\nr.listen = 'neteria://'\nreturn r", 1, "game.lua:2: listen must be a list of URLs");
  REFUSED("local r = { api = 1 }\nr.listen = { 'neteria' }\nreturn r", 1,
          "game.lua:2: listen[1] must be a URL like \"neteria://0.0.0.0:40080\", got neteria");
  REFUSED("local r = { api = 1 }\nr.channels = 5\nreturn r", 1, "game.lua:2: channels must be a table, got 5");
}

static void test_rules_load_api_version_is_checked(void **state) {
  (void)state;
  REFUSED("return {}", 1, "game.lua: api is missing: write api = 1");
  REFUSED("return {\n api = 2 }", 1, "game.lua:2: api is 2, and this host speaks api = 1");
  REFUSED("return {\n api = '1' }", 1, "game.lua:2: api is 1, and this host speaks api = 1");
}

static void test_rules_load_undefined_globals_have_their_line(void **state) {
  (void)state;
  REFUSED("local r = { api = 1 }\nfunction r.execute()\n pirnt('x')\nend\nreturn r", 1,
          "game.lua:3: undefined global 'pirnt': did you mean 'print'?");
  REFUSED("local r = { api = 1 }\nfunction r.execute(c)\n host.kick(c)\nend\nreturn r", 1,
          "game.lua:3: undefined global 'host': begin the file with local host = require \"umpire\"");
  REFUSED("local r = { api = 1 }\nfunction r.execute()\n return function() return { deep = function() return nowhere "
          "end } end\nend\nreturn r",
          1, "game.lua:3: undefined global 'nowhere'");
  REFUSED("local r = { api = 1 }\nlocal x = io.open('f')\nreturn r", 1,
          "game.lua:2: 'io' is not there: a rulebook reaches nothing outside of the host");
}

/* Lines far apart are written another way in the bytecode, and so is every 128th instruction. */
static void test_rules_load_lines_are_right_far_down_a_long_function(void **state) {
  (void)state;
  char text[8192] = "local r = { api = 1 }\nfunction r.execute(c, e)\n", wanted[96];
  for (int i = 0; i < 300; i++) strcat(text, "\n");
  for (int i = 0; i < 200; i++) strcat(text, " e = e + 1\n");
  for (int i = 0; i < 150; i++) strcat(text, "\n");
  strcat(text, " pirnt()\nend\nreturn r");
  snprintf(wanted, sizeof wanted, "game.lua:%d: undefined global 'pirnt'", 2 + 300 + 200 + 150 + 1);
  REFUSED(text, 1, wanted);
}

static void test_rules_load_everything_is_told_at_once(void **state) {
  (void)state;
  REFUSED("local r = { api = 3 }\nfunction r.excute()\n pirnt(x)\nend\nr.version = 'x'\nreturn r", 5,
          "game.lua:1: api is 3", "game.lua:2: unknown handler 'excute'", "game.lua:3: undefined global 'pirnt'",
          "game.lua:3: undefined global 'x'", "game.lua:5: version must be an integer");
  REFUSED("local r = { api = 1 }\nfunction r.execute() pirnt() end\nerror('while loading')\nreturn r", 2,
          "game.lua:2: undefined global 'pirnt'", "game.lua:3: while loading");
}

static void test_rules_load_assigned_globals_are_told_where_they_are_assigned(void **state) {
  (void)state;
  REFUSED("local r = { api = 1 }\nfunction r.execute() counter = 1\n return counter end\nreturn r", 1,
          "game.lua:2: assignment to undefined global 'counter': write local counter");
  REFUSED("local r = { api = 1 }\nfunction r.execute()\n _G.late = 7 end\nreturn r", 1,
          "game.lua:3: assignment to undefined global 'late'");
  REFUSED("local r = { api = 1 }\nfunction helper() end\nreturn r", 1,
          "game.lua:2: assignment to undefined global 'helper'");
}

static void test_rules_load_own_names_are_fine(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(&t, "rawset(_G, 'shared', 41) local _ENV = setmetatable({ mine = 1 }, { __index = _G })\n"
                       "function r.execute() mine = mine + 0 return { shared + mine, x } end\n"
                       "r._mine = {} function r._helper() end");
  rules_test_connect(&t, 1);
  rules_test_event(&t, 1, "e1", "x", NULL);
  rules_test_logged(&t, "rule_error", "undefined variable 'x'");
  expect(&t.w, "answer a1 e1 internal: internal");
  rules_test_end(&t);
}

static void test_rules_load_reads_its_folder_and_names_the_file_that_is_wrong(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_init(&t);
  rules_test_write(&t, "init.lua",
                   "local host = require 'umpire' local grid = require 'grid'\nreturn { api = 1, version = 4, execute "
                   "= function() return grid.size end }");
  rules_test_write(&t, "grid.lua", "return { size = 30 }");
  t.cfg.path = t.folder;
  if (!rules_test_open(&t)) fail_msg("%s", t.report.text);
  struct ump_rules_info one, two;
  ump_rules_info(t.rules, &one);
  assert_int_equal(one.version, 4);
  assert_string_equal(one.path, t.folder);
  assert_int_equal(strlen(one.hash), 16);
  assert_int_equal(ump_rules_n_files(t.rules), 2);
  assert_non_null(strstr(ump_rules_file(t.rules, 1), "/grid.lua"));
  rules_test_connect(&t, 1);
  rules_test_event(&t, 1, "e1", "x", NULL);
  expect(&t.w, "answer a1 e1 legal = 30");
  rules_test_write(&t, "grid.lua", "local g = {}\nfunction g.f() return sise end\nreturn g");
  assert_false(rules_test_reload(&t));
  rules_test_reported(&t, "grid.lua:2: undefined global 'sise'");
  rules_test_write(&t, "grid.lua", "return { size = 31 }");
  assert_true(rules_test_reload(&t));
  ump_rules_info(t.rules, &two);
  assert_string_not_equal(one.hash, two.hash);
  rules_test_event(&t, 1, "e2", "x", NULL);
  expect(&t.w, "answer a1 e2 legal = 31");
  rules_test_end(&t);
}

static void test_rules_load_missing_file_is_told(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_init(&t);
  assert_false(rules_test_open(&t));
  rules_test_reported(&t, "game.lua: there is no such file");
  rules_test_book(&t, "require 'nowhere'");
  assert_false(rules_test_open(&t));
  rules_test_reported(&t, "game.lua:3: ");
  rules_test_reported(&t, "module 'nowhere' not found");
  rules_test_end(&t);
}

static void test_rules_load_failing_load_handler_refuses(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_init(&t);
  rules_test_book(&t, "function r.load(saved, v)\n error('cannot: ' .. tostring(saved) .. tostring(v)) end");
  assert_false(rules_test_open(&t));
  rules_test_reported(&t, "game.lua:4: cannot: nilnil");
  rules_test_book(&t, "while true do end");
  assert_false(rules_test_open(&t));
  rules_test_reported(&t, "game.lua:3: this call ran for more than its budget");
  rules_test_end(&t);
}

static void test_rules_load_what_is_asked_for_while_loading_happens_if_it_succeeds(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_init(&t);
  rules_test_book(&t, "host.after(1, function() end) host.spawn(function() end) nowhere()");
  assert_false(rules_test_open(&t));
  assert_int_equal(ump_engine_load(t.w.engine), 0);
  rules_test_book(&t, "local n = 0 host.every(1, function() n = n + 1 end) function r.execute() return n end");
  assert_true(rules_test_open(&t));
  rules_test_connect(&t, 1);
  world_advance(&t.w, 5 * UMP_S / 2);
  rules_test_event(&t, 1, "e1", "x", NULL);
  expect(&t.w, "answer a1 e1 legal = 2");
  rules_test_end(&t);
}

static void test_rules_load_listen_is_given_in_order(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(&t, "r.listen = { 'neteria://0.0.0.0:40080', 'laneya://[::1]:5001?limit=5' }");
  assert_int_equal(ump_rules_n_listen(t.rules), 2);
  assert_string_equal(ump_rules_listen(t.rules, 0), "neteria://0.0.0.0:40080");
  assert_string_equal(ump_rules_listen(t.rules, 1), "laneya://[::1]:5001?limit=5");
  rules_test_end(&t);
}

static void test_rules_check_describes_a_good_rulebook(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_init(&t);
  rules_test_book(&t, "r.version = 3 r.tick_rate = 20 r.listen = { 'neteria://0.0.0.0:1' } function r.connect() end "
                      "function r.tick() end\n"
                      "r.legal = { function() return true end, function() return true end }\n"
                      "function r.load() host.after(1, print) host.broadcast('x', { 1 }) for c in host.clients() do "
                      "host.kick(c) end end");
  assert_true(ump_rules_check(t.path, &t.cfg.vm, &t.report));
  rules_test_reported(&t, "game.lua is a good rulebook\nhandlers:  connect, legal (2 in order), tick, load\n");
  rules_test_reported(&t, "tick:      20 times a second\nlisten:    neteria://0.0.0.0:1\nversion:   3\nhash:      ");
  rules_test_end(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rules_load_syntax_error_has_its_line),
      cmocka_unit_test(test_rules_load_misspelt_handlers_have_their_line),
      cmocka_unit_test(test_rules_load_wrong_types_are_told),
      cmocka_unit_test(test_rules_load_api_version_is_checked),
      cmocka_unit_test(test_rules_load_undefined_globals_have_their_line),
      cmocka_unit_test(test_rules_load_lines_are_right_far_down_a_long_function),
      cmocka_unit_test(test_rules_load_everything_is_told_at_once),
      cmocka_unit_test(test_rules_load_assigned_globals_are_told_where_they_are_assigned),
      cmocka_unit_test(test_rules_load_own_names_are_fine),
      cmocka_unit_test(test_rules_load_reads_its_folder_and_names_the_file_that_is_wrong),
      cmocka_unit_test(test_rules_load_missing_file_is_told),
      cmocka_unit_test(test_rules_load_failing_load_handler_refuses),
      cmocka_unit_test(test_rules_load_what_is_asked_for_while_loading_happens_if_it_succeeds),
      cmocka_unit_test(test_rules_load_listen_is_given_in_order),
      cmocka_unit_test(test_rules_check_describes_a_good_rulebook),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
