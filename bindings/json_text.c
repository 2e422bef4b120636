/* Lua values to JSON text: a pass that checks and looks for what lua-cjson would spoil, then lua-cjson, around which
 * the spoilable travels as marked strings if there is any. See json_lua.h. */
#include <lauxlib.h>
#include <stdio.h>

#include "bindings/json_lua.h"
#include "bindings/json_sorted.h"
#include "bindings/state_lua.h"
#include "bindings/value.h"

struct encoder {
  lua_State *L;
  struct ump_json_lua *j;
  size_t left;  /* values */
  bool special; /* something was found that lua-cjson would spoil */
  bool state;   /* a table of host.state's was found, which is empty to lua-cjson */
};

/* What lua-cjson's 14 digits keep. Multiples of 1/16 below 1e9 have at most 13, which spares most numbers of a game the
 * printing and reading back. */
static bool survives(lua_Number f) {
  lua_Integer i;
  if (ump__json_whole(f, &i)) return false; /* it would lose its point */
  if (f > -1e9 && f < 1e9 && ump__json_whole(f * 16, &i)) return true;
  char text[32];
  lua_Number back;
  snprintf(text, sizeof text, "%.14g", f);
  return sscanf(text, "%lf", &back) == 1 && back == f;
}

static void look(struct encoder *e, int index, const struct ump_walk *at);

static void look_at_string(struct encoder *e, int index, const struct ump_walk *at) {
  size_t n;
  const char *s = lua_tolstring(e->L, index, &n);
  if (!ump_utf8_valid(ump_bytes(s, n)))
    ump__walk_error(e->L, at, "a string that is not valid UTF-8: JSON carries text; encode bytes first");
}

static void look_at_float(struct encoder *e, lua_Number f, const struct ump_walk *at) {
  if (f != f) ump__walk_error(e->L, at, "not a number (nan), which JSON cannot carry");
  if (f - f != 0) ump__walk_error(e->L, at, "infinite, which JSON cannot carry");
  if (!survives(f)) e->special = true;
}

/* How a table's keys look, to tell lists from objects as lua-cjson does. */
struct keys {
  lua_Integer count, highest;
  bool list, words, numbers;
};

static void look_at_key(struct encoder *e, int key, const struct ump_walk *w, struct keys *k) {
  lua_State *L = e->L;
  size_t n;
  k->count++;
  if (lua_isinteger(L, key)) {
    lua_Integer i = lua_tointeger(L, key);
    k->numbers = true;
    if (i < 1) k->list = false;
    if (i > k->highest) k->highest = i;
    if (i > 99999999999999 || i < -99999999999999) e->special = true;
  } else if (lua_type(L, key) == LUA_TSTRING) {
    const char *s = lua_tolstring(L, key, &n);
    k->list = false, k->words = true;
    if (!ump_utf8_valid(ump_bytes(s, n)) || memchr(s, 0, n)) {
      ump__walk_push_path(L, w->up);
      luaL_error(L, "%s has a key that is not valid UTF-8 without zero bytes", lua_tostring(L, -1));
    }
  } else {
    ump__walk_push_path(L, w->up);
    luaL_error(L, "%s has a %s as key: JSON has strings and integers", lua_tostring(L, -1),
               lua_type(L, key) == LUA_TNUMBER ? "float" : luaL_typename(L, key));
  }
}

/* 1 and "1" become the same key of an object. */
static void refuse_twins(lua_State *L, int table, const struct ump_walk *w) {
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TNUMBER) continue;
    lua_pushvalue(L, -2);
    lua_tostring(L, -1);
    if (lua_rawget(L, table) != LUA_TNIL) {
      ump__walk_push_path(L, w->up);
      luaL_error(L, "%s has both %I and \"%I\" as keys: JSON cannot tell them apart", lua_tostring(L, -1),
                 (LUAI_UACINT)lua_tointeger(L, -4), (LUAI_UACINT)lua_tointeger(L, -4));
    }
    lua_pop(L, 1);
  }
}

static void judge_keys(struct encoder *e, int table, const struct ump_walk *w, struct keys *k) {
  lua_State *L = e->L;
  bool marked = ump_value_is_array(L, table);
  if (!k->count) {
    if (marked) e->special = true;
    return;
  }
  if (marked && !k->list) {
    ump__walk_push_path(L, w->up);
    luaL_error(L, "%s is a host.array with keys that are no positions", lua_tostring(L, -1));
  }
  if (k->list && k->highest > 10 && k->highest > 2 * k->count) {
    ump__walk_push_path(L, w->up);
    luaL_error(L,
               "%s is a list of %I values with holes up to %I: use strings as keys, or fill the holes with host.null",
               lua_tostring(L, -1), (LUAI_UACINT)k->count, (LUAI_UACINT)k->highest);
  }
  if (k->words && k->numbers) refuse_twins(L, table, w);
}

static void look_into(struct encoder *e, int table, const struct ump_walk *at) {
  lua_State *L = e->L;
  struct ump_walk w = {.up = at};
  struct keys k = {.list = true};
  luaL_checkstack(L, 8, NULL);
  ump__walk_enter(L, &w, table);
  lua_pushnil(L);
  w.key = lua_gettop(L);
  while (lua_next(L, table)) {
    look_at_key(e, w.key, &w, &k);
    look(e, w.key + 1, &w);
    lua_pop(L, 1);
  }
  judge_keys(e, table, &w, &k);
}

/* The checking pass: raises on what JSON cannot carry, and notes whether lua-cjson needs help. */
static void look(struct encoder *e, int index, const struct ump_walk *at) {
  lua_State *L = e->L;
  if (!e->left--) luaL_error(L, "too many values to be sent: at most %d", UMP_VALUE_COUNT);
  switch (lua_type(L, index)) {
  case LUA_TNIL:
  case LUA_TBOOLEAN:
    return;
  case LUA_TNUMBER:
    if (!lua_isinteger(L, index)) {
      look_at_float(e, lua_tonumber(L, index), at);
    } else {
      lua_Integer i = lua_tointeger(L, index);
      if (i > 99999999999999 || i < -99999999999999) e->special = true;
    }
    return;
  case LUA_TSTRING:
    look_at_string(e, index, at);
    return;
  case LUA_TTABLE:
    if (ump__state_is(L, index))
      e->state = true;
    else
      look_into(e, index, at);
    return;
  case LUA_TLIGHTUSERDATA:
    if (ump_value_is_delete(L, index))
      ump__walk_error(L, at, "host.DELETE, which means something in host.update alone");
    if (!lua_touserdata(L, index)) return; /* host.null */
    /* fall through */
  default:
    ump__walk_push_path(L, at);
    luaL_error(L, "value at %s is a %s: only nil, booleans, numbers, strings and tables of them can be sent",
               lua_tostring(L, -1), luaL_typename(L, index));
  }
}

/* Pushes a number as JSON writes it: the fewest digits that read back the same, and a float keeps its point. */
static void push_token(lua_State *L, int index) {
  if (lua_isinteger(L, index)) {
    lua_pushfstring(L, "%I", (LUAI_UACINT)lua_tointeger(L, index));
    return;
  }
  char text[40];
  lua_Number f = lua_tonumber(L, index), back = 0;
  for (int digits = 14; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, f);
    if (sscanf(text, "%lf", &back) == 1 && back == f) break;
  }
  lua_pushstring(L, text);
  if (!strpbrk(text, ".e")) {
    lua_pushliteral(L, ".0");
    lua_concat(L, 2);
  }
}

/* Pushes a copy of the checked value at index in which what lua-cjson would spoil is a marked string. */
static void push_marked(lua_State *L, const struct ump_json_lua *j, int index);

static void push_marked_table(lua_State *L, const struct ump_json_lua *j, int table) {
  luaL_checkstack(L, 8, NULL);
  lua_newtable(L);
  int copy = lua_gettop(L);
  bool any = false;
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1), any = true) {
    int key = lua_gettop(L) - 1;
    lua_pushvalue(L, key);
    if (lua_isinteger(L, key) && (lua_tointeger(L, key) > 99999999999999 || lua_tointeger(L, key) < 0))
      lua_tostring(L, -1);
    push_marked(L, j, key + 1);
    lua_rawset(L, copy);
  }
  if (any || !ump_value_is_array(L, table)) return;
  lua_pushfstring(L, "%s[]", j->mark);
  lua_replace(L, copy);
}

static void push_marked(lua_State *L, const struct ump_json_lua *j, int index) {
  if (lua_type(L, index) == LUA_TTABLE) {
    push_marked_table(L, j, index);
  } else if (lua_type(L, index) == LUA_TNUMBER) {
    lua_pushstring(L, j->mark);
    push_token(L, index);
    lua_concat(L, 2);
  } else {
    lua_pushvalue(L, index);
  }
}

/* Copies text into scratch, marked strings as the tokens they stand for. */
static void unmark_text(struct ump_json_lua *j, struct ump_bytes text) {
  const uint8_t *p = text.p, *end = p + text.n;
  ump_buf_clear(&j->scratch);
  while (p < end) {
    const uint8_t *start = p;
    if (*p != '"') {
      while (p < end && *p != '"') p++;
      ump_buf_put(&j->scratch, ump_bytes(start, (size_t)(p - start)));
      continue;
    }
    p = ump__json_string_end(p, end);
    size_t n = (size_t)(p - start), skip = 1 + j->n_mark;
    bool marked = n > skip + 1 && memcmp(start + 1, j->mark, j->n_mark) == 0;
    ump_buf_put(&j->scratch, marked ? ump_bytes(start + skip, n - skip - 1) : ump_bytes(start, n));
  }
}

static struct ump_bytes top_bytes(lua_State *L) {
  size_t n;
  const char *s = lua_tolstring(L, -1, &n);
  return ump_bytes(s, n);
}

/* The value to encode is on top; its text replaces it. */
static void encode(lua_State *L, const struct ump_json_lua *j) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, j->encode);
  lua_insert(L, -2);
  lua_call(L, 1, 1);
}

struct ump_bytes ump_json_lua_text(lua_State *L, struct ump_json_lua *j, int index, const char *root) {
  struct encoder e = {L, j, UMP_VALUE_COUNT, false, false};
  struct ump_walk at = {.root = root};
  luaL_checkstack(L, 8, NULL);
  index = lua_absindex(L, index);
  look(&e, index, &at);
  if (e.state) {
    ump__state_push_copy(L, index);
    index = lua_gettop(L);
    e.left = UMP_VALUE_COUNT;
    look(&e, index, &at);
  }
  if (lua_type(L, index) == LUA_TNUMBER) {
    push_token(L, index);
  } else if (!e.special) {
    lua_pushvalue(L, index);
    encode(L, j);
  } else {
    push_marked(L, j, index);
    encode(L, j);
    unmark_text(j, top_bytes(L));
    if (j->scratch.failed) luaL_error(L, "not enough memory to encode data");
    lua_pop(L, 1);
    lua_pushlstring(L, (const char *)j->scratch.p, j->scratch.n);
  }
  if (j->sorted) ump__json_sort(L);
  return top_bytes(L);
}
