/* The parts of the JSON scanner, shared by json*.c alone. */
#ifndef UMP_CODEC_JSON_INTERNAL_H
#define UMP_CODEC_JSON_INTERNAL_H

#include "codec/json.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* The path of every envelope; what branches off it (escapes, faults, many keys) stays out of line. */
#define UMP__HOT static inline __attribute__((always_inline))

/* Where and why a text is refused; why is NULL as long as it is not. */
struct ump__json_fault {
  const char *why;
  const uint8_t *at;
  bool beyond; /* a bound of ours that other decoders do not have */
};

/* Notes the fault; NULL, so that it can be returned in place of the next position. */
static inline const uint8_t *ump__json_refuse(struct ump__json_fault *f, const uint8_t *at, const char *why) {
  *f = (struct ump__json_fault){why, at, false};
  return NULL;
}
static inline const uint8_t *ump__json_beyond(struct ump__json_fault *f, const uint8_t *at, const char *why) {
  *f = (struct ump__json_fault){why, at, true};
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

/* A bit in the top of each byte that is a quote, a backslash, a control character or not ASCII. Carries can only set
 * bits above the lowest one that is right, and only the lowest one is used. */
static inline uint64_t ump__json_special(uint64_t w) {
  const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
  uint64_t quote = w ^ ones * '"', backslash = w ^ ones * '\\';
  return (((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) | ((w - ones * 0x20) & ~w) | w) & tops;
}

/* Passes over plain ASCII: the first byte that a string cannot hold as it is, or end. Most strings of a game end within
 * the first 16 bytes or are UUIDs. */
UMP__HOT const uint8_t *ump__json_plain(const uint8_t *p, const uint8_t *end) {
#ifdef __SSE2__
  for (; end - p >= 16; p += 16) {
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    /* as signed numbers, control characters and bytes from 0x80 up are both below 0x20 */
    __m128i special =
        _mm_or_si128(_mm_cmplt_epi8(v, _mm_set1_epi8(0x20)),
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

/* The string that begins at p and is plain up to q. The position behind the closing quote, or NULL and the fault. */
const uint8_t *ump__json_string_rest(struct ump__json_string *s, const uint8_t *p, const uint8_t *q, const uint8_t *end,
                                     struct ump__json_fault *f);

/* A string; p is behind its opening quote. The position behind the closing quote, or NULL and the fault. */
UMP__HOT const uint8_t *ump__json_string(struct ump__json_string *s, const uint8_t *p, const uint8_t *end,
                                         struct ump__json_fault *f) {
  const uint8_t *q = ump__json_plain(p, end);
  if (q < end && *q == '"') {
    *s = (struct ump__json_string){p, (size_t)(q - p), false, false};
    return q + 1;
  }
  struct ump__json_string rest; /* apart from *s, whose address nobody else must have if it is to stay in registers */
  q = ump__json_string_rest(&rest, p, q, end, f);
  *s = rest;
  return q;
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
  const uint8_t *p;  /* inside the text, behind the quote */
  uint32_t n, raw_n; /* bytes once decoded; as written. They differ when there are escapes: every escape is longer */
};

/* One of 64 bits, the same for equal keys: from length, first and last byte. */
UMP__HOT uint64_t ump__json_key_bit(size_t n, uint8_t first, uint8_t last) {
  return (uint64_t)1 << ((n + 5u * first + 11u * last) & 63);
}

/* For a key with escapes. Its text's n must be greater than 0. */
struct ump__json_key ump__json_key_escaped(const struct ump__json_string *text, uint64_t *bit);

UMP__HOT struct ump__json_key ump__json_key(const struct ump__json_string *text, uint64_t *bit) {
  if (text->escaped) {
    struct ump__json_string copy = *text;
    return ump__json_key_escaped(&copy, bit);
  }
  *bit = ump__json_key_bit(text->n, *text->p, *(text->p + text->n - 1)); /* of an empty key: its quotes */
  return (struct ump__json_key){text->p, (uint32_t)text->n, (uint32_t)text->n};
}

/* memcmp, without the call for the short runs that keys are. */
UMP__HOT bool ump__json_same(const uint8_t *a, const uint8_t *b, size_t n) {
  uint32_t a_first, a_last, b_first, b_last;
  if (n > 16) return memcmp(a, b, n) == 0;
  if (n >= 8) return ump__json_load(a) == ump__json_load(b) && ump__json_load(a + n - 8) == ump__json_load(b + n - 8);
  if (n < 4) return n == 0 || (a[0] == b[0] && a[n / 2] == b[n / 2] && a[n - 1] == b[n - 1]);
  memcpy(&a_first, a, 4), memcpy(&a_last, a + n - 4, 4);
  memcpy(&b_first, b, 4), memcpy(&b_last, b + n - 4, 4);
  return a_first == b_first && a_last == b_last;
}

bool ump__json_key_equal(const struct ump__json_key *a, const struct ump__json_key *b);
bool ump__json_key_is(const struct ump__json_string *key, struct ump_bytes plain); /* decoded */
/* Sorts the keys; the later one of a pair of equal ones, or NULL. O(n log n) comparisons whatever the keys. */
const struct ump__json_key *ump__json_keys_doubled(struct ump__json_key *keys, size_t n);

#endif
