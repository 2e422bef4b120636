#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, MAP_NORESERVE, madvise */
#include "bindings/small.h"

#include <stdlib.h>
#include <sys/mman.h>

static size_t size_class(size_t n) { return (n - 1) / UMP__SMALL_GRAIN; }

void ump__small_init(struct ump__small *s, size_t n) {
  *s = (struct ump__small){0};
  void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) return;
#ifdef MADV_NOHUGEPAGE
  madvise(p, n, MADV_NOHUGEPAGE); /* an empty VM takes some 20 KB; a huge page is 2 MiB */
#endif
  s->region = s->fresh = p;
  s->end = s->region + n;
}

void ump__small_deinit(struct ump__small *s) {
  if (s->region) munmap(s->region, (size_t)(s->end - s->region));
  *s = (struct ump__small){0};
}

static bool is_of_region(const struct ump__small *s, const void *p) {
  return (uintptr_t)p - (uintptr_t)s->region < (uintptr_t)s->end - (uintptr_t)s->region;
}

void *ump__small_take(struct ump__small *s, size_t n) {
  size_t c = size_class(n), whole = (c + 1) * UMP__SMALL_GRAIN;
  void **p = s->spare[c];
  if (p) {
    s->spare[c] = *p;
    return p;
  }
  if ((uintptr_t)s->end - (uintptr_t)s->fresh < whole) return malloc(n);
  s->fresh += whole;
  return s->fresh - whole;
}

void ump__small_give(struct ump__small *s, void *p, size_t n) {
  if (!is_of_region(s, p)) {
    free(p);
    return;
  }
  void **block = p, **list = &s->spare[size_class(n)];
  *block = *list, *list = block;
}
