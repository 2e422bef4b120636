#include "proto/pymmorpg/pymmorpg.h"

#include "proto/pymmorpg/internal.h"

static const char *const COUNTERS[N_COUNTERS] = {
    [REQUESTS] = "requests",
    [REFUSED_ARGUMENTS] = "refused_arguments",
    [REFUSED_OUTSIDE] = "refused_not_logged_in",
    [LOGINS] = "logins",
    [LOGINS_FAILED] = "logins_failed",
    [REPLIES] = "replies",
    [FLAGS] = "flags",
    [UNREADABLE] = "unreadable",
    [TOO_MANY_UNREADABLE] = "closed_too_many_unreadable",
    [BAD_SIZE] = "bad_size",
    [TIMED_OUT] = "closed_timed_out",
    [REPLY_TOO_LARGE] = "reply_too_large",
    [REFUSED_FULL] = "refused_full",
    [REFUSED_ADDRESS] = "refused_per_address",
    [NO_MEMORY] = "no_memory",
};

/* ---- life ---- */

static int pm_create(void **self, const struct ump_proto_cfg *cfg, ump_time now) {
  struct ump_hash_key key;
  (void)now;
  struct pymmorpg *p = ump_zalloc(cfg->mem, sizeof *p);
  if (!p) return UMP_ENOMEM;
  p->mem = cfg->mem, p->log = cfg->log, p->limit = cfg->limit, p->per_address = cfg->per_address;
  ump_rng_fill(cfg->rng, key.b, sizeof key.b);
  ump_tally_init(&p->addresses, p->mem, &key, p->limit);
  ump_list_init(&p->ready);
  ump_list_init(&p->touched);
  for (int k = 0; k < N_TIMERS; k++) ump_list_init(&p->timers[k]);
  *self = p;
  return 0;
}

static void pm_destroy(void *self) {
  struct pymmorpg *p = self;
  for (uint32_t i = 0; i < p->conns_cap; i++)
    if (p->conns[i]) ump__pm_conn_free(p, p->conns[i]);
  ump_blob_unref(p->decoded);
  ump_blob_unref(p->version);
  ump_blob_unref(p->image);
  ump_tally_deinit(&p->addresses);
  ump_free(p->mem, p->conns, p->conns_cap * sizeof *p->conns);
  ump_free(p->mem, p, sizeof *p);
}

static void pm_configure(void *self, struct ump_bytes plain, ump_time now) {
  (void)now;
  ump__pm_declared(self, plain);
}

/* ---- bytes in ---- */

static int pm_open(void *self, uint32_t id, const struct ump_addr *from, ump_time now) {
  struct pymmorpg *p = self;
  if (p->n_conns >= p->limit) return p->counts[REFUSED_FULL]++, UMP_EFULL;
  int err = ump_tally_add(&p->addresses, from, p->per_address);
  if (err) return p->counts[err == UMP_EFULL ? REFUSED_ADDRESS : NO_MEMORY]++, err;
  if (ump__pm_conn_new(p, id, from, now)) return 0;
  ump_tally_sub(&p->addresses, from);
  return p->counts[NO_MEMORY]++, UMP_ENOMEM;
}

static void pm_input(void *self, uint32_t id, struct ump_bytes in, ump_time now) {
  struct pymmorpg *p = self;
  struct conn *c = ump__pm_conn(p, id);
  if (!c || c->gone) return;
  int err = ump_buffer_append(&c->in, in);
  if (err == UMP_ENOMEM) p->counts[NO_MEMORY]++;
  if (err) ump__pm_abort(p, c, err == UMP_ENOMEM ? "out of memory" : "too much unread", now);
  ump__pm_wake(p, c);
}

static void pm_eof(void *self, uint32_t id, ump_time now) {
  (void)now;
  struct pymmorpg *p = self;
  struct conn *c = ump__pm_conn(p, id);
  if (!c) return;
  c->eof = true;
  ump__pm_wake(p, c);
}

static void pm_closed(void *self, uint32_t id, ump_time now) {
  struct pymmorpg *p = self;
  struct conn *c = ump__pm_conn(p, id);
  if (!c) return;
  ump__pm_abort(p, c, "connection lost", now);
  c->transport_gone = true;
  ump_list_remove(&c->touched); /* the driver may give its number to another */
  ump__pm_wake(p, c);
}

/* ---- events out, answers in ---- */

/* News of one connection: that it is there, that it has gone, or a request. */
static int news(struct pymmorpg *p, struct conn *c, struct ump_event *ev, ump_time now) {
  if (!c->client && !c->gone && !c->refused) {
    *ev = (struct ump_event){.type = UMP_EVENT_CONNECT, .session = c->id, .from = &c->addr};
    return 1;
  }
  if (c->gone && c->client) {
    *ev = (struct ump_event){.type = UMP_EVENT_DISCONNECT, .session = c->id, .client = c->client, .reason = c->gone};
    c->client = NULL;
    return 1;
  }
  return c->client ? ump__pm_next(p, c, ev, now) : 0;
}

static int pm_next(void *self, struct ump_event *ev, ump_time now) {
  struct pymmorpg *p = self;
  for (struct ump_list *at; (at = ump_list_take(&p->ready));) {
    struct conn *c = UMP_CONTAINER(at, struct conn, ready);
    int got = news(p, c, ev, now);
    if (c->transport_gone && !c->client)
      ump__pm_conn_free(p, c);
    else if (got || (c->gone && c->client))
      ump__pm_wake(p, c); /* at the end of the line: others are served in between */
    if (got) return 1;
  }
  return 0;
}

static void pm_admit(void *self, uint32_t id, struct ump_client *client, uint64_t serial, struct ump_bytes reason,
                     ump_time now) {
  (void)serial, (void)reason;
  struct pymmorpg *p = self;
  struct conn *c = ump__pm_conn(p, id);
  if (!c) return;
  c->client = client;
  c->refused = !client;
  if (!client) ump__pm_end(p, c, "refused", now); /* the wire has no word for it */
}

static void pm_answer(void *self, const struct ump_event *ev, const struct ump_answer *a, ump_time now) {
  struct pymmorpg *p = self;
  struct conn *c = ump__pm_conn(p, ev->session);
  if (c && !c->gone) ump__pm_answer(p, c, ev, a, now);
}

/* ---- flags ---- */

static int pm_pack(void *self, const struct ump_notice *n, struct ump_blob **out) {
  struct pymmorpg *p = self;
  if (n->has_data || !n->has_name) return UMP_ENOSUPPORT; /* a flag is a name */
  if (n->name.n > 256) return UMP_ETOOBIG;
  *out = ump_blob_new(p->mem, n->name.n);
  if (!*out) return UMP_ENOMEM;
  if (n->name.n) memcpy((*out)->p, n->name.p, n->name.n);
  return 0;
}

static int pm_notify(void *self, uint32_t id, struct ump_blob *flag, ump_time now) {
  (void)now;
  struct pymmorpg *p = self;
  struct conn *c = ump__pm_conn(p, id);
  if (!c || c->gone || (!c->logged_in && !c->waiting)) return UMP_EGONE; /* no flags before log-in */
  for (unsigned i = 0; i < c->n_flags; i++)
    if (ump_bytes_equal(ump_bytes(c->flags[i]->p, c->flags[i]->n), ump_bytes(flag->p, flag->n))) return 0;
  if (c->n_flags == FLAGS_MAX) return UMP_EFULL;
  if (!c->flags && !(c->flags = ump_alloc(p->mem, FLAGS_MAX * sizeof *c->flags))) return UMP_ENOMEM;
  c->flags[c->n_flags++] = ump_blob_ref(flag);
  return 0;
}

static size_t pm_room(void *self, uint32_t id) {
  struct conn *c = ump__pm_conn(self, id);
  return c && !c->gone && c->n_flags < FLAGS_MAX ? SIZE_MAX : 0; /* the same flag again takes no room */
}

static void pm_kick(void *self, uint32_t id, struct ump_bytes reason, ump_time now) {
  (void)reason;
  struct pymmorpg *p = self;
  struct conn *c = ump__pm_conn(p, id);
  if (!c) return;
  c->client = NULL;
  c->refused = true;
  ump__pm_end(p, c, "kicked", now);
}

/* ---- bytes out ---- */

static int pm_touched(void *self, uint32_t *id) {
  struct pymmorpg *p = self;
  struct ump_list *at = ump_list_take(&p->touched);
  if (at) *id = UMP_CONTAINER(at, struct conn, touched)->id;
  return at != NULL;
}

static size_t pm_output(void *self, uint32_t id, struct ump_bytes *pieces, size_t max) {
  struct conn *c = ump__pm_conn(self, id);
  return c && !c->aborted ? ump_outqueue_peek(&c->out, pieces, max) : 0;
}

static void pm_sent(void *self, uint32_t id, size_t n, ump_time now) {
  struct pymmorpg *p = self;
  struct conn *c = ump__pm_conn(p, id);
  if (!c) return;
  bool was_full = c->out.n >= UNSENT_MAX;
  ump_outqueue_consume(&c->out, n);
  bool stuck = c->out.n >= UNSENT_MAX || (c->closing && c->out.n);
  if (stuck && n && !c->aborted) ump__pm_arm(p, c, T_STUCK, now); /* it reads after all */
  if (!stuck) ump__pm_disarm(c, T_STUCK);
  if (!was_full || c->out.n >= UNSENT_MAX) return;
  ump__pm_wake(p, c); /* messages that waited for this are looked at again */
  ump__pm_touch(p, c);
}

static unsigned pm_wants(void *self, uint32_t id) {
  struct conn *c = ump__pm_conn(self, id);
  if (!c || c->aborted) return UMP_WANTS_ABORT;
  if (c->closing) return UMP_WANTS_CLOSE;
  return c->waiting || c->out.n >= UNSENT_MAX ? 0 : UMP_WANTS_INPUT;
}

/* ---- time ---- */

static ump_time pm_deadline(const void *self) {
  const struct pymmorpg *p = self;
  ump_time at = UMP_NEVER;
  if (!ump_list_empty(&p->ready)) return 0;
  for (int k = 0; k < N_TIMERS; k++)
    if (!ump_list_empty(&p->timers[k]))
      at = ump_time_min(at, UMP_CONTAINER(p->timers[k].next, struct timer, link)->since + TIMER_LENGTH[k]);
  return at;
}

static void pm_expire(void *self, ump_time now) {
  struct pymmorpg *p = self;
  struct conn *c;
  while ((c = ump__pm_due(p, T_LATE, now))) ump__pm_logged_in(p, c, false, now);
  for (int k = 0; k < T_LATE; k++)
    while ((c = ump__pm_due(p, (enum timer_kind)k, now))) {
      p->counts[TIMED_OUT]++;
      if (k == T_STUCK)
        ump__pm_abort(p, c, "it does not read what it is sent", now);
      else
        ump__pm_end(p, c, "timed out", now);
    }
}

/* ---- looking ---- */

static struct ump_counters pm_counters(const void *self) {
  const struct pymmorpg *p = self;
  return (struct ump_counters){COUNTERS, p->counts, N_COUNTERS};
}

static size_t pm_load(const void *self) {
  return ((const struct pymmorpg *)self)->n_conns;
}

const struct ump_proto_ops ump_pymmorpg = {
    .scheme = "pymmorpg",
    .transport = UMP_STREAM,
    .encoding = UMP_PLAIN,
    .default_port = 5050,
    .effects_first = true,
    .create = pm_create,
    .destroy = pm_destroy,
    .configure = pm_configure,
    .open = pm_open,
    .input = pm_input,
    .eof = pm_eof,
    .closed = pm_closed,
    .next = pm_next,
    .admit = pm_admit,
    .answer = pm_answer,
    .pack = pm_pack,
    .notify = pm_notify,
    .room = pm_room,
    .kick = pm_kick,
    .touched = pm_touched,
    .output = pm_output,
    .sent = pm_sent,
    .wants = pm_wants,
    .deadline = pm_deadline,
    .expire = pm_expire,
    .counters = pm_counters,
    .load = pm_load,
};
