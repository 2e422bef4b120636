/* JSON strings: escapes and UTF-8 are checked here, decoded for those who ask, and written. */
#include "codec/json_internal.h"

static int hex_digit(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hex digits, or -1. */
static int32_t hex4(const uint8_t *p, const uint8_t *end) {
  int32_t v = 0;
  if (end - p < 4) return -1;
  for (int i = 0; i < 4; i++) {
    int digit = hex_digit(p[i]);
    if (digit < 0) return -1;
    v = v << 4 | digit;
  }
  return v;
}

static bool high_surrogate(int32_t v) {
  return v >= 0xD800 && v <= 0xDBFF;
}
static bool low_surrogate(int32_t v) {
  return v >= 0xDC00 && v <= 0xDFFF;
}

/* p is behind "\u". */
static const uint8_t *unicode_escape(struct ump__json_string *s, const uint8_t *p, const uint8_t *end,
                                     struct ump__json_fault *f) {
  int32_t v = hex4(p, end);
  if (v < 0) return ump__json_refuse(f, p, "\\u without four hex digits");
  if (low_surrogate(v)) return ump__json_beyond(f, p, "a lone low surrogate");
  if (v == 0) s->nul = true;
  if (!high_surrogate(v)) return p + 4;
  bool pair = end - p >= 10 && p[4] == '\\' && p[5] == 'u' && low_surrogate(hex4(p + 6, end));
  return pair ? p + 10 : ump__json_beyond(f, p, "a lone high surrogate");
}

/* p is at the backslash. */
static const uint8_t *escape(struct ump__json_string *s, const uint8_t *p, const uint8_t *end,
                             struct ump__json_fault *f) {
  s->escaped = true;
  if (end - p < 2) return ump__json_refuse(f, end, "the text ends inside a string");
  if (p[1] == 'u') return unicode_escape(s, p + 2, end, f);
  return p[1] && strchr("\"\\/bfnrt", p[1]) ? p + 2 : ump__json_refuse(f, p, "an unknown escape");
}

const uint8_t *ump__json_string_rest(struct ump__json_string *s, const uint8_t *p, const uint8_t *q, const uint8_t *end,
                                     struct ump__json_fault *f) {
  *s = (struct ump__json_string){p, 0, false, false};
  while (q) {
    q = ump__json_plain(q, end);
    if (q == end) return ump__json_refuse(f, end, "the text ends inside a string");
    if (*q == '"') {
      s->n = (size_t)(q - p);
      return q + 1;
    }
    if (*q == '\\') {
      q = escape(s, q, end, f);
    } else if (*q < 0x20) {
      q = ump__json_refuse(f, q, "a control character inside a string");
    } else {
      size_t n = ump_utf8_sequence(q, (size_t)(end - q));
      q = n ? q + n : ump__json_refuse(f, q, "invalid UTF-8");
    }
  }
  return NULL;
}

static size_t encode_utf8(uint32_t c, uint8_t out[4]) {
  if (c < 0x80) {
    out[0] = (uint8_t)c;
    return 1;
  }
  size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  for (size_t i = n - 1; i > 0; i--, c >>= 6) out[i] = (uint8_t)(0x80 | (c & 0x3F));
  out[0] = (uint8_t)((n == 2 ? 0xC0 : n == 3 ? 0xE0 : 0xF0) | c);
  return n;
}

size_t ump__json_decode(struct ump__json_cursor *c, uint8_t out[4]) {
  if (c->p == c->end) return 0;
  if (*c->p != '\\') {
    out[0] = *c->p++;
    return 1;
  }
  uint8_t kind = c->p[1];
  c->p += 2;
  if (kind == 'u') {
    uint32_t v = (uint32_t)hex4(c->p, c->end);
    c->p += 4;
    if (high_surrogate((int32_t)v)) {
      v = 0x10000 + ((v - 0xD800) << 10) + ((uint32_t)hex4(c->p + 2, c->end) - 0xDC00);
      c->p += 6;
    }
    return encode_utf8(v, out);
  }
  static const uint8_t meant[128] = {
      ['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'};
  out[0] = meant[kind & 0x7F];
  return 1;
}

struct ump_bytes ump_json_string(const struct ump_json_value *v, uint8_t *buf, size_t cap) {
  const uint8_t *p = v->raw.p + 1;
  size_t inside = v->raw.n - 2;
  if (!v->escaped) return ump_bytes(p, inside);
  struct ump__json_cursor c = {p, p + inside};
  struct ump_writer w = ump_writer(buf, cap);
  uint8_t piece[4];
  for (size_t n; (n = ump__json_decode(&c, piece)) > 0;) ump_write_bytes(&w, ump_bytes(piece, n));
  return w.full ? ump_bytes(NULL, 0) : ump_written(&w);
}

static void write_escape(struct ump_writer *w, uint8_t c) {
  static const char digits[] = "0123456789abcdef";
  static const char short_form[0x20] = {['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
  uint8_t text[6] = {'\\', c, '0', '0', (uint8_t)digits[c >> 4], (uint8_t)digits[c & 15]};
  bool is_short = c >= 0x20 || short_form[c];
  if (c < 0x20) text[1] = is_short ? (uint8_t)short_form[c] : 'u';
  ump_write_bytes(w, ump_bytes(text, is_short ? 2 : 6));
}

/* Writes the character at p, which is not plain, and says how many bytes it had. */
static size_t write_special(struct ump_writer *w, const uint8_t *p, const uint8_t *end) {
  if (*p < 0x80) {
    write_escape(w, *p);
    return 1;
  }
  size_t n = ump_utf8_sequence(p, (size_t)(end - p));
  if (n)
    ump_write_bytes(w, ump_bytes(p, n));
  else
    ump_write_text(w, "\xEF\xBF\xBD"); /* U+FFFD, one for each byte that begins nothing */
  return n ? n : 1;
}

void ump_json_write_string(struct ump_writer *w, struct ump_bytes s) {
  ump_write_u8(w, '"');
  const uint8_t *p = s.p, *end = s.n ? s.p + s.n : s.p;
  while (p < end) {
    const uint8_t *q = ump__json_plain(p, end);
    ump_write_bytes(w, ump_bytes(p, (size_t)(q - p)));
    p = q < end ? q + write_special(w, q, end) : end;
  }
  ump_write_u8(w, '"');
}
