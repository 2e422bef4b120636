/* Neteria, who is there: discovery, registering, states, limits. Wire sections 4, 6 and 8. */
#include "nt_world.h"

#include <stdio.h>
#include <string.h>

#define A           "abbbc0f4-e591-11f1-aa15-02fc00000001"
#define B           "bbbbc0f4-e591-11f1-aa15-02fc00000002"
#define C           "cbbbc0f4-e591-11f1-aa15-02fc00000003"
#define E1          "003c4f0e-e592-11f1-a965-02fc00000001"
#define REGISTER    "{\"method\": \"REGISTER\", \"cuuid\": \"%s\"}"
#define OK_REGISTER "{\"method\": \"OK REGISTER\"}"
#define BYE_FULL    "{\"method\": \"BYE REGISTER\", \"reason\": \"server full\"}"
#define BYE_EVENT   "{\"method\": \"BYE EVENT\", \"data\": \"Not registered\"}"
#define NOTIFY2     "{\"method\": \"NOTIFY\", \"event_data\": 2, \"euuid\": \"#\"}"
#define LEGAL1      "{\"method\": \"LEGAL\", \"euuid\": \"" E1 "\", \"priority\": \"normal\"}"

static struct ump_addr a, b, c;

static int addresses(void **state) {
  (void)state;
  a = nt_addr(1, 50000), b = nt_addr(2, 50000), c = nt_addr(3, 50000);
  return 0;
}

/* ---- discovery ---- */

static void test_neteria_answers_ohai(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){.server_name = "Test Server"});
  nt_in(&w, a, "{\"method\": \"OHAI\", \"version\": \"1.0.3\", \"cuuid\": \"" A "\"}");
  nt_expect(&w, a, "{\"method\": \"OHAI Client\", \"version\": \"1.0.3\", \"server_name\": \"Test Server\"}");
  nt_expect_nothing(&w);
  assert_int_equal(w.n_connects, 0);
  nt_close(&w);
}

static void test_neteria_ohai_without_name_says_null(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  nt_in(&w, a, "{\"method\": \"OHAI\", \"version\": \"1.0.3\", \"cuuid\": \"" A "\"}");
  nt_expect(&w, a, "{\"method\": \"OHAI Client\", \"version\": \"1.0.3\", \"server_name\": null}");
  nt_close(&w);
}

static void test_neteria_ohai_answer_is_never_longer_than_its_request(void **state) {
  struct nt_world w;
  char request[256];
  (void)state;
  /* two-byte characters: the cut must not halve one */
  nt_open(&w, (struct nt_cfg){
                  .server_name =
                      "x\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9 \"q\""});
  for (size_t pad = 0; pad < 60; pad++) {
    snprintf(request, sizeof request, "{\"method\": \"OHAI\", \"cuuid\": \"%.*s\"}", (int)pad,
             "................................................................");
    nt_in(&w, a, request);
    const struct nt_sent *s = nt_take(&w);
    if (strlen(request) < 64) assert_null(s);
    if (strlen(request) > 64) assert_non_null(s);
    if (s) {
      assert_true(s->n <= strlen(request));
      assert_true(ump_utf8_valid(ump_bytes(s->text, s->n)));
      assert_string_equal(s->text + s->n - 2, "\"}");
    }
  }
  assert_true(nt_counter(&w, "replies_suppressed") > 0);
  nt_close(&w);
}

static void test_neteria_hides_when_not_discoverable(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){.hidden = true});
  nt_in(&w, a, "{\"method\": \"OHAI\", \"version\": \"1.0.3\", \"cuuid\": \"" A "\"}");
  nt_expect_nothing(&w);
  nt_register(&w, a, A);
  nt_close(&w);
}

static void test_neteria_admits_the_versions_it_was_told(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){.versions = "1.0.3,1.0.2"});
  nt_in(&w, a, "{\"method\": \"OHAI\", \"version\": \"1.0.2\", \"cuuid\": \"" A "\"}");
  nt_expect(&w, a, "{\"method\": \"OHAI Client\", \"version\": \"1.0.3\", \"server_name\": null}");
  nt_in(&w, a, "{\"method\": \"OHAI\", \"version\": \"0.9\", \"cuuid\": \"" A "\"}");
  nt_expect(&w, a, "{\"method\": \"BYE REGISTER\", \"reason\": \"version not supported\"}");
  nt_in(&w, a, "{\"method\": \"OHAI\", \"cuuid\": \"" A "\"}");
  nt_expect(&w, a, "{\"method\": \"BYE REGISTER\", \"reason\": \"version not supported\"}");
  nt_in(&w, a, "{\"method\": \"OHAI\", \"version\": \"0.9\"}"); /* no room for the reason */
  nt_expect(&w, a, "{\"method\": \"BYE REGISTER\"}");
  nt_close(&w);
}

/* ---- registering ---- */

static void test_neteria_registers(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  nt_register(&w, a, A);
  assert_int_equal(w.n_connects, 1);
  assert_false(w.last_has_version);
  nt_inf(&w, b, "{\"cuuid\":\"%s\",\"version\":\"1.0\",\"method\":\"REGISTER\",\"more\":[{}]}", B);
  nt_expect(&w, b, OK_REGISTER);
  assert_true(w.last_has_version);
  assert_string_equal(w.last_version, "1.0");
  nt_expect_nothing(&w);
  assert_int_equal(nt_counter(&w, "registered"), 2);
  nt_close(&w);
}

static void test_neteria_registers_again_and_loses_nothing(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  uint32_t s = nt_register(&w, a, A);
  nt_event(&w, a, A, E1, "\"x\"");
  assert_int_equal(nt_notify(&w, s, "2"), 0);
  nt_register(&w, a, A);
  assert_int_equal(w.n_connects, 1);
  nt_pass(&w, UMP_MS);
  nt_expect(&w, a, LEGAL1);
  nt_expect(&w, a, NOTIFY2);
  nt_close(&w);
}

static void test_neteria_tells_the_reason_of_a_refusal_each_time(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  w.refuse = "no \"guests\"";
  for (int i = 0; i < 5; i++) {
    nt_inf(&w, a, REGISTER, A);
    nt_expect(&w, a, "{\"method\": \"BYE REGISTER\", \"reason\": \"no \\\"guests\\\"\"}");
  }
  assert_int_equal(w.n_connects, 5);
  w.refuse = "a reason that would make the answer longer than the request was";
  nt_inf(&w, a, REGISTER, A);
  nt_expect(&w, a, "{\"method\": \"BYE REGISTER\"}");
  assert_int_equal(ump_neteria.load(w.proto), 0);
  nt_close(&w);
}

static void test_neteria_refuses_encryption(void **state) {
  struct nt_world w;
  char n[156];
  (void)state;
  memset(n, '7', 155), n[155] = 0;
  nt_open(&w, (struct nt_cfg){0});
  nt_inf(&w, a, "{\"method\": \"REGISTER\", \"cuuid\": \"%s\", \"encryption\": [%s, 65537]}", A, n);
  nt_expect(&w, a, "{\"method\": \"BYE REGISTER\", \"reason\": \"encryption is not supported\"}");
  assert_int_equal(w.n_connects, 0);
  assert_int_equal(nt_counter(&w, "refused_encryption"), 1);
  nt_inf(&w, a, "{\"method\": \"REGISTER\", \"cuuid\": \"%s\", \"encryption\": null}", A);
  nt_expect(&w, a, OK_REGISTER);
  nt_close(&w);
}

static void test_neteria_ignores_encryption_when_told_to_and_warns(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){.ignore_encryption = true});
  nt_inf(&w, a, "{\"method\": \"REGISTER\", \"cuuid\": \"%s\", \"encryption\": [7, 65537]}", A);
  nt_expect(&w, a, OK_REGISTER);
  assert_int_equal(testing_log_count(&w.log, "encryption_ignored"), 1);
  assert_int_equal(testing_log_last(&w.log, "encryption_ignored")->level, UMP_WARN);
  nt_close(&w);
}

/* ---- limits ---- */

static void test_neteria_limit_is_exact(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){.limit = 2});
  nt_proven(&w, a, A), nt_proven(&w, b, B);
  for (int i = 0; i < 5; i++) {
    nt_inf(&w, c, REGISTER, C);
    nt_expect(&w, c, BYE_FULL);
    nt_pass(&w, 2 * UMP_S);
  }
  nt_expect_nothing(&w);
  assert_int_equal(nt_counter(&w, "refused_full"), 5);
  nt_register(&w, a, A); /* a member is never refused */
  nt_close(&w);
}

static void test_neteria_the_oldest_never_proven_gives_way_after_3_probes(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){.limit = 3});
  uint32_t proven = nt_proven(&w, nt_addr(9, 9), "dbbbc0f4-e591-11f1-aa15-02fc00000004");
  uint32_t old = nt_register(&w, a, A);
  nt_pass(&w, UMP_S);
  uint32_t young = nt_register(&w, b, B);
  nt_inf(&w, c, REGISTER, C);
  nt_expect(&w, a, NT_BRIEF_TEXT), nt_expect(&w, b, NT_BRIEF_TEXT);
  nt_expect(&w, c, BYE_FULL);
  nt_pass(&w, 1499 * UMP_MS);
  nt_forget_sent(&w);
  nt_inf(&w, c, REGISTER, C); /* the third probe has not been unanswered for half a second yet */
  nt_expect(&w, c, BYE_FULL);
  nt_pass(&w, 2 * UMP_MS);
  nt_forget_sent(&w);
  nt_inf(&w, c, REGISTER, C);
  nt_expect(&w, c, OK_REGISTER);
  assert_false(nt_there(&w, old));
  assert_true(nt_there(&w, young));
  assert_true(nt_there(&w, proven));
  assert_int_equal(nt_counter(&w, "gave_way"), 1);
  nt_close(&w);
}

static void test_neteria_who_echoes_the_probe_keeps_its_place(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){.limit = 1});
  uint32_t s = nt_register(&w, a, A);
  nt_inf(&w, c, REGISTER, C);
  nt_ok_event(&w, a, A, nt_expect(&w, a, NT_BRIEF_TEXT));
  nt_expect(&w, c, BYE_FULL);
  for (int i = 0; i < 4; i++) {
    nt_pass(&w, 2 * UMP_S);
    nt_inf(&w, c, REGISTER, C);
    nt_expect(&w, c, BYE_FULL);
  }
  assert_true(nt_there(&w, s));
  nt_close(&w);
}

static void test_neteria_limits_sessions_of_one_address(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){.per_address = 2});
  nt_proven(&w, nt_addr(1, 1), A), nt_proven(&w, nt_addr(1, 2), B);
  nt_inf(&w, nt_addr(1, 3), REGISTER, C);
  nt_expect(&w, nt_addr(1, 3), "{\"method\": \"BYE REGISTER\", \"reason\": \"too many from one address\"}");
  nt_register(&w, nt_addr(2, 3), C);
  nt_close(&w);
}

static void test_neteria_forged_sessions_of_ones_address_give_way(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){.per_address = 2});
  uint32_t other = nt_register(&w, b, B);
  nt_register(&w, nt_addr(1, 1), "forged1"), nt_register(&w, nt_addr(1, 2), "forged2");
  nt_inf(&w, a, REGISTER, A);
  nt_expect(&w, b, NT_BRIEF_TEXT), nt_expect(&w, nt_addr(1, 1), NT_BRIEF_TEXT),
      nt_expect(&w, nt_addr(1, 2), NT_BRIEF_TEXT);
  nt_expect(&w, a, "{\"method\": \"BYE REGISTER\", \"reason\": \"too many from one address\"}");
  nt_pass(&w, 2 * UMP_S);
  nt_forget_sent(&w);
  nt_inf(&w, a, REGISTER, A);
  nt_expect(&w, a, OK_REGISTER);
  assert_true(nt_there(&w, other));
  nt_close(&w);
}

/* hardening T5: forged REGISTERs must not grow memory. (That they keep nobody out: test_neteria_room.c.) */
static void test_neteria_survives_a_flood_of_forged_registers(void **state) {
  struct nt_world w;
  size_t in_use = 0;
  (void)state;
  nt_open(&w, (struct nt_cfg){.limit = 64, .per_address = 1000});
  for (unsigned i = 0; i < 6000; i++) {
    nt_inf(&w, nt_addr(i % 60000, (uint16_t)(1 + i % 7)),
           "{\"method\": \"REGISTER\", \"cuuid\": \"forged-%u................\"}", i);
    nt_pass(&w, UMP_MS);
    if (i == 2000) in_use = w.mem.bytes;
    if (i > 2000) assert_true(w.mem.bytes < in_use + 65536);
    nt_forget_sent(&w);
  }
  nt_close(&w);
}

/* ---- proof, silence, the end ---- */

static void test_neteria_probes_at_30s_and_ends_at_60s(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  uint32_t s = nt_register(&w, a, A);
  nt_pass(&w, 30 * UMP_S - 1);
  nt_expect_nothing(&w);
  nt_pass(&w, 1);
  nt_expect(&w, a, NT_BRIEF_TEXT);
  nt_pass(&w, 30 * UMP_S - 1);
  assert_true(nt_there(&w, s));
  nt_pass(&w, 1);
  assert_false(nt_there(&w, s));
  assert_string_equal(w.last_reason, "never answered");
  nt_forget_sent(&w);
  nt_event(&w, a, A, E1, "\"x\"");
  nt_expect(&w, a, BYE_EVENT);
  nt_close(&w);
}

static void test_neteria_events_alone_prove_nothing(void **state) {
  struct nt_world w;
  char id[64];
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  uint32_t s = nt_register(&w, a, A);
  for (int i = 0; i < 59; i++) {
    snprintf(id, sizeof id, "event-%d", i);
    nt_event(&w, a, A, id, "\"x\"");
    nt_ok_event(&w, a, A, id); /* its own id: anybody could have sent that */
    nt_pass(&w, UMP_S);
  }
  assert_true(nt_there(&w, s));
  nt_pass(&w, UMP_S);
  assert_false(nt_there(&w, s));
  nt_close(&w);
}

static void test_neteria_an_echo_proves_and_idling_ends_nobody(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  uint32_t s = nt_register(&w, a, A);
  nt_pass(&w, 30 * UMP_S);
  nt_ok_event(&w, a, A, nt_expect(&w, a, NT_BRIEF_TEXT));
  assert_true(ump_neteria_credit(w.proto, s) == INT64_MAX);
  for (int i = 0; i < 30; i++) { /* an hour */
    ump_time before = w.now;
    nt_pass(&w, 120 * UMP_S);
    nt_expect_nothing(&w);
    nt_pass(&w, UMP_S);
    nt_ok_event(&w, a, A, nt_expect(&w, a, NT_PROBE_TEXT));
    assert_true(w.sent[w.n_sent - 1].at - before >= 120 * UMP_S);
    nt_expect_nothing(&w);
  }
  assert_true(nt_there(&w, s));
  nt_close(&w);
}

static void test_neteria_any_datagram_puts_the_idle_probe_off(void **state) {
  struct nt_world w;
  char id[64];
  (void)state;
  nt_open(&w, (struct nt_cfg){.hold_ms = -1});
  nt_proven(&w, a, A);
  for (int i = 0; i < 100; i++) {
    snprintf(id, sizeof id, "%d", i);
    nt_event(&w, a, A, id, "\"x\""), nt_ok_event(&w, a, A, id);
    nt_pass(&w, 7 * UMP_S);
  }
  assert_int_equal(nt_counter(&w, "probes"), 1); /* that of nt_proven */
  nt_close(&w);
}

static void test_neteria_a_proven_client_that_is_dead_goes_after_its_probe_failed(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  uint32_t s = nt_proven(&w, a, A);
  nt_pass(&w, 121 * UMP_S + 2500 * UMP_MS); /* 5 transmissions, half a second apart, and the last one unanswered */
  assert_int_equal(nt_counter(&w, "silent"), 1);
  nt_pass(&w, 30 * UMP_S - 1);
  assert_true(nt_there(&w, s));
  nt_pass(&w, 1);
  assert_false(nt_there(&w, s));
  assert_string_equal(w.last_reason, "timed out");
  assert_int_equal(nt_counter(&w, "probes"), 1 + 10); /* with that of nt_proven */
  nt_close(&w);
}

static void test_neteria_5_unanswered_notifies_make_silent(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  uint32_t s = nt_proven(&w, a, A);
  nt_pass(&w, UMP_MS);
  assert_int_equal(nt_notify(&w, s, "2"), 0);
  nt_pass(&w, 10 * UMP_S - 1);
  assert_int_equal(nt_notify(&w, s, "3"), 0);
  nt_pass(&w, 1);
  assert_int_equal(nt_counter(&w, "silent"), 1);
  assert_int_equal(nt_notify(&w, s, "4"), UMP_EGONE);
  assert_int_equal(ump_neteria.room(w.proto, s), 0);
  nt_forget_sent(&w);
  nt_event(&w, a, A, E1, "\"x\""); /* judged as ever, and alive again */
  nt_pass(&w, UMP_MS);
  nt_expect(&w, a, LEGAL1);
  assert_int_equal(nt_notify(&w, s, "4"), 0);
  nt_close(&w);
}

/* Who only listens has nothing to say by itself, and is sent nothing new: it would be gone without having been asked.
 */
static void test_neteria_a_silent_listener_is_asked_and_stays(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  uint32_t s = nt_proven(&w, a, A);
  nt_pass(&w, UMP_MS);
  assert_int_equal(nt_notify(&w, s, "2"), 0);
  nt_pass(&w, 10 * UMP_S); /* all five lost, or all five confirmations */
  assert_int_equal(nt_counter(&w, "silent"), 1);
  nt_pass(&w, 4 * UMP_S); /* so were the first probes */
  nt_forget_sent(&w);
  nt_pass(&w, 500 * UMP_MS);
  nt_ok_event(&w, a, A, nt_expect(&w, a, NT_PROBE_TEXT));
  nt_pass(&w, 100 * UMP_S);
  nt_expect_nothing(&w);
  assert_true(nt_there(&w, s));
  assert_int_equal(nt_notify(&w, s, "3"), 0);
  nt_close(&w);
}

static void test_neteria_unanswered_verdicts_are_no_sign_of_death(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  uint32_t s = nt_proven(&w, a, A);
  nt_event(&w, a, A, E1, "\"bad\"");
  nt_pass(&w, 100 * UMP_S);
  assert_int_equal(nt_counter(&w, "verdicts_unconfirmed"), 1);
  assert_int_equal(nt_counter(&w, "silent"), 0);
  assert_true(nt_there(&w, s));
  nt_close(&w);
}

/* ---- gone, and back ---- */

static uint32_t judge_and_kick(struct nt_world *w) {
  uint32_t s = nt_register(w, a, A);
  nt_event(w, a, A, E1, "\"x\"");
  nt_pass(w, UMP_MS);
  nt_kick(w, s);
  nt_forget_sent(w);
  return s;
}

static void test_neteria_returning_within_300s_finds_its_verdicts(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  judge_and_kick(&w);
  nt_event(&w, a, A, E1, "\"x\"");
  nt_expect(&w, a, BYE_EVENT);
  nt_pass(&w, 299 * UMP_S);
  w.refuse = "not yet"; /* a refusal in between forgets nothing */
  nt_inf(&w, a, REGISTER, A);
  nt_expect(&w, a, "{\"method\": \"BYE REGISTER\", \"reason\": \"not yet\"}");
  w.refuse = NULL;
  nt_register(&w, a, A);
  assert_int_equal(w.last_again, 1);
  nt_event(&w, a, A, E1, "\"x\"");
  nt_expect(&w, a, LEGAL1); /* a copy: at once */
  assert_int_equal(nt_executions(&w, E1), 1);
  nt_close(&w);
}

static void test_neteria_returning_later_or_from_elsewhere_is_a_newcomer(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  judge_and_kick(&w);
  uint32_t s = nt_register(&w, b, A); /* another IP: not its heir, and takes nothing from it */
  assert_int_equal(w.last_again, 0);
  nt_kick(&w, s);
  s = nt_register(&w, nt_addr(1, 50001), A); /* NAT may have changed the port */
  assert_int_equal(w.last_again, 1);
  nt_kick(&w, s);
  nt_pass(&w, 300 * UMP_S);
  nt_register(&w, a, A);
  assert_int_equal(w.last_again, 0);
  nt_close(&w);
}

static void test_neteria_remembers_a_bounded_number_of_those_gone(void **state) {
  struct nt_world w;
  char cuuid[32];
  (void)state;
  nt_open(&w, (struct nt_cfg){.limit = 2});
  for (unsigned i = 0; i < 100; i++) {
    snprintf(cuuid, sizeof cuuid, "c%u", i);
    uint32_t s = nt_register(&w, nt_addr(i, 1), cuuid);
    nt_event(&w, nt_addr(i, 1), cuuid, E1, "\"x\"");
    nt_kick(&w, s);
    nt_forget_sent(&w);
  }
  assert_int_equal(nt_counter(&w, "ghosts_forgotten"), 92);
  nt_pass(&w, 300 * UMP_S);
  nt_close(&w);
}

static void test_neteria_a_verdict_that_was_held_outlives_a_kick(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  uint32_t s = nt_register(&w, a, A);
  nt_event(&w, a, A, E1, "\"x\"");
  nt_kick(&w, s);
  nt_expect_nothing(&w);
  nt_pass(&w, UMP_MS);
  nt_expect(&w, a, LEGAL1);
  nt_pass(&w, 20 * UMP_S);
  nt_expect_nothing(&w);
  nt_close(&w);
}

static void test_neteria_bye_event_is_not_longer_than_the_event(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  nt_event(&w, a, A, E1, "\"x\"");
  nt_expect(&w, a, BYE_EVENT);
  nt_in(&w, a, "{\"method\":\"EVENT\",\"cuuid\":\"a\",\"euuid\":\"b\",\"event_data\":1}");
  nt_expect(&w, a, BYE_EVENT);
  nt_in(&w, a, "{\"method\":\"AUTH\",\"cuuid\":\"a\",\"euuid\":\"b\",\"event_data\":{}}");
  nt_expect(&w, a, BYE_EVENT);
  nt_in(&w, a, "{\"method\":\"OK EVENT\",\"cuuid\":\"a\",\"euuid\":\"b\"}");
  nt_in(&w, a, "{\"method\":\"OK NOTIFY\",\"cuuid\":\"a\",\"euuid\":\"b\"}");
  nt_expect_nothing(&w);
  nt_close(&w);
}

static void test_neteria_a_session_is_small(void **state) {
  struct nt_world w;
  char cuuid[64];
  (void)state;
  nt_open(&w, (struct nt_cfg){.limit = 4096});
  nt_register(&w, nt_addr(60000, 1), "first");
  size_t before = w.mem.bytes;
  for (unsigned i = 0; i < 2000; i++) {
    snprintf(cuuid, sizeof cuuid, "%08x-e591-11f1-aa15-02fc00000001", i);
    nt_register(&w, nt_addr(i, 50000), cuuid);
    nt_forget_sent(&w);
  }
  size_t each = (w.mem.bytes - before) / 2000;
  print_message("# %zu bytes for each idle session\n", each);
  assert_true(each < 400);
  nt_close(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_neteria_answers_ohai),
      cmocka_unit_test(test_neteria_ohai_without_name_says_null),
      cmocka_unit_test(test_neteria_ohai_answer_is_never_longer_than_its_request),
      cmocka_unit_test(test_neteria_hides_when_not_discoverable),
      cmocka_unit_test(test_neteria_admits_the_versions_it_was_told),
      cmocka_unit_test(test_neteria_registers),
      cmocka_unit_test(test_neteria_registers_again_and_loses_nothing),
      cmocka_unit_test(test_neteria_tells_the_reason_of_a_refusal_each_time),
      cmocka_unit_test(test_neteria_refuses_encryption),
      cmocka_unit_test(test_neteria_ignores_encryption_when_told_to_and_warns),
      cmocka_unit_test(test_neteria_limit_is_exact),
      cmocka_unit_test(test_neteria_the_oldest_never_proven_gives_way_after_3_probes),
      cmocka_unit_test(test_neteria_who_echoes_the_probe_keeps_its_place),
      cmocka_unit_test(test_neteria_limits_sessions_of_one_address),
      cmocka_unit_test(test_neteria_forged_sessions_of_ones_address_give_way),
      cmocka_unit_test(test_neteria_survives_a_flood_of_forged_registers),
      cmocka_unit_test(test_neteria_probes_at_30s_and_ends_at_60s),
      cmocka_unit_test(test_neteria_events_alone_prove_nothing),
      cmocka_unit_test(test_neteria_an_echo_proves_and_idling_ends_nobody),
      cmocka_unit_test(test_neteria_any_datagram_puts_the_idle_probe_off),
      cmocka_unit_test(test_neteria_a_proven_client_that_is_dead_goes_after_its_probe_failed),
      cmocka_unit_test(test_neteria_5_unanswered_notifies_make_silent),
      cmocka_unit_test(test_neteria_a_silent_listener_is_asked_and_stays),
      cmocka_unit_test(test_neteria_unanswered_verdicts_are_no_sign_of_death),
      cmocka_unit_test(test_neteria_returning_within_300s_finds_its_verdicts),
      cmocka_unit_test(test_neteria_returning_later_or_from_elsewhere_is_a_newcomer),
      cmocka_unit_test(test_neteria_remembers_a_bounded_number_of_those_gone),
      cmocka_unit_test(test_neteria_a_verdict_that_was_held_outlives_a_kick),
      cmocka_unit_test(test_neteria_bye_event_is_not_longer_than_the_event),
      cmocka_unit_test(test_neteria_a_session_is_small),
  };
  return cmocka_run_group_tests(tests, addresses, NULL);
}
