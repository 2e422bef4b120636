/* A running host: all parts of the program, built in order and taken down in reverse. cmd_run.c owns the only one. */
#ifndef UMP_HOST_HOST_H
#define UMP_HOST_HOST_H

#include "bindings/rules.h"
#include "flags.h"
#include "host_record.h"
#include "net/control.h"
#include "net/entropy.h"
#include "net/listen_url.h"
#include "net/logger.h"
#include "net/logins.h"
#include "net/loop.h"
#include "net/signal.h"
#include "net/tcp.h"
#include "net/udp.h"
#include "net/watch.h"
#include "place.h"
#include "store/store.h"
#include "web/web.h"

struct run_options {
  struct flag_list listen;
  bool watch;
  const char *control; /* NULL: the default path; "none": no control socket */
  enum ump_log_format log_format;
  enum ump_level log_level;
  const char *save, *store, *web;
  const char *console; /* "ro", "rw" or "none"; NULL: "ro" */
  uint64_t accounts;
  uint64_t window_memory, window_per_client, effects, effect_memory, timers;
  uint64_t state_memory, state_keys;
  uint64_t rule_memory;
  int64_t rule_time, rule_warn, load_time, stuck_time;
  const char *record, *gate;
  struct flag_list gate_accept;
  int64_t gate_time;
  uint64_t record_limit;
};

struct listener {
  struct ump_listen url;
  char name[UMP_LISTEN_NAME]; /* with the port that was bound */
  struct ump_addr addr;
  uint32_t index;      /* the engine's */
  struct ump_udp *udp; /* one of these two */
  struct ump_tcp *tcp;
};

struct host {
  const struct run_options *options;
  const char *path; /* of the rulebook */
  struct ump_places places;
  struct ump_logger *logger;
  struct ump_log log;
  struct ump_entropy entropy;
  struct ump_rng rng, chance; /* chance: what the engine and VMs draw; the same, but recorded if anything is */
  struct ump_engine *engine;
  struct ump_watchdog *watchdog;
  struct ump_rules *rules;
  struct ump_loop *loop;
  struct ump_store *store;
  struct ump_logins *logins;
  struct ump_signals *signals;
  struct ump_control *control;
  struct ump_watch *watch;
  struct host_record *record; /* NULL: nothing is recorded */
  struct host_gate *gate;     /* NULL: reloads are not tried first */
  struct ump_web *web;
  char web_name[UMP_LISTEN_NAME]; /* "http://127.0.0.1:8000" */
  struct listener *listeners;
  size_t n_listeners;
  ump_time started;
  int stopping; /* the signal that asked for it, or -1: the control socket; 0: no */
};

/* Builds everything up to listening sockets. EXIT_OK, or the exit code with the reason logged; call ump_host_deinit
 * either way. */
int ump_host_init(struct host *h, const struct run_options *o, const char *path);
/* Serves until it is told to stop; drains. EXIT_OK, or EXIT_RULEBOOK when --save could not be written. */
int ump_host_run(struct host *h);
void ump_host_deinit(struct host *h);

/* Reloads the rulebook and logs how it went. why: "SIGHUP". The report is the caller's to free. */
bool ump_host_reload(struct host *h, const char *why, struct ump_report *report);
/* The same, and answers whoever asked on the control socket (0: nobody did). */
void ump_host_reload_now(struct host *h, const char *why, uint64_t ticket);
void ump_host_stop(struct host *h, int signo);

/* ---- --web (host_web.c) ---- */
/* Is it a port, or HOST:PORT? 0, or UMP_EINVAL with a message. */
int ump_host_web_check(const char *text, char *error, size_t cap);
int ump_host_web_open(struct host *h);      /* once the listeners are bound, whose ports pages are told; an exit code */
void ump_host_web_say(struct host *h);      /* logs where it is */
void ump_host_web_reloaded(struct host *h); /* another rulebook may have other pages */

/* ---- what the rulebook costs, for the control socket (host_costs.c): as JSON members, and as a table for people ----
 */
void ump_host_costs(struct host *h, struct ump_writer *json, struct ump_writer *text);
/* Everything that is counted, in the text format of Prometheus and OpenMetrics. */
void ump_host_metrics(struct host *h, struct ump_writer *text);

/* To whoever asked on the control socket before (ump_control_later). */
void ump_host_answer_later(struct host *h, uint64_t ticket, bool ok, const char *text);
/* printf into a writer, at most 511 bytes a call (host_control.c). */
void ump_host_print(struct ump_writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* One request of the control socket (host_control.c). */
void ump_host_request(void *ctx, struct ump_control_conn *c, struct ump_bytes line);

#endif
