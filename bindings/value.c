#include "bindings/value.h"

#include <ctype.h>
#include <lauxlib.h>

#include "bindings/sandbox_ordered.h"
#include "bindings/state_lua.h"

static const char array_key; /* its address is the registry key of the metatable of lists */

/* ---- lists ---- */

void ump_value_open(lua_State *L) {
  lua_createtable(L, 0, 2);
  lua_pushliteral(L, "umpire.Array");
  lua_setfield(L, -2, "__name");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable"); /* one mark for all lists: nobody may hang anything on it */
  lua_rawsetp(L, LUA_REGISTRYINDEX, &array_key);
}

void ump_value_mark_array(lua_State *L, int index) {
  index = lua_absindex(L, index);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &array_key);
  lua_setmetatable(L, index);
}

bool ump_value_is_array(lua_State *L, int index) {
  if (!lua_getmetatable(L, index)) return false;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &array_key);
  bool same = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return same;
}

/* ---- host.DELETE ---- */

static const char delete_key; /* its address is the value */

void ump_value_push_delete(lua_State *L) {
  lua_pushlightuserdata(L, (void *)(uintptr_t)&delete_key);
}
bool ump_value_is_delete(lua_State *L, int index) {
  return lua_touserdata(L, index) == &delete_key;
}

/* ---- paths ---- */

static bool is_word(const char *s, size_t n) {
  if (!n || n > 64 || isdigit((unsigned char)*s)) return false;
  for (size_t i = 0; i < n; i++)
    if (!isalnum((unsigned char)s[i]) && s[i] != '_') return false;
  return true;
}

static void push_step(lua_State *L, const struct ump_walk *w) {
  int key = w->key;
  if (!key) {
    lua_pushfstring(L, "[%I]", (LUAI_UACINT)w->index);
  } else if (lua_type(L, key) == LUA_TSTRING) {
    size_t n;
    const char *s = lua_tolstring(L, key, &n);
    lua_pushfstring(L, is_word(s, n) ? ".%s" : "[\"%s\"]", s);
  } else if (lua_isboolean(L, key)) {
    lua_pushstring(L, lua_toboolean(L, key) ? "[true]" : "[false]");
  } else {
    lua_pushvalue(L, key); /* a copy: tolstring changes what it looks at */
    lua_pushfstring(L, "[%s]", luaL_tolstring(L, -1, NULL));
    lua_replace(L, -3);
    lua_pop(L, 1);
  }
}

void ump__walk_push_path(lua_State *L, const struct ump_walk *w) {
  luaL_checkstack(L, 8, NULL);
  if (w->up)
    ump__walk_push_path(L, w->up);
  else
    lua_pushstring(L, w->root);
  if (w->table) { /* a table that is being walked: which of its values */
    push_step(L, w);
    lua_concat(L, 2);
  }
}

int ump__walk_error(lua_State *L, const struct ump_walk *w, const char *why) {
  ump__walk_push_path(L, w);
  return luaL_error(L, "value at %s is %s", lua_tostring(L, -1), why);
}

void ump__walk_enter(lua_State *L, struct ump_walk *w, int table) {
  const void *here = lua_topointer(L, table);
  unsigned depth = 1;
  for (const struct ump_walk *up = w->up; up && up->table; up = up->up, depth++)
    if (up->table == here) ump__walk_error(L, w->up, "a table that contains itself: plain data has no cycles");
  if (depth > UMP_VALUE_DEPTH) {
    const char *why = lua_pushfstring(L, "nested too deep: at most %d tables in one another", UMP_VALUE_DEPTH);
    ump__walk_error(L, w->up, why);
  }
  w->table = here;
}

/* ---- Lua to bytes ---- */

struct packer {
  lua_State *L;
  const struct ump_packing *how;
  struct ump_buf *out;
  size_t left; /* values */
  bool ordered, deletes;
};

static void pack(struct packer *p, int index, const struct ump_walk *at);

/* At most n bytes may follow. A writer over the buffer's end, so that base/plain.h does the writing. */
static struct ump_writer room(struct packer *p, size_t n) {
  if (!ump_buf_room(p->out, n)) luaL_error(p->L, "%s is too large to be %s", p->how->root, p->how->verb);
  return ump_writer(p->out->p + p->out->n, n);
}

static void wrote(struct packer *p, const struct ump_writer *w) {
  p->out->n += w->n;
}

static void pack_tag(struct packer *p, enum ump_plain_tag tag) {
  struct ump_writer w = room(p, 16);
  ump_plain_put_tag(&w, tag);
  wrote(p, &w);
}

static void pack_number(struct packer *p, int index) {
  struct ump_writer w = room(p, 16);
  if (lua_isinteger(p->L, index))
    ump_plain_put_int(&w, lua_tointeger(p->L, index));
  else
    ump_plain_put_float(&w, lua_tonumber(p->L, index));
  wrote(p, &w);
}

static void pack_string(struct packer *p, int index) {
  size_t n;
  const char *s = lua_tolstring(p->L, index, &n);
  if (n > UINT32_MAX - 16) luaL_error(p->L, "a string in %s is too long", p->how->root);
  struct ump_writer w = room(p, n + 16);
  ump_plain_put_string(&w, ump_bytes(s, n));
  wrote(p, &w);
}

static void too_many(const struct packer *p) {
  luaL_error(p->L, "%s holds too many values to be %s: at most %I", p->how->root, p->how->verb,
             (LUAI_UACINT)(p->how->values ? p->how->values : UMP_VALUE_COUNT));
}

/* How a table is filled: list, if its keys 1..list are all there; others, the rest of its pairs. */
struct shape {
  uint32_t list, others;
};

static struct shape measure(struct packer *p, int table) {
  lua_State *L = p->L;
  lua_Unsigned border = lua_rawlen(L, table), count = 0, within = 0;
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    within += lua_isinteger(L, -2) && (lua_Unsigned)lua_tointeger(L, -2) - 1 < border;
    if (++count > p->left) too_many(p);
  }
  uint32_t list = within == border ? (uint32_t)within : 0; /* a list with holes is a map */
  return (struct shape){list, (uint32_t)count - list};
}

static void pack_count(struct packer *p, void (*put)(struct ump_writer *, uint32_t), uint32_t count) {
  struct ump_writer out = room(p, 16);
  put(&out, count);
  wrote(p, &out);
}

static void pack_values(struct packer *p, int table, struct ump_walk *w, uint32_t count) {
  for (w->index = 1; w->index <= (lua_Integer)count; w->index++) {
    lua_rawgeti(p->L, table, w->index);
    pack(p, lua_gettop(p->L), w);
    lua_pop(p->L, 1);
  }
}

static bool in_list(lua_State *L, int key, uint32_t list) {
  return lua_isinteger(L, key) && (lua_Unsigned)lua_tointeger(L, key) - 1 < list;
}

/* The key and its value are on top. 1, or 0: it belongs to the list. */
static size_t pack_pair(struct packer *p, struct ump_walk *w, uint32_t list) {
  lua_State *L = p->L;
  int type = lua_type(L, w->key);
  if (type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TBOOLEAN) {
    ump__walk_push_path(L, w->up);
    luaL_error(L, "%s has a %s as key: keys are strings, numbers or booleans", lua_tostring(L, -1),
               luaL_typename(L, w->key));
  }
  if (in_list(L, w->key, list)) return 0;
  p->left++; /* keys do not count */
  pack(p, w->key, w);
  pack(p, w->key + 1, w);
  return 1;
}

/* In VMs that must run the same way every time, what leaves them is the same every time, too. */
static size_t pack_ordered(struct packer *p, int table, struct ump_walk *w, uint32_t list) {
  lua_State *L = p->L;
  size_t n = 0;
  ump__ordered_keys(L, table);
  int keys = lua_gettop(L);
  w->key = keys + 1;
  for (lua_Integer i = 1; lua_rawgeti(L, keys, i) != LUA_TNIL; i++) {
    lua_pushvalue(L, w->key);
    lua_rawget(L, table);
    n += pack_pair(p, w, list);
    lua_settop(L, keys);
  }
  lua_settop(L, keys - 1);
  return n;
}

/* The pairs whose keys are not in 1..list; returns how many. */
static size_t pack_pairs(struct packer *p, int table, struct ump_walk *w, uint32_t list) {
  lua_State *L = p->L;
  if (p->ordered) return pack_ordered(p, table, w, list);
  lua_pushnil(L);
  w->key = lua_gettop(L);
  size_t n = 0;
  while (lua_next(L, table)) {
    n += pack_pair(p, w, list);
    lua_pop(L, 1);
  }
  return n;
}

/* A table without a list part needs no measuring: its pairs are counted while they are packed, and the count is written
 * over the place that was kept for it. This is what nearly every client.data is, and halves what they cost a reload. */
static void pack_map(struct packer *p, int table, struct ump_walk *w) {
  size_t place = p->out->n;
  pack_count(p, ump_plain_put_map, 0);
  size_t n_count = p->out->n - place, pairs = pack_pairs(p, table, w, 0);
  struct ump_writer out = ump_writer(p->out->p + place, n_count);
  ump_plain_put_map(&out, (uint32_t)pairs);
}

static void pack_table(struct packer *p, int table, const struct ump_walk *at) {
  struct ump_walk w = {.up = at};
  luaL_checkstack(p->L, 8, "value nested too deep");
  ump__walk_enter(p->L, &w, table);
  if (!lua_rawlen(p->L, table) && !ump_value_is_array(p->L, table)) {
    pack_map(p, table, &w);
    return;
  }
  struct shape s = measure(p, table);
  if (!s.others && (s.list || ump_value_is_array(p->L, table))) {
    pack_count(p, ump_plain_put_array, s.list);
    pack_values(p, table, &w, s.list);
    return;
  }
  if (s.list) {
    pack_count(p, ump_plain_put_mixed, s.list);
    pack_values(p, table, &w, s.list);
  }
  pack_count(p, ump_plain_put_map, s.others);
  pack_pairs(p, table, &w, s.list);
}

/* A table of host.state's: what it stands for is copied. */
static void pack_state(struct packer *p, int index, const struct ump_walk *at) {
  luaL_checkstack(p->L, 8, NULL);
  if (ump__state_pack(p->L, index, p->out, &p->left)) return;
  pack(p, lua_gettop(p->L), at);
  lua_pop(p->L, 1);
}

static void refuse(struct packer *p, int index, const struct ump_walk *at) {
  ump__walk_push_path(p->L, at);
  luaL_error(p->L, "value at %s is a %s: only nil, booleans, numbers, strings and tables of them can be %s",
             lua_tostring(p->L, -1), luaL_typename(p->L, index), p->how->verb);
}

static void pack(struct packer *p, int index, const struct ump_walk *at) {
  if (!p->left--) too_many(p);
  switch (lua_type(p->L, index)) {
  case LUA_TNONE:
  case LUA_TNIL:
    pack_tag(p, UMP_PLAIN_NIL);
    return;
  case LUA_TBOOLEAN:
    pack_tag(p, lua_toboolean(p->L, index) ? UMP_PLAIN_TRUE : UMP_PLAIN_FALSE);
    return;
  case LUA_TNUMBER:
    pack_number(p, index);
    return;
  case LUA_TSTRING:
    pack_string(p, index);
    return;
  case LUA_TTABLE:
    if (ump__state_is(p->L, index))
      pack_state(p, index, at);
    else
      pack_table(p, index, at);
    return;
  case LUA_TLIGHTUSERDATA:
    if (ump_value_is_delete(p->L, index)) {
      if (!p->deletes) ump__walk_error(p->L, at, "host.DELETE, which means something in host.update alone");
      pack_tag(p, UMP_PLAIN_DELETE);
      return;
    }
    if (!lua_touserdata(p->L, index)) {
      pack_tag(p, UMP_PLAIN_NULL);
      return;
    } /* fall through */
  default:
    refuse(p, index, at);
  }
}

static void pack_all(lua_State *L, int index, const struct ump_packing *how, struct ump_buf *out, bool deletes) {
  struct ump_walk root = {.root = how->root};
  struct packer p = {L,
                     how,
                     out,
                     (how->values ? how->values : UMP_VALUE_COUNT) + 1, /* and the outermost itself */
                     ump__is_ordered(L),
                     deletes};
  luaL_checkstack(L, 8, NULL);
  pack(&p, lua_absindex(L, index), &root);
}

void ump_value_pack(lua_State *L, int index, const struct ump_packing *how, struct ump_buf *out) {
  pack_all(L, index, how, out, false);
}

void ump_value_pack_patch(lua_State *L, int index, const struct ump_packing *how, struct ump_buf *out) {
  pack_all(L, index, how, out, true);
}

/* ---- bytes to Lua: ump_plain_get lets no count be more than the bytes that are left ---- */

static void push_one(lua_State *L, struct ump_reader *r, unsigned depth);

static void push_values(lua_State *L, struct ump_reader *r, uint32_t count, unsigned depth) {
  for (uint32_t i = 1; i <= count; i++) {
    push_one(L, r, depth);
    lua_rawseti(L, -2, i);
  }
}

static void push_pairs(lua_State *L, struct ump_reader *r, uint32_t count, unsigned depth) {
  for (uint32_t i = 0; i < count; i++) {
    push_one(L, r, depth);
    if (lua_isnil(L, -1)) luaL_error(L, "packed value is broken: nil as key");
    push_one(L, r, depth);
    lua_rawset(L, -3);
  }
}

static void push_mixed(lua_State *L, struct ump_reader *r, uint32_t count, unsigned depth) {
  struct ump_plain map;
  lua_createtable(L, (int)count, 0);
  push_values(L, r, count, depth);
  if (!ump_plain_get(r, &map) || map.tag != UMP_PLAIN_MAP) luaL_error(L, "packed value is broken: half a table");
  push_pairs(L, r, map.count, depth);
}

static void push_one(lua_State *L, struct ump_reader *r, unsigned depth) {
  struct ump_plain v;
  if (depth > UMP_VALUE_DEPTH + 1 || !ump_plain_get(r, &v)) luaL_error(L, "packed value is broken");
  luaL_checkstack(L, 8, NULL);
  switch (v.tag) {
  case UMP_PLAIN_NIL:
    lua_pushnil(L);
    return;
  case UMP_PLAIN_NULL:
    lua_pushlightuserdata(L, NULL);
    return;
  case UMP_PLAIN_FALSE:
  case UMP_PLAIN_TRUE:
    lua_pushboolean(L, v.tag == UMP_PLAIN_TRUE);
    return;
  case UMP_PLAIN_INT:
    lua_pushinteger(L, v.i);
    return;
  case UMP_PLAIN_FLOAT:
    lua_pushnumber(L, v.f);
    return;
  case UMP_PLAIN_STRING:
    lua_pushlstring(L, (const char *)v.s.p, v.s.n);
    return;
  case UMP_PLAIN_ARRAY:
  case UMP_PLAIN_TUPLE:
    lua_createtable(L, (int)v.count, 0);
    if (!v.count) ump_value_mark_array(L, -1);
    push_values(L, r, v.count, depth + 1);
    return;
  case UMP_PLAIN_MAP:
    lua_createtable(L, 0, (int)v.count);
    push_pairs(L, r, v.count, depth + 1);
    return;
  case UMP_PLAIN_MIXED:
    push_mixed(L, r, v.count, depth + 1);
    return;
  default:
    luaL_error(L, "packed value is broken: tag %d", (int)v.tag);
  }
}

void ump_value_push(lua_State *L, struct ump_bytes bytes) {
  struct ump_reader r = ump_reader(bytes);
  push_one(L, &r, 0);
}
