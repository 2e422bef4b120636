/* Bounded reading and writing. A failed read moves to the end, a failed write stops the writer, so everything after the
 * first failure fails too and one check at the end is enough. */
#include "base/bytes.h"

/* n bytes of the input, or NULL when they are not there. Not for n == 0: a slice may have no address. */
static const uint8_t *take(struct ump_reader *r, size_t n) {
  if (ump_reader_left(r) < n) {
    r->p = r->end;
    r->bad = true;
    return NULL;
  }
  const uint8_t *p = r->p;
  r->p += n;
  return p;
}

static uint64_t take_be(struct ump_reader *r, size_t n) {
  const uint8_t *p = take(r, n);
  uint64_t v = 0;
  for (size_t i = 0; p && i < n; i++) v = v << 8 | p[i];
  return v;
}

static uint64_t take_le(struct ump_reader *r, size_t n) {
  const uint8_t *p = take(r, n);
  uint64_t v = 0;
  for (size_t i = n; p && i > 0; i--) v = v << 8 | p[i - 1];
  return v;
}

uint8_t ump_read_u8(struct ump_reader *r) {
  return (uint8_t)take_be(r, 1);
}
uint16_t ump_read_u16be(struct ump_reader *r) {
  return (uint16_t)take_be(r, 2);
}
uint32_t ump_read_u32be(struct ump_reader *r) {
  return (uint32_t)take_be(r, 4);
}
uint64_t ump_read_u64be(struct ump_reader *r) {
  return take_be(r, 8);
}
uint16_t ump_read_u16le(struct ump_reader *r) {
  return (uint16_t)take_le(r, 2);
}
uint32_t ump_read_u32le(struct ump_reader *r) {
  return (uint32_t)take_le(r, 4);
}
uint64_t ump_read_u64le(struct ump_reader *r) {
  return take_le(r, 8);
}

struct ump_bytes ump_read_bytes(struct ump_reader *r, size_t n) {
  if (n == 0) return ump_bytes(r->p, 0);
  const uint8_t *p = take(r, n);
  return ump_bytes(p, p ? n : 0);
}

/* Room for n bytes, or NULL when they do not fit or something before did not. */
static uint8_t *room(struct ump_writer *w, size_t n) {
  if (w->full || w->cap - w->n < n) {
    w->full = true;
    return NULL;
  }
  uint8_t *p = w->p + w->n;
  w->n += n;
  return p;
}

static void put_be(struct ump_writer *w, uint64_t v, size_t n) {
  uint8_t *p = room(w, n);
  for (size_t i = n; p && i > 0; i--, v >>= 8) p[i - 1] = (uint8_t)v;
}

static void put_le(struct ump_writer *w, uint64_t v, size_t n) {
  uint8_t *p = room(w, n);
  for (size_t i = 0; p && i < n; i++, v >>= 8) p[i] = (uint8_t)v;
}

void ump_write_u8(struct ump_writer *w, uint8_t v) {
  put_be(w, v, 1);
}
void ump_write_u16be(struct ump_writer *w, uint16_t v) {
  put_be(w, v, 2);
}
void ump_write_u32be(struct ump_writer *w, uint32_t v) {
  put_be(w, v, 4);
}
void ump_write_u64be(struct ump_writer *w, uint64_t v) {
  put_be(w, v, 8);
}
void ump_write_u16le(struct ump_writer *w, uint16_t v) {
  put_le(w, v, 2);
}
void ump_write_u32le(struct ump_writer *w, uint32_t v) {
  put_le(w, v, 4);
}
void ump_write_u64le(struct ump_writer *w, uint64_t v) {
  put_le(w, v, 8);
}

void ump_write_bytes(struct ump_writer *w, struct ump_bytes b) {
  if (b.n == 0) return; /* memcpy wants an address, an empty slice may have none */
  uint8_t *p = room(w, b.n);
  if (p) memcpy(p, b.p, b.n);
}

void ump_write_text(struct ump_writer *w, const char *s) {
  ump_write_bytes(w, ump_text(s));
}

void ump_write_decimal(struct ump_writer *w, int64_t v) {
  uint8_t digits[20]; /* -9223372036854775808 */
  size_t at = sizeof digits;
  uint64_t size = v < 0 ? 0 - (uint64_t)v : (uint64_t)v; /* the smallest has no positive twin */
  do digits[--at] = (uint8_t)('0' + size % 10);
  while (size /= 10);
  if (v < 0) digits[--at] = '-';
  ump_write_bytes(w, ump_bytes(digits + at, sizeof digits - at));
}

/* RFC 3629, section 4. Only the first continuation byte has narrower bounds; they keep out overlong forms, surrogates
 * and what lies beyond U+10FFFF. */
size_t ump_utf8_sequence(const uint8_t *p, size_t left) {
  uint8_t lead = p[0], low = 0x80, high = 0xBF;
  size_t n = lead >= 0xC2 && lead <= 0xDF ? 2 : lead >= 0xE0 && lead <= 0xEF ? 3 : lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
  if (lead == 0xE0) low = 0xA0;
  if (lead == 0xED) high = 0x9F;
  if (lead == 0xF0) low = 0x90;
  if (lead == 0xF4) high = 0x8F;
  if (n == 0 || left < n || p[1] < low || p[1] > high) return 0;
  for (size_t i = 2; i < n; i++) {
    if ((p[i] & 0xC0) != 0x80) return 0;
  }
  return n;
}

bool ump_utf8_valid(struct ump_bytes text) {
  size_t at = 0;
  while (at < text.n) {
    uint64_t word;
    if (text.n - at >= sizeof word) { /* eight ASCII bytes in one step */
      memcpy(&word, text.p + at, sizeof word);
      if (!(word & 0x8080808080808080u)) {
        at += sizeof word;
        continue;
      }
    }
    size_t n = text.p[at] < 0x80 ? 1 : ump_utf8_sequence(text.p + at, text.n - at);
    if (n == 0) return false;
    at += n;
  }
  return true;
}
