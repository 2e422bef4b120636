#include "bindings/state_lua.h"

#include <lauxlib.h>

#include "bindings/book.h"

/* Registry keys and keys inside of the tables, by their addresses. */
static const char class_key, weak_key, whole_key, place_key, list_key, names_key, written_key;

struct place {
  struct ump_book *book;
  struct place *up;            /* NULL: the whole. Kept alive by the user value UP */
  struct ump_key key;          /* its text by the user value NAME */
  const struct ump_node *node; /* as last found; good while the epoch is */
  uint64_t epoch;
};
enum { UP = 1, NAME = 2, KNOWN = 3, N_VALUES = 3 }; /* KNOWN: key -> table, as long as somebody holds that */

static const struct ump_state *state_of(const struct place *p) {
  return p->book->engine ? ump_engine_state(p->book->engine) : NULL;
}

/* The map at the place; NULL: there is none now. */
static const struct ump_node *find(struct place *p) {
  const struct ump_state *s = state_of(p);
  if (!s) return NULL;
  if (p->node && p->epoch == ump_state_epoch(s)) return p->node;
  p->epoch = ump_state_epoch(s);
  if (!p->up) return p->node = ump_state_root(s);
  const struct ump_node *up = find(p->up), *n = up ? ump_state_find(s, up, &p->key) : NULL;
  return p->node = n && ump_node_is_map(n) ? n : NULL;
}

bool ump__state_is(lua_State *L, int index) {
  if (!lua_getmetatable(L, index)) return false;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &class_key);
  bool is = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return is;
}

/* Pushes what the table at index stands for: a place, whose struct is given; or NULL and the table of a list. */
static struct place *inside(lua_State *L, int index) {
  if (lua_rawgetp(L, index, &place_key) == LUA_TUSERDATA) return lua_touserdata(L, -1);
  lua_pop(L, 1);
  lua_rawgetp(L, index, &list_key);
  return NULL;
}

static void push_empty(lua_State *L) { /* a table of the class, without anything inside yet */
  lua_createtable(L, 0, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &class_key);
  lua_setmetatable(L, -2);
}

/* ---- lists ---- */

static void push_view(lua_State *L, struct ump_reader *r);

static void view_values(lua_State *L, struct ump_reader *r, uint32_t count, int to) {
  for (uint32_t i = 1; i <= count; i++) {
    push_view(L, r);
    lua_rawseti(L, to, i);
  }
}

/* Names, in their order, for pairs. */
static void view_pairs(lua_State *L, struct ump_reader *r, uint32_t count, int to, int names, lua_Integer n) {
  for (uint32_t i = 0; i < count; i++) {
    push_view(L, r);
    lua_pushvalue(L, -1);
    lua_rawseti(L, names, ++n);
    push_view(L, r);
    lua_rawset(L, to);
  }
}

static void push_view_table(lua_State *L, struct ump_reader *r, const struct ump_plain *v) {
  struct ump_plain map = *v;
  uint32_t list = v->tag == UMP_PLAIN_MAP ? 0 : v->count;
  luaL_checkstack(L, 8, NULL);
  push_empty(L);
  lua_createtable(L, (int)list, 0);
  int to = lua_gettop(L);
  view_values(L, r, list, to);
  if (v->tag == UMP_PLAIN_MIXED && !ump_plain_get(r, &map)) luaL_error(L, "packed value is broken");
  if (map.tag == UMP_PLAIN_MAP) {
    lua_createtable(L, (int)(list + map.count), 0);
    for (uint32_t i = 1; i <= list; i++) lua_pushinteger(L, i), lua_rawseti(L, -2, i);
    view_pairs(L, r, map.count, to, lua_gettop(L), list);
    lua_rawsetp(L, to - 1, &names_key);
  } else if (!list) {
    ump_value_mark_array(L, to);
  }
  lua_rawsetp(L, to - 1, &list_key);
}

/* Depth is bounded by whoever packed it. */
static void push_view(lua_State *L, struct ump_reader *r) {
  const uint8_t *start = r->p;
  struct ump_plain v;
  if (!ump_plain_get(r, &v)) luaL_error(L, "packed value is broken");
  if (v.tag >= UMP_PLAIN_ARRAY && v.tag <= UMP_PLAIN_TUPLE)
    push_view_table(L, r, &v);
  else
    ump_value_push(L, ump_bytes(start, (size_t)(r->p - start)));
}

/* ---- reading ---- */

static void push_place(lua_State *L, struct ump_book *b, int up, int name) { /* up 0: the whole */
  push_empty(L);
  struct place *p = lua_newuserdatauv(L, sizeof *p, N_VALUES);
  *p = (struct place){.book = b};
  if (up) {
    p->up = lua_touserdata(L, up);
    p->key = (struct ump_key){.is_text = lua_type(L, name) == LUA_TSTRING};
    if (p->key.is_text)
      p->key.text.p = (const uint8_t *)lua_tolstring(L, name, &p->key.text.n);
    else
      p->key.number = lua_tointeger(L, name);
    lua_pushvalue(L, up), lua_setiuservalue(L, -2, UP);
    lua_pushvalue(L, name), lua_setiuservalue(L, -2, NAME);
  }
  lua_rawsetp(L, -2, &place_key);
}

static void push_known(lua_State *L, int place) {
  if (lua_getiuservalue(L, place, KNOWN) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &weak_key);
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, place, KNOWN);
}

/* The table on top, if it is what is known at the key, is still right. */
static bool is_current(lua_State *L, const struct ump_node *n) {
  if (!lua_istable(L, -1)) return false;
  lua_rawgetp(L, -1, &written_key);
  bool list = lua_isinteger(L, -1),
       current = list ? lua_tointeger(L, -1) == (lua_Integer)ump_node_written(n) : ump_node_is_map(n);
  lua_pop(L, 1);
  return current && list != ump_node_is_map(n);
}

/* Replaces the key on top by what the node is; place: of the map that holds it. */
static void push_table(lua_State *L, struct ump_book *b, int place, const struct ump_node *n) {
  int name = lua_gettop(L);
  push_known(L, place);
  lua_pushvalue(L, name);
  lua_rawget(L, -2);
  if (!is_current(L, n)) {
    lua_pop(L, 1);
    if (ump_node_is_map(n)) {
      push_place(L, b, place, name);
    } else {
      struct ump_reader r = ump_reader(ump_node_plain(n));
      push_view(L, &r);
      lua_pushinteger(L, (lua_Integer)ump_node_written(n));
      lua_rawsetp(L, -2, &written_key);
    }
    lua_pushvalue(L, name);
    lua_pushvalue(L, -2);
    lua_rawset(L, name + 1);
  }
  lua_replace(L, name);
  lua_settop(L, name);
}

/* Replaces the key on top. */
static void push_node(lua_State *L, struct ump_book *b, int place, const struct ump_node *n) {
  luaL_checkstack(L, 12, NULL);
  struct ump_bytes plain = ump_node_is_map(n) ? ump_bytes(NULL, 0) : ump_node_plain(n);
  if (!plain.n || (*plain.p >= UMP_PLAIN_ARRAY && *plain.p <= UMP_PLAIN_TUPLE)) {
    push_table(L, b, place, n);
    return;
  }
  ump_value_push(L, plain);
  lua_replace(L, -2);
}

static void push_key(lua_State *L, const struct ump_node *n) {
  struct ump_key key = ump_node_key(n);
  if (key.is_text)
    lua_pushlstring(L, (const char *)key.text.p, key.text.n);
  else
    lua_pushinteger(L, key.number);
}

/* False: no key that the state could have. */
static bool read_key(lua_State *L, int index, struct ump_key *key) {
  int whole = 0;
  *key = (struct ump_key){.is_text = lua_type(L, index) == LUA_TSTRING};
  if (key->is_text) {
    key->text.p = (const uint8_t *)lua_tolstring(L, index, &key->text.n);
    return true;
  }
  if (lua_type(L, index) != LUA_TNUMBER) return false;
  key->number = lua_tointegerx(L, index, &whole);
  return whole;
}

static int state_index(lua_State *L) { /* table, key -> value */
  struct ump_key key;
  struct place *p = inside(L, 1); /* at 3 */
  if (!p) {
    lua_pushvalue(L, 2);
    lua_rawget(L, 3);
    return 1;
  }
  const struct ump_node *map = find(p);
  const struct ump_node *n = map && read_key(L, 2, &key) ? ump_state_find(state_of(p), map, &key) : NULL;
  if (!n) return lua_pushnil(L), 1;
  if (key.is_text)
    lua_pushvalue(L, 2);
  else
    lua_pushinteger(L, key.number);
  push_node(L, p->book, 3, n);
  return 1;
}

static int state_len(lua_State *L) {
  struct place *p = inside(L, 1);
  lua_Integer n = 0;
  if (!p) {
    n = (lua_Integer)lua_rawlen(L, -1);
  } else {
    const struct ump_node *map = find(p);
    while (map && ump_state_find(state_of(p), map, &(struct ump_key){.number = n + 1})) n++;
  }
  lua_pushinteger(L, n);
  return 1;
}

/* ---- walking ---- */

/* What comes after the key at 2 of the list at 3 of the table at 1. */
static int next_of_list(lua_State *L) {
  lua_Integer i = 0;
  bool named = lua_rawgetp(L, 1, &names_key) == LUA_TTABLE; /* at 4 */
  if (!lua_isnil(L, 2) && !named) {
    i = lua_tointeger(L, 2);
  } else if (!lua_isnil(L, 2)) {
    do {
      if (lua_rawgeti(L, 4, ++i) == LUA_TNIL) return luaL_error(L, "invalid key to 'next'");
    } while (!lua_rawequal(L, -1, 2) && (lua_pop(L, 1), true));
    lua_pop(L, 1);
  }
  if (named)
    lua_rawgeti(L, 4, i + 1);
  else if ((lua_Unsigned)i < lua_rawlen(L, 3))
    lua_pushinteger(L, i + 1);
  else
    lua_pushnil(L);
  if (lua_isnil(L, -1)) return 1;
  lua_pushvalue(L, -1);
  lua_rawget(L, 3);
  return 2;
}

static int push_pair(lua_State *L, struct place *p, int place, const struct ump_node *n) {
  push_key(L, n);
  lua_pushvalue(L, -1);
  push_node(L, p->book, place, n);
  return 2;
}

static int state_next(lua_State *L) { /* table, key or nil */
  struct ump_key key;
  lua_settop(L, 2);
  struct place *p = inside(L, 1); /* at 3 */
  if (!p) return next_of_list(L);
  const struct ump_node *map = find(p), *n = NULL;
  if (map && lua_isnil(L, 2)) {
    n = ump_state_next(map, NULL);
  } else if (map) {
    n = read_key(L, 2, &key) ? ump_state_find(state_of(p), map, &key) : NULL;
    if (!n) return luaL_error(L, "invalid key to 'next'");
    n = ump_state_next(map, n);
  }
  if (!n) return lua_pushnil(L), 1;
  return push_pair(L, p, 3, n);
}

/* What pairs steps with. The serial tells where it is, also when the state has changed meanwhile (a micro-thread that
 * waits in its loop). Upvalues: serial, the node, its epoch, the table: it walks that one, whatever it is called with.
 */
static int step(lua_State *L) {
  lua_settop(L, 2);
  lua_pushvalue(L, lua_upvalueindex(4));
  lua_replace(L, 1);
  struct place *p = inside(L, 1);
  if (!p) return next_of_list(L);
  const struct ump_node *map = find(p), *n = NULL;
  const struct ump_node *last = lua_touserdata(L, lua_upvalueindex(2));
  lua_Integer epoch = (lua_Integer)p->epoch;
  if (map && last && lua_tointeger(L, lua_upvalueindex(3)) == epoch)
    n = ump_state_next(map, last);
  else if (map)
    n = ump_state_after(map, (uint64_t)lua_tointeger(L, lua_upvalueindex(1)));
  if (!n) return lua_pushnil(L), 1;
  lua_pushinteger(L, (lua_Integer)ump_node_serial(n)), lua_replace(L, lua_upvalueindex(1));
  lua_pushlightuserdata(L, (void *)n), lua_replace(L, lua_upvalueindex(2));
  lua_pushinteger(L, epoch), lua_replace(L, lua_upvalueindex(3));
  return push_pair(L, p, 3, n);
}

static int state_pairs(lua_State *L) {
  lua_pushinteger(L, 0);
  lua_pushlightuserdata(L, NULL);
  lua_pushinteger(L, -1);
  lua_pushvalue(L, 1);
  lua_pushcclosure(L, step, 4);
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  return 3;
}

/* ---- writing ---- */

static bool is_word(lua_State *L, int index) {
  size_t n;
  const char *s = lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &n) : NULL;
  if (!s || !n || n > 40 || (*s >= '0' && *s <= '9')) return false;
  for (size_t i = 0; i < n; i++)
    if (s[i] != '_' && !(s[i] >= '0' && s[i] <= '9') && !((s[i] | 32) >= 'a' && (s[i] | 32) <= 'z')) return false;
  return true;
}

int ump__state_push_path(lua_State *L, int index) {
  int n = 0;
  index = lua_absindex(L, index);
  struct place *p = inside(L, index);
  if (!p) return lua_pop(L, 1), -1;
  int first = lua_gettop(L);
  for (; p->up; p = p->up, n++) {
    luaL_checkstack(L, 4, NULL);
    lua_getiuservalue(L, -1, NAME);
    lua_insert(L, first);
    lua_getiuservalue(L, -1, UP);
    lua_replace(L, -2);
  }
  lua_pop(L, 1);
  return n;
}

/* With what to write instead: host.update{ players = { ann = { x = ... } } } */
static int state_newindex(lua_State *L) { /* table, key, value */
  luaL_Buffer where, instead;
  lua_settop(L, 2);
  int n = ump__state_push_path(L, 1);
  if (n < 0) return luaL_error(L, "a list of host.state cannot be changed: host.update replaces it with another one");
  lua_pushvalue(L, 2);
  n++;
  int first = lua_gettop(L) - n + 1;
  luaL_checkstack(L, 8, NULL);
  lua_createtable(L, 0, 0); /* keeps the buffers' strings in order: one is built after the other */
  luaL_buffinit(L, &where);
  luaL_addstring(&where, "host.state");
  for (int i = first; i < first + n; i++) {
    bool word = is_word(L, i), text = lua_type(L, i) == LUA_TSTRING;
    luaL_addstring(&where, word ? "." : text ? "[\"" : "[");
    luaL_tolstring(L, i, NULL), luaL_addvalue(&where);
    luaL_addstring(&where, word ? "" : text ? "\"]" : "]");
  }
  luaL_pushresult(&where);
  luaL_buffinit(L, &instead);
  luaL_addstring(&instead, "host.update");
  for (int i = first; i < first + n; i++) {
    bool word = is_word(L, i), text = lua_type(L, i) == LUA_TSTRING;
    luaL_addstring(&instead, word ? "{ " : text ? "{ [\"" : "{ [");
    luaL_tolstring(L, i, NULL), luaL_addvalue(&instead);
    luaL_addstring(&instead, word ? " = " : text ? "\"] = " : "] = ");
  }
  luaL_addstring(&instead, "...");
  for (int i = 0; i < n; i++) luaL_addstring(&instead, " }");
  luaL_pushresult(&instead);
  return luaL_error(L, "%s cannot be set: every client has a copy of the state, and only host.update changes it: %s",
                    lua_tostring(L, -2), lua_tostring(L, -1));
}

/* ---- for others ---- */

bool ump__state_pack(lua_State *L, int index, struct ump_buf *out, size_t *left) {
  struct place *p = inside(L, index);
  if (!p) return false;
  const struct ump_node *n = find(p);
  struct ump_blob *content = n ? ump_state_content(state_of(p), n) : ump_blob_new(&ump_mem_libc, 0);
  lua_pop(L, 1);
  if (!content) luaL_error(L, "not enough memory for the state");
  struct ump_reader r = ump_reader(ump_bytes(content->p, content->n));
  struct ump_plain v;
  size_t values = 0;
  while (ump_reader_left(&r) && values <= *left) values += (size_t)ump_plain_get(&r, &v);
  bool fits = values <= *left;
  if (fits && n) {
    ump_buf_put(out, ump_bytes(content->p, content->n));
  } else if (fits) {
    uint8_t nothing[8];
    struct ump_writer w = ump_writer(nothing, sizeof nothing);
    ump_plain_put_map(&w, 0);
    ump_buf_put(out, ump_written(&w));
  }
  *left -= fits ? values : 0;
  ump_blob_unref(content);
  if (!fits) luaL_error(L, "this much of host.state is too many values at once: %d are left", (int)*left);
  return true;
}

static void push_content(lua_State *L, const struct ump_node *n) {
  luaL_checkstack(L, 8, NULL);
  if (!ump_node_is_map(n)) {
    ump_value_push(L, ump_node_plain(n));
    return;
  }
  lua_createtable(L, 0, (int)ump_node_count(n));
  for (const struct ump_node *c = NULL; (c = ump_state_next(n, c));) {
    push_key(L, c);
    push_content(L, c);
    lua_rawset(L, -3);
  }
}

void ump__state_push_copy(lua_State *L, int index) {
  index = lua_absindex(L, index);
  luaL_checkstack(L, 8, NULL);
  if (!lua_istable(L, index)) {
    lua_pushvalue(L, index);
  } else if (ump__state_is(L, index)) {
    struct place *p = inside(L, index);
    const struct ump_node *n = p ? find(p) : NULL;
    if (n)
      push_content(L, n);
    else if (p)
      lua_newtable(L);
    else
      ump__state_push_copy(L, -1);
    lua_remove(L, -2);
  } else {
    lua_newtable(L);
    if (ump_value_is_array(L, index)) ump_value_mark_array(L, -1);
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
      lua_pushvalue(L, -2);
      ump__state_push_copy(L, -2);
      lua_rawset(L, -5);
    }
  }
}

/* ---- raw functions ---- */

int ump__state_next(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  if (ump__state_is(L, 1)) return state_next(L);
  lua_settop(L, 2);
  if (lua_next(L, 1)) return 2;
  lua_pushnil(L);
  return 1;
}

int ump__state_rawget(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkany(L, 2);
  lua_settop(L, 2);
  if (ump__state_is(L, 1)) return state_index(L);
  lua_rawget(L, 1);
  return 1;
}

int ump__state_rawset(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkany(L, 2);
  luaL_checkany(L, 3);
  lua_settop(L, 3);
  if (ump__state_is(L, 1)) return state_newindex(L);
  lua_rawset(L, 1);
  return 1;
}

int ump__state_rawlen(lua_State *L) {
  if (lua_istable(L, 1) && ump__state_is(L, 1)) return state_len(L);
  int type = lua_type(L, 1);
  luaL_argexpected(L, type == LUA_TTABLE || type == LUA_TSTRING, 1, "table or string");
  lua_pushinteger(L, (lua_Integer)lua_rawlen(L, 1));
  return 1;
}

/* ---- life ---- */

void ump__state_push(lua_State *L, struct ump_book *b) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &whole_key) == LUA_TTABLE) return;
  lua_pop(L, 1);
  push_place(L, b, 0, 0);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &whole_key);
}

void ump__state_open(lua_State *L) {
  static const luaL_Reg meta[] = {{"__index", state_index},
                                  {"__newindex", state_newindex},
                                  {"__len", state_len},
                                  {"__pairs", state_pairs},
                                  {NULL, NULL}};
  lua_createtable(L, 0, 8);
  luaL_setfuncs(L, meta, 0);
  lua_pushliteral(L, "umpire.State");
  lua_setfield(L, -2, "__name");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &class_key);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &weak_key);
}
