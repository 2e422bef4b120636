/* Readers and writers cannot leave their slice and remember the first failure; UTF-8 is what RFC 3629 says. */
#include <stdlib.h>
#include <string.h>

#include "testing.h"

#include "base/bytes.h"

static void test_reader_reads_both_orders(void **state) {
  (void)state;
  static const uint8_t in[] = {1, 1, 2, 1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 8};
  struct ump_reader big = ump_reader(ump_bytes(in, sizeof in)), little = big;
  assert_int_equal(ump_read_u8(&big), 1);
  assert_int_equal(ump_read_u16be(&big), 0x0102);
  assert_int_equal(ump_read_u32be(&big), 0x01020304);
  assert_true(ump_read_u64be(&big) == 0x0102030405060708u);
  assert_int_equal(ump_read_u8(&little), 1);
  assert_int_equal(ump_read_u16le(&little), 0x0201);
  assert_int_equal(ump_read_u32le(&little), 0x04030201);
  assert_true(ump_read_u64le(&little) == 0x0807060504030201u);
  assert_false(big.bad || little.bad);
  assert_int_equal(ump_reader_left(&big) + ump_reader_left(&little), 0);
}

static void test_reader_failure_sticks(void **state) {
  (void)state;
  uint8_t *in = malloc(3); /* on the heap, so that the sanitizer guards its end */
  memset(in, 0xFF, 3);
  struct ump_reader r = ump_reader(ump_bytes(in, 3));
  assert_int_equal(ump_read_u32be(&r), 0);
  assert_true(r.bad);
  assert_int_equal(ump_read_u8(&r), 0); /* although there was a byte */
  assert_int_equal(ump_read_bytes(&r, 1).n, 0);
  assert_int_equal(ump_reader_left(&r), 0);
  r = ump_reader(ump_bytes(in, 3));
  struct ump_bytes all = ump_read_bytes(&r, 3);
  assert_ptr_equal(all.p, in);
  assert_int_equal(ump_read_bytes(&r, 0).n, 0);
  assert_false(r.bad);
  assert_int_equal(ump_read_bytes(&r, SIZE_MAX).n, 0);
  assert_true(r.bad);
  free(in);
}

static void test_reader_of_nothing(void **state) {
  (void)state;
  struct ump_reader r = ump_reader(ump_bytes(NULL, 0));
  assert_int_equal(ump_read_bytes(&r, 0).n, 0);
  assert_false(r.bad);
  assert_int_equal(ump_read_u8(&r), 0);
  assert_true(r.bad);
}

static void test_writer_writes_both_orders(void **state) {
  (void)state;
  static const uint8_t wanted[] = {1, 1, 2, 1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7,   8,   2,
                                   1, 4, 3, 2, 1, 8, 7, 6, 5, 4, 3, 2, 1, 'h', 'i', 'a'};
  uint8_t out[sizeof wanted];
  struct ump_writer w = ump_writer(out, sizeof out);
  ump_write_u8(&w, 1);
  ump_write_u16be(&w, 0x0102);
  ump_write_u32be(&w, 0x01020304);
  ump_write_u64be(&w, 0x0102030405060708u);
  ump_write_u16le(&w, 0x0102);
  ump_write_u32le(&w, 0x01020304);
  ump_write_u64le(&w, 0x0102030405060708u);
  ump_write_text(&w, "hi");
  ump_write_bytes(&w, ump_bytes("abc", 1));
  ump_write_bytes(&w, ump_bytes(NULL, 0));
  assert_false(w.full);
  assert_true(ump_bytes_equal(ump_written(&w), ump_bytes(wanted, sizeof wanted)));
  ump_write_u8(&w, 0);
  assert_true(w.full);
  assert_int_equal(w.n, w.cap);
}

static void test_writer_keeps_a_clean_beginning(void **state) {
  (void)state;
  uint8_t *out = malloc(5);
  struct ump_writer w = ump_writer(out, 5);
  ump_write_text(&w, "abc");
  ump_write_text(&w, "def"); /* does not fit: none of it is written */
  ump_write_text(&w, "g");   /* would fit, but something before it is missing */
  assert_true(w.full);
  assert_true(ump_bytes_equal(ump_written(&w), ump_text("abc")));
  free(out);
  w = ump_writer(NULL, 0);
  ump_write_u8(&w, 1);
  assert_true(w.full && w.n == 0);
}

static void test_writer_writes_decimals(void **state) {
  (void)state;
  static const struct {
    int64_t v;
    const char *text;
  } rows[] = {{0, "0"},
              {7, "7"},
              {-7, "-7"},
              {10, "10"},
              {1234567890, "1234567890"},
              {INT64_MAX, "9223372036854775807"},
              {INT64_MIN, "-9223372036854775808"}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char out[20];
    struct ump_writer w = ump_writer(out, sizeof out);
    ump_write_decimal(&w, rows[i].v);
    assert_false(w.full);
    assert_true(ump_bytes_equal(ump_written(&w), ump_text(rows[i].text)));
    w = ump_writer(out, strlen(rows[i].text) - 1);
    ump_write_decimal(&w, rows[i].v);
    assert_true(w.full && w.n == 0);
  }
}

/* All code points by RFC 3629, encoded by rule; NULL bytes and ASCII around them so that every offset of a word occurs.
 */
static size_t encode(uint32_t c, uint8_t *out) {
  if (c < 0x80) return out[0] = (uint8_t)c, 1;
  if (c < 0x800) return out[0] = (uint8_t)(0xC0 | c >> 6), out[1] = (uint8_t)(0x80 | (c & 63)), 2;
  if (c < 0x10000) {
    out[0] = (uint8_t)(0xE0 | c >> 12), out[1] = (uint8_t)(0x80 | (c >> 6 & 63)), out[2] = (uint8_t)(0x80 | (c & 63));
    return 3;
  }
  out[0] = (uint8_t)(0xF0 | c >> 18), out[1] = (uint8_t)(0x80 | (c >> 12 & 63));
  out[2] = (uint8_t)(0x80 | (c >> 6 & 63)), out[3] = (uint8_t)(0x80 | (c & 63));
  return 4;
}

static void test_utf8_takes_every_code_point_but_surrogates(void **state) {
  (void)state;
  for (uint32_t c = 0; c < 0x120000; c++) {
    uint8_t text[16] = "abcdefghijklmno";
    size_t n = encode(c, text + c % 9);
    bool valid = c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
    if (ump_utf8_valid(ump_bytes(text, sizeof text)) != valid) fail_msg("U+%04X", (unsigned)c);
    if (c >= 0x80) assert_int_equal(ump_utf8_sequence(text + c % 9, n), valid ? n : 0);
  }
}

/* All pairs of bytes, and all third bytes after those pairs that could go on: against the rule written another way. */
static void test_utf8_refuses_the_rest(void **state) {
  (void)state;
  assert_true(ump_utf8_valid(ump_bytes(NULL, 0)));
  for (unsigned a = 0; a < 256; a++) {
    for (unsigned b = 0; b < 256; b++) {
      uint8_t text[4] = {(uint8_t)a, (uint8_t)b, 0x80, 0x80};
      bool two = (a < 0x80 && b < 0x80) || (a >= 0xC2 && a < 0xE0 && b >> 6 == 2);
      assert_int_equal(ump_utf8_valid(ump_bytes(text, 2)), two);
      uint32_t c3 = (a & 15u) << 12 | (b & 63u) << 6, c4 = (a & 7u) << 18 | (b & 63u) << 12;
      bool three = a >> 4 == 14 && b >> 6 == 2 && c3 >= 0x800 && (c3 < 0xD800 || c3 > 0xDFFF);
      bool four = a >> 3 == 30 && b >> 6 == 2 && c4 >= 0x10000 && c4 <= 0x10FFFF;
      assert_int_equal(ump_utf8_sequence(text, 3) == 3, three);
      assert_int_equal(ump_utf8_sequence(text, 4) == 4, four);
      text[2] = 'x';
      if (three || four) assert_int_equal(ump_utf8_sequence(text, 4), 0);
    }
    uint8_t *alone = malloc(1); /* a lead byte at the end: nothing behind it is read */
    *alone = (uint8_t)a;
    assert_int_equal(ump_utf8_valid(ump_bytes(alone, 1)), a < 0x80);
    free(alone);
  }
}

static void test_utf8_sees_every_byte_of_a_word(void **state) {
  (void)state;
  for (size_t at = 0; at < 23; at++) {
    char text[] = "abcdefghijklmnopqrstuvw";
    assert_true(ump_utf8_valid(ump_text(text)));
    text[at] = (char)0x80;
    assert_false(ump_utf8_valid(ump_text(text)));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_reader_reads_both_orders),
      cmocka_unit_test(test_reader_failure_sticks),
      cmocka_unit_test(test_reader_of_nothing),
      cmocka_unit_test(test_writer_writes_both_orders),
      cmocka_unit_test(test_writer_keeps_a_clean_beginning),
      cmocka_unit_test(test_writer_writes_decimals),
      cmocka_unit_test(test_utf8_takes_every_code_point_but_surrogates),
      cmocka_unit_test(test_utf8_refuses_the_rest),
      cmocka_unit_test(test_utf8_sees_every_byte_of_a_word),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
