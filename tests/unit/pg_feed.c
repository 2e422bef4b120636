/* The state's part in pg_world.h. Slow and plain: what changed is found by looking at every cell. */
#include "pg_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ump_moment {
  size_t refs, version;
  struct pg_feed *feed;
};

struct patch {
  struct ump_patch face;
  size_t refs, bytes;
};

/* ---- writing ---- */

static struct pg_cells *next_version(struct pg_feed *f) {
  if (f->n == f->cap) {
    f->cap = f->cap ? 2 * f->cap : 64;
    f->versions = realloc(f->versions, f->cap * sizeof *f->versions);
    assert_non_null(f->versions);
  }
  if (!f->n) {
    memset(&f->versions[0], 0, sizeof f->versions[0]);
    f->n = 1;
    return next_version(f);
  }
  f->versions[f->n] = f->versions[f->n - 1];
  return &f->versions[f->n++];
}

static void lose_subs(struct pg_feed *f, struct pg_cells *c, int i) {
  for (int j = 0; j < PG_CELLS; j++) {
    if (c->kind[i] == PG_MAP && c->sub[i][j]) f->sub_removed[i][j] = f->n - 1;
    c->sub[i][j] = 0;
  }
}

void pg_set(struct pg_feed *f, int i, int value) {
  struct pg_cells *c = next_version(f);
  lose_subs(f, c, i);
  c->kind[i] = PG_SCALAR, c->value[i] = value;
  f->written[i] = f->n - 1;
}

void pg_set_sub(struct pg_feed *f, int i, int j, int value) {
  struct pg_cells *c = next_version(f);
  c->kind[i] = PG_MAP, c->sub[i][j] = 1, c->sub_value[i][j] = value;
  f->written[i] = f->sub_written[i][j] = f->n - 1;
}

void pg_remove(struct pg_feed *f, int i) {
  struct pg_cells *c = next_version(f);
  if (c->kind[i] != PG_ABSENT) f->removed[i] = f->n - 1;
  lose_subs(f, c, i);
  c->kind[i] = PG_ABSENT;
}

void pg_remove_sub(struct pg_feed *f, int i, int j) {
  struct pg_cells *c = next_version(f);
  if (c->kind[i] != PG_MAP || !c->sub[i][j]) return;
  f->sub_removed[i][j] = f->n - 1;
  c->sub[i][j] = 0;
}

/* ---- moments ---- */

static void moment_ref(void *self, struct ump_moment *m) {
  (void)self;
  m->refs++;
}

static void moment_unref(void *self, struct ump_moment *m) {
  struct pg_feed *f = self;
  assert_true(m->refs > 0);
  if (--m->refs) return;
  if (f->present == m) f->present = NULL;
  f->n_moments--;
  ump_free(&f->mem->mem, m, sizeof *m);
}

static struct ump_moment *present(struct pg_feed *f) {
  if (f->present && f->present->version == f->n - 1) {
    f->present->refs++;
    return f->present;
  }
  struct ump_moment *m = ump_zalloc(&f->mem->mem, sizeof *m);
  if (!m) return NULL;
  *m = (struct ump_moment){1, f->n - 1, f};
  f->n_moments++;
  return f->present = m;
}

/* ---- patches ---- */

static void put_number(const struct pg_feed *f, struct ump_writer *w, int v) {
  if (!f->fat) {
    ump_plain_put_int(w, v);
    return;
  }
  char text[2048];
  int n = snprintf(text, sizeof text, "%0*d", f->fat, v);
  ump_plain_put_string(w, ump_bytes(text, (size_t)n));
}

static void put_key(struct ump_writer *w, char letter, int i) {
  char text[3] = {letter, (char)('0' + i), 0};
  ump_plain_put_string(w, ump_text(text));
}

/* from -1: nothing. Returns how many entries; writes them if w is there. */
static uint32_t subs(const struct pg_feed *f, long from, int i, struct ump_writer *w, bool *exact) {
  const struct pg_cells *is = &f->versions[f->n - 1], *was = from >= 0 ? &f->versions[from] : NULL;
  bool was_map = was && was->kind[i] == PG_MAP;
  uint32_t n = 0;
  for (int j = 0; j < PG_CELLS; j++) {
    bool had = was_map && was->sub[i][j], has = is->sub[i][j];
    if (from >= 0 && (long)f->sub_removed[i][j] > from) *exact = true;
    if (has && (!had || (long)f->sub_written[i][j] > from)) {
      n++;
      if (w) put_key(w, 's', j), put_number(f, w, is->sub_value[i][j]);
    } else if (had && !has) {
      n++;
      if (w) put_key(w, 's', j), ump_plain_put_tag(w, UMP_PLAIN_DELETE);
    }
  }
  return n;
}

static uint32_t entries(const struct pg_feed *f, long from, struct ump_writer *w, bool *exact) {
  const struct pg_cells *is = &f->versions[f->n - 1], *was = from >= 0 ? &f->versions[from] : NULL;
  uint32_t n = 0;
  for (int i = 0; i < PG_CELLS; i++) {
    bool had = was && was->kind[i] != PG_ABSENT;
    if (from >= 0 && (long)f->removed[i] > from) *exact = true;
    for (int j = 0; j < PG_CELLS; j++)
      if (from >= 0 && (long)f->sub_removed[i][j] > from) *exact = true;
    if (is->kind[i] == PG_ABSENT) {
      if (!had) continue;
      n++;
      if (w) put_key(w, 'k', i), ump_plain_put_tag(w, UMP_PLAIN_DELETE);
    } else if (is->kind[i] == PG_SCALAR) {
      if (had && was->kind[i] == PG_SCALAR && (long)f->written[i] <= from) continue;
      n++;
      if (w) put_key(w, 'k', i), put_number(f, w, is->value[i]);
    } else {
      uint32_t below = subs(f, from, i, NULL, exact);
      if (!below && had && was->kind[i] == PG_MAP) continue;
      n++;
      if (w) put_key(w, 'k', i), ump_plain_put_map(w, below), subs(f, from, i, w, exact);
    }
  }
  return n;
}

static void patch_unref(void *self, struct ump_patch *face) {
  struct pg_feed *f = self;
  struct patch *p = UMP_CONTAINER(face, struct patch, face);
  assert_true(p->refs > 0);
  if (--p->refs) return;
  if (face->form) face->drop_form(face->form);
  moment_unref(self, face->to);
  f->n_patches--;
  ump_free(&f->mem->mem, (void *)(uintptr_t)face->plain.p, p->bytes);
  ump_free(&f->mem->mem, p, sizeof *p);
}

static void patch_ref(void *self, struct ump_patch *face) {
  (void)self;
  UMP_CONTAINER(face, struct patch, face)->refs++;
}

static int make(struct pg_feed *f, long from, struct ump_patch **out) {
  static uint8_t text[256 * 1024];
  struct ump_writer w = ump_writer(text, sizeof text);
  bool exact = false;
  ump_plain_put_map(&w, entries(f, from, NULL, &exact));
  entries(f, from, &w, &exact);
  assert_false(w.full);
  struct patch *p = ump_zalloc(&f->mem->mem, sizeof *p);
  uint8_t *bytes = ump_alloc(&f->mem->mem, w.n);
  struct ump_moment *to = present(f);
  if (!p || !bytes || !to) {
    ump_free(&f->mem->mem, p, sizeof *p);
    ump_free(&f->mem->mem, bytes, w.n);
    if (to) moment_unref(f, to);
    return UMP_ENOMEM;
  }
  memcpy(bytes, text, w.n);
  *p = (struct patch){
      .face = {.to = to, .exact = exact, .whole = from < 0, .plain = ump_bytes(bytes, w.n)}, .refs = 1, .bytes = w.n};
  f->n_patches++, f->made++;
  *out = &p->face;
  return 1;
}

static int patch(void *self, const struct ump_client *client, struct ump_moment *from, struct ump_patch **out) {
  struct pg_feed *f = self;
  (void)client;
  f->asked++;
  if (!f->n || (from && from->version == f->n - 1)) return 0;
  size_t since = from ? from->version + 1 : 0;
  if (f->cached && (f->cached_from != since || f->cached->to->version != f->n - 1)) {
    patch_unref(f, f->cached);
    f->cached = NULL;
  }
  if (!f->cached) {
    int err = make(f, (long)since - 1, &f->cached);
    if (err != 1) return f->cached = NULL, err;
    f->cached_from = since;
  }
  patch_ref(f, f->cached);
  *out = f->cached;
  return 1;
}

const struct ump_feed_ops pg_feed_ops = {patch, patch_ref, patch_unref, moment_ref, moment_unref};
