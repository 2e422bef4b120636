#include "pm_world.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/plain.h"
#include "codec/pickle.h"
#include "proto/pymmorpg/pymmorpg.h"

const char PM_RULES[] = "local host = require 'umpire'\n"
                        "local r = { api = 1, pymmorpg = { version = '1.2.3' } }\n"
                        "local who = {}\n"
                        "local function of(name)\n"
                        "  who[name] = who[name] or { hp = 100, pos = host.array { 0, 0, 0 } }\n"
                        "  return who[name]\n"
                        "end\n"
                        "function r.legal(client, event)\n"
                        "  if event.name == 'set' and event.data[1] ~= client.name then return false, 'not yours' end\n"
                        "  return true\n"
                        "end\n"
                        "local run = {}\n"
                        "function run.update(client)\n"
                        "  return { { name = client.name, pos = of(client.name).pos, visual = 'hero' } }\n"
                        "end\n"
                        "function run.move(client, data)\n"
                        "  local pos = of(client.name).pos\n"
                        "  for i = 1, 3 do pos[i] = pos[i] + data[1][i] end\n"
                        "end\n"
                        "function run.get(_, data) return of(data[1])[data[2]] end\n"
                        "function run.set(_, data)\n"
                        "  local it = of(data[1])\n"
                        "  it[data[2]] = data.relative and it[data[2]] + data[3] or data[3]\n"
                        "end\n"
                        "function run.edit(_, data) host.broadcast(data[1][1]) end\n"
                        "function r.execute(client, event) return run[event.name](client, event.data) end\n"
                        "return r\n";

/* ---- accounts ---- */

static int know(struct pm_world *w, const struct ump_account_question *q) {
  size_t i = 0;
  while (i < w->n_accounts && !ump_bytes_equal(ump_text(w->accounts[i].name), q->name)) i++;
  if (q->create) {
    if (i < w->n_accounts) return 0;
    assert_true(w->n_accounts < PM_ACCOUNTS);
    memcpy(w->accounts[i].name, q->name.p, q->name.n), w->accounts[i].name[q->name.n] = 0;
    memcpy(w->accounts[i].password, q->password.p, q->password.n), w->accounts[i].password[q->password.n] = 0;
    w->n_accounts++;
    return 1;
  }
  return i < w->n_accounts && ump_bytes_equal(ump_text(w->accounts[i].password), q->password);
}

static int ask(void *self, const struct ump_account_question *q) {
  struct pm_world *w = self;
  w->asked++;
  if (w->broken) return w->broken;
  int answer = know(w, q);
  if (!w->slow) return answer;
  assert_true(w->n_waiting < 64);
  w->waiting[w->n_waiting].ticket = q->ticket, w->waiting[w->n_waiting++].answer = answer;
  return UMP_EAGAIN;
}

void pm_answer(struct pm_world *w) {
  assert_true(w->n_waiting > 0);
  uint64_t ticket = w->waiting[0].ticket;
  int answer = w->waiting[0].answer;
  memmove(w->waiting, w->waiting + 1, --w->n_waiting * sizeof *w->waiting);
  ump_engine_account_answer(w->engine, ticket, answer, w->now);
  pm_serve(w);
}

/* ---- life ---- */

static ump_time clock_now(void *ctx) {
  return ((struct pm_world *)ctx)->now;
}
static int64_t clock_wall(void *ctx) {
  return (void)ctx, 1700000000;
}

void pm_file(struct pm_world *w, const char *name, const char *text) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s", w->folder, name);
  for (char *slash = path + strlen(w->folder) + 1; (slash = strchr(slash, '/')); *slash++ = '/')
    *slash = 0, mkdir(path, 0700);
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  fwrite(text, 1, strlen(text), f);
  fclose(f);
}

void pm_book(struct pm_world *w, const char *rules) {
  pm_file(w, "game.lua", rules);
}

static void prepare(struct pm_world *w) {
  memset(w, 0, sizeof *w);
  testing_rng_init(&w->rng, 7);
  testing_log_init(&w->log);
  strcpy(w->folder, "/tmp/umpire-pm-XXXXXX");
  assert_non_null(mkdtemp(w->folder));
  snprintf(w->path, sizeof w->path, "%s/game.lua", w->folder);
  w->now = UMP_S;
  w->face = (struct ump_accounts){ask, w};
}

static bool build(struct pm_world *w) {
  struct ump_engine_cfg cfg = {.mem = &w->mem.mem, .rng = &w->rng.rng, .log = &w->log.log};
  uint32_t index;
  w->engine = ump_engine_new(&cfg, w->now);
  if (!w->engine) return false;
  ump_engine_set_accounts(w->engine, &w->face);
  w->proto = (struct ump_proto_cfg){
      .mem = &w->mem.mem, .rng = &w->rng.rng, .log = &w->log.log, .limit = 64, .per_address = 64};
  if (ump_engine_listen(w->engine, &ump_pymmorpg, &w->proto, 10, &index, w->now)) return false;
  w->cfg = (struct ump_rules_cfg){.path = w->path, .engine = w->engine};
  w->cfg.vm = (struct ump_vm_cfg){.library = SOURCE_DIR "/scripts",
                                  .log = &w->log.log,
                                  .rng = w->rng.rng,
                                  .now = clock_now,
                                  .wall = clock_wall,
                                  .clock_ctx = w};
  w->rules = ump_rules_open(&w->cfg, ump_bytes(NULL, 0), 0, w->now, &w->report);
  return w->rules != NULL;
}

bool pm_make(struct pm_world *w, const char *rules) {
  struct testing_mem mem = w->mem;
  prepare(w);
  w->mem = mem;
  w->mem.mem.ctx = &w->mem;
  pm_book(w, rules);
  return build(w);
}

void pm_start(struct pm_world *w, const char *rules) {
  prepare(w);
  testing_mem_init(&w->mem);
  pm_book(w, rules);
  if (!build(w)) fail_msg("%s", w->report.text);
}

bool pm_reload(struct pm_world *w) {
  ump_report_free(&w->report);
  bool ok = ump_rules_reload(w->rules, w->now, &w->report);
  pm_serve(w);
  return ok;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
  (void)st, (void)type, (void)ftw;
  return remove(path);
}

void pm_drop(struct pm_world *w) {
  ump_rules_close(w->rules);
  if (w->engine) ump_engine_free(w->engine);
  ump_report_free(&w->report);
  for (uint32_t i = 0; i < PM_CONNS; i++) free(w->conn[i].out);
  nftw(w->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  testing_mem_assert_empty(&w->mem);
}

void pm_end(struct pm_world *w) {
  for (uint32_t i = 0; i < PM_CONNS; i++)
    if (w->conn[i].open) pm_close(w, i);
  assert_int_equal(ump_engine_n_clients(w->engine), 0);
  assert_int_equal(ump_engine_load(w->engine), 0);
  pm_drop(w);
}

/* ---- the wire ---- */

static void let_go(struct pm_world *w, uint32_t conn) {
  w->conn[conn].open = false;
  ump_engine_closed(w->engine, 0, conn, w->now);
}

static void take_output(struct pm_world *w, uint32_t id) {
  struct pm_conn *c = &w->conn[id];
  struct ump_bytes s[4];
  size_t n;
  while (!c->deaf && (n = ump_engine_output(w->engine, 0, id, s, 4)) > 0) {
    size_t total = 0;
    if (!c->out) c->out = malloc(PM_OUT);
    for (size_t i = 0; i < n; i++) {
      assert_true(c->n_out + s[i].n <= PM_OUT);
      memcpy(c->out + c->n_out, s[i].p, s[i].n);
      c->n_out += s[i].n, total += s[i].n;
    }
    ump_engine_sent(w->engine, 0, id, total, w->now);
  }
  unsigned wants = ump_engine_wants(w->engine, 0, id);
  bool written = !ump_engine_output(w->engine, 0, id, s, 4);
  if ((wants & UMP_WANTS_ABORT) || ((wants & UMP_WANTS_CLOSE) && written)) {
    c->closed = true;
    let_go(w, id);
  }
}

void pm_serve(struct pm_world *w) {
  uint32_t id;
  while (ump_engine_touched(w->engine, 0, &id))
    if (w->conn[id].open) take_output(w, id);
}

int pm_open(struct pm_world *w, uint32_t id) {
  struct ump_addr from = {.family = 4, .ip = {10, 0, 0, (uint8_t)id}, .port = (uint16_t)(1000 + id)};
  free(w->conn[id].out);
  w->conn[id] = (struct pm_conn){0};
  int err = ump_engine_open(w->engine, 0, id, &from, w->now);
  w->conn[id].open = err == 0;
  pm_serve(w);
  return err;
}

void pm_send(struct pm_world *w, uint32_t id, const void *bytes, size_t n) {
  if (!w->conn[id].open) return;
  ump_engine_input(w->engine, 0, id, ump_bytes(bytes, n), w->now);
  pm_serve(w);
}

void pm_eof(struct pm_world *w, uint32_t id) {
  ump_engine_eof(w->engine, 0, id, w->now);
  pm_serve(w);
}

void pm_close(struct pm_world *w, uint32_t id) {
  let_go(w, id);
  pm_serve(w);
}

void pm_advance(struct pm_world *w, ump_time by) {
  ump_time until = w->now + by;
  for (ump_time at; (at = ump_engine_deadline(w->engine)) <= until;) {
    if (at > w->now) w->now = at;
    ump_engine_expire(w->engine, w->now);
    pm_serve(w);
  }
  w->now = until;
}

uint64_t pm_count(struct pm_world *w, const char *counter) {
  struct ump_counters c = ump_engine_listener_counters(w->engine, 0);
  for (size_t i = 0; i < c.n; i++)
    if (!strcmp(c.names[i], counter)) return c.counts[i];
  fail_msg("no counter %s", counter);
  return 0;
}

/* ---- from Python's print to a pickle of protocol 2 ---- */

static const char *put(struct ump_writer *w, const char *s);

static const char *over_blanks(const char *s) {
  while (*s == ' ' || *s == ',' || *s == ':') s++;
  return s;
}

static const char *put_items(struct ump_writer *w, const char *s, char end, char op) {
  ump_pickle_put(w, '(');
  for (s = over_blanks(s); *s != end; s = over_blanks(s)) {
    assert_true(*s);
    s = put(w, s);
  }
  ump_pickle_put(w, (uint8_t)op);
  return s + 1;
}

static const char *put(struct ump_writer *w, const char *s) {
  if (*s == '[') return ump_pickle_put(w, ']'), put_items(w, s + 1, ']', 'e');
  if (*s == '{') return ump_pickle_put(w, '}'), put_items(w, s + 1, '}', 'u');
  if (*s == '(') return put_items(w, s + 1, ')', 't');
  if (*s == '\'') {
    const char *end = strchr(s + 1, '\'');
    ump_pickle_put_text(w, ump_bytes(s + 1, (size_t)(end - s - 1)));
    return end + 1;
  }
  if (!strncmp(s, "True", 4)) return ump_pickle_put(w, 0x88), s + 4;
  if (!strncmp(s, "False", 5)) return ump_pickle_put(w, 0x89), s + 5;
  if (!strncmp(s, "None", 4)) return ump_pickle_put(w, 'N'), s + 4;
  char *end;
  double f = strtod(s, &end);
  if (memchr(s, '.', (size_t)(end - s)) || f != f || f - f != 0)
    ump_pickle_put_float(w, f);
  else
    ump_pickle_put_int(w, strtoll(s, NULL, 10));
  assert_true(end > s);
  return end;
}

size_t pm_pickle(const char *python, uint8_t *out, size_t cap) {
  static uint8_t body[1 << 16];
  struct ump_writer w = ump_writer(body, sizeof body), all = ump_writer(out, cap);
  ump_pickle_begin(&w);
  put(&w, python);
  ump_pickle_end(&w);
  ump_write_decimal(&all, (int64_t)w.n);
  ump_write_u8(&all, ' ');
  ump_write_bytes(&all, ump_written(&w));
  assert_false(w.full || all.full);
  return all.n;
}

void pm_ask(struct pm_world *w, uint32_t conn, const char *python) {
  static uint8_t message[1 << 16];
  pm_send(w, conn, message, pm_pickle(python, message, sizeof message));
}

/* ---- and back ---- */

struct item {
  char *text;
};

static int by_text(const void *a, const void *b) {
  return strcmp(((const struct item *)a)->text, ((const struct item *)b)->text);
}

static char *print(struct ump_reader *r, bool sorted);

static char *join(struct item *items, size_t n, const char *open, const char *close, bool lonely) {
  size_t len = 8;
  for (size_t i = 0; i < n; i++) len += strlen(items[i].text) + 2;
  char *out = malloc(len), *at = out + sprintf(out, "%s", open);
  for (size_t i = 0; i < n; i++) {
    at += sprintf(at, "%s%s", i ? ", " : "", items[i].text);
    free(items[i].text);
  }
  sprintf(at, "%s%s", lonely && n == 1 ? "," : "", close);
  free(items);
  return out;
}

static char *print_container(struct ump_reader *r, const struct ump_plain *v, bool sorted) {
  bool map = v->tag == UMP_PLAIN_MAP, tuple = v->tag == UMP_PLAIN_TUPLE;
  struct item *items = calloc(v->count + 1, sizeof *items);
  for (uint32_t i = 0; i < v->count; i++) {
    items[i].text = print(r, sorted);
    if (!map) continue;
    char *key = items[i].text, *value = print(r, sorted);
    items[i].text = malloc(strlen(key) + strlen(value) + 4);
    sprintf(items[i].text, "%s: %s", key, value);
    free(key), free(value);
  }
  if (map || (sorted && !tuple)) qsort(items, v->count, sizeof *items, by_text);
  return join(items, v->count, map ? "{" : tuple ? "(" : "[", map ? "}" : tuple ? ")" : "]", tuple);
}

static char *print(struct ump_reader *r, bool sorted) {
  struct ump_plain v;
  assert_true(ump_plain_get(r, &v));
  if (v.tag >= UMP_PLAIN_ARRAY) return print_container(r, &v, sorted);
  char *out = malloc(v.s.n * 4 + 64);
  switch (v.tag) {
  case UMP_PLAIN_TRUE:
    strcpy(out, "True");
    break;
  case UMP_PLAIN_FALSE:
    strcpy(out, "False");
    break;
  case UMP_PLAIN_INT:
    sprintf(out, "%lld", (long long)v.i);
    break;
  case UMP_PLAIN_FLOAT:
    sprintf(out, "%.17g", v.f);
    break;
  case UMP_PLAIN_STRING: {
    char *at = out;
    *at++ = '\'';
    for (size_t i = 0; i < v.s.n; i++) {
      if (v.s.p[i] < 0x20 || v.s.p[i] >= 0x7f)
        at += sprintf(at, "\\x%02x", v.s.p[i]);
      else
        *at++ = (char)v.s.p[i];
    }
    strcpy(at, "'");
    break;
  }
  default:
    strcpy(out, "None");
  }
  return out;
}

size_t pm_print(struct ump_bytes plain, bool sorted, char *out, size_t cap) {
  struct ump_reader r = ump_reader(plain);
  char *text = print(&r, sorted);
  size_t n = (size_t)snprintf(out, cap, "%s", text);
  assert_true(n < cap);
  free(text);
  return n;
}

const char *pm_print_stream(struct pm_world *w, struct ump_bytes in, bool sorted) {
  static char text[4 << 20];
  size_t n = 0, at = 0;
  text[0] = 0;
  (void)w;
  while (at < in.n) {
    struct ump_blob *value = NULL;
    char *end;
    size_t size = strtoul((const char *)in.p + at, &end, 10), head = (size_t)(end - ((const char *)in.p + at)) + 1;
    assert_true(size > 0 && *end == ' ' && at + head + size <= in.n);
    assert_int_equal(ump_pickle_decode(&ump_mem_libc, ump_bytes(in.p + at + head, size), &value, NULL), 0);
    n += (size_t)sprintf(text + n, "%s", n ? " | " : "");
    n += pm_print(ump_bytes(value->p, value->n), sorted, text + n, sizeof text - n);
    ump_blob_unref(value);
    at += head + size;
  }
  return text;
}

const char *pm_heard(struct pm_world *w, uint32_t id) {
  struct pm_conn *c = &w->conn[id];
  char *text = (char *)(uintptr_t)pm_print_stream(w, ump_bytes(c->out ? c->out : (const uint8_t *)"", c->n_out), false);
  c->n_out = 0;
  if (c->closed) strcat(text, *text ? " | closed" : "closed");
  return text;
}
