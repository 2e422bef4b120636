#include "net/escape.h"

#include <stdio.h>

/* Length of the well-formed UTF-8 character at the start of p, 0 if it is broken; *cp its code point. */
static size_t character(const uint8_t *p, size_t n, uint32_t *cp) {
  size_t len = p[0] < 0x80                   ? 1
               : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
               : (p[0] & 0xf0) == 0xe0       ? 3
               : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                             : 0;
  if (len == 0 || len > n || !ump_utf8_valid(ump_bytes(p, len))) return 0;
  *cp = len == 1 ? p[0] : p[0] & (0x7fu >> len);
  for (size_t i = 1; i < len; i++) *cp = *cp << 6 | (p[i] & 0x3f);
  return len;
}

/* What a terminal or a viewer acts on instead of showing it: C0, DEL, C1, line and paragraph separators, direction
 * marks. */
static bool acts(uint32_t cp) {
  return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069) ||
         cp == 0x200e || cp == 0x200f || cp == 0xfeff;
}

static size_t named(uint32_t cp, char out[16], bool json) {
  const char *short_form = cp == '\n' ? "\\n" : cp == '\r' ? "\\r" : cp == '\t' ? "\\t" : NULL;
  if (short_form) return (size_t)snprintf(out, 16, "%s", short_form);
  return (size_t)snprintf(out, 16, cp < 0x80 && !json ? "\\x%02x" : "\\u%04x", (unsigned)cp);
}

static size_t one(const uint8_t *p, size_t n, enum ump_escape how, struct ump_bytes *piece, char out[16]) {
  uint32_t cp = 0;
  size_t len = character(p, n, &cp), wrote = 0;
  bool json = how == UMP_ESCAPE_JSON;
  if (len == 0) {
    wrote = (size_t)snprintf(out, 16, json ? "\\\\x%02x" : "\\x%02x", p[0]);
  } else if (how == UMP_ESCAPE_FOLD && cp == '\n') {
    wrote = (size_t)snprintf(out, 16, "\n  | ");
  } else if (how == UMP_ESCAPE_FOLD && cp == '\t') {
    wrote = (size_t)snprintf(out, 16, "    ");
  } else if (acts(cp)) {
    wrote = named(cp, out, json);
  } else if (json && (cp == '"' || cp == '\\')) {
    wrote = (size_t)snprintf(out, 16, "\\%c", (char)cp);
  }
  *piece = wrote ? ump_bytes(out, wrote) : ump_bytes(p, len);
  return len ? len : 1;
}

void ump_escape(struct ump_writer *w, struct ump_bytes in, enum ump_escape how) {
  for (size_t i = 0; i < in.n && !w->full;) {
    char out[16];
    struct ump_bytes piece;
    i += one(in.p + i, in.n - i, how, &piece, out);
    ump_write_bytes(w, piece);
  }
}

struct ump_bytes ump_escape_cut(struct ump_bytes in, size_t max) {
  if (in.n <= max) return in;
  size_t n = max;
  while (n > 0 && max - n < 4 && (in.p[n] & 0xc0) == 0x80) n--; /* a continuation byte: the character began before */
  return ump_bytes(in.p, n);
}
