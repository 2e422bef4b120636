/* Who is let in, under which number and name, and how one goes. */
#include <stdio.h>

#include "world.h"

static void connect_with(struct world *w, uint32_t session, const char *version, uint64_t again) {
  struct ump_addr from = {.family = 4, .ip = {10, 0, 0, 9}, .port = 99};
  struct ump_event ev = {.type = UMP_EVENT_CONNECT, .session = session, .from = &from, .again = again};
  if (version) ev.has_version = true, ev.version = ump_text(version);
  world_push(w, 0, ev);
  world_drive(w, 0);
}

/* ---- coming ---- */

static void test_engine_admits_whom_connect_lets_in(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  connect_with(&w, 1, "1.0.3", 0);
  expect(&w, "connect a1", "admit a1");
  const struct ump_client *c = world_client(&w, 0, 1);
  assert_true(c->admitted && !c->leaving);
  assert_string_equal(c->version, "1.0.3");
  assert_string_equal(c->protocol, "fake");
  assert_null(c->name);
  assert_int_equal(c->serial, 1);
  assert_int_equal(w.proto[0].serials[1], 1);
  assert_int_equal(c->addr.port, 99);
  assert_int_equal(ump_engine_n_clients(w.engine), 1);
  assert_ptr_equal(ump_engine_next_client(w.engine, NULL), c);
  assert_null(ump_engine_next_client(w.engine, c));
  world_end(&w);
}

static int no_entry(struct world *w, const char *what, struct ump_client *c, const char *arg) {
  (void)w, (void)c, (void)arg;
  return strcmp(what, "connect") == 0 ? 0 : WORLD_DEFAULT;
}

static void test_engine_refuses_with_the_reason_of_connect(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  w.hook = no_entry, w.reason = "members only";
  world_connect(&w, 0, 1);
  expect(&w, "connect a1", "refuse a1 members only", "forget a1");
  w.reason = NULL;
  world_connect(&w, 0, 1);
  expect(&w, "connect a1", "refuse a1 ", "forget a1");
  assert_int_equal(world_count(&w, "refused"), 2);
  assert_int_equal(ump_engine_load(w.engine), 0);
  world_end(&w);
}

static int broken(struct world *w, const char *what, struct ump_client *c, const char *arg) {
  (void)what, (void)arg;
  if (c && !c->leaving) assert_int_equal(notify(w, c, "lost"), 0);
  broadcast(w, "lost", NULL);
  return UMP_EINVAL;
}

static void test_engine_an_error_in_connect_refuses_and_does_nothing(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  world_connect(&w, 0, 1);
  w.n_trace = 0;
  w.hook = broken;
  world_connect(&w, 0, 2);
  expect(&w, "connect a2", "refuse a2 internal", "forget a2");
  world_end(&w);
}

static int greet(struct world *w, const char *what, struct ump_client *c, const char *arg) {
  (void)arg;
  if (strcmp(what, "connect") != 0) return WORLD_DEFAULT;
  assert_int_equal(notify(w, c, "welcome"), 0);
  assert_int_equal(broadcast(w, "somebody came", NULL), 0);
  assert_int_equal(broadcast(w, "look who came", c), 0);
  return w->user ? 0 : 1;
}

static void test_engine_effects_of_connect_come_after_admission(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  world_connect(&w, 0, 1);
  w.n_trace = 0;
  w.hook = greet;
  world_connect(&w, 0, 2);
  expect(&w, "connect a2", "admit a2", "notify a2 welcome", "notify a1 somebody came", "notify a2 somebody came",
         "notify a1 look who came");
  world_end(&w);
}

static void test_engine_a_refused_newcomer_gets_nothing_but_the_others_do(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  world_connect(&w, 0, 1);
  w.n_trace = 0;
  w.hook = greet, w.user = &w;
  world_connect(&w, 0, 2);
  expect(&w, "connect a2", "refuse a2 ", "notify a1 somebody came", "notify a1 look who came", "forget a2");
  assert_int_equal(world_count(&w, "notifies_lost"), 1);
  world_end(&w);
}

static int kick_newcomer(struct world *w, const char *what, struct ump_client *c, const char *arg) {
  (void)arg;
  if (strcmp(what, "connect") == 0) assert_int_equal(kick(w, c, "not you"), 0);
  return WORLD_DEFAULT;
}

static void test_engine_a_newcomer_kicked_in_connect_is_admitted_and_thrown_out(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  w.hook = kick_newcomer;
  world_connect(&w, 0, 1);
  expect(&w, "connect a1", "admit a1", "disconnect a1 not you", "kick a1 not you", "forget a1");
  world_end(&w);
}

static void test_engine_keeps_only_a_sound_version(void **state) {
  (void)state;
  static const char *const bad[] = {"", "a\nb", "\xFF", "\xC2\x85",
                                    "0123456789012345678901234567890123456789012345678901234567890123x"};
  struct world w;
  world_init(&w, NULL);
  for (uint32_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    connect_with(&w, i, bad[i], 0);
    assert_null(world_client(&w, 0, i)->version);
  }
  w.n_trace = 0;
  world_end(&w);
}

/* ---- numbers ---- */

static void test_engine_slots_are_dense_and_used_again(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  w.quiet = true;
  for (uint32_t s = 0; s < 40; s++) world_connect(&w, 0, s);
  for (uint32_t s = 0; s < 40; s++) assert_int_equal(world_client(&w, 0, s)->slot, s);
  for (uint32_t s = 0; s < 40; s += 2) world_leave(&w, 0, s);
  for (uint32_t s = 0; s < 40; s += 2) {
    world_connect(&w, 0, s);
    assert_in_range(world_client(&w, 0, s)->slot, 0, 39);
    assert_int_equal(world_client(&w, 0, s)->serial, 41 + s / 2); /* but never the same serial */
  }
  w.quiet = false;
  world_end(&w);
}

static void test_engine_lists_clients_oldest_first(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  w.quiet = true;
  for (uint32_t s = 0; s < 10; s++) world_connect(&w, 0, s);
  world_leave(&w, 0, 0), world_leave(&w, 0, 5), world_leave(&w, 0, 9);
  world_connect(&w, 0, 5);
  static const uint32_t order[] = {1, 2, 3, 4, 6, 7, 8, 5};
  const struct ump_client *c = NULL;
  for (size_t i = 0; i < 8; i++) c = ump_engine_next_client(w.engine, c), assert_int_equal(c->session, order[i]);
  assert_null(ump_engine_next_client(w.engine, c));
  assert_int_equal(ump_engine_n_clients(w.engine), 8);
  w.quiet = false;
  world_end(&w);
}

static void test_engine_ids_are_unpredictable_uuids(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  world_connect(&w, 0, 1), world_connect(&w, 0, 2);
  const struct ump_client *a = world_client(&w, 0, 1), *b = world_client(&w, 0, 2);
  assert_false(ump_uuid_equal(&a->id, &b->id));
  assert_int_equal(a->id.b[6] >> 4, 4);
  w.n_trace = 0;
  world_end(&w);
}

/* By a listener whose option allows it, so that is all the engine has to know; stopping is the driver's. */
static void test_engine_remembers_that_a_client_asked_the_host_to_stop(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  world_connect(&w, 0, 1);
  assert_false(ump_engine_stop_asked(w.engine));
  world_push(&w, 0, (struct ump_event){.type = UMP_EVENT_STOP, .session = 1});
  world_drive(&w, 0);
  assert_true(ump_engine_stop_asked(w.engine));
  w.n_trace = 0;
  world_end(&w);
}

static void test_engine_one_that_comes_back_keeps_its_id(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  connect_with(&w, 1, NULL, 0), connect_with(&w, 3, NULL, 0);
  struct ump_uuid id = world_client(&w, 0, 1)->id;
  uint64_t serial = w.proto[0].serials[1];
  world_leave(&w, 0, 1);
  connect_with(&w, 2, NULL, serial), connect_with(&w, 1, NULL, 0);
  assert_true(ump_uuid_equal(&world_client(&w, 0, 2)->id, &id));
  assert_false(ump_uuid_equal(&world_client(&w, 0, 1)->id, &id));
  w.n_trace = 0;
  world_end(&w);
}

static void test_engine_one_that_comes_back_keeps_its_judged_events(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  connect_with(&w, 1, NULL, 0);
  uint64_t serial = w.proto[0].serials[1];
  world_event(&w, 0, 1, "e1", "m");
  world_leave(&w, 0, 1);
  w.n_trace = 0;
  connect_with(&w, 2, NULL, serial);
  assert_int_equal(world_client(&w, 0, 2)->serial, serial);
  world_event(&w, 0, 2, "e1", "m");
  expect(&w, "connect a2", "admit a2", "repeat a2 e1 legal");
  connect_with(&w, 3, NULL, 0); /* anybody else is new */
  world_event(&w, 0, 3, "e1", "m");
  expect(&w, "connect a3", "admit a3", "judge a3 m", "answer a3 e1 legal");
  connect_with(&w, 4, NULL, 1000); /* a serial that was never given is none */
  assert_int_equal(world_client(&w, 0, 4)->serial, 3);
  w.n_trace = 0;
  world_end(&w);
}

/* ---- going ---- */

static int last_words(struct world *w, const char *what, struct ump_client *c, const char *arg) {
  (void)arg;
  if (strcmp(what, "disconnect") != 0) return WORLD_DEFAULT;
  assert_int_equal(notify(w, c, "too late"), UMP_EGONE);
  assert_int_equal(kick(w, c, "too late"), UMP_EGONE);
  assert_int_equal(ump_engine_set_name(w->engine, c, NULL), UMP_EGONE);
  assert_int_equal(ump_engine_n_clients(w->engine), 1); /* it is no longer among them */
  assert_int_equal(broadcast(w, "somebody left", NULL), 0);
  return WORLD_DEFAULT;
}

static void test_engine_tells_the_rules_who_left(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  world_connect(&w, 0, 1), world_connect(&w, 0, 2);
  w.n_trace = 0;
  w.hook = last_words;
  world_leave(&w, 0, 1);
  expect(&w, "disconnect a1 left", "notify a2 somebody left", "forget a1");
  assert_int_equal(world_count(&w, "disconnects"), 1);
  w.hook = NULL;
  world_end(&w);
}

static void test_engine_an_error_in_disconnect_does_not_keep_the_client(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  world_connect(&w, 0, 1), world_connect(&w, 0, 2);
  w.n_trace = 0;
  w.hook = broken;
  world_leave(&w, 0, 1);
  expect(&w, "disconnect a1 left", "forget a1");
  world_end(&w);
}

static void test_engine_drain_ends_every_session_and_every_timer(void **state) {
  (void)state;
  struct world w;
  uint64_t id;
  world_init(&w, NULL);
  for (uint32_t s = 1; s <= 3; s++) world_connect(&w, 0, s);
  assert_int_equal(ump_engine_timer(w.engine, UMP_S, UMP_S, &id), 0);
  w.n_trace = 0;
  ump_engine_drain(w.engine, w.now);
  expect(&w, "disconnect a1 the server is stopping", "kick a1 the server is stopping", "forget a1",
         "disconnect a2 the server is stopping", "kick a2 the server is stopping", "forget a2",
         "disconnect a3 the server is stopping", "kick a3 the server is stopping", "forget a3", "timer_gone 0");
  assert_int_equal(ump_engine_load(w.engine), 0);
  assert_true(ump_engine_deadline(w.engine) == UMP_NEVER);
  world_connect(&w, 0, 4);
  expect(&w, "refuse a4 the server is stopping");
  world_end(&w);
}

static void test_engine_free_forgets_without_disconnecting(void **state) {
  (void)state;
  struct world w;
  uint64_t id;
  world_init(&w, NULL);
  world_connect(&w, 0, 1);
  assert_int_equal(ump_engine_timer(w.engine, UMP_S, 0, &id), 0);
  w.n_trace = 0;
  ump_engine_free(w.engine);
  expect(&w, "forget a1", "timer_gone 0");
  testing_mem_assert_empty(&w.mem);
}

/* ---- names ---- */

static int accounts(struct world *w, const char *what, struct ump_client *c, const char *arg) {
  (void)c, (void)w;
  if (strcmp(what, "login") != 0) return WORLD_DEFAULT;
  return strcmp(arg, "broken") == 0 ? UMP_EINVAL : strcmp(arg, "mallory") != 0;
}

static void test_engine_login_gives_the_name(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  world_connect(&w, 0, 1);
  w.n_trace = 0;
  w.hook = accounts;
  world_login(&w, 0, 1, "l1", "ann");
  expect(&w, "login a1 ann", "answer a1 l1 legal");
  assert_string_equal(world_client(&w, 0, 1)->name, "ann");
  w.reason = "wrong password";
  world_login(&w, 0, 1, "l2", "mallory");
  expect(&w, "login a1 mallory", "answer a1 l2 illegal: wrong password");
  world_login(&w, 0, 1, "l3", "broken");
  expect(&w, "login a1 broken", "answer a1 l3 internal: internal");
  assert_string_equal(world_client(&w, 0, 1)->name, "ann"); /* a failed log-in changes nothing */
  world_login(&w, 0, 1, "l1", "mallory");                   /* the first one's copy, whatever it says now */
  expect(&w, "repeat a1 l1 legal");
  assert_string_equal(world_client(&w, 0, 1)->name, "ann");
  world_push(&w, 0, (struct ump_event){.type = UMP_EVENT_LOGOUT, .session = 1});
  world_drive(&w, 0);
  assert_null(world_client(&w, 0, 1)->name);
  world_end(&w);
}

/* A NAT gave it another address: what rules see, and where its attempts to log in count. */
static void test_engine_a_client_that_moved_is_at_its_new_address(void **state) {
  (void)state;
  struct world w;
  struct ump_addr to = {.family = 4, .ip = {10, 9, 8, 7}, .port = 4711};
  world_init(&w, NULL);
  world_connect(&w, 0, 1);
  expect(&w, "connect a1", "admit a1");
  assert_false(ump_addr_equal(&world_client(&w, 0, 1)->addr, &to));
  world_push(&w, 0, (struct ump_event){.type = UMP_EVENT_LOGOUT, .session = 1, .from = &to});
  world_drive(&w, 0);
  assert_true(ump_addr_equal(&world_client(&w, 0, 1)->addr, &to));
  world_push(&w, 0, (struct ump_event){.type = UMP_EVENT_LOGOUT, .session = 1}); /* a log-out moves nobody */
  world_drive(&w, 0);
  assert_true(ump_addr_equal(&world_client(&w, 0, 1)->addr, &to));
  world_end(&w);
}

static void test_engine_without_accounts_says_so(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  world_connect(&w, 0, 1);
  w.n_trace = 0;
  world_login(&w, 0, 1, "l1", "ann");
  expect(&w, "login a1 ann", "answer a1 l1 illegal: this server has no accounts");
  assert_null(world_client(&w, 0, 1)->name);
  assert_int_equal(world_count(&w, "calls_failed"), 0);
  world_end(&w);
}

static void test_engine_malformed_names_are_invalid(void **state) {
  (void)state;
  static const char *const bad[] = {"",
                                    "a\tb",
                                    "\x7F",
                                    "\xC3",
                                    "\xED\xA0\x80",
                                    "\xC2\x9B",
                                    "0123456789012345678901234567890123456789012345678901234567890123x"};
  struct world w;
  world_init(&w, NULL);
  world_connect(&w, 0, 1);
  w.hook = accounts;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    char id[8];
    w.n_trace = 0;
    snprintf(id, sizeof id, "l%zu", i);
    world_login(&w, 0, 1, id, bad[i]);
    assert_non_null(strstr(w.trace, "invalid: malformed user name"));
    struct ump_bytes name = ump_text(bad[i]);
    assert_int_equal(ump_engine_set_name(w.engine, world_client(&w, 0, 1), &name), UMP_EINVAL);
  }
  w.n_trace = 0;
  world_login(&w, 0, 1, "ok", "0123456789012345678901234567890123456789012345678901234567890123");
  w.n_trace = 0;
  assert_int_equal(strlen(world_client(&w, 0, 1)->name), 64);
  world_end(&w);
}

static void test_engine_a_name_without_password(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  world_connect(&w, 0, 1);
  w.n_trace = 0;
  world_push(&w, 0, (struct ump_event){.type = UMP_EVENT_NAME, .session = 1, .user = ump_text("ann")});
  world_drive(&w, 0);
  assert_string_equal(world_client(&w, 0, 1)->name, "ann");
  world_push(&w, 0, (struct ump_event){.type = UMP_EVENT_NAME, .session = 1, .user = ump_text("a\nb")});
  world_drive(&w, 0);
  assert_null(world_client(&w, 0, 1)->name); /* not ann any more, and nobody else */
  world_end(&w);
}

static int rename_in_login(struct world *w, const char *what, struct ump_client *c, const char *arg) {
  (void)arg;
  if (strcmp(what, "login") != 0) return WORLD_DEFAULT;
  struct ump_bytes name = ump_text("Ann of Cleves");
  assert_int_equal(ump_engine_set_name(w->engine, c, &name), 0);
  assert_null(c->name); /* not yet */
  return w->user ? UMP_EINVAL : 1;
}

static void test_engine_set_name_is_an_effect(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  world_connect(&w, 0, 1);
  w.hook = rename_in_login, w.user = &w;
  world_login(&w, 0, 1, "l1", "ann");
  assert_null(world_client(&w, 0, 1)->name); /* the call failed */
  w.user = NULL;
  world_login(&w, 0, 1, "l2", "ann");
  assert_string_equal(world_client(&w, 0, 1)->name, "Ann of Cleves");
  w.hook = NULL, w.n_trace = 0;
  assert_int_equal(ump_engine_set_name(w.engine, world_client(&w, 0, 1), NULL), 0); /* outside of a call: at once */
  assert_null(world_client(&w, 0, 1)->name);
  world_end(&w);
}

/* ---- log-ins a minute ---- */

static void login_many(struct world *w, uint32_t session, const char *user, int n, int from) {
  char id[16];
  for (int i = 0; i < n; i++) snprintf(id, sizeof id, "l%d", from + i), world_login(w, 0, session, id, user);
}

static void test_engine_allows_ten_log_ins_a_minute_from_an_address(void **state) {
  (void)state;
  struct world w;
  char id[16];
  world_init(&w, NULL);
  world_connect(&w, 0, 1), world_connect(&w, 0, 2);
  w.quiet = true, w.hook = accounts;
  for (int i = 0; i < 12; i++) { /* each time another name */
    char user[16];
    snprintf(id, sizeof id, "l%d", i), snprintf(user, sizeof user, "user%d", i);
    world_login(&w, 0, 1, id, user);
  }
  assert_int_equal(world_count(&w, "logins_over_rate"), 2);
  world_login(&w, 0, 2, "l0", "ann"); /* another address */
  assert_int_equal(world_count(&w, "logins_over_rate"), 2);
  w.quiet = false, w.n_trace = 0;
  world_login(&w, 0, 1, "l11", "user11"); /* a copy is not an attempt */
  expect(&w, "repeat a1 l11 illegal: too many attempts, wait a minute");
  world_login(&w, 0, 1, "l0", "user0");
  expect(&w, "repeat a1 l0 legal");
  w.now += 60 * UMP_S;
  world_login(&w, 0, 1, "l12", "user12");
  expect(&w, "login a1 user12", "answer a1 l12 legal");
  world_end(&w);
}

static void test_engine_allows_ten_log_ins_a_minute_for_a_name(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  for (uint32_t s = 1; s <= 4; s++) world_connect(&w, 0, s);
  w.quiet = true, w.hook = accounts;
  for (uint32_t s = 1; s <= 3; s++) login_many(&w, s, "mallory", 5, 0); /* from three addresses */
  assert_int_equal(world_count(&w, "logins_over_rate"), 5);
  w.quiet = false, w.n_trace = 0;
  world_login(&w, 0, 4, "x", "ann");
  expect(&w, "login a4 ann", "answer a4 x legal");
  world_end(&w);
}

static void test_engine_attempts_need_bounded_memory(void **state) {
  (void)state;
  struct world w;
  char id[16], user[32];
  world_init(&w, NULL);
  world_connect(&w, 0, 1);
  w.quiet = true, w.hook = accounts;
  login_many(&w, 1, "mallory", 1, 0);
  size_t blocks = w.mem.blocks;
  for (int i = 0; i < 500; i++) { /* under the client's address, which is over its rate at once */
    struct ump_client *c = world_client(&w, 0, 1);
    c->addr.ip[1] = (uint8_t)i,
    c->addr.ip[2] = (uint8_t)(i >> 8); /* another address each time, as 500 clients would have */
    snprintf(id, sizeof id, "m%d", i), snprintf(user, sizeof user, "user%d", i);
    world_login(&w, 0, 1, id, user);
  }
  assert_int_equal(w.mem.blocks, blocks + 1); /* the client's name */
  assert_int_equal(world_count(&w, "logins_over_rate"), 0);
  w.quiet = false, w.n_trace = 0;
  world_end(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_engine_admits_whom_connect_lets_in),
      cmocka_unit_test(test_engine_refuses_with_the_reason_of_connect),
      cmocka_unit_test(test_engine_an_error_in_connect_refuses_and_does_nothing),
      cmocka_unit_test(test_engine_effects_of_connect_come_after_admission),
      cmocka_unit_test(test_engine_a_refused_newcomer_gets_nothing_but_the_others_do),
      cmocka_unit_test(test_engine_a_newcomer_kicked_in_connect_is_admitted_and_thrown_out),
      cmocka_unit_test(test_engine_keeps_only_a_sound_version),
      cmocka_unit_test(test_engine_slots_are_dense_and_used_again),
      cmocka_unit_test(test_engine_lists_clients_oldest_first),
      cmocka_unit_test(test_engine_ids_are_unpredictable_uuids),
      cmocka_unit_test(test_engine_remembers_that_a_client_asked_the_host_to_stop),
      cmocka_unit_test(test_engine_one_that_comes_back_keeps_its_id),
      cmocka_unit_test(test_engine_one_that_comes_back_keeps_its_judged_events),
      cmocka_unit_test(test_engine_tells_the_rules_who_left),
      cmocka_unit_test(test_engine_an_error_in_disconnect_does_not_keep_the_client),
      cmocka_unit_test(test_engine_drain_ends_every_session_and_every_timer),
      cmocka_unit_test(test_engine_free_forgets_without_disconnecting),
      cmocka_unit_test(test_engine_login_gives_the_name),
      cmocka_unit_test(test_engine_a_client_that_moved_is_at_its_new_address),
      cmocka_unit_test(test_engine_without_accounts_says_so),
      cmocka_unit_test(test_engine_malformed_names_are_invalid),
      cmocka_unit_test(test_engine_a_name_without_password),
      cmocka_unit_test(test_engine_set_name_is_an_effect),
      cmocka_unit_test(test_engine_allows_ten_log_ins_a_minute_from_an_address),
      cmocka_unit_test(test_engine_allows_ten_log_ins_a_minute_for_a_name),
      cmocka_unit_test(test_engine_attempts_need_bounded_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
