/* pairs in the order of the keys: numbers by value, then strings by bytes, then the rest.
 *
 * Lua seeds the hash of its strings from addresses and the clock, anew in each VM, so that the stock pairs meets the
 * keys of one and the same table in different orders from run to run. A rulebook that broadcasts in a loop over pairs
 * would thus play differently with the same seed. VMs that count instructions (the simulator's) promise the same run
 * every time, and get this pairs: it takes the keys at the start and sorts them. Production keeps the stock one, which
 * costs nothing.
 *
 * As with the stock pairs, fields may be changed and cleared meanwhile; a key that was cleared is passed over. Keys
 * that have no order (tables, functions, userdata without __tostring) come last, in an order that may differ. next
 * itself is the stock one. */
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "bindings/sandbox_ordered.h"
#include "bindings/vm_state.h"

struct key {
  int rank, place; /* kind; where it stands in the list of keys */
  lua_Integer i;
  lua_Number f;
  const char *s;
  size_t n;
};

static const char ordered_key; /* registry: true */

enum { NUMBER, STRING, BOOLEAN, NAMED, OTHER };

static int compare_text(const struct key *a, const struct key *b) {
  int c = memcmp(a->s, b->s, a->n < b->n ? a->n : b->n);
  return c ? c : (a->n > b->n) - (a->n < b->n);
}

static int compare(const void *pa, const void *pb) {
  const struct key *a = pa, *b = pb;
  int c = a->rank - b->rank;
  if (c == 0 && (a->rank == STRING || a->rank == NAMED)) c = compare_text(a, b);
  if (c == 0) c = (a->f > b->f) - (a->f < b->f);
  if (c == 0) c = (a->i > b->i) - (a->i < b->i); /* integers that are one and the same float */
  return c ? c : a->place - b->place;
}

/* Describes the key on top of the stack. Text that had to be made for it stays alive in `keys`, under its negative
 * place. */
static struct key describe(lua_State *L, int keys, int place) {
  struct key k = {.rank = OTHER, .place = place};
  switch (lua_type(L, -1)) {
  case LUA_TNUMBER:
    k.rank = NUMBER, k.f = lua_tonumber(L, -1), k.i = lua_tointeger(L, -1);
    break;
  case LUA_TSTRING:
    k.rank = STRING, k.s = lua_tolstring(L, -1, &k.n);
    break;
  case LUA_TBOOLEAN:
    k.rank = BOOLEAN, k.i = lua_toboolean(L, -1);
    break;
  case LUA_TUSERDATA: /* a client: by its id */
    if (luaL_getmetafield(L, -1, "__tostring") == LUA_TNIL) break;
    lua_pop(L, 1);
    k.rank = NAMED, k.s = luaL_tolstring(L, -1, &k.n);
    lua_rawseti(L, keys, -place);
    break;
  default:
    break;
  }
  return k;
}

void ump__ordered_keys(lua_State *L, int index) {
  int n = 0, table = lua_absindex(L, index);
  luaL_checkstack(L, 6, NULL);
  lua_newtable(L);
  int found = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, table);) {
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_rawseti(L, found, ++n);
  }
  ump_vm_charge(L, (size_t)n);
  struct key *order = lua_newuserdatauv(L, (size_t)n * sizeof *order + 1, 0);
  for (int i = 1; i <= n; i++) {
    lua_rawgeti(L, found, i);
    order[i - 1] = describe(L, found, i);
    lua_pop(L, 1);
  }
  qsort(order, (size_t)n, sizeof *order, compare);
  lua_createtable(L, n, 0);
  for (int i = 1; i <= n; i++) {
    lua_rawgeti(L, found, order[i - 1].place);
    lua_rawseti(L, -2, i);
  }
  lua_replace(L, found);
  lua_settop(L, found);
}

static int step(lua_State *L) { /* table -> key, value; upvalues: keys, position */
  lua_Integer i = lua_tointeger(L, lua_upvalueindex(2));
  lua_settop(L, 1);
  luaL_checktype(L, 1, LUA_TTABLE);
  for (;;) {
    if (lua_rawgeti(L, lua_upvalueindex(1), ++i) == LUA_TNIL) return 1;
    lua_pushvalue(L, -1);
    if (lua_rawget(L, 1) != LUA_TNIL) break;
    lua_pop(L, 2);
  }
  lua_pushinteger(L, i);
  lua_replace(L, lua_upvalueindex(2));
  return 2;
}

static int finish(lua_State *L, int status, lua_KContext ctx) {
  (void)L, (void)status, (void)ctx;
  return 3;
}

static int ordered_pairs(lua_State *L) {
  luaL_checkany(L, 1);
  if (luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL) { /* as the stock one */
    lua_pushvalue(L, 1);
    lua_callk(L, 1, 3, 0, finish);
    return 3;
  }
  lua_settop(L, 1);
  if (lua_istable(L, 1)) {
    ump__ordered_keys(L, 1);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, step, 2);
  } else {
    lua_pushcfunction(L, step); /* which complains, as the stock one does, when the loop begins */
  }
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  return 3;
}

bool ump__is_ordered(lua_State *L) {
  bool is = lua_rawgetp(L, LUA_REGISTRYINDEX, &ordered_key) != LUA_TNIL;
  lua_pop(L, 1);
  return is;
}

void ump__sandbox_open_ordered(lua_State *L, int env) {
  env = lua_absindex(L, env);
  lua_pushboolean(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &ordered_key);
  lua_pushcfunction(L, ordered_pairs);
  lua_setfield(L, env, "pairs");
}
