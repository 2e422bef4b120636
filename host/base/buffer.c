#include "base/buffer.h"

#include "base/err.h"

enum { SMALLEST = 256 }; /* first allocation: most messages of a game fit, and an idle stream costs nothing */

void ump_buffer_init(struct ump_buffer *b, const struct ump_mem *mem, size_t max) {
  *b = (struct ump_buffer){.mem = mem, .max = max};
}

void ump_buffer_deinit(struct ump_buffer *b) {
  ump_free(b->mem, b->p, b->cap);
  b->p = NULL;
  b->start = b->end = b->cap = 0;
}

/* Moves what is held to the front; called only when at least as much room is won as bytes are moved, or there is no
 * other. */
static void compact(struct ump_buffer *b) {
  size_t held = b->end - b->start;
  if (held) memmove(b->p, b->p + b->start, held);
  b->start = 0;
  b->end = held;
}

static int grow(struct ump_buffer *b, size_t need) {
  size_t cap = b->cap * 2 > need ? b->cap * 2 : need;
  if (cap < SMALLEST) cap = SMALLEST;
  if (cap > b->max) cap = b->max;
  uint8_t *p = ump_realloc(b->mem, b->p, b->cap, cap);
  if (!p) return UMP_ENOMEM;
  b->p = p;
  b->cap = cap;
  return 0;
}

int ump_buffer_append(struct ump_buffer *b, struct ump_bytes in) {
  size_t held = b->end - b->start;
  if (in.n == 0) return 0;
  if (in.n > b->max - held) return UMP_ETOOBIG;
  if (in.n > b->cap - b->end) {
    if (b->start >= held || held + in.n > b->cap / 2) compact(b);
    if (in.n > b->cap - b->end) {
      int err = grow(b, held + in.n);
      if (err) return err;
    }
  }
  memcpy(b->p + b->end, in.p, in.n);
  b->end += in.n;
  return 0;
}

void ump_buffer_consume(struct ump_buffer *b, size_t n) {
  b->start += n;
  if (b->start == b->end) ump_buffer_deinit(b);
}
