/* The exactly-once window by itself: how long it remembers, how it grows, what it does when it is full. */
#include <stdio.h>

#include "base/err.h"
#include "engine/verdict.h"
#include "testing.h"

enum { MIB = 1 << 20 };
static const struct ump_hash_key secret = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
static const ump_time born = 5000 * UMP_S + 123;

struct window {
  struct testing_mem mem;
  struct ump_verdicts *v;
};

static void window_init(struct window *w, size_t max_bytes) {
  testing_mem_init(&w->mem);
  w->v = ump_verdicts_new(&w->mem.mem, &secret, max_bytes, born);
  assert_non_null(w->v);
}
static void window_end(struct window *w) {
  ump_verdicts_free(w->v);
  testing_mem_assert_empty(&w->mem);
}

static uint64_t key_of(struct window *w, uint64_t serial, const char *id) {
  return ump_verdicts_key(w->v, serial, ump_text(id));
}
static uint64_t nth_key(struct window *w, unsigned n) {
  char id[37];
  snprintf(id, sizeof id, "%08x-0000-4000-8000-000000000000", n);
  return key_of(w, 1, id);
}
static int insert(struct window *w, uint64_t key, enum ump_verdict verdict, const char *reason, ump_time now) {
  struct ump_answer a = {.verdict = verdict, .reason = ump_text(reason)};
  int err = ump_verdicts_reserve(w->v, key, now);
  if (!err) ump_verdicts_put(w->v, key, &a, now);
  return err;
}
static bool known(struct window *w, uint64_t key, ump_time now) {
  struct ump_answer a;
  return ump_verdicts_find(w->v, key, &a, now);
}

static void test_verdict_is_remembered_with_priority_and_reason(void **state) {
  (void)state;
  struct window w;
  struct ump_answer a, put = {.verdict = UMP_ILLEGAL, .high = true, .reason = ump_text("too far")};
  window_init(&w, MIB);
  uint64_t key = key_of(&w, 7, "e1");
  assert_int_equal(ump_verdicts_find(w.v, key, &a, born), 0);
  assert_int_equal(ump_verdicts_reserve(w.v, key, born), 0);
  ump_verdicts_put(w.v, key, &put, born);
  assert_int_equal(ump_verdicts_find(w.v, key, &a, born), 1);
  assert_int_equal(a.verdict, UMP_ILLEGAL);
  assert_true(a.high && a.repeat);
  assert_true(ump_bytes_equal(a.reason, ump_text("too far")));
  assert_int_equal(a.data.n, 0);
  for (int verdict = UMP_LEGAL; verdict <= UMP_INTERNAL; verdict++) {
    uint64_t k = key_of(&w, 100 + (uint64_t)verdict, "e1");
    assert_int_equal(insert(&w, k, (enum ump_verdict)verdict, "", born), 0);
    assert_int_equal(ump_verdicts_find(w.v, k, &a, born), 1);
    assert_int_equal(a.verdict, verdict);
    assert_false(a.high);
  }
  window_end(&w);
}

static void test_verdict_belongs_to_one_session(void **state) {
  (void)state;
  struct window w;
  window_init(&w, MIB);
  insert(&w, key_of(&w, 7, "e1"), UMP_LEGAL, "", born);
  assert_true(known(&w, key_of(&w, 7, "e1"), born));
  assert_false(known(&w, key_of(&w, 8, "e1"), born)); /* another client's id silences nobody */
  assert_false(known(&w, key_of(&w, 7, "e2"), born));
  window_end(&w);
}

static void test_verdict_lives_300_s(void **state) {
  (void)state;
  /* Wherever in a second the event came: at 299 s it is known, and still a moment before 300 s; at 301 s it is new. */
  for (ump_time part = 0; part < UMP_S; part += 100 * UMP_MS) {
    struct window w;
    ump_time t = born + 1000 * UMP_S + part;
    window_init(&w, MIB);
    uint64_t a = key_of(&w, 1, "a"), b = key_of(&w, 1, "b"), c = key_of(&w, 1, "c");
    insert(&w, a, UMP_LEGAL, "", t), insert(&w, b, UMP_LEGAL, "", t), insert(&w, c, UMP_LEGAL, "", t);
    assert_true(known(&w, a, t + 299 * UMP_S));
    assert_true(known(&w, b, t + 300 * UMP_S - 1));
    assert_false(known(&w, c, t + 301 * UMP_S));
    window_end(&w);
  }
}

static void test_verdict_lives_on_while_it_is_seen(void **state) {
  (void)state;
  struct window w;
  window_init(&w, MIB);
  uint64_t key = key_of(&w, 1, "a");
  insert(&w, key, UMP_ILLEGAL, "no", born);
  ump_time t = born;
  for (int i = 0; i < 10; i++) {
    struct ump_answer a;
    t += 299 * UMP_S;
    ump_verdicts_tidy(w.v, t);
    assert_int_equal(ump_verdicts_find(w.v, key, &a, t), 1);
    assert_true(ump_bytes_equal(a.reason, ump_text("no"))); /* its reason lives as long */
  }
  assert_false(known(&w, key, t + 301 * UMP_S));
  window_end(&w);
}

static void test_verdict_full_table_refuses_and_evicts_nothing(void **state) {
  (void)state;
  struct window w;
  unsigned n = 0, refused = 0;
  window_init(&w, 256 * 1024);
  for (; refused < 1000; n++) refused += insert(&w, nth_key(&w, n), UMP_LEGAL, "", born) == UMP_EFULL;
  assert_in_range(w.mem.bytes, 192 * 1024, 256 * 1024);
  unsigned alive = 0;
  for (unsigned i = 0; i < n; i++) alive += known(&w, nth_key(&w, i), born);
  assert_int_equal(alive, n - refused); /* every one that was taken */
  assert_int_equal(ump_verdicts_count(w.v, born), alive);
  assert_true(alive > 256 * 1024 / 16 * 6 / 10); /* and most of the memory is cells in use */
  /* When the old ones have died, there is room again, in the same memory. */
  for (unsigned i = 0; i < 1000; i++)
    assert_int_equal(insert(&w, nth_key(&w, n + i), UMP_LEGAL, "", born + 301 * UMP_S), 0);
  assert_in_range(w.mem.bytes, 192 * 1024, 256 * 1024);
  window_end(&w);
}

static void test_verdict_grows_by_segments_only(void **state) {
  (void)state;
  struct window w;
  size_t worst = 0;
  enum { N = 2000000 };
  window_init(&w, (size_t)256 * MIB);
  for (unsigned i = 0; i < N; i++) {
    size_t before = w.mem.bytes, allocations = w.mem.allocations;
    assert_int_equal(insert(&w, nth_key(&w, i), i % 2 ? UMP_LEGAL : UMP_ILLEGAL, "", born + i * (UMP_S / 20000)), 0);
    if (w.mem.bytes - before > worst) worst = w.mem.bytes - before;
    assert_in_range(w.mem.allocations - allocations, 0, 4); /* a segment or two, and the directory */
  }
  /* 16 KiB of cells, and a directory of 8 bytes for each of some 2048 segments that doubles. */
  assert_in_range(worst, 16384, 16384 + 512 + 65536);
  assert_int_equal(ump_verdicts_count(w.v, born + 100 * UMP_S), N);
  assert_in_range(w.mem.bytes, (size_t)N * 16, (size_t)N * 16 * 10 / 4);
  for (unsigned i = 0; i < N; i += 97) {
    struct ump_answer a;
    assert_int_equal(ump_verdicts_find(w.v, nth_key(&w, i), &a, born + 100 * UMP_S), 1);
    assert_int_equal(a.verdict, i % 2 ? UMP_LEGAL : UMP_ILLEGAL);
  }
  for (unsigned i = N; i < N + 20000; i++) assert_false(known(&w, nth_key(&w, i), born + 100 * UMP_S));
  window_end(&w);
}

static void test_verdict_gives_memory_back(void **state) {
  (void)state;
  struct window w;
  window_init(&w, 16 * MIB);
  size_t base = w.mem.bytes;
  for (unsigned i = 0; i < 200000; i++) insert(&w, nth_key(&w, i), UMP_LEGAL, "", born);
  for (unsigned i = 0; i < 500; i++) insert(&w, nth_key(&w, 1000000 + i), UMP_LEGAL, "", born + 200 * UMP_S);
  assert_true(w.mem.bytes > 3 * MIB && ump_verdicts_untidy(w.v));
  ump_time t = born + 310 * UMP_S;
  for (int i = 0; i < 600 && ump_verdicts_untidy(w.v); i++) {
    ump_verdicts_tidy(w.v, t);
    for (unsigned k = 0; k < 500; k += 7) assert_true(known(&w, nth_key(&w, 1000000 + k), t)); /* the living stay */
  }
  assert_int_equal(ump_verdicts_count(w.v, t), 500);
  assert_in_range(w.mem.bytes, base, base + 2 * 17000);
  for (int i = 0; i < 600; i++) ump_verdicts_tidy(w.v, t + 301 * UMP_S);
  assert_int_equal(w.mem.bytes, base);
  assert_false(ump_verdicts_untidy(w.v));
  window_end(&w);
}

static void test_verdict_tidying_full_segments_changes_nothing(void **state) {
  (void)state;
  struct window w;
  window_init(&w, 4 * MIB);
  for (unsigned i = 0; i < 50000; i++) insert(&w, nth_key(&w, i), UMP_LEGAL, "", born);
  size_t bytes = w.mem.bytes;
  for (int i = 0; i < 200; i++) ump_verdicts_tidy(w.v, born + 10 * UMP_S);
  assert_int_equal(ump_verdicts_count(w.v, born), 50000);
  assert_in_range(w.mem.bytes, bytes / 2, bytes);
  for (unsigned i = 0; i < 50000; i++) assert_true(known(&w, nth_key(&w, i), born + 10 * UMP_S));
  window_end(&w);
}

/* 15 segments of 16 KiB: seven of eight have been split, the last one may not be any more, and its cells go to others.
 */
static void test_verdict_uses_all_of_its_memory_before_it_refuses(void **state) {
  (void)state;
  enum { SEGMENT = 16512, TRIES = 15 * 1024 * 8 / 10 };
  struct window w;
  unsigned refused = 0, alive = 0;
  window_init(&w, 16 * SEGMENT + 1000);
  for (unsigned i = 0; i < TRIES; i++) refused += insert(&w, nth_key(&w, i), UMP_LEGAL, "", born) == UMP_EFULL;
  assert_in_range(refused, 0, TRIES / 50); /* an eighth of the events belong to the segment that is full */
  for (unsigned i = 0; i < TRIES; i++) alive += known(&w, nth_key(&w, i), born + 200 * UMP_S);
  assert_int_equal(alive, TRIES - refused);
  /* Guests stay known for as long as they are seen, while all that was not seen goes and the table shrinks around them.
   */
  ump_time t = born + 200 * UMP_S;
  for (int turn = 0; turn < 15; turn++, t += 200 * UMP_S) {
    for (unsigned i = 0; i < TRIES; i += 11) known(&w, nth_key(&w, i), t);
    for (int k = 0; k < 20; k++) ump_verdicts_tidy(w.v, t);
  }
  alive = 0;
  for (unsigned i = 0; i < TRIES; i += 11) alive += known(&w, nth_key(&w, i), t);
  assert_in_range(alive, TRIES / 11 - refused, TRIES / 11 + 1);
  assert_int_equal(ump_verdicts_count(w.v, t), alive);
  window_end(&w);
}

/* A time without memory makes guests; when it is over, segments are split again, and the guests are still known. */
static void test_verdict_knows_its_guests_after_their_home_was_split(void **state) {
  (void)state;
  enum { N = 4000 };
  for (unsigned begin = 500; begin < N - 200; begin += 100) {
    struct window w;
    static bool taken[N];
    window_init(&w, MIB);
    for (unsigned i = 0; i < N; i++) {
      if (i == begin) testing_mem_fail(&w.mem, 1, true);
      if (i == begin + 200) testing_mem_fail(&w.mem, 0, false);
      taken[i] = insert(&w, nth_key(&w, i), UMP_LEGAL, "", born) == 0;
    }
    for (unsigned i = 0; i < N; i++) assert_int_equal(known(&w, nth_key(&w, i), born), taken[i]);
    window_end(&w);
  }
}

static void test_verdict_does_not_unite_what_would_soon_be_split(void **state) {
  (void)state;
  struct window w;
  window_init(&w, MIB);
  for (unsigned i = 0; i < 1000; i++) insert(&w, nth_key(&w, i), UMP_LEGAL, "", born);
  size_t two = w.mem.bytes;
  assert_in_range(two, 2 * 16384, 3 * 16384);
  for (unsigned i = 0; i < 600; i++) known(&w, nth_key(&w, i), born + 200 * UMP_S);
  for (int i = 0; i < 10; i++) ump_verdicts_tidy(w.v, born + 310 * UMP_S); /* 600 of 1024 in one would be too full */
  assert_int_equal(w.mem.bytes, two);
  for (unsigned i = 0; i < 300; i++) known(&w, nth_key(&w, i), born + 400 * UMP_S);
  for (int i = 0; i < 10; i++) ump_verdicts_tidy(w.v, born + 510 * UMP_S);
  assert_in_range(w.mem.bytes, 16384, 2 * 16384);
  window_end(&w);
}

/* Against a plain array that remembers everything: thousands of events, some seen again, time going on, tidying
 * between. */
static void agrees_with_a_simple_model(uint64_t seed, size_t max_bytes, unsigned n_ids, unsigned step_ms) {
  enum { IDS = 50000, STEPS = 100000 };
  static ump_time seen[IDS];
  static unsigned char verdict[IDS];
  struct window w;
  struct testing_rng r;
  testing_rng_init(&r, seed);
  window_init(&w, max_bytes);
  ump_time now = born;
  memset(seen, 0, sizeof seen);
  for (int step = 0; step < STEPS; step++) {
    /* Busy and idle times by turns, so that segments are split and united again and again. */
    now += (ump_time)ump_rng_below(&r.rng, step / 10000 % 2 ? 10 * step_ms : step_ms) * UMP_MS;
    unsigned i = (unsigned)ump_rng_below(&r.rng, n_ids);
    uint64_t key = nth_key(&w, i);
    struct ump_answer a;
    int found = ump_verdicts_find(w.v, key, &a, now);
    if (seen[i] && now - seen[i] < UMP_VERDICT_LIFE) assert_int_equal(found, 1);
    if (!seen[i] || now - seen[i] >= UMP_VERDICT_LIFE + UMP_S) assert_int_equal(found, 0);
    if (found) {
      assert_int_equal(a.verdict, verdict[i]);
      seen[i] = now;
    } else {
      verdict[i] = (unsigned char)ump_rng_below(&r.rng, 4);
      seen[i] = insert(&w, key, (enum ump_verdict)verdict[i], "", now) == 0 ? now : 0;
    }
    if (step % 50 == 0) ump_verdicts_tidy(w.v, now);
    assert_true(w.mem.bytes <= max_bytes);
  }
  window_end(&w);
}

static void test_verdict_agrees_with_a_simple_model(void **state) {
  (void)state;
  agrees_with_a_simple_model(1, 4 * MIB, 50000, 40); /* with room for all */
}

static void test_verdict_agrees_with_a_simple_model_when_it_is_full(void **state) {
  (void)state;
  for (size_t segments = 3; segments < 20; segments += 4)
    agrees_with_a_simple_model(segments, segments * 16512 + 2000, (unsigned)segments * 1500, 600 / (unsigned)segments);
}

/* ---- reasons ---- */

static struct ump_bytes reason_of(struct window *w, uint64_t key, ump_time now) {
  struct ump_answer a;
  assert_int_equal(ump_verdicts_find(w->v, key, &a, now), 1);
  return a.reason;
}

static void test_verdict_keeps_each_reason_once(void **state) {
  (void)state;
  struct window w;
  window_init(&w, MIB);
  insert(&w, nth_key(&w, 0), UMP_ILLEGAL, "not your turn", born);
  size_t bytes = w.mem.bytes;
  for (unsigned i = 1; i < 500; i++) insert(&w, nth_key(&w, i), UMP_ILLEGAL, "not your turn", born);
  assert_int_equal(w.mem.bytes, bytes);
  for (unsigned i = 0; i < 500; i++)
    assert_true(ump_bytes_equal(reason_of(&w, nth_key(&w, i), born), ump_text("not your turn")));
  window_end(&w);
}

static void test_verdict_reasons_are_bounded(void **state) {
  (void)state;
  struct window w;
  unsigned kept = 0;
  char text[201];
  enum { N = 20000 };
  window_init(&w, 2 * MIB);
  for (unsigned i = 0; i < N; i++) {
    snprintf(text, sizeof text, "%0200u", i); /* the longest reasons, each another */
    assert_int_equal(insert(&w, nth_key(&w, i), UMP_ILLEGAL, text, born), 0);
  }
  assert_in_range(w.mem.bytes, 0, 32 * 16512 + 4096 + 2 * MIB / 8); /* cells, and an eighth of all for reasons */
  for (unsigned i = 0; i < N; i++) {
    struct ump_bytes reason = reason_of(&w, nth_key(&w, i), born); /* the verdict is there in any case */
    snprintf(text, sizeof text, "%0200u", i);
    if (reason.n) assert_true(ump_bytes_equal(reason, ump_text(text))), kept++;
  }
  assert_in_range(kept, 500, N - 1); /* an eighth of 2 MiB is 1310 of them without what holds them */
  /* The dead make room for new ones. */
  unsigned again = 0;
  for (unsigned i = 0; i < 500; i++) {
    snprintf(text, sizeof text, "%0199ux", i);
    insert(&w, nth_key(&w, i), UMP_ILLEGAL, text, born + 400 * UMP_S);
    again += reason_of(&w, nth_key(&w, i), born + 400 * UMP_S).n != 0;
  }
  assert_in_range(again, 400, 500);
  assert_in_range(w.mem.bytes, 0, 2 * MIB);
  window_end(&w);
}

static void test_verdict_reason_goes_when_nothing_refers_to_it(void **state) {
  (void)state;
  struct window w;
  window_init(&w, MIB);
  insert(&w, nth_key(&w, 0), UMP_ILLEGAL, "a rather long reason, so that it shows in the accounts", born);
  size_t bytes = ump_verdicts_bytes(w.v);
  for (int i = 0; i < 2000; i++) ump_verdicts_tidy(w.v, born + 299 * UMP_S);
  assert_int_equal(ump_verdicts_bytes(w.v), bytes);
  for (int i = 0; i < 2000; i++) ump_verdicts_tidy(w.v, born + 310 * UMP_S);
  assert_in_range(ump_verdicts_bytes(w.v), 0, bytes - 50);
  window_end(&w);
}

static void test_verdict_survives_every_failing_allocation(void **state) {
  (void)state;
  for (int forever = 0; forever <= 1; forever++) {
    for (size_t n = 1;; n++) {
      struct window w;
      testing_mem_init(&w.mem);
      testing_mem_fail(&w.mem, n, forever);
      w.v = ump_verdicts_new(&w.mem.mem, &secret, MIB, born);
      unsigned taken = 0, refused = 0, there = 0;
      char text[32];
      for (unsigned i = 0; w.v && i < 4000; i++) {
        snprintf(text, sizeof text, "reason %u", i % 50);
        int err = insert(&w, nth_key(&w, i), UMP_ILLEGAL, text, born);
        assert_true(err == 0 || err == UMP_ENOMEM);
        if (err)
          refused++;
        else
          taken++;
      }
      for (unsigned i = 0; w.v && i < 4000; i++) there += known(&w, nth_key(&w, i), born);
      assert_int_equal(there, taken);
      assert_true(refused == 0 || w.mem.failed);
      ump_verdicts_free(w.v);
      testing_mem_assert_empty(&w.mem);
      if (!w.mem.failed) break;
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_verdict_is_remembered_with_priority_and_reason),
      cmocka_unit_test(test_verdict_belongs_to_one_session),
      cmocka_unit_test(test_verdict_lives_300_s),
      cmocka_unit_test(test_verdict_lives_on_while_it_is_seen),
      cmocka_unit_test(test_verdict_full_table_refuses_and_evicts_nothing),
      cmocka_unit_test(test_verdict_grows_by_segments_only),
      cmocka_unit_test(test_verdict_gives_memory_back),
      cmocka_unit_test(test_verdict_tidying_full_segments_changes_nothing),
      cmocka_unit_test(test_verdict_uses_all_of_its_memory_before_it_refuses),
      cmocka_unit_test(test_verdict_knows_its_guests_after_their_home_was_split),
      cmocka_unit_test(test_verdict_does_not_unite_what_would_soon_be_split),
      cmocka_unit_test(test_verdict_agrees_with_a_simple_model),
      cmocka_unit_test(test_verdict_agrees_with_a_simple_model_when_it_is_full),
      cmocka_unit_test(test_verdict_keeps_each_reason_once),
      cmocka_unit_test(test_verdict_reasons_are_bounded),
      cmocka_unit_test(test_verdict_reason_goes_when_nothing_refers_to_it),
      cmocka_unit_test(test_verdict_survives_every_failing_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
