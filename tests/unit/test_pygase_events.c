/* Events both ways, and every row of the table of bad input: wire/pygase sections 3, 7 and 8, E3. */
#include "pg_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARGS   "\xachandler_args"
#define KWARGS "\xaehandler_kwargs"

struct scene { /* a listener with one client that is connected */
  struct pg_world w;
  struct pg_client c;
  uint32_t session;
};

static struct scene *open_scene(void) {
  struct scene *s = calloc(1, sizeof *s);
  assert_non_null(s);
  pg_open(&s->w, (struct pg_cfg){0});
  pg_client_init(&s->c, pg_addr(1, 5000));
  s->session = pg_client_connect(&s->w, &s->c);
  pg_client_run(&s->w, &s->c, 100 * UMP_MS);
  return s;
}

static void close_scene(struct scene *s) {
  pg_close(&s->w);
  free(s);
}

/* Sends one event with these fields behind its type; the event as the engine saw it, or NULL. */
static const struct pg_judged *say(struct scene *s, const char *rest, size_t n) {
  struct pg_package p;
  size_t had = s->w.n_judged;
  pg_client_package(&s->c, &p);
  pg_add_event(&p, "MOVE", rest, n);
  pg_in(&s->w, s->c.addr, p.bytes, p.n);
  return s->w.n_judged > had ? &s->w.judged[s->w.n_judged - 1] : NULL;
}
#define SAY(s, literal) say(s, literal, sizeof(literal) - 1)

static void assert_plain(const struct pg_judged *j, const struct ump_writer *want) {
  assert_non_null(j);
  assert_false(want->full);
  assert_int_equal(j->n, want->n);
  assert_memory_equal(j->data, want->p, want->n);
}

/* ---- from the client ---- */

static void test_pygase_args_are_the_array_part_and_kwargs_the_hash_part(void **state) {
  (void)state;
  struct scene *s = open_scene();
  uint8_t bytes[512];
  struct ump_writer w = ump_writer(bytes, sizeof bytes);
  const struct pg_judged *j = SAY(s, ARGS "\x90" KWARGS "\x80");
  assert_non_null(j);
  assert_string_equal(j->name, "MOVE");
  assert_int_equal(j->n, 0); /* neither: no data */

  ump_plain_put_array(&w, 2), ump_plain_put_int(&w, 1), ump_plain_put_float(&w, 1.5);
  assert_plain(SAY(s, ARGS "\x92\x01\xca\x3f\xc0\x00\x00" KWARGS "\x80"), &w);

  w.n = 0;
  ump_plain_put_map(&w, 1), ump_plain_put_string(&w, ump_text("dx")), ump_plain_put_int(&w, -1);
  assert_plain(SAY(s, ARGS "\x90" KWARGS "\x81\xa2"
                           "dx\xff"),
               &w);

  w.n = 0;
  ump_plain_put_mixed(&w, 1), ump_plain_put_tag(&w, UMP_PLAIN_TRUE);
  ump_plain_put_map(&w, 1), ump_plain_put_string(&w, ump_text("dx")), ump_plain_put_tag(&w, UMP_PLAIN_NULL);
  assert_plain(SAY(s, ARGS "\x91\xc3" KWARGS "\x81\xa2"
                           "dx\xc0"),
               &w);
  assert_plain(SAY(s, KWARGS "\x81\xa2"
                             "dx\xc0" ARGS "\x91\xc3"),
               &w); /* in any order */
  close_scene(s);
}

static void test_pygase_other_keys_of_an_event_are_ignored(void **state) {
  (void)state;
  struct scene *s = open_scene();
  struct pg_package p;
  pg_client_package(&s->c, &p);
  static const char event[] = "\x84\xa4more\x92\x01\x81\xa1x\x02\xa4type\xa2hi" ARGS "\x91\x07" KWARGS "\x80";
  p.bytes[p.n++] = 0, p.bytes[p.n++] = sizeof event - 1;
  memcpy(p.bytes + p.n, event, sizeof event - 1), p.n += sizeof event - 1;
  pg_in(&s->w, s->c.addr, p.bytes, p.n);
  assert_int_equal(s->w.n_judged, 1);
  uint8_t bytes[64];
  struct ump_writer w = ump_writer(bytes, sizeof bytes);
  ump_plain_put_array(&w, 1), ump_plain_put_int(&w, 7);
  assert_plain(&s->w.judged[0], &w);
  close_scene(s);
}

static void test_pygase_any_number_of_events_that_fit_is_judged_in_order(void **state) {
  (void)state;
  struct scene *s = open_scene();
  struct pg_package p;
  char name[16];
  unsigned n = 0;
  for (pg_client_package(&s->c, &p); p.n + 43 <= 2048; n++) {
    snprintf(name, sizeof name, "e%02u", n);
    pg_add_plain_event(&p, name);
  }
  pg_in(&s->w, s->c.addr, p.bytes, p.n);
  assert_int_equal(s->w.n_judged, n);
  assert_in_range(n, 45, 55);
  for (unsigned i = 0; i < n; i++) {
    snprintf(name, sizeof name, "e%02u", i);
    assert_string_equal(s->w.judged[i].name, name);
  }
  close_scene(s);
}

static void test_pygase_illegal_event_is_dropped_and_counted(void **state) {
  (void)state;
  struct scene *s = open_scene();
  pg_say_event(&s->w, s->c.addr, s->c.sequence + 1u, s->c.newest, s->c.time_order, "bad");
  assert_int_equal(pg_counter(&s->w, "events_illegal"), 1);
  pg_pass(&s->w, 100 * UMP_MS);
  assert_int_equal(pg_last(&s->w)->events.n, 0);
  close_scene(s);
}

static void test_pygase_event_in_a_late_package_is_judged_once(void **state) {
  (void)state;
  struct scene *s = open_scene();
  unsigned at = s->c.sequence;
  pg_say(&s->w, s->c.addr, at + 32, s->c.newest, s->c.time_order);
  pg_say_event(&s->w, s->c.addr, at + 1, s->c.newest, s->c.time_order, "late");
  pg_say_event(&s->w, s->c.addr, at + 1, s->c.newest, s->c.time_order, "late");
  assert_int_equal(s->w.n_judged, 1);
  assert_int_equal(pg_counter(&s->w, "doubled"), 1);
  pg_say(&s->w, s->c.addr, at + 34, s->c.newest, s->c.time_order);
  pg_say_event(&s->w, s->c.addr, at + 33, s->c.newest, s->c.time_order, "late");
  pg_say_event(&s->w, s->c.addr, at, s->c.newest, s->c.time_order, "too late");
  assert_int_equal(s->w.n_judged, 2);
  assert_int_equal(pg_counter(&s->w, "too_old"), 1);
  close_scene(s);
}

/* ---- section 8, row by row ---- */

static void bad(struct scene *s, const char *counter, const void *p, size_t n) {
  uint64_t before = pg_counter(&s->w, counter);
  size_t judged = s->w.n_judged, connects = s->w.n_connects, sent = s->w.n_sent;
  pg_in(&s->w, s->c.addr, p, n);         /* from one who is connected */
  pg_in(&s->w, pg_addr(77, 7000), p, n); /* and from a stranger */
  assert_int_equal(pg_counter(&s->w, counter), before + 2);
  assert_int_equal(s->w.n_judged, judged);
  assert_int_equal(s->w.n_connects, connects);
  assert_int_equal(s->w.n_sent, sent); /* no answer to a stranger */
  assert_null(ump_pygase_check(s->w.proto));
}

/* The client goes on as if nothing had been: the sequence of what was dropped may still come. */
static void still_there(struct scene *s) {
  size_t judged = s->w.n_judged;
  struct pg_package p;
  pg_client_package(&s->c, &p);
  pg_add_plain_event(&p, "hello");
  pg_in(&s->w, s->c.addr, p.bytes, p.n);
  assert_int_equal(s->w.n_judged, judged + 1);
}

static void test_pygase_text_binary_and_empty_datagrams_are_dropped(void **state) {
  (void)state;
  struct scene *s = open_scene();
  static const uint8_t other[14] = {0xff, 0xd0, 0xfa, 0xba, 0, 1};
  bad(s, "bad_id", "", 0);
  bad(s, "bad_id", "hello", 5);
  bad(s, "bad_id", "\xff\xd0\xfa", 3);
  bad(s, "bad_id", other, sizeof other);
  bad(s, "bad_id", "shut_me_down", 12);
  bad(s, "bad_id", "shutdown\n", 9);
  still_there(s);
  close_scene(s);
}

static void test_pygase_4_to_13_bytes_that_begin_with_the_id_are_dropped(void **state) {
  (void)state;
  struct scene *s = open_scene();
  struct pg_package p = pg_package(s->c.sequence + 1u, 0, 0, 0);
  for (size_t n = 4; n < 14; n++) bad(s, "bad_size", p.bytes, n);
  still_there(s);
  close_scene(s);
}

static void test_pygase_over_2048_bytes_is_dropped(void **state) {
  (void)state;
  struct scene *s = open_scene();
  struct pg_package p = pg_package(s->c.sequence + 1u, 0, 0, 0);
  while (p.n <= 2048) pg_add_plain_event(&p, "x");
  bad(s, "bad_size", p.bytes, p.n);
  still_there(s);
  close_scene(s);
}

static void test_pygase_sequence_0_is_dropped(void **state) {
  (void)state;
  struct scene *s = open_scene();
  struct pg_package p = pg_package(0, 0, 0, 0);
  bad(s, "bad_sequence", p.bytes, p.n);
  bad(s, "bad_sequence", p.bytes, p.n);
  still_there(s);
  close_scene(s);
}

/* The event block behind a sound header; n counts its bytes. */
static void bad_block(struct scene *s, const char *block, size_t n) {
  struct pg_package p = pg_package(s->c.sequence + 1u, s->c.newest, 0, s->c.time_order);
  memcpy(p.bytes + p.n, block, n);
  p.n += n;
  bad(s, "bad_event", p.bytes, p.n);
}

static void bad_map(struct scene *s, const char *map, size_t n) {
  char block[2100] = {(char)(n >> 8), (char)n};
  memcpy(block + 2, map, n);
  bad_block(s, block, n + 2);
}
#define BAD_BLOCK(s, literal) bad_block(s, literal, sizeof(literal) - 1)
#define BAD_MAP(s, literal)   bad_map(s, literal, sizeof(literal) - 1)

static void test_pygase_event_of_length_0_cut_or_with_a_trailing_byte_is_dropped(void **state) {
  (void)state;
  struct scene *s = open_scene();
  BAD_BLOCK(s, "\x00\x00");
  BAD_BLOCK(s, "\x00");
  BAD_BLOCK(s, "\x00\x20\x83");
  BAD_BLOCK(s, "\x00\x01\x05");
  BAD_MAP(s, "\x83\xa4type\xa1x" ARGS "\x90" KWARGS);
  BAD_MAP(s, "\x83\xa4type\xa1x" ARGS "\x90" KWARGS "\x80\x00");
  BAD_MAP(s, "\x93\xa4type\xa1x" ARGS);
  BAD_MAP(s, "\xc1");
  still_there(s);
  close_scene(s);
}

/* If one event is broken, none of the package is judged. */
static void test_pygase_one_broken_event_drops_the_whole_package(void **state) {
  (void)state;
  struct scene *s = open_scene();
  struct pg_package p = pg_package(s->c.sequence + 1u, s->c.newest, 0, s->c.time_order);
  pg_add_plain_event(&p, "sound");
  p.bytes[p.n++] = 0, p.bytes[p.n++] = 0;
  bad(s, "bad_event", p.bytes, p.n);
  still_there(s);
  close_scene(s);
}

static void test_pygase_event_without_type_args_or_kwargs_or_of_other_types_is_dropped(void **state) {
  (void)state;
  struct scene *s = open_scene();
  BAD_MAP(s, "\x80");
  BAD_MAP(s, "\x82" ARGS "\x90" KWARGS "\x80");
  BAD_MAP(s, "\x82\xa4type\xa1x" KWARGS "\x80");
  BAD_MAP(s, "\x82\xa4type\xa1x" ARGS "\x90");
  BAD_MAP(s, "\x83\xa4type\x01" ARGS "\x90" KWARGS "\x80");
  BAD_MAP(s, "\x83\xa4type\xc4\x01x" ARGS "\x90" KWARGS "\x80"); /* bin is no string */
  BAD_MAP(s, "\x83\xa4type\xa1x" ARGS "\x80" KWARGS "\x80");
  BAD_MAP(s, "\x83\xa4type\xa1x" ARGS "\x90" KWARGS "\x90");
  BAD_MAP(s, "\x83\xa4type\xa1x" ARGS "\x90" KWARGS "\x81\x01\x01"); /* kwargs have string keys */
  BAD_MAP(s, "\x83\xa4type\xa1x" ARGS "\x90" KWARGS "\x81\xc4\x01k\x01");
  BAD_MAP(s, "\x84\xa4type\xa1x\xa4type\xa1x" ARGS "\x90" KWARGS "\x80"); /* doubled keys */
  BAD_MAP(s, "\x84\xa4type\xa1x" ARGS "\x90" KWARGS "\x80" KWARGS "\x80");
  BAD_MAP(s, "\x85\xa4type\xa1x" ARGS "\x90" KWARGS "\x80\xa1o\x01\xa1o\x01");
  BAD_MAP(s, "\x84\xa4type\xa1x" ARGS "\x90" KWARGS "\x80\x01\x01"); /* a key that is no string */
  still_there(s);
  close_scene(s);
}

static void test_pygase_hostile_msgpack_drops_the_package(void **state) {
  (void)state;
  struct scene *s = open_scene();
  BAD_MAP(s, "\x83\xa4type\xa1x" ARGS "\xdd\xff\xff\xff\xff" KWARGS "\x80"); /* claims 2^32 elements */
  BAD_MAP(s, "\x83\xa4type\xa1x" ARGS "\x91\xdf\xff\xff\xff\xff" KWARGS "\x80");
  BAD_MAP(s, "\x83\xa4type\xa1x" ARGS "\x91\xdb\xff\xff\xff\xff" KWARGS "\x80");
  BAD_MAP(s, "\xdf\xff\xff\xff\xff\xa4type\xa1x" ARGS "\x90" KWARGS "\x80");
  BAD_MAP(s, "\x83\xa4type\xa1x" ARGS "\x91\xd4\x01\x01" KWARGS "\x80");             /* ext */
  BAD_MAP(s, "\x83\xa4type\xa1x" ARGS "\x91\xd6\xff\x00\x00\x00\x00" KWARGS "\x80"); /* a timestamp */
  BAD_MAP(s, "\x83\xa4type\xa1x" ARGS "\x91\xca\x7f\xc0\x00\x00" KWARGS "\x80");     /* NaN */
  BAD_MAP(s, "\x83\xa4type\xa1x" ARGS "\x91\xca\x7f\x80\x00\x00" KWARGS "\x80");     /* infinity */
  BAD_MAP(s, "\x83\xa4type\xa1x" ARGS "\x91\xcb\xff\xf0\x00\x00\x00\x00\x00\x00" KWARGS "\x80");
  BAD_MAP(s, "\x83\xa4type\xa1x" ARGS "\x91\x82\xa1k\x01\xa1k\x02" KWARGS "\x80"); /* doubled keys */
  BAD_MAP(s, "\x83\xa4type\xa1x" ARGS "\x91\xa1\xff" KWARGS "\x80");               /* a str that is no UTF-8 */
  char deep[1600] = "\x83\xa4type\xa1x" ARGS;
  memset(deep + 21, 0x91, 1500);
  bad_map(s, deep, 1600);
  still_there(s);
  close_scene(s);
}

static void test_pygase_ack_that_was_never_sent_is_ignored_and_the_package_taken(void **state) {
  (void)state;
  struct scene *s = open_scene();
  uint64_t before = pg_counter(&s->w, "unknown_ack");
  pg_say_event(&s->w, s->c.addr, s->c.sequence + 1u, s->c.newest + 100u, s->c.time_order, "x");
  assert_int_equal(s->w.n_judged, 1);
  assert_int_equal(pg_counter(&s->w, "unknown_ack"), before + 1);
  close_scene(s);
}

/* ---- to the client ---- */

static void test_pygase_event_is_packed_in_the_order_of_the_wire(void **state) {
  (void)state;
  struct scene *s = open_scene();
  uint8_t bytes[256];
  struct ump_writer p = ump_writer(bytes, sizeof bytes);
  ump_plain_put_mixed(&p, 1), ump_plain_put_float(&p, 2.5);
  ump_plain_put_map(&p, 1), ump_plain_put_string(&p, ump_text("who")), ump_plain_put_string(&p, ump_text("ann"));
  assert_int_equal(pg_notify(&s->w, s->session, "caught", ump_written(&p)), 0);
  pg_pass(&s->w, 25 * UMP_MS);
  const struct pg_sent_package *sent = pg_last(&s->w);
  static const char want[] = "\x83\xa4type\xa6"
                             "caught" ARGS "\x91\xca\x40\x20\x00\x00" KWARGS "\x81\xa3who\xa3"
                             "ann";
  assert_int_equal(sent->events.n, 2 + sizeof want - 1);
  assert_memory_equal(sent->events.p + 2, want, sizeof want - 1);
  close_scene(s);
}

static void put_one(struct ump_writer *p, int what) {
  switch (what) {
  case 0:
    ump_plain_put_tag(p, UMP_PLAIN_NULL);
    break;
  case 1:
    ump_plain_put_int(p, 300);
    break;
  case 2:
    ump_plain_put_map(p, 0);
    break;
  case 3:
    ump_plain_put_tuple(p, 1), ump_plain_put_tag(p, UMP_PLAIN_FALSE);
    break;
  default:
    break;
  }
}

static void test_pygase_notify_of_one_value_is_its_only_argument(void **state) {
  (void)state;
  static const struct {
    const char *p;
    size_t n;
  } want[] = {{ARGS "\x91\xc0" KWARGS "\x80", 31},
              {ARGS "\x91\xcd\x01\x2c" KWARGS "\x80", 33},
              {ARGS "\x90" KWARGS "\x80", 30},
              {ARGS "\x91\xc2" KWARGS "\x80", 31},
              {ARGS "\x90" KWARGS "\x80", 30}};
  for (int i = 0; i < 5; i++) {
    struct scene *s = open_scene();
    uint8_t bytes[64];
    struct ump_writer p = ump_writer(bytes, sizeof bytes);
    put_one(&p, i);
    assert_int_equal(pg_notify(&s->w, s->session, "x", ump_written(&p)), 0);
    pg_pass(&s->w, 25 * UMP_MS);
    const struct pg_sent_package *sent = pg_last(&s->w);
    assert_int_equal(sent->events.n, 2 + 8 + want[i].n);
    assert_memory_equal(sent->events.p + 2 + 8, want[i].p, want[i].n);
    close_scene(s);
  }
}

static void test_pygase_notify_that_would_kill_the_client_is_refused(void **state) {
  (void)state;
  struct scene *s = open_scene();
  uint8_t bytes[4096];
  char text[2048];
  memset(text, 'x', sizeof text);
  struct ump_writer p = ump_writer(bytes, sizeof bytes);
  ump_plain_put_map(&p, 1), ump_plain_put_int(&p, 7), ump_plain_put_int(&p, 1); /* a keyword that is no string */
  assert_int_equal(pg_notify(&s->w, s->session, "x", ump_written(&p)), UMP_ENOSUPPORT);
  p.n = 0;
  ump_plain_put_map(&p, 1), ump_plain_put_string(&p, ump_bytes("\xff", 1)), ump_plain_put_int(&p, 1);
  assert_int_equal(pg_notify(&s->w, s->session, "x", ump_written(&p)), UMP_ENOSUPPORT);
  assert_int_equal(pg_notify(&s->w, s->session, "\xff", ump_bytes(NULL, 0)), UMP_ENOSUPPORT);
  size_t around = 6 + 1 + 1 + 13 + 1 + 3 + 15 +
                  1; /* map, "type", "x", "handler_args", array, head of str 16, "handler_kwargs", map */
  p.n = 0;
  ump_plain_put_string(&p, ump_bytes(text, 1900 - around));
  assert_int_equal(pg_notify(&s->w, s->session, "x", ump_written(&p)), 0);
  p.n = 0;
  ump_plain_put_string(&p, ump_bytes(text, 1901 - around));
  assert_int_equal(pg_notify(&s->w, s->session, "x", ump_written(&p)), UMP_ETOOBIG);
  struct ump_notice nameless = {.has_data = true, .data = ump_written(&p)};
  struct ump_blob *blob;
  assert_int_equal(ump_pygase.pack(s->w.proto, &nameless, &blob), UMP_ENOSUPPORT);
  close_scene(s);
}

static void test_pygase_five_events_in_a_package_the_rest_in_the_next(void **state) {
  (void)state;
  struct scene *s = open_scene();
  for (int i = 0; i < 12; i++) assert_int_equal(pg_notify(&s->w, s->session, "x", ump_bytes(NULL, 0)), 0);
  pg_forget_sent(&s->w);
  pg_pass(&s->w, 75 * UMP_MS);
  assert_int_equal(s->w.sent[0].n_events, 5);
  assert_int_equal(s->w.sent[1].n_events, 5);
  assert_int_equal(s->w.sent[2].n_events, 2);
  close_scene(s);
}

static void test_pygase_event_that_is_confirmed_is_not_sent_again(void **state) {
  (void)state;
  struct scene *s = open_scene();
  pg_notify(&s->w, s->session, "x", ump_bytes(NULL, 0));
  pg_client_run(&s->w, &s->c, 5 * UMP_S);
  assert_int_equal(s->c.events, 1);
  assert_int_equal(pg_counter(&s->w, "notify_repeats"), 0);
  assert_int_equal(pg_counter(&s->w, "notifies_confirmed"), 1);
  close_scene(s);
}

/* Acks that take 240 ms: an event is sent again after 580 ms, 24 packages later. */
static void make_slow(struct scene *s) {
  for (int i = 0; i < 60; i++) {
    pg_forget_sent(&s->w);
    pg_pass(&s->w, 25 * UMP_MS);
    uint16_t sequence = s->w.sent[0].sequence;
    pg_pass(&s->w, 220 * UMP_MS);
    pg_say(&s->w, s->c.addr, ++s->c.sequence, sequence, s->c.time_order);
  }
}

/* "ack, or one of the 31 highest bits": bit by bit. */
static void test_pygase_event_is_confirmed_by_ack_and_the_31_bits(void **state) {
  (void)state;
  for (unsigned ago = 0; ago <= 32; ago++) {
    struct scene *s = open_scene();
    make_slow(s);
    pg_notify(&s->w, s->session, "x", ump_bytes(NULL, 0));
    pg_forget_sent(&s->w);
    pg_pass(&s->w, 25 * UMP_MS);
    unsigned sequence = s->w.sent[0].sequence;
    assert_int_equal(s->w.sent[0].n_events, 1);
    pg_pass(&s->w, 32 * 25 * UMP_MS);
    uint32_t bits = ago ? (uint32_t)1 << (32 - ago) : 0;
    struct pg_package p = pg_package(s->c.sequence + 1u, sequence + ago, bits, s->c.time_order);
    pg_in(&s->w, s->c.addr, p.bytes, p.n);
    assert_int_equal(pg_counter(&s->w, "notifies_confirmed"), ago <= 31);
    close_scene(s);
  }
}

static void test_pygase_lost_event_is_sent_again_five_times_then_dropped_and_logged(void **state) {
  (void)state;
  struct scene *s = open_scene();
  ump_time at[16] = {0};
  unsigned n = 0;
  pg_notify(&s->w, s->session, "x", ump_bytes(NULL, 0));
  pg_forget_sent(&s->w);
  pg_pass(&s->w, 4500 * UMP_MS); /* nothing comes back, but not for long enough to be away */
  for (size_t i = 0; i < s->w.n_sent; i++)
    if (s->w.sent[i].n_events) at[n++ % 16] = s->w.sent[i].at;
  assert_int_equal(n, 6);
  for (unsigned i = 1; i < n; i++) assert_in_range(at[i] - at[i - 1], 200 * UMP_MS, 226 * UMP_MS);
  assert_int_equal(pg_counter(&s->w, "notifies_unconfirmed"), 1);
  assert_int_equal(testing_log_count(&s->w.log, "notify_unconfirmed"), 1);
  close_scene(s);
}

/* An earlier package's confirmation comes after the event was sent again: it counts. */
static void test_pygase_late_confirmation_of_an_earlier_package_counts(void **state) {
  (void)state;
  struct scene *s = open_scene();
  pg_notify(&s->w, s->session, "x", ump_bytes(NULL, 0));
  pg_forget_sent(&s->w);
  pg_pass(&s->w, 300 * UMP_MS);
  assert_int_equal(pg_counter(&s->w, "notify_repeats"), 1);
  pg_say(&s->w, s->c.addr, ++s->c.sequence, s->w.sent[0].sequence, s->c.time_order);
  assert_int_equal(pg_counter(&s->w, "notifies_confirmed"), 1);
  close_scene(s);
}

static void test_pygase_1024_events_wait_for_a_client_and_no_more(void **state) {
  (void)state;
  struct scene *s = open_scene();
  assert_int_equal(ump_pygase.room(s->w.proto, s->session), 1024);
  for (int i = 0; i < 1024; i++) assert_int_equal(pg_notify(&s->w, s->session, "x", ump_bytes(NULL, 0)), 0);
  assert_int_equal(pg_notify(&s->w, s->session, "x", ump_bytes(NULL, 0)), UMP_EFULL);
  assert_int_equal(ump_pygase.room(s->w.proto, s->session), 0);
  pg_client_run(&s->w, &s->c, 8 * UMP_S);
  assert_int_equal(s->c.events, 1024);
  assert_int_equal(ump_pygase.room(s->w.proto, s->session), 1024);
  close_scene(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_pygase_args_are_the_array_part_and_kwargs_the_hash_part),
      cmocka_unit_test(test_pygase_other_keys_of_an_event_are_ignored),
      cmocka_unit_test(test_pygase_any_number_of_events_that_fit_is_judged_in_order),
      cmocka_unit_test(test_pygase_illegal_event_is_dropped_and_counted),
      cmocka_unit_test(test_pygase_event_in_a_late_package_is_judged_once),
      cmocka_unit_test(test_pygase_text_binary_and_empty_datagrams_are_dropped),
      cmocka_unit_test(test_pygase_4_to_13_bytes_that_begin_with_the_id_are_dropped),
      cmocka_unit_test(test_pygase_over_2048_bytes_is_dropped),
      cmocka_unit_test(test_pygase_sequence_0_is_dropped),
      cmocka_unit_test(test_pygase_event_of_length_0_cut_or_with_a_trailing_byte_is_dropped),
      cmocka_unit_test(test_pygase_one_broken_event_drops_the_whole_package),
      cmocka_unit_test(test_pygase_event_without_type_args_or_kwargs_or_of_other_types_is_dropped),
      cmocka_unit_test(test_pygase_hostile_msgpack_drops_the_package),
      cmocka_unit_test(test_pygase_ack_that_was_never_sent_is_ignored_and_the_package_taken),
      cmocka_unit_test(test_pygase_event_is_packed_in_the_order_of_the_wire),
      cmocka_unit_test(test_pygase_notify_of_one_value_is_its_only_argument),
      cmocka_unit_test(test_pygase_notify_that_would_kill_the_client_is_refused),
      cmocka_unit_test(test_pygase_five_events_in_a_package_the_rest_in_the_next),
      cmocka_unit_test(test_pygase_event_that_is_confirmed_is_not_sent_again),
      cmocka_unit_test(test_pygase_event_is_confirmed_by_ack_and_the_31_bits),
      cmocka_unit_test(test_pygase_lost_event_is_sent_again_five_times_then_dropped_and_logged),
      cmocka_unit_test(test_pygase_late_confirmation_of_an_earlier_package_counts),
      cmocka_unit_test(test_pygase_1024_events_wait_for_a_client_and_no_more),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
