/* The table library, bounded: no call touches more than 100 000 elements, and between any two of them the budget is
 * looked at, for a metamethod can make each of them long. Otherwise as Lua's own, metamethods included; sort differs on
 * purpose: it keeps equal elements in their order, takes the same time for every input, and an inconsistent order
 * function harms nothing (Lua's picks its pivots by the clock, so the same run would not give the same order). */
#include <limits.h>

#include <lauxlib.h>
#include <lualib.h>

#include "bindings/vm_state.h"

enum { READS = 1, WRITES = 2, HAS_LENGTH = 4 };

/* A table, or something that acts as one. */
static void check_table(lua_State *L, int index, int what) {
  if (lua_istable(L, index)) return;
  int top = lua_gettop(L);
  bool acts = (!(what & READS) || luaL_getmetafield(L, index, "__index") != LUA_TNIL) &&
              (!(what & WRITES) || luaL_getmetafield(L, index, "__newindex") != LUA_TNIL) &&
              (!(what & HAS_LENGTH) || luaL_getmetafield(L, index, "__len") != LUA_TNIL);
  lua_settop(L, top);
  if (!acts) luaL_checktype(L, index, LUA_TTABLE);
}

static lua_Integer length(lua_State *L, int index, int what) {
  check_table(L, index, what | HAS_LENGTH);
  return luaL_len(L, index);
}

/* The elements from first to last are about to be touched. */
static void begin_work(lua_State *L, const char *function, lua_Integer first, lua_Integer last) {
  lua_Unsigned n =
      (lua_Unsigned)last - (lua_Unsigned)first; /* one less: all integers there are must not come out as 0 */
  if (n >= UMP__WORK_MAX)
    luaL_error(L, "table.%s: this would touch %I elements, and a call may touch %d", function,
               (LUAI_UACINT)(n < LUA_MAXINTEGER ? n + 1 : LUA_MAXINTEGER), UMP__WORK_MAX);
  ump_vm_charge(L, n + 1);
}

/* to[t] = from[f] */
static void move_one(lua_State *L, int from, lua_Integer f, int to, lua_Integer t) {
  ump__budget_check(L);
  lua_geti(L, from, f);
  lua_seti(L, to, t);
}

/* insert(list, [pos,] value) */
static int table_insert(lua_State *L) {
  lua_Integer end = (lua_Integer)((lua_Unsigned)length(L, 1, READS | WRITES) + 1);
  int n = lua_gettop(L);
  lua_Integer pos = end;
  if (n == 3) {
    pos = luaL_checkinteger(L, 2);
    luaL_argcheck(L, (lua_Unsigned)pos - 1 < (lua_Unsigned)end, 2, "position out of bounds");
    if (pos < end) begin_work(L, "insert", pos, end - 1);
    for (lua_Integer i = end; i > pos; i--) move_one(L, 1, i - 1, 1, i);
  } else if (n != 2)
    return luaL_error(L, "wrong number of arguments to 'insert'");
  lua_seti(L, 1, pos);
  return 0;
}

/* remove(list [, pos]) */
static int table_remove(lua_State *L) {
  lua_Integer size = length(L, 1, READS | WRITES), pos = luaL_optinteger(L, 2, size);
  if (!lua_isnone(L, 2) && pos != size)
    luaL_argcheck(L, (lua_Unsigned)pos - 1 <= (lua_Unsigned)size, 2, "position out of bounds");
  if (pos < size) begin_work(L, "remove", pos, size - 1);
  lua_geti(L, 1, pos);
  for (; pos < size; pos++) move_one(L, 1, pos + 1, 1, pos);
  lua_pushnil(L);
  lua_seti(L, 1, pos);
  return 1;
}

/* move(a1, f, e, t [, a2]) */
static int table_move(lua_State *L) {
  lua_Integer f = luaL_checkinteger(L, 2), e = luaL_checkinteger(L, 3), t = luaL_checkinteger(L, 4);
  int to = !lua_isnoneornil(L, 5) ? 5 : 1;
  check_table(L, 1, READS);
  check_table(L, to, WRITES);
  if (e >= f) {
    luaL_argcheck(L, f > 0 || e < LUA_MAXINTEGER + f, 3, "too many elements to move");
    lua_Integer n = e - f + 1;
    luaL_argcheck(L, t <= LUA_MAXINTEGER - n + 1, 4, "destination wrap around");
    begin_work(L, "move", f, e);
    bool overlaps = t > f && t <= e && (to == 1 || lua_compare(L, 1, to, LUA_OPEQ));
    for (lua_Integer i = 0; i < n; i++) {
      lua_Integer k = overlaps ? n - 1 - i : i;
      move_one(L, 1, f + k, to, t + k);
    }
  }
  lua_pushvalue(L, to);
  return 1;
}

/* concat(list [, sep [, i [, j]]]) */
static int table_concat(lua_State *L) {
  size_t sep_n;
  lua_Integer last = length(L, 1, READS);
  const char *sep = luaL_optlstring(L, 2, "", &sep_n);
  lua_Integer i = luaL_optinteger(L, 3, 1);
  last = luaL_optinteger(L, 4, last);
  if (i <= last) begin_work(L, "concat", i, last);
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  for (bool more = i <= last; more;) {
    ump__budget_check(L);
    lua_geti(L, 1, i);
    if (!lua_isstring(L, -1)) luaL_error(L, "invalid value (at index %I) in table for 'concat'", (LUAI_UACINT)i);
    luaL_addvalue(&out);
    more = i < last; /* the last may be math.maxinteger, which has no next */
    if (more) luaL_addlstring(&out, sep, sep_n), i++;
  }
  luaL_pushresult(&out);
  return 1;
}

/* unpack(list [, i [, j]]) */
static int table_unpack(lua_State *L) {
  lua_Integer i = luaL_optinteger(L, 2, 1), e = luaL_opt(L, luaL_checkinteger, 3, luaL_len(L, 1));
  if (i > e) return 0;
  lua_Unsigned n = (lua_Unsigned)e - (lua_Unsigned)i; /* one less */
  if (n >= UMP__WORK_MAX || !lua_checkstack(L, (int)n + 1)) return luaL_error(L, "too many results to unpack");
  ump_vm_charge(L, n + 1);
  for (; i < e; i++) {
    ump__budget_check(L);
    lua_geti(L, 1, i);
  }
  lua_geti(L, 1, e);
  return (int)n + 1;
}

/* ---- sort ---- */

/* Stack of sort: 1 the list, 2 the order function or nil, 3 and 4 the halves of work, private tables that take turns.
 */
enum { ORDER = 2, FIRST = 3, SECOND = 4 };

/* Is the value on top less than the one below it? Strings are compared byte by byte, and may be long. */
static bool top_is_less(lua_State *L) {
  bool less;
  size_t n = lua_type(L, -1) == LUA_TSTRING ? lua_rawlen(L, -1) : 0;
  ump_vm_charge(L, 2 + n / 32);
  if (lua_isnil(L, ORDER)) return lua_compare(L, -1, -2, LUA_OPLT);
  lua_pushvalue(L, ORDER);
  lua_pushvalue(L, -2);
  lua_pushvalue(L, -4);
  lua_call(L, 2, 1);
  less = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return less;
}

/* Merges from[low, mid) and from[mid, high) into to[low, high). On the stack: the next of the left, the next of the
 * right. */
static void merge(lua_State *L, int from, int to, lua_Integer low, lua_Integer mid, lua_Integer high) {
  lua_Integer left = low, right = mid;
  for (lua_Integer out = low; out < high; out++) {
    bool take_right = left == mid;
    if (left < mid && right < high) {
      lua_rawgeti(L, from, left);
      lua_rawgeti(L, from, right);
      take_right = top_is_less(L);
      lua_pop(L, 2);
    }
    lua_rawgeti(L, from, take_right ? right++ : left++);
    lua_rawseti(L, to, out);
  }
}

/* Where the sorted elements are: FIRST or SECOND. */
static int merge_sort(lua_State *L, lua_Integer n) {
  int from = FIRST, to = SECOND;
  for (lua_Integer width = 1; width < n; width *= 2) {
    for (lua_Integer low = 1; low <= n; low += 2 * width) {
      lua_Integer mid = low + width <= n + 1 ? low + width : n + 1;
      lua_Integer high = mid + width <= n + 1 ? mid + width : n + 1;
      merge(L, from, to, low, mid, high);
    }
    int was = from;
    from = to, to = was;
  }
  return from;
}

/* sort(list [, less]): works on a copy, so an error in between, or an order function that changes the list, breaks
 * nothing. */
static int table_sort(lua_State *L) {
  lua_Integer n = length(L, 1, READS | WRITES);
  if (!lua_isnoneornil(L, 2)) luaL_checktype(L, 2, LUA_TFUNCTION);
  if (n < 2) return 0;
  begin_work(L, "sort", 1, n);
  lua_settop(L, 2);
  lua_createtable(L, (int)n, 0);
  lua_createtable(L, (int)n, 0);
  for (lua_Integer i = 1; i <= n; i++) {
    ump__budget_check(L);
    lua_geti(L, 1, i);
    lua_rawseti(L, FIRST, i);
  }
  int sorted = merge_sort(L, n);
  for (lua_Integer i = 1; i <= n; i++) move_one(L, sorted, i, 1, i);
  return 0;
}

void ump__sandbox_open_table(lua_State *L) {
  static const char *const taken[] = {"pack", NULL};
  static const luaL_Reg own[] = {
      {"insert", table_insert}, {"remove", table_remove}, {"move", table_move}, {"concat", table_concat},
      {"unpack", table_unpack}, {"sort", table_sort},     {NULL, NULL}};
  lua_pushcfunction(L, luaopen_table);
  lua_call(L, 0, 1);
  luaL_newlib(L, own);
  ump__sandbox_take(L, -2, -1, taken);
}
