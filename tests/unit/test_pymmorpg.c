/* PYMMORPG: every row of the wire page's tables, limits, timers, back-pressure, log-ins that take their time, memory
 * that runs out. */
#include "pm_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/pickle.h"

#define SEND(w, conn, literal) pm_send(w, conn, literal, sizeof(literal) - 1)

static void join(struct pm_world *w, uint32_t conn, const char *user) {
  char ask[200];
  assert_int_equal(pm_open(w, conn), 0);
  snprintf(ask, sizeof ask, "['new', '%s', 'pw']", user);
  pm_ask(w, conn, ask);
  pm_expect(w, conn, "[True]");
}

/* ---- requests ---- */

/* What execute is given, as the reply. */
static const char ECHO[] = "local host = require 'umpire'\n"
                           "local r = { api = 1 }\n"
                           "function r.legal() return true end\n"
                           "function r.execute(c, e)\n"
                           "  if e.name == 'update' then return nil end\n"
                           "  local all = { name = e.name, data = e.data, user = c.name, n = #e.data }\n"
                           "  if e.name == 'set' then\n"
                           "    all.data, all.relative, all.value, all.type = nil, e.data.relative, e.data[3], "
                           "math.type(e.data[3]) or type(e.data[3])\n"
                           "  end\n"
                           "  return all\n"
                           "end\n"
                           "return r\n";

static void test_pymmorpg_events_carry_the_command_and_its_arguments(void **state) {
  (void)state;
  static struct pm_world w;
  pm_start(&w, ECHO);
  join(&w, 1, "joe");
  static const char *const cases[][2] = {
      {"['move', (1, 2, 3)]", "[{'data': [[1, 2, 3]], 'n': 1, 'name': 'move', 'user': 'joe'}]"},
      {"['move', [1, -0.5, 3]]", "[{'data': [[1, -0.5, 3]], 'n': 1, 'name': 'move', 'user': 'joe'}]"},
      {"['get', 'ann', 'hp']", "[{'data': ['ann', 'hp'], 'n': 2, 'name': 'get', 'user': 'joe'}]"},
      {"['set', 'joe', 'hp', 5]", "[{'n': 3, 'name': 'set', 'type': 'integer', 'user': 'joe', 'value': 5}]"},
      {"['set', 'joe', 'hp', (5,)]",
       "[{'n': 3, 'name': 'set', 'relative': True, 'type': 'integer', 'user': 'joe', 'value': 5}]"},
      {"['set', 'joe', 'hp', (0.5,)]",
       "[{'n': 3, 'name': 'set', 'relative': True, 'type': 'float', 'user': 'joe', 'value': 0.5}]"},
      {"['set', 'joe', 'x', ([1, (2,)],)]",
       "[{'n': 3, 'name': 'set', 'relative': True, 'type': 'table', 'user': 'joe', 'value': [1, [2]]}]"},
      {"['set', 'joe', 'hp', (5, 6)]", "[{'n': 3, 'name': 'set', 'type': 'table', 'user': 'joe', 'value': [5, 6]}]"},
      {"['set', 'joe', 'hp', []]", "[{'n': 3, 'name': 'set', 'type': 'table', 'user': 'joe', 'value': []}]"},
      {"['set', 'joe', 'hp', {}]", "[{'n': 3, 'name': 'set', 'type': 'table', 'user': 'joe', 'value': {}}]"},
      {"['set', 'joe', 'hp', None]", "[{'n': 3, 'name': 'set', 'type': 'userdata', 'user': 'joe', 'value': None}]"},
      {"['edit', ['map', [1, {'a': None}]]]",
       "[{'data': [['map', [1, {'a': None}]]], 'n': 1, 'name': 'edit', 'user': 'joe'}]"},
      {"['update']", "[[]]"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    pm_ask(&w, 1, cases[i][0]);
    pm_expect(&w, 1, cases[i][1]);
  }
  pm_end(&w);
}

static void test_pymmorpg_wrong_requests_are_readable_and_answered_false(void **state) {
  (void)state;
  static struct pm_world w;
  pm_start(&w, ECHO);
  join(&w, 1, "joe");
  static const char *const wrong[] = {
      "['nothing']",
      "['']",
      "['ver', 1]",
      "['update', 1]",
      "['upgrade', None]",
      "['move']",
      "['move', (1, 2)]",
      "['move', (1, 2, 3, 4)]",
      "['move', (1, 2, 'x')]",
      "['move', (1, 2, True)]",
      "['move', (1, 2, None)]",
      "['move', 5]",
      "['move', (1, 2, nan)]",
      "['move', (1, inf, 3)]",
      "['move', {1: 2}]",
      "['move', (1, 2, 3), 4]",
      "['get', 'a']",
      "['get', 'a', 5]",
      "['get', 5, 'a']",
      "['get', ['a'], 'b']",
      "['set', 'a', 'b']",
      "['set', 1, 'b', 2]",
      "['set', 'a', None, 2]",
      "['set', 'a', 'b', 1, 2]",
      "['edit', 'map']",
      "['edit', ['map']]",
      "['edit', ['map', 1]]",
      "['edit', ['map', (1,)]]",
      "['edit', ('map', [1])]",
      "['edit', [5, []]]",
      "['edit', ['map', [], 1]]",
      "['login', 'joe']",
      "['login', 5, 'pw']",
      "['login', 'joe', 5]",
      "['login', '', 'pw']",
      "['login', 'joe', '']",
      "['new', 'a', 'b', 'c']",
      "['LOGIN', 'joe', 'pw']",
      "['ver ']",
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    pm_ask(&w, 1, wrong[i]);
    pm_expect(&w, 1, "[False]");
  }
  assert_int_equal(pm_count(&w, "refused_arguments"), sizeof wrong / sizeof *wrong);
  assert_int_equal(pm_count(&w, "unreadable"), 0);
  assert_int_equal(w.asked, 1);
  pm_end(&w);
}

static void test_pymmorpg_names_and_passwords_are_text_within_limits(void **state) {
  (void)state;
  static struct pm_world w;
  static char ask[3000];
  pm_start(&w, ECHO);
  assert_int_equal(pm_open(&w, 1), 0);
  snprintf(ask, sizeof ask, "['new', '%064d', '%01024d']", 1, 2);
  pm_ask(&w, 1, ask);
  pm_expect(&w, 1, "[True]");
  snprintf(ask, sizeof ask, "['new', '%065d', 'pw']", 1);
  pm_ask(&w, 1, ask);
  pm_expect(&w, 1, "[False]");
  snprintf(ask, sizeof ask, "['new', 'joe', '%01025d']", 1);
  pm_ask(&w, 1, ask);
  pm_expect(&w, 1, "[False]");
  static const char *const wrong[] = {"a\nb", "a\x7f", "\x01", "\xc2\x85", "\xff", "\xed\xa0\x80", "gr\xfc"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    snprintf(ask, sizeof ask, "['new', '%s', 'pw']", wrong[i]);
    pm_ask(&w, 1, ask);
    pm_expect(&w, 1, "[False]");
    snprintf(ask, sizeof ask, "['new', 'joe', '%s']", wrong[i]);
    pm_ask(&w, 1, ask);
    pm_expect(&w, 1, "[False]");
  }
  assert_int_equal(w.asked, 1);
  pm_ask(&w, 1, "['new', 'gr\xc3\xbc\xc3\x9f', 'pw']");
  pm_expect(&w, 1, "[True]");
  pm_end(&w);
}

/* ---- bad input ---- */

static void test_pymmorpg_unreadable_messages_are_dropped_and_the_fifth_in_a_row_closes(void **state) {
  (void)state;
  static struct pm_world w;
  pm_start(&w, ECHO);
  join(&w, 1, "joe");
  static const char *const junk[] = {"1 .",    "4 junk", "2 N.",          "3 ]N.",       "3 }N.",
                                     "2 ].",   "4 ]Na.", "5 \x80\x02]]a", "7 I1\nI2\n.", "14 cos\nsystem\n)R.",
                                     "4 ]0a.", "1 ]"};
  for (size_t i = 0; i < sizeof junk / sizeof *junk; i++) {
    pm_send(&w, 1, junk[i], strlen(junk[i]));
    pm_expect(&w, 1, "");
    if (i % 4 == 3) pm_ask(&w, 1, "['ver']"), pm_expect(&w, 1, "[False]"); /* a readable one resets the count */
  }
  for (int i = 0; i < 4; i++) SEND(&w, 1, "4 junk");
  SEND(&w, 1, "7 \x80\x02](lE."); /* the fifth, and what comes behind it is not read any more */
  pm_ask(&w, 1, "['ver']");
  pm_expect(&w, 1, "closed");
  assert_int_equal(pm_count(&w, "closed_too_many_unreadable"), 1);
  pm_end(&w);
}

static void test_pymmorpg_only_the_bad_message_of_a_segment_is_dropped(void **state) {
  (void)state;
  static struct pm_world w;
  uint8_t bytes[1024];
  pm_start(&w, PM_RULES);
  assert_int_equal(pm_open(&w, 1), 0);
  size_t n = pm_pickle("['ver']", bytes, sizeof bytes);
  memcpy(bytes + n, "4 junk", 6), n += 6;
  n += pm_pickle("['ver']", bytes + n, sizeof bytes - n);
  pm_send(&w, 1, bytes, n);
  pm_expect(&w, 1, "['1.2.3'] | ['1.2.3']");
  pm_end(&w);
}

static void test_pymmorpg_a_bad_size_closes_at_the_byte_that_shows_it(void **state) {
  (void)state;
  static struct pm_world w;
  static const char *const bad[] = {" ",  "-",   "+",       "0",       "x",       "\n",      "1x", "12\t", "1\n",
                                    "1-", "17,", "1234567", "1048577", "9999999", "2000000", "1.", "1_",   "\xff"};
  pm_start(&w, PM_RULES);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_int_equal(pm_open(&w, 1), 0);
    pm_ask(&w, 1, "['ver']");
    pm_send(&w, 1, bad[i], strlen(bad[i]) - 1);
    assert_true(w.conn[1].open); /* nothing wrong so far */
    pm_send(&w, 1, bad[i] + strlen(bad[i]) - 1, 1);
    pm_ask(&w, 1, "['ver']");
    pm_expect(&w, 1, "['1.2.3'] | closed"); /* what was asked before is answered, and nothing else */
  }
  assert_int_equal(pm_count(&w, "bad_size"), sizeof bad / sizeof *bad);
  pm_end(&w);
}

static void test_pymmorpg_a_message_may_be_a_mebibyte_and_costs_what_has_come(void **state) {
  (void)state;
  static struct pm_world w;
  static uint8_t big[(1 << 20) + 16];
  pm_start(&w, PM_RULES);
  assert_int_equal(pm_open(&w, 1), 0);
  size_t before = w.mem.bytes;
  SEND(&w, 1, "1048576 ");
  assert_true(w.mem.bytes - before < 4096);       /* nothing is set aside for what may come */
  struct ump_writer p = ump_writer(big, 1 << 20); /* a list: "ver" and a text that fills the rest */
  ump_write_text(&p, "\x80\x02]q");
  ump_write_u8(&p, 0);
  ump_write_text(&p, "(X"), ump_write_u32le(&p, 3), ump_write_text(&p, "verX");
  ump_write_u32le(&p, (uint32_t)(big + (1 << 20) - (p.p + p.n) - 4 - 2));
  memset(big + p.n, 'x', (1 << 20) - p.n);
  memcpy(big + (1 << 20) - 2, "e.", 2);
  for (size_t i = 0; i < 1 << 20; i += 1000) {
    pm_send(&w, 1, big + i, (1 << 20) - i < 1000 ? (1 << 20) - i : 1000);
    assert_true(w.mem.bytes - before <= 2 * i + 8192 || i + 1000 >= 1 << 20);
  }
  pm_expect(&w, 1, "[False]"); /* ver takes no arguments */
  assert_true(w.mem.bytes - before < 4096);
  pm_end(&w);
}

/* ---- replies ---- */

static const char SAY[] =
    "local host = require 'umpire'\n"
    "local r = { api = 1 }\n"
    "local say = {\n"
    "  a = function() return nil end, b = function() return false end, c = function() return {} end,\n"
    "  d = function() return host.array {} end, e = function() return { 1, 2, x = 3 } end, f = function() return "
    "host.null end,\n"
    "  g = function() return ('x'):rep(1048576) end, h = function() return { pos = { 1, 2, 3 } } end,\n"
    "  i = function() return { [1] = 'a', [2] = 'b' } end, j = function() return { [2] = 'b' } end,\n"
    "  k = function() local t = {} for n = 1, 3000 do t[n] = n end return t end, l = function() error 'no' end,\n"
    "  m = function() return ('\\xff'):rep(524000) end,\n"
    "}\n"
    "local things = {\n"
    "  { name = 'a', pos = { 1, 2.5, -3 } }, { pos = { 1, 2 } }, { pos = 'here' }, { pos = { 1, 2, 'x' } },\n"
    "  { inner = { pos = { 1, 2, 3 } } }, 'no thing',\n"
    "}\n"
    "function r.execute(c, e)\n"
    "  if e.name == 'get' then return say[e.data[2]]() end\n"
    "  if e.name == 'update' then return things end\n"
    "  if e.name == 'edit' then things = {} end\n"
    "  if e.name == 'set' then return false end\n"
    "end\n"
    "function r.legal(c, e)\n"
    "  if e.name == 'move' then return e.data[1][1] > 0 and host.invalid 'x' or false, 'no' end\n"
    "  return true\n"
    "end\n"
    "return r\n";

static void test_pymmorpg_replies_are_what_execute_returned(void **state) {
  (void)state;
  static struct pm_world w;
  pm_start(&w, SAY);
  join(&w, 1, "joe");
  static const char *const cases[][2] = {
      {"['get', '', 'a']", "[None]"},
      {"['get', '', 'b']", "[False]"},
      {"['get', '', 'c']", "[{}]"},
      {"['get', '', 'd']", "[[]]"},
      {"['get', '', 'e']", "[False]"},
      {"['get', '', 'f']", "[None]"},
      {"['get', '', 'g']", "[False]"},
      {"['get', '', 'h']", "[{'pos': [1, 2, 3]}]"},
      {"['get', '', 'i']", "[['a', 'b']]"},
      {"['get', '', 'j']", "[{2: 'b'}]"},
      {"['get', '', 'l']", "[False]"},
      {"['set', 'joe', 'a', 1]", "[False]"},
      {"['move', (1, 0, 0)]", "[False]"},
      {"['move', (-1, 0, 0)]", "[False]"},
      {"['update']", "[[{'name': 'a', 'pos': (1, 2.5, -3)}, {'pos': [1, 2]}, {'pos': 'here'}, {'pos': [1, 2, 'x']}, "
                     "{'inner': {'pos': [1, 2, 3]}}, 'no thing']]"},
      {"['edit', ['x', []]]", "[True]"},
      {"['update']", "[[]]"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    pm_ask(&w, 1, cases[i][0]);
    pm_expect(&w, 1, cases[i][1]);
  }
  pm_ask(&w, 1, "['get', '', 'k']");
  assert_non_null(strstr(pm_heard(&w, 1), "2999, 3000]]"));
  pm_ask(&w, 1, "['get', '', 'm']"); /* 524 000 bytes that are no text take twice that: just under the limit */
  assert_true(w.conn[1].n_out > 1048000);
  w.conn[1].n_out = 0;
  assert_non_null(strstr(testing_log_last(&w.log, "bad_reply")->text, "execute returned"));
  pm_end(&w);
}

/* ---- flags ---- */

static const char FLAGS[] = "local host = require 'umpire'\n"
                            "local r = { api = 1 }\n"
                            "function r.connect(c) host.notify(c, 'early') end\n"
                            "function r.execute(c, e)\n"
                            "  if e.name == 'edit' then\n"
                            "    for _, flag in ipairs(e.data[1][2]) do host.broadcast(flag) end\n"
                            "  elseif e.name == 'move' then\n"
                            "    local all = true\n"
                            "    for i = 1, e.data[1][1] do all = host.notify(c, 'flag' .. i) and all end\n"
                            "    return all\n"
                            "  elseif e.name == 'get' then\n"
                            "    local ok, why = pcall(host.notify, c, 'map', { 1 })\n"
                            "    return { tostring(ok), tostring(why) }\n"
                            "  elseif e.name == 'set' then host.kick(c, 'enough')\n"
                            "  end\n"
                            "end\n"
                            "return r\n";

static void test_pymmorpg_flags_ride_on_the_next_reply_once_each_in_order(void **state) {
  (void)state;
  static struct pm_world w;
  pm_start(&w, FLAGS);
  join(&w, 1, "joe");
  join(&w, 2, "ann");
  assert_int_equal(pm_open(&w, 3), 0);
  pm_ask(&w, 1, "['edit', ['x', ['map', 'client', 'map']]]");
  pm_expect(&w, 1, "[True, 'map', 'client']");
  pm_ask(&w, 1, "['edit', ['x', ['map']]]");
  pm_expect(&w, 1, "[True, 'map']");
  pm_expect(&w, 2, ""); /* the server never speaks unasked */
  pm_ask(&w, 2, "['nonsense']");
  pm_expect(&w, 2, "[False, 'map', 'client']"); /* whatever it answers */
  pm_ask(&w, 2, "['ver']");
  pm_expect(&w, 2, "[False]");
  pm_ask(&w, 3, "['ver']");
  pm_expect(&w, 3, "[False]"); /* none before log-in */
  pm_ask(&w, 3, "['new', 'eve', 'x']");
  pm_expect(&w, 3, "[True]");
  pm_end(&w);
}

static void test_pymmorpg_flags_are_bounded(void **state) {
  (void)state;
  static struct pm_world w;
  pm_start(&w, FLAGS);
  join(&w, 1, "joe");
  pm_ask(&w, 1, "['move', (80, 0, 0)]");
  const char *heard = pm_heard(&w, 1);
  assert_non_null(strstr(heard, "'flag64']"));
  assert_null(strstr(heard, "'flag65'"));
  pm_ask(&w, 1, "['get', 'a', 'b']");
  assert_non_null(strstr(pm_heard(&w, 1), "no word for")); /* data has no form on this wire, and the call says so */
  pm_end(&w);
}

static void test_pymmorpg_a_kicked_player_is_closed(void **state) {
  (void)state;
  static struct pm_world w;
  pm_start(&w, FLAGS);
  join(&w, 1, "joe");
  pm_ask(&w, 1, "['set', 'joe', 'x', 1]");
  pm_expect(&w, 1, "[True] | closed"); /* kicks come after the answer */
  assert_int_equal(ump_engine_n_clients(w.engine), 0);
  pm_end(&w);
}

/* ---- log-ins ---- */

static void test_pymmorpg_a_log_in_that_takes_its_time_holds_back_what_comes_behind_it(void **state) {
  (void)state;
  static struct pm_world w;
  pm_start(&w, PM_RULES);
  assert_int_equal(pm_open(&w, 1), 0);
  assert_int_equal(pm_open(&w, 2), 0);
  w.slow = true;
  pm_ask(&w, 1, "['ver']");
  pm_ask(&w, 1, "['new', 'joe', 'pw']");
  pm_ask(&w, 1, "['get', 'joe', 'hp']");
  pm_ask(&w, 1, "['login', 'joe', 'no']");
  pm_ask(&w, 1, "['get', 'joe', 'hp']");
  pm_ask(&w, 2, "['ver']"); /* others are served */
  pm_expect(&w, 2, "['1.2.3']");
  pm_expect(&w, 1, "['1.2.3']");
  assert_int_equal(ump_engine_wants(w.engine, 0, 1), 0); /* nothing more is read from it */
  pm_answer(&w);
  pm_expect(&w, 1, "[True] | [100]");
  pm_answer(&w);
  pm_expect(&w, 1, "[False] | [100]"); /* a failed one changes nothing */
  assert_int_equal(ump_engine_wants(w.engine, 0, 1), UMP_WANTS_INPUT);
  pm_end(&w);
}

static void test_pymmorpg_a_log_in_is_answered_to_nobody_who_has_gone(void **state) {
  (void)state;
  static struct pm_world w;
  pm_start(&w, PM_RULES);
  w.slow = true;
  assert_int_equal(pm_open(&w, 1), 0);
  pm_ask(&w, 1, "['new', 'joe', 'pw']");
  pm_close(&w, 1);
  assert_int_equal(pm_open(&w, 1), 0); /* another, under the same number */
  pm_answer(&w);
  pm_expect(&w, 1, "");
  pm_ask(&w, 1, "['get', 'joe', 'hp']");
  pm_expect(&w, 1, "[False]");
  pm_ask(&w, 1, "['login', 'joe', 'pw']");
  pm_eof(&w, 1); /* the other side has said all: it still hears the answer */
  pm_answer(&w);
  pm_expect(&w, 1, "[True] | closed");
  pm_end(&w);
}

static void test_pymmorpg_another_log_in_replaces_the_name(void **state) {
  (void)state;
  static struct pm_world w;
  pm_start(&w, ECHO);
  join(&w, 1, "joe");
  pm_ask(&w, 1, "['new', 'ann', 'pw']");
  pm_expect(&w, 1, "[True]");
  pm_ask(&w, 1, "['get', 'x', 'y']");
  assert_non_null(strstr(pm_heard(&w, 1), "'user': 'ann'"));
  pm_ask(&w, 1, "['login', 'joe', 'wrong']");
  pm_expect(&w, 1, "[False]");
  pm_ask(&w, 1, "['get', 'x', 'y']");
  assert_non_null(strstr(pm_heard(&w, 1), "'user': 'ann'"));
  pm_end(&w);
}

static void test_pymmorpg_too_many_attempts_are_answered_late_and_unasked(void **state) {
  (void)state;
  static struct pm_world w;
  pm_start(&w, PM_RULES);
  assert_int_equal(pm_open(&w, 1), 0);
  for (int i = 0; i < 10; i++) pm_ask(&w, 1, "['login', 'joe', 'guess']"), pm_expect(&w, 1, "[False]");
  pm_ask(&w, 1, "['login', 'joe', 'guess']");
  pm_ask(&w, 1, "['ver']");
  pm_advance(&w, 1900 * UMP_MS);
  pm_expect(&w, 1, "");
  pm_advance(&w, 200 * UMP_MS);
  pm_expect(&w, 1, "[False] | ['1.2.3']");
  assert_int_equal(w.asked, 10);
  pm_ask(&w, 1, "['login', 'joe', 'guess']");
  pm_close(&w, 1); /* gone while it waits */
  pm_advance(&w, 3 * UMP_S);
  pm_end(&w);
}

static void test_pymmorpg_accounts_that_fail_are_told_false(void **state) {
  (void)state;
  static struct pm_world w;
  pm_start(&w, PM_RULES);
  assert_int_equal(pm_open(&w, 1), 0);
  for (int i = 0; i < 2; i++) {
    w.broken = i ? UMP_EFULL : UMP_EINVAL;
    pm_ask(&w, 1, "['new', 'joe', 'pw']");
    pm_expect(&w, 1, "[False]");
  }
  w.broken = 0;
  ump_engine_set_accounts(w.engine, NULL);
  pm_ask(&w, 1, "['new', 'joe', 'pw']");
  pm_expect(&w, 1, "[False]");
  pm_end(&w);
}

static void test_pymmorpg_the_default_says_no_to_changing_another(void **state) {
  (void)state;
  static struct pm_world w;
  static const char rules[] = "return { api = 1, execute = function() return 'done' end }\n";
  pm_start(&w, rules);
  join(&w, 1, "joe");
  join(&w, 2, "ann");
  pm_ask(&w, 1, "['set', 'ann', 'hp', 0]");
  pm_expect(&w, 1, "[False]");
  pm_ask(&w, 1, "['set', 'ann', 'hp', (0,)]");
  pm_expect(&w, 1, "[False]");
  pm_ask(&w, 1, "['set', '', 'hp', 0]");
  pm_expect(&w, 1, "[False]");
  pm_ask(&w, 1, "['set', 'joe', 'hp', (0,)]");
  pm_expect(&w, 1, "['done']");
  pm_ask(&w, 1, "['set', 'joe', 'hp', 0]");
  pm_expect(&w, 1, "['done']");
  pm_ask(&w, 1, "['get', 'ann', 'hp']");
  pm_expect(&w, 1, "['done']");
  pm_end(&w);
}

/* ---- time ---- */

static void test_pymmorpg_silence_has_an_end_and_half_a_message_a_nearer_one(void **state) {
  (void)state;
  static struct pm_world w;
  pm_start(&w, PM_RULES);
  join(&w, 1, "joe");
  assert_int_equal(pm_open(&w, 2), 0);
  assert_int_equal(pm_open(&w, 3), 0);
  pm_advance(&w, 100 * UMP_S);
  pm_ask(&w, 3, "['ver']"); /* any complete message starts it anew */
  pm_advance(&w, 19900 * UMP_MS);
  assert_true(w.conn[2].open);
  pm_advance(&w, 200 * UMP_MS);
  assert_true(w.conn[2].closed && w.conn[3].open);
  pm_advance(&w, 99 * UMP_S);
  assert_true(w.conn[3].open);
  SEND(&w, 1, "10");
  pm_advance(&w, 9900 * UMP_MS);
  SEND(&w, 1, " ab");
  pm_advance(&w, 9900 * UMP_MS);
  assert_true(w.conn[1].open);
  pm_advance(&w, 200 * UMP_MS);
  assert_true(w.conn[1].closed && w.conn[3].closed);
  join(&w, 4, "bob");
  pm_advance(&w, 599 * UMP_S);
  assert_true(w.conn[4].open);
  pm_advance(&w, 2 * UMP_S);
  assert_true(w.conn[4].closed);
  assert_int_equal(pm_count(&w, "closed_timed_out"), 4);
  pm_end(&w);
}

static void test_pymmorpg_who_reads_nothing_is_not_read_and_then_closed(void **state) {
  (void)state;
  static struct pm_world w;
  static const char rules[] = "return { api = 1, execute = function() return ('x'):rep(100000) end }\n";
  pm_start(&w, rules);
  join(&w, 1, "joe");
  join(&w, 2, "ann");
  w.conn[1].deaf = w.conn[2].deaf = true;
  size_t before = w.mem.bytes;
  for (int i = 0; i < 20; i++) pm_ask(&w, 1, "['get', 'a', 'b']"), pm_ask(&w, 2, "['get', 'a', 'b']");
  if (w.mem.bytes - before > 3 << 20) fail_msg("%zu bytes", w.mem.bytes - before); /* the rest has not been judged */
  assert_int_equal(ump_engine_wants(w.engine, 0, 1), 0);
  pm_advance(&w, 29 * UMP_S);
  w.conn[2].deaf = false; /* ann reads again, and is served on */
  w.conn[2].n_out = 0;
  struct ump_bytes s[4];
  while (ump_engine_output(w.engine, 0, 2, s, 4)) ump_engine_sent(w.engine, 0, 2, s[0].n, w.now);
  assert_int_equal(ump_engine_wants(w.engine, 0, 2), UMP_WANTS_INPUT);
  pm_advance(&w, 2 * UMP_S);
  pm_serve(&w);
  assert_true(w.conn[1].closed && w.conn[2].open);
  pm_end(&w);
}

/* ---- limits ---- */

static void test_pymmorpg_connections_are_limited_in_all(void **state) {
  (void)state;
  static struct pm_world w;
  pm_start(&w, PM_RULES);
  for (uint32_t i = 0; i < 64; i++) assert_int_equal(pm_open(&w, i), 0);
  assert_int_equal(pm_open(&w, 64), UMP_EFULL);
  pm_close(&w, 5);
  assert_int_equal(pm_open(&w, 64), 0);
  assert_int_equal(pm_count(&w, "refused_full"), 1);
  pm_end(&w);
}

static void test_pymmorpg_a_client_that_connect_refuses_is_closed(void **state) {
  (void)state;
  static struct pm_world w;
  pm_start(&w, "return { api = 1, connect = function() return false, 'no' end }\n");
  assert_int_equal(pm_open(&w, 1), 0);
  pm_expect(&w, 1, "closed");
  pm_end(&w);
}

/* ---- the client's image ---- */

static const char IMAGE[] = "return { api = 1, pymmorpg = { version = '2.0', client_image = 'client' } }\n";

static void test_pymmorpg_the_image_is_the_folder_and_nothing_outside_it(void **state) {
  (void)state;
  static struct pm_world w;
  char path[256], other[256];
  pm_start(&w, PM_RULES);
  assert_int_equal(pm_open(&w, 1), 0);
  pm_ask(&w, 1, "['upgrade']");
  pm_expect(&w, 1, "[False]"); /* none is named */
  pm_file(&w, "secret.txt", "secret");
  pm_file(&w, "client/b.py", "b");
  pm_file(&w, "client/a.py", "a");
  pm_file(&w, "client/Z/z.py", "z");
  snprintf(path, sizeof path, "%s/client/link", w.folder), snprintf(other, sizeof other, "%s/secret.txt", w.folder);
  assert_int_equal(symlink(other, path), 0);
  snprintf(path, sizeof path, "%s/client/loop", w.folder);
  assert_int_equal(symlink(".", path), 0);
  snprintf(path, sizeof path, "%s/client/Z/up", w.folder);
  assert_int_equal(symlink("../..", path), 0);
  snprintf(path, sizeof path, "%s/client/pipe", w.folder);
  assert_int_equal(mkfifo(path, 0600), 0);
  pm_book(&w, IMAGE);
  assert_true(pm_reload(&w));
  pm_ask(&w, 1, "['ver']");
  pm_ask(&w, 1, "['upgrade']");
  pm_expect(&w, 1, "['2.0'] | [[('Z', [('z.py', 'z')]), ('a.py', 'a'), ('b.py', 'b')]]");
  pm_file(&w, "client/a.py", "changed");
  pm_ask(&w, 1, "['upgrade']");
  pm_expect(&w, 1,
            "[[('Z', [('z.py', 'z')]), ('a.py', 'a'), ('b.py', 'b')]]"); /* as it was when the rulebook was loaded */
  assert_true(pm_reload(&w));
  pm_ask(&w, 1, "['upgrade']");
  pm_expect(&w, 1, "[[('Z', [('z.py', 'z')]), ('a.py', 'changed'), ('b.py', 'b')]]");
  pm_end(&w);
}

static void test_pymmorpg_an_image_too_large_for_a_message_is_answered_false(void **state) {
  (void)state;
  static struct pm_world w;
  static char text[(1 << 20) + 1];
  pm_start(&w, PM_RULES);
  assert_int_equal(pm_open(&w, 1), 0);
  memset(text, 'x', 1 << 20);
  pm_file(&w, "client/a", text);
  pm_book(&w, IMAGE);
  assert_true(pm_reload(&w));
  pm_ask(&w, 1, "['upgrade']");
  pm_expect(&w, 1, "[False]");
  assert_non_null(strstr(testing_log_last(&w.log, "client_image")->text, "answered False"));
  memset(text, (char)0xff, 600000), text[600000] = 0; /* under a mebibyte in the folder, over it on the wire */
  pm_file(&w, "client/a", text);
  assert_true(pm_reload(&w));
  pm_ask(&w, 1, "['upgrade']");
  pm_expect(&w, 1, "[False]");
  text[500000] = 0;
  pm_file(&w, "client/a", text);
  assert_true(pm_reload(&w));
  w.conn[1].n_out = 0;
  pm_ask(&w, 1, "['upgrade']");
  assert_true(w.conn[1].n_out > 1000000);
  w.conn[1].n_out = 0;
  pm_end(&w);
}

static void test_pymmorpg_wrong_declarations_refuse_the_rulebook_with_file_and_line(void **state) {
  (void)state;
  static struct pm_world w;
  static const struct {
    const char *table, *part;
  } wrong[] = {
      {"{ version = 1 }", "pymmorpg.version must be a text"},
      {"{ version = '' }", "pymmorpg.version must be a text"},
      {"{ version = 'a\\n' }", "pymmorpg.version must be a text"},
      {"{ vresion = '1' }", "did you mean 'version'?"},
      {"{ 'x' }", "unknown field 'pymmorpg.number'"},
      {"{ client_image = '/etc' }", "below the rulebook's own"},
      {"{ client_image = '../x' }", "below the rulebook's own"},
      {"{ client_image = 'a/../b' }", "below the rulebook's own"},
      {"{ client_image = 'a/..' }", "below the rulebook's own"},
      {"{ client_image = 5 }", "below the rulebook's own"},
      {"{ client_image = '' }", "below the rulebook's own"},
      {"{ client_image = 'x\\0y' }", "below the rulebook's own"},
      {"{ client_image = 'none' }", "\"none\": No such file"},
      {"{ client_image = 'game.lua' }", "no folder, or a link on the way: \"game.lua\""},
      {"{ client_image = 'out' }", "no folder, or a link on the way: \"out\""},
      {"{ client_image = 'out/x' }", "no folder, or a link on the way: \"out/x\""},
      {"5", "pymmorpg must be a table"},
  };
  char text[256], path[256];
  pm_start(&w, PM_RULES);
  snprintf(path, sizeof path, "%s/out", w.folder);
  assert_int_equal(symlink("/tmp", path), 0);
  assert_int_equal(pm_open(&w, 1), 0);
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    snprintf(text, sizeof text, "local r = { api = 1 }\n\nr.pymmorpg = %s\nreturn r\n", wrong[i].table);
    pm_book(&w, text);
    assert_false(pm_reload(&w));
    if (!strstr(w.report.text, wrong[i].part) || !strstr(w.report.text, "game.lua:3: "))
      fail_msg("%s: %s", wrong[i].table, w.report.text);
    pm_ask(&w, 1, "['ver']");
    pm_expect(&w, 1, "['1.2.3']"); /* the one in place goes on */
  }
  pm_end(&w);
}

/* ---- memory ---- */

static bool story(struct pm_world *w) {
  if (!pm_make(w, PM_RULES)) return false;
  for (uint32_t i = 1; i < 4; i++) {
    pm_open(w, i);
    pm_ask(w, i, i == 1 ? "['new', 'joe', 'pw']" : "['login', 'joe', 'pw']");
    pm_ask(w, i, "['update']");
    pm_ask(w, i, "['set', 'joe', 'title', (5,)]");
    pm_ask(w, i, "['edit', ['map', [1, 2, 'gr\xc3\xbc\xc3\x9f', {'a': (1, 2, 3)}]]]");
    SEND(w, i, "4 junk");
    pm_ask(w, i, "['get', 'joe', 'hp']");
  }
  pm_reload(w);
  pm_ask(w, 1, "['ver']");
  if (w->conn[2].open) pm_eof(w, 2);
  return true;
}

static void test_pymmorpg_survives_every_failing_allocation(void **state) {
  (void)state;
  static struct pm_world w;
  size_t n = 1;
  for (;; n += n < 400 ? 1 : 7) {
    memset(&w, 0, sizeof w);
    testing_mem_init(&w.mem);
    testing_mem_fail(&w.mem, n, false);
    story(&w);
    bool failed = w.mem.failed > 0;
    pm_drop(&w);
    if (!failed) break;
  }
  assert_true(n > 50);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_pymmorpg_events_carry_the_command_and_its_arguments),
      cmocka_unit_test(test_pymmorpg_wrong_requests_are_readable_and_answered_false),
      cmocka_unit_test(test_pymmorpg_names_and_passwords_are_text_within_limits),
      cmocka_unit_test(test_pymmorpg_unreadable_messages_are_dropped_and_the_fifth_in_a_row_closes),
      cmocka_unit_test(test_pymmorpg_only_the_bad_message_of_a_segment_is_dropped),
      cmocka_unit_test(test_pymmorpg_a_bad_size_closes_at_the_byte_that_shows_it),
      cmocka_unit_test(test_pymmorpg_a_message_may_be_a_mebibyte_and_costs_what_has_come),
      cmocka_unit_test(test_pymmorpg_replies_are_what_execute_returned),
      cmocka_unit_test(test_pymmorpg_flags_ride_on_the_next_reply_once_each_in_order),
      cmocka_unit_test(test_pymmorpg_flags_are_bounded),
      cmocka_unit_test(test_pymmorpg_a_kicked_player_is_closed),
      cmocka_unit_test(test_pymmorpg_a_log_in_that_takes_its_time_holds_back_what_comes_behind_it),
      cmocka_unit_test(test_pymmorpg_a_log_in_is_answered_to_nobody_who_has_gone),
      cmocka_unit_test(test_pymmorpg_another_log_in_replaces_the_name),
      cmocka_unit_test(test_pymmorpg_too_many_attempts_are_answered_late_and_unasked),
      cmocka_unit_test(test_pymmorpg_accounts_that_fail_are_told_false),
      cmocka_unit_test(test_pymmorpg_the_default_says_no_to_changing_another),
      cmocka_unit_test(test_pymmorpg_silence_has_an_end_and_half_a_message_a_nearer_one),
      cmocka_unit_test(test_pymmorpg_who_reads_nothing_is_not_read_and_then_closed),
      cmocka_unit_test(test_pymmorpg_connections_are_limited_in_all),
      cmocka_unit_test(test_pymmorpg_a_client_that_connect_refuses_is_closed),
      cmocka_unit_test(test_pymmorpg_the_image_is_the_folder_and_nothing_outside_it),
      cmocka_unit_test(test_pymmorpg_an_image_too_large_for_a_message_is_answered_false),
      cmocka_unit_test(test_pymmorpg_wrong_declarations_refuse_the_rulebook_with_file_and_line),
      cmocka_unit_test(test_pymmorpg_survives_every_failing_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
