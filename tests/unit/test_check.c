/* umpire check: what is found about a rulebook without playing, and where. */
#include "rules_testing.h"

#include "bindings/check.h"
#include "bindings/check_inside.h"
#include "bindings/lua_pattern.h"

/* ---- helpers: a rulebook is checked, and the findings are texts ---- */

struct checked {
  struct rules_test t;
  struct ump_check_cfg cfg;
  struct ump_checked found;
};

static bool no_nonsense(void *ctx, const char *url, char *error, size_t cap) {
  (void)ctx;
  snprintf(error, cap, "nobody speaks that");
  return !strstr(url, "nonsense");
}

static void check_text(struct checked *c, const char *text) {
  rules_test_init(&c->t);
  rules_test_write(&c->t, "game.lua", text);
  c->cfg = (struct ump_check_cfg){.path = c->t.path, .vm = c->t.cfg.vm, .listen = no_nonsense};
  ump_check(&c->cfg, &c->found);
}

static void end(struct checked *c) {
  ump_checked_free(&c->found);
  rules_test_end(&c->t);
}

/* Exactly this, with the folder left out; NULL: nothing. */
static void expect_found(struct checked *c, const struct ump_buf *findings, const char *wanted) {
  char got[8192];
  size_t n = 0, folder = strlen(c->t.folder) + 1;
  for (size_t i = 0; i < findings->n && n < sizeof got - 1;) {
    if (i + folder <= findings->n && memcmp(findings->p + i, c->t.folder, folder - 1) == 0)
      i += folder;
    else
      got[n++] = (char)findings->p[i++];
  }
  got[n] = 0;
  assert_string_equal(got, wanted ? wanted : "");
}

static void errors(const char *text, const char *wanted) {
  struct checked c;
  check_text(&c, text);
  expect_found(&c, &c.found.errors, wanted);
  end(&c);
}

static void warnings(const char *text, const char *wanted) {
  struct checked c;
  check_text(&c, text);
  expect_found(&c, &c.found.errors, NULL);
  expect_found(&c, &c.found.warnings, wanted);
  end(&c);
}

/* ---- parameters ---- */

static void test_check_handlers_have_no_more_parameters_than_they_are_given(void **state) {
  (void)state;
  errors("local game = { api = 1, tick_rate = 1 }\n"
         "function game.connect(client, reason) end\n"
         "function game.execute(client, event, more) end\n"
         "function game.disconnect(client, reason, more) end\n"
         "function game.login(name, password, client, create, more) return true end\n"
         "function game.tick(dt, now) end\n"
         "function game.save(saved) end\n"
         "function game.load(saved, version, more) end\n"
         "game.legal = { function(client, event) return true end,\n"
         "  function(client, event, more) return true end }\n"
         "return game\n",
         "game.lua:2: connect has 2 parameters, and is given 1: connect(client)\n"
         "game.lua:10: legal[2] has 3 parameters, and is given 2: legal(client, event)\n"
         "game.lua:3: execute has 3 parameters, and is given 2: execute(client, event)\n"
         "game.lua:4: disconnect has 3 parameters, and is given 2: disconnect(client, reason)\n"
         "game.lua:5: login has 5 parameters, and is given 4: login(name, password, client, create)\n"
         "game.lua:6: tick has 2 parameters, and is given 1: tick(dt)\n"
         "game.lua:7: save has 1 parameters, and is given 0: save()\n"
         "game.lua:8: load has 3 parameters, and is given 2: load(saved, from_version)");
}

static void test_check_a_colon_adds_a_parameter(void **state) {
  (void)state;
  errors("local game = { api = 1 }\nfunction game:legal(client, event) return true end\nreturn game\n",
         "game.lua:2: legal has 3 parameters, and is given 2: legal(client, event); write it with '.', since ':' adds "
         "self");
}

static void test_check_fewer_parameters_and_dots_are_fine(void **state) {
  (void)state;
  errors("local game = { api = 1, tick_rate = 1 }\n"
         "function game.connect() end\nfunction game.legal(...) return true end\nfunction game.execute(client) end\n"
         "function game.tick() end\nfunction game.load(saved) end\nreturn game\n",
         NULL);
}

/* ---- listen ---- */

static void test_check_listen_urls_are_told_with_their_line(void **state) {
  (void)state;
  errors(
      "local game = { api = 1, listen = {\n  \"neteria://0.0.0.0:1\",\n  \"nonsense://0.0.0.0:1\",\n} }\nreturn game\n",
      "game.lua:3: listen[2]: nobody speaks that");
  errors("local scheme = \"non\" .. \"sense\"\nreturn { api = 1, listen = { scheme .. \"://a\" } }\n",
         "game.lua: listen[1]: nobody speaks that"); /* made at run time: there is no line to tell */
}

/* ---- patterns ---- */

static size_t cost(const char *pattern) {
  char sample;
  uint64_t work = UMP__CHECK_WORK;
  return ump__check_pattern(ump_text(pattern), &work, &sample);
}

static void test_check_patterns_that_multiply_their_tries_are_found(void **state) {
  (void)state;
  static const char *const bad[] = {
      "(.*)(.*)(.*)x",       ".*.*.*=",     "%s*%s*%s*x",        "(.-),(.-),(.-),(.-),$", "(a*)(a*)(a*)b", "^.-.-.-.-x",
      "[a-z]*[a-y]*[a-x]*!", "%w+%w*%w-%.", "(%a+)(%a+)(%a+)%d", "^(.-)(.-)(.-)%1x"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (!cost(bad[i])) fail_msg("%s is costly", bad[i]);
}

static void test_check_patterns_that_people_write_are_left_alone(void **state) {
  (void)state;
  static const char *const good[] = {"^%s*(.-)%s*$",
                                     "(%w+)=(%w+)",
                                     "^(%d+)%.(%d+)%.(%d+)$",
                                     "[^,]+",
                                     "%b()",
                                     "%f[%w]%w+",
                                     "^[%a_][%w_]*$",
                                     "(.-)\n",
                                     "%s+",
                                     "x*y*z*",
                                     "^(.-)://([^/]*)/(.*)$",
                                     "",
                                     "^",
                                     "$",
                                     "[]]",
                                     "[^]]*",
                                     "%",
                                     "[a",
                                     "(",
                                     "%1",
                                     "%b",
                                     "%f",
                                     "a?b?c?",
                                     "^(%a*)(%a*)!",
                                     ".*"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    if (cost(good[i])) fail_msg("%s is fine, up to %zu bytes", good[i], cost(good[i]));
}

static void test_check_patterns_are_told_where_they_are_used(void **state) {
  (void)state;
  warnings(
      "local game = { api = 1 }\n"
      "local _, same = print, \"(.*)(.*)(.*)x\"\n" /* only a string, as far as one can tell */
      "function game.legal(_, event)\n"
      "  local s = tostring(event.name) .. same\n"
      "  return s:match \"(.*)(.*)(.*)x\" == nil and string.find(s,\n"
      "    \".*.*.*y\", 1) == nil\n"
      "end\nreturn game\n",
      "game.lua:5: the pattern \"(.*)(.*)(.*)x\" can take over a million steps, which ends the call with an error (47 "
      "bytes "
      "like \"a\" do it): begin it with '^', let fewer '*', '+' and '-' match the same, or bound the text first\n"
      "game.lua:6: the pattern \".*.*.*y\" can take over a million steps, which ends the call with an error (51 bytes "
      "like \"a\" do it): begin it with '^', let fewer '*', '+' and '-' match the same, or bound the text first");
}

/* Any bytes, most of them no pattern: an answer within the work that is granted. */
static void test_check_patterns_of_any_kind_are_looked_at_in_bounded_time(void **state) {
  static const char letters[] = "ab.%%%*+-?[](){}^$dswbf1,\"\n";
  struct ump_rng_seeded seeded;
  (void)state;
  ump_rng_seed(&seeded, 1);
  struct ump_rng rng = ump_rng_of(&seeded);
  for (int i = 0; i < 2000; i++) {
    char text[40], sample;
    size_t n = (size_t)ump_rng_below(&rng, sizeof text);
    uint64_t work = 3 * UMP_PATTERN_STEPS;
    for (size_t k = 0; k < n; k++) text[k] = letters[ump_rng_below(&rng, sizeof letters - 1)];
    size_t length = ump__check_pattern(ump_bytes(text, n), &work, &sample);
    assert_true(length <= UMP__CHECK_SUBJECT && work <= 3 * UMP_PATTERN_STEPS);
  }
}

/* What the check says is what happens. */
static void test_check_patterns_that_are_told_do_end_a_call(void **state) {
  struct rules_test t;
  (void)state;
  rules_test_start(&t, "function r.execute() return (('a'):rep(200)):find '(.*)(.*)(.*)x' end");
  rules_test_connect(&t, 1);
  rules_test_event(&t, 1, "e1", "go", NULL);
  expect(&t.w, "answer a1 e1 internal: internal");
  rules_test_logged(&t, "rule_error", "pattern");
  rules_test_end(&t);
}

/* ---- legal must change nothing ---- */

#define CHANGES ": it must change nothing, since what it is asked about may be refused yet; do that in execute"

static void test_check_legal_that_changes_something_is_told_with_the_line(void **state) {
  (void)state;
  errors("local game = { api = 1 }\n"
         "local count, asked, board = 0, {}, { rows = { {}, {} } }\n"
         "local function note(event)\n"
         "  board.rows[1].who = event.name\n"
         "  table.insert(asked, event.name)\n"
         "end\n"
         "function game.legal(client, event)\n"
         "  count = count + 1\n"
         "  if event.name == \"open\" then\n"
         "    client.data.opened = true; note(event)\n"
         "  end\n"
         "  if type(event.data) == \"table\" then event.data[1] = 99 end\n"
         "  return true\n"
         "end\n"
         "function game.execute() return count, asked, board end\n"
         "return game\n",
         "game.lua:4: legal changes board.rows[1].who" CHANGES "\n"
         "game.lua:5: legal changes asked[1]" CHANGES "\n"
         "game.lua:8: legal changes the variable 'count'" CHANGES "\n"
         "game.lua:10: legal changes client.data.opened" CHANGES "\n"
         "game.lua:12: legal changes event.data[1]" CHANGES);
}

static void test_check_legal_that_removes_or_asks_for_effects_is_told(void **state) {
  (void)state;
  errors("local host = require \"umpire\"\n"
         "local game = { api = 1 }\n"
         "local doors = { front = true }\n"
         "function game.legal(client, event)\n"
         "  if event.name == \"shut\" then doors.front = nil end\n"
         "  if event.name == \"shout\" then host.broadcast \"hey\" end\n"
         "  if event.name == \"reset\" then client.data = {} end\n"
         "  return true\n"
         "end\n"
         "function game.execute() return doors end\n"
         "return game\n",
         "game.lua:5: legal changes doors.front" CHANGES "\n"
         "game.lua:6: host.broadcast cannot be called in legal: legal must change nothing\n"
         "game.lua:7: setting client.data is not possible in legal: legal must change nothing");
}

/* The line that changes it, not the last one of a function that it calls on the way. */
static void test_check_legal_is_told_the_line_of_the_change_after_a_call(void **state) {
  (void)state;
  errors("local game = { api = 1 }\n"
         "local board = {}\n"
         "local function half(n)\n"
         "  local m = n // 2\n"
         "  return m\n"
         "end\n"
         "function game.legal(_, event)\n"
         "  local n = #tostring(event.name)\n"
         "  board.n = half(n)\n"
         "  return true\n"
         "end\n"
         "function game.execute() return board end\n"
         "return game\n",
         "game.lua:9: legal changes board.n" CHANGES);
}

static void test_check_legal_may_keep_books_of_its_own(void **state) {
  (void)state;
  errors("local throttle = require \"umpire.middleware.throttle\"\n"
         "local game = { api = 1 }\n"
         "local seen, n, cache = {}, 0, setmetatable({}, { __mode = \"k\" })\n"
         "game.legal = { throttle { rate = 1 }, function(client, event)\n"
         "  n = n + 1\n"
         "  seen[client] = (seen[client] or 0) + 1\n"
         "  cache[client] = event.name\n"
         "  local mine = { event.name }\n"
         "  mine[2] = n\n"
         "  return true\n"
         "end }\n"
         "function game.connect(client) seen[client] = 0 end\n"
         "function game.execute(client) return cache[client] end\n"
         "function game.disconnect(client) seen[client] = nil end\n"
         "return game\n",
         NULL);
}

static void test_check_legal_is_asked_what_its_schema_lets_through(void **state) {
  (void)state;
  errors("local schema = require \"umpire.middleware.schema\"\n"
         "local game = { api = 1 }\n"
         "local board = {}\n"
         "game.legal = {\n"
         "  schema.events { put = schema.fields { at = schema.tuple { schema.integer(10, 19), schema.integer(3, 3) },\n"
         "    what = schema.one_of { \"stone\" }, note = schema.optional(schema.string(30, 40)) } },\n"
         "  function(_, event)\n"
         "    board[event.data.at[1]] = event.data.what\n"
         "    return true\n"
         "  end }\n"
         "function game.execute() return board end\n"
         "return game\n",
         "game.lua:8: legal changes board[10]" CHANGES);
}

static void test_check_legal_is_asked_in_a_game_that_goes_on(void **state) {
  (void)state;
  errors("local game = { api = 1 }\n"
         "local round = { n = 0 }\n"
         "function game.legal(client, event)\n"
         "  if round.n == 3 and client.data.moves == 2 and client.name == \"ann\" then\n"
         "    client.data.moves = 0\n"
         "  end\n"
         "  return true\n"
         "end\n"
         "function game.execute(client)\n"
         "  client.data.moves = (client.data.moves or 0) + 1\n"
         "  round.n = round.n + 1\n"
         "end\n"
         "return game\n",
         NULL); /* ann has moved twice when round.n is 3, and then it is bob's turn: see below */
  errors("local game = { api = 1 }\n"
         "local round = { n = 0 }\n"
         "function game.legal(client, event)\n"
         "  if round.n == 4 and client.data.moves == 2 and client.name == \"ann\" then\n"
         "    client.data.moves = 0\n"
         "  end\n"
         "  return true\n"
         "end\n"
         "function game.execute(client)\n"
         "  client.data.moves = (client.data.moves or 0) + 1\n"
         "  round.n = round.n + 1\n"
         "end\n"
         "return game\n",
         "game.lua:5: legal changes client.data.moves" CHANGES);
}

static void test_check_legal_is_asked_what_remote_procedures_say(void **state) {
  (void)state;
  errors("local game = { api = 1, listen = { \"joint://0.0.0.0:1\" } }\n"
         "game.channels = { arena = { mode = \"rpc\", remotes = { [3] = { { \"step\", \"Int32\", \"String\" } } } } }\n"
         "local last = {}\n"
         "function game.legal(client, event)\n"
         "  if client.channel == \"arena\" and math.type(event.data[1]) == \"integer\" and #event.data[2] == 1 then\n"
         "    last.step = event.data[1]\n"
         "  end\n"
         "  return true\n"
         "end\n"
         "function game.execute() return last end\n"
         "return game\n",
         "game.lua:6: legal changes last.step" CHANGES);
}

static void test_check_legal_in_another_file_is_told_there(void **state) {
  struct checked c;
  (void)state;
  rules_test_init(&c.t);
  rules_test_write(&c.t, "judge.lua",
                   "local score = {}\nlocal function judge()\n  score[1] = 1\n  return true\nend\n"
                   "return { judge = judge, score = score }\n");
  rules_test_write(&c.t, "game.lua",
                   "local j = require \"judge\"\n"
                   "return { api = 1, legal = j.judge, execute = function() return j.score end }\n");
  c.cfg = (struct ump_check_cfg){.path = c.t.path, .vm = c.t.cfg.vm};
  ump_check(&c.cfg, &c.found);
  expect_found(&c, &c.found.errors, "judge.lua:3: legal changes j.score[1]" CHANGES);
  end(&c);
}

static void test_check_legal_that_fails_or_never_ends_ends_the_trial(void **state) {
  (void)state;
  warnings("local game = { api = 1 }\nfunction game.legal(_, event) return event.data.x.y end\nreturn game\n", NULL);
  warnings("local game = { api = 1 }\nfunction game.legal(_, event) while event do end end\nreturn game\n", NULL);
  warnings("local game = { api = 1 }\nfunction game.connect() return false end\n"
           "function game.legal() return true end\nreturn game\n",
           NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_check_handlers_have_no_more_parameters_than_they_are_given),
      cmocka_unit_test(test_check_a_colon_adds_a_parameter),
      cmocka_unit_test(test_check_fewer_parameters_and_dots_are_fine),
      cmocka_unit_test(test_check_listen_urls_are_told_with_their_line),
      cmocka_unit_test(test_check_patterns_that_multiply_their_tries_are_found),
      cmocka_unit_test(test_check_patterns_that_people_write_are_left_alone),
      cmocka_unit_test(test_check_patterns_are_told_where_they_are_used),
      cmocka_unit_test(test_check_patterns_of_any_kind_are_looked_at_in_bounded_time),
      cmocka_unit_test(test_check_patterns_that_are_told_do_end_a_call),
      cmocka_unit_test(test_check_legal_that_changes_something_is_told_with_the_line),
      cmocka_unit_test(test_check_legal_that_removes_or_asks_for_effects_is_told),
      cmocka_unit_test(test_check_legal_is_told_the_line_of_the_change_after_a_call),
      cmocka_unit_test(test_check_legal_may_keep_books_of_its_own),
      cmocka_unit_test(test_check_legal_is_asked_what_its_schema_lets_through),
      cmocka_unit_test(test_check_legal_is_asked_in_a_game_that_goes_on),
      cmocka_unit_test(test_check_legal_is_asked_what_remote_procedures_say),
      cmocka_unit_test(test_check_legal_in_another_file_is_told_there),
      cmocka_unit_test(test_check_legal_that_fails_or_never_ends_ends_the_trial),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
