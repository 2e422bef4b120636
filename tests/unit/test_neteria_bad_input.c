/* Neteria, bad input: every row of the table in wire section 7, with the cause it is counted and logged under. */
#include "nt_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define A          "abbbc0f4-e591-11f1-aa15-02fc00000001"
#define E1         "003c4f0e-e592-11f1-a965-02fc00000001"
#define BYE_EVENT  "{\"method\": \"BYE EVENT\", \"data\": \"Not registered\"}"
#define MALFORMED  "{\"method\": \"ILLEGAL\", \"euuid\": \"" E1 "\", \"priority\": \"%s\", \"reason\": \"malformed\"}"
#define CUUID      "\"cuuid\": \"" A "\""
#define IDS        CUUID ", \"euuid\": \"" E1 "\""
#define WITH(data) "{\"method\": \"EVENT\", " IDS ", \"event_data\": " data ", \"retry\": 0, \"priority\": \"high\"}"

static struct nt_world w;
static struct ump_addr a;

static int setup(void **state) {
  (void)state;
  a = nt_addr(1, 50000);
  nt_open(&w, (struct nt_cfg){.hold_ms = -1});
  nt_proven(&w, a, A);
  nt_forget_sent(&w);
  return 0;
}

/* After each of it, the server still judges. */
static int teardown(void **state) {
  (void)state;
  nt_forget_sent(&w);
  nt_event(&w, a, A, "after", "\"x\"");
  nt_expect(&w, a, "{\"method\": \"LEGAL\", \"euuid\": \"after\", \"priority\": \"normal\"}");
  nt_close(&w);
  return 0;
}

static void drops_bytes(const void *p, size_t n, const char *cause) {
  uint64_t before = nt_counter(&w, cause);
  size_t logged = testing_log_count(&w.log, cause);
  nt_in_bytes(&w, a, p, n);
  nt_expect_nothing(&w);
  if (nt_counter(&w, cause) != before + 1) fail_msg("%.*s is not counted as %s", (int)n, (const char *)p, cause);
  if (logged < TESTING_LOG_LINES) assert_true(testing_log_count(&w.log, cause) > logged);
  assert_true(ump_addr_equal(&testing_log_last(&w.log, cause)->from, &a));
  assert_int_equal(w.n_judged, 0);
}
static void drops(const char *text, const char *cause) {
  drops_bytes(text, strlen(text), cause);
}

static void test_neteria_drops_what_is_no_json(void **state) {
  (void)state;
  drops("", "bad_size");
  drops("{", "bad_json");
  drops("hello", "bad_json");
  drops("\xff\xfe", "bad_json");
  drops("{\"method\": \"EVENT\", " IDS ", \"event_data\": \"\xc3\"}", "bad_json"); /* invalid UTF-8 */
  drops("{\"method\": \"EVENT\", " IDS ", \"event_data\": \"\xed\xa0\x80\"}", "bad_json");
  drops("{\"method\": \"OHAI\"}x", "bad_json"); /* text after the value */
  drops("{\"method\": \"OHAI\"}{\"method\": \"OHAI\"}", "bad_json");
  drops("{\"method\": \"EVENT\", " IDS ", \"event_data\": [1, 2", "bad_json"); /* cut */
  drops("{\"method\": \"EVENT\", " IDS ", \"event_data\": \"x", "bad_json");
  drops("{'method': 'OHAI'}", "bad_json");
  drops("\xef\xbb\xbf{\"method\": \"OHAI\"}", "bad_json");
  drops_bytes("\0", 1, "bad_json");
  drops_bytes("{\"method\": \"OHAI\"}\0", 19, "bad_json"); /* NUL bytes */
  static const char nul[] = "{\"method\": \"EVENT\", " IDS ", \"event_data\": \"\0\"}";
  drops_bytes(nul, sizeof nul - 1, "bad_json");
}

static void test_neteria_drops_json_that_is_no_object(void **state) {
  (void)state;
  drops("[1, 2]", "bad_json"), drops("5", "bad_json"), drops("null", "bad_json"), drops("\"OHAI\"", "bad_json");
  drops("true", "bad_json"), drops("{}", "bad_method");
}

/* What Python's json writes and reads, but we do not: the client is told, so that it rolls back instead of waiting. */
static void is_malformed(const char *text, const char *priority) {
  char expected[256];
  snprintf(expected, sizeof expected, MALFORMED, priority);
  size_t judged = w.n_judged;
  nt_in(&w, a, text);
  nt_expect(&w, a, expected);
  nt_expect_nothing(&w);
  assert_true(w.last.malformed);
  assert_false(w.last.has_data || w.last.has_name);
  assert_int_equal(w.n_judged, judged + 1);
  w.n_judged = 0; /* the engine forgets, so that the next one has the same id */
  nt_ok_event(&w, a, A, E1);
}

static char *repeated(const char *before, const char *unit, size_t n, const char *after) {
  char *s = malloc(strlen(before) + n * strlen(unit) + strlen(after) + 1);
  assert_non_null(s);
  char *p = s + sprintf(s, "%s", before);
  for (size_t i = 0; i < n; i++) p += sprintf(p, "%s", unit);
  strcpy(p, after);
  return s;
}

static void test_neteria_tells_the_client_that_event_data_is_malformed(void **state) {
  static const char *const data[] = {
      WITH("NaN"),
      WITH("Infinity"),
      WITH("-Infinity"),
      WITH("[1, NaN, 2]"),
      WITH("1e999"),
      WITH("{\"a\": -1e999}"),
      WITH("\"\\ud800\""),
      WITH("[\"\\udc00 , } ] \\\" \"]"),
      WITH("{\"a\": 1, \"a\": 2}"),
      WITH("{\"b\": {\"a\": 1, \"\\u0061\": 2}}"),
  };
  (void)state;
  for (size_t i = 0; i < sizeof data / sizeof *data; i++) is_malformed(data[i], "high");
  char *deep = repeated("{\"method\": \"EVENT\", " IDS ", \"event_data\": ", "[", 40, "");
  char *closed = repeated(deep, "]", 40, "}");
  is_malformed(closed, "normal");
  char *many = repeated("{\"method\": \"EVENT\", " IDS ", \"event_data\": [", "1,", 4100, "1]}");
  is_malformed(many, "normal");
  free(deep), free(closed), free(many);
  assert_true(nt_counter(&w, "bad_data") == 12);
}

/* The same in the very layout of the real client, and as a log-in. */
static void test_neteria_malformed_data_in_the_real_client_s_layout(void **state) {
  static const char *const data[] = {"NaN",         "{\"a\": Infinity}",    "1e999",
                                     "\"\\ud800\"", "{\"a\": 1, \"a\": 2}", "{\"\\u0000\": 1}"};
  char text[512];
  (void)state;
  for (size_t i = 0; i < 2 * sizeof data / sizeof *data; i++) {
    snprintf(text, sizeof text,
             "{\"method\": \"%s\", " IDS
             ", \"event_data\": %s, \"timestamp\": \"2026-11-21 09:57:45.713460\", \"retry\": 0, "
             "\"priority\": \"normal\"}",
             i % 2 ? "AUTH" : "EVENT", data[i / 2]);
    is_malformed(text, "normal");
    assert_int_equal(w.last.type, UMP_EVENT_JUDGE); /* no log-in without a name */
  }
}

/* 32 levels, the envelope's own included. */
static void test_neteria_the_bounds_of_event_data_are_exact(void **state) {
  (void)state;
  for (size_t levels = 29; levels < 35; levels++) {
    char *open = repeated("{\"method\": \"EVENT\", " IDS ", \"event_data\": ", "[", levels, "");
    char *deep = repeated(open, "]", levels, "}");
    if (levels > 31) {
      is_malformed(deep, "normal");
    } else {
      nt_in(&w, a, deep);
      nt_expect(&w, a, "{\"method\": \"LEGAL\", \"euuid\": \"" E1 "\", \"priority\": \"normal\"}");
      nt_ok_event(&w, a, A, E1);
      w.n_judged = 0;
    }
    free(open), free(deep);
  }
}

static void test_neteria_a_malformed_event_is_answered_once_for_all(void **state) {
  (void)state;
  nt_in(&w, a, WITH("NaN"));
  const char *first = nt_take(&w)->text;
  nt_in(&w, a, WITH("\"fine now\"")); /* the same id: the same verdict */
  assert_string_equal(nt_take(&w)->text, first);
  assert_int_equal(nt_executions(&w, E1), 0);
  nt_pass(&w, 2 * UMP_S);
  assert_string_equal(nt_take(&w)->text, first);
}

static void test_neteria_drops_malformed_data_when_the_envelope_is_not_sound(void **state) {
  static const char *const bad[] = {
      "{\"method\": \"EVENT\", " IDS ", \"event_data\": NaN, \"retry\": NaN}", /* not event_data alone */
      "{\"method\": \"EVENT\", " IDS ", \"event_data\": 1, \"retry\": NaN}",
      "{\"method\": \"EVENT\", " IDS ", \"retry\": 1e999, \"event_data\": 1}",
      "{\"method\": \"EVENT\", " IDS ", \"event_data\": 1, \"event_data\": 2}",
      "{\"method\": \"EVENT\", " IDS ", \"event_data\": NaN, \"euuid\": \"other\"}",
      "{\"method\": \"EVENT\", " IDS ", " CUUID ", \"event_data\": 1}",
      "{\"method\": \"EVENT\", " IDS ", \"x\": \"\\ud800\", \"event_data\": 1}",
      "{\"method\": \"OK EVENT\", " IDS ", \"event_data\": NaN}",
      "{\"method\": \"REGISTER\", " CUUID ", \"event_data\": NaN}",
      "{\"method\": \"EVENT\", " IDS ", \"nest\": {\"event_data\": NaN}, \"event_data\": 1}",
      "{\"m\": \"\\\"event_data\\\":\", \"method\": \"EVENT\", " IDS ", \"x\": NaN, \"event_data\": 1}",
  };
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) drops(bad[i], "bad_value");
  drops("{\"method\": \"EVENT\", " IDS ", \"event_data\": [NaN, \"\xff\"]}", "bad_value"); /* invalid UTF-8 behind it */
  drops("{\"method\": \"EVENT\", " IDS ", \"event_data\": [NaN", "bad_value");             /* cut behind it */
  drops("{\"method\": \"EVENT\", " IDS ", \"event_data\": NaN} x", "bad_value");           /* text after the value */
  drops("{\"method\": \"EVENT\", " IDS ", \"event_data\": {no: 1}}", "bad_json");          /* no JSON for anybody */
  drops("{\"method\": \"EVENT\", " IDS ", \"event_data\": 1e}", "bad_json");
  drops("{\"method\": \"EVENT\", " CUUID ", \"event_data\": NaN}", "bad_euuid");
  drops("{\"method\": \"EVENT\", " IDS ", \"event_data\": NaN, \"priority\": 1}", "bad_priority");
  nt_in(&w, nt_addr(2, 1), "{\"method\": \"EVENT\", \"cuuid\": \"unknown\", \"euuid\": \"x\", \"event_data\": NaN}");
  nt_expect(&w, nt_addr(2, 1), BYE_EVENT);
}

static void test_neteria_integers_beyond_64_bits_are_let_through(void **state) {
  (void)state;
  nt_event(&w, a, A, "1", "{\"n\": -170141183460469231731687303715884105728}");
  assert_string_equal(w.last_data, "-170141183460469231731687303715884105728");
  assert_int_equal(w.last.holds, UMP_JSON_BIG);
  assert_non_null(strstr(nt_take(&w)->text, "LEGAL"));
}

static void test_neteria_drops_unknown_methods(void **state) {
  (void)state;
  drops("{" CUUID "}", "bad_method");
  drops("{\"method\": \"HELLO\", " CUUID "}", "bad_method");
  drops("{\"method\": \"event\", " IDS ", \"event_data\": 1}", "bad_method");
  drops("{\"method\": \"\", " CUUID "}", "bad_method");
  drops("{\"method\": 5, " CUUID "}", "bad_method");
  drops("{\"method\": null, " CUUID "}", "bad_method");
  drops("{\"method\": [\"EVENT\"], " IDS ", \"event_data\": 1}", "bad_method");
  drops("{\"method\": \"EVENT\\u0000\", " IDS ", \"event_data\": 1}", "bad_method");
  static const char *const ours[] = {"OHAI Client", "OK REGISTER", "BYE REGISTER", "LEGAL",
                                     "ILLEGAL",     "BYE EVENT",   "NOTIFY"};
  for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
    char text[256];
    snprintf(text, sizeof text, "{\"method\": \"%s\", " IDS ", \"event_data\": 1, \"priority\": \"normal\"}", ours[i]);
    drops(text, "bad_method");
  }
}

#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const char *const bad_ids[] = {"5",          "null",      "true",         "[\"" A "\"]",
                                      "{\"a\": 1}", "\"\"",      "\"" X64 "x\"", "\"a\\u0000b\"",
                                      "\"\\n\"",    "\"a\x7f\"", "\"\\u001f\""};

static void test_neteria_drops_a_bad_cuuid(void **state) {
  static const char *const methods[] = {"REGISTER", "EVENT", "AUTH", "OK EVENT", "OK NOTIFY"};
  char text[512];
  (void)state;
  for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
    snprintf(text, sizeof text, "{\"method\": \"%s\", \"euuid\": \"" E1 "\", \"event_data\": 1}", methods[m]);
    drops(text, "bad_cuuid");
    for (size_t i = 0; i < sizeof bad_ids / sizeof *bad_ids; i++) {
      snprintf(text, sizeof text, "{\"method\": \"%s\", \"euuid\": \"" E1 "\", \"event_data\": 1, \"cuuid\": %s}",
               methods[m], bad_ids[i]);
      drops(text, "bad_cuuid");
    }
  }
  nt_register(&w, nt_addr(9, 9), X64); /* 64 bytes are allowed */
  nt_register(&w, nt_addr(9, 8), "Gr\\u00fc\\u00dfe \\\" \\\\");
}

static void test_neteria_drops_a_bad_euuid(void **state) {
  static const char *const methods[] = {"EVENT", "AUTH", "OK EVENT", "OK NOTIFY"};
  char text[512];
  (void)state;
  for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
    snprintf(text, sizeof text, "{\"method\": \"%s\", " CUUID ", \"event_data\": 1}", methods[m]);
    drops(text, "bad_euuid");
    for (size_t i = 0; i < sizeof bad_ids / sizeof *bad_ids; i++) {
      snprintf(text, sizeof text, "{\"method\": \"%s\", " CUUID ", \"event_data\": 1, \"euuid\": %s}", methods[m],
               bad_ids[i]);
      drops(text, "bad_euuid");
    }
  }
  nt_event(&w, a, A, X64, "\"x\"");
  nt_expect(&w, a, "{\"method\": \"LEGAL\", \"euuid\": \"" X64 "\", \"priority\": \"normal\"}");
}

static void test_neteria_drops_an_event_without_event_data(void **state) {
  (void)state;
  drops("{\"method\": \"EVENT\", " IDS ", \"priority\": \"normal\"}", "no_event_data");
  drops("{\"method\": \"AUTH\", " IDS "}", "no_event_data");
}

static void test_neteria_drops_a_bad_priority(void **state) {
  static const char *const bad[] = {"\"low\"", "\"NORMAL\"", "\"\"",       "\"high \"",
                                    "1",       "null",       "[\"high\"]", "\"\xc3\xa9\""};
  char text[512];
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    snprintf(text, sizeof text, "{\"method\": \"EVENT\", " IDS ", \"event_data\": 1, \"priority\": %s}", bad[i]);
    drops(text, "bad_priority");
  }
}

/* The one that made the original deaf: its answer would have been longer than a datagram. */
static void test_neteria_an_euuid_of_3_kilobytes_is_dropped(void **state) {
  (void)state;
  char *text = repeated("{\"method\": \"EVENT\", " CUUID ", \"event_data\": 1, \"euuid\": \"", "\xc3\xa9", 1800, "\"}");
  drops(text, "bad_euuid");
  free(text);
  text = repeated("{\"method\": \"EVENT\", " IDS ", \"event_data\": 1, \"priority\": \"", "\xc3\xa9", 1800, "\"}");
  drops(text, "bad_priority");
  free(text);
}

static void test_neteria_timestamp_and_retry_mean_nothing(void **state) {
  static const char *const odd[] = {"", ", \"timestamp\": 5", ", \"timestamp\": \"\", \"retry\": -1",
                                    ", \"retry\": \"x\", \"timestamp\": null", ", \"retry\": 1e300, \"timestamp\": {}"};
  (void)state;
  for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
    nt_inf(&w, a, "{\"method\": \"EVENT\", " CUUID ", \"euuid\": \"%zu\", \"event_data\": 1%s}", i, odd[i]);
    assert_non_null(strstr(nt_take(&w)->text, "LEGAL"));
  }
}

static void test_neteria_drops_a_datagram_over_10240_bytes(void **state) {
  char *text;
  (void)state;
  size_t around = strlen(WITH("\"\""));
  text = repeated("{\"method\": \"EVENT\", " IDS ", \"event_data\": \"", "x", 10241 - around,
                  "\", \"retry\": 0, \"priority\": \"high\"}");
  assert_int_equal(strlen(text), 10241);
  drops(text, "bad_size");
  free(text);
  text = repeated("{\"method\": \"EVENT\", " IDS ", \"event_data\": \"", "x", 10240 - around,
                  "\", \"retry\": 0, \"priority\": \"high\"}");
  nt_in(&w, a, text);
  assert_non_null(strstr(nt_take(&w)->text, "LEGAL"));
  free(text);
}

static void test_neteria_unknown_clients_and_ids_change_nothing(void **state) {
  (void)state;
  size_t load = ump_neteria.load(w.proto);
  nt_event(&w, nt_addr(2, 2), "d72480dc-a065-4f58-9ab9-a5c8744486b3", "x", "1");
  nt_expect(&w, nt_addr(2, 2), BYE_EVENT);
  nt_in(&w, nt_addr(2, 2), "{\"method\":\"EVENT\",\"cuuid\":\"a\",\"euuid\":\"b\",\"event_data\":1}");
  nt_expect(&w, nt_addr(2, 2), BYE_EVENT); /* 54 bytes for 49 */
  nt_ok_event(&w, nt_addr(2, 2), "nobody", E1);
  nt_ok_notify(&w, nt_addr(2, 2), "nobody", E1);
  assert_int_equal(nt_counter(&w, "unknown_client"), 4);
  nt_ok_event(&w, a, A, "nobody");
  nt_ok_notify(&w, a, A, "nobody");
  nt_ok_notify(&w, a, A, "56c238c0-5237-4878-8d72-4b18eb6b5f1c");
  assert_int_equal(nt_counter(&w, "unknown_id"), 3);
  nt_expect_nothing(&w);
  assert_int_equal(ump_neteria.load(w.proto), load);
}

static void test_neteria_a_second_registration_with_bad_version_is_still_one(void **state) {
  (void)state;
  nt_inf(&w, nt_addr(3, 3), "{\"method\": \"REGISTER\", \"cuuid\": \"v\", \"version\": 5}");
  nt_expect(&w, nt_addr(3, 3), "{\"method\": \"OK REGISTER\"}");
  assert_false(w.last_has_version);
  nt_inf(&w, nt_addr(3, 4), "{\"method\": \"REGISTER\", \"cuuid\": \"u\", \"version\": \"" X64 "x\"}");
  nt_expect(&w, nt_addr(3, 4), "{\"method\": \"OK REGISTER\"}");
  assert_false(w.last_has_version);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_neteria_drops_what_is_no_json),
      TEST(test_neteria_drops_json_that_is_no_object),
      TEST(test_neteria_tells_the_client_that_event_data_is_malformed),
      TEST(test_neteria_malformed_data_in_the_real_client_s_layout),
      TEST(test_neteria_the_bounds_of_event_data_are_exact),
      TEST(test_neteria_a_malformed_event_is_answered_once_for_all),
      TEST(test_neteria_drops_malformed_data_when_the_envelope_is_not_sound),
      TEST(test_neteria_integers_beyond_64_bits_are_let_through),
      TEST(test_neteria_drops_unknown_methods),
      TEST(test_neteria_drops_a_bad_cuuid),
      TEST(test_neteria_drops_a_bad_euuid),
      TEST(test_neteria_drops_an_event_without_event_data),
      TEST(test_neteria_drops_a_bad_priority),
      TEST(test_neteria_an_euuid_of_3_kilobytes_is_dropped),
      TEST(test_neteria_timestamp_and_retry_mean_nothing),
      TEST(test_neteria_drops_a_datagram_over_10240_bytes),
      TEST(test_neteria_unknown_clients_and_ids_change_nothing),
      TEST(test_neteria_a_second_registration_with_bad_version_is_still_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
