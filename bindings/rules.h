/* A rulebook in Lua, in the engine: load, judge, reload. The face that host/main.c and bindings/sim see of bindings/.
 */
#ifndef UMP_BINDINGS_RULES_H
#define UMP_BINDINGS_RULES_H

#include "bindings/vm.h"
#include "engine/engine.h"

struct ump_rules;

/* How another rulebook left things (ump_rules_snapshot), for one that goes on from there. */
struct ump_rules_start {
  const struct ump_bytes *clients; /* client.data of each in the engine, oldest first; empty: nothing */
  size_t n_clients;
  const uint64_t *random; /* math.random's state, 4 words; NULL: anew */
};

struct ump_rules_cfg {
  const char *path;          /* a .lua file, or a folder with init.lua; copied */
  struct ump_vm_cfg vm;      /* root is set from path; library must be given; borrowed pointers stay borrowed */
  struct ump_engine *engine; /* borrowed; must outlive the rules */
  ump_time load_budget;      /* hard budget of loading the file and of load(); 0: 1 s */
  const struct ump_rules_start *start; /* for ump_rules_open alone; NULL: nobody is there */
};

/* What went wrong with a rulebook, in words for its author: "rules/arena.lua:12: ..." and what to do; several lines
 * when several things are wrong. Owned by the report; free with ump_report_free. */
struct ump_report {
  bool ok;
  char *text;    /* errors, or (check) the description of the rulebook; NUL-terminated */
  ump_time took; /* of a reload: how long the engine stood still, by vm.now */
};
void ump_report_free(struct ump_report *r);

/* Loads, checks and starts a rulebook: after this the engine judges by it. saved: plain data (base/plain.h) for load(),
 * of version saved_version; empty: load(nil). NULL: report says why. */
struct ump_rules *ump_rules_open(const struct ump_rules_cfg *cfg, struct ump_bytes saved, int64_t saved_version,
                                 ump_time now, struct ump_report *report);
/* Takes the rulebook out of the engine and closes its VM. NULL is allowed. */
void ump_rules_close(struct ump_rules *r);

/* What SIGHUP does (design, Reload). True: the new rulebook judges; false: the old one goes on as if nothing had been
 * asked. */
bool ump_rules_reload(struct ump_rules *r, ump_time now, struct ump_report *report);

/* A reload that leaves no trace but in the rulebook itself, for asking whether anything is lost in one: what load()
 * tells clients is dropped, and math.random goes on. True: the new VM judges; false: the report says why not. */
bool ump_rules_rehearse(struct ump_rules *r, ump_time now, struct ump_report *report);

/* What the rulebook in place knows, as plain data (base/plain.h), borrowed until the next call into it; for tools.
 * Nothing changes by it. 0, or a negative code (logged); empty: nothing. */
enum ump_peek {
  UMP_PEEK_CLIENTS, /* client.data by client.id */
  UMP_PEEK_SCHEMA,  /* what umpire.middleware.schema was told of events; empty: the rulebook does not use it */
  UMP_PEEK_CONFIG,  /* what it declares for protocols: a map with channels, version and so on; empty: nothing */
  UMP_PEEK_SAVED,   /* what save() gives */
  UMP_PEEK_STATE,   /* host.state */
};
int ump_rules_peek(struct ump_rules *r, enum ump_peek what, ump_time now, struct ump_bytes *out);

/* The next reload takes the rulebook from here (copied); for simulations of one game taking over from another. 0,
 * UMP_ENOMEM */
int ump_rules_set_path(struct ump_rules *r, const char *path);

/* Calls save() and adds the replicated state, for ump_rules_open, which puts it back; the bytes are borrowed until the
 * next call. 0, or a negative code (logged). Empty: no save handler, or nil, and no state. */
int ump_rules_save(struct ump_rules *r, ump_time now, struct ump_bytes *out);

/* What a rulebook elsewhere would have to be given to go on from here: saved once, then client for each, oldest first.
 * The bytes are borrowed for the call. 0, or a negative code (logged, nothing told): save() failed, or data that is not
 * plain. */
struct ump_rules_teller {
  void (*saved)(void *ctx, struct ump_bytes saved, int64_t version);
  void (*client)(void *ctx, const struct ump_client *c, struct ump_bytes data);
  void *ctx;
};
int ump_rules_snapshot(struct ump_rules *r, ump_time now, const struct ump_rules_teller *tell);
struct ump_bytes
ump_rules_declared(const struct ump_rules *r); /* for protocols (base/plain.h), until the next reload */
struct ump_bytes
ump_rules_error(const struct ump_rules *r); /* of the last call: its message, file:line first; empty: it went well */
void ump_rules_random(const struct ump_rules *r, uint64_t state[4]); /* math.random's */

/* `umpire check`: loads it in the sandbox without an engine, checks it, and describes it or says what is wrong. */
bool ump_rules_check(const char *path, const struct ump_vm_cfg *vm, struct ump_report *report);

/* ---- the console ---- */
struct ump_console {
  struct ump_bytes text;
  bool complete; /* text is what a line ends with: gives the words it may become, a line each */
  bool writes;   /* false: it only looks, and cannot change anything */
};
enum ump_console_answer {
  UMP_CONSOLE_DONE,
  UMP_CONSOLE_MORE, /* the text is the beginning of something: ask again with the rest behind it */
  UMP_CONSOLE_ERROR,
};
/* Evaluates text in the VM in place, under the budget of an event; report->text says what came of it. An error has no
 * effects. */
enum ump_console_answer ump_rules_console(struct ump_rules *r, const struct ump_console *what, ump_time now,
                                          struct ump_report *report);

/* ---- facts about the rulebook in place ---- */
struct ump_rules_info {
  const char *path;
  int64_t version;          /* 0: it names none */
  char hash[17];            /* of all its files, 16 hex digits and a NUL */
  uint64_t loads, refused;  /* how many (re)loads took effect; how many were refused */
  uint64_t errors, tripped; /* calls that ended in an error; in a blown budget */
  size_t memory;            /* bytes its VM uses */
};
void ump_rules_info(const struct ump_rules *r, struct ump_rules_info *out);
/* What a handler cost since the rulebook was loaded, for one kind of event or for whatever else it is called for. Times
 * in ns and bytes allocated by one call are of those that were measured, right to a fifth. */
struct ump_rules_cost {
  const char *handler;    /* "legal", "execute", "tick", ... */
  const char *protocol;   /* of the client; NULL: nobody's */
  struct ump_bytes event; /* name; empty: it has none, or: */
  bool others;            /* all events without a row of their own: never legal yet, or too many names */
  bool is_event;
  uint64_t calls, errors, measured;
  uint64_t verdicts[4];    /* by enum ump_verdict, of events: the same for legal and execute */
  uint64_t p50, p99, most; /* ns */
  uint64_t bytes_p50, bytes_p99;
};
typedef void ump_rules_cost_fn(void *ctx, const struct ump_rules_cost *cost);
void ump_rules_costs(const struct ump_rules *r, ump_rules_cost_fn *tell, void *ctx);
/* Its errors since it was loaded, one row for each place in the rulebook. */
struct ump_rules_fault {
  const char *text; /* the first line of the first message */
  uint64_t count;
  ump_time seen; /* the last time, host clock */
};
typedef void ump_rules_fault_fn(void *ctx, const struct ump_rules_fault *fault);
void ump_rules_faults(const struct ump_rules *r, ump_rules_fault_fn *tell, void *ctx);
size_t ump_rules_n_listen(const struct ump_rules *r);
const char *ump_rules_listen(const struct ump_rules *r, size_t i); /* the i-th URL of its `listen` list */
/* The folder of pages, below the rulebook's own folder: what it names as `web`, else "web" beside init.lua, else for
 * x.lua "x/web". Whether that is there is not asked. root is borrowed until the next reload. */
#define UMP_RULES_PATH 512
struct ump_rules_web {
  const char *root;
  char folder[UMP_RULES_PATH];
  bool declared; /* it names one; then it was there when it was loaded */
};
void ump_rules_web(const struct ump_rules *r, struct ump_rules_web *out);
size_t ump_rules_n_files(const struct ump_rules *r);
const char *ump_rules_file(const struct ump_rules *r, size_t i); /* files it is made of, for --watch */

#endif
