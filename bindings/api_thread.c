/* host.spawn, host.yield, host.sleep: cooperative micro-threads.
 *
 * A micro-thread is a coroutine that a timer of the engine wakes: each slice is a call of its own, with its own budget,
 * whose effects take place when the slice gives way, and whose error ends that micro-thread alone. yield(p) gives way
 * for 1 + p turns of a millisecond: priority 0 or nil is real time and runs in every turn, a higher number leaves more
 * turns to the others, and since timers fire in the order of their deadlines nobody is ever starved. They end with
 * their VM. */
#include <lauxlib.h>

#include "bindings/book.h"

#define TURN UMP_MS
enum { LOWEST = 1000000 }; /* priority: about a quarter of an hour between slices */

/* The coroutine on top of L sleeps until a timer; pops it. Its id tells an expected waking from one that is out of
 * date. */
static void wake_after(lua_State *L, struct ump_book *b, const char *function, ump_time after) {
  lua_pushvalue(L, -1);
  uint64_t id = ump__book_timer(L, b, function, after, 0);
  lua_rawgeti(L, LUA_REGISTRYINDEX, b->threads);
  lua_insert(L, -2);
  lua_pushinteger(L, (lua_Integer)id);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

static int host_spawn(lua_State *L) {
  struct ump_book *b = ump__book_of(L);
  ump__api_effect(L, b, "host.spawn");
  if (!lua_isfunction(L, 1)) return ump__api_wrong(L, 1, "host.spawn", "function");
  lua_settop(L, 1);
  lua_State *co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  wake_after(L, b, "host.spawn", TURN);
  return 0;
}

static int wait(lua_State *L, const char *function, ump_time t) {
  struct ump_book *b = ump__book_of(L);
  ump__api_effect(L, b, function);
  lua_rawgeti(L, LUA_REGISTRYINDEX, b->threads);
  lua_pushthread(L);
  if (lua_rawget(L, -2) == LUA_TNIL || !lua_isyieldable(L))
    return luaL_error(L, "%s works in a micro-thread only: start one with host.spawn(function() ... end)", function);
  lua_pushthread(L);
  wake_after(L, b, function, t);
  return lua_yield(L, 0);
}

static int host_yield(lua_State *L) {
  if (!lua_isnoneornil(L, 1) && lua_type(L, 1) != LUA_TNUMBER)
    return ump__api_wrong(L, 1, "host.yield", "number or nil");
  lua_Number priority = lua_tonumber(L, 1);
  if (!(priority >= 0 && priority <= LOWEST))
    return luaL_error(L, "bad argument #1 to 'host.yield' (a priority from 0 to %d expected)", LOWEST);
  return wait(L, "host.yield", TURN + (ump_time)(priority * TURN));
}

static int host_sleep(lua_State *L) {
  if (lua_type(L, 1) != LUA_TNUMBER) return ump__api_wrong(L, 1, "host.sleep", "number");
  lua_Number s = lua_tonumber(L, 1);
  if (!(s >= 0 && s <= 1e9)) return luaL_error(L, "bad argument #1 to 'host.sleep' (seconds, 0 or more, expected)");
  ump_time t = (ump_time)(s * 1e9 + 0.5);
  return wait(L, "host.sleep", t < TURN ? TURN : t);
}

/* An error in it goes on as this call's, with the place where it happened. */
static void fail(lua_State *L, lua_State *co) {
  lua_xmove(co, L, 1);
  if (lua_type(L, -1) == LUA_TSTRING) luaL_traceback(L, co, lua_tostring(L, -1), 0);
  lua_error(L);
}

void ump__thread_run(lua_State *L, struct ump_book *b, uint64_t id) {
  lua_State *co = lua_tothread(L, -1);
  int n;
  lua_rawgeti(L, LUA_REGISTRYINDEX, b->threads);
  lua_pushvalue(L, -2);
  lua_rawget(L, -2);
  bool expected = (uint64_t)lua_tointeger(L, -1) == id;
  lua_pop(L, 2);
  if (!expected) return; /* somebody resumed it by hand, and it has gone to sleep again since */
  int status = ump_vm_resume(co, L, 0, &n);
  if (status != LUA_OK && status != LUA_YIELD) fail(L, co);
  lua_pop(co, n);
}

void ump__api_open_thread(lua_State *L, struct ump_book *b) {
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  b->threads = luaL_ref(L, LUA_REGISTRYINDEX);
  ump__api_set(L, b, "spawn", host_spawn);
  ump__api_set(L, b, "yield", host_yield);
  ump__api_set(L, b, "sleep", host_sleep);
}
