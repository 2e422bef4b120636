/* rulebook.view(client, state): what a client may see. What it returns is not sent: only its places matter, so that a
 * view can show no value that is not in the state. */
#include <lauxlib.h>

#include "bindings/book.h"
#include "bindings/state_lua.h"

enum { DEPTH = UMP_STATE_DEPTH, PLACES = 1 << 16 /* no hook fires in here, and one table may stand at many of them */ };

struct viewing {
  struct ump_book *b;
  struct ump_client *c;
  int function;
  int path[DEPTH + 1]; /* stack indices of the keys that lead to where we are */
  int depth;
  int places;
};

static int wrong(lua_State *L, const struct viewing *v, const char *what) {
  lua_Debug ar;
  luaL_Buffer at;
  lua_pushvalue(L, v->function);
  lua_getinfo(L, ">S", &ar);
  luaL_buffinit(L, &at);
  for (int i = 0; i < v->depth; i++) {
    if (i) luaL_addchar(&at, '.');
    luaL_tolstring(L, v->path[i], NULL);
    luaL_addvalue(&at);
  }
  luaL_pushresult(&at);
  return luaL_error(L, "%s:%d: view: %s%s%s", ar.short_src, ar.linedefined, lua_tostring(L, -1), v->depth ? ": " : "",
                    what);
}

static void put(struct ump_buf *out, void (*what)(struct ump_writer *, uint32_t), uint32_t n) {
  if (!ump_buf_room(out, 16)) return;
  struct ump_writer w = ump_writer(out->p + out->n, 16);
  what(&w, n);
  out->n += w.n;
}

static void put_tag(struct ump_buf *out, enum ump_plain_tag tag) {
  ump_buf_byte(out, (char)tag);
}

static void put_key(lua_State *L, const struct viewing *v, int key, struct ump_buf *out) {
  size_t n = 0;
  const char *s = lua_type(L, key) == LUA_TSTRING ? lua_tolstring(L, key, &n) : NULL;
  if (!s && !lua_isinteger(L, key)) wrong(L, v, "the state has strings and integers as keys, nothing else");
  if (!ump_buf_room(out, n + 16)) return;
  struct ump_writer w = ump_writer(out->p + out->n, n + 16);
  if (s)
    ump_plain_put_string(&w, ump_bytes(s, n));
  else
    ump_plain_put_int(&w, lua_tointeger(L, key));
  out->n += w.n;
}

/* A part of host.state must be at its own place: elsewhere it would show something else than its author thinks. */
static void check_place(lua_State *L, const struct viewing *v, int value) {
  int top = lua_gettop(L), n = ump__state_push_path(L, value);
  bool same = n < 0 || n == v->depth; /* of a list: its own place is not known */
  for (int i = 0; same && i < n; i++) same = lua_rawequal(L, top + 1 + i, v->path[i]);
  if (!same)
    wrong(L, v,
          v->depth ? "another part of host.state stands here: view names parts at their own places, as in "
                     "{ players = state.players }"
                   : "part of host.state was returned: say where it is, as in { players = state.players }");
  lua_settop(L, top);
}

static void select_value(lua_State *L, struct viewing *v, int value, struct ump_buf *out);

static void select_pairs(lua_State *L, struct viewing *v, int table, struct ump_buf *out) {
  size_t at = out->n;
  uint32_t count = 0;
  put(out, ump_plain_put_map, 0);
  if (v->depth >= DEPTH) wrong(L, v, "nested too deep: the state is at most 32 deep");
  luaL_checkstack(L, 8, NULL);
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    int key = lua_gettop(L) - 1;
    if (++v->places > PLACES)
      wrong(L, v, "more than 65536 places: name a table of the state instead of all that is in it");
    if (!lua_toboolean(L, key + 1)) continue;
    v->path[v->depth++] = key;
    put_key(L, v, key, out);
    select_value(L, v, key + 1, out);
    v->depth--;
    count++;
  }
  if (out->failed) return;
  struct ump_writer w = ump_writer(out->p + at, out->n - at);
  ump_plain_put_map(&w, count);
}

static void select_value(lua_State *L, struct viewing *v, int value, struct ump_buf *out) {
  if (!lua_istable(L, value)) {
    put_tag(out, lua_toboolean(L, value) ? UMP_PLAIN_TRUE : UMP_PLAIN_NIL);
  } else if (ump__state_is(L, value)) {
    check_place(L, v, value);
    put_tag(out, UMP_PLAIN_TRUE);
  } else {
    select_pairs(L, v, value, out);
  }
}

static int view_body(lua_State *L) {
  struct viewing *v = lua_touserdata(L, 1);
  struct ump_book *b = v->b;
  b->refuses = "view";
  ump__book_push_handler(L, b, UMP_H_VIEW);
  v->function = 2;
  lua_pushvalue(L, 2);
  ump__client_push(L, b, v->c);
  ump__state_push(L, b);
  lua_call(L, 2, 1);
  b->refuses = NULL;
  if (!lua_isnil(L, 3) && !lua_isboolean(L, 3) && !lua_istable(L, 3))
    return wrong(L, v, lua_pushfstring(L, "must return true, false or a table, got a %s", luaL_typename(L, 3)));
  ump_buf_clear(&b->out);
  select_value(L, v, 3, &b->out);
  if (b->out.failed) luaL_error(L, "not enough memory for a view");
  return 0;
}

int ump__state_view(void *book, struct ump_client *c, struct ump_bytes *plain) {
  struct ump_book *b = book;
  struct viewing v = {.b = b, .c = c};
  int err = ump__book_call(b, &(struct ump_cause){UMP_DO_VIEW, c, NULL}, NULL, view_body, &v);
  if (err < 0) return err;
  *plain = ump_buf_bytes(&b->out);
  return 0;
}
