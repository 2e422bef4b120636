/* The time budget of a call into Lua.
 *
 * With a watchdog nothing runs along until a call overruns: then a signal handler arms a hook that fires at every call,
 * return, line and instruction. Without one, a hook counts instructions all along, which costs about half of Lua's
 * speed but gives the same run every time. Either way a spent budget sets `tripped`, and from then on the hook raises
 * wherever Lua code runs, and our own pcall, xpcall, coroutine and load functions raise again what they caught. What is
 * raised is the address of `trip`, which no rulebook ever gets hold of.
 *
 * The hook of a state is armed anew by everyone who notices the trip, because each coroutine has its own. */
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "bindings/vm_state.h"

enum { EVERYTHING = LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT };

static const char trip;

bool ump__budget_is_trip(lua_State *L, int index) {
  return lua_touserdata(L, index) == (void *)&trip;
}

void ump__where(lua_State *L, char *out, size_t cap) {
  lua_Debug ar;
  out[0] = 0;
  for (int level = 0; lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "Sl", &ar);
    if (ar.currentline <= 0) continue;
    snprintf(out, cap, "%s:%d", ar.short_src, ar.currentline);
    return;
  }
}

static void on_interrupt(lua_State *L, lua_Debug *ar);
static void on_count(lua_State *L, lua_Debug *ar);

/* Goes through all levels of calls, of which there may be 300 000. */
static void arm_anew(lua_State *L) {
  lua_sethook(L, on_interrupt, EVERYTHING, 1);
}

static void arm(lua_State *L) {
  if (lua_gethook(L) != on_interrupt || lua_gethookmask(L) != EVERYTHING) arm_anew(L);
}

/* Back to how a state's hook is when nothing is wrong. A signal may come in the middle, so the trip is looked at again.
 */
static void disarm(lua_State *L, struct ump_vm *vm) {
  if (vm->gate)
    lua_sethook(L, NULL, 0, 0);
  else
    lua_sethook(L, on_count, LUA_MASKCOUNT, UMP__COUNT_STEP);
  if (vm->tripped) arm(L);
}

int ump__budget_raise(lua_State *L) {
  struct ump_vm *vm = ump_vm_of(L);
  if (!vm->trip_where[0]) ump__where(L, vm->trip_where, sizeof vm->trip_where);
  arm(L);
  lua_pushlightuserdata(L, (void *)&trip);
  return lua_error(L);
}

static void note_soft(lua_State *L, struct ump_vm *vm) {
  vm->soft_due = 0;
  vm->soft_over = true;
  vm->soft_cpu = ump__thread_cpu();
  ump__where(L, vm->soft_where, sizeof vm->soft_where);
}

/* Also fires in a coroutine that was interrupted in an earlier call and is resumed in this one: then it only disarms.
 */
static void on_interrupt(lua_State *L, lua_Debug *ar) {
  struct ump_vm *vm = ump_vm_of(L);
  (void)ar;
  if (!vm->tripped && vm->soft_due) note_soft(L, vm);
  if (!vm->tripped) disarm(L, vm);
  if (vm->tripped) ump__budget_raise(L);
}

static void spend(struct ump_vm *vm, uint64_t n) {
  vm->used += n;
  if (vm->used > vm->allowed) vm->tripped = 1;
}

static void on_count(lua_State *L, lua_Debug *ar) {
  struct ump_vm *vm = ump_vm_of(L);
  (void)ar;
  spend(vm, UMP__COUNT_STEP);
  if (vm->tripped) ump__budget_raise(L);
}

void ump_vm_charge(lua_State *L, size_t steps) {
  struct ump_vm *vm = ump_vm_of(L);
  if (!vm->gate) spend(vm, steps);
  if (vm->tripped) ump__budget_raise(L);
}

/* Interrupted code is whatever the thread was doing: nothing but flags and lua_sethook here. That may have come in the
 * middle of another lua_sethook, or of a call, so it is armed anew each time. */
void ump__budget_interrupt(struct ump_vm *vm, bool hard) {
  if (hard)
    vm->tripped = 1;
  else
    vm->soft_due = 1;
  arm_anew(vm->running);
}

int ump_vm_resume(lua_State *co, lua_State *from, int n_args, int *n_results) {
  struct ump_vm *vm = ump_vm_of(from);
  vm->running = co;
  int status = lua_resume(co, from, n_args, n_results);
  vm->running = from;
  if (vm->tripped && status != LUA_OK && status != LUA_YIELD) ump__vm_note_frames(vm, co);
  ump__budget_check(from);
  return status;
}

int ump_vm_rethrow(lua_State *L, lua_State *co) {
  ump__vm_note_frames(ump_vm_of(L), co);
  lua_xmove(co, L, 1);
  return lua_error(L);
}

ump_time ump_vm_cost(const struct ump_vm *vm) {
  if (vm->gate) return ump__thread_cpu();
  return (ump_time)((double)(vm->used_before + vm->used) * ((double)vm->cfg.hard / (double)vm->cfg.instructions));
}

/* From 0 in each call, so that a call's budget does not depend on the calls before it. */
void ump__budget_count(struct ump_vm *vm) {
  vm->used_before += vm->used;
  vm->used = 0;
  vm->allowed = vm->cfg.instructions;
  if (vm->hard != vm->cfg.hard) {
    double share = (double)vm->allowed * ((double)vm->hard / (double)vm->cfg.hard);
    vm->allowed = share < 1e18 ? (uint64_t)share : (uint64_t)1e18; /* a number of them that no call lives to see */
  }
  lua_sethook(vm->L, on_count, LUA_MASKCOUNT, UMP__COUNT_STEP);
}

static void log_soft(struct ump_vm *vm) {
  char text[UMP__WHERE_CAP + 160];
  const char *where = vm->soft_where[0] ? vm->soft_where : "?";
  ump_time now = vm->cfg.now ? vm->cfg.now(vm->cfg.clock_ctx) : 0;
  uint64_t untold;
  if (!ump_faults_note(&vm->slow, ump_text(where), now, &untold)) return;
  ump_time took = vm->cfg.soft + ump__thread_cpu() - vm->soft_cpu;
  int n = snprintf(text, sizeof text, "%s: this call took about %lld ms; over %lld ms it is logged, over %lld ms ended",
                   where, (long long)(took / UMP_MS), (long long)(vm->cfg.soft / UMP_MS),
                   (long long)(vm->cfg.hard / UMP_MS));
  if (untold)
    snprintf(text + n, sizeof text - (size_t)n, " (%llu more like it since the last line)", (unsigned long long)untold);
  ump_log_text(vm->cfg.log, UMP_WARN, "slow_rule", NULL, text);
}

/* No call is under way: no interrupt comes any more, and the flags are ours. */
void ump__budget_settle(struct ump_vm *vm) {
  bool slow = vm->soft_over && !vm->tripped;
  vm->tripped = vm->soft_due = 0;
  vm->soft_over = false;
  disarm(vm->L, vm);
  if (slow) log_soft(vm);
  vm->soft_where[0] = 0;
}
