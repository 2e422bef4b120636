/* The table `host` that require "umpire" gives, and what its functions share. Each function checks its arguments, calls
 * one function of the engine and pushes the result; api_*.c hold them by group. */
#include <lauxlib.h>

#include "bindings/book.h"

enum { API_VERSION = 1 }; /* of the rulebook interface: design, The rulebook */

struct ump_book *ump__book_of(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

void ump__api_set(lua_State *L, struct ump_book *b, const char *name, lua_CFunction fn) {
  lua_pushlightuserdata(L, b);
  lua_pushcclosure(L, fn, 1);
  lua_setfield(L, -2, name);
}

/* ---- misuse, told in the words of the rulebook ---- */

int ump__api_wrong(lua_State *L, int arg, const char *function, const char *expected) {
  const char *got = lua_isnone(L, arg) ? "nothing" : luaL_typename(L, arg);
  if (luaL_getmetafield(L, arg, "__name") == LUA_TSTRING) got = lua_tostring(L, -1);
  if (strcmp(got, "umpire.Client") == 0) got = "client";
  return luaL_error(L, "bad argument #%d to '%s' (%s expected, got %s)", arg, function, expected, got);
}

void ump__api_effect(lua_State *L, const struct ump_book *b, const char *function) {
  if (!b->refuses) return;
  const char *what = strchr(function, ' ') ? "is not possible" : "cannot be called";
  luaL_error(L, "%s %s in %s: %s must change nothing", function, what, b->refuses, b->refuses);
}

/* What a rulebook could have known is an error; what the world did is nil, message, code. */
int ump__api_failed(lua_State *L, const char *function, int err) {
  switch (err) {
  case UMP_EGONE:
    lua_pushnil(L), lua_pushliteral(L, "the client is gone"), lua_pushliteral(L, "gone");
    return 3;
  case UMP_EFULL:
    lua_pushnil(L), lua_pushliteral(L, "the queue is full"), lua_pushliteral(L, "full");
    return 3;
  case UMP_ETOOBIG:
    return luaL_error(L, "%s: too large for the client's protocol; nothing was sent", function);
  case UMP_ENOSUPPORT:
    return luaL_error(L, "%s: the client's protocol has no word for that", function);
  default:
    return luaL_error(L, "%s: %s", function, ump_err_name(err));
  }
}

/* ---- the table ---- */

static const char *const absent_names[] = {
    "notify", "broadcast", "clients", "kick",  "now",    "after",     "every",       "cancel",
    "spawn",  "yield",     "sleep",   "uuid",  "random", "log",       "invalid",     "null",
    "array",  "api",       "update",  "state", "DELETE", "subscribe", "unsubscribe",
};

static int host_index(lua_State *L) {
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2);
  const char *near = ump__nearest(key, absent_names, sizeof absent_names / sizeof *absent_names);
  if (near) return luaL_error(L, "host has no '%s': did you mean '%s'?", key, near);
  return luaL_error(L, "host has no '%s'", key);
}

void ump__api_open(lua_State *L, struct ump_book *b) {
  lua_createtable(L, 0, 24);
  lua_pushinteger(L, API_VERSION);
  lua_setfield(L, -2, "api");
  ump__api_open_value(L, b);
  ump__api_open_state(L, b);
  ump__api_open_notify(L, b);
  ump__api_open_time(L, b);
  ump__api_open_thread(L, b);
  lua_createtable(L, 0, 2);
  lua_pushcfunction(L, host_index);
  lua_setfield(L, -2, "__index");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
}
