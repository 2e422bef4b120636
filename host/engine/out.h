/* Plain data (base/plain.h) of a length that is not known before: a run of bytes that grows. Failure sticks. */
#ifndef UMP_ENGINE_OUT_H
#define UMP_ENGINE_OUT_H

#include "base/mem.h"
#include "base/plain.h"

struct ump__out {
  const struct ump_mem *mem; /* borrowed */
  uint8_t *p;                /* owned */
  size_t n, cap;
  bool failed; /* no memory: what was written since is not there */
};

static inline struct ump__out ump__out(const struct ump_mem *mem) {
  return (struct ump__out){.mem = mem};
}
static inline struct ump_bytes ump__out_bytes(const struct ump__out *o) {
  return ump_bytes(o->p, o->n);
}
void ump__out_free(struct ump__out *o); /* empty and usable afterwards */
void ump__out_put(struct ump__out *o, struct ump_bytes plain);
void ump__out_tag(struct ump__out *o, enum ump_plain_tag tag);
void ump__out_int(struct ump__out *o, int64_t v);
void ump__out_string(struct ump__out *o, struct ump_bytes s);
/* The head of a map or array; count may be written over later, when it is known: at is what n was before. */
void ump__out_map(struct ump__out *o, uint32_t count);
void ump__out_array(struct ump__out *o, uint32_t count);
void ump__out_recount(struct ump__out *o, size_t at, uint32_t count);

#endif
