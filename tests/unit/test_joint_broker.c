/* The broker between connections: every statement of wire/joint, and every row of its table of bad input. Each test is
 * run whole and byte by byte. */
#include "jt_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOTH for (size_t piece = 0; piece < 2; piece++)
static struct jt w;

static void start(size_t piece) {
  jt_init(&w);
  w.piece = piece;
}

/* Connection 1 owns "lobby" as its joint 0; connections 2.. enter it as users 0.. */
static void lobby(size_t piece, uint32_t users) {
  start(piece);
  jt_open(&w, 1);
  jt_hex(&w, 1, "00 00 01 05 6c6f626279");
  jt_sent(&w, 1, "00 03 01 00 00");
  for (uint32_t i = 0; i < users; i++) {
    char notice[32];
    jt_open(&w, 2 + i);
    jt_hex(&w, 2 + i, "00 01 07 05 6c6f626279");
    jt_sent(&w, 2 + i, "00 03 07 00 00");
    snprintf(notice, sizeof notice, "00 04 00 00 00 %02x", (uint8_t)i);
    jt_sent(&w, 1, notice);
  }
}

/* ---- commands ---- */

static void test_joint_create_gives_the_lowest_free_number(void **state) {
  (void)state;
  BOTH {
    start(piece);
    jt_open(&w, 1);
    jt_hex(&w, 1, "00 00 01 01 61  00 00 02 01 62  00 00 03 01 63");
    jt_sent(&w, 1, "00 03 01 00 00  00 03 02 00 01  00 03 03 00 02");
    jt_hex(&w, 1, "00 03 00 01 01  00 00 04 01 64  00 00 05 01 65");
    jt_sent(&w, 1, "00 03 04 00 01  00 03 05 00 03");
    jt_end(&w);
  }
}

static void test_joint_ids_are_any_bytes_compared_exactly(void **state) {
  (void)state;
  char id[300];
  start(0);
  jt_open(&w, 1);
  jt_hex(&w, 1, "00 00 01 02 4100  00 00 02 02 6100  00 00 03 01 41");
  jt_sent(&w, 1, "00 03 01 00 00  00 03 02 00 01  00 03 03 00 02");
  memset(id, 0xff, sizeof id);
  jt_hex(&w, 1, "00 00 04 ff");
  jt_send(&w, 1, id, 255);
  jt_sent(&w, 1, "00 03 04 00 03");
  jt_end(&w);
}

static void test_joint_create_looks_at_the_id_first(void **state) {
  (void)state;
  start(0);
  jt_open(&w, 1);
  for (int i = 0; i < 128; i++) {
    uint8_t create[] = {0, 0, 1, 1, (uint8_t)i};
    jt_send(&w, 1, create, sizeof create);
  }
  jt_forget(&w, 1);
  jt_hex(&w, 1, "00 00 01 01 05"); /* taken, and there is no number left */
  jt_sent(&w, 1, "00 03 01 01 02");
  jt_hex(&w, 1, "00 00 01 01 ff");
  jt_sent(&w, 1, "00 03 01 01 01");
  jt_end(&w);
}

static void test_joint_enter_checks_in_the_order_of_its_codes(void **state) {
  (void)state;
  start(0);
  jt_open(&w, 1);
  jt_hex(&w, 1, "00 00 01 01 61");
  jt_hex(&w, 1, "00 01 02 01 62  00 01 03 01 61"); /* none; its own */
  jt_sent(&w, 1, "00 03 01 00 00  00 03 02 01 01  00 03 03 01 02");
  jt_open(&w, 2);
  jt_hex(&w, 2, "00 01 01 01 61  00 01 02 01 61"); /* already in */
  jt_sent(&w, 2, "00 03 01 00 00  00 03 02 01 03");
  for (uint32_t i = 3; i < 258; i++) {
    assert_true(jt_try_open(&w, i, i / 20));
    jt_hex(&w, i, "00 01 01 01 61");
    jt_sent(&w, i, "00 03 01 00 00");
  }
  jt_open(&w, 300);
  jt_hex(&w, 2, "00 01 03 01 61"); /* already in goes before full */
  jt_sent(&w, 2, "00 03 03 01 03");
  jt_hex(&w, 300, "00 01 01 01 61");
  jt_sent(&w, 300, "00 03 01 01 04");
  jt_end(&w);
}

static void test_joint_a_failed_enter_is_not_announced(void **state) {
  (void)state;
  start(0);
  jt_open(&w, 1), jt_open(&w, 2), jt_open(&w, 3);
  for (int i = 0; i < 128; i++) {
    uint8_t create[] = {0, 0, 1, 1, (uint8_t)i}, enter[] = {0, 1, 1, 1, (uint8_t)i};
    jt_send(&w, 1, create, sizeof create);
    jt_send(&w, 2, enter, sizeof enter);
  }
  jt_hex(&w, 3, "00 00 01 01 ff");
  jt_forget(&w, 2), jt_forget(&w, 3);
  jt_hex(&w, 2, "00 01 01 01 ff");
  jt_sent(&w, 2, "00 03 01 01 05");
  jt_sent(&w, 3, ""); /* and uses up no number: */
  jt_open(&w, 4);
  jt_hex(&w, 4, "00 01 01 01 ff");
  jt_sent(&w, 3, "00 04 00 00 00 00");
  jt_end(&w);
}

static void test_joint_leave_delete_and_kick_tell_each_side_once(void **state) {
  (void)state;
  BOTH {
    lobby(piece, 3);
    jt_hex(&w, 2, "00 02 00 01 00");
    jt_sent(&w, 1, "00 05 00 01 00 00 01");
    jt_sent(&w, 2, "");
    jt_hex(&w, 2, "00 02 00 01 00"); /* again: he is not there */
    jt_sent(&w, 1, "");
    jt_hex(&w, 1, "00 04 00 02 00 02");
    jt_sent(&w, 4, "00 04 00 02 00 02");
    jt_sent(&w, 1, "00 05 00 01 00 02 02");
    jt_hex(&w, 4, "00 01 09 05 6c6f626279"); /* a kick is no ban; the lowest number is free again */
    jt_sent(&w, 4, "00 03 09 00 00");
    jt_sent(&w, 1, "00 04 00 00 00 00");
    jt_hex(&w, 1, "00 03 00 01 00");
    jt_sent(&w, 1, "");
    jt_sent(&w, 3, "00 04 00 02 00 01");
    jt_sent(&w, 4, "00 04 00 02 00 01");
    jt_hex(&w, 3, "00 01 01 05 6c6f626279"); /* its name is free */
    jt_sent(&w, 3, "00 03 01 01 01");
    jt_end(&w);
  }
}

static void test_joint_a_lost_connection_ends_all_that_it_had(void **state) {
  (void)state;
  BOTH {
    lobby(piece, 2);
    jt_hex(&w, 2, "00 00 01 01 78"); /* user 0 owns "x", and user 1 is in it */
    jt_hex(&w, 3, "00 01 01 01 78");
    jt_forget(&w, 2), jt_forget(&w, 3);
    jt_lost(&w, 2);
    jt_sent(&w, 1, "00 05 00 01 00 00 00");
    jt_sent(&w, 3, "00 04 00 02 01 00");
    jt_hex(&w, 3, "00 00 01 01 78"); /* the id is free at once */
    jt_sent(&w, 3, "00 03 01 00 00");
    jt_end(&w);
  }
}

static void test_joint_a_half_close_is_the_end_behind_what_was_said(void **state) {
  (void)state;
  lobby(0, 1);
  jt_hex(&w, 2, "05 00 70696e67 00 02 00"); /* a leave that is cut */
  jt_sent(&w, 1, "06 80 00 70696e67");
  jt_eof(&w, 2);
  jt_closed(&w, 2);
  jt_sent(&w, 1, "00 05 00 01 00 00 00");
  jt_end(&w);
}

/* ---- data ---- */

static void test_joint_data_goes_to_the_owner_and_to_a_user(void **state) {
  (void)state;
  BOTH {
    lobby(piece, 2);
    jt_hex(&w, 3, "03 00 6869");
    jt_sent(&w, 1, "04 80 01 6869");
    jt_hex(&w, 1, "04 80 01 6869  80 04 80 00 6f6f"); /* the long form of a small number too */
    jt_sent(&w, 3, "03 00 6869");
    jt_sent(&w, 2, "03 00 6f6f");
    jt_end(&w);
  }
}

static void test_joint_two_frames_never_become_one(void **state) {
  (void)state;
  lobby(0, 1);
  jt_hex(&w, 2, "02 00 61 02 00 62 03 00 6363");
  jt_sent(&w, 1, "03 80 00 61 03 80 00 62 04 80 00 6363");
  jt_end(&w);
}

static void test_joint_broadcast_to_all_and_to_all_but_one(void **state) {
  (void)state;
  BOTH {
    lobby(piece, 3);
    jt_hex(&w, 1, "01 01 03 80 6869");
    for (uint32_t i = 2; i < 5; i++) jt_sent(&w, i, "03 00 6869");
    jt_hex(&w, 1, "01 00 04 80 01 6869");
    jt_sent(&w, 2, "03 00 6869"), jt_sent(&w, 3, ""), jt_sent(&w, 4, "03 00 6869");
    jt_hex(&w, 1, "01 00 04 80 09 6869"); /* a number that is not there: all */
    for (uint32_t i = 2; i < 5; i++) jt_sent(&w, i, "03 00 6869");
    jt_end(&w);
  }
}

static void test_joint_broadcast_has_each_users_own_number_and_one_payload(void **state) {
  (void)state;
  enum { N = 1000 };
  static char frame[N + 8], hex[2 * N + 16], other[2 * N + 16];
  lobby(0, 3);
  jt_hex(&w, 1, "00 00 01 01 62");
  jt_hex(&w, 3, "00 01 01 01 62"); /* user 1 has joint 1 for "b" */
  jt_hex(&w, 2, "00 01 01 01 62");
  jt_hex(&w, 2, "00 02 00 01 00  00 01 01 05 6c6f626279"); /* user 0 leaves lobby and enters again: still 0 */
  for (uint32_t i = 1; i < 5; i++) jt_forget(&w, i), w.conns[i].stuck = i > 1;
  memcpy(frame, "\x01\x01\x83\xe9\x80", 5);
  memset(frame + 5, 'x', N);
  size_t before = w.mem.bytes;
  jt_send(&w, 1, frame, N + 5);
  assert_true(w.mem.bytes - before < N + 3 * 128 + 512); /* one copy, and a reference each */
  strcpy(hex, "83 e9 00");
  for (size_t i = 0; i < N; i++) strcat(hex, "78");
  for (uint32_t i = 2; i < 5; i++) jt_unstick(&w, i, SIZE_MAX), jt_sent(&w, i, hex);
  frame[4] = (char)0x81; /* to the users of "b", who have it as 1: another header, the same payload */
  jt_send(&w, 1, frame, N + 5);
  strcpy(other, hex);
  memcpy(other + 6, "01", 2);
  for (uint32_t i = 2; i < 4; i++) jt_unstick(&w, i, SIZE_MAX), jt_sent(&w, i, other);
  jt_end(&w);
}

static void test_joint_longest_frames(void **state) {
  (void)state;
  enum { N = 32767 };
  static uint8_t frame[N + 8];
  lobby(0, 1);
  memcpy(frame, "\xff\xff\x00", 3); /* a user's: the header towards the owner is a byte longer, so it is cut in two */
  memset(frame + 3, 'a', N - 1);
  jt_send(&w, 2, frame, N + 2);
  assert_int_equal(w.conns[1].n, 4 + 32765 + 4);
  assert_memory_equal(w.conns[1].out, "\xff\xff\x80\x00", 4);
  assert_memory_equal(w.conns[1].out + 4 + 32765,
                      "\x03\x80\x00"
                      "a",
                      4);
  jt_forget(&w, 1);
  memcpy(frame, "\x01\x01\xff\xff\x80", 5); /* an owner's, to all: 32766 bytes */
  jt_send(&w, 1, frame, N + 4);
  assert_int_equal(w.conns[2].n, N + 2);
  assert_memory_equal(w.conns[2].out, "\xff\xff\x00", 3);
  jt_end(&w);
}

static void test_joint_frames_without_data_reach_nobody(void **state) {
  (void)state;
  BOTH {
    lobby(piece, 1);
    jt_hex(&w, 1, "02 80 05  80 02 80 00  80 01 80  80 00  01 01 80 01 80  01 00 80 02 80 05  01 01 80 00");
    jt_hex(&w, 2, "80 01 00  80 00");
    jt_sent(&w, 1, ""), jt_sent(&w, 2, "");
    jt_hex(&w, 2, "02 00 61");
    jt_sent(&w, 1, "03 80 00 61"); /* in step */
    jt_hex(&w, 1, "03 80 00 61");
    jt_sent(&w, 2, "02 00 61");
    jt_end(&w);
  }
}

static void test_joint_data_for_nobody_is_swallowed_in_step(void **state) {
  (void)state;
  BOTH {
    lobby(piece, 1);
    jt_hex(&w, 2, "03 07 6161  03 00 6262  04 80 00 6363");
    jt_sent(&w, 1, "04 80 00 6262");
    jt_hex(&w, 1, "04 80 09 6161  04 87 00 6161  01 01 03 87 6161  04 80 00 6262");
    jt_sent(&w, 2, "03 00 6262");
    assert_true(jt_count(&w, "frames_for_nobody") >= 4);
    jt_end(&w);
  }
}

static void test_joint_the_target_is_fixed_at_the_header(void **state) {
  (void)state;
  lobby(0, 2);
  jt_hex(&w, 1, "04 80 00 68");    /* half a frame for user 0, */
  jt_hex(&w, 2, "00 02 00 01 00"); /* who leaves; */
  jt_open(&w, 10);
  jt_hex(&w, 10, "00 01 01 05 6c6f626279"); /* another takes his number */
  jt_hex(&w, 1, "69");
  jt_sent(&w, 10, "00 03 01 00 00"); /* and gets nothing of it */
  jt_hex(&w, 1, "01 01 03 80 68");   /* half a broadcast */
  jt_open(&w, 11);
  jt_hex(&w, 11, "00 01 01 05 6c6f626279");
  jt_hex(&w, 1, "69");
  jt_sent(&w, 10, "03 00 6869");
  jt_sent(&w, 11, "00 03 01 00 00"); /* came behind its header */
  jt_hex(&w, 3, "03 00 68");         /* half a frame to the owner, who makes a new joint of the same number */
  jt_hex(&w, 1, "00 03 00 01 00  00 00 01 03 6e6577");
  jt_hex(&w, 3, "69  00 01 01 03 6e6577");
  jt_forget(&w, 1);
  jt_hex(&w, 3, "02 00 61");
  jt_sent(&w, 1, "03 80 00 61");
  jt_end(&w);
}

/* ---- broadcast marks that mark nothing ---- */

static void test_joint_marks_that_fit_nothing_are_dropped(void **state) {
  (void)state;
  BOTH {
    lobby(piece, 2);
    jt_hex(&w, 2, "01 01 03 00 6161"); /* by one who owns nothing: ordinary data */
    jt_sent(&w, 1, "04 80 00 6161");
    jt_hex(&w, 2, "01 00 03 00 6161");
    jt_sent(&w, 1, "04 80 00 6161");
    jt_hex(&w, 2, "01 05 03 00 6161"); /* the library's send of no bytes on joint 5 */
    jt_sent(&w, 1, "04 80 00 6161");
    jt_hex(&w, 1, "01 01 00 00 09 01 7a 04 80 00 6161"); /* before a command: forgotten */
    jt_sent(&w, 1, "00 03 09 00 01");
    jt_sent(&w, 2, "03 00 6161"), jt_sent(&w, 3, "");
    jt_hex(&w, 1, "01 00 01 01 03 80 6161"); /* the later mark counts */
    jt_sent(&w, 2, "03 00 6161"), jt_sent(&w, 3, "03 00 6161");
    jt_hex(&w, 1, "01 01 01 07 04 80 01 6161"); /* and is gone with one of another kind */
    jt_sent(&w, 2, ""), jt_sent(&w, 3, "03 00 6161");
    jt_end(&w);
  }
}

static void test_joint_a_mark_waits_for_its_frame(void **state) {
  (void)state;
  lobby(0, 1);
  jt_hex(&w, 1, "01 01");
  for (int i = 0; i < 20; i++) jt_advance(&w, 10 * UMP_S);
  assert_false(jt_is_closed(&w, 1));
  jt_forget(&w, 2), jt_forget(&w, 1);
  jt_hex(&w, 1, "02 80 61");
  jt_sent(&w, 2, "02 00 61");
  jt_end(&w);
}

/* ---- bad input ---- */

static void closes(const char *hex) {
  BOTH {
    lobby(piece, 1);
    jt_hex(&w, 2, "02 00 61"); /* what came before counts */
    jt_hex(&w, 2, hex);
    jt_closed(&w, 2);
    jt_sent(&w, 2, ""); /* without a word */
    jt_sent(&w, 1, "03 80 00 61 00 05 00 01 00 00 00");
    jt_hex(&w, 1, "00 03 00 01 00");
    assert_false(jt_is_closed(&w, 1));
    jt_end(&w);
  }
}

static void test_joint_unknown_commands_close(void **state) {
  (void)state;
  closes("00 05"), closes("00 09 02 01 3f"), closes("00 ff 00 00");
}

static void test_joint_lengths_that_are_none_close(void **state) {
  (void)state;
  closes("00 02 00 00"), closes("00 02 00 02 00 00"), closes("00 03 00 05 00"), closes("00 04 00 01 00"),
      closes("00 04 00 03 000000");
}

static void test_joint_create_and_enter_with_number_0_close(void **state) {
  (void)state;
  closes("00 00 00 01 61"), closes("00 01 00 01 61");
}

static void test_joint_empty_ids_are_refused_at_once(void **state) {
  (void)state;
  BOTH {
    start(piece);
    jt_open(&w, 1);
    jt_hex(&w, 1, "00 00 01 00");
    jt_sent(&w, 1, "00 03 01 01 02");
    jt_hex(&w, 1, "00 01 02 00");
    jt_sent(&w, 1, "00 03 02 01 01");
    jt_end(&w);
  }
}

static void test_joint_leave_delete_kick_of_nothing_are_ignored(void **state) {
  (void)state;
  BOTH {
    start(piece);
    jt_open(&w, 1);
    jt_hex(&w, 1,
           "00 02 00 01 00  00 03 00 01 00  00 04 00 02 00 00  00 02 00 01 ff  00 03 00 01 ff  00 04 00 02 ff ff");
    jt_hex(&w, 1, "00 00 01 01 61  00 04 00 02 00 07");
    jt_sent(&w, 1, "00 03 01 00 00");
    jt_end(&w);
  }
}

static void test_joint_16000_commands_in_one_read_are_linear(void **state) {
  (void)state;
  enum { N = 16000 };
  static uint8_t flood[5 * N];
  start(0);
  jt_open(&w, 1);
  for (size_t i = 0; i < N; i++) memcpy(flood + 5 * i, "\x00\x03\x00\x01\x05", 5);
  for (size_t at = 0; at < sizeof flood; at += 64000)
    jt_send(&w, 1, flood + at, sizeof flood - at < 64000 ? sizeof flood - at : 64000);
  jt_hex(&w, 1, "00 00 01 01 61");
  jt_sent(&w, 1, "00 03 01 00 00");
  jt_end(&w);
}

static void test_joint_a_later_G_is_a_size(void **state) {
  (void)state;
  lobby(0, 1);
  uint8_t frame[72] = {'G', 0};
  memset(frame + 2, 'G', 70);
  jt_send(&w, 2, frame, sizeof frame);
  assert_memory_equal(w.conns[1].out, "H\x80\x00GGG", 6);
  jt_end(&w);
}

/* ---- limits ---- */

static void test_joint_23_connections_from_one_address(void **state) {
  (void)state;
  jt_init(&w);
  for (uint32_t i = 0; i < 23; i++) assert_true(jt_try_open(&w, i, 7));
  assert_false(jt_try_open(&w, 23, 7)); /* counts connections, not ports */
  jt_sent(&w, 23, "");
  assert_true(jt_try_open(&w, 24, 8));
  jt_lost(&w, 0);
  assert_true(jt_try_open(&w, 23, 7));
  jt_end(&w);
  jt_init_with(&w, &(struct jt_options){.limit = 2});
  jt_open(&w, 1), jt_open(&w, 2);
  assert_false(jt_try_open(&w, 3, 3));
  jt_end(&w);
}

static void test_joint_users_of_a_channel_are_limited_by_option(void **state) {
  (void)state;
  jt_init_with(&w, &(struct jt_options){.users = 2});
  for (uint32_t i = 1; i < 5; i++) jt_open(&w, i);
  jt_hex(&w, 1, "00 00 01 01 61");
  for (uint32_t i = 2; i < 5; i++) jt_hex(&w, i, "00 01 01 01 61");
  jt_sent(&w, 3, "00 03 01 00 00");
  jt_sent(&w, 4, "00 03 01 01 04");
  jt_end(&w);
}

static void test_joint_data_of_a_frame_is_limited_by_option(void **state) {
  (void)state;
  jt_init_with(&w, &(struct jt_options){.payload = 3});
  jt_open(&w, 1), jt_open(&w, 2), jt_open(&w, 3);
  jt_hex(&w, 1, "00 00 01 01 61");
  jt_hex(&w, 2, "00 01 01 01 61");
  jt_hex(&w, 3, "00 01 01 01 61");
  jt_forget(&w, 1), jt_forget(&w, 2);
  jt_hex(&w, 2, "04 00 616161");
  jt_sent(&w, 1, "05 80 00 616161");
  jt_hex(&w, 1, "05 80 00 616161  01 01 04 80 616161");
  jt_sent(&w, 2, "04 00 616161 04 00 616161");
  jt_hex(&w, 2, "05 00"); /* by its header */
  jt_closed(&w, 2);
  jt_hex(&w, 1, "01 01 05 80");
  jt_closed(&w, 1);
  jt_end(&w);
}

static void test_joint_idle_connection_with_a_joint_is_small(void **state) {
  (void)state;
  start(0);
  size_t before = 0;
  for (uint32_t i = 1; i <= 200; i++) {
    char create[32];
    if (i == 101) before = w.mem.bytes;
    jt_open(&w, i);
    snprintf(create, sizeof create, "00 00 01 02 %04x", (uint16_t)i);
    jt_hex(&w, i, create);
  }
  assert_true((w.mem.bytes - before) / 100 < 1024); /* the original: 7.4 KiB in all; the rest is the driver's */
  jt_end(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_joint_create_gives_the_lowest_free_number),
      cmocka_unit_test(test_joint_ids_are_any_bytes_compared_exactly),
      cmocka_unit_test(test_joint_create_looks_at_the_id_first),
      cmocka_unit_test(test_joint_enter_checks_in_the_order_of_its_codes),
      cmocka_unit_test(test_joint_a_failed_enter_is_not_announced),
      cmocka_unit_test(test_joint_leave_delete_and_kick_tell_each_side_once),
      cmocka_unit_test(test_joint_a_lost_connection_ends_all_that_it_had),
      cmocka_unit_test(test_joint_a_half_close_is_the_end_behind_what_was_said),
      cmocka_unit_test(test_joint_data_goes_to_the_owner_and_to_a_user),
      cmocka_unit_test(test_joint_two_frames_never_become_one),
      cmocka_unit_test(test_joint_broadcast_to_all_and_to_all_but_one),
      cmocka_unit_test(test_joint_broadcast_has_each_users_own_number_and_one_payload),
      cmocka_unit_test(test_joint_longest_frames),
      cmocka_unit_test(test_joint_frames_without_data_reach_nobody),
      cmocka_unit_test(test_joint_data_for_nobody_is_swallowed_in_step),
      cmocka_unit_test(test_joint_the_target_is_fixed_at_the_header),
      cmocka_unit_test(test_joint_marks_that_fit_nothing_are_dropped),
      cmocka_unit_test(test_joint_a_mark_waits_for_its_frame),
      cmocka_unit_test(test_joint_unknown_commands_close),
      cmocka_unit_test(test_joint_lengths_that_are_none_close),
      cmocka_unit_test(test_joint_create_and_enter_with_number_0_close),
      cmocka_unit_test(test_joint_empty_ids_are_refused_at_once),
      cmocka_unit_test(test_joint_leave_delete_kick_of_nothing_are_ignored),
      cmocka_unit_test(test_joint_16000_commands_in_one_read_are_linear),
      cmocka_unit_test(test_joint_a_later_G_is_a_size),
      cmocka_unit_test(test_joint_23_connections_from_one_address),
      cmocka_unit_test(test_joint_users_of_a_channel_are_limited_by_option),
      cmocka_unit_test(test_joint_data_of_a_frame_is_limited_by_option),
      cmocka_unit_test(test_joint_idle_connection_with_a_joint_is_small),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
