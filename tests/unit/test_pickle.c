/* The pickle codec against what real picklers of Python 2.7, 3.6 and 3.13 wrote (vectors/pymmorpg.vectors.json), and
 * against what attackers write. */
#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/plain.h"
#include "codec/pickle.h"

/* ---- the vectors ---- */

static size_t unhex(const char *hex, uint8_t *out) {
  size_t n = strlen(hex) / 2;
  for (size_t i = 0; i < n; i++) {
    char two[3] = {hex[2 * i], hex[2 * i + 1], 0};
    out[i] = (uint8_t)strtoul(two, NULL, 16);
  }
  return n;
}

static const char *text_of(const cJSON *o, const char *key) {
  return cJSON_GetStringValue(cJSON_GetObjectItem(o, key));
}

static bool same(struct ump_reader *r, const cJSON *want, bool root, bool key);

/* What the reader of the vectors cannot hold was written as private characters: U+E000 for NUL, U+E001 for a lone
 * U+D800. */
static bool same_text(struct ump_bytes got, const char *want) {
  size_t at = 0;
  while (*want) {
    struct ump_bytes piece = ump_bytes(want, 1);
    if (!strncmp(want, "\xee\x80\x80", 3))
      piece = ump_bytes("\0", 1), want += 3;
    else if (!strncmp(want, "\xee\x80\x81", 3))
      piece = ump_text("\xed\xa0\x80"), want += 3;
    else
      want++;
    if (got.n - at < piece.n || memcmp(got.p + at, piece.p, piece.n) != 0) return false;
    at += piece.n;
  }
  return at == got.n;
}

static void make_readable(char *text) {
  for (char *at; (at = strstr(text, "\\u0000"));) memcpy(at, "\\ue000", 6);
  for (char *at; (at = strstr(text, "\"\\ud800x\""));) memcpy(at + 1, "\\ue001", 6);
}

static bool same_items(struct ump_reader *r, const cJSON *items, bool pairs) {
  const cJSON *item;
  cJSON_ArrayForEach(item, items) {
    if (pairs &&
        (!same(r, cJSON_GetArrayItem(item, 0), false, true) || !same(r, cJSON_GetArrayItem(item, 1), false, false)))
      return false;
    if (!pairs && !same(r, item, false, false)) return false;
  }
  return true;
}

/* Compares one decoded value with the description in the vectors. */
static bool same(struct ump_reader *r, const cJSON *want, bool root, bool key) {
  struct ump_plain got;
  if (!ump_plain_get(r, &got)) return false;
  if (cJSON_IsNull(want)) return got.tag == (root ? UMP_PLAIN_NIL : UMP_PLAIN_NULL);
  if (cJSON_IsBool(want)) return got.tag == (cJSON_IsTrue(want) ? UMP_PLAIN_TRUE : UMP_PLAIN_FALSE);
  const char *type = text_of(want, "type");
  const cJSON *items = cJSON_GetObjectItem(want, "items");
  uint32_t n = (uint32_t)cJSON_GetArraySize(items);
  if (!strcmp(type, "int")) return got.tag == UMP_PLAIN_INT && got.i == strtoll(text_of(want, "value"), NULL, 10);
  if (!strcmp(type, "float")) {
    double f = strtod(text_of(want, "value"), NULL);
    return got.tag == UMP_PLAIN_FLOAT && (memcmp(&f, &got.f, sizeof f) == 0 || (f != f && got.f != got.f));
  }
  if (!strcmp(type, "tuple") && key) return got.tag == UMP_PLAIN_STRING; /* a tuple as key becomes a text */
  if (!strcmp(type, "tuple")) return got.tag == UMP_PLAIN_TUPLE && got.count == n && same_items(r, items, false);
  if (!strcmp(type, "list") || !strcmp(type, "set") || !strcmp(type, "frozenset"))
    return got.tag == UMP_PLAIN_ARRAY && got.count == n && same_items(r, items, false);
  if (!strcmp(type, "dict")) return got.tag == UMP_PLAIN_MAP && got.count == n && same_items(r, items, true);
  if (got.tag != UMP_PLAIN_STRING) return false;
  const char *hex = text_of(want, "hex"), *value = text_of(want, "value");
  if (!hex) return same_text(got.s, value);
  uint8_t *bytes = malloc(strlen(hex) / 2 + 1);
  size_t bytes_n = unhex(hex, bytes);
  bool equal = ump_bytes_equal(got.s, ump_bytes(bytes, bytes_n));
  free(bytes);
  return equal;
}

static void test_pickle_finds_what_real_picklers_wrote(void **state) {
  (void)state;
  struct testing_mem mem;
  testing_mem_init(&mem);
  size_t text_n;
  char *text = testing_read_file("vectors/pymmorpg.vectors.json", &text_n);
  make_readable(text);
  cJSON *vectors = cJSON_Parse(text), *vector, *entry;
  assert_non_null(vectors);
  size_t values = 0, refused = 0, wrong = 0;
  cJSON_ArrayForEach(vector, vectors) {
    cJSON_ArrayForEach(entry, cJSON_GetObjectItem(vector, "pickles")) {
      const char *hex = text_of(entry, "hex");
      uint8_t *bytes = malloc(strlen(hex) / 2 + 1);
      struct ump_blob *out = NULL;
      struct ump_pickle_error error = {0};
      int err = ump_pickle_decode(&mem.mem, ump_bytes(bytes, unhex(hex, bytes)), &out, &error);
      bool good;
      if (cJSON_GetObjectItem(entry, "refused")) {
        good = err == UMP_EMALFORMED && error.why && ++refused;
      } else {
        struct ump_reader r = out ? ump_reader(ump_bytes(out->p, out->n)) : (struct ump_reader){0};
        good = err == 0 && same(&r, cJSON_GetObjectItem(entry, "value"), true, false) && ump_reader_left(&r) == 0 &&
               ++values;
      }
      if (!good && wrong++ < 10)
        print_message("%s, %s: %s (%d, %s)\n", text_of(entry, "from"), text_of(entry, "name"), hex, err,
                      error.why ? error.why : "-");
      ump_blob_unref(out);
      free(bytes);
    }
  }
  assert_int_equal(wrong, 0);
  assert_int_equal(values, 906);
  assert_int_equal(refused, 92);
  cJSON_Delete(vectors);
  free(text);
  testing_mem_assert_empty(&mem);
}

/* ---- the encoder ---- */

static void test_pickle_encodes_what_it_decodes_to_the_same(void **state) {
  (void)state;
  struct testing_mem mem;
  testing_mem_init(&mem);
  static uint8_t plain[1 << 16], pickle[1 << 17];
  struct ump_writer w = ump_writer(plain, sizeof plain);
  static const int64_t ints[] = {0,
                                 1,
                                 255,
                                 256,
                                 65535,
                                 65536,
                                 -1,
                                 -128,
                                 -129,
                                 INT32_MAX,
                                 INT32_MIN,
                                 (int64_t)INT32_MAX + 1,
                                 (int64_t)INT32_MIN - 1,
                                 INT64_MAX,
                                 INT64_MIN,
                                 (int64_t)1 << 39,
                                 -((int64_t)1 << 39)};
  size_t n_ints = sizeof ints / sizeof *ints;
  ump_plain_put_map(&w, 3);
  ump_plain_put_string(&w, ump_text("ints"));
  ump_plain_put_array(&w, (uint32_t)n_ints);
  for (size_t i = 0; i < n_ints; i++) ump_plain_put_int(&w, ints[i]);
  ump_plain_put_string(&w, ump_text("many"));
  ump_plain_put_array(&w, 2500);
  for (int i = 0; i < 2500; i++) ump_plain_put_tag(&w, i % 2 ? UMP_PLAIN_TRUE : UMP_PLAIN_FALSE);
  ump_plain_put_string(&w, ump_text("mixed"));
  ump_plain_put_tuple(&w, 5);
  ump_plain_put_float(&w, -0.5);
  ump_plain_put_string(&w, ump_text("gr\xc3\xbc\xc3\x9f"));
  ump_plain_put_string(&w, ump_bytes("\xff\x00\x80", 3));
  ump_plain_put_tuple(&w, 1);
  ump_plain_put_array(&w, 0);
  ump_plain_put_map(&w, 0);
  struct ump_writer p = ump_writer(pickle, sizeof pickle);
  assert_int_equal(ump_pickle_encode(ump_written(&w), &p), 0);
  struct ump_blob *out = NULL;
  assert_int_equal(ump_pickle_decode(&mem.mem, ump_written(&p), &out, NULL), 0);
  assert_true(ump_bytes_equal(ump_bytes(out->p, out->n), ump_written(&w)));
  ump_blob_unref(out);
  for (size_t cap = 0; cap < 64; cap++) { /* a full writer says so */
    p = ump_writer(pickle, cap);
    assert_int_equal(ump_pickle_encode(ump_written(&w), &p), UMP_ETOOBIG);
  }
  testing_mem_assert_empty(&mem);
}

/* ---- hostile ---- */

static const char *decode(struct testing_mem *mem, struct ump_bytes in) {
  struct ump_blob *out = NULL;
  struct ump_pickle_error error = {0};
  int err = ump_pickle_decode(&mem->mem, in, &out, &error);
  ump_blob_unref(out);
  return err ? error.why : NULL;
}
#define DECODE(mem, literal) decode(mem, ump_bytes(literal, sizeof(literal) - 1))

static void test_pickle_refuses_code_and_what_data_does_not_need(void **state) {
  (void)state;
  struct testing_mem mem;
  testing_mem_init(&mem);
  static const char refused[] = "012PQio\x81\x92\x82\x83\x84\x97\x98"
                                "b";
  for (const char *c = refused; *c; c++) {
    char pickle[] = {'N', 'N', *c, '.'};
    assert_string_equal(decode(&mem, ump_bytes(pickle, 4)), "an opcode that plain data does not need");
  }
  assert_non_null(DECODE(&mem, "cos\nsystem\n(S'ls'\ntR."));
  assert_non_null(DECODE(&mem, "\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02ls\x85R."));
  assert_non_null(DECODE(&mem, "c_codecs\nencode\n."));     /* a name left as data */
  assert_non_null(DECODE(&mem, "](c__builtin__\nset\ne.")); /* ... inside a list */
  assert_non_null(DECODE(&mem, "c_codecs\nencode\n(X\x01\x00\x00\x00"
                               "aX\x03\x00\x00\x00hextR."));
  assert_non_null(DECODE(&mem, "\x80\x02]\x94g0\na.")); /* the cycle */
  assert_non_null(DECODE(&mem, "\x80\x06N."));
  assert_non_null(DECODE(&mem, "N\x80\x02."));
  assert_non_null(DECODE(&mem, "NN."));
  assert_non_null(DECODE(&mem, "(N."));
  assert_non_null(DECODE(&mem, "N.N"));
  assert_null(DECODE(&mem, "N."));
  testing_mem_assert_empty(&mem);
}

static void test_pickle_memory_follows_bytes_not_numbers(void **state) {
  (void)state;
  static const struct ump_bytes claims[] = {
#define CASE(s) {(const uint8_t *)(s), sizeof(s) - 1}
      CASE("Nr\xff\xff\xff\xff."),
      CASE("T\xff\xff\xff\x7f."),
      CASE("X\xff\xff\xff\xff."),
      CASE("\x8b\xff\xff\xff\x7f."),
      CASE("\x8d\xff\xff\xff\xff\xff\xff\xff\x7f."),
      CASE("Np4294967295\n."),
      CASE("\x95\xff\xff\xff\xff\xff\xff\xff\xffN."),
  };
  for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
    struct testing_mem mem;
    testing_mem_init(&mem);
    assert_non_null(decode(&mem, claims[i]));
    assert_true(mem.peak < 16384);
    testing_mem_assert_empty(&mem);
  }
}

static void test_pickle_refuses_bombs_by_their_weight(void **state) {
  (void)state;
  struct testing_mem mem;
  testing_mem_init(&mem);
  uint8_t bomb[512]; /* 40 lists, each holding the former one twice: 2^40 values */
  struct ump_writer w = ump_writer(bomb, sizeof bomb);
  ump_write_text(&w, "]q");
  ump_write_u8(&w, 0);
  for (uint8_t i = 1; i <= 40; i++) {
    ump_write_text(&w, "](h"), ump_write_u8(&w, (uint8_t)(i - 1)), ump_write_text(&w, "h"),
        ump_write_u8(&w, (uint8_t)(i - 1));
    ump_write_text(&w, "eq"), ump_write_u8(&w, i);
  }
  ump_write_text(&w, ".");
  const char *why = decode(&mem, ump_written(&w));
  assert_non_null(why);
  uint8_t deep[200];
  memset(deep, ']', 33), memset(deep + 33, 'a', 32), deep[65] = '.';
  assert_string_equal(decode(&mem, ump_bytes(deep, 66)), "nested too deep");
  memset(deep, ']', 32), memset(deep + 32, 'a', 31), deep[63] = '.';
  assert_null(decode(&mem, ump_bytes(deep, 64)));
  /* one text of 60 000 bytes, remembered and put into a list 5 000 times: 300 MB written out */
  static uint8_t copies[60000 + 16384];
  w = ump_writer(copies, sizeof copies);
  ump_write_text(&w, "(X"), ump_write_u32le(&w, 60000);
  memset(w.p + w.n, 'x', 60000), w.n += 60000;
  ump_write_text(&w, "q"), ump_write_u8(&w, 0);
  for (int i = 0; i < 5000; i++) ump_write_text(&w, "h"), ump_write_u8(&w, 0);
  ump_write_text(&w, "l.");
  assert_false(w.full);
  assert_string_equal(decode(&mem, ump_written(&w)), "too large when written out");
  assert_true(mem.peak < 4 << 20);
  testing_mem_assert_empty(&mem);
}

static void test_pickle_containers_grow_only_before_they_are_placed(void **state) {
  (void)state;
  struct testing_mem mem;
  testing_mem_init(&mem);
  static const struct ump_bytes cycles[] = {
      CASE("]q\1]q\2ah\2h\1a."), /* a list in a list in it */
      CASE("]q\1}q\2Nh\1sah\2."),
      CASE("]q\1}q\2ah\2Nh\1s."),
      CASE("]q\1h\1\x85"
           "a."),
      CASE("]q\1(h\1e."),
      CASE("}q\1Nh\1s."),
      CASE("]q\1](h\1e0."),
      CASE("]q\1]h\1aq\2h\1h\2a."),
      CASE("]q\1]q\2]q\3aah\3h\1a."), /* three */
  };
  for (size_t i = 0; i < sizeof cycles / sizeof *cycles; i++) assert_non_null(decode(&mem, cycles[i]));
  assert_string_equal(DECODE(&mem, "(]q\1]q\2h\1ah\1Nat."), "a finished container grows later");
  assert_null(DECODE(&mem, "]q\1]h\1ah\1\x87.")); /* in three places, finished before */
  testing_mem_assert_empty(&mem);
}

static void test_pickle_takes_ten_thousand_values_and_no_more(void **state) {
  (void)state;
  static uint8_t p[20000];
  struct testing_mem mem;
  testing_mem_init(&mem);
  for (size_t items = 9999; items <= 10000; items++) { /* and the list itself */
    struct ump_writer w = ump_writer(p, sizeof p);
    ump_write_text(&w, "(");
    memset(p + w.n, 'N', items), w.n += items;
    ump_write_text(&w, "l.");
    const char *why = decode(&mem, ump_written(&w));
    if (items == 9999)
      assert_null(why);
    else
      assert_string_equal(why, "too many values");
  }
  struct ump_writer w = ump_writer(p, sizeof p); /* a hundred lists of a hundred, by reference: each time counts */
  ump_write_text(&w, "(");
  memset(p + w.n, 'N', 99), w.n += 99;
  ump_write_text(&w, "lq\1(");
  for (int i = 0; i < 100; i++) ump_write_text(&w, "h\1");
  ump_write_text(&w, "l\x86.");
  assert_string_equal(decode(&mem, ump_written(&w)), "too many values");
  testing_mem_assert_empty(&mem);
}

/* What is remembered once may be used thousands of times, so work and memory must not be "that many times its size". */
static void test_pickle_does_not_copy_what_is_remembered_again_and_again(void **state) {
  (void)state;
  static uint8_t p[200000];
  struct testing_mem mem;
  testing_mem_init(&mem);
  struct ump_writer w = ump_writer(p, sizeof p); /* a list of 9000 numbers, of which set() makes 30 000 sets */
  ump_write_text(&w, "c__builtin__\nset\nq");
  ump_write_u8(&w, 0);
  ump_write_text(&w, "(");
  for (int i = 0; i < 9000; i++) ump_write_text(&w, "K"), ump_write_u8(&w, (uint8_t)i);
  ump_write_text(&w, "l\x85q"), ump_write_u8(&w, 1);
  for (int i = 0; i < 30000; i++) ump_write_bytes(&w, ump_bytes("h\0h\1R", 5));
  assert_string_equal(decode(&mem, ump_written(&w)), "too many values");
  assert_true(mem.peak < 8 << 20);
  testing_mem_init(&mem);
  w = ump_writer(p, sizeof p); /* a text of 60 000 bytes, decoded to bytes as often as it fits */
  ump_write_text(&w, "c_codecs\nencode\nq"), ump_write_u8(&w, 0);
  ump_write_text(&w, "X"), ump_write_u32le(&w, 60000);
  memset(w.p + w.n, 'x', 60000), w.n += 60000;
  ump_write_text(&w, "X\x06"), ump_write_bytes(&w, ump_bytes("\0\0\0latin1\x86q\1", 12));
  while (!w.full && w.n < sizeof p - 8) ump_write_bytes(&w, ump_bytes("h\0h\1R", 5));
  assert_string_equal(decode(&mem, ump_written(&w)), "too large when decoded");
  assert_true(mem.peak < 8 << 20);
  testing_mem_assert_empty(&mem);
  testing_mem_init(&mem);
  w = ump_writer(p, sizeof p); /* a tuple of 9000 as key of 15 000 dicts: each asks whether it may be one */
  ump_write_text(&w, "(");
  for (int i = 0; i < 9000; i++) ump_write_text(&w, "N");
  ump_write_text(&w, "tq"), ump_write_u8(&w, 1);
  for (int i = 0; i < 15000; i++) ump_write_bytes(&w, ump_bytes("}h\1Ns", 5));
  ump_write_text(&w, ".");
  assert_string_equal(decode(&mem, ump_written(&w)), "it does not end with one value");
  testing_mem_assert_empty(&mem);
}

static void test_pickle_message_is_a_list_with_a_text_first(void **state) {
  (void)state;
  struct testing_mem mem;
  testing_mem_init(&mem);
  static const struct {
    struct ump_bytes pickle;
    bool yes;
  } cases[] = {
#define CASE(s) {(const uint8_t *)(s), sizeof(s) - 1}
      {CASE("]U\3vera."), true},
      {CASE("]X\3\0\0\0vera."), true},
      {CASE("]."), false},
      {CASE("]Na."), false},
      {CASE("]C\3vera."), false},
      {CASE("U\3ver\x85."), false},
      {CASE("U\3ver."), false},
      {CASE("}."), false},
      {CASE("\x8f(U\3ver\x90."), false},
      {CASE("]]a."), false},
#undef CASE
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct ump_blob *out = NULL;
    int err = ump_pickle_decode_message(&mem.mem, cases[i].pickle, &out, NULL);
    assert_int_equal(err, cases[i].yes ? 0 : UMP_EMALFORMED);
    ump_blob_unref(out);
  }
  testing_mem_assert_empty(&mem);
}

static void test_pickle_survives_every_cut_and_every_failing_allocation(void **state) {
  (void)state;
  static const char whole[] = "\x80\x04\x95\x20\x00\x00\x00\x00\x00\x00\x00]\x94("
                              "\x8c\x03set\x94K\x01M\x00\x01\x88G\x3f\xf0\x00\x00\x00\x00\x00\x00"
                              "}\x94\x8c\x01"
                              "aNsh\x01"
                              "e.";
  struct testing_mem mem;
  testing_mem_init(&mem);
  assert_null(decode(&mem, ump_bytes(whole, sizeof whole - 1)));
  for (size_t n = 0; n < sizeof whole - 1; n++) assert_non_null(decode(&mem, ump_bytes(whole, n)));
  testing_mem_assert_empty(&mem);
  for (size_t n = 1;; n++) {
    testing_mem_init(&mem);
    testing_mem_fail(&mem, n, false);
    struct ump_blob *out = NULL;
    int err = ump_pickle_decode(&mem.mem, ump_bytes(whole, sizeof whole - 1), &out, NULL);
    ump_blob_unref(out);
    testing_mem_assert_empty(&mem);
    if (!mem.failed) break;
    assert_int_equal(err, UMP_ENOMEM);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_pickle_finds_what_real_picklers_wrote),
      cmocka_unit_test(test_pickle_encodes_what_it_decodes_to_the_same),
      cmocka_unit_test(test_pickle_refuses_code_and_what_data_does_not_need),
      cmocka_unit_test(test_pickle_memory_follows_bytes_not_numbers),
      cmocka_unit_test(test_pickle_refuses_bombs_by_their_weight),
      cmocka_unit_test(test_pickle_containers_grow_only_before_they_are_placed),
      cmocka_unit_test(test_pickle_takes_ten_thousand_values_and_no_more),
      cmocka_unit_test(test_pickle_does_not_copy_what_is_remembered_again_and_again),
      cmocka_unit_test(test_pickle_message_is_a_list_with_a_text_first),
      cmocka_unit_test(test_pickle_survives_every_cut_and_every_failing_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
