/* A client's life at the server: wire/pygase sections 4, 5 and 9, E1 and E4. */
#include "pg_world.h"

#include <string.h>

#include "proto/pygase/sequence.h"

/* ---- section 4 and 5: sequences and the window ---- */

static void test_pygase_sequences_wrap_from_65535_to_1(void **state) {
  (void)state;
  assert_int_equal(pg_after(65535), 1);
  assert_int_equal(pg_after(1), 2);
  assert_int_equal(pg_add(65535, 1), 1);
  assert_int_equal(pg_add(65000, 32767), 65000 + 32767 - 65535);
  assert_int_equal(pg_ahead(1, 65535), 1);
  assert_int_equal(pg_ahead(65535, 1), -1);
  assert_int_equal(pg_ahead(32768, 1), 32767);
  assert_int_equal(pg_ahead(32767, 0), 32767);
  assert_int_equal(pg_ahead(32768, 0), -32767); /* who has nothing takes it for older */
  for (unsigned a = 1; a <= 65535; a += 97)
    for (int d = -32767; d <= 32767; d += 911)
      assert_int_equal(pg_ahead(pg_add((uint16_t)a, (uint32_t)(d + 65535)), (uint16_t)a), d);
}

/* Against the plainest of windows: everything that ever came. */
static void test_pygase_window_holds_all_that_came(void **state) {
  (void)state;
  static bool came[65536];
  struct ump_rng_seeded seeded;
  ump_rng_seed(&seeded, 3);
  struct ump_rng rng = ump_rng_of(&seeded);
  struct pg_window w = {0};
  uint16_t at = 65400;
  memset(came, 0, sizeof came);
  for (int i = 0; i < 30000; i++) {
    int step = (int)ump_rng_below(&rng, 70) - 45;
    uint16_t sequence = step >= 0 ? pg_add(at, (uint32_t)step) : pg_add(at, (uint32_t)(65535 + step));
    enum pg_place place = pg_window_place(&w, sequence);
    int d = w.newest ? pg_ahead(sequence, w.newest) : 1;
    enum pg_place want = d > 0 ? PG_NEWEST : d < -32 ? PG_TOO_OLD : came[sequence] ? PG_DOUBLED : PG_LATE;
    assert_int_equal(place, want);
    if (place != PG_NEWEST && place != PG_LATE) continue;
    for (int k = 1; d > 0 && w.newest && k < d; k++)
      came[pg_add(w.newest, (uint32_t)k)] = false; /* of the last time round */
    pg_window_put(&w, sequence);
    came[sequence] = true;
    at = w.newest;
    for (int k = 1; k <= 32; k++) {
      uint16_t before = pg_add(w.newest, (uint32_t)(65535 - k));
      if (i > 100) assert_int_equal(w.before >> (32 - k) & 1, came[before]);
    }
  }
}

static void test_pygase_package_before_a_gap_keeps_its_bit(void **state) {
  (void)state;
  struct pg_window w = {0};
  pg_window_put(&w, 10);
  assert_int_equal(w.before, 0);
  pg_window_put(&w, 13);
  assert_int_equal(w.newest, 13);
  assert_int_equal(w.before, 1u << 29);
  pg_window_put(&w, 13 + 32);
  assert_int_equal(w.before, 1);
  pg_window_put(&w, 13 + 32 + 33);
  assert_int_equal(w.before, 0);
}

/* ---- new: E1 ---- */

static void test_pygase_newcomer_gets_one_small_package_for_each_of_its_own(void **state) {
  (void)state;
  struct pg_world w;
  pg_open(&w, (struct pg_cfg){0});
  pg_set(&w.feed, 0, 1);
  for (unsigned i = 1; i <= 5; i++) {
    pg_say(&w, pg_addr(1, 5000), i, 0, 0);
    assert_int_equal(w.n_sent, i);
    const struct pg_sent_package *p = pg_take(&w);
    assert_int_equal(p->n, 27);
    assert_int_equal(p->time_order, 0);
    assert_int_equal(p->ack, i);
    assert_int_equal(p->events.n, 0);
  }
  pg_pass(&w, UMP_S);
  assert_int_equal(w.n_sent, 5);
  assert_int_equal(w.n_connects, 0);
  assert_null(ump_pygase_check(w.proto));
  pg_close(&w);
}

static void test_pygase_first_sequence_cannot_be_foretold(void **state) {
  (void)state;
  struct pg_world w;
  unsigned high = 0, equal = 0, last = 0;
  pg_open(&w, (struct pg_cfg){0});
  for (unsigned i = 0; i < 1000; i++) {
    pg_say(&w, pg_addr(i, 5000), 1, 0, 0);
    unsigned sequence = pg_take(&w)->sequence;
    high += sequence > 32767, equal += sequence == last;
    last = sequence;
  }
  assert_in_range(high, 400, 600);
  assert_in_range(equal, 0, 3);
  pg_close(&w);
}

/* The real client dies of a sequence that is not ahead of the last one it has. */
static void test_pygase_first_sequence_is_ahead_of_what_the_client_knew(void **state) {
  (void)state;
  struct pg_world w;
  pg_open(&w, (struct pg_cfg){0});
  for (unsigned i = 1; i < 2000; i++) {
    uint16_t knew = (uint16_t)(i * 37 % 65535 + 1);
    pg_say(&w, pg_addr(i, 5000), 500, knew, 0);
    assert_in_range(pg_ahead(pg_take(&w)->sequence, knew), 1, 32767);
  }
  pg_close(&w);
}

static void test_pygase_ack_of_a_sequence_that_was_sent_connects(void **state) {
  (void)state;
  struct pg_world w;
  pg_open(&w, (struct pg_cfg){0});
  pg_set(&w.feed, 0, 1);
  pg_say(&w, pg_addr(1, 5000), 1, 0, 0);
  pg_say(&w, pg_addr(1, 5000), 2, 0, 0);
  unsigned first = pg_take(&w)->sequence;
  pg_take(&w);
  pg_say(&w, pg_addr(1, 5000), 3, first, 0); /* not the last one: that is under way */
  assert_int_equal(w.n_connects, 1);
  assert_null(pg_take(&w));
  pg_pass(&w, 25 * UMP_MS);
  const struct pg_sent_package *p = pg_take(&w);
  assert_int_equal(p->sequence, pg_add((uint16_t)first, 2)); /* a sequence is never sent twice */
  assert_int_equal(p->game_status, 1);
  pg_close(&w);
}

/* Our sequence follows the client's: an answer to one that came late would be a sequence twice, and kill the client. */
static void test_pygase_late_package_of_a_newcomer_is_taken_and_not_answered(void **state) {
  (void)state;
  struct pg_world w;
  pg_open(&w, (struct pg_cfg){0});
  pg_say(&w, pg_addr(1, 5000), 5, 0, 0);
  pg_say_event(&w, pg_addr(1, 5000), 3, 0, 0, "late");
  assert_int_equal(w.n_sent, 1);
  assert_int_equal(pg_counter(&w, "events_held"), 1);
  pg_say(&w, pg_addr(1, 5000), 9, 0, 0);
  assert_int_equal(pg_last(&w)->sequence, pg_add(w.sent[0].sequence, 4));
  pg_close(&w);
}

static void test_pygase_guessing_acks_ends_in_silence(void **state) {
  (void)state;
  struct pg_world w;
  pg_open(&w, (struct pg_cfg){0});
  pg_say(&w, pg_addr(1, 5000), 1, 0, 0);
  unsigned first = pg_take(&w)->sequence;
  for (unsigned i = 2; i < 40; i++) pg_say(&w, pg_addr(1, 5000), i, pg_add((uint16_t)first, i * 100), 0);
  assert_in_range(w.n_sent, 1, 3);
  pg_say(&w, pg_addr(1, 5000), 40, first, 0);
  assert_int_equal(w.n_connects, 0);
  pg_close(&w);
}

/* Two packages 64 apart would else make 64 acks right. */
static void test_pygase_ack_of_a_sequence_that_was_left_out_proves_nothing(void **state) {
  (void)state;
  struct pg_world w;
  pg_open(&w, (struct pg_cfg){0});
  pg_say(&w, pg_addr(1, 5000), 1, 0, 0);
  unsigned first = pg_take(&w)->sequence;
  pg_say(&w, pg_addr(1, 5000), 65, 0, 0);
  pg_say(&w, pg_addr(1, 5000), 66, pg_add((uint16_t)first, 30), 0);
  assert_int_equal(w.n_connects, 0);
  pg_say(&w, pg_addr(1, 5000), 67, pg_add((uint16_t)first, 64), 0);
  assert_int_equal(w.n_connects, 1);
  pg_close(&w);
}

static void test_pygase_what_an_unproven_address_is_sent_stays_below_three_times(void **state) {
  (void)state;
  struct pg_world w;
  pg_open(&w, (struct pg_cfg){0});
  pg_set(&w.feed, 0, 1);
  for (unsigned i = 1; i <= 1000; i++) {
    pg_say(&w, pg_addr(1, 5000), i, 0, 60000);
    pg_pass(&w, 2 * UMP_MS);
  }
  assert_true(pg_counter(&w, "bytes_out") <= 3 * pg_counter(&w, "bytes_in"));
  assert_int_equal(w.n_sent, 64);
  pg_close(&w);
}

static void test_pygase_events_of_a_newcomer_are_held_and_judged_once_it_is_connected(void **state) {
  (void)state;
  struct pg_world w;
  pg_open(&w, (struct pg_cfg){0});
  pg_say_event(&w, pg_addr(1, 5000), 1, 0, 0, "one");
  pg_say_event(&w, pg_addr(1, 5000), 2, 0, 0, "two");
  assert_int_equal(w.n_judged, 0);
  pg_say_event(&w, pg_addr(1, 5000), 3, pg_last(&w)->sequence, 0, "three");
  assert_int_equal(w.n_judged, 3);
  assert_string_equal(w.judged[0].name, "one");
  assert_string_equal(w.judged[1].name, "two");
  assert_string_equal(w.judged[2].name, "three");
  pg_close(&w);
}

static void test_pygase_at_most_8_kib_of_events_are_held(void **state) {
  (void)state;
  struct pg_world w;
  pg_open(&w, (struct pg_cfg){0});
  for (unsigned i = 1; i <= 20; i++) {
    struct pg_package p = pg_package(i, 0, 0, 0);
    for (int k = 0; k < 40; k++) pg_add_plain_event(&p, "x");
    pg_in(&w, pg_addr(1, 5000), p.bytes, p.n);
  }
  assert_true(pg_counter(&w, "events_held") * 39 <= 8192);
  assert_int_equal(pg_counter(&w, "events_held") + pg_counter(&w, "events_held_lost"), 800);
  pg_say(&w, pg_addr(1, 5000), 21, pg_last(&w)->sequence, 0);
  assert_int_equal(w.n_judged, pg_counter(&w, "events_held"));
  pg_close(&w);
}

static void test_pygase_newcomer_that_proves_nothing_is_forgotten_after_5_s(void **state) {
  (void)state;
  struct pg_world w;
  pg_open(&w, (struct pg_cfg){0});
  pg_say(&w, pg_addr(1, 5000), 9, 0, 0);
  unsigned before = pg_last(&w)->sequence;
  pg_pass(&w, 4999 * UMP_MS);
  assert_int_equal(pg_counter(&w, "forgotten"), 0);
  pg_pass(&w, 2 * UMP_MS);
  assert_int_equal(pg_counter(&w, "forgotten"), 1);
  pg_say(&w, pg_addr(1, 5000), 10, before,
         0); /* it was there, and comes too late: it is new again, and takes no harm */
  assert_int_equal(w.n_connects, 0);
  assert_in_range(pg_ahead(pg_last(&w)->sequence, (uint16_t)before), 1, 32767);
  pg_close(&w);
}

static void test_pygase_4096_newcomers_at_most_the_oldest_gives_way(void **state) {
  (void)state;
  struct pg_world w;
  pg_open(&w, (struct pg_cfg){0});
  for (unsigned i = 0; i < 4100; i++) pg_say(&w, pg_addr(i, 5000), 1, 0, 0);
  assert_int_equal(pg_counter(&w, "gave_way"), 4);
  assert_null(ump_pygase_check(w.proto));
  pg_say(&w, pg_addr(5, 5000), 2, w.sent[5].sequence, 0);
  assert_int_equal(w.n_connects, 1);
  pg_close(&w);
}

/* Hardening T5: 100 000 forged newcomers a second. The client's way there and back takes longer than a place lasts, its
 * packages are numbered on, and it must not see a sequence twice. */
static void test_pygase_a_client_gets_in_during_a_flood_of_forged_newcomers(void **state) {
  (void)state;
  struct pg_world w;
  struct pg_client c;
  unsigned forged = 0, ms = 0;
  struct pg_sent_package way[4] = {{0}}; /* what is on its way to it: 20 ms, and 20 ms back */
  ump_time there[4] = {0};
  uint8_t back[64];
  ump_time back_at = 0;
  size_t back_n = 0;
  pg_open(&w, (struct pg_cfg){0});
  pg_client_init(&c, pg_addr(60000, 5000));
  for (; ms < 2000 && !w.n_connects; ms++) {
    pg_forget_sent(&w);
    if (ms % 25 == 0) {
      struct pg_package p;
      pg_client_package(&c, &p);
      memcpy(back, p.bytes, p.n), back_n = p.n, back_at = w.now + 20 * UMP_MS;
    }
    if (back_n && back_at <= w.now) {
      pg_in(&w, c.addr, back, back_n), back_n = 0;
      const struct pg_sent_package *p;
      while ((p = pg_take(&w))) {
        unsigned i = ms % 4;
        way[i] = *p, there[i] = w.now + 22 * UMP_MS;
        way[i].update.p = way[i].bytes + 14, way[i].events.n = 0;
      }
    }
    for (unsigned i = 0; i < 4; i++)
      if (there[i] && there[i] <= w.now) pg_client_hear(&c, &way[i]), there[i] = 0;
    for (unsigned i = 0; i < 150; i++, forged++)
      pg_say(&w, pg_addr(forged % 50000, (uint16_t)(1000 + forged / 50000)), 1 + forged % 7, 0, 0);
    pg_pass(&w, UMP_MS);
  }
  assert_int_equal(w.n_connects, 1);
  assert_int_equal(c.died, 0);
  assert_true(pg_counter(&w, "gave_way") > 0);
  assert_true(pg_counter(&w, "bytes_out") <= 3 * pg_counter(&w, "bytes_in"));
  pg_forget_sent(&w);
  pg_client_run(&w, &c, UMP_S);
  assert_int_equal(c.died, 0);
  assert_int_equal(c.game_status, 1);
  pg_close(&w);
}

/* And nobody else: without the flood, or by an older answer than the last three. */
static void test_pygase_echo_of_a_place_that_is_gone_counts_only_under_pressure(void **state) {
  (void)state;
  struct pg_world w;
  pg_open(&w, (struct pg_cfg){0});
  pg_say(&w, pg_addr(1, 5000), 1, 0, 0);
  unsigned first = pg_last(&w)->sequence;
  pg_pass(&w, 6 * UMP_S);
  pg_say(&w, pg_addr(1, 5000), 2, first, 0);
  assert_int_equal(w.n_connects, 0);
  pg_pass(&w, 6 * UMP_S);
  for (unsigned i = 0; i < 4100; i++) pg_say(&w, pg_addr(10 + i, 5000), 1, 0, 0);
  pg_say(&w, pg_addr(1, 5000), 4, first, 0); /* that was the answer to 1 */
  assert_int_equal(w.n_connects, 0);
  pg_say(&w, pg_addr(2, 5000), 1, 0, 0);
  first = pg_last(&w)->sequence;
  for (unsigned i = 0; i < 4100; i++) pg_say(&w, pg_addr(10 + i, 6000), 1, 0, 0);
  pg_say(&w, pg_addr(2, 5000), 2, first, 0);
  assert_int_equal(w.n_connects, 1);
  pg_close(&w);
}

/* ---- connected ---- */

static void test_pygase_sends_40_packages_a_second_with_or_without_news(void **state) {
  (void)state;
  struct pg_world w;
  struct pg_client c;
  pg_open(&w, (struct pg_cfg){0});
  pg_client_init(&c, pg_addr(1, 5000));
  pg_client_connect(&w, &c);
  uint64_t before = pg_counter(&w, "datagrams_out");
  pg_client_run(&w, &c, 10 * UMP_S);
  assert_in_range(pg_counter(&w, "datagrams_out") - before, 399, 401);
  assert_int_equal(c.died, 0);
  pg_close(&w);
}

/* "Do not send to all clients in one burst." Who comes at the same time is spread over the interval all the same. */
static void test_pygase_packages_of_many_clients_are_spread_over_the_interval(void **state) {
  (void)state;
  enum { N = 1000 };
  struct pg_world w;
  pg_open(&w, (struct pg_cfg){.limit = N, .per_address = N});
  for (unsigned i = 0; i < N; i++) {
    pg_say(&w, pg_addr(i, 5000), 1, 0, 0);
    pg_say(&w, pg_addr(i, 5000), 2, pg_last(&w)->sequence, 0);
  }
  assert_int_equal(w.n_connects, N);
  pg_pass(&w, 100 * UMP_MS);
  pg_forget_sent(&w);
  ump_time start = w.now;
  pg_pass(&w, 25 * UMP_MS);
  assert_int_equal(w.n_sent, N);
  for (int ms = 0; ms < 25; ms++) {
    unsigned n = 0;
    for (size_t i = 0; i < w.n_sent; i++) n += (w.sent[i].at - start - 1) / UMP_MS == ms;
    assert_in_range(n, N / 25 - 2, N / 25 + 2);
  }
  pg_close(&w);
}

/* A process that stood still does not catch up on what it has missed. */
static void test_pygase_after_a_pause_each_client_gets_one_package(void **state) {
  (void)state;
  struct pg_world w;
  struct pg_client c;
  pg_open(&w, (struct pg_cfg){0});
  pg_client_init(&c, pg_addr(1, 5000));
  pg_client_connect(&w, &c);
  pg_forget_sent(&w);
  w.now += 2 * UMP_S;
  pg_pass(&w, 1);
  assert_int_equal(w.n_sent, 1);
  pg_pass(&w, 100 * UMP_MS);
  assert_int_equal(w.n_sent, 5);
  pg_close(&w);
}

static void test_pygase_sequence_of_the_server_wraps_and_leaves_0_out(void **state) {
  (void)state;
  struct pg_world w;
  struct pg_client c;
  pg_open(&w, (struct pg_cfg){0});
  pg_client_init(&c, pg_addr(1, 5000));
  c.newest = 32767 + 32700, c.sequence = 65400; /* its own wraps, too */
  pg_client_connect(&w, &c);
  unsigned wraps = 0;
  for (int i = 0; i < 70000; i++) {
    unsigned before = c.newest;
    pg_client_run(&w, &c, 25 * UMP_MS);
    wraps += c.newest < before;
  }
  assert_int_equal(c.died, 0);
  assert_in_range(wraps, 1, 2);
  assert_int_equal(w.n_disconnects, 0);
  assert_int_equal(pg_counter(&w, "doubled") + pg_counter(&w, "too_old"), 0);
  pg_close(&w);
}

/* ---- going away, and coming back ---- */

static void test_pygase_silence_of_5_s_disconnects_and_the_same_client_returns(void **state) {
  (void)state;
  struct pg_world w;
  struct pg_client c;
  pg_open(&w, (struct pg_cfg){0});
  pg_set(&w.feed, 0, 1);
  pg_client_init(&c, pg_addr(1, 5000));
  pg_client_connect(&w, &c);
  pg_client_run(&w, &c, 200 * UMP_MS);
  uint64_t serial = w.sessions[w.last_session].serial;
  pg_pass(&w, 4970 * UMP_MS);
  assert_int_equal(w.n_disconnects, 0);
  pg_pass(&w, 60 * UMP_MS);
  assert_int_equal(w.n_disconnects, 1);
  assert_string_equal(w.last_reason, "timed out");
  unsigned last = pg_last(&w)->sequence;
  pg_forget_sent(&w);
  pg_set(&w.feed, 0, 2), pg_set(&w.feed, 1, 3);
  pg_pass(&w, 50 * UMP_S);
  assert_int_equal(w.n_sent, 0); /* away: nothing is sent */
  c.newest = (uint16_t)last;
  pg_client_speak(&w, &c);
  assert_int_equal(w.n_connects, 2);
  assert_true(w.last_again == serial);
  pg_pass(&w, 25 * UMP_MS);
  assert_int_equal(pg_take(&w)->sequence, pg_after((uint16_t)last)); /* everything goes on where it was */
  assert_int_equal(w.sent[0].game_status, -1);
  pg_client_hear(&c, &w.sent[0]);
  assert_true(pg_cells_equal(&c.cells, &w.feed.versions[w.feed.n - 1]));
  pg_close(&w);
}

static void test_pygase_after_60_s_away_it_is_unknown(void **state) {
  (void)state;
  struct pg_world w;
  struct pg_client c;
  pg_open(&w, (struct pg_cfg){0});
  pg_client_init(&c, pg_addr(1, 5000));
  pg_client_connect(&w, &c);
  pg_pass(&w, 65100 * UMP_MS);
  assert_int_equal(pg_counter(&w, "forgotten"), 1);
  assert_int_equal(w.n_disconnects, 1);
  pg_client_speak(&w, &c);
  assert_int_equal(w.n_connects, 1); /* new: it has to prove itself */
  assert_int_equal(pg_last(&w)->n <= 42, 1);
  pg_close(&w);
}

static void test_pygase_sequence_1_after_a_quiet_second_starts_over(void **state) {
  (void)state;
  struct pg_world w;
  struct pg_client c, again;
  pg_open(&w, (struct pg_cfg){0});
  pg_set(&w.feed, 0, 1);
  pg_client_init(&c, pg_addr(1, 5000));
  pg_client_connect(&w, &c);
  pg_client_run(&w, &c, 200 * UMP_MS);
  pg_pass(&w, 900 * UMP_MS);
  pg_say(&w, c.addr, 1, 0, 0); /* not yet */
  assert_int_equal(w.n_disconnects, 0);
  pg_pass(&w, 200 * UMP_MS);
  pg_forget_sent(&w);
  pg_client_init(&again, c.addr);
  pg_client_connect(&w, &again);
  assert_int_equal(w.n_disconnects, 1);
  assert_string_equal(w.last_reason, "started over");
  pg_client_run(&w, &again, 100 * UMP_MS);
  assert_true(pg_cells_equal(&again.cells, &w.feed.versions[w.feed.n - 1]));
  assert_int_equal(again.died, 0);
  pg_close(&w);
}

/* ---- who is not let in ---- */

static void test_pygase_refused_client_meets_silence_for_5_s(void **state) {
  (void)state;
  struct pg_world w;
  pg_open(&w, (struct pg_cfg){0});
  w.refuse = true;
  pg_say_event(&w, pg_addr(1, 5000), 1, 0, 0, "x");
  unsigned first = pg_last(&w)->sequence;
  pg_say_event(&w, pg_addr(1, 5000), 2, first, 0, "y");
  assert_int_equal(w.n_connects, 1);
  pg_forget_sent(&w);
  for (unsigned i = 3; i < 50; i++) {
    pg_say_event(&w, pg_addr(1, 5000), i, first, 0, "z");
    pg_pass(&w, 100 * UMP_MS);
  }
  assert_int_equal(w.n_sent, 0);
  assert_int_equal(w.n_judged, 0);
  assert_int_equal(w.n_connects, 1);
  pg_pass(&w, UMP_S);
  pg_say(&w, pg_addr(1, 5000), 60, first, 0);
  assert_int_equal(w.n_sent, 1);
  pg_close(&w);
}

static void test_pygase_no_more_clients_than_the_limit_nor_from_one_address(void **state) {
  (void)state;
  struct pg_world w;
  pg_open(&w, (struct pg_cfg){.limit = 3, .per_address = 2});
  for (unsigned i = 0; i < 3; i++) {
    pg_say(&w, pg_addr(1, (uint16_t)(5000 + i)), 1, 0, 0);
    pg_say(&w, pg_addr(1, (uint16_t)(5000 + i)), 2, pg_last(&w)->sequence, 0);
  }
  assert_int_equal(w.n_connects, 2);
  assert_int_equal(pg_counter(&w, "refused_address"), 1);
  for (unsigned i = 2; i < 4; i++) {
    pg_say(&w, pg_addr(i, 5000), 1, 0, 0);
    pg_say(&w, pg_addr(i, 5000), 2, pg_last(&w)->sequence, 0);
  }
  assert_int_equal(w.n_connects, 3);
  assert_int_equal(pg_counter(&w, "refused_full"), 1);
  assert_null(ump_pygase_check(w.proto));
  pg_close(&w);
}

static void test_pygase_kicked_client_meets_silence(void **state) {
  (void)state;
  struct pg_world w;
  struct pg_client c;
  pg_open(&w, (struct pg_cfg){0});
  pg_set(&w.feed, 0, 1);
  pg_client_init(&c, pg_addr(1, 5000));
  uint32_t session = pg_client_connect(&w, &c);
  pg_notify(&w, session, "hello", ump_bytes(NULL, 0));
  pg_kick(&w, session);
  pg_forget_sent(&w);
  for (int i = 0; i < 40; i++) {
    pg_client_speak(&w, &c);
    pg_pass(&w, 25 * UMP_MS);
  }
  assert_int_equal(w.n_sent, 0);
  assert_int_equal(w.n_disconnects, 0);
  assert_int_equal(pg_notify(&w, session, "hello", ump_bytes(NULL, 0)), UMP_EGONE);
  assert_null(ump_pygase_check(w.proto));
  pg_close(&w);
}

static void test_pygase_client_kicked_by_its_own_event_has_no_further_one_judged(void **state) {
  (void)state;
  struct pg_world w;
  struct pg_client c;
  pg_open(&w, (struct pg_cfg){0});
  pg_client_init(&c, pg_addr(1, 5000));
  pg_client_connect(&w, &c);
  struct pg_package p;
  pg_client_package(&c, &p);
  for (int i = 0; i < 5; i++) pg_add_plain_event(&p, "x");
  w.kick_next = true;
  pg_in(&w, c.addr, p.bytes, p.n);
  assert_int_equal(w.n_judged, 1);
  assert_null(ump_pygase_check(w.proto));
  pg_close(&w);
}

/* ---- section 9 ---- */

static void say_shutdown(struct pg_world *w, struct ump_addr from) {
  pg_in(w, from, "shutdown", 8);
}

static void test_pygase_shutdown_means_that_its_sender_leaves(void **state) {
  (void)state;
  struct pg_world w;
  struct pg_client c;
  pg_open(&w, (struct pg_cfg){0});
  pg_client_init(&c, pg_addr(1, 5000));
  pg_client_connect(&w, &c);
  say_shutdown(&w, c.addr);
  pg_pass(&w, 950 * UMP_MS);
  assert_int_equal(w.n_disconnects, 0);
  pg_pass(&w, 100 * UMP_MS);
  assert_int_equal(w.n_disconnects, 1);
  assert_string_equal(w.last_reason, "left");
  assert_int_equal(w.n_stops, 0);
  pg_close(&w);
}

static void test_pygase_shutdown_followed_by_a_package_was_forged(void **state) {
  (void)state;
  struct pg_world w;
  struct pg_client c;
  pg_open(&w, (struct pg_cfg){0});
  pg_client_init(&c, pg_addr(1, 5000));
  pg_client_connect(&w, &c);
  say_shutdown(&w, c.addr);
  pg_client_run(&w, &c, 2 * UMP_S);
  assert_int_equal(w.n_disconnects, 0);
  assert_int_equal(pg_counter(&w, "shutdowns_forged"), 1);
  pg_close(&w);
}

static void test_pygase_host_may_stop_the_host_if_the_option_says_so(void **state) {
  (void)state;
  for (int allowed = 0; allowed < 2; allowed++) {
    struct pg_world w;
    struct pg_client a, b;
    pg_open(&w, (struct pg_cfg){.host_shutdown = allowed});
    pg_client_init(&a, pg_addr(1, 5000)), pg_client_init(&b, pg_addr(2, 5000));
    pg_client_connect(&w, &a), pg_client_connect(&w, &b);
    say_shutdown(&w, pg_addr(3, 5000)); /* a stranger */
    say_shutdown(&w, b.addr);           /* not the host */
    assert_int_equal(w.n_stops, 0);
    say_shutdown(&w, a.addr);
    assert_int_equal(w.n_stops, allowed);
    assert_int_equal(pg_counter(&w, "shutdowns_ignored"), 1);
    pg_close(&w);
  }
}

/* Who is only new has not proven anything. */
static void test_pygase_newcomer_cannot_stop_anything(void **state) {
  (void)state;
  struct pg_world w;
  pg_open(&w, (struct pg_cfg){.host_shutdown = true});
  pg_say(&w, pg_addr(1, 5000), 1, 0, 0);
  say_shutdown(&w, pg_addr(1, 5000));
  assert_int_equal(w.n_stops, 0);
  pg_close(&w);
}

/* ---- congestion ---- */

static uint64_t packages_in(struct pg_world *w, ump_time t) {
  uint64_t before = pg_counter(w, "datagrams_out");
  pg_pass(w, t);
  return pg_counter(w, "datagrams_out") - before;
}

/* The client's acks come so late that each sample is `delay`. */
static void talk(struct pg_world *w, struct pg_client *c, unsigned packages, ump_time delay) {
  for (unsigned i = 0; i < packages; i++) {
    pg_forget_sent(w);
    pg_pass(w, 51 * UMP_MS);
    uint16_t sequence = w->sent[0].sequence;
    pg_pass(w, delay - 51 * UMP_MS > 0 ? delay - 51 * UMP_MS : 0);
    pg_say(w, c->addr, ++c->sequence, sequence, c->time_order);
  }
}

static void test_pygase_high_latency_halves_the_rate_and_good_times_bring_it_back(void **state) {
  (void)state;
  struct pg_world w;
  struct pg_client c;
  pg_open(&w, (struct pg_cfg){0});
  pg_client_init(&c, pg_addr(1, 5000));
  pg_client_connect(&w, &c);
  pg_client_run(&w, &c, 2 * UMP_S);
  assert_in_range(packages_in(&w, UMP_S), 39, 41);
  talk(&w, &c, 40, 400 * UMP_MS);
  assert_int_equal(pg_counter(&w, "congested"), 1);
  assert_in_range(packages_in(&w, UMP_S), 19, 21);
  c.newest = pg_last(&w)->sequence, c.before = 0xffffffff;
  pg_forget_sent(&w);
  pg_client_run(&w, &c, 5 * UMP_S);
  assert_int_equal(pg_counter(&w, "relieved"), 1);
  assert_in_range(packages_in(&w, UMP_S), 39, 41);
  pg_close(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_pygase_sequences_wrap_from_65535_to_1),
      cmocka_unit_test(test_pygase_window_holds_all_that_came),
      cmocka_unit_test(test_pygase_package_before_a_gap_keeps_its_bit),
      cmocka_unit_test(test_pygase_newcomer_gets_one_small_package_for_each_of_its_own),
      cmocka_unit_test(test_pygase_first_sequence_cannot_be_foretold),
      cmocka_unit_test(test_pygase_first_sequence_is_ahead_of_what_the_client_knew),
      cmocka_unit_test(test_pygase_ack_of_a_sequence_that_was_sent_connects),
      cmocka_unit_test(test_pygase_late_package_of_a_newcomer_is_taken_and_not_answered),
      cmocka_unit_test(test_pygase_guessing_acks_ends_in_silence),
      cmocka_unit_test(test_pygase_ack_of_a_sequence_that_was_left_out_proves_nothing),
      cmocka_unit_test(test_pygase_what_an_unproven_address_is_sent_stays_below_three_times),
      cmocka_unit_test(test_pygase_events_of_a_newcomer_are_held_and_judged_once_it_is_connected),
      cmocka_unit_test(test_pygase_at_most_8_kib_of_events_are_held),
      cmocka_unit_test(test_pygase_newcomer_that_proves_nothing_is_forgotten_after_5_s),
      cmocka_unit_test(test_pygase_4096_newcomers_at_most_the_oldest_gives_way),
      cmocka_unit_test(test_pygase_a_client_gets_in_during_a_flood_of_forged_newcomers),
      cmocka_unit_test(test_pygase_echo_of_a_place_that_is_gone_counts_only_under_pressure),
      cmocka_unit_test(test_pygase_sends_40_packages_a_second_with_or_without_news),
      cmocka_unit_test(test_pygase_packages_of_many_clients_are_spread_over_the_interval),
      cmocka_unit_test(test_pygase_after_a_pause_each_client_gets_one_package),
      cmocka_unit_test(test_pygase_sequence_of_the_server_wraps_and_leaves_0_out),
      cmocka_unit_test(test_pygase_silence_of_5_s_disconnects_and_the_same_client_returns),
      cmocka_unit_test(test_pygase_after_60_s_away_it_is_unknown),
      cmocka_unit_test(test_pygase_sequence_1_after_a_quiet_second_starts_over),
      cmocka_unit_test(test_pygase_refused_client_meets_silence_for_5_s),
      cmocka_unit_test(test_pygase_no_more_clients_than_the_limit_nor_from_one_address),
      cmocka_unit_test(test_pygase_kicked_client_meets_silence),
      cmocka_unit_test(test_pygase_client_kicked_by_its_own_event_has_no_further_one_judged),
      cmocka_unit_test(test_pygase_shutdown_means_that_its_sender_leaves),
      cmocka_unit_test(test_pygase_shutdown_followed_by_a_package_was_forged),
      cmocka_unit_test(test_pygase_host_may_stop_the_host_if_the_option_says_so),
      cmocka_unit_test(test_pygase_newcomer_cannot_stop_anything),
      cmocka_unit_test(test_pygase_high_latency_halves_the_rate_and_good_times_bring_it_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
