/* What streams are made of: the input buffer, the output queue, netstrings. */
#include "testing.h"

#include <string.h>

#include "base/buffer.h"
#include "base/err.h"
#include "base/outqueue.h"
#include "codec/netstring.h"

/* ---- input buffer ---- */

static void test_buffer_is_a_queue_of_bytes(void **state) {
  (void)state;
  struct testing_mem mem;
  testing_mem_init(&mem);
  struct ump_buffer b;
  ump_buffer_init(&b, &mem.mem, 1 << 20);
  uint8_t next_in = 0, next_out = 0;
  for (int round = 0; round < 3000; round++) {
    uint8_t chunk[7];
    size_t n = (size_t)(round % 7) + 1;
    for (size_t i = 0; i < n; i++) chunk[i] = next_in++;
    assert_int_equal(ump_buffer_append(&b, ump_bytes(chunk, n)), 0);
    struct ump_bytes held = ump_buffer_bytes(&b);
    size_t take = round % 3 ? held.n / 2 : held.n > 3 ? 3 : held.n;
    for (size_t i = 0; i < take; i++) assert_int_equal(held.p[i], next_out++);
    ump_buffer_consume(&b, take);
  }
  ump_buffer_deinit(&b);
  testing_mem_assert_empty(&mem);
}

static void test_buffer_allocates_by_what_came_not_by_what_may_come(void **state) {
  (void)state;
  struct testing_mem mem;
  testing_mem_init(&mem);
  struct ump_buffer b;
  ump_buffer_init(&b, &mem.mem, 1 << 20);
  assert_int_equal(mem.bytes, 0);
  size_t held = 0;
  for (int i = 0; i < 10000; i++) {
    assert_int_equal(ump_buffer_append(&b, ump_text("x")), 0);
    held++;
    assert_true(mem.bytes <= 2 * held + 256);
  }
  ump_buffer_consume(&b, held);
  testing_mem_assert_empty(&mem); /* an idle stream holds nothing */
}

static void test_buffer_refuses_more_than_its_limit_and_keeps_what_it_has(void **state) {
  (void)state;
  struct testing_mem mem;
  testing_mem_init(&mem);
  struct ump_buffer b;
  ump_buffer_init(&b, &mem.mem, 10);
  assert_int_equal(ump_buffer_append(&b, ump_text("0123456")), 0);
  assert_int_equal(ump_buffer_append(&b, ump_text("abcd")), UMP_ETOOBIG);
  assert_int_equal(ump_buffer_append(&b, ump_text("789")), 0);
  assert_memory_equal(ump_buffer_bytes(&b).p, "0123456789", 10);
  ump_buffer_deinit(&b);
  testing_mem_init(&mem);
  testing_mem_fail(&mem, 1, true);
  ump_buffer_init(&b, &mem.mem, 10);
  assert_int_equal(ump_buffer_append(&b, ump_text("a")), UMP_ENOMEM);
  testing_mem_assert_empty(&mem);
}

/* ---- output queue ---- */

static size_t drain(struct ump_outqueue *q, size_t step, char *out, size_t cap) {
  size_t total = 0;
  while (q->n) {
    struct ump_bytes slices[3];
    size_t n = ump_outqueue_peek(q, slices, 3), taken = 0;
    assert_true(n > 0);
    for (size_t i = 0; i < n && taken < step; i++) {
      size_t part = slices[i].n < step - taken ? slices[i].n : step - taken;
      assert_true(total + part <= cap);
      memcpy(out + total, slices[i].p, part);
      total += part, taken += part;
    }
    ump_outqueue_consume(q, taken);
  }
  return total;
}

static void test_outqueue_keeps_the_order_of_copies_and_shared_payloads(void **state) {
  (void)state;
  for (size_t step = 1; step < 40; step++) {
    struct testing_mem mem;
    testing_mem_init(&mem);
    struct ump_outqueue q;
    ump_outqueue_init(&q, &mem.mem);
    struct ump_blob *blob = ump_blob_new(&mem.mem, 10);
    memcpy(blob->p, "0123456789", 10);
    assert_int_equal(ump_outqueue_copy(&q, ump_text("ab")), 0);
    assert_int_equal(ump_outqueue_copy(&q, ump_text("cd")), 0);
    assert_int_equal(ump_outqueue_share(&q, blob, 2, 5), 0);
    assert_int_equal(ump_outqueue_copy(&q, ump_text("ef")), 0);
    assert_int_equal(ump_outqueue_share(&q, blob, 0, 1), 0);
    ump_blob_unref(blob);
    char out[64];
    assert_int_equal(q.n, 12);
    assert_int_equal(drain(&q, step, out, sizeof out), 12);
    assert_memory_equal(out, "abcd23456ef0", 12);
    testing_mem_assert_empty(&mem);
  }
}

static void test_outqueue_shares_one_payload_among_many(void **state) {
  (void)state;
  struct testing_mem mem;
  testing_mem_init(&mem);
  struct ump_blob *blob = ump_blob_new(&mem.mem, 30000);
  struct ump_outqueue q[200];
  for (int i = 0; i < 200; i++) {
    ump_outqueue_init(&q[i], &mem.mem);
    assert_int_equal(ump_outqueue_share(&q[i], blob, 0, 30000), 0);
  }
  ump_blob_unref(blob);
  assert_true(mem.bytes < 30000 + 200 * 100);
  for (int i = 0; i < 200; i++) ump_outqueue_deinit(&q[i]);
  testing_mem_assert_empty(&mem);
}

/* ---- netstrings ---- */

static void test_netstring_is_read_whole_or_not_at_all(void **state) {
  (void)state;
  struct ump_bytes in = ump_text("12:{\"type\":\"a\"},3:abc,"), payload;
  size_t size;
  for (size_t n = 0; n < 16; n++)
    assert_int_equal(ump_netstring_read(ump_bytes(in.p, n), 100, &payload, &size), UMP_EAGAIN);
  assert_int_equal(size, 16);
  assert_int_equal(ump_netstring_read(in, 100, &payload, &size), 0);
  assert_int_equal(size, 16);
  assert_true(ump_bytes_equal(payload, ump_text("{\"type\":\"a\"}")));
  assert_int_equal(ump_netstring_read(ump_text("0:,"), 100, &payload, &size), 0);
  assert_int_equal(payload.n, 0);
}

static void test_netstring_refuses_at_the_first_byte_that_shows_it(void **state) {
  (void)state;
  static const char *const bad[] = {":", "-", "+", " ", "1_", "00", "01", "x", "12345678", "1 ", "3:abcd"};
  struct ump_bytes payload;
  size_t size;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct ump_bytes in = ump_text(bad[i]);
    assert_int_equal(ump_netstring_read(in, 9999999, &payload, &size), UMP_EMALFORMED);
    if (in.n > 1) assert_int_equal(ump_netstring_read(ump_bytes(in.p, in.n - 1), 9999999, &payload, &size), UMP_EAGAIN);
  }
  assert_int_equal(ump_netstring_read(ump_text("101:"), 100, &payload, &size), UMP_ETOOBIG);
  assert_int_equal(ump_netstring_read(ump_text("100:"), 100, &payload, &size), UMP_EAGAIN);
}

static void test_netstring_heads_read_back(void **state) {
  (void)state;
  static const size_t sizes[] = {0, 1, 9, 10, 99, 100, 65535, 1048576, 9999999};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    char head[UMP_NETSTRING_HEAD];
    size_t n = ump_netstring_head(sizes[i], head), value, used;
    assert_int_equal(ump_length_read(ump_bytes(head, n), ':', &value, &used), 0);
    assert_int_equal(value, sizes[i]);
    assert_int_equal(used, n);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_buffer_is_a_queue_of_bytes),
      cmocka_unit_test(test_buffer_allocates_by_what_came_not_by_what_may_come),
      cmocka_unit_test(test_buffer_refuses_more_than_its_limit_and_keeps_what_it_has),
      cmocka_unit_test(test_outqueue_keeps_the_order_of_copies_and_shared_payloads),
      cmocka_unit_test(test_outqueue_shares_one_payload_among_many),
      cmocka_unit_test(test_netstring_is_read_whole_or_not_at_all),
      cmocka_unit_test(test_netstring_refuses_at_the_first_byte_that_shows_it),
      cmocka_unit_test(test_netstring_heads_read_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
