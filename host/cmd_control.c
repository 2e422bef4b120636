/* umpire reload, status, stop, health: one question to a running host over its control socket. */
#include <string.h>

#include "cmd.h"
#include "codec/json.h"
#include "net/control.h"

enum { REPLY = (2 << 20) + 2 }; /* what host_control.c makes at most, its line feed and a NUL */
/* A reload may wait for a gate and then for a rulebook that takes its whole load time; a stop is over within 5 s
 * (hardening T29). */
#define PATIENCE (120 * UMP_S)

struct options {
  const char *control;
  bool json, rules, metrics, force;
};

#define CONTROL_FLAG                                                                                                   \
  {                                                                                                                    \
    "control", "UMPIRE_CONTROL", "PATH", FLAG_TEXT, offsetof(struct options, control),                                 \
        "the host's control socket\n(default $XDG_RUNTIME_DIR/umpire.sock or /tmp/umpire-UID.sock)", NULL              \
  }
#define JSON_FLAG                                                                                                      \
  { "json", NULL, NULL, FLAG_SWITCH, offsetof(struct options, json), "print the answer as one JSON object", NULL }

static const struct flag flags[] = {CONTROL_FLAG, JSON_FLAG};
static const struct flag reload_flags[] = {
    CONTROL_FLAG,
    JSON_FLAG,
    {"force", NULL, NULL, FLAG_SWITCH, offsetof(struct options, force),
     "even if it judges recorded play differently (umpire run --gate)", NULL},
};
static const struct flag status_flags[] = {
    CONTROL_FLAG,
    JSON_FLAG,
    {"rules", NULL, NULL, FLAG_SWITCH, offsetof(struct options, rules),
     "what each handler costs, by event and protocol: calls, verdicts, errors,\n"
     "time and memory of a call; and where errors were",
     NULL},
    {"metrics", NULL, NULL, FLAG_SWITCH, offsetof(struct options, metrics),
     "all counters and costs, in the text format that Prometheus reads", NULL},
};

/* The reply's "ok" decides the exit code; "text" is for people. */
static int print_reply(const char *reply, bool json) {
  static const char fine[] = "{\"ok\":true,";
  static char text[REPLY];
  if (json && strncmp(reply, fine, sizeof fine - 1) == 0) { /* as it is: it may hold more than our reader takes */
    printf("%s\n", reply);
    return EXIT_OK;
  }
  struct ump_json_slot slots[] = {{.key = ump_text("ok")}, {.key = ump_text("text")}};
  if (ump_json_members(ump_text(reply), slots, 2, NULL) != 0) {
    fprintf(stderr, "umpire: the host's answer makes no sense; is it another version?\n");
    return EXIT_RULEBOOK;
  }
  bool ok = slots[0].value.type == UMP_JSON_TRUE;
  if (json) {
    printf("%s\n", reply);
  } else if (slots[1].value.type == UMP_JSON_STRING) {
    struct ump_bytes t = ump_json_string(&slots[1].value, (uint8_t *)text, sizeof text);
    fprintf(ok ? stdout : stderr, "%.*s\n", (int)t.n, (const char *)t.p);
  }
  return ok ? EXIT_OK : EXIT_RULEBOOK;
}

static int ask(const struct command *self, const struct options *o) {
  static char reply[REPLY];
  char path[UMP_CONTROL_PATH], error[512], request[64];
  const char *at = o->control;
  if (!at && ump_control_default_path(path) != 0)
    return ump_usage(self, "the control socket's path is too long; use --control");
  if (!at) at = path;
  snprintf(request, sizeof request, "{\"command\":\"%s\"%s}",
           o->rules     ? "rules"
           : o->metrics ? "metrics"
                        : self->name,
           o->force               ? ",\"force\":true"
           : o->rules && !o->json ? ",\"brief\":true"
                                  : "");
  bool until_gone = strcmp(self->name, "stop") == 0;
  if (ump_control_ask(at, ump_text(request), PATIENCE, until_gone, reply, sizeof reply, error, sizeof error) != 0) {
    fprintf(stderr, "umpire %s: %s\n", self->name, error);
    return EXIT_RULEBOOK;
  }
  return print_reply(reply, o->json);
}

static int run(const struct command *self, int argc, char **argv) {
  struct options o = {0};
  int code = ump_flags_parse(self, argc, argv, &o, NULL);
  if (code == EXIT_OK && o.rules && o.metrics)
    return ump_usage(self, "--rules and --metrics are two questions: ask one");
  return code < 0 ? EXIT_OK : code != EXIT_OK ? code : ask(self, &o);
}

#define COMMAND(variable, word, its_flags, what)                                                                       \
  const struct command variable = {.name = word,                                                                       \
                                   .operands = "",                                                                     \
                                   .summary = what,                                                                    \
                                   .flags = its_flags,                                                                 \
                                   .n_flags = sizeof its_flags / sizeof *its_flags,                                    \
                                   .run = run}

COMMAND(ump_cmd_reload, "reload", reload_flags,
        "reload a running host's rulebook; exit 1 with the reason if the new one was refused");
COMMAND(ump_cmd_status, "status", status_flags,
        "what a running host is doing: clients, listeners, rulebook, counters, memory");
COMMAND(ump_cmd_stop, "stop", flags, "end a running host in good order, and wait until it is gone");
COMMAND(ump_cmd_health, "health", flags, "exit 0 if a host runs and serves, else 1: for container health checks");
