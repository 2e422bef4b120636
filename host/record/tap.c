/* An event is written down when the first thing comes of it, and not when it is pulled: a copy of an event that was
 * judged before, and one that gets no answer, leave nothing. */
#include "record/tap.h"

/* Notices that were packed lately: as many as a call may ask for, and of earlier calls those that may still be told
 * (the state goes to many subscribers, one after the other). */
enum { CHUNK = 256 << 10, MOST_PACKS = 1 << 17, KEPT_PACKS = 4096, KEPT_BYTES = 8 << 20 };

struct pack { /* a notice that was packed; held, so that no other can come to lie where it lies */
  struct ump_blob *blob;
  uint64_t number, call;
};

struct wrapped {
  struct ump_mem mem; /* what its protocol is given: create() finds the rest by it */
  struct ump_proto_ops ops;
  const struct ump_proto_ops *inner;
  void *self; /* of inner */
  struct ump_tap *tap;
  uint32_t index;
  struct wrapped *next;
};

struct ump_tap {
  struct ump_tap_cfg cfg;
  struct ump_hash_key key;
  struct wrapped *listeners, **tail;
  uint32_t n_listeners;
  struct ump_writer out; /* the chunk under way */
  bool begins, open;     /* open: behind a first snapshot */
  uint64_t chunk_events;
  ump_time last, now;
  const struct ump_event *staged;  /* pulled, and nothing has come of it yet */
  const struct ump_event *written; /* the one under way, once it is written down */
  uint32_t staged_at;
  struct pack *packs; /* a ring: cap_packs is a power of two; `packed` ever, of which the first `given_up` are gone */
  size_t cap_packs, packed, given_up, hint, pack_bytes;
  uint64_t call;
  uint64_t notices;
  struct ump_tap_stats stats;
};

/* ---- chunks ---- */

static bool hand_over(struct ump_tap *t) {
  struct ump_tap_chunk c = {t->out.p, t->out.n, t->out.cap, t->chunk_events, t->begins};
  t->out = ump_writer(NULL, 0);
  t->begins = false, t->chunk_events = 0;
  if (!c.p) return true;
  if (c.n && t->cfg.keep(t->cfg.ctx, &c)) return true;
  ump_free(t->cfg.mem, c.p, c.cap);
  return c.n == 0;
}

static bool make_room(struct ump_tap *t, size_t n) {
  if (!hand_over(t)) return false;
  size_t cap = n > t->cfg.chunk ? n : t->cfg.chunk;
  void *p = ump_alloc(t->cfg.mem, cap);
  if (!p) return false;
  t->out = ump_writer(p, cap);
  return true;
}

void ump_tap_put(struct ump_tap *t, const struct ump_entry *e) {
  size_t room = ump_entry_room(e);
  if (e->kind == UMP_ENTRY_SNAPSHOT) {
    if (!hand_over(t)) t->stats.lost++;
    t->open = true, t->stats.losing = false;
    t->stats.since = t->stats.since_bytes = 0;
  }
  if (!t->open) return;
  if (!t->stats.losing && t->out.cap - t->out.n < room) t->stats.losing = !make_room(t, room);
  if (t->stats.losing) {
    t->stats.lost++;
    return;
  }
  if (e->kind == UMP_ENTRY_SNAPSHOT) t->begins = true;
  size_t before = t->out.n;
  ump_entry_put(&t->out, &t->last, e);
  t->stats.bytes += t->out.n - before, t->stats.since_bytes += t->out.n - before;
  if (ump_entry_is_input(e)) t->stats.events++, t->stats.since++, t->chunk_events++;
}

void ump_tap_seal(struct ump_tap *t) {
  if (t->out.n && !hand_over(t)) t->stats.losing = true, t->stats.lost++;
}

struct ump_tap_stats ump_tap_stats(const struct ump_tap *t) {
  return t->stats;
}

/* ---- pseudonyms ---- */

struct ump_addr ump_tap_pseudonym(const struct ump_tap *t, const struct ump_addr *a) {
  struct ump_addr out = {.family = 4};
  uint64_t ip = ump_hash64(&t->key, ump_bytes(a->ip, sizeof a->ip)) ^ a->scope;
  uint64_t port = ump_hash64(&t->key, ump_bytes(&a->port, sizeof a->port)) + ip;
  for (int i = 0; i < 4; i++) out.ip[i] = (uint8_t)(ip >> (8 * i));
  out.ip[0] |= 240; /* 240.0.0.0/4: nobody's */
  out.port = (uint16_t)(port % 65535 + 1);
  return out;
}

static struct ump_bytes pseudonym_of_password(const struct ump_tap *t, const struct ump_event *ev, char out[17]) {
  struct ump_hash_key key = t->key;
  uint64_t name = ump_hash64(&t->key, ev->user);
  for (int i = 0; i < 8; i++) key.b[i] ^= (uint8_t)(name >> (8 * i));
  uint64_t h = ump_hash64(&key, ev->password);
  for (int i = 0; i < 16; i++) out[i] = "0123456789abcdef"[h >> (60 - 4 * i) & 15];
  return ump_bytes(out, 16);
}

/* ---- events ---- */

static unsigned flag(bool on, enum ump_entry_flag f) {
  return on ? (unsigned)f : 0;
}

static void put_event(struct ump_tap *t, uint32_t listener, const struct ump_event *ev) {
  struct ump_entry e = {.at = t->now, .listener = listener, .session = ev->session};
  char secret[17];
  switch (ev->type) {
  case UMP_EVENT_CONNECT:
    e.kind = UMP_ENTRY_CONNECT;
    e.flags = flag(ev->has_version, UMP_ENTRY_HAS_VERSION) | flag(ev->channel.n, UMP_ENTRY_CHANNEL);
    e.text = ev->version, e.channel = ev->channel;
    if (ev->from) e.from = ump_tap_pseudonym(t, ev->from);
    break;
  case UMP_EVENT_JUDGE:
    e.kind = UMP_ENTRY_JUDGE;
    e.flags = flag(ev->high, UMP_ENTRY_HIGH) | flag(ev->has_name, UMP_ENTRY_HAS_NAME) |
              flag(ev->has_data, UMP_ENTRY_HAS_DATA) | flag(ev->malformed, UMP_ENTRY_MALFORMED) |
              flag(ev->touches_other, UMP_ENTRY_TOUCHES_OTHER);
    e.code = ev->encoding, e.number[0] = ev->holds;
    e.id = ev->id, e.name = ev->name, e.data = ev->data;
    break;
  case UMP_EVENT_LOGIN:
    e.kind = UMP_ENTRY_LOGIN;
    e.flags = flag(ev->high, UMP_ENTRY_HIGH) | flag(ev->create, UMP_ENTRY_CREATE);
    e.id = ev->id, e.name = ev->user, e.data = pseudonym_of_password(t, ev, secret);
    break;
  case UMP_EVENT_NAME:
    e.kind = UMP_ENTRY_NAME;
    e.name = ev->user;
    break;
  case UMP_EVENT_LOGOUT:
    e.kind = UMP_ENTRY_LOGOUT;
    e.flags = flag(ev->from != NULL, UMP_ENTRY_MOVED);
    if (ev->from) e.from = ump_tap_pseudonym(t, ev->from);
    break;
  case UMP_EVENT_DISCONNECT:
    e.kind = UMP_ENTRY_DISCONNECT;
    e.text = ump_text(ev->reason ? ev->reason : "left");
    break;
  default: /* nothing that a rulebook hears of */
    return;
  }
  ump_tap_put(t, &e);
}

static inline void flush_staged(struct ump_tap *t) {
  const struct ump_event *ev = t->staged;
  if (!ev) return;
  t->staged = NULL;
  t->written = ev;
  put_event(t, t->staged_at, ev);
}

static inline struct wrapped *at(const void *self) {
  return (struct wrapped *)self;
}

static int tap_next(void *self, struct ump_event *ev, ump_time now) {
  struct wrapped *l = self;
  struct ump_tap *t = l->tap;
  int got = l->inner->next(l->self, ev, now);
  t->now = now;
  t->staged = t->written = NULL;
  t->call++;
  if (!got) return 0;
  if (ev->type == UMP_EVENT_CONNECT || ev->type == UMP_EVENT_JUDGE || ev->type == UMP_EVENT_LOGIN)
    t->staged = ev, t->staged_at = l->index;
  else
    put_event(t, l->index, ev);
  return 1;
}

static void tap_admit(void *self, uint32_t session, struct ump_client *c, uint64_t serial, struct ump_bytes reason,
                      ump_time now) {
  struct wrapped *l = self;
  flush_staged(l->tap);
  struct ump_entry e = {.kind = UMP_ENTRY_ADMIT, .flags = flag(c != NULL, UMP_ENTRY_YES), .text = reason};
  if (c) e.id = ump_bytes(c->id.b, sizeof c->id.b);
  ump_tap_put(l->tap, &e);
  l->inner->admit(l->self, session, c, serial, reason, now);
}

static void tap_answer(void *self, const struct ump_event *ev, const struct ump_answer *a, ump_time now) {
  struct wrapped *l = self;
  struct ump_tap *t = l->tap;
  t->now = now;
  if (a->repeat) {
    t->staged = NULL;
  } else {
    if (t->staged)
      flush_staged(t);
    else if (t->written != ev)
      put_event(t, l->index, ev); /* a log-in, and the accounts have taken their time */
    ump_tap_put(t, &(struct ump_entry){.kind = UMP_ENTRY_ANSWER,
                                       .flags = flag(a->late, UMP_ENTRY_LATE),
                                       .code = a->verdict,
                                       .text = a->reason,
                                       .data = a->data});
  }
  l->inner->answer(l->self, ev, a, now);
}

void ump_tap_timers(void *self, ump_time due, ump_time now, bool state) {
  struct ump_tap *t = self;
  t->now = now;
  t->staged = t->written = NULL;
  t->call++;
  ump_tap_put(t, &(struct ump_entry){.kind = UMP_ENTRY_EXPIRE,
                                     .flags = flag(state, UMP_ENTRY_YES),
                                     .at = now,
                                     .number[0] = (uint64_t)(now - due)});
}

/* ---- notices ---- */

static struct pack *pack_at(struct ump_tap *t, size_t i) {
  return &t->packs[i & (t->cap_packs - 1)];
}

static void give_up_oldest(struct ump_tap *t) {
  struct pack *p = pack_at(t, t->given_up++);
  t->pack_bytes -= p->blob->n;
  ump_blob_unref(p->blob);
}

static bool grow_packs(struct ump_tap *t) {
  size_t cap = t->cap_packs ? 2 * t->cap_packs : 256;
  struct pack *v = cap <= MOST_PACKS ? ump_alloc(t->cfg.mem, cap * sizeof *v) : NULL;
  if (!v) return false;
  for (size_t i = t->given_up; i < t->packed; i++) v[i & (cap - 1)] = *pack_at(t, i);
  ump_free(t->cfg.mem, t->packs, t->cap_packs * sizeof *t->packs);
  t->packs = v, t->cap_packs = cap;
  return true;
}

static void remember(struct ump_tap *t, struct ump_blob *blob, uint64_t number) {
  while (t->given_up < t->packed && pack_at(t, t->given_up)->call < t->call &&
         (t->packed - t->given_up >= KEPT_PACKS || t->pack_bytes > KEPT_BYTES))
    give_up_oldest(t);
  if (t->packed - t->given_up == t->cap_packs && !grow_packs(t)) {
    if (!t->cap_packs) return;
    give_up_oldest(t); /* more than a call may ask for, or no memory: what it was is not known when it is told */
  }
  *pack_at(t, t->packed++) = (struct pack){ump_blob_ref(blob), number, t->call};
  t->pack_bytes += blob->n;
}

/* They are told in the order in which they were packed, nearly always; 0: it is not known any more. */
static uint64_t number_of(struct ump_tap *t, const struct ump_blob *blob) {
  for (size_t i = t->hint < t->given_up ? t->given_up : t->hint, end = i + 2; i < t->packed && i < end; i++)
    if (pack_at(t, i)->blob == blob) return t->hint = i, pack_at(t, i)->number;
  for (size_t i = t->packed; i-- > t->given_up;)
    if (pack_at(t, i)->blob == blob) return t->hint = i, pack_at(t, i)->number;
  return 0;
}

static int tap_pack(void *self, const struct ump_notice *n, struct ump_blob **out) {
  struct wrapped *l = self;
  struct ump_tap *t = l->tap;
  flush_staged(t);
  int err = l->inner->pack(l->self, n, out);
  if (err) return err;
  remember(t, *out, ++t->notices);
  ump_tap_put(
      t, &(struct ump_entry){.kind = UMP_ENTRY_NOTICE,
                             .listener = l->index,
                             .flags = flag(n->has_name, UMP_ENTRY_HAS_NAME) | flag(n->has_data, UMP_ENTRY_HAS_DATA),
                             .code = l->ops.encoding,
                             .number[0] = t->notices,
                             .name = n->name,
                             .data = n->data});
  return 0;
}

static int tap_notify(void *self, uint32_t session, struct ump_blob *payload, ump_time now) {
  struct wrapped *l = self;
  uint64_t number = number_of(l->tap, payload);
  if (number)
    ump_tap_put(l->tap, &(struct ump_entry){
                            .kind = UMP_ENTRY_DELIVER, .listener = l->index, .session = session, .number[0] = number});
  return l->inner->notify(l->self, session, payload, now);
}

static void tap_kick(void *self, uint32_t session, struct ump_bytes reason, ump_time now) {
  struct wrapped *l = self;
  flush_staged(l->tap);
  ump_tap_put(l->tap,
              &(struct ump_entry){.kind = UMP_ENTRY_KICK, .listener = l->index, .session = session, .text = reason});
  l->inner->kick(l->self, session, reason, now);
}

/* ---- chance ---- */

static void tap_fill(void *ctx, void *out, size_t n) {
  struct ump_tap *t = ctx;
  ump_rng_fill(t->cfg.rng, out, n);
  flush_staged(t);
  ump_tap_put(t, &(struct ump_entry){.kind = UMP_ENTRY_DRAW, .data = ump_bytes(out, n)});
}

struct ump_rng ump_tap_rng(struct ump_tap *t) {
  return (struct ump_rng){tap_fill, t};
}

/* ---- what only goes through ---- */

static int tap_create(void **self, const struct ump_proto_cfg *cfg, ump_time now) {
  struct wrapped *l = UMP_CONTAINER(cfg->mem, struct wrapped, mem);
  *self = l;
  return l->inner->create(&l->self, cfg, now);
}
static void tap_destroy(void *self) {
  at(self)->inner->destroy(at(self)->self);
}
static void tap_configure(void *self, struct ump_bytes plain, ump_time now) {
  at(self)->inner->configure(at(self)->self, plain, now);
}
static void tap_expect(const void *self, struct ump_bytes in, int step, struct ump_coming *coming) {
  at(self)->inner->expect(at(self)->self, in, step, coming);
}
static void tap_recv(void *self, const struct ump_addr *from, struct ump_bytes in, ump_time now) {
  at(self)->inner->recv(at(self)->self, from, in, now);
}
static int tap_open(void *self, uint32_t conn, const struct ump_addr *from, ump_time now) {
  return at(self)->inner->open(at(self)->self, conn, from, now);
}
static void tap_input(void *self, uint32_t conn, struct ump_bytes in, ump_time now) {
  at(self)->inner->input(at(self)->self, conn, in, now);
}
static void tap_eof(void *self, uint32_t conn, ump_time now) {
  at(self)->inner->eof(at(self)->self, conn, now);
}
static void tap_closed(void *self, uint32_t conn, ump_time now) {
  at(self)->inner->closed(at(self)->self, conn, now);
}
static int tap_state_fits(const void *self, struct ump_bytes plain) {
  return at(self)->inner->state_fits(at(self)->self, plain);
}
static size_t tap_room(void *self, uint32_t session) {
  return at(self)->inner->room(at(self)->self, session);
}
static int tap_flush(void *self, struct ump_addr *to, struct ump_writer *out, ump_time now) {
  return at(self)->inner->flush(at(self)->self, to, out, now);
}
static int tap_touched(void *self, uint32_t *conn) {
  return at(self)->inner->touched(at(self)->self, conn);
}
static size_t tap_output(void *self, uint32_t conn, struct ump_bytes *slices, size_t max) {
  return at(self)->inner->output(at(self)->self, conn, slices, max);
}
static void tap_sent(void *self, uint32_t conn, size_t n, ump_time now) {
  at(self)->inner->sent(at(self)->self, conn, n, now);
}
static unsigned tap_wants(void *self, uint32_t conn) {
  return at(self)->inner->wants(at(self)->self, conn);
}
static uint32_t tap_unheard(const void *self, uint32_t session) {
  return at(self)->inner->unheard(at(self)->self, session);
}
static size_t tap_unsent(const void *self, uint32_t session) {
  return at(self)->inner->unsent(at(self)->self, session);
}
static ump_time tap_deadline(const void *self) {
  return at(self)->inner->deadline(at(self)->self);
}
static void tap_expire(void *self, ump_time now) {
  at(self)->inner->expire(at(self)->self, now);
}
static struct ump_counters tap_counters(const void *self) {
  return at(self)->inner->counters(at(self)->self);
}
static size_t tap_load(const void *self) {
  return at(self)->inner->load(at(self)->self);
}

/* Each function must be here: one that is not would be called with what is not its own. */
_Static_assert(sizeof(struct ump_proto_ops) == 35 * sizeof(void *),
               "struct ump_proto_ops has changed: wrap() must know all of it");

/* What the protocol does not have must not look as if it had it. */
static void wrap(struct ump_proto_ops *o) {
  o->create = tap_create, o->destroy = tap_destroy;
  if (o->configure) o->configure = tap_configure;
  if (o->expect) o->expect = tap_expect;
  if (o->recv) o->recv = tap_recv;
  if (o->open) o->open = tap_open;
  if (o->input) o->input = tap_input;
  if (o->eof) o->eof = tap_eof;
  if (o->closed) o->closed = tap_closed;
  o->next = tap_next, o->admit = tap_admit, o->answer = tap_answer;
  if (o->state_fits) o->state_fits = tap_state_fits;
  if (o->unheard) o->unheard = tap_unheard;
  if (o->unsent) o->unsent = tap_unsent;
  o->pack = tap_pack, o->notify = tap_notify, o->room = tap_room, o->kick = tap_kick;
  if (o->flush) o->flush = tap_flush;
  if (o->touched) o->touched = tap_touched;
  if (o->output) o->output = tap_output;
  if (o->sent) o->sent = tap_sent;
  if (o->wants) o->wants = tap_wants;
  o->deadline = tap_deadline, o->expire = tap_expire, o->counters = tap_counters, o->load = tap_load;
}

static void put_listener(struct ump_tap *t, const struct wrapped *l) {
  ump_tap_put(t, &(struct ump_entry){.kind = UMP_ENTRY_LISTENER,
                                     .listener = l->index,
                                     .code = l->inner->encoding,
                                     .name = ump_text(l->inner->scheme)});
}

int ump_tap_listen(struct ump_tap *t, const struct ump_proto_ops **ops, struct ump_proto_cfg *cfg) {
  struct wrapped *l = ump_zalloc(t->cfg.mem, sizeof *l);
  if (!l) return UMP_ENOMEM;
  *l = (struct wrapped){.mem = *cfg->mem, .ops = **ops, .inner = *ops, .tap = t, .index = t->n_listeners++};
  wrap(&l->ops);
  *t->tail = l, t->tail = &l->next;
  *ops = &l->ops;
  cfg->mem = &l->mem;
  put_listener(t, l);
  return 0;
}

void ump_tap_put_listeners(struct ump_tap *t) {
  for (const struct wrapped *l = t->listeners; l; l = l->next) put_listener(t, l);
}

/* ---- life ---- */

struct ump_tap *ump_tap_new(const struct ump_tap_cfg *cfg) {
  struct ump_tap *t = ump_zalloc(cfg->mem, sizeof *t);
  if (!t) return NULL;
  t->cfg = *cfg;
  if (!t->cfg.chunk) t->cfg.chunk = CHUNK;
  t->tail = &t->listeners;
  ump_rng_fill(cfg->rng, t->key.b, sizeof t->key.b);
  return t;
}

void ump_tap_free(struct ump_tap *t) {
  if (!t) return;
  hand_over(t);
  while (t->given_up < t->packed) give_up_oldest(t); /* before the listeners: blobs lie in their memory */
  for (struct wrapped *l = t->listeners, *next; l; l = next) {
    next = l->next;
    ump_free(t->cfg.mem, l, sizeof *l);
  }
  ump_free(t->cfg.mem, t->packs, t->cap_packs * sizeof *t->packs);
  ump_free(t->cfg.mem, t, sizeof *t);
}
