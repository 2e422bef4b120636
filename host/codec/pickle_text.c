#include "codec/pickle_text.h"

#include <math.h>
#include <stdlib.h>

static uint32_t fail(struct values *v, const char *why) {
  if (!v->why) v->why = why;
  return 0;
}

bool ump__pickle_integer(struct ump_bytes line, size_t max_digits, int64_t *out) {
  bool minus = line.n && line.p[0] == '-';
  size_t i = minus;
  uint64_t u = 0, max = minus ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
  if (line.n == i || line.n - i > max_digits) return false;
  for (; i < line.n; i++) {
    if (line.p[i] < '0' || line.p[i] > '9') return false;
    unsigned digit = line.p[i] - '0';
    if (u > (max - digit) / 10) return false;
    u = u * 10 + digit;
  }
  *out = minus ? (int64_t)(0 - u) : (int64_t)u;
  return true;
}

bool ump__pickle_float(struct ump_bytes line, double *out) {
  char text[41], *end;
  if (line.n == 0 || line.n >= sizeof text) return false;
  for (size_t i = 0; i < line.n; i++) {
    uint8_t c = line.p[i];
    if (!(c >= '0' && c <= '9') && c != '+' && c != '-' && c != '.' && c != 'e' && c != 'E') goto words;
    text[i] = (char)c;
  }
  text[line.n] = 0;
  *out = strtod(text, &end);
  return *end == 0;
words:
  if (ump_bytes_equal(line, ump_text("inf"))) return *out = HUGE_VAL, true;
  if (ump_bytes_equal(line, ump_text("-inf"))) return *out = -HUGE_VAL, true;
  if (ump_bytes_equal(line, ump_text("nan"))) return *out = strtod("nan", NULL), true;
  return false;
}

static int hex(uint8_t c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

static bool hex_number(struct ump_bytes in, size_t at, size_t digits, uint32_t *out) {
  if (in.n - at < digits) return false;
  *out = 0;
  for (size_t i = 0; i < digits; i++) {
    int d = hex(in.p[at + i]);
    if (d < 0) return false;
    *out = *out << 4 | (uint32_t)d;
  }
  return true;
}

/* ---- Python 2 literals ---- */

static int escaped(uint8_t c) {
  switch (c) {
  case '\\':
  case '\'':
  case '"':
    return c;
  case 'n':
    return '\n';
  case 'r':
    return '\r';
  case 't':
    return '\t';
  case 'a':
    return 7;
  case 'b':
    return 8;
  case 'f':
    return 12;
  case 'v':
    return 11;
  default:
    return -1;
  }
}

uint32_t ump__pickle_literal(struct values *v, struct ump_bytes line) {
  if (line.n < 2 || (line.p[0] != '\'' && line.p[0] != '"') || line.p[line.n - 1] != line.p[0])
    return fail(v, "a string without its quotes");
  struct ump_bytes in = ump_bytes(line.p + 1, line.n - 2);
  size_t start = v->n_arena, n = 0;
  uint8_t *out = ump__pickle_arena(v, in.n);
  if (!out && in.n) return 0;
  for (size_t i = 0; i < in.n; i++) {
    uint32_t byte;
    if (in.p[i] == line.p[0]) return fail(v, "a quote inside a string");
    if (in.p[i] != '\\') {
      out[n++] = in.p[i];
    } else if (i + 1 < in.n && in.p[i + 1] == 'x' && hex_number(in, i + 2, 2, &byte)) {
      out[n++] = (uint8_t)byte;
      i += 3;
    } else if (i + 1 < in.n && escaped(in.p[i + 1]) >= 0) {
      out[n++] = (uint8_t)escaped(in.p[++i]);
    } else {
      return fail(v, "an escape that Python does not write");
    }
  }
  v->n_arena = start + n;
  return ump__pickle_string(v, K_TEXT, start, n, true);
}

/* ---- texts ---- */

static size_t put_utf8(uint8_t *out, uint32_t c) {
  if (c < 0x80) return out[0] = (uint8_t)c, 1;
  if (c < 0x800) return out[0] = (uint8_t)(0xc0 | c >> 6), out[1] = (uint8_t)(0x80 | (c & 0x3f)), 2;
  if (c < 0x10000) {
    out[0] = (uint8_t)(0xe0 | c >> 12), out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f)),
    out[2] = (uint8_t)(0x80 | (c & 0x3f));
    return 3;
  }
  out[0] = (uint8_t)(0xf0 | c >> 18), out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
  out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f)), out[3] = (uint8_t)(0x80 | (c & 0x3f));
  return 4;
}

/* The next character of raw-unicode-escape: a Latin-1 byte or an escape. */
static bool raw_char(struct ump_bytes in, size_t *i, uint32_t *c) {
  if (in.p[*i] != '\\') return *c = in.p[(*i)++], true;
  bool wide = *i + 1 < in.n && in.p[*i + 1] == 'U';
  if (!wide && !(*i + 1 < in.n && in.p[*i + 1] == 'u')) return *c = in.p[(*i)++], true; /* Python takes it for itself */
  size_t digits = wide ? 8 : 4;
  if (!hex_number(in, *i + 2, digits, c) || *c > 0x10ffff) return false;
  *i += 2 + digits;
  return true;
}

uint32_t ump__pickle_raw_unicode(struct values *v, struct ump_bytes line) {
  size_t start = v->n_arena, n = 0;
  uint8_t *out = ump__pickle_arena(v, line.n * 2 + 4); /* a Latin-1 byte becomes two; six bytes of \uXXXX three */
  if (!out) return 0;
  for (size_t i = 0; i < line.n;) {
    uint32_t c, low;
    size_t next;
    if (!raw_char(line, &i, &c)) return fail(v, "an escape that Python does not write");
    next = i;
    if (c >= 0xd800 && c < 0xdc00 && i < line.n && raw_char(line, &next, &low) && low >= 0xdc00 && low < 0xe000) {
      c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
      i = next;
    }
    n += put_utf8(out + n, c);
  }
  v->n_arena = start + n;
  return ump__pickle_string(v, K_TEXT, start, n, true);
}

uint32_t ump__pickle_latin1(struct values *v, uint32_t text) {
  size_t start = v->n_arena, n = 0, in_n = ump__pickle_text(v, text).n;
  uint8_t *out = ump__pickle_arena(v, in_n);
  if (!out && in_n) return 0;
  struct ump_bytes in = ump__pickle_text(v, text); /* after the arena has moved */
  for (size_t i = 0; i < in.n; i++) {
    if (in.p[i] < 0x80) {
      out[n++] = in.p[i];
    } else if ((in.p[i] == 0xc2 || in.p[i] == 0xc3) && i + 1 < in.n) {
      out[n++] = (uint8_t)((in.p[i] & 3) << 6 | (in.p[i + 1] & 0x3f));
      i++;
    } else {
      return fail(v, "a character that is no byte");
    }
  }
  v->n_arena = start + n;
  return ump__pickle_string(v, K_BYTES, start, n, true);
}

bool ump__pickle_utf8(struct ump_bytes s) {
  if (ump_utf8_valid(s)) return true;
  for (size_t i = 0; i < s.n;) { /* lone surrogates, ed a0..bf xx, step aside; what lies between must be sound */
    size_t from = i;
    while (i < s.n && !(s.p[i] == 0xed && i + 2 < s.n && s.p[i + 1] >= 0xa0 && s.p[i + 1] <= 0xbf)) i++;
    if (!ump_utf8_valid(ump_bytes(s.p + from, i - from))) return false;
    if (i < s.n) {
      if ((s.p[i + 2] & 0xc0) != 0x80) return false;
      i += 3;
    }
  }
  return true;
}
