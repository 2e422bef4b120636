/* One loaded rulebook: a VM, what of it the host keeps hold of, and the face the engine sees. What the files that make
 * up the binding share (rulebook_lua.c, client_lua.c, api_*.c, load.c, reload.c, check.c, rules.c); nobody outside
 * includes it.
 *
 * A book is made by ump__book_new, filled by ump__book_load, given to the engine by rules.c, and freed once the engine
 * holds it no more. It borrows engine, log and the strings of its configuration. */
#ifndef UMP_BINDINGS_BOOK_H
#define UMP_BINDINGS_BOOK_H

#include "bindings/costs.h"
#include "bindings/faults.h"
#include "bindings/json_lua.h"
#include "bindings/rules.h"
#include "bindings/value.h"

enum ump_handler {
  UMP_H_CONNECT,
  UMP_H_LEGAL,
  UMP_H_EXECUTE,
  UMP_H_DISCONNECT,
  UMP_H_LOGIN,
  UMP_H_TICK,
  UMP_H_SAVE,
  UMP_H_LOAD,
  UMP_H_VIEW,
  UMP_N_HANDLERS,
};
extern const char *const ump__handler_names[UMP_N_HANDLERS];

/* What the VM keeps of the client in a slot. */
struct ump_seat {
  struct ump_client *client; /* NULL: nobody sits here, as far as this VM knows */
  int ref;                   /* registry reference of its userdata, or LUA_NOREF */
  const void *box, *data;    /* where they are, for ump__client_expect alone; data may be gone */
  size_t kept, n_kept; /* where its data from the VM before is in book->kept; n_kept 0: nothing, or it was unpacked */
};

/* A name that an event had: its string is kept, so that the next event of that name need not make it anew. */
struct ump_known_name {
  int ref;   /* registry reference of the string */
  uint8_t n; /* 0: of none yet */
  char text[16];
};
enum { UMP_KNOWN_NAMES = 8 };

/* The turn of the host under way, see api_thread.c. */
struct ump_slices {
  ump_time at;      /* host clock */
  ump_time used;    /* what the slices in it have cost */
  bool one_ran;     /* of those that are not real time */
  uint64_t put_off; /* the timer of the first that has to wait for the next turn; 0: none */
};

struct ump_book {
  struct ump_rulebook face; /* what the engine holds */
  const struct ump_mem *mem;
  struct ump_engine *engine; /* NULL: `umpire check`, where nothing has effects */
  const struct ump_log *log;
  struct ump_vm_cfg cfg; /* what its VM was made from; strings borrowed */
  struct ump_vm *vm;
  struct ump_json_lua json;

  bool unheard;                 /* what it tells clients is checked and then dropped: ump_rules_rehearse */
  const char *refuses;          /* the handler under way must change nothing: its name; else NULL */
  int handlers[UMP_N_HANDLERS]; /* registry references; LUA_NOREF: the rulebook has none */
  uint32_t n_legal;             /* legal is a list of so many functions; 0: it is one function */
  int invalid;                  /* reference of the metatable that marks host.invalid's result */
  int timers;                   /* reference of a table: timer id -> function or coroutine */
  int threads;                  /* reference of a table with weak keys: coroutine -> what wakes it; api_thread.c */
  struct ump_slices slices;     /* of micro-threads */
  int event_class;              /* reference of the metatable of events */
  struct ump_known_name known_names[UMP_KNOWN_NAMES]; /* of events lately, each in its place; event_lua.c */
  /* A VM has one copy of a short string, so the fields that rules read most are told by their address. */
  const char *name_key, *data_key;
  int channels; /* reference of a table: channel -> { max_chunk, mode, procedure = its types }; LUA_NOREF: none */
  int host;     /* reference of the table that require "umpire" gives */

  struct ump_seat *seats; /* by slot */
  uint32_t n_seats;
  struct ump_buf kept; /* client.data of the VM before, packed */
  size_t n_kept;       /* clients of whom some is left in it */
  struct ump_buf out;  /* what the last call gave: response data, saved data */
  char reason[201];    /* 200 bytes: the most a verdict carries */
  size_t n_reason;
  uint64_t errors, tripped;
  struct ump_costs *costs;    /* NULL: there was no memory for them */
  struct ump_costing costing; /* of the call under way */
  struct ump_faults faults;
  uint64_t fake_timer; /* ids without an engine */

  int64_t version;
  struct ump_buf listen; /* URLs, each with its NUL */
  size_t n_listen;
  struct ump_buf config; /* what it declares for protocols: face.config */
};

/* ---- rulebook_lua.c ---- */
struct ump_book *ump__book_new(const struct ump_vm_cfg *cfg, struct ump_engine *engine, char *error, size_t error_cap);
void ump__book_free(struct ump_book *b); /* NULL is allowed */
/* Calls into the VM; what it costs is counted, an error too, and logged with what it was called for. 0 or a negative
 * enum ump_err. verdict: where that of an event will be; else NULL. */
int ump__book_call(struct ump_book *b, const struct ump_cause *cause, const enum ump_verdict *verdict, lua_CFunction fn,
                   void *arg);
/* book_errors.c: logs the VM's last error with what the call was for, unless one from the same place was told lately.
 */
void ump__book_tell_error(struct ump_book *b, const struct ump_cause *cause, int err);
void ump__book_tell_untold(struct ump_book *b); /* the book ends: how often errors came since they were told */
/* Pushes a handler's function; false: the rulebook has none, and nothing is pushed. */
bool ump__book_push_handler(lua_State *L, const struct ump_book *b, enum ump_handler h);
/* legal, then execute, inside of a call that is under way; raises what they raise. out's reason is in b->reason. */
void ump__book_judge(lua_State *L, struct ump_book *b, struct ump_client *c, const struct ump_event *ev,
                     struct ump_judgement *out);
struct ump_book *ump__book_at(lua_State *L); /* the book that a state belongs to */
/* The VM's one copy of a name of at most 40 bytes, kept until the VM is closed. */
const char *ump__book_intern(lua_State *L, const char *name);
ump_time ump__book_now(const struct ump_book *b);

/* ---- client_lua.c ---- */
void ump__client_open(lua_State *L, struct ump_book *b); /* once per VM */
void ump__client_push(lua_State *L, struct ump_book *b, struct ump_client *c);
bool ump__client_here(lua_State *L, const struct ump_book *b, int index); /* the client at index has not gone */
struct ump_client *ump__client_check(lua_State *L, struct ump_book *b, int arg, const char *function);
/* Calls for the memory of its seat (step 0), and for what the seat leads to (step 1). */
void ump__client_expect(const struct ump_book *b, const struct ump_client *c, int step);
void ump__client_forget(struct ump_book *b, struct ump_client *c); /* the engine frees it */
/* Packs client.data of every client of old into b, which has seen no client yet. Runs in old's VM and may raise. */
void ump__client_pack_all(lua_State *L, struct ump_book *old, struct ump_book *b);

/* ---- declare_channels.c ---- */
/* Raises when the client's channel cannot be told that: no such procedure, other parameters, too long. n->data is plain
 * data. */
void ump__channel_check(lua_State *L, const struct ump_book *b, const struct ump_client *c, const struct ump_notice *n,
                        const char *function);

/* ---- event_lua.c ---- */
void ump__event_open(lua_State *L, struct ump_book *b); /* once per VM */
void ump__event_push(lua_State *L, struct ump_book *b, const struct ump_event *ev);

/* ---- api_*.c: functions of host, each set into the table on top of the stack, with the book as upvalue ---- */
struct ump_book *ump__book_of(lua_State *L);          /* from the upvalue */
void ump__api_open(lua_State *L, struct ump_book *b); /* api.c: the whole table; require "umpire" gives it */
void ump__api_open_notify(lua_State *L, struct ump_book *b);
void ump__api_open_time(lua_State *L, struct ump_book *b);
void ump__api_open_thread(lua_State *L, struct ump_book *b);
void ump__api_open_value(lua_State *L, struct ump_book *b);
void ump__api_open_state(lua_State *L, struct ump_book *b);
int ump__state_tell(void *book, const struct ump_client *c, struct ump_bytes plain,
                    struct ump_notice *out);                                    /* state_tell.c */
int ump__state_view(void *book, struct ump_client *c, struct ump_bytes *plain); /* state_view.c */
void ump__api_set(lua_State *L, struct ump_book *b, const char *name, lua_CFunction fn);
int ump__api_wrong(lua_State *L, int arg, const char *function,
                   const char *expected); /* raises "bad argument #1 to ..." */
void ump__api_effect(lua_State *L, const struct ump_book *b, const char *function); /* raises inside legal and save */
int ump__api_failed(lua_State *L, const char *function,
                    int err); /* an engine's refusal: raises, or pushes nil, message, code */
bool ump__invalid_reason(lua_State *L, const struct ump_book *b,
                         int index); /* host.invalid's result: pushes its reason */
/* A timer for the value on top (function or coroutine), which is popped. Raises when there is no room. */
uint64_t ump__book_timer(lua_State *L, struct ump_book *b, const char *function, ump_time after, ump_time every);
int ump__thread_cancel(lua_State *L, struct ump_book *b); /* host.cancel of the coroutine at 1 */
/* What a timer calls, from the engine: 0, 1 (put off) or a negative enum ump_err. */
int ump__thread_wake(struct ump_book *b, uint64_t id);      /* of a micro-thread */
bool ump__thread_is(const struct ump_book *b, uint64_t id); /* what the timer wakes is a micro-thread */
void ump__thread_gone(struct ump_book *b, uint64_t id);     /* the timer has ended */

/* ---- load.c, fields.c, globals.c ---- */
struct ump_load {
  const char *file;       /* in the VM's root folder: "arena.lua" */
  struct ump_bytes saved; /* for load(), packed; empty: load(nil) */
  int64_t saved_version;
  ump_time budget;
  struct ump_buf *findings; /* what is wrong, a line each: "rules/arena.lua:12: ..." */
};
/* Runs the rulebook's files, checks what they are, takes the handlers and calls load(). False: findings says why; then
 * the book is good for nothing but to be freed. What the rulebook asks for meanwhile is between the engine's begin and
 * commit. */
bool ump__book_load(struct ump_book *b, const struct ump_load *how);
/* A path as the user gave it: the folder that is the VM's root, and the file in it. Both have their NUL. */
void ump__load_split(const char *path, struct ump_buf *root, struct ump_buf *file);
/* Adds "file:line: text" (line 0: "file: text"). */
#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
void ump__found(struct ump_buf *findings, const char *file, int line, const char *format, ...);
/* The table on top of the stack is what the rulebook returned: checks every field, and takes handlers and settings.
 * main: stack index of the main chunk's function, or 0; shown: its file as messages call it. */
void ump__fields_take(lua_State *L, struct ump_book *b, int main, const char *shown, struct ump_buf *findings);
/* Names that are read and that nothing defines, in the main chunk's function at index main and in all files required.
 */
void ump__globals_check(lua_State *L, struct ump_book *b, int main, const char *shown, struct ump_buf *findings);
/* Pushes a file as a function; false: it cannot be read or compiled any more, which its loader has told or will tell.
 */
bool ump__push_compiled(lua_State *L, const char *path);
bool ump__is_shipped(const struct ump_book *b,
                     const char *path); /* a file of the library, not one of the rulebook's own */

/* ---- scan.c: what a compiled file does with names, read from its bytecode ---- */
struct ump_scan_name {
  const char *name;
  int line;
  enum {
    UMP_SCAN_READS,
    UMP_SCAN_SETS,
    UMP_SCAN_FIELD,    /* global read, global set, t.name = ... */
    UMP_SCAN_PATTERN,  /* a string is given to find, match, gmatch or gsub as pattern */
    UMP_SCAN_CONSTANT, /* a function mentions the string; line: where it begins */
  } kind;
};
typedef void ump_scan_fn(void *ctx, const struct ump_scan_name *n);
/* The Lua function on top of the stack, with all that it contains. False: not a format we know (then nothing was told).
 */
bool ump__scan(lua_State *L, const struct ump_mem *mem, ump_scan_fn *tell, void *ctx);

/* The nearest of n words, if it is near enough to be meant; else NULL. */
const char *ump__nearest(const char *word, const char *const *words, size_t n);

#endif
