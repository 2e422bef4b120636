/* host.null, host.array, host.invalid, host.log. */
#include <lauxlib.h>

#include "bindings/book.h"

static int host_array(lua_State *L) {
  if (lua_isnone(L, 1)) lua_newtable(L);
  if (!lua_istable(L, 1)) return ump__api_wrong(L, 1, "host.array", "table");
  if (!ump_value_is_array(L, 1) && luaL_getmetafield(L, 1, "__name") != LUA_TNIL)
    return luaL_error(L, "bad argument #1 to 'host.array' (a table without a metatable expected)");
  lua_settop(L, 1);
  ump_value_mark_array(L, 1);
  return 1;
}

/* ---- host.invalid: a table that holds the reason, known by its metatable ---- */

static int host_invalid(lua_State *L) {
  struct ump_book *b = ump__book_of(L);
  if (!lua_isnoneornil(L, 1) && lua_type(L, 1) != LUA_TSTRING) return ump__api_wrong(L, 1, "host.invalid", "string");
  lua_settop(L, 1);
  lua_createtable(L, 1, 0);
  lua_insert(L, 1);
  lua_rawseti(L, 1, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, b->invalid);
  lua_setmetatable(L, 1);
  return 1;
}

bool ump__invalid_reason(lua_State *L, const struct ump_book *b, int index) {
  if (!lua_istable(L, index) || !lua_getmetatable(L, index)) return false;
  lua_rawgeti(L, LUA_REGISTRYINDEX, b->invalid);
  bool marked = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  if (marked) lua_rawgeti(L, index, 1);
  return marked;
}

/* ---- host.log ---- */

static int log_line(lua_State *L, enum ump_level level) {
  struct ump_book *b = ump__book_of(L);
  int n = lua_gettop(L);
  luaL_Buffer text;
  luaL_checkstack(L, 4, NULL);
  luaL_buffinit(L, &text);
  for (int i = 1; i <= n; i++) {
    if (i > 1) luaL_addchar(&text, ' ');
    luaL_tolstring(L, i, NULL);
    luaL_addvalue(&text);
  }
  luaL_pushresult(&text);
  size_t size;
  const char *s = lua_tolstring(L, -1, &size);
  ump_log_write(b->log, level, "rules", NULL, ump_bytes(s, size));
  return 0;
}

static int log_debug(lua_State *L) {
  return log_line(L, UMP_DEBUG);
}
static int log_info(lua_State *L) {
  return log_line(L, UMP_INFO);
}
static int log_warn(lua_State *L) {
  return log_line(L, UMP_WARN);
}
static int log_error(lua_State *L) {
  return log_line(L, UMP_ERROR);
}

void ump__api_open_value(lua_State *L, struct ump_book *b) {
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, -2, "null");
  ump__api_set(L, b, "array", host_array);

  lua_createtable(L, 0, 2);
  lua_pushliteral(L, "umpire.Invalid");
  lua_setfield(L, -2, "__name");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  b->invalid = luaL_ref(L, LUA_REGISTRYINDEX);
  ump__api_set(L, b, "invalid", host_invalid);

  lua_createtable(L, 0, 4);
  ump__api_set(L, b, "debug", log_debug);
  ump__api_set(L, b, "info", log_info);
  ump__api_set(L, b, "warn", log_warn);
  ump__api_set(L, b, "error", log_error);
  lua_setfield(L, -2, "log");
}
