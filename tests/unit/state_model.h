/* A model of the replicated state, and clients that follow it: what test_state.c and fuzz_state.c share. A run is a
 * script of bytes: patches, views that change, time, and clients that ask for patches, get them or lose them, and
 * confirm them.
 *
 * The model is a tree of at most six keys a map that is copied whole for each version, so whatever a client should have
 * can be looked up. Clients apply patches as PyGaSe's does, and note when a marker comes for a key that they do not
 * have. */
#ifndef STATE_MODEL_H
#define STATE_MODEL_H

#include <stdlib.h>

#include "base/plain.h"
#include "engine/inside.h"

enum { KEYS = 6, TEXT_KEYS = 4, DEEP = 4, CLIENTS = 6, VERSIONS = 4096, NOBODY = -1, MOST_LEAF = 9 };

struct m {
  bool map;
  int value; /* of a leaf; from 8 on it is written as a list */
  struct m *kid[KEYS];
};

#define MUST(x)                                                                                                        \
  do {                                                                                                                 \
    if (!(x)) state_model_failed(#x, __LINE__);                                                                        \
  } while (0)
static void state_model_failed(const char *what, int line); /* given by who includes this; does not return */

/* ---- trees ---- */

static struct m *m_leaf(int value) {
  struct m *m = calloc(1, sizeof *m);
  m->value = value;
  return m;
}
static struct m *m_map(void) {
  struct m *m = m_leaf(0);
  m->map = true;
  return m;
}
static void m_free(struct m *m) {
  if (!m) return;
  for (int i = 0; i < KEYS; i++) m_free(m->kid[i]);
  free(m);
}
static struct m *m_copy(const struct m *m) {
  if (!m) return NULL;
  struct m *c = m_leaf(m->value);
  c->map = m->map;
  for (int i = 0; i < KEYS; i++) c->kid[i] = m_copy(m->kid[i]);
  return c;
}
static bool m_same(const struct m *a, const struct m *b) {
  if (!a || !b) return a == b;
  if (a->map != b->map || a->value != b->value) return false;
  for (int i = 0; i < KEYS; i++)
    if (!m_same(a->kid[i], b->kid[i])) return false;
  return true;
}

/* ---- plain data ---- */

static void m_put_key(struct ump_writer *w, int key) {
  static const char *const names[] = {"ann", "b", "", "a longer name, which is no word"};
  if (key < TEXT_KEYS)
    ump_plain_put_string(w, ump_text(names[key]));
  else
    ump_plain_put_int(w, key == TEXT_KEYS ? 7 : -1);
}
static int m_get_key(struct ump_reader *r) {
  struct ump_plain v;
  if (!ump_plain_get(r, &v)) return NOBODY;
  if (v.tag == UMP_PLAIN_INT) return v.i == 7 ? TEXT_KEYS : v.i == -1 ? TEXT_KEYS + 1 : NOBODY;
  return v.s.n == 3 ? 0 : v.s.n == 1 ? 1 : v.s.n == 0 ? 2 : 3;
}
static void m_put_leaf(struct ump_writer *w, int value) {
  if (value < 8) {
    ump_plain_put_int(w, value);
    return;
  }
  ump_plain_put_array(w, 2);
  ump_plain_put_int(w, value), ump_plain_put_string(w, ump_text("and some more, for its own memory"));
}
/* After the tag of a leaf was read. */
static int m_get_leaf(struct ump_reader *r, const struct ump_plain *v) {
  struct ump_plain in;
  if (v->tag == UMP_PLAIN_INT) return (int)v->i;
  if (v->tag != UMP_PLAIN_ARRAY || !ump_plain_get(r, &in) || !ump_plain_skip(r)) return NOBODY;
  return (int)in.i;
}

/* ---- what a script says ---- */

struct script {
  const uint8_t *p;
  size_t n, at;
};
static unsigned byte_of(struct script *s) {
  return s->at < s->n ? s->p[s->at++] : 0;
}

/* A random patch, merged into m as it is written. */
static void script_patch(struct script *s, struct ump_writer *w, struct m *m, unsigned depth) {
  unsigned which = byte_of(s) % (1u << KEYS);
  uint32_t n = 0;
  for (int k = 0; k < KEYS; k++) n += which >> k & 1;
  ump_plain_put_map(w, n);
  for (int k = 0; k < KEYS; k++) {
    if (!(which >> k & 1)) continue;
    unsigned what = byte_of(s);
    m_put_key(w, k);
    if (what % 4 == 0) {
      ump_plain_put_tag(w, UMP_PLAIN_DELETE);
      m_free(m->kid[k]), m->kid[k] = NULL;
    } else if (what % 4 < 3 || depth == DEEP) {
      m_free(m->kid[k]);
      m->kid[k] = m_leaf((int)(what >> 2) % MOST_LEAF);
      m_put_leaf(w, m->kid[k]->value);
    } else {
      if (!m->kid[k] || !m->kid[k]->map) m_free(m->kid[k]), m->kid[k] = m_map();
      script_patch(s, w, m->kid[k], depth + 1);
    }
  }
}

/* A random selector; in the model a map whose leaves are "everything". */
static struct m *script_view(struct script *s, struct ump_writer *w, unsigned depth) {
  unsigned what = byte_of(s);
  if (depth == 3 || (what % 4 == 0)) {
    ump_plain_put_tag(w, UMP_PLAIN_TRUE);
    return m_leaf(1);
  }
  struct m *m = m_map();
  unsigned which = byte_of(s) % (1u << KEYS);
  uint32_t n = 0;
  for (int k = 0; k < KEYS; k++) n += which >> k & 1;
  ump_plain_put_map(w, n);
  for (int k = 0; k < KEYS; k++)
    if (which >> k & 1) m_put_key(w, k), m->kid[k] = script_view(s, w, depth + 1);
  return m;
}

/* What a selector shows of a tree; a map's outermost is always there. */
static struct m *m_shown(const struct m *m, const struct m *view) {
  if (!m || !view) return NULL;
  if (!view->map) return m_copy(m);
  if (!m->map) return NULL;
  struct m *out = m_map();
  for (int k = 0; k < KEYS; k++) out->kid[k] = m_shown(m->kid[k], view->kid[k]);
  return out;
}

/* ---- applying a patch as PyGaSe's client does ---- */

static struct m *apply(struct ump_reader *r, struct m *was, bool exactly);

static void apply_pairs(struct ump_reader *r, uint32_t count, struct m *m, bool exactly) {
  for (uint32_t i = 0; i < count; i++) {
    int k = m_get_key(r);
    MUST(k != NOBODY);
    if (r->p < r->end && *r->p == UMP_PLAIN_DELETE) {
      r->p++;
      MUST(!exactly || m->kid[k]); /* a marker for a key that is not there would become its value */
      m_free(m->kid[k]), m->kid[k] = NULL;
    } else {
      m->kid[k] = apply(r, m->kid[k], exactly);
    }
  }
}

static struct m *apply(struct ump_reader *r, struct m *was, bool exactly) {
  struct ump_plain v;
  MUST(ump_plain_get(r, &v));
  if (v.tag == UMP_PLAIN_MAP) {
    if (!was || !was->map) m_free(was), was = m_map();
    apply_pairs(r, v.count, was, exactly);
    return was;
  }
  int value = m_get_leaf(r, &v);
  MUST(value != NOBODY);
  m_free(was);
  return m_leaf(value);
}

/* ---- the run; who only wants the model leaves this unused ---- */

#define RUN static __attribute__((unused))

struct follower {
  struct ump_client client; /* as far as the feed looks at it */
  struct m *view;
  struct m *has;
  struct ump_moment *confirmed, *sent; /* what the host knows it has; what it has really got */
  bool waits;                          /* for an exact patch to come back: nothing new until then */
};

struct run {
  struct ump_engine *e;
  ump_time now;
  struct m *state;
  struct m *version[VERSIONS]; /* by version */
  struct follower f[CLIENTS];
  size_t patches, markers, exact, wholes, shared;
};

static void run_view(struct run *r, struct follower *f, struct ump_bytes plain, struct m *view) {
  struct ump_view *v;
  int err = ump__view_make(&r->e->feed.views, plain, &v);
  if (err) { /* no memory: the one before stays */
    m_free(view);
    return;
  }
  ump__view_unref(&r->e->feed.views, f->client.view);
  m_free(f->view);
  f->client.view = v, f->client.seen = 1, f->view = view;
}

RUN void run_begin(struct run *r, struct ump_engine *e) {
  static const uint8_t all[] = {UMP_PLAIN_TRUE};
  *r = (struct run){.e = e, .state = m_map()};
  r->version[1] = m_map();
  for (int i = 0; i < CLIENTS; i++) {
    r->f[i].has = m_map();
    run_view(r, &r->f[i], ump_bytes(all, 1), m_leaf(1));
  }
}

RUN void run_end(struct run *r) {
  const struct ump_feed *feed = &r->e->feed.face;
  for (int i = 0; i < CLIENTS; i++) {
    struct follower *f = &r->f[i];
    if (f->confirmed) feed->ops->moment_unref(feed->self, f->confirmed);
    if (f->sent) feed->ops->moment_unref(feed->self, f->sent);
    ump__view_unref(&r->e->feed.views, f->client.view);
    m_free(f->view), m_free(f->has);
  }
  for (int i = 0; i < VERSIONS; i++) m_free(r->version[i]);
  m_free(r->state);
}

static void run_update(struct run *r, struct script *s) {
  uint8_t buffer[65536];
  struct ump_writer w = ump_writer(buffer, sizeof buffer);
  struct ump_state_fault why;
  struct m *before = m_copy(r->state);
  uint64_t version = ump_state_version(r->e->state);
  script_patch(s, &w, r->state, 1);
  MUST(!w.full);
  int err = ump_engine_update(r->e, ump_written(&w), &why);
  MUST(err == 0 || err == UMP_ENOMEM);
  if (err) { /* all or nothing */
    m_free(r->state), r->state = before;
    MUST(ump_state_version(r->e->state) == version);
    return;
  }
  bool changed = ump_state_version(r->e->state) != version;
  MUST(changed || m_same(before, r->state)); /* what changes nothing may make no version */
  if (changed) r->version[version + 1] = m_copy(r->state);
  m_free(before);
}

static void hold(const struct ump_feed *feed, struct ump_moment **at, struct ump_moment *m) {
  if (m) feed->ops->moment_ref(feed->self, m);
  if (*at) feed->ops->moment_unref(feed->self, *at);
  *at = m;
}

static void check_equal(struct run *r, const struct follower *f) {
  struct m *want = m_shown(r->version[ump_state_published(r->e->state)], f->view);
  if (!want) want = m_map();
  MUST(m_same(want, f->has));
  m_free(want);
}

/* One exchange; how: bit 1: the patch gets lost, bit 2: its confirmation does. */
static void run_ask(struct run *r, struct follower *f, unsigned how) {
  const struct ump_feed *feed = &r->e->feed.face;
  struct ump_patch *p = NULL;
  if (f->waits) { /* section 6.4: that very update until it comes back, which it did */
    hold(feed, &f->confirmed, f->sent);
    f->waits = false;
  }
  int got = feed->ops->patch(feed->self, &f->client, f->confirmed, &p);
  MUST(got == 0 || got == 1 || got == UMP_ENOMEM);
  if (got != 1) return;
  bool whole = p->whole, synced = f->sent == f->confirmed;
  if (p->exact && !synced) { /* what was sent must come back first */
    feed->ops->patch_unref(feed->self, p);
    hold(feed, &f->confirmed, f->sent);
    return;
  }
  r->patches++, r->exact += p->exact, r->wholes += whole;
  if (how & 1 && !p->exact) {
    feed->ops->patch_unref(feed->self, p);
    return;
  }
  if (whole && f->confirmed) m_free(f->has), f->has = m_map(); /* expired: as one who begins anew */
  for (size_t i = 0; i < p->plain.n; i++) r->markers += p->plain.p[i] == UMP_PLAIN_DELETE;
  struct ump_reader in = ump_reader(p->plain);
  f->has = apply(&in, f->has, p->exact || synced);
  MUST(in.p == in.end);
  check_equal(r, f);
  hold(feed, &f->sent, p->to);
  f->waits = p->exact && (how & 2);
  if (!(how & 2) || whole) hold(feed, &f->confirmed, p->to);
  feed->ops->patch_unref(feed->self, p);
}

static void run_step(struct run *r, struct script *s) {
  unsigned what = byte_of(s);
  struct follower *f = &r->f[what % CLIENTS];
  uint8_t buffer[4096];
  struct ump_writer w = ump_writer(buffer, sizeof buffer);
  r->now += (ump_time)(what >> 6) * UMP_MS;
  ump_engine_expire(r->e, r->now);
  switch (what / CLIENTS % 8) {
  case 0:
  case 1:
  case 2:
    run_update(r, s);
    break;
  case 3:
    if (byte_of(s) % 8 || f->waits) break;
    struct m *view = script_view(s, &w, 0);
    run_view(r, f, ump_written(&w), view);
    break;
  default:
    run_ask(r, f, byte_of(s) & 3);
  }
}

/* Everyone asks until nothing is left to ask for; then all have what they may see. */
RUN void run_catch_up(struct run *r) {
  const struct ump_feed *feed = &r->e->feed.face;
  r->now += 10 * UMP_MS;
  ump_engine_expire(r->e, r->now);
  for (int i = 0; i < CLIENTS; i++) {
    struct follower *f = &r->f[i];
    for (int round = 0; round < 4; round++) run_ask(r, f, 0);
    struct ump_patch *p;
    if (f->view->map || f->confirmed) MUST(feed->ops->patch(feed->self, &f->client, f->confirmed, &p) == 0);
    MUST(ump_state_published(r->e->state) == ump_state_version(r->e->state));
    check_equal(r, f);
  }
}

RUN void run_script(struct run *r, struct script *s) {
  while (s->at < s->n && ump_state_version(r->e->state) < VERSIONS - 2) run_step(r, s);
}

#endif
