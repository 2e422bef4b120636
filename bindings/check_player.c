#include "bindings/check_player.h"

/* ---- what the engine asks of a protocol ---- */

/* The one option is where the instance is: create has no other way to learn it. */
static int player_create(void **self, const struct ump_proto_cfg *cfg, ump_time now) {
  (void)now;
  *self = (void *)(uintptr_t)cfg->options[0].number;
  return 0;
}

static void player_destroy(void *self) {
  (void)self;
}

static void player_recv(void *self, const struct ump_addr *from, struct ump_bytes in, ump_time now) {
  (void)self, (void)from, (void)in, (void)now;
}

static int player_next(void *self, struct ump_event *ev, ump_time now) {
  struct ump__player *p = self;
  (void)now;
  if (p->pending.type == UMP_EVENT_NONE) return 0;
  *ev = p->pending;
  p->pending.type = UMP_EVENT_NONE;
  return 1;
}

static void player_admit(void *self, uint32_t session, struct ump_client *client, uint64_t serial,
                         struct ump_bytes reason, ump_time now) {
  struct ump__player *p = self;
  (void)serial, (void)reason, (void)now;
  p->clients[session] = client;
}

static void player_answer(void *self, const struct ump_event *ev, const struct ump_answer *a, ump_time now) {
  (void)self, (void)ev, (void)a, (void)now;
}

static int player_pack(void *self, const struct ump_notice *n, struct ump_blob **out) {
  (void)self, (void)n;
  *out = ump_blob_new(&ump_mem_libc, 0);
  return *out ? 0 : UMP_ENOMEM;
}

static int player_notify(void *self, uint32_t session, struct ump_blob *payload, ump_time now) {
  return (void)self, (void)session, (void)payload, (void)now, 0;
}

static size_t player_room(void *self, uint32_t session) {
  return (void)self, (void)session, 1024;
}

static void player_kick(void *self, uint32_t session, struct ump_bytes reason, ump_time now) {
  struct ump__player *p = self;
  (void)reason, (void)now;
  p->clients[session] = NULL;
}

static int player_flush(void *self, struct ump_addr *to, struct ump_writer *out, ump_time now) {
  return (void)self, (void)to, (void)out, (void)now, 0;
}

static ump_time player_deadline(const void *self) {
  return (void)self, UMP_NEVER;
}
static void player_expire(void *self, ump_time now) {
  (void)self, (void)now;
}
static struct ump_counters player_counters(const void *self) {
  return (void)self, (struct ump_counters){0};
}
static size_t player_load(const void *self) {
  return (void)self, 0;
}

/* ---- the door ---- */

int ump__player_listen(struct ump__player *p, struct ump_engine *e, const char *scheme, ump_time now) {
  *p = (struct ump__player){.ops = {.scheme = scheme,
                                    .transport = UMP_DATAGRAM,
                                    .encoding = UMP_PLAIN,
                                    .create = player_create,
                                    .destroy = player_destroy,
                                    .recv = player_recv,
                                    .next = player_next,
                                    .admit = player_admit,
                                    .answer = player_answer,
                                    .pack = player_pack,
                                    .notify = player_notify,
                                    .room = player_room,
                                    .kick = player_kick,
                                    .flush = player_flush,
                                    .deadline = player_deadline,
                                    .expire = player_expire,
                                    .counters = player_counters,
                                    .load = player_load}};
  const struct ump_option_value self = {.name = "self", .number = (uintptr_t)p};
  struct ump_proto_cfg cfg = {.mem = &ump_mem_libc,
                              .rng = ump_engine_rng(e),
                              .log = ump_engine_log(e),
                              .limit = UMP__PLAYERS,
                              .per_address = UMP__PLAYERS,
                              .options = &self,
                              .n_options = 1};
  return ump_engine_listen(e, &p->ops, &cfg, UINT32_MAX, &p->listener, now);
}

void ump__player_say(struct ump__player *p, struct ump_engine *e, const struct ump_event *ev, ump_time now) {
  p->pending = *ev;
  ump_engine_recv(e, p->listener, ev->from, ump_bytes(NULL, 0), now);
  if (ev->type == UMP_EVENT_DISCONNECT) p->clients[ev->session] = NULL;
}
