/* host.spawn, host.yield, host.sleep, and host.cancel of what spawn gave: cooperative micro-threads.
 *
 * A micro-thread is a coroutine that a timer of the engine wakes: each slice is a call of its own, with its own budget,
 * whose effects take place when the slice gives way, and whose error ends that micro-thread alone. yield(p) gives way
 * for 1 + p turns of a millisecond: priority 0 or nil is real time, a higher number leaves more turns to the others.
 * The priority of the last yield holds until the next, through sleeps too; at first it is real time. They end with
 * their VM.
 *
 * Who comes when: in a turn of the host everybody who is due, in the order in which they came due. When slices of this
 * turn have cost more than SHARE, those that are not real time are put off: they wait, in their order and before
 * whoever comes due later, for the next turn, and the host looks at its sockets first. So
 *   - one of real time runs in each turn, and a turn costs no more than SHARE, the slices of those of real time, and
 * one slice more;
 *   - one that is not of real time runs in each turn, however much those of real time take, and each put off has one
 *     less before it in the next turn: nobody waits for ever. */
#include <lauxlib.h>

#include "bindings/book.h"

#define TURN  UMP_MS
#define SHARE (2 * UMP_MS)
enum { LOWEST = 1000000 }; /* priority: about a quarter of an hour between slices */

/* What the table of threads holds for a coroutine: the id of the timer that wakes it, and whether it is real time. */
static lua_Integer entry(uint64_t id, bool real_time) {
  return (lua_Integer)(id << 1 | !real_time);
}
static bool is_real_time(lua_Integer entry) {
  return !(entry & 1);
}
static bool wakes(lua_Integer entry, uint64_t id) {
  return (uint64_t)entry >> 1 == (id & UINT64_MAX >> 1);
}

/* Pushes the entry of the coroutine at index, or nil. */
static int push_entry(lua_State *L, const struct ump_book *b, int index) {
  index = lua_absindex(L, index);
  lua_rawgeti(L, LUA_REGISTRYINDEX, b->threads);
  lua_pushvalue(L, index);
  int type = lua_rawget(L, -2);
  lua_remove(L, -2);
  return type;
}

/* The coroutine on top of L sleeps until a timer; pops it. Its id tells an expected waking from one that is out of
 * date. */
static void wake_after(lua_State *L, struct ump_book *b, const char *function, ump_time after, bool real_time) {
  lua_pushvalue(L, -1);
  uint64_t id = ump__book_timer(L, b, function, after, 0);
  lua_rawgeti(L, LUA_REGISTRYINDEX, b->threads);
  lua_insert(L, -2);
  lua_pushinteger(L, entry(id, real_time));
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

/* Returns the coroutine, which is what host.cancel takes. */
static int host_spawn(lua_State *L) {
  struct ump_book *b = ump__book_of(L);
  ump__api_effect(L, b, "host.spawn");
  if (!lua_isfunction(L, 1)) return ump__api_wrong(L, 1, "host.spawn", "function");
  lua_settop(L, 1);
  lua_State *co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  lua_pushvalue(L, 2);
  wake_after(L, b, "host.spawn", TURN, true);
  return 1;
}

/* yields: real_time is what it asked for; else what it was. */
static int wait(lua_State *L, const char *function, ump_time t, bool yields, bool real_time) {
  struct ump_book *b = ump__book_of(L);
  ump__api_effect(L, b, function);
  lua_pushthread(L);
  if (push_entry(L, b, -1) == LUA_TNIL || !lua_isyieldable(L))
    return luaL_error(L, "%s works in a micro-thread only: start one with host.spawn(function() ... end)", function);
  if (!yields) real_time = is_real_time(lua_tointeger(L, -1));
  lua_pop(L, 1);
  wake_after(L, b, function, t, real_time);
  return lua_yield(L, 0);
}

static int host_yield(lua_State *L) {
  if (!lua_isnoneornil(L, 1) && lua_type(L, 1) != LUA_TNUMBER)
    return ump__api_wrong(L, 1, "host.yield", "number or nil");
  lua_Number priority = lua_tonumber(L, 1);
  if (!(priority >= 0 && priority <= LOWEST))
    return luaL_error(L, "bad argument #1 to 'host.yield' (a priority from 0 to %d expected)", LOWEST);
  return wait(L, "host.yield", TURN + (ump_time)(priority * TURN), true, priority == 0);
}

static int host_sleep(lua_State *L) {
  if (lua_type(L, 1) != LUA_TNUMBER) return ump__api_wrong(L, 1, "host.sleep", "number");
  lua_Number s = lua_tonumber(L, 1);
  if (!(s >= 0 && s <= 1e9)) return luaL_error(L, "bad argument #1 to 'host.sleep' (seconds, 0 or more, expected)");
  ump_time t = (ump_time)(s * 1e9 + 0.5);
  return wait(L, "host.sleep", t < TURN ? TURN : t, false, false);
}

int ump__thread_cancel(lua_State *L, struct ump_book *b) {
  if (lua_tothread(L, 1) == L)
    return luaL_error(L, "host.cancel: a micro-thread ends itself by returning from its function");
  if (push_entry(L, b, 1) == LUA_TNIL)
    return luaL_error(L, "bad argument #1 to 'host.cancel' (timer or micro-thread expected, got a coroutine that "
                         "host.spawn did not make)");
  uint64_t id = (uint64_t)lua_tointeger(L, -1) >> 1;
  int err = b->engine ? ump_engine_cancel(b->engine, id) : 0;
  if (err < 0 && err != UMP_EGONE) return ump__api_failed(L, "host.cancel", err);
  lua_pushboolean(L, err == 0);
  return 1;
}

/* ---- slices ---- */

struct slice {
  struct ump_book *b;
  uint64_t id;
};

/* Returned from its function, closed by hand, or failed. One that was not started yet has its function on its stack. */
static bool is_over(lua_State *co) {
  lua_Debug ar;
  int status = lua_status(co);
  if (status != LUA_OK) return status != LUA_YIELD;
  return lua_gettop(co) == 0 && !lua_getstack(co, 0, &ar);
}

static int run(lua_State *L) {
  struct slice *s = lua_touserdata(L, 1);
  int n;
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->b->timers);
  lua_rawgeti(L, -1, (lua_Integer)s->id);
  push_entry(L, s->b, -1);
  /* Somebody may have resumed it by hand, and it has gone to sleep again since, or is over. */
  lua_State *co = lua_tothread(L, -2);
  if (!wakes(lua_tointeger(L, -1), s->id) || is_over(co)) return 0;
  int status = ump_vm_resume(co, L, 0, &n);
  if (status != LUA_OK && status != LUA_YIELD) return ump_vm_rethrow(L, co);
  lua_pop(co, n);
  return 0;
}

/* Outside of a protected call: reading what is there neither allocates nor raises. */
bool ump__thread_is(const struct ump_book *b, uint64_t id) {
  lua_State *L = ump_vm_state(b->vm);
  lua_rawgeti(L, LUA_REGISTRYINDEX, b->timers);
  bool is = lua_rawgeti(L, -1, (lua_Integer)id) == LUA_TTHREAD;
  lua_pop(L, 2);
  return is;
}

/* The same. */
static bool has_real_time(const struct ump_book *b, uint64_t id) {
  lua_State *L = ump_vm_state(b->vm);
  lua_rawgeti(L, LUA_REGISTRYINDEX, b->timers);
  lua_rawgeti(L, -1, (lua_Integer)id);
  push_entry(L, b, -1);
  bool real_time = is_real_time(lua_tointeger(L, -1));
  lua_pop(L, 3);
  return real_time;
}

int ump__thread_wake(struct ump_book *b, uint64_t id) {
  struct ump_slices *s = &b->slices;
  struct slice slice = {b, id};
  ump_time now = ump__book_now(b);
  if (s->at != now || s->put_off == id) *s = (struct ump_slices){.at = now};
  bool real_time = has_real_time(b, id);
  if (!real_time && s->one_ran && s->used > SHARE) {
    if (!s->put_off) s->put_off = id;
    return 1;
  }
  if (!real_time) s->one_ran = true;
  ump_time before = ump_vm_cost(b->vm);
  int err = ump__book_call(b, &(struct ump_cause){.deed = UMP_DO_THREAD}, NULL, run, &slice);
  s->used += ump_vm_cost(b->vm) - before;
  return err;
}

/* Nobody would notice the next turn by it any more. */
void ump__thread_gone(struct ump_book *b, uint64_t id) {
  if (b->slices.put_off == id) b->slices = (struct ump_slices){.at = b->slices.at};
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
