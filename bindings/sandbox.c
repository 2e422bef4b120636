/* The environment in which a rulebook runs: Lua as its authors know it, without the ways out.
 *
 * The stock libraries are opened into tables that nobody keeps; by name, what is harmless is taken from there, and what
 * is not is written anew here and in sandbox_*.c. A name that is on no list is not there, whatever Lua's next release
 * adds. Undefined globals, read or assigned, are errors: a misspelt name is found at its first use, not in the middle
 * of a game. */
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "bindings/sandbox_ordered.h"
#include "bindings/state_lua.h"
#include "bindings/vm_state.h"

const char ump__key_env;

void ump_vm_push_env(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &ump__key_env);
}

void ump__sandbox_take(lua_State *L, int from, int to, const char *const *names) {
  from = lua_absindex(L, from), to = lua_absindex(L, to);
  for (; *names; names++) {
    lua_getfield(L, from, *names);
    lua_setfield(L, to, *names);
  }
}

/* ---- undefined globals ---- */

static const char *const gone[] = {"io", "debug", "dofile", "loadfile", NULL};

static bool is_gone(const char *name) {
  for (const char *const *g = gone; *g; g++)
    if (strcmp(*g, name) == 0) return true;
  return false;
}

static int undefined_read(lua_State *L) {
  const char *name = ump__tolstring(L, 2, NULL);
  if (is_gone(name)) return luaL_error(L, "'%s' is not there: a rulebook reaches nothing outside of the host", name);
  return luaL_error(L, "undefined variable '%s' (misspelt, or a 'local' is missing)", name);
}

static int undefined_write(lua_State *L) {
  const char *name = ump__tolstring(L, 2, NULL);
  return luaL_error(L, "assignment to undefined variable '%s' (misspelt, or write 'local %s')", name, name);
}

/* ---- errors that are caught ---- */

/* What pcall and xpcall give once the function has ended; a spent budget goes through them. `kept`: values below. */
static int finish_pcall(lua_State *L, int status, lua_KContext kept) {
  ump__budget_check(L);
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_pushboolean(L, 0);
    lua_pushvalue(L, -2);
    return 2;
  }
  return lua_gettop(L) - (int)kept;
}

/* stack: true, function, arguments */
static int base_pcall(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, 1);
  lua_insert(L, 1);
  return finish_pcall(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, finish_pcall), 0);
}

/* Stands before a rulebook's message handler. In a spent budget it runs inside of our hook, where no hook interrupts
 * it. */
static int call_handler(lua_State *L) {
  if (ump_vm_of(L)->tripped) return 1;
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 1);
  return 1;
}

/* stack: function, handler, true, function, arguments */
static int base_xpcall(lua_State *L) {
  int n = lua_gettop(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_pushvalue(L, 2);
  lua_pushcclosure(L, call_handler, 1);
  lua_replace(L, 2);
  lua_pushboolean(L, 1);
  lua_pushvalue(L, 1);
  lua_rotate(L, 3, 2);
  return finish_pcall(L, lua_pcallk(L, n - 2, LUA_MULTRET, 2, 2, finish_pcall), 2);
}

/* ---- values ---- */

/* As luaL_tolstring, but a table or function is not told by its address: the same run gives the same text. */
const char *ump__tolstring(lua_State *L, int index, size_t *n) {
  index = lua_absindex(L, index);
  int type = lua_type(L, index);
  bool has_word = luaL_getmetafield(L, index, "__tostring") != LUA_TNIL;
  if (has_word) lua_pop(L, 1);
  if (has_word || (type != LUA_TTABLE && type != LUA_TFUNCTION && type != LUA_TUSERDATA && type != LUA_TTHREAD &&
                   type != LUA_TLIGHTUSERDATA))
    return luaL_tolstring(L, index, n);
  int name = luaL_getmetafield(L, index, "__name");
  if (name == LUA_TSTRING) return lua_tolstring(L, -1, n);
  if (name != LUA_TNIL) lua_pop(L, 1);
  bool is_null = type == LUA_TLIGHTUSERDATA && !lua_touserdata(L, index); /* host.null */
  lua_pushstring(L, is_null ? "null" : lua_typename(L, type));
  return lua_tolstring(L, -1, n);
}

static int base_tostring(lua_State *L) {
  luaL_checkany(L, 1);
  ump__tolstring(L, 1, NULL);
  return 1;
}

/* A finalizer runs where no hook reaches it. A __gc that is set later is never looked at by Lua. */
static int base_setmetatable(lua_State *L) {
  int type = lua_type(L, 2);
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
  if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL) return luaL_error(L, "cannot change a protected metatable");
  if (type == LUA_TTABLE) {
    lua_pushliteral(L, "__gc");
    if (lua_rawget(L, 2) != LUA_TNIL)
      return luaL_error(L, "'__gc' is not there in a rulebook: end things in 'disconnect', or use '__close'");
  }
  lua_settop(L, 2);
  lua_setmetatable(L, 1);
  return 1;
}

/* Pushes its arguments as print shows them, cut at some 4 KiB. */
static struct ump_bytes push_line(lua_State *L, const char *between) {
  int n = lua_gettop(L);
  luaL_Buffer line;
  luaL_buffinit(L, &line);
  for (int i = 1; i <= n && luaL_bufflen(&line) < UMP__ERROR_CAP; i++) {
    size_t len;
    if (i > 1) luaL_addstring(&line, between);
    const char *s = ump__tolstring(L, i, &len);
    if (len > UMP__ERROR_CAP) lua_pushlstring(L, s, UMP__ERROR_CAP), lua_remove(L, -2);
    luaL_addvalue(&line);
  }
  luaL_pushresult(&line);
  size_t len;
  const char *s = lua_tolstring(L, -1, &len);
  return ump_bytes(s, len);
}

static int base_print(lua_State *L) {
  ump_log_write(ump_vm_of(L)->cfg.log, UMP_INFO, "print", NULL, push_line(L, "\t"));
  return 0;
}

static int base_warn(lua_State *L) {
  for (int i = 1; i <= lua_gettop(L); i++) luaL_checkstring(L, i);
  ump_log_write(ump_vm_of(L)->cfg.log, UMP_WARN, "warn", NULL, push_line(L, ""));
  return 0;
}

/* The host collects: a full collection in the middle of an event would make everyone wait. "collect" takes one step. */
static int base_collectgarbage(lua_State *L) {
  static const char *const options[] = {"collect", "step", "count", "isrunning", NULL};
  const char *option = luaL_optstring(L, 1, "collect");
  for (int i = 0; options[i]; i++) {
    if (strcmp(options[i], option) != 0) continue;
    if (i == 0)
      lua_gc(L, LUA_GCSTEP, 0), lua_pushinteger(L, 0);
    else if (i == 1)
      lua_pushboolean(L, lua_gc(L, LUA_GCSTEP, 0));
    else if (i == 2)
      lua_pushnumber(L, (lua_Number)ump_vm_of(L)->memory / 1024);
    else
      lua_pushboolean(L, 1);
    return 1;
  }
  return luaL_error(L, "collectgarbage '%s' is not there in a rulebook: the host tunes its collector", option);
}

/* As Lua's own, which looks the name's string up again each time; here all of them are at hand, as upvalues. Rules that
 * check what clients send call this more often than anything else. */
static int base_type(lua_State *L) {
  int type = lua_type(L, 1);
  if (type == LUA_TNONE) luaL_checkany(L, 1);
  lua_pushvalue(L, lua_upvalueindex(type + 1));
  return 1;
}

static void push_type(lua_State *L) {
  for (int type = LUA_TNIL; type <= LUA_TTHREAD; type++) lua_pushstring(L, lua_typename(L, type));
  lua_pushcclosure(L, base_type, LUA_TTHREAD + 1);
}

/* ---- putting it together ---- */

static const char *const from_base[] = {"assert",   "error",  "getmetatable", "ipairs",   "pairs",
                                        "rawequal", "select", "tonumber",     "_VERSION", NULL};
static const luaL_Reg own_base[] = {{"pcall", base_pcall},
                                    {"xpcall", base_xpcall},
                                    {"tostring", base_tostring},
                                    {"setmetatable", base_setmetatable},
                                    {"print", base_print},
                                    {"warn", base_warn},
                                    {"collectgarbage", base_collectgarbage},
                                    {"next", ump__state_next},
                                    {"rawget", ump__state_rawget},
                                    {"rawset", ump__state_rawset},
                                    {"rawlen", ump__state_rawlen},
                                    {NULL, NULL}};
static const char *const from_utf8[] = {"char", "charpattern", "codepoint", "codes", "len", "offset", NULL};

static void make_strict(lua_State *L, int env) {
  lua_createtable(L, 0, 3);
  lua_pushcfunction(L, undefined_read);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, undefined_write);
  lua_setfield(L, -2, "__newindex");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, env);
}

/* Pushes a stock library's table. */
static int open_stock(lua_State *L, lua_CFunction open) {
  lua_pushcfunction(L, open);
  lua_call(L, 0, 1);
  return lua_gettop(L);
}

/* The table on top becomes env.name and package.loaded[name]. */
static void add_library(lua_State *L, int env, const char *name) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, name);
  lua_pop(L, 1);
  lua_setfield(L, env, name);
}

static void add_base(lua_State *L, int env) {
  int stock = open_stock(L, luaopen_base); /* Lua's own global table, which is replaced below */
  ump__sandbox_take(L, stock, env, from_base);
  lua_pushvalue(L, env);
  luaL_setfuncs(L, own_base, 0);
  push_type(L);
  lua_setfield(L, -2, "type");
  add_library(L, env, "_G");
}

void ump__sandbox_open(lua_State *L) {
  lua_settop(L, 0);
  lua_newtable(L);
  add_base(L, 1);
  ump__sandbox_open_math(L, open_stock(L, luaopen_math)), add_library(L, 1, "math");
  ump__sandbox_open_string(L, open_stock(L, luaopen_string)), add_library(L, 1, "string");
  ump__sandbox_open_coroutine(L, open_stock(L, luaopen_coroutine)), add_library(L, 1, "coroutine");
  ump__sandbox_open_table(L), add_library(L, 1, "table");
  ump__sandbox_open_os(L), add_library(L, 1, "os");
  int stock = open_stock(L, luaopen_utf8);
  lua_newtable(L);
  ump__sandbox_take(L, stock, lua_gettop(L), from_utf8);
  add_library(L, 1, "utf8");
  ump__sandbox_open_require(L, 1);
  if (!ump_vm_of(L)->cfg.watchdog || ump_vm_of(L)->cfg.ordered)
    ump__sandbox_open_ordered(L, 1); /* the same run every time */
  lua_pushvalue(L, 1);
  lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  lua_pushvalue(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &ump__key_env);
  make_strict(L, 1);
}
