/* Sizes and remote procedures of the joint protocol, as wire/joint writes them. */
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/joint.h"

/* ---- sizes ---- */

static void test_joint_frame_sizes_are_short_up_to_127_and_long_above(void **state) {
  (void)state;
  for (size_t n = 0; n <= UMP_JOINT_SIZE_MAX; n++) {
    uint8_t out[2];
    size_t got = 0, len = ump_joint_size_put(out, n);
    assert_int_equal(len, n >= 1 && n < 128 ? 1 : 2); /* 0 has no short form: 00 is a command */
    assert_int_equal(ump_joint_size_get(ump_bytes(out, len), &got), len);
    assert_int_equal(got, n);
    if (len == 2) assert_int_equal(ump_joint_size_get(ump_bytes(out, 1), &got), 0);
  }
  size_t n = 0;
  assert_int_equal(ump_joint_size_get(ump_bytes("\x80\x05", 2), &n), 2); /* the long form of a small number */
  assert_int_equal(n, 5);
  assert_int_equal(ump_joint_size_get(ump_bytes(NULL, 0), &n), 0);
}

static void chunk_size(size_t n, unsigned m, const char *bytes, size_t len) {
  uint8_t out[UMP_JOINT_CHUNK_HEAD];
  size_t got = 0;
  bool padded = true;
  assert_int_equal(ump_joint_chunk_put(out, n, m), len);
  assert_memory_equal(out, bytes, len);
  for (size_t i = 0; i < len; i++) assert_int_equal(ump_joint_chunk_get(ump_bytes(bytes, i), m, &got, &padded), 0);
  assert_int_equal(ump_joint_chunk_get(ump_bytes(bytes, len), m, &got, &padded), len);
  assert_int_equal(got, n);
  assert_false(padded);
}

static void test_joint_chunk_sizes_are_stored_minus_one(void **state) {
  (void)state;
  chunk_size(1, 2, "\x00", 1); /* the examples of the wire page */
  chunk_size(128, 2, "\x7f", 1);
  chunk_size(129, 2, "\x80\x01", 2);
  chunk_size(300, 2, "\xab\x02", 2);
  chunk_size(32768, 2, "\xff\xff", 2);
  chunk_size(33000, 3, "\xe7\x81\x02", 3);
  chunk_size(256, 1, "\xff", 1);
  chunk_size((size_t)1 << 29, 4, "\xff\xff\xff\xff", 4);
}

static void test_joint_chunk_sizes_round_trip_at_every_border(void **state) {
  (void)state;
  static const size_t most[] = {256, 32768, 4194304, 536870912};
  for (unsigned m = 1; m <= 5; m++)
    for (unsigned bit = 0; bit < 36; bit++)
      for (int d = -1; d <= 1; d++) {
        size_t n = ((size_t)1 << bit) + (size_t)d, got;
        bool padded;
        if (n < 1 || n > (m <= 4 ? most[m - 1] : (size_t)1 << 36)) continue;
        uint8_t out[UMP_JOINT_CHUNK_HEAD];
        size_t len = ump_joint_chunk_put(out, n, m);
        assert_int_equal(ump_joint_chunk_get(ump_bytes(out, len), m, &got, &padded), len);
        assert_int_equal(got, n);
        assert_false(padded);
      }
}

static void test_joint_chunk_width_follows_from_the_largest_chunk(void **state) {
  (void)state;
  assert_int_equal(ump_joint_chunk_width(1), 1);
  assert_int_equal(ump_joint_chunk_width(256), 1);
  assert_int_equal(ump_joint_chunk_width(257), 2);
  assert_int_equal(ump_joint_chunk_width(32768), 2);
  assert_int_equal(ump_joint_chunk_width(32769), 3);
  assert_int_equal(ump_joint_chunk_width(4194304), 3);
  assert_int_equal(ump_joint_chunk_width(4194305), 4);
  assert_int_equal(ump_joint_chunk_width(536870912), 4);
  assert_int_equal(ump_joint_chunk_width(536870913), 5);
}

static void test_joint_chunk_size_with_a_zero_behind_is_told_apart(void **state) {
  (void)state;
  size_t n;
  bool padded;
  assert_int_equal(ump_joint_chunk_get(ump_bytes("\x85\x00", 2), 2, &n, &padded), 2);
  assert_int_equal(n, 6);
  assert_true(padded);
}

/* ---- types ---- */

static struct ump_bytes parse(const char *text, uint8_t *buf, size_t cap) {
  struct ump_writer w = ump_writer(buf, cap);
  const char *why;
  int err = ump_joint_type_parse(ump_text(text), &w, &why);
  if (err) fail_msg("%s: %s", text, why);
  assert_null(why);
  assert_int_equal(ump_joint_type_length(ump_written(&w)), w.n);
  return ump_written(&w);
}

static void refuses(const char *text, const char *because) {
  uint8_t buf[64];
  struct ump_writer w = ump_writer(buf, sizeof buf);
  const char *why;
  assert_int_equal(ump_joint_type_parse(ump_text(text), &w, &why), UMP_EMALFORMED);
  assert_string_equal(why, because);
  assert_int_equal(w.n, 0);
}

static void test_joint_types_are_written_as_in_a_declaration(void **state) {
  (void)state;
  uint8_t buf[64];
  struct ump_bytes t = parse("Map<Int, Map<String, Array<Int>>>", buf, sizeof buf);
  static const uint8_t nested[] = {UMP_JOINT_MAP,    UMP_JOINT_INT32, UMP_JOINT_MAP,
                                   UMP_JOINT_STRING, UMP_JOINT_ARRAY, UMP_JOINT_INT32};
  assert_true(ump_bytes_equal(t, ump_bytes(nested, sizeof nested)));
  static const uint8_t int_map[] = {UMP_JOINT_MAP, UMP_JOINT_INT32, UMP_JOINT_DOUBLE};
  assert_true(ump_bytes_equal(parse("IntMap<Double>", buf, sizeof buf), ump_bytes(int_map, 3)));
  static const uint8_t string_map[] = {UMP_JOINT_MAP, UMP_JOINT_STRING, UMP_JOINT_ARRAY, UMP_JOINT_BYTES};
  assert_true(ump_bytes_equal(parse(" StringMap < List<Bytes> > ", buf, sizeof buf), ump_bytes(string_map, 4)));
  static const char *const plain[] = {"Bool", "Byte", "UInt16", "Int16", "Int32", "Float", "Double", "String", "Bytes"};
  for (uint8_t i = 0; i < 9; i++) assert_int_equal(parse(plain[i], buf, sizeof buf).p[0], i);
  parse("Array<Array<Array<Array<Array<Array<Array<Array<Array<Array<Array<Array<Array<Array<Array<Int>>>>>>>>>>>>>>>",
        buf, 64);
}

static void test_joint_types_that_are_none_are_refused_with_a_reason(void **state) {
  (void)state;
  refuses("", "no such type");
  refuses("int32", "no such type");
  refuses("Array", "a list or map names what it holds, as in Array<Int32>");
  refuses("Array<>", "no such type");
  refuses("Array<Int32", "'>' is missing");
  refuses("Int32 Int32", "something follows the type");
  refuses("Map<Int32>", "a map has the types of its keys and its values, as in Map<String, Int32>");
  refuses("Map<Float, Int32>", "a map's keys are whole numbers or String");
  refuses("Map<Array<Int>, Int32>", "a map's keys are whole numbers or String");
  refuses("Array<Array<Array<Array<Array<Array<Array<Array<Array<Array<Array<Array<Array<Array<Array<Array<Int>>>>>>>>>"
          ">>>>>>>",
          "more than 15 types in one another");
}

/* ---- calls ---- */

struct call {
  uint8_t types[256], plain[4096], wire[4096];
  struct ump_writer t, p, w;
};

static void begin(struct call *c, const char *const *types) {
  const char *why;
  c->t = ump_writer(c->types, sizeof c->types);
  c->p = ump_writer(c->plain, sizeof c->plain);
  c->w = ump_writer(c->wire, sizeof c->wire);
  for (; *types; types++) assert_int_equal(ump_joint_type_parse(ump_text(*types), &c->t, &why), 0);
}
#define TYPES(...) ((const char *const[]){__VA_ARGS__, NULL})

static int read_call(struct call *c, const void *in, size_t n) {
  c->p.n = 0, c->p.full = false;
  return ump_joint_call_read(ump_written(&c->t), ump_bytes(in, n), &c->p);
}

static int write_call(struct call *c, struct ump_joint_fault *fault) {
  c->w.n = 0, c->w.full = false;
  return ump_joint_call_write(ump_written(&c->t), ump_written(&c->p), &c->w, fault);
}

static void round_trip(const char *const *types, const void *wire, size_t n) {
  struct call c;
  struct ump_joint_fault fault;
  begin(&c, types);
  assert_int_equal(read_call(&c, wire, n), 0);
  assert_int_equal(write_call(&c, &fault), 0);
  assert_int_equal(c.w.n, n);
  assert_memory_equal(c.wire, wire, n);
  for (size_t cut = 0; cut < n; cut++) assert_int_equal(read_call(&c, wire, cut), UMP_EMALFORMED);
  uint8_t more[300];
  memcpy(more, wire, n);
  more[n] = 0;
  assert_int_equal(read_call(&c, more, n + 1), UMP_EMALFORMED); /* "flooded" */
}

static void test_joint_call_every_type_there_and_back(void **state) {
  (void)state;
  round_trip(TYPES("Bool"), "\x01", 1);
  round_trip(TYPES("Byte"), "\xff", 1);
  round_trip(TYPES("UInt16"), "\xff\xff", 2);
  round_trip(TYPES("Int16"), "\x00\x80", 2);
  round_trip(TYPES("Int32"), "\x00\x00\x00\x80", 4);
  round_trip(TYPES("Int", "Int32"), "\xff\xff\xff\xff\x07\x00\x00\x00", 8);
  round_trip(TYPES("Float"), "\x00\x00\x80\x3f", 4);
  round_trip(TYPES("Double"), "\x18\x2d\x44\x54\xfb\x21\x09\x40", 8);
  round_trip(TYPES("String"), "\x02hi", 3);
  round_trip(TYPES("Serialized"), "\x04y2:a", 5);
  round_trip(TYPES("Bytes"), "\x02\xff\x00", 3);
  round_trip(TYPES("Array<Int>"), "\x02\x01\x00\x00\x00\x02\x00\x00\x00", 9);
  round_trip(TYPES("List<String>"), "\x01\x01x", 3);
  round_trip(TYPES("Vector<Byte>"), "\x00", 1);
  round_trip(TYPES("Map<String, Int16>"), "\x01\x01k\x05\x00", 5);
  round_trip(TYPES("IntMap<Bool>", "Byte"), "\x01\x05\x00\x00\x00\x01\x09", 7);
  round_trip(TYPES("Map<Int, Map<String, Array<Int>>>"), "\x01\x07\x00\x00\x00\x01\x01k\x01\x03\x00\x00\x00", 13);
}

static void test_joint_call_without_parameters_is_empty(void **state) {
  (void)state;
  struct call c;
  struct ump_joint_fault fault;
  begin(&c, TYPES(NULL));
  assert_int_equal(read_call(&c, "", 0), 0);
  assert_int_equal(read_call(&c, "\x00", 1), UMP_EMALFORMED);
  c.p.n = 0;
  assert_int_equal(write_call(&c, &fault), 0); /* no data at all */
  assert_int_equal(c.w.n, 0);
}

static void test_joint_string_sizes_are_not_minus_one_and_have_four_bytes_at_most(void **state) {
  (void)state;
  struct call c;
  struct ump_joint_fault fault;
  static const struct {
    size_t n;
    const char *head;
    size_t len;
  } sizes[] = {{0, "\x00", 1},         {127, "\x7f", 1},           {128, "\x80\x01", 2},
               {16383, "\xff\x7f", 2}, {16384, "\x80\x80\x01", 3}, {2097152, "\x80\x80\x80\x01", 4}};
  size_t most = 2097152;
  uint8_t *text = malloc(most + 16), *out = malloc(most + 16), *plain = malloc(most + 32);
  memset(text, 'a', most);
  begin(&c, TYPES("String"));
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    struct ump_writer p = ump_writer(plain, most + 32), w = ump_writer(out, most + 16);
    ump_plain_put_string(&p, ump_bytes(text, sizes[i].n));
    assert_int_equal(ump_joint_call_write(ump_written(&c.t), ump_written(&p), &w, &fault), 0);
    assert_int_equal(w.n, sizes[i].len + sizes[i].n);
    assert_memory_equal(out, sizes[i].head, sizes[i].len);
    p.n = 0;
    assert_int_equal(ump_joint_call_read(ump_written(&c.t), ump_written(&w), &p), 0);
    struct ump_reader r = ump_reader(ump_written(&p));
    struct ump_plain v;
    ump_plain_get(&r, &v), ump_plain_get(&r, &v);
    assert_int_equal(v.s.n, sizes[i].n);
  }
  free(text), free(out), free(plain);
  assert_int_equal(read_call(&c, "\x80\x00", 2), UMP_EMALFORMED); /* a last byte 0 behind others */
  assert_int_equal(read_call(&c,
                             "\x85\x00"
                             "aaaaa",
                             7),
                   UMP_EMALFORMED);
}

static void test_joint_call_counts_reserve_nothing(void **state) {
  (void)state;
  struct call c;
  begin(&c, TYPES("Array<Byte>"));
  assert_int_equal(read_call(&c, "\xff\xff\xff\xff", 4), UMP_EMALFORMED);
  assert_true(c.p.n <= 16);
  begin(&c, TYPES("Array<Array<Array<Bool>>>")); /* what grows most: an empty list from one byte */
  uint8_t wire[101] = {100};
  assert_int_equal(read_call(&c, wire, sizeof wire), 0);
  assert_true(c.p.n <= sizeof wire * UMP_JOINT_PLAIN_FACTOR + UMP_JOINT_PLAIN_EXTRA);
}

static void test_joint_call_strings_from_strangers_are_utf8(void **state) {
  (void)state;
  struct call c;
  begin(&c, TYPES("String"));
  assert_int_equal(read_call(&c, "\x02\xc3\xa4", 3), 0);
  assert_int_equal(read_call(&c, "\x01\xff", 2), UMP_EMALFORMED);
  begin(&c, TYPES("Map<String, Bool>"));
  assert_int_equal(read_call(&c, "\x01\x01\xff\x01", 4), UMP_EMALFORMED);
}

/* ---- what a rulebook may give ---- */

static void fault(struct call *c, unsigned parameter, const char *why) {
  struct ump_joint_fault f;
  assert_int_equal(write_call(c, &f), UMP_EMALFORMED);
  assert_int_equal(f.parameter, parameter);
  assert_string_equal(f.why, why);
  c->p.n = 0;
}

static void test_joint_call_tells_what_a_value_lacks(void **state) {
  (void)state;
  struct call c;
  begin(&c, TYPES("Byte", "String"));
  ump_plain_put_array(&c.p, 1), ump_plain_put_int(&c.p, 1);
  fault(&c, 0, "a list of as many values as the procedure has parameters is needed");
  ump_plain_put_int(&c.p, 1);
  fault(&c, 0, "a list of as many values as the procedure has parameters is needed");
  ump_plain_put_array(&c.p, 2), ump_plain_put_int(&c.p, 256), ump_plain_put_string(&c.p, ump_text("a"));
  fault(&c, 1, "must be a whole number from 0 to 255");
  ump_plain_put_array(&c.p, 2), ump_plain_put_float(&c.p, 1.5), ump_plain_put_string(&c.p, ump_text("a"));
  fault(&c, 1, "must be a whole number from 0 to 255");
  ump_plain_put_array(&c.p, 2), ump_plain_put_int(&c.p, 1), ump_plain_put_string(&c.p, ump_text("\xff"));
  fault(&c, 2, "must be UTF-8 text; for other bytes declare it as Bytes");
  ump_plain_put_array(&c.p, 2), ump_plain_put_int(&c.p, 1), ump_plain_put_int(&c.p, 1);
  fault(&c, 2, "must be a string");
  begin(&c, TYPES("Array<Bool>"));
  ump_plain_put_array(&c.p, 1), ump_plain_put_array(&c.p, 1), ump_plain_put_int(&c.p, 1);
  fault(&c, 1, "must be true or false");
  ump_plain_put_array(&c.p, 1), ump_plain_put_string(&c.p, ump_text("a"));
  fault(&c, 1, "must be a list");
  begin(&c, TYPES("Map<Int, Bool>"));
  ump_plain_put_array(&c.p, 1), ump_plain_put_int(&c.p, 4);
  fault(&c, 1, "must be a table");
  begin(&c, TYPES("Float"));
  ump_plain_put_string(&c.p, ump_text("1"));
  fault(&c, 1, "must be a number");
}

static void gives(struct call *c, const void *wire, size_t n) {
  struct ump_joint_fault f;
  int err = write_call(c, &f);
  if (err) fail_msg("%u %s", f.parameter, f.why);
  assert_int_equal(c->w.n, n);
  assert_memory_equal(c->wire, wire, n);
  c->p.n = 0;
}

static void test_joint_call_takes_what_lua_has(void **state) {
  (void)state;
  struct call c;
  begin(&c, TYPES("Int32"));
  ump_plain_put_int(&c.p, 5); /* the bare value */
  gives(&c, "\x05\x00\x00\x00", 4);
  ump_plain_put_array(&c.p, 1), ump_plain_put_float(&c.p, -2.0); /* a float that is whole */
  gives(&c, "\xfe\xff\xff\xff", 4);
  begin(&c, TYPES("Map<Byte, Bool>"));
  ump_plain_put_map(&c.p, 1), ump_plain_put_int(&c.p, 5),
      ump_plain_put_tag(&c.p, UMP_PLAIN_TRUE); /* can be no list of values */
  gives(&c, "\x01\x05\x01", 3);
  begin(&c, TYPES("Array<Int32>", "Map<String, Bool>"));
  ump_plain_put_array(&c.p, 2), ump_plain_put_map(&c.p, 0),
      ump_plain_put_tag(&c.p, UMP_PLAIN_NULL); /* {} and host.null */
  gives(&c, "\x00\x00", 2);
  begin(&c, TYPES("Map<Int32, Byte>"));
  ump_plain_put_array(&c.p, 1), ump_plain_put_array(&c.p, 2), ump_plain_put_int(&c.p, 8), ump_plain_put_int(&c.p, 9);
  gives(&c, "\x02\x01\x00\x00\x00\x08\x02\x00\x00\x00\x09", 11); /* { 8, 9 } as a map has the keys 1 and 2 */
  ump_plain_put_array(&c.p, 1), ump_plain_put_mixed(&c.p, 1), ump_plain_put_int(&c.p, 8);
  ump_plain_put_map(&c.p, 1), ump_plain_put_int(&c.p, 7), ump_plain_put_int(&c.p, 9);
  gives(&c, "\x02\x01\x00\x00\x00\x08\x07\x00\x00\x00\x09", 11);
}

static void test_joint_call_that_does_not_fit_is_told(void **state) {
  (void)state;
  struct call c;
  struct ump_joint_fault f;
  begin(&c, TYPES("Array<Int32>"));
  ump_plain_put_array(&c.p, 1), ump_plain_put_array(&c.p, 2), ump_plain_put_int(&c.p, 1), ump_plain_put_int(&c.p, 2);
  c.w.cap = 8;
  assert_int_equal(write_call(&c, &f), UMP_ETOOBIG);
  c.p = ump_writer(c.plain, 8);
  assert_int_equal(read_call(&c, "\x01\x01\x00\x00\x00", 5), UMP_ETOOBIG);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_joint_frame_sizes_are_short_up_to_127_and_long_above),
      cmocka_unit_test(test_joint_chunk_sizes_are_stored_minus_one),
      cmocka_unit_test(test_joint_chunk_sizes_round_trip_at_every_border),
      cmocka_unit_test(test_joint_chunk_width_follows_from_the_largest_chunk),
      cmocka_unit_test(test_joint_chunk_size_with_a_zero_behind_is_told_apart),
      cmocka_unit_test(test_joint_types_are_written_as_in_a_declaration),
      cmocka_unit_test(test_joint_types_that_are_none_are_refused_with_a_reason),
      cmocka_unit_test(test_joint_call_every_type_there_and_back),
      cmocka_unit_test(test_joint_call_without_parameters_is_empty),
      cmocka_unit_test(test_joint_string_sizes_are_not_minus_one_and_have_four_bytes_at_most),
      cmocka_unit_test(test_joint_call_counts_reserve_nothing),
      cmocka_unit_test(test_joint_call_strings_from_strangers_are_utf8),
      cmocka_unit_test(test_joint_call_tells_what_a_value_lacks),
      cmocka_unit_test(test_joint_call_takes_what_lua_has),
      cmocka_unit_test(test_joint_call_that_does_not_fit_is_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
