#include "record/datum.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/plain.h"
#include "codec/json.h"

enum { DEPTH = 40 }; /* more than either encoding allows: deeper is none of ours, and the C stack is bounded */

/* ---- the same? ---- */

static uint64_t mix(uint64_t a, uint64_t b) {
  uint64_t x = a * UINT64_C(0x9E3779B97F4A7C15) + b + UINT64_C(0x632BE59BD9B4E019);
  x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
  return x ^ x >> 31;
}

static uint64_t hash_bytes(uint64_t kind, struct ump_bytes b) {
  static const struct ump_hash_key key;
  return mix(kind, ump_hash64(&key, b));
}

static uint64_t hash_json_string(const struct ump_json_value *v) {
  uint8_t *buf = v->escaped ? malloc(v->raw.n) : NULL;
  struct ump_bytes s = v->escaped && !buf ? v->raw : ump_json_string(v, buf, v->raw.n);
  uint64_t h = hash_bytes(UMP_JSON_STRING, s);
  free(buf);
  return h;
}

static uint64_t hash_json(const struct ump_json_value *v, int depth) {
  struct ump_json_iter it = {0};
  struct ump_json_value key, member;
  uint64_t h = v->type;
  if (v->type == UMP_JSON_STRING) return hash_json_string(v);
  if ((v->type != UMP_JSON_ARRAY && v->type != UMP_JSON_OBJECT) || depth == 0) return hash_bytes(v->type, v->raw);
  while (ump_json_next(v, &it, &key, &member)) {
    uint64_t m = hash_json(&member, depth - 1);
    h = v->type == UMP_JSON_ARRAY ? mix(h, m) : h + mix(hash_json_string(&key), m);
  }
  return h;
}

static uint64_t hash_plain(struct ump_reader *r, int depth) {
  struct ump_plain v;
  if (!ump_plain_get(r, &v) || depth == 0) return r->bad = true, 0;
  uint64_t h = v.tag;
  switch (v.tag) {
  case UMP_PLAIN_INT:
    return mix(h, (uint64_t)v.i);
  case UMP_PLAIN_FLOAT:
    return hash_bytes(h, ump_bytes(&v.f, sizeof v.f));
  case UMP_PLAIN_STRING:
    return hash_bytes(h, v.s);
  case UMP_PLAIN_ARRAY:
  case UMP_PLAIN_TUPLE:
  case UMP_PLAIN_MIXED:
    for (uint32_t i = 0; i < v.count && !r->bad; i++) h = mix(h, hash_plain(r, depth - 1));
    return v.tag == UMP_PLAIN_MIXED ? mix(h, hash_plain(r, depth - 1)) : h;
  case UMP_PLAIN_MAP:
    for (uint32_t i = 0; i < v.count && !r->bad; i++) {
      uint64_t key = hash_plain(r, depth - 1);
      h += mix(key, hash_plain(r, depth - 1));
    }
    return h;
  default:
    return h;
  }
}

uint64_t ump_datum_hash(enum ump_encoding encoding, struct ump_bytes data) {
  struct ump_json_value top;
  struct ump_reader r = ump_reader(data);
  if (encoding == UMP_JSON && ump_json_check(data, &top, NULL) == 0) return hash_json(&top, DEPTH);
  uint64_t h = encoding == UMP_PLAIN && data.n ? hash_plain(&r, DEPTH) : 0;
  return encoding == UMP_PLAIN && data.n && !r.bad ? h : hash_bytes(99, data);
}

bool ump_datum_same(enum ump_encoding encoding, struct ump_bytes a, struct ump_bytes b) {
  if (ump_bytes_equal(a, b)) return true;
  if (encoding == UMP_RAW || !a.n || !b.n) return false;
  return ump_datum_hash(encoding, a) == ump_datum_hash(encoding, b);
}

/* ---- as Lua ---- */

static const char *const keywords[] = {"and",      "break",  "do",   "else", "elseif", "end",  "false", "for",
                                       "function", "goto",   "if",   "in",   "local",  "nil",  "not",   "or",
                                       "repeat",   "return", "then", "true", "until",  "while"};

static bool is_name(struct ump_bytes s) {
  for (size_t i = 0; i < s.n; i++) {
    uint8_t c = s.p[i];
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    if (!letter && !(i && c >= '0' && c <= '9')) return false;
  }
  for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
    if (ump_bytes_equal(s, ump_text(keywords[i]))) return false;
  return s.n > 0;
}

void ump_datum_show_string(struct ump_writer *w, struct ump_bytes s) {
  ump_write_u8(w, '"');
  for (size_t i = 0; i < s.n; i++) {
    uint8_t c = s.p[i];
    size_t n = c >= 0x80 ? ump_utf8_sequence(s.p + i, s.n - i) : 0;
    if (n) {
      ump_write_bytes(w, ump_bytes(s.p + i, n));
      i += n - 1;
    } else if (c == '"' || c == '\\') {
      ump_write_u8(w, '\\'), ump_write_u8(w, c);
    } else if (c == '\n') {
      ump_write_text(w, "\\n");
    } else if (c < 0x20 || c >= 0x7f) {
      char hex[] = {'\\', 'x', "0123456789abcdef"[c >> 4], "0123456789abcdef"[c & 15], 0};
      ump_write_text(w, hex);
    } else {
      ump_write_u8(w, c);
    }
  }
  ump_write_u8(w, '"');
}

static void show_key(struct ump_writer *w, struct ump_bytes s) {
  if (is_name(s)) {
    ump_write_bytes(w, s);
  } else {
    ump_write_u8(w, '[');
    ump_datum_show_string(w, s);
    ump_write_u8(w, ']');
  }
  ump_write_text(w, " = ");
}

static void show_json_string(struct ump_writer *w, const struct ump_json_value *v, bool key) {
  uint8_t *buf = v->escaped ? malloc(v->raw.n) : NULL;
  struct ump_bytes s = v->escaped && !buf ? v->raw : ump_json_string(v, buf, v->raw.n);
  if (key)
    show_key(w, s);
  else
    ump_datum_show_string(w, s);
  free(buf);
}

static void show_json(struct ump_writer *w, const struct ump_json_value *v, bool exact) {
  struct ump_json_iter it = {0};
  struct ump_json_value key, member;
  switch (v->type) {
  case UMP_JSON_NULL:
    ump_write_text(w, exact ? "host.null" : "null");
    break;
  case UMP_JSON_STRING:
    show_json_string(w, v, false);
    break;
  case UMP_JSON_ARRAY:
  case UMP_JSON_OBJECT:
    if (v->n_members == 0) {
      ump_write_text(w, v->type == UMP_JSON_OBJECT ? "{}" : exact ? "host.array {}" : "{}");
      break;
    }
    ump_write_u8(w, '{');
    for (const char *gap = " "; !w->full && ump_json_next(v, &it, &key, &member); gap = ", ") {
      ump_write_text(w, gap);
      if (v->type == UMP_JSON_OBJECT) show_json_string(w, &key, true);
      show_json(w, &member, exact);
    }
    ump_write_text(w, " }");
    break;
  default:
    ump_write_bytes(w, v->raw);
  }
}

/* %.17g without stdio: the shortest text that strtod reads back as the same would be nicer, and takes a page. */
static void show_float(struct ump_writer *w, double f) {
  if (f != f || f - f != 0) { /* NaN, infinities */
    ump_write_text(w, f != f ? "(0 / 0)" : f > 0 ? "math.huge" : "-math.huge");
    return;
  }
  if (f < 0) ump_write_u8(w, '-'), f = -f;
  for (int digits = 0; digits <= 9; digits++) { /* decimals of everyday's numbers */
    double scale = 1;
    for (int i = 0; i < digits; i++) scale *= 10;
    double scaled = f * scale;
    if (scaled >= 9e15) break;
    uint64_t whole = (uint64_t)(scaled + 0.5), unit = (uint64_t)scale;
    if ((double)whole / scale != f) continue;
    ump_write_decimal(w, (int64_t)(whole / unit));
    ump_write_u8(w, '.');
    uint64_t rest = whole % unit;
    if (!digits) ump_write_u8(w, '0');
    for (uint64_t place = unit / 10; digits && place; place /= 10) ump_write_u8(w, (uint8_t)('0' + rest / place % 10));
    return;
  }
  uint64_t bits; /* as hexadecimal: exact */
  memcpy(&bits, &f, sizeof bits);
  int exponent = (int)(bits >> 52 & 2047) - 1023;
  bool tiny = exponent == -1023;
  ump_write_text(w, tiny ? "0x0." : "0x1.");
  for (int shift = 48; shift >= 0; shift -= 4) ump_write_u8(w, (uint8_t) "0123456789abcdef"[bits >> shift & 15]);
  ump_write_u8(w, 'p');
  ump_write_decimal(w, tiny ? -1022 : exponent);
}

static void show_plain(struct ump_writer *w, struct ump_reader *r, bool exact, int depth);

static void show_pairs(struct ump_writer *w, struct ump_reader *r, uint32_t count, const char *gap, bool exact,
                       int depth) {
  struct ump_plain key;
  for (uint32_t i = 0; i < count && !r->bad && !w->full; i++, gap = ", ") {
    struct ump_reader ahead = *r;
    ump_write_text(w, gap);
    if (ump_plain_get(&ahead, &key) && key.tag == UMP_PLAIN_STRING) {
      *r = ahead;
      show_key(w, key.s);
    } else {
      ump_write_u8(w, '[');
      show_plain(w, r, exact, depth - 1);
      ump_write_text(w, "] = ");
    }
    show_plain(w, r, exact, depth - 1);
  }
}

static void show_list(struct ump_writer *w, struct ump_reader *r, const struct ump_plain *v, bool exact, int depth) {
  struct ump_plain map;
  if (v->count == 0 && v->tag != UMP_PLAIN_MIXED) {
    ump_write_text(w, exact && v->tag == UMP_PLAIN_ARRAY ? "host.array {}" : "{}");
    return;
  }
  ump_write_u8(w, '{');
  const char *gap = " ";
  if (v->tag == UMP_PLAIN_MAP) {
    show_pairs(w, r, v->count, gap, exact, depth);
  } else {
    for (uint32_t i = 0; i < v->count && !r->bad && !w->full; i++, gap = ", ") {
      ump_write_text(w, gap);
      show_plain(w, r, exact, depth - 1);
    }
    if (v->tag == UMP_PLAIN_MIXED && ump_plain_get(r, &map) && map.tag == UMP_PLAIN_MAP)
      show_pairs(w, r, map.count, gap, exact, depth);
  }
  ump_write_text(w, " }");
}

static void show_plain(struct ump_writer *w, struct ump_reader *r, bool exact, int depth) {
  static const char *const words[] = {[UMP_PLAIN_NIL] = "nil", [UMP_PLAIN_FALSE] = "false", [UMP_PLAIN_TRUE] = "true"};
  struct ump_plain v;
  if (depth == 0 || !ump_plain_get(r, &v)) {
    r->bad = true;
    ump_write_text(w, "nil");
    return;
  }
  switch (v.tag) {
  case UMP_PLAIN_INT:
    if (v.i == INT64_MIN) {
      ump_write_text(w, "math.mininteger");
      return;
    }
    ump_write_decimal(w, v.i);
    return;
  case UMP_PLAIN_FLOAT:
    show_float(w, v.f);
    return;
  case UMP_PLAIN_STRING:
    ump_datum_show_string(w, v.s);
    return;
  case UMP_PLAIN_ARRAY:
  case UMP_PLAIN_TUPLE:
  case UMP_PLAIN_MIXED:
  case UMP_PLAIN_MAP:
    show_list(w, r, &v, exact, depth);
    return;
  case UMP_PLAIN_NULL:
    ump_write_text(w, exact ? "host.null" : "null");
    return;
  case UMP_PLAIN_DELETE:
    ump_write_text(w, "host.DELETE");
    return;
  default:
    ump_write_text(w, words[v.tag]);
  }
}

void ump_datum_show(struct ump_writer *w, enum ump_encoding encoding, struct ump_bytes data, bool exact) {
  struct ump_json_value top;
  struct ump_reader r = ump_reader(data);
  if (data.n == 0)
    ump_write_text(w, encoding == UMP_RAW ? "\"\"" : "nil");
  else if (encoding == UMP_JSON && ump_json_check(data, &top, NULL) == 0)
    show_json(w, &top, exact);
  else if (encoding == UMP_PLAIN)
    show_plain(w, &r, exact, DEPTH);
  else
    ump_datum_show_string(w, data);
}
