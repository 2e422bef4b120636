/* host.notify, host.broadcast, host.clients, host.kick: what a rulebook tells its clients. The engine keeps each until
 * the handler has returned, and drops it if the handler fails. */
#include <lauxlib.h>

#include "bindings/book.h"

enum { NAME_MAX_BYTES = 256 }; /* of an event's name: ours, well under every protocol's limit */

/* The data at index in an encoding; whatever it is made of stays on the stack, so that the bytes live. */
static struct ump_bytes encode(lua_State *L, struct ump_book *b, int index, enum ump_encoding encoding,
                               const char *function) {
  static const struct ump_packing how = {"data", "sent", 0};
  if (encoding == UMP_JSON) return ump_json_lua_text(L, &b->json, index, "data");
  if (encoding == UMP_RAW) {
    if (lua_type(L, index) != LUA_TSTRING)
      luaL_error(L, "%s: the client's protocol takes a string, got %s", function, luaL_typename(L, index));
    size_t n;
    const char *s = lua_tolstring(L, index, &n);
    return ump_bytes(s, n);
  }
  ump_buf_clear(&b->out);
  ump_value_pack(L, index, &how, &b->out);
  if (b->out.failed) luaL_error(L, "%s: not enough memory", function);
  return ump_buf_bytes(&b->out);
}

static void read_name(lua_State *L, int arg, const char *function, struct ump_notice *n) {
  if (lua_isnoneornil(L, arg)) return;
  if (lua_type(L, arg) != LUA_TSTRING) ump__api_wrong(L, arg, function, "string or nil");
  size_t size;
  const char *s = lua_tolstring(L, arg, &size);
  n->has_name = true;
  n->name = ump_bytes(s, size);
  if (size > NAME_MAX_BYTES || memchr(s, 0, size) || !ump_utf8_valid(n->name))
    luaL_error(L, "bad argument #%d to '%s' (a name is UTF-8 text of at most %d bytes without zeros)", arg, function,
               NAME_MAX_BYTES);
}

static void need_something(lua_State *L, const struct ump_notice *n, const char *function) {
  if (!n->has_name && !n->has_data) luaL_error(L, "%s: neither a name nor data to send", function);
}

static int host_notify(lua_State *L) {
  static const char *const me = "host.notify";
  struct ump_book *b = ump__book_of(L);
  struct ump_notice n = {0};
  ump__api_effect(L, b, me);
  lua_settop(L, 3);
  struct ump_client *c = ump__client_check(L, b, 1, me);
  read_name(L, 2, me, &n);
  n.has_data = !lua_isnil(L, 3);
  need_something(L, &n, me);
  if (n.has_data) n.data = encode(L, b, 3, ump_engine_encoding(b->engine, c), me);
  ump__channel_check(L, b, c, &n, me);
  int err = b->unheard ? 0 : ump_engine_notify(b->engine, c, &n);
  if (err < 0) return ump__api_failed(L, me, err);
  lua_pushboolean(L, 1);
  return 1;
}

static int host_broadcast(lua_State *L) {
  static const char *const me = "host.broadcast";
  struct ump_book *b = ump__book_of(L);
  struct ump_notice n = {0}, each[3];
  const struct ump_notice *by[3] = {NULL, NULL, NULL};
  ump__api_effect(L, b, me);
  lua_settop(L, 3);
  read_name(L, 1, me, &n);
  n.has_data = !lua_isnil(L, 2);
  need_something(L, &n, me);
  struct ump_client *except = lua_isnil(L, 3) ? NULL : ump__client_check(L, b, 3, me);
  unsigned encodings = b->engine ? ump_engine_encodings(b->engine) : 1u << UMP_JSON;
  for (int e = UMP_RAW; e <= UMP_PLAIN; e++) {
    if (!(encodings & (1u << e))) continue;
    if (e == UMP_RAW && n.has_data && lua_type(L, 2) != LUA_TSTRING && encodings != 1u << UMP_RAW)
      continue; /* not for them */
    by[e] = &each[e], each[e] = n;
    if (n.has_data) each[e].data = encode(L, b, 2, (enum ump_encoding)e, me);
  }
  int err = b->engine && !b->unheard ? ump_engine_broadcast(b->engine, by, except) : 0;
  if (err < 0) return ump__api_failed(L, me, err);
  lua_pushboolean(L, 1);
  return 1;
}

static int host_kick(lua_State *L) {
  static const char *const me = "host.kick";
  struct ump_book *b = ump__book_of(L);
  size_t n = 6;
  const char *reason = "kicked";
  ump__api_effect(L, b, me);
  struct ump_client *c = ump__client_check(L, b, 1, me);
  if (!lua_isnoneornil(L, 2)) {
    if (lua_type(L, 2) != LUA_TSTRING) return ump__api_wrong(L, 2, me, "string or nil");
    reason = lua_tolstring(L, 2, &n);
  }
  int err = ump_engine_kick(b->engine, c, ump_bytes(reason, n));
  if (err < 0) return ump__api_failed(L, me, err);
  lua_pushboolean(L, 1);
  return 1;
}

/* ---- host.clients() ----
 * The iterator walks a list made at the start, so that kicks, departures and arrivals in between (a micro-thread may
 * wait in its loop) neither break it nor repeat anyone; who has gone by then is passed over. */

static int next_client(lua_State *L) { /* upvalues: book, list, position */
  struct ump_book *b = ump__book_of(L);
  lua_Integer i = lua_tointeger(L, lua_upvalueindex(3));
  for (;;) {
    if (lua_rawgeti(L, lua_upvalueindex(2), ++i) == LUA_TNIL) break;
    if (ump__client_here(L, b, -1)) break;
    lua_pop(L, 1);
  }
  lua_pushinteger(L, i);
  lua_replace(L, lua_upvalueindex(3));
  return 1;
}

static int host_clients(lua_State *L) {
  struct ump_book *b = ump__book_of(L);
  size_t n = b->engine ? ump_engine_n_clients(b->engine) : 0;
  lua_Integer i = 0;
  lua_pushlightuserdata(L, b);
  lua_createtable(L, n < INT32_MAX ? (int)n : 0, 0);
  for (struct ump_client *c = NULL; b->engine && (c = ump_engine_next_client(b->engine, c));) {
    ump__client_push(L, b, c);
    lua_rawseti(L, -2, ++i);
  }
  lua_pushinteger(L, 0);
  lua_pushcclosure(L, next_client, 3);
  return 1;
}

void ump__api_open_notify(lua_State *L, struct ump_book *b) {
  ump__api_set(L, b, "notify", host_notify);
  ump__api_set(L, b, "broadcast", host_broadcast);
  ump__api_set(L, b, "clients", host_clients);
  ump__api_set(L, b, "kick", host_kick);
}
