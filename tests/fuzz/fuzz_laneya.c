/* laneya as a script of operations: connections that come, speak in any pieces, stop reading, end in every way; time; a
 * rulebook that notifies, broadcasts, kicks and fails, on the real protocol and the real engine. After each step: what
 * goes out is netstrings of JSON objects: responses and updates with exactly their keys, no connection got more
 * responses than it sent messages, no key of a connection was executed twice within 1024, no two connections act under
 * one name, and none under two without a logout between, memory stays within what was received and the limits of the
 * wire page, and at the end everything is given back.
 *
 * Each operation is a byte, a byte for the connection, and what it needs. */
#include "stream_rig.h"

#include "codec/json.h"
#include "proto/laneya/laneya.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { CONNS = 6, EXECUTED = 2048, KEPT = 1024 };

struct conn {
  struct rig_conn io;
  uint64_t life;              /* which connection under this number it is */
  uint64_t commas, responses; /* an upper bound of the messages that it sent; what it got */
  char name[65];              /* as the rulebook saw it last; empty: none */
};

struct world {
  struct rig rig;
  struct ump_rulebook rules;
  struct conn conns[CONNS];
  uint64_t lives;
  struct {
    uint64_t life;
    char key[16];
  } executed[EXECUTED];
  size_t n_executed;
  size_t clients;
};

static uint8_t byte(struct world *w) {
  return rig_byte(&w->rig);
}

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
    if (&w->conns[i] != c && w->conns[i].io.open) must(strcmp(w->conns[i].name, name) != 0 || w->conns[i].io.halted);
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
  if (is(ev->name, "all")) ump_engine_broadcast(w->rig.engine, by_encoding, NULL);
  if (is(ev->name, "me")) ump_engine_notify(w->rig.engine, client, &n);
  if (is(ev->name, "kick")) ump_engine_kick(w->rig.engine, client, ump_text("enough"));
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
static const struct ump_rulebook_ops rules = {.connect = on_connect,
                                              .judge = on_judge,
                                              .disconnect = on_disconnect,
                                              .login = idle_login,
                                              .tick = idle_tick,
                                              .timer = idle_timer,
                                              .timer_gone = idle_timer_gone,
                                              .forget = idle_forget};

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
    while (i < c->io.out_n && c->io.out[i] >= '0' && c->io.out[i] <= '9') n = n * 10 + (size_t)(c->io.out[i++] - '0');
    must(i - at <= 7);
    if (i >= c->io.out_n || i + 1 + n >= c->io.out_n) break;
    must(i > at && (c->io.out[at] != '0' || i == at + 1) && c->io.out[i] == ':' && c->io.out[i + 1 + n] == ',');
    look_at_message(c, ump_bytes(c->io.out + i + 1, n));
    at = i + n + 2;
  }
  if (at) memmove(c->io.out, c->io.out + at, c->io.out_n -= at);
}

/* ---- the driver ---- */

static void serve(struct world *w, uint32_t number) {
  rig_serve(&w->rig, &w->conns[number].io, number);
  look_at_output(&w->conns[number]);
}

static void settle(void *ctx) {
  struct world *w = ctx;
  uint32_t number;
  for (int i = 0; ump_engine_touched(w->rig.engine, 0, &number) == 1; i++) {
    must(i < 10000 && number < CONNS);
    if (w->conns[number].io.open) serve(w, number);
  }
  size_t most = 3 << 20; /* the engine's own, and the answers that are kept: 256 KiB each */
  for (int i = 0; i < CONNS; i++) most += w->conns[i].io.open ? 4 << 20 : 0;
  must(w->rig.bytes < most);
}

static void pass(struct world *w, ump_time t) {
  rig_pass(&w->rig, t, settle, w);
}

static void dial(struct world *w, uint32_t number, uint8_t host) {
  struct conn *c = &w->conns[number];
  if (c->io.open) return;
  *c = (struct conn){.io = c->io, .life = ++w->lives};
  rig_dial(&w->rig, &c->io, number, host);
}

static void input(struct world *w, uint32_t number, const uint8_t *p, size_t n) {
  struct conn *c = &w->conns[number];
  for (size_t i = 0; i < n; i++) c->commas += p[i] == ',';
  if (c->io.open && c->io.reading && n) ump_engine_input(w->rig.engine, 0, number, ump_bytes(p, n), w->rig.now);
}

static void say(struct world *w, uint32_t number, const char *payload, size_t n, uint8_t piece) {
  char *text = malloc(n + 16);
  size_t all = (size_t)sprintf(text, "%zu:", n);
  memcpy(text + all, payload, n);
  text[all + n] = ',', all += n + 1;
  size_t step = piece ? piece : all;
  for (size_t at = 0; at < all; at += step) {
    input(w, number, (uint8_t *)text + at, all - at < step ? all - at : step);
    if (!w->conns[number].io.reading) break;
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
  while ((c = ump_engine_next_client(w->rig.engine, c)) && c->session != number) {
  }
  for (int i = 0; i < 1 + how; i++)
    if (how & 8) ump_engine_broadcast(w->rig.engine, by_encoding, NULL);
  if (c && !(how & 8)) ump_engine_notify(w->rig.engine, c, &n);
  if (c && (how & 0x30) == 0x30) ump_engine_kick(w->rig.engine, c, ump_text("out"));
}

static void step(struct world *w) {
  uint8_t op = byte(w);
  uint32_t number = byte(w) % CONNS;
  struct conn *c = &w->conns[number];
  struct ump_bytes any;
  switch (op % 12) {
  case 0:
    dial(w, number, byte(w));
    break;
  case 1:
  case 2:
  case 3: /* any bytes: at once, one at a time, as the payload of a netstring */
    any = rig_bytes(&w->rig);
    if (op % 12 == 1) input(w, number, any.p, any.n);
    for (size_t i = 0; op % 12 == 2 && i < any.n; i++) input(w, number, any.p + i, 1);
    if (op % 12 == 3) say(w, number, (const char *)any.p, any.n, 0);
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
    if (!c->io.open || c->io.halted) break;
    c->io.halted = true, c->io.reading = false;
    ump_engine_eof(w->rig.engine, 0, number, w->rig.now);
    if (c->io.open) serve(w, number);
    break;
  case 9:
    rig_closed(&w->rig, &c->io, number);
    break;
  case 10:
    c->io.room = byte(w);
    c->io.room = c->io.room == 255 ? SIZE_MAX : c->io.room * 100;
    if (c->io.open) serve(w, number);
    break;
  case 11:
    tell(w, number, byte(w));
    break;
  }
  settle(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  struct world *w = calloc(1, sizeof *w);
  w->rules = (struct ump_rulebook){.ops = &rules, .self = w};
  rig_begin(&w->rig, data, n);
  rig_listen(&w->rig, &ump_laneya, (struct ump_proto_cfg){.limit = 5, .per_address = 3}, NULL);
  ump_engine_set_rulebook(w->rig.engine, &w->rules, w->rig.now);
  while (w->rig.p < w->rig.end) step(w);
  for (uint32_t i = 0; i < CONNS; i++) {
    rig_closed(&w->rig, &w->conns[i].io, i);
    free(w->conns[i].io.out);
  }
  must(w->clients == 0);
  rig_end(&w->rig);
  free(w);
  return 0;
}
