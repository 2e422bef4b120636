/* The joint protocol over WebSocket: the upgrade on the same port, frames, control frames, closing. */
#include "jt_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct jt w;
#define BOTH for (size_t piece = 0; piece < 2; piece++)

#define LINE(text) text "\r\n"
#define REQUEST                                                                                                        \
  LINE("GET / HTTP/1.1")                                                                                               \
  LINE("Host: localhost")                                                                                              \
  LINE("Upgrade: websocket")                                                                                           \
  LINE("Connection: Upgrade") LINE("Sec-WebSocket-Version: 13") LINE("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
static const char answer[] = LINE("HTTP/1.1 101 Switching Protocols") LINE("Upgrade: websocket")
    LINE("Connection: Upgrade") LINE("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") "\r\n";

static void upgrade(uint32_t conn) {
  if (!w.conns[conn].open) jt_open(&w, conn);
  jt_send(&w, conn, REQUEST "\r\n", sizeof REQUEST + 1);
  assert_int_equal(w.conns[conn].n, sizeof answer - 1);
  assert_memory_equal(w.conns[conn].out, answer, sizeof answer - 1);
  jt_forget(&w, conn);
}

/* A masked frame around bytes in hex. */
static void frame(uint32_t conn, unsigned first, const char *hex) {
  static const uint8_t mask[4] = {9, 8, 7, 6};
  uint8_t out[200] = {(uint8_t)first};
  size_t n = 0;
  memcpy(out + 2, mask, 4);
  for (unsigned v; *hex; hex++) {
    if (*hex == ' ') continue;
    assert_int_equal(sscanf(hex, "%2x", &v), 1);
    out[6 + n] = (uint8_t)(v ^ mask[n % 4]);
    n++, hex++;
  }
  out[1] = (uint8_t)(0x80 | n);
  jt_send(&w, conn, out, 6 + n);
}

static void start(size_t piece) {
  jt_init(&w);
  jt_channel(&w, "lobby", "mode=chunk");
  jt_declare(&w);
  w.piece = piece;
}

static void test_joint_web_and_raw_meet_in_one_channel(void **state) {
  (void)state;
  BOTH {
    start(piece);
    upgrade(1);
    jt_open(&w, 2);
    frame(1, 0x82, "00 00 01 01 61");
    jt_sent(&w, 1, "82 05 00 03 01 00 00");
    jt_hex(&w, 2, "00 01 01 01 61");
    jt_sent(&w, 1, "82 06 00 04 00 00 00 00");
    jt_forget(&w, 2);
    jt_hex(&w, 2, "03 00 6869");
    jt_sent(&w, 1, "82 05 04 80 00 6869");
    frame(1, 0x82, "04"), frame(1, 0x82, "80"), frame(1, 0x82, "00"), frame(1, 0x82, ""), frame(1, 0x82, "6869");
    jt_sent(&w, 2, "03 00 6869"); /* frame borders mean nothing */
    jt_end(&w);
  }
}

static void test_joint_web_broadcast_to_both_kinds(void **state) {
  (void)state;
  enum { N = 200 };
  start(0);
  jt_open(&w, 1), jt_open(&w, 2);
  jt_hex(&w, 1, "00 00 01 01 61");
  jt_hex(&w, 2, "00 01 01 01 61");
  upgrade(3);
  frame(3, 0x82, "00 01 01 01 61");
  jt_forget(&w, 2), jt_forget(&w, 3);
  uint8_t all[5 + N] = {0x01, 0x01, 0x80, N + 1, 0x80};
  memset(all + 5, 'x', N);
  jt_send(&w, 1, all, sizeof all);
  assert_int_equal(w.conns[2].n, 3 + N);
  assert_memory_equal(w.conns[2].out, "\x80\xc9\x00xx", 5);
  assert_int_equal(w.conns[3].n, 4 + 3 + N);
  assert_memory_equal(w.conns[3].out, "\x82\x7e\x00\xcb\x80\xc9\x00xx", 9);
  jt_forget(&w, 2), jt_forget(&w, 3);
  jt_hex(&w, 1, "01 01 03 80 6869");
  jt_sent(&w, 2, "03 00 6869"), jt_sent(&w, 3, "82 04 03 00 6869");
  jt_end(&w);
}

static void test_joint_web_frames_in_the_segment_of_the_upgrade(void **state) {
  (void)state;
  start(0);
  jt_open(&w, 1);
  jt_send(&w, 1,
          REQUEST "\r\n\x82\x85\0\0\0\0\0\0\x01\x01"
                  "a",
          sizeof REQUEST + 1 + 11);
  assert_int_equal(w.conns[1].n, sizeof answer - 1 + 7);
  assert_memory_equal(w.conns[1].out + sizeof answer - 1, "\x82\x05\x00\x03\x01\x00\x00", 7);
  jt_end(&w);
}

static void test_joint_web_enters_a_rulebooks_channel(void **state) {
  (void)state;
  BOTH {
    start(piece);
    upgrade(1);
    frame(1, 0x82, "00 01 01 05 6c6f626279");
    jt_sent(&w, 1, "82 05 00 03 01 00 00");
    frame(1, 0x82, "02 00 01 03 00 6869");
    jt_trace(&w, "connect 0 lobby", "0 chunk 'hi'");
    jt_notify_bytes(&w, jt_client(&w, 0), "yo", 2);
    jt_sent(&w, 1, "82 05 04 00 01 796f");
    jt_end(&w);
  }
}

static void test_joint_web_ping_and_close(void **state) {
  (void)state;
  BOTH {
    start(piece);
    upgrade(1);
    frame(1, 0x89, "616263");
    jt_sent(&w, 1, "8a 03 616263");
    frame(1, 0x8a, "616263"); /* pong: ignored */
    jt_sent(&w, 1, "");
    frame(1, 0x02, "00 00 01"); /* the pieces of a message, and a ping between them */
    frame(1, 0x89, "");
    frame(1, 0x80, "01 61");
    jt_sent(&w, 1, "8a 00 82 05 00 03 01 00 00");
    frame(1, 0x88, "03e8");
    jt_sent(&w, 1, "88 02 03e8");
    jt_closed(&w, 1);
    upgrade(2);
    frame(2, 0x88, "");
    jt_sent(&w, 2, "88 00");
    jt_closed(&w, 2);
    jt_end(&w);
  }
}

static void test_joint_web_what_came_before_the_close_counts(void **state) {
  (void)state;
  start(0);
  jt_open(&w, 2);
  jt_hex(&w, 2, "00 00 01 01 61");
  upgrade(1);
  jt_forget(&w, 2);
  jt_hex(&w, 1,
         "82 85 00000000 00 01 01 01 61  82 83 00000000 02 00 78  82 85 00000000 00 02 00 01 00  88 82 00000000 03 e8");
  jt_sent(&w, 1, "82 05 00 03 01 00 00 88 02 03 e8");
  jt_sent(&w, 2, "00 04 00 00 00 00 03 80 00 78 00 05 00 01 00 00 01");
  jt_end(&w);
}

static void ends(const char *hex, const char *last_words) {
  BOTH {
    start(piece);
    upgrade(1);
    jt_hex(&w, 1, hex);
    jt_sent(&w, 1, last_words);
    jt_closed(&w, 1);
    jt_end(&w);
  }
}

static void test_joint_web_violations_close_with_a_code(void **state) {
  (void)state;
  ends("81 81 00000000 61", "88 02 03eb");         /* text: 1003 */
  ends("c2 81 00000000 61", "88 02 03ea");         /* reserved bits: 1002 */
  ends("82 01 61", "88 02 03ea");                  /* no mask */
  ends("80 81 00000000 61", "88 02 03ea");         /* continues nothing */
  ends("82 ff 0000000000100001 00", "88 02 03f1"); /* over 1 MiB, by its header: 1009 */
  ends("88 81 00000000 03", "88 02 03ea");         /* a close of one byte */
  ends("82 82 00000000 00 99", "88 02 03f0");      /* an unknown command: 1008 */
}

static void test_joint_web_65_fragments_close_with_1008(void **state) {
  (void)state;
  start(0);
  upgrade(1);
  frame(1, 0x02, "01");
  for (int i = 1; i < 64; i++) frame(1, 0x00, "05");
  assert_false(jt_is_closed(&w, 1));
  frame(1, 0x00, "05");
  jt_sent(&w, 1, "88 02 03f0");
  jt_closed(&w, 1);
  jt_end(&w);
}

static void test_joint_web_pings_10_a_second(void **state) {
  (void)state;
  start(0);
  upgrade(1);
  for (int second = 0; second < 3; second++) {
    for (int i = 0; i < 10; i++) frame(1, 0x89, "");
    jt_advance(&w, UMP_S);
  }
  assert_false(jt_is_closed(&w, 1));
  for (int i = 0; i < 11; i++) frame(1, 0x89, "");
  jt_closed(&w, 1);
  jt_end(&w);
}

static void test_joint_web_unmasked_by_option(void **state) {
  (void)state;
  jt_init_with(&w, &(struct jt_options){.unmasked = true});
  upgrade(1);
  jt_hex(&w, 1, "82 05 00 00 01 01 61");
  jt_sent(&w, 1, "82 05 00 03 01 00 00");
  jt_end(&w);
}

static void refused(const char *request, const char *status) {
  jt_open(&w, 1);
  jt_send(&w, 1, request, strlen(request));
  assert_true(w.conns[1].n > 12);
  assert_memory_equal(w.conns[1].out, status, strlen(status));
  jt_closed(&w, 1);
  jt_forget(&w, 1);
}

static void test_joint_web_requests_that_are_refused(void **state) {
  (void)state;
  jt_init_with(&w, &(struct jt_options){.origin = "https://play.example"});
  refused("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ");
  refused("GRAB all\r\n", "HTTP/1.1 400 ");
  refused(REQUEST LINE("Origin: https://evil.example") "\r\n", "HTTP/1.1 403 ");
  jt_open(&w, 1);
  jt_send(&w, 1, REQUEST LINE("Origin: https://play.example") "\r\n",
          strlen(REQUEST LINE("Origin: https://play.example") "\r\n"));
  assert_memory_equal(w.conns[1].out, answer, sizeof answer - 1);
  jt_end(&w);
}

static void test_joint_web_half_a_header_10_s_half_a_payload_30_s(void **state) {
  (void)state;
  start(0);
  upgrade(1), upgrade(2);
  jt_hex(&w, 1, "82");
  jt_hex(&w, 2, "82 85 00000000 05");
  jt_advance(&w, 10 * UMP_S);
  jt_closed(&w, 1);
  jt_advance(&w, 19 * UMP_S);
  assert_false(jt_is_closed(&w, 2));
  jt_advance(&w, UMP_S);
  jt_closed(&w, 2);
  jt_end(&w);
}

static void test_joint_web_idle_costs_little(void **state) {
  (void)state;
  start(0);
  size_t before = 0;
  for (uint32_t i = 1; i <= 40; i++) {
    if (i == 21) before = w.mem.bytes;
    upgrade(i);
    frame(i, 0x82, "01 05");
  }
  assert_true((w.mem.bytes - before) / 20 < 1024);
  jt_end(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_joint_web_and_raw_meet_in_one_channel),
      cmocka_unit_test(test_joint_web_broadcast_to_both_kinds),
      cmocka_unit_test(test_joint_web_frames_in_the_segment_of_the_upgrade),
      cmocka_unit_test(test_joint_web_enters_a_rulebooks_channel),
      cmocka_unit_test(test_joint_web_ping_and_close),
      cmocka_unit_test(test_joint_web_what_came_before_the_close_counts),
      cmocka_unit_test(test_joint_web_violations_close_with_a_code),
      cmocka_unit_test(test_joint_web_65_fragments_close_with_1008),
      cmocka_unit_test(test_joint_web_pings_10_a_second),
      cmocka_unit_test(test_joint_web_unmasked_by_option),
      cmocka_unit_test(test_joint_web_requests_that_are_refused),
      cmocka_unit_test(test_joint_web_half_a_header_10_s_half_a_payload_30_s),
      cmocka_unit_test(test_joint_web_idle_costs_little),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
