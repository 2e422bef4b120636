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

/* SipHash-2-4 of 00 01 02 ... with the key 00 01 ... 0f, for lengths 0 to 63: the authors' vectors */
static const uint64_t sip64[64] = {
    0x726fdb47dd0e0e31u, 0x74f839c593dc67fdu, 0x0d6c8009d9a94f5au, 0x85676696d7fb7e2du, 0xcf2794e0277187b7u,
    0x18765564cd99a68du, 0xcbc9466e58fee3ceu, 0xab0200f58b01d137u, 0x93f5f5799a932462u, 0x9e0082df0ba9e4b0u,
    0x7a5dbbc594ddb9f3u, 0xf4b32f46226bada7u, 0x751e8fbc860ee5fbu, 0x14ea5627c0843d90u, 0xf723ca908e7af2eeu,
    0xa129ca6149be45e5u, 0x3f2acc7f57c29bdbu, 0x699ae9f52cbe4794u, 0x4bc1b3f0968dd39cu, 0xbb6dc91da77961bdu,
    0xbed65cf21aa2ee98u, 0xd0f2cbb02e3b67c7u, 0x93536795e3a33e88u, 0xa80c038ccd5ccec8u, 0xb8ad50c6f649af94u,
    0xbce192de8a85b8eau, 0x17d835b85bbb15f3u, 0x2f2e6163076bcfadu, 0xde4daaaca71dc9a5u, 0xa6a2506687956571u,
    0xad87a3535c49ef28u, 0x32d892fad841c342u, 0x7127512f72f27cceu, 0xa7f32346f95978e3u, 0x12e0b01abb051238u,
    0x15e034d40fa197aeu, 0x314dffbe0815a3b4u, 0x027990f029623981u, 0xcadcd4e59ef40c4du, 0x9abfd8766a33735cu,
    0x0e3ea96b5304a7d0u, 0xad0c42d6fc585992u, 0x187306c89bc215a9u, 0xd4a60abcf3792b95u, 0xf935451de4f21df2u,
    0xa9538f0419755787u, 0xdb9acddff56ca510u, 0xd06c98cd5c0975ebu, 0xe612a3cb9ecba951u, 0xc766e62cfcadaf96u,
    0xee64435a9752fe72u, 0xa192d576b245165au, 0x0a8787bf8ecb74b2u, 0x81b3e73d20b49b6fu, 0x7fa8220ba3b2eceau,
    0x245731c13ca42499u, 0xb78dbfaf3a8d83bdu, 0xea1ad565322a1a0bu, 0x60e61c23a3795013u, 0x6606d7e446282b93u,
    0x6ca4ecb15c5f91e1u, 0x9f626da15c9625f3u, 0xe51b38608ef25f57u, 0x958a324ceb064572u,
};
static const struct {
  size_t n;
  struct ump_hash128 h;
} sip128[] = {
    {0, {0xe6a825ba047f81a3u, 0x930255c71472f66du}},  {1, {0x44af996bd8c187dau, 0x45fc229b11597634u}},
    {7, {0x53c1dbd8beebf1a1u, 0x3982f01fa64ab8c0u}},  {8, {0x61f55862baa9623bu, 0xb49714f364e2830fu}},
    {15, {0x11a8b03399e99354u, 0xd9c3cf970fec087eu}}, {16, {0xbb54b067caa4e26eu, 0x77052385bf1533fdu}},
    {63, {0x4a83502f77d15051u, 0x7cbd3f979a063e50u}},
};

static void test_hash_gives_the_published_vectors(void **state) {
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
  for (size_t i = 0; i < sizeof sip128 / sizeof *sip128; i++) {
    struct ump_hash128 h = ump_hash128(&key, ump_bytes(in, sip128[i].n));
    assert_true(h.lo == sip128[i].h.lo && h.hi == sip128[i].h.hi);
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
      cmocka_unit_test(test_hash_gives_the_published_vectors),
      cmocka_unit_test(test_addr_compares),
      cmocka_unit_test(test_addr_prints_as_rfc_5952_says),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
