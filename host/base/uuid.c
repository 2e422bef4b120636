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

/* 16 and the digit's value; 0: no digit. A table, because a processor guesses wrong about every third digit of an id
 * whether it is a letter, and a wrong guess costs as much as reading eight of them. */
static const uint8_t digit_of[256] = {
    ['0'] = 16, ['1'] = 17, ['2'] = 18, ['3'] = 19, ['4'] = 20, ['5'] = 21, ['6'] = 22, ['7'] = 23,
    ['8'] = 24, ['9'] = 25, ['a'] = 26, ['b'] = 27, ['c'] = 28, ['d'] = 29, ['e'] = 30, ['f'] = 31,
    ['A'] = 26, ['B'] = 27, ['C'] = 28, ['D'] = 29, ['E'] = 30, ['F'] = 31,
};

bool ump_uuid_parse(struct ump_bytes text, struct ump_uuid *out) {
  static const uint8_t places[] = {0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34};
  struct ump_uuid u;
  const uint8_t *p = text.p;
  if (text.n != UMP_UUID_TEXT || p[8] != '-' || p[13] != '-' || p[18] != '-' || p[23] != '-') return false;
  uint8_t all = 16;
  for (size_t i = 0; i < sizeof u.b; i++) {
    uint8_t high = digit_of[p[places[i]]], low = digit_of[p[places[i] + 1]];
    all &= high & low;
    u.b[i] = (uint8_t)(high << 4 | (low & 15));
  }
  if (all) *out = u;
  return all;
}

bool ump_uuid_equal(const struct ump_uuid *a, const struct ump_uuid *b) {
  return memcmp(a->b, b->b, sizeof a->b) == 0;
}

/* n digits as a number; *all keeps its bit 4 if all of them are digits. */
static inline uint64_t read_digits(const uint8_t *p, size_t n, uint8_t *all) {
  uint64_t v = 0;
  for (size_t i = 0; i < n; i++) {
    uint8_t digit = digit_of[p[i]];
    *all &= digit;
    v = v << 4 | (digit & 15);
  }
  return v;
}

/* Only the digits of the time, the version and the variant are looked at: all 32 would cost twice as much, for each
 * event. The three parts are read side by side: as one number, each digit would wait for the one before. */
bool ump_uuid_v1_time(struct ump_bytes text, uint64_t *t_100ns) {
  const uint8_t *p = text.p;
  if (text.n != UMP_UUID_TEXT || p[8] != '-' || p[13] != '-' || p[18] != '-' || p[23] != '-') return false;
  if (p[14] != '1' || (digit_of[p[19]] & 0x1c) != (16 | 8)) return false;
  uint8_t all[4] = {16, 16, 16, 16};
  uint64_t high = read_digits(p + 15, 3, &all[0]), middle = read_digits(p + 9, 4, &all[1]);
  uint64_t low = read_digits(p, 4, &all[2]) << 16 | read_digits(p + 4, 4, &all[3]);
  if (!(all[0] & all[1] & all[2] & all[3])) return false;
  *t_100ns = high << 48 | middle << 32 | low;
  return true;
}
