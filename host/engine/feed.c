#include "engine/feed.h"

#include "engine/diff.h"
#include "engine/inside.h"

/* ---- moments ---- */

static uint64_t floor_of(const struct ump_engine *e) {
  const struct ump__feed *f = &e->feed;
  uint64_t published = ump_state_published(e->state);
  if (ump_list_empty(&f->moments)) return published;
  return UMP_CONTAINER(f->moments.next, struct ump_moment, all)->version;
}

struct ump_moment *ump__moment_ref(struct ump_moment *m) {
  m->refs++;
  return m;
}

static void drop_cached(struct ump_engine *e, struct ump_list *patches);

void ump__moment_unref(struct ump_engine *e, struct ump_moment *m) {
  if (!m || --m->refs) return;
  drop_cached(e, &m->patches);
  ump_list_remove(&m->all);
  if (m->view->present == m) m->view->present = NULL;
  ump__view_unref(&e->feed.views, m->view);
  ump_free(e->mem, m, sizeof *m);
  e->feed.n_moments--;
}

/* What a client with this view has once it is at the published version. With a reference; NULL: no memory. */
static struct ump_moment *present(struct ump_engine *e, struct ump_view *v) {
  if (v->present && v->present->version == ump_state_published(e->state)) return ump__moment_ref(v->present);
  struct ump_moment *m = ump_zalloc(e->mem, sizeof *m);
  if (!m) return NULL;
  m->refs = 1;
  m->version = ump_state_published(e->state);
  m->view = ump__view_ref(v);
  ump_list_init(&m->patches);
  ump_list_push(&e->feed.moments, &m->all);
  v->present = m;
  e->feed.n_moments++;
  return m;
}

/* The oldest go, so that what was removed can be forgotten. */
static void expire_moments(struct ump_engine *e) {
  struct ump__feed *f = &e->feed;
  while (ump_state_removed(e->state) > e->limits.state_keys && !ump_list_empty(&f->moments)) {
    struct ump_moment *m = UMP_CONTAINER(f->moments.next, struct ump_moment, all);
    if (m->version >= ump_state_published(e->state)) return;
    ump_list_remove(&m->all);
    m->version = 0;
    UMP__COUNT(e, state_moments_expired);
    ump_state_forget(e->state, floor_of(e));
  }
}

/* ---- patches ---- */

static void patch_free(struct ump_engine *e, struct ump__patch *p) {
  if (p->face.form && p->face.drop_form) p->face.drop_form(p->face.form);
  for (struct ump__told *t = p->told, *next; t; t = next) next = t->next, ump__told_free(e, t);
  ump_free(e->mem, (void *)(uintptr_t)p->face.plain.p, p->face.plain.n);
  ump__moment_unref(e, p->face.to);
  ump_free(e->mem, p, sizeof *p);
  e->feed.n_patches--;
}

void ump__patch_unref(struct ump_engine *e, struct ump__patch *p) {
  if (--p->refs == 0) patch_free(e, p);
}

static void uncache(struct ump_engine *e, struct ump__patch *p) {
  ump_list_remove(&p->cached);
  ump_list_remove(&p->all);
  ump__patch_unref(e, p);
}

static void drop_cached(struct ump_engine *e, struct ump_list *patches) {
  while (!ump_list_empty(patches)) uncache(e, UMP_CONTAINER(patches->next, struct ump__patch, cached));
}

static void drop_all_cached(struct ump_engine *e) {
  struct ump_list *all = &e->feed.cached;
  while (!ump_list_empty(all)) uncache(e, UMP_CONTAINER(all->next, struct ump__patch, all));
}

/* from NULL: of the whole. */
static struct ump__patch *make(struct ump_engine *e, struct ump_view *v, const struct ump_moment *from) {
  struct ump__out o = ump__out(e->mem);
  struct ump__patch *p = ump_zalloc(e->mem, sizeof *p);
  struct ump_moment *to = p ? present(e, v) : NULL;
  if (!to) goto no_memory;
  p->refs = 1;
  p->view = v;
  p->since = from ? from->version : 0;
  p->face.to = to;
  p->face.whole = !from;
  p->face.exact = ump__diff(e->state, from ? &from->view->part : NULL, p->since, &v->part, &o);
  uint8_t *plain = o.failed ? NULL : ump_alloc(e->mem, o.n);
  if (!plain) goto no_memory;
  memcpy(plain, o.p, o.n);
  p->face.plain = ump_bytes(plain, o.n);
  ump__out_free(&o);
  e->feed.n_patches++;
  UMP__COUNT(e, state_patches);
  e->counts[UMP__state_patch_bytes] += p->face.plain.n;
  return p;
no_memory:
  ump__out_free(&o);
  ump__moment_unref(e, to);
  ump_free(e->mem, p, sizeof *p);
  return NULL;
}

static struct ump__patch *find(struct ump_list *patches, const struct ump_view *v) {
  for (struct ump_list *at = patches->next; at != patches; at = at->next) {
    struct ump__patch *p = UMP_CONTAINER(at, struct ump__patch, cached);
    if (p->view == v) return p;
  }
  return NULL;
}

/* ---- publishing ---- */

static void publish(struct ump_engine *e) {
  struct ump__feed *f = &e->feed;
  f->published_at = e->now;
  if (ump_state_published(e->state) == ump_state_version(e->state)) return;
  drop_all_cached(e);
  uint64_t floor = ump_list_empty(&f->moments) ? ump_state_version(e->state) : floor_of(e);
  ump_state_publish(e->state, floor);
  expire_moments(e);
}

static bool has_ticks(const struct ump_engine *e) {
  return e->rb && e->ticks.rate_hz > 0 && !e->draining;
}

static bool has_views(const struct ump_engine *e) {
  return e->rb && e->rb->views && e->rb->ops->view;
}

static void publish_if_due(struct ump_engine *e) {
  if (has_views(e) || e->effects.asking == UMP__REFUSE) return; /* at the beat; in the middle of a commit */
  if (e->now - e->feed.published_at >= UMP__FRESH || ump_list_empty(&e->feed.moments)) publish(e);
}

int ump__feed_patch(struct ump_engine *e, const struct ump_client *c, struct ump_moment *from,
                    struct ump__patch **out) {
  struct ump_view *v = c->view;
  if (!v || !c->seen) return 0;
  publish_if_due(e);
  if (from && !from->version) from = NULL; /* expired */
  if (from && from->view == v && from->version == ump_state_published(e->state)) return 0;
  struct ump_list *patches = from ? &from->patches : &v->patches;
  struct ump__patch *p = find(patches, v);
  if (!p) {
    if (!(p = make(e, v, from))) return UMP_ENOMEM;
    ump_list_push(patches, &p->cached);
    ump_list_push(&e->feed.cached, &p->all);
  }
  p->refs++;
  *out = p;
  return 1;
}

/* ---- as protocols see it ---- */

static struct ump__patch *inner(struct ump_patch *p) {
  return UMP_CONTAINER(p, struct ump__patch, face);
}

static int feed_patch(void *self, const struct ump_client *c, struct ump_moment *from, struct ump_patch **out) {
  struct ump__patch *p;
  int got = ump__feed_patch(self, c, from, &p);
  if (got == 1) *out = &p->face;
  return got;
}

static void feed_patch_ref(void *self, struct ump_patch *p) {
  (void)self;
  inner(p)->refs++;
}
static void feed_patch_unref(void *self, struct ump_patch *p) {
  ump__patch_unref(self, inner(p));
}
static void feed_moment_ref(void *self, struct ump_moment *m) {
  (void)self;
  ump__moment_ref(m);
}
static void feed_moment_unref(void *self, struct ump_moment *m) {
  ump__moment_unref(self, m);
}

static const struct ump_feed_ops feed_ops = {feed_patch, feed_patch_ref, feed_patch_unref, feed_moment_ref,
                                             feed_moment_unref};

/* ---- views ---- */

#define ASK_AGAIN UINT64_MAX /* in ump_client.seen: no version */

static void set_view(struct ump_engine *e, struct ump_client *c, struct ump_view *v) { /* takes the reference over */
  ump__view_unref(&e->feed.views, c->view);
  c->view = v;
}

static bool takes_state(const struct ump_engine *e, const struct ump_client *c) {
  return c->subscription || e->listeners[c->listener].ops->state_fits;
}

/* An error, told by the rulebook, leaves the client the view that it had. */
static void evaluate(struct ump_engine *e, struct ump_client *c) {
  struct ump_bytes plain = {0};
  struct ump_view *v;
  c->seen = ump_state_version(e->state);
  ump__call_begin(e, e->rb);
  int rc = e->rb->ops->view(e->rb->self, c, &plain);
  if (rc >= 0) rc = ump__view_make(&e->feed.views, plain, &v);
  ump__call_end(e, rc);
  UMP__COUNT(e, views);
  if (rc >= 0) set_view(e, c, v);
}

static void evaluate_all(struct ump_engine *e) {
  uint64_t version = ump_state_version(e->state);
  for (struct ump_client *c = NULL; (c = ump_engine_next_client(e, c));)
    if (c->seen != version && takes_state(e, c)) evaluate(e, c);
}

/* What was published is still seen by the views that were asked about it; nothing newer is published before the new
 * rulebook's have been. */
void ump__feed_new_rules(struct ump_engine *e) {
  bool views = has_views(e), takers = false;
  if (!e->rb) return; /* who saw a part does not see the whole because nobody decides any more */
  for (struct ump_client *c = NULL; (c = ump_engine_next_client(e, c));) {
    c->seen = views ? (c->view ? ASK_AGAIN : 0) : 1;
    if (!views)
      set_view(e, c, ump__view_ref(e->feed.everything));
    else
      takers |= takes_state(e, c);
  }
  if (!has_ticks(e) && (takers || e->feed.n_subscribers)) ump__feed_wake(e);
}

void ump__feed_welcome(struct ump_engine *e, struct ump_client *c) {
  if (!has_views(e)) {
    c->seen = 1;
    set_view(e, c, ump__view_ref(e->feed.everything));
  } else if (takes_state(e, c)) {
    ump__feed_wake(e);
  }
}

void ump__feed_leave(struct ump_engine *e, struct ump_client *c) {
  ump__subscribe(e, c, false);
  set_view(e, c, NULL);
}

/* ---- the beat ---- */

void ump__feed_wake(struct ump_engine *e) {
  struct ump__feed *f = &e->feed;
  ump_time at = f->beaten_at + UMP__BEAT;
  if (at < e->now) at = e->now;
  if (at < f->beat_at) f->beat_at = at;
}

void ump__feed_changed(struct ump_engine *e, bool in_place) {
  if (!ump_state_commit(e->state)) return;
  UMP__COUNT(e, state_versions);
  if (!in_place) return;
  publish_if_due(e);
  if (!has_ticks(e) && (has_views(e) || e->feed.n_subscribers)) ump__feed_wake(e);
}

/* One in which nothing went out does not put the next one off: a reload asks for one, and must change nothing else. */
void ump__feed_beat(struct ump_engine *e) {
  struct ump__feed *f = &e->feed;
  uint64_t published = ump_state_published(e->state), told = e->counts[UMP__state_told];
  f->beat_at = UMP_NEVER;
  if (ump__subscribers_lost(e)) ump_state_skip(e->state);
  if (has_views(e)) evaluate_all(e);
  publish(e);
  ump__subscribers_tell(e);
  if (published != ump_state_published(e->state) || told != e->counts[UMP__state_told]) f->beaten_at = e->now;
}

/* ---- life ---- */

int ump__feed_init(struct ump_engine *e, const struct ump_hash_key *key) {
  struct ump__feed *f = &e->feed;
  static const uint8_t all[] = {UMP_PLAIN_TRUE};
  f->face = (struct ump_feed){&feed_ops, e};
  f->beaten_at = f->published_at = e->now - UMP__BEAT;
  f->beat_at = UMP_NEVER;
  ump_list_init(&f->moments), ump_list_init(&f->cached), ump_list_init(&f->subscribers);
  ump__views_init(&f->views, e->mem, key);
  return ump__view_make(&f->views, ump_bytes(all, sizeof all), &f->everything);
}

void ump__feed_deinit(struct ump_engine *e) {
  struct ump__feed *f = &e->feed;
  drop_all_cached(e);
  assert(ump_list_empty(&f->moments) && f->n_patches == 0 && f->n_moments == 0 && f->n_subscribers == 0);
  ump__view_unref(&e->feed.views, f->everything);
  ump__views_deinit(&f->views);
}
