/* Bytes: slices that borrow, a reader and a writer that cannot leave their slice.
 *
 * Failure sticks: a parser reads on and asks once, at the end, whether everything was there; a composer writes on and
 * asks once whether everything fitted. Nothing here allocates. */
#ifndef UMP_BASE_BYTES_H
#define UMP_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A borrowed run of bytes. p may be NULL only when n is 0. Text in a slice has no terminating NUL. */
struct ump_bytes {
  const uint8_t *p;
  size_t n;
};

static inline struct ump_bytes ump_bytes(const void *p, size_t n) {
  return (struct ump_bytes){(const uint8_t *)p, n};
}

/* A C string as a slice, without its NUL. */
static inline struct ump_bytes ump_text(const char *s) {
  return (struct ump_bytes){(const uint8_t *)s, strlen(s)};
}

static inline bool ump_bytes_equal(struct ump_bytes a, struct ump_bytes b) {
  return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Reading: every getter gives 0 (or an empty slice) once the slice is used up, and `bad` stays set. */
struct ump_reader {
  const uint8_t *p, *end;
  bool bad;
};

static inline struct ump_reader ump_reader(struct ump_bytes in) {
  return (struct ump_reader){in.p, in.n ? in.p + in.n : in.p, false};
}
static inline size_t ump_reader_left(const struct ump_reader *r) {
  return (size_t)(r->end - r->p);
}

uint8_t ump_read_u8(struct ump_reader *r);
uint16_t ump_read_u16be(struct ump_reader *r);
uint32_t ump_read_u32be(struct ump_reader *r);
uint64_t ump_read_u64be(struct ump_reader *r);
uint16_t ump_read_u16le(struct ump_reader *r);
uint32_t ump_read_u32le(struct ump_reader *r);
uint64_t ump_read_u64le(struct ump_reader *r);
struct ump_bytes ump_read_bytes(struct ump_reader *r, size_t n); /* borrows from the input */

/* Writing into a buffer of the caller's. What does not fit is not written, `full` stays set, n stays <= cap. */
struct ump_writer {
  uint8_t *p;
  size_t n, cap;
  bool full;
};

static inline struct ump_writer ump_writer(void *p, size_t cap) {
  return (struct ump_writer){(uint8_t *)p, 0, cap, false};
}
static inline struct ump_bytes ump_written(const struct ump_writer *w) {
  return (struct ump_bytes){w->p, w->n};
}

void ump_write_u8(struct ump_writer *w, uint8_t v);
void ump_write_u16be(struct ump_writer *w, uint16_t v);
void ump_write_u32be(struct ump_writer *w, uint32_t v);
void ump_write_u64be(struct ump_writer *w, uint64_t v);
void ump_write_u16le(struct ump_writer *w, uint16_t v);
void ump_write_u32le(struct ump_writer *w, uint32_t v);
void ump_write_u64le(struct ump_writer *w, uint64_t v);
void ump_write_bytes(struct ump_writer *w, struct ump_bytes b);
void ump_write_text(struct ump_writer *w, const char *s);
void ump_write_decimal(struct ump_writer *w, int64_t v);

/* True when the whole slice is well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF). */
bool ump_utf8_valid(struct ump_bytes text);
/* The length, 2 to 4, of the well-formed sequence at p that is not ASCII; 0: none begins there. left >= 1. */
size_t ump_utf8_sequence(const uint8_t *p, size_t left);

#endif
