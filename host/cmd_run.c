/* umpire run RULEBOOK */
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "host.h"
#include "play.h"
#include "protocols.h"

#define AT(field) offsetof(struct run_options, field)

static const struct flag flags[] = {
    {"listen", "UMPIRE_LISTEN", "URL", FLAG_URLS, AT(listen),
     "serve this address: SCHEME://HOST:PORT[?option=value&...], IPv6 in brackets,\n"
     "port 0 picks a free one; may be repeated (in the environment: comma separated);\n"
     "otherwise the rulebook's `listen` list counts, then neteria://0.0.0.0:40080",
     NULL},
    {"watch", "UMPIRE_WATCH", NULL, FLAG_SWITCH, AT(watch), "reload when a file of the rulebook is saved", NULL},
    {"control", "UMPIRE_CONTROL", "PATH", FLAG_TEXT, AT(control),
     "unix socket for umpire status, reload and stop, or none\n"
     "(default $XDG_RUNTIME_DIR/umpire.sock or /tmp/umpire-UID.sock)",
     NULL},
    {"console", "UMPIRE_CONSOLE", "WHAT", FLAG_TEXT, AT(console),
     "what umpire console may do: ro (default; look at everything and change nothing),\n"
     "rw (change and call anything, inject events, kick) or none",
     NULL},
    {"log-format", "UMPIRE_LOG_FORMAT", "FORMAT", FLAG_FORMAT, AT(log_format),
     "text (default) or json, to standard error", NULL},
    {"log-level", "UMPIRE_LOG_LEVEL", "LEVEL", FLAG_LEVEL, AT(log_level), "debug, info (default), warn or error", NULL},
    {"save", "UMPIRE_SAVE", "FILE", FLAG_TEXT, AT(save),
     "keep what the rulebook's save() returns in this file:\n"
     "read at the start, written at a clean stop",
     NULL},
    {"store", "UMPIRE_STORE", "FILE", FLAG_TEXT, AT(store),
     "keep accounts (names and hashes of passwords) in this SQLite database,\n"
     "for rulebooks without a login of their own (default: in memory)",
     NULL},
    {"accounts", "UMPIRE_ACCOUNTS", "N", FLAG_COUNT, AT(accounts), "accounts that players may make (default 100000)",
     "1"},
    {"web", "UMPIRE_WEB", "[HOST:]PORT", FLAG_TEXT, AT(web),
     "serve the rulebook's pages to browsers over HTTP: the folder `web` beside init.lua,\n"
     "for rules/x.lua rules/x/web, or what the rulebook names as `web`; and our clients for\n"
     "pages, /umpire/joint.js and /umpire/state.js. HOST is 127.0.0.1 if it is not said, and\n"
     "port 0 picks a free one",
     NULL},
    {"record", "UMPIRE_RECORD", "FILE", FLAG_TEXT, AT(record),
     "write down what came in and what was judged, for umpire replay: names, what clients\n"
     "send and are told, and client.data, but no addresses and no passwords",
     NULL},
    {"record-limit", "UMPIRE_RECORD_LIMIT", "BYTES", FLAG_BYTES, AT(record_limit),
     "room for FILE and the three before it, FILE.1 to FILE.3 (default 256M)", "1M"},
    {"gate", "UMPIRE_GATE", "FILE", FLAG_TEXT, AT(gate),
     "before each reload, play this recording through the new rulebook, and refuse it if\n"
     "verdicts, admissions or kicks change (umpire reload --force reloads nevertheless);\n"
     "last:N: play the last N events (at least half as many), which are kept in memory",
     NULL},
    {"gate-accept", "UMPIRE_GATE_ACCEPT", "WHAT", FLAG_WORDS, AT(gate_accept),
     "a difference that the gate lets pass, such as verdict:move (see umpire replay); may\n"
     "be repeated (in the environment: comma separated)",
     NULL},
    {"gate-time", "UMPIRE_GATE_TIME", "TIME", FLAG_TIME, AT(gate_time),
     "what has not been played by then is not looked at (default 10s)", "1ms"},
    {"rule-time", "UMPIRE_RULE_TIME", "TIME", FLAG_TIME, AT(rule_time),
     "a call into the rulebook that takes longer is ended (default 50ms)", "1ms"},
    {"rule-warn", "UMPIRE_RULE_WARN", "TIME", FLAG_TIME, AT(rule_warn),
     "a call into the rulebook that takes longer is logged (default 5ms)", "1us"},
    {"rule-memory", "UMPIRE_RULE_MEMORY", "BYTES", FLAG_BYTES, AT(rule_memory), "memory of the rulebook (default 64M)",
     "1M"},
    {"load-time", "UMPIRE_LOAD_TIME", "TIME", FLAG_TIME, AT(load_time),
     "a rulebook that takes longer to load is refused (default 1s)", "1ms"},
    {"stuck-time", "UMPIRE_STUCK_TIME", "TIME", FLAG_TIME, AT(stuck_time),
     "a host that has been stuck for so long ends itself, so that it is started anew\n"
     "(default 2s; 0s: never)",
     NULL},
    {"window-memory", "UMPIRE_WINDOW_MEMORY", "BYTES", FLAG_BYTES, AT(window_memory),
     "memory for the events of the last 300 s, which are never judged twice\n"
     "(default 128M; when full, new events wait)",
     "1M"},
    {"window-per-client", "UMPIRE_WINDOW_PER_CLIENT", "N", FLAG_COUNT, AT(window_per_client),
     "events a second of one client, on average, that the window has room for\n"
     "(default 100)",
     "1"},
    {"effects", "UMPIRE_EFFECTS", "N", FLAG_COUNT, AT(effects),
     "notifies, timers and so on that one call into the rulebook may ask for\n"
     "(default 65536)",
     "1"},
    {"effect-memory", "UMPIRE_EFFECT_MEMORY", "BYTES", FLAG_BYTES, AT(effect_memory), "their data (default 16M)", "1K"},
    {"state-memory", "UMPIRE_STATE_MEMORY", "BYTES", FLAG_BYTES, AT(state_memory),
     "the state of host.update, with some 190 bytes for each key (default 16M)", "64K"},
    {"state-keys", "UMPIRE_STATE_KEYS", "N", FLAG_COUNT, AT(state_keys), "keys in it, at all depths (default 262144)",
     "1"},
    {"timers", "UMPIRE_TIMERS", "N", FLAG_COUNT, AT(timers), "timers of the rulebook (default 65536)", "1"},
};

static int check_counts(const struct command *c, const struct run_options *o) { /* the engine counts these in 32 bits */
  const uint64_t counts[] = {o->window_per_client, o->effects, o->timers, o->state_keys};
  static const char *const names[] = {"window-per-client", "effects", "timers", "state-keys"};
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
    if (counts[i] > UINT32_MAX) return ump_usage(c, "--%s must be at most %lu", names[i], (unsigned long)UINT32_MAX);
  return EXIT_OK;
}

static int check_console(const struct command *c, const struct run_options *o) {
  if (!o->console || strcmp(o->console, "ro") == 0 || strcmp(o->console, "rw") == 0 || strcmp(o->console, "none") == 0)
    return EXIT_OK;
  return ump_usage(c, "--console is ro, rw or none, not '%s'", o->console);
}

static int check_gate(const struct command *c, const struct run_options *o) {
  char error[1024];
  if (o->gate && ump_gate_window(o->gate, error, sizeof error) < 0) return ump_usage(c, "%s", error);
  for (size_t i = 0; i < o->gate_accept.n; i++)
    if (!ump_accept_check(o->gate_accept.v[i], error, sizeof error)) return ump_usage(c, "--gate-accept: %s", error);
  return EXIT_OK;
}

static int check_web(const struct command *c, const struct run_options *o) {
  char error[4096];
  if (!o->web || ump_host_web_check(o->web, error, sizeof error) == 0) return EXIT_OK;
  return ump_usage(c, "%s", error);
}

static int check_urls(const struct command *c, const struct run_options *o) {
  char error[4096];
  struct ump_listen scratch;
  const char *where =
      o->listen.n && o->listen.v[0] == o->listen.owned ? "the environment variable UMPIRE_LISTEN: " : "";
  for (size_t i = 0; i < o->listen.n; i++)
    if (ump_listen_parse(ump_protocols(), o->listen.v[i], &scratch, error, sizeof error) != 0)
      return ump_usage(c, "%s%s", where, error);
  return EXIT_OK;
}

static int run(const struct command *self, int argc, char **argv) {
  struct run_options o = {
      .log_level = UMP_INFO, .stuck_time = 2 * UMP_S, .record_limit = 256 << 20, .gate_time = 10 * UMP_S};
  struct host host;
  const char *path = NULL;
  int code = ump_flags_parse(self, argc, argv, &o, &path);
  if (code == EXIT_OK) code = check_counts(self, &o);
  if (code == EXIT_OK) code = check_urls(self, &o);
  if (code == EXIT_OK) code = check_web(self, &o);
  if (code == EXIT_OK) code = check_gate(self, &o);
  if (code == EXIT_OK) code = check_console(self, &o);
  if (code == EXIT_OK) {
    code = ump_host_init(&host, &o, path);
    if (code == EXIT_OK) code = ump_host_run(&host);
    ump_host_deinit(&host);
  }
  free(o.listen.owned);
  free(o.gate_accept.owned);
  return code < 0 ? EXIT_OK : code; /* -1: help was printed */
}

static void more_help(FILE *out) {
  ump_listen_help(ump_protocols(), out);
  fprintf(
      out,
      "\nSIGHUP reloads the rulebook; SIGTERM and SIGINT end the host in good order, a second one at once.\n"
      "Exit codes: 0 clean, 1 the rulebook or the configuration is wrong, 2 usage, 3 a socket could not be bound.\n");
}

const struct command ump_cmd_run = {
    .name = "run",
    .operands = "RULEBOOK",
    .summary = "serve a rulebook: a .lua file, or a folder with init.lua",
    .flags = flags,
    .n_flags = sizeof flags / sizeof *flags,
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
    .more_help = more_help,
};
