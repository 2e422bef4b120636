/* The log: nothing that a stranger sends harms it. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "testing.h"

#include "net/escape.h"
#include "net/logger.h"

static ump_time clock_now;
static ump_time fake_now(void) {
  return clock_now;
}

static int pipe_fds[2];
static char read_back[1 << 20];

static struct ump_logger *begin(enum ump_log_format format, enum ump_level level) {
  assert_int_equal(pipe(pipe_fds), 0);
  fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK);
  fcntl(pipe_fds[0], F_SETPIPE_SZ, 1 << 20);
  clock_now = 1000 * UMP_S;
  struct ump_logger_cfg cfg = {.fd = pipe_fds[1], .format = format, .level = level, .now = fake_now};
  struct ump_logger *l = ump_logger_new(&cfg);
  assert_non_null(l);
  return l;
}

static const char *written(void) {
  ssize_t n, all = 0;
  while ((n = read(pipe_fds[0], read_back + all, sizeof read_back - 1 - (size_t)all)) > 0) all += n;
  read_back[all] = 0;
  return read_back;
}

static void end(struct ump_logger *l) {
  ump_logger_free(l);
  close(pipe_fds[0]), close(pipe_fds[1]);
}

static size_t count(const char *text, const char *what) {
  size_t n = 0;
  for (const char *at = text; (at = strstr(at, what)) != NULL; at++) n++;
  return n;
}

static struct ump_addr stranger(uint8_t last) {
  return (struct ump_addr){.family = 4, .ip = {10, 0, 0, last}, .port = 5000};
}

static void line(struct ump_logger *l, enum ump_level level, const struct ump_addr *from, const char *text) {
  struct ump_log log = ump_logger_log(l);
  ump_log_text(&log, level, "cause", from, text);
}

static void test_logger_own_words_are_bare(void **state) {
  (void)state;
  struct ump_logger *l = begin(UMP_LOG_TEXT, UMP_INFO);
  ump_logger_say(l, UMP_INFO, "listening", "listening %s", "neteria://127.0.0.1:40080");
  ump_logger_say(l, UMP_INFO, "ready", "ready");
  ump_logger_say(l, UMP_ERROR, "bind", "cannot");
  assert_string_equal(written(), "listening neteria://127.0.0.1:40080\nready\nerror bind: cannot\n");
  end(l);
}

static void test_logger_names_level_cause_and_stranger(void **state) {
  (void)state;
  struct ump_addr a = stranger(1);
  struct ump_logger *l = begin(UMP_LOG_TEXT, UMP_INFO);
  line(l, UMP_WARN, &a, "hello");
  line(l, UMP_DEBUG, &a, "not shown");
  assert_string_equal(written(), "warn cause 10.0.0.1:5000: hello\n");
  end(l);
}

static void test_logger_escapes_what_a_stranger_sends(void **state) {
  (void)state;
  struct ump_addr a = stranger(1);
  struct ump_logger *l = begin(UMP_LOG_TEXT, UMP_INFO);
  line(l, UMP_WARN, &a, "a\nready\r\t\x1b[2J\x7f \xff \xc3\xa9 \xc2\x9b \xe2\x80\xae \xed\xa0\x80");
  assert_string_equal(written(),
                      "warn cause 10.0.0.1:5000: a\\nready\\r\\t\\x1b[2J\\x7f \\xff \xc3\xa9 \\u009b \\u202e "
                      "\\xed\\xa0\\x80\n");
  end(l);
}

static void test_logger_folds_tracebacks_so_that_no_line_looks_like_a_record(void **state) {
  (void)state;
  struct ump_addr a = stranger(1);
  struct ump_logger *l = begin(UMP_LOG_TEXT, UMP_INFO);
  line(l, UMP_ERROR, &a, "rules/a.lua:3: oops\nstack traceback:\n\t[C]: in ?");
  assert_string_equal(written(),
                      "error cause 10.0.0.1:5000: rules/a.lua:3: oops\n  | stack traceback:\n  |     [C]: in ?\n");
  end(l);
}

static void test_logger_cuts_a_strangers_text_at_256_bytes(void **state) {
  char text[1000], expected[400];
  (void)state;
  struct ump_addr a = stranger(1);
  struct ump_logger *l = begin(UMP_LOG_TEXT, UMP_INFO);
  memset(text, 'y', sizeof text);
  text[sizeof text - 1] = 0;
  memcpy(text + 255, "\xc3\xa9", 2); /* a character across the edge goes as a whole */
  line(l, UMP_WARN, &a, text);
  snprintf(expected, sizeof expected, "warn cause 10.0.0.1:5000: %.255s\n", text);
  assert_string_equal(written(), expected);
  end(l);
}

static void test_logger_json_is_one_object_a_line(void **state) {
  (void)state;
  struct ump_addr a = stranger(1);
  struct ump_logger *l = begin(UMP_LOG_JSON, UMP_INFO);
  line(l, UMP_ERROR, &a, "a \"b\" \\ \n \x01 \xff \xc2\x9b");
  const char *text = written();
  assert_non_null(strstr(text, "{\"time\":\"20"));
  assert_non_null(strstr(text, "Z\",\"level\":\"error\",\"cause\":\"cause\",\"from\":\"10.0.0.1:5000\",\"text\":"
                               "\"a \\\"b\\\" \\\\ \\n \\u0001 \\\\xff \\u009b\"}\n"));
  assert_int_equal(count(text, "\n"), 1);
  end(l);
}

static void test_logger_writes_ten_a_second_of_one_cause_and_address(void **state) {
  (void)state;
  struct ump_addr a = stranger(1), b = stranger(2);
  struct ump_logger *l = begin(UMP_LOG_TEXT, UMP_INFO);
  for (int i = 0; i < 500; i++) a.port = (uint16_t)(i + 1), line(l, UMP_INFO, &a, "flood");
  line(l, UMP_INFO, &b, "another");
  const char *text = written();
  assert_int_equal(count(text, "flood"), 10);
  assert_int_equal(count(text, "another"), 1); /* one's flood does not silence another */
  assert_int_equal(ump_logger_deadline(l), 1001 * UMP_S);
  clock_now += UMP_S;
  ump_logger_tick(l, clock_now);
  assert_string_equal(written(), "warn cause 10.0.0.1:0: suppressed 490 more like this\n");
  assert_int_equal(ump_logger_deadline(l), UMP_NEVER);
  line(l, UMP_INFO, &a, "flood");
  assert_int_equal(count(written(), "flood"), 1); /* a new second */
  end(l);
}

static void test_logger_writes_a_thousand_a_second_in_all(void **state) {
  (void)state;
  struct ump_logger *l = begin(UMP_LOG_TEXT, UMP_INFO);
  for (int i = 0; i < 100000; i++) { /* 100 000 addresses, as a forger has them */
    struct ump_addr a = {.family = 4, .ip = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}, .port = 1};
    line(l, UMP_WARN, &a, "forged");
  }
  size_t n = count(written(), "forged");
  assert_in_range(n, 900, 1000); /* addresses that share a place may be silenced a little earlier */
  clock_now += UMP_S;
  ump_logger_tick(l, clock_now);
  const char *text = written();
  assert_non_null(strstr(text, "suppressed"));
  assert_in_range(count(text, "\n"), 1, 17);
  end(l);
}

static void test_logger_own_words_are_not_limited(void **state) {
  (void)state;
  struct ump_logger *l = begin(UMP_LOG_TEXT, UMP_INFO);
  for (int i = 0; i < 2000; i++) ump_logger_say(l, UMP_INFO, "own", "own words");
  assert_int_equal(count(written(), "own words"), 2000);
  for (int i = 0; i < 200; i++) line(l, UMP_INFO, NULL, "printed"); /* what a rulebook prints on purpose */
  assert_int_equal(count(written(), "printed"), 200);
  for (int i = 0; i < 200; i++) line(l, UMP_ERROR, NULL, "broken");
  assert_int_equal(count(written(), "broken"), 10);
  end(l);
}

static void test_logger_a_reader_that_does_not_read_stops_nothing(void **state) {
  (void)state;
  struct ump_logger *l = begin(UMP_LOG_TEXT, UMP_INFO);
  for (int i = 0; i < 100000; i++)
    ump_logger_say(l, UMP_INFO, "own", "%0200d", i); /* 20 MB into a pipe of 1 MiB: returns */
  assert_in_range(count(written(), "\n"), 4000, 6000);
  clock_now += UMP_S;
  ump_logger_tick(l, clock_now);
  assert_non_null(strstr(written(), "warn log_unread: suppressed 9"));
  end(l);
}

static void test_logger_any_bytes_stay_within_bounds(void **state) {
  uint8_t bytes[4096];
  struct testing_rng rng;
  (void)state;
  testing_rng_init(&rng, 7);
  for (int format = 0; format < 2; format++) {
    struct ump_logger *l = begin((enum ump_log_format)format, UMP_INFO);
    struct ump_log log = ump_logger_log(l);
    for (int i = 0; i < 300; i++) {
      struct ump_addr a = stranger((uint8_t)i);
      size_t n = ump_rng_below(&rng.rng, sizeof bytes);
      ump_rng_fill(&rng.rng, bytes, n);
      if (i % 5 == 0) memset(bytes, 0xff, n); /* every byte becomes four or five */
      ump_log_write(&log, i % 2 ? UMP_ERROR : UMP_WARN, "any", i % 3 ? &a : NULL, ump_bytes(bytes, n));
      for (const char *at = written(); *at; at++) assert_true((uint8_t)*at >= 0x20 || *at == '\n');
      assert_true(strlen(read_back) <= 4096);
      clock_now += UMP_S;
    }
    end(l);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_logger_own_words_are_bare),
      cmocka_unit_test(test_logger_names_level_cause_and_stranger),
      cmocka_unit_test(test_logger_escapes_what_a_stranger_sends),
      cmocka_unit_test(test_logger_folds_tracebacks_so_that_no_line_looks_like_a_record),
      cmocka_unit_test(test_logger_cuts_a_strangers_text_at_256_bytes),
      cmocka_unit_test(test_logger_json_is_one_object_a_line),
      cmocka_unit_test(test_logger_writes_ten_a_second_of_one_cause_and_address),
      cmocka_unit_test(test_logger_writes_a_thousand_a_second_in_all),
      cmocka_unit_test(test_logger_own_words_are_not_limited),
      cmocka_unit_test(test_logger_a_reader_that_does_not_read_stops_nothing),
      cmocka_unit_test(test_logger_any_bytes_stay_within_bounds),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
