/* Words of strangers and of rulebooks that go into names and reasons. */
#include "engine/inside.h"

/* C0, DEL and C1 (U+0080 to U+009F, in UTF-8 C2 80 to C2 9F). */
static bool has_control(struct ump_bytes t) {
  for (size_t i = 0; i < t.n; i++) {
    if (t.p[i] < 0x20 || t.p[i] == 0x7F) return true;
    if (t.p[i] == 0xC2 && i + 1 < t.n && t.p[i + 1] < 0xA0) return true;
  }
  return false;
}

bool ump__text_is_name(struct ump_bytes t) {
  return t.n >= 1 && t.n <= UMP__NAME_MAX && ump_utf8_valid(t) && !has_control(t);
}

char *ump__text_copy(const struct ump_mem *m, struct ump_bytes t) {
  char *copy = ump_alloc(m, t.n + 1);
  if (!copy) return NULL;
  memcpy(copy, t.p, t.n);
  copy[t.n] = 0;
  return copy;
}

void ump__text_free(const struct ump_mem *m, char *t) {
  if (t) ump_free(m, t, strlen(t) + 1);
}

struct ump_bytes ump__reason(struct ump_bytes t) {
  if (t.n > UMP__REASON_MAX) {
    t.n = UMP__REASON_MAX;
    while (t.n && (t.p[t.n] & 0xC0) == 0x80) t.n--; /* not in the middle of a character */
  }
  return ump_utf8_valid(t) ? t : ump_bytes(NULL, 0);
}
