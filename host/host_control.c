/* What the control socket's requests mean: status, reload, stop, health, and the console's two. Each reply is one JSON
 * object with "ok", and "text" for people. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec/json.h"
#include "host.h"

/* A status is bounded by the number of listeners and counters, all ours; metrics by the rows of costs: some 600 KiB if
 * strangers choose the names, and less than twice that as JSON. */
enum { REPLY = 2 << 20, TEXT = 1 << 20 };
/* What one line shows is bounded by the console (32 KiB, and a last value); a byte may become six. */
enum { CONSOLE_REPLY = 256 * 1024 };

void ump_host_print(struct ump_writer *w, const char *format, ...) {
  char piece[512];
  va_list args;
  va_start(args, format);
  vsnprintf(piece, sizeof piece, format, args);
  va_end(args);
  ump_write_text(w, piece);
}

static void put_string(struct ump_writer *w, const char *s) {
  ump_json_write_string(w, ump_text(s));
}

/* ---- facts ---- */

static size_t resident(void) { /* bytes of memory that the process holds; 0: the system does not tell */
  unsigned long size = 0, pages = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  if (!f) return 0;
  if (fscanf(f, "%lu %lu", &size, &pages) != 2) pages = 0;
  fclose(f);
  return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void put_counters(struct ump_writer *w, const struct ump_counters *c) {
  ump_host_print(w, "{");
  for (size_t i = 0; i < c->n; i++)
    ump_host_print(w, "%s\"%s\":%llu", i ? "," : "", c->names[i], (unsigned long long)c->counts[i]);
  ump_host_print(w, "}");
}

static void put_socket(struct ump_writer *w, const struct listener *l) {
  if (l->udp) {
    const struct ump_udp_stats *s = ump_udp_stats(l->udp);
    ump_host_print(
        w,
        "{\"datagrams_in\":%llu,\"bytes_in\":%llu,\"datagrams_out\":%llu,\"bytes_out\":%llu,\"send_failed\":%llu,"
        "\"send_waits\":%llu}",
        (unsigned long long)s->datagrams_in, (unsigned long long)s->bytes_in, (unsigned long long)s->datagrams_out,
        (unsigned long long)s->bytes_out, (unsigned long long)s->send_failed, (unsigned long long)s->send_waits);
  } else {
    const struct ump_tcp_stats *s = ump_tcp_stats(l->tcp);
    ump_host_print(
        w, "{\"open\":%u,\"accepted\":%llu,\"refused\":%llu,\"bytes_in\":%llu,\"bytes_out\":%llu,\"pauses\":%llu}",
        s->open, (unsigned long long)s->accepted, (unsigned long long)s->refused, (unsigned long long)s->bytes_in,
        (unsigned long long)s->bytes_out, (unsigned long long)s->pauses);
  }
}

static void put_listeners(struct host *h, struct ump_writer *w) {
  ump_host_print(w, "[");
  for (size_t i = 0; i < h->n_listeners; i++) {
    struct ump_counters c = ump_engine_listener_counters(h->engine, h->listeners[i].index);
    ump_host_print(w, "%s{\"url\":", i ? "," : "");
    put_string(w, h->listeners[i].name);
    ump_host_print(w, ",\"counters\":");
    put_counters(w, &c);
    ump_host_print(w, ",\"socket\":");
    put_socket(w, &h->listeners[i]);
    ump_host_print(w, "}");
  }
  ump_host_print(w, "]");
}

static void put_web(struct host *h, struct ump_writer *w) {
  if (!h->web) return;
  struct ump_web_stats s = ump_web_stats(h->web);
  ump_host_print(w, ",\"web\":{\"url\":");
  put_string(w, h->web_name);
  ump_host_print(w, ",\"requests\":%llu,\"errors\":%llu}", (unsigned long long)s.requests,
                 (unsigned long long)s.errors);
}

static void put_rulebook(const struct ump_rules_info *i, struct ump_writer *w) {
  ump_host_print(w, "{\"path\":");
  put_string(w, i->path);
  ump_host_print(
      w,
      ",\"version\":%lld,\"hash\":\"%s\",\"loads\":%llu,\"refused\":%llu,\"errors\":%llu,\"tripped\":%llu,\"memory\":%"
      "zu}",
      (long long)i->version, i->hash, (unsigned long long)i->loads, (unsigned long long)i->refused,
      (unsigned long long)i->errors, (unsigned long long)i->tripped, i->memory);
}

/* ---- status for people ---- */

static void text_counters(struct ump_writer *w, const struct ump_counters *c) {
  for (size_t i = 0; i < c->n; i++)
    if (c->counts[i]) ump_host_print(w, "\n    %-28s %llu", c->names[i], (unsigned long long)c->counts[i]);
}

static bool is_quiet(const struct ump_counters *c) {
  for (size_t i = 0; i < c->n; i++)
    if (c->counts[i]) return false;
  return true;
}

static void status_text(struct host *h, const struct ump_rules_info *i, struct ump_writer *w) {
  struct ump_counters engine = ump_engine_counters(h->engine);
  ump_host_print(w, "umpire %s, pid %ld, up %.0f s, %zu KiB of memory\n", UMPIRE_VERSION, (long)getpid(),
                 ump_seconds(ump_monotonic() - h->started), resident() / 1024);
  ump_host_print(w, "  clients   %zu\n", ump_engine_n_clients(h->engine));
  ump_host_print(w, "  rulebook  %.300s version %lld hash %s\n", i->path, (long long)i->version, i->hash);
  ump_host_print(w, "            %llu loads, %llu refused; %llu errors, %llu of them over budget; %zu KiB",
                 (unsigned long long)i->loads, (unsigned long long)i->refused, (unsigned long long)i->errors,
                 (unsigned long long)i->tripped, i->memory / 1024);
  const struct ump_state *state = ump_engine_state(h->engine);
  if (ump_state_keys(state))
    ump_host_print(w, "\n  state     %u keys, %zu KiB", ump_state_keys(state), ump_state_bytes(state) / 1024);
  for (size_t k = 0; k < h->n_listeners; k++) {
    struct ump_counters c = ump_engine_listener_counters(h->engine, h->listeners[k].index);
    ump_host_print(w, "\n  listening %s", h->listeners[k].name);
    text_counters(w, &c);
  }
  if (h->web) {
    struct ump_web_stats s = ump_web_stats(h->web);
    ump_host_print(w, "\n  web       %s/ %llu requests, %llu of them refused", h->web_name,
                   (unsigned long long)s.requests, (unsigned long long)s.errors);
  }
  char recorded[512];
  ump_host_record_status(h, recorded, sizeof recorded);
  if (recorded[0]) ump_host_print(w, "\n  recorded  %s", recorded);
  ump_host_print(w, "\n  engine   %s", is_quiet(&engine) ? " has had nothing to do" : "");
  text_counters(w, &engine);
}

/* ---- requests ---- */

static void send_reply(struct ump_control_conn *c, struct ump_writer *w) {
  if (w->full)
    ump_control_reply(c, ump_text("{\"ok\":false,\"text\":\"the answer is too long\"}"));
  else
    ump_control_reply(c, ump_written(w));
}

static void answer(struct ump_control_conn *c, bool ok, const char *text) {
  uint8_t buf[64 * 1024];
  struct ump_writer w = ump_writer(buf, sizeof buf);
  ump_host_print(&w, "{\"ok\":%s,\"text\":", ok ? "true" : "false");
  put_string(&w, text);
  ump_host_print(&w, "}");
  send_reply(c, &w);
}

static void write_status(struct host *h, struct ump_writer *w, struct ump_writer *text) {
  struct ump_rules_info i;
  struct ump_counters engine = ump_engine_counters(h->engine);
  ump_rules_info(h->rules, &i);
  ump_host_print(
      w,
      "{\"ok\":true,\"umpire\":\"%s\",\"lua\":\"%s\",\"pid\":%ld,\"uptime\":%.3f,\"clients\":%zu,\"memory\":%zu,"
      "\"rulebook\":",
      UMPIRE_VERSION, ump_lua_release(), (long)getpid(), ump_seconds(ump_monotonic() - h->started),
      ump_engine_n_clients(h->engine), resident());
  put_rulebook(&i, w);
  const struct ump_state *state = ump_engine_state(h->engine);
  ump_host_print(w, ",\"state\":{\"keys\":%u,\"bytes\":%zu,\"removed\":%u}", ump_state_keys(state),
                 ump_state_bytes(state), ump_state_removed(state));
  ump_host_print(w, ",\"listeners\":");
  put_listeners(h, w);
  put_web(h, w);
  char recorded[512];
  ump_host_record_status(h, recorded, sizeof recorded);
  if (recorded[0]) ump_host_print(w, ",\"recorded\":"), put_string(w, recorded);
  ump_host_print(w, ",\"engine\":");
  put_counters(w, &engine);
  status_text(h, &i, text);
  ump_host_print(w, ",\"text\":");
  ump_json_write_string(w, ump_written(text));
  ump_host_print(w, "}");
}

/* json and text are written by `write`; the answer's text is text. */
static void answer_at_length(struct host *h, struct ump_control_conn *c,
                             void (*write)(struct host *h, struct ump_writer *json, struct ump_writer *text)) {
  uint8_t *buf = malloc(REPLY + TEXT);
  if (!buf) {
    answer(c, false, "out of memory");
    return;
  }
  struct ump_writer w = ump_writer(buf, REPLY), text = ump_writer(buf + REPLY, TEXT);
  write(h, &w, &text);
  send_reply(c, &w);
  free(buf);
}

static void on_status(struct host *h, struct ump_control_conn *c, struct ump_bytes line) {
  (void)line;
  answer_at_length(h, c, write_status);
}

static void write_costs(struct host *h, struct ump_writer *w, struct ump_writer *text) {
  ump_host_print(w, "{\"ok\":true");
  ump_host_costs(h, w, text);
  ump_host_print(w, ",\"text\":");
  ump_json_write_string(w, ump_written(text));
  ump_host_print(w, "}");
}

static void write_metrics(struct host *h, struct ump_writer *w, struct ump_writer *text) {
  ump_host_metrics(h, text);
  ump_host_print(w, "{\"ok\":true,\"text\":");
  ump_json_write_string(w, ump_written(text));
  ump_host_print(w, "}");
}

static void write_costs_text(struct host *h, struct ump_writer *w, struct ump_writer *text) {
  struct ump_writer none = ump_writer(NULL, 0);
  ump_host_costs(h, &none, text);
  ump_host_print(w, "{\"ok\":true,\"text\":");
  ump_json_write_string(w, ump_written(text));
  ump_host_print(w, "}");
}

/* "brief": without the rows, which may be more than our own reader of JSON takes in one text. */
static void on_costs(struct host *h, struct ump_control_conn *c, struct ump_bytes line) {
  struct ump_json_slot brief = {.key = ump_text("brief")};
  bool text_only = ump_json_members(line, &brief, 1, NULL) == 0 && brief.value.type == UMP_JSON_TRUE;
  answer_at_length(h, c, text_only ? write_costs_text : write_costs);
}

static void on_metrics(struct host *h, struct ump_control_conn *c, struct ump_bytes line) {
  (void)line;
  answer_at_length(h, c, write_metrics);
}

void ump_host_answer_later(struct host *h, uint64_t ticket, bool ok, const char *text) {
  struct ump_control_conn *c = ticket && h->control ? ump_control_find(h->control, ticket) : NULL;
  if (c) answer(c, ok, text);
}

void ump_host_reload_now(struct host *h, const char *why, uint64_t ticket) {
  struct ump_report report;
  struct ump_rules_info i;
  char text[512];
  bool ok = ump_host_reload(h, why, &report);
  ump_rules_info(h->rules, &i);
  snprintf(text, sizeof text, "reloaded %.300s version %lld hash %s, paused for %.2f ms", i.path, (long long)i.version,
           i.hash, (double)report.took / 1e6);
  ump_host_answer_later(h, ticket, ok, ok ? text : report.text ? report.text : "out of memory");
  ump_report_free(&report);
}

static void on_reload(struct host *h, struct ump_control_conn *c, struct ump_bytes line) {
  struct ump_json_slot force = {.key = ump_text("force")};
  bool forced = ump_json_members(line, &force, 1, NULL) == 0 && force.value.type == UMP_JSON_TRUE;
  uint64_t ticket = ump_control_later(c);
  if (h->stopping)
    answer(c, false, "the host is stopping");
  else if (forced || !ump_host_gate(h, "umpire reload", ticket))
    ump_host_reload_now(h, forced ? "umpire reload --force" : "umpire reload", ticket);
}

static void on_health(struct host *h, struct ump_control_conn *c, struct ump_bytes line) {
  (void)line;
  answer(c, !h->stopping, h->stopping ? "stopping" : "serving");
}

/* ---- the console ---- */

/* A string member of a request, unescaped into buf; an empty one if there is none. */
static struct ump_bytes text_member(struct ump_bytes line, const char *key, uint8_t *buf, size_t cap) {
  struct ump_json_slot slot = {.key = ump_text(key)};
  if (ump_json_members(line, &slot, 1, NULL) != 0 || slot.value.type != UMP_JSON_STRING) return ump_bytes(buf, 0);
  return ump_json_string(&slot.value, buf, cap);
}

static void console(struct host *h, struct ump_control_conn *c, struct ump_bytes line, bool complete) {
  static const char *const answers[] = {
      [UMP_CONSOLE_DONE] = "done", [UMP_CONSOLE_MORE] = "more", [UMP_CONSOLE_ERROR] = "error"};
  const char *mode = h->options->console ? h->options->console : "ro";
  uint8_t code[UMP_CONTROL_LINE], *buf;
  struct ump_console what = {text_member(line, "text", code, sizeof code), complete, strcmp(mode, "rw") == 0};
  struct ump_report report;
  if (strcmp(mode, "none") == 0) {
    answer(c, false, "this host was started with --console none");
    return;
  }
  if (!(buf = malloc(CONSOLE_REPLY))) {
    answer(c, false, "out of memory");
    return;
  }
  struct ump_writer w = ump_writer(buf, CONSOLE_REPLY);
  ump_loop_stale(h->loop);
  enum ump_console_answer a = ump_rules_console(h->rules, &what, ump_loop_now(h->loop), &report);
  ump_host_print(&w, "{\"ok\":%s,\"answer\":\"%s\",\"writes\":%s,\"text\":", report.ok ? "true" : "false", answers[a],
                 what.writes ? "true" : "false");
  put_string(&w, report.text ? report.text : "out of memory");
  ump_host_print(&w, "}");
  send_reply(c, &w);
  free(buf);
  ump_report_free(&report);
  if (what.writes && !complete) ump_host_record_touched(h);
  ump_loop_work(h->loop); /* what it asked for goes out */
}

static void on_evaluate(struct host *h, struct ump_control_conn *c, struct ump_bytes line) {
  console(h, c, line, false);
}

static void on_complete(struct host *h, struct ump_control_conn *c, struct ump_bytes line) {
  console(h, c, line, true);
}

static void on_stop(struct host *h, struct ump_control_conn *c, struct ump_bytes line) {
  (void)line;
  answer(c, true, "stopped");
  ump_host_stop(h, -1);
}

void ump_host_request(void *ctx, struct ump_control_conn *c, struct ump_bytes line) {
  static const struct {
    const char *name;
    void (*run)(struct host *h, struct ump_control_conn *c, struct ump_bytes line);
  } requests[] = {{"status", on_status},     {"reload", on_reload},     {"stop", on_stop},   {"health", on_health},
                  {"evaluate", on_evaluate}, {"complete", on_complete}, {"rules", on_costs}, {"metrics", on_metrics}};
  struct ump_json_slot slot = {.key = ump_text("command")};
  uint8_t buf[32];
  struct ump_bytes name = {0};
  if (ump_json_members(line, &slot, 1, NULL) == 0 && slot.value.type == UMP_JSON_STRING)
    name = ump_json_string(&slot.value, buf, sizeof buf);
  for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
    if (!ump_bytes_equal(name, ump_text(requests[i].name))) continue;
    requests[i].run(ctx, c, line);
    return;
  }
  answer(c, false,
         "a request is {\"command\":\"status\"}, or reload, stop, health, evaluate, complete, rules or metrics");
}
