/* Log-ins that accounts answer: at once, later, never; copies, departures, memory that runs out. */
#include "world.h"

#include <stdio.h>
#include <string.h>

#include "engine/accounts.h"

struct asked {
  struct ump_accounts face;
  int answer; /* what ask says */
  size_t n;
  uint64_t tickets[16];
  bool create;
  char name[65], password[65];
};

static int ask(void *self, const struct ump_account_question *q) {
  struct asked *a = self;
  a->create = q->create;
  snprintf(a->name, sizeof a->name, "%.*s", (int)q->name.n, (const char *)q->name.p);
  snprintf(a->password, sizeof a->password, "%.*s", (int)q->password.n, (const char *)q->password.p);
  a->tickets[a->n++ % 16] = q->ticket;
  return a->answer;
}

static void begin(struct world *w, struct asked *a, int answer) {
  *a = (struct asked){.face = {ask, a}, .answer = answer};
  world_init(w, NULL);
  ump_engine_set_accounts(w->engine, &a->face);
  world_connect(w, 0, 1);
  w->n_trace = 0;
}

static void login(struct world *w, uint32_t session, const char *id, const char *user, const char *password,
                  bool create) {
  world_push(w, 0,
             (struct ump_event){.type = UMP_EVENT_LOGIN,
                                .session = session,
                                .id = ump_text(id),
                                .once = *id != 0,
                                .user = ump_text(user),
                                .password = ump_text(password),
                                .create = create});
  world_drive(w, 0);
}

static const char *name_of(struct world *w, uint32_t session) {
  return world_client(w, 0, session)->name;
}

static void test_logins_are_answered_at_once(void **state) {
  (void)state;
  struct world w;
  struct asked a;
  begin(&w, &a, 1);
  login(&w, 1, "l1", "ann", "secret", true);
  expect(&w, "login a1 ann", "answer a1 l1 legal");
  assert_true(a.create);
  assert_string_equal(a.name, "ann");
  assert_string_equal(a.password, "secret");
  assert_string_equal(name_of(&w, 1), "ann");
  a.answer = 0;
  login(&w, 1, "l2", "bob", "secret", false);
  expect(&w, "login a1 bob", "answer a1 l2 illegal: wrong name or password");
  login(&w, 1, "l3", "bob", "secret", true);
  expect(&w, "login a1 bob", "answer a1 l3 illegal: this name is taken");
  a.answer = UMP_EFULL;
  login(&w, 1, "l4", "bob", "secret", true);
  expect(&w, "login a1 bob", "answer a1 l4 illegal: too many log-ins at once, try again");
  a.answer = UMP_EINVAL;
  login(&w, 1, "l5", "bob", "secret", true);
  expect(&w, "login a1 bob", "answer a1 l5 internal: internal");
  assert_string_equal(name_of(&w, 1), "ann"); /* a failed one changes nothing */
  login(&w, 1, "l6", "bob", "", true);
  expect(&w, "login a1 bob", "answer a1 l6 invalid: malformed password");
  assert_int_equal(a.n, 5);
  world_end(&w);
}

static void test_logins_are_answered_later_in_any_order(void **state) {
  (void)state;
  struct world w;
  struct asked a;
  begin(&w, &a, UMP_EAGAIN);
  world_connect(&w, 0, 2);
  w.n_trace = 0;
  login(&w, 1, "l1", "ann", "x", false);
  login(&w, 2, "", "bob", "x", true);
  expect(&w, "login a1 ann", "login a2 bob");
  world_event(&w, 0, 1, "e1", "move"); /* the loop does not wait */
  expect(&w, "judge a1 move", "answer a1 e1 legal");
  assert_null(name_of(&w, 1));
  ump_engine_account_answer(w.engine, a.tickets[1], 0, w.now);
  assert_non_null(strstr(w.trace, "answer a2"));
  assert_non_null(strstr(w.trace, "illegal: this name is taken"));
  w.n_trace = 0, w.trace[0] = 0;
  ump_engine_account_answer(w.engine, a.tickets[0], 1, w.now);
  expect(&w, "answer a1 l1 legal");
  assert_string_equal(name_of(&w, 1), "ann");
  assert_null(name_of(&w, 2));
  ump_engine_account_answer(w.engine, a.tickets[0], 1, w.now); /* once and no more */
  ump_engine_account_answer(w.engine, 999, 1, w.now);
  expect_nothing(&w);
  world_end(&w);
}

static void test_logins_a_copy_is_not_asked_again(void **state) {
  (void)state;
  struct world w;
  struct asked a;
  begin(&w, &a, UMP_EAGAIN);
  login(&w, 1, "l1", "ann", "x", false);
  login(&w, 1, "l1", "ann", "x", false); /* while the first one waits: silence */
  expect(&w, "login a1 ann");
  assert_int_equal(a.n, 1);
  ump_engine_account_answer(w.engine, a.tickets[0], 0, w.now);
  expect(&w, "answer a1 l1 illegal: wrong name or password");
  login(&w, 1, "l1", "ann", "x", false); /* afterwards: the same answer */
  expect(&w, "repeat a1 l1 illegal: wrong name or password");
  assert_int_equal(a.n, 1);
  world_end(&w);
}

/* Somebody took the session over from another address, or it logged out: the password was not his, or is not meant any
 * more. */
static void test_logins_are_void_after_a_move_or_log_out(void **state) {
  (void)state;
  struct world w;
  struct asked a;
  struct ump_addr to = {.family = 4, .ip = {10, 9, 8, 7}, .port = 4711};
  begin(&w, &a, UMP_EAGAIN);
  for (int moved = 0; moved < 2; moved++) {
    login(&w, 1, moved ? "l2" : "l1", "ann", "x", false);
    w.n_trace = 0;
    world_push(&w, 0, (struct ump_event){.type = UMP_EVENT_LOGOUT, .session = 1, .from = moved ? &to : NULL});
    world_drive(&w, 0);
    ump_engine_account_answer(w.engine, a.tickets[moved], 1, w.now);
    expect(&w, moved ? "answer a1 l2 illegal: logged out meanwhile" : "answer a1 l1 illegal: logged out meanwhile");
    assert_null(name_of(&w, 1));
  }
  login(&w, 1, "l3", "ann", "x", false); /* and it may log in there */
  ump_engine_account_answer(w.engine, a.tickets[2], 1, w.now);
  expect(&w, "login a1 ann", "answer a1 l3 legal");
  assert_string_equal(name_of(&w, 1), "ann");
  world_end(&w);
}

/* Kicked, and back under the same serial: what he asked for before does not log him in. */
static void test_logins_do_not_follow_a_client_that_returns(void **state) {
  (void)state;
  struct world w;
  struct asked a;
  begin(&w, &a, UMP_EAGAIN);
  uint64_t serial = world_client(&w, 0, 1)->serial;
  login(&w, 1, "l1", "ann", "x", false);
  kick(&w, world_client(&w, 0, 1), "out");
  world_push(&w, 0, (struct ump_event){.type = UMP_EVENT_CONNECT, .session = 1, .again = serial});
  world_drive(&w, 0);
  assert_true(world_client(&w, 0, 1)->serial == serial);
  w.n_trace = 0;
  ump_engine_account_answer(w.engine, a.tickets[0], 1, w.now);
  expect_nothing(&w);
  assert_null(name_of(&w, 1));
  world_end(&w);
}

static void test_logins_of_those_who_left_are_answered_to_nobody(void **state) {
  (void)state;
  struct world w;
  struct asked a;
  begin(&w, &a, UMP_EAGAIN);
  login(&w, 1, "l1", "ann", "x", false);
  world_leave(&w, 0, 1);
  world_connect(&w, 0, 1); /* another in its place */
  w.n_trace = 0;
  ump_engine_account_answer(w.engine, a.tickets[0], 1, w.now);
  expect_nothing(&w);
  assert_null(name_of(&w, 1));
  login(&w, 1, "l2", "bob", "x", false);
  kick(&w, world_client(&w, 0, 1), "out");
  w.n_trace = 0;
  ump_engine_account_answer(w.engine, a.tickets[1], 1, w.now);
  expect_nothing(&w);
  world_connect(&w, 0, 1);
  login(&w, 1, "l3", "eve", "x", false); /* nobody answers this one any more */
  ump_engine_set_accounts(w.engine, NULL);
  w.n_trace = 0;
  world_end(&w);
}

static int rules_say_yes(struct world *w, const char *what, struct ump_client *c, const char *arg) {
  (void)w, (void)c, (void)arg;
  return strcmp(what, "login") ? WORLD_DEFAULT : 1;
}

static void test_logins_are_the_rulebooks_if_it_has_a_login(void **state) {
  (void)state;
  struct world w;
  struct asked a;
  begin(&w, &a, 0);
  w.hook = rules_say_yes;
  login(&w, 1, "l1", "ann", "x", true);
  expect(&w, "login a1 ann", "answer a1 l1 legal");
  assert_int_equal(a.n, 0);
  world_end(&w);
}

static void test_logins_survive_failing_memory(void **state) {
  (void)state;
  for (size_t n = 1; n < 12; n++) {
    struct world w;
    struct asked a;
    begin(&w, &a, UMP_EAGAIN);
    testing_mem_fail(&w.mem, n, false);
    login(&w, 1, "l1", "ann", "x", false);
    if (a.n) ump_engine_account_answer(w.engine, a.tickets[0], 1, w.now);
    testing_mem_fail(&w.mem, 0, false);
    w.n_trace = 0;
    world_end(&w);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_logins_are_answered_at_once),
      cmocka_unit_test(test_logins_are_answered_later_in_any_order),
      cmocka_unit_test(test_logins_a_copy_is_not_asked_again),
      cmocka_unit_test(test_logins_are_void_after_a_move_or_log_out),
      cmocka_unit_test(test_logins_do_not_follow_a_client_that_returns),
      cmocka_unit_test(test_logins_of_those_who_left_are_answered_to_nobody),
      cmocka_unit_test(test_logins_are_the_rulebooks_if_it_has_a_login),
      cmocka_unit_test(test_logins_survive_failing_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
