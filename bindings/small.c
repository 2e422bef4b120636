#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, MAP_NORESERVE, madvise */
#include "bindings/small.h"

#include <stdlib.h>
#include <sys/mman.h>

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

void *ump__small_fresh(struct ump__small *s, size_t n) {
  size_t whole = (ump__small_class(n) + 1) * UMP__SMALL_GRAIN;
  if ((uintptr_t)s->end - (uintptr_t)s->fresh < whole) return malloc(n);
  s->fresh += whole;
  return s->fresh - whole;
}
