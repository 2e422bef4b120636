#include "host.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "protocols.h"
#include "save_file.h"

enum { MESSAGE = 4096 };

/* ---- what the rulebook's VM is told of the world ---- */

static ump_time vm_now(void *ctx) {
  return (void)ctx, ump_monotonic();
}
static int64_t vm_wall(void *ctx) {
  struct host *h = ctx;
  return h->record ? ump_host_record_wall(h) : (int64_t)time(NULL);
}

static struct ump_vm_cfg vm_cfg(struct host *h) {
  return (struct ump_vm_cfg){.library = h->places.library,
                             .memory = h->options->rule_memory,
                             .soft = h->options->rule_warn,
                             .hard = h->options->rule_time,
                             .watchdog = h->watchdog,
                             .log = &h->log,
                             .ordered = h->record != NULL,
                             .rng = h->chance,
                             .now = vm_now,
                             .wall = vm_wall,
                             .clock_ctx = h};
}

/* ---- reload and stop ---- */

static void describe_rules(struct host *h, const char *done, const char *tail) {
  struct ump_rules_info i;
  ump_rules_info(h->rules, &i);
  ump_logger_say(h->logger, UMP_INFO, "rulebook", "%s %s, version %lld, hash %s%s", done, i.path, (long long)i.version,
                 i.hash, tail);
}

static void watch_files(struct host *h) {
  for (size_t i = 0; h->watch && i < ump_rules_n_files(h->rules); i++)
    ump_watch_file(h->watch, ump_rules_file(h->rules, i));
}

bool ump_host_reload(struct host *h, const char *why, struct ump_report *report) {
  char tail[96];
  memset(report, 0, sizeof *report);
  ump_loop_stale(h->loop);
  ump_time now = ump_loop_now(h->loop);
  ump_host_record_reload(h, now);
  bool ok = ump_rules_reload(h->rules, now, report);
  ump_host_record_reloaded(h, ok);
  if (ok) {
    snprintf(tail, sizeof tail, ", paused for %.2f ms (%s)", (double)report->took / 1e6, why);
    describe_rules(h, "reloaded", tail);
    watch_files(h);
    ump_host_web_reloaded(h);
  } else {
    ump_logger_say(h->logger, UMP_ERROR, "reload", "refused (%s), the rulebook in place goes on: %s", why,
                   report->text ? report->text : "out of memory");
  }
  ump_loop_work(h->loop);
  return ok;
}

static void reload_because(struct host *h, const char *why) {
  if (!h->stopping && !ump_host_gate(h, why, 0)) ump_host_reload_now(h, why, 0);
}

static void on_hup(void *ctx) {
  reload_because(ctx, "SIGHUP");
}
static void on_saved(void *ctx) {
  reload_because(ctx, "a file changed");
}

/* A second signal means it: die of it, as if nobody had caught it. */
static void die_of(int signo) {
  signal(signo, SIG_DFL);
  raise(signo);
  _exit(128 + signo);
}

/* T29: an end within 5 s, whatever the rulebook's disconnect and save handlers do. */
static void out_of_time(int signo) {
  static const char text[] = "error stop: the drain took longer than 5 s; ending without it\n";
  (void)signo;
  if (write(STDERR_FILENO, text, sizeof text - 1) < 0) _exit(EXIT_RULEBOOK);
  _exit(EXIT_RULEBOOK);
}

/* From here on signals do not wait for the loop, which may be inside a handler of the rulebook's for long. */
static void bound_the_drain(struct host *h) {
  ump_signals_free(h->signals);
  h->signals = NULL;
  signal(SIGHUP, SIG_IGN);
  signal(SIGTERM, die_of);
  signal(SIGINT, die_of);
  signal(SIGALRM, out_of_time);
  alarm(5);
}

void ump_host_stop(struct host *h, int signo) {
  if (h->stopping) return;
  h->stopping = signo;
  bound_the_drain(h); /* before the log says so: whoever reads that may send the second signal */
  ump_logger_say(h->logger, UMP_INFO, "stop", "stopping (%s)",
                 signo == SIGTERM   ? "SIGTERM"
                 : signo == SIGINT  ? "SIGINT"
                 : signo == SIGUSR1 ? "a client's shutdown command"
                                    : "umpire stop");
  ump_loop_stop(h->loop);
}

static void on_stop(void *ctx, int signo) {
  ump_host_stop(ctx, signo);
}
static void on_asked_to_stop(void *ctx) {
  ump_host_stop(ctx, SIGUSR1); /* which stands for it: we catch no such signal */
}

/* ---- building ---- */

static int fail(struct host *h, int code, const char *cause, const char *text) {
  ump_logger_say(h->logger, UMP_ERROR, cause, "%s", text);
  return code;
}

/* The log is read in a terminal that knows colours, by somebody who has not said no (no-color.org). */
static bool wants_colour(void) {
  const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
  return isatty(STDERR_FILENO) && !(no && *no) && term && *term && strcmp(term, "dumb") != 0;
}

static int make_logger(struct host *h) {
  struct ump_logger_cfg cfg = {.fd = STDERR_FILENO, .format = h->options->log_format, .level = h->options->log_level};
  cfg.colour = wants_colour();
  ump_rng_fill(&h->rng, &cfg.key, sizeof cfg.key);
  h->logger = ump_logger_new(&cfg);
  if (!h->logger) return EXIT_RULEBOOK;
  h->log = ump_logger_log(h->logger);
  if (ump_lua_is_old())
    ump_logger_say(h->logger, UMP_WARN, "lua",
                   "%s can corrupt memory on valid code (fixed in 5.4.6): fine for development; for production use the "
                   "container image or Debian 13",
                   ump_lua_release());
  return EXIT_OK;
}

static int make_engine(struct host *h) {
  const struct run_options *o = h->options;
  struct ump_engine_cfg cfg = {.mem = &ump_mem_libc, .rng = &h->chance, .log = &h->log};
  cfg.limits = (struct ump_limits){.window_bytes = o->window_memory,
                                   .window_per_client = (uint32_t)o->window_per_client,
                                   .effects = (uint32_t)o->effects,
                                   .effect_bytes = o->effect_memory,
                                   .state_bytes = o->state_memory,
                                   .state_keys = (uint32_t)o->state_keys,
                                   .timers = (uint32_t)o->timers};
  h->engine = ump_engine_new(&cfg, ump_monotonic());
  if (!h->engine) return fail(h, EXIT_RULEBOOK, "start", "out of memory");
  h->watchdog = ump_watchdog_new(o->stuck_time, &h->log);
  if (!h->watchdog) return fail(h, EXIT_RULEBOOK, "start", "cannot start the watchdog thread");
  struct ump_loop_cfg loop = {.mem = &ump_mem_libc,
                              .engine = h->engine,
                              .log = &h->log,
                              .logger = h->logger,
                              .asked_to_stop = on_asked_to_stop,
                              .ctx = h};
  h->loop = ump_loop_new(&loop);
  struct ump_signals_cfg signals = {.reload = on_hup, .stop = on_stop, .ctx = h};
  h->signals = h->loop ? ump_signals_new(h->loop, &signals) : NULL;
  return h->signals ? EXIT_OK : fail(h, EXIT_RULEBOOK, "start", "out of memory or file descriptors");
}

/* ---- accounts ---- */

static int check_login(void *ctx, bool create, struct ump_bytes name, struct ump_bytes password, char *error,
                       size_t cap) {
  return ump_store_login(ctx, create, name, password, error, cap);
}

static int open_accounts(struct host *h) {
  char error[MESSAGE];
  struct ump_store_cfg cfg = {.path = h->options->store, .limit = h->options->accounts};
  if (ump_store_open(&cfg, &h->store, error, sizeof error) != 0) return fail(h, EXIT_RULEBOOK, "accounts", error);
  struct ump_logins_cfg logins = {.loop = h->loop, .check = check_login, .ctx = h->store};
  h->logins = ump_logins_new(&logins);
  if (!h->logins) return fail(h, EXIT_RULEBOOK, "start", "out of memory");
  ump_engine_set_accounts(h->engine, ump_logins_accounts(h->logins));
  return EXIT_OK;
}

static int open_rules(struct host *h) {
  char error[MESSAGE];
  struct ump_saved saved = {0};
  struct ump_report report = {0};
  if (!ump_rulebook_there(h->path, error, sizeof error)) return fail(h, EXIT_RULEBOOK, "rulebook", error);
  if (h->options->save && ump_save_read(h->options->save, &saved, error, sizeof error) < 0)
    return fail(h, EXIT_RULEBOOK, "save", error);
  struct ump_rules_cfg cfg = {
      .path = h->path, .vm = vm_cfg(h), .engine = h->engine, .load_budget = h->options->load_time};
  ump_time now = ump_monotonic();
  ump_host_record_begin(h, saved.data, saved.version, now);
  h->rules = ump_rules_open(&cfg, saved.data, saved.version, now, &report);
  if (h->rules)
    describe_rules(h, "judging by", saved.bytes ? ", with what was saved" : ""), ump_host_record_ready(h);
  else
    fail(h, EXIT_RULEBOOK, "rulebook", report.text ? report.text : "out of memory");
  ump_report_free(&report);
  ump_saved_free(&saved);
  return h->rules ? EXIT_OK : EXIT_RULEBOOK;
}

/* ---- listening ---- */

static int wrong_url(struct host *h, const char *error) { /* the rulebook's: cmd_run.c has looked at the flags' */
  char text[2 * MESSAGE];
  snprintf(text, sizeof text, "in the `listen` list of %s: %s", h->path, error);
  return fail(h, EXIT_RULEBOOK, "listen", text);
}

static const char *listen_at(const struct host *h, size_t i) {
  const struct flag_list *given = &h->options->listen;
  return given->n ? given->v[i] : ump_rules_listen(h->rules, i);
}

static int parse_urls(struct host *h, size_t n) {
  char error[MESSAGE];
  const char *fallback = "neteria://0.0.0.0:40080";
  h->n_listeners = n ? n : 1;
  h->listeners = calloc(h->n_listeners, sizeof *h->listeners);
  if (!h->listeners) return fail(h, EXIT_RULEBOOK, "listen", "out of memory");
  for (size_t i = 0; i < h->n_listeners; i++)
    if (ump_listen_parse(ump_protocols(), n ? listen_at(h, i) : fallback, &h->listeners[i].url, error, sizeof error) !=
        0)
      return wrong_url(h, error);
  return EXIT_OK;
}

static bool is_listed_before(const struct host *h, const struct listener *l) {
  for (const struct listener *other = h->listeners; other < l; other++)
    if (other->url.ops->transport == l->url.ops->transport && ump_addr_equal(&other->addr, &l->addr)) return true;
  return false;
}

static int bind_failed(struct host *h, struct listener *l, int err) {
  char text[MESSAGE];
  const char *hint = err == -EADDRINUSE && is_listed_before(h, l) ? "; it is listed twice"
                     : err == -EADDRINUSE
                         ? "; another program has it: stop that one (umpire stop, if it is a host of yours), or choose "
                           "another port with --listen, 0 for any that is free"
                     : err == -EACCES        ? "; ports below 1024 are reserved, choose a higher one with --listen"
                     : err == -EADDRNOTAVAIL ? "; this machine has no such address, 0.0.0.0 means every one"
                                             : "";
  ump_listen_name(l->url.ops, &l->addr, l->name);
  snprintf(text, sizeof text, "cannot bind %s: %s%s", l->name, strerror(-err), hint);
  return fail(h, EXIT_BIND, "bind", text);
}

static int bind_listener(struct host *h, struct listener *l) {
  char error[MESSAGE];
  struct ump_addr bound;
  const struct ump_proto_ops *ops = l->url.ops;
  if (ump_listen_resolve(&l->url, &l->addr, error, sizeof error) != 0) return fail(h, EXIT_BIND, "bind", error);
  int err = ops->transport == UMP_DATAGRAM ? ump_udp_open(h->loop, &l->addr, ops->max_datagram, &l->udp, &bound)
                                           : ump_tcp_open(h->loop, &l->addr, 0, &l->tcp, &bound);
  if (err != 0) return bind_failed(h, l, err);
  l->addr = bound;
  ump_listen_name(ops, &l->addr, l->name);
  struct ump_proto_cfg cfg = {.mem = &ump_mem_libc,
                              .rng = &h->rng,
                              .log = &h->log,
                              .limit = l->url.limit,
                              .per_address = l->url.per_address,
                              .options = l->url.values,
                              .n_options = l->url.n_values};
  err = ump_host_record_listen(h, &ops, &cfg);
  if (err == 0) err = ump_engine_listen(h->engine, ops, &cfg, l->url.attempts, &l->index, ump_monotonic());
  if (err == 0) return EXIT_OK;
  snprintf(error, sizeof error, "%s: %s", l->name, ump_err_name(err));
  return fail(h, err == UMP_EINVAL ? EXIT_USAGE : EXIT_RULEBOOK, "listen", error);
}

static int start_listeners(struct host *h) {
  for (size_t i = 0; i < h->n_listeners; i++) {
    struct listener *l = &h->listeners[i];
    int err = l->udp ? ump_udp_start(l->udp, l->index) : ump_tcp_start(l->tcp, l->index);
    if (err != 0) return bind_failed(h, l, err);
    ump_logger_say(h->logger, UMP_INFO, "listening", "listening %s", l->name);
  }
  return EXIT_OK;
}

static int open_listeners(struct host *h) {
  size_t n = h->options->listen.n ? h->options->listen.n : ump_rules_n_listen(h->rules);
  int code = parse_urls(h, n);
  for (size_t i = 0; code == EXIT_OK && i < h->n_listeners; i++) code = bind_listener(h, &h->listeners[i]);
  return code;
}

static int open_control(struct host *h) {
  char error[MESSAGE], path[UMP_CONTROL_PATH];
  struct ump_control_cfg cfg = {.path = h->options->control, .request = ump_host_request, .ctx = h};
  if (cfg.path && strcmp(cfg.path, "none") == 0) return EXIT_OK;
  if (!cfg.path && ump_control_default_path(path) != 0)
    return fail(h, EXIT_USAGE, "control",
                "the path of the control socket is too long; give a shorter one with --control");
  if (!cfg.path) cfg.path = path;
  if (ump_control_open(h->loop, &cfg, &h->control, error, sizeof error) == 0) return EXIT_OK;
  return fail(h, EXIT_BIND, "control", error);
}

static int start_watch(struct host *h) {
  if (!h->options->watch) return EXIT_OK;
  h->watch = ump_watch_new(h->loop, on_saved, h);
  if (!h->watch) return fail(h, EXIT_RULEBOOK, "watch", "out of memory");
  watch_files(h);
  return EXIT_OK;
}

/* ---- life ---- */

static void raise_descriptors(void) { /* what the system allows us anyway */
  struct rlimit r;
  if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur == r.rlim_max) return;
  r.rlim_cur = r.rlim_max;
  setrlimit(RLIMIT_NOFILE, &r);
}

int ump_host_init(struct host *h, const struct run_options *o, const char *path) {
  memset(h, 0, sizeof *h);
  h->options = o;
  h->path = path;
  h->started = ump_monotonic();
  ump_entropy_init(&h->entropy);
  h->rng = ump_entropy_rng(&h->entropy);
  ump_places_find(&h->places);
  raise_descriptors();
  int code = make_logger(h);
  if (code == EXIT_OK) code = ump_host_record_open(h);
  h->chance = ump_host_record_rng(h);
  if (code == EXIT_OK) code = make_engine(h);
  if (code == EXIT_OK) code = open_accounts(h);
  if (code == EXIT_OK) code = open_rules(h);
  if (code == EXIT_OK) code = open_listeners(h);
  if (code == EXIT_OK) code = open_control(h);
  if (code == EXIT_OK) code = start_watch(h);
  if (code == EXIT_OK) code = ump_host_web_open(h);
  if (code == EXIT_OK) code = start_listeners(h);
  if (code == EXIT_OK && ump_host_gate_open(h) != 0) code = fail(h, EXIT_RULEBOOK, "gate", "out of memory");
  if (code == EXIT_OK) code = ump_host_record_start(h);
  if (code == EXIT_OK) ump_host_web_say(h);
  return code;
}

static int save(struct host *h) {
  char error[MESSAGE] = "the rulebook's save handler failed; what it held before is unchanged";
  struct ump_bytes data;
  struct ump_rules_info info;
  if (!h->options->save) return EXIT_OK;
  ump_rules_info(h->rules, &info);
  int err = ump_rules_save(h->rules, ump_monotonic(), &data);
  if (err == 0 && data.n == 0) return EXIT_OK;
  if (err == 0) err = ump_save_write(h->options->save, data, info.version, error, sizeof error);
  if (err != 0) return fail(h, EXIT_RULEBOOK, "save", error);
  ump_logger_say(h->logger, UMP_INFO, "save", "saved %zu bytes to %s", data.n, h->options->save);
  return EXIT_OK;
}

int ump_host_run(struct host *h) {
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); /* nothing that we could ever be made to start gains rights by it */
  ump_logger_say(h->logger, UMP_INFO, "ready", "ready");
  ump_loop_run(h->loop);
  ump_time now = ump_monotonic();
  ump_host_record_stop(h, now);
  ump_engine_drain(h->engine, now);
  ump_loop_settle(h->loop, 1 * UMP_S); /* goodbyes; 1 s is more than any LAN needs, and leaves the rest to save() */
  int code = save(h);
  ump_logger_say(h->logger, UMP_INFO, "stopped", "stopped");
  return code;
}

void ump_host_deinit(struct host *h) {
  for (size_t i = 0; i < h->n_listeners; i++) {
    ump_udp_close(h->listeners[i].udp);
    ump_tcp_close(h->listeners[i].tcp);
  }
  ump_web_stop(h->web);
  ump_watch_free(h->watch);
  ump_signals_free(h->signals);
  ump_rules_close(h->rules);
  ump_control_close(h->control);
  ump_logins_free(h->logins);
  ump_host_record_end(h);
  ump_host_gate_end(h);
  ump_loop_free(h->loop);
  ump_store_close(h->store); /* after the loop: a check on another thread ends with it */
  if (h->engine) ump_engine_free(h->engine);
  ump_host_gate_close(h);
  ump_host_record_close(h);
  if (h->watchdog) ump_watchdog_free(h->watchdog);
  ump_logger_free(h->logger);
  ump_entropy_deinit(&h->entropy);
  free(h->listeners);
}
