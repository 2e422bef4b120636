/* What the files that make up a VM share: vm.c, alloc.c, budget.c, watchdog.c, require.c, sandbox_*.c, and their tests.
 */
#ifndef UMP_BINDINGS_VM_STATE_H
#define UMP_BINDINGS_VM_STATE_H

#include <signal.h>
#include <stdatomic.h>

#include "bindings/faults.h"
#include "bindings/small.h"
#include "bindings/vm.h"

enum {
  UMP__ERROR_CAP = 4096,         /* an error message with its traceback */
  UMP__INNER_CAP = 1024,         /* frames of coroutines that a failing call was in */
  UMP__WHERE_CAP = 128,          /* "rules/arena.lua:12" */
  UMP__CHUNK_MAX = 1 << 20,      /* bytes of one source file, or of what load is given */
  UMP__FILES_MAX = 1024,         /* files of one rulebook */
  UMP__WORK_MAX = 100000,        /* elements one call of a table function may touch */
  UMP__COUNT_STEP = 1000,        /* instructions between two looks at the count (budget without a watchdog) */
  UMP__DEEP = 10000,             /* calls in calls: who is that deep has forgotten when to stop */
  UMP__HOST_RESERVE = 256 << 10, /* bytes over the cap that the host's own code may use, so that errors can be told */
};

/* Where the loop's thread says which call is under way, and the watchdog's looks (watchdog.c). */
struct ump__gate {
  _Atomic uint64_t call; /* odd while a call is under way; different for each call */
  _Atomic ump_time soft, hard;
  struct ump_vm *volatile vm; /* only for the loop's thread and its signal handler */
  _Atomic bool asleep;        /* the watchdog's thread wants to be woken by the next call */
};

struct ump_file {
  char *path; /* owned */
};

struct ump_vm {
  void *user; /* stays first: ump_vm_user */
  /* What every call touches comes first. running, tripped and soft_due are also the signal handler's, on our own
   * thread. */
  lua_State *L;
  struct ump__gate *gate;         /* of the watchdog; NULL: count instructions */
  lua_State *volatile running;    /* the coroutine (or main thread) under way: whose hook an interrupt arms */
  volatile sig_atomic_t tripped;  /* the call under way has spent its budget; stays until it has ended */
  volatile sig_atomic_t soft_due; /* the soft budget is spent and the place not yet noted */
  size_t memory, pressure;        /* bytes in use; above this the collector is hurried after a call */
  uint64_t allocated;             /* bytes in all, only ever more */
  bool in_call, soft_over;
  ump_time hard;         /* of the call under way */
  size_t error_n;        /* of error, below */
  struct ump_vm_cfg cfg; /* defaults filled in; root and library are owned copies */

  /* budget.c */
  unsigned closing;       /* nested coroutine.close, see sandbox_coroutine.c */
  uint64_t trips;         /* calls that were over their budget */
  uint64_t used, allowed; /* instructions, when they are counted */
  uint64_t used_before;   /* in all calls before */
  ump_time soft_cpu;      /* thread CPU time when the soft budget was noted */
  struct ump_faults slow; /* places of soft overruns, each logged once a minute at most */
  char soft_where[UMP__WHERE_CAP], trip_where[UMP__WHERE_CAP];

  /* alloc.c */
  struct ump__small small;
  size_t memory_max;
  size_t collected;  /* in use when the last cycle of the collector ended */
  bool refused;      /* in the call under way */
  bool refused_deep; /* the first time, it was UMP__DEEP calls deep */
  char refused_where[UMP__WHERE_CAP];

  /* require.c */
  struct ump_file *files;
  size_t n_files;
  uint64_t files_hash;

  struct ump_rng_seeded random; /* math.random */
  size_t inner_n;
  char inner[UMP__INNER_CAP]; /* of the call under way: frames of the coroutines that its error came through */
  char error[UMP__ERROR_CAP]; /* message of the last call */
};

/* ---- alloc.c ---- */
void *ump__vm_alloc(void *vm, void *p, size_t old_n, size_t n);

/* ---- budget.c ---- */
void ump__budget_count(struct ump_vm *vm);                /* begins a call whose instructions are counted */
void ump__budget_settle(struct ump_vm *vm);               /* after a trip or a soft overrun: disarms the hook, logs */
void ump__budget_interrupt(struct ump_vm *vm, bool hard); /* from the signal handler */
int ump__budget_raise(lua_State *L);                      /* raises the trip; does not return */
bool ump__budget_is_trip(lua_State *L, int index);        /* the value that a trip raises */
static inline void ump__budget_check(lua_State *L) {
  if (ump_vm_of(L)->tripped) ump__budget_raise(L);
}
/* "rules/arena.lua:12" of the innermost Lua function that runs in L; "" if none. Does not allocate. */
void ump__where(lua_State *L, char *out, size_t cap);

/* ---- watchdog.c ---- */
struct ump__gate *ump__watchdog_gate(struct ump_watchdog *w);
void ump__watchdog_wake(struct ump__gate *gate);
ump_time ump__thread_cpu(void); /* CPU time of the calling thread */

/* ---- vm_error.c ---- */
int ump__vm_message(lua_State *L);                          /* message handler of every call: writes vm->error */
void ump__vm_note_frames(struct ump_vm *vm, lua_State *co); /* of a coroutine that ended in an error: for the message */
void ump__vm_describe(struct ump_vm *vm, int code);         /* the message where no handler could write one */

/* ---- require.c ---- */
/* lua_load of text in memory, in pieces between which the budget is looked at. Pushes the function or an error message.
 */
int ump__load_text(lua_State *L, struct ump_bytes text, const char *chunk_name);
void ump__require_deinit(struct ump_vm *vm);

/* ---- sandbox*.c: each takes names from the stock library table `stock` (index) or defines them anew ---- */
void ump__sandbox_open(lua_State *L); /* all of it; leaves the environment in the registry */
void ump__sandbox_take(lua_State *L, int from, int to, const char *const *names);
void ump__sandbox_open_string(lua_State *L, int stock);    /* pushes the table */
void ump__sandbox_open_table(lua_State *L);                /* the same */
void ump__sandbox_open_coroutine(lua_State *L, int stock); /* the same */
void ump__sandbox_open_os(lua_State *L);                   /* the same */
void ump__sandbox_open_math(lua_State *L, int stock);      /* the same */
void ump__sandbox_open_require(lua_State *L, int env);     /* sets require, load and package in env */
int ump__sandbox_find(lua_State *L);                       /* string.find, ... */
int ump__sandbox_match(lua_State *L);
int ump__sandbox_gmatch(lua_State *L);
int ump__sandbox_gsub(lua_State *L);
const char *ump__tolstring(lua_State *L, int index, size_t *n); /* luaL_tolstring without addresses; pushes it */

/* Keys in the registry: the addresses of these. */
extern const char ump__key_env, ump__key_loading;

#endif
