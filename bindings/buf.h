/* A byte buffer that grows, for what crosses the border in bytes: packed values, rewritten JSON, what a call gives
 * back. Failure sticks (as in base/bytes.h): the composer writes on and asks once. Emptying it keeps the memory. */
#ifndef UMP_BINDINGS_BUF_H
#define UMP_BINDINGS_BUF_H

#include "base/bytes.h"
#include "base/mem.h"

struct ump_buf {
  const struct ump_mem *mem; /* borrowed */
  uint8_t *p;                /* owned */
  size_t n, cap;
  size_t max;  /* grows to this and no further; 0: no limit of its own */
  bool failed; /* no memory, or max: what was written since is not there */
};

static inline struct ump_buf ump_buf(const struct ump_mem *mem, size_t max) {
  return (struct ump_buf){.mem = mem, .max = max};
}
static inline struct ump_bytes ump_buf_bytes(const struct ump_buf *b) {
  return ump_bytes(b->p, b->n);
}

void ump_buf_free(struct ump_buf *b);           /* the buffer is empty and usable afterwards */
void ump_buf_clear(struct ump_buf *b);          /* forgets content and failure, keeps the memory */
bool ump_buf_room(struct ump_buf *b, size_t n); /* makes room for n more bytes at p + n */
void ump_buf_put(struct ump_buf *b, struct ump_bytes bytes);
void ump_buf_byte(struct ump_buf *b, char c);
void ump_buf_text(struct ump_buf *b, const char *text);
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void ump_buf_print(struct ump_buf *b, const char *format, ...); /* at most 1 KiB a call */

#endif
