#include "base/slots.h"

#include "base/err.h"

static int grow(struct ump_slots *s, const struct ump_mem *mem) {
  size_t want = s->n ? 2 * s->n : 64;
  void **at = ump_realloc(mem, s->at, s->n * sizeof *at, want * sizeof *at);
  if (!at) return UMP_ENOMEM;
  s->at = at;
  uint32_t *free = ump_realloc(mem, s->free, s->n * sizeof *free, want * sizeof *free);
  if (!free) { /* give the other half back, so that both have one size; shrinking does not fail */
    at = ump_realloc(mem, s->at, want * sizeof *at, s->n * sizeof *at);
    if (at || !s->n) s->at = at;
    return UMP_ENOMEM;
  }
  s->free = free;
  for (size_t i = want; i-- > s->n;) s->at[i] = NULL, s->free[s->n_free++] = (uint32_t)i;
  s->n = want;
  return 0;
}

int ump_slots_take(struct ump_slots *s, const struct ump_mem *mem, void *thing, uint32_t *number) {
  if (!s->n_free && grow(s, mem)) return UMP_ENOMEM;
  *number = s->free[--s->n_free];
  s->at[*number] = thing;
  return 0;
}

void ump_slots_deinit(struct ump_slots *s, const struct ump_mem *mem) {
  ump_free(mem, s->at, s->n * sizeof *s->at);
  ump_free(mem, s->free, s->n * sizeof *s->free);
  *s = (struct ump_slots){0};
}
