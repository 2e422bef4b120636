/* laneya as a script of operations: connections that come, speak in any pieces, stop reading, end in every way; time; a
 * rulebook that notifies, broadcasts, kicks and fails, on the real protocol and the real engine. After each step: what
 * goes out is netstrings of JSON objects: responses and updates with exactly their keys, no connection got more
 * responses than it sent messages, no key of a connection was executed twice within 1024, no two connections act under
 * one name, and none under two without a logout between, memory stays within what was received and the limits of the
 * wire page, and at the end everything is given back.
 *
 * Each operation is a byte, a byte for the connection, and what it needs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"
#include "engine/engine.h"
#include "proto/laneya/laneya.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { CONNS = 6, EXECUTED = 2048, KEPT = 1024 };

struct conn {
  bool open, reading, halted;
  size_t room; /* what its kernel takes; SIZE_MAX: all */
  struct ump_addr addr;
  uint64_t life; /* which connection under this number it is */
  uint8_t *out;  /* not looked at yet */
  size_t out_n, out_cap;
  uint64_t commas, responses; /* an upper bound of the messages that it sent; what it got */
  char name[65];              /* as the rulebook saw it last; empty: none */
};

struct world {
  const uint8_t *p, *end;
  struct ump_mem mem;
  size_t bytes;
  struct ump_rng_seeded seeded;
  struct ump_rng rng;
  struct ump_engine *engine;
  struct ump_rulebook rules;
  ump_time now;
  struct conn conns[CONNS];
  uint64_t lives;
  struct {
    uint64_t life;
    char key[16];
  } executed[EXECUTED];
  size_t n_executed;
  size_t clients;
};

static void must_at(bool so, const char *what, int line) {
  if (so) return;
  fprintf(stderr, "fuzz_laneya.c:%d: does not hold: %s\n", line, what);
  abort();
}
#define must(condition) must_at(condition, #condition, __LINE__)

static uint8_t byte(struct world *w) {
  return w->p < w->end ? *w->p++ : 0;
}

static void *resize(void *ctx, void *p, size_t old, size_t n) {
  struct world *w = ctx;
  w->bytes += n - (p ? old : 0);
  if (n) return realloc(p, n);
  free(p);
  return NULL;
}

static void no_log(void *ctx, const struct ump_log_line *line) {
  (void)ctx, (void)line;
}
static const struct ump_log quiet = {no_log, NULL};

/* ---- the rulebook ---- */

static bool is(struct ump_bytes b, const char *text) {
  return ump_bytes_equal(b, ump_text(text));
}

static int on_connect(void *self, struct ump_client *c, struct ump_bytes *reason) {
  struct world *w = self;
  *reason = ump_text("no");
  if (c->addr.ip[3] == 5) return 0; /* one address is not let in */
  return w->clients++, 1;
}

/* {"k": "..."} of the data names the key of the request, for those that were made here. */
static void note_executed(struct world *w, const struct conn *c, const struct ump_event *ev) {
  struct ump_json_slot slot = {.key = ump_text("k")};
  if (ump_json_members(ev->data, &slot, 1, NULL) != 0 || slot.value.type != UMP_JSON_STRING || slot.value.raw.n > 15)
    return;
  char key[16] = "";
  memcpy(key, slot.value.raw.p, slot.value.raw.n);
  size_t n = w->n_executed, from = n > KEPT ? n - KEPT : 0;
  for (size_t i = from; i < n; i++) must(w->executed[i].life != c->life || strcmp(w->executed[i].key, key));
  if (n == EXECUTED) return;
  w->executed[n].life = c->life;
  memcpy(w->executed[n].key, key, sizeof key);
  w->n_executed++;
}

static void check_name(struct world *w, struct conn *c, const struct ump_client *client) {
  const char *name = client->name ? client->name : "";
  if (c->name[0] && name[0]) must(strcmp(c->name, name) == 0);
  snprintf(c->name, sizeof c->name, "%s", name);
  for (int i = 0; i < CONNS && name[0]; i++)
    if (&w->conns[i] != c && w->conns[i].open) must(strcmp(w->conns[i].name, name) != 0 || w->conns[i].halted);
}

static int on_judge(void *self, struct ump_client *client, const struct ump_event *ev, struct ump_judgement *out) {
  struct world *w = self;
  must(client->session < CONNS && ev->has_name && ev->has_data && ev->data.n && ev->data.p[0] == '{');
  struct conn *c = &w->conns[client->session];
  struct ump_notice n = {.has_name = true, .has_data = true, .name = ump_text("moved"), .data = ump_text("{\"x\": 1}")};
  const struct ump_notice *by_encoding[3] = {[UMP_JSON] = &n};
  must(ump_json_check(ev->data, &(struct ump_json_value){0}, NULL) == 0);
  check_name(w, c, client);
  *out = (struct ump_judgement){.verdict = UMP_LEGAL};
  if (is(ev->name, "boom")) return -1;
  if (is(ev->name, "bad")) return out->verdict = UMP_ILLEGAL, 0;
  note_executed(w, c, ev);
  if (is(ev->name, "all")) ump_engine_broadcast(w->engine, by_encoding, NULL);
  if (is(ev->name, "me")) ump_engine_notify(w->engine, client, &n);
  if (is(ev->name, "kick")) ump_engine_kick(w->engine, client, ump_text("enough"));
  if (is(ev->name, "echo")) out->data = ev->data;
  if (is(ev->name, "logout")) c->name[0] = 0;
  return 0;
}

static int on_disconnect(void *self, struct ump_client *c, struct ump_bytes reason) {
  struct world *w = self;
  (void)reason;
  w->conns[c->session].name[0] = 0;
  w->clients--;
  return 0;
}
static int on_login(void *self, struct ump_client *c, struct ump_bytes a, struct ump_bytes b, bool create,
                    struct ump_bytes *r) {
  return (void)self, (void)c, (void)a, (void)b, (void)create, (void)r, UMP_ENOSUPPORT;
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
static const struct ump_rulebook_ops rules = {.connect = on_connect,
                                              .judge = on_judge,
                                              .disconnect = on_disconnect,
                                              .login = on_login,
                                              .tick = on_tick,
                                              .timer = on_timer,
                                              .timer_gone = on_timer_gone,
                                              .forget = on_forget};

/* ---- what goes out ---- */

static bool slots_filled(const struct ump_json_slot *slots, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (slots[i].value.type == UMP_JSON_NONE) return false;
  return true;
}

static void look_at_message(struct conn *c, struct ump_bytes text) {
  struct ump_json_slot response[] = {
      {.key = ump_text("type")}, {.key = ump_text("key")}, {.key = ump_text("status")}, {.key = ump_text("data")}};
  struct ump_json_slot update[] = {{.key = ump_text("type")}, {.key = ump_text("action")}, {.key = ump_text("data")}};
  struct ump_json_value top;
  must(ump_json_check(text, &top, NULL) == 0 && top.type == UMP_JSON_OBJECT);
  if (top.n_members == 4) {
    must(ump_json_members(text, response, 4, NULL) == 0 && slots_filled(response, 4));
    must(response[3].value.type == UMP_JSON_OBJECT && response[1].value.type != UMP_JSON_ARRAY);
    must(response[1].value.type != UMP_JSON_OBJECT &&
         ++c->responses <= c->commas + 1); /* one more for a broken frame */
  } else {
    must(top.n_members == 3 && ump_json_members(text, update, 3, NULL) == 0 && slots_filled(update, 3));
  }
}

static void look_at_output(struct conn *c) {
  size_t at = 0;
  for (;;) {
    size_t n = 0, i = at;
    while (i < c->out_n && c->out[i] >= '0' && c->out[i] <= '9') n = n * 10 + (size_t)(c->out[i++] - '0');
    must(i - at <= 7);
    if (i >= c->out_n || i + 1 + n >= c->out_n) break;
    must(i > at && (c->out[at] != '0' || i == at + 1) && c->out[i] == ':' && c->out[i + 1 + n] == ',');
    look_at_message(c, ump_bytes(c->out + i + 1, n));
    at = i + n + 2;
  }
  if (at) memmove(c->out, c->out + at, c->out_n -= at);
}

/* ---- the driver ---- */

static bool write_out(struct world *w, uint32_t number) {
  struct conn *c = &w->conns[number];
  for (;;) {
    struct ump_bytes s[3];
    size_t n = ump_engine_output(w->engine, 0, number, s, 3), total = 0;
    for (size_t i = 0; i < n && c->room; i++) {
      size_t part = s[i].n < c->room ? s[i].n : c->room;
      must(s[i].n > 0);
      if (c->out_n + part > c->out_cap) c->out = realloc(c->out, c->out_cap = (c->out_n + part) * 2);
      memcpy(c->out + c->out_n, s[i].p, part);
      c->out_n += part, total += part;
      if (c->room != SIZE_MAX) c->room -= part;
    }
    if (total == 0) return n == 0;
    ump_engine_sent(w->engine, 0, number, total, w->now);
  }
}

static void serve(struct world *w, uint32_t number) {
  struct conn *c = &w->conns[number];
  unsigned wants = ump_engine_wants(w->engine, 0, number);
  bool all = (wants & UMP_WANTS_ABORT) || write_out(w, number);
  wants = ump_engine_wants(w->engine, 0, number);
  c->reading = (wants & UMP_WANTS_INPUT) && !c->halted;
  if ((wants & UMP_WANTS_ABORT) || ((wants & UMP_WANTS_CLOSE) && all)) {
    c->open = c->reading = false;
    ump_engine_closed(w->engine, 0, number, w->now);
  }
  look_at_output(c);
}

static void settle(struct world *w) {
  uint32_t number;
  for (int i = 0; ump_engine_touched(w->engine, 0, &number) == 1; i++) {
    must(i < 10000 && number < CONNS);
    if (w->conns[number].open) serve(w, number);
  }
  size_t most = 3 << 20; /* the engine's own, and the answers that are kept: 256 KiB each */
  for (int i = 0; i < CONNS; i++) most += w->conns[i].open ? 4 << 20 : 0;
  must(w->bytes < most);
}

static void pass(struct world *w, ump_time t) {
  ump_time until = w->now + t;
  int same = 0;
  for (ump_time next; (next = ump_engine_deadline(w->engine)) <= until;) {
    must(next > w->now || ++same < 100);
    if (next > w->now) w->now = next, same = 0;
    ump_engine_expire(w->engine, w->now);
    settle(w);
  }
  w->now = until;
}

static void dial(struct world *w, uint32_t number, uint8_t host) {
  struct conn *c = &w->conns[number];
  if (c->open) return;
  free(c->out);
  *c = (struct conn){.room = SIZE_MAX, .life = ++w->lives};
  c->addr = (struct ump_addr){.family = 4, .ip = {10, 0, 0, (uint8_t)(host % 8)}, .port = (uint16_t)(1000 + number)};
  if (ump_engine_open(w->engine, 0, number, &c->addr, w->now) == 0) c->open = c->reading = true;
}

static void input(struct world *w, uint32_t number, const uint8_t *p, size_t n) {
  struct conn *c = &w->conns[number];
  for (size_t i = 0; i < n; i++) c->commas += p[i] == ',';
  if (c->open && c->reading && n) ump_engine_input(w->engine, 0, number, ump_bytes(p, n), w->now);
}

static void say(struct world *w, uint32_t number, const char *payload, size_t n, uint8_t piece) {
  char *text = malloc(n + 16);
  size_t all = (size_t)sprintf(text, "%zu:", n);
  memcpy(text + all, payload, n);
  text[all + n] = ',', all += n + 1;
  size_t step = piece ? piece : all;
  for (size_t at = 0; at < all; at += step) {
    input(w, number, (uint8_t *)text + at, all - at < step ? all - at : step);
    if (!w->conns[number].reading) break;
  }
  free(text);
}

static const char *const actions[] = {"walk", "echo", "bad", "boom", "all", "me", "kick", "logout"};

static void ask(struct world *w, uint32_t number) {
  char text[200];
  uint8_t key = byte(w), user = byte(w), action = byte(w);
  int n =
      snprintf(text, sizeof text,
               "{\"type\": \"request\", \"key\": %u, \"user\": \"u%u\", \"action\": \"%s\", \"data\": {\"k\": \"%u\"}}",
               key, user % 8, actions[action % 8], key);
  say(w, number, text, (size_t)n, action & 0x80 ? (uint8_t)(1 + (action >> 3 & 15)) : 0);
}

static void ask_batch(struct world *w, uint32_t number) {
  char text[8000];
  uint8_t key = byte(w), user = byte(w), count = byte(w) % 70;
  int n = snprintf(
      text, sizeof text,
      "{\"type\": \"request\", \"key\": \"b%u\", \"user\": \"u%u\", \"action\": \"batch\", \"data\": {\"actions\": [",
      key, user % 8);
  for (uint8_t i = 0; i < count; i++)
    n += snprintf(text + n, sizeof text - (size_t)n, "%s{\"action\": \"%s\", \"data\": {\"k\": \"%u.%u\"}}",
                  i ? "," : "", actions[byte(w) % 8], key, i);
  n += snprintf(text + n, sizeof text - (size_t)n, "]}}");
  say(w, number, text, (size_t)n, 0);
}

static void tell(struct world *w, uint32_t number, uint8_t how) {
  struct ump_notice n = {.has_name = how & 1,
                         .has_data = how & 2,
                         .name = ump_text("moved"),
                         .data = ump_text(how & 4 ? "[1]" : "{\"x\": 1}")};
  const struct ump_notice *by_encoding[3] = {[UMP_JSON] = &n};
  struct ump_client *c = NULL;
  while ((c = ump_engine_next_client(w->engine, c)) && c->session != number) {
  }
  for (int i = 0; i < 1 + how; i++)
    if (how & 8) ump_engine_broadcast(w->engine, by_encoding, NULL);
  if (c && !(how & 8)) ump_engine_notify(w->engine, c, &n);
  if (c && (how & 0x30) == 0x30) ump_engine_kick(w->engine, c, ump_text("out"));
}

static void step(struct world *w) {
  uint8_t op = byte(w);
  uint32_t number = byte(w) % CONNS;
  struct conn *c = &w->conns[number];
  size_t n;
  switch (op % 12) {
  case 0:
    dial(w, number, byte(w));
    break;
  case 1:
  case 2:
  case 3: /* any bytes: at once, one at a time, as the payload of a netstring */
    n = byte(w);
    n |= (size_t)(byte(w) & 15) << 8;
    if (n > (size_t)(w->end - w->p)) n = (size_t)(w->end - w->p);
    if (op % 12 == 1) input(w, number, w->p, n);
    for (size_t i = 0; op % 12 == 2 && i < n; i++) input(w, number, w->p + i, 1);
    if (op % 12 == 3) say(w, number, (const char *)w->p, n, 0);
    w->p += n;
    break;
  case 4:
  case 5:
    ask(w, number);
    break;
  case 6:
    ask_batch(w, number);
    break;
  case 7:
    pass(w, (ump_time)(byte(w) + 1) * 300 * UMP_MS);
    break;
  case 8:
    if (!c->open || c->halted) break;
    c->halted = true, c->reading = false;
    ump_engine_eof(w->engine, 0, number, w->now);
    if (c->open) serve(w, number);
    break;
  case 9:
    if (!c->open) break;
    c->open = c->reading = false;
    ump_engine_closed(w->engine, 0, number, w->now);
    break;
  case 10:
    c->room = byte(w);
    c->room = c->room == 255 ? SIZE_MAX : c->room * 100;
    if (c->open) serve(w, number);
    break;
  case 11:
    tell(w, number, byte(w));
    break;
  }
  settle(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  struct world *w = calloc(1, sizeof *w);
  uint32_t index;
  w->p = data, w->end = data + n;
  w->mem = (struct ump_mem){resize, w};
  ump_rng_seed(&w->seeded, 1);
  w->rng = ump_rng_of(&w->seeded);
  w->now = 1000 * UMP_S;
  w->rules = (struct ump_rulebook){.ops = &rules, .self = w};
  struct ump_engine_cfg ec = {.mem = &w->mem, .rng = &w->rng, .log = &quiet};
  struct ump_proto_cfg pc = {.mem = &w->mem, .rng = &w->rng, .log = &quiet, .limit = 5, .per_address = 3};
  must((w->engine = ump_engine_new(&ec, w->now)) != NULL);
  must(ump_engine_listen(w->engine, &ump_laneya, &pc, 10, &index, w->now) == 0);
  ump_engine_set_rulebook(w->engine, &w->rules, w->now);
  while (w->p < w->end) step(w);
  for (uint32_t i = 0; i < CONNS; i++) {
    if (w->conns[i].open) ump_engine_closed(w->engine, 0, i, w->now);
    free(w->conns[i].out);
  }
  must(ump_engine_load(w->engine) == 0 && w->clients == 0);
  ump_engine_free(w->engine);
  must(w->bytes == 0);
  free(w);
  return 0;
}
