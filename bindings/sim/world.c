#include "world.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/joint/joint.h"
#include "proto/laneya/laneya.h"
#include "proto/neteria/neteria.h"
#include "proto/pygase/pygase.h"
#include "proto/pymmorpg/pymmorpg.h"
#include "serve.h"
#include "stream.h"

static const struct ump_proto_ops *const protocols[] = {&ump_neteria, &ump_pygase, &ump_laneya, &ump_joint,
                                                        &ump_pymmorpg};

/* An engine that is told "your deadline has passed" so often without the clock moving will not do anything about it. */
#define STUCK_AFTER 100000

/* ---- what a world is handed ---- */

static void *resize(void *ctx, void *p, size_t old_n, size_t n) {
  struct ump_sim_world *w = ctx;
  void *q = NULL;
  if (n == 0) {
    free(p);
  } else if (!(q = realloc(p, n))) {
    return NULL;
  }
  w->used.blocks += (size_t)(p == NULL && n > 0);
  w->used.blocks -= (size_t)(p != NULL && n == 0);
  w->used.bytes += n;
  w->used.bytes -= p ? old_n : 0;
  if (w->used.bytes > w->used.peak) w->used.peak = w->used.bytes;
  return q;
}

static ump_time clock_now(void *ctx) {
  return ((struct ump_sim_world *)ctx)->now;
}
static int64_t clock_wall(void *ctx) {
  return UMP_SIM_EPOCH + ((struct ump_sim_world *)ctx)->now / UMP_S;
}

static bool room_for_line(struct ump_sim_world *w) {
  if (w->n_lines < w->cap_lines) return true;
  if (w->cap_lines >= UMP_SIM_LOG_LINES) return false;
  size_t cap = w->cap_lines ? w->cap_lines * 2 : 64;
  void *p = realloc(w->lines, cap * sizeof *w->lines);
  if (!p) return false;
  w->lines = p, w->cap_lines = cap;
  return true;
}

static void write_log(void *ctx, const struct ump_log_line *line) {
  struct ump_sim_world *w = ctx;
  char from[UMP_ADDR_TEXT + 1] = "";
  size_t n_from = line->from ? ump_addr_print(line->from, from) : 0;
  size_t n = line->text.n + (n_from ? n_from + 1 : 0);
  char *text = room_for_line(w) ? malloc(n + 1) : NULL;
  if (!text) {
    w->dropped_lines++;
    return;
  }
  if (n_from) memcpy(text, from, n_from), text[n_from] = ' ';
  if (line->text.n) memcpy(text + (n - line->text.n), line->text.p, line->text.n);
  text[n] = 0;
  w->lines[w->n_lines++] = (struct ump_sim_line){line->level, w->now, line->cause, n, text};
}

static void draw(struct ump_sim_world *w, void *out, size_t n, const struct ump_rng *then) {
  size_t left = w->n_chance - w->drawn, taken = n < left ? n : left;
  if (taken) memcpy(out, w->chance + w->drawn, taken);
  w->drawn += taken;
  if (taken < n) ump_rng_fill(then, (uint8_t *)out + taken, n - taken);
}

static void draw_engine(void *ctx, void *out, size_t n) {
  draw(ctx, out, n, &((struct ump_sim_world *)ctx)->rng_engine);
}
static void draw_vm(void *ctx, void *out, size_t n) {
  draw(ctx, out, n, &((struct ump_sim_world *)ctx)->rng_vm);
}

int ump_sim_world_chance(struct ump_sim_world *w, struct ump_bytes bytes) {
  uint8_t *p = malloc(bytes.n + 1);
  if (!p) return UMP_ENOMEM;
  if (bytes.n) memcpy(p, bytes.p, bytes.n);
  free(w->chance);
  w->chance = p, w->n_chance = bytes.n, w->drawn = 0;
  return 0;
}

int ump_sim_world_init(struct ump_sim_world *w, uint64_t seed) {
  *w = (struct ump_sim_world){.now = 0};
  w->mem = (struct ump_mem){resize, w};
  w->log = (struct ump_log){write_log, w};
  ump_rng_seed(&w->seeded_engine, seed * 3 + 0); /* streams of their own: a rulebook that rolls one more die must */
  ump_rng_seed(&w->seeded_vm, seed * 3 + 1);     /* not change the weather */
  w->rng_engine = ump_rng_of(&w->seeded_engine), w->rng_vm = ump_rng_of(&w->seeded_vm);
  w->chance_engine = (struct ump_rng){draw_engine, w}, w->chance_vm = (struct ump_rng){draw_vm, w};
  ump_sim_net_init(&w->net, &w->mem, seed * 3 + 2);
  struct ump_engine_cfg cfg = {.mem = &w->mem, .rng = &w->chance_engine, .log = &w->log};
  w->engine = ump_engine_new(&cfg, w->now);
  if (!w->engine) return UMP_ENOMEM;
  ump_sim_accounts_init(&w->accounts, &w->log);
  ump_engine_set_accounts(w->engine, &w->accounts.face);
  return 0;
}

size_t ump_sim_world_deinit(struct ump_sim_world *w) {
  if (w->engine) {
    ump_rules_close(w->rules);
    ump_engine_free(w->engine);
    ump_sim_net_deinit(&w->net);
    ump_sim_serve_deinit(w);
    ump_sim_accounts_deinit(&w->accounts);
    w->rules = NULL, w->engine = NULL;
  }
  for (size_t i = 0; i < w->n_lines; i++) free(w->lines[i].text);
  free(w->lines);
  free(w->chance);
  w->chance = NULL, w->n_chance = w->drawn = 0;
  free(w->library);
  free(w->rehearsal.refusal);
  w->rehearsal.refusal = NULL;
  w->library = NULL, w->lines = NULL, w->n_lines = w->cap_lines = 0;
  return w->used.bytes + w->used.blocks;
}

bool ump_sim_world_open(struct ump_sim_world *w, const struct ump_rules_cfg *given, struct ump_report *report) {
  struct ump_rules_cfg cfg = *given;
  free(w->library);
  if (!(w->library = strdup(given->vm.library))) return false;
  cfg.vm.library = w->library;
  cfg.engine = w->engine;
  cfg.vm.watchdog = NULL; /* instructions are counted instead, so that a budget trips at the same place every time */
  cfg.vm.log = &w->log, cfg.vm.rng = w->chance_vm;
  cfg.vm.now = clock_now, cfg.vm.wall = clock_wall, cfg.vm.clock_ctx = w;
  w->rules = ump_rules_open(&cfg, ump_bytes(NULL, 0), 0, w->now, report);
  return w->rules != NULL;
}

/* ---- listeners ---- */

enum { COMMON = 3, MOST_OPTIONS = 32 };
static const struct ump_option common_options[COMMON] = {
    {"limit", "4096", "clients", UMP_OPTION_NUMBER, 0, UINT32_MAX},
    {"per_address", "64", "sessions from one address", UMP_OPTION_NUMBER, 1, UINT32_MAX},
    {"attempts", "10", "log-ins a minute per address and per name", UMP_OPTION_NUMBER, 1, UINT32_MAX},
};

static bool parse_option(const struct ump_option *o, struct ump_bytes text, struct ump_option_value *v) {
  *v = (struct ump_option_value){.name = o->name, .text = text};
  if (o->kind == UMP_OPTION_TEXT) return true;
  uint64_t most = o->kind == UMP_OPTION_SWITCH ? 1 : o->max;
  if (text.n == 0 || text.n > 18) return false;
  for (size_t i = 0; i < text.n; i++) {
    if (text.p[i] < '0' || text.p[i] > '9') return false;
    v->number = v->number * 10 + (uint64_t)(text.p[i] - '0');
  }
  return v->number >= (o->kind == UMP_OPTION_SWITCH ? 0 : o->min) && v->number <= most;
}

static const struct ump_sim_option *given(const char *name, const struct ump_sim_option *options, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (strcmp(options[i].name, name) == 0) return &options[i];
  }
  return NULL;
}

static int fill(const struct ump_option *table, size_t n_table, const struct ump_sim_option *options, size_t n,
                struct ump_option_value *values, size_t *used, char why[200]) {
  for (size_t i = 0; i < n_table; i++) {
    const struct ump_sim_option *o = given(table[i].name, options, n);
    struct ump_bytes text = o ? o->text : ump_text(table[i].fallback ? table[i].fallback : "");
    *used += (size_t)(o != NULL);
    if (!parse_option(&table[i], text, &values[i]) && o) {
      snprintf(why, 200, "listen option %s (%s) must be a number from %llu to %llu, got \"%.*s\"", table[i].name,
               table[i].help, (unsigned long long)table[i].min,
               table[i].kind == UMP_OPTION_SWITCH ? 1ull : (unsigned long long)table[i].max,
               (int)(text.n < 40 ? text.n : 40), (const char *)text.p);
      return UMP_EINVAL;
    }
  }
  return 0;
}

/* The first option that no table knows, with those that they know. */
static void unknown(const struct ump_proto_ops *ops, const struct ump_sim_option *options, size_t n, char why[200]) {
  size_t at = 0;
  for (size_t i = 0; i < n && at == 0; i++) {
    bool known = false;
    for (size_t k = 0; k < COMMON; k++) known |= strcmp(common_options[k].name, options[i].name) == 0;
    for (size_t k = 0; k < ops->n_options; k++) known |= strcmp(ops->options[k].name, options[i].name) == 0;
    if (!known)
      at =
          (size_t)snprintf(why, 200, "unknown listen option %.40s; known: limit per_address attempts", options[i].name);
  }
  for (size_t k = 0; at && k < ops->n_options && at < 160; k++) {
    at += (size_t)snprintf(why + at, 200 - at, " %s", ops->options[k].name);
  }
}

static const struct ump_proto_ops *find_protocol(const char *scheme) {
  for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++) {
    if (strcmp(protocols[i]->scheme, scheme) == 0) return protocols[i];
  }
  return NULL;
}

int ump_sim_world_listen(struct ump_sim_world *w, const char *scheme, const struct ump_sim_option *options, size_t n,
                         uint32_t *index, char why[200]) {
  const struct ump_proto_ops *ops = find_protocol(scheme);
  struct ump_option_value common[COMMON], own[MOST_OPTIONS];
  size_t used = 0;
  if (!ops || ops->n_options > MOST_OPTIONS) {
    int at = snprintf(why, 200, "the simulator does not speak \"%.40s\"; it speaks:", scheme);
    for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++)
      at += snprintf(why + at, 200 - (size_t)at, " %s", protocols[i]->scheme);
    return UMP_EINVAL;
  }
  if (fill(common_options, COMMON, options, n, common, &used, why) != 0) return UMP_EINVAL;
  if (fill(ops->options, ops->n_options, options, n, own, &used, why) != 0) return UMP_EINVAL;
  if (used != n) {
    unknown(ops, options, n, why);
    return UMP_EINVAL;
  }
  struct ump_proto_cfg cfg = {.mem = &w->mem,
                              .rng = &w->rng_engine,
                              .log = &w->log,
                              .limit = (uint32_t)common[0].number,
                              .per_address = (uint32_t)common[1].number,
                              .options = own,
                              .n_options = ops->n_options};
  int err = ump_engine_listen(w->engine, ops, &cfg, (uint32_t)common[2].number, index, w->now);
  if (err) snprintf(why, 200, "listener %s: %s", scheme, ump_err_name(err));
  return err;
}

/* ---- rehearsals ---- */

/* Calls into the rulebook that clients brought about: ticks and timers are none. */
static uint64_t calls_of(const struct ump_engine *e) {
  static const char *const names[] = {"connects", "refused", "disconnects", "events", "logins"};
  struct ump_counters c = ump_engine_counters(e);
  uint64_t sum = 0;
  for (size_t i = 0; i < c.n; i++) {
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
      if (strcmp(c.names[i], names[k]) == 0) sum += c.counts[i];
    }
  }
  return sum;
}

void ump_sim_world_rehearse(struct ump_sim_world *w) {
  w->rehearsal.on = true;
  w->rehearsal.calls = calls_of(w->engine);
}

static void note_cause(struct ump_sim_rehearsal *r, const struct ump_sim_arrival *a) {
  r->peer = a ? a->peer : UINT32_MAX;
  r->n_bytes = a ? a->data.n : 0;
  r->shown = r->n_bytes < sizeof r->bytes ? r->n_bytes : sizeof r->bytes;
  if (r->shown) memcpy(r->bytes, a->data.p, r->shown);
}

/* False: the rulebook could not be loaded again. What load() draws from the world's chance is put back, so that the
 * world goes on as it would have. cause: NULL: a deadline of the engine's. */
static bool rehearse(struct ump_sim_world *w, const struct ump_sim_arrival *cause) {
  struct ump_sim_rehearsal *r = &w->rehearsal;
  uint64_t calls = r->on ? calls_of(w->engine) : r->calls;
  if (!r->on || calls == r->calls) return true;
  note_cause(r, cause);
  struct ump_rng_seeded engine = w->seeded_engine, vm = w->seeded_vm;
  size_t drawn = w->drawn;
  struct ump_report report = {0};
  bool ok = ump_rules_rehearse(w->rules, w->now, &report);
  w->seeded_engine = engine, w->seeded_vm = vm, w->drawn = drawn;
  r->calls = calls_of(w->engine);
  r->n++, r->at = w->now;
  if (!ok) free(r->refusal), r->refusal = report.text, report.text = NULL;
  ump_report_free(&report);
  return ok;
}

/* ---- time ---- */

void ump_sim_world_flush(struct ump_sim_world *w) {
  for (uint32_t l = 0; l < ump_engine_n_listeners(w->engine); l++) {
    if (ump_engine_listener(w->engine, l)->transport == UMP_STREAM) continue;
    struct ump_addr to;
    struct ump_writer out = ump_writer(w->out, sizeof w->out);
    while (ump_engine_flush(w->engine, l, &to, &out, w->now) == 1) {
      ump_sim_net_send_down(&w->net, &to, ump_written(&out), w->now);
      out = ump_writer(w->out, sizeof w->out);
    }
  }
  ump_sim_serve_touched(w);
}

enum ump_sim_stop ump_sim_world_run(struct ump_sim_world *w, ump_time until, bool quiet, struct ump_sim_arrival *a) {
  for (unsigned idle = 0; idle < STUCK_AFTER; idle++) {
    ump_sim_serve_touched(w); /* a client that reads again makes room */
    ump_sim_stream_pump(&w->net, w->now);
    if (quiet && w->net.under_way == 0) return UMP_SIM_REACHED;
    ump_time engine = ump_engine_deadline(w->engine), net = ump_sim_net_deadline(&w->net);
    ump_time next = ump_time_min(engine, net);
    if (next > until) {
      if (until > w->now) w->now = until;
      return UMP_SIM_REACHED;
    }
    if (next > w->now) w->now = next, idle = 0;
    bool arrives = net <= engine;
    if (arrives) {
      idle = 0;
      if (!ump_sim_net_next(&w->net, w->now, a)) continue;
      if (a->what != UMP_SIM_AT_SERVER) return UMP_SIM_ARRIVED;
      if (a->news)
        ump_sim_serve_arrival(w, a);
      else
        ump_engine_recv(w->engine, a->listener, &a->from, a->data, w->now);
    } else {
      ump_engine_expire(w->engine, w->now);
    }
    if (!rehearse(w, arrives ? a : NULL)) return UMP_SIM_REFUSED;
    ump_sim_world_flush(w);
  }
  return UMP_SIM_STUCK;
}
