#include "play.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/loop.h"
#include "protocols.h"
#include "record/datum.h"

/* INSTRUCTIONS: of a call, where they are counted instead of time: ten times what the simulator allows, so that nothing
 * is called too slow here that a host's clock would let pass. */
enum { MOST_LISTENERS = 64, INSTRUCTIONS = 50000000 };

struct player {
  const struct ump_play_cfg *cfg;
  struct ump_play_result *result;
  struct ump_rules *rules;
  struct ump_engine *engine;
  struct ump_log log;
  ump_time wall_at;
  int64_t wall_ns;
  ump_time started;
  char why[512];
  struct ump_listen *urls[MOST_LISTENERS];
  size_t n_urls;
};

/* ---- what is expected ---- */

static size_t kind_length(const char *text) {
  return strcspn(text, ":");
}

bool ump_accept_check(const char *text, char *error, size_t cap) {
  for (int i = 0; i < UMP_N_DIFFERENCES; i++)
    if (strlen(ump_difference_names[i]) == kind_length(text) &&
        strncmp(text, ump_difference_names[i], kind_length(text)) == 0)
      return true;
  snprintf(
      error, cap,
      "\"%s\" is nothing that can be accepted: verdict, reason, response, notify, connect or kick, alone or with the "
      "name of the event (of the notify): verdict:move",
      text);
  return false;
}

static bool accepts(const char *text, const struct ump_difference *d) {
  size_t n = kind_length(text);
  const char *kind = ump_difference_names[d->kind], *name = text[n] ? text + n + 1 : "*";
  if (strlen(kind) != n || strncmp(kind, text, n) != 0) return false;
  return strcmp(name, "*") == 0 || ump_bytes_equal(d->name, ump_text(name));
}

/* ---- what the player is handed ---- */

static ump_time vm_now(void *ctx) {
  return (void)ctx, ump_monotonic();
}

static int64_t vm_wall(void *ctx) {
  const struct player *p = ctx;
  return (p->wall_ns + (ump_engine_now(p->engine) - p->wall_at)) / UMP_S;
}

static const struct ump_proto_ops *protocol(void *ctx, struct ump_bytes scheme, struct ump_proto_cfg *cfg) {
  struct player *p = ctx;
  char url[96], error[256];
  struct ump_listen *l = p->n_urls < MOST_LISTENERS && scheme.n < 32 ? malloc(sizeof *l) : NULL;
  if (!l) return NULL;
  snprintf(url, sizeof url, "%.*s://127.0.0.1:0", (int)scheme.n, (const char *)scheme.p);
  if (ump_listen_parse(ump_protocols(), url, l, error, sizeof error) != 0) {
    free(l);
    snprintf(p->result->error, sizeof p->result->error,
             "the recording holds a protocol that this program does not speak: %.*s",
             (int)(scheme.n < 32 ? scheme.n : 32), (const char *)scheme.p);
    return NULL;
  }
  p->urls[p->n_urls++] = l;
  cfg->options = l->values, cfg->n_options = l->n_values;
  return l->ops;
}

static void copy_text(char *out, size_t cap, struct ump_bytes b) {
  snprintf(out, cap, "%.*s", (int)(b.n < cap ? b.n : cap), b.n ? (const char *)b.p : "");
}

static bool open_rules(void *ctx, const struct ump_replay_start *s) {
  struct player *p = ctx;
  const struct ump_play_cfg *c = p->cfg;
  struct ump_report report = {0};
  struct ump_rules_start start = {
      .clients = s->data, .n_clients = s->n_clients, .random = s->has_random ? s->random : NULL};
  struct ump_rules_cfg cfg = {.path = c->rulebook, .engine = s->engine, .load_budget = c->load_time, .start = &start};
  cfg.vm = (struct ump_vm_cfg){.library = c->library,
                               .memory = c->rule_memory,
                               .hard = c->rule_time,
                               .watchdog = c->watchdog,
                               .instructions = c->watchdog ? 0 : INSTRUCTIONS,
                               .ordered = true,
                               .log = &p->log,
                               .rng = *s->rng,
                               .now = vm_now,
                               .wall = vm_wall,
                               .clock_ctx = p};
  p->engine = s->engine, p->wall_at = s->wall_at, p->wall_ns = s->wall_ns;
  if (!p->result->recorded[0]) {
    copy_text(p->result->recorded, sizeof p->result->recorded, s->hash);
    copy_text(p->result->path, sizeof p->result->path, s->path);
  }
  p->rules = ump_rules_open(&cfg, s->saved, s->saved_version, s->now, &report);
  if (p->rules) {
    struct ump_rules_info info;
    ump_rules_info(p->rules, &info);
    memcpy(p->result->hash, info.hash, sizeof info.hash);
    if (c->opened) c->opened(c->ctx, s, p->rules);
  } else {
    snprintf(p->result->error, sizeof p->result->error, "%s", report.text ? report.text : "out of memory");
  }
  ump_report_free(&report);
  return p->rules != NULL;
}

static bool reload(void *ctx, ump_time now) {
  struct player *p = ctx;
  struct ump_report report = {0};
  bool ok = ump_rules_reload(p->rules, now, &report);
  if (!ok) ump_log_text(&p->log, UMP_ERROR, "reload", NULL, report.text ? report.text : "out of memory");
  ump_report_free(&report);
  return ok;
}

static void close_rules(void *ctx) {
  struct player *p = ctx;
  ump_rules_close(p->rules);
  p->rules = NULL;
}

/* Of an internal verdict: the error's first line, "rules/arena.lua:12: ..." */
static const char *why_of(struct player *p, const struct ump_difference *d) {
  bool internal = d->kind == UMP_DIFFERS_VERDICT && d->is.there && d->is.verdict == UMP_INTERNAL;
  struct ump_bytes e = internal && p->rules ? ump_rules_error(p->rules) : ump_bytes(NULL, 0);
  const uint8_t *end = e.n ? memchr(e.p, '\n', e.n) : NULL;
  copy_text(p->why, sizeof p->why, ump_bytes(e.p, end ? (size_t)(end - e.p) : e.n));
  return p->why;
}

static void differs(void *ctx, const struct ump_difference *d) {
  struct player *p = ctx;
  bool expected = false;
  for (size_t i = 0; p->cfg->accept && i < p->cfg->accept->n; i++) expected |= accepts(p->cfg->accept->v[i], d);
  if (expected)
    p->result->expected++;
  else
    p->result->unexpected[d->kind]++;
  if (p->cfg->differs) p->cfg->differs(p->cfg->ctx, d, expected, why_of(p, d));
}

static void group(void *ctx, const struct ump_entry *in, const struct ump_entry *out, size_t n) {
  struct player *p = ctx;
  p->cfg->group(p->cfg->ctx, in, out, n);
}

static bool enough(void *ctx) {
  struct player *p = ctx;
  if (p->cfg->cancelled && atomic_load(p->cfg->cancelled)) return true;
  return p->result->over_time = p->cfg->at_most && ump_monotonic() - p->started > p->cfg->at_most;
}

static void write_log(void *ctx, const struct ump_log_line *line) {
  struct player *p = ctx;
  if (p->cfg->log) ump_log_write(p->cfg->log, line->level, line->cause, line->from, line->text);
}

bool ump_play(const struct ump_play_cfg *cfg, struct ump_bytes entries, struct ump_play_result *result) {
  struct player p = {.cfg = cfg, .result = result};
  struct ump_replay_cfg replay = {.mem = &ump_mem_libc,
                                  .log = &p.log,
                                  .protocol = protocol,
                                  .open = open_rules,
                                  .reload = reload,
                                  .close = close_rules,
                                  .differs = differs,
                                  .group = cfg->group ? group : NULL,
                                  .enough = cfg->at_most || cfg->cancelled ? enough : NULL,
                                  .ctx = &p};
  *result = (struct ump_play_result){0};
  p.log = (struct ump_log){write_log, &p};
  p.started = ump_monotonic();
  int err = ump_replay_run(&replay, entries, &result->totals);
  result->took = ump_monotonic() - p.started;
  for (size_t i = 0; i < p.n_urls; i++) free(p.urls[i]);
  if (err && !result->error[0])
    snprintf(result->error, sizeof result->error, "%s",
             err == UMP_EMALFORMED
                 ? "the recording is damaged, or of another version: something in it cannot be understood"
                 : ump_err_name(err));
  return err == 0;
}

uint64_t ump_play_unexpected(const struct ump_play_result *r) {
  uint64_t n = 0;
  for (int i = 0; i < UMP_N_DIFFERENCES; i++) n += r->unexpected[i];
  return n;
}

/* ---- for people ---- */

static struct ump_bytes trimmed(char *out, size_t cap, enum ump_encoding encoding, struct ump_bytes data, size_t most) {
  struct ump_writer w = ump_writer(out, cap < most ? cap : most);
  ump_datum_show(&w, encoding, data, false);
  return w.full && w.n >= 3 ? (memcpy(out + w.n - 3, "...", 3), ump_written(&w)) : ump_written(&w);
}

void ump_play_describe_side(const struct ump_difference *d, const struct ump_outcome *o, char *out, size_t cap) {
  static const char *const verdicts[] = {"legal", "illegal", "invalid", "internal"};
  char text[400];
  struct ump_bytes data = {0};
  if (o->has_data) data = trimmed(text, sizeof text, d->encoding, o->data, 160);
  int n_reason = (int)(o->reason.n < 200 ? o->reason.n : 200), n_data = (int)data.n;
  const char *reason = (const char *)o->reason.p;
  switch (d->kind) {
  case UMP_DIFFERS_VERDICT:
  case UMP_DIFFERS_REASON:
    if (!o->there)
      snprintf(out, cap, "not judged: the client is not there");
    else if (d->in && d->in->kind == UMP_ENTRY_CONNECT)
      snprintf(out, cap, "refused \"%.*s\"", n_reason, reason);
    else
      snprintf(out, cap, n_reason ? "%s \"%.*s\"" : "%s", verdicts[o->verdict], n_reason, reason);
    break;
  case UMP_DIFFERS_RESPONSE:
    snprintf(out, cap, n_data ? "%.*s" : "no response", n_data, (const char *)data.p);
    break;
  case UMP_DIFFERS_NOTIFY:
    snprintf(out, cap, !o->there ? "nothing" : n_data ? "%.*s" : "no data", n_data, (const char *)data.p);
    break;
  case UMP_DIFFERS_CONNECT:
    snprintf(out, cap, o->yes ? "let in" : n_reason ? "refused \"%.*s\"" : "refused", n_reason, reason);
    break;
  default:
    snprintf(out, cap, !o->there ? "stays" : "kicked \"%.*s\"", n_reason, reason);
  }
}

static void describe_input(const struct ump_entry *in, char *out, size_t cap) {
  static const char *const words[] = {
      [UMP_ENTRY_CONNECT] = "on connect",       [UMP_ENTRY_LOGIN] = "on log-in",
      [UMP_ENTRY_NAME] = "on taking a name",    [UMP_ENTRY_LOGOUT] = "on log-out",
      [UMP_ENTRY_DISCONNECT] = "on disconnect", [UMP_ENTRY_EXPIRE] = "by a timer or tick",
      [UMP_ENTRY_RELOAD] = "by the reload",     [UMP_ENTRY_STOP] = "by the stop"};
  char text[200] = "";
  struct ump_bytes data = {0};
  if (!in) {
    snprintf(out, cap, "by a timer or tick that was not recorded");
  } else if (in->kind != UMP_ENTRY_JUDGE) {
    snprintf(out, cap, "%s", in->kind < sizeof words / sizeof *words && words[in->kind] ? words[in->kind] : "");
  } else {
    if (in->flags & UMP_ENTRY_HAS_DATA) data = trimmed(text, sizeof text, (enum ump_encoding)in->code, in->data, 100);
    snprintf(out, cap, "%.*s%s%.*s", (int)(in->name.n < 64 ? in->name.n : 64), (const char *)in->name.p,
             in->name.n && data.n ? " " : "", (int)data.n, (const char *)data.p);
  }
}

/* Terminals obey control characters, and these are words of strangers. */
static void tame(char *s) {
  for (uint8_t *p = (uint8_t *)s; *p; p++)
    if (*p < 0x20 || *p == 0x7f || (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)) *p = '?';
}

void ump_play_describe(const struct ump_difference *d, const char *why, char *out, size_t cap) {
  char was[512], is[512], input[320], who[128] = "", subject[128] = "", more[64] = "";
  ump_play_describe_side(d, &d->was, was, sizeof was);
  ump_play_describe_side(d, &d->is, is, sizeof is);
  describe_input(d->in, input, sizeof input);
  if (d->client)
    snprintf(who, sizeof who, "%s client %llu%s%.*s", d->protocol, (unsigned long long)d->client, d->who.n ? " " : "",
             (int)d->who.n, (const char *)d->who.p);
  if (d->kind == UMP_DIFFERS_NOTIFY) {
    snprintf(subject, sizeof subject, " %.*s", (int)(d->name.n < 64 ? d->name.n : 64), (const char *)d->name.p);
    tame(subject);
    if (d->clients > 1) snprintf(more, sizeof more, " and %llu more", (unsigned long long)d->clients - 1);
  }
  tame(who), tame(was), tame(is), tame(input);
  snprintf(out, cap, "%10.3f s  %s%s: %s\n              %s%s: %s -> %s%s%s%s", d->at, who, more, input,
           ump_difference_names[d->kind], subject, was, is, *why ? " (" : "", why, *why ? ")" : "");
}
