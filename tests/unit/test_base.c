/* Memory, chance, UUIDs, hashes and addresses, against published vectors where there are some. */
#include <stdlib.h>
#include <string.h>

#include "testing.h"

#include "base/addr.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/uuid.h"

/* ---- memory ---- */

static void test_mem_counts_and_fails_on_demand(void **state) {
  (void)state;
  struct testing_mem mem;
  testing_mem_init(&mem);
  uint8_t *p = ump_zalloc(&mem.mem, 100);
  for (size_t i = 0; i < 100; i++) assert_int_equal(p[i], 0);
  memset(p, 7, 100);
  testing_mem_fail(&mem, 1, false);
  assert_null(ump_realloc(&mem.mem, p, 100, 200)); /* the old block is still there */
  assert_int_equal(p[99], 7);
  p = ump_realloc(&mem.mem, p, 100, 200);
  assert_int_equal(p[99], 7);
  assert_int_equal(mem.bytes, 200);
  testing_mem_fail(&mem, 1, true);
  assert_null(ump_alloc(&mem.mem, 1));
  assert_null(ump_zalloc(&mem.mem, 1));
  assert_int_equal(mem.failed, 3);
  ump_free(&mem.mem, p, 200);
  ump_free(&mem.mem, NULL, 0);
  testing_mem_assert_empty(&mem);
}

static void test_mem_of_the_c_library(void **state) {
  (void)state;
  char *p = ump_alloc(&ump_mem_libc, 3);
  memcpy(p, "ab", 3);
  p = ump_realloc(&ump_mem_libc, p, 3, 300);
  assert_string_equal(p, "ab");
  ump_free(&ump_mem_libc, p, 300);
}

static void test_blob_lives_until_its_last_owner(void **state) {
  (void)state;
  struct testing_mem mem;
  testing_mem_init(&mem);
  struct ump_blob *b = ump_blob_new(&mem.mem, 5);
  memcpy(b->p, "hello", 5);
  assert_ptr_equal(ump_blob_ref(b), b);
  ump_blob_unref(b);
  assert_memory_equal(b->p, "hello", 5);
  ump_blob_unref(b);
  ump_blob_unref(NULL);
  testing_mem_assert_empty(&mem);
  assert_null(ump_blob_new(&mem.mem, SIZE_MAX)); /* does not wrap */
  testing_mem_fail(&mem, 1, false);
  assert_null(ump_blob_new(&mem.mem, 1));
  testing_mem_assert_empty(&mem);
}

static void test_errors_have_names(void **state) {
  (void)state;
  for (int err = UMP_EAGAIN; err <= 0; err++) assert_string_not_equal(ump_err_name(err), "unknown error");
  assert_string_equal(ump_err_name(1), "unknown error");
  assert_string_equal(ump_err_name(-1000), "unknown error");
}

/* ---- lists ---- */

static void test_list_keeps_order_and_lets_go(void **state) {
  (void)state;
  struct ump_list head, a = {0}, b = {0}, c = {0};
  ump_list_init(&head);
  ump_list_push(&head, &a), ump_list_push(&head, &b), ump_list_push(&head, &c);
  ump_list_remove(&b);
  ump_list_remove(&b); /* in no list any more: allowed */
  assert_false(ump_list_linked(&b));
  assert_ptr_equal(head.next, &a);
  assert_ptr_equal(a.next, &c);
  assert_ptr_equal(c.next, &head);
  ump_list_remove(&a), ump_list_remove(&c);
  assert_true(ump_list_empty(&head));
}

/* ---- chance ---- */

static void test_rng_follows_the_published_streams(void **state) {
  (void)state;
  /* xoshiro256** from the state 1 2 3 4, as its authors' code gives it */
  static const uint64_t wanted[] = {11520u,
                                    0u,
                                    1509978240u,
                                    1215971899390074240u,
                                    1216172134540287360u,
                                    607988272756665600u,
                                    16172922978634559625u,
                                    8476171486693032832u,
                                    10595114339597558777u,
                                    2904607092377533576u};
  struct ump_rng_seeded s = {{1, 2, 3, 4}};
  struct ump_rng rng = ump_rng_of(&s);
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) assert_true(ump_rng_u64(&rng) == wanted[i]);
  ump_rng_seed(&s, 0); /* splitmix64 from 0 */
  assert_true(s.s[0] == 0xE220A8397B1DCDAFu && s.s[1] == 0x6E789E6AA1B965F4u);
}

static void test_rng_repeats_from_its_seed(void **state) {
  (void)state;
  struct testing_rng a, b, c;
  testing_rng_init(&a, 7), testing_rng_init(&b, 7), testing_rng_init(&c, 8);
  uint8_t x[13], y[13], z[13];
  ump_rng_fill(&a.rng, x, sizeof x), ump_rng_fill(&b.rng, y, sizeof y), ump_rng_fill(&c.rng, z, sizeof z);
  assert_memory_equal(x, y, sizeof x);
  assert_memory_not_equal(x, z, sizeof x);
}

static void test_rng_below_is_even_and_unit_in_range(void **state) {
  (void)state;
  struct testing_rng r;
  unsigned counts[3] = {0};
  testing_rng_init(&r, 1);
  for (int i = 0; i < 30000; i++) {
    counts[ump_rng_below(&r.rng, 3)]++;
    double unit = ump_rng_unit(&r.rng);
    assert_true(unit >= 0 && unit < 1);
    assert_int_equal(ump_rng_below(&r.rng, 1), 0);
  }
  for (int i = 0; i < 3; i++) assert_true(counts[i] > 9700 && counts[i] < 10300); /* 3.7 sigma */
}

/* A stream that begins with a number that would be one too many for equal shares. */
static void all_zero_then_ones(void *ctx, void *out, size_t n) {
  memset(out, *(int *)ctx ? 0x11 : 0, n);
  *(int *)ctx = 1;
}

static void test_rng_below_has_no_bias(void **state) {
  (void)state;
  int calls = 0;
  struct ump_rng rng = {all_zero_then_ones, &calls};
  assert_true(ump_rng_below(&rng, 10) == 0x1111111111111111u % 10); /* 0 < 2^64 mod 10 was thrown away */
}

/* ---- UUIDs ---- */

static void test_uuid_v4_has_its_version_and_122_random_bits(void **state) {
  (void)state;
  struct testing_rng r;
  struct ump_uuid any = {{0}}, all;
  memset(&all, 0xFF, sizeof all);
  testing_rng_init(&r, 1);
  for (int i = 0; i < 200; i++) {
    struct ump_uuid u = ump_uuid_v4(&r.rng);
    for (size_t k = 0; k < sizeof u.b; k++) any.b[k] |= u.b[k], all.b[k] &= u.b[k];
  }
  static const struct ump_uuid ones = {{0, 0, 0, 0, 0, 0, 0x40, 0, 0x80}}; /* always 1: version 4, variant 10 */
  assert_memory_equal(&all, &ones, sizeof ones);
  assert_int_equal(any.b[6], 0x4F);
  assert_int_equal(any.b[8], 0xBF);
  for (size_t k = 0; k < sizeof any.b; k++) assert_true(k == 6 || k == 8 || any.b[k] == 0xFF);
}

static void test_uuid_prints_and_parses(void **state) {
  (void)state;
  static const char text[] = "c232ab00-9414-11ec-b3c8-9f6bdeced846", upper[] = "C232AB00-9414-11EC-B3C8-9F6BDECED846";
  struct ump_uuid u, v;
  char out[UMP_UUID_TEXT];
  assert_true(ump_uuid_parse(ump_text(text), &u));
  assert_true(ump_uuid_parse(ump_text(upper), &v));
  assert_true(ump_uuid_equal(&u, &v));
  ump_uuid_print(&u, out);
  assert_memory_equal(out, text, UMP_UUID_TEXT);
  v.b[15] ^= 1;
  assert_false(ump_uuid_equal(&u, &v));
}

static void test_uuid_parses_nothing_else(void **state) {
  (void)state;
  static const char text[] = "c232ab00-9414-11ec-b3c8-9f6bdeced846";
  struct ump_uuid u;
  uint64_t t;
  for (size_t n = 0; n < UMP_UUID_TEXT; n++) assert_false(ump_uuid_parse(ump_bytes(text, n), &u));
  assert_false(ump_uuid_parse(ump_bytes(text, UMP_UUID_TEXT + 1), &u));
  for (size_t i = 0; i < UMP_UUID_TEXT; i++) {
    for (unsigned c = 0; c < 256; c++) {
      char wrong[UMP_UUID_TEXT];
      memcpy(wrong, text, sizeof wrong);
      wrong[i] = (char)c;
      bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
      bool fits = hyphen ? c == '-' : c && strchr("0123456789abcdefABCDEF", (int)c);
      assert_int_equal(ump_uuid_parse(ump_bytes(wrong, sizeof wrong), &u), fits);
    }
  }
  assert_false(ump_uuid_v1_time(ump_text("not a uuid"), &t));
}

static void test_uuid_v1_tells_its_time(void **state) {
  (void)state;
  uint64_t t = 0;
  /* RFC 9562, appendix A.1: 2022-02-22 14:22:22 -05:00 */
  assert_true(ump_uuid_v1_time(ump_text("C232AB00-9414-11EC-B3C8-9F6BDECED846"), &t));
  assert_true(t == 0x1EC9414C232AB00u);
  assert_false(ump_uuid_v1_time(ump_text("919108f7-52d1-4320-9bac-f847db4148a8"), &t)); /* A.3: version 4 */
  assert_false(ump_uuid_v1_time(ump_text("C232AB00-9414-11EC-13C8-9F6BDECED846"), &t)); /* another variant */
}

/* ---- hashes ---- */

/* SipHash-1-3 of 00 01 02 ... with the key 00 01 ... 0f, for lengths 0 to 63, made with another program that gives the
 * same as CPython 3.11's hash() for all lengths up to 69 (which hashes bytes so, with the key 0 when PYTHONHASHSEED=0)
 */
static const uint64_t sip64[64] = {
    0xabac0158050fc4dcu, 0xc9f49bf37d57ca93u, 0x82cb9b024dc7d44du, 0x8bf80ab8e7ddf7fbu, 0xcf75576088d38328u,
    0xdef9d52f49533b67u, 0xc50d2b50c59f22a7u, 0xd3927d989bb11140u, 0x369095118d299a8eu, 0x25a48eb36c063de4u,
    0x79de85ee92ff097fu, 0x70c118c1f94dc352u, 0x78a384b157b4d9a2u, 0x306f760c1229ffa7u, 0x605aa111c0f95d34u,
    0xd320d86d2a519956u, 0xcc4fdd1a7d908b66u, 0x9cf2689063dbd80cu, 0x8ffc389cb473e63eu, 0xf21f9de58d297d1cu,
    0xc0dc2f46a6cce040u, 0xb992abfe2b45f844u, 0x7ffe7b9ba320872eu, 0x525a0e7fdae6c123u, 0xf464aeb267349c8cu,
    0x45cd5928705b0979u, 0x3a3e35e3ca9913a5u, 0xa91dc74e4ade3b35u, 0xfb0bed02ef6cd00du, 0x88d93cb44ab1e1f4u,
    0x540f11d643c5e663u, 0x2370dd1f8c21d1bcu, 0x81157b6c16a7b60du, 0x4d54b9e57a8ff9bfu, 0x759f12781f2a753eu,
    0xcea1a3bebf186b91u, 0x2cf508d3ada26206u, 0xb6101c2da3c33057u, 0xb3f47496ae3a36a1u, 0x626b57547b108392u,
    0xc1d2363299e41531u, 0x667cc1923f1ad944u, 0x65704ffec8138825u, 0x24f280d1c28949a6u, 0xc2ca1cedfaf8876bu,
    0xc2164bfc9f042196u, 0xa16e9c9368b1d623u, 0x49fb169c8b5114fdu, 0x9f3143f8df074c46u, 0xc6fdaf2412cc86b3u,
    0x7eaf49d10a52098fu, 0x1cf313559d292f9au, 0xc44a30dda2f41f12u, 0x36fae98943a71ed0u, 0x318fb34c73f0bce6u,
    0xa27abf3670a7e980u, 0xb4bcc0db243c6d75u, 0x23f8d852fdb71513u, 0x8f035f4da67d8a08u, 0xd89cd0e5b7e8f148u,
    0xf6f4e6bcf7a644eeu, 0xaec59ad80f1837f2u, 0xc3b2f6154b6694e0u, 0x9d199062b7bbb3a8u,
};

static void test_hash_gives_the_same_as_others(void **state) {
  (void)state;
  struct ump_hash_key key;
  uint8_t in[64];
  for (size_t i = 0; i < 16; i++) key.b[i] = (uint8_t)i;
  for (size_t i = 0; i < 64; i++) in[i] = (uint8_t)i;
  for (size_t n = 0; n < 64; n++) {
    uint8_t *exact = malloc(n ? n : 1);
    memcpy(exact, in, n);
    assert_true(ump_hash64(&key, ump_bytes(exact, n)) == sip64[n]);
    free(exact);
  }
  assert_true(ump_hash64(&key, ump_bytes(NULL, 0)) == sip64[0]);
}

/* ---- addresses ---- */

static struct ump_addr v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port) {
  return (struct ump_addr){4, {a, b, c, d}, port, 0};
}

static void test_addr_compares(void **state) {
  (void)state;
  struct ump_addr a = v4(127, 0, 0, 1, 40080), b = a;
  assert_true(ump_addr_equal(&a, &b) && ump_addr_same_ip(&a, &b));
  b.port++;
  assert_true(!ump_addr_equal(&a, &b) && ump_addr_same_ip(&a, &b));
  b = a, b.ip[3]++;
  assert_false(ump_addr_equal(&a, &b) || ump_addr_same_ip(&a, &b));
  b = a, b.family = 6;
  assert_false(ump_addr_same_ip(&a, &b));
  a.family = 6, b.scope = 1;
  assert_false(ump_addr_same_ip(&a, &b));
}

static void test_addr_prints_as_rfc_5952_says(void **state) {
  (void)state;
  static const struct {
    struct ump_addr a;
    const char *text, *ip;
  } rows[] = {
      {{4, {127, 0, 0, 1}, 40080, 0}, "127.0.0.1:40080", "127.0.0.1"},
      {{4, {255, 255, 255, 255}, 65535, 0}, "255.255.255.255:65535", "255.255.255.255"},
      {{4, {0}, 0, 0}, "0.0.0.0:0", "0.0.0.0"},
      {{6, {0}, 1, 0}, "[::]:1", "::"},
      {{6, {[15] = 1}, 40080, 0}, "[::1]:40080", "::1"},
      {{6, {0x20, 1, 0x0d, 0xb8}, 1, 0}, "[2001:db8::]:1", "2001:db8::"},
      {{6, {0x20, 1, 0x0d, 0xb8, [15] = 1}, 1, 0}, "[2001:db8::1]:1", "2001:db8::1"},
      /* one group of zeroes is not shortened, the longest run is, and the first of two equal ones */
      {{6, {0, 1, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1}, 1, 0}, "[1:0:1:1:1:1:1:1]:1", "1:0:1:1:1:1:1:1"},
      {{6, {0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1}, 1, 0}, "[1:0:0:1::1]:1", "1:0:0:1::1"},
      {{6, {0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1}, 1, 0}, "[1::1:1:0:0:1]:1", "1::1:1:0:0:1"},
      {{6, {[13] = 1}, 1, 0}, "[::1:0]:1", "::1:0"},
      {{6, {0xfe, 0x80, [15] = 0xab}, 1, 3}, "[fe80::ab%3]:1", "fe80::ab%3"},
      {{0, {0}, 0, 0}, "nobody", "nobody"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char out[UMP_ADDR_TEXT];
    assert_int_equal(ump_addr_print(&rows[i].a, out), strlen(rows[i].text));
    assert_string_equal(out, rows[i].text);
    assert_int_equal(ump_addr_print_ip(&rows[i].a, out), strlen(rows[i].ip));
    assert_string_equal(out, rows[i].ip);
  }
  struct ump_addr longest = {6, {0}, 65535, UINT32_MAX};
  char out[UMP_ADDR_TEXT];
  memset(longest.ip, 0xFF, 16);
  ump_addr_print(&longest, out);
  assert_string_equal(out, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_mem_counts_and_fails_on_demand),
      cmocka_unit_test(test_mem_of_the_c_library),
      cmocka_unit_test(test_blob_lives_until_its_last_owner),
      cmocka_unit_test(test_errors_have_names),
      cmocka_unit_test(test_list_keeps_order_and_lets_go),
      cmocka_unit_test(test_rng_follows_the_published_streams),
      cmocka_unit_test(test_rng_repeats_from_its_seed),
      cmocka_unit_test(test_rng_below_is_even_and_unit_in_range),
      cmocka_unit_test(test_rng_below_has_no_bias),
      cmocka_unit_test(test_uuid_v4_has_its_version_and_122_random_bits),
      cmocka_unit_test(test_uuid_prints_and_parses),
      cmocka_unit_test(test_uuid_parses_nothing_else),
      cmocka_unit_test(test_uuid_v1_tells_its_time),
      cmocka_unit_test(test_hash_gives_the_same_as_others),
      cmocka_unit_test(test_addr_compares),
      cmocka_unit_test(test_addr_prints_as_rfc_5952_says),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
