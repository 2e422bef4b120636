/* Addresses as text, by hand: the system's inet_ntop lives behind socket headers. IPv6 follows RFC 5952. */
#include "base/addr.h"

bool ump_addr_same_ip(const struct ump_addr *a, const struct ump_addr *b) {
  return a->family == b->family && a->scope == b->scope && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

bool ump_addr_equal(const struct ump_addr *a, const struct ump_addr *b) {
  return a->port == b->port && ump_addr_same_ip(a, b);
}

static void write_v4(struct ump_writer *w, const uint8_t ip[16]) {
  for (size_t i = 0; i < 4; i++) {
    if (i) ump_write_u8(w, '.');
    ump_write_decimal(w, ip[i]);
  }
}

static void write_group(struct ump_writer *w, unsigned group) {
  for (int shift = 12, shown = 0; shift >= 0; shift -= 4) {
    unsigned digit = group >> shift & 15;
    shown |= digit || shift == 0; /* no leading zeroes */
    if (shown) ump_write_u8(w, (uint8_t) "0123456789abcdef"[digit]);
  }
}

static unsigned group_at(const uint8_t ip[16], size_t i) {
  return (unsigned)ip[2 * i] << 8 | ip[2 * i + 1];
}

/* The longest run of zero groups, the first of equals; a single one is not shortened (RFC 5952, 4.2). */
static size_t longest_zeroes(const uint8_t ip[16], size_t *start) {
  size_t best = 1, run = 0;
  *start = 8;
  for (size_t i = 0; i < 8; i++) {
    run = group_at(ip, i) ? 0 : run + 1;
    if (run > best) best = run, *start = i + 1 - run;
  }
  return *start < 8 ? best : 0;
}

static void write_v6(struct ump_writer *w, const struct ump_addr *a) {
  size_t start, zeroes = longest_zeroes(a->ip, &start);
  for (size_t i = 0; i < 8; i++) {
    if (zeroes && i == start) {
      ump_write_text(w, "::");
      i += zeroes - 1;
      continue;
    }
    if (i && i != start + zeroes) ump_write_u8(w, ':');
    write_group(w, group_at(a->ip, i));
  }
  if (a->scope) ump_write_u8(w, '%'), ump_write_decimal(w, a->scope);
}

static size_t terminate(struct ump_writer *w) {
  ump_write_u8(w, 0);
  return w->n - 1;
}

static void write_ip(struct ump_writer *w, const struct ump_addr *a) {
  if (a->family == 4)
    write_v4(w, a->ip);
  else if (a->family == 6)
    write_v6(w, a);
  else
    ump_write_text(w, "nobody");
}

size_t ump_addr_print_ip(const struct ump_addr *a, char out[UMP_ADDR_TEXT]) {
  struct ump_writer w = ump_writer(out, UMP_ADDR_TEXT);
  write_ip(&w, a);
  return terminate(&w);
}

size_t ump_addr_print(const struct ump_addr *a, char out[UMP_ADDR_TEXT]) {
  struct ump_writer w = ump_writer(out, UMP_ADDR_TEXT);
  if (a->family == 6) ump_write_u8(&w, '[');
  write_ip(&w, a);
  if (a->family == 6) ump_write_u8(&w, ']');
  if (a->family) ump_write_u8(&w, ':'), ump_write_decimal(&w, a->port);
  return terminate(&w);
}
