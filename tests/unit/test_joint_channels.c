/* The rulebook as the owner of channels: who comes and goes, chunks, data, remote procedures, limits, reloads. */
#include "jt_world.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/plain.h"

static struct jt w;
#define ENTER_LOBBY "00 01 01 05 6c6f626279"
#define BOTH        for (size_t piece = 0; piece < 2; piece++)

static void start(const char *channel) {
  jt_init(&w);
  jt_channel(&w, "lobby", channel);
  jt_declare(&w);
}

static void come(uint32_t conn) {
  jt_open(&w, conn);
  jt_hex(&w, conn, ENTER_LOBBY);
}

/* Conn 1 is in a lobby of this kind; its input is cut as piece says. */
static void meet(const char *channel, size_t piece) {
  start(channel);
  w.piece = piece;
  come(1);
}

/* The same, once it has read that it is in. */
static void meet_quietly(const char *channel) {
  meet(channel, 0);
  jt_forget(&w, 1);
}

/* ---- coming and going ---- */

static void test_joint_rulebook_hears_who_enters_and_leaves(void **state) {
  (void)state;
  BOTH {
    meet("mode=chunk", piece);
    jt_sent(&w, 1, "00 03 01 00 00");
    jt_trace(&w, "connect 0 lobby");
    assert_string_equal(jt_client(&w, 0)->channel, "lobby");
    jt_hex(&w, 1, "00 01 02 05 6c6f626279");
    jt_sent(&w, 1, "00 03 02 01 03"); /* already in */
    jt_hex(&w, 1, "00 02 00 01 00");
    jt_sent(&w, 1, "");
    jt_trace(&w, "disconnect 0 left");
    jt_hex(&w, 1, ENTER_LOBBY);
    jt_sent(&w, 1, "00 03 01 00 00");
    jt_trace(&w, "connect 1 lobby");
    jt_lost(&w, 1);
    jt_trace(&w, "disconnect 1 connection lost");
    jt_end(&w);
  }
}

static void test_joint_rulebook_refuses(void **state) {
  (void)state;
  start("mode=chunk");
  w.refuse = "not you";
  come(1);
  jt_sent(&w, 1, "00 03 01 01 01");
  jt_trace(&w, "refused lobby");
  w.refuse = NULL;
  jt_hex(&w, 1, "00 01 02 05 6c6f626279"); /* it used up no number */
  jt_sent(&w, 1, "00 03 02 00 00");
  jt_trace(&w, "connect 0 lobby");
  jt_end(&w);
}

static void test_joint_nobody_else_may_create_delete_or_kick(void **state) {
  (void)state;
  meet_quietly("mode=chunk");
  jt_trace(&w, "connect 0 lobby");
  jt_hex(&w, 1, "00 00 05 05 6c6f626279");
  jt_sent(&w, 1, "00 03 05 01 02");
  jt_hex(&w, 1, "00 03 00 01 00  00 04 00 02 00 00  04 80 00 6161  01 01 03 80 6161");
  jt_sent(&w, 1, "");
  jt_no_trace(&w);
  jt_end(&w);
}

static void test_joint_two_channels_are_two_clients(void **state) {
  (void)state;
  start("mode=chunk");
  jt_channel(&w, "side", "mode=data");
  jt_declare(&w);
  come(1);
  jt_hex(&w, 1, "00 01 02 04 73696465");
  jt_sent(&w, 1, "00 03 01 00 00  00 03 02 00 01");
  jt_trace(&w, "connect 0 lobby", "connect 1 side");
  jt_hex(&w, 1, "03 01 6869");
  jt_trace(&w, "1 data 'hi'");
  jt_lost(&w, 1);
  jt_trace(&w, "disconnect 0 connection lost", "disconnect 1 connection lost");
  jt_end(&w);
}

static int kick_him(struct jt *world, struct ump_client *c, const struct ump_event *ev) {
  (void)ev;
  return ump_engine_kick(world->engine, c, ump_text("enough"));
}

static void test_joint_rulebook_kicks_with_reason_2_and_the_connection_stays(void **state) {
  (void)state;
  BOTH {
    meet("mode=chunk", piece);
    w.judge = kick_him;
    jt_hex(&w, 1, "05 00 00 61 00 62"); /* two chunks in a frame: the second is nobody's */
    jt_sent(&w, 1, "00 03 01 00 00  00 04 00 02 00 02");
    jt_trace(&w, "connect 0 lobby", "0 chunk 'a'", "disconnect 0 enough");
    jt_hex(&w, 1, "00 00 09 01 61");
    jt_sent(&w, 1, "00 03 09 00 00");
    w.refuse = "blocked";
    jt_hex(&w, 1, ENTER_LOBBY);
    jt_sent(&w, 1, "00 03 01 01 01");
    jt_trace(&w, "refused lobby");
    jt_end(&w);
  }
}

static void test_joint_users_are_limited(void **state) {
  (void)state;
  start("mode=chunk max_users=2");
  come(1), come(2), come(3);
  jt_sent(&w, 3, "00 03 01 01 04");
  jt_lost(&w, 1);
  jt_hex(&w, 3, ENTER_LOBBY);
  jt_sent(&w, 3, "00 03 01 00 00");
  jt_end(&w);
  jt_init_with(&w, &(struct jt_options){.limit = 2});
  jt_channel(&w, "a", "mode=data"), jt_channel(&w, "b", "mode=data"), jt_channel(&w, "c", "mode=data");
  jt_declare(&w);
  jt_open(&w, 1);
  jt_hex(&w, 1, "00 01 01 01 61 00 01 02 01 62 00 01 03 01 63"); /* clients are limited, not only connections */
  jt_sent(&w, 1, "00 03 01 00 00 00 03 02 00 01 00 03 03 01 04");
  jt_end(&w);
}

/* ---- what users send ---- */

static void test_joint_chunks_however_cut(void **state) {
  (void)state;
  BOTH {
    meet("mode=chunk", piece);
    jt_hex(&w, 1, "02 00 01  03 00 6869");              /* size and body as the library sends them */
    jt_hex(&w, 1, "04 00 01 6869");                     /* in one frame */
    jt_hex(&w, 1, "03 00 01 68  02 00 69");             /* in odd pieces */
    jt_hex(&w, 1, "07 00 00 61 00 62 01 63  02 00 63"); /* three in two frames */
    jt_trace(&w, "connect 0 lobby", "0 chunk 'hi'", "0 chunk 'hi'", "0 chunk 'hi'", "0 chunk 'a'", "0 chunk 'b'",
             "0 chunk 'cc'");
    jt_end(&w);
  }
}

static void test_joint_data_mode_has_an_event_for_each_piece(void **state) {
  (void)state;
  meet("mode=data", 0);
  jt_hex(&w, 1, "03 00 6869  02 00 21  80 01 00");
  jt_trace(&w, "connect 0 lobby", "0 data 'hi'", "0 data '!'");
  jt_end(&w);
}

static void test_joint_a_chunk_over_the_limit_kicks(void **state) {
  (void)state;
  BOTH {
    meet("mode=chunk max_chunk=100", piece);
    jt_hex(&w, 1, "02 00 64"); /* 101 */
    jt_sent(&w, 1, "00 03 01 00 00  00 04 00 02 00 02");
    jt_trace(&w, "connect 0 lobby", "disconnect 0 a chunk over the channel's limit");
    assert_false(jt_is_closed(&w, 1));
    jt_end(&w);
  }
}

static void test_joint_a_chunk_grows_with_what_came(void **state) {
  (void)state;
  meet("mode=chunk max_chunk=4194304", 0);
  size_t before = w.mem.bytes;
  jt_hex(&w, 1, "04 00 ff ff ff  02 00 61"); /* 4 MiB are promised, a byte came */
  assert_true(w.mem.bytes - before <= 512);
  jt_end(&w);
}

static void test_joint_events_over_the_rate_wait(void **state) {
  (void)state;
  meet("mode=chunk max_rate=10", 0);
  for (int i = 0; i < 15; i++) jt_hex(&w, 1, "03 00 00 61");
  assert_int_equal(jt_count(&w, "events"), 10); /* a second's worth at once */
  assert_false(jt_reads(&w, 1));
  jt_advance(&w, 60 * UMP_MS);
  assert_int_equal(jt_count(&w, "events"), 10);
  jt_advance(&w, UMP_S);
  assert_int_equal(jt_count(&w, "events"), 15); /* late, but not lost, and not closed for it */
  assert_true(jt_reads(&w, 1));
  jt_end(&w);
}

static void test_joint_entering_again_and_again_waits_too(void **state) {
  (void)state;
  start("mode=chunk max_rate=10");
  jt_open(&w, 1);
  for (int i = 0; i < 150; i++) jt_hex(&w, 1, ENTER_LOBBY "00 02 00 01 00");
  assert_int_equal(jt_count(&w, "enters"), 100);
  assert_false(jt_reads(&w, 1));
  jt_advance(&w, UMP_S);
  assert_int_equal(jt_count(&w, "enters"), 150);
  for (int i = 0; i < 15; i++)
    jt_hex(&w, 1,
           ENTER_LOBBY "03 00 00 61"
                       "00 02 00 01 00"); /* no fresh account for events */
  assert_int_equal(jt_count(&w, "events"), 10);
  jt_advance(&w, 5 * UMP_S);
  assert_int_equal(jt_count(&w, "events"), 15);
  jt_end(&w);
}

/* ---- remote procedures ---- */

#define ARENA "mode=rpc 0:step(Int32,Int32) 0:say(String) 7:all(Array<Int>) 3<moved(String,Byte) 4<other()"

static void test_joint_objects_are_offered_on_entering(void **state) {
  (void)state;
  meet(ARENA, 0);
  jt_sent(&w, 1, "00 03 01 00 00  03 00 00 00  03 00 00 07");
  jt_end(&w);
}

static void test_joint_calls_are_events_with_their_arguments(void **state) {
  (void)state;
  BOTH {
    meet(ARENA, piece);
    jt_hex(&w, 1, "02 00 09  0b 00 0000 05000000 ffffffff"); /* step(5, -1): size and body */
    jt_hex(&w, 1, "07 00 04 0001 02 6869");                  /* say("hi") */
    jt_hex(&w, 1, "09 00 06 0700 01 08000000");
    jt_trace(&w, "connect 0 lobby", "0 step A2 5 -1", "0 say A1 'hi'", "0 all A1 A1 8");
    jt_end(&w);
  }
}

static void test_joint_malformed_calls_call_nothing_and_16_in_a_row_kick(void **state) {
  (void)state;
  meet_quietly(ARENA);
  jt_trace(&w, "connect 0 lobby");
  static const char *const bad[] = {"04 00 01 0063", "05 00 02 000005", "04 00 01 0900", "06 00 03 0001 05 61",
                                    "06 00 03 0001 01 ff"};
  /* no such procedure; parameters cut; no such object; cut in a string; no UTF-8 */
  for (int i = 0; i < 15; i++) jt_hex(&w, 1, bad[i % 5]);
  jt_no_trace(&w);
  jt_hex(&w, 1, "07 00 04 0001 02 6869"); /* a good one in between */
  for (int i = 0; i < 15; i++) jt_hex(&w, 1, bad[i % 5]);
  jt_hex(&w, 1, "08 00 05 0001 02 6869 00"); /* bytes remain: the 16th */
  jt_trace(&w, "0 say A1 'hi'", "disconnect 0 too many malformed calls");
  jt_sent(&w, 1, "00 04 00 02 00 02");
  assert_int_equal(jt_count(&w, "calls_malformed"), 31);
  jt_end(&w);
}

static void test_joint_refused_is_called_where_it_is_declared(void **state) {
  (void)state;
  meet("mode=rpc 0:step(Int32,Int32) 3<moved(String,Byte) 3<refused(String,String)", 0);
  jt_hex(&w, 1, "03 00 00 03");
  jt_forget(&w, 1);
  w.illegal = "too far";
  jt_hex(&w, 1, "0c 00 09 0000 05000000 ffffffff");
  jt_sent(&w, 1, "11 00 0e 0301 04 73746570 07 746f6f20666172"); /* refused("step", "too far") */
  w.illegal = NULL;
  jt_hex(&w, 1, "0c 00 09 0000 05000000 ffffffff");
  jt_sent(&w, 1, "");
  jt_end(&w);
  meet(ARENA, 0);
  jt_hex(&w, 1, "03 00 00 03");
  jt_forget(&w, 1);
  w.illegal = "too far";
  jt_hex(&w, 1, "0c 00 09 0000 05000000 ffffffff");
  jt_sent(&w, 1, ""); /* the wire has no word for it */
  w.illegal = NULL;
  jt_end(&w);
}

static void moved(struct ump_writer *p, uint8_t *buf, size_t cap) {
  *p = ump_writer(buf, cap);
  ump_plain_put_array(p, 2), ump_plain_put_string(p, ump_text("ann")), ump_plain_put_int(p, 4);
}

static void test_joint_calls_wait_until_the_user_offers_the_object(void **state) {
  (void)state;
  uint8_t buf[64];
  struct ump_writer p;
  meet_quietly(ARENA);
  moved(&p, buf, sizeof buf);
  assert_int_equal(jt_call(&w, jt_client(&w, 0), "moved", &p), 0);
  assert_int_equal(jt_call(&w, jt_client(&w, 0), "other", NULL), 0);
  jt_sent(&w, 1, "");
  jt_hex(&w, 1, "03 00 00 03");
  jt_sent(&w, 1, "09 00 06 0300 03 616e6e 04");
  jt_hex(&w, 1, "03 00 00 04");
  jt_sent(&w, 1, "04 00 01 0400");
  assert_int_equal(jt_call(&w, jt_client(&w, 0), "moved", &p), 0);
  jt_sent(&w, 1, "09 00 06 0300 03 616e6e 04");
  int err = 0;
  come(2);
  for (int i = 0; i < 100000 && !err; i++) err = jt_call(&w, jt_client(&w, 1), "moved", &p);
  assert_int_equal(err, UMP_EFULL); /* 64 KiB of them */
  assert_true(w.mem.bytes < 300000);
  jt_end(&w);
}

static void test_joint_broadcast_is_encoded_once_and_passes_over_whom_it_does_not_fit(void **state) {
  (void)state;
  uint8_t buf[64];
  struct ump_writer p;
  start(ARENA);
  jt_channel(&w, "plain", "mode=chunk");
  jt_declare(&w);
  come(1), come(2);
  jt_open(&w, 3);
  jt_hex(&w, 3, "00 01 01 05 706c61696e");
  jt_hex(&w, 1, "03 00 00 03"), jt_hex(&w, 2, "03 00 00 03");
  for (uint32_t i = 1; i < 4; i++) jt_forget(&w, i);
  moved(&p, buf, sizeof buf);
  assert_int_equal(jt_call(&w, NULL, "moved", &p), 0);
  jt_sent(&w, 1, "09 00 06 0300 03 616e6e 04"), jt_sent(&w, 2, "09 00 06 0300 03 616e6e 04"), jt_sent(&w, 3, "");
  assert_int_equal(jt_count(&w, "notices_not_for_them"), 1);
  jt_end(&w);
}

/* What the real library's client says in the transcript rpc_both_ways, to a channel of the rulebook's; the expected
 * lines are the library's own log of the other side. */
static void test_joint_calls_of_the_real_library(void **state) {
  (void)state;
  size_t n;
  char *json = testing_read_file("vectors/joint.vectors.json", &n);
  cJSON *all = cJSON_Parse(json), *s, *step;
  jt_init(&w);
  jt_channel(&w, "rpc",
             "mode=rpc 0:test() 0:message(String,Bool) 0:numbers(Byte,UInt16,Int16,Int32,Int,Float,Double) "
             "0:complex(Bytes,Array<Array<Int>>) 0:lists(List<Int>) 0:maps(Map<Int,Map<String,Array<Int>>>) "
             "0:intmap(IntMap<String>) 0:strmap(StringMap<Bool>) 3<message(String) 3<pos(Int16,Int32,Float)");
  jt_declare(&w);
  jt_open(&w, 1);
  cJSON_ArrayForEach(s, all) {
    if (strcmp(cJSON_GetObjectItem(s, "name")->valuestring, "rpc_both_ways") != 0) continue;
    cJSON_ArrayForEach(step, cJSON_GetObjectItem(s, "steps")) {
      const char *conn = cJSON_GetObjectItem(step, "conn")->valuestring,
                 *dir = cJSON_GetObjectItem(step, "dir")->valuestring;
      if (strcmp(conn, "client1") == 0 && strcmp(dir, "c2s") == 0)
        jt_hex(&w, 1, cJSON_GetObjectItem(step, "hex")->valuestring);
    }
  }
  jt_trace(&w, "connect 0 rpc", "0 test A0", "0 message A2 'hi' true", "0 message A2 '' false",
           "0 numbers A7 255 65534 -2 16909060 -1 1.5 -0.1", "0 complex A2 '' A3 A2 1 2 A0 A0", "0 lists A1 A3 0 1 2",
           "0 maps A1 M1 1 M1 'a' A2 10 11", "0 intmap A1 M1 7 'seven'", "0 strmap A1 M1 'on' true");
  assert_int_equal(jt_count(&w, "calls_malformed"), 3); /* MALICIOUS, thrice */
  jt_sent(&w, 1, "00 03 01 00 00  03 00 00 00");
  uint8_t buf[128];
  struct ump_writer p = ump_writer(buf, sizeof buf);
  ump_plain_put_string(&p, ump_text("hello from the owner \xc3\xa4\xe2\x82\xac"));
  assert_int_equal(jt_call(&w, jt_client(&w, 0), "message", &p), 0);
  jt_sent(&w, 1, "1f 00 1c 03001a68656c6c6f2066726f6d20746865206f776e657220c3a4e282ac");
  p = ump_writer(buf, sizeof buf);
  ump_plain_put_array(&p, 3), ump_plain_put_int(&p, -5), ump_plain_put_int(&p, 300), ump_plain_put_float(&p, 1.5);
  assert_int_equal(jt_call(&w, jt_client(&w, 0), "pos", &p), 0);
  jt_sent(&w, 1, "0e 00 0b 0301fbff2c0100000000c03f");
  cJSON_Delete(all);
  free(json);
  jt_end(&w);
}

/* ---- what users are sent ---- */

static void test_joint_chunks_to_users_end_their_frame(void **state) {
  (void)state;
  meet_quietly("mode=chunk");
  assert_int_equal(jt_notify_bytes(&w, jt_client(&w, 0), "hi", 2), 0);
  assert_int_equal(jt_notify_bytes(&w, jt_client(&w, 0), "x", 1), 0);
  jt_sent(&w, 1, "04 00 01 6869  03 00 00 78");
  assert_int_equal(jt_notify_bytes(&w, jt_client(&w, 0), "", 0), UMP_ETOOBIG); /* nothing cannot be said */
  jt_end(&w);
}

static void test_joint_long_chunks_to_users_are_cut(void **state) {
  (void)state;
  enum { N = 100000 };
  char *text = calloc(1, N);
  meet_quietly("mode=chunk max_chunk=100000");
  assert_int_equal(jt_notify_bytes(&w, jt_client(&w, 0), text, N), 0);
  assert_int_equal(w.conns[1].n, N + 3 + 4 * 3); /* three bytes of size, four frames */
  assert_memory_equal(w.conns[1].out, "\xff\xff\x00\x9f\x8d\x06", 6);
  assert_int_equal(jt_notify_bytes(&w, jt_client(&w, 0), text, N - 1), 0);
  free(text);
  jt_end(&w);
}

static void test_joint_data_mode_sends_bytes_as_they_are(void **state) {
  (void)state;
  meet_quietly("mode=data");
  assert_int_equal(jt_notify_bytes(&w, jt_client(&w, 0), "hi", 2), 0);
  jt_sent(&w, 1, "03 00 6869");
  jt_end(&w);
}

static void test_joint_a_slow_user_gets_no_more_and_is_closed(void **state) {
  (void)state;
  static char text[32768];
  meet("mode=chunk", 0);
  w.conns[1].stuck = true;
  int err = 0;
  for (int i = 0; i < 100 && !err; i++) err = jt_notify_bytes(&w, jt_client(&w, 0), text, sizeof text);
  assert_int_equal(err, UMP_EFULL);
  assert_true(w.mem.bytes < (1 << 20) + 200000);
  jt_advance(&w, 5 * UMP_S);
  jt_closed(&w, 1);
  jt_trace(&w, "connect 0 lobby", "disconnect 0 connection lost");
  jt_end(&w);
}

/* ---- reloads ---- */

static void declare(const char *a, const char *what_a, const char *b, const char *what_b) {
  jt_undeclared(&w);
  if (a) jt_channel(&w, a, what_a);
  if (b) jt_channel(&w, b, what_b);
  jt_declare(&w);
}

static void test_joint_channels_that_remain_keep_their_users(void **state) {
  (void)state;
  start("mode=chunk");
  jt_channel(&w, "side", "mode=data");
  jt_declare(&w);
  come(1);
  jt_hex(&w, 1, "00 01 02 04 73696465");
  jt_hex(&w, 1, "03 00 01 68"); /* half a chunk */
  jt_forget(&w, 1);
  jt_trace(&w, "connect 0 lobby", "connect 1 side");
  declare("lobby", "mode=chunk max_users=1", "new", "mode=data");
  jt_sent(&w, 1, "00 04 00 02 01 01"); /* "side" is gone: CLOSE */
  jt_trace(&w, "disconnect 1 the channel was closed");
  jt_hex(&w, 1, "02 00 69");
  jt_trace(&w, "0 chunk 'hi'");
  jt_hex(&w, 1, "00 01 03 03 6e6577");
  jt_sent(&w, 1, "00 03 03 00 01");
  come(2);
  jt_sent(&w, 2, "00 03 01 01 04"); /* the new limit */
  jt_end(&w);
}

static void test_joint_a_chunk_over_a_limit_that_was_lowered_kicks(void **state) {
  (void)state;
  meet_quietly("mode=chunk max_chunk=30000");
  jt_hex(&w, 1, "04 00 87 13 61"); /* 2568 bytes are to come */
  declare("lobby", "mode=chunk max_chunk=1000", NULL, NULL);
  jt_hex(&w, 1, "02 00 61");
  jt_sent(&w, 1, "00 04 00 02 00 02");
  jt_trace(&w, "connect 0 lobby", "disconnect 0 a chunk over the channel's limit");
  jt_end(&w);
}

static void test_joint_calls_that_wait_are_dropped_when_they_are_written_otherwise(void **state) {
  (void)state;
  uint8_t buf[64];
  struct ump_writer p;
  meet_quietly(ARENA);
  moved(&p, buf, sizeof buf);
  assert_int_equal(jt_call(&w, jt_client(&w, 0), "moved", &p), 0);
  declare("lobby", ARENA, NULL, NULL); /* the same: it goes on waiting */
  jt_hex(&w, 1, "03 00 00 03");
  jt_sent(&w, 1, "09 00 06 0300 03 616e6e 04");
  come(2);
  jt_forget(&w, 2);
  assert_int_equal(jt_call(&w, jt_client(&w, 1), "moved", &p), 0);
  declare("lobby", "mode=rpc 0:step(Int32,Int32) 0:say(String) 7:all(Array<Int>) 3<moved(String)", NULL, NULL);
  jt_hex(&w, 2, "03 00 00 03");
  jt_sent(&w, 2, "");
  jt_end(&w);
}

static void test_joint_channels_that_speak_otherwise_are_closed(void **state) {
  (void)state;
  meet_quietly("mode=chunk");
  declare("lobby", "mode=data", NULL, NULL);
  jt_sent(&w, 1, "00 04 00 02 00 01");
  jt_hex(&w, 1, ENTER_LOBBY "03 00 6869");
  jt_sent(&w, 1, "00 03 01 00 00");
  jt_trace(&w, "connect 0 lobby", "disconnect 0 the channel was closed", "connect 1 lobby", "1 data 'hi'");
  declare("lobby", "mode=data max_chunk=100000", NULL,
          NULL);                       /* sizes of chunks take another form: matters to chunks alone, */
  jt_sent(&w, 1, "00 04 00 02 00 01"); /* but both sides were built for it */
  jt_end(&w);
}

static void test_joint_new_objects_are_offered_to_those_who_are_there(void **state) {
  (void)state;
  meet("mode=rpc 0:step(Int32,Int32)", 0);
  jt_sent(&w, 1, "00 03 01 00 00 03 00 00 00");
  declare("lobby", "mode=rpc 0:step(Int32) 5:jump()", NULL, NULL);
  jt_sent(&w, 1, "03 00 00 05");
  jt_hex(&w, 1, "08 00 05 0000 05000000 04 00 01 0500");
  jt_trace(&w, "connect 0 lobby", "0 step A1 5", "0 jump A0");
  jt_end(&w);
}

static void test_joint_without_a_rulebook_everybody_is_told(void **state) {
  (void)state;
  meet_quietly("mode=chunk");
  ump_engine_set_rulebook(w.engine, NULL, w.now);
  assert_true(ump_engine_deadline(w.engine) <= w.now); /* who drives it hears that there is news */
  ump_engine_expire(w.engine, w.now);
  jt_pump(&w);
  jt_sent(&w, 1, "00 04 00 02 00 01");
  jt_hex(&w, 1, ENTER_LOBBY);
  jt_sent(&w, 1, "00 03 01 01 01");
  jt_end(&w);
}

static void test_joint_a_name_that_a_connection_has_is_waited_for(void **state) {
  (void)state;
  jt_init(&w);
  jt_open(&w, 1), jt_open(&w, 2);
  jt_hex(&w, 1, "00 00 01 05 6c6f626279");
  jt_channel(&w, "lobby", "mode=chunk");
  jt_declare(&w);
  assert_int_equal(testing_log_count(&w.log, "channel_taken"), 1);
  jt_hex(&w, 2, ENTER_LOBBY);
  jt_no_trace(&w); /* he is with connection 1 */
  jt_hex(&w, 1, "00 03 00 01 00");
  jt_sent(&w, 2, "00 03 01 00 00 00 04 00 02 00 01");
  jt_hex(&w, 2, ENTER_LOBBY);
  jt_trace(&w, "connect 0 lobby");
  jt_end(&w);
}

static void test_joint_the_host_stops_with_reason_1(void **state) {
  (void)state;
  meet_quietly("mode=chunk");
  ump_engine_drain(w.engine, w.now);
  jt_pump(&w);
  jt_sent(&w, 1, "00 04 00 02 00 01");
  jt_trace(&w, "connect 0 lobby", "disconnect 0 the server is stopping");
  jt_end(&w);
}

static void test_joint_broken_declarations_are_passed_over(void **state) {
  (void)state;
  for (size_t cut = 0; cut < 300; cut++) { /* cannot be: it is ours. But nothing may break by it */
    jt_init(&w);
    jt_channel(&w, "lobby", ARENA);
    if (cut >= w.config.n) {
      jt_end(&w);
      break;
    }
    w.config.n = cut;
    jt_declare(&w);
    come(1);
    jt_end(&w);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_joint_rulebook_hears_who_enters_and_leaves),
      cmocka_unit_test(test_joint_rulebook_refuses),
      cmocka_unit_test(test_joint_nobody_else_may_create_delete_or_kick),
      cmocka_unit_test(test_joint_two_channels_are_two_clients),
      cmocka_unit_test(test_joint_rulebook_kicks_with_reason_2_and_the_connection_stays),
      cmocka_unit_test(test_joint_users_are_limited),
      cmocka_unit_test(test_joint_chunks_however_cut),
      cmocka_unit_test(test_joint_data_mode_has_an_event_for_each_piece),
      cmocka_unit_test(test_joint_a_chunk_over_the_limit_kicks),
      cmocka_unit_test(test_joint_a_chunk_grows_with_what_came),
      cmocka_unit_test(test_joint_events_over_the_rate_wait),
      cmocka_unit_test(test_joint_entering_again_and_again_waits_too),
      cmocka_unit_test(test_joint_objects_are_offered_on_entering),
      cmocka_unit_test(test_joint_calls_are_events_with_their_arguments),
      cmocka_unit_test(test_joint_malformed_calls_call_nothing_and_16_in_a_row_kick),
      cmocka_unit_test(test_joint_refused_is_called_where_it_is_declared),
      cmocka_unit_test(test_joint_calls_wait_until_the_user_offers_the_object),
      cmocka_unit_test(test_joint_broadcast_is_encoded_once_and_passes_over_whom_it_does_not_fit),
      cmocka_unit_test(test_joint_calls_of_the_real_library),
      cmocka_unit_test(test_joint_chunks_to_users_end_their_frame),
      cmocka_unit_test(test_joint_long_chunks_to_users_are_cut),
      cmocka_unit_test(test_joint_data_mode_sends_bytes_as_they_are),
      cmocka_unit_test(test_joint_a_slow_user_gets_no_more_and_is_closed),
      cmocka_unit_test(test_joint_channels_that_remain_keep_their_users),
      cmocka_unit_test(test_joint_a_chunk_over_a_limit_that_was_lowered_kicks),
      cmocka_unit_test(test_joint_calls_that_wait_are_dropped_when_they_are_written_otherwise),
      cmocka_unit_test(test_joint_channels_that_speak_otherwise_are_closed),
      cmocka_unit_test(test_joint_new_objects_are_offered_to_those_who_are_there),
      cmocka_unit_test(test_joint_without_a_rulebook_everybody_is_told),
      cmocka_unit_test(test_joint_a_name_that_a_connection_has_is_waited_for),
      cmocka_unit_test(test_joint_the_host_stops_with_reason_1),
      cmocka_unit_test(test_joint_broken_declarations_are_passed_over),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
