/* WebSocket as RFC 6455 has it and hardening asks (T16): the request, the frames, and what ends a connection. */
#include "testing.h"

#include <stdio.h>
#include <string.h>

#include "codec/websocket.h"

/* ---- the request ---- */

#define LINE(text) text "\r\n"
#define GET        LINE("GET /any?thing HTTP/1.1")
#define BASE       LINE("Host: localhost:7680") LINE("Upgrade: websocket") LINE("Connection: keep-alive, Upgrade")
#define KEY        LINE("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
#define V13        LINE("Sec-WebSocket-Version: 13")
#define GOOD       GET BASE KEY V13
#define END        "\r\n"

struct upgrade {
  struct testing_mem mem;
  char answer[UMP_WS_ANSWER_MAX + 1];
  size_t left; /* of the input, behind the request */
};

/* Feeds the request in pieces and gives the status; 0: it is not complete. */
static int ask(struct upgrade *a, const char *request, size_t n, size_t piece, const char *origins) {
  testing_mem_init(&a->mem);
  struct ump_ws_upgrade *u = ump_ws_upgrade_new(&a->mem.mem);
  int err = UMP_EAGAIN, status = 0;
  size_t at = 0;
  while (err == UMP_EAGAIN && at < n) {
    struct ump_bytes in = ump_bytes(request + at, n - at < piece ? n - at : piece);
    at += in.n;
    err = ump_ws_upgrade_feed(u, &in);
    at -= in.n;
    if (err) assert_int_equal(in.n, 0);
  }
  a->left = n - at;
  struct ump_writer w = ump_writer(a->answer, UMP_WS_ANSWER_MAX);
  if (err != UMP_EAGAIN) status = ump_ws_upgrade_answer(u, ump_text(origins), &w);
  assert_false(w.full);
  if (err == UMP_EMALFORMED) assert_int_not_equal(status, 101);
  a->answer[w.n] = 0;
  ump_ws_upgrade_free(u);
  testing_mem_assert_empty(&a->mem);
  return status;
}

static int status_of(const char *request) {
  struct upgrade a;
  int whole = ask(&a, request, strlen(request), SIZE_MAX, ""), bytes = ask(&a, request, strlen(request), 1, "");
  assert_int_equal(whole, bytes);
  return whole;
}

static void test_websocket_answers_the_key_of_the_rfc(void **state) {
  (void)state;
  struct upgrade a;
  assert_int_equal(ask(&a, GOOD END "frames", strlen(GOOD END "frames"), SIZE_MAX, ""), 101);
  assert_string_equal(a.answer,
                      LINE("HTTP/1.1 101 Switching Protocols") LINE("Upgrade: websocket") LINE("Connection: Upgrade")
                          LINE("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") END);
  assert_int_equal(a.left, 6); /* bytes behind the header are frames already */
  for (size_t piece = 1; piece < 20; piece++) assert_int_equal(ask(&a, GOOD END, strlen(GOOD END), piece, ""), 101);
}

static void test_websocket_takes_names_and_words_without_regard_to_case(void **state) {
  (void)state;
  assert_int_equal(status_of(GET LINE("UPGRADE:  WebSocket") LINE("connection: uPGRADE") V13 KEY END), 101);
  assert_int_equal(status_of(GET LINE("Upgrade: h2c, websocket") LINE("Connection: Upgrade") V13 KEY END), 101);
  assert_int_equal(
      status_of(GET LINE("Upgrade: websocket") LINE("Connection: keep-alive") LINE("Connection: Upgrade") V13 KEY END),
      101);
  /* offers are not taken up */
  assert_int_equal(
      status_of(GOOD LINE("Sec-WebSocket-Extensions: permessage-deflate") LINE("Sec-WebSocket-Protocol: chat") END),
      101);
}

static void test_websocket_refuses_what_is_no_upgrade(void **state) {
  (void)state;
  assert_int_equal(status_of("GARBAGE\r\n\r\n"), 400);
  assert_int_equal(status_of("GET\x01\x02\x03 / HTTP/1.1\r\n"), 400);
  assert_int_equal(status_of(GET END), 400);
  assert_int_equal(status_of(GET V13 KEY LINE("Connection: Upgrade") END), 400);
  assert_int_equal(status_of(GET V13 KEY LINE("Connection: Upgrade") LINE("Upgrade: websockets") END), 400);
  assert_int_equal(status_of(GET V13 KEY LINE("Upgrade: websocket") END), 400);
  assert_int_equal(status_of(GET V13 KEY LINE("Upgrade: websocket") LINE("Connection: close") END), 400);
  assert_int_equal(status_of("GET / HTTP/1.0\r\n" BASE KEY V13 END), 400);
  assert_int_equal(status_of("GET / HTTP/2.0\r\n" BASE KEY V13 END), 400);
  assert_int_equal(status_of("POST / HTTP/1.1\r\n" BASE KEY V13 END), 400);
  assert_int_equal(status_of(GOOD LINE("Content-Length: 5") END "hello"), 400);
  assert_int_equal(status_of(GOOD LINE("Transfer-Encoding: chunked") END), 400);
}

static void test_websocket_wants_a_sound_key_once(void **state) {
  (void)state;
  assert_int_equal(status_of(GET BASE V13 END), 400);
  assert_int_equal(status_of(GET BASE V13 LINE("Sec-WebSocket-Key: ") END), 400);
  assert_int_equal(status_of(GET BASE V13 LINE("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=") END), 400);
  assert_int_equal(status_of(GET BASE V13 LINE("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ===") END), 400);
  assert_int_equal(status_of(GET BASE V13 LINE("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZSEh") END), 400); /* 18 bytes */
  assert_int_equal(status_of(GET BASE V13 LINE("Sec-WebSocket-Key: dGhlIHNhbXBsZSB!b25jZQ==") END), 400);
  assert_int_equal(status_of(GOOD KEY END), 400);
}

static void test_websocket_names_the_version_it_speaks(void **state) {
  (void)state;
  struct upgrade a;
  static const char old[] = GET BASE KEY LINE("Sec-WebSocket-Version: 8") END;
  assert_int_equal(ask(&a, old, sizeof old - 1, 7, ""), 426);
  assert_non_null(strstr(a.answer, "Sec-WebSocket-Version: 13\r\n"));
  assert_int_equal(status_of(GET BASE KEY END), 426);
  assert_int_equal(status_of(GOOD V13 END), 400);
}

static void test_websocket_origin_list(void **state) {
  (void)state;
  struct upgrade a;
  static const char none[] = GOOD END, game[] = GOOD LINE("Origin: https://Play.example") END,
                    evil[] = GOOD LINE("Origin: https://evil.example") END,
                    two[] = GOOD LINE("Origin: https://play.example") LINE("Origin: https://evil.example") END;
  static const char list[] = "http://localhost:8000, https://play.example";
  assert_int_equal(ask(&a, evil, sizeof evil - 1, 9, ""), 101);
  assert_int_equal(ask(&a, evil, sizeof evil - 1, 9, "*"), 101);
  assert_int_equal(ask(&a, game, sizeof game - 1, 9, list), 101);
  assert_int_equal(ask(&a, evil, sizeof evil - 1, 9, list), 403);
  assert_int_equal(ask(&a, none, sizeof none - 1, 9, list), 403);
  assert_int_equal(ask(&a, two, sizeof two - 1, 9, list), 400);
}

static void test_websocket_request_is_bounded(void **state) {
  (void)state;
  struct upgrade a;
  static char big[20000];
  size_t n = (size_t)sprintf(big, "%s", GOOD);
  size_t lines = 5;
  for (; lines < UMP_WS_LINES_MAX; lines++) n += (size_t)sprintf(big + n, "x%zu: y\r\n", lines);
  memcpy(big + n, END, 3);
  assert_int_equal(ask(&a, big, n + 2, 13, ""), 101);
  n += (size_t)sprintf(big + n, "One: more\r\n" END);
  assert_int_equal(ask(&a, big, n, 13, ""), 400);
  n = (size_t)sprintf(big, GOOD "Long: ");
  memset(big + n, 'a', UMP_WS_HEAD_MAX - n - 4);
  memcpy(big + UMP_WS_HEAD_MAX - 4, "\r\n\r\n", 4);
  assert_int_equal(ask(&a, big, UMP_WS_HEAD_MAX, 1000, ""), 101);
  memset(big + n, 'a', UMP_WS_HEAD_MAX - n);
  memcpy(big + UMP_WS_HEAD_MAX - 3, "\r\n\r\n", 4);
  assert_int_equal(ask(&a, big, UMP_WS_HEAD_MAX + 1, 1000, ""), 400);
  assert_int_equal(ask(&a, big, UMP_WS_HEAD_MAX - 5, 1000, ""), 0);
}

static void test_websocket_request_without_memory(void **state) {
  (void)state;
  struct testing_mem mem;
  testing_mem_init(&mem);
  testing_mem_fail(&mem, 1, true);
  assert_null(ump_ws_upgrade_new(&mem.mem));
  testing_mem_assert_empty(&mem);
}

/* ---- frames ---- */

struct socket {
  struct ump_ws ws;
  struct ump_ws_pool pool;
  uint8_t in[3 << 20], stream[3 << 20];
  size_t n_in, n_stream;
  char trace[4096]; /* what came besides data */
};
static struct socket s;

static void fresh(bool unmasked) {
  ump_ws_deinit(&s.ws, &s.pool);
  memset(&s.ws, 0, sizeof s.ws);
  s.ws.unmasked = unmasked;
  s.n_in = s.n_stream = 0;
  s.trace[0] = 0;
}

static void put(const void *p, size_t n) {
  memcpy(s.in + s.n_in, p, n);
  s.n_in += n;
}

/* A frame of the client's; first: the first byte. */
static void frame(unsigned first, const void *payload, size_t n) {
  static const uint8_t mask[4] = {0x12, 0x34, 0x56, 0x78};
  uint8_t head[10] = {(uint8_t)first, (uint8_t)(0x80 | (n < 126 ? n : n < 65536 ? 126 : 127))};
  unsigned extra = n < 126 ? 0 : n < 65536 ? 2 : 8;
  for (unsigned i = 0; i < extra; i++) head[2 + i] = (uint8_t)(n >> 8 * (extra - 1 - i));
  put(head, 2 + extra);
  put(mask, 4);
  for (size_t i = 0; i < n; i++) s.in[s.n_in++] = (uint8_t)(((const uint8_t *)payload)[i] ^ mask[i % 4]);
}

/* Feeds all in pieces; says what came as words: "ping:abc close:1000 fail:1002". */
static const char *run(size_t piece) {
  size_t at = 0;
  s.trace[0] = 0, s.n_stream = 0;
  while (at < s.n_in) {
    struct ump_bytes in = ump_bytes(s.in + at, s.n_in - at < piece ? s.n_in - at : piece), data;
    uint16_t code = 0;
    at += in.n;
    for (enum ump_ws_got got; (got = ump_ws_next(&s.ws, &s.pool, &in, &data, &code)) != UMP_WS_MORE;) {
      size_t n = strlen(s.trace);
      if (got == UMP_WS_DATA) memcpy(s.stream + s.n_stream, data.p, data.n), s.n_stream += data.n;
      if (got == UMP_WS_PING || got == UMP_WS_PONG)
        sprintf(s.trace + n, "%s%s:%.*s", n ? " " : "", got == UMP_WS_PING ? "ping" : "pong", (int)data.n,
                (const char *)data.p);
      if (got == UMP_WS_CLOSE || got == UMP_WS_FAIL)
        sprintf(s.trace + n, "%s%s:%u", n ? " " : "", got == UMP_WS_CLOSE ? "close" : "fail", code);
    }
    assert_int_equal(in.n, 0);
  }
  return s.trace;
}

/* The same words whatever the cutting. */
static void gives(const char *words) {
  struct ump_ws start = s.ws;
  static const size_t pieces[] = {SIZE_MAX, 1, 2, 3, 7, 4096};
  for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
    bool unmasked = start.unmasked;
    size_t n = s.n_in;
    fresh(unmasked);
    s.n_in = n;
    assert_string_equal(run(pieces[i]), words);
  }
}

static void test_websocket_payload_is_a_stream_whatever_the_borders(void **state) {
  (void)state;
  fresh(false);
  frame(0x82, "hel", 3), frame(0x82, "", 0), frame(0x02, "lo", 2), frame(0x00, " wo", 3), frame(0x80, "rld", 3);
  gives("");
  assert_int_equal(s.n_stream, 11);
  assert_memory_equal(s.stream, "hello world", 11);
  static uint8_t big[200000];
  for (size_t i = 0; i < sizeof big; i++) big[i] = (uint8_t)(i * 7);
  static const size_t sizes[] = {125, 126, 127, 65535, 65536, 200000};
  for (size_t i = 0; i < 6; i++) {
    fresh(false);
    frame(0x82, big, sizes[i]);
    gives("");
    assert_int_equal(s.n_stream, sizes[i]);
    assert_memory_equal(s.stream, big, sizes[i]);
  }
  fresh(false);
}

static void test_websocket_control_frames_may_stand_inside_a_message(void **state) {
  (void)state;
  fresh(false);
  frame(0x02, "a", 1), frame(0x89, "abc", 3), frame(0x8a, "", 0), frame(0x80, "b", 1), frame(0x88, "\x03\xe8", 2);
  frame(0x82, "never", 5);
  gives("ping:abc pong: close:1000");
  assert_memory_equal(s.stream, "ab", 2);
  assert_int_equal(s.n_stream, 2); /* nothing is read behind a close */
  uint8_t longest[125];
  memset(longest, 'x', sizeof longest);
  fresh(false);
  frame(0x89, longest, 125);
  run(SIZE_MAX);
  assert_int_equal(strlen(s.trace), 5 + 125);
}

static void wrong(const char *raw, size_t n, const char *words) {
  fresh(false);
  put(raw, n);
  gives(words);
}

static void test_websocket_violations_end_with_1002(void **state) {
  (void)state;
  wrong("\xc2\x80\0\0\0\0", 6, "fail:1002"); /* reserved bits */
  wrong("\xa2\x80\0\0\0\0", 6, "fail:1002");
  wrong("\x92\x80\0\0\0\0", 6, "fail:1002");
  for (unsigned op = 3; op < 16; op++) {
    char raw[6] = {(char)(0x80 | op), (char)0x80};
    if (op < 8 || op > 10) wrong(raw, 6, "fail:1002");
  }
  wrong("\x82\x01"
        "a",
        3, "fail:1002");                                          /* no mask */
  wrong("\x09\x80\0\0\0\0", 6, "fail:1002");                      /* a ping in pieces */
  wrong("\x89\xfe\x00\x7e\0\0\0\0", 8, "fail:1002");              /* a ping of 126 bytes */
  wrong("\x80\x80\0\0\0\0", 6, "fail:1002");                      /* continues nothing */
  wrong("\x02\x80\0\0\0\0\x82\x80\0\0\0\0", 12, "fail:1002");     /* begins in the middle of another */
  wrong("\x82\xfe\x00\x7d\0\0\0\0", 8, "fail:1002");              /* 125 as two bytes */
  wrong("\x82\xff\0\0\0\0\0\0\xff\xff\0\0\0\0", 14, "fail:1002"); /* 65535 as eight */
  wrong("\x82\xff\x80\0\0\0\0\0\0\0", 10, "fail:1002");           /* the top bit */
}

static void test_websocket_text_too_long_and_too_many_pieces(void **state) {
  (void)state;
  wrong("\x81\x80\0\0\0\0", 6, "fail:1003");
  wrong("\x82\xff\0\0\0\0\0\x10\0\x01", 10, "fail:1009"); /* by its header: none of its payload is there */
  wrong("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 10, "fail:1009");
  fresh(false);
  static uint8_t big[UMP_WS_FRAME_MAX];
  frame(0x82, big, sizeof big);
  run(SIZE_MAX);
  assert_int_equal(s.n_stream, sizeof big);
  fresh(false);
  frame(0x02, "a", 1);
  for (unsigned i = 1; i < UMP_WS_FRAGMENTS_MAX; i++) frame(0x00, "a", 1);
  gives("");
  assert_int_equal(s.n_stream, UMP_WS_FRAGMENTS_MAX);
  frame(0x00, "a", 1);
  gives("fail:1008"); /* the 65th */
  fresh(false);
}

static void test_websocket_close_codes(void **state) {
  (void)state;
  static const struct {
    const char *payload;
    size_t n;
    const char *words;
  } closes[] = {
      {"", 0, "close:0"},
      {"\x03\xe8", 2, "close:1000"},
      {"\x03\xf3"
       "bye",
       5, "close:1011"},
      {"\x0b\xb8", 2, "close:3000"},
      {"\x13\x87", 2, "close:4999"},
      {"\x03", 1, "fail:1002"},
      {"\x03\xe7", 2, "fail:1002"}, /* 999 */
      {"\x03\xec", 2, "fail:1002"}, /* 1004, 1005, 1006: never on the wire */
      {"\x03\xed", 2, "fail:1002"},
      {"\x03\xee", 2, "fail:1002"},
      {"\x07\xd0", 2, "fail:1002"}, /* 2000 */
      {"\x13\x88", 2, "fail:1002"}, /* 5000 */
      {"\x03\xe8\xff", 3, "fail:1007"},
  };
  for (size_t i = 0; i < sizeof closes / sizeof *closes; i++) {
    fresh(false);
    frame(0x88, closes[i].payload, closes[i].n);
    gives(closes[i].words);
  }
}

static void test_websocket_unmasked_frames_by_option(void **state) {
  (void)state;
  fresh(true);
  put("\x82\x02hi\x89\x00", 6);
  frame(0x82, "!", 1); /* masked ones as well */
  gives("ping:");
  assert_memory_equal(s.stream, "hi!", 3);
  fresh(false);
}

static void test_websocket_between_frames_it_owns_nothing(void **state) {
  (void)state;
  fresh(false);
  frame(0x82, "abc", 3);
  s.n_in--;
  run(SIZE_MAX);
  assert_true(ump_ws_in_payload(&s.ws));
  s.in[0] = s.in[s.n_in], s.n_in = 1;
  run(SIZE_MAX);
  assert_false(ump_ws_in_payload(&s.ws));
  assert_null(s.ws.frame);
  put("\x82", 1);
  s.in[0] = 0x82, s.n_in = 1;
  run(SIZE_MAX);
  assert_true(ump_ws_in_header(&s.ws));
  assert_null(s.ws.frame);
  fresh(false);
  ump_ws_pool_deinit(&s.pool);
  assert_null(s.pool.spare);
}

static void test_websocket_heads_of_the_server(void **state) {
  (void)state;
  uint8_t out[UMP_WS_SERVER_HEAD];
  assert_int_equal(ump_ws_head_put(out, UMP_WS_OPCODE_BINARY, 5), 2);
  assert_memory_equal(out, "\x82\x05", 2);
  assert_int_equal(ump_ws_head_put(out, UMP_WS_OPCODE_CLOSE, 125), 2);
  assert_memory_equal(out, "\x88\x7d", 2);
  assert_int_equal(ump_ws_head_put(out, UMP_WS_OPCODE_BINARY, 126), 4);
  assert_memory_equal(out, "\x82\x7e\x00\x7e", 4);
  assert_int_equal(ump_ws_head_put(out, UMP_WS_OPCODE_BINARY, 65535), 4);
  assert_memory_equal(out, "\x82\x7e\xff\xff", 4);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_websocket_answers_the_key_of_the_rfc),
      cmocka_unit_test(test_websocket_takes_names_and_words_without_regard_to_case),
      cmocka_unit_test(test_websocket_refuses_what_is_no_upgrade),
      cmocka_unit_test(test_websocket_wants_a_sound_key_once),
      cmocka_unit_test(test_websocket_names_the_version_it_speaks),
      cmocka_unit_test(test_websocket_origin_list),
      cmocka_unit_test(test_websocket_request_is_bounded),
      cmocka_unit_test(test_websocket_request_without_memory),
      cmocka_unit_test(test_websocket_payload_is_a_stream_whatever_the_borders),
      cmocka_unit_test(test_websocket_control_frames_may_stand_inside_a_message),
      cmocka_unit_test(test_websocket_violations_end_with_1002),
      cmocka_unit_test(test_websocket_text_too_long_and_too_many_pieces),
      cmocka_unit_test(test_websocket_close_codes),
      cmocka_unit_test(test_websocket_unmasked_frames_by_option),
      cmocka_unit_test(test_websocket_between_frames_it_owns_nothing),
      cmocka_unit_test(test_websocket_heads_of_the_server),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
