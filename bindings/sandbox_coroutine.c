/* Coroutines that keep the budget: whoever resumes one says which state runs now, charges for it, and raises again in
 * its own state when the budget was spent inside. yield, status, running and isyieldable are Lua's own. */
#include <lauxlib.h>

#include "bindings/vm_state.h"

enum {
  CHARGE_CREATE = UMP__COUNT_STEP, /* a new coroutine counts its instructions from 0: short ones would be free */
  CHARGE_RESUME = 100,
  CLOSE_DEPTH = 100, /* a __close that closes a coroutine whose __close closes ...: each is a C frame */
};

static lua_State *check_co(lua_State *L, int index) {
  lua_State *co = lua_tothread(L, index);
  luaL_argexpected(L, co, index, "coroutine");
  return co;
}

/* Moves the results, or the error, to L. The number of results, or -1. */
static int resume(lua_State *L, lua_State *co, int n_args) {
  int n;
  if (!lua_checkstack(co, n_args)) {
    lua_pushliteral(L, "too many arguments to resume");
    return -1;
  }
  ump_vm_charge(L, CHARGE_RESUME);
  lua_xmove(L, co, n_args);
  int status = ump_vm_resume(co, L, n_args, &n);
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_xmove(co, L, 1);
    return -1;
  }
  if (!lua_checkstack(L, n + 1)) {
    lua_pop(co, n);
    lua_pushliteral(L, "too many results to resume");
    return -1;
  }
  lua_xmove(co, L, n);
  return n;
}

static int co_resume(lua_State *L) {
  lua_State *co = check_co(L, 1);
  int n = resume(L, co, lua_gettop(L) - 1);
  lua_pushboolean(L, n >= 0);
  lua_insert(L, n >= 0 ? -n - 1 : -2);
  return n >= 0 ? n + 1 : 2;
}

static int co_create(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  ump_vm_charge(L, CHARGE_CREATE);
  lua_State *co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  return 1;
}

/* Ends a coroutine and runs what it has to close. LUA_OK, or an error with its value on top of co. */
static int close_co(lua_State *L, lua_State *co) {
  struct ump_vm *vm = ump_vm_of(L);
  if (vm->closing == CLOSE_DEPTH) return luaL_error(L, "C stack overflow");
  vm->running = co;
  vm->closing++;
#if LUA_VERSION_RELEASE_NUM >= 50406
  int status = lua_closethread(co, L);
#else
  int status = lua_resetthread(co);
#endif
  vm->closing--;
  vm->running = L;
  ump__budget_check(L);
  return status;
}

/* A coroutine that was ended by the budget died inside of our hook, where Lua lets no hook run: its __close would be
 * out of reach, so they are not run. */
static bool died_of_budget(lua_State *co) {
  int status = lua_status(co);
  return status != LUA_OK && status != LUA_YIELD && ump__budget_is_trip(co, -1);
}

/* The dead part of it is what coroutine.status says: not running, not resuming another. */
static bool is_closable(lua_State *L, lua_State *co) {
  lua_Debug ar;
  if (L == co) return false;
  if (lua_status(co) != LUA_OK) return true; /* suspended in a yield, or dead of an error */
  return lua_getstack(co, 0, &ar) == 0;      /* not started, or dead */
}

static int co_close(lua_State *L) {
  lua_State *co = check_co(L, 1);
  if (!is_closable(L, co)) return luaL_error(L, "cannot close a %s coroutine", L == co ? "running" : "normal");
  if (died_of_budget(co)) {
    lua_pushboolean(L, 0);
    lua_pushliteral(L, "the call in which it ran was ended: it was over its budget");
    return 2;
  }
  if (close_co(L, co) == LUA_OK) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushboolean(L, 0);
  lua_xmove(co, L, 1);
  return 2;
}

/* An error in a wrapped coroutine goes on in its caller, with the caller's place in front. */
static int co_call_wrapped(lua_State *L) {
  lua_State *co = lua_tothread(L, lua_upvalueindex(1));
  int n = resume(L, co, lua_gettop(L));
  if (n >= 0) return n;
  int status = lua_status(co);
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_pushvalue(L, -1);
    lua_xmove(L, co, 1); /* closing expects the error there, and may put another in its place */
    if (close_co(L, co) != LUA_OK) lua_xmove(co, L, 1), lua_remove(L, -2);
  }
  if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

static int co_wrap(lua_State *L) {
  co_create(L);
  lua_pushcclosure(L, co_call_wrapped, 1);
  return 1;
}

void ump__sandbox_open_coroutine(lua_State *L, int stock) {
  static const char *const taken[] = {"isyieldable", "running", "status", "yield", NULL};
  static const luaL_Reg own[] = {
      {"create", co_create}, {"resume", co_resume}, {"wrap", co_wrap}, {"close", co_close}, {NULL, NULL}};
  luaL_newlib(L, own);
  ump__sandbox_take(L, stock, lua_gettop(L), taken);
}
