/* Neteria as a script of operations: clients at several addresses, time, the rulebook's notifies and kicks, lost and
 * late flushes, and bytes of any kind, on the real protocol and the real engine. After each step: the protocol and the
 * engine agree with themselves, no address that never echoed an id of ours was sent more than three times the bytes
 * that came from it, no event of a session was executed twice within the window, nor of a client that came back from
 * the same address, nothing was sent more often than the wire page says, and at the end everything is given back.
 *
 * The first byte sets the listener up; then each operation takes a byte and what it needs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "proto/neteria/neteria.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { ADDRESSES = 6, CLIENTS = 5, IDS = 512, EXECUTED = 1024, LIMIT = 4, TEXT = 11000 };

struct sent_id { /* an id of the server's, where it went and how often */
  char id[37];
  uint8_t address;
  uint16_t times;
  bool notify;
};

struct executed {
  uint64_t serial;
  char id[65];
  ump_time at;
  int who;        /* client and IP that it came from; negative: of bytes that were not made here */
  uint64_t moves; /* so many sessions had moved */
};

struct world {
  const uint8_t *p, *end;
  struct ump_mem mem;
  size_t bytes; /* allocated now */
  struct ump_rng_seeded seeded;
  struct ump_rng rng;
  struct ump_engine *engine;
  void *proto;
  struct ump_rulebook rules;
  ump_time now;
  uint64_t in[ADDRESSES], out[ADDRESSES];
  bool echoed[ADDRESSES];
  struct sent_id ids[IDS];
  size_t n_ids;
  struct executed executed[EXECUTED];
  size_t n_executed;
  size_t events, verdicts; /* EVENT and AUTH that came; LEGAL and ILLEGAL that went under their ids, repeats included */
  int who;                 /* client and IP of what is arriving */
  uint8_t mood;            /* of the rulebook */
  uint8_t late;            /* so many operations without a flush */
};

/* An invariant; says which one does not hold. */
static void must_at(bool so, const char *what, int line) {
  if (so) return;
  fprintf(stderr, "fuzz_neteria.c:%d: not so: %s\n", line, what);
  abort();
}
#define must(so) must_at((so), #so, __LINE__)

static uint8_t byte(struct world *w) {
  return w->p < w->end ? *w->p++ : 0;
}

/* ---- memory with accounts ---- */

static void *resize(void *ctx, void *p, size_t old_n, size_t n) {
  struct world *w = ctx;
  w->bytes += n - old_n;
  if (n) return realloc(p, n);
  free(p);
  return NULL;
}

/* ---- the rulebook ---- */

static int on_connect(void *self, struct ump_client *c, struct ump_bytes *reason) {
  struct world *w = self;
  (void)c;
  if (w->mood % 8 != 7) return 1;
  *reason = ump_text("not in this mood");
  return 0;
}

static uint64_t counter(struct ump_counters c, const char *name) {
  for (size_t i = 0; i < c.n; i++) {
    if (strcmp(c.names[i], name) == 0) return c.counts[i];
  }
  abort();
}

/* An event may be executed again only when the window has forgotten it. A session that moved is another address's. */
static void note_execution(struct world *w, const struct ump_client *c, struct ump_bytes id) {
  struct executed *x = NULL;
  uint64_t moves = counter(ump_engine_listener_counters(w->engine, 0), "moved");
  for (size_t i = 0; i < w->n_executed; i++) {
    struct executed *y = &w->executed[i];
    if (!ump_bytes_equal(ump_text(y->id), id)) continue;
    if (y->serial == c->serial) x = y;
    bool same = y->serial == c->serial || (w->who >= 0 && y->who == w->who && y->moves == moves);
    must(!same || w->now - y->at >= 300 * UMP_S);
  }
  if (!x && w->n_executed == EXECUTED) return;
  if (!x) x = &w->executed[w->n_executed++];
  x->serial = c->serial, x->at = w->now, x->who = w->who, x->moves = moves;
  memcpy(x->id, id.p, id.n);
  x->id[id.n] = 0;
}

static int on_judge(void *self, struct ump_client *c, const struct ump_event *ev, struct ump_judgement *out) {
  struct world *w = self;
  must(ev->client == c && ev->id.n >= 1 && ev->id.n <= 64 && !ev->malformed);
  must(!ev->has_name || ump_utf8_valid(ev->name));
  if (!memchr(ev->id.p, 0, ev->id.n)) note_execution(w, c, ev->id);
  out->verdict = (enum ump_verdict)(w->mood % 4);
  if (w->mood & 16) out->reason = ump_text("because of \"this\" and that, \n\xc3\xa9");
  struct ump_notice notice = {.has_name = true, .name = ev->has_name ? ev->name : ump_text("nameless")};
  if (w->mood & 32) ump_engine_notify(w->engine, c, &notice);
  if (w->mood & 64) ump_engine_kick(w->engine, c, ump_text("kicked"));
  return 0;
}

static int on_login(void *self, struct ump_client *c, struct ump_bytes name, struct ump_bytes password, bool create,
                    struct ump_bytes *reason) {
  (void)self, (void)c, (void)create, (void)reason, (void)name;
  return password.n == 6;
}
static int on_disconnect(void *self, struct ump_client *c, struct ump_bytes reason) {
  return (void)self, (void)c, (void)reason, 0;
}
static int on_tick(void *self, ump_time dt) {
  return (void)self, (void)dt, 0;
}
static int on_timer(void *self, uint64_t id) {
  return (void)self, (void)id, 0;
}
static void on_timer_gone(void *self, uint64_t id) {
  (void)self, (void)id;
}
static void on_forget(void *self, struct ump_client *c) {
  (void)self, (void)c;
}

static const struct ump_rulebook_ops ops = {
    .connect = on_connect,
    .judge = on_judge,
    .disconnect = on_disconnect,
    .login = on_login,
    .tick = on_tick,
    .timer = on_timer,
    .timer_gone = on_timer_gone,
    .forget = on_forget,
};

/* ---- what comes out ---- */

static struct ump_addr address(unsigned i) { /* three IPs, two ports each */
  return (struct ump_addr){.family = 4, .ip = {10, 0, 0, (uint8_t)(i / 2)}, .port = (uint16_t)(50000 + i % 2)};
}
static unsigned index_of(const struct ump_addr *a) {
  unsigned i = (unsigned)a->ip[3] * 2 + a->port % 2;
  must(i < ADDRESSES);
  return i;
}

static void note_id(struct world *w, const char *id, unsigned where, bool notify) {
  for (size_t i = 0; i < w->n_ids; i++) {
    struct sent_id *s = &w->ids[i];
    if (strcmp(s->id, id)) continue;
    s->address = (uint8_t)where; /* a session that moved takes its notifies along */
    must((++s->times <= (notify ? 5 : 10) || strlen(id) == 10) &&
         s->notify == notify); /* a challenge answers a request */
    return;
  }
  if (w->n_ids == IDS) return;
  struct sent_id *s = &w->ids[w->n_ids++];
  *s = (struct sent_id){.address = (uint8_t)where, .times = 1, .notify = notify};
  memcpy(s->id, id, sizeof s->id);
}

static void note_text(struct world *w, const char *text, unsigned where) {
  static const char brief[] = "{\"method\":\"LEGAL\",\"euuid\":\"";
  const char *at = strstr(text, "\"euuid\": \"");
  struct ump_uuid uuid;
  char id[37] = "";
  if (!strncmp(text, brief, sizeof brief - 1)) {
    size_t n = strcspn(text + sizeof brief - 1, "\"");
    must(n == 5 || n == 10); /* a probe's, or a challenge's */
    memcpy(id, text + sizeof brief - 1, n);
    note_id(w, id, where, false);
    return;
  }
  if (!at) return;
  strncpy(id, at + 10, 36);
  bool ours = strlen(id) == 36 && ump_uuid_parse(ump_bytes(id, 36), &uuid); /* the script's own ids are no UUIDs */
  if (ours)
    note_id(w, id, where, strstr(text, "\"NOTIFY\"") != NULL);
  else
    must(++w->verdicts <= w->events + 4 * counter(ump_engine_counters(w->engine), "events")); /* copies have no timer */
}

static void flush(struct world *w) {
  static char room[TEXT];
  struct ump_addr to;
  for (;;) {
    struct ump_writer out = ump_writer(room, UMP_NETERIA_DATAGRAM);
    if (!ump_engine_flush(w->engine, 0, &to, &out, w->now)) return;
    unsigned where = index_of(&to);
    must(out.n > 0 && !out.full);
    room[out.n] = 0;
    w->out[where] += out.n;
    must(w->echoed[where] || w->out[where] <= 3 * w->in[where]);
    if (room[0] == '{') note_text(w, room, where);
  }
}

/* ---- what goes in ---- */

/* An address that knows an id of ours may prove itself with it, in whatever form. */
static void note_echo(struct world *w, unsigned where, const char *text, size_t n) {
  for (size_t i = 0; i < w->n_ids; i++) {
    size_t length = strlen(w->ids[i].id);
    for (size_t k = 0; k + length <= n; k++) {
      if (memcmp(text + k, w->ids[i].id, length)) continue;
      w->echoed[where] = true;
      return;
    }
  }
}

static void arrive(struct world *w, unsigned where, const char *text, size_t n) {
  struct ump_addr from = address(where);
  char *exact = malloc(n ? n : 1);
  must(exact != NULL);
  if (n) memcpy(exact, text, n);
  note_echo(w, where, text, n);
  w->in[where] += n;
  ump_engine_recv(w->engine, 0, &from, ump_bytes(exact, n), w->now);
  free(exact);
}

static const char *cuuid(unsigned client) {
  static const char *const all[CLIENTS] = {"abbbc0f4-e591-11f1-aa15-02fc00000001",
                                           "bbbbc0f4-e591-11f1-aa15-02fc00000002", "c", "d\\\"\\u00e9",
                                           "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"};
  return all[client % CLIENTS];
}

static const char *const values[] = {"\"step\"",
                                     "{\"move\": [1, 0]}",
                                     "{\"a\": 1, \"b\": null}",
                                     "NaN",
                                     "\"\\ud800\"",
                                     "[]",
                                     "12345678901234567890123",
                                     "{\"bad\": {}}",
                                     "{\"name\": \"ann\", \"password\": \"secret\"}",
                                     "{\"user\": \"bob\", \"password\": 5}"};

/* 32 short ones, and some about as long as they may be. */
static void print_id(char id[80], unsigned i) {
  static const char filler[] = "................................................................";
  snprintf(id, 80, "event %u%.*s", i % 32, i < 224 ? 0 : 40 + (int)(i % 32), filler);
}

static void send_event(struct world *w, const char *method) {
  char text[600], id[80];
  unsigned who = byte(w), where = who >> 4, what = byte(w);
  print_id(id, byte(w));
  int n = snprintf(text, sizeof text,
                   "{\"method\": \"%s\", \"cuuid\": \"%s\", \"euuid\": \"%s\", \"event_data\": %s, \"timestamp\": "
                   "\"2026-11-21 09:57:45.713460\", \"retry\": 0, \"priority\": \"%s\"}",
                   method, cuuid(who & 15), id, values[what % (sizeof values / sizeof *values)],
                   what & 128 ? "high" : "normal");
  w->events++;
  w->who = (int)((who & 15) % CLIENTS * ADDRESSES + where % ADDRESSES / 2); /* two ports of an IP are one */
  arrive(w, where % ADDRESSES, text, (size_t)n);
  w->who = -1;
}

/* Confirms the nth last id that was sent anywhere, or an event's own. */
static void send_ok(struct world *w) {
  char text[300], own[80];
  unsigned who = byte(w), back = byte(w);
  const char *id = own;
  bool notify = back & 1;
  print_id(own, back / 2 % 32);
  unsigned where = (who >> 4) % ADDRESSES;
  if (back < 128 && w->n_ids) {
    const struct sent_id *s = &w->ids[w->n_ids - 1 - back / 2 % w->n_ids];
    id = s->id, notify = s->notify;
    if (back & 1) where = s->address; /* as the real client does; otherwise somebody who should not know it */
  }
  int n = snprintf(text, sizeof text, "{\"cuuid\": \"%s\", \"method\": \"OK %s\", \"euuid\": \"%s\"}", cuuid(who & 15),
                   notify ? "NOTIFY" : "EVENT", id);
  arrive(w, where, text, (size_t)n);
}

static void send_register(struct world *w) {
  static const char *const more[] = {"", ", \"version\": \"1.0\"",
                                     ", \"encryption\": [1234567890123456789012345, 65537]", ", \"x\": 1e999"};
  char text[300];
  unsigned who = byte(w), kind = who & 8 ? byte(w) : 0;
  int n =
      snprintf(text, sizeof text, "{\"method\": \"REGISTER\", \"cuuid\": \"%s\"%s}", cuuid(who & 7), more[kind % 4]);
  arrive(w, (who >> 4) % ADDRESSES, text, (size_t)n);
}

static void send_ohai(struct world *w) {
  static const char text[] =
      "{\"method\": \"OHAI\", \"version\": \"1.0.3\", \"cuuid\": \"abbbc0f4-e591-11f1-aa15-02fc00000001\"}";
  unsigned cut = byte(w);
  arrive(w, cut % ADDRESSES, text, cut & 64 ? sizeof text - 1 : cut % sizeof text);
}

static void send_bytes(struct world *w) {
  unsigned where = byte(w);
  size_t n = (size_t)byte(w) * (where & 128 ? 41 : 1), left = (size_t)(w->end - w->p);
  if (n > left) n = left;
  arrive(w, where % ADDRESSES, (const char *)w->p, n);
  w->events++; /* it may have been one */
  w->p += n;
}

/* ---- what the rulebook does by itself, and time ---- */

static struct ump_client *pick_client(struct world *w, unsigned i) {
  struct ump_client *c = ump_engine_next_client(w->engine, NULL);
  for (; c && i % LIMIT; i--) c = ump_engine_next_client(w->engine, c);
  return c;
}

static void notify(struct world *w) {
  static char text[TEXT];
  unsigned who = byte(w), size = byte(w), times = byte(w);
  size_t n = 2 + (size_t)size * (who & 128 ? 43 : 3);
  struct ump_notice notice = {.has_data = true, .data = ump_bytes(text, n)};
  struct ump_client *c = pick_client(w, who);
  memset(text, 'x', n), text[0] = text[n - 1] = '"';
  for (unsigned i = 0; c && i < 1 + times * (who & 64 ? 8u : 0u); i++) ump_engine_notify(w->engine, c, &notice);
}

static void broadcast(struct world *w) {
  struct ump_notice notice = {.has_name = true, .name = ump_text("tick")};
  const struct ump_notice *const by_encoding[3] = {[UMP_JSON] = &notice};
  ump_engine_broadcast(w->engine, by_encoding, byte(w) & 1 ? pick_client(w, 0) : NULL);
}

static void kick(struct world *w) {
  struct ump_client *c = pick_client(w, byte(w));
  if (c) ump_engine_kick(w->engine, c, ump_text("out"));
}

static void check(struct world *w) {
  const char *wrong = ump_neteria_check(w->proto);
  if (wrong) fprintf(stderr, "%s\n", wrong);
  must(!wrong && ump_engine_consistent(w->engine));
  must(ump_engine_load(w->engine) <= LIMIT * (1280 + 1024 + 16) + 4096);
}

static void pass(struct world *w) {
  static const ump_time steps[] = {UMP_MS,     100 * UMP_MS, 500 * UMP_MS, 2 * UMP_S,
                                   10 * UMP_S, 31 * UMP_S,   125 * UMP_S,  301 * UMP_S};
  ump_time until = w->now + steps[byte(w) % 8], next;
  while ((next = ump_engine_deadline(w->engine)) <= until) {
    if (next > w->now) w->now = next;
    ump_engine_expire(w->engine, w->now);
    flush(w);
    check(w);
  }
  w->now = until;
}

static void step(struct world *w) {
  switch (byte(w) % 13) {
  case 0:
    send_register(w);
    break;
  case 1:
  case 2:
    send_event(w, "EVENT");
    break;
  case 3:
  case 4:
    send_ok(w);
    break;
  case 5:
  case 6:
    pass(w);
    break;
  case 7:
    notify(w);
    break;
  case 8:
    broadcast(w);
    break;
  case 9:
    kick(w);
    break;
  case 10:
    send_bytes(w);
    break;
  case 11:
    w->mood = byte(w);
    w->late = w->mood & 128 ? byte(w) % 16 : 0;
    break;
  case 12:
    if (w->end - w->p > 1 && *w->p & 1)
      send_event(w, "AUTH");
    else
      send_ohai(w);
    break;
  }
}

/* Remembers the instance that the engine makes, to check it. */
static void *made;
static int create(void **self, const struct ump_proto_cfg *cfg, ump_time now) {
  int err = ump_neteria.create(self, cfg, now);
  made = *self;
  return err;
}

static void start(struct world *w) {
  static const struct ump_log silence = {NULL, NULL};
  unsigned setup = byte(w);
  w->now = 1000 * UMP_S;
  w->mem = (struct ump_mem){resize, w};
  ump_rng_seed(&w->seeded, setup);
  w->rng = ump_rng_of(&w->seeded);
  struct ump_option_value options[] = {{.name = "hold_ms", .number = setup & 3},
                                       {.name = "compression", .number = setup >> 2 & 1},
                                       {.name = "ignore_encryption", .number = setup >> 3 & 1},
                                       {.name = "server_name", .text = ump_text("Gr\xc3\xbc\xc3\x9f\xc3\xa9")},
                                       {.name = "queue_mib", .number = 1}};
  struct ump_proto_cfg cfg = {.mem = &w->mem,
                              .rng = &w->rng,
                              .log = &silence,
                              .limit = LIMIT,
                              .per_address = 3,
                              .options = options,
                              .n_options = sizeof options / sizeof *options};
  static struct ump_proto_ops ours;
  uint32_t index;
  ours = ump_neteria, ours.create = create;
  w->engine = ump_engine_new(&(struct ump_engine_cfg){.mem = &w->mem, .rng = &w->rng, .log = &silence}, w->now);
  must(w->engine && ump_engine_listen(w->engine, &ours, &cfg, 10, &index, w->now) == 0);
  w->proto = made;
  w->rules = (struct ump_rulebook){.ops = &ops, .self = w};
  ump_engine_set_rulebook(w->engine, &w->rules, w->now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  struct world *w = calloc(1, sizeof *w);
  must(w != NULL);
  w->p = data, w->end = data + n;
  w->who = -1;
  start(w);
  for (int i = 0; i < 400 && w->p < w->end; i++) {
    step(w);
    if (w->late)
      w->late--;
    else
      flush(w);
    check(w);
  }
  ump_engine_drain(w->engine, w->now);
  w->now += 10 * UMP_MS; /* verdicts that were held */
  ump_engine_expire(w->engine, w->now);
  flush(w);
  must(ump_engine_load(w->engine) == 0);
  ump_engine_free(w->engine);
  must(w->bytes == 0);
  free(w);
  return 0;
}
