#include "base/outqueue.h"

#include "base/err.h"

enum { PIECE = 512 }; /* room of a piece of copies: one system call's worth of small frames shares an allocation */

struct ump_out_piece {
  struct ump_out_piece *next;
  struct ump_blob *blob; /* NULL: the bytes are in own[] */
  size_t from, to;       /* what is left of blob->p or own */
  size_t room;           /* of own[] */
  uint8_t own[];
};

static void piece_free(struct ump_outqueue *q, struct ump_out_piece *p) {
  ump_blob_unref(p->blob);
  ump_free(q->mem, p, sizeof *p + p->room);
}

void ump_outqueue_init(struct ump_outqueue *q, const struct ump_mem *mem) {
  *q = (struct ump_outqueue){.mem = mem};
}

void ump_outqueue_deinit(struct ump_outqueue *q) {
  while (q->first) {
    struct ump_out_piece *p = q->first;
    q->first = p->next;
    piece_free(q, p);
  }
  q->last = NULL;
  q->n = 0;
}

static struct ump_out_piece *piece_add(struct ump_outqueue *q, size_t room) {
  struct ump_out_piece *p = ump_alloc(q->mem, sizeof *p + room);
  if (!p) return NULL;
  *p = (struct ump_out_piece){.room = room};
  if (q->last)
    q->last->next = p;
  else
    q->first = p;
  q->last = p;
  return p;
}

int ump_outqueue_copy(struct ump_outqueue *q, struct ump_bytes in) {
  struct ump_out_piece *p = q->last;
  if (in.n == 0) return 0;
  if (!p || p->blob || p->room - p->to < in.n) {
    p = piece_add(q, in.n > PIECE ? in.n : PIECE);
    if (!p) return UMP_ENOMEM;
  }
  memcpy(p->own + p->to, in.p, in.n);
  p->to += in.n;
  q->n += in.n;
  return 0;
}

int ump_outqueue_share(struct ump_outqueue *q, struct ump_blob *b, size_t from, size_t n) {
  if (n == 0) return 0;
  struct ump_out_piece *p = piece_add(q, 0);
  if (!p) return UMP_ENOMEM;
  p->blob = ump_blob_ref(b);
  p->from = from;
  p->to = from + n;
  q->n += n;
  return 0;
}

size_t ump_outqueue_peek(const struct ump_outqueue *q, struct ump_bytes *slices, size_t max) {
  size_t n = 0;
  for (const struct ump_out_piece *p = q->first; p && n < max; p = p->next)
    if (p->to > p->from) slices[n++] = ump_bytes((p->blob ? p->blob->p : p->own) + p->from, p->to - p->from);
  return n;
}

void ump_outqueue_consume(struct ump_outqueue *q, size_t n) {
  q->n -= n;
  while (q->first) {
    struct ump_out_piece *p = q->first;
    size_t step = p->to - p->from < n ? p->to - p->from : n;
    p->from += step;
    n -= step;
    if (p->from < p->to) return;
    q->first = p->next;
    if (!q->first) q->last = NULL;
    piece_free(q, p);
  }
}
