#include "proto/laneya/laneya.h"

#include "proto/laneya/internal.h"

static const char *const COUNTERS[N_COUNTERS] = {
    [REQUESTS] = "requests",
    [BATCHES] = "batches",
    [REPEATED] = "requests_repeated",
    [UPDATES] = "updates",
    [N_INVALID] = "invalid",
    [N_ILLEGAL] = "illegal",
    [N_INTERNAL] = "internal",
    [DROPPED_TYPE] = "dropped_other_type",
    [BAD_FRAME] = "bad_frame",
    [TOO_MANY_INVALID] = "closed_too_many_invalid",
    [TIMED_OUT] = "closed_timed_out",
    [REFUSED_FULL] = "refused_full",
    [REFUSED_ADDRESS] = "refused_per_address",
    [SLOW_READER] = "closed_slow_reader",
    [FORGOTTEN] = "requests_repeated_too_late",
    [NO_MEMORY] = "no_memory",
};

/* wire/laneya, Limits */
static const struct ump_option options[] = {
    {"payload", "1048576", "bytes of one message, each way", UMP_OPTION_NUMBER, 4096, 9999999},
    {"unsent", "1048576",
     "bytes waiting for one connection above which it is not read from, and closed by the next update",
     UMP_OPTION_NUMBER, 4096, 1 << 30},
    {"batch", "64", "actions in one request", UMP_OPTION_NUMBER, 0, 4096},
};

/* ---- life ---- */

static uint64_t option(const struct ump_proto_cfg *cfg, const char *name, uint64_t fallback) {
  for (size_t i = 0; i < cfg->n_options; i++)
    if (strcmp(cfg->options[i].name, name) == 0) return cfg->options[i].number;
  return fallback;
}

static int laneya_create(void **self, const struct ump_proto_cfg *cfg, ump_time now) {
  struct laneya *l = ump_zalloc(cfg->mem, sizeof *l);
  if (!l) return UMP_ENOMEM;
  l->now = now;
  l->mem = cfg->mem, l->log = cfg->log, l->limit = cfg->limit, l->per_address = cfg->per_address;
  l->payload = option(cfg, "payload", 1 << 20), l->unsent = option(cfg, "unsent", 1 << 20);
  l->batch = (unsigned)option(cfg, "batch", 64);
  ump_rng_fill(cfg->rng, l->hash_key.b, sizeof l->hash_key.b);
  ump_tally_init(&l->addresses, l->mem, &l->hash_key, l->limit);
  ump_list_init(&l->ready);
  ump_list_init(&l->touched);
  ump_list_init(&l->reading);
  ump_list_init(&l->first);
  ump_list_init(&l->full);
  ump_list_init(&l->leaving);
  *self = l;
  return 0;
}

static void laneya_destroy(void *self) {
  struct laneya *l = self;
  for (uint32_t i = 0; i < l->conns_cap; i++)
    if (l->conns[i]) ump__laneya_free(l, l->conns[i]);
  ump_tally_deinit(&l->addresses);
  ump_free(l->mem, l->conns, l->conns_cap * sizeof *l->conns);
  ump_free(l->mem, l, sizeof *l);
}

/* ---- bytes in ---- */

static int make_place(struct laneya *l, uint32_t id) {
  if (id < l->conns_cap) return 0;
  uint32_t cap = l->conns_cap ? l->conns_cap : 16;
  while (cap <= id) cap *= 2;
  struct conn **conns = ump_realloc(l->mem, l->conns, l->conns_cap * sizeof *conns, cap * sizeof *conns);
  if (!conns) return UMP_ENOMEM;
  memset(conns + l->conns_cap, 0, (cap - l->conns_cap) * sizeof *conns);
  l->conns = conns, l->conns_cap = cap;
  return 0;
}

static int laneya_open(void *self, uint32_t id, const struct ump_addr *from, ump_time now) {
  struct laneya *l = self;
  l->now = now;
  if (l->n_conns >= l->limit) return l->counts[REFUSED_FULL]++, UMP_EFULL;
  if (make_place(l, id)) return l->counts[NO_MEMORY]++, UMP_ENOMEM;
  int err = ump_tally_add(&l->addresses, from, l->per_address);
  if (err) return l->counts[err == UMP_EFULL ? REFUSED_ADDRESS : NO_MEMORY]++, err;
  struct conn *c = ump_zalloc(l->mem, sizeof *c);
  if (!c) {
    ump_tally_sub(&l->addresses, from);
    return l->counts[NO_MEMORY]++, UMP_ENOMEM;
  }
  c->id = id, c->addr = *from, c->opened = c->last = now;
  ump_buffer_init(&c->in, l->mem, l->payload + 16 + 65536); /* a whole message and one more read */
  ump_outqueue_init(&c->out, l->mem);
  l->conns[id] = c;
  l->n_conns++;
  ump_list_push(&l->first, &c->first);
  ump__laneya_wake(l, c);
  return 0;
}

static void laneya_input(void *self, uint32_t id, struct ump_bytes in, ump_time now) {
  struct laneya *l = self;
  l->now = now;
  struct conn *c = ump__laneya_conn(l, id);
  if (!c || c->gone) return;
  if (ump_buffer_append(&c->in, in)) {
    l->counts[NO_MEMORY]++;
    ump__laneya_abort(l, c, "too much unread");
    return;
  }
  c->fresh = true;
  ump__laneya_wake(l, c);
}

static void laneya_eof(void *self, uint32_t id, ump_time now) {
  struct laneya *l = self;
  l->now = now;
  struct conn *c = ump__laneya_conn(l, id);
  if (!c) return;
  c->eof = true;
  ump__laneya_wake(l, c);
}

static void laneya_closed(void *self, uint32_t id, ump_time now) {
  struct laneya *l = self;
  l->now = now;
  struct conn *c = ump__laneya_conn(l, id);
  if (!c) return;
  ump__laneya_end(l, c, "connection lost");
  c->transport_gone = true;
  ump_list_remove(&c->stalled);
  ump__laneya_wake(l, c); /* also one that had ended before: next() lets it go */
}

/* ---- events out, answers in ---- */

/* News of one connection: that it is there, that it has gone, or a request. */
static int news(struct laneya *l, struct conn *c, struct ump_event *ev, ump_time now) {
  if (!c->client && !c->gone && !c->refused) {
    *ev = (struct ump_event){.type = UMP_EVENT_CONNECT, .session = c->id, .from = &c->addr};
    return 1;
  }
  if (c->gone && c->client) {
    *ev = (struct ump_event){.type = UMP_EVENT_DISCONNECT, .session = c->id, .client = c->client, .reason = c->gone};
    c->client = NULL;
    return 1;
  }
  return c->client ? ump__laneya_next(l, c, ev, now) : 0;
}

static int laneya_next(void *self, struct ump_event *ev, ump_time now) {
  struct laneya *l = self;
  l->now = now;
  for (struct ump_list *at; (at = ump_list_take(&l->ready));) {
    struct conn *c = UMP_CONTAINER(at, struct conn, ready);
    int got = news(l, c, ev, now);
    if (c->transport_gone && !c->client)
      ump__laneya_free(l, c);
    else if (got || (c->gone && c->client))
      ump__laneya_wake(l, c); /* at the end of the line: others are served in between */
    if (got) return 1;
  }
  return 0;
}

static void laneya_admit(void *self, uint32_t id, struct ump_client *client, uint64_t serial, struct ump_bytes reason,
                         ump_time now) {
  (void)serial, (void)reason;
  struct laneya *l = self;
  l->now = now;
  struct conn *c = ump__laneya_conn(l, id);
  if (!c) return;
  c->client = client;
  c->refused = !client;
  if (!client) ump__laneya_end(l, c, "refused"); /* the wire has no word for it */
}

static void laneya_answer(void *self, const struct ump_event *ev, const struct ump_answer *a, ump_time now) {
  struct laneya *l = self;
  l->now = now;
  struct conn *c = ump__laneya_conn(l, ev->session);
  if (c && !c->gone) ump__laneya_answer(l, c, a);
}

static int laneya_pack(void *self, const struct ump_notice *n, struct ump_blob **out) {
  return ump__laneya_pack(self, n, out);
}

/* An update of so many bytes is copied: a reference would take as much memory, and a piece of its own in each write. */
enum { TINY = 128 };

static int laneya_notify(void *self, uint32_t id, struct ump_blob *payload, ump_time now) {
  struct laneya *l = self;
  l->now = now;
  struct conn *c = ump__laneya_conn(l, id);
  if (!c || c->gone) return UMP_EGONE;
  if (c->out.n > (c->spoken || l->unsent < UNSENT_FIRST ? l->unsent : UNSENT_FIRST)) {
    l->counts[SLOW_READER]++;
    ump__laneya_abort(l, c, "it does not read what it is sent");
    return UMP_EGONE;
  }
  int err = payload->n <= TINY ? ump_outqueue_copy(&c->out, ump_bytes(payload->p, payload->n))
                               : ump_outqueue_share(&c->out, payload, 0, payload->n);
  if (err) return UMP_ENOMEM;
  l->counts[UPDATES]++;
  ump__laneya_queued(l, c);
  return 0;
}

static size_t laneya_room(void *self, uint32_t id) {
  struct conn *c = ump__laneya_conn(self, id);
  return c && !c->gone ? SIZE_MAX : 0; /* one that takes no more is closed by the next */
}

static size_t laneya_unsent(const void *self, uint32_t id) {
  const struct conn *c = ump__laneya_conn((struct laneya *)(uintptr_t)self, id);
  return c && !c->gone ? c->out.n : 0;
}

static void laneya_kick(void *self, uint32_t id, struct ump_bytes reason, ump_time now) {
  (void)reason;
  struct laneya *l = self;
  l->now = now;
  struct conn *c = ump__laneya_conn(l, id);
  if (!c) return;
  c->client = NULL;
  c->refused = true;
  ump__laneya_end(l, c, "kicked");
}

/* ---- bytes out ---- */

static int laneya_touched(void *self, uint32_t *id) {
  struct laneya *l = self;
  struct ump_list *at = ump_list_take(&l->touched);
  if (at) *id = UMP_CONTAINER(at, struct conn, touched)->id;
  return at != NULL;
}

static size_t laneya_output(void *self, uint32_t id, struct ump_bytes *pieces, size_t max) {
  struct conn *c = ump__laneya_conn(self, id);
  return c && !c->aborted ? ump_outqueue_peek(&c->out, pieces, max) : 0;
}

static void laneya_sent(void *self, uint32_t id, size_t n, ump_time now) {
  struct laneya *l = self;
  l->now = now;
  struct conn *c = ump__laneya_conn(l, id);
  if (!c) return;
  bool was_full = c->out.n >= l->unsent;
  ump_outqueue_consume(&c->out, n);
  if (ump_list_linked(&c->stalled)) ump__laneya_moved(l, c);
  if (was_full && c->out.n < l->unsent) {
    ump__laneya_wake(l, c); /* messages that waited for this are looked at again */
    ump__laneya_touch(l, c);
  }
}

static unsigned laneya_wants(void *self, uint32_t id) {
  struct laneya *l = self;
  struct conn *c = ump__laneya_conn(l, id);
  if (!c || c->aborted) return UMP_WANTS_ABORT;
  if (c->closing) return UMP_WANTS_CLOSE;
  return c->out.n < l->unsent ? UMP_WANTS_INPUT : 0;
}

/* ---- time ---- */

static ump_time laneya_deadline(const void *self) {
  const struct laneya *l = self;
  ump_time at = UMP_NEVER;
  if (!ump_list_empty(&l->ready)) return 0;
  if (!ump_list_empty(&l->first)) at = UMP_CONTAINER(l->first.next, struct conn, first)->opened + FIRST_TIMEOUT;
  if (!ump_list_empty(&l->reading))
    at = ump_time_min(at, UMP_CONTAINER(l->reading.next, struct conn, reading)->last + MESSAGE_TIMEOUT);
  if (!ump_list_empty(&l->full))
    at = ump_time_min(at, UMP_CONTAINER(l->full.next, struct conn, stalled)->moved + FULL_TIMEOUT);
  if (!ump_list_empty(&l->leaving))
    at = ump_time_min(at, UMP_CONTAINER(l->leaving.next, struct conn, stalled)->moved + FAREWELL_TIMEOUT);
  return at;
}

/* Those who take nothing of what waits for them, for so long. */
static void expire_stalled(struct laneya *l, struct ump_list *list, ump_time timeout) {
  while (!ump_list_empty(list)) {
    struct conn *c = UMP_CONTAINER(list->next, struct conn, stalled);
    if (c->moved + timeout > l->now) break;
    l->counts[SLOW_READER]++;
    ump_list_remove(&c->stalled);
    ump__laneya_abort(l, c, "it does not read what it is sent");
  }
}

static void laneya_expire(void *self, ump_time now) {
  struct laneya *l = self;
  l->now = now;
  while (!ump_list_empty(&l->first)) {
    struct conn *c = UMP_CONTAINER(l->first.next, struct conn, first);
    if (c->opened + FIRST_TIMEOUT > now) break;
    l->counts[TIMED_OUT]++;
    ump__laneya_end(l, c, "timed out");
  }
  while (!ump_list_empty(&l->reading)) {
    struct conn *c = UMP_CONTAINER(l->reading.next, struct conn, reading);
    if (c->last + MESSAGE_TIMEOUT > now) break;
    l->counts[TIMED_OUT]++;
    ump__laneya_end(l, c, "timed out");
  }
  expire_stalled(l, &l->full, FULL_TIMEOUT);
  expire_stalled(l, &l->leaving, FAREWELL_TIMEOUT);
}

/* ---- looking ---- */

static struct ump_counters laneya_counters(const void *self) {
  const struct laneya *l = self;
  return (struct ump_counters){COUNTERS, l->counts, N_COUNTERS};
}

static size_t laneya_load(const void *self) {
  return ((const struct laneya *)self)->n_conns;
}

const struct ump_proto_ops ump_laneya = {
    .scheme = "laneya",
    .transport = UMP_STREAM,
    .encoding = UMP_JSON,
    .default_port = 5001,
    .effects_first = true,
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .create = laneya_create,
    .destroy = laneya_destroy,
    .open = laneya_open,
    .input = laneya_input,
    .eof = laneya_eof,
    .closed = laneya_closed,
    .next = laneya_next,
    .admit = laneya_admit,
    .answer = laneya_answer,
    .pack = laneya_pack,
    .notify = laneya_notify,
    .unsent = laneya_unsent,
    .room = laneya_room,
    .kick = laneya_kick,
    .touched = laneya_touched,
    .output = laneya_output,
    .sent = laneya_sent,
    .wants = laneya_wants,
    .deadline = laneya_deadline,
    .expire = laneya_expire,
    .counters = laneya_counters,
    .load = laneya_load,
};
