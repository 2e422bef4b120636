/* Neteria, events and verdicts: wire sections 3 and 5, and how event_data becomes a name and data. */
#include "nt_world.h"

#include <stdio.h>
#include <string.h>

#define A         "abbbc0f4-e591-11f1-aa15-02fc00000001"
#define B         "bbbbc0f4-e591-11f1-aa15-02fc00000002"
#define E1        "003c4f0e-e592-11f1-a965-02fc00000001"
#define E2        "003c4f0e-e592-11f1-a965-02fc00000002"
#define LEGAL(id) "{\"method\": \"LEGAL\", \"euuid\": \"" id "\", \"priority\": \"normal\"}"
#define HIGH(id)  "{\"method\": \"LEGAL\", \"euuid\": \"" id "\", \"priority\": \"high\"}"
#define ILLEGAL(id)                                                                                                    \
  "{\"method\": \"ILLEGAL\", \"euuid\": \"" id "\", \"priority\": \"normal\", \"reason\": \"too far\"}"
#define NOTIFY2 "{\"method\": \"NOTIFY\", \"event_data\": 2, \"euuid\": \"#\"}"

static struct ump_addr a, b;

static int addresses(void **state) {
  (void)state;
  a = nt_addr(1, 50000), b = nt_addr(2, 50000);
  return 0;
}

static void test_neteria_repeats_verdict_after_2s(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  nt_register(&w, a, A);
  nt_event(&w, a, A, E1, "{\"KEYDOWN\": \"up\"}");
  nt_expect_nothing(&w); /* held */
  nt_pass(&w, UMP_MS - 1);
  nt_expect_nothing(&w);
  nt_pass(&w, 1);
  nt_expect(&w, a, LEGAL(E1));
  for (int i = 0; i < 4; i++) {
    nt_pass(&w, 2 * UMP_S - 1);
    nt_expect_nothing(&w);
    nt_pass(&w, 1);
    nt_expect(&w, a, LEGAL(E1));
  }
  nt_pass(&w, 10 * UMP_S);
  nt_expect_nothing(&w);
  assert_int_equal(nt_counter(&w, "verdict_repeats"), 4);
  assert_int_equal(nt_counter(&w, "verdicts_unconfirmed"), 1);
  nt_close(&w);
}

static void test_neteria_ok_event_ends_the_repeats(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){.hold_ms = -1});
  nt_register(&w, a, A);
  nt_event(&w, a, A, E1, "\"bad move\"");
  nt_expect(&w, a, ILLEGAL(E1)); /* hold_ms=0: at once */
  nt_pass(&w, 3 * UMP_S);
  nt_expect(&w, a, ILLEGAL(E1));
  nt_ok_event(&w, a, A, E1);
  nt_pass(&w, 10 * UMP_S);
  nt_expect_nothing(&w);
  assert_int_equal(nt_counter(&w, "verdicts_confirmed"), 1);
  nt_close(&w);
}

static void test_neteria_priority_is_repeated(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){.hold_ms = -1});
  nt_register(&w, a, A);
  nt_inf(&w, a, "{\"method\":\"EVENT\",\"cuuid\":\"%s\",\"euuid\":\"x\",\"event_data\":\"s\",\"priority\":\"high\"}",
         A);
  nt_expect(&w, a, HIGH("x"));
  assert_true(w.last.high);
  nt_inf(&w, a, "{\"method\":\"EVENT\",\"cuuid\":\"%s\",\"euuid\":\"y\",\"event_data\":\"s\"}", A);
  nt_expect(&w, a, LEGAL("y"));
  nt_close(&w);
}

static void test_neteria_every_copy_gets_the_same_verdict_at_once(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  nt_register(&w, a, A);
  nt_event(&w, a, A, E1, "\"bad move\"");
  nt_pass(&w, UMP_MS);
  nt_expect(&w, a, ILLEGAL(E1));
  nt_event(&w, a, A, E1, "\"good move\""); /* even if its event_data differs */
  nt_expect(&w, a, ILLEGAL(E1));
  nt_ok_event(&w, a, A, E1);
  nt_event(&w, a, A, E1, "\"bad move\"");
  nt_expect(&w, a, ILLEGAL(E1));
  nt_pass(&w, 20 * UMP_S); /* no second timer */
  nt_expect_nothing(&w);
  nt_event(&w, a, A, E1, "\"bad move\"");
  nt_expect(&w, a, ILLEGAL(E1));
  assert_int_equal(nt_counter(&w, "verdict_copies"), 3);
  assert_int_equal(nt_counter(&w, "verdict_repeats"), 0);
  nt_close(&w);
}

static void test_neteria_a_copy_does_not_disturb_the_timer(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){.hold_ms = -1});
  nt_register(&w, a, A);
  nt_event(&w, a, A, E1, "\"x\"");
  nt_expect(&w, a, LEGAL(E1));
  nt_pass(&w, 1500 * UMP_MS);
  nt_event(&w, a, A, E1, "\"x\"");
  nt_expect(&w, a, LEGAL(E1));
  nt_pass(&w, 500 * UMP_MS);
  nt_expect(&w, a, LEGAL(E1));
  nt_expect_nothing(&w);
  nt_close(&w);
}

static void test_neteria_a_copy_does_not_overtake_a_held_verdict(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  nt_register(&w, a, A);
  nt_event(&w, a, A, E1, "\"x\"");
  nt_event(&w, a, A, E1, "\"x\"");
  nt_expect_nothing(&w);
  nt_pass(&w, UMP_MS);
  nt_expect(&w, a, LEGAL(E1));
  nt_expect(&w, a, LEGAL(E1));
  nt_expect_nothing(&w);
  assert_int_equal(nt_executions(&w, E1), 1);
  nt_close(&w);
}

static void test_neteria_same_euuid_of_two_clients_are_two_events(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){.hold_ms = -1});
  nt_register(&w, a, A), nt_register(&w, b, B);
  nt_event(&w, a, A, E1, "\"x\"");
  nt_event(&w, b, B, E1, "\"x\"");
  nt_expect(&w, a, LEGAL(E1)), nt_expect(&w, b, LEGAL(E1));
  assert_int_equal(nt_executions(&w, E1), 2);
  nt_ok_event(&w, a, A, E1); /* ends only its own */
  nt_pass(&w, 2 * UMP_S);
  nt_expect(&w, b, LEGAL(E1));
  nt_expect_nothing(&w);
  nt_close(&w);
}

static void test_neteria_only_the_owner_confirms(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){.hold_ms = -1});
  nt_register(&w, a, A), nt_register(&w, b, B);
  nt_event(&w, a, A, E1, "\"x\"");
  nt_expect(&w, a, LEGAL(E1));
  nt_ok_event(&w, b, B, E1);                 /* another session */
  nt_ok_event(&w, nt_addr(77, 1), "x", E1);  /* nobody we know */
  nt_ok_event(&w, nt_addr(1, 50001), A, E1); /* its cuuid from elsewhere: both places are asked */
  assert_int_equal(nt_counter(&w, "verdicts_confirmed"), 0);
  assert_int_equal(nt_counter(&w, "moves_tried"), 1);
  nt_forget_sent(&w);
  nt_ok_event(&w, a, A, E1);
  assert_int_equal(nt_counter(&w, "verdicts_confirmed"), 1);
  nt_close(&w);
}

static void test_neteria_internal_error_is_illegal(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){.hold_ms = -1});
  nt_register(&w, a, A);
  nt_event(&w, a, A, E1, "\"boom\"");
  nt_expect(&w, a,
            "{\"method\": \"ILLEGAL\", \"euuid\": \"" E1 "\", \"priority\": \"normal\", \"reason\": \"internal\"}");
  nt_close(&w);
}

static void test_neteria_silence_while_the_engine_does_not_answer(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  nt_register(&w, a, A);
  for (int i = 0; i < 3; i++) nt_event(&w, a, A, E1, "\"defer\"");
  nt_pass(&w, 20 * UMP_S);
  nt_expect_nothing(&w);
  nt_close(&w);
}

static void test_neteria_verdict_first_then_the_notifies_it_caused(void **state) {
  struct nt_world w;
  (void)state;
  for (int hold = -1; hold <= 5; hold += 2) { /* none, 1, 3, 5 ms */
    nt_open(&w, (struct nt_cfg){.hold_ms = hold});
    nt_proven(&w, a, A);
    struct ump_notice two = {.has_data = true, .data = ump_text("2")};
    assert_int_equal(ump_neteria.pack(w.proto, &two, &w.on_execute), 0);
    nt_event(&w, a, A, E1, "\"x\"");
    nt_pass(&w, 400 * UMP_US);
    nt_event(&w, a, A, E2, "\"y\"");
    nt_pass(&w, 10 * UMP_MS);
    nt_expect(&w, a, LEGAL(E1));
    nt_expect(&w, a, NOTIFY2);
    nt_expect(&w, a, LEGAL(E2));
    nt_expect(&w, a, NOTIFY2);
    nt_expect_nothing(&w);
    ump_blob_unref(w.on_execute);
    nt_close(&w);
  }
}

static void test_neteria_a_notify_to_another_client_is_not_held(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  nt_proven(&w, a, A);
  uint32_t other = nt_proven(&w, b, B);
  nt_event(&w, a, A, E1, "\"x\"");
  assert_int_equal(nt_notify(&w, other, "2"), 0);
  nt_expect(&w, b, NOTIFY2);
  nt_close(&w);
}

static void test_neteria_verdicts_without_end_go_out_once(void **state) {
  struct nt_world w;
  char id[32];
  (void)state;
  nt_open(&w, (struct nt_cfg){.hold_ms = -1});
  nt_proven(&w, a, A);
  for (int i = 0; i < 1030; i++) { /* a client that never confirms cannot make us keep more than 1024 timers */
    snprintf(id, sizeof id, "%d", i);
    nt_event(&w, a, A, id, "\"x\"");
    assert_non_null(nt_take(&w));
  }
  assert_int_equal(nt_counter(&w, "verdicts_once"), 6);
  nt_forget_sent(&w);
  nt_pass(&w, 2 * UMP_S);
  assert_int_equal(w.n_sent, 1024);
  nt_event(&w, a, A, "1029", "\"x\""); /* the client asks again, and is answered */
  nt_close(&w);
}

/* ---- event_data ---- */

static void expect_event(struct nt_world *w, const char *data, const char *name, const char *rest) {
  static int serial;
  char id[32];
  snprintf(id, sizeof id, "n%d", serial++);
  nt_event(w, a, A, id, data);
  assert_int_equal(w->last.has_name, name != NULL);
  assert_int_equal(w->last.has_data, rest != NULL);
  assert_int_equal(w->last.encoding, UMP_JSON);
  assert_true(w->last.once);
  assert_false(w->last.malformed);
  assert_string_equal(w->last_name, name ? name : "");
  assert_string_equal(w->last_data, rest ? rest : "");
}

static void test_neteria_event_data_becomes_name_and_data(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  nt_register(&w, a, A);
  expect_event(&w, "\"KEYDOWN:left\"", "KEYDOWN:left", NULL);
  expect_event(&w, "{\"KEYDOWN\": \"up\"}", "KEYDOWN", "\"up\"");
  expect_event(&w, "{ \"move\" : [ 2, 0 ] }", "move", "[ 2, 0 ]");
  expect_event(&w, "{\"Gr\\u00fc\\u00dfe\\ud83c\\udfae\": null}",
               "Gr\xc3\xbc\xc3\x9f"
               "e\xf0\x9f\x8e\xae",
               "null");
  expect_event(&w, "\"a\\\"b\\\\\\u0041\"", "a\"b\\A", NULL);
  expect_event(&w, "\"\"", "", NULL);
  expect_event(&w, "{}", NULL, "{}");
  expect_event(&w, "{\"a\": 1, \"b\": 2}", NULL, "{\"a\": 1, \"b\": 2}");
  expect_event(&w, "[1, 2.5, null]", NULL, "[1, 2.5, null]");
  expect_event(&w, "5", NULL, "5");
  expect_event(&w, "null", NULL, "null");
  expect_event(&w, "{\"n\": 123456789012345678901234567890}", "n", "123456789012345678901234567890");
  assert_int_equal(w.last.holds, UMP_JSON_BIG);
  expect_event(&w, "{\"n\": [1.5, []]}", "n", "[1.5, []]");
  assert_int_equal(w.last.holds, UMP_JSON_FLOATS | UMP_JSON_EMPTY_ARRAYS);
  nt_close(&w);
}

static void test_neteria_unknown_keys_and_odd_order_mean_nothing(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){.hold_ms = -1});
  nt_register(&w, a, A);
  nt_inf(&w, a,
         " \n{\"z\":{\"method\":\"x\"},\"event_data\":{\"go\":1},\"eu\\u0075id\":\"q\\\"q\",\"retry\":\"?\","
         "\"timestamp\":[],\"cuuid\":\"%s\",\"m\\u0065thod\":\"EV\\u0045NT\"}\t",
         A);
  nt_expect(&w, a, "{\"method\": \"LEGAL\", \"euuid\": \"q\\\"q\", \"priority\": \"normal\"}");
  assert_string_equal(w.last_name, "go");
  nt_close(&w);
}

/* ---- AUTH ---- */

static void auth(struct nt_world *w, const char *id, const char *data) {
  nt_inf(w, a, "{\"method\": \"AUTH\", \"cuuid\": \"%s\", \"euuid\": \"%s\", \"event_data\": %s}", A, id, data);
}

static void test_neteria_auth_asks_for_a_login(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){.hold_ms = -1});
  nt_register(&w, a, A);
  auth(&w, "1", "{\"user\": \"ann\", \"password\": \"secret\"}");
  nt_expect(&w, a, LEGAL("1"));
  assert_int_equal(w.last.type, UMP_EVENT_LOGIN);
  assert_string_equal(w.last_user, "ann");
  auth(&w, "2", "{\"password\": \"wr\\u006fng\", \"name\": \"b\\u00f6b\", \"user\": \"x\"}");
  nt_expect(&w, a, ILLEGAL("2"));
  assert_string_equal(w.last_user, "b\xc3\xb6"
                                   "b");
  assert_string_equal(w.last_password, "wrong");
  auth(&w, "2", "{\"password\": \"secret\", \"name\": \"b\"}"); /* the same once-only rules */
  nt_expect(&w, a, ILLEGAL("2"));
  nt_close(&w);
}

static void test_neteria_auth_without_name_or_password_is_malformed(void **state) {
  static const char *const bad[] = {"\"ann\"",
                                    "{}",
                                    "{\"user\": \"ann\"}",
                                    "{\"password\": \"secret\"}",
                                    "{\"user\": 5, \"password\": \"secret\"}",
                                    "{\"name\": \"a\", \"password\": null}"};
  struct nt_world w;
  char id[8];
  (void)state;
  nt_open(&w, (struct nt_cfg){.hold_ms = -1});
  nt_register(&w, a, A);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    snprintf(id, sizeof id, "%zu", i);
    auth(&w, id, bad[i]);
    assert_non_null(strstr(nt_take(&w)->text, "\"reason\": \"malformed\""));
    assert_true(w.last.malformed);
  }
  nt_close(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_neteria_repeats_verdict_after_2s),
      cmocka_unit_test(test_neteria_ok_event_ends_the_repeats),
      cmocka_unit_test(test_neteria_priority_is_repeated),
      cmocka_unit_test(test_neteria_every_copy_gets_the_same_verdict_at_once),
      cmocka_unit_test(test_neteria_a_copy_does_not_disturb_the_timer),
      cmocka_unit_test(test_neteria_a_copy_does_not_overtake_a_held_verdict),
      cmocka_unit_test(test_neteria_same_euuid_of_two_clients_are_two_events),
      cmocka_unit_test(test_neteria_only_the_owner_confirms),
      cmocka_unit_test(test_neteria_internal_error_is_illegal),
      cmocka_unit_test(test_neteria_silence_while_the_engine_does_not_answer),
      cmocka_unit_test(test_neteria_verdict_first_then_the_notifies_it_caused),
      cmocka_unit_test(test_neteria_a_notify_to_another_client_is_not_held),
      cmocka_unit_test(test_neteria_verdicts_without_end_go_out_once),
      cmocka_unit_test(test_neteria_event_data_becomes_name_and_data),
      cmocka_unit_test(test_neteria_unknown_keys_and_odd_order_mean_nothing),
      cmocka_unit_test(test_neteria_auth_asks_for_a_login),
      cmocka_unit_test(test_neteria_auth_without_name_or_password_is_malformed),
  };
  return cmocka_run_group_tests(tests, addresses, NULL);
}
