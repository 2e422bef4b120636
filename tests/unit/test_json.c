/* The strict scanner, in the manner of JSONTestSuite: what must be accepted, what must be refused and why, what a value
 * is said to hold; then iteration, decoding and writing; then properties over many texts made from a seed. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "testing.h"

#include "base/err.h"
#include "codec/json.h"

/* A text with NUL bytes in it, too. */
#define RAW(s)                                                                                                         \
  { (const uint8_t *)(s), sizeof(s) - 1 }

/* Every text is checked in a heap block of its exact size, so that the sanitizer sees a read beyond it. */
static int check(struct ump_bytes text, struct ump_json_value *top, struct ump_json_error *error) {
  uint8_t *copy = malloc(text.n ? text.n : 1);
  if (text.n) memcpy(copy, text.p, text.n);
  int err = ump_json_check(ump_bytes(copy, text.n), top, error);
  if (top->raw.p) top->raw.p = text.p + (top->raw.p - copy);
  free(copy);
  return err;
}

static void assert_bytes(struct ump_bytes got, const char *wanted) {
  if (!ump_bytes_equal(got, ump_text(wanted)))
    fail_msg("got <%.*s>, not <%s>", (int)got.n, (const char *)got.p, wanted);
}

/* ---- accepted ---- */

static const struct ump_bytes accepted[] = {
    RAW("{}"),
    RAW("[]"),
    RAW("\"\""),
    RAW("0"),
    RAW("-0"),
    RAW("true"),
    RAW("false"),
    RAW("null"),
    RAW(" \t\r\n1 \t\r\n"),
    RAW("[ ]"),
    RAW("{ }"),
    RAW("[1,2]"),
    RAW("[1 , 2]"),
    RAW("[[],[[]],{}]"),
    RAW("{\"a\":1,\"b\":{\"a\":1}}"),
    RAW("[{\"a\":1},{\"a\":1}]"),
    RAW("{\"\":0}"),
    RAW("{\"a\":0,\"A\":0,\"a \":0,\"aa\":0,\"\":0}"),
    RAW("123"),
    RAW("-123"),
    RAW("1.5"),
    RAW("-1.5"),
    RAW("0.0"),
    RAW("0e1"),
    RAW("0E+1"),
    RAW("1e-1"),
    RAW("1.5E+10"),
    RAW("-0.0"),
    RAW("0.00000000000000000000000000000000000000000001"),
    RAW("1e308"),
    RAW("-1.7976931348623157e308"),
    RAW("1e-400"),
    RAW("0e999999999999"),
    RAW("0.0e-999999999999"),
    RAW("0.000e400"),
    RAW("0.0001e310"),
    RAW("99999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999"),
    RAW("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\uABCD\\uabcd\""),
    RAW("\"\\u0000\""),
    RAW("\"/\""),
    RAW("\"\x7f\""),
    RAW("\"\\ud83d\\ude00\""),
    RAW("\"\\uDBFF\\uDFFF\""),
    RAW("\"\xc2\x80\xdf\xbf\""),
    RAW("\"\xe0\xa0\x80\xed\x9f\xbf\""),
    RAW("\"\xee\x80\x80\xef\xbf\xbf\""),
    RAW("\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""),
    RAW("\"\xef\xbb\xbf\""),
    RAW("{\"\xc3\xa9\":1}"),
    RAW("{\"\\u00e9\":1}"),
    RAW("\"\\u2028\xe2\x80\xa8\""),
    RAW("[\"a string of sixteen bytes and then some more of them, plain ASCII all along\"]"),
    RAW("{\"abcdefgh-1-ijklmnop\":0,\"abcdefgh-2-ijklmnop\":0}"),
    RAW("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"), /* 32 */
};

static void test_json_accepts_what_rfc_8259_allows(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++) {
    struct ump_json_value top;
    struct ump_json_error error = {0};
    if (check(accepted[i], &top, &error) != 0) {
      fail_msg("refused <%.*s>: %s at %zu", (int)accepted[i].n, (const char *)accepted[i].p, error.why, error.offset);
    }
    assert_int_not_equal(top.type, UMP_JSON_NONE);
  }
}

/* ---- refused ---- */

static const struct refusal {
  struct ump_bytes text;
  size_t offset;
  const char *why;
} refused[] = {
    /* nothing, or not all of it */
    {RAW(""), 0, "the text ends where a value must be"},
    {RAW(" "), 1, "the text ends where a value must be"},
    {RAW("["), 1, "the text ends where a value must be"},
    {RAW("[1"), 2, "the text ends inside a container"},
    {RAW("[1,"), 3, "the text ends where a value must be"},
    {RAW("{"), 1, "the text ends inside an object"},
    {RAW("{\"a\""), 4, "a key without a colon"},
    {RAW("{\"a\":"), 5, "the text ends where a value must be"},
    {RAW("{\"a\":1"), 6, "the text ends inside a container"},
    {RAW("{\"a\":1,"), 7, "the text ends inside an object"},
    {RAW("\""), 1, "the text ends inside a string"},
    {RAW("\"abc"), 4, "the text ends inside a string"},
    {RAW("\"abc\\"), 5, "the text ends inside a string"},
    {RAW("\"abc\\\""), 6, "the text ends inside a string"},
    {RAW("\"\\u"), 3, "\\u without four hex digits"},
    {RAW("\"\\u00"), 3, "\\u without four hex digits"},
    {RAW("tru"), 0, "an unknown word"},
    {RAW("-"), 1, "a minus without a digit"},
    /* too much */
    {RAW("1 1"), 2, "text behind the value"},
    {RAW("{}}"), 2, "text behind the value"},
    {RAW("[]\0"), 2, "text behind the value"},
    {RAW("1\0"), 1, "text behind the value"},
    {RAW("\"a\"b"), 3, "text behind the value"},
    {RAW("[][]"), 2, "text behind the value"},
    {RAW("true,"), 4, "text behind the value"},
    {RAW("truex"), 4, "text behind the value"},
    {RAW("{} // no"), 3, "text behind the value"},
    /* structure */
    {RAW("[,]"), 1, "no value where one must be"},
    {RAW("[1,]"), 3, "no value where one must be"},
    {RAW("[1,,2]"), 3, "no value where one must be"},
    {RAW("[1 2]"), 3, "no comma between two values"},
    {RAW("[1}"), 2, "no comma between two values"},
    {RAW("{\"a\":1]"), 6, "no comma between two values"},
    {RAW("[\"a\":1]"), 4, "no comma between two values"},
    {RAW("]"), 0, "no value where one must be"},
    {RAW("{,}"), 1, "a key that is no string"},
    {RAW("{\"a\":1,}"), 7, "a key that is no string"},
    {RAW("{1:1}"), 1, "a key that is no string"},
    {RAW("{'a':1}"), 1, "a key that is no string"},
    {RAW("{a:1}"), 1, "a key that is no string"},
    {RAW("{\"a\" 1}"), 5, "a key without a colon"},
    {RAW("{\"a\",1}"), 4, "a key without a colon"},
    {RAW("{\"a\"}"), 4, "a key without a colon"},
    {RAW("{\"a\":}"), 5, "no value where one must be"},
    {RAW("{\"a\"::1}"), 5, "no value where one must be"},
    {RAW("[\v1]"), 1, "no value where one must be"},
    {RAW("[\xc2\xa0]"), 1, "no value where one must be"},
    {RAW("\xef\xbb\xbf{}"), 0, "a byte order mark, or no value"},
    {RAW("\xff\xfe{\0}\0"), 0, "no value where one must be"},
    {RAW("\0"), 0, "no value where one must be"},
    {RAW("'a'"), 0, "no value where one must be"},
    {RAW("/**/1"), 0, "no value where one must be"},
    {RAW("True"), 0, "no value where one must be"},
    {RAW("TRUE"), 0, "no value where one must be"},
    {RAW("nul"), 0, "an unknown word"},
    {RAW("nil"), 0, "an unknown word"},
    {RAW("[fals]"), 1, "an unknown word"},
    /* numbers */
    {RAW("01"), 0, "a number with a leading zero"},
    {RAW("-01"), 1, "a number with a leading zero"},
    {RAW("00"), 0, "a number with a leading zero"},
    {RAW("00.5"), 0, "a number with a leading zero"},
    {RAW("+1"), 0, "no value where one must be"},
    {RAW(".5"), 0, "no value where one must be"},
    {RAW("-.5"), 1, "a minus without a digit"},
    {RAW("--1"), 1, "a minus without a digit"},
    {RAW("- 1"), 1, "a minus without a digit"},
    {RAW("1."), 1, "a number with no digit behind its point"},
    {RAW("1.e5"), 1, "a number with no digit behind its point"},
    {RAW("[1.]"), 2, "a number with no digit behind its point"},
    {RAW("1e"), 1, "a number with no digit in its exponent"},
    {RAW("1e+"), 2, "a number with no digit in its exponent"},
    {RAW("1e-x"), 2, "a number with no digit in its exponent"},
    {RAW("[1E]"), 2, "a number with no digit in its exponent"},
    {RAW("1.5.5"), 3, "text behind the value"},
    {RAW("1e5.5"), 3, "text behind the value"},
    {RAW("0x1F"), 1, "text behind the value"},
    {RAW("1_000"), 1, "text behind the value"},
    {RAW("1f"), 1, "text behind the value"},
    {RAW("Inf"), 0, "no value where one must be"},
    {RAW("nan"), 0, "an unknown word"},
    /* strings */
    {RAW("\"\\x41\""), 1, "an unknown escape"},
    {RAW("\"\\a\""), 1, "an unknown escape"},
    {RAW("\"\\\0\""), 1, "an unknown escape"},
    {RAW("\"\\'\""), 1, "an unknown escape"},
    {RAW("\"\\U0041\""), 1, "an unknown escape"},
    {RAW("\"\\u004\""), 3, "\\u without four hex digits"},
    {RAW("\"\\u004g\""), 3, "\\u without four hex digits"},
    {RAW("\"\\u+041\""), 3, "\\u without four hex digits"},
    {RAW("\"a\nb\""), 2, "a control character inside a string"},
    {RAW("\"\t\""), 1, "a control character inside a string"},
    {RAW("\"\0\""), 1, "a control character inside a string"},
    {RAW("\"0123456789abcdef\x1f\""), 17, "a control character inside a string"},
    {RAW("{\"a\0\":1}"), 3, "a control character inside a string"},
    {RAW("\"\x80\""), 1, "invalid UTF-8"},
    {RAW("\"\xc0\xaf\""), 1, "invalid UTF-8"},
    {RAW("\"\xc1\xbf\""), 1, "invalid UTF-8"},
    {RAW("\"\xc3\""), 1, "invalid UTF-8"},
    {RAW("\"\xc3"), 1, "invalid UTF-8"},
    {RAW("\"\xe0\x80\x80\""), 1, "invalid UTF-8"},
    {RAW("\"\xe0\x9f\xbf\""), 1, "invalid UTF-8"},
    {RAW("\"\xe2\x82\""), 1, "invalid UTF-8"},
    {RAW("\"\xed\xa0\x80\""), 1, "invalid UTF-8"}, /* a surrogate as bytes */
    {RAW("\"\xf0\x80\x80\x80\""), 1, "invalid UTF-8"},
    {RAW("\"\xf0\x8f\xbf\xbf\""), 1, "invalid UTF-8"},
    {RAW("\"\xf0\x90\x80\""), 1, "invalid UTF-8"},
    {RAW("\"\xf4\x90\x80\x80\""), 1, "invalid UTF-8"}, /* U+110000 */
    {RAW("\"\xf5\x80\x80\x80\""), 1, "invalid UTF-8"},
    {RAW("\"\xfe\""), 1, "invalid UTF-8"},
    {RAW("\"0123456789abcdef\xe9\""), 17, "invalid UTF-8"}, /* Latin-1 */
    {RAW("{\"\xe9\":1}"), 2, "invalid UTF-8"},
};

/* Bounds of the host: other decoders go on here. */
static const struct refusal bounded[] = {
    {RAW("NaN"), 0, "NaN and Infinity are not JSON"},
    {RAW("[Infinity]"), 1, "NaN and Infinity are not JSON"},
    {RAW("{\"a\":-Infinity}"), 5, "NaN and Infinity are not JSON"},
    {RAW("1e999"), 0, "a number too large for a double"},
    {RAW("-1e309"), 1, "a number too large for a double"},
    {RAW("[1.7976931348623159e308]"), 1, "a number too large for a double"},
    {RAW("1e99999999999999999999999999"), 0, "a number too large for a double"},
    {RAW("0.1e310"), 0, "a number too large for a double"},
    {RAW("123.4e307"), 0, "a number too large for a double"},
    {RAW("\"\\ud800\""), 3, "a lone high surrogate"},
    {RAW("\"\\ud800x\""), 3, "a lone high surrogate"},
    {RAW("\"\\ud800\\n\""), 3, "a lone high surrogate"},
    {RAW("\"\\ud800\\u0041\""), 3, "a lone high surrogate"},
    {RAW("\"\\ud800\\ud800\""), 3, "a lone high surrogate"},
    {RAW("\"\\ud800\\udc0\""), 3, "a lone high surrogate"},
    {RAW("\"\\ud800\\udc00\\ud800\""), 15, "a lone high surrogate"},
    {RAW("\"\\udc00\""), 3, "a lone low surrogate"},
    {RAW("\"\\udc00\\ud800\""), 3, "a lone low surrogate"},
    {RAW("{\"\\ud800\":1}"), 4, "a lone high surrogate"},
    {RAW("{\"a\\u0000\":1}"), 1, "a NUL inside a key"},
    {RAW("{\"\\u0000\":1}"), 1, "a NUL inside a key"},
    {RAW("{\"a\":1,\"a\":1}"), 7, "a doubled key"},
    {RAW("{\"\":1,\"\":2}"), 6, "a doubled key"},
    {RAW("{\"a\":1,\"b\":2,\"c\":{},\"b\":2}"), 20, "a doubled key"},
    {RAW("{\"a\":1,\"\\u0061\":1}"), 7, "a doubled key"},
    {RAW("{\"\\u0061\":1,\"a\":1}"), 12, "a doubled key"},
    {RAW("{\"\\u0061\":1,\"\\u0061\":1}"), 12, "a doubled key"},
    {RAW("{\"/\":1,\"\\/\":1}"), 7, "a doubled key"},
    {RAW("{\"\\u00e9\":1,\"\xc3\xa9\":1}"), 12, "a doubled key"},
    {RAW("{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":1}"), 18, "a doubled key"},
    {RAW("[{\"x\":{\"abcdefgh-1-ijklmnop\":0,\"abcdefgh-\\u0031-ijklmnop\":0}}]"), 31, "a doubled key"},
    {RAW("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"), 32, "deeper than 32"},
    {RAW("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[{"), 32, "deeper than 32"},
};

static void assert_refused(const struct refusal *r, bool beyond) {
  struct ump_json_value top;
  struct ump_json_error error = {0};
  int err = check(r->text, &top, &error);
  if (err != UMP_EMALFORMED || error.offset != r->offset || strcmp(error.why, r->why) != 0 || error.beyond != beyond) {
    fail_msg("<%.*s>: %d, %s at %zu, beyond %d", (int)r->text.n, (const char *)r->text.p, err,
             error.why ? error.why : "-", error.offset, error.beyond);
  }
  assert_int_equal(top.type, UMP_JSON_NONE);
  assert_int_equal(check(r->text, &top, NULL), UMP_EMALFORMED); /* the error may be NULL */
}

static void test_json_refuses_what_is_no_json(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) assert_refused(&refused[i], false);
}

static void test_json_refuses_what_python_would_accept(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof bounded / sizeof *bounded; i++) assert_refused(&bounded[i], true);
}

/* Every beginning of a text that ends in a bracket or quote is refused, as is every text with one more byte behind. */
static void test_json_refuses_every_cut(void **state) {
  (void)state;
  static const char text[] =
      "{\"a\":[1,-2.5e3,\"x\\u0041\\ud83d\\ude00\xc3\xa9\",true,false,null],\"b\":{\"c\":[]},\"d\":\"\"}";
  struct ump_json_value top;
  assert_int_equal(check(ump_text(text), &top, NULL), 0);
  for (size_t n = 0; n + 1 < sizeof text; n++) assert_int_equal(check(ump_bytes(text, n), &top, NULL), UMP_EMALFORMED);
  assert_int_equal(check(ump_bytes(text, sizeof text), &top, NULL), UMP_EMALFORMED); /* its NUL */
}

/* Whatever a string is scanned with, sixteen, eight or one byte at a time: each byte at each place of each. */
static void test_json_sees_every_byte_of_a_string(void **state) {
  (void)state;
  for (size_t at = 1; at < 46; at++) {
    for (unsigned c = 0; c < 256; c++) {
      uint8_t text[48];
      struct ump_json_value top;
      memset(text, 'x', sizeof text);
      text[0] = text[sizeof text - 1] = '"';
      text[at] = (uint8_t)c;
      bool plain = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
      assert_int_equal(check(ump_bytes(text, sizeof text), &top, NULL), plain ? 0 : UMP_EMALFORMED);
    }
  }
}

/* ---- limits ---- */

struct text {
  char *p;
  size_t n, cap;
};

static void add(struct text *t, const void *p, size_t n) {
  if (n == 0) return;
  if (t->n + n > t->cap) t->p = realloc(t->p, t->cap = 2 * (t->n + n) + 64);
  memcpy(t->p + t->n, p, n);
  t->n += n;
}
static void adds(struct text *t, const char *s) {
  add(t, s, strlen(s));
}
static struct ump_bytes bytes_of(const struct text *t) {
  return ump_bytes(t->p, t->n);
}

static int check_array_of(size_t values) {
  struct text t = {0};
  struct ump_json_value top;
  adds(&t, "[0");
  for (size_t i = 1; i < values; i++) adds(&t, ",0");
  adds(&t, "]");
  int err = check(bytes_of(&t), &top, NULL);
  if (!err) assert_int_equal(top.n_members, values);
  free(t.p);
  return err;
}

static void test_json_counts_4096_values(void **state) {
  (void)state;
  assert_int_equal(check_array_of(4095), 0); /* and the array itself */
  assert_int_equal(check_array_of(4096), UMP_EMALFORMED);
}

/* An object with n different keys; doubled: the last one has the first one's name, once spelt in escapes. */
static int check_object_of(size_t n, bool doubled, struct ump_json_error *error) {
  struct text t = {0};
  struct ump_json_value top;
  char key[64];
  for (size_t i = 0; i < n; i++) {
    snprintf(key, sizeof key, "%s\"key%s%06zu\":%zu", i ? "," : "{", i % 3 ? "" : "-\\u0061-", i, i);
    adds(&t, key);
  }
  size_t at = t.n + 1;
  if (doubled) adds(&t, ",\"\\u006bey-a-000000\":0");
  adds(&t, "}");
  int err = check(bytes_of(&t), &top, error);
  if (!err)
    assert_int_equal(top.n_members, n);
  else if (doubled)
    assert_int_equal(error->offset, at);
  free(t.p);
  return err;
}

static void test_json_finds_a_doubled_key_among_few_and_many(void **state) {
  (void)state;
  struct ump_json_error error;
  for (size_t n = 1; n < 200; n += n < 40 ? 1 : 17) {
    assert_int_equal(check_object_of(n, false, &error), 0);
    assert_int_equal(check_object_of(n, true, &error), UMP_EMALFORMED);
    assert_string_equal(error.why, "a doubled key");
  }
  assert_int_equal(check_object_of(4095, false, &error), 0);
  assert_int_equal(check_object_of(4094, true, &error), UMP_EMALFORMED);
  assert_string_equal(error.why, "a doubled key");
  assert_int_equal(check_object_of(4096, false, &error), UMP_EMALFORMED);
  assert_string_equal(error.why, "more than 4096 values");
}

/* The keys of a large object around and behind a large object inside it are still its own. */
static void test_json_keeps_the_keys_of_nested_objects_apart(void **state) {
  (void)state;
  for (int doubled = 0; doubled < 2; doubled++) {
    struct text t = {0};
    struct ump_json_value top;
    char key[64];
    adds(&t, "{");
    for (size_t outer = 0; outer < 50; outer++) {
      snprintf(key, sizeof key, "%s\"k%zu\":{", outer ? "," : "", outer);
      adds(&t, key);
      for (size_t inner = 0; inner < 40; inner++) {
        snprintf(key, sizeof key, "%s\"k%zu\":{}", inner ? "," : "", inner);
        adds(&t, key);
      }
      adds(&t, "}");
    }
    adds(&t, doubled ? ",\"k7\":0}" : "}");
    assert_int_equal(check(bytes_of(&t), &top, NULL), doubled ? UMP_EMALFORMED : 0);
    free(t.p);
  }
}

/* ---- what values hold ---- */

enum { I = UMP_JSON_INTEGERS, F = UMP_JSON_FLOATS, WF = UMP_JSON_WHOLE_FLOATS, W = UMP_JSON_WIDE, B = UMP_JSON_BIG };

static const struct {
  const char *text;
  unsigned holds;
} holdings[] = {
    {"0", I},
    {"-0", I},
    {"1", I},
    {"-1", I},
    {"999999999999999", I},
    {"9007199254740992", I},
    {"-9007199254740992", I},
    {"9007199254740993", W},
    {"-9007199254740993", W},
    {"9223372036854775807", W},
    {"-9223372036854775808", W},
    {"9223372036854775808", B},
    {"-9223372036854775809", B},
    {"18446744073709551616", B},
    {"99999999999999999999", B},
    {"100000000000000000000000000000000000000000000", B},
    {"0.5", F},
    {"-0.5", F},
    {"1.25e1", F},
    {"1e-1", F},
    {"12345678.0000001", F},
    {"123456789.000000001", WF},
    {"1e-300", F},
    {"5e-324", F},
    {"1.0", WF},
    {"-0.0", WF},
    {"0e5", WF},
    {"1e3", WF},
    {"1E3", WF},
    {"1.5e1", WF},
    {"100e-2", WF},
    {"1e308", WF},
    {"1e-400", WF}, /* decodes to 0 */
    {"1.00000000000000000000001", WF},
    {"0.99999999999999999999", WF}, /* decode to 1 */
    {"0.9999999999999999", F},
    {"1.0000000000000002", F},
    {"1.0000000000000001", WF},
    {"4503599627370495.5", F},
    {"4503599627370496.5", WF},
    {"9007199254740993.5", WF},
    {"4503599627370497.5", WF},
    {"0.00000000000000000000000000000000000000000000000001e50", WF},
    {"true", 0},
    {"null", UMP_JSON_NULLS},
    {"\"1\"", 0},
    {"\"\\u0000\"", UMP_JSON_NUL_BYTES},
    {"\"\\u0001\"", 0},
    {"{}", 0},
    {"[]", UMP_JSON_EMPTY_ARRAYS},
    {"[ \n]", UMP_JSON_EMPTY_ARRAYS},
    {"[1]", I},
    {"[[]]", UMP_JSON_EMPTY_ARRAYS},
    {"{\"a\":[1,{\"b\":0.5}],\"c\":null}", I | F | UMP_JSON_NULLS},
    {"[[[1e1]],[[9007199254740993]],\"\\u0000\"]", WF | W | UMP_JSON_NUL_BYTES},
    {"{\"null\":\"[]\"}", 0},
};

static void test_json_says_what_values_hold(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof holdings / sizeof *holdings; i++) {
    struct ump_json_value top;
    assert_int_equal(check(ump_text(holdings[i].text), &top, NULL), 0);
    if (top.holds != holdings[i].holds)
      fail_msg("<%s> holds %u, not %u", holdings[i].text, top.holds, holdings[i].holds);
  }
}

/* What a number is said to be, against what strtod makes of it. */
static unsigned kind_by_strtod(const char *text) {
  double v = strtod(text, NULL);
  if (isinf(v)) return 0;
  return v == floor(v) ? WF : F;
}

static void test_json_classifies_floats_as_strtod_rounds_them(void **state) {
  (void)state;
  struct testing_rng rng;
  testing_rng_init(&rng, 1);
  for (int round = 0; round < 50000; round++) {
    char text[1600];
    size_t n = 0;
    size_t whole = 1 + ump_rng_below(&rng.rng, round % 500 ? 20 : 700),
           part = ump_rng_below(&rng.rng, round % 500 ? 24 : 800);
    uint64_t alphabet = 1 + ump_rng_below(&rng.rng, 10); /* few different digits: runs of zeroes, then of nines */
    for (size_t i = 0; i < whole; i++) text[n++] = (char)('0' + ump_rng_below(&rng.rng, alphabet) * (9 / alphabet));
    if (text[0] == '0') text[0] = '1';
    if (round % 3 == 0) text[0] = '0', n = 1;
    if (part) text[n++] = '.';
    for (size_t i = 0; i < part; i++) text[n++] = (char)('9' - ump_rng_below(&rng.rng, alphabet) * (9 / alphabet));
    uint64_t size = ump_rng_below(&rng.rng, round % 2 ? 20 : 330);
    snprintf(text + n, sizeof text - n, "e%s%u", round % 5 < 2 ? "-" : "", (unsigned)size);
    struct ump_json_value top;
    unsigned wanted = kind_by_strtod(text), got = check(ump_text(text), &top, NULL) ? 0 : top.holds;
    if (got != wanted) fail_msg("%s: %u, strtod says %u", text, got, wanted);
  }
}

/* 1 + 2^-53 lies half-way and is rounded down to 1; one digit more, however far behind, and it is not whole. */
static void test_json_rounds_by_the_last_of_very_many_digits(void **state) {
  (void)state;
  static const char half[] = "1.00000000000000011102230246251565404236316680908203125";
  for (size_t zeroes = 0; zeroes < 3000; zeroes += 333) {
    struct text t = {0};
    struct ump_json_value top;
    adds(&t, half);
    for (size_t i = 0; i < zeroes; i++) adds(&t, "0");
    assert_int_equal(check(bytes_of(&t), &top, NULL), 0);
    assert_int_equal(top.holds, WF);
    adds(&t, "1");
    assert_int_equal(check(bytes_of(&t), &top, NULL), 0);
    assert_int_equal(top.holds, F);
    free(t.p);
  }
}

/* ---- members ---- */

#define SLOT(k)                                                                                                        \
  {                                                                                                                    \
    .key = {(const uint8_t *)(k), sizeof(k) - 1 }                                                                      \
  }
#define EVENT                                                                                                          \
  "{\"method\": \"EVENT\", \"cuuid\": \"003931de-e592-11f1-a965-02fc00000001\", \"euuid\": "                           \
  "\"003c4f0e-e592-11f1-a965-02fc00000001\", \"event_data\": "
#define EVENT_REST ", \"timestamp\": \"2026-11-21 09:57:45.713460\", \"retry\": 0, \"priority\": \"normal\"}"

static void test_json_finds_the_members_of_an_event(void **state) {
  (void)state;
  struct ump_json_slot slots[] = {SLOT("method"),     SLOT("cuuid"),    SLOT("euuid"),
                                  SLOT("event_data"), SLOT("priority"), SLOT("version")};
  assert_int_equal(ump_json_members(ump_text(EVENT "{\"KEYDOWN\": \"up\"}" EVENT_REST), slots, 6, NULL), 0);
  assert_bytes(slots[0].value.raw, "\"EVENT\"");
  assert_bytes(slots[1].value.raw, "\"003931de-e592-11f1-a965-02fc00000001\"");
  assert_bytes(slots[2].value.raw, "\"003c4f0e-e592-11f1-a965-02fc00000001\"");
  assert_bytes(slots[3].value.raw, "{\"KEYDOWN\": \"up\"}");
  assert_int_equal(slots[3].value.n_members, 1);
  assert_bytes(slots[4].value.raw, "\"normal\"");
  assert_int_equal(slots[5].value.type, UMP_JSON_NONE);
  struct ump_json_value key, value;
  ump_json_only_member(&slots[3].value, &key, &value);
  assert_bytes(key.raw, "\"KEYDOWN\"");
  assert_bytes(value.raw, "\"up\"");
}

static void test_json_refuses_integers_that_no_double_holds(void **state) {
  (void)state;
  char text[420];
  struct ump_json_value v;
  struct ump_json_error error;
  for (size_t n = 300; n < 400; n++) {
    memset(text, '0', n);
    for (text[0] = '1'; text[0] <= '9'; text[0]++) { /* 1.7976...e308 is the largest */
      bool fits = n < 309 || (n == 309 && text[0] == '1');
      assert_int_equal(ump_json_check(ump_bytes(text, n), &v, &error), fits ? 0 : UMP_EMALFORMED);
      if (fits)
        assert_int_equal(v.holds, UMP_JSON_BIG);
      else
        assert_true(error.beyond && error.offset == 0);
    }
  }
}

static void test_json_gives_the_text_of_an_only_member(void **state) {
  (void)state;
  static const char *const objects[] = {
      "{\"a\":1}",    " { \"a\" : [ 1 , 2 ] } ", "{\n\"\\u0061\"\t:\r\"}\" }", "{\"\": {}}", "{\"a\": \"\\\"\"\n}",
      "{\"{\":null}", "{\"a\":{\"b\":-1.5e3 } }"};
  for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) {
    struct ump_json_value top, key, value, key_again;
    assert_int_equal(ump_json_check(ump_text(objects[i]), &top, NULL), 0);
    ump_json_only_member(&top, &key, &value);
    struct ump_bytes text = ump_json_only_text(&top, &key_again);
    assert_true(text.p == value.raw.p && text.n == value.raw.n);
    assert_true(key_again.raw.p == key.raw.p && key_again.raw.n == key.raw.n && key_again.escaped == key.escaped);
    assert_int_equal(top.holds, value.holds);
  }
}

static void test_json_members_in_any_order_and_spelling(void **state) {
  (void)state;
  struct ump_json_slot slots[] = {SLOT("a"), SLOT("bb"), SLOT("a key of more than sixteen bytes"), SLOT("\xc3\xa9"),
                                  SLOT("")};
  assert_int_equal(ump_json_members(ump_text("{ \"\\u00e9\" : 1,\"b\\u0062\":[ ] ,\"x\":{\"a\":9,\"bb\":9},\"\":null,"
                                             "\"a key of more than sixteen bytes\":true,\"\\u0061\":\"\\u0061\"}"),
                                    slots, 5, NULL),
                   0);
  assert_bytes(slots[0].value.raw, "\"\\u0061\"");
  assert_true(slots[0].value.escaped);
  assert_bytes(slots[1].value.raw, "[ ]");
  assert_int_equal(slots[2].value.type, UMP_JSON_TRUE);
  assert_int_equal(slots[3].value.holds, UMP_JSON_INTEGERS);
  assert_int_equal(slots[4].value.type, UMP_JSON_NULL);
}

static void test_json_members_wants_an_object(void **state) {
  (void)state;
  static const char *const texts[] = {"[]", "1", "\"a\"", "null", "", " ", "NaN", "x", "[{\"a\":1}]"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct ump_json_slot slot = SLOT("a");
    struct ump_json_error error = {0};
    slot.value.type = UMP_JSON_TRUE; /* of the datagram before */
    assert_int_equal(ump_json_members(ump_text(texts[i]), &slot, 1, &error), UMP_EMALFORMED);
    assert_non_null(error.why);
    assert_int_equal(slot.value.type, UMP_JSON_NONE);
  }
}

/* wire/neteria.md, section 7: an EVENT whose envelope is sound up to the fault can be answered by its euuid. */
static void test_json_fills_the_slots_before_a_fault(void **state) {
  (void)state;
  static const char *const bad_data[] = {"NaN", "1e999", "\"\\ud800\"", "{\"a\":1,\"a\":2}", "{\"a\":{\"b\":[1,]}}",
                                         "[\"", "\xff"};
  for (size_t i = 0; i < sizeof bad_data / sizeof *bad_data; i++) {
    struct ump_json_slot slots[] = {SLOT("euuid"), SLOT("event_data"), SLOT("priority"), SLOT("method")};
    char text[512];
    int n = snprintf(text, sizeof text, "%s%s%s", EVENT, bad_data[i], EVENT_REST);
    assert_int_equal(ump_json_members(ump_bytes(text, (size_t)n), slots, 4, NULL), UMP_EMALFORMED);
    assert_bytes(slots[0].value.raw, "\"003c4f0e-e592-11f1-a965-02fc00000001\"");
    assert_int_equal(slots[1].value.type, UMP_JSON_NONE);
    assert_int_equal(slots[2].value.type, UMP_JSON_NONE);
    assert_bytes(slots[3].value.raw, "\"EVENT\"");
  }
}

static void test_json_first_of_doubled_members_fills_the_slot(void **state) {
  (void)state;
  struct ump_json_slot slot = SLOT("a");
  assert_int_equal(ump_json_members(ump_text("{\"a\":1,\"\\u0061\":2}"), &slot, 1, NULL), UMP_EMALFORMED);
  assert_bytes(slot.value.raw, "1");
}

/* An object with many keys finds doubled ones when it closes: by then the slot must still hold the first. */
static void test_json_first_of_doubled_members_among_many(void **state) {
  (void)state;
  struct text t = {0};
  struct ump_json_slot slot = SLOT("key000000");
  char key[32];
  for (size_t i = 0; i < 60; i++) {
    snprintf(key, sizeof key, "%s\"key%06zu\":%zu", i ? "," : "{", i, i);
    adds(&t, key);
  }
  adds(&t, ",\"key000000\":99}");
  assert_int_equal(ump_json_members(bytes_of(&t), &slot, 1, NULL), UMP_EMALFORMED);
  assert_bytes(slot.value.raw, "0");
  free(t.p);
}

/* The rows of wire/neteria.md, section 7 that a scanner decides, with a whole envelope around them. */
static void test_json_refuses_bad_datagrams_of_neteria(void **state) {
  (void)state;
  static const struct refusal rows[] = {
      {RAW(""), 0, NULL},
      {RAW("hello"), 0, NULL},
      {RAW("\x78\x9c\x01"), 0, NULL},
      {RAW(EVENT "\"\xff\"" EVENT_REST), 0, NULL},
      {RAW(EVENT "1" EVENT_REST "x"), 0, NULL},
      {RAW(EVENT "1" EVENT_REST "\0"), 0, NULL},
      {RAW("\0" EVENT "1" EVENT_REST), 0, NULL},
      {RAW(EVENT "1"), 0, NULL},
      {RAW("[1]"), 0, NULL},
      {RAW("\"EVENT\""), 0, NULL},
      {RAW(EVENT "NaN" EVENT_REST), 0, NULL},
      {RAW(EVENT "Infinity" EVENT_REST), 0, NULL},
      {RAW(EVENT "1e999" EVENT_REST), 0, NULL},
      {RAW(EVENT "\"\\udead\"" EVENT_REST), 0, NULL},
      {RAW(EVENT "1, \"euuid\": \"x\"" EVENT_REST), 0, NULL},
      {RAW(EVENT "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]" EVENT_REST), 0, NULL},
  };
  struct ump_json_slot slots[] = {SLOT("method"), SLOT("euuid")};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    assert_int_equal(ump_json_members(rows[i].text, slots, 2, NULL), UMP_EMALFORMED);
  }
  /* Integers of any length must parse: an RSA modulus has 155 digits. */
  char text[512], digits[156] = {0};
  memset(digits, '9', 155);
  int n = snprintf(text, sizeof text, "{\"method\": \"REGISTER\", \"encryption\": [%s, 65537]}", digits);
  struct ump_json_slot keys = SLOT("encryption");
  assert_int_equal(ump_json_members(ump_bytes(text, (size_t)n), &keys, 1, NULL), 0);
  assert_int_equal(keys.value.holds, UMP_JSON_BIG | UMP_JSON_INTEGERS);
}

/* ---- iteration ---- */

static void test_json_iterates_objects_and_arrays(void **state) {
  (void)state;
  static const char *const keys[] = {"\"a\"", "\"b\\u0062\"", "\"c\"", "\"d\""};
  static const char *const values[] = {"1", "[ 1 , {\"x\":[]} ]", "{ }", "\"]},\""};
  struct ump_json_value top, key, value;
  assert_int_equal(
      ump_json_check(ump_text("{ \"a\" : 1 , \"b\\u0062\":[ 1 , {\"x\":[]} ],\"c\": { }\n,\"d\":\"]},\" }"), &top,
                     NULL),
      0);
  struct ump_json_iter it = {0};
  for (size_t i = 0; i < 4; i++) {
    assert_int_equal(ump_json_next(&top, &it, &key, &value), 1);
    assert_bytes(key.raw, keys[i]);
    assert_int_equal(key.escaped, i == 1);
    assert_bytes(value.raw, values[i]);
  }
  assert_int_equal(ump_json_next(&top, &it, &key, &value), 0);
  assert_int_equal(ump_json_next(&top, &it, &key, &value), 0);

  assert_int_equal(ump_json_check(ump_text("[ 1 , {\"x\":[]} ]"), &top, NULL), 0);
  it.at = 0;
  assert_int_equal(ump_json_next(&top, &it, &key, &value), 1);
  assert_int_equal(key.type, UMP_JSON_NONE);
  assert_int_equal(value.holds, UMP_JSON_INTEGERS);
  assert_int_equal(ump_json_next(&top, &it, &key, &value), 1);
  assert_int_equal(value.type, UMP_JSON_OBJECT);
  assert_int_equal(value.n_members, 1);
  assert_int_equal(value.holds, UMP_JSON_EMPTY_ARRAYS);
  assert_int_equal(ump_json_next(&top, &it, &key, &value), 0);

  assert_int_equal(ump_json_check(ump_text("[ ]"), &top, NULL), 0);
  it.at = 0;
  assert_int_equal(ump_json_next(&top, &it, &key, &value), 0);
}

/* ---- strings ---- */

static void test_json_decodes_strings(void **state) {
  (void)state;
  static const struct {
    const char *text;
    struct ump_bytes wanted;
  } rows[] = {
      {"\"\"", RAW("")},
      {"\"abc\"", RAW("abc")},
      {"\"\xc3\xa9\"", RAW("\xc3\xa9")},
      {"\"\\n\"", RAW("\n")},
      {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", RAW("\"\\/\b\f\n\r\t")},
      {"\"a\\u0000b\"", RAW("a\0b")},
      {"\"\\u007f\\u0080\\u07ff\\u0800\\uffff\"", RAW("\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf")},
      {"\"\\ud800\\udc00\\uDBFF\\uDFFF\"", RAW("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")},
      {"\"\\u00E9\xc3\xa9\"", RAW("\xc3\xa9\xc3\xa9")},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct ump_json_value v;
    uint8_t buf[64];
    assert_int_equal(ump_json_check(ump_text(rows[i].text), &v, NULL), 0);
    struct ump_bytes got = ump_json_string(&v, buf, v.raw.n);
    assert_true(ump_bytes_equal(got, rows[i].wanted));
    assert_non_null(got.p);
    assert_int_equal(v.escaped, strchr(rows[i].text, '\\') != NULL);
    if (!v.escaped) assert_ptr_equal(got.p, v.raw.p + 1); /* borrowed */
    for (size_t cap = 0; v.escaped && cap < rows[i].wanted.n; cap++) {
      got = ump_json_string(&v, buf, cap);
      assert_true(got.p == NULL && got.n == 0);
    }
  }
}

static void test_json_writes_strings(void **state) {
  (void)state;
  static const struct {
    struct ump_bytes in;
    const char *wanted;
  } rows[] = {
      {RAW(""), "\"\""},
      {RAW("abc"), "\"abc\""},
      {RAW("\"\\/"), "\"\\\"\\\\/\""},
      {RAW("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\""},
      {RAW("\0\x01\x1f\x7f"), "\"\\u0000\\u0001\\u001f\x7f\""},
      {RAW("\xc3\xa9\xf0\x9f\x98\x80"), "\"\xc3\xa9\xf0\x9f\x98\x80\""},
      {RAW("a\xff"
           "b"),
       "\"a\xef\xbf\xbd"
       "b\""},
      {RAW("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
      {RAW("\xe2\x82"), "\"\xef\xbf\xbd\xef\xbf\xbd\""},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    uint8_t buf[128];
    struct ump_writer w = ump_writer(buf, sizeof buf);
    ump_json_write_string(&w, rows[i].in);
    assert_false(w.full);
    assert_bytes(ump_written(&w), rows[i].wanted);
    for (size_t cap = 0; cap < strlen(rows[i].wanted); cap++) {
      w = ump_writer(buf, cap);
      ump_json_write_string(&w, rows[i].in);
      assert_true(w.full && w.n <= cap);
    }
  }
}

/* ---- properties ---- */

/* Any bytes, written and checked and decoded, come back, apart from what was no UTF-8. */
static void test_json_what_is_written_comes_back(void **state) {
  (void)state;
  struct testing_rng rng;
  testing_rng_init(&rng, 2);
  for (int round = 0; round < 20000; round++) {
    uint8_t in[48], written[6 * sizeof in + 2], out[sizeof written];
    size_t n = ump_rng_below(&rng.rng, sizeof in + 1);
    ump_rng_fill(&rng.rng, in, n);
    if (round % 2)
      for (size_t i = 0; i < n; i++) in[i] &= 0x7F;
    struct ump_writer w = ump_writer(written, sizeof written);
    ump_json_write_string(&w, ump_bytes(in, n));
    assert_false(w.full);
    struct ump_json_value v;
    assert_int_equal(check(ump_written(&w), &v, NULL), 0);
    struct ump_bytes got = ump_json_string(&v, out, sizeof out);
    assert_true(ump_utf8_valid(got));
    if (ump_utf8_valid(ump_bytes(in, n))) assert_true(ump_bytes_equal(got, ump_bytes(in, n)));
  }
}

/* A random value, with what the scanner must say about it. */
struct made {
  struct text t;
  struct testing_rng *rng;
  unsigned nodes, depth, deepest;
  bool doubled; /* an object in it has a key twice */
};

static uint64_t dice(struct made *m, uint64_t n) {
  return ump_rng_below(&m->rng->rng, n);
}
static void space(struct made *m) {
  add(&m->t, " \n\t\r ", dice(m, 8) ? 0 : 1 + dice(m, 4));
}

/* Keys of two letters out of few, so that some are doubled; each letter plain or as an escape. */
static unsigned make_key(struct made *m, unsigned letters) {
  unsigned id = 0;
  char piece[8];
  adds(&m->t, "\"");
  for (int i = 0; i < 2; i++) {
    unsigned letter = (unsigned)dice(m, letters);
    id = id * letters + letter;
    if (dice(m, 4))
      snprintf(piece, sizeof piece, "%c", 'a' + (int)letter);
    else
      snprintf(piece, sizeof piece, "\\u%04x", 'a' + letter);
    adds(&m->t, piece);
  }
  adds(&m->t, "\"");
  return id;
}

static void make(struct made *m);

static void make_object(struct made *m) {
  bool seen[26 * 26] = {false};
  unsigned letters = 2 + (unsigned)dice(m, 25);
  size_t n = dice(m, 40) ? dice(m, 4) : 20 + dice(m, 40);
  adds(&m->t, "{");
  for (size_t i = 0; i < n; i++) {
    if (i) adds(&m->t, ",");
    space(m);
    unsigned id = make_key(m, letters);
    m->doubled |= seen[id];
    seen[id] = true;
    space(m);
    adds(&m->t, ":");
    make(m);
  }
  space(m);
  adds(&m->t, "}");
}

static void make_array(struct made *m) {
  adds(&m->t, "[");
  for (size_t i = 0, n = dice(m, 5); i < n; i++) {
    if (i) adds(&m->t, ",");
    make(m);
  }
  space(m);
  adds(&m->t, "]");
}

static void make(struct made *m) {
  static const char *const scalars[] = {"0",     "-12",  "1.5",  "2e2",      "true",
                                        "false", "null", "\"\"", "\"x\\n\"", "\"\xc3\xa9\""};
  m->nodes++;
  m->depth++;
  space(m);
  bool deep = m->nodes > 200 || dice(m, 3) == 0;
  if (!deep) {
    if (m->depth > m->deepest) m->deepest = m->depth;
    if (dice(m, 2))
      make_object(m);
    else
      make_array(m);
  } else {
    adds(&m->t, scalars[dice(m, sizeof scalars / sizeof *scalars)]);
  }
  space(m);
  m->depth--;
}

/* Sums members over all containers by iteration, as the scanner does by counting. */
static unsigned count_values(const struct ump_json_value *v) {
  unsigned n = 1, members = 0;
  struct ump_json_value key, value;
  struct ump_json_iter it = {0};
  if (v->type != UMP_JSON_OBJECT && v->type != UMP_JSON_ARRAY) return 1;
  while (ump_json_next(v, &it, &key, &value)) members++, n += count_values(&value);
  assert_int_equal(members, v->n_members);
  return n;
}

static void test_json_agrees_with_the_maker_of_random_texts(void **state) {
  (void)state;
  struct testing_rng rng;
  unsigned accepted_n = 0, doubled_n = 0, deep_n = 0;
  testing_rng_init(&rng, 3);
  for (int round = 0; round < 5000; round++) {
    struct made m = {.rng = &rng};
    make(&m);
    struct ump_json_value top;
    struct ump_json_error error;
    int err = check(bytes_of(&m.t), &top, &error);
    bool sound = !m.doubled && m.deepest <= UMP_JSON_DEPTH && m.nodes <= UMP_JSON_NODES;
    if (err != (sound ? 0 : UMP_EMALFORMED)) fail_msg("round %d: %d, %s", round, err, err ? error.why : "accepted");
    if (!err) assert_int_equal(count_values(&top), m.nodes);
    accepted_n += !err, doubled_n += m.doubled, deep_n += m.deepest > UMP_JSON_DEPTH;
    free(m.t.p);
  }
  assert_true(accepted_n > 1000 && doubled_n > 300 && deep_n > 0); /* the maker made all kinds */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_json_accepts_what_rfc_8259_allows),
      cmocka_unit_test(test_json_refuses_what_is_no_json),
      cmocka_unit_test(test_json_refuses_what_python_would_accept),
      cmocka_unit_test(test_json_refuses_every_cut),
      cmocka_unit_test(test_json_sees_every_byte_of_a_string),
      cmocka_unit_test(test_json_counts_4096_values),
      cmocka_unit_test(test_json_finds_a_doubled_key_among_few_and_many),
      cmocka_unit_test(test_json_keeps_the_keys_of_nested_objects_apart),
      cmocka_unit_test(test_json_says_what_values_hold),
      cmocka_unit_test(test_json_classifies_floats_as_strtod_rounds_them),
      cmocka_unit_test(test_json_rounds_by_the_last_of_very_many_digits),
      cmocka_unit_test(test_json_finds_the_members_of_an_event),
      cmocka_unit_test(test_json_refuses_integers_that_no_double_holds),
      cmocka_unit_test(test_json_gives_the_text_of_an_only_member),
      cmocka_unit_test(test_json_members_in_any_order_and_spelling),
      cmocka_unit_test(test_json_members_wants_an_object),
      cmocka_unit_test(test_json_fills_the_slots_before_a_fault),
      cmocka_unit_test(test_json_first_of_doubled_members_fills_the_slot),
      cmocka_unit_test(test_json_first_of_doubled_members_among_many),
      cmocka_unit_test(test_json_refuses_bad_datagrams_of_neteria),
      cmocka_unit_test(test_json_iterates_objects_and_arrays),
      cmocka_unit_test(test_json_decodes_strings),
      cmocka_unit_test(test_json_writes_strings),
      cmocka_unit_test(test_json_what_is_written_comes_back),
      cmocka_unit_test(test_json_agrees_with_the_maker_of_random_texts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
