/* Neteria, room for newcomers: wire section 4 and E7, hardening T5. Forged REGISTERs are not answered from where they
 * seem to come; real clients echo the probes that they are sent. */
#include "nt_world.h"
#include "proto/neteria/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REGISTER    "{\"method\": \"REGISTER\", \"cuuid\": \"%s\"}"
#define OK_REGISTER "{\"method\": \"OK REGISTER\"}"
#define FULL        "{\"method\": \"BYE REGISTER\", \"reason\": \"server full\"}"

/* The id of a challenge or probe; valid until the next one is asked for. */
static const char *probed(const struct nt_sent *s) {
  static char id[64];
  static const char *const heads[] = {"{\"method\":\"LEGAL\",\"euuid\":\"", "{\"method\": \"LEGAL\", \"euuid\": \""};
  for (int i = 0; i < 2; i++) {
    if (strncmp(s->text, heads[i], strlen(heads[i]))) continue;
    const char *from = s->text + strlen(heads[i]), *end = strchr(from, '"');
    snprintf(id, sizeof id, "%.*s", (int)(end - from), from);
    return id;
  }
  return NULL;
}

/* Everything that was sent to a real client is answered as it does, until nothing more comes of it. True: OK REGISTER
 * came. */
static bool answer(struct nt_world *w, struct ump_addr who, const char *cuuid) {
  const struct nt_sent *s;
  bool in = false;
  while ((s = nt_take(w))) {
    if (!ump_addr_equal(&s->to, &who)) continue;
    if (!strcmp(s->text, OK_REGISTER))
      in = true;
    else if (probed(s))
      nt_ok_event(w, who, cuuid, probed(s));
  }
  nt_forget_sent(w);
  return in;
}

static void forge(struct nt_world *w, unsigned i) {
  nt_inf(w, nt_addr(1000 + i % 60000, (uint16_t)(1 + i % 7)),
         "{\"method\": \"REGISTER\", \"cuuid\": \"forged-%u..............................\"}", i);
}

/* Fills a server with forged registrations that have had the time to become ripe. */
static void fill(struct nt_world *w, unsigned n) {
  for (unsigned i = 0; i <= n; i++) forge(w, i);
  nt_pass(w, 2 * UMP_S);
  nt_forget_sent(w);
}

static void test_neteria_who_echoes_a_challenge_gets_a_place_at_once(void **state) {
  struct nt_world w;
  struct ump_addr a = nt_addr(1, 50000), b = nt_addr(2, 50000);
  (void)state;
  nt_open(&w, (struct nt_cfg){.limit = 50, .hold_ms = -1});
  fill(&w, 50);
  nt_inf(&w, a, REGISTER, "a"); /* the first place is for anybody */
  nt_expect(&w, a, OK_REGISTER);
  nt_expect(&w, a, NT_BRIEF_TEXT);
  nt_inf(&w, b, REGISTER, "bbbbc0f4-e591-11f1-aa15-02fc00000002");
  nt_expect(&w, b, FULL);
  const char *id = probed(nt_take(&w));
  assert_int_equal(strlen(id), 10);
  nt_expect_nothing(&w);
  size_t load = ump_neteria.load(w.proto);
  nt_ok_event(&w, b, "bbbbc0f4-e591-11f1-aa15-02fc00000002", id);
  nt_expect(&w, b, OK_REGISTER);
  assert_true(ump_neteria_credit(w.proto, w.last_session) == INT64_MAX);
  assert_true(ump_neteria.load(w.proto) <= load); /* a session for a session and its probe */
  nt_event(&w, b, "bbbbc0f4-e591-11f1-aa15-02fc00000002", "e", "1");
  nt_expect(&w, b, "{\"method\": \"LEGAL\", \"euuid\": \"e\", \"priority\": \"normal\"}");
  assert_int_equal(nt_counter(&w, "gave_way"), 2);
  nt_close(&w);
}

static void test_neteria_a_challenge_is_for_one_cuuid_at_one_address_for_a_while(void **state) {
  struct nt_world w;
  struct ump_addr a = nt_addr(1, 50000), b = nt_addr(2, 50000);
  char id[16];
  (void)state;
  for (int late = 0; late < 2; late++) {
    nt_open(&w, (struct nt_cfg){.limit = 50});
    fill(&w, 50);
    nt_inf(&w, a, REGISTER, "a");
    nt_forget_sent(&w);
    nt_inf(&w, b, REGISTER, "bbbbbbbb-e591-11f1-aa15-02fc00000002");
    nt_expect(&w, b, FULL);
    snprintf(id, sizeof id, "%s", probed(nt_take(&w)));
    size_t connects = w.n_connects;
    nt_ok_event(&w, b, "bbbbbbbc-e591-11f1-aa15-02fc00000002", id);
    nt_ok_event(&w, nt_addr(2, 50001), "bbbbbbbb-e591-11f1-aa15-02fc00000002", id);
    nt_ok_event(&w, nt_addr(3, 50000), "bbbbbbbb-e591-11f1-aa15-02fc00000002", id);
    nt_ok_notify(&w, b, "bbbbbbbb-e591-11f1-aa15-02fc00000002", id);
    id[9] ^= 1;
    nt_ok_event(&w, b, "bbbbbbbb-e591-11f1-aa15-02fc00000002", id);
    id[9] ^= 1;
    assert_int_equal(w.n_connects, connects);
    nt_pass(&w, late ? 16 * UMP_S : 8 * UMP_S); /* through this span of 8 s and the next */
    nt_ok_event(&w, b, "bbbbbbbb-e591-11f1-aa15-02fc00000002", id);
    assert_int_equal(w.n_connects, late ? connects : connects + 1);
    nt_close(&w);
  }
}

/* Nobody could give way: a challenge would be for nothing. And what is sent stays within three times what came. */
static void test_neteria_no_challenge_when_nobody_could_give_way(void **state) {
  struct nt_world w;
  struct ump_addr a = nt_addr(1, 50000), b = nt_addr(2, 50000);
  (void)state;
  nt_open(&w, (struct nt_cfg){.limit = 1});
  nt_proven(&w, a, "a");
  for (int i = 0; i < 10; i++) {
    nt_inf(&w, b, REGISTER, "bbbbbbbb-e591-11f1-aa15-02fc00000002");
    nt_expect(&w, b, FULL);
    nt_expect_nothing(&w);
    nt_pass(&w, UMP_S);
  }
  assert_int_equal(nt_counter(&w, "challenges"), 0);
  nt_close(&w);
}

/* Another one would be echoed, too, and so on. */
static void test_neteria_an_echo_that_finds_no_place_is_not_answered(void **state) {
  struct nt_world w;
  struct ump_addr b = nt_addr(2, 50000), c = nt_addr(3, 50000);
  char id_b[16], id_c[16];
  (void)state;
  nt_open(&w, (struct nt_cfg){.limit = 2});
  fill(&w, 2);
  forge(&w, 3); /* one of them gives way */
  nt_forget_sent(&w);
  nt_inf(&w, b, REGISTER, "bbbbbbbb-e591-11f1-aa15-02fc00000002");
  nt_expect(&w, b, FULL), snprintf(id_b, sizeof id_b, "%s", probed(nt_take(&w)));
  nt_inf(&w, c, REGISTER, "cccccccc-e591-11f1-aa15-02fc00000003");
  nt_expect(&w, c, FULL), snprintf(id_c, sizeof id_c, "%s", probed(nt_take(&w)));
  nt_ok_event(&w, b, "bbbbbbbb-e591-11f1-aa15-02fc00000002", id_b);
  nt_expect(&w, b, OK_REGISTER);
  nt_ok_event(&w, c, "cccccccc-e591-11f1-aa15-02fc00000003", id_c);
  nt_expect_nothing(&w);
  nt_close(&w);
}

static void test_neteria_challenges_are_within_three_times_the_request(void **state) {
  struct nt_world w;
  struct ump_addr b = nt_addr(2, 50000);
  size_t in = 0, out = 0;
  (void)state;
  nt_open(&w, (struct nt_cfg){.limit = 50});
  fill(&w, 50);
  forge(&w, 51);
  nt_forget_sent(&w);
  for (int i = 0; i < 100; i++) {
    nt_inf(&w, b, "{\"method\":\"REGISTER\",\"cuuid\":\"%d\"}", i);
    in += strlen("{\"method\":\"REGISTER\",\"cuuid\":\"\"}") + (i < 10 ? 1 : 2);
  }
  nt_pass(&w, 70 * UMP_S);
  for (size_t i = 0; i < w.n_sent; i++) out += ump_addr_equal(&w.sent[i].to, &b) ? w.sent[i].n : 0;
  assert_true(nt_counter(&w, "challenges") > 90);
  assert_true(out <= 3 * in);
  nt_close(&w);
}

/* 5000 forged REGISTERs a second keep nobody out, and cost no memory. */
static void test_neteria_real_clients_get_in_through_a_flood_of_forged_ones(void **state) {
  enum { REAL = 50 };
  struct nt_world w;
  bool in[REAL] = {false};
  char cuuid[64];
  ump_time worst = 0;
  size_t joined = 0, bytes = 0;
  (void)state;
  nt_open(&w, (struct nt_cfg){.limit = 256, .per_address = 64});
  for (unsigned i = 0; i < 20000; i++) { /* 4 s before they come: places are taken, and are ripe */
    forge(&w, i);
    nt_pass(&w, 200 * UMP_US);
    nt_forget_sent(&w);
  }
  bytes = w.mem.bytes;
  for (unsigned i = 0; i < 50000 && joined < REAL; i++) {
    unsigned k = i / 100 % REAL; /* each asks once a second, one after another */
    forge(&w, 20000 + i);
    nt_pass(&w, 200 * UMP_US);
    nt_forget_sent(&w);
    snprintf(cuuid, sizeof cuuid, "%08u-e591-11f1-aa15-02fc00000001", k);
    if (i % 100 || in[k]) continue;
    nt_inf(&w, nt_addr(k, 50000), REGISTER, cuuid);
    in[k] = answer(&w, nt_addr(k, 50000), cuuid);
    joined += in[k];
    if (in[k]) worst = i / 5000 * UMP_S;
  }
  print_message("# %zu of %d in, %llu of them by a challenge; nobody asked more than %lld times\n", joined, REAL,
                (unsigned long long)nt_counter(&w, "challenge_echoes"), (long long)(worst / UMP_S) + 1);
  assert_int_equal(joined, REAL);
  assert_true(worst <= UMP_S);
  assert_true(w.mem.bytes < bytes + 65536);
  assert_true(nt_counter(&w, "challenge_echoes") >= REAL / 2);
  nt_close(&w);
}

/* One's own address full of forgeries. */
static void test_neteria_one_s_own_address_is_taken_back(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){.per_address = 8});
  for (int i = 0; i < 9; i++)
    nt_inf(&w, nt_addr(1, (uint16_t)(100 + i)),
           "{\"method\": \"REGISTER\", \"cuuid\": \"forged-%d..........................\"}", i);
  nt_pass(&w, 2 * UMP_S);
  nt_forget_sent(&w);
  for (uint16_t i = 0; i < 8; i++) {
    char cuuid[64];
    snprintf(cuuid, sizeof cuuid, "%08u-e591-11f1-aa15-02fc00000001", i);
    nt_inf(&w, nt_addr(1, (uint16_t)(50000 + i)), REGISTER, cuuid);
    assert_true(answer(&w, nt_addr(1, (uint16_t)(50000 + i)), cuuid));
  }
  nt_inf(&w, nt_addr(1, 51000), REGISTER, "one too many for this address.........");
  nt_expect(&w, nt_addr(1, 51000), "{\"method\": \"BYE REGISTER\", \"reason\": \"too many from one address\"}");
  nt_close(&w);
}

/* 10,000 clients behind one address: as many as it may have, and nobody else is hurt. */
static void test_neteria_ten_thousand_from_one_address(void **state) {
  struct nt_world w;
  size_t bytes = 0;
  (void)state;
  nt_open(&w, (struct nt_cfg){.limit = 4096, .per_address = 64});
  for (unsigned i = 0; i < 10000; i++) {
    char cuuid[64];
    snprintf(cuuid, sizeof cuuid, "%08u-e591-11f1-aa15-02fc00000001", i);
    nt_inf(&w, nt_addr(1, (uint16_t)(20000 + i)), REGISTER, cuuid);
    nt_pass(&w, 100 * UMP_US);
    nt_forget_sent(&w);
    if (i == 100) bytes = w.mem.bytes;
  }
  assert_true(w.n_connects - w.n_disconnects == 64);
  assert_true(w.mem.bytes < bytes + 65536);
  nt_register(&w, nt_addr(2, 1), "somebody else");
  nt_pass(&w, 70 * UMP_S);
  assert_int_equal(w.n_connects, w.n_disconnects); /* nobody ever answered */
  assert_int_equal(ump_neteria.load(w.proto), 0);
  nt_close(&w);
}

/* A host that slept for a day: nothing is sent in bursts, and who is still there stays. */
static void test_neteria_a_day_s_sleep_ends_nobody_who_is_there(void **state) {
  struct nt_world w;
  struct ump_addr a = nt_addr(1, 50000), dead = nt_addr(2, 50000);
  static const char A[] = "abbbc0f4-e591-11f1-aa15-02fc00000001";
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  uint32_t s = nt_proven(&w, a, A), gone = nt_proven(&w, dead, "bbbbc0f4-e591-11f1-aa15-02fc00000002");
  for (int i = 0; i < 10; i++) nt_notify(&w, s, "1"), nt_notify(&w, gone, "1");
  nt_event(&w, a, A, "e", "\"x\"");
  nt_forget_sent(&w);
  w.now += 24 * 3600 * UMP_S; /* without a stop at any deadline */
  nt_pass(&w, 0);
  assert_true(w.n_sent <= 2 * 10 + 2 + 2); /* one repeat each, and a probe each for having been idle */
  assert_true(nt_there(&w, s));
  for (int i = 0; i < 200; i++) {
    answer(&w, a, A);
    nt_pass(&w, 500 * UMP_MS);
  }
  assert_true(nt_there(&w, s));
  assert_false(nt_there(&w, gone));
  nt_event(&w, a, A, "e", "\"x\"");
  assert_int_equal(nt_executions(&w, "e"), 1);
  nt_close(&w);
}

/* An event that a forged address sends; judged or not, nothing is answered here. Returns whether the engine was asked.
 */
static bool forged_event(struct nt_world *w, unsigned i) {
  struct ump_addr from = nt_addr(1000 + i % 50, 1);
  struct ump_event ev;
  char text[160];
  bool asked = false;
  int n = snprintf(text, sizeof text,
                   "{\"method\":\"EVENT\",\"cuuid\":\"forged-%u\",\"euuid\":\"%u\",\"event_data\":1}", i % 50, i);
  ump_neteria.recv(w->proto, &from, ump_bytes(text, (size_t)n), w->now);
  while (ump_neteria.next(w->proto, &ev, w->now)) asked = true;
  return asked;
}

/* The engine remembers judged events for 300 s, in memory that is everybody's. */
static void test_neteria_forged_events_leave_the_window_to_the_real(void **state) {
  struct nt_world w;
  struct ump_addr a = nt_addr(1, 50000);
  char text[128];
  size_t asked = 0;
  (void)state;
  nt_open(&w, (struct nt_cfg){.hold_ms = -1});
  for (unsigned i = 0; i < 49; i++)
    nt_inf(&w, nt_addr(1000 + i, 1), "{\"method\":\"REGISTER\",\"cuuid\":\"forged-%u\"}", i);
  nt_forget_sent(&w);
  ((struct ump_neteria *)w.proto)->strange_due =
      w.now + NT_STRANGE_AHEAD - 10000 * NT_STRANGE; /* 2,990,000 came before */
  for (unsigned i = 0; i < 50000; i++) {
    asked += i % 50 < 49 && forged_event(&w, i);
    w.now += 10 * UMP_US;
  }
  print_message("# %zu of the next 49000 forged events, in half a second, were judged\n", asked);
  assert_true(asked >= 10000 && asked <= 10000 + 2501);
  snprintf(text, sizeof text, REGISTER, "abbbc0f4-e591-11f1-aa15-02fc00000001");
  nt_in(&w, a, text);
  nt_forget_sent(&w);
  forged_event(&w, 0);
  nt_event(&w, a, "abbbc0f4-e591-11f1-aa15-02fc00000001", "mine",
           "1"); /* not now, but it is asked whether it is there */
  assert_int_equal(nt_executions(&w, "mine"), 0);
  answer(&w, a, "abbbc0f4-e591-11f1-aa15-02fc00000001");
  nt_event(&w, a, "abbbc0f4-e591-11f1-aa15-02fc00000001", "mine", "1"); /* its repeat */
  assert_int_equal(nt_executions(&w, "mine"), 1);
  nt_pass(&w, 70 * UMP_S);
  assert_true(forged_event(&w, 0) == false); /* they are gone */
  nt_close(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_neteria_who_echoes_a_challenge_gets_a_place_at_once),
      cmocka_unit_test(test_neteria_a_challenge_is_for_one_cuuid_at_one_address_for_a_while),
      cmocka_unit_test(test_neteria_no_challenge_when_nobody_could_give_way),
      cmocka_unit_test(test_neteria_an_echo_that_finds_no_place_is_not_answered),
      cmocka_unit_test(test_neteria_challenges_are_within_three_times_the_request),
      cmocka_unit_test(test_neteria_real_clients_get_in_through_a_flood_of_forged_ones),
      cmocka_unit_test(test_neteria_one_s_own_address_is_taken_back),
      cmocka_unit_test(test_neteria_ten_thousand_from_one_address),
      cmocka_unit_test(test_neteria_forged_events_leave_the_window_to_the_real),
      cmocka_unit_test(test_neteria_a_day_s_sleep_ends_nobody_who_is_there),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
