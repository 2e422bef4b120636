/* A listener without a wire: gives the engine the event that the player has put up, and keeps what the engine says. */
#include "record/inside.h"

enum { PIECE = 256 << 10 };

/* ---- memory ---- */

struct ump__arena_piece {
  struct ump__arena_piece *next;
  size_t cap;
  uint8_t p[];
};

void *ump__arena_take(struct ump__arena *a, size_t n) {
  n = (n + 15) & ~(size_t)15;
  if (!a->pieces || a->pieces->cap - a->used < n) {
    size_t cap = n > PIECE ? n : PIECE;
    struct ump__arena_piece *p = ump_alloc(a->mem, sizeof *p + cap);
    if (!p) return a->failed = true, NULL;
    p->next = a->pieces, p->cap = cap;
    a->pieces = p, a->used = 0;
  }
  void *out = a->pieces->p + a->used;
  a->used += n;
  return out;
}

struct ump_bytes ump__arena_copy(struct ump__arena *a, struct ump_bytes b) {
  uint8_t *p = b.n ? ump__arena_take(a, b.n) : NULL;
  if (!p) return ump_bytes(NULL, 0);
  memcpy(p, b.p, b.n);
  return ump_bytes(p, b.n);
}

static void drop_pieces(struct ump__arena *a, struct ump__arena_piece *from) {
  for (struct ump__arena_piece *next; from; from = next) {
    next = from->next;
    ump_free(a->mem, from, sizeof *from + from->cap);
  }
}

void ump__arena_reset(struct ump__arena *a) {
  a->used = 0;
  if (!a->pieces || !a->pieces->next) return;
  drop_pieces(a, a->pieces->next);
  a->pieces->next = NULL;
}

void ump__arena_deinit(struct ump__arena *a) {
  drop_pieces(a, a->pieces);
  a->pieces = NULL;
}

bool ump__grow(struct ump_replay *r, void **v, size_t *cap, size_t n, size_t size) {
  size_t more = *cap ? 2 * *cap : 64;
  (void)n;
  void *p = ump_realloc(r->cfg->mem, *v, *cap * size, more * size);
  if (!p) return r->arena.failed = true, false;
  *v = p, *cap = more;
  return true;
}

/* ---- who is there ---- */

static struct ump__seat **bucket(struct ump_replay *r, uint32_t listener, uint32_t session) {
  return &r->seats[(session * UINT32_C(2654435761) + listener * 97) % UMP__SEAT_BUCKETS];
}

struct ump__seat *ump__seat_find(struct ump_replay *r, uint32_t listener, uint32_t session) {
  struct ump__seat *s = *bucket(r, listener, session);
  while (s && (s->listener != listener || s->session != session)) s = s->next;
  return s;
}

struct ump__seat *ump__seat_add(struct ump_replay *r, uint32_t listener, uint32_t session) {
  struct ump__seat *s = ump_zalloc(r->cfg->mem, sizeof *s), **at = bucket(r, listener, session);
  if (!s) return r->arena.failed = true, NULL;
  s->listener = listener, s->session = session, s->number = ++r->clients;
  s->next = *at;
  return *at = s;
}

void ump__seat_remove(struct ump_replay *r, uint32_t listener, uint32_t session) {
  for (struct ump__seat **at = bucket(r, listener, session); *at; at = &(*at)->next) {
    struct ump__seat *s = *at;
    if (s->listener != listener || s->session != session) continue;
    *at = s->next;
    ump_free(r->cfg->mem, s, sizeof *s);
    return;
  }
}

void ump__side_clear(struct ump__side *s) {
  s->answered = s->admitted = s->yes = false;
  s->verdict = UMP_LEGAL;
  s->reason = s->data = ump_bytes(NULL, 0);
  s->notices.n = s->deliveries.n = s->kicks.n = 0;
}

/* ---- the protocol ---- */

static int lane_create(void **self, const struct ump_proto_cfg *cfg, ump_time now) {
  struct ump__lane *l = UMP_CONTAINER(cfg->mem, struct ump__lane, mem);
  *self = l;
  return l->inner->create(&l->self, cfg, now);
}

static void lane_destroy(void *self) {
  struct ump__lane *l = self;
  l->inner->destroy(l->self);
}

static void lane_configure(void *self, struct ump_bytes plain, ump_time now) {
  struct ump__lane *l = self;
  l->inner->configure(l->self, plain, now);
}

static void lane_recv(void *self, const struct ump_addr *from, struct ump_bytes in, ump_time now) {
  (void)self, (void)from, (void)in, (void)now;
}

static int lane_next(void *self, struct ump_event *ev, ump_time now) {
  struct ump__lane *l = self;
  (void)now;
  if (l->replay->pending_at != l) return 0;
  l->replay->pending_at = NULL;
  *ev = l->replay->pending;
  return 1;
}

static void lane_admit(void *self, uint32_t session, struct ump_client *c, uint64_t serial, struct ump_bytes reason,
                       ump_time now) {
  struct ump__lane *l = self;
  struct ump_replay *r = l->replay;
  struct ump__seat *s = ump__seat_find(r, l->index, session);
  (void)serial, (void)now;
  if (s) s->client = c;
  r->is.admitted = true, r->is.yes = c != NULL;
  r->is.reason = ump__arena_copy(&r->arena, reason);
}

static void lane_answer(void *self, const struct ump_event *ev, const struct ump_answer *a, ump_time now) {
  struct ump__lane *l = self;
  struct ump__side *is = &l->replay->is;
  (void)ev, (void)now;
  is->answered = true;
  is->verdict = a->verdict;
  is->reason = ump__arena_copy(&l->replay->arena, a->reason);
  is->data = ump__arena_copy(&l->replay->arena, a->data);
}

struct packed { /* begins a blob of ours, which holds the notice as it is: it may be told in a later group */
  unsigned flags;
  size_t n_name, n_data;
};

/* The blob is ours, and about as large as the real one. */
static int lane_pack(void *self, const struct ump_notice *n, struct ump_blob **out) {
  struct ump__lane *l = self;
  struct ump_replay *r = l->replay;
  struct ump_blob *real = NULL;
  int err = l->inner->pack(l->self, n, &real);
  if (err) return err;
  size_t least = sizeof(struct packed) + n->name.n + n->data.n, size = real->n > least ? real->n : least;
  ump_blob_unref(real);
  struct ump_blob *blob = ump_blob_new(r->cfg->mem, size);
  if (!blob) return UMP_ENOMEM;
  struct packed head = {(n->has_name ? UMP_ENTRY_HAS_NAME : 0) | (n->has_data ? UMP_ENTRY_HAS_DATA : 0), n->name.n,
                        n->data.n};
  memcpy(blob->p, &head, sizeof head);
  if (n->name.n) memcpy(blob->p + sizeof head, n->name.p, n->name.n);
  if (n->data.n) memcpy(blob->p + sizeof head + n->name.n, n->data.p, n->data.n);
  *out = blob;
  return 0;
}

static struct ump__notice *take_notice(struct ump__lane *l, const struct ump_blob *payload) {
  struct ump__arena *a = &l->replay->arena;
  struct ump__notice *n = ump__arena_take(a, sizeof *n);
  struct packed head;
  if (!n) return NULL;
  memcpy(&head, payload->p, sizeof head);
  const uint8_t *p = payload->p + sizeof head;
  *n = (struct ump__notice){.listener = l->index,
                            .encoding = l->ops.encoding,
                            .flags = head.flags,
                            .name = ump__arena_copy(a, ump_bytes(p, head.n_name)),
                            .data = ump__arena_copy(a, ump_bytes(p + head.n_name, head.n_data))};
  return n;
}

static int lane_notify(void *self, uint32_t session, struct ump_blob *payload, ump_time now) {
  struct ump__lane *l = self;
  struct ump_replay *r = l->replay;
  struct ump__delivery d = {l->index, session, r->told_blob == payload ? r->told : take_notice(l, payload)};
  (void)now;
  if (!d.notice) return UMP_ENOMEM;
  if (r->told_blob != payload) ump_blob_unref(r->told_blob), r->told_blob = ump_blob_ref(payload);
  r->told = d.notice;
  return UMP__ADD(r, r->is.deliveries, d) ? 0 : UMP_ENOMEM;
}

static size_t lane_room(void *self, uint32_t session) {
  (void)self, (void)session;
  return 1u << 30;
}

static void lane_kick(void *self, uint32_t session, struct ump_bytes reason, ump_time now) {
  struct ump__lane *l = self;
  struct ump_replay *r = l->replay;
  struct ump__seat *s = ump__seat_find(r, l->index, session);
  (void)now;
  if (s) s->client = NULL;
  struct ump__kick k = {l->index, session, ump__arena_copy(&r->arena, reason), false};
  UMP__ADD(r, r->is.kicks, k);
}

static ump_time lane_deadline(const void *self) {
  return (void)self, UMP_NEVER;
}
static void lane_expire(void *self, ump_time now) {
  (void)self, (void)now;
}
static struct ump_counters lane_counters(const void *self) {
  return (void)self, (struct ump_counters){0};
}
static size_t lane_load(const void *self) {
  return (void)self, 0;
}
static int lane_state_fits(const void *self, struct ump_bytes plain) {
  const struct ump__lane *l = self;
  return l->inner->state_fits(l->self, plain);
}

int ump__lane_add(struct ump_replay *r, struct ump_bytes scheme) {
  struct ump_proto_cfg cfg = {
      .rng = &r->rng, .log = r->cfg->log, .limit = UINT32_MAX >> 8, .per_address = UINT32_MAX >> 8};
  const struct ump_proto_ops *inner = r->cfg->protocol(r->cfg->ctx, scheme, &cfg);
  if (!inner) return UMP_ENOSUPPORT;
  struct ump__lane *l = ump_zalloc(r->cfg->mem, sizeof *l);
  if (!l) return UMP_ENOMEM;
  *l = (struct ump__lane){.mem = *r->cfg->mem, .inner = inner, .replay = r, .index = (uint32_t)r->lanes.n};
  l->ops = (struct ump_proto_ops){.scheme = inner->scheme,
                                  .transport = UMP_DATAGRAM,
                                  .encoding = inner->encoding,
                                  .max_datagram = inner->max_datagram,
                                  .effects_first = inner->effects_first,
                                  .state_as_text = inner->state_as_text,
                                  .create = lane_create,
                                  .destroy = lane_destroy,
                                  .configure = inner->configure ? lane_configure : NULL,
                                  .recv = lane_recv,
                                  .next = lane_next,
                                  .admit = lane_admit,
                                  .answer = lane_answer,
                                  .state_fits = inner->state_fits ? lane_state_fits : NULL,
                                  .pack = lane_pack,
                                  .notify = lane_notify,
                                  .room = lane_room,
                                  .kick = lane_kick,
                                  .deadline = lane_deadline,
                                  .expire = lane_expire,
                                  .counters = lane_counters,
                                  .load = lane_load};
  cfg.mem = &l->mem;
  if (!UMP__ADD(r, r->lanes, l)) return ump_free(r->cfg->mem, l, sizeof *l), UMP_ENOMEM;
  uint32_t index;
  int err = ump_engine_listen(r->engine, &l->ops, &cfg, UINT32_MAX >> 8, &index, r->base);
  if (err) ump_free(r->cfg->mem, l, sizeof *l), r->lanes.n--;
  return err;
}

void ump__lane_deinit(struct ump_replay *r, struct ump__lane *l) {
  ump_free(r->cfg->mem, l, sizeof *l);
}
