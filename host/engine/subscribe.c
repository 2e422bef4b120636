/* The state for clients whose protocol does not carry it: notifies named "state".
 *
 *   { time = 8192, full = true, state = { ... } }                                      first, and whenever the chain
 * broke { time = 12288, since = 8192, patch = { ... }, removed = { { "players", "ann" } } }
 *
 * Each follows another one: `since` is the time of the one before. So who gets them in another order, twice or not at
 * all knows what to do: apply those that follow what he has, keep those that do not yet, drop the old ones. `full`
 * replaces all if it is newer. What is listed in removed goes first; a map in patch is merged key by key, anything else
 * replaces.
 *
 * What is too large for one notify is told in parts, which are links of the same chain. Times are versions times 4096,
 * so that parts have times between them. A subscriber whose queue has no room waits for the next beat, and then gets
 * one larger patch from what it was told last. Where a protocol gives up notifies that nobody confirms (Neteria), the
 * engine learns it by ops->unheard and begins anew with a full one, at a time that was never told before. */
#include "engine/inside.h"
#include "engine/split.h"

#define STATE "state"

enum {
  TIMES = UMP__SPLIT_PARTS, /* of a version */
  LEAST = 128,              /* bytes: smaller parts are nearly all path */
  AT_FIRST = 1 << 20,
  FEW = 64,          /* values that any wire has room for */
  UNSENT = 16 << 10, /* bytes on their way on a stream, above which the next part waits for the next beat */
  EMPTY = 5,         /* bytes of a map without keys */
};
#define CHECK_EVERY (1 * UMP_S) /* whether something was given up: a second is little beside the 8 s that it took */

struct ump__subscriber {
  struct ump_list all;
  struct ump_client *c;
  struct ump_moment *at;      /* what it was told last; NULL: nothing */
  struct ump__patch *sending; /* NULL: nothing is half told */
  struct ump__told *told;     /* how; sending's */
  uint32_t next;              /* part */
  uint32_t unheard;
  uint64_t time; /* of the last part that was told; 0: none */
};

/* ---- parts ---- */

void ump__told_free(struct ump_engine *e, struct ump__told *t) {
  for (uint32_t i = 0; i < t->n; i++) ump_blob_unref(t->parts[i]);
  ump_free(e->mem, t, sizeof *t + t->n * sizeof *t->parts);
}

static void put_field(struct ump__out *o, const char *name) {
  ump__out_string(o, ump_text(name));
}

/* The data of one notify. */
static void put_part(struct ump__out *o, const struct ump__part_of_patch *p, bool full, uint64_t since, uint64_t time) {
  o->n = 0;
  ump__out_map(o, !full && p->n_removed ? 4 : 3);
  put_field(o, "time");
  ump__out_int(o, (int64_t)time);
  if (full) {
    put_field(o, "full");
    ump__out_tag(o, UMP_PLAIN_TRUE);
  } else {
    put_field(o, "since");
    ump__out_int(o, (int64_t)since);
  }
  put_field(o, full ? "state" : "patch");
  if (p->map.n)
    ump__out_put(o, p->map);
  else
    ump__out_map(o, 0);
  if (full || !p->n_removed) return;
  put_field(o, "removed");
  ump__out_array(o, p->n_removed);
  ump__out_put(o, p->removed);
}

static int pack(struct ump_engine *e, const struct ump_client *c, struct ump_bytes plain, struct ump_blob **out) {
  struct ump__listener *l = &e->listeners[c->listener];
  struct ump_notice n = {0};
  int err = e->rb && e->rb->ops->tell ? e->rb->ops->tell(e->rb->self, c, plain, &n) : UMP_ENOSUPPORT;
  return err ? err : l->ops->pack(l->self, &n, out);
}

static void complain(struct ump_engine *e, const struct ump_client *c, const char *before, const char *after) {
  char text[200];
  struct ump_writer w = ump_writer(text, sizeof text);
  ump_write_text(&w, before);
  ump_write_text(&w, c->protocol);
  ump_write_text(&w, after);
  ump_log_write(e->log, UMP_ERROR, "state_untold", NULL, ump_written(&w));
}

static void too_large(struct ump_engine *e, const struct ump_client *c) {
  complain(e, c, "a value of the state is too large for one notify of ",
           ": subscribers do not get it; put it under several keys, or make it shorter");
}

/* Packs the parts into t. UMP_ETOOBIG: they must be smaller. least: they cannot be. */
static int pack_parts(struct ump_engine *e, const struct ump_client *c, const struct ump__split *s, bool full,
                      uint64_t time, bool least, struct ump__told *t) {
  struct ump__out o = ump__out(e->mem);
  uint64_t since = t->since;
  int err = 0;
  for (uint32_t i = 0; i < t->n && !err; i++) {
    uint64_t at = time - (t->n - 1 - i);
    struct ump__part_of_patch p = ump__split_part(s, i);
    put_part(&o, &p, full && i == 0, since, at);
    err = o.failed ? UMP_ENOMEM : pack(e, c, ump__out_bytes(&o), &t->parts[i]);
    if (err == UMP_ENOSUPPORT && p.items + p.n_removed > FEW)
      err = UMP_ETOOBIG; /* more values than a message may have */
    if (err == UMP_ETOOBIG && p.items <= 1 && (p.n_removed <= 1 || least)) {
      too_large(e, c);
      p.map.n = 0;
      put_part(&o, &p, full && i == 0, since, at);
      err = pack(e, c, ump__out_bytes(&o), &t->parts[i]);
      if (err == UMP_ETOOBIG) err = UMP_ENOSUPPORT;
    }
    since = at;
  }
  ump__out_free(&o);
  return err;
}

static bool is_same(const struct ump__told *t, const struct ump_client *c, uint64_t channel, uint64_t since) {
  return t->listener == c->listener && t->channel == channel && t->since == since;
}

static uint64_t channel_of(const struct ump_engine *e, const struct ump_client *c) {
  return c->channel ? ump_hash64(&e->feed.views.key, ump_text(c->channel)) | 1 : 0;
}

static struct ump__told *told_new(struct ump_engine *e, const struct ump_client *c, uint32_t n, uint64_t since) {
  struct ump__told *t = ump_zalloc(e->mem, sizeof *t + n * sizeof *t->parts);
  if (!t) return NULL;
  t->n = n, t->listener = c->listener, t->since = since;
  t->channel = channel_of(e, c);
  return t;
}

static int make_told(struct ump_engine *e, const struct ump__subscriber *s, struct ump__patch *p, size_t most,
                     struct ump__told **out) {
  struct ump__split split;
  int err = ump__split(&split, e->mem, p->face.plain, most);
  struct ump__told *t = err ? NULL : told_new(e, s->c, ump__split_count(&split), p->face.whole ? 0 : s->time);
  if (!err && !t) err = UMP_ENOMEM;
  if (!err) err = pack_parts(e, s->c, &split, p->face.whole, p->face.to->version * TIMES, most <= LEAST, t);
  ump__split_free(&split);
  if (err && t) ump__told_free(e, t);
  if (!err) *out = t;
  return err;
}

/* The patch as it is told to clients like this one; made once for all of them. */
static int find_told(struct ump_engine *e, const struct ump__subscriber *s, struct ump__patch *p,
                     struct ump__told **out) {
  struct ump__listener *l = &e->listeners[s->c->listener];
  uint64_t channel = channel_of(e, s->c), since = p->face.whole ? 0 : s->time;
  for (*out = p->told; *out; *out = (*out)->next)
    if (is_same(*out, s->c, channel, since)) return 0;
  if (!l->state_most) l->state_most = AT_FIRST;
  int err;
  while ((err = make_told(e, s, p, l->state_most, out)) == UMP_ETOOBIG && l->state_most > LEAST) {
    size_t n = p->face.plain.n < l->state_most ? p->face.plain.n : l->state_most;
    l->state_most = n / 2 > LEAST ? n / 2 : LEAST;
  }
  if (err) return err;
  (*out)->next = p->told;
  p->told = *out;
  return 0;
}

/* ---- telling ---- */

static void let_go(struct ump_engine *e, struct ump__subscriber *s) {
  if (s->sending) ump__patch_unref(e, s->sending);
  s->sending = NULL, s->told = NULL, s->next = 0;
}

/* The chain is broken: the whole comes next. */
static void begin_anew(struct ump_engine *e, struct ump__subscriber *s) {
  let_go(e, s);
  ump__moment_unref(e, s->at);
  s->at = NULL;
  e->feed.newcomers = true;
}

/* 1: something is to be told, 0: nothing; or an error. */
static int prepare(struct ump_engine *e, struct ump__subscriber *s) {
  int got = ump__feed_patch(e, s->c, s->at, &s->sending);
  if (got != 1) return got;
  if (s->sending->face.whole && s->at) { /* it was too far behind; the times of a whole must all be new to it */
    begin_anew(e, s);
    return UMP_EAGAIN;
  }
  if (s->at && s->sending->face.plain.n == EMPTY) { /* nothing that it sees; the chain goes on from what it was told */
    ump__moment_unref(e, s->at);
    s->at = ump__moment_ref(s->sending->face.to);
    let_go(e, s);
    return 0;
  }
  int err = find_told(e, s, s->sending, &s->told);
  if (err) {
    let_go(e, s);
    return err;
  }
  return 1;
}

/* 0: it has everything that there is, or as much of it as can be told. */
static int tell(struct ump_engine *e, struct ump__subscriber *s) {
  struct ump__listener *l = &e->listeners[s->c->listener];
  int err = s->sending ? 1 : prepare(e, s);
  if (err == UMP_ENOSUPPORT || err == UMP_EINVAL)
    return complain(e, s->c, "the state cannot be told to this subscriber: there is no word for it in ", ""), 0;
  if (err != 1) return err;
  while (s->next < s->told->n) {
    if (l->ops->room(l->self, s->c->session) == 0) return UMP_EFULL;
    if (l->ops->unsent && l->ops->unsent(l->self, s->c->session) > UNSENT) return UMP_EFULL;
    err = l->ops->notify(l->self, s->c->session, s->told->parts[s->next], e->now);
    l->stirred = true;
    if (err == UMP_ETOOBIG && l->state_most > LEAST) { /* joint: a channel's own limit */
      l->state_most /= 2;
      begin_anew(e, s);
      return UMP_EAGAIN;
    }
    if (err == UMP_ENOSUPPORT || err == UMP_ETOOBIG) err = 0; /* as if it had been told: it would be the same again */
    if (err) return err;
    UMP__COUNT(e, state_told);
    s->next++;
    s->time = s->sending->face.to->version * TIMES - (s->told->n - s->next);
  }
  ump__moment_unref(e, s->at);
  s->at = ump__moment_ref(s->sending->face.to);
  let_go(e, s);
  return 0;
}

static uint32_t unheard(const struct ump_engine *e, const struct ump__subscriber *s) {
  const struct ump__listener *l = &e->listeners[s->c->listener];
  return l->ops->unheard ? l->ops->unheard(l->self, s->c->session) : 0;
}

bool ump__subscribers_lost(struct ump_engine *e) {
  struct ump_list *all = &e->feed.subscribers;
  for (struct ump_list *at = all->next; at != all; at = at->next) {
    struct ump__subscriber *s = UMP_CONTAINER(at, struct ump__subscriber, all);
    uint32_t now = unheard(e, s);
    if (now == s->unheard) continue;
    s->unheard = now;
    begin_anew(e, s);
  }
  bool lost = e->feed.newcomers;
  e->feed.newcomers = false;
  return lost;
}

void ump__subscribers_tell(struct ump_engine *e) {
  struct ump__feed *f = &e->feed;
  bool behind = false, may_lose = false;
  for (struct ump_list *at = f->subscribers.next; at != &f->subscribers; at = at->next) {
    struct ump__subscriber *s = UMP_CONTAINER(at, struct ump__subscriber, all);
    if (s->c->leaving) continue;
    may_lose |= e->listeners[s->c->listener].ops->unheard != NULL;
    if (tell(e, s) == 0) continue;
    UMP__COUNT(e, state_untold);
    behind = true;
  }
  if (behind || f->newcomers)
    f->beat_at = ump_time_min(f->beat_at, e->now + UMP__BEAT);
  else if (may_lose)
    f->beat_at = ump_time_min(f->beat_at, e->now + CHECK_EVERY);
}

/* ---- coming and going ---- */

void ump__subscribe(struct ump_engine *e, struct ump_client *c, bool on) {
  struct ump__subscriber *s = c->subscription;
  if (!on == !s) return;
  if (!on) {
    let_go(e, s);
    ump__moment_unref(e, s->at);
    ump_list_remove(&s->all);
    e->feed.n_subscribers--;
    c->subscription = NULL;
    ump_free(e->mem, s, sizeof *s);
    return;
  }
  if (!(s = ump_zalloc(e->mem, sizeof *s))) {
    ump_log_text(e->log, UMP_ERROR, "state_subscribe", NULL, "out of memory: a client is not subscribed to the state");
    return;
  }
  s->c = c;
  s->unheard = unheard(e, s);
  c->subscription = s;
  ump_list_push(&e->feed.subscribers, &s->all);
  e->feed.n_subscribers++;
  e->feed.newcomers = true;
  ump__feed_wake(e);
}
