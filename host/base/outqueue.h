/* Bytes of a stream that wait to be written: copies of small things and references to shared blobs, in order, without
 * joining them. A broadcast payload is there once, however many connections wait for it. */
#ifndef UMP_BASE_OUTQUEUE_H
#define UMP_BASE_OUTQUEUE_H

#include "base/bytes.h"
#include "base/mem.h"

struct ump_out_piece;

struct ump_outqueue {
  const struct ump_mem *mem;
  struct ump_out_piece *first, *last;
  size_t n; /* bytes waiting */
};

void ump_outqueue_init(struct ump_outqueue *q, const struct ump_mem *mem);
void ump_outqueue_deinit(struct ump_outqueue *q);
int ump_outqueue_copy(struct ump_outqueue *q, struct ump_bytes in); /* 0, UMP_ENOMEM: nothing was queued */
int ump_outqueue_share(struct ump_outqueue *q, struct ump_blob *b, size_t from,
                       size_t n); /* takes a reference. 0, UMP_ENOMEM */
size_t ump_outqueue_peek(const struct ump_outqueue *q, struct ump_bytes *slices,
                         size_t max);                        /* borrowed until copy, share, consume */
void ump_outqueue_consume(struct ump_outqueue *q, size_t n); /* n <= q->n */

#endif
