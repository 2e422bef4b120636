/* The deadline heap and the tally by address, each against a slow model that is plainly right; and plain data. */
#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "testing.h"

#include "base/err.h"
#include "base/heap.h"
#include "base/plain.h"
#include "base/tally.h"

/* ---- heap ---- */

static void test_heap_gives_deadlines_in_order(void **state) {
  (void)state;
  static const ump_time ats[] = {50, 10, 40, 10, 30, 20, 10};
  enum { N = sizeof ats / sizeof *ats };
  struct testing_mem mem;
  struct ump_heap h;
  struct ump_heap_node nodes[N] = {{0}};
  testing_mem_init(&mem);
  ump_heap_init(&h, &mem.mem);
  assert_true(ump_heap_deadline(&h) == UMP_NEVER);
  assert_null(ump_heap_first(&h));
  for (size_t i = 0; i < N; i++) assert_int_equal(ump_heap_insert(&h, &nodes[i], ats[i]), 0);
  assert_true(ump_heap_deadline(&h) == 10);
  assert_null(ump_heap_pop_due(&h, 9));
  static const size_t order[] = {1, 3, 6, 5, 4, 2, 0}; /* equal ones as they were set */
  for (size_t i = 0; i < N; i++) {
    assert_ptr_equal(ump_heap_pop_due(&h, 50), &nodes[order[i]]);
    assert_false(ump_heap_linked(&nodes[order[i]]));
  }
  assert_null(ump_heap_pop_due(&h, INT64_MAX));
  ump_heap_deinit(&h);
  testing_mem_assert_empty(&mem);
}

/* Every operation at random, against a search through all nodes. */
static void test_heap_agrees_with_a_search(void **state) {
  (void)state;
  enum { N = 300 };
  struct testing_mem mem;
  struct testing_rng rng;
  struct ump_heap h;
  struct ump_heap_node nodes[N] = {{0}};
  testing_mem_init(&mem), testing_rng_init(&rng, 1);
  ump_heap_init(&h, &mem.mem);
  for (int step = 0; step < 100000; step++) {
    struct ump_heap_node *node = &nodes[ump_rng_below(&rng.rng, N)], *first = NULL;
    if (ump_rng_below(&rng.rng, 3))
      assert_int_equal(ump_heap_insert(&h, node, (ump_time)ump_rng_below(&rng.rng, 100)), 0);
    else
      ump_heap_remove(&h, node); /* in it or not */
    for (size_t i = 0; step % 10 == 0 && i < N; i++) {
      struct ump_heap_node *n = &nodes[i];
      if (!ump_heap_linked(n)) continue;
      if (!first || n->at < first->at || (n->at == first->at && n->order < first->order)) first = n;
    }
    if (step % 10) continue;
    assert_ptr_equal(ump_heap_first(&h), first);
    if (first && ump_rng_below(&rng.rng, 2)) assert_ptr_equal(ump_heap_pop_due(&h, first->at), first);
  }
  ump_heap_deinit(&h);
  for (size_t i = 0; i < N; i++) assert_false(ump_heap_linked(&nodes[i]));
  testing_mem_assert_empty(&mem);
}

static void test_heap_without_memory_changes_nothing(void **state) {
  (void)state;
  struct testing_mem mem;
  struct ump_heap h;
  struct ump_heap_node nodes[64] = {{0}};
  testing_mem_init(&mem);
  ump_heap_init(&h, &mem.mem);
  testing_mem_fail(&mem, 2, true);
  size_t n = 0;
  while (n < 64 && ump_heap_insert(&h, &nodes[n], 64 - (ump_time)n) == 0) n++;
  assert_true(n > 0 && n < 64);
  assert_false(ump_heap_linked(&nodes[n]));
  assert_int_equal(h.n, n);
  assert_int_equal(ump_heap_insert(&h, &nodes[0], 0), 0); /* moving never fails */
  assert_ptr_equal(ump_heap_first(&h), &nodes[0]);
  ump_heap_deinit(&h);
  testing_mem_assert_empty(&mem);
}

/* ---- tally ---- */

static struct ump_addr v4(uint32_t ip, uint16_t port) {
  return (struct ump_addr){4, {(uint8_t)(ip >> 24), (uint8_t)(ip >> 16), (uint8_t)(ip >> 8), (uint8_t)ip}, port, 0};
}

static void start(struct ump_tally *t, struct testing_mem *mem, size_t limit) {
  static const struct ump_hash_key key = {{1, 2, 3}};
  testing_mem_init(mem);
  ump_tally_init(t, &mem->mem, &key, limit);
}

static void test_tally_counts_by_address_not_port(void **state) {
  (void)state;
  struct testing_mem mem;
  struct ump_tally t;
  start(&t, &mem, 10);
  struct ump_addr a = v4(1, 1), b = v4(1, 2), c = v4(2, 1);
  assert_int_equal(ump_tally_count(&t, &a), 0);
  ump_tally_sub(&t, &a); /* not there: allowed */
  assert_int_equal(ump_tally_add(&t, &a, 2), 0);
  assert_int_equal(ump_tally_add(&t, &b, 2), 0);
  assert_int_equal(ump_tally_add(&t, &a, 2), UMP_EFULL);
  assert_int_equal(ump_tally_add(&t, &c, 2), 0);
  assert_int_equal(ump_tally_count(&t, &b), 2);
  ump_tally_sub(&t, &b);
  assert_int_equal(ump_tally_count(&t, &a), 1);
  ump_tally_sub(&t, &a);
  assert_int_equal(ump_tally_count(&t, &a), 0);
  assert_int_equal(ump_tally_count(&t, &c), 1);
  assert_int_equal(t.n, 1);
  assert_int_equal(ump_tally_add(&t, &a, 0), UMP_EFULL);
  ump_tally_deinit(&t);
  testing_mem_assert_empty(&mem);
}

static void test_tally_counts_ipv6_by_64_bits(void **state) {
  (void)state;
  struct testing_mem mem;
  struct ump_tally t;
  start(&t, &mem, 10);
  struct ump_addr a = {6, {0x20, 1, 0x0d, 0xb8, 0, 0, 0, 1, 1}, 1, 0}, same = a, other = a;
  memset(same.ip + 8, 0xFF, 8), same.scope = 3;
  other.ip[7] = 2;
  assert_int_equal(ump_tally_add(&t, &a, 1), 0);
  assert_int_equal(ump_tally_add(&t, &same, 1), UMP_EFULL);
  assert_int_equal(ump_tally_add(&t, &other, 1), 0);
  ump_tally_deinit(&t);
  testing_mem_assert_empty(&mem);
}

/* The same leading bytes in the other family are another address, wherever both would stand in the table. */
static void test_tally_keeps_families_apart(void **state) {
  (void)state;
  struct testing_mem mem;
  struct ump_tally t;
  start(&t, &mem, 1000);
  for (uint32_t i = 0; i < 1000; i++) {
    struct ump_addr a = v4(i * 7919, 1), b = a;
    b.family = 6;
    assert_int_equal(ump_tally_add(&t, &a, 1), 0);
    assert_int_equal(ump_tally_count(&t, &b), 0);
  }
  ump_tally_deinit(&t);
  testing_mem_assert_empty(&mem);
}

static void test_tally_is_bounded(void **state) {
  (void)state;
  struct testing_mem mem;
  struct ump_tally t;
  start(&t, &mem, 1000);
  for (uint32_t i = 0; i < 2000; i++) {
    struct ump_addr a = v4(i, 1);
    assert_int_equal(ump_tally_add(&t, &a, 5), i < 1000 ? 0 : UMP_EFULL);
  }
  struct ump_addr known = v4(999, 1);
  assert_int_equal(ump_tally_add(&t, &known, 5), 0);
  assert_true(mem.bytes <= 43 * 1000);
  size_t bytes = mem.bytes;
  ump_tally_clear(&t);
  assert_int_equal(mem.bytes, bytes);
  assert_int_equal(ump_tally_count(&t, &known), 0);
  assert_int_equal(ump_tally_add(&t, &known, 5), 0);
  ump_tally_deinit(&t);
  testing_mem_assert_empty(&mem);
}

/* Comes and goes at random among few addresses, so that runs of taken slots form and are broken up everywhere. */
static void test_tally_agrees_with_plain_counters(void **state) {
  (void)state;
  enum { N = 200, MOST = 3 };
  struct testing_mem mem;
  struct testing_rng rng;
  struct ump_tally t;
  uint32_t counts[N] = {0};
  start(&t, &mem, N);
  testing_rng_init(&rng, 1);
  for (int step = 0; step < 200000; step++) {
    uint32_t i = (uint32_t)ump_rng_below(&rng.rng, N);
    struct ump_addr a = v4(i, (uint16_t)step);
    bool filling = step / 1000 % 2;
    if (ump_rng_below(&rng.rng, 4) < (filling ? 3 : 1)) {
      assert_int_equal(ump_tally_add(&t, &a, MOST), counts[i] < MOST ? 0 : UMP_EFULL);
      counts[i] += counts[i] < MOST;
    } else {
      ump_tally_sub(&t, &a);
      counts[i] -= counts[i] > 0;
    }
    for (uint32_t k = 0; step % 100 == 0 && k < N; k++) {
      a = v4(k, 0);
      assert_int_equal(ump_tally_count(&t, &a), counts[k]);
    }
  }
  ump_tally_deinit(&t);
  testing_mem_assert_empty(&mem);
}

static void test_tally_without_memory_changes_nothing(void **state) {
  (void)state;
  struct testing_mem mem;
  struct ump_tally t;
  start(&t, &mem, 100);
  testing_mem_fail(&mem, 2, true);
  uint32_t n = 0;
  struct ump_addr a = v4(0, 1);
  while (n < 100 && ump_tally_add(&t, &a, 1) == 0) a = v4(++n, 1);
  assert_true(n > 0 && n < 100);
  assert_int_equal(ump_tally_add(&t, &a, 1), UMP_ENOMEM);
  for (uint32_t i = 0; i <= n; i++) {
    a = v4(i, 1);
    assert_int_equal(ump_tally_count(&t, &a), i < n);
  }
  ump_tally_deinit(&t);
  testing_mem_assert_empty(&mem);
}

/* ---- plain data ---- */

static void write_sample(struct ump_writer *w) {
  ump_plain_put_mixed(w, 2);
  ump_plain_put_int(w, INT64_MIN);
  ump_plain_put_array(w, 3);
  ump_plain_put_float(w, -0.5);
  ump_plain_put_string(w, ump_bytes("a\0b", 3));
  ump_plain_put_string(w, ump_bytes(NULL, 0));
  ump_plain_put_map(w, 2);
  ump_plain_put_tag(w, UMP_PLAIN_TRUE);
  ump_plain_put_tag(w, UMP_PLAIN_NULL);
  ump_plain_put_float(w, DBL_MAX);
  ump_plain_put_array(w, 0);
  ump_plain_put_tag(w, UMP_PLAIN_NIL); /* behind the value */
}

static void test_plain_reads_what_it_wrote(void **state) {
  (void)state;
  uint8_t buf[256];
  struct ump_plain v;
  struct ump_writer w = ump_writer(buf, sizeof buf);
  write_sample(&w);
  struct ump_reader r = ump_reader(ump_written(&w)), skipped = r;
  assert_true(ump_plain_get(&r, &v) && v.tag == UMP_PLAIN_MIXED && v.count == 2);
  assert_true(ump_plain_get(&r, &v) && v.tag == UMP_PLAIN_INT && v.i == INT64_MIN);
  assert_true(ump_plain_get(&r, &v) && v.tag == UMP_PLAIN_ARRAY && v.count == 3);
  assert_true(ump_plain_get(&r, &v) && v.tag == UMP_PLAIN_FLOAT && v.f == -0.5);
  assert_true(ump_plain_get(&r, &v) && v.tag == UMP_PLAIN_STRING && ump_bytes_equal(v.s, ump_bytes("a\0b", 3)));
  assert_true(ump_plain_get(&r, &v) && v.tag == UMP_PLAIN_STRING && v.s.n == 0);
  assert_true(ump_plain_get(&r, &v) && v.tag == UMP_PLAIN_MAP && v.count == 2);
  assert_true(ump_plain_get(&r, &v) && v.tag == UMP_PLAIN_TRUE);
  assert_true(ump_plain_get(&r, &v) && v.tag == UMP_PLAIN_NULL);
  assert_true(ump_plain_get(&r, &v) && v.tag == UMP_PLAIN_FLOAT && v.f == DBL_MAX);
  assert_true(ump_plain_get(&r, &v) && v.tag == UMP_PLAIN_ARRAY && v.count == 0);
  assert_int_equal(ump_plain_skip(&skipped), 1); /* the whole mixed table in one step */
  assert_ptr_equal(skipped.p, r.p);
  assert_true(ump_plain_get(&r, &v) && v.tag == UMP_PLAIN_NIL);
  assert_int_equal(ump_plain_get(&r, &v), 0);
}

static void test_plain_survives_damage(void **state) {
  (void)state;
  uint8_t buf[256];
  struct testing_rng rng;
  struct ump_plain v;
  testing_rng_init(&rng, 1);
  struct ump_writer w = ump_writer(buf, sizeof buf);
  write_sample(&w);
  for (size_t n = 0; n + 1 < w.n; n++) { /* every cut */
    uint8_t *cut = malloc(n ? n : 1);
    memcpy(cut, buf, n);
    struct ump_reader r = ump_reader(ump_bytes(cut, n));
    assert_int_equal(ump_plain_skip(&r), 0);
    free(cut);
  }
  for (int round = 0; round < 20000; round++) {
    uint8_t *bad = malloc(w.n);
    memcpy(bad, buf, w.n);
    for (int i = 0; i < 3; i++) bad[ump_rng_below(&rng.rng, w.n)] = (uint8_t)ump_rng_u64(&rng.rng);
    struct ump_reader r = ump_reader(ump_bytes(bad, w.n));
    ump_plain_skip(&r);
    r = ump_reader(ump_bytes(bad, w.n));
    while (ump_plain_get(&r, &v)) {
      assert_true(v.count <= ump_reader_left(&r)); /* nobody reserves memory by a damaged number */
      if (v.s.n) assert_true(v.s.p >= bad && v.s.p + v.s.n <= bad + w.n);
    }
    free(bad);
  }
}

static void test_plain_that_does_not_fit_is_marked(void **state) {
  (void)state;
  uint8_t buf[256];
  struct ump_writer w = ump_writer(buf, sizeof buf);
  write_sample(&w);
  size_t whole = w.n;
  for (size_t cap = 0; cap < whole; cap++) {
    w = ump_writer(buf, cap);
    write_sample(&w);
    assert_true(w.full && w.n <= cap);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_heap_gives_deadlines_in_order),
      cmocka_unit_test(test_heap_agrees_with_a_search),
      cmocka_unit_test(test_heap_without_memory_changes_nothing),
      cmocka_unit_test(test_tally_counts_by_address_not_port),
      cmocka_unit_test(test_tally_counts_ipv6_by_64_bits),
      cmocka_unit_test(test_tally_keeps_families_apart),
      cmocka_unit_test(test_tally_is_bounded),
      cmocka_unit_test(test_tally_agrees_with_plain_counters),
      cmocka_unit_test(test_tally_without_memory_changes_nothing),
      cmocka_unit_test(test_plain_reads_what_it_wrote),
      cmocka_unit_test(test_plain_survives_damage),
      cmocka_unit_test(test_plain_that_does_not_fit_is_marked),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
