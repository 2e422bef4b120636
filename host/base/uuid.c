/* UUIDs as RFC 9562 prints them. */
#include "base/uuid.h"

struct ump_uuid ump_uuid_v4(const struct ump_rng *r) {
  struct ump_uuid u;
  ump_rng_fill(r, u.b, sizeof u.b);
  u.b[6] = (uint8_t)(0x40 | (u.b[6] & 0x0F)); /* version 4 */
  u.b[8] = (uint8_t)(0x80 | (u.b[8] & 0x3F)); /* variant 10 */
  return u;
}

/* Where the text has a hyphen instead of a digit. */
static bool hyphen_at(size_t i) {
  return i == 8 || i == 13 || i == 18 || i == 23;
}

void ump_uuid_print(const struct ump_uuid *u, char out[UMP_UUID_TEXT]) {
  static const char digits[] = "0123456789abcdef";
  for (size_t at = 0, i = 0; i < sizeof u->b; i++) {
    if (hyphen_at(at)) out[at++] = '-';
    out[at++] = digits[u->b[i] >> 4];
    out[at++] = digits[u->b[i] & 15];
  }
}

static int nibble(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool ump_uuid_parse(struct ump_bytes text, struct ump_uuid *out) {
  struct ump_uuid u;
  if (text.n != UMP_UUID_TEXT) return false;
  for (size_t at = 0, i = 0; i < sizeof u.b; i++, at += 2) {
    if (hyphen_at(at) && text.p[at++] != '-') return false;
    int high = nibble(text.p[at]), low = nibble(text.p[at + 1]);
    if (high < 0 || low < 0) return false;
    u.b[i] = (uint8_t)(high << 4 | low);
  }
  *out = u;
  return true;
}

bool ump_uuid_equal(const struct ump_uuid *a, const struct ump_uuid *b) {
  return memcmp(a->b, b->b, sizeof a->b) == 0;
}

bool ump_uuid_v1_time(struct ump_bytes text, uint64_t *t_100ns) {
  struct ump_uuid u;
  if (!ump_uuid_parse(text, &u) || u.b[6] >> 4 != 1 || u.b[8] >> 6 != 2) return false;
  struct ump_reader r = ump_reader(ump_bytes(u.b, sizeof u.b));
  uint64_t low = ump_read_u32be(&r), mid = ump_read_u16be(&r), high = ump_read_u16be(&r) & 0x0FFF;
  *t_100ns = high << 48 | mid << 32 | low;
  return true;
}
