/* The parts of the JSON scanner, shared by json*.c alone. */
#ifndef UMP_CODEC_JSON_INTERNAL_H
#define UMP_CODEC_JSON_INTERNAL_H

#include "codec/json.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Where and why a text is refused; why is NULL as long as it is not. */
struct ump__json_fault {
  const char *why;
  const uint8_t *at;
};

/* Notes the fault; NULL, so that it can be returned in place of the next position. */
static inline const uint8_t *ump__json_refuse(struct ump__json_fault *f, const uint8_t *at, const char *why) {
  f->why = why;
  f->at = at;
  return NULL;
}

/* ---- strings (json_string.c) ---- */

/* What lies between two quotes. */
struct ump__json_string {
  const uint8_t *p;
  size_t n;
  bool escaped, nul; /* holds a backslash; holds \u0000 */
};

static inline uint64_t ump__json_load(const uint8_t *p) { /* little endian; one instruction where the machine is */
  return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 | (uint64_t)p[4] << 32 |
         (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
}

/* A bit in the top of each byte that is a quote, a backslash, a control character or not ASCII. Carries can only set bits
 * above the lowest one that is right, and only the lowest one is used. */
static inline uint64_t ump__json_special(uint64_t w) {
  const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
  uint64_t quote = w ^ ones * '"', backslash = w ^ ones * '\\';
  return (((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) | ((w - ones * 0x20) & ~w) | w) & tops;
}

/* Passes over plain ASCII: the first byte that a string cannot hold as it is, or end. Most strings of a game end within the
 * first 16 bytes or are UUIDs. */
static inline const uint8_t *ump__json_plain(const uint8_t *p, const uint8_t *end) {
#ifdef __SSE2__
  for (; end - p >= 16; p += 16) {
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    /* as signed numbers, control characters and bytes from 0x80 up are both below 0x20 */
    __m128i special = _mm_or_si128(_mm_cmplt_epi8(v, _mm_set1_epi8(0x20)),
                                   _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))));
    unsigned mask = (unsigned)_mm_movemask_epi8(special);
    if (mask) return p + __builtin_ctz(mask);
  }
#endif
  for (; end - p >= 8; p += 8) {
    uint64_t mask = ump__json_special(ump__json_load(p));
    if (mask) return p + (__builtin_ctzll(mask) >> 3);
  }
  while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\') p++;
  return p;
}

/* The rest of a string from its first byte that is not plain; p is the position behind the closing quote, or NULL. */
const uint8_t *ump__json_string_rest(struct ump__json_string *s, const uint8_t *p, const uint8_t *end,
                                     struct ump__json_fault *f);

/* A string; p is behind its opening quote. The position behind the closing quote, or NULL and the fault. */
static inline const uint8_t *ump__json_string(struct ump__json_string *s, const uint8_t *p, const uint8_t *end,
                                              struct ump__json_fault *f) {
  *s = (struct ump__json_string){p, 0, false, false};
  const uint8_t *q = ump__json_plain(p, end);
  if (q == end || *q != '"') return ump__json_string_rest(s, q, end, f);
  s->n = (size_t)(q - p);
  return q + 1;
}

/* Decodes the inside of a checked string piece by piece. */
struct ump__json_cursor {
  const uint8_t *p, *end;
};
/* The next bytes, 1 to 4 of them and at least one whole character of an escape; 0: the end. */
size_t ump__json_decode(struct ump__json_cursor *c, uint8_t out[4]);

/* ---- numbers (json_number.c) ---- */

/* A number from its first byte on. What it is goes into *holds. The position behind it, or NULL and the fault. */
const uint8_t *ump__json_number(const uint8_t *p, const uint8_t *end, unsigned *holds, struct ump__json_fault *f);

/* ---- keys (json_keys.c) ---- */

struct ump__json_key {
  const uint8_t *p; /* inside the text, behind the quote */
  uint32_t n;       /* raw bytes */
  uint32_t escaped : 1, mark : 31; /* equal keys have equal marks, whatever their spelling */
};

struct ump__json_key ump__json_key(const struct ump__json_string *s);
bool ump__json_key_equal(const struct ump__json_key *a, const struct ump__json_key *b);
bool ump__json_key_is(const struct ump__json_string *key, struct ump_bytes plain); /* decoded */
/* Sorts the keys; the later one of a pair of equal ones, or NULL. O(n log n) comparisons whatever the keys. */
const struct ump__json_key *ump__json_keys_doubled(struct ump__json_key *keys, size_t n);

#endif
