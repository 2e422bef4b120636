/* Small blocks of a VM: apart from each other, aligned, used again, and all gone at the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bindings/small.h"

enum { BLOCKS = 4000 };

static size_t size_of(size_t i) {
  return 1 + i * 37 % UMP__SMALL_MOST;
}

static void fill(uint8_t *p, size_t i) {
  memset(p, (int)(i * 31 & 0xff), size_of(i));
}

static void assert_untouched(const uint8_t *p, size_t i) {
  for (size_t k = 0; k < size_of(i); k++) assert_int_equal(p[k], i * 31 & 0xff);
}

static void test_small_blocks_do_not_touch_each_other(void **state) {
  (void)state;
  static uint8_t *block[BLOCKS];
  struct ump__small s;
  ump__small_init(&s, 1 << 20);
  for (size_t i = 0; i < BLOCKS; i++) {
    assert_non_null(block[i] = ump__small_take(&s, size_of(i)));
    assert_int_equal((uintptr_t)block[i] % UMP__SMALL_GRAIN, 0);
    fill(block[i], i);
  }
  for (size_t i = 0; i < BLOCKS; i += 2) ump__small_give(&s, block[i], size_of(i));
  for (size_t i = 0; i < BLOCKS; i += 2) fill(block[i] = ump__small_take(&s, size_of(i)), i);
  for (size_t i = 0; i < BLOCKS; i++) assert_untouched(block[i], i);
  ump__small_deinit(&s);
}

static void test_small_blocks_are_used_again_in_their_size(void **state) {
  (void)state;
  struct ump__small s;
  ump__small_init(&s, 1 << 20);
  void *a = ump__small_take(&s, 41), *b = ump__small_take(&s, 48);
  ump__small_give(&s, a, 41);
  assert_ptr_not_equal(ump__small_take(&s, 40), a); /* another size */
  assert_true(ump__small_same(41, 48) && !ump__small_same(40, 41));
  assert_ptr_equal(ump__small_take(&s, 44), a);
  ump__small_give(&s, b, 48);
  ump__small_give(&s, a, 44);
  assert_ptr_equal(ump__small_take(&s, 48), a); /* the one given back last is the one still in the cache */
  assert_ptr_equal(ump__small_take(&s, 48), b);
  uint8_t *fresh = s.fresh;
  for (int i = 0; i < 100000; i++) ump__small_give(&s, ump__small_take(&s, 200), 200);
  assert_ptr_equal(s.fresh, fresh + 200); /* one was enough */
  ump__small_deinit(&s);
}

static bool is_of_region(const struct ump__small *s, const void *p) {
  return (uintptr_t)p >= (uintptr_t)s->region && (uintptr_t)p < (uintptr_t)s->end;
}

/* All sizes, until the region is used up and well beyond: malloc's blocks are used the same way, and go back to malloc.
 */
static void test_small_beyond_the_region_is_mallocs(void **state) {
  (void)state;
  static uint8_t *block[BLOCKS];
  struct ump__small s;
  size_t inside = 0;
  ump__small_init(&s, 64 << 10);
  for (size_t i = 0; i < BLOCKS; i++) {
    assert_non_null(block[i] = ump__small_take(&s, size_of(i)));
    inside += is_of_region(&s, block[i]);
    fill(block[i], i);
  }
  assert_in_range(inside, 400, 700); /* of 136 bytes on average; the last do not fit one by one */
  for (size_t i = 0; i < BLOCKS; i++) assert_untouched(block[i], i);
  for (size_t i = 0; i < BLOCKS; i++) ump__small_give(&s, block[i], size_of(i)); /* a leak is the sanitizer's to tell */
  void *a = ump__small_take(&s, 1), *b = ump__small_take(&s, 256);
  assert_true(is_of_region(&s, a) && is_of_region(&s, b)); /* what was given back is used first */
  ump__small_deinit(&s);
}

static void test_small_without_a_region(void **state) {
  (void)state;
  struct ump__small s = {0};
  for (size_t n = 1; n <= UMP__SMALL_MOST; n++) {
    uint8_t *p = ump__small_take(&s, n);
    assert_non_null(p);
    memset(p, 1, n);
    ump__small_give(&s, p, n);
  }
  ump__small_deinit(&s);
  ump__small_init(&s, SIZE_MAX / 2); /* more than there is */
  assert_null(s.region);
  ump__small_deinit(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_small_blocks_do_not_touch_each_other),
      cmocka_unit_test(test_small_blocks_are_used_again_in_their_size),
      cmocka_unit_test(test_small_beyond_the_region_is_mallocs),
      cmocka_unit_test(test_small_without_a_region),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
