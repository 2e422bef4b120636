/* What a rulebook asks for, all or nothing. While a call into it is under way, everything is kept in a list; when the
 * call succeeded the list is done in order, otherwise it is dropped.
 *
 * A notify is packed by its protocol at once: that copies the data to where it is going to stay, and tells at once
 * whether it fits. Names and reasons are copied at once too. So doing the effects cannot run out of memory, apart from
 * what the protocol's own queues need. The list itself is used again by the next call and only ever grows to its limit.
 *
 * Clients are named by slot and serial, so one that is gone by then is simply not found. */
#include "engine/inside.h"

enum { FIRST_EFFECTS = 32 };

enum kind { NOTIFY, BROADCAST, KICK, TIMER, CANCEL, NAME, UPDATE, SUBSCRIBE, UNSUBSCRIBE };

struct ump__effect {
  uint16_t kind;     /* enum kind */
  uint16_t listener; /* BROADCAST */
  uint32_t slot;     /* of the client; BROADCAST: of the one left out */
  uint64_t serial;   /* 0: of nobody */
  union {
    struct ump_blob *blob;         /* NOTIFY, BROADCAST: the payload. KICK: the reason */
    uint64_t timer;                /* TIMER, CANCEL */
    char *name;                    /* NAME */
    struct ump_state_patch *patch; /* UPDATE */
  };
};

/* ---- keeping ---- */

static int grow(struct ump_engine *e) {
  struct ump__effects *x = &e->effects;
  size_t cap = x->cap ? 2 * x->cap : FIRST_EFFECTS;
  if (cap > e->limits.effects) cap = e->limits.effects;
  if (cap <= x->cap) return UMP_EFULL;
  void *p = ump_realloc(e->mem, x->v, x->cap * sizeof *x->v, cap * sizeof *x->v);
  if (!p) return UMP_ENOMEM;
  x->v = p;
  x->cap = cap;
  return 0;
}

static int keep(struct ump_engine *e, struct ump__effect effect, size_t n_bytes) {
  struct ump__effects *x = &e->effects;
  assert(x->asking == UMP__KEEP);
  if (n_bytes > e->limits.effect_bytes - x->bytes) return UMP_EFULL;
  int err = x->n == x->cap ? grow(e) : 0;
  if (err) return err;
  x->v[x->n++] = effect;
  x->bytes += n_bytes;
  return 0;
}

static void drop(struct ump_engine *e, struct ump__effect *f) {
  switch ((enum kind)f->kind) {
  case NOTIFY:
  case BROADCAST:
  case KICK:
    ump_blob_unref(f->blob);
    break;
  case TIMER:
    ump__timer_end(e, f->timer, true);
    break;
  case NAME:
    ump__text_free(e->mem, f->name);
    break;
  case UPDATE:
    ump_state_patch_free(e->state, f->patch);
    break;
  case CANCEL:
  case SUBSCRIBE:
  case UNSUBSCRIBE:
    break;
  }
}

/* ---- doing ---- */

static int deliver(struct ump_engine *e, struct ump_client *c, struct ump_blob *payload) {
  struct ump__listener *l = &e->listeners[c->listener];
  int err = c->leaving || !c->admitted ? UMP_EGONE : l->ops->notify(l->self, c->session, payload, e->now);
  l->stirred = true;
  if (err)
    UMP__COUNT(e, notifies_lost);
  else
    UMP__COUNT(e, notifies);
  return err;
}

static void deliver_all(struct ump_engine *e, uint32_t listener, struct ump_blob *payload,
                        const struct ump_client *except) {
  for (struct ump_client *c = NULL; (c = ump_engine_next_client(e, c));)
    if (c->listener == listener && c != except) deliver(e, c, payload);
}

static void perform(struct ump_engine *e, struct ump__effect *f) {
  struct ump_client *c = f->serial ? ump__client_at(e, f->slot, f->serial) : NULL;
  switch ((enum kind)f->kind) {
  case NOTIFY:
    if (c)
      deliver(e, c, f->blob);
    else
      UMP__COUNT(e, notifies_lost);
    break;
  case BROADCAST:
    deliver_all(e, f->listener, f->blob, c);
    break;
  case KICK:
    if (c && c->admitted && !c->leaving) ump__kick_queue(e, c, ump_blob_ref(f->blob));
    break;
  case TIMER:
    ump__timer_start(e, f->timer);
    return;
  case CANCEL:
    ump__timer_end(e, f->timer, true);
    return;
  case NAME:
    if (!c) break;
    ump__client_rename(e, c, f->name);
    return;
  case UPDATE:
    ump_state_merge(e->state, f->patch);
    UMP__COUNT(e, updates);
    return;
  case SUBSCRIBE:
  case UNSUBSCRIBE:
    if (c && c->admitted && !c->leaving) ump__subscribe(e, c, f->kind == SUBSCRIBE);
    return;
  }
  drop(e, f);
}

/* ---- calls ---- */

void ump__call_begin(struct ump_engine *e, struct ump_rulebook *rb) {
  struct ump__effects *x = &e->effects;
  assert(x->asking == UMP__AT_ONCE && x->n == 0); /* one call at a time, never inside another */
  x->asking = UMP__KEEP;
  x->owner = rb;
  x->call++;
}

static void finish(struct ump_engine *e, void (*each)(struct ump_engine *, struct ump__effect *)) {
  struct ump__effects *x = &e->effects;
  assert(x->asking == UMP__KEEP);
  x->asking = UMP__REFUSE;
  for (size_t i = 0; i < x->n; i++) each(e, &x->v[i]);
  x->n = x->bytes = x->broadcasts = 0;
  x->updates = false;
  x->asking = UMP__AT_ONCE;
  x->owner = NULL;
}

void ump__call_commit(struct ump_engine *e) {
  bool updates = e->effects.updates, in_place = e->effects.owner == e->rb;
  finish(e, perform);
  if (updates) ump__feed_changed(e, in_place);
}
void ump__call_rollback(struct ump_engine *e) {
  finish(e, drop);
}

void ump__call_end(struct ump_engine *e, int rc) {
  if (rc >= 0) {
    ump__call_commit(e);
    return;
  }
  UMP__COUNT(e, calls_failed);
  ump__call_rollback(e);
}

void ump__effects_deinit(struct ump_engine *e) {
  assert(e->effects.n == 0);
  ump_free(e->mem, e->effects.v, e->effects.cap * sizeof *e->effects.v);
}

/* ---- asking ---- */

/* Can anything be asked for this client at all? 0 or UMP_EGONE. */
static int addressable(const struct ump_engine *e, const struct ump_client *c) {
  const struct ump__effects *x = &e->effects;
  if (x->asking == UMP__REFUSE || c->leaving) return UMP_EGONE;
  return x->asking == UMP__KEEP && c->kicked_in == x->call ? UMP_EGONE : 0;
}

/* Does the client's queue have room for one more, after all that this call has asked for already? The protocol does not
 * know a client that is being admitted; its queue is empty. */
static bool has_room(struct ump_engine *e, struct ump_client *c) {
  struct ump__effects *x = &e->effects;
  struct ump__listener *l = &e->listeners[c->listener];
  if (c->asked_in != x->call) c->asked_in = x->call, c->asked = 0;
  return !c->admitted || l->ops->room(l->self, c->session) > (size_t)c->asked + x->broadcasts;
}

int ump_engine_notify(struct ump_engine *e, struct ump_client *c, const struct ump_notice *n) {
  struct ump__listener *l = &e->listeners[c->listener];
  struct ump_blob *payload = NULL;
  bool keeping = e->effects.asking == UMP__KEEP;
  int err = addressable(e, c);
  if (err) return err;
  if (keeping && !has_room(e, c)) return UMP_EFULL;
  if ((err = l->ops->pack(l->self, n, &payload))) return err;
  if (keeping) {
    err = keep(e, (struct ump__effect){.kind = NOTIFY, .slot = c->slot, .serial = c->serial, .blob = payload},
               payload->n);
    if (!err) c->asked++;
  } else {
    err = deliver(e, c, payload);
  }
  if (err || !keeping) ump_blob_unref(payload);
  return err;
}

/* Keeps one effect per listener; takes back those already kept when a later one fails. */
static int broadcast_to(struct ump_engine *e, uint32_t i, const struct ump_notice *n, const struct ump_client *except) {
  struct ump__listener *l = &e->listeners[i];
  struct ump_blob *payload = NULL;
  int err = l->ops->pack(l->self, n, &payload);
  if (err == UMP_ENOSUPPORT) return 0; /* this protocol has no word for it; the others have */
  if (err) return err;
  struct ump__effect f = {.kind = BROADCAST, .listener = (uint16_t)i, .blob = payload};
  if (except) f.slot = except->slot, f.serial = except->serial;
  err = keep(e, f, payload->n);
  if (err) ump_blob_unref(payload);
  return err;
}

static int broadcast(struct ump_engine *e, const struct ump_notice *const by_encoding[3],
                     const struct ump_client *except) {
  struct ump__effects *x = &e->effects;
  size_t n = x->n, bytes = x->bytes;
  int err = 0;
  for (uint32_t i = 0; i < e->n_listeners && !err; i++) {
    const struct ump_notice *notice = by_encoding[e->listeners[i].ops->encoding];
    if (notice) err = broadcast_to(e, i, notice, except);
  }
  if (!err) {
    x->broadcasts++;
    return 0;
  }
  while (x->n > n) drop(e, &x->v[--x->n]);
  x->bytes = bytes;
  return err;
}

int ump_engine_broadcast(struct ump_engine *e, const struct ump_notice *const by_encoding[3],
                         struct ump_client *except) {
  if (e->effects.asking == UMP__REFUSE) return UMP_EFULL;
  if (e->effects.asking == UMP__KEEP) return broadcast(e, by_encoding, except);
  ump__call_begin(e, e->rb);
  int err = broadcast(e, by_encoding, except);
  if (err)
    ump__call_rollback(e);
  else
    ump__call_commit(e);
  return err;
}

int ump_engine_kick(struct ump_engine *e, struct ump_client *c, struct ump_bytes reason) {
  int err = addressable(e, c);
  if (err) return err;
  reason = ump__reason(reason);
  struct ump_blob *copy = ump_blob_new(e->mem, reason.n);
  if (!copy) return UMP_ENOMEM;
  if (reason.n) memcpy(copy->p, reason.p, reason.n);
  if (e->effects.asking == UMP__AT_ONCE) {
    ump__kick_queue(e, c, copy);
    ump__kicks_run(e);
    return 0;
  }
  err = keep(e, (struct ump__effect){.kind = KICK, .slot = c->slot, .serial = c->serial, .blob = copy}, reason.n);
  if (err)
    ump_blob_unref(copy);
  else
    c->kicked_in = e->effects.call;
  return err;
}

int ump_engine_timer(struct ump_engine *e, ump_time after, ump_time every, uint64_t *id) {
  struct ump__effects *x = &e->effects;
  if (x->asking == UMP__REFUSE) return UMP_EFULL;
  bool keeping = x->asking == UMP__KEEP;
  struct ump_rulebook *owner = keeping ? x->owner : e->rb;
  int err = owner ? ump__timer_new(e, owner, after, every, id) : UMP_EGONE;
  if (err) return err;
  if (!keeping)
    ump__timer_start(e, *id);
  else if ((err = keep(e, (struct ump__effect){.kind = TIMER, .timer = *id}, 0)))
    ump__timer_end(e, *id, false);
  return err;
}

int ump_engine_cancel(struct ump_engine *e, uint64_t id) {
  struct ump__effects *x = &e->effects;
  bool keeping = x->asking == UMP__KEEP;
  if (x->asking == UMP__REFUSE || !ump__timer_cancellable(e, keeping ? x->owner : e->rb, id)) return UMP_EGONE;
  if (!keeping) {
    ump__timer_end(e, id, true);
    return 0;
  }
  int err = keep(e, (struct ump__effect){.kind = CANCEL, .timer = id}, 0);
  if (!err) ump__timer_mark_cancelled(e, id);
  return err;
}

int ump_engine_set_name(struct ump_engine *e, struct ump_client *c, const struct ump_bytes *name) {
  int err = addressable(e, c);
  char *copy = NULL;
  if (err) return err;
  if (name && !ump__text_is_name(*name)) return UMP_EINVAL;
  if (name && !(copy = ump__text_copy(e->mem, *name))) return UMP_ENOMEM;
  if (e->effects.asking == UMP__AT_ONCE) {
    ump__client_rename(e, c, copy);
    return 0;
  }
  err = keep(e, (struct ump__effect){.kind = NAME, .slot = c->slot, .serial = c->serial, .name = copy},
             name ? name->n : 0);
  if (err) ump__text_free(e->mem, copy);
  return err;
}

/* ---- the state ---- */

enum { FITS_ALWAYS = 512 }; /* bytes as plain data: less than a third of the smallest packet that any wire has */

struct wires {
  const struct ump_engine *e;
  const char *scheme;
};

static int fits_wires(void *ctx, struct ump_bytes plain) {
  struct wires *w = ctx;
  for (uint32_t i = 0; i < w->e->n_listeners; i++) {
    const struct ump__listener *l = &w->e->listeners[i];
    int err = l->ops->state_fits ? l->ops->state_fits(l->self, plain) : 0;
    if (err) return w->scheme = l->ops->scheme, err;
  }
  return 0;
}

static int check_wires(struct ump_engine *e, const struct ump_state_patch *p, struct ump_state_fault *why) {
  struct wires w = {e, NULL};
  int err = ump_state_patch_each(e->state, p, FITS_ALWAYS, fits_wires, &w, why);
  if (w.scheme) why->scheme = w.scheme;
  return err;
}

int ump_engine_update(struct ump_engine *e, struct ump_bytes plain, struct ump_state_fault *why) {
  struct ump_state_patch *p = NULL;
  *why = (struct ump_state_fault){.why = "asks for more than one call may ask for"};
  if (e->effects.asking == UMP__REFUSE) return UMP_EFULL;
  int err = ump_state_patch_read(e->state, plain, &p, why);
  if (err) return err;
  if ((err = check_wires(e, p, why))) return ump_state_patch_free(e->state, p), err;
  if (e->effects.asking == UMP__AT_ONCE) {
    ump_state_merge(e->state, p);
    UMP__COUNT(e, updates);
    ump__feed_changed(e, true);
    return 0;
  }
  err = keep(e, (struct ump__effect){.kind = UPDATE, .patch = p}, plain.n);
  if (err)
    ump_state_patch_free(e->state, p);
  else
    e->effects.updates = true;
  return err;
}

int ump_engine_subscribe(struct ump_engine *e, struct ump_client *c, bool on) {
  int err = addressable(e, c);
  if (err || e->listeners[c->listener].ops->state_fits) return err;
  if (e->effects.asking == UMP__AT_ONCE) return ump__subscribe(e, c, on), 0;
  return keep(e, (struct ump__effect){.kind = on ? SUBSCRIBE : UNSUBSCRIBE, .slot = c->slot, .serial = c->serial}, 0);
}

/* ---- calls that the engine does not make itself ---- */

void ump_engine_begin(struct ump_engine *e, struct ump_rulebook *rb, ump_time now) {
  if (now > e->now) e->now = now;
  ump__call_begin(e, rb);
}

void ump_engine_commit(struct ump_engine *e) {
  bool in_place = e->effects.owner == e->rb;
  ump__call_commit(e);
  if (in_place) ump__kicks_run(e); /* else once it is: set_rulebook */
}

void ump_engine_rollback(struct ump_engine *e) {
  ump__call_rollback(e);
}
