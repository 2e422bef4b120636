/* The replicated state: wire/pygase section 6. */
#include "pg_world.h"

#include <stdlib.h>
#include <string.h>

static const struct pg_cells *present(const struct pg_world *w) {
  return &w->feed.versions[w->feed.n - 1];
}

static void test_pygase_newcomer_gets_the_whole_state_and_game_status(void **state) {
  (void)state;
  struct pg_world w;
  struct pg_client c;
  pg_open(&w, (struct pg_cfg){0});
  pg_set(&w.feed, 0, 7), pg_set_sub(&w.feed, 1, 2, 300), pg_set_sub(&w.feed, 1, 3, 4);
  pg_client_init(&c, pg_addr(1, 5000));
  pg_client_connect(&w, &c);
  pg_client_run(&w, &c, 100 * UMP_MS);
  assert_true(pg_cells_equal(&c.cells, present(&w)));
  assert_int_equal(c.game_status, 1);
  assert_int_equal(c.time_order, 1);
  assert_int_equal(c.died, 0);
  pg_close(&w);
}

static void test_pygase_without_a_state_the_game_is_active_all_the_same(void **state) {
  (void)state;
  for (int no_feed = 0; no_feed < 2; no_feed++) {
    struct pg_world w;
    struct pg_client c;
    pg_open(&w, (struct pg_cfg){.no_feed = no_feed});
    pg_client_init(&c, pg_addr(1, 5000));
    pg_client_connect(&w, &c);
    pg_client_run(&w, &c, 200 * UMP_MS);
    assert_int_equal(c.game_status, 1);
    assert_int_equal(c.time_order, 1);
    pg_close(&w);
  }
}

static void test_pygase_sends_what_was_written_since_and_then_only_the_number(void **state) {
  (void)state;
  struct pg_world w;
  struct pg_client c;
  pg_open(&w, (struct pg_cfg){0});
  pg_set(&w.feed, 0, 1), pg_set(&w.feed, 1, 1);
  pg_client_init(&c, pg_addr(1, 5000));
  pg_client_connect(&w, &c);
  pg_client_run(&w, &c, 100 * UMP_MS);
  pg_pass(&w, 25 * UMP_MS);
  assert_int_equal(pg_last(&w)->update.n, 13); /* 81 aa time_order 01 */
  pg_set(&w.feed, 1, 9);
  pg_pass(&w, 25 * UMP_MS);
  const struct pg_sent_package *p = pg_last(&w);
  assert_int_equal(p->time_order, 2);
  assert_int_equal(p->game_status, -1);
  assert_int_equal(p->update.n, 13 + 4); /* k1: 9 and no k0 */
  pg_forget_sent(&w);
  pg_client_run(&w, &c, 100 * UMP_MS);
  assert_true(pg_cells_equal(&c.cells, present(&w)));
  pg_close(&w);
}

/* Numbers of each client's own: one who comes late begins at 1 whatever others have reached. */
static void test_pygase_numbers_each_clients_updates_by_itself(void **state) {
  (void)state;
  struct pg_world w;
  struct pg_client a, b;
  pg_open(&w, (struct pg_cfg){0});
  pg_client_init(&a, pg_addr(1, 5000)), pg_client_init(&b, pg_addr(2, 5000));
  pg_client_connect(&w, &a);
  for (int i = 0; i < 40; i++) pg_set(&w.feed, 0, i), pg_client_run(&w, &a, 75 * UMP_MS);
  assert_in_range(a.time_order, 30, 60);
  pg_client_connect(&w, &b);
  pg_client_run(&w, &b, 100 * UMP_MS);
  assert_in_range(b.time_order, 1, 2);
  assert_true(pg_cells_equal(&b.cells, present(&w)));
  pg_close(&w);
}

/* Section 6.2: it comes from another server's. */
static void test_pygase_client_with_a_strange_time_order_gets_everything_under_a_newer_one(void **state) {
  (void)state;
  static const uint16_t strange[] = {1, 300, 32767, 40000, 65535};
  for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
    struct pg_world w;
    struct pg_client c;
    pg_open(&w, (struct pg_cfg){0});
    pg_set(&w.feed, 3, 5);
    pg_client_init(&c, pg_addr(1, 5000));
    c.time_order = strange[i];
    c.newest = 60000, c.before = 0xffffffff, c.sequence = 1233;
    pg_client_connect(&w, &c);
    pg_client_run(&w, &c, 100 * UMP_MS);
    assert_int_equal(c.died, 0);
    assert_true(pg_cells_equal(&c.cells, present(&w)));
    assert_int_equal(c.game_status, 1);
    assert_int_equal(c.time_order, strange[i] == 65535 ? 1 : strange[i] + 1);
    pg_close(&w);
  }
}

static void test_pygase_a_time_order_that_was_never_sent_is_ignored_later(void **state) {
  (void)state;
  struct pg_world w;
  struct pg_client c;
  pg_open(&w, (struct pg_cfg){0});
  pg_set(&w.feed, 3, 5);
  pg_client_init(&c, pg_addr(1, 5000));
  pg_client_connect(&w, &c);
  pg_client_run(&w, &c, 100 * UMP_MS);
  uint64_t confirmed = pg_counter(&w, "updates_confirmed");
  pg_say(&w, c.addr, ++c.sequence, c.newest, 777);
  assert_int_equal(pg_counter(&w, "updates_confirmed"), confirmed);
  pg_set(&w.feed, 3, 6);
  pg_client_run(&w, &c, 100 * UMP_MS);
  assert_true(pg_cells_equal(&c.cells, present(&w)));
  pg_close(&w);
}

/* Section 5, Receiving 4: time_order counts in the newest package only. */
static void test_pygase_time_order_of_a_late_package_is_not_looked_at(void **state) {
  (void)state;
  struct pg_world w;
  struct pg_client c;
  pg_open(&w, (struct pg_cfg){0});
  pg_set(&w.feed, 3, 5);
  pg_client_init(&c, pg_addr(1, 5000));
  pg_client_connect(&w, &c);
  pg_client_run(&w, &c, 100 * UMP_MS);
  pg_set(&w.feed, 3, 6);
  pg_pass(&w, 25 * UMP_MS);
  uint64_t confirmed = pg_counter(&w, "updates_confirmed");
  pg_say(&w, c.addr, c.sequence + 2u, c.newest, c.time_order);
  pg_say(&w, c.addr, c.sequence + 1u, c.newest, c.time_order + 1u); /* late, and first with the news */
  assert_int_equal(pg_counter(&w, "updates_confirmed"), confirmed);
  pg_say(&w, c.addr, c.sequence + 3u, c.newest, c.time_order + 1u);
  assert_int_equal(pg_counter(&w, "updates_confirmed"), confirmed + 1);
  pg_close(&w);
}

/* Section 6.4: once an update with a marker is out, that very update and nothing else until it comes back. */
static void test_pygase_marker_is_sent_again_unchanged_and_never_under_a_new_number(void **state) {
  (void)state;
  struct pg_world w;
  struct pg_client c;
  pg_open(&w, (struct pg_cfg){0});
  pg_set(&w.feed, 0, 1), pg_set(&w.feed, 1, 1);
  pg_client_init(&c, pg_addr(1, 5000));
  pg_client_connect(&w, &c);
  pg_client_run(&w, &c, 100 * UMP_MS);
  pg_remove(&w.feed, 0);
  pg_pass(&w, 26 * UMP_MS);
  struct pg_sent_package first = *pg_last(&w);
  assert_non_null(memmem(first.update.p, first.update.n, "\xa2k0\xc4\x04\xd2\x81\xe5\xba", 9));
  pg_set(&w.feed, 1, 2); /* what is plain does not overtake it */
  for (int i = 0; i < 10; i++) {
    pg_pass(&w, 25 * UMP_MS);
    const struct pg_sent_package *p = pg_last(&w);
    assert_int_equal(p->update.n, first.update.n);
    assert_memory_equal(p->update.p, first.bytes + 14, first.update.n);
  }
  pg_client_hear(&c, pg_last(&w));
  pg_forget_sent(&w);
  pg_client_run(&w, &c, 200 * UMP_MS);
  assert_int_equal(c.markers, 1);
  assert_int_equal(c.stray_markers, 0);
  assert_true(pg_cells_equal(&c.cells, present(&w)));
  pg_close(&w);
}

/* A key that came and went while the client may have met it: the last update goes on until it comes back. */
static void test_pygase_waits_before_a_deletion_until_it_knows_what_the_client_has(void **state) {
  (void)state;
  struct pg_world w;
  struct pg_client c;
  pg_open(&w, (struct pg_cfg){0});
  pg_set(&w.feed, 0, 1);
  pg_client_init(&c, pg_addr(1, 5000));
  pg_client_connect(&w, &c);
  pg_client_run(&w, &c, 100 * UMP_MS);
  pg_set(&w.feed, 5, 1);
  pg_pass(&w, 26 * UMP_MS);
  int under_way = pg_last(&w)->time_order;
  struct pg_sent_package met = *pg_last(&w);
  met.update.p = met.bytes + 14;
  met.events = ump_bytes(NULL, 0);
  pg_remove(&w.feed, 5), pg_set(&w.feed, 0, 2);
  for (int i = 0; i < 5; i++) {
    pg_pass(&w, 25 * UMP_MS);
    assert_int_equal(pg_last(&w)->time_order, under_way);
  }
  pg_forget_sent(&w);
  pg_client_hear(&c, &met); /* it did meet it */
  pg_client_run(&w, &c, 200 * UMP_MS);
  assert_int_equal(c.markers, 1);
  assert_int_equal(c.stray_markers, 0);
  assert_true(pg_cells_equal(&c.cells, present(&w)));
  pg_close(&w);
}

/* What a client has that has nothing yet is not known to the feed: nothing overtakes the first update. */
static void test_pygase_nothing_overtakes_a_newcomers_first_update(void **state) {
  (void)state;
  struct pg_world w;
  struct pg_client c;
  pg_open(&w, (struct pg_cfg){0});
  pg_set(&w.feed, 0, 1), pg_set(&w.feed, 1, 1);
  pg_client_init(&c, pg_addr(1, 5000));
  pg_client_speak(&w, &c);
  pg_client_hear(&c, pg_last(&w));
  pg_client_speak(&w, &c);
  pg_pass(&w, 26 * UMP_MS);
  pg_client_hear(&c, pg_last(&w));
  pg_remove(&w.feed, 1), pg_set(&w.feed, 0, 2);
  pg_pass(&w, 100 * UMP_MS);
  assert_int_equal(pg_last(&w)->time_order, 1);
  pg_client_hear(&c, pg_last(&w));
  pg_forget_sent(&w);
  pg_client_run(&w, &c, 200 * UMP_MS);
  assert_true(pg_cells_equal(&c.cells, present(&w)));
  assert_int_equal(c.markers, 1);
  pg_close(&w);
}

static void test_pygase_plain_writes_overtake_one_another(void **state) {
  (void)state;
  struct pg_world w;
  struct pg_client c;
  pg_open(&w, (struct pg_cfg){0});
  pg_set(&w.feed, 0, 1);
  pg_client_init(&c, pg_addr(1, 5000));
  pg_client_connect(&w, &c);
  pg_client_run(&w, &c, 100 * UMP_MS);
  for (int i = 2; i < 10; i++) {
    pg_set(&w.feed, 0, i);
    pg_pass(&w, 25 * UMP_MS);
  }
  assert_in_range(pg_last(&w)->time_order, 8, 10); /* nothing came back, and they went on all the same */
  pg_client_hear(&c, pg_last(&w));
  assert_true(pg_cells_equal(&c.cells, present(&w)));
  pg_forget_sent(&w);
  pg_client_run(&w, &c, 100 * UMP_MS);
  assert_true(pg_cells_equal(&c.cells, present(&w)));
  pg_close(&w);
}

/* But not for ever: what a client may have is bounded. */
static void test_pygase_states_under_way_are_bounded(void **state) {
  (void)state;
  struct pg_world w;
  struct pg_client c;
  pg_open(&w, (struct pg_cfg){0});
  pg_set(&w.feed, 0, 1);
  pg_client_init(&c, pg_addr(1, 5000));
  pg_client_connect(&w, &c);
  pg_client_run(&w, &c, 100 * UMP_MS);
  for (int i = 2; i < 100; i++) {
    pg_set(&w.feed, 0, i);
    pg_pass(&w, 25 * UMP_MS);
  }
  assert_int_equal(pg_last(&w)->time_order, 1 + 16);
  assert_true(w.feed.n_moments <= 1 + 16 + 1);
  assert_null(ump_pygase_check(w.proto));
  pg_close(&w);
}

/* E2. */
static void test_pygase_large_states_come_in_parts_that_fit(void **state) {
  (void)state;
  for (int fat = 20; fat <= 1200; fat += 59) {
    struct pg_world w;
    struct pg_client c;
    pg_open(&w, (struct pg_cfg){0});
    w.feed.fat = fat;
    for (int i = 0; i < PG_CELLS; i++)
      for (int j = 0; j < PG_CELLS; j++) {
        if (i == 3)
          pg_set(&w.feed, i, j);
        else
          pg_set_sub(&w.feed, i, j, 100 * i + j);
      }
    pg_client_init(&c, pg_addr(1, 5000));
    pg_client_connect(&w, &c);
    size_t n = 0;
    for (; n < 200 && !pg_cells_equal(&c.cells, present(&w)); n++) {
      if (n == 3) pg_set(&w.feed, 3, 12345); /* in the middle */
      pg_client_run(&w, &c, 25 * UMP_MS);
    }
    pg_client_run(&w, &c, 100 * UMP_MS);
    assert_true(pg_cells_equal(&c.cells, present(&w)));
    assert_int_equal(c.died, 0);
    pg_close(&w);
  }
}

static void test_pygase_a_large_event_and_a_large_update_take_turns(void **state) {
  (void)state;
  struct pg_world w;
  struct pg_client c;
  uint8_t plain[2048];
  char long_text[1800];
  memset(long_text, 'x', sizeof long_text);
  pg_open(&w, (struct pg_cfg){0});
  pg_client_init(&c, pg_addr(1, 5000));
  uint32_t session = pg_client_connect(&w, &c);
  struct ump_writer p = ump_writer(plain, sizeof plain);
  w.feed.fat = 1000;
  ump_plain_put_string(&p, ump_bytes(long_text, sizeof long_text));
  for (int i = 0; i < 10; i++) assert_int_equal(pg_notify(&w, session, "large", ump_written(&p)), 0);
  for (int i = 0; i < 60; i++) { /* there is always news */
    pg_set(&w.feed, i % PG_CELLS, i);
    pg_client_run(&w, &c, 25 * UMP_MS);
  }
  assert_int_equal(c.events, 10);
  pg_client_run(&w, &c, UMP_S);
  assert_true(pg_cells_equal(&c.cells, present(&w)));
  pg_close(&w);
}

/* ---- section 6.5 and values: the feed is by hand ---- */

static struct ump_moment *no_moment;
static struct ump_patch by_hand;
static int by_hand_left;

static int hand_patch(void *self, const struct ump_client *c, struct ump_moment *from, struct ump_patch **out) {
  (void)self, (void)c, (void)from;
  if (!by_hand_left) return 0;
  by_hand_left--;
  by_hand.to = no_moment;
  *out = &by_hand;
  return 1;
}
static void hand_patch_ref(void *self, struct ump_patch *p) {
  (void)self, (void)p;
}
static void hand_unref(void *self, struct ump_patch *p) {
  (void)self;
  if (p->form) p->drop_form(p->form);
  p->form = NULL;
}
static void hand_moment(void *self, struct ump_moment *m) {
  (void)self, (void)m;
}
static const struct ump_feed_ops hand_ops = {hand_patch, hand_patch_ref, hand_unref, hand_moment, hand_moment};

/* The update that a newcomer gets for this patch. */
static struct pg_sent_package update_of(struct pg_world *w, struct ump_bytes plain) {
  struct pg_client c;
  static int dummy;
  pg_open(w, (struct pg_cfg){0});
  w->feed.face.ops = &hand_ops;
  no_moment = (struct ump_moment *)(void *)&dummy;
  by_hand = (struct ump_patch){.plain = plain};
  by_hand_left = 1;
  pg_client_init(&c, pg_addr(1, 5000));
  pg_say(w, c.addr, 1, 0, 0);
  pg_say(w, c.addr, 2, pg_last(w)->sequence, 0);
  pg_pass(w, 30 * UMP_MS);
  return *pg_last(w);
}

static void test_pygase_names_that_would_kill_the_client_stay_here(void **state) {
  (void)state;
  struct pg_world w;
  uint8_t plain[512];
  struct ump_writer p = ump_writer(plain, sizeof plain);
  static const char *const names[] = {"self", "data", "time_order", "game_status", "\xff", "hp"};
  ump_plain_put_map(&p, 7);
  for (int i = 0; i < 6; i++) ump_plain_put_string(&p, ump_text(names[i])), ump_plain_put_int(&p, 3);
  ump_plain_put_int(&p, 5), ump_plain_put_int(&p, 3); /* a key that is no string */
  struct pg_sent_package s = update_of(&w, ump_written(&p));
  static const char want[] = "\x83\xaatime_order\x01\xabgame_status\x01\xa2hp\x03";
  assert_int_equal(s.update.n, sizeof want - 1);
  assert_memory_equal(s.bytes + 14, want, sizeof want - 1);
  assert_int_equal(testing_log_count(&w.log, "state_name"), 1);
  assert_int_equal(pg_counter(&w, "names_left_out"), 6);
  pg_close(&w);
}

static void test_pygase_keys_below_the_top_may_be_integers_and_floats_are_single(void **state) {
  (void)state;
  struct pg_world w;
  uint8_t plain[512];
  struct ump_writer p = ump_writer(plain, sizeof plain);
  ump_plain_put_map(&p, 1);
  ump_plain_put_string(&p, ump_text("m"));
  ump_plain_put_map(&p, 3);
  ump_plain_put_int(&p, 7), ump_plain_put_float(&p, 1.5);
  ump_plain_put_int(&p, -1), ump_plain_put_string(&p, ump_bytes("\xff\x00", 2));
  ump_plain_put_string(&p, ump_text("list")), ump_plain_put_array(&p, 2), ump_plain_put_tag(&p, UMP_PLAIN_NULL),
      ump_plain_put_tag(&p, UMP_PLAIN_TRUE);
  struct pg_sent_package s = update_of(&w, ump_written(&p));
  static const char want[] = "\x83\xaatime_order\x01\xabgame_"
                             "status\x01\xa1m\x83\x07\xca\x3f\xc0\x00\x00\xff\xc4\x02\xff\x00\xa4list\x92\xc0\xc3";
  assert_int_equal(s.update.n, sizeof want - 1);
  assert_memory_equal(s.bytes + 14, want, sizeof want - 1);
  pg_close(&w);
}

/* A string of the marker's four bytes would be read as the marker. */
static void test_pygase_a_value_that_looks_like_the_marker_is_nil(void **state) {
  (void)state;
  struct pg_world w;
  uint8_t plain[512];
  struct ump_writer p = ump_writer(plain, sizeof plain);
  ump_plain_put_map(&p, 1);
  ump_plain_put_string(&p, ump_text("m")), ump_plain_put_string(&p, ump_bytes("\xd2\x81\xe5\xba", 4));
  struct pg_sent_package s = update_of(&w, ump_written(&p));
  static const char want[] = "\x83\xaatime_order\x01\xabgame_status\x01\xa1m\xc0";
  assert_int_equal(s.update.n, sizeof want - 1);
  assert_memory_equal(s.bytes + 14, want, sizeof want - 1);
  pg_close(&w);
}

static int fits(size_t n) {
  uint8_t plain[4096];
  char text[2048];
  struct ump_writer p = ump_writer(plain, sizeof plain);
  memset(text, 'x', sizeof text);
  ump_plain_put_map(&p, 1), ump_plain_put_string(&p, ump_text("players"));
  ump_plain_put_map(&p, 1), ump_plain_put_string(&p, ump_text("ann"));
  ump_plain_put_string(&p, ump_bytes(text, n));
  return ump_pygase.state_fits(NULL, ump_written(&p));
}

static void test_pygase_a_value_of_1400_bytes_with_its_path_fits_and_no_more(void **state) {
  (void)state;
  size_t path = 8 + 1 + 4 + 3; /* "players", a map of one, "ann", the head of a str 16 */
  assert_int_equal(fits(1400 - path), 0);
  assert_int_equal(fits(1401 - path), UMP_ETOOBIG);
}

/* What host.update let pass because there was no such listener at the time. */
static void test_pygase_a_value_too_large_for_a_package_is_left_out_and_told_once(void **state) {
  (void)state;
  struct pg_world w;
  static uint8_t plain[8192];
  char text[2048];
  struct ump_writer p = ump_writer(plain, sizeof plain);
  memset(text, 'x', sizeof text);
  ump_plain_put_map(&p, 3);
  ump_plain_put_string(&p, ump_text("a")), ump_plain_put_int(&p, 1);
  ump_plain_put_string(&p, ump_text("b")), ump_plain_put_string(&p, ump_bytes(text, 2000));
  ump_plain_put_string(&p, ump_text("c")), ump_plain_put_int(&p, 1);
  struct pg_sent_package s = update_of(&w, ump_written(&p));
  static const char want[] = "\x84\xaatime_order\x01\xabgame_status\x01\xa1"
                             "a\x01\xa1"
                             "c\x01";
  assert_int_equal(s.update.n, sizeof want - 1);
  assert_memory_equal(s.bytes + 14, want, sizeof want - 1);
  assert_int_equal(testing_log_count(&w.log, "state_value"), 1);
  pg_close(&w);
}

/* ---- equality under a network that loses, repeats and reorders ---- */

struct letter {
  ump_time at;
  bool to_server;
  struct pg_package up;
  struct pg_sent_package down;
};

struct line {
  struct pg_world *w;
  struct pg_client *c;
  struct letter *letters;
  size_t n;
  struct ump_rng_seeded seeded;
  struct ump_rng rng;
  double loss, twice;
  ump_time lag, jitter;
};

enum { LETTERS = 512 };

static double chance(struct line *l) {
  return ump_rng_unit(&l->rng);
}

static struct letter *post(struct line *l) {
  if (chance(l) < l->loss || l->n == LETTERS) return NULL;
  struct letter *x = &l->letters[l->n++];
  x->at = l->w->now + l->lag + (ump_time)(chance(l) * (double)l->jitter);
  return x;
}

static void on_sent(void *ctx, const struct pg_sent_package *p) {
  struct line *l = ctx;
  struct letter *x = ump_addr_equal(&p->to, &l->c->addr) ? post(l) : NULL;
  if (x) x->to_server = false, x->down = *p;
}

static void deliver(struct line *l) {
  for (size_t i = 0; i < l->n;) {
    if (l->letters[i].at > l->w->now) {
      i++;
      continue;
    }
    struct letter x = l->letters[i];
    l->letters[i] = l->letters[--l->n];
    if (x.to_server) {
      pg_in(l->w, l->c->addr, x.up.bytes, x.up.n);
      continue;
    }
    x.down.update.p = x.down.bytes + 14;
    x.down.events.p = x.down.update.p + x.down.update.n;
    pg_client_hear(l->c, &x.down);
  }
}

static void write_something(struct line *l, int deletions) {
  int i = (int)(chance(l) * PG_CELLS), j = (int)(chance(l) * PG_CELLS), v = (int)(chance(l) * 1000);
  double what = chance(l) * (deletions ? 4 : 2);
  if (what < 1)
    pg_set_sub(&l->w->feed, i, j, v);
  else if (what < 2)
    pg_set(&l->w->feed, i, v);
  else if (what < 3)
    pg_remove_sub(&l->w->feed, i, j);
  else
    pg_remove(&l->w->feed, i);
}

static void play(uint64_t seed, double loss, double twice, ump_time jitter, int deletions, int fat, unsigned seconds) {
  struct pg_world w;
  struct pg_client c;
  struct line l = {.w = &w, .c = &c, .loss = loss, .twice = twice, .lag = 10 * UMP_MS, .jitter = jitter};
  ump_rng_seed(&l.seeded, seed);
  l.rng = ump_rng_of(&l.seeded);
  l.letters = calloc(LETTERS, sizeof *l.letters);
  pg_open(&w, (struct pg_cfg){0});
  w.on_sent = on_sent, w.ctx = &l, w.quiet = true;
  w.feed.fat = fat;
  pg_client_init(&c, pg_addr(1, 5000));
  unsigned ms = 0;
  for (; ms < seconds * 1000 || ms % 5; ms++) {
    if (ms % 25 == 0) {
      struct pg_package p;
      pg_client_package(&c, &p);
      for (int copy = 0; copy < 1 + (chance(&l) < l.twice); copy++) {
        struct letter *x = post(&l);
        if (x) x->to_server = true, x->up = p;
      }
    }
    if (ms % 50 == 0) write_something(&l, deletions);
    pg_pass(&w, UMP_MS);
    deliver(&l);
    if (ms % 500 == 0) assert_null(ump_pygase_check(w.proto));
  }
  l.loss = 0; /* the end: nothing is written any more, and nothing is lost */
  for (unsigned end = ms + 5000; ms < end; ms++) {
    if (ms % 25 == 0) {
      struct letter *x = post(&l);
      pg_client_package(&c, &x->up);
      x->to_server = true;
    }
    pg_pass(&w, UMP_MS);
    deliver(&l);
  }
  assert_int_equal(c.stray_markers, 0);
  assert_int_equal(c.died, 0);
  assert_true(pg_cells_equal(&c.cells, present(&w)));
  if (deletions) assert_true(c.markers > 0);
  free(l.letters);
  pg_close(&w);
}

static void test_pygase_copies_are_equal_after_loss_repeats_and_reordering(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 12; seed++) play(seed, 0.2, 0.1, 60 * UMP_MS, 0, 0, 20);
}

static void test_pygase_copies_are_equal_with_deletions_and_never_hold_a_marker(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 24; seed++)
    play(seed, seed % 3 * 0.15, 0.1, (ump_time)(seed % 4) * 30 * UMP_MS, 1, 0, 20);
}

static void test_pygase_copies_of_states_in_parts_are_equal_too(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 8; seed++) play(seed, 0.2, 0.1, 40 * UMP_MS, 1, 300, 20);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_pygase_newcomer_gets_the_whole_state_and_game_status),
      cmocka_unit_test(test_pygase_without_a_state_the_game_is_active_all_the_same),
      cmocka_unit_test(test_pygase_sends_what_was_written_since_and_then_only_the_number),
      cmocka_unit_test(test_pygase_numbers_each_clients_updates_by_itself),
      cmocka_unit_test(test_pygase_client_with_a_strange_time_order_gets_everything_under_a_newer_one),
      cmocka_unit_test(test_pygase_a_time_order_that_was_never_sent_is_ignored_later),
      cmocka_unit_test(test_pygase_time_order_of_a_late_package_is_not_looked_at),
      cmocka_unit_test(test_pygase_marker_is_sent_again_unchanged_and_never_under_a_new_number),
      cmocka_unit_test(test_pygase_waits_before_a_deletion_until_it_knows_what_the_client_has),
      cmocka_unit_test(test_pygase_nothing_overtakes_a_newcomers_first_update),
      cmocka_unit_test(test_pygase_plain_writes_overtake_one_another),
      cmocka_unit_test(test_pygase_states_under_way_are_bounded),
      cmocka_unit_test(test_pygase_large_states_come_in_parts_that_fit),
      cmocka_unit_test(test_pygase_a_large_event_and_a_large_update_take_turns),
      cmocka_unit_test(test_pygase_names_that_would_kill_the_client_stay_here),
      cmocka_unit_test(test_pygase_keys_below_the_top_may_be_integers_and_floats_are_single),
      cmocka_unit_test(test_pygase_a_value_that_looks_like_the_marker_is_nil),
      cmocka_unit_test(test_pygase_a_value_of_1400_bytes_with_its_path_fits_and_no_more),
      cmocka_unit_test(test_pygase_a_value_too_large_for_a_package_is_left_out_and_told_once),
      cmocka_unit_test(test_pygase_copies_are_equal_after_loss_repeats_and_reordering),
      cmocka_unit_test(test_pygase_copies_are_equal_with_deletions_and_never_hold_a_marker),
      cmocka_unit_test(test_pygase_copies_of_states_in_parts_are_equal_too),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
