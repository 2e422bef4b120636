/* The layouts in which the real client writes its frequent messages (wire section 3), recognised by their fixed parts.
 *
 * A short cut of the reader in message.c, which takes whatever is not exactly one of them: half of the host's own time
 * for an event was the search for keys whose places are known. What is accepted here is accepted there, with the same
 * result; fuzz_neteria_layout holds one against the other. Not for the values' sake: event_data is checked as strictly
 * as ever. */
#include "proto/neteria/internal.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

struct cursor {
  const uint8_t *p, *end;
};

#define STARTS(c, literal) starts((c), (literal), sizeof(literal) - 1)
#define ENDS(c, literal)   ends((c), (literal), sizeof(literal) - 1)

static inline bool starts(struct cursor *c, const char *part, size_t n) {
  if ((size_t)(c->end - c->p) < n || memcmp(c->p, part, n) != 0) return false;
  c->p += n;
  return true;
}

static inline bool ends(struct cursor *c, const char *part, size_t n) {
  if ((size_t)(c->end - c->p) < n || memcmp(c->end - n, part, n) != 0) return false;
  c->end -= n;
  return true;
}

/* A byte's top bit is set where it is a quote, a backslash, DEL, below 0x20 or above 0x7f. A borrow may set it in bytes
 * above such a one too: whether there is one is exact, and which is not asked. */
static inline uint64_t special(const uint8_t *p) {
  const uint64_t ones = 0x0101010101010101u;
  uint64_t w;
  memcpy(&w, p, sizeof w);
  uint64_t quote = w ^ ones * '"', backslash = w ^ ones * '\\', del = w ^ ones * 0x7f;
  return ((quote - ones) | (backslash - ones) | (del - ones) | (w - ones * 0x20) | w) & ones * 0x80;
}

#ifdef __SSE2__
static inline __m128i special16(const uint8_t *p) {
  __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
  /* as signed numbers, bytes from 0x80 up are below 0x20 too */
  return _mm_or_si128(_mm_or_si128(_mm_cmplt_epi8(v, _mm_set1_epi8(0x20)), _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f))),
                      _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))));
}
static inline bool special36(const uint8_t *p) {
  return _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(special16(p), special16(p + 16)), special16(p + 20)));
}
#else
static inline bool special36(const uint8_t *p) {
  return special(p) | special(p + 8) | special(p + 16) | special(p + 24) | special(p + 28);
}
#endif

/* The 36 bytes of an id, or something else that long without anything special in it. */
static inline bool id36(struct cursor *c, struct ump_bytes *out) {
  const uint8_t *p = c->p;
  if (c->end - p < UMP_UUID_TEXT || special36(p)) return false;
  *out = ump_bytes(p, UMP_UUID_TEXT);
  c->p += UMP_UUID_TEXT;
  return true;
}

/* `, "timestamp": "2014-11-09 00:06:37.011000", "retry": 0`; without a fraction when that is 0: 48 bytes, behind one at
 * least. */
static bool times(struct cursor *c) {
  if (c->end - c->p < 49 || c->end[-1] < '0' || c->end[-1] > '9') return false;
  c->end--;
  if (!ENDS(c, "\", \"retry\": ")) return false;
  size_t n = c->end[-7] == '.' ? 26 : 19;
  const uint8_t *p = c->end - n;
  if (special(p) | special(p + 8) | special(c->end - 16) | special(c->end - 8)) return false;
  c->end = p;
  return ENDS(c, ", \"timestamp\": \"");
}

/* Whether the text as a whole stays within what JSON may be here, if this part of it does: with one level around it,
 * and a few values beside it. A level takes two bytes and one bracket, a value at least one byte. */
static bool within_bounds(struct ump_bytes data) {
  size_t brackets = 0;
  if (data.n < 2 * UMP_JSON_DEPTH) return true;
  if (data.n > UMP_JSON_NODES - 16) return false;
  for (const char *bracket = "[{"; *bracket; bracket++) {
    const uint8_t *at = data.p - 1, *end = data.p + data.n;
    while ((at = memchr(at + 1, *bracket, (size_t)(end - at - 1)))) {
      if (++brackets >= UMP_JSON_DEPTH) return false;
    }
  }
  return true;
}

static bool event(struct nt_request *r, struct cursor c) {
  if (!id36(&c, &r->cuuid) || !STARTS(&c, "\", \"euuid\": \"") || !id36(&c, &r->euuid)) return false;
  if (!STARTS(&c, "\", \"event_data\": ")) return false;
  r->high = ENDS(&c, ", \"priority\": \"high\"}");
  if (!r->high && !ENDS(&c, ", \"priority\": \"normal\"}")) return false;
  if (!times(&c)) return false;
  struct ump_bytes data = ump_bytes(c.p, (size_t)(c.end - c.p));
  return within_bounds(data) && ump_json_check(data, &r->data, NULL) == 0;
}

static const struct nt_method *confirmation(struct nt_request *r, struct cursor c) {
  const struct nt_method *m = &ump__nt_methods[NT_OK_EVENT];
  if (!id36(&c, &r->cuuid)) return NULL;
  if (!STARTS(&c, "\", \"method\": \"OK EVENT\", \"euuid\": \"")) {
    if (!STARTS(&c, "\", \"method\": \"OK NOTIFY\", \"euuid\": \"")) return NULL;
    m = &ump__nt_methods[NT_OK_NOTIFY];
  }
  return id36(&c, &r->euuid) && STARTS(&c, "\"}") && c.p == c.end ? m : NULL;
}

bool ump__nt_read_layout(struct nt_request *r, struct ump_bytes text) {
  struct cursor c = {text.p, text.p + text.n};
  if (STARTS(&c, "{\"method\": \"EVENT\", \"cuuid\": \"")) {
    r->method = &ump__nt_methods[NT_EVENT];
    return event(r, c);
  }
  return STARTS(&c, "{\"cuuid\": \"") && (r->method = confirmation(r, c));
}
