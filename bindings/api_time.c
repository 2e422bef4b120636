/* host.now, host.after, host.every, host.cancel, host.uuid, host.random: time and chance are the host's, so a run with
 * the same seed and inputs repeats.
 *
 * A timer is the engine's; what it calls waits in a table under the timer's id. The engine tells when a timer is over,
 * fired for the last time, cancelled, or never came to be because the handler that asked for it failed (timer_gone). */
#include <lauxlib.h>

#include "bindings/book.h"

/* Nothing runs sooner than the next turn of the host, so that a timer which starts itself again lets the world go on.
 */
#define TURN    UMP_MS
#define LONGEST (100.0 * 365 * 24 * 3600) /* seconds; beyond it a number is a mistake, and far from overflow */

static int host_now(lua_State *L) {
  lua_pushnumber(L, ump_seconds(ump__book_now(ump__book_of(L))));
  return 1;
}

uint64_t ump__book_timer(lua_State *L, struct ump_book *b, const char *function, ump_time after, ump_time every) {
  uint64_t id = 0;
  int err = 0;
  luaL_checkstack(L, 4, NULL);
  lua_rawgeti(L, LUA_REGISTRYINDEX, b->timers);
  lua_insert(L, -2);
  if (b->engine)
    err = ump_engine_timer(b->engine, after, every, &id);
  else
    id = ++b->fake_timer;
  if (err < 0) luaL_error(L, "%s: %s", function, err == UMP_EFULL ? "too many timers" : ump_err_name(err));
  lua_rawseti(L, -2, (lua_Integer)id); /* may be short of memory: the call fails, and its effects with it */
  lua_pop(L, 1);
  return id;
}

/* Seconds at arg as time; less than a turn becomes a turn. */
static ump_time read_seconds(lua_State *L, int arg, const char *function) {
  if (lua_type(L, arg) != LUA_TNUMBER) ump__api_wrong(L, arg, function, "number");
  lua_Number s = lua_tonumber(L, arg);
  if (!(s >= 0 && s <= LONGEST))
    luaL_error(L, "bad argument #%d to '%s' (seconds from 0 to a hundred years expected)", arg, function);
  ump_time t = (ump_time)(s * 1e9 + 0.5);
  return t < TURN ? TURN : t;
}

static int start(lua_State *L, const char *function, bool again) {
  struct ump_book *b = ump__book_of(L);
  ump__api_effect(L, b, function);
  ump_time t = read_seconds(L, 1, function);
  if (!lua_isfunction(L, 2)) return ump__api_wrong(L, 2, function, "function");
  lua_settop(L, 2);
  lua_pushinteger(L, (lua_Integer)ump__book_timer(L, b, function, t, again ? t : 0));
  return 1;
}

static int host_after(lua_State *L) {
  return start(L, "host.after", false);
}
static int host_every(lua_State *L) {
  return start(L, "host.every", true);
}

static int host_cancel(lua_State *L) {
  struct ump_book *b = ump__book_of(L);
  ump__api_effect(L, b, "host.cancel");
  if (lua_isthread(L, 1)) return ump__thread_cancel(L, b);
  if (!lua_isinteger(L, 1)) return ump__api_wrong(L, 1, "host.cancel", "timer or micro-thread");
  int err = b->engine ? ump_engine_cancel(b->engine, (uint64_t)lua_tointeger(L, 1)) : 0;
  if (err < 0 && err != UMP_EGONE) return ump__api_failed(L, "host.cancel", err);
  lua_pushboolean(L, err == 0);
  return 1;
}

/* ---- chance ---- */

static const struct ump_rng *rng(const struct ump_book *b) {
  return b->engine ? ump_engine_rng(b->engine) : &b->cfg.rng;
}

static int host_uuid(lua_State *L) {
  struct ump_uuid u = ump_uuid_v4(rng(ump__book_of(L)));
  char text[UMP_UUID_TEXT];
  ump_uuid_print(&u, text);
  lua_pushlstring(L, text, sizeof text);
  return 1;
}

static lua_Integer read_integer(lua_State *L, int arg) {
  int is;
  lua_Integer i = lua_tointegerx(L, arg, &is);
  if (!is || lua_type(L, arg) != LUA_TNUMBER) ump__api_wrong(L, arg, "host.random", "integer");
  return i;
}

/* As math.random: () a float in [0, 1); (n) 1..n; (m, n) m..n. */
static int host_random(lua_State *L) {
  const struct ump_rng *r = rng(ump__book_of(L));
  lua_Integer m = 1, n;
  switch (lua_gettop(L)) {
  case 0:
    lua_pushnumber(L, ump_rng_unit(r));
    return 1;
  case 1:
    n = read_integer(L, 1);
    break;
  case 2:
    m = read_integer(L, 1), n = read_integer(L, 2);
    break;
  default:
    return luaL_error(L, "host.random takes no, one or two numbers");
  }
  if (m > n) return luaL_error(L, "bad argument #%d to 'host.random' (interval is empty)", lua_gettop(L));
  uint64_t span = (uint64_t)n - (uint64_t)m + 1; /* 0: all of 64 bits */
  uint64_t pick = span ? ump_rng_below(r, span) : ump_rng_u64(r);
  lua_pushinteger(L, (lua_Integer)((uint64_t)m + pick));
  return 1;
}

void ump__api_open_time(lua_State *L, struct ump_book *b) {
  lua_newtable(L);
  b->timers = luaL_ref(L, LUA_REGISTRYINDEX);
  ump__api_set(L, b, "now", host_now);
  ump__api_set(L, b, "after", host_after);
  ump__api_set(L, b, "every", host_every);
  ump__api_set(L, b, "cancel", host_cancel);
  ump__api_set(L, b, "uuid", host_uuid);
  ump__api_set(L, b, "random", host_random);
}
