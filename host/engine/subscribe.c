/* The state for clients of every protocol: notifies named "state". */
#include "engine/inside.h"

void ump__told_free(struct ump_engine *e, struct ump__told *t) {
  for (uint32_t i = 0; i < t->n; i++) ump_blob_unref(t->parts[i]);
  ump_free(e->mem, t, sizeof *t + t->n * sizeof *t->parts);
}

void ump__subscribe(struct ump_engine *e, struct ump_client *c, bool on) {
  (void)e, (void)c, (void)on;
}

void ump__subscribers_tell(struct ump_engine *e) {
  (void)e;
}
