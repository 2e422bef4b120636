#include "world.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const verdicts[] = {"legal", "illegal", "invalid", "internal"};

void world_trace(struct world *w, const char *format, ...) {
  if (w->quiet) return;
  va_list args;
  va_start(args, format);
  size_t room = sizeof w->trace - w->n_trace;
  int n = vsnprintf(w->trace + w->n_trace, room, format, args);
  va_end(args);
  if (n < 0 || (size_t)n + 2 > room) fail_msg("the trace is full");
  w->n_trace += (size_t)n;
  w->trace[w->n_trace++] = '\n';
  w->trace[w->n_trace] = 0;
}

void world_expect(struct world *w, const char *file, int line, const char *const *lines) {
  char wanted[sizeof w->trace] = "";
  for (size_t n = 0; *lines; lines++) n += (size_t)snprintf(wanted + n, sizeof wanted - n, "%s\n", *lines);
  w->trace[w->n_trace] = 0;
  if (strcmp(wanted, w->trace) != 0) {
    print_error("%s:%d: expected\n%s-- but was --\n%s", file, line, wanted, w->trace);
    _fail(file, line);
  }
  w->n_trace = 0;
}

/* ---- the fake protocol ---- */

static int fake_create(void **self, const struct ump_proto_cfg *cfg, ump_time now) {
  (void)now;
  void *block = ump_alloc(cfg->mem, 64); /* so that creating can run out of memory */
  if (!block) return UMP_ENOMEM;
  ump_free(cfg->mem, block, 64);
  *self = (void *)(uintptr_t)cfg->options[0].number;
  return 0;
}
static void fake_destroy(void *self) {
  ((struct fake_proto *)self)->n_clients = 0;
}
static void fake_recv(void *self, const struct ump_addr *from, struct ump_bytes in, ump_time now) {
  (void)self, (void)from, (void)in, (void)now;
}

static int fake_next(void *self, struct ump_event *ev, ump_time now) {
  struct fake_proto *p = self;
  (void)now;
  if (p->at == p->n_queue) return p->at = p->n_queue = 0, 0;
  *ev = p->queue[p->at++];
  if (ev->type != UMP_EVENT_CONNECT) ev->client = p->clients[ev->session];
  if (ev->type != UMP_EVENT_CONNECT && !ev->client) return fake_next(self, ev, now); /* its session is gone */
  if (ev->type == UMP_EVENT_DISCONNECT) p->clients[ev->session] = NULL, p->n_clients--;
  return 1;
}

static char letter(const struct fake_proto *p) {
  return (char)('a' + p->index);
}

static void fake_admit(void *self, uint32_t session, struct ump_client *client, uint64_t serial,
                       struct ump_bytes reason, ump_time now) {
  struct fake_proto *p = self;
  (void)now;
  p->clients[session] = client;
  if (client)
    p->n_clients++, p->serials[session] = serial, world_trace(p->w, "admit %c%u", letter(p), session);
  else
    world_trace(p->w, "refuse %c%u %.*s", letter(p), session, (int)reason.n, (const char *)reason.p);
}

static void fake_answer(void *self, const struct ump_event *ev, const struct ump_answer *a, ump_time now) {
  struct fake_proto *p = self;
  (void)now;
  if (p->w->quiet) return;
  assert_ptr_equal(p->clients[ev->session], ev->client);
  world_trace(p->w, "%s %c%u %.*s %s%s%s%.*s%s%.*s", a->repeat ? "repeat" : "answer", letter(p), ev->session,
              (int)ev->id.n, (const char *)ev->id.p, verdicts[a->verdict], a->high ? " high" : "",
              a->reason.n ? ": " : "", (int)a->reason.n, (const char *)a->reason.p, a->data.n ? " = " : "",
              (int)a->data.n, (const char *)a->data.p);
}

static int fake_pack(void *self, const struct ump_notice *n, struct ump_blob **out) {
  struct fake_proto *p = self;
  if (n->name.n > p->max_notice) return UMP_ETOOBIG;
  if (n->name.n && n->name.p[0] == '?') return UMP_ENOSUPPORT;
  *out = ump_blob_new(&p->w->mem.mem, n->name.n);
  if (!*out) return UMP_ENOMEM;
  memcpy((*out)->p, n->name.p, n->name.n);
  return 0;
}

static int fake_notify(void *self, uint32_t session, struct ump_blob *payload, ump_time now) {
  struct fake_proto *p = self;
  (void)now;
  assert_non_null(p->clients[session]);
  if (p->notify_err && p->disconnects_on_notify && p->n_queue < FAKE_QUEUE)
    p->queue[p->n_queue++] = (struct ump_event){.type = UMP_EVENT_DISCONNECT, .session = session, .reason = "slow"};
  if (p->notify_err) return p->notify_err;
  world_trace(p->w, "notify %c%u %.*s", letter(p), session, (int)payload->n, (const char *)payload->p);
  return 0;
}

static size_t fake_room(void *self, uint32_t session) {
  struct fake_proto *p = self;
  assert_non_null(p->clients[session]);
  return p->room;
}

static void fake_kick(void *self, uint32_t session, struct ump_bytes reason, ump_time now) {
  struct fake_proto *p = self;
  (void)now;
  assert_non_null(p->clients[session]);
  p->clients[session] = NULL, p->n_clients--;
  world_trace(p->w, "kick %c%u %.*s", letter(p), session, (int)reason.n, (const char *)reason.p);
}

static int fake_flush(void *self, struct ump_addr *to, struct ump_writer *out, ump_time now) {
  (void)self, (void)to, (void)out, (void)now;
  return 0;
}
static ump_time fake_deadline(const void *self) {
  return ((const struct fake_proto *)self)->deadline;
}
static void fake_expire(void *self, ump_time now) {
  struct fake_proto *p = self;
  (void)now;
  p->deadline = UMP_NEVER;
  world_trace(p->w, "expire %c", letter(p));
}
static struct ump_counters fake_counters(const void *self) {
  return (void)self, (struct ump_counters){0};
}
static size_t fake_load(const void *self) {
  const struct fake_proto *p = self;
  return p->n_clients + (p->n_queue - p->at);
}

static const struct ump_proto_ops fake_ops = {
    .scheme = "fake",
    .transport = UMP_DATAGRAM,
    .encoding = UMP_JSON,
    .max_datagram = 1024,
    .create = fake_create,
    .destroy = fake_destroy,
    .recv = fake_recv,
    .next = fake_next,
    .admit = fake_admit,
    .answer = fake_answer,
    .pack = fake_pack,
    .notify = fake_notify,
    .room = fake_room,
    .kick = fake_kick,
    .flush = fake_flush,
    .deadline = fake_deadline,
    .expire = fake_expire,
    .counters = fake_counters,
    .load = fake_load,
};

/* ---- the fake rulebook ---- */

static char letter_of(const struct ump_client *c) {
  return (char)('a' + c->listener);
}

static int ask(struct world *w, const char *what, struct ump_client *c, const char *arg, int fallback) {
  int rc = w->hook ? w->hook(w, what, c, arg) : WORLD_DEFAULT;
  return rc == WORLD_DEFAULT ? fallback : rc;
}

static const char *text_of(struct ump_bytes b, char out[256]) {
  snprintf(out, 256, "%.*s", (int)b.n, b.p ? (const char *)b.p : "");
  return out;
}

static int rules_connect(void *self, struct ump_client *c, struct ump_bytes *reason) {
  struct world *w = self;
  world_trace(w, "connect %c%u", letter_of(c), c->session);
  int rc = ask(w, "connect", c, "", 1);
  *reason = w->reason ? ump_text(w->reason) : ump_bytes(NULL, 0);
  return rc;
}

static int rules_judge(void *self, struct ump_client *c, const struct ump_event *ev, struct ump_judgement *out) {
  struct world *w = self;
  char name[256];
  w->judged++;
  if (w->quiet && !w->hook) return *out = w->judgement, 0;
  world_trace(w, "judge %c%u %s", letter_of(c), c->session, text_of(ev->name, name));
  int rc = ask(w, "judge", c, name, 0);
  *out = w->judgement;
  return rc;
}

static int rules_disconnect(void *self, struct ump_client *c, struct ump_bytes reason) {
  char text[256];
  world_trace(self, "disconnect %c%u %s", letter_of(c), c->session, text_of(reason, text));
  return ask(self, "disconnect", c, text, 0);
}

static int rules_login(void *self, struct ump_client *c, struct ump_bytes name, struct ump_bytes password, bool create,
                       struct ump_bytes *reason) {
  struct world *w = self;
  char text[256];
  (void)password, (void)create;
  world_trace(w, "login %c%u %s", letter_of(c), c->session, text_of(name, text));
  int rc = ask(w, "login", c, text, UMP_ENOSUPPORT);
  *reason = w->reason ? ump_text(w->reason) : ump_bytes(NULL, 0);
  return rc;
}

static int rules_tick(void *self, ump_time dt) {
  world_trace(self, "tick %d ms", (int)(dt / UMP_MS));
  return ask(self, "tick", NULL, "", 0);
}
static int rules_timer(void *self, uint64_t id) {
  struct world *w = self;
  w->timer = id;
  world_trace(w, "timer %d", (int)(id >> 32));
  return ask(w, "timer", NULL, "", 0);
}
static void rules_timer_gone(void *self, uint64_t id) {
  world_trace(self, "timer_gone %d", (int)(id >> 32));
}
static void rules_forget(void *self, struct ump_client *c) {
  world_trace(self, "forget %c%u", letter_of(c), c->session);
}

static const struct ump_rulebook_ops rules_ops = {
    .connect = rules_connect,
    .judge = rules_judge,
    .disconnect = rules_disconnect,
    .login = rules_login,
    .tick = rules_tick,
    .timer = rules_timer,
    .timer_gone = rules_timer_gone,
    .forget = rules_forget,
};

/* ---- the world ---- */

int world_listen(struct world *w, uint32_t i) {
  struct fake_proto *p = &w->proto[i];
  struct ump_option_value self = {.name = "self", .number = (uintptr_t)p};
  struct ump_proto_cfg cfg = {
      .mem = &w->mem.mem, .rng = &w->rng.rng, .log = &w->log.log, .options = &self, .n_options = 1};
  uint32_t index;
  int err = ump_engine_listen(w->engine, &p->ops, &cfg, 0, &index, w->now);
  if (!err) assert_int_equal(index, i);
  return err;
}

/* Keeps the accounts in w->mem as they are: the caller has started them. */
bool world_make(struct world *w, const struct ump_limits *limits) {
  testing_rng_init(&w->rng, 1);
  testing_log_init(&w->log);
  w->now = 1000 * UMP_S;
  for (uint32_t i = 0; i < WORLD_PROTOS; i++) {
    struct fake_proto *p = &w->proto[i];
    *p = (struct fake_proto){
        .ops = fake_ops, .w = w, .index = i, .room = 1000, .max_notice = 100, .deadline = UMP_NEVER};
  }
  w->rules = (struct ump_rulebook){.ops = &rules_ops, .self = w};
  w->judgement = (struct ump_judgement){.verdict = UMP_LEGAL};
  struct ump_engine_cfg cfg = {.mem = &w->mem.mem, .rng = &w->rng.rng, .log = &w->log.log};
  if (limits) cfg.limits = *limits;
  w->engine = ump_engine_new(&cfg, w->now);
  return w->engine != NULL;
}

void world_init(struct world *w, const struct ump_limits *limits) {
  memset(w, 0, sizeof *w);
  testing_mem_init(&w->mem);
  assert_true(world_make(w, limits));
  assert_int_equal(world_listen(w, 0), 0);
  ump_engine_set_rulebook(w->engine, &w->rules, w->now);
}

void world_drop(struct world *w) {
  w->quiet = true;
  ump_engine_free(w->engine);
  w->engine = NULL;
  testing_mem_assert_empty(&w->mem);
}

void world_end(struct world *w) {
  expect_nothing(w); /* whatever the engine did, the test has looked at it */
  w->quiet = true;
  w->hook = NULL;
  for (uint32_t i = 0; i < ump_engine_n_listeners(w->engine); i++)
    for (uint32_t s = 0; s < FAKE_SESSIONS; s++)
      if (w->proto[i].clients[s]) world_leave(w, i, s);
  ump_engine_set_rulebook(w->engine, NULL, w->now);
  assert_true(ump_engine_consistent(w->engine));
  assert_int_equal(ump_engine_n_clients(w->engine), 0);
  assert_int_equal(ump_engine_load(w->engine), 0);
  world_drop(w);
}

void world_drive(struct world *w, uint32_t proto) {
  static const struct ump_addr from = {.family = 4, .ip = {127, 0, 0, 1}, .port = 5};
  ump_engine_recv(w->engine, proto, &from, ump_bytes("", 0), w->now);
  assert_true(ump_engine_consistent(w->engine));
}

void world_push(struct world *w, uint32_t proto, struct ump_event ev) {
  struct fake_proto *p = &w->proto[proto];
  assert_in_range(p->n_queue, 0, FAKE_QUEUE - 1);
  p->queue[p->n_queue++] = ev;
}

void world_connect(struct world *w, uint32_t proto, uint32_t session) {
  struct ump_addr from = {.family = 4, .ip = {10, 0, 0, (uint8_t)session}, .port = 1234};
  world_push(w, proto, (struct ump_event){.type = UMP_EVENT_CONNECT, .session = session, .from = &from});
  world_drive(w, proto);
}

void world_event(struct world *w, uint32_t proto, uint32_t session, const char *id, const char *name) {
  world_push(w, proto,
             (struct ump_event){.type = UMP_EVENT_JUDGE,
                                .session = session,
                                .id = ump_text(id),
                                .once = true,
                                .has_name = true,
                                .name = ump_text(name)});
  world_drive(w, proto);
}

void world_login(struct world *w, uint32_t proto, uint32_t session, const char *id, const char *user) {
  world_push(w, proto,
             (struct ump_event){.type = UMP_EVENT_LOGIN,
                                .session = session,
                                .id = ump_text(id),
                                .once = true,
                                .user = ump_text(user),
                                .password = ump_text("secret")});
  world_drive(w, proto);
}

void world_leave(struct world *w, uint32_t proto, uint32_t session) {
  world_push(w, proto, (struct ump_event){.type = UMP_EVENT_DISCONNECT, .session = session, .reason = "left"});
  world_drive(w, proto);
}

void world_advance(struct world *w, ump_time by) {
  ump_time until = w->now + by;
  for (ump_time at; (at = ump_engine_deadline(w->engine)) <= until;) {
    if (at > w->now) w->now = at;
    ump_engine_expire(w->engine, w->now);
    assert_true(ump_engine_consistent(w->engine));
  }
  w->now = until;
}

struct ump_client *world_client(struct world *w, uint32_t proto, uint32_t session) {
  return session < FAKE_SESSIONS ? w->proto[proto].clients[session] : NULL;
}

uint64_t world_count(struct world *w, const char *counter) {
  struct ump_counters c = ump_engine_counters(w->engine);
  for (size_t i = 0; i < c.n; i++)
    if (strcmp(c.names[i], counter) == 0) return c.counts[i];
  fail_msg("no counter %s", counter);
  return 0;
}

int notify(struct world *w, struct ump_client *c, const char *name) {
  return ump_engine_notify(w->engine, c, &(struct ump_notice){.has_name = true, .name = ump_text(name)});
}

int broadcast(struct world *w, const char *name, struct ump_client *except) {
  struct ump_notice n = {.has_name = true, .name = ump_text(name)};
  const struct ump_notice *const all[3] = {&n, &n, &n};
  return ump_engine_broadcast(w->engine, all, except);
}

int kick(struct world *w, struct ump_client *c, const char *reason) {
  return ump_engine_kick(w->engine, c, ump_text(reason));
}
