/* laneya: time, slow readers, half-open connections (wire/laneya, Timers; hardening T13, T14). */
#include "ln_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ln_world w;
#define MIB (1u << 20)

/* ---- time ---- */

static void test_laneya_silence_between_messages_is_legal(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1);
  ln_ask(&w, 0, "1", "ann", "walk", "{}");
  ln_pass(&w, 100000 * UMP_S);
  assert_true(w.conns[0].open);
  assert_int_equal(ump_engine_deadline(w.engine), UMP_NEVER); /* and costs nothing */
  ln_close(&w);
}

static void test_laneya_message_that_stops_in_the_middle_ends_after_10_s(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1);
  ln_ask(&w, 0, "1", "ann", "walk", "{}");
  ln_pass(&w, 30 * UMP_S);
  ln_in(&w, 0, "20:", 3);
  for (int i = 0; i < 5; i++) { /* a byte now and then keeps it */
    ln_pass(&w, 9 * UMP_S);
    assert_true(w.conns[0].open);
    ln_in(&w, 0, " ", 1);
  }
  ln_pass(&w, 10 * UMP_S - 1);
  assert_true(w.conns[0].open);
  ln_pass(&w, 1);
  assert_true(w.conns[0].ended);
  assert_string_equal(w.reason, "timed out");
  ln_close(&w);
}

static void test_laneya_whole_message_ends_the_wait_for_it(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1);
  ln_in(&w, 0, "74:{\"type\": \"request\", \"key\": 1, \"user\": \"ann\", \"action\": \"walk\", \"data\": {}}", 77);
  ln_pass(&w, 9 * UMP_S);
  ln_in(&w, 0, ",", 1);
  assert_non_null(ln_take(&w, 0));
  ln_pass(&w, 1000 * UMP_S);
  assert_true(w.conns[0].open);
  ln_close(&w);
}

static void test_laneya_never_a_message_ends_after_60_s(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1);
  ln_pass(&w, UMP_S);
  ln_dial(&w, 1, 1);
  ln_pass(&w, 59 * UMP_S - 1);
  assert_true(w.conns[0].open);
  ln_pass(&w, 1);
  assert_true(w.conns[0].ended && w.conns[1].open);
  ln_pass(&w, UMP_S);
  assert_true(w.conns[1].ended);
  ln_dial(&w, 2, 1); /* T14: a byte a second does not help */
  ln_in(&w, 2, "1000:", 5);
  for (int i = 0; i < 60; i++) ln_pass(&w, UMP_S), ln_in(&w, 2, " ", 1);
  assert_false(w.conns[2].open);
  assert_int_equal(ln_count(&w, "closed_timed_out"), 3);
  ln_close(&w);
}

/* ---- who does not read ---- */

static void ask_big(uint32_t conn, int key) {
  char text[16];
  snprintf(text, sizeof text, "%d", key);
  ln_ask(&w, conn, text, "ann", "big", "{}");
}

static void test_laneya_stops_reading_from_one_that_does_not_read(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  w.big = 100000;
  ln_dial(&w, 0, 1);
  w.conns[0].room = 0;
  int key = 0;
  while (w.conns[0].reading) ask_big(0, ++key);
  assert_true(key >= 10 && key <= 11); /* 1 MiB of unsent answers */
  size_t executed = w.executed;
  for (int i = 0; i < 20; i++) ask_big(0, 100 + i); /* what its kernel had sent already is kept, not performed */
  assert_int_equal(w.executed, executed);
  assert_true(w.mem.bytes < 2 * MIB);
  ln_read(&w, 0, 300000); /* it takes some: we go on where we were */
  assert_true(w.executed > executed);
  ln_read(&w, 0, SIZE_MAX);
  assert_int_equal(w.executed, executed + 20);
  assert_true(w.conns[0].reading);
  size_t n = 0;
  while (ln_take(&w, 0)) n++;
  assert_int_equal(n, executed + 20);
  ln_close(&w);
}

/* The rest of a message that filled it up has come: it is not in the middle of one, however long it does not read. */
static void test_laneya_full_one_is_not_in_the_middle_of_a_message(void **state) {
  static const char ask[] =
      "74:{\"type\": \"request\", \"key\": 99, \"user\": \"ann\", \"action\": \"big\", \"data\": {}},";
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1);
  w.conns[0].room = 0;
  w.big = 100000;
  ask_big(0, 1);
  ln_in(&w, 0, ask, 10);
  ln_pass(&w, UMP_S);
  w.big = 1000000;
  ln_in(&w, 0, ask + 10, sizeof ask - 11);
  assert_int_equal(w.executed, 2);
  assert_false(w.conns[0].reading);
  ln_pass(&w, 30 * UMP_S);
  assert_true(w.conns[0].open);
  ln_close(&w);
}

static void test_laneya_full_one_is_no_burden_to_others(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  w.big = 100000;
  ln_dial(&w, 0, 1), ln_dial(&w, 1, 1);
  w.conns[0].room = 0;
  for (int key = 1; w.conns[0].reading; key++) ask_big(0, key);
  ln_ask(&w, 1, "1", "bob", "walk", "{}");
  assert_non_null(ln_take(&w, 1));
  assert_true(w.conns[0].open);
  ln_close(&w);
}

static void test_laneya_one_that_takes_no_updates_is_closed(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  w.big = 100000;
  ln_dial(&w, 0, 1), ln_dial(&w, 1, 1);
  ln_ask(&w, 0, "1", "ann", "walk", "{}");
  w.conns[0].room = 0;
  size_t shouts = 0;
  for (; w.conns[0].open && shouts < 100000; shouts++) {
    char key[16];
    snprintf(key, sizeof key, "%zu", shouts);
    ln_ask(&w, 1, key, "bob", "shout", "{}");
    assert_true(w.mem.bytes < 20 * MIB);
    while (ln_take(&w, 1)) {
    }
  }
  assert_true(w.conns[0].reset);
  assert_in_range(shouts, MIB / 80, MIB / 60); /* after 1 MiB of them */
  assert_int_equal(ln_count(&w, "closed_slow_reader"), 1);
  assert_true(w.conns[1].open);
  ln_close(&w);
}

static void test_laneya_watcher_that_never_spoke_is_given_less(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1), ln_dial(&w, 1, 1);
  w.conns[0].room = 0;
  size_t shouts = 0;
  for (; w.conns[0].open && shouts < 100000; shouts++) {
    char key[16];
    snprintf(key, sizeof key, "%zu", shouts);
    ln_ask(&w, 1, key, "bob", "shout", "{}");
  }
  assert_in_range(shouts, 65536 / 80, 65536 / 60);
  ln_close(&w);
}

static void test_laneya_full_one_that_takes_nothing_is_closed_after_60_s(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  w.big = 100000;
  ln_dial(&w, 0, 1);
  w.conns[0].room = 0;
  for (int key = 1; w.conns[0].reading; key++) ask_big(0, key);
  ln_pass(&w, 59 * UMP_S);
  ln_read(&w, 0, 1); /* a byte is a sign of life */
  ln_pass(&w, 59 * UMP_S);
  assert_true(w.conns[0].open);
  ln_pass(&w, 2 * UMP_S);
  assert_true(w.conns[0].reset);
  assert_string_equal(w.reason, "it does not read what it is sent");
  ln_close(&w);
}

static void test_laneya_last_words_wait_10_s_and_no_longer(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  ln_dial(&w, 0, 1), ln_dial(&w, 1, 1);
  w.conns[0].room = w.conns[1].room = 0;
  ln_in(&w, 0, "nonsense", 8), ln_in(&w, 1, "nonsense", 8);
  assert_true(w.conns[0].open && w.conns[1].open);
  assert_false(w.conns[0].reading);
  ln_pass(&w, 9 * UMP_S);
  ln_read(&w, 0, SIZE_MAX);
  assert_true(w.conns[0].ended);
  ln_expect_status(&w, 0, "null", "invalid");
  ln_pass(&w, 2 * UMP_S);
  assert_true(w.conns[1].reset);
  assert_int_equal(ump_engine_deadline(w.engine), UMP_NEVER);
  ln_close(&w);
}

static void test_laneya_half_closed_slow_reader_gets_all_its_answers(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){0});
  w.big = 100000;
  ln_dial(&w, 0, 1);
  w.conns[0].room = 0;
  int key = 0;
  while (w.conns[0].reading) ask_big(0, ++key);
  ask_big(0, ++key); /* still under way when it ended */
  ump_engine_eof(w.engine, w.listener, 0, w.now);
  ln_flush(&w);
  assert_true(w.conns[0].open);
  ln_read(&w, 0, SIZE_MAX);
  int n = 0;
  while (ln_take(&w, 0)) n++;
  assert_int_equal(n, key);
  assert_true(w.conns[0].ended);
  ln_close(&w);
}

/* ---- what an idle connection costs ---- */

static void test_laneya_idle_connection_costs_less_than_2_kib(void **state) {
  (void)state;
  ln_open(&w, (struct ln_cfg){.per_address = 100});
  for (uint32_t i = 0; i < 4; i++) ln_dial(&w, i, 1);
  size_t before = w.mem.bytes;
  for (uint32_t i = 4; i < 14; i++) {
    char name[16];
    snprintf(name, sizeof name, "user%u", i);
    ln_dial(&w, i, 1);
    ln_ask(&w, i, "1", name, "walk", "{}");
  }
  assert_in_range((w.mem.bytes - before) / 10, 300, 2048);
  ln_close(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_laneya_silence_between_messages_is_legal),
      cmocka_unit_test(test_laneya_message_that_stops_in_the_middle_ends_after_10_s),
      cmocka_unit_test(test_laneya_whole_message_ends_the_wait_for_it),
      cmocka_unit_test(test_laneya_never_a_message_ends_after_60_s),
      cmocka_unit_test(test_laneya_stops_reading_from_one_that_does_not_read),
      cmocka_unit_test(test_laneya_full_one_is_not_in_the_middle_of_a_message),
      cmocka_unit_test(test_laneya_full_one_is_no_burden_to_others),
      cmocka_unit_test(test_laneya_one_that_takes_no_updates_is_closed),
      cmocka_unit_test(test_laneya_watcher_that_never_spoke_is_given_less),
      cmocka_unit_test(test_laneya_full_one_that_takes_nothing_is_closed_after_60_s),
      cmocka_unit_test(test_laneya_last_words_wait_10_s_and_no_longer),
      cmocka_unit_test(test_laneya_half_closed_slow_reader_gets_all_its_answers),
      cmocka_unit_test(test_laneya_idle_connection_costs_less_than_2_kib),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
