/* laneya: every row of wire/laneya's table of bad input, and hardening T15. */
#include "ln_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ln_world w;

static void still_well(uint32_t conn, const char *key) { /* the connection goes on */
  char want[100];
  ln_ask(&w, conn, key, "ann", "walk", "{}");
  snprintf(want, sizeof want, "{\"type\": \"response\", \"key\": %s, \"status\": \"success\", \"data\": {}}", key);
  ln_expect(&w, conn, want);
}

static void test_laneya_no_json_is_answered_and_the_connection_goes_on(void **state) {
  static const char *const bad[] = {
      "hello",
      "",
      " ",
      "{",
      "{}x",
      "{\"a\": NaN}",
      "{\"a\": Infinity}",
      "{\"a\": 1e999}",
      "{\"a\": 1, \"a\": 2}",
      "\xef\xbb\xbf{}",
      "{\"a\": \"\xff\"}",
      "{\"a\": \"\xc0\x80\"}",
      "{\"a\": \"\\ud800\"}",
      "{\"a\": \"\t\"}",
      "{\"a\\u0000\": 1}",
      "{\"a\": 01}",
      "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
  };
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    char key[8];
    ln_say(&w, 0, bad[i]);
    ln_expect_status(&w, 0, "null", "invalid");
    snprintf(key, sizeof key, "%zu", i);
    still_well(0, key);
  }
  ln_close(&w);
}

static void test_laneya_key_that_could_be_read_is_echoed(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1);
  ln_say(&w, 0, "{\"type\": \"request\", \"key\": 77, \"user\": \"ann\", \"data\": NaN}");
  ln_expect_status(&w, 0, "77", "invalid");
  ln_say(&w, 0, "{\"key\": \"k\", \"type\": ");
  ln_expect_status(&w, 0, "\"k\"", "invalid");
  ln_say(&w, 0, "{\"key\": [1], \"type\": ");
  ln_expect_status(&w, 0, "null", "invalid");
  ln_close(&w);
}

static void test_laneya_no_object_or_no_type_is_invalid(void **state) {
  static const char *const bad[][2] = {
      {"[1, 2]", "null"},
      {"7", "null"},
      {"\"type\"", "null"},
      {"null", "null"},
      {"{}", "null"},
      {"{\"key\": 3}", "3"},
      {"{\"type\": 1, \"key\": 4}", "4"},
      {"{\"type\": null, \"key\": 5}", "5"},
  };
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    ln_say(&w, 0, bad[i][0]);
    ln_expect_status(&w, 0, bad[i][1], "invalid");
  }
  still_well(0, "1");
  ln_close(&w);
}

static void test_laneya_message_of_another_type_is_dropped_and_counted(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1);
  for (int i = 0; i < 40; i++) ln_say(&w, 0, "{\"type\": \"update\", \"action\": \"move\", \"data\": {}}");
  ln_expect_nothing(&w, 0);
  assert_int_equal(ln_count(&w, "dropped_other_type"), 40);
  still_well(0, "1");
  ln_close(&w);
}

#define REQ(key, user, action, data)                                                                                   \
  "{\"type\": \"request\", \"key\": " key ", \"user\": " user ", \"action\": " action ", \"data\": " data "}"
#define LONG64  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LONG256 LONG64 LONG64 LONG64 LONG64

static void test_laneya_envelope_must_be_right(void **state) {
  static const char *const bad[][2] = {
      {"{\"type\": \"request\", \"key\": 7, \"user\": \"ann\", \"action\": \"walk\", \"data\": {}, \"extra\": 1}", "7"},
      {"{\"type\": \"request\", \"key\": 8, \"user\": \"ann\", \"action\": \"walk\"}", "8"},
      {"{\"type\": \"request\", \"key\": 8, \"user\": \"ann\", \"action\": \"walk\", \"date\": {}}", "8"},
      {"{\"type\": \"request\", \"user\": \"ann\", \"action\": \"walk\", \"data\": {}}", "null"},
      {"{\"type\": \"request\", \"key\": 8, \"action\": \"walk\", \"data\": {}}", "8"},
      {"{\"type\": \"request\", \"key\": 8, \"user\": \"ann\", \"data\": {}}", "8"},
      {REQ("9", "\"ann\"", "5", "{}"), "9"},
      {REQ("9", "\"ann\"", "null", "{}"), "9"},
      {REQ("9", "\"ann\"", "\"" LONG256 "\"", "{}"), "9"},
      {REQ("10", "\"ann\"", "\"walk\"", "[]"), "10"},
      {REQ("10", "\"ann\"", "\"walk\"", "null"), "10"},
      {REQ("10", "\"ann\"", "\"walk\"", "\"x\""), "10"},
      {REQ("11", "[\"ann\"]", "\"walk\"", "{}"), "11"},
      {REQ("11", "null", "\"walk\"", "{}"), "11"},
      {REQ("11", "true", "\"walk\"", "{}"), "11"},
      {REQ("11", "1.5", "\"walk\"", "{}"), "11"},
      {REQ("11", "1e2", "\"walk\"", "{}"), "11"},
      {REQ("11", "\"\"", "\"walk\"", "{}"), "11"},
      {REQ("11", "\"a\\nb\"", "\"walk\"", "{}"), "11"},
      {REQ("11", "\"a\\u0000b\"", "\"walk\"", "{}"), "11"},
      {REQ("11", "\"a\\u0085b\"", "\"walk\"", "{}"), "11"},
      {REQ("11", "\"" LONG64 "a\"", "\"walk\"", "{}"), "11"},
      {REQ("[1]", "\"ann\"", "\"walk\"", "{}"), "null"},
      {REQ("{}", "\"ann\"", "\"walk\"", "{}"), "null"},
      {REQ("\"" LONG256 "\"", "\"ann\"", "\"walk\"", "{}"), "null"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    ln_open(&w, (struct ln_cfg){0});
    ln_dial(&w, 0, 1);
    ln_say(&w, 0, bad[i][0]);
    ln_expect_status(&w, 0, bad[i][1], "invalid");
    ln_expect_done(&w, "");
    still_well(0, "1");
    ln_close(&w);
  }
  ln_open(&w, (struct ln_cfg){0}); /* and just within the limits */
  ln_dial(&w, 0, 1);
  ln_say(&w, 0, REQ("1", "\"" LONG64 "\"", "\"walk\"", "{}"));
  assert_non_null(strstr(ln_take(&w, 0), "success"));
  ln_close(&w);
}

static void test_laneya_sixteen_invalid_in_a_row_close(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1);
  for (int round = 0; round < 3; round++) { /* a good one in between starts anew */
    for (int i = 0; i < 15; i++) {
      ln_say(&w, 0, i % 2 ? "x" : "{}");
      ln_expect_status(&w, 0, "null", "invalid");
    }
    still_well(0, round == 0 ? "1" : round == 1 ? "2" : "3");
  }
  for (int i = 0; i < 20; i++) ln_say(&w, 0, "x");
  for (int i = 0; i < 16; i++) ln_expect_status(&w, 0, "null", "invalid");
  ln_expect_nothing(&w, 0);
  assert_true(w.conns[0].ended);
  ln_close(&w);
}

/* ---- framing ---- */

static const char *const bad_frames[] = {
    ":{},",      "-1:x,",         "+5:hello,",  " 5:hello,",       "5 :hello,",  "1_0:helloworld,", "007:1234567,",
    "00:,",      "abc:",          "\n5:hello,", "5:hello5:hello,", "5:hello ",   "2:{}]",           "12345678",
    "99999999:", "99999999999:x", "1048577:",   "0x5:hello,",      "5\0:hello,",
};

static void test_laneya_broken_frame_is_answered_once_and_closed(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof bad_frames / sizeof *bad_frames; i++)
    for (size_t piece = 1; piece <= 20; piece += 19) {
      static const char good[] =
          "74:{\"type\": \"request\", \"key\": 1, \"user\": \"ann\", \"action\": \"walk\", \"data\": {}},";
      ln_open(&w, (struct ln_cfg){0});
      ln_dial(&w, 0, 1);
      ln_in(&w, 0, good, sizeof good - 1);
      ln_expect(&w, 0, "{\"type\": \"response\", \"key\": 1, \"status\": \"success\", \"data\": {}}");
      size_t n = i == 18 ? 9 : strlen(bad_frames[i]);
      ln_split(&w, 0, bad_frames[i], n, piece);
      ln_in(&w, 0, good, sizeof good - 1); /* nothing that follows is performed */
      ln_expect_status(&w, 0, "null", "invalid");
      ln_expect_nothing(&w, 0);
      assert_true(w.conns[0].ended);
      ln_expect_done(&w, "ann walk\n");
      assert_int_equal(ln_count(&w, "bad_frame"), 1);
      ln_close(&w);
    }
}

static void test_laneya_too_long_is_told_at_the_first_byte_that_shows_it(void **state) {
  static const struct {
    const char *text;
    size_t at;
  } cases[] = {{"99999999:", 8}, {"1048577:", 8}, {"01:", 2}, {"1x", 2}, {"2:{}x", 5}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    ln_open(&w, (struct ln_cfg){0});
    ln_dial(&w, 0, 1);
    for (size_t k = 0; k < cases[i].at; k++) {
      assert_true(w.conns[0].open);
      ln_in(&w, 0, cases[i].text + k, 1);
    }
    assert_false(w.conns[0].open);
    ln_close(&w);
  }
}

/* T15: every edge of the length, split anywhere: as one read; and no memory by a number that was only claimed. */
static void test_laneya_lengths_at_every_edge(void **state) {
  static const size_t lengths[] = {0,       1,       9,       10,      11,       99,         100,       255,
                                   256,     999,     1000,    65535,   65536,    99999,      999999,    1000000,
                                   1048575, 1048576, 1048577, 9999999, 10000000, 4294967295, 4294967296};
  (void)state;
  char *text = malloc(2 << 20);
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    size_t n = lengths[i], body = n <= 1048576 ? n : 0;
    int head = sprintf(text, "%zu:", n);
    memset(text + head, ' ', body);
    text[head + (int)body] = ',';
    size_t all = (size_t)head + body + (n <= 1048576), step = all < 2000 ? 1 : all / 50;
    for (size_t split = 0; split <= all; split += step) {
      ln_open(&w, (struct ln_cfg){0});
      ln_dial(&w, 0, 1);
      size_t idle = w.mem.bytes;
      ln_in(&w, 0, text, split);
      if (w.conns[0].open) assert_true(w.mem.bytes <= idle + 2 * split + 4096);
      ln_in(&w, 0, text + split, all - split);
      ln_expect_status(&w, 0, "null", "invalid"); /* blanks are no JSON */
      ln_expect_nothing(&w, 0);
      assert_int_equal(w.conns[0].open, n <= 1048576);
      ln_close(&w);
    }
  }
  free(text);
}

static void test_laneya_memory_grows_with_what_came_not_with_what_was_claimed(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1);
  size_t idle = w.mem.bytes, sent = 0;
  ln_in(&w, 0, "1048576:", 8);
  for (char block[1000]; sent < 1000000; sent += sizeof block) {
    memset(block, ' ', sizeof block);
    ln_in(&w, 0, block, sizeof block);
    assert_true(w.mem.bytes - idle <= 2 * (sent + sizeof block) + 4096);
  }
  ln_close(&w);
}

/* ---- memory that runs out ---- */

static void test_laneya_survives_every_failing_allocation(void **state) {
  (void)state;
  for (int for_ever = 0; for_ever < 2; for_ever++)
    for (size_t n = 1;; n++) {
      memset(&w, 0, sizeof w);
      testing_mem_init(&w.mem);
      testing_mem_fail(&w.mem, n, for_ever);
      if (ln_make(&w, (struct ln_cfg){0})) {
        ln_dial(&w, 0, 1), ln_dial(&w, 1, 1);
        ln_ask(&w, 0, "1", "ann", "shout", "{}");
        ln_ask(&w, 0, "1", "ann", "shout", "{}");
        ln_ask(&w, 1, "2", "bob", "echo", "{\"a\": [1, 2, 3]}");
        ln_ask(&w, 1, "3", "bob", "batch",
               "{\"actions\": [{\"action\": \"echo\", \"data\": {}}, {\"action\": \"tell\", \"data\": {}}]}");
        ln_say(&w, 1, "x");
        ln_ask(&w, 0, "4", "ann", "logout", "{}");
        ln_pass(&w, 20 * UMP_S);
        assert_true(w.executed <= 6);
      }
      bool all = w.mem.failed == 0;
      ln_close(&w);
      if (all) break;
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_laneya_no_json_is_answered_and_the_connection_goes_on),
      cmocka_unit_test(test_laneya_key_that_could_be_read_is_echoed),
      cmocka_unit_test(test_laneya_no_object_or_no_type_is_invalid),
      cmocka_unit_test(test_laneya_message_of_another_type_is_dropped_and_counted),
      cmocka_unit_test(test_laneya_envelope_must_be_right),
      cmocka_unit_test(test_laneya_sixteen_invalid_in_a_row_close),
      cmocka_unit_test(test_laneya_broken_frame_is_answered_once_and_closed),
      cmocka_unit_test(test_laneya_too_long_is_told_at_the_first_byte_that_shows_it),
      cmocka_unit_test(test_laneya_lengths_at_every_edge),
      cmocka_unit_test(test_laneya_memory_grows_with_what_came_not_with_what_was_claimed),
      cmocka_unit_test(test_laneya_survives_every_failing_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
