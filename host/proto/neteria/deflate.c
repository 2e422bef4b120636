/* The original's compression (wire section 8): zlib, then base64 with a line feed at the end. zlib is Debian's.
 *
 * What a stranger sends may grow to 64 KiB and 64 times its own size, not more; zlib itself works on memory of fixed
 * size that is taken once, when the listener is made, so that a datagram allocates nothing. */
#define Z_SOLO /* declarations only: no stdio, no allocator of its own */
#include <zlib.h>

#include "proto/neteria/internal.h"

/* A text is known by its first two characters, eJ, which say zlib, a window of 32 KiB and the usual level: we write the
 * same. deflate with that window and memory level 5 takes 2^17 + 2^14 bytes and some 6 KiB, inflate 2^15 and some 7 KiB
 * (zconf.h). */
#define WINDOW       15
#define MEMORY_LEVEL 5
#define POOL         229376

struct nt_deflate {
  z_stream in, out;
  uint8_t packed[NT_TEXT];
  size_t used;
  _Alignas(16) uint8_t pool[POOL];
};

/* Takes from the pool; nothing is given back before the whole is freed. */
static void *take(void *ctx, uInt items, uInt size) {
  struct nt_deflate *d = ctx;
  size_t n = ((size_t)items * size + 15) & ~(size_t)15;
  if (n > POOL - d->used) return NULL;
  d->used += n;
  return d->pool + d->used - n;
}

static void give(void *ctx, void *p) {
  (void)ctx, (void)p;
}

struct nt_deflate *ump__nt_deflate_new(const struct ump_mem *mem) {
  struct nt_deflate *d = ump_alloc(mem, sizeof *d);
  if (!d) return NULL;
  memset(d, 0, offsetof(struct nt_deflate, pool));
  d->in = d->out = (z_stream){.zalloc = take, .zfree = give, .opaque = d};
  if (inflateInit2(&d->in, WINDOW) == Z_OK &&
      deflateInit2(&d->out, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK)
    return d;
  ump_free(mem, d, sizeof *d);
  return NULL;
}

void ump__nt_deflate_free(struct nt_deflate *d, const struct ump_mem *mem) {
  ump_free(mem, d, sizeof(struct nt_deflate));
}

/* ---- base64 (RFC 4648), as Python's encodestring writes and decodestring reads it: lines of 76 characters ---- */

static int sextet(uint8_t c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Line feeds are passed over, nothing else is. The size, or -1. out has room: 3 bytes for each 4. */
static int decode(struct ump_bytes in, uint8_t *out) {
  size_t n = 0, digits = 0, padding = 0;
  uint32_t word = 0;
  for (size_t i = 0; i < in.n; i++) {
    if (in.p[i] == '\n' || in.p[i] == '\r') continue;
    int v = in.p[i] == '=' ? 0 : sextet(in.p[i]);
    if (v < 0 || (padding && in.p[i] != '=')) return -1;
    padding += in.p[i] == '=';
    word = word << 6 | (uint32_t)v;
    if (++digits % 4) continue;
    out[n++] = (uint8_t)(word >> 16), out[n++] = (uint8_t)(word >> 8), out[n++] = (uint8_t)word;
  }
  return digits % 4 || padding > 2 ? -1 : (int)(n - padding);
}

static void encode(struct ump_bytes in, struct ump_writer *out) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < in.n; i += 3) {
    size_t left = in.n - i;
    uint32_t w = (uint32_t)in.p[i] << 16 | (left > 1 ? (uint32_t)in.p[i + 1] << 8 : 0) | (left > 2 ? in.p[i + 2] : 0);
    ump_write_u8(out, (uint8_t)digits[w >> 18]);
    ump_write_u8(out, (uint8_t)digits[w >> 12 & 63]);
    ump_write_u8(out, left > 1 ? (uint8_t)digits[w >> 6 & 63] : '=');
    ump_write_u8(out, left > 2 ? (uint8_t)digits[w & 63] : '=');
    if (i % 57 == 54 && left > 3) ump_write_u8(out, '\n');
  }
  ump_write_u8(out, '\n');
}

/* ---- both ways ---- */

bool ump__nt_is_deflated(struct ump_bytes in) {
  return in.n >= 2 && in.p[0] == 'e' && in.p[1] == 'J';
}

int ump__nt_inflate(struct nt_deflate *d, struct ump_bytes in, uint8_t *out, size_t cap) {
  int n = decode(in, d->packed);
  if (n <= 0) return UMP_EMALFORMED;
  if (cap > in.n * 64) cap = in.n * 64;
  if (inflateReset(&d->in) != Z_OK) return UMP_EMALFORMED;
  d->in.next_in = d->packed, d->in.avail_in = (uInt)n;
  d->in.next_out = out, d->in.avail_out = (uInt)cap;
  if (inflate(&d->in, Z_FINISH) != Z_STREAM_END || d->in.avail_in) return UMP_EMALFORMED;
  return (int)(cap - d->in.avail_out);
}

static size_t deflate_text(struct nt_deflate *d, struct ump_bytes text) {
  if (deflateReset(&d->out) != Z_OK) return 0;
  d->out.next_in = (Bytef *)(uintptr_t)text.p, d->out.avail_in = (uInt)text.n;
  d->out.next_out = d->packed, d->out.avail_out = sizeof d->packed;
  return deflate(&d->out, Z_FINISH) == Z_STREAM_END ? sizeof d->packed - d->out.avail_out : 0;
}

int ump__nt_deflate(struct nt_deflate *d, struct ump_bytes text, struct ump_writer *out) {
  size_t n = deflate_text(d, text);
  if (!n) return UMP_ETOOBIG;
  encode(ump_bytes(d->packed, n), out);
  return out->full ? UMP_ETOOBIG : 0;
}

bool ump__nt_deflates_into(struct nt_deflate *d, struct ump_bytes text, size_t bytes) {
  size_t n = deflate_text(d, text), characters = (n + 2) / 3 * 4;
  return n && characters + characters / 76 + 1 <= bytes;
}
