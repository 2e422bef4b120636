/* What a failed call tells the author of a rulebook: "rules/arena.lua:12: what is wrong", then the frames of rule code
 * that lead there. Written into a buffer of the VM's without asking Lua for memory, so that it works when memory is
 * what is missing. Frames of C functions are left out: they are our own doors. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "bindings/vm_state.h"

enum { MESSAGE_MAX = 2048, FRAMES_TOP = 12, FRAMES_BOTTOM = 8 };
enum { FRAMES_MAX = 10000 }; /* deeper is not looked: to find a level Lua goes through all above it */

__attribute__((format(printf, 2, 3))) static void put(struct ump_vm *vm, const char *format, ...) {
  va_list args;
  size_t room = sizeof vm->error - vm->error_n;
  va_start(args, format);
  int n = vsnprintf(vm->error + vm->error_n, room, format, args);
  va_end(args);
  if (n > 0) vm->error_n += (size_t)n < room ? (size_t)n : room - 1;
}

/* "x.lua:12: " in front already? A chunk name holds no line feed, and may hold colons only before the last two. */
static bool has_place(const char *s, size_t n) {
  for (size_t i = 1; i + 3 < n && s[i] != '\n' && i < 200; i++) {
    size_t k = i + 1;
    while (s[i] == ':' && k < n && s[k] >= '0' && s[k] <= '9') k++;
    if (k > i + 1 && k < n && s[k] == ':') return true;
  }
  return false;
}

static void put_place(struct ump_vm *vm, lua_State *L) {
  char where[UMP__WHERE_CAP];
  ump__where(L, where, sizeof where);
  if (where[0]) put(vm, "%s: ", where);
}

static void put_text(struct ump_vm *vm, lua_State *L, const char *s, size_t n) {
  if (!has_place(s, n)) put_place(vm, L);
  size_t cut = n < MESSAGE_MAX ? n : MESSAGE_MAX;
  size_t room = sizeof vm->error - vm->error_n - 1;
  if (cut > room) cut = room;
  memcpy(vm->error + vm->error_n, s, cut);
  vm->error_n += cut;
  vm->error[vm->error_n] = 0;
  if (cut < n) put(vm, " ... (%zu bytes more)", n - cut);
}

static void put_budget(struct ump_vm *vm) {
  if (vm->trip_where[0]) put(vm, "%s: ", vm->trip_where);
  if (vm->gate)
    put(vm, "this call ran for more than its budget of %lld ms and was ended", (long long)(vm->hard / UMP_MS));
  else
    put(vm, "this call ran for more than its budget of %llu instructions and was ended",
        (unsigned long long)vm->allowed);
}

/* error({...}), error(nil): says what it is; a __tostring of the rulebook's has the word if there is one. */
static void put_value(struct ump_vm *vm, lua_State *L) {
  size_t n;
  if (luaL_callmeta(L, 1, "__tostring") && lua_type(L, -1) == LUA_TSTRING) {
    const char *s = lua_tolstring(L, -1, &n);
    put_text(vm, L, s, n);
    return;
  }
  put_place(vm, L);
  if (lua_isinteger(L, 1))
    put(vm, LUA_INTEGER_FMT, lua_tointeger(L, 1));
  else if (lua_isnumber(L, 1))
    put(vm, LUA_NUMBER_FMT, lua_tonumber(L, 1));
  else
    put(vm, "the error is a %s, not a message", luaL_typename(L, 1));
}

/* Of the library that comes with umpire: not what the author of a rulebook is looking for. */
static bool is_shipped(const struct ump_vm *vm, const char *source) {
  size_t n = vm->cfg.library ? strlen(vm->cfg.library) : 0;
  return n && source[0] == '@' && strncmp(source + 1, vm->cfg.library, n) == 0 && source[1 + n] == '/';
}

static void put_frame(struct ump_vm *vm, lua_State *L, lua_Debug *ar) {
  lua_getinfo(L, "nSlt", ar);
  if (ar->currentline <= 0 || is_shipped(vm, ar->source)) return;
  put(vm, "\n    %s:%d: in ", ar->short_src, ar->currentline);
  if (strcmp(ar->what, "main") == 0)
    put(vm, "the main chunk");
  else if (ar->name && ar->namewhat[0])
    put(vm, "%s '%s'", ar->namewhat, ar->name);
  else
    put(vm, "the function of line %d", ar->linedefined);
  if (ar->istailcall) put(vm, " (after tail calls)");
}

/* How many levels there are, at most FRAMES_MAX + 1. */
static int count_frames(lua_State *L) {
  lua_Debug ar;
  int there = -1, not_there = FRAMES_MAX + 1;
  if (lua_getstack(L, FRAMES_MAX, &ar)) return FRAMES_MAX + 1;
  while (not_there - there > 1) {
    int mid = (there + not_there) / 2;
    if (lua_getstack(L, mid, &ar))
      there = mid;
    else
      not_there = mid;
  }
  return there + 1;
}

static void put_frames(struct ump_vm *vm, lua_State *L) {
  lua_Debug ar;
  int depth = count_frames(L), left_out = depth - FRAMES_TOP - FRAMES_BOTTOM;
  for (int level = 0; level < depth; level++) {
    if (level == FRAMES_TOP && depth > FRAMES_MAX) {
      put(vm, "\n    ... (more than %d levels)", FRAMES_MAX);
      return;
    }
    if (level == FRAMES_TOP && left_out > 0) {
      put(vm, "\n    ... (%d levels left out)", left_out);
      level += left_out;
    }
    if (lua_getstack(L, level, &ar)) put_frame(vm, L, &ar);
  }
}

/* Written where the message will be, and put aside: the coroutine may be gone by then. */
void ump__vm_note_frames(struct ump_vm *vm, lua_State *co) {
  size_t start = vm->error_n, room = sizeof vm->inner - vm->inner_n;
  put_frames(vm, co);
  size_t n = vm->error_n - start;
  if (n > room) n = room;
  memcpy(vm->inner + vm->inner_n, vm->error + start, n);
  vm->inner_n += n;
  vm->error_n = start;
}

int ump__vm_message(lua_State *L) {
  struct ump_vm *vm = ump_vm_of(L);
  vm->error_n = 0;
  if (ump__budget_is_trip(L, 1))
    put_budget(vm);
  else if (lua_type(L, 1) == LUA_TSTRING) {
    size_t n;
    const char *s = lua_tolstring(L, 1, &n);
    put_text(vm, L, s, n);
  } else
    put_value(vm, L);
  put(vm, "%.*s", (int)vm->inner_n, vm->inner);
  put_frames(vm, L);
  lua_settop(L, 1);
  return 1;
}

void ump__vm_describe(struct ump_vm *vm, int code) {
  if (code == UMP_VM_EMEMORY) {
    vm->error_n = 0;
    if (vm->refused_where[0]) put(vm, "%s: ", vm->refused_where);
    put(vm, "the rulebook uses more than %zu MiB of memory, the most it may have", vm->cfg.memory >> 20);
    if (vm->refused_deep)
      put(vm, ": here it is over %d calls deep (does a function call itself without end?)", UMP__DEEP);
  } else if (vm->error_n == 0) {
    if (code == UMP_VM_EBUDGET)
      put_budget(vm);
    else
      put(vm, "an error in the handling of an error (is the rulebook calling itself without end?)");
  }
}
