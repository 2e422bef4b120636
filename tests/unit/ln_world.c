/* See ln_world.h. */
#include "ln_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "idle_rules.h"

/* ---- the rulebook ---- */

static bool is(struct ump_bytes b, const char *text) {
  return ump_bytes_equal(b, ump_text(text));
}

static bool begins(struct ump_bytes b, const char *text) {
  return b.n >= strlen(text) && memcmp(b.p, text, strlen(text)) == 0;
}

static int on_connect(void *self, struct ump_client *c, struct ump_bytes *reason) {
  struct ln_world *w = self;
  (void)c;
  *reason = ump_text("closed today");
  w->connects += !w->refuse;
  return !w->refuse;
}

static void note(struct ln_world *w, const struct ump_client *c, struct ump_bytes action) {
  w->executed++;
  size_t left = sizeof w->done - w->done_n;
  int n =
      snprintf(w->done + w->done_n, left, "%s %.*s\n", c->name ? c->name : "-", (int)action.n, (const char *)action.p);
  if (n > 0 && (size_t)n < left) w->done_n += (size_t)n;
}

static void effects(struct ln_world *w, struct ump_client *c, struct ump_bytes action) {
  char data[100];
  snprintf(data, sizeof data, "{\"by\": \"%s\"}", c->name ? c->name : "-");
  struct ump_notice n = {.has_name = true, .has_data = true, .name = ump_text("shouted"), .data = ump_text(data)};
  const struct ump_notice *by_encoding[3] = {[UMP_JSON] = &n};
  if (is(action, "shout")) ump_engine_broadcast(w->engine, by_encoding, NULL);
  if (is(action, "tell")) ump_engine_notify(w->engine, c, &n);
  if (is(action, "kick")) ump_engine_kick(w->engine, c, ump_text("enough"));
}

static struct ump_bytes big(struct ln_world *w) {
  free(w->big_text);
  w->big_text = malloc(w->big + 1);
  memset(w->big_text, 'x', w->big);
  memcpy(w->big_text, "{\"a\": \"", 7);
  memcpy(w->big_text + w->big - 2, "\"}", 2);
  return ump_bytes(w->big_text, w->big);
}

static int on_judge(void *self, struct ump_client *c, const struct ump_event *ev, struct ump_judgement *out) {
  struct ln_world *w = self;
  assert_true(ev->has_name && ev->has_data && ev->encoding == UMP_JSON && ev->data.n >= 2 && ev->data.p[0] == '{');
  *out = (struct ump_judgement){.verdict = UMP_LEGAL};
  if (w->judge) return w->judge(w, c, ev, out);
  if (is(ev->name, "boom")) return -1;
  if (begins(ev->name, "bad")) return out->verdict = UMP_ILLEGAL, out->reason = ump_text("too far"), 0;
  if (begins(ev->name, "mute")) return out->verdict = UMP_ILLEGAL, 0;
  if (begins(ev->name, "wrong")) return out->verdict = UMP_INVALID, out->reason = ump_text("no such thing"), 0;
  note(w, c, ev->name);
  effects(w, c, ev->name);
  if (is(ev->name, "echo")) out->data = ev->data;
  if (is(ev->name, "list")) out->data = ump_text("[1, 2]");
  if (is(ev->name, "text")) out->data = ump_text("\"word\"");
  if (is(ev->name, "big")) out->data = big(w);
  return 0;
}

static int on_disconnect(void *self, struct ump_client *c, struct ump_bytes reason) {
  struct ln_world *w = self;
  (void)c;
  w->disconnects++;
  snprintf(w->reason, sizeof w->reason, "%.*s", (int)reason.n, (const char *)reason.p);
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

/* ---- life ---- */

bool ln_make(struct ln_world *w, struct ln_cfg cfg) {
  testing_log_init(&w->log);
  testing_rng_init(&w->rng, 7);
  w->now = 1000 * UMP_S;
  w->rules = (struct ump_rulebook){.ops = &rules, .self = w};
  struct ump_engine_cfg ec = {.mem = &w->mem.mem, .rng = &w->rng.rng, .log = &w->log.log};
  if (!(w->engine = ump_engine_new(&ec, w->now))) return false;
  const struct ump_option_value options[] = {{.name = "payload", .number = cfg.payload ? cfg.payload : 1 << 20},
                                             {.name = "unsent", .number = cfg.unsent ? cfg.unsent : 1 << 20},
                                             {.name = "batch", .number = cfg.batch ? cfg.batch : 64}};
  struct ump_proto_cfg pc = {.options = options,
                             .n_options = 3,
                             .mem = &w->mem.mem,
                             .rng = &w->rng.rng,
                             .log = &w->log.log,
                             .limit = cfg.limit ? cfg.limit : 4096,
                             .per_address = cfg.per_address ? cfg.per_address : 64};
  if (ump_engine_listen(w->engine, &ump_laneya, &pc, 10, &w->listener, w->now) != 0) return false;
  ump_engine_set_rulebook(w->engine, &w->rules, w->now);
  return true;
}

void ln_open(struct ln_world *w, struct ln_cfg cfg) {
  memset(w, 0, sizeof *w);
  testing_mem_init(&w->mem);
  assert_true(ln_make(w, cfg));
}

void ln_close(struct ln_world *w) {
  testing_mem_fail(&w->mem, 0, false);
  for (uint32_t i = 0; i < LN_CONNS; i++) {
    if (w->conns[i].open) ln_gone(w, i);
    free(w->conns[i].out);
  }
  if (w->engine) assert_int_equal(ump_engine_load(w->engine), 0);
  assert_int_equal(w->connects, w->disconnects);
  ump_engine_free(w->engine);
  free(w->big_text);
  testing_mem_assert_empty(&w->mem);
}

/* ---- the driver ---- */

static void put(struct ln_conn *c, const void *p, size_t n) {
  if (c->n + n > c->cap) c->out = realloc(c->out, c->cap = (c->n + n) * 2);
  memcpy(c->out + c->n, p, n);
  c->n += n;
}

static bool write_out(struct ln_world *w, uint32_t conn) {
  struct ln_conn *c = &w->conns[conn];
  for (;;) {
    struct ump_bytes s[5];
    size_t total = 0, n = ump_engine_output(w->engine, w->listener, conn, s, 5);
    for (size_t i = 0; i < n && c->room > 0; i++) {
      size_t part = s[i].n < c->room ? s[i].n : c->room;
      put(c, s[i].p, part);
      if (c->room != SIZE_MAX) c->room -= part;
      total += part;
    }
    if (total == 0) return n == 0;
    ump_engine_sent(w->engine, w->listener, conn, total, w->now);
  }
}

static void serve(struct ln_world *w, uint32_t conn) {
  struct ln_conn *c = &w->conns[conn];
  unsigned wants = ump_engine_wants(w->engine, w->listener, conn);
  bool all = (wants & UMP_WANTS_ABORT) || write_out(w, conn);
  wants = ump_engine_wants(w->engine, w->listener, conn);
  c->reading = wants & UMP_WANTS_INPUT;
  if (!(wants & UMP_WANTS_ABORT) && !((wants & UMP_WANTS_CLOSE) && all)) return;
  c->reset = wants & UMP_WANTS_ABORT, c->ended = !c->reset;
  c->open = c->reading = false;
  ump_engine_closed(w->engine, w->listener, conn, w->now);
}

void ln_flush(struct ln_world *w) {
  uint32_t conn;
  while (ump_engine_touched(w->engine, w->listener, &conn) == 1)
    if (conn < LN_CONNS && w->conns[conn].open) serve(w, conn);
}

bool ln_dial(struct ln_world *w, uint32_t conn, unsigned host) {
  struct ump_addr from = {
      .family = 4, .ip = {10, 0, (uint8_t)(host >> 8), (uint8_t)host}, .port = (uint16_t)(40000 + conn)};
  struct ln_conn *c = &w->conns[conn];
  assert_false(c->open);
  free(c->out);
  *c = (struct ln_conn){.room = SIZE_MAX};
  if (ump_engine_open(w->engine, w->listener, conn, &from, w->now) < 0) return false;
  c->open = c->reading = true;
  ln_flush(w);
  return true;
}

void ln_in(struct ln_world *w, uint32_t conn, const void *p, size_t n) {
  if (!w->conns[conn].open) return;
  ump_engine_input(w->engine, w->listener, conn, ump_bytes(p, n), w->now);
  ln_flush(w);
}

void ln_split(struct ln_world *w, uint32_t conn, const void *p, size_t n, size_t piece) {
  for (size_t at = 0; at < n; at += piece) ln_in(w, conn, (const char *)p + at, n - at < piece ? n - at : piece);
}

void ln_say(struct ln_world *w, uint32_t conn, const char *payload) {
  size_t n = strlen(payload);
  char *text = malloc(n + 32);
  int head = sprintf(text, "%zu:", n);
  memcpy(text + head, payload, n);
  text[head + (int)n] = ',';
  ln_in(w, conn, text, (size_t)head + n + 1);
  free(text);
}

void ln_ask(struct ln_world *w, uint32_t conn, const char *key, const char *user, const char *action,
            const char *data) {
  size_t cap = strlen(key) + strlen(user) + strlen(action) + strlen(data) + 100;
  char *text = malloc(cap);
  snprintf(text, cap, "{\"type\": \"request\", \"key\": %s, \"user\": \"%s\", \"action\": \"%s\", \"data\": %s}", key,
           user, action, data);
  ln_say(w, conn, text);
  free(text);
}

void ln_eof(struct ln_world *w, uint32_t conn) {
  ump_engine_eof(w->engine, w->listener, conn, w->now);
  ln_flush(w);
  if (w->conns[conn].open) serve(w, conn);
}

void ln_gone(struct ln_world *w, uint32_t conn) {
  if (!w->conns[conn].open) return;
  w->conns[conn].open = false;
  ump_engine_closed(w->engine, w->listener, conn, w->now);
  ln_flush(w);
}

void ln_read(struct ln_world *w, uint32_t conn, size_t room) {
  w->conns[conn].room = room;
  if (w->conns[conn].open) serve(w, conn);
  ln_pass(w, 0); /* what waited for room is looked at in the next turn */
}

void ln_pass(struct ln_world *w, ump_time t) {
  ump_time until = w->now + t;
  for (ump_time next; (next = ump_engine_deadline(w->engine)) <= until;) {
    if (next > w->now) w->now = next;
    ump_engine_expire(w->engine, w->now);
    ln_flush(w);
    assert_true(ump_engine_deadline(w->engine) > next || next < w->now); /* it did something about it */
  }
  w->now = until;
}

/* ---- looking ---- */

static size_t taken;

size_t ln_taken(const struct ln_world *w) {
  return (void)w, taken;
}

const char *ln_take(struct ln_world *w, uint32_t conn) {
  struct ln_conn *c = &w->conns[conn];
  if (c->at == c->n) return NULL;
  size_t n = 0, i = c->at;
  assert_true(c->out[i] != '0' || c->out[i + 1] == ':');
  for (; i < c->n && c->out[i] >= '0' && c->out[i] <= '9'; i++) n = n * 10 + (size_t)(c->out[i] - '0');
  if (i == c->n || i + 1 + n >= c->n) return NULL; /* not whole yet */
  assert_int_equal(c->out[i], ':');
  assert_true(n <= 1 << 20);
  memcpy(w->message, c->out + i + 1, n);
  w->message[n] = 0;
  assert_int_equal(c->out[i + 1 + n], ',');
  c->at = i + n + 2;
  taken = n;
  return w->message;
}

void ln_expect(struct ln_world *w, uint32_t conn, const char *payload) {
  const char *got = ln_take(w, conn);
  if (!got) fail_msg("expected %s, got nothing", payload);
  assert_string_equal(got, payload);
}

void ln_expect_status(struct ln_world *w, uint32_t conn, const char *key, const char *status) {
  char head[400];
  const char *got = ln_take(w, conn);
  snprintf(head, sizeof head, "{\"type\": \"response\", \"key\": %s, \"status\": \"%s\", \"data\": {\"message\": \"",
           key, status);
  if (!got) fail_msg("expected %s, got nothing", head);
  if (strncmp(got, head, strlen(head)) != 0) fail_msg("expected %s, got %s", head, got);
  assert_int_not_equal(got[strlen(head)], '"'); /* the message is never empty */
}

void ln_expect_nothing(struct ln_world *w, uint32_t conn) {
  const char *got = ln_take(w, conn);
  if (got) fail_msg("expected nothing, got %s", got);
}

void ln_expect_done(struct ln_world *w, const char *lines) {
  assert_string_equal(w->done, lines);
  w->done_n = 0;
  w->done[0] = 0;
}

uint64_t ln_count(struct ln_world *w, const char *counter) {
  struct ump_counters c = ump_engine_listener_counters(w->engine, w->listener);
  for (size_t i = 0; i < c.n; i++)
    if (strcmp(c.names[i], counter) == 0) return c.counts[i];
  fail_msg("no counter %s", counter);
  return 0;
}
