#include "bindings/small.h"

#include <stdlib.h>

static size_t size_class(size_t n) { return (n - 1) / UMP__SMALL_GRAIN; }

static void *from_chunk(struct ump__small *s, size_t n) {
  if ((size_t)(s->end - s->fresh) < n) {
    void **chunk = malloc(UMP__SMALL_CHUNK);
    if (!chunk) return NULL;
    *chunk = s->chunks, s->chunks = chunk;
    s->fresh = (uint8_t *)chunk + UMP__SMALL_GRAIN, s->end = (uint8_t *)chunk + UMP__SMALL_CHUNK;
  }
  s->fresh += n;
  return s->fresh - n;
}

void *ump__small_take(struct ump__small *s, size_t n) {
  size_t c = size_class(n);
  void **p = s->spare[c];
  if (!p) return from_chunk(s, (c + 1) * UMP__SMALL_GRAIN);
  s->spare[c] = *p;
  return p;
}

void ump__small_give(struct ump__small *s, void *p, size_t n) {
  void **block = p, **list = &s->spare[size_class(n)];
  *block = *list, *list = block;
}

void ump__small_deinit(struct ump__small *s) {
  for (void **chunk = s->chunks, **before; chunk; chunk = before) {
    before = *chunk;
    free(chunk);
  }
}
