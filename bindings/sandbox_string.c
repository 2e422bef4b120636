/* The string library. What is linear in the size of its arguments is Lua's own; what a rulebook could make long, and no
 * hook interrupts, is bounded here: rep, and the pattern functions in sandbox_match.c. format shows no addresses.
 * string.dump is not there: it makes binary code, which load would not take anyway. */
#include <string.h>

#include <lauxlib.h>

#include "bindings/vm_state.h"

enum { REP_MAX = 1 << 20 }; /* bytes that string.rep may make */

/* total bytes of the first `unit` of them over and over: what is there is copied behind itself, each time twice as
 * much. */
static void repeat(char *p, size_t unit, size_t total) {
  for (size_t done = unit, n; done < total; done += n) {
    n = done < total - done ? done : total - done;
    memcpy(p + done, p, n);
  }
}

/* rep(s, n [, sep]) */
static int string_rep(lua_State *L) {
  size_t s_n, sep_n;
  const char *s = luaL_checklstring(L, 1, &s_n);
  lua_Integer n = luaL_checkinteger(L, 2);
  const char *sep = luaL_optlstring(L, 3, "", &sep_n);
  size_t unit = s_n + sep_n;
  if (n <= 0 || unit == 0) {
    lua_pushliteral(L, "");
    return 1;
  }
  if (unit > REP_MAX || (uint64_t)n > REP_MAX / unit)
    return luaL_error(L, "resulting string too large (string.rep makes at most 1 MiB)");
  size_t total = (size_t)n * unit - sep_n;
  luaL_Buffer out;
  char *p = luaL_buffinitsize(L, &out, total);
  memcpy(p, s, s_n);
  if (n > 1) memcpy(p + s_n, sep, sep_n);
  repeat(p, unit, total);
  luaL_pushresultsize(&out, total);
  ump_vm_charge(L, total / 64);
  return 1;
}

/* Lua's own format (the upvalue), given strings where %s would show what a value is called. */
static int string_format(lua_State *L) {
  size_t n;
  const char *p = luaL_checklstring(L, 1, &n), *end = p + n;
  int arg = 1, top = lua_gettop(L);
  while (p < end && (p = memchr(p, '%', (size_t)(end - p)))) {
    if (*++p == '%') {
      p++;
      continue;
    }
    p += strspn(p, "-+ #0123456789.");
    arg++;
    if (*p == 'p') return luaL_error(L, "invalid conversion '%%p' to 'format': addresses are not shown in a rulebook");
    if (*p == 's' && arg <= top && !lua_isstring(L, arg)) {
      ump__tolstring(L, arg, NULL);
      lua_replace(L, arg);
    }
  }
  return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* ("x"):rep(3) finds our functions, and getmetatable("") finds nothing. */
static void own_string_metatable(lua_State *L, int library) {
  lua_pushliteral(L, "");
  lua_getmetatable(L, -1);
  lua_pushvalue(L, library);
  lua_setfield(L, -2, "__index");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 2);
}

void ump__sandbox_open_string(lua_State *L, int stock) {
  static const char *const taken[] = {"byte",    "char", "len",    "lower", "pack", "packsize",
                                      "reverse", "sub",  "unpack", "upper", NULL};
  static const luaL_Reg own[] = {{"rep", string_rep},           {"find", ump__sandbox_find},
                                 {"match", ump__sandbox_match}, {"gmatch", ump__sandbox_gmatch},
                                 {"gsub", ump__sandbox_gsub},   {NULL, NULL}};
  luaL_newlib(L, own);
  int library = lua_gettop(L);
  ump__sandbox_take(L, stock, library, taken);
  lua_getfield(L, stock, "format");
  lua_pushcclosure(L, string_format, 1);
  lua_setfield(L, library, "format");
  own_string_metatable(L, library);
}
