#include "jt_world.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/plain.h"
#include "idle_rules.h"
#include "proto/joint/joint.h"

/* ---- the rulebook ---- */

static void note(struct jt *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(struct jt *w, const char *format, ...) {
  va_list args;
  size_t room = sizeof w->trace - w->n_trace;
  va_start(args, format);
  int n = vsnprintf(w->trace + w->n_trace, room, format, args);
  va_end(args);
  if (n < 0 || (size_t)n + 2 > room) return; /* floods are counted by their tests */
  w->n_trace += (size_t)n;
  w->trace[w->n_trace++] = '\n';
  w->trace[w->n_trace] = 0;
}

static size_t number_of(const struct jt *w, const struct ump_client *c) {
  for (size_t i = 0; i < w->n_clients; i++)
    if (w->clients[i] == c) return i;
  return 9999;
}

static int on_connect(void *self, struct ump_client *c, struct ump_bytes *reason) {
  struct jt *w = self;
  if (w->refuse) {
    note(w, "refused %s", c->channel);
    *reason = ump_text(w->refuse);
    return 0;
  }
  if (w->n_clients < JT_CLIENTS) w->clients[w->n_clients++] = c;
  note(w, "connect %zu %s", number_of(w, c), c->channel);
  return 1;
}

static void show(const struct ump_bytes data, char *out, size_t cap) {
  struct ump_reader r = ump_reader(data);
  struct ump_plain v;
  size_t n = 0;
  out[0] = 0;
  while (ump_reader_left(&r) && n + 100 < cap && ump_plain_get(&r, &v)) {
    if (n) out[n++] = ' ';
    switch (v.tag) {
    case UMP_PLAIN_INT:
      n += (size_t)sprintf(out + n, "%lld", (long long)v.i);
      break;
    case UMP_PLAIN_FLOAT:
      n += (size_t)sprintf(out + n, "%g", v.f);
      break;
    case UMP_PLAIN_TRUE:
      n += (size_t)sprintf(out + n, "true");
      break;
    case UMP_PLAIN_FALSE:
      n += (size_t)sprintf(out + n, "false");
      break;
    case UMP_PLAIN_STRING:
      n += (size_t)(v.s.n <= 40 ? sprintf(out + n, "'%.*s'", (int)v.s.n, (const char *)v.s.p)
                                : sprintf(out + n, "%zu bytes", v.s.n));
      break;
    default:
      n += (size_t)sprintf(out + n, "%c%u", v.tag == UMP_PLAIN_ARRAY ? 'A' : 'M', v.count);
    }
  }
}

static int on_judge(void *self, struct ump_client *c, const struct ump_event *ev, struct ump_judgement *out) {
  struct jt *w = self;
  char data[512];
  out->verdict = w->illegal ? UMP_ILLEGAL : UMP_LEGAL;
  if (w->illegal) out->reason = ump_text(w->illegal);
  show(ev->data, data, sizeof data);
  note(w, "%zu %.*s %s", number_of(w, c), (int)ev->name.n, (const char *)ev->name.p, data);
  return w->judge ? w->judge(w, c, ev) : 0;
}

static int on_disconnect(void *self, struct ump_client *c, struct ump_bytes reason) {
  note(self, "disconnect %zu %.*s", number_of(self, c), (int)reason.n, (const char *)reason.p);
  return 0;
}
static void on_forget(void *self, struct ump_client *c) {
  struct jt *w = self;
  for (size_t i = 0; i < w->n_clients; i++)
    if (w->clients[i] == c) w->clients[i] = NULL;
}

static const struct ump_rulebook_ops rules = {.connect = on_connect,
                                              .judge = on_judge,
                                              .disconnect = on_disconnect,
                                              .login = idle_login,
                                              .tick = idle_tick,
                                              .timer = idle_timer,
                                              .timer_gone = idle_timer_gone,
                                              .forget = on_forget};

/* ---- life ---- */

static const struct ump_option *option_named(const char *name) {
  for (size_t i = 0; i < ump_joint.n_options; i++)
    if (strcmp(ump_joint.options[i].name, name) == 0) return &ump_joint.options[i];
  return NULL;
}

bool jt_make(struct jt *w, const struct jt_options *o) {
  struct ump_option_value v[] = {
      {.name = "origin"}, {.name = "unmasked"}, {.name = "users"}, {.name = "unsent"}, {.name = "payload"}};
  v[0].text = o->origin ? ump_text(o->origin) : ump_bytes(NULL, 0);
  v[1].number = o->unmasked;
  v[2].number = o->users ? o->users : strtoull(option_named("users")->fallback, NULL, 10);
  v[3].number = o->unsent ? o->unsent : strtoull(option_named("unsent")->fallback, NULL, 10);
  v[4].number = o->payload ? o->payload : strtoull(option_named("payload")->fallback, NULL, 10);
  testing_rng_init(&w->rng, 1);
  testing_log_init(&w->log);
  w->now = 1000 * UMP_S;
  w->rules = (struct ump_rulebook){.ops = &rules, .self = w};
  struct ump_engine_cfg cfg = {.mem = &w->mem.mem, .rng = &w->rng.rng, .log = &w->log.log};
  struct ump_proto_cfg proto = {
      .mem = &w->mem.mem, .rng = &w->rng.rng, .log = &w->log.log, .options = v, .n_options = 5};
  proto.limit = o->limit ? o->limit : 4096;
  proto.per_address = o->per_address ? o->per_address : ump_joint.per_address;
  w->engine = ump_engine_new(&cfg, w->now);
  if (!w->engine) return false;
  if (ump_engine_listen(w->engine, &ump_joint, &proto, 0, &w->listener, w->now) == 0) {
    ump_engine_set_rulebook(w->engine, &w->rules, w->now);
    return true;
  }
  ump_engine_free(w->engine);
  return false;
}

void jt_init_with(struct jt *w, const struct jt_options *o) {
  memset(w, 0, sizeof *w);
  testing_mem_init(&w->mem);
  jt_undeclared(w);
  assert_true(jt_make(w, o));
}

void jt_init(struct jt *w) {
  jt_init_with(w, &(struct jt_options){0});
}

void jt_drop(struct jt *w) {
  ump_engine_free(w->engine);
  for (size_t i = 0; i < JT_CONNS; i++) free(w->conns[i].out);
  testing_mem_assert_empty(&w->mem);
}

void jt_end(struct jt *w) {
  for (uint32_t i = 0; i < JT_CONNS; i++)
    if (w->conns[i].open) w->conns[i].stuck = false, jt_lost(w, i);
  w->n_trace = 0;
  assert_int_equal(ump_engine_load(w->engine), 0);
  ump_engine_set_rulebook(w->engine, NULL, w->now);
  jt_drop(w);
}

/* ---- bytes ---- */

static void keep(struct jt_conn *c, const uint8_t *p, size_t n) {
  if (c->n + n > c->cap) c->out = realloc(c->out, c->cap = 2 * (c->n + n) + 64);
  memcpy(c->out + c->n, p, n);
  c->n += n;
}

static void take(struct jt *w, uint32_t i, size_t most) {
  struct jt_conn *c = &w->conns[i];
  struct ump_bytes s[8];
  for (size_t n; most > 0 && (n = ump_engine_output(w->engine, w->listener, i, s, 8)) > 0;) {
    size_t taken = 0;
    for (size_t k = 0; k < n && taken < most; k++) {
      size_t part = s[k].n < most - taken ? s[k].n : most - taken;
      keep(c, s[k].p, part);
      taken += part;
    }
    most -= taken;
    ump_engine_sent(w->engine, w->listener, i, taken, w->now);
  }
}

static void serve(struct jt *w, uint32_t i) {
  struct jt_conn *c = &w->conns[i];
  struct ump_bytes s[1];
  if (!c->open) return;
  unsigned wants = ump_engine_wants(w->engine, w->listener, i);
  if (!(wants & UMP_WANTS_ABORT) && !c->stuck) take(w, i, SIZE_MAX);
  wants = ump_engine_wants(w->engine, w->listener, i);
  bool done = ump_engine_output(w->engine, w->listener, i, s, 1) == 0;
  if (!(wants & UMP_WANTS_ABORT) && !((wants & UMP_WANTS_CLOSE) && done)) return;
  c->open = false, c->closed = true;
  ump_engine_closed(w->engine, w->listener, i, w->now);
}

void jt_pump(struct jt *w) {
  uint32_t i;
  while (ump_engine_touched(w->engine, w->listener, &i)) serve(w, i);
}

bool jt_try_open(struct jt *w, uint32_t conn, unsigned last) {
  struct ump_addr from = {.family = 4, .port = (uint16_t)(10000 + conn)};
  from.ip[0] = 10, from.ip[2] = (uint8_t)(last >> 8), from.ip[3] = (uint8_t)last;
  assert_false(w->conns[conn].open);
  w->conns[conn].closed = w->conns[conn].stuck = false;
  w->conns[conn].n = 0;
  w->conns[conn].open = ump_engine_open(w->engine, w->listener, conn, &from, w->now) == 0;
  jt_pump(w);
  return w->conns[conn].open;
}

void jt_open(struct jt *w, uint32_t conn) {
  assert_true(jt_try_open(w, conn, conn));
}

void jt_send(struct jt *w, uint32_t conn, const void *p, size_t n) {
  const uint8_t *at = p;
  while (n && w->conns[conn].open) {
    size_t part = w->piece && w->piece < n ? w->piece : n;
    uint8_t *own = malloc(part); /* so that a sanitizer sees a read beyond */
    memcpy(own, at, part);
    ump_engine_input(w->engine, w->listener, conn, ump_bytes(own, part), w->now);
    free(own);
    jt_pump(w);
    at += part, n -= part;
  }
}

static size_t unhex(const char *hex, uint8_t *out) {
  size_t n = 0;
  for (; *hex; hex++) {
    if (isspace((unsigned char)*hex)) continue;
    char two[3] = {hex[0], hex[1], 0};
    out[n++] = (uint8_t)strtoul(two, NULL, 16);
    hex++;
  }
  return n;
}

void jt_hex(struct jt *w, uint32_t conn, const char *hex) {
  uint8_t *bytes = malloc(strlen(hex) / 2 + 1);
  size_t n = unhex(hex, bytes);
  jt_send(w, conn, bytes, n);
  free(bytes);
}

void jt_eof(struct jt *w, uint32_t conn) {
  if (!w->conns[conn].open) return;
  ump_engine_eof(w->engine, w->listener, conn, w->now);
  jt_pump(w);
}

void jt_lost(struct jt *w, uint32_t conn) {
  if (!w->conns[conn].open) return;
  w->conns[conn].open = false;
  ump_engine_closed(w->engine, w->listener, conn, w->now);
  jt_pump(w);
}

void jt_unstick(struct jt *w, uint32_t conn, size_t n) {
  take(w, conn, n);
  jt_pump(w);
}

void jt_advance(struct jt *w, ump_time by) {
  ump_time end = w->now + by;
  for (ump_time at; (at = ump_engine_deadline(w->engine)) <= end;) {
    if (at > w->now) w->now = at;
    ump_engine_expire(w->engine, w->now);
    jt_pump(w);
  }
  w->now = end;
  ump_engine_expire(w->engine, w->now);
  jt_pump(w);
}

/* ---- looking ---- */

void jt_sent_(struct jt *w, uint32_t conn, const char *hex, const char *file, int line) {
  struct jt_conn *c = &w->conns[conn];
  uint8_t *wanted = malloc(strlen(hex) / 2 + 1);
  size_t n = unhex(hex, wanted);
  if (n != c->n || (n && memcmp(wanted, c->out, n) != 0)) {
    print_error("%s:%d: connection %u was sent\n", file, line, conn);
    for (size_t i = 0; i < c->n && i < 200; i++) print_error("%02x ", c->out[i]);
    print_error("(%zu bytes), expected\n", c->n);
    for (size_t i = 0; i < n && i < 200; i++) print_error("%02x ", wanted[i]);
    print_error("(%zu bytes)\n", n);
    _fail(file, line);
  }
  free(wanted);
  c->n = 0;
}

bool jt_is_closed(struct jt *w, uint32_t conn) {
  return w->conns[conn].closed;
}
void jt_closed_(struct jt *w, uint32_t conn, const char *file, int line) {
  if (!w->conns[conn].closed) print_error("connection %u is open\n", conn), _fail(file, line);
}
bool jt_reads(struct jt *w, uint32_t conn) {
  return ump_engine_wants(w->engine, w->listener, conn) & UMP_WANTS_INPUT;
}
void jt_forget(struct jt *w, uint32_t conn) {
  w->conns[conn].n = 0;
}

void jt_trace_(struct jt *w, const char *file, int line, const char *const *lines) {
  static char wanted[JT_TRACE];
  size_t n = 0;
  wanted[0] = 0;
  for (; *lines; lines++) n += (size_t)snprintf(wanted + n, sizeof wanted - n, "%s\n", *lines);
  w->trace[w->n_trace] = 0;
  if (strcmp(wanted, w->trace) != 0) {
    print_error("%s:%d: expected\n%s-- but was --\n%s", file, line, wanted, w->trace);
    _fail(file, line);
  }
  w->n_trace = 0;
}

uint64_t jt_count(struct jt *w, const char *counter) {
  struct ump_counters c = ump_engine_listener_counters(w->engine, w->listener);
  for (size_t i = 0; i < c.n; i++)
    if (strcmp(c.names[i], counter) == 0) return c.counts[i];
  fail_msg("no counter %s", counter);
  return 0;
}

struct ump_client *jt_client(struct jt *w, size_t i) {
  assert_true(i < w->n_clients && w->clients[i]);
  return w->clients[i];
}

/* ---- declarations ---- */

void jt_undeclared(struct jt *w) {
  w->config = ump_writer(w->plain, sizeof w->plain);
  ump_plain_put_map(&w->config, 2);
  ump_plain_put_string(&w->config, ump_text("pymmorpg")); /* of others: passed over */
  ump_plain_put_map(&w->config, 0);
  ump_plain_put_string(&w->config, ump_text("channels"));
  ump_plain_put_map(&w->config, 0);
}

/* Puts the procedures behind `mark` of all objects: { [id] = { { name, type... }, ... } }. */
static unsigned put_remotes(struct ump_writer *out, const char *what, char mark) {
  unsigned n = 0, last = 999;
  for (const char *p = what; (p = strpbrk(p, ":<")); p++) {
    const char *id = p;
    while (id > what && isdigit((unsigned char)id[-1])) id--;
    unsigned number = (unsigned)strtoul(id, NULL, 10);
    if (*p != mark) {
      p = strchr(p, ')'); /* types may hold a < */
      continue;
    }
    if (number != last) {
      n++, last = number;
      unsigned procedures = 0;
      for (const char *q = p; q; q = strchr(q + 1, mark)) {
        const char *s = q;
        while (s > what && isdigit((unsigned char)s[-1])) s--;
        procedures += strtoul(s, NULL, 10) == number;
      }
      ump_plain_put_int(out, number);
      ump_plain_put_array(out, procedures);
    }
    const char *open = strchr(p, '('), *close = strchr(p, ')');
    unsigned words = 1, depth = 0;
    for (const char *q = open + 1; q < close; q++) {
      if (words == 1) words = 2;
      depth += *q == '<', depth -= *q == '>';
      if (*q == ',' && !depth) words++;
    }
    ump_plain_put_array(out, words);
    ump_plain_put_string(out, ump_bytes(p + 1, (size_t)(open - p - 1)));
    const char *start = open + 1;
    for (const char *q = start; words > 1 && q <= close; q++) {
      depth += *q == '<', depth -= *q == '>';
      if ((*q != ',' || depth) && q < close) continue;
      ump_plain_put_string(out, ump_bytes(start, (size_t)(q - start)));
      start = q + 1;
    }
    p = close;
  }
  return n;
}

void jt_channel(struct jt *w, const char *name, const char *what) {
  /* the count of channels stands behind its key; it is put again with one more */
  uint8_t scratch[4096];
  struct ump_writer fields = ump_writer(scratch, sizeof scratch), again;
  unsigned n = 0;
  char word[64];
  for (const char *p = what; sscanf(p, " %63[a-z_]", word) == 1;) {
    p = strchr(p, '=') + 1;
    char value[64];
    sscanf(p, "%63[^ ]", value);
    p += strlen(value);
    while (*p == ' ') p++;
    ump_plain_put_string(&fields, ump_text(word));
    if (isdigit((unsigned char)value[0]))
      ump_plain_put_int(&fields, strtoll(value, NULL, 10));
    else
      ump_plain_put_string(&fields, ump_text(value));
    n++;
    if (isdigit((unsigned char)*p)) break;
  }
  const char *procedures = strpbrk(what, ":<");
  for (int theirs = 0; procedures && theirs < 2; theirs++) {
    uint8_t remotes[2048];
    struct ump_writer r = ump_writer(remotes, sizeof remotes);
    const char *start = what + strcspn(what, ":<");
    while (start > what && isdigit((unsigned char)start[-1])) start--;
    unsigned objects = put_remotes(&r, start, theirs ? '<' : ':');
    if (!objects) continue;
    ump_plain_put_string(&fields, ump_text(theirs ? "client_remotes" : "remotes"));
    ump_plain_put_map(&fields, objects);
    ump_write_bytes(&fields, ump_written(&r));
    n++;
  }
  struct ump_reader r = ump_reader(ump_written(&w->config));
  struct ump_plain v;
  for (int i = 0; i < 4; i++) ump_plain_get(&r, &v); /* map, pymmorpg, {}, channels */
  again = ump_writer((uint8_t *)(uintptr_t)r.p, 16);
  ump_plain_get(&r, &v);
  ump_plain_put_map(&again, v.count + 1);
  ump_plain_put_string(&w->config, ump_text(name));
  ump_plain_put_map(&w->config, n);
  ump_write_bytes(&w->config, ump_written(&fields));
  assert_false(w->config.full || fields.full);
}

void jt_declare(struct jt *w) {
  w->rules.config = ump_written(&w->config);
  ump_engine_set_rulebook(w->engine, &w->rules, w->now);
  ump_engine_expire(w->engine, w->now);
  jt_pump(w);
}

/* ---- what the rulebook does ---- */

int jt_notify_bytes(struct jt *w, struct ump_client *c, const char *bytes, size_t n) {
  uint8_t *plain = malloc(n + 16);
  struct ump_writer p = ump_writer(plain, n + 16);
  ump_plain_put_string(&p, ump_bytes(bytes, n));
  struct ump_notice notice = {.has_data = true, .data = ump_written(&p)};
  int err = ump_engine_notify(w->engine, c, &notice);
  free(plain);
  jt_pump(w);
  return err;
}

int jt_call(struct jt *w, struct ump_client *c, const char *name, const struct ump_writer *plain) {
  struct ump_notice notice = {.has_name = true, .name = ump_text(name), .has_data = plain != NULL};
  const struct ump_notice *by[3] = {NULL, NULL, &notice};
  if (plain) notice.data = ump_written(plain);
  int err = c ? ump_engine_notify(w->engine, c, &notice) : ump_engine_broadcast(w->engine, by, NULL);
  jt_pump(w);
  return err;
}
