/* Bytes of a stream that wait to be parsed: a queue that grows with what was received, never with what was promised.
 *
 * capacity <= 2 * bytes held + 256, and never more than max. Consuming from the front does not move the rest until it
 * is worth it, so feeding one byte at a time and consuming one message at a time are both linear. */
#ifndef UMP_BASE_BUFFER_H
#define UMP_BASE_BUFFER_H

#include "base/bytes.h"
#include "base/mem.h"

struct ump_buffer {
  const struct ump_mem *mem;
  uint8_t *p;
  size_t start, end, cap, max;
};

void ump_buffer_init(struct ump_buffer *b, const struct ump_mem *mem, size_t max);
void ump_buffer_deinit(struct ump_buffer *b);
int ump_buffer_append(struct ump_buffer *b,
                      struct ump_bytes in);              /* 0, UMP_ETOOBIG (over max; nothing taken), UMP_ENOMEM */
void ump_buffer_consume(struct ump_buffer *b, size_t n); /* n <= what is held; memory is given back when empty */

static inline struct ump_bytes
ump_buffer_bytes(const struct ump_buffer *b) { /* borrowed until the next append or consume */
  return (struct ump_bytes){b->p ? b->p + b->start : NULL, b->end - b->start};
}

#endif
