/* JSON numbers: the grammar, and what a decoder will have to take care of, without decoding them. Only a number near
 * the edge of what a double can tell apart is handed to strtod. */
#include <float.h>
#include <stdlib.h>

#include "codec/json_internal.h"

enum {
  EXACT_DIGITS = 15,   /* decimals of so many digits (and integers among them) are all different doubles: DBL_DIG */
  ENOUGH_DIGITS = 800, /* no double needs more than 767 digits to be rounded right; one more stands for the rest */
};

/* value = digits * 10^exponent; the digits are a run of the text with at most one point in it. */
struct number {
  const uint8_t *digits, *point, *digits_end; /* point: NULL or the '.' */
  const uint8_t *last;                        /* the last digit that is not 0; NULL: the value is 0 */
  const uint8_t *first;                       /* the first digit that is not 0 */
  int64_t exponent;                           /* as written, but at most 10^18 in size */
};

static bool digit(const uint8_t *p, const uint8_t *end) {
  return p < end && *p >= '0' && *p <= '9';
}

/* Integers: at most 19 digits are looked at, and 19 digits fit 64 bits unsigned. */
static unsigned integer_kind(const uint8_t *p, size_t n, bool negative) {
  if (n <= EXACT_DIGITS) return UMP_JSON_INTEGERS;
  if (n > 19) return UMP_JSON_BIG;
  uint64_t v = 0;
  for (size_t i = 0; i < n; i++) v = v * 10 + (uint64_t)(p[i] - '0');
  if (v <= (uint64_t)1 << 53) return UMP_JSON_INTEGERS;
  return v <= (uint64_t)INT64_MAX + negative ? UMP_JSON_WIDE : UMP_JSON_BIG;
}

/* The power of ten of a digit's place: the value has this digit times 10^place. */
static int64_t place(const struct number *x, const uint8_t *d) {
  const uint8_t *units = x->point ? x->point - 1 : x->digits_end - 1;
  int64_t away = d <= units ? units - d : -(d - units - 1);
  return away + x->exponent;
}

/* As strtod decodes it. Written without a point, so that no locale can change its meaning. */
static double decode(const struct number *x) {
  char text[ENOUGH_DIGITS + 32];
  struct ump_writer w = ump_writer(text, sizeof text);
  const uint8_t *d = x->first;
  int64_t lowest = 0;
  for (; d <= x->last && w.n < ENOUGH_DIGITS; d++) {
    if (*d == '.') continue;
    ump_write_u8(&w, *d);
    lowest = place(x, d);
  }
  if (d <= x->last) ump_write_u8(&w, '1'), lowest--; /* something follows; how much makes no difference any more */
  ump_write_u8(&w, 'e');
  ump_write_decimal(&w, lowest);
  ump_write_u8(&w, 0);
  return strtod(text, NULL);
}

/* 0: too large for a double. */
static unsigned float_kind(const struct number *x) {
  if (!x->last) return UMP_JSON_WHOLE_FLOATS;
  int64_t high = place(x, x->first), low = place(x, x->last);
  if (high > 308) return 0;
  if (high < 308) { /* cannot overflow */
    if (low >= 0) return UMP_JSON_WHOLE_FLOATS;
    if (high - low < EXACT_DIGITS && low > -300) return UMP_JSON_FLOATS;
  }
  double v = decode(x);
  if (v > DBL_MAX) return 0;
  /* From 2^53 on every double is whole. */
  bool whole = v >= 0x1p53 || v == (double)(uint64_t)v;
  return whole ? UMP_JSON_WHOLE_FLOATS : UMP_JSON_FLOATS;
}

static const uint8_t *note_digits(struct number *x, const uint8_t *p, const uint8_t *end) {
  for (; digit(p, end); p++) {
    if (*p == '0') continue;
    x->last = p;
    if (!x->first) x->first = p;
  }
  return p;
}

static const uint8_t *read_exponent(struct number *x, const uint8_t *p, const uint8_t *end) {
  bool negative = p < end && *p == '-';
  int64_t v = 0;
  if (p < end && (*p == '+' || *p == '-')) p++;
  for (; digit(p, end); p++) v = v < 100000000000000000 ? v * 10 + (*p - '0') : v;
  x->exponent = negative ? -v : v;
  return p;
}

/* A number that goes on with a fraction or an exponent at p. */
static const uint8_t *float_rest(struct number *x, const uint8_t *p, const uint8_t *end, unsigned *holds,
                                 struct ump__json_fault *f) {
  const uint8_t *start = x->digits;
  note_digits(x, start, p);
  if (*p == '.') {
    x->point = p;
    if (!digit(p + 1, end)) return ump__json_refuse(f, p, "a number with no digit behind its point");
    p = note_digits(x, p + 1, end);
  }
  x->digits_end = p;
  if (p < end && (*p == 'e' || *p == 'E')) {
    p = read_exponent(x, p + 1, end);
    if (p[-1] < '0' || p[-1] > '9') return ump__json_refuse(f, p - 1, "a number with no digit in its exponent");
  }
  *holds = float_kind(x);
  return *holds ? p : ump__json_beyond(f, start, "a number too large for a double");
}

/* Whether an integer of any length is less than a double can hold, which is what big ones become. */
static bool fits_double(const uint8_t *p, const uint8_t *end) {
  if (end - p <= DBL_MAX_10_EXP) return true;
  struct number x = {.digits = p, .digits_end = end};
  note_digits(&x, p, end);
  return float_kind(&x) != 0;
}

const uint8_t *ump__json_number(const uint8_t *p, const uint8_t *end, unsigned *holds, struct ump__json_fault *f) {
  bool negative = *p == '-';
  const uint8_t *start = p += negative;
  if (!digit(p, end)) return ump__json_refuse(f, p, "a minus without a digit");
  while (digit(p, end)) p++;
  if (*start == '0' && p - start > 1) return ump__json_refuse(f, start, "a number with a leading zero");
  if (p < end && (*p == '.' || *p == 'e' || *p == 'E')) {
    struct number x = {.digits = start};
    return float_rest(&x, p, end, holds, f);
  }
  if (!fits_double(start, p)) return ump__json_beyond(f, start, "a number too large for a double");
  *holds = integer_kind(start, (size_t)(p - start), negative);
  return p;
}
