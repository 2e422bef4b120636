/* Neteria, a cuuid seen from another address: NAT, or a thief. Wire section 4. */
#include "nt_world.h"

#include <stdio.h>
#include <string.h>

#define A         "abbbc0f4-e591-11f1-aa15-02fc00000001"
#define REGISTER  "{\"method\": \"REGISTER\", \"cuuid\": \"%s\"}"
#define IN_USE    "{\"method\": \"BYE REGISTER\", \"reason\": \"cuuid in use\"}"
#define BYE_EVENT "{\"method\": \"BYE EVENT\", \"data\": \"Not registered\"}"

static struct ump_addr old, near, far;

static int addresses(void **state) {
  (void)state;
  old = nt_addr(1, 50000), near = nt_addr(1, 50001), far = nt_addr(2, 50000);
  return 0;
}

/* The id of the last probe that went there; NULL: none. */
static const char *probe_to(struct nt_world *w, struct ump_addr to) {
  static char id[37];
  id[0] = 0;
  for (size_t i = 0; i < w->n_sent; i++) {
    static const char head[] = "{\"method\": \"LEGAL\", \"euuid\": \"";
    if (!ump_addr_equal(&w->sent[i].to, &to) || strncmp(w->sent[i].text, head, sizeof head - 1)) continue;
    memcpy(id, w->sent[i].text + sizeof head - 1, 36);
  }
  return id[0] ? id : NULL;
}

static size_t sent_to(struct nt_world *w, struct ump_addr to, const char *word) {
  size_t n = 0;
  for (size_t i = 0; i < w->n_sent; i++) n += ump_addr_equal(&w->sent[i].to, &to) && strstr(w->sent[i].text, word);
  return n;
}

/* The application goes on from the new place: the real client's repeats, every 2 s. Returns after how long the verdict
 * came. */
static ump_time until_judged(struct nt_world *w, struct ump_addr from, bool echo, ump_time most) {
  ump_time start = w->now;
  for (int i = 0; w->now - start < most; i++) {
    char verdict[128];
    if (i % 4 == 0) nt_event(w, from, A, "e-after-move", "\"step\"");
    nt_pass(w, 2 * UMP_MS);
    snprintf(verdict, sizeof verdict, "e-after-move");
    if (sent_to(w, from, verdict)) return w->now - start;
    if (echo && probe_to(w, from)) nt_ok_event(w, from, A, probe_to(w, from));
    nt_pass(w, 498 * UMP_MS);
  }
  return UMP_NEVER;
}

static void test_neteria_nat_changes_the_port_and_the_session_moves_after_3s(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  uint32_t s = nt_proven(&w, old, A);
  nt_forget_sent(&w);
  ump_time t = until_judged(&w, near, true, 20 * UMP_S);
  assert_true(t > 3 * UMP_S && t < 5 * UMP_S);
  assert_int_equal(w.n_logouts, 1); /* what it had logged in as is void */
  assert_int_equal(w.n_connects, 1);
  assert_true(sent_to(&w, old, "LEGAL") >= 3);
  assert_true(sent_to(&w, near, "BYE EVENT") >= 1);
  assert_true(nt_there(&w, s));
  nt_forget_sent(&w);
  assert_int_equal(nt_notify(&w, s, "2"), 0);
  assert_int_equal(sent_to(&w, near, "NOTIFY"), 1);
  nt_close(&w);
}

static void test_neteria_another_ip_takes_10s(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  nt_proven(&w, old, A);
  nt_forget_sent(&w);
  ump_time t = until_judged(&w, far, true, 30 * UMP_S);
  assert_true(t >= 10 * UMP_S && t < 12100 * UMP_MS);
  assert_int_equal(nt_counter(&w, "moved"), 1);
  assert_true(sent_to(&w, old, "LEGAL") == 10); /* at most */
  nt_close(&w);
}

static void test_neteria_a_thief_gets_nothing_while_the_owner_lives(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  nt_proven(&w, old, A);
  for (int i = 0; i < 60; i++) {
    nt_forget_sent(&w);
    nt_inf(&w, i % 2 ? near : far, REGISTER, A);
    assert_true(sent_to(&w, i % 2 ? near : far, "cuuid in use") == 1);
    nt_pass(&w, UMP_MS);
    if (probe_to(&w, near)) nt_ok_event(&w, near, A, probe_to(&w, near));
    if (probe_to(&w, far)) nt_ok_event(&w, far, A, probe_to(&w, far));
    if (probe_to(&w, old)) nt_ok_event(&w, old, A, probe_to(&w, old)); /* the real client does that by itself */
    nt_pass(&w, 500 * UMP_MS);
  }
  assert_int_equal(nt_counter(&w, "moved"), 0);
  assert_int_equal(w.n_logouts, 0);
  nt_close(&w);
}

static void test_neteria_a_move_needs_the_echo_of_the_new_address(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  nt_proven(&w, old, A);
  nt_forget_sent(&w);
  assert_true(until_judged(&w, near, false, 30 * UMP_S) == UMP_NEVER);
  assert_int_equal(nt_counter(&w, "moved"), 0);
  /* ... and a guess is none, nor is the id that the old address was asked with */
  nt_ok_event(&w, near, A, "56c238c0-5237-4878-8d72-4b18eb6b5f1c");
  nt_ok_event(&w, near, A, probe_to(&w, old));
  nt_pass(&w, 10 * UMP_S);
  assert_int_equal(nt_counter(&w, "moved"), 0);
  nt_close(&w);
}

static void test_neteria_an_echo_alone_is_too_soon(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  nt_proven(&w, old, A);
  nt_forget_sent(&w);
  nt_event(&w, near, A, "e", "\"x\"");
  nt_ok_event(&w, near, A, probe_to(&w, near));
  nt_pass(&w, 2999 * UMP_MS);
  assert_int_equal(nt_counter(&w, "moved"), 0);
  nt_event(&w, old, A, "e", "\"x\""); /* the owner speaks in the last moment */
  nt_pass(&w, 10 * UMP_S);
  assert_int_equal(nt_counter(&w, "moved"), 0);
  nt_close(&w);
}

static void test_neteria_what_waits_goes_to_the_new_address(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  uint32_t s = nt_proven(&w, old, A);
  nt_pass(&w, UMP_S);
  nt_forget_sent(&w);
  assert_int_equal(nt_notify(&w, s, "2"), 0);
  until_judged(&w, near, true, 5 * UMP_S);
  nt_pass(&w, 2 * UMP_S);
  assert_true(sent_to(&w, near, "\"NOTIFY\"") >= 1);
  nt_close(&w);
}

static void test_neteria_a_move_obeys_the_limit_of_its_new_address(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){.per_address = 1});
  nt_proven(&w, far, "cbbbc0f4-e591-11f1-aa15-02fc00000003");
  nt_proven(&w, old, A);
  nt_forget_sent(&w);
  assert_true(until_judged(&w, nt_addr(2, 50007), true, 14 * UMP_S) == UMP_NEVER);
  nt_pass(&w, 12 * UMP_S);
  assert_true(until_judged(&w, near, true, 14 * UMP_S) < 5 * UMP_S); /* its own address: the one place is its own */
  nt_close(&w);
}

static void test_neteria_both_addresses_are_answered_within_their_means(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  nt_proven(&w, old, A);
  nt_forget_sent(&w);
  nt_inf(&w, far, REGISTER, A); /* forged: its victim gets at most three times as much */
  nt_pass(&w, 20 * UMP_S);
  size_t bytes = 0, in = strlen(REGISTER) - 2 + strlen(A);
  for (size_t i = 0; i < w.n_sent; i++) bytes += ump_addr_equal(&w.sent[i].to, &far) ? w.sent[i].n : 0;
  assert_true(bytes > 0 && bytes <= 3 * in);
  nt_close(&w);
}

/* Echoes everything that went there, as a client does for what it does not know. */
static void echo_all(struct nt_world *w, struct ump_addr who) {
  const struct nt_sent *s;
  while ((s = nt_take(w))) {
    char id[64];
    const char *brief = strstr(s->text, "\"LEGAL\",\"euuid\":\""), *full = strstr(s->text, "\"LEGAL\", \"euuid\": \"");
    if (!ump_addr_equal(&s->to, &who) || !(brief || full)) continue;
    const char *from = brief ? brief + 17 : full + 19;
    snprintf(id, sizeof id, "%.*s", (int)strcspn(from, "\""), from);
    nt_ok_event(w, who, A, id);
  }
}

/* Forged claims from everywhere, ten a second, cannot be echoed, so they do not stand in the way of one that is. */
static void test_neteria_forged_claims_do_not_keep_the_owner_out(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  nt_proven(&w, old, A);
  ump_time start = w.now;
  for (unsigned i = 0; i < 200 && !nt_counter(&w, "moved"); i++) {
    nt_event(&w, nt_addr(3 + i % 50, (uint16_t)(1 + i)), A, "forged", "1");
    nt_forget_sent(&w);
    if (i % 20 == 10) nt_event(&w, near, A, "mine", "\"step\""); /* every 2 s, as the real client repeats */
    echo_all(&w, near);
    nt_pass(&w, 100 * UMP_MS);
    echo_all(&w, near);
  }
  print_message("# moved after %lld ms\n", (long long)((w.now - start) / UMP_MS));
  assert_int_equal(nt_counter(&w, "moved"), 1);
  assert_true(w.now - start <= 6 * UMP_S);
  assert_int_equal(w.n_logouts, 1);
  nt_forget_sent(&w);
  nt_event(&w, near, A, "mine", "\"step\"");
  nt_pass(&w, UMP_MS);
  assert_int_equal(nt_executions(&w, "mine"), 1);
  nt_close(&w);
}

/* Somebody elsewhere who echoes does not win the race against the owner behind his NAT. */
static void test_neteria_a_changed_port_goes_before_another_place(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  nt_proven(&w, old, A);
  nt_forget_sent(&w);
  nt_event(&w, far, A, "thief", "1");
  nt_ok_event(&w, far, A, probe_to(&w, far));
  nt_pass(&w, 5 * UMP_S);
  nt_forget_sent(&w);
  nt_event(&w, near, A, "mine", "1");
  echo_all(&w, near);
  nt_pass(&w, 3 * UMP_S);
  nt_forget_sent(&w);
  nt_event(&w, near, A, "mine", "1");
  nt_pass(&w, UMP_MS);
  assert_int_equal(nt_executions(&w, "mine"), 1);
  assert_int_equal(sent_to(&w, near, "LEGAL"), 1);
  nt_close(&w);
}

/* Executed at the old address, the verdict lost, repeated from the new one: the same verdict, and nothing is done
 * again. */
static void test_neteria_an_event_is_executed_once_whatever_address_it_comes_from(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  nt_proven(&w, old, A);
  nt_event(&w, old, A, "e-after-move", "\"step\"");
  nt_pass(&w, UMP_S);
  assert_int_equal(nt_executions(&w, "e-after-move"), 1);
  nt_forget_sent(&w);
  assert_true(until_judged(&w, near, true, 20 * UMP_S) < 5 * UMP_S);
  nt_pass(&w, 3 * UMP_S);
  nt_forget_sent(&w);
  assert_true(until_judged(&w, far, true, 20 * UMP_S) < 13 * UMP_S); /* and again */
  assert_int_equal(nt_counter(&w, "moved"), 2);
  assert_int_equal(nt_executions(&w, "e-after-move"), 1);
  assert_int_equal(w.n_connects, 1);
  nt_close(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_neteria_nat_changes_the_port_and_the_session_moves_after_3s),
      cmocka_unit_test(test_neteria_another_ip_takes_10s),
      cmocka_unit_test(test_neteria_a_thief_gets_nothing_while_the_owner_lives),
      cmocka_unit_test(test_neteria_a_move_needs_the_echo_of_the_new_address),
      cmocka_unit_test(test_neteria_an_echo_alone_is_too_soon),
      cmocka_unit_test(test_neteria_what_waits_goes_to_the_new_address),
      cmocka_unit_test(test_neteria_a_move_obeys_the_limit_of_its_new_address),
      cmocka_unit_test(test_neteria_forged_claims_do_not_keep_the_owner_out),
      cmocka_unit_test(test_neteria_a_changed_port_goes_before_another_place),
      cmocka_unit_test(test_neteria_an_event_is_executed_once_whatever_address_it_comes_from),
      cmocka_unit_test(test_neteria_both_addresses_are_answered_within_their_means),
  };
  return cmocka_run_group_tests(tests, addresses, NULL);
}
