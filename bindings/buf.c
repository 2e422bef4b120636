#include "bindings/buf.h"

#include <stdarg.h>
#include <stdio.h>

enum { FIRST_CAP = 256 }; /* one small event or notice without growing */

void ump_buf_free(struct ump_buf *b) {
  ump_free(b->mem, b->p, b->cap);
  *b = ump_buf(b->mem, b->max);
}

void ump_buf_clear(struct ump_buf *b) {
  b->n = 0;
  b->failed = false;
}

bool ump_buf_room(struct ump_buf *b, size_t n) {
  if (b->failed) return false;
  if (n <= b->cap - b->n) return true;
  size_t cap = b->cap ? b->cap : FIRST_CAP;
  while (cap - b->n < n && cap <= SIZE_MAX / 4) cap *= 2;
  if (b->max && b->n + n > b->max) cap = 0;
  uint8_t *p = cap - b->n < n || !cap ? NULL : ump_realloc(b->mem, b->p, b->cap, cap);
  if (!p) return b->failed = true, false;
  b->p = p, b->cap = cap;
  return true;
}

void ump_buf_put(struct ump_buf *b, struct ump_bytes bytes) {
  if (!bytes.n || !ump_buf_room(b, bytes.n)) return;
  memcpy(b->p + b->n, bytes.p, bytes.n);
  b->n += bytes.n;
}

void ump_buf_byte(struct ump_buf *b, char c) {
  if (ump_buf_room(b, 1)) b->p[b->n++] = (uint8_t)c;
}

void ump_buf_text(struct ump_buf *b, const char *text) {
  ump_buf_put(b, ump_text(text));
}

void ump_buf_print(struct ump_buf *b, const char *format, ...) {
  char line[1024];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (n < 0) return;
  ump_buf_put(b, ump_bytes(line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1));
}
