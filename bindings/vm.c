/* The life of a sandboxed Lua VM and the one call into it. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "bindings/vm_state.h"

enum { DEFAULT_MEMORY = 64 << 20, DEFAULT_INSTRUCTIONS = 5000000 };
static const ump_time DEFAULT_SOFT = 5 * UMP_MS, DEFAULT_HARD = 50 * UMP_MS;

struct ump_vm *ump_vm_of(lua_State *L) {
  struct ump_vm *vm;
  memcpy(&vm, lua_getextraspace(L), sizeof vm); /* coroutines get a copy of the main thread's */
  return vm;
}

void ump_vm_set_user(struct ump_vm *vm, void *user) {
  vm->user = user;
}
lua_State *ump_vm_state(struct ump_vm *vm) {
  return vm->L;
}
struct ump_rng_seeded *ump_vm_random(struct ump_vm *vm) {
  return &vm->random;
}
size_t ump_vm_memory(const struct ump_vm *vm) {
  return vm->memory;
}
uint64_t ump_vm_allocated(const struct ump_vm *vm) {
  return vm->allocated;
}
struct ump_bytes ump_vm_error(const struct ump_vm *vm) {
  return ump_bytes(vm->error, vm->error_n);
}

/* Only what runs outside of ump_vm_call can come here: a fault of ours. */
static int on_panic(lua_State *L) {
  const char *message = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "?";
  struct ump_vm *vm = ump_vm_of(L);
  char text[512];
  snprintf(text, sizeof text, "Lua was called outside of a protected call and failed: %s: aborting", message);
  ump_log_text(vm->cfg.log, UMP_ERROR, "lua_panic", NULL, text);
  abort();
}

/* ---- calls ---- */

static int failed(struct ump_vm *vm, int status) {
  static const char no_memory[] = "not enough memory"; /* how lauxlib's buffers put it, as an ordinary error */
  int code = UMP_VM_EERROR;
  if (vm->tripped)
    code = UMP_VM_EBUDGET;
  else if (status == LUA_ERRMEM)
    code = UMP_VM_EMEMORY;
  else if (vm->refused && lua_type(vm->L, -1) == LUA_TSTRING && strcmp(lua_tostring(vm->L, -1), no_memory) == 0)
    code = UMP_VM_EMEMORY;
  ump__vm_describe(vm, code);
  return code;
}

/* The unhurried end of a call that was not plain: it failed, it took long, or memory is getting short. */
static int settle(struct ump_vm *vm, int status) {
  int result = 0;
  if (status != LUA_OK || vm->tripped) result = failed(vm, status);
  if (status != LUA_OK) lua_pop(vm->L, 1);
  vm->trips += vm->tripped;
  ump__budget_settle(vm);
  vm->trip_where[0] = vm->refused_where[0] = 0;
  vm->refused = vm->refused_deep = false;
  vm->inner_n = 0;
  return result;
}

static inline void begin(struct ump_vm *vm, ump_time hard) {
  struct ump__gate *gate = vm->gate;
  vm->in_call = true;
  vm->error_n = 0;
  vm->hard = hard ? hard : vm->cfg.hard;
  if (!gate) {
    ump__budget_count(vm);
    return;
  }
  uint64_t call = atomic_load_explicit(&gate->call, memory_order_relaxed);
  gate->vm = vm;
  /* A long budget of its own (a reload's load handler) has a soft one in proportion. */
  atomic_store_explicit(&gate->soft, hard > vm->cfg.hard ? hard / 2 : vm->cfg.soft, memory_order_relaxed);
  atomic_store_explicit(&gate->hard, vm->hard, memory_order_relaxed);
  atomic_store_explicit(&gate->call, call + 1, memory_order_release);
  if (atomic_load_explicit(&gate->asleep, memory_order_relaxed)) ump__watchdog_wake(gate);
}

static inline void end(struct ump_vm *vm) {
  struct ump__gate *gate = vm->gate;
  if (gate) {
    uint64_t call = atomic_load_explicit(&gate->call, memory_order_relaxed);
    atomic_store_explicit(&gate->call, call + 1, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst); /* our signal handler does nothing from here on */
  }
  vm->in_call = false;
}

/* stack of vm->L at rest: ump__vm_message */
int ump_vm_call_for(struct ump_vm *vm, lua_CFunction fn, void *arg, ump_time hard) {
  lua_State *L = vm->L;
  assert(!vm->in_call && lua_gettop(L) == 1);
  lua_pushcfunction(L, fn);
  lua_pushlightuserdata(L, arg);
  begin(vm, hard);
  int status = lua_pcall(L, 1, 0, 1);
  end(vm);
  int result = 0;
  if (status != LUA_OK || vm->tripped || vm->soft_over || vm->soft_due) result = settle(vm, status);
  if (vm->memory > vm->pressure) ump_vm_idle_collect(vm);
  assert(lua_gettop(L) == 1);
  return result;
}

int ump_vm_call(struct ump_vm *vm, lua_CFunction fn, void *arg) {
  return ump_vm_call_for(vm, fn, arg, 0);
}

/* ---- life ---- */

/* A folder's name without '/' at its end. */
static bool copy_folder(const char **folder) {
  if (!*folder) return true;
  size_t n = strlen(*folder);
  while (n > 1 && (*folder)[n - 1] == '/') n--;
  *folder = strndup(*folder, n);
  return *folder != NULL;
}

static bool configure(struct ump_vm *vm, const struct ump_vm_cfg *cfg) {
  vm->cfg = *cfg;
  if (cfg->watchdog) vm->gate = ump__watchdog_gate(cfg->watchdog);
  if (!vm->cfg.memory) vm->cfg.memory = DEFAULT_MEMORY;
  if (!vm->cfg.soft) vm->cfg.soft = DEFAULT_SOFT;
  if (!vm->cfg.hard) vm->cfg.hard = DEFAULT_HARD;
  if (!vm->cfg.instructions) vm->cfg.instructions = DEFAULT_INSTRUCTIONS;
  vm->memory_max = vm->cfg.memory;
  vm->pressure = vm->cfg.memory / 2;
  if (cfg->rng.fill)
    ump_rng_seed(&vm->random, ump_rng_u64(&cfg->rng));
  else
    ump_rng_seed(&vm->random, 0);
  bool root = copy_folder(&vm->cfg.root), library = copy_folder(&vm->cfg.library);
  return root && library;
}

static int open_sandbox(lua_State *L) {
  ump__sandbox_open(L);
  return 0;
}

struct ump_vm *ump_vm_new(const struct ump_vm_cfg *cfg, char *error, size_t error_cap) {
  struct ump_vm *vm = calloc(1, sizeof *vm);
  if (!vm) goto no_memory;
  if (!configure(vm, cfg)) goto no_memory;
  if (UMP__SMALL_USED) ump__small_init(&vm->small, vm->memory_max);
  vm->L = lua_newstate(ump__vm_alloc, vm);
  if (!vm->L) goto no_memory;
  memcpy(lua_getextraspace(vm->L), &vm, sizeof vm);
  lua_atpanic(vm->L, on_panic);
  vm->running = vm->L;
  lua_gc(vm->L, LUA_GCINC, 0, 0, 0); /* 5.4.4's generational mode has long pauses */
  lua_pushcfunction(vm->L, ump__vm_message);
  if (ump_vm_call_for(vm, open_sandbox, NULL, UMP_S) == 0) return vm;
  snprintf(error, error_cap, "cannot make a Lua VM: %.*s", (int)vm->error_n, vm->error);
  ump_vm_free(vm);
  return NULL;
no_memory:
  snprintf(error, error_cap, "cannot make a Lua VM: out of memory");
  ump_vm_free(vm);
  return NULL;
}

/* No finalizer of a rulebook's is waiting: the sandbox lets none be made. */
void ump_vm_free(struct ump_vm *vm) {
  if (!vm) return;
  if (vm->L) lua_close(vm->L);
  assert(vm->memory == 0);
  ump__small_deinit(&vm->small);
  ump__require_deinit(vm);
  free((char *)vm->cfg.root);
  free((char *)vm->cfg.library);
  free(vm);
}

/* ---- memory ---- */

/* One of Lua's own steps: a few 100 us, and at the end of marking as long as it takes to free what was made last and is
 * garbage. When a cycle has ended, the next begins once a tenth more is in use. */
bool ump_vm_idle_collect(struct ump_vm *vm) {
  if (vm->memory < vm->collected + vm->collected / 10 + (64 << 10)) return false;
  bool ended = lua_gc(vm->L, LUA_GCSTEP, 0);
  if (ended) vm->collected = vm->memory;
  return !ended;
}

/* ---- Lua itself ---- */

const char *ump_lua_release(void) {
  return LUA_RELEASE;
}
bool ump_lua_is_old(void) {
  return LUA_VERSION_RELEASE_NUM < 50406;
}
