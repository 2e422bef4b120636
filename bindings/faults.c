#include "bindings/faults.h"

#include <string.h>

/* How long "rules/arena.lua:12" in front of a message is; without one, the first line. */
static size_t place_length(struct ump_bytes m) {
  size_t n = 0;
  for (; n < m.n; n++) {
    size_t k = n + 1;
    if (m.p[n] != ':') continue;
    while (k < m.n && m.p[k] >= '0' && m.p[k] <= '9') k++;
    if (k > n + 1 && k < m.n && m.p[k] == ':') return k;
  }
  return n;
}

/* As much of the first line as is kept. */
static struct ump_bytes beginning(struct ump_bytes m) {
  const uint8_t *end = memchr(m.p, '\n', m.n);
  if (end) m.n = (size_t)(end - m.p);
  if (m.n > UMP_FAULT_TEXT - 1) m.n = UMP_FAULT_TEXT - 1;
  return m;
}

static struct ump_fault *find(struct ump_faults *f, struct ump_bytes text, size_t n_place) {
  struct ump_fault *here = NULL;
  int wordings = 0;
  for (int i = 0; i < UMP_FAULTS; i++) {
    struct ump_fault *v = &f->v[i];
    if (!v->count || v->n_place != n_place || memcmp(v->text, text.p, n_place) != 0) continue;
    if (ump_bytes_equal(ump_text(v->text), text)) return v;
    here = v;
    wordings++;
  }
  return wordings < UMP_FAULT_WORDINGS ? NULL : here;
}

static struct ump_fault *oldest(struct ump_faults *f) {
  struct ump_fault *old = f->v;
  for (int i = 0; i < UMP_FAULTS; i++) {
    if (!f->v[i].count) return &f->v[i];
    if (f->v[i].seen < old->seen) old = &f->v[i];
  }
  return old;
}

static void begin(struct ump_fault *v, struct ump_bytes text, size_t n_place) {
  *v = (struct ump_fault){.n_place = n_place};
  memcpy(v->text, text.p, text.n);
}

bool ump_faults_note(struct ump_faults *f, struct ump_bytes message, ump_time now, uint64_t *untold) {
  struct ump_bytes text = beginning(message);
  size_t n_place = place_length(text);
  struct ump_fault *v = find(f, text, n_place);
  bool new = !v;
  if (new) begin(v = oldest(f), text, n_place);
  v->count++;
  v->seen = now;
  if (!new &&now - v->told < UMP_FAULT_AGAIN) return v->untold++, false;
  *untold = v->untold;
  v->untold = 0;
  v->told = now;
  return true;
}
