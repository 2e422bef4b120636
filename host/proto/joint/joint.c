#include "proto/joint/joint.h"

#include "proto/joint/internal.h"

static const char *const COUNTERS[N_COUNTERS] = {
    [CREATES] = "creates",
    [ENTERS] = "enters",
    [LEAVES] = "leaves",
    [DELETES] = "deletes",
    [KICKS] = "kicks",
    [COMMANDS_REFUSED] = "commands_refused",
    [FRAMES] = "frames",
    [FRAMES_LOST] = "frames_for_nobody",
    [BROADCASTS] = "broadcasts",
    [DELIVERIES] = "deliveries",
    [EVENTS] = "events",
    [CALLS_MALFORMED] = "calls_malformed",
    [CHUNKS_PADDED] = "chunks_padded",
    [NOTICES] = "notices",
    [NOTICES_NOT_FOR_THEM] = "notices_not_for_them",
    [NOTICES_FULL] = "notices_full",
    [KEEP_ALIVES] = "keep_alives",
    [UPGRADES] = "upgrades",
    [UPGRADES_REFUSED] = "upgrades_refused",
    [HELD_BACK] = "held_back",
    [PAUSED] = "paused",
    [BAD_COMMAND] = "closed_bad_command",
    [BAD_WEBSOCKET] = "closed_bad_websocket",
    [TIMED_OUT] = "closed_timed_out",
    [SLOW_READER] = "closed_slow_reader",
    [REFUSED_FULL] = "refused_full",
    [REFUSED_ADDRESS] = "refused_per_address",
    [NO_MEMORY] = "no_memory",
};

static const struct ump_option OPTIONS[] = {
    {.name = "users",
     .fallback = "256",
     .kind = UMP_OPTION_NUMBER,
     .min = 1,
     .max = USERS_MAX,
     .help = "users of one channel"},
    {.name = "payload",
     .fallback = "32766",
     .kind = UMP_OPTION_NUMBER,
     .min = 1,
     .max = DATA_MAX,
     .help = "bytes of data in a frame; who sends a longer one is closed"},
    {.name = "unsent",
     .fallback = "1048576",
     .kind = UMP_OPTION_NUMBER,
     .min = 32768,
     .max = 1u << 30,
     .help = "bytes waiting for one connection above which those who send to it are not read; if it has not taken them "
             "within "
             "5 s it is closed"},
    {.name = "origin",
     .fallback = "",
     .kind = UMP_OPTION_TEXT,
     .help = "comma separated origins whose pages may open a WebSocket, as in https://play.example; without it: any"},
    {.name = "unmasked",
     .fallback = "0",
     .kind = UMP_OPTION_SWITCH,
     .help = "take WebSocket frames without a mask, which RFC 6455 forbids and peote-net sends on node with the "
             "package ws"},
};

static const struct ump_option_value *option(const struct ump_proto_cfg *cfg, const char *name) {
  for (size_t i = 0; i < cfg->n_options; i++)
    if (strcmp(cfg->options[i].name, name) == 0) return &cfg->options[i];
  return NULL;
}

static uint64_t number(const struct ump_proto_cfg *cfg, const char *name, uint64_t fallback) {
  const struct ump_option_value *v = option(cfg, name);
  return v ? v->number : fallback;
}

/* ---- life ---- */

static int joint_create(void **self, const struct ump_proto_cfg *cfg, ump_time now) {
  struct joint_proto *l = ump_zalloc(cfg->mem, sizeof *l);
  if (!l) return UMP_ENOMEM;
  l->mem = cfg->mem, l->log = cfg->log, l->limit = cfg->limit, l->per_address = cfg->per_address, l->now = now;
  l->max_users = (uint32_t)number(cfg, "users", USERS_MAX);
  l->payload = (size_t)number(cfg, "payload", DATA_MAX);
  l->unsent = (size_t)number(cfg, "unsent", 1 << 20);
  l->unmasked = number(cfg, "unmasked", 0) != 0;
  const struct ump_option_value *origin = option(cfg, "origin");
  if (origin && origin->text.n) {
    l->origins = ump_alloc(l->mem, origin->text.n + 1);
    if (!l->origins) return ump_free(l->mem, l, sizeof *l), UMP_ENOMEM;
    memcpy(l->origins, origin->text.p, origin->text.n);
    l->origins[origin->text.n] = 0;
  }
  ump_rng_fill(cfg->rng, l->hash_key.b, sizeof l->hash_key.b);
  ump_tally_init(&l->addresses, l->mem, &l->hash_key, l->limit);
  struct ump_list *const heads[] = {&l->first, &l->command, &l->data,  &l->closing, &l->keep,
                                    &l->full,  &l->paused,  &l->ready, &l->touched, &l->gone};
  for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) ump_list_init(heads[i]);
  *self = l;
  return 0;
}

static void joint_destroy(void *self) {
  struct joint_proto *l = self;
  for (uint32_t i = 0; i < l->conns_cap; i++)
    if (l->conns[i]) ump__joint_conn_free(l, l->conns[i]);
  ump__joint_channels_free(l, &l->channels);
  for (uint32_t i = 0; i < l->members_cap; i++)
    if (l->members[i]) ump__joint_member_free(l, l->members[i]);
  ump__joint_forget_encoded(l);
  ump_ws_pool_deinit(&l->pool);
  ump_tally_deinit(&l->addresses);
  ump_free(l->mem, l->members, l->members_cap * sizeof *l->members);
  ump_free(l->mem, l->joints, l->buckets * sizeof *l->joints);
  ump_free(l->mem, l->conns, l->conns_cap * sizeof *l->conns);
  ump_free(l->mem, l->scratch, l->scratch_cap);
  ump_free(l->mem, l->origins, l->origins ? strlen(l->origins) + 1 : 0);
  ump_free(l->mem, l, sizeof *l);
}

static void joint_configure(void *self, struct ump_bytes plain, ump_time now) {
  struct joint_proto *l = self;
  l->now = now;
  ump__joint_configure(l, plain);
}

/* ---- bytes in ---- */

static int make_place(struct joint_proto *l, uint32_t id) {
  if (id < l->conns_cap) return 0;
  uint32_t cap = l->conns_cap ? l->conns_cap : 16;
  while (cap <= id) cap *= 2;
  struct conn **conns = ump_realloc(l->mem, l->conns, l->conns_cap * sizeof *conns, cap * sizeof *conns);
  if (!conns) return UMP_ENOMEM;
  memset(conns + l->conns_cap, 0, (cap - l->conns_cap) * sizeof *conns);
  l->conns = conns, l->conns_cap = cap;
  return 0;
}

static int joint_open(void *self, uint32_t id, const struct ump_addr *from, ump_time now) {
  struct joint_proto *l = self;
  l->now = now;
  if (l->n_conns >= l->limit) return l->counts[REFUSED_FULL]++, UMP_EFULL;
  if (make_place(l, id)) return l->counts[NO_MEMORY]++, UMP_ENOMEM;
  int err = ump_tally_add(&l->addresses, from, l->per_address);
  if (err) return l->counts[err == UMP_EFULL ? REFUSED_ADDRESS : NO_MEMORY]++, err;
  if (ump__joint_conn_new(l, id, from)) return 0;
  ump_tally_sub(&l->addresses, from);
  return l->counts[NO_MEMORY]++, UMP_ENOMEM;
}

/* The first byte decides: a G begins an HTTP request. Later one may well begin a frame, with the size 71. */
static int first_byte(struct joint_proto *l, struct conn *c, uint8_t byte) {
  c->state = byte == 'G' ? UPGRADE : OPEN;
  if (c->state == UPGRADE) return ump__joint_web_begin(l, c);
  ump_list_remove(&c->timer);
  return 0;
}

static void joint_input(void *self, uint32_t id, struct ump_bytes in, ump_time now) {
  struct joint_proto *l = self;
  struct conn *c = ump__joint_conn(l, id);
  l->now = now;
  if (!c || c->closing || c->eof || in.n == 0) return;
  int err = c->state == FIRST_BYTE ? first_byte(l, c, in.p[0]) : 0;
  if (!err && c->web)
    ump__joint_web_input(l, c, in);
  else if (!err)
    err = ump_buffer_append(&c->in, in);
  if (err) {
    l->counts[NO_MEMORY]++;
    ump__joint_abort(l, c);
    return;
  }
  if (c->closing) return;
  if (c->state == OPEN) c->since = now;
  ump__joint_wake(l, c);
}

static void joint_eof(void *self, uint32_t id, ump_time now) {
  struct joint_proto *l = self;
  struct conn *c = ump__joint_conn(l, id);
  l->now = now;
  if (!c) return;
  c->eof = true;
  ump__joint_wake(l, c);
}

static void joint_closed(void *self, uint32_t id, ump_time now) {
  struct joint_proto *l = self;
  struct conn *c = ump__joint_conn(l, id);
  l->now = now;
  if (c) ump__joint_conn_free(l, c);
}

/* ---- events out, answers in ---- */

static int joint_next(void *self, struct ump_event *ev, ump_time now) {
  struct joint_proto *l = self;
  l->now = now;
  ump__joint_forget_encoded(l);
  for (;;) {
    if (!ump_list_empty(&l->gone)) {
      struct member *m = UMP_CONTAINER(l->gone.next, struct member, link);
      *ev = (struct ump_event){
          .type = UMP_EVENT_DISCONNECT, .session = m->session, .client = m->client, .reason = m->gone};
      ump__joint_member_free(l, m);
      return 1;
    }
    if (ump_list_empty(&l->ready)) return 0;
    struct conn *c = UMP_CONTAINER(l->ready.next, struct conn, ready);
    ump_list_remove(&c->ready);
    if (ump__joint_run(l, c, ev)) return 1;
  }
}

static void joint_admit(void *self, uint32_t session, struct ump_client *client, uint64_t serial,
                        struct ump_bytes reason, ump_time now) {
  struct joint_proto *l = self;
  struct member *m = ump__joint_member_at(l, session);
  (void)serial, (void)reason;
  l->now = now;
  if (m) ump__joint_admitted(l, m, client);
}

/* The wire has no word for verdicts; what is refused is told to who declares that it wants to know. */
static void joint_answer(void *self, const struct ump_event *ev, const struct ump_answer *a, ump_time now) {
  struct joint_proto *l = self;
  struct member *m = a->verdict == UMP_LEGAL ? NULL : ump__joint_member_at(l, ev->session);
  l->now = now;
  if (m && m->seat) ump__joint_refused(l, m, ev->name, a->reason);
}

static int joint_pack(void *self, const struct ump_notice *n, struct ump_blob **out) {
  return ump__joint_pack(self, n, out);
}

static int joint_notify(void *self, uint32_t session, struct ump_blob *payload, ump_time now) {
  struct joint_proto *l = self;
  struct member *m = ump__joint_member_at(l, session);
  l->now = now;
  return m && m->seat ? ump__joint_notify(l, m, payload) : UMP_EGONE;
}

static size_t joint_room(void *self, uint32_t session) {
  struct member *m = ump__joint_member_at(self, session);
  return m && m->seat && !ump_list_linked(&m->seat->conn->full) ? SIZE_MAX : 0;
}

static size_t joint_unsent(const void *self, uint32_t session) {
  const struct member *m = ump__joint_member_at((struct joint_proto *)(uintptr_t)self, session);
  return m && m->seat ? m->seat->conn->out.n : 0;
}

/* The connection stays; its seat is gone, and he may ask to enter again. */
static void joint_kick(void *self, uint32_t session, struct ump_bytes reason, ump_time now) {
  struct joint_proto *l = self;
  struct member *m = ump__joint_member_at(l, session);
  l->now = now;
  if (!m) return;
  bool stopping =
      ump_bytes_equal(reason, ump_text("the server is stopping")); /* engine/session.c: nobody's fault, then */
  l->counts[KICKS]++;
  m->client = NULL;
  if (m->seat)
    ump__joint_rise(l, m->seat, stopping ? CLOSED : KICKED, false, true, NULL);
  else
    ump__joint_member_free(l, m);
}

/* ---- bytes out ---- */

static int joint_touched(void *self, uint32_t *id) {
  struct joint_proto *l = self;
  struct ump_list *at = ump_list_take(&l->touched);
  if (at) *id = UMP_CONTAINER(at, struct conn, touched)->id;
  return at != NULL;
}

static size_t joint_output(void *self, uint32_t id, struct ump_bytes *pieces, size_t max) {
  struct conn *c = ump__joint_conn(self, id);
  return c && !c->aborted ? ump_outqueue_peek(&c->out, pieces, max) : 0;
}

static void joint_sent(void *self, uint32_t id, size_t n, ump_time now) {
  struct joint_proto *l = self;
  struct conn *c = ump__joint_conn(l, id);
  l->now = now;
  if (!c) return;
  ump_outqueue_consume(&c->out, n);
  ump__joint_drained(l, c);
}

static unsigned joint_wants(void *self, uint32_t id) {
  struct conn *c = ump__joint_conn(self, id);
  if (!c || c->aborted) return UMP_WANTS_ABORT;
  if (c->closing) return UMP_WANTS_CLOSE;
  return c->waits_for || ump_list_linked(&c->paused) ? 0 : UMP_WANTS_INPUT;
}

/* ---- time ---- */

static ump_time joint_deadline(const void *self) {
  return ump__joint_deadline(self);
}

static void joint_expire(void *self, ump_time now) {
  struct joint_proto *l = self;
  l->now = now;
  ump__joint_expire(l);
}

/* ---- looking ---- */

static struct ump_counters joint_counters(const void *self) {
  const struct joint_proto *l = self;
  return (struct ump_counters){COUNTERS, l->counts, N_COUNTERS};
}

/* The rulebook's channels are there for as long as it is. */
static size_t joint_load(const void *self) {
  const struct joint_proto *l = self;
  return (size_t)l->n_conns + l->n_members;
}

const struct ump_proto_ops ump_joint = {
    .scheme = "joint",
    .transport = UMP_STREAM,
    .encoding = UMP_PLAIN,
    .state_as_text = true,
    .default_port = 7680,
    .per_address = 23, /* as in the original's file */
    .options = OPTIONS,
    .n_options = sizeof OPTIONS / sizeof *OPTIONS,
    .create = joint_create,
    .destroy = joint_destroy,
    .configure = joint_configure,
    .open = joint_open,
    .input = joint_input,
    .eof = joint_eof,
    .closed = joint_closed,
    .next = joint_next,
    .admit = joint_admit,
    .answer = joint_answer,
    .pack = joint_pack,
    .notify = joint_notify,
    .unsent = joint_unsent,
    .room = joint_room,
    .kick = joint_kick,
    .touched = joint_touched,
    .output = joint_output,
    .sent = joint_sent,
    .wants = joint_wants,
    .deadline = joint_deadline,
    .expire = joint_expire,
    .counters = joint_counters,
    .load = joint_load,
};
