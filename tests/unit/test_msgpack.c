/* MessagePack to plain data and back: wire/pygase section 4 and the last rows of section 8. */
#include "codec/msgpack.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/rng.h"
#include "testing.h"

static int read_all(struct ump_bytes in, struct ump_writer *out) {
  struct ump_msgpack_reader m = ump_msgpack_reader(in);
  return ump_msgpack_value(&m, out) && !ump_reader_left(&m.r);
}

static void reads(const char *p, size_t n, const struct ump_writer *want) {
  uint8_t bytes[4096];
  struct ump_writer out = ump_writer(bytes, sizeof bytes);
  assert_int_equal(read_all(ump_bytes(p, n), &out), 1);
  assert_int_equal(out.n, want->n);
  assert_memory_equal(out.p, want->p, want->n);
  for (size_t cut = 0; cut < n; cut++) { /* cut anywhere it is nothing; and nothing is read behind the cut */
    uint8_t *copy = malloc(cut ? cut : 1);
    memcpy(copy, p, cut);
    out.n = 0;
    assert_int_equal(read_all(ump_bytes(copy, cut), &out), 0);
    free(copy);
  }
}

static void refuses(const char *p, size_t n) {
  static uint8_t bytes[65536];
  struct ump_writer out = ump_writer(bytes, sizeof bytes);
  assert_int_equal(read_all(ump_bytes(p, n), &out), 0);
}

static void writes(struct ump_writer *plain, const char *want, size_t n) {
  uint8_t bytes[4096];
  struct ump_writer out = ump_writer(bytes, sizeof bytes);
  struct ump_reader r = ump_reader(ump_written(plain));
  assert_int_equal(ump_msgpack_put_plain(&out, &r, ump_bytes("\xd2\x81\xe5\xba", 4)), 0);
  assert_int_equal(out.n, n);
  assert_memory_equal(out.p, want, n);
  plain->n = 0;
}

#define READS(literal)   reads(literal, sizeof(literal) - 1, &w), w.n = 0
#define REFUSES(literal) refuses(literal, sizeof(literal) - 1)
#define WRITES(literal)  writes(&w, literal, sizeof(literal) - 1)
#define PLAIN                                                                                                          \
  uint8_t plain[4096];                                                                                                 \
  struct ump_writer w = ump_writer(plain, sizeof plain)

static void test_msgpack_reads_every_form_of_an_integer(void **state) {
  (void)state;
  PLAIN;
  static const struct {
    const char *p;
    size_t n;
    int64_t v;
  } forms[] = {{"\x00", 1, 0},
               {"\x7f", 1, 127},
               {"\xff", 1, -1},
               {"\xe0", 1, -32},
               {"\xcc\xff", 2, 255},
               {"\xcd\xff\xff", 3, 65535},
               {"\xce\xff\xff\xff\xff", 5, 4294967295},
               {"\xcf\x7f\xff\xff\xff\xff\xff\xff\xff", 9, INT64_MAX},
               {"\xd0\x80", 2, -128},
               {"\xd1\x80\x00", 3, -32768},
               {"\xd2\x80\x00\x00\x00", 5, INT32_MIN},
               {"\xd3\x80\x00\x00\x00\x00\x00\x00\x00", 9, INT64_MIN},
               {"\xd3\x00\x00\x00\x00\x00\x00\x00\x05", 9, 5}};
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
    ump_plain_put_int(&w, forms[i].v);
    reads(forms[i].p, forms[i].n, &w), w.n = 0;
  }
}

/* As Lua reads a numeral that is too large for an integer. */
static void test_msgpack_unsigned_above_the_largest_integer_is_a_float(void **state) {
  (void)state;
  PLAIN;
  ump_plain_put_float(&w, 18446744073709551615.0), READS("\xcf\xff\xff\xff\xff\xff\xff\xff\xff");
  ump_plain_put_float(&w, 9223372036854775808.0), READS("\xcf\x80\x00\x00\x00\x00\x00\x00\x00");
}

static void test_msgpack_reads_floats_of_either_size_and_no_others(void **state) {
  (void)state;
  PLAIN;
  ump_plain_put_float(&w, 1.5), READS("\xca\x3f\xc0\x00\x00");
  ump_plain_put_float(&w, 0.1), READS("\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a");
  REFUSES("\xca\x7f\xc0\x00\x00");
  REFUSES("\xca\xff\x80\x00\x00");
  REFUSES("\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00");
  REFUSES("\xcb\x7f\xf8\x00\x00\x00\x00\x00\x01");
}

static void test_msgpack_reads_strings_and_bins_of_every_length(void **state) {
  (void)state;
  PLAIN;
  ump_plain_put_string(&w, ump_text("")), READS("\xa0");
  ump_plain_put_string(&w, ump_text("\xc3\xa9")), READS("\xa2\xc3\xa9");
  ump_plain_put_string(&w, ump_text("ab")), READS("\xd9\x02"
                                                  "ab");
  ump_plain_put_string(&w, ump_text("ab")), READS("\xda\x00\x02"
                                                  "ab");
  ump_plain_put_string(&w, ump_text("ab")), READS("\xdb\x00\x00\x00\x02"
                                                  "ab");
  ump_plain_put_string(&w, ump_bytes("\xff\x00", 2)), READS("\xc4\x02\xff\x00");
  ump_plain_put_string(&w, ump_text("a")), READS("\xc5\x00\x01"
                                                 "a");
  ump_plain_put_string(&w, ump_text("a")), READS("\xc6\x00\x00\x00\x01"
                                                 "a");
  REFUSES("\xa1\xff");
  REFUSES("\xa3\xed\xa0\x80"); /* a surrogate */
}

static void test_msgpack_reads_containers_of_every_length(void **state) {
  (void)state;
  PLAIN;
  ump_plain_put_tag(&w, UMP_PLAIN_NULL), READS("\xc0");
  ump_plain_put_tag(&w, UMP_PLAIN_FALSE), READS("\xc2");
  ump_plain_put_tag(&w, UMP_PLAIN_TRUE), READS("\xc3");
  static const char *const arrays[] = {"\x92\x01\xc0", "\xdc\x00\x02\x01\xc0", "\xdd\x00\x00\x00\x02\x01\xc0"};
  static const char *const maps[] = {"\x81\x01\xc0", "\xde\x00\x01\x01\xc0", "\xdf\x00\x00\x00\x01\x01\xc0"};
  static const size_t sizes[] = {3, 5, 7};
  for (int i = 0; i < 3; i++) {
    ump_plain_put_array(&w, 2), ump_plain_put_int(&w, 1), ump_plain_put_tag(&w, UMP_PLAIN_NULL);
    reads(arrays[i], sizes[i], &w), w.n = 0;
    ump_plain_put_map(&w, 1), ump_plain_put_int(&w, 1), ump_plain_put_tag(&w, UMP_PLAIN_NULL);
    reads(maps[i], sizes[i], &w), w.n = 0;
  }
}

static void test_msgpack_refuses_ext_and_what_nobody_writes(void **state) {
  (void)state;
  REFUSES("\xc1");
  REFUSES("\xc7\x00\x01");
  REFUSES("\xc8\x00\x00\x01");
  REFUSES("\xc9\x00\x00\x00\x00\x01");
  REFUSES("\xd4\x01\x01");
  REFUSES("\xd5\x01\x01\x01");
  REFUSES("\xd6\xff\x00\x00\x00\x00");
  REFUSES("\xd7\xff\x00\x00\x00\x00\x00\x00\x00\x00");
  REFUSES("\xd8\x01"
          "0123456789abcdef");
  REFUSES("\x01\x01"); /* something behind the value */
  REFUSES("");
}

static void test_msgpack_keys_are_strings_or_integers_and_each_is_there_once(void **state) {
  (void)state;
  PLAIN;
  ump_plain_put_map(&w, 2), ump_plain_put_int(&w, 1), ump_plain_put_int(&w, 2);
  ump_plain_put_string(&w, ump_text("1")), ump_plain_put_int(&w, 3);
  READS("\x82\x01\x02\xa1"
        "1\x03");
  REFUSES("\x82\x01\x02\x01\x03");
  REFUSES("\x82\x01\x02\xd0\x01\x03"); /* the same number, otherwise written */
  REFUSES("\x82\xa1"
          "a\x01\xd9\x01"
          "a\x01");
  REFUSES("\x82\xa1"
          "a\x01\xc4\x01"
          "a\x01"); /* a str and a bin: to rules the same string */
  REFUSES("\x91\x82\x01\x02\x01\x03");
  REFUSES("\x81\xc0\x01");
  REFUSES("\x81\xc3\x01");
  REFUSES("\x81\xca\x3f\xc0\x00\x00\x01");
  REFUSES("\x81\x90\x01");
}

/* Among many keys, too, wherever they are. */
static void test_msgpack_finds_two_equal_keys_among_many(void **state) {
  (void)state;
  static uint8_t bytes[65536], out[65536];
  struct ump_rng_seeded seeded;
  ump_rng_seed(&seeded, 5);
  struct ump_rng rng = ump_rng_of(&seeded);
  for (int n = 2; n < 1500; n += 1 + n / 7) {
    for (int twice = 0; twice < 2; twice++) {
      struct ump_writer w = ump_writer(bytes, sizeof bytes);
      int a = (int)ump_rng_below(&rng, (uint64_t)n), b = (int)ump_rng_below(&rng, (uint64_t)n);
      ump_msgpack_put_map(&w, (uint32_t)n);
      for (int i = 0; i < n; i++) {
        int key = (twice && i == a && a != b ? b : i) * 7919 % 100003;
        ump_msgpack_put_int(&w, key), ump_msgpack_put_nil(&w);
      }
      struct ump_writer o = ump_writer(out, sizeof out);
      assert_int_equal(read_all(ump_written(&w), &o), !(twice && a != b));
    }
  }
}

static void test_msgpack_never_believes_a_count(void **state) {
  (void)state;
  REFUSES("\xdd\xff\xff\xff\xff");
  REFUSES("\xdf\xff\xff\xff\xff\x01\x01");
  REFUSES("\xdf\x80\x00\x00\x00");
  REFUSES("\xdb\xff\xff\xff\xff"
          "abc");
  REFUSES("\xc6\xff\xff\xff\xff");
  REFUSES("\x92\x01");
  REFUSES("\x81\x01");
}

static void test_msgpack_is_32_deep_at_most_and_4096_values_long(void **state) {
  (void)state;
  static char bytes[8192];
  static uint8_t out[65536];
  struct ump_writer o = ump_writer(out, sizeof out);
  memset(bytes, 0x91, 40);
  bytes[32] = (char)0xc0;
  assert_int_equal(read_all(ump_bytes(bytes, 33), &o), 1);
  bytes[32] = (char)0x91, bytes[33] = (char)0xc0;
  refuses(bytes, 34);
  memset(bytes, 0xc0, sizeof bytes);
  bytes[0] = (char)0xdc, bytes[1] = 4095 >> 8, bytes[2] = (char)(4095 & 255);
  o.n = 0;
  assert_int_equal(read_all(ump_bytes(bytes, 3 + 4095), &o), 1);
  bytes[1] = 4096 >> 8, bytes[2] = 0;
  refuses(bytes, 3 + 4096);
}

static void test_msgpack_stops_when_there_is_no_room(void **state) {
  (void)state;
  uint8_t out[16];
  struct ump_writer o = ump_writer(out, sizeof out);
  assert_int_equal(read_all(ump_bytes("\x93\x01\x02\x03", 4), &o), 0);
  assert_true(o.full);
}

static void test_msgpack_writes_the_shortest_integers(void **state) {
  (void)state;
  PLAIN;
  ump_plain_put_int(&w, 0), WRITES("\x00");
  ump_plain_put_int(&w, 127), WRITES("\x7f");
  ump_plain_put_int(&w, 128), WRITES("\xcc\x80");
  ump_plain_put_int(&w, 256), WRITES("\xcd\x01\x00");
  ump_plain_put_int(&w, 65536), WRITES("\xce\x00\x01\x00\x00");
  ump_plain_put_int(&w, 4294967296), WRITES("\xcf\x00\x00\x00\x01\x00\x00\x00\x00");
  ump_plain_put_int(&w, -1), WRITES("\xff");
  ump_plain_put_int(&w, -33), WRITES("\xd0\xdf");
  ump_plain_put_int(&w, -129), WRITES("\xd1\xff\x7f");
  ump_plain_put_int(&w, -32769), WRITES("\xd2\xff\xff\x7f\xff");
  ump_plain_put_int(&w, INT64_MIN), WRITES("\xd3\x80\x00\x00\x00\x00\x00\x00\x00");
}

static void test_msgpack_writes_floats_in_single_precision(void **state) {
  (void)state;
  PLAIN;
  ump_plain_put_float(&w, 0.1), WRITES("\xca\x3d\xcc\xcc\xcd");
  ump_plain_put_float(&w, (double)FLT_MAX), WRITES("\xca\x7f\x7f\xff\xff");
  ump_plain_put_float(&w, 1e300), WRITES("\xcb\x7e\x37\xe4\x3c\x88\x00\x75\x9c"); /* would be infinite */
}

static void test_msgpack_writes_text_as_str_and_anything_else_as_bin(void **state) {
  (void)state;
  PLAIN;
  ump_plain_put_string(&w, ump_text("\xc3\xa9")), WRITES("\xa2\xc3\xa9");
  ump_plain_put_string(&w, ump_text("0123456789abcdef0123456789abcdef")), WRITES("\xd9\x20"
                                                                                 "0123456789abcdef0123456789abcdef");
  ump_plain_put_string(&w, ump_text("\xff")), WRITES("\xc4\x01\xff");
}

static void test_msgpack_writes_tables(void **state) {
  (void)state;
  PLAIN;
  ump_plain_put_array(&w, 1), ump_plain_put_tag(&w, UMP_PLAIN_NULL), WRITES("\x91\xc0");
  ump_plain_put_tuple(&w, 1), ump_plain_put_tag(&w, UMP_PLAIN_TRUE), WRITES("\x91\xc3");
  ump_plain_put_map(&w, 1), ump_plain_put_string(&w, ump_text("a")), ump_plain_put_tag(&w, UMP_PLAIN_DELETE);
  WRITES("\x81\xa1"
         "a\xc4\x04\xd2\x81\xe5\xba");
  ump_plain_put_mixed(&w, 2), ump_plain_put_int(&w, 7), ump_plain_put_int(&w, 8);
  ump_plain_put_map(&w, 1), ump_plain_put_string(&w, ump_text("k")), ump_plain_put_int(&w, 9);
  WRITES("\x83\x01\x07\x02\x08\xa1k\x09"); /* as Lua has it: keys 1 and 2 */
}

static void test_msgpack_tells_broken_plain_data_from_want_of_room(void **state) {
  (void)state;
  PLAIN;
  uint8_t out[4];
  struct ump_writer o = ump_writer(out, sizeof out);
  ump_plain_put_string(&w, ump_text("longer than that"));
  struct ump_reader r = ump_reader(ump_written(&w));
  assert_int_equal(ump_msgpack_put_plain(&o, &r, ump_bytes(NULL, 0)), UMP_ETOOBIG);
  o = ump_writer(out, sizeof out), r = ump_reader(ump_bytes("\xee", 1));
  assert_int_equal(ump_msgpack_put_plain(&o, &r, ump_bytes(NULL, 0)), UMP_EMALFORMED);
  w.n = 0;
  for (int i = 0; i <= UMP_MSGPACK_WRITE_DEPTH; i++) ump_plain_put_array(&w, 1);
  ump_plain_put_tag(&w, UMP_PLAIN_NULL);
  static uint8_t large[512];
  o = ump_writer(large, sizeof large), r = ump_reader(ump_written(&w));
  assert_int_equal(ump_msgpack_put_plain(&o, &r, ump_bytes(NULL, 0)), UMP_EMALFORMED);
}

/* Written and read again, plain data is what it was, but for floats. */
static void put_random(struct ump_writer *w, const struct ump_rng *rng, int depth) {
  uint64_t n = ump_rng_below(rng, 5);
  switch (ump_rng_below(rng, depth ? 7 : 5)) {
  case 0:
    ump_plain_put_tag(w, UMP_PLAIN_NULL);
    break;
  case 1:
    ump_plain_put_tag(w, UMP_PLAIN_TRUE);
    break;
  case 2:
    ump_plain_put_int(w, (int64_t)(ump_rng_u64(rng) >> ump_rng_below(rng, 64)));
    break;
  case 3:
    ump_plain_put_float(w, (double)(float)ump_rng_unit(rng));
    break;
  case 4:
    ump_plain_put_string(w, ump_bytes("abc\xff\xff", n));
    break;
  case 5:
    ump_plain_put_array(w, (uint32_t)n);
    while (n--) put_random(w, rng, depth - 1);
    break;
  default:
    ump_plain_put_map(w, (uint32_t)n);
    for (uint64_t i = 0; i < n; i++) {
      if (i & 1)
        ump_plain_put_int(w, (int64_t)i);
      else
        ump_plain_put_string(w, ump_bytes("wxyz", i));
      put_random(w, rng, depth - 1);
    }
  }
}

static void test_msgpack_round_trip(void **state) {
  (void)state;
  static uint8_t plain[1 << 17], packed[1 << 17], again[1 << 17];
  struct ump_rng_seeded seeded;
  ump_rng_seed(&seeded, 11);
  struct ump_rng rng = ump_rng_of(&seeded);
  for (int i = 0; i < 5000; i++) {
    struct ump_writer w = ump_writer(plain, sizeof plain), p = ump_writer(packed, sizeof packed),
                      a = ump_writer(again, sizeof again);
    put_random(&w, &rng, 5);
    assert_false(w.full);
    struct ump_reader r = ump_reader(ump_written(&w));
    assert_int_equal(ump_msgpack_put_plain(&p, &r, ump_bytes(NULL, 0)), 0);
    assert_int_equal(read_all(ump_written(&p), &a), 1);
    assert_int_equal(a.n, w.n);
    assert_memory_equal(a.p, w.p, w.n);
    assert_true(a.n <= UMP_MSGPACK_GROWTH * p.n);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_msgpack_reads_every_form_of_an_integer),
      cmocka_unit_test(test_msgpack_unsigned_above_the_largest_integer_is_a_float),
      cmocka_unit_test(test_msgpack_reads_floats_of_either_size_and_no_others),
      cmocka_unit_test(test_msgpack_reads_strings_and_bins_of_every_length),
      cmocka_unit_test(test_msgpack_reads_containers_of_every_length),
      cmocka_unit_test(test_msgpack_refuses_ext_and_what_nobody_writes),
      cmocka_unit_test(test_msgpack_keys_are_strings_or_integers_and_each_is_there_once),
      cmocka_unit_test(test_msgpack_finds_two_equal_keys_among_many),
      cmocka_unit_test(test_msgpack_never_believes_a_count),
      cmocka_unit_test(test_msgpack_is_32_deep_at_most_and_4096_values_long),
      cmocka_unit_test(test_msgpack_stops_when_there_is_no_room),
      cmocka_unit_test(test_msgpack_writes_the_shortest_integers),
      cmocka_unit_test(test_msgpack_writes_floats_in_single_precision),
      cmocka_unit_test(test_msgpack_writes_text_as_str_and_anything_else_as_bin),
      cmocka_unit_test(test_msgpack_writes_tables),
      cmocka_unit_test(test_msgpack_tells_broken_plain_data_from_want_of_room),
      cmocka_unit_test(test_msgpack_round_trip),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
