/* Neteria, address validation: an address that has not proven itself gets at most three times the bytes that came from
 * it. Wire E6, hardening T4. */
#include "nt_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define A            "abbbc0f4-e591-11f1-aa15-02fc00000001"
#define E1           "003c4f0e-e592-11f1-a965-02fc00000001"
#define NOTIFY(data) "{\"method\": \"NOTIFY\", \"event_data\": " data ", \"euuid\": \"#\"}"
#define OHAI         "{\"method\": \"OHAI\", \"version\": \"1.0.3\", \"cuuid\": \"" A "\"}"
#define REGISTER     "{\"method\": \"REGISTER\", \"cuuid\": \"" A "\"}"

static struct ump_addr a;

static int addresses(void **state) {
  (void)state;
  a = nt_addr(1, 50000);
  return 0;
}

static size_t bytes_out(const struct nt_world *w) {
  size_t n = 0;
  for (size_t i = 0; i < w->n_sent; i++) n += w->sent[i].n;
  return n;
}

static char *string_of(size_t n) {
  char *s = malloc(n + 1);
  assert_non_null(s);
  memset(s, 'x', n), s[0] = s[n - 1] = '"', s[n] = 0;
  return s;
}

/* The original: one REGISTER of 71 bytes from a forged address, 40 broadcasts of 0.5 KB, 103,575 bytes within 9 s. */
static void test_neteria_a_forged_register_draws_no_broadcasts(void **state) {
  struct nt_world w;
  char *half_a_kilobyte = string_of(512);
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  uint32_t s = nt_register(&w, a, A);
  for (int i = 0; i < 40; i++) {
    assert_int_equal(nt_notify(&w, s, half_a_kilobyte), 0);
    nt_pass(&w, 200 * UMP_MS);
  }
  nt_pass(&w, 90 * UMP_S);
  size_t in = strlen("{\"method\": \"REGISTER\", \"cuuid\": \"" A "\"}");
  print_message("# %zu bytes for %zu forged ones\n", bytes_out(&w), in);
  assert_true(bytes_out(&w) <= 3 * in);
  for (size_t i = 0; i < w.n_sent; i++) assert_null(strstr(w.sent[i].text, "NOTIFY"));
  assert_false(nt_there(&w, s));
  free(half_a_kilobyte);
  nt_close(&w);
}

static void test_neteria_a_notify_waits_for_the_probes_echo(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  uint32_t s = nt_register(&w, a, A);
  char *big = string_of(300);
  assert_int_equal(nt_notify(&w, s, big), 0);
  assert_int_equal(nt_notify(&w, s, "2"), 0); /* it would fit, but keeps its place in the row */
  const char *id = nt_expect(&w, a, NT_BRIEF_TEXT);
  nt_expect_nothing(&w);
  nt_ok_event(&w, a, A, id);
  const struct nt_sent *first = nt_take(&w);
  assert_non_null(first);
  assert_non_null(strstr(first->text, big));
  nt_expect(&w, a, NOTIFY("2"));
  assert_true(nt_counter(&w, "stalled") >= 1);
  free(big);
  nt_close(&w);
}

/* Work, too: what waits for credit is not written anew for each small datagram. */
static void test_neteria_what_is_stalled_costs_nothing_again(void **state) {
  struct nt_world w;
  char *big = string_of(9000);
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  uint32_t s = nt_register(&w, a, A);
  for (int i = 0; i < 256; i++) assert_int_equal(nt_notify(&w, s, big), 0);
  uint64_t before = nt_counter(&w, "stalled");
  assert_true(before >= 1);
  for (int i = 0; i < 40; i++)
    nt_ok_event(&w, a, A, "nothing"); /* 85 bytes each: at the end there is credit for one of them */
  assert_true(nt_counter(&w, "stalled") - before <= 2);
  assert_true(bytes_out(&w) > 9000 && bytes_out(&w) <= 3 * (71 + 40 * 91));
  free(big);
  nt_close(&w);
}

static size_t probes_out(const struct nt_world *w) {
  size_t n = 0;
  for (size_t i = 0; i < w->n_sent; i++)
    n += w->sent[i].n == 47 && !strncmp(w->sent[i].text, "{\"method\":\"LEGAL\",", 18);
  return n;
}

/* What a REGISTER of the real client earns buys OK REGISTER and four tries to prove itself, to the last byte. */
static void test_neteria_a_listener_has_four_tries(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  uint32_t s = nt_register(&w, a, A);
  assert_int_equal(nt_notify(&w, s, "1"), 0); /* however small: it would cost two of them */
  nt_pass(&w, 1499 * UMP_MS);
  assert_int_equal(probes_out(&w), 3);
  nt_pass(&w, UMP_MS);
  assert_int_equal(probes_out(&w), 4);
  assert_int_equal(ump_neteria_credit(w.proto, s), 0);
  nt_ok_event(&w, a, A, nt_expect(&w, a, NT_BRIEF_TEXT)); /* the first echo was late, or the last one came */
  assert_true(ump_neteria_credit(w.proto, s) == INT64_MAX);
  nt_expect(&w, a, NT_BRIEF_TEXT), nt_expect(&w, a, NT_BRIEF_TEXT), nt_expect(&w, a, NT_BRIEF_TEXT);
  nt_expect(&w, a, NOTIFY("1"));
  nt_close(&w);
}

/* A client that looked for us first has said more. */
static void test_neteria_what_ohai_earned_counts(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  nt_in(&w, a, OHAI);
  nt_in(&w, nt_addr(1, 50001), OHAI); /* another client there, or nobody */
  uint32_t s = (nt_in(&w, a, REGISTER), w.last_session);
  nt_forget_sent(&w);
  assert_int_equal(nt_notify(&w, s, "1"), 0);
  nt_expect(&w, a, NOTIFY("1")); /* at once: if it is lost, the four tries are still there, and a repeat besides */
  nt_pass(&w, 20 * UMP_S);
  nt_expect(&w, a, NOTIFY("1"));
  assert_int_equal(probes_out(&w), 4);
  nt_in(&w, nt_addr(2, 1), "{\"method\": \"REGISTER\", \"cuuid\": \"b\"}");
  assert_int_equal(ump_neteria_credit(w.proto, w.last_session), 3 * 36 - 25);
  nt_close(&w);
}

/* Ten thousand of them do not add up: it is for a few tries more, not for a flood. And it is spent once. */
static void test_neteria_what_ohai_earned_is_bounded_and_spent_once(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  for (int i = 0; i < 10000; i++) nt_in(&w, a, OHAI), nt_forget_sent(&w);
  nt_in(&w, a, REGISTER);
  assert_int_equal(ump_neteria_credit(w.proto, w.last_session), 3 * 71 - 25 + 8 * 47);
  nt_kick(&w, w.last_session);
  nt_in(&w, a, REGISTER);
  assert_int_equal(ump_neteria_credit(w.proto, w.last_session), 3 * 71 - 25);
  nt_close(&w);
}

/* Nobody guesses the id: a million tries, and none is taken. It is another one each time. */
static void test_neteria_a_brief_probe_is_not_guessed(void **state) {
  struct nt_world w;
  char guess[6] = "!!!!!";
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  uint32_t s = nt_register(&w, a, A);
  nt_notify(&w, s, "1");
  const char *id = nt_expect(&w, a, NT_BRIEF_TEXT);
  for (int i = 0; i < 100000; i++) {
    for (int k = 0; ++guess[k] > '~'; k++) guess[k] = '!';
    if (strchr(guess, '"') || strchr(guess, '\\') || !strcmp(guess, id)) continue;
    nt_ok_event(&w, a, A, guess);
    nt_forget_sent(&w);
    if (i % 1000 == 0) assert_true(ump_neteria_credit(w.proto, s) < INT64_MAX);
  }
  assert_int_equal(nt_counter(&w, "probe_echoes"), 0);
  nt_pass(&w, 10 * UMP_S), nt_forget_sent(&w);
  nt_notify(&w, s, "2");
  nt_close(&w);
}

static void test_neteria_events_of_the_client_pay_for_more(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){.hold_ms = -1});
  uint32_t s = nt_register(&w, a, A);
  char *big = string_of(200);
  assert_int_equal(nt_notify(&w, s, big), 0);
  nt_expect(&w, a, NT_BRIEF_TEXT); /* lost */
  nt_pass(&w, 6 * UMP_S);          /* so are those that follow */
  nt_forget_sent(&w);
  nt_event(&w, a, A, E1, "\"x\"");
  assert_non_null(strstr(nt_take(&w)->text, big)); /* older than what the event causes */
  nt_expect(&w, a, "{\"method\": \"LEGAL\", \"euuid\": \"" E1 "\", \"priority\": \"normal\"}");
  free(big);
  nt_close(&w);
}

/* Unconfirmed verdicts and their repeats count too. */
static void test_neteria_repeats_stay_within_the_credit(void **state) {
  struct nt_world w;
  char text[128];
  size_t in = 0;
  (void)state;
  nt_open(&w, (struct nt_cfg){.hold_ms = -1});
  in += (size_t)snprintf(text, sizeof text, "{\"method\":\"REGISTER\",\"cuuid\":\"a\"}");
  nt_in(&w, a, text);
  for (int i = 0; i < 20; i++) {
    in += (size_t)snprintf(text, sizeof text,
                           "{\"method\":\"EVENT\",\"cuuid\":\"a\",\"euuid\":\"%d\",\"event_data\":\"bad\"}", i);
    nt_in(&w, a, text);
    nt_pass(&w, 100 * UMP_MS);
    assert_true(bytes_out(&w) <= 3 * in);
  }
  nt_pass(&w, 57 * UMP_S);
  assert_true(bytes_out(&w) <= 3 * in);
  assert_true(bytes_out(&w) > 2 * in); /* not because nothing was sent */
  nt_close(&w);
}

/* A refusal goes to the session's own address: it is paid from the same three bytes as everything else. */
static void test_neteria_refused_encryption_is_within_the_credit(void **state) {
  static const char wish[] = "{\"method\": \"REGISTER\", \"cuuid\": \"" A "\", \"encryption\": [1, 1]}";
  struct nt_world w;
  size_t in = 71;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  uint32_t s = nt_register(&w, a, A);
  for (int i = 0; i < 20; i++) {
    nt_in(&w, a, wish);
    in += sizeof wish - 1;
    nt_notify(&w, s, "\"as much as there is room for\"");
  }
  nt_pass(&w, 29 * UMP_S);
  assert_true(bytes_out(&w) <= 3 * in);
  assert_int_equal(3 * in - bytes_out(&w), ump_neteria_credit(w.proto, s) + 20 * (sizeof wish - 1 - 67));
  nt_close(&w);
}

static void test_neteria_answers_to_strangers_are_not_longer_than_their_requests(void **state) {
  static const char *const requests[] = {
      "{\"method\":\"OHAI\"}",
      "{\"method\":\"OHAI\",\"cuuid\":\"................................................\"}",
      "{\"method\":\"EVENT\",\"cuuid\":\"a\",\"euuid\":\"b\",\"event_data\":1}",
      "{\"method\":\"AUTH\",\"cuuid\":\"a\",\"euuid\":\"b\",\"event_data\":1}",
      "{\"method\":\"REGISTER\",\"cuuid\":\"a\",\"encryption\":1}",
      "{\"method\":\"REGISTER\",\"cuuid\":\"b\"}",
      "{\"method\":\"REGISTER\",\"cuuid\":\"in use\"}",
      "{\"method\":\"OK EVENT\",\"cuuid\":\"a\",\"euuid\":\"b\"}",
      "{\"method\":\"OK NOTIFY\",\"cuuid\":\"a\",\"euuid\":\"b\"}",
      "{\"method\":\"LEGAL\"}",
      "{",
      "5",
      "",
  };
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){.limit = 1, .server_name = "a name that is rather long for what it has to say"});
  nt_proven(&w, a, "abbbc0f4-e591-11f1-aa15-in use000000");
  nt_forget_sent(&w);
  for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
    size_t before = w.n_sent;
    nt_in(&w, nt_addr(2, (uint16_t)(1 + i)), requests[i]);
    assert_true(w.n_sent <= before + 1);
    if (w.n_sent > before) assert_true(w.sent[before].n <= strlen(requests[i]));
  }
  assert_true(w.n_sent >= 4);
  nt_close(&w);
}

static void test_neteria_replies_to_a_flood_are_lost_when_the_socket_does_not_take_them(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  struct ump_bytes ohai = ump_text("{\"method\": \"OHAI\", \"version\": \"1.0.3\", \"cuuid\": \"" A "\"}");
  size_t bytes = 0;
  for (int i = 0; i < 20000; i++) { /* without a flush in between */
    struct ump_event ev;
    ump_neteria.recv(w.proto, &a, ohai, w.now);
    while (ump_neteria.next(w.proto, &ev, w.now)) {
    }
    if (i == 4096) bytes = w.mem.bytes;
    if (i > 4096) assert_int_equal(w.mem.bytes, bytes);
  }
  assert_int_equal(nt_counter(&w, "replies_lost"), 20000 - 4096);
  for (int i = 0; i < 4096; i++) {
    char room[10240];
    struct ump_addr to;
    struct ump_writer out = ump_writer(room, sizeof room);
    assert_int_equal(ump_neteria.flush(w.proto, &to, &out, w.now), 1);
  }
  nt_close(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_neteria_a_forged_register_draws_no_broadcasts),
      cmocka_unit_test(test_neteria_a_notify_waits_for_the_probes_echo),
      cmocka_unit_test(test_neteria_what_is_stalled_costs_nothing_again),
      cmocka_unit_test(test_neteria_a_listener_has_four_tries),
      cmocka_unit_test(test_neteria_what_ohai_earned_counts),
      cmocka_unit_test(test_neteria_what_ohai_earned_is_bounded_and_spent_once),
      cmocka_unit_test(test_neteria_a_brief_probe_is_not_guessed),
      cmocka_unit_test(test_neteria_events_of_the_client_pay_for_more),
      cmocka_unit_test(test_neteria_repeats_stay_within_the_credit),
      cmocka_unit_test(test_neteria_refused_encryption_is_within_the_credit),
      cmocka_unit_test(test_neteria_answers_to_strangers_are_not_longer_than_their_requests),
      cmocka_unit_test(test_neteria_replies_to_a_flood_are_lost_when_the_socket_does_not_take_them),
  };
  return cmocka_run_group_tests(tests, addresses, NULL);
}
