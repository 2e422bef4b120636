/* One sandboxed Lua VM: made, limited, called into and closed here, and nowhere else is lua_pcall called.
 *
 * The sandbox (hardening section 3 and its rulings): what reaches outside is gone (io, os.execute and friends,
 * package.loadlib, debug, dofile, loadfile, binary chunks, collectgarbage's tuning); the rest of Lua is there, bounded
 * where a hook cannot interrupt it (sandbox_*.c). Undefined globals are errors. math.random, os.time, os.clock and
 * os.date come from the host.
 *
 * Budgets: time per call and memory per VM. Time is kept either by the watchdog (production: no cost until a call
 * overruns, then a hook that keeps firing) or by counting instructions (simulator: the same run every time). Once
 * tripped, neither pcall, xpcall, a coroutine, __gc, __close nor load hides it: the call fails with UMP_VM_EBUDGET, and
 * the VM is as usable for the next call as after any error. */
#ifndef UMP_BINDINGS_VM_H
#define UMP_BINDINGS_VM_H

#include <lua.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/time.h"

/* ---- the watchdog: one per process, or none ---- */
struct ump_watchdog;
/* A thread that looks every few ms whether a call overruns, and interrupts the loop's thread with a signal whose
 * handler arms the VM's hook (lua_sethook may be called so). The signal is SIGURG: by default it is ignored, debuggers
 * let it pass, and no library we use sends it. Soft and hard budgets are CPU time of the calling thread, so that a busy
 * machine does not end innocent calls; a call that waits instead of computing is ended `stuck` after its hard budget. A
 * call that goes on `stuck` after it was told to end is logged (from the watchdog's thread: the loop's own thread is
 * inside the call) and the process aborts, so that a supervisor restarts it (0: never). Call from the thread that will
 * run the VMs, and free from there, with no call under way. NULL: no thread or memory. */
struct ump_watchdog *ump_watchdog_new(ump_time stuck, const struct ump_log *log);
void ump_watchdog_free(struct ump_watchdog *w);

/* ---- the VM ---- */
struct ump_vm;

struct ump_vm_cfg {
  const char *root;      /* folder that require looks in, after the shipped library; NULL: no require of files */
  const char *library;   /* folder of the shipped library ("umpire/…" is below it); NULL: none */
  size_t memory;         /* bytes; 0: 64 MiB */
  ump_time soft, hard;   /* per call: logged over soft (0: 5 ms), ended over hard (0: 50 ms) */
  uint64_t instructions; /* watchdog NULL: instead of hard (0: 5 000 000) */
  struct ump_watchdog *watchdog; /* borrowed; NULL: count instructions */
  bool ordered; /* pairs goes in the order of the keys, as it does without a watchdog: a run can be repeated */
  const struct ump_log *log;  /* borrowed */
  struct ump_rng rng;         /* seeds math.random: asked for 64 bits once, when the VM is made */
  ump_time (*now)(void *ctx); /* the host clock, for os.clock */
  int64_t (*wall)(void *ctx); /* Unix time in seconds, for os.time and os.date */
  void *clock_ctx;
};

/* On failure NULL and a message in error (NUL-terminated, cut). */
struct ump_vm *ump_vm_new(const struct ump_vm_cfg *cfg, char *error, size_t error_cap);
void ump_vm_free(
    struct ump_vm *vm); /* NULL is allowed; runs no finalizer of the rulebook's for longer than the hard budget */
void ump_vm_chance_from(struct ump_vm *vm, const struct ump_vm *before); /* math.random goes on where that VM's is */
struct ump_rng_seeded *ump_vm_random(struct ump_vm *vm); /* math.random's state, to be kept or put back */
lua_State *ump_vm_state(struct ump_vm *vm); /* for C functions called through ump_vm_call; at top level only to read */
/* Whose VM it is, from any state of it: what was noted by ump_vm_set_user, or NULL. In a few instructions, for fields
 * that rules read many times an event. */
void ump_vm_set_user(struct ump_vm *vm, void *user);
static inline void *ump_vm_user(lua_State *L) {
  void **vm;
  memcpy(&vm, lua_getextraspace(L), sizeof vm);
  return *vm;
}
struct ump_vm *ump_vm_of(lua_State *L); /* the VM a state (or a coroutine of it) belongs to */

/* ---- for C functions that run inside ump_vm_call; they raise Lua errors ---- */
void ump_vm_push_env(
    lua_State *L); /* the sandbox's global table (_G). Reading an undefined name in it raises: use lua_rawget */
/* require(name) calls open (Lua's arguments: name, ":host:") the first time and keeps what it returns; before any file.
 */
void ump_vm_preload(lua_State *L, const char *name, lua_CFunction open);
void ump_vm_require(lua_State *L, const char *name); /* pushes what require(name) gives */
/* Pushes the function that a file of the root folder ("arena.lua", "init.lua") is; its chunk name is "ROOT/FILE". */
void ump_vm_load_file(lua_State *L, const char *file);
/* lua_resume for those who run coroutines themselves: the one way that keeps the budget. `from` is the caller's state;
 * raises in it when the budget is spent. Otherwise as lua_resume: LUA_OK, LUA_YIELD or an error with its value on top
 * of co. */
int ump_vm_resume(lua_State *co, lua_State *from, int n_args, int *n_results);
/* An error that ended co, which ump_vm_resume left on top of it, goes on in L; the message shows the frames of both. */
int ump_vm_rethrow(lua_State *L, lua_State *co);
/* For loops in C that a rulebook can make long: raises if the budget is spent; `steps` of work count as instructions.
 */
void ump_vm_charge(lua_State *L, size_t steps);

enum ump_vm_err { UMP_VM_EERROR = -101, UMP_VM_EBUDGET = -102, UMP_VM_EMEMORY = -103 };

/* Runs fn(L) protected and budgeted, with lua_touserdata(L, 1) == arg. fn pushes arguments and makes its Lua calls
 * itself with lua_call, so that running out of memory while pushing is caught too. 0, or enum ump_vm_err: then
 * ump_vm_error gives the message with traceback (file:line first), which stays until the next call. The stack is as
 * high after as before. */
int ump_vm_call(struct ump_vm *vm, lua_CFunction fn, void *arg);
/* As above with a hard budget of its own (a reload's load handler), 0: the VM's. */
int ump_vm_call_for(struct ump_vm *vm, lua_CFunction fn, void *arg, ump_time hard);
struct ump_bytes ump_vm_error(const struct ump_vm *vm);

/* ---- the files that require and ump_vm_load_file read, in order, the shipped library's included ---- */
size_t ump_vm_n_files(const struct ump_vm *vm);
const char *ump_vm_file(const struct ump_vm *vm, size_t i); /* a path that can be opened from the working directory */
uint64_t ump_vm_files_hash(const struct ump_vm *vm);        /* of their names (as required) and contents */

size_t ump_vm_memory(const struct ump_vm *vm);      /* bytes in use */
uint64_t ump_vm_allocated(const struct ump_vm *vm); /* bytes that were ever asked for, given back or not */
/* Goes forward by what calls cost: CPU time of this thread with a watchdog, else the instructions counted, as the share
 * they are of a call's budget in time. Only differences mean something. */
ump_time ump_vm_cost(const struct ump_vm *vm);
bool ump_vm_idle_collect(
    struct ump_vm *vm); /* a bounded step of garbage collection when nothing else is to do; true: more to do */

/* Lua's release this program runs on ("Lua 5.4.4") and whether it has the memory bug below 5.4.6 (hardening, rulings).
 */
const char *ump_lua_release(void);
bool ump_lua_is_old(void);

#endif
