/* Timers of the joint protocol, slow readers (T13), slow writers (T14, T15), and running out of memory. */
#include "jt_world.h"

#include <stdlib.h>
#include <string.h>

static struct jt w;

static void pair(void) { /* 1 owns "a", 2 is in it */
  jt_open(&w, 1), jt_open(&w, 2);
  jt_hex(&w, 1, "00 00 01 01 61");
  jt_hex(&w, 2, "00 01 01 01 61");
  jt_forget(&w, 1), jt_forget(&w, 2);
}

/* ---- what does not come ---- */

static void test_joint_no_byte_5_s(void **state) {
  (void)state;
  jt_init(&w);
  jt_open(&w, 1), jt_open(&w, 2);
  jt_advance(&w, 4900 * UMP_MS);
  jt_hex(&w, 2, "00"); /* a byte will do; then other timers run */
  jt_advance(&w, 200 * UMP_MS);
  jt_closed(&w, 1);
  assert_false(jt_is_closed(&w, 2));
  jt_end(&w);
}

static void test_joint_upgrade_5_s_and_trickling_does_not_extend_it(void **state) {
  (void)state;
  static const char get[] = "GET / HTTP/1.1\r\nUpgrade: websocket\r\n";
  jt_init(&w);
  jt_open(&w, 1);
  for (size_t i = 0; i < 9; i++) {
    jt_send(&w, 1, get + i, 1);
    jt_advance(&w, 500 * UMP_MS);
  }
  assert_false(jt_is_closed(&w, 1));
  jt_send(&w, 1, get + 9, 1);
  jt_advance(&w, 500 * UMP_MS);
  jt_closed(&w, 1);
  jt_sent(&w, 1, "");
  jt_end(&w);
}

static void half(const char *hex, ump_time limit) {
  jt_init(&w);
  pair();
  jt_hex(&w, 2, hex);
  jt_advance(&w, limit - UMP_MS);
  assert_false(jt_is_closed(&w, 2));
  jt_advance(&w, 2 * UMP_MS);
  jt_closed(&w, 2);
  jt_end(&w);
}

static void test_joint_half_commands_10_s_half_frames_30_s(void **state) {
  (void)state;
  half("00", 10 * UMP_S);
  half("00 00 01 05 61", 10 * UMP_S);
  half("05", 30 * UMP_S);
  half("05 00 61", 30 * UMP_S);
  half("ff", 30 * UMP_S);
}

static void test_joint_a_byte_in_time_goes_on(void **state) {
  (void)state;
  jt_init(&w);
  pair();
  jt_hex(&w, 2, "09 00");
  for (int i = 0; i < 7; i++) {
    jt_advance(&w, 29 * UMP_S);
    jt_hex(&w, 2, "61");
  }
  jt_forget(&w, 1);
  jt_hex(&w, 2, "61");
  jt_sent(&w, 1, "0a 80 00 6161616161616161");
  jt_end(&w);
}

static void test_joint_silence_of_a_client_is_legal_for_ever(void **state) {
  (void)state;
  jt_init(&w);
  pair();
  jt_advance(&w, 24 * 3600 * UMP_S);
  assert_false(jt_is_closed(&w, 1) || jt_is_closed(&w, 2));
  jt_forget(&w, 1);
  jt_hex(&w, 2, "02 00 61");
  jt_sent(&w, 1, "03 80 00 61");
  jt_end(&w);
}

/* ---- keep-alives ---- */

static void test_joint_keep_alive_5_s_after_the_last_bytes_we_sent(void **state) {
  (void)state;
  jt_init(&w);
  jt_open(&w, 1);
  jt_hex(&w, 1, "01 05"); /* asked nothing: */
  jt_advance(&w, 60 * UMP_S);
  jt_sent(&w, 1, ""); /* gets none */
  jt_hex(&w, 1, "00 00 01 01 61");
  jt_sent(&w, 1, "00 03 01 00 00");
  jt_advance(&w, 4999 * UMP_MS);
  jt_sent(&w, 1, "");
  jt_advance(&w, UMP_MS);
  jt_sent(&w, 1, "00 04 00 ff 00 00");
  jt_advance(&w, 3 * UMP_S);
  jt_hex(&w, 1, "00 00 02 01 62"); /* an answer moves it */
  jt_sent(&w, 1, "00 03 02 00 01");
  jt_advance(&w, 4999 * UMP_MS);
  jt_sent(&w, 1, "");
  jt_advance(&w, 5001 * UMP_MS);
  jt_sent(&w, 1, "00 04 00 ff 00 00 00 04 00 ff 00 00");
  jt_end(&w);
}

/* ---- slow readers ---- */

enum { BIG = 32000 };
static uint8_t frame[BIG + 8];

static size_t towards_user(uint8_t user) {
  memcpy(frame, (uint8_t[]){0x80 | (BIG + 2) >> 8, (BIG + 2) & 0xff, 0x80, user}, 4);
  memset(frame + 4, 'x', BIG);
  return BIG + 4;
}

static void fill(uint8_t user) { /* until the sender is not read any more */
  size_t n = towards_user(user);
  for (int i = 0; i < 200 && jt_reads(&w, 1); i++) jt_send(&w, 1, frame, n);
}

static void test_joint_above_the_limit_senders_are_not_read(void **state) {
  (void)state;
  jt_init(&w);
  pair();
  w.conns[2].stuck = true;
  fill(0);
  assert_false(jt_reads(&w, 1));
  assert_true(w.mem.bytes < (1 << 20) + 3 * BIG + 65536);
  assert_true(jt_reads(&w, 2));
  jt_advance(&w, 4 * UMP_S);
  jt_unstick(&w, 2, 2 * BIG); /* some of it is enough */
  assert_true(jt_reads(&w, 1));
  w.conns[2].stuck = false;
  jt_unstick(&w, 2, SIZE_MAX);
  assert_int_equal(w.conns[2].n % (BIG + 3), 0); /* nothing is lost: whole frames */
  assert_int_equal(w.conns[2].n / (BIG + 3), jt_count(&w, "deliveries"));
  jt_advance(&w, 60 * UMP_S);
  assert_false(jt_is_closed(&w, 2));
  jt_end(&w);
}

static void test_joint_who_has_not_drained_in_5_s_is_closed(void **state) {
  (void)state;
  jt_init(&w);
  pair();
  jt_open(&w, 3);
  jt_hex(&w, 3, "00 01 01 01 61");
  jt_forget(&w, 1), jt_forget(&w, 3);
  w.conns[2].stuck = true;
  fill(0);
  jt_hex(&w, 1, "04 80 01 6869"); /* waits behind what is for the slow one */
  jt_sent(&w, 3, "");
  jt_advance(&w, 4999 * UMP_MS);
  assert_false(jt_is_closed(&w, 2));
  jt_advance(&w, UMP_MS);
  jt_closed(&w, 2);
  jt_sent(&w, 1, "00 05 00 01 00 00 00");
  jt_sent(&w, 3, "00 04 00 ff 00 00  03 00 6869");
  assert_true(jt_reads(&w, 1));
  assert_int_equal(jt_count(&w, "closed_slow_reader"), 1);
  jt_end(&w);
}

static void test_joint_a_broadcast_waits_for_the_slowest(void **state) {
  (void)state;
  jt_init(&w);
  pair();
  jt_open(&w, 3), jt_open(&w, 4);
  jt_hex(&w, 3, "00 01 01 01 61");
  jt_hex(&w, 4, "00 00 01 01 62");
  jt_hex(&w, 2, "00 01 01 01 62"); /* 2 is with 4, too, who fills it */
  w.conns[2].stuck = true;
  size_t n = towards_user(0);
  for (int i = 0; i < 200 && jt_reads(&w, 4); i++) jt_send(&w, 4, frame, n);
  assert_true(jt_reads(&w, 1));
  jt_forget(&w, 3);
  jt_hex(&w, 1, "01 01 03 80 6869  04 80 01 6f6f");
  assert_false(jt_reads(&w, 1));
  jt_sent(&w, 3, ""); /* to all or to none yet: order is kept for each */
  w.conns[2].stuck = false;
  jt_unstick(&w, 2, SIZE_MAX);
  jt_sent(&w, 3, "03 00 6869  03 00 6f6f");
  jt_end(&w);
}

static void test_joint_many_senders_to_one_slow_owner_stay_bounded(void **state) {
  (void)state;
  jt_init(&w);
  jt_open(&w, 1);
  jt_hex(&w, 1, "00 00 01 01 61");
  for (uint32_t i = 2; i < 52; i++) jt_open(&w, i), jt_hex(&w, i, "00 01 01 01 61");
  w.conns[1].stuck = true;
  memcpy(frame, "\xfd\x01\x00", 3);
  for (int round = 0; round < 10; round++)
    for (uint32_t i = 2; i < 52; i++)
      if (jt_reads(&w, i)) jt_send(&w, i, frame, 32000 + 3);
  /* above the limit: one frame of each of those who wait, and one above */
  assert_true(w.mem.bytes < (1 << 20) + 53 * 33000);
  for (uint32_t i = 2; i < 52; i++) assert_false(jt_reads(&w, i));
  w.conns[1].stuck = false;
  jt_unstick(&w, 1, SIZE_MAX);
  for (uint32_t i = 2; i < 52; i++) assert_true(jt_reads(&w, i));
  jt_end(&w);
}

static void test_joint_a_sender_that_waits_may_go(void **state) {
  (void)state;
  jt_init(&w);
  pair();
  w.conns[2].stuck = true;
  fill(0);
  jt_lost(&w, 1);
  assert_false(jt_is_closed(&w, 2));
  w.conns[2].stuck = false;
  jt_unstick(&w, 2, SIZE_MAX);
  assert_memory_equal(w.conns[2].out + w.conns[2].n - 6, "\x00\x04\x00\x02\x00\x00", 6);
  jt_end(&w);
}

static void test_joint_a_receiver_that_is_waited_for_may_go(void **state) {
  (void)state;
  jt_init(&w);
  pair();
  w.conns[2].stuck = true;
  fill(0);
  jt_lost(&w, 2);
  assert_true(jt_reads(&w, 1));
  jt_end(&w);
}

static void test_joint_last_words_wait_5_s_to_be_read(void **state) {
  (void)state;
  jt_init(&w);
  pair();
  w.conns[2].stuck = true;
  jt_hex(&w, 1, "03 80 00 61");
  jt_hex(&w, 2, "00 99"); /* closed, with something still to be written */
  assert_false(jt_is_closed(&w, 2));
  jt_advance(&w, 5 * UMP_S);
  jt_closed(&w, 2);
  jt_end(&w);
}

static void test_joint_the_limit_of_unsent_bytes_is_an_option(void **state) {
  (void)state;
  jt_init_with(&w, &(struct jt_options){.unsent = 100000});
  pair();
  w.conns[2].stuck = true;
  fill(0);
  assert_false(jt_reads(&w, 1));
  assert_true(w.mem.bytes < 100000 + 3 * BIG + 65536);
  jt_end(&w);
}

/* ---- no memory ---- */

static void visit(void) {
  if (jt_try_open(&w, 1, 1)) jt_hex(&w, 1, "00 00 01 01 61");
  if (jt_try_open(&w, 2, 2)) jt_hex(&w, 2, "00 01 01 01 61");
  if (jt_try_open(&w, 3, 3)) jt_hex(&w, 3, "00 01 01 05 6c6f626279 00 01 01 01 61");
  jt_hex(&w, 3, "03 01 6161  03 00 00 78  02 00"); /* a chunk for the rulebook */
  uint8_t big[300] = {0x01, 0x01, 0x81, 0x20, 0x80};
  jt_send(&w, 1, big, 5 + 0x11f);
  jt_hex(&w, 1, "00 04 00 02 00 00");
  if (jt_try_open(&w, 4, 4)) {
    static const char get[] =
        "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    jt_send(&w, 4, get, sizeof get - 1);
    jt_hex(&w, 4, "82 87 00000000 00 01 01 03 72 70 63  82 84 00000000 03 00 00 02");
  }
  jt_advance(&w, 6 * UMP_S);
  if (w.conns[2].open) jt_hex(&w, 2, "02 00 61");
  if (w.conns[1].open) jt_hex(&w, 1, "00 03 00 01 00");
}

static void test_joint_every_allocation_may_fail(void **state) {
  (void)state;
  for (int forever = 0; forever < 2; forever++)
    for (size_t n = 1; n < 2000; n++) {
      memset(&w, 0, sizeof w);
      testing_mem_init(&w.mem);
      jt_undeclared(&w);
      jt_channel(&w, "lobby", "mode=chunk max_chunk=100");
      jt_channel(&w, "rpc", "mode=rpc 0:step(Int32,Int32) 2<moved(String)");
      assert_true(jt_make(&w, &(struct jt_options){0}));
      testing_mem_fail(&w.mem, n, forever);
      jt_declare(&w);
      visit();
      bool all_went_through = !w.mem.failed;
      testing_mem_fail(&w.mem, 0, false);
      jt_end(&w);
      if (all_went_through) break;
      assert_true(n < 1999);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_joint_no_byte_5_s),
      cmocka_unit_test(test_joint_upgrade_5_s_and_trickling_does_not_extend_it),
      cmocka_unit_test(test_joint_half_commands_10_s_half_frames_30_s),
      cmocka_unit_test(test_joint_a_byte_in_time_goes_on),
      cmocka_unit_test(test_joint_silence_of_a_client_is_legal_for_ever),
      cmocka_unit_test(test_joint_keep_alive_5_s_after_the_last_bytes_we_sent),
      cmocka_unit_test(test_joint_above_the_limit_senders_are_not_read),
      cmocka_unit_test(test_joint_who_has_not_drained_in_5_s_is_closed),
      cmocka_unit_test(test_joint_a_broadcast_waits_for_the_slowest),
      cmocka_unit_test(test_joint_many_senders_to_one_slow_owner_stay_bounded),
      cmocka_unit_test(test_joint_a_sender_that_waits_may_go),
      cmocka_unit_test(test_joint_a_receiver_that_is_waited_for_may_go),
      cmocka_unit_test(test_joint_last_words_wait_5_s_to_be_read),
      cmocka_unit_test(test_joint_the_limit_of_unsent_bytes_is_an_option),
      cmocka_unit_test(test_joint_every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
