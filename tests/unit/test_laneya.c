/* laneya: requests, responses, updates, names, batches, as wire/laneya says. */
#include "ln_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ln_world w;

#define OK(key, data) "{\"type\": \"response\", \"key\": " key ", \"status\": \"success\", \"data\": " data "}"
#define NO(key, status, message)                                                                                       \
  "{\"type\": \"response\", \"key\": " key ", \"status\": \"" status "\", \"data\": {\"message\": \"" message "\"}}"
#define SHOUTED(by) "{\"type\": \"update\", \"action\": \"shouted\", \"data\": {\"by\": \"" by "\"}}"

/* ---- requests ---- */

static void test_laneya_request_is_judged_performed_and_answered(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1);
  ln_ask(&w, 0, "1", "ann", "walk", "{}");
  ln_expect(&w, 0, OK("1", "{}"));
  ln_ask(&w, 0, "2", "ann", "echo", "{\"to\": \"north\", \"n\": [1, 2.5, null]}");
  ln_expect(&w, 0, OK("2", "{\"to\": \"north\", \"n\": [1, 2.5, null]}"));
  ln_expect_done(&w, "ann walk\nann echo\n");
  ln_close(&w);
}

static void test_laneya_four_statuses(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1);
  ln_ask(&w, 0, "1", "ann", "walk", "{}");
  ln_expect(&w, 0, OK("1", "{}"));
  ln_ask(&w, 0, "2", "ann", "bad", "{}");
  ln_expect(&w, 0, NO("2", "illegal", "too far"));
  ln_ask(&w, 0, "3", "ann", "wrong", "{}");
  ln_expect(&w, 0, NO("3", "invalid", "no such thing"));
  ln_ask(&w, 0, "4", "ann", "boom", "{}");
  ln_expect_status(&w, 0, "4", "internal");
  ln_ask(&w, 0, "5", "ann", "mute", "{}"); /* a judge without a reason: the message is not empty all the same */
  ln_expect_status(&w, 0, "5", "illegal");
  ln_expect_done(&w, "ann walk\n");
  ln_close(&w);
}

static void test_laneya_data_of_a_response_is_always_an_object(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1);
  ln_ask(&w, 0, "1", "ann", "list", "{}");
  ln_expect(&w, 0, OK("1", "{\"result\": [1, 2]}"));
  ln_ask(&w, 0, "2", "ann", "text", "{}");
  ln_expect(&w, 0, OK("2", "{\"result\": \"word\"}"));
  ln_close(&w);
}

static void test_laneya_keys_come_back_as_they_were_written(void **state) {
  static const char *const keys[] = {"1",
                                     "1.0",
                                     "\"1\"",
                                     "-0",
                                     "1e3",
                                     "1000000000000000000000000000000",
                                     "null",
                                     "true",
                                     "false",
                                     "\"\"",
                                     "\"\\u00e9\\ud83d\\ude00\"",
                                     "\"a\\\"b\"",
                                     "12345678901234567890.5"};
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1);
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) { /* each once: they all differ, so each is executed */
    char want[200];
    ln_ask(&w, 0, keys[i], "ann", "walk", "{}");
    snprintf(want, sizeof want, "{\"type\": \"response\", \"key\": %s, \"status\": \"success\", \"data\": {}}",
             keys[i]);
    ln_expect(&w, 0, want);
  }
  assert_int_equal(w.executed, sizeof keys / sizeof *keys);
  ln_close(&w);
}

static void test_laneya_key_order_white_space_and_escapes_do_not_matter(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1);
  ln_say(&w, 0,
         " { \"data\" : { } ,\n\"\\u0061ction\":\"w\\u0061lk\",\"user\":\"ann\", \"key\" : 7 , "
         "\"\\u0074\\u0079\\u0070\\u0065\":\"request\"}\t");
  ln_expect(&w, 0, OK("7", "{}"));
  ln_expect_done(&w, "ann walk\n");
  ln_close(&w);
}

static void test_laneya_integer_user_is_its_decimal_text(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1);
  ln_say(&w, 0, "{\"type\": \"request\", \"key\": 1, \"user\": 42, \"action\": \"walk\", \"data\": {}}");
  ln_expect(&w, 0, OK("1", "{}"));
  ln_ask(&w, 0, "2", "42", "walk", "{}"); /* the same user */
  ln_expect(&w, 0, OK("2", "{}"));
  ln_expect_done(&w, "42 walk\n42 walk\n");
  ln_close(&w);
}

static void test_laneya_data_may_have_any_keys(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1);
  ln_ask(&w, 0, "1", "ann", "echo", "{\"key\": 1, \"user\": 2, \"action\": 3, \"self\": 4, \"status\": 5}");
  ln_expect(&w, 0, OK("1", "{\"key\": 1, \"user\": 2, \"action\": 3, \"self\": 4, \"status\": 5}"));
  ln_close(&w);
}

static void test_laneya_answers_in_the_order_of_arrival(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1);
  char text[4096] = "";
  for (int i = 0; i < 30; i++) {
    char one[128];
    int n = snprintf(one, sizeof one,
                     "{\"type\": \"request\", \"key\": %d, \"user\": \"ann\", \"action\": \"%s\", \"data\": {}}", i,
                     i % 3 ? "walk" : "bad");
    sprintf(text + strlen(text), "%d:%s,", n, one);
  }
  ln_in(&w, 0, text, strlen(text)); /* one segment */
  for (int i = 0; i < 30; i++) {
    char want[200], tail[] = "success\", \"data\": {}}", refused[] = "illegal\", \"data\": {\"message\": \"too far\"}}";
    snprintf(want, sizeof want, "{\"type\": \"response\", \"key\": %d, \"status\": \"%s", i, i % 3 ? tail : refused);
    ln_expect(&w, 0, want);
  }
  ln_expect_nothing(&w, 0);
  ln_close(&w);
}

static void test_laneya_any_split_gives_the_same(void **state) {
  static const char in[] =
      "74:{\"type\": \"request\", \"key\": 1, \"user\": \"ann\", \"action\": \"walk\", \"data\": {}},"
      "5:hello,"
      "80:{\"type\": \"request\", \"key\": 2, \"user\": \"ann\", \"action\": \"echo\", \"data\": {\"a\": 1}},,"
      "0:,";
  (void)state;
  char whole[4096];
  size_t n = 0, len = sizeof in - 1;
  for (size_t piece = len; piece > 0; piece--) {
    ln_open(&w, (struct ln_cfg){0});
    ln_dial(&w, 0, 1);
    ln_split(&w, 0, in, len, piece);
    assert_true(w.conns[0].ended); /* the second comma is no length */
    if (piece == len) memcpy(whole, w.conns[0].out, n = w.conns[0].n);
    assert_int_equal(w.conns[0].n, n);
    assert_memory_equal(w.conns[0].out, whole, n);
    ln_expect_done(&w, "ann walk\nann echo\n");
    ln_close(&w);
  }
}

/* ---- seen before ---- */

static void test_laneya_repeated_key_is_answered_the_same_and_executed_once(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1);
  for (int i = 0; i < 3; i++) {
    ln_ask(&w, 0, "5", "ann", "echo", i ? "{\"n\": 2}" : "{\"n\": 1}"); /* whatever it asks the second time */
    ln_expect(&w, 0, OK("5", "{\"n\": 1}"));
    ln_ask(&w, 0, "6", "ann", "bad", "{}");
    ln_expect(&w, 0, NO("6", "illegal", "too far"));
  }
  ln_expect_done(&w, "ann echo\n");
  assert_int_equal(ln_count(&w, "requests_repeated"), 4);
  ln_dial(&w, 1, 1); /* another connection: keys of its own */
  ln_ask(&w, 1, "5", "bob", "walk", "{}");
  ln_expect(&w, 1, OK("5", "{}"));
  ln_expect_done(&w, "bob walk\n");
  ln_close(&w);
}

static void test_laneya_last_1024_keys_are_known(void **state) {
  (void)state;
  char key[16];
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1);
  for (int i = 1; i <= 1025; i++) {
    snprintf(key, sizeof key, "%d", i);
    ln_ask(&w, 0, key, "ann", "walk", "{}");
    assert_non_null(ln_take(&w, 0));
  }
  assert_int_equal(w.executed, 1025);
  for (int i = 2; i <= 1025; i++) {
    char want[100];
    snprintf(key, sizeof key, "%d", i);
    snprintf(want, sizeof want, "{\"type\": \"response\", \"key\": %d, \"status\": \"success\", \"data\": {}}", i);
    ln_ask(&w, 0, key, "ann", "walk", "{}");
    ln_expect(&w, 0, want);
  }
  assert_int_equal(w.executed, 1025);
  ln_ask(&w, 0, "1", "ann", "walk", "{}"); /* the 1025th from the end */
  ln_expect(&w, 0, OK("1", "{}"));
  assert_int_equal(w.executed, 1026);
  ln_close(&w);
}

/* Large answers are not kept for ever, but what was executed is not executed again. */
static void test_laneya_answer_given_up_for_want_of_room_is_not_executed_again(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  w.big = 100000;
  ln_dial(&w, 0, 1);
  static const char *const keys[] = {"1", "2", "3", "4", "5"};
  for (int i = 0; i < 5; i++) {
    ln_ask(&w, 0, keys[i], "ann", "big", "{}");
    assert_non_null(ln_take(&w, 0));
    assert_true(w.mem.bytes < 256 * 1024 + 100000 + 40000);
  }
  assert_int_equal(w.executed, 5);
  ln_ask(&w, 0, "5", "ann", "big", "{}");
  assert_non_null(ln_take(&w, 0));
  assert_int_equal(ln_taken(&w), w.big + strlen(OK("5", "")));
  ln_ask(&w, 0, "1", "ann", "big", "{}");
  ln_expect_status(&w, 0, "1", "illegal");
  assert_int_equal(w.executed, 5);
  ln_close(&w);
}

/* ---- whose ---- */

static void test_laneya_first_request_binds_the_connection(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1), ln_dial(&w, 1, 2);
  ln_ask(&w, 0, "1", "ann", "walk", "{}");
  ln_expect(&w, 0, OK("1", "{}"));
  ln_ask(&w, 0, "2", "bob", "walk", "{}"); /* acting as somebody else */
  ln_expect_status(&w, 0, "2", "illegal");
  ln_ask(&w, 0, "3", "bob", "logout", "{}"); /* or throwing him out */
  ln_expect_status(&w, 0, "3", "illegal");
  ln_ask(&w, 1, "1", "ann", "walk", "{}"); /* a name that lives elsewhere */
  ln_expect_status(&w, 1, "1", "illegal");
  ln_ask(&w, 1, "2", "bob", "walk", "{}"); /* it is not bound by what was refused */
  ln_expect(&w, 1, OK("2", "{}"));
  ln_expect_done(&w, "ann walk\nbob walk\n");
  ln_close(&w);
}

static void test_laneya_first_request_binds_even_if_it_is_illegal_but_not_if_it_is_malformed(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1);
  ln_ask(&w, 0, "[1]", "zoe", "walk", "{}");
  ln_expect_status(&w, 0, "null", "invalid");
  ln_ask(&w, 0, "1", "ann", "bad", "{}");
  ln_expect(&w, 0, NO("1", "illegal", "too far"));
  ln_ask(&w, 0, "2", "zoe", "walk", "{}");
  ln_expect_status(&w, 0, "2", "illegal");
  ln_expect_done(&w, "");
  ln_close(&w);
}

static void test_laneya_name_is_free_after_the_end_of_the_connection(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  for (uint32_t i = 0; i < 3; i++) {
    ln_dial(&w, i, 1);
    ln_ask(&w, i, "1", "ann", "walk", "{}");
    ln_expect(&w, i, OK("1", "{}"));
    if (i == 0) ln_eof(&w, i);
    if (i == 1) ln_gone(&w, i);
  }
  assert_true(w.conns[0].ended);
  assert_int_equal(w.disconnects, 2);
  ln_close(&w);
}

static void test_laneya_logout_that_succeeds_frees_the_name(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1), ln_dial(&w, 1, 1);
  ln_ask(&w, 0, "1", "ann", "logout", "{}");
  ln_expect(&w, 0, OK("1", "{}"));
  ln_ask(&w, 1, "1", "ann", "walk", "{}"); /* another may have it */
  ln_expect(&w, 1, OK("1", "{}"));
  ln_ask(&w, 0, "2", "bob", "walk", "{}"); /* and this connection another one */
  ln_expect(&w, 0, OK("2", "{}"));
  ln_ask(&w, 0, "3", "ann", "walk", "{}");
  ln_expect_status(&w, 0, "3", "illegal");
  ln_expect_done(&w, "ann logout\nann walk\nbob walk\n");
  ln_close(&w);
}

static void test_laneya_many_names_at_once(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){.per_address = 100});
  for (uint32_t i = 0; i < LN_CONNS; i++) {
    char name[16];
    snprintf(name, sizeof name, "user%u", i);
    ln_dial(&w, i, 1);
    ln_ask(&w, i, "1", name, "walk", "{}");
    ln_expect(&w, i, OK("1", "{}"));
  }
  for (uint32_t i = 0; i < LN_CONNS; i++) {
    char name[16];
    snprintf(name, sizeof name, "user%u", (i + 1) % LN_CONNS);
    ln_ask(&w, i, "2", name, "walk", "{}");
    ln_expect_status(&w, i, "2", "illegal");
  }
  ln_close(&w);
}

/* ---- updates ---- */

static void test_laneya_updates_come_before_the_response_and_to_all(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1), ln_dial(&w, 1, 1), ln_dial(&w, 2, 1);
  ln_ask(&w, 1, "1", "bob", "walk", "{}");
  ln_expect(&w, 1, OK("1", "{}"));
  ln_ask(&w, 0, "1", "ann", "shout", "{}");
  ln_expect(&w, 0, SHOUTED("ann"));
  ln_expect(&w, 0, OK("1", "{}"));
  ln_expect(&w, 1, SHOUTED("ann"));
  ln_expect(&w, 2, SHOUTED("ann")); /* has not said anything yet */
  ln_ask(&w, 1, "2", "bob", "tell", "{}");
  ln_expect(&w, 1, SHOUTED("bob"));
  ln_expect(&w, 1, OK("2", "{}"));
  for (uint32_t i = 0; i < 3; i++) ln_expect_nothing(&w, i);
  ln_close(&w);
}

static int pack(const char *name, const char *data) {
  struct ump_notice n = {.has_name = name != NULL,
                         .has_data = data != NULL,
                         .name = ump_text(name ? name : ""),
                         .data = ump_text(data ? data : "")};
  struct ump_client *c = ump_engine_next_client(w.engine, NULL);
  return ump_engine_notify(w.engine, c, &n);
}

static void test_laneya_update_that_the_client_would_raise_on_is_refused(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1);
  assert_int_equal(pack("position", "{\"x\": 1}"), 0);
  assert_int_equal(pack("logout", NULL), 0);
  assert_int_equal(pack(NULL, "{}"), UMP_ENOSUPPORT);
  assert_int_equal(pack("position", "[1]"), UMP_ENOSUPPORT);
  assert_int_equal(pack("position", "7"), UMP_ENOSUPPORT);
  assert_int_equal(pack("position", "{\"x\": 1, \"self\": 1}"), UMP_ENOSUPPORT);
  assert_int_equal(pack("position", "{\"\\u0061\\u0063\\u0074\\u0069\\u006f\\u006e\": 1}"), UMP_ENOSUPPORT);
  char *large = malloc(1100000);
  memset(large, 'x', 1099999), memcpy(large, "{\"a\": \"", 7), memcpy(large + 1099990, "\"}\0", 3);
  assert_int_equal(pack("position", large), UMP_ETOOBIG);
  free(large);
  ln_flush(&w);
  ln_expect(&w, 0, "{\"type\": \"update\", \"action\": \"position\", \"data\": {\"x\": 1}}");
  ln_expect(&w, 0, "{\"type\": \"update\", \"action\": \"logout\", \"data\": {}}");
  ln_expect_nothing(&w, 0);
  ln_close(&w);
}

/* ---- batches ---- */

static void test_laneya_batch_is_done_in_order(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1);
  ln_ask(&w, 0, "1", "ann", "batch",
         "{\"actions\": [{\"action\": \"walk\", \"data\": {}}, {\"data\": {\"a\": 1}, \"action\": \"echo\"}, "
         "{\"action\": \"list\", \"data\": {}}, {\"action\": \"shout\", \"data\": {}}]}");
  ln_expect(&w, 0, SHOUTED("ann"));
  ln_expect(
      &w, 0,
      OK("1",
         "{\"results\": [{\"status\": \"success\", \"data\": {}}, {\"status\": \"success\", \"data\": {\"a\": 1}}, "
         "{\"status\": \"success\", \"data\": {\"result\": [1, 2]}}, {\"status\": \"success\", \"data\": {}}]}"));
  ln_expect_done(&w, "ann walk\nann echo\nann list\nann shout\n");
  ln_ask(&w, 0, "2", "ann", "batch", "{\"actions\": []}");
  ln_expect(&w, 0, OK("2", "{\"results\": []}"));
  ln_close(&w);
}

static void test_laneya_batch_ends_at_the_first_that_fails(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1);
  ln_ask(&w, 0, "1", "ann", "batch",
         "{\"actions\": [{\"action\": \"walk\", \"data\": {}}, {\"action\": \"bad\", \"data\": {}}, {\"action\": "
         "\"walk\", \"data\": {}}]}");
  ln_expect(
      &w, 0,
      "{\"type\": \"response\", \"key\": 1, \"status\": \"illegal\", \"data\": {\"message\": \"too far\", \"results\": "
      "[{\"status\": \"success\", \"data\": {}}, {\"status\": \"illegal\", \"data\": {\"message\": \"too far\"}}]}}");
  ln_ask(&w, 0, "2", "ann", "batch", "{\"actions\": [{\"action\": \"boom\", \"data\": {}}]}");
  ln_expect_status(&w, 0, "2", "internal");
  ln_ask(&w, 0, "3", "ann", "batch", "{\"actions\": [{\"action\": \"wrong\", \"data\": {}}]}");
  ln_expect_status(&w, 0, "3", "invalid");
  ln_expect_done(&w, "ann walk\n");
  ln_close(&w);
}

static void test_laneya_malformed_batch_executes_nothing(void **state) {
  static const char *const bad[] = {
      "{}",
      "{\"actions\": 1}",
      "{\"actions\": {}}",
      "{\"actions\": [], \"more\": 1}",
      "{\"action\": []}",
      "{\"actions\": [{\"action\": \"walk\", \"data\": {}}, 1]}",
      "{\"actions\": [{\"action\": \"walk\", \"data\": {}}, {\"action\": \"walk\"}]}",
      "{\"actions\": [{\"action\": \"walk\", \"data\": {}}, {\"action\": \"walk\", \"data\": []}]}",
      "{\"actions\": [{\"action\": \"walk\", \"data\": {}}, {\"action\": 5, \"data\": {}}]}",
      "{\"actions\": [{\"action\": \"walk\", \"data\": {}}, {\"action\": \"walk\", \"data\": {}, \"x\": 1}]}",
      "{\"actions\": [{\"action\": \"walk\", \"data\": {}}, {\"action\": \"batch\", \"data\": {\"actions\": []}}]}",
  };
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    ln_ask(&w, 0, "1", "ann", "batch", bad[i]);
    ln_expect_status(&w, 0, "1", "invalid");
  }
  ln_expect_done(&w, "");
  ln_close(&w);
}

static void test_laneya_batch_of_64_and_not_of_65(void **state) {
  (void)state;
  for (int n = 64; n <= 65; n++) {
    char data[8192] = "{\"actions\": [";
    ln_open(&w, (struct ln_cfg){0});
    ln_dial(&w, 0, 1);
    for (int i = 0; i < n; i++)
      strcat(data, i ? ", {\"action\": \"walk\", \"data\": {}}" : "{\"action\": \"walk\", \"data\": {}}");
    strcat(data, "]}");
    ln_ask(&w, 0, "1", "ann", "batch", data);
    assert_int_equal(w.executed, n == 64 ? 64 : 0);
    if (n == 64)
      assert_non_null(ln_take(&w, 0));
    else
      ln_expect_status(&w, 0, "1", "invalid");
    ln_close(&w);
  }
}

static void test_laneya_repeated_batch_is_executed_once(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1);
  for (int i = 0; i < 2; i++) {
    ln_ask(&w, 0, "1", "ann", "batch", "{\"actions\": [{\"action\": \"walk\", \"data\": {}}]}");
    ln_expect(&w, 0, OK("1", "{\"results\": [{\"status\": \"success\", \"data\": {}}]}"));
  }
  assert_int_equal(w.executed, 1);
  ln_close(&w);
}

static void test_laneya_logout_within_a_batch_takes_the_name_from_what_follows(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1);
  ln_ask(&w, 0, "1", "ann", "batch",
         "{\"actions\": [{\"action\": \"walk\", \"data\": {}}, {\"action\": \"logout\", \"data\": {}}, {\"action\": "
         "\"walk\", \"data\": {}}]}");
  assert_non_null(ln_take(&w, 0));
  ln_expect_done(&w, "ann walk\nann logout\n- walk\n");
  ln_close(&w);
}

static void test_laneya_batch_whose_results_are_too_large_is_internal(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  w.big = 600000;
  ln_dial(&w, 0, 1);
  ln_ask(&w, 0, "1", "ann", "batch",
         "{\"actions\": [{\"action\": \"big\", \"data\": {}}, {\"action\": \"big\", \"data\": {}}]}");
  ln_expect_status(&w, 0, "1", "internal");
  w.big = 1048577;
  ln_ask(&w, 0, "2", "ann", "big", "{}");
  ln_expect_status(&w, 0, "2", "internal");
  ln_close(&w);
}

static void test_laneya_limits_are_options(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){.payload = 5000, .unsent = 4096, .batch = 2});
  ln_dial(&w, 0, 1);
#define WALK "{\"action\": \"walk\", \"data\": {}}"
  ln_ask(&w, 0, "1", "ann", "batch", "{\"actions\": [" WALK ", " WALK "]}");
  assert_non_null(strstr(ln_take(&w, 0), "success"));
  ln_ask(&w, 0, "2", "ann", "batch", "{\"actions\": [" WALK ", " WALK ", " WALK "]}");
  ln_expect_status(&w, 0, "2", "invalid");
  w.big = 4700;
  ln_ask(&w, 0, "3", "ann", "big", "{}"); /* our own messages, too */
  ln_expect_status(&w, 0, "3", "internal");
  w.big = 3000, w.conns[0].room = 0;
  ln_ask(&w, 0, "4", "ann", "big", "{}"), ln_ask(&w, 0, "5", "ann", "big", "{}");
  assert_false(w.conns[0].reading);
  ln_read(&w, 0, SIZE_MAX);
  assert_true(w.conns[0].reading);
  assert_non_null(ln_take(&w, 0)), assert_non_null(ln_take(&w, 0));
  ln_in(&w, 0, "5001:", 5);
  ln_expect_status(&w, 0, "null", "invalid");
  assert_true(w.conns[0].ended);
  ln_close(&w);
}

/* ---- coming and going ---- */

static void test_laneya_kicked_hears_the_answer_first(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1);
  ln_ask(&w, 0, "1", "ann", "kick", "{}");
  ln_expect(&w, 0, OK("1", "{}"));
  assert_true(w.conns[0].ended);
  assert_string_equal(w.reason, "enough");
  ln_close(&w);
}

static void test_laneya_kick_in_a_batch_ends_it(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1);
  ln_ask(&w, 0, "1", "ann", "batch",
         "{\"actions\": [{\"action\": \"kick\", \"data\": {}}, {\"action\": \"walk\", \"data\": {}}]}");
  assert_true(w.conns[0].ended);
  ln_expect_done(&w, "ann kick\n");
  ln_close(&w);
}

static void test_laneya_refused_by_the_rules_is_closed(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  w.refuse = true;
  ln_dial(&w, 0, 1);
  assert_true(w.conns[0].ended);
  assert_int_equal(w.conns[0].n, 0); /* the wire has no word for it */
  ln_close(&w);
}

static void test_laneya_limits_of_connections(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){.limit = 3, .per_address = 2});
  assert_true(ln_dial(&w, 0, 1));
  assert_true(ln_dial(&w, 1, 1));
  assert_false(ln_dial(&w, 2, 1));
  assert_true(ln_dial(&w, 2, 2));
  assert_false(ln_dial(&w, 3, 3));
  ln_gone(&w, 0);
  assert_true(ln_dial(&w, 0, 1));
  assert_int_equal(ln_count(&w, "refused_per_address"), 1);
  assert_int_equal(ln_count(&w, "refused_full"), 1);
  ln_close(&w);
}

static void test_laneya_half_closed_client_is_answered_then_closed(void **state) {
  static const char in[] =
      "74:{\"type\": \"request\", \"key\": 1, \"user\": \"ann\", \"action\": \"walk\", \"data\": {}},"
      "85:{\"type\": \"request\", \"key\": 2, \"user\": \"ann\"";
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1);
  ump_engine_input(w.engine, w.listener, 0, ump_text(in), w.now);
  ln_eof(&w, 0);
  ln_expect(&w, 0, OK("1", "{}"));
  ln_expect_nothing(&w, 0);
  assert_true(w.conns[0].ended);
  assert_string_equal(w.reason, "left");
  ln_close(&w);
}

static void test_laneya_stopping_server_closes_everybody(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1), ln_dial(&w, 1, 1);
  ump_engine_drain(w.engine, w.now);
  ln_flush(&w);
  assert_true(w.conns[0].ended && w.conns[1].ended);
  assert_int_equal(ump_engine_load(w.engine), 0);
  ln_close(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_laneya_request_is_judged_performed_and_answered),
      cmocka_unit_test(test_laneya_four_statuses),
      cmocka_unit_test(test_laneya_data_of_a_response_is_always_an_object),
      cmocka_unit_test(test_laneya_keys_come_back_as_they_were_written),
      cmocka_unit_test(test_laneya_key_order_white_space_and_escapes_do_not_matter),
      cmocka_unit_test(test_laneya_integer_user_is_its_decimal_text),
      cmocka_unit_test(test_laneya_data_may_have_any_keys),
      cmocka_unit_test(test_laneya_answers_in_the_order_of_arrival),
      cmocka_unit_test(test_laneya_any_split_gives_the_same),
      cmocka_unit_test(test_laneya_repeated_key_is_answered_the_same_and_executed_once),
      cmocka_unit_test(test_laneya_last_1024_keys_are_known),
      cmocka_unit_test(test_laneya_answer_given_up_for_want_of_room_is_not_executed_again),
      cmocka_unit_test(test_laneya_first_request_binds_the_connection),
      cmocka_unit_test(test_laneya_first_request_binds_even_if_it_is_illegal_but_not_if_it_is_malformed),
      cmocka_unit_test(test_laneya_name_is_free_after_the_end_of_the_connection),
      cmocka_unit_test(test_laneya_logout_that_succeeds_frees_the_name),
      cmocka_unit_test(test_laneya_many_names_at_once),
      cmocka_unit_test(test_laneya_updates_come_before_the_response_and_to_all),
      cmocka_unit_test(test_laneya_update_that_the_client_would_raise_on_is_refused),
      cmocka_unit_test(test_laneya_batch_is_done_in_order),
      cmocka_unit_test(test_laneya_batch_ends_at_the_first_that_fails),
      cmocka_unit_test(test_laneya_malformed_batch_executes_nothing),
      cmocka_unit_test(test_laneya_batch_of_64_and_not_of_65),
      cmocka_unit_test(test_laneya_repeated_batch_is_executed_once),
      cmocka_unit_test(test_laneya_logout_within_a_batch_takes_the_name_from_what_follows),
      cmocka_unit_test(test_laneya_batch_whose_results_are_too_large_is_internal),
      cmocka_unit_test(test_laneya_limits_are_options),
      cmocka_unit_test(test_laneya_kicked_hears_the_answer_first),
      cmocka_unit_test(test_laneya_kick_in_a_batch_ends_it),
      cmocka_unit_test(test_laneya_refused_by_the_rules_is_closed),
      cmocka_unit_test(test_laneya_limits_of_connections),
      cmocka_unit_test(test_laneya_half_closed_client_is_answered_then_closed),
      cmocka_unit_test(test_laneya_stopping_server_closes_everybody),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
