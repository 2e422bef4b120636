/* The engine's life, its listeners, and driving them. */
#include "engine/accounts.h"
#include "engine/inside.h"

/* ---- life ---- */

static size_t or_else(size_t value, size_t fallback) {
  return value ? value : fallback;
}

static struct ump_limits with_defaults(struct ump_limits l) {
  return (struct ump_limits){
      .window_bytes = or_else(l.window_bytes, (size_t)132 << 20),
      .window_per_client = (uint32_t)or_else(l.window_per_client, 100),
      .effects = (uint32_t)or_else(l.effects, 65536),
      .effect_bytes = or_else(l.effect_bytes, (size_t)16 << 20),
      .timers = (uint32_t)or_else(l.timers, 65536),
      .attempts = (uint32_t)or_else(l.attempts, 10),
      .state_bytes = or_else(l.state_bytes, (size_t)16 << 20),
      .state_keys = (uint32_t)or_else(l.state_keys, 262144),
  };
}

static struct ump_hash_key fresh_key(const struct ump_rng *rng) {
  struct ump_hash_key key;
  ump_rng_fill(rng, key.b, sizeof key.b);
  return key;
}

struct ump_engine *ump_engine_new(const struct ump_engine_cfg *cfg, ump_time now) {
  struct ump_engine *e = ump_zalloc(cfg->mem, sizeof *e);
  if (!e) return NULL;
  e->mem = cfg->mem, e->rng = cfg->rng, e->log = cfg->log;
  e->limits = with_defaults(cfg->limits);
  e->now = now;
  e->tidy_at = now + UMP_S;
  ump_list_init(&e->all), ump_list_init(&e->kicks), ump_list_init(&e->logins);
  ump_heap_init(&e->timers.heap, e->mem);
  struct ump_hash_key window = fresh_key(e->rng), attempts = fresh_key(e->rng);
  e->ids = fresh_key(e->rng);
  ump__attempts_init(&e->attempts, e->mem, &attempts);
  e->verdicts = ump_verdicts_new(e->mem, &window, e->limits.window_bytes, now);
  if (!e->verdicts) goto no_verdicts;
  struct ump_hash_key keys = fresh_key(e->rng);
  e->state = ump_state_new(e->mem, &keys, &(struct ump_state_limits){e->limits.state_bytes, e->limits.state_keys});
  if (!e->state) goto no_state;
  if (ump__feed_init(e, &keys) == 0) return e;
  ump_state_free(e->state);
no_state:
  ump_verdicts_free(e->verdicts);
no_verdicts:
  ump_free(e->mem, e, sizeof *e);
  return NULL;
}

void ump_engine_free(struct ump_engine *e) {
  if (!e) return;
  ump__clients_deinit(e);
  ump__logins_deinit(e);
  ump__timers_deinit(e);
  ump__effects_deinit(e);
  for (uint32_t i = 0; i < e->n_listeners; i++) e->listeners[i].ops->destroy(e->listeners[i].self);
  ump_free(e->mem, e->listeners, e->n_listeners * sizeof *e->listeners);
  ump__feed_deinit(e);
  ump_state_free(e->state);
  ump_verdicts_free(e->verdicts);
  ump__attempts_deinit(&e->attempts);
  ump_free(e->mem, e, sizeof *e);
}

/* What a change of rulebook ends or begins in a protocol comes out as events and output. */
static void configure(struct ump_engine *e, struct ump__listener *l) {
  if (!l->ops->configure) return;
  l->ops->configure(l->self, e->rb ? e->rb->config : ump_bytes(NULL, 0), e->now);
  l->stirred = true;
}

int ump_engine_listen(struct ump_engine *e, const struct ump_proto_ops *ops, const struct ump_proto_cfg *cfg,
                      uint32_t attempts, uint32_t *index, ump_time now) {
  struct ump__listener l = {.ops = ops, .attempts = attempts ? attempts : e->limits.attempts};
  size_t n = e->n_listeners;
  if (n > UINT16_MAX) return UMP_EFULL;
  struct ump_proto_cfg own = *cfg;
  own.feed = &e->feed.face;
  int err = ops->create(&l.self, &own, now);
  if (err) return err;
  void *p = ump_realloc(e->mem, e->listeners, n * sizeof l, (n + 1) * sizeof l);
  if (!p) return ops->destroy(l.self), UMP_ENOMEM;
  e->listeners = p;
  e->listeners[e->n_listeners] = l;
  e->encodings |= 1u << ops->encoding;
  *index = e->n_listeners++;
  if (e->rb) configure(e, &e->listeners[*index]);
  return 0;
}

static bool complete(const struct ump_rulebook_ops *o) {
  return o->connect && o->judge && o->disconnect && o->login && o->tick && o->timer && o->timer_gone && o->forget;
}

void ump_engine_set_rulebook(struct ump_engine *e, struct ump_rulebook *rb, ump_time now) {
  assert(e->effects.asking == UMP__AT_ONCE && (!rb || complete(rb->ops)));
  (void)complete;
  if (now > e->now) e->now = now;
  ump__timers_end_others(e, rb);
  e->rb = rb;
  ump__ticks_set(e, rb ? rb->tick_rate : 0);
  for (uint32_t i = 0; i < e->n_listeners; i++) configure(e, &e->listeners[i]);
  ump__feed_new_rules(e);
  ump__kicks_run(e); /* asked for by its load() */
}

/* ---- events ---- */

static void handle(struct ump_engine *e, uint32_t listener, struct ump_event *ev) {
  switch (ev->type) {
  case UMP_EVENT_JUDGE:
  case UMP_EVENT_LOGIN:
    ump__judge(e, &e->listeners[listener], ev);
    break;
  case UMP_EVENT_CONNECT:
    ump__connect(e, listener, ev);
    break;
  case UMP_EVENT_DISCONNECT:
    ump__disconnect(e, ev);
    break;
  case UMP_EVENT_NAME:
    ump__take_name(e, ev);
    break;
  case UMP_EVENT_LOGOUT:
    if (ev->from) ev->client->addr = *ev->from; /* it moved: rules are told where it is, and log-ins count there */
    ump__client_rename(e, ev->client, NULL);
    ump__logins_overtake(e, ev->client);
    break;
  case UMP_EVENT_STOP:
    e->stop_asked = true;
    break;
  case UMP_EVENT_NONE:
    break;
  }
  ump__kicks_run(e);
}

static void pull(struct ump_engine *e, uint32_t listener) {
  struct ump__listener *l = &e->listeners[listener];
  l->stirred = false;
  for (;;) {
    struct ump_event ev = {0};
    if (!l->ops->next(l->self, &ev, e->now)) return;
    handle(e, listener, &ev);
  }
}

/* Pulls until no listener has anything more: what was done for an event of one may have made events of another. */
static void settle(struct ump_engine *e) {
  for (uint32_t i = 0; i < e->n_listeners;) {
    if (!e->listeners[i].stirred)
      i++;
    else
      pull(e, i), i = 0;
  }
}

/* Every driving call begins and ends with these. Time never goes back. */
static struct ump__listener *enter(struct ump_engine *e, uint32_t listener, ump_time now) {
  assert(e->effects.asking == UMP__AT_ONCE && listener < e->n_listeners);
  if (now > e->now) e->now = now;
  return &e->listeners[listener];
}

static void leave(struct ump_engine *e, uint32_t listener) {
  pull(e, listener);
  settle(e);
  assert(ump_engine_consistent(e));
}

void ump_engine_recv(struct ump_engine *e, uint32_t listener, const struct ump_addr *from, struct ump_bytes in,
                     ump_time now) {
  struct ump__listener *l = enter(e, listener, now);
  l->ops->recv(l->self, from, in, e->now);
  leave(e, listener);
}

/* Its place in the window is called for as soon as its name is known: that is the longest way, in a large window. */
static void await(struct ump_engine *e, const struct ump_coming *coming) {
  if (coming->id.n != UMP_UUID_TEXT) return;
  struct ump__awaited *a = &e->awaited[e->n_awaited++ % UMP__AWAITED];
  memcpy(a->id, coming->id.p, sizeof a->id);
  a->serial = coming->serial;
  a->key = ump_verdicts_key(e->verdicts, a->serial, coming->id);
}

void ump_engine_expect(struct ump_engine *e, uint32_t listener, struct ump_bytes in, int step,
                       struct ump_coming *coming) {
  const struct ump__listener *l = &e->listeners[listener];
  if (!l->ops->expect) return;
  l->ops->expect(l->self, in, step, coming);
  const struct ump_client *c = coming->client;
  if (!c) return;
  if (step == UMP_EXPECT_NEAR) {
    await(e, coming);
  } else if (step == 2) {
    __builtin_prefetch(c);
    __builtin_prefetch(&c->lead_since);
    await(e, coming);
  } else if (e->rb && e->rb->ops->expect) {
    e->rb->ops->expect(e->rb->self, c, step - 3);
  }
}

int ump_engine_flush(struct ump_engine *e, uint32_t listener, struct ump_addr *to, struct ump_writer *out,
                     ump_time now) {
  struct ump__listener *l = enter(e, listener, now);
  return l->ops->flush(l->self, to, out, e->now);
}

int ump_engine_open(struct ump_engine *e, uint32_t listener, uint32_t conn, const struct ump_addr *from, ump_time now) {
  struct ump__listener *l = enter(e, listener, now);
  int err = l->ops->open(l->self, conn, from, e->now);
  leave(e, listener);
  return err;
}

void ump_engine_input(struct ump_engine *e, uint32_t listener, uint32_t conn, struct ump_bytes in, ump_time now) {
  struct ump__listener *l = enter(e, listener, now);
  l->ops->input(l->self, conn, in, e->now);
  leave(e, listener);
}

void ump_engine_eof(struct ump_engine *e, uint32_t listener, uint32_t conn, ump_time now) {
  struct ump__listener *l = enter(e, listener, now);
  l->ops->eof(l->self, conn, e->now);
  leave(e, listener);
}

void ump_engine_closed(struct ump_engine *e, uint32_t listener, uint32_t conn, ump_time now) {
  struct ump__listener *l = enter(e, listener, now);
  l->ops->closed(l->self, conn, e->now);
  leave(e, listener);
}

int ump_engine_touched(struct ump_engine *e, uint32_t listener, uint32_t *conn) {
  struct ump__listener *l = &e->listeners[listener];
  return l->ops->touched(l->self, conn);
}

size_t ump_engine_output(struct ump_engine *e, uint32_t listener, uint32_t conn, struct ump_bytes *slices, size_t max) {
  struct ump__listener *l = &e->listeners[listener];
  return l->ops->output(l->self, conn, slices, max);
}

void ump_engine_sent(struct ump_engine *e, uint32_t listener, uint32_t conn, size_t n, ump_time now) {
  struct ump__listener *l = enter(e, listener, now);
  l->ops->sent(l->self, conn, n, e->now);
  leave(e, listener);
}

unsigned ump_engine_wants(struct ump_engine *e, uint32_t listener, uint32_t conn) {
  struct ump__listener *l = &e->listeners[listener];
  return l->ops->wants(l->self, conn);
}

void ump_engine_account_answer(struct ump_engine *e, uint64_t ticket, int answer, ump_time now) {
  assert(e->effects.asking == UMP__AT_ONCE);
  if (now > e->now) e->now = now;
  ump__login_answered(e, ticket, answer);
  for (uint32_t i = 0; i < e->n_listeners; i++)
    e->listeners[i].stirred = true; /* it may go on with what it held back */
  settle(e);
  assert(ump_engine_consistent(e));
}

ump_time ump_engine_deadline(const struct ump_engine *e) {
  ump_time at = ump_time_min(ump__timers_deadline(e), e->feed.beat_at);
  if (ump_verdicts_untidy(e->verdicts)) at = ump_time_min(at, e->tidy_at);
  for (uint32_t i = 0; i < e->n_listeners; i++)
    at = ump_time_min(at, e->listeners[i].ops->deadline(e->listeners[i].self));
  return at;
}

void ump_engine_watch_timers(struct ump_engine *e, void (*called)(void *ctx, ump_time due, ump_time now, bool state),
                             void *ctx) {
  e->timers_called = called, e->timers_ctx = ctx;
}

void ump_engine_tell_state_at(struct ump_engine *e, ump_time at) {
  e->feed.beat_at = at;
}

static void tell_watcher(struct ump_engine *e) {
  ump_time due = e->timers_called ? ump_time_min(ump__timers_deadline(e), e->feed.beat_at) : UMP_NEVER;
  if (e->timers_called && due <= e->now) e->timers_called(e->timers_ctx, due, e->now, e->feed.beat_at <= e->now);
}

void ump_engine_expire(struct ump_engine *e, ump_time now) {
  assert(e->effects.asking == UMP__AT_ONCE);
  if (now > e->now) e->now = now;
  for (uint32_t i = 0; i < e->n_listeners; i++) {
    struct ump__listener *l = &e->listeners[i];
    if (l->ops->deadline(l->self) > e->now) continue;
    l->ops->expire(l->self, e->now);
    l->stirred = true;
  }
  settle(e);
  tell_watcher(e);
  ump__timers_run(e);
  if (e->feed.beat_at <= e->now) ump__feed_beat(e);
  settle(e);
  if (e->tidy_at <= e->now) {
    ump_verdicts_tidy(e->verdicts, e->now);
    e->tidy_at = e->now + UMP_S;
  }
  assert(ump_engine_consistent(e));
}

/* ---- looking ---- */

unsigned ump_engine_encodings(const struct ump_engine *e) {
  return e->encodings;
}
enum ump_encoding ump_engine_encoding(const struct ump_engine *e, const struct ump_client *c) {
  return e->listeners[c->listener].ops->encoding;
}
ump_time ump_engine_beat(const struct ump_engine *e) {
  return ump__ticks_beat(e);
}
bool ump_engine_stop_asked(const struct ump_engine *e) {
  return e->stop_asked;
}
ump_time ump_engine_now(const struct ump_engine *e) {
  return e->now;
}
const struct ump_rng *ump_engine_rng(const struct ump_engine *e) {
  return e->rng;
}
const struct ump_log *ump_engine_log(const struct ump_engine *e) {
  return e->log;
}
const struct ump_mem *ump_engine_mem(const struct ump_engine *e) {
  return e->mem;
}
const struct ump_state *ump_engine_state(const struct ump_engine *e) {
  return e->state;
}
size_t ump_engine_n_listeners(const struct ump_engine *e) {
  return e->n_listeners;
}
const struct ump_proto_ops *ump_engine_listener(const struct ump_engine *e, uint32_t listener) {
  return e->listeners[listener].ops;
}

struct ump_counters ump_engine_counters(const struct ump_engine *e) {
  static const char *const names[] = {
#define X(name) #name,
      UMP__COUNTS(X)
#undef X
  };
  return (struct ump_counters){names, e->counts, UMP__N_COUNTS};
}

struct ump_counters ump_engine_listener_counters(const struct ump_engine *e, uint32_t listener) {
  return e->listeners[listener].ops->counters(e->listeners[listener].self);
}

size_t ump_engine_listener_load(const struct ump_engine *e, uint32_t listener) {
  return e->listeners[listener].ops->load(e->listeners[listener].self);
}

size_t ump_engine_load(const struct ump_engine *e) {
  size_t n = e->timers.n + e->effects.n;
  for (uint32_t i = 0; i < e->n_slots; i++) n += e->slots[i].client != NULL;
  for (uint32_t i = 0; i < e->n_listeners; i++) n += e->listeners[i].ops->load(e->listeners[i].self);
  return n;
}
