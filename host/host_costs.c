/* What the rulebook costs (`umpire status --rules`), and everything that is counted (`--metrics`). */
#include <stdio.h>
#include <string.h>

#include "codec/json.h"
#include "host.h"

static const char *const verdicts[4] = {"legal", "illegal", "invalid", "internal"};

/* ---- a table for people ---- */

struct table {
  struct ump_writer *json, *text;
  bool any, fault;
};

static void put_time(struct ump_writer *w, uint64_t ns) { /* seven columns, three digits that mean something */
  double us = (double)ns / 1e3;
  if (us < 100)
    ump_host_print(w, " %4.1f us", us);
  else if (us < 1e5)
    ump_host_print(w, " %4.0f %s", us < 1e4 ? us : us / 1e3, us < 1e4 ? "us" : "ms");
  else
    ump_host_print(w, " %4.1f s ", us / 1e6);
}

/* Names come from players: what is no printable ASCII is shown as a dot. */
static void put_what(struct ump_writer *w, const struct ump_rules_cost *c) {
  char name[40], line[96];
  size_t n = c->event.n < sizeof name - 1 ? c->event.n : sizeof name - 1;
  for (size_t i = 0; i < n; i++) name[i] = c->event.p[i] > 0x20 && c->event.p[i] < 0x7F ? (char)c->event.p[i] : '.';
  name[n] = 0;
  snprintf(line, sizeof line, "%s%s%s", c->handler, c->is_event ? " " : "",
           c->others           ? "(all others)"
           : c->is_event && !n ? "(no name)"
                               : name);
  ump_host_print(w, "\n  %-28.40s %-9s", line, c->protocol ? c->protocol : "");
}

static void text_row(struct ump_writer *w, const struct ump_rules_cost *c) {
  put_what(w, c);
  ump_host_print(w, " %10llu", (unsigned long long)c->calls);
  if (c->is_event && strcmp(c->handler, "legal") == 0)
    ump_host_print(w, " %10llu", (unsigned long long)(c->verdicts[UMP_ILLEGAL] + c->verdicts[UMP_INVALID]));
  else
    ump_host_print(w, " %10s", "");
  ump_host_print(w, " %7llu", (unsigned long long)c->errors);
  if (!c->measured) return;
  put_time(w, c->p50);
  put_time(w, c->p99);
  put_time(w, c->most);
  ump_host_print(w, " %7llu %7llu", (unsigned long long)c->bytes_p50, (unsigned long long)c->bytes_p99);
}

/* ---- JSON ---- */

static void json_row(struct ump_writer *w, const struct ump_rules_cost *c) {
  ump_host_print(w, "{\"handler\":\"%s\",\"protocol\":", c->handler);
  if (c->protocol)
    ump_host_print(w, "\"%s\"", c->protocol);
  else
    ump_host_print(w, "null");
  if (c->is_event) {
    ump_host_print(w, ",\"event\":");
    if (c->others)
      ump_host_print(w, "null");
    else
      ump_json_write_string(w, c->event);
    for (int i = 0; i < 4; i++) ump_host_print(w, ",\"%s\":%llu", verdicts[i], (unsigned long long)c->verdicts[i]);
  }
  ump_host_print(
      w,
      ",\"calls\":%llu,\"errors\":%llu,\"measured\":%llu,\"p50_ns\":%llu,\"p99_ns\":%llu,\"max_ns\":%llu,\"p50_bytes\":"
      "%llu,"
      "\"p99_bytes\":%llu}",
      (unsigned long long)c->calls, (unsigned long long)c->errors, (unsigned long long)c->measured,
      (unsigned long long)c->p50, (unsigned long long)c->p99, (unsigned long long)c->most,
      (unsigned long long)c->bytes_p50, (unsigned long long)c->bytes_p99);
}

static void on_cost(void *ctx, const struct ump_rules_cost *c) {
  struct table *t = ctx;
  if (t->any) ump_host_print(t->json, ",");
  t->any = true;
  json_row(t->json, c);
  text_row(t->text, c);
}

static void on_fault(void *ctx, const struct ump_rules_fault *f) {
  struct table *t = ctx;
  ump_host_print(t->json, "%s{\"count\":%llu,\"text\":", t->fault ? "," : "", (unsigned long long)f->count);
  ump_json_write_string(t->json, ump_text(f->text));
  ump_host_print(t->json, "}");
  ump_host_print(t->text, "%s\n  %10llu  %s", t->fault ? "" : "\nerrors, by place:", (unsigned long long)f->count,
                 f->text);
  t->fault = true;
}

void ump_host_costs(struct host *h, struct ump_writer *json, struct ump_writer *text) {
  struct table t = {json, text, false, false};
  struct ump_rules_info i;
  ump_rules_info(h->rules, &i);
  ump_host_print(text, "%.300s version %lld hash %s, since it was loaded:\n", i.path, (long long)i.version, i.hash);
  ump_host_print(text, "  %-28s %-9s %10s %10s %7s %7s %7s %7s %7s %7s", "handler", "protocol", "calls", "refused",
                 "errors", "p50", "p99", "longest", "B p50", "B p99");
  ump_host_print(json, ",\"hash\":\"%s\",\"rows\":[", i.hash);
  ump_rules_costs(h->rules, on_cost, &t);
  ump_host_print(json, "],\"errors\":[");
  ump_rules_faults(h->rules, on_fault, &t);
  ump_host_print(json, "]");
  if (!t.any) ump_host_print(text, "\n  no handler has been called yet");
}

/* ---- metrics ---- */

static void put_label(struct ump_writer *w,
                      struct ump_bytes s) { /* backslash, quote and line feed are escaped, says the format */
  for (size_t i = 0; i < s.n; i++) {
    if (s.p[i] == '\n')
      ump_host_print(w, "\\n");
    else if (s.p[i] < 0x20 || s.p[i] > 0x7E)
      ump_host_print(w, ".");
    else
      ump_host_print(w, s.p[i] == '"' || s.p[i] == '\\' ? "\\%c" : "%c", s.p[i]);
  }
}

/* Two samples with the same labels spoil the page for who reads it, so two names must not become one: bytes that are
 * not shown are written as in a URL, and so are the percent sign and a '(' in front, which begins "(others)". */
static void put_event_label(struct ump_writer *w, struct ump_bytes name) {
  for (size_t i = 0; i < name.n; i++) {
    uint8_t c = name.p[i];
    if (c < 0x20 || c > 0x7E || c == '%' || (c == '(' && i == 0))
      ump_host_print(w, "%%%02X", c);
    else
      put_label(w, ump_bytes(&name.p[i], 1));
  }
}

static void counters(struct ump_writer *w, const char *family, const char *label, const char *value,
                     const struct ump_counters *c) {
  for (size_t i = 0; i < c->n; i++) {
    ump_host_print(w, "%s{", family);
    if (label) {
      ump_host_print(w, "%s=\"", label);
      put_label(w, ump_text(value));
      ump_host_print(w, "\",");
    }
    ump_host_print(w, "name=\"%s\"} %llu\n", c->names[i], (unsigned long long)c->counts[i]);
  }
}

static void labels(struct ump_writer *w, const struct ump_rules_cost *c, const char *more) {
  ump_host_print(w, "{handler=\"%s\",protocol=\"%s\",event=\"", c->handler, c->protocol ? c->protocol : "");
  if (c->others)
    ump_host_print(w, "(others)");
  else
    put_event_label(w, c->event);
  ump_host_print(w, "\"%s} ", more);
}

static void metric_calls(void *ctx, const struct ump_rules_cost *c) {
  ump_host_print(ctx, "umpire_rule_calls_total");
  labels(ctx, c, "");
  ump_host_print(ctx, "%llu\n", (unsigned long long)c->calls);
}

static void metric_errors(void *ctx, const struct ump_rules_cost *c) {
  ump_host_print(ctx, "umpire_rule_errors_total");
  labels(ctx, c, "");
  ump_host_print(ctx, "%llu\n", (unsigned long long)c->errors);
}

static void metric_verdicts(void *ctx, const struct ump_rules_cost *c) {
  if (!c->is_event || strcmp(c->handler, "legal") != 0) return;
  for (int i = 0; i < 4; i++) {
    char more[40];
    snprintf(more, sizeof more, ",verdict=\"%s\"", verdicts[i]);
    ump_host_print(ctx, "umpire_rule_verdicts_total");
    labels(ctx, c, more);
    ump_host_print(ctx, "%llu\n", (unsigned long long)c->verdicts[i]);
  }
}

static void metric_seconds(void *ctx, const struct ump_rules_cost *c) {
  ump_host_print(ctx, "umpire_rule_seconds");
  labels(ctx, c, ",quantile=\"0.5\"");
  ump_host_print(ctx, "%.9f\numpire_rule_seconds", (double)c->p50 / 1e9);
  labels(ctx, c, ",quantile=\"0.99\"");
  ump_host_print(ctx, "%.9f\n", (double)c->p99 / 1e9);
}

static void metric_bytes(void *ctx, const struct ump_rules_cost *c) {
  ump_host_print(ctx, "umpire_rule_allocated_bytes");
  labels(ctx, c, ",quantile=\"0.5\"");
  ump_host_print(ctx, "%llu\numpire_rule_allocated_bytes", (unsigned long long)c->bytes_p50);
  labels(ctx, c, ",quantile=\"0.99\"");
  ump_host_print(ctx, "%llu\n", (unsigned long long)c->bytes_p99);
}

static void family(struct ump_writer *w, const char *name, const char *type, const char *help) {
  ump_host_print(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void one(struct ump_writer *w, const char *name, const char *type, const char *help, double value) {
  family(w, name, type, help);
  ump_host_print(w, "%s %.15g\n", name, value);
}

static void rule_metrics(struct host *h, struct ump_writer *w) {
  family(w, "umpire_rule_calls_total", "counter", "Calls of a handler since the rulebook was loaded.");
  ump_rules_costs(h->rules, metric_calls, w);
  family(w, "umpire_rule_errors_total", "counter", "Calls that ended in an error or a blown budget.");
  ump_rules_costs(h->rules, metric_errors, w);
  family(w, "umpire_rule_verdicts_total", "counter", "Verdicts on events.");
  ump_rules_costs(h->rules, metric_verdicts, w);
  family(w, "umpire_rule_seconds", "gauge", "Time of one call, of those that were measured.");
  ump_rules_costs(h->rules, metric_seconds, w);
  family(w, "umpire_rule_allocated_bytes", "gauge", "Memory that one call asked for, of those that were measured.");
  ump_rules_costs(h->rules, metric_bytes, w);
}

void ump_host_metrics(struct host *h, struct ump_writer *w) {
  struct ump_counters engine = ump_engine_counters(h->engine);
  struct ump_rules_info i;
  ump_rules_info(h->rules, &i);
  one(w, "umpire_uptime_seconds", "gauge", "Since the host started.", ump_seconds(ump_monotonic() - h->started));
  one(w, "umpire_clients", "gauge", "Clients that are connected.", (double)ump_engine_n_clients(h->engine));
  one(w, "umpire_rule_memory_bytes", "gauge", "Memory of the rulebook's VM.", (double)i.memory);
  const struct ump_state *state = ump_engine_state(h->engine);
  one(w, "umpire_state_bytes", "gauge", "Memory of the replicated state.", (double)ump_state_bytes(state));
  one(w, "umpire_state_keys", "gauge", "Keys in it.", (double)ump_state_keys(state));
  one(w, "umpire_state_removed_keys", "gauge", "Keys that are gone and remembered, for clients that still have them.",
      (double)ump_state_removed(state));
  one(w, "umpire_rule_loads_total", "counter", "Loads and reloads that took effect.", (double)i.loads);
  one(w, "umpire_rule_refused_total", "counter", "Reloads that were refused.", (double)i.refused);
  family(w, "umpire_rulebook_info", "gauge", "The rulebook that is judging.");
  ump_host_print(w, "umpire_rulebook_info{hash=\"%s\",version=\"%lld\"} 1\n", i.hash, (long long)i.version);
  family(w, "umpire_engine_total", "counter", "The engine's counters.");
  counters(w, "umpire_engine_total", NULL, NULL, &engine);
  family(w, "umpire_listener_total", "counter", "The counters of a protocol on one socket.");
  for (size_t k = 0; k < h->n_listeners; k++) {
    struct ump_counters c = ump_engine_listener_counters(h->engine, h->listeners[k].index);
    counters(w, "umpire_listener_total", "listener", h->listeners[k].name, &c);
  }
  rule_metrics(h, w);
}
