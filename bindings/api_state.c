/* host.update, host.state, host.DELETE, host.subscribe, host.unsubscribe: the replicated state. */
#include <lauxlib.h>

#include "bindings/book.h"
#include "bindings/state_lua.h"

enum { PATCH_VALUES = 1 << 20 }; /* of one patch: the state's own limits come first */

/* Says where, what, and what to do. */
static int refused(lua_State *L, int err, const struct ump_state_fault *why) {
  static const char *const me = "host.update";
  const char *at = *why->path ? lua_pushfstring(L, "value at patch.%s", why->path) : "the patch";
  if (err == UMP_ENOMEM) return luaL_error(L, "%s: not enough memory", me);
  if (err == UMP_ETOOBIG)
    return luaL_error(
        L,
        "%s: %s is too large for the packets of %s: %I bytes with its path. Put it under several keys, or "
        "make it shorter",
        me, at, why->scheme, (LUAI_UACINT)why->size);
  if (err == UMP_EFULL && why->most)
    return luaL_error(
        L,
        "%s: %s %s: %I, and %I is the limit (--state-memory, --state-keys). Remove what nobody needs any more "
        "with host.DELETE",
        me, at, why->why, (LUAI_UACINT)why->size, (LUAI_UACINT)why->most);
  return luaL_error(L, "%s: %s %s", me, at, why->why);
}

static int host_update(lua_State *L) {
  static const char *const me = "host.update";
  static const struct ump_packing how = {"patch", "in the state", PATCH_VALUES};
  struct ump_book *b = ump__book_of(L);
  struct ump_state_fault why = {.why = ""};
  ump__api_effect(L, b, me);
  if (!lua_istable(L, 1)) return ump__api_wrong(L, 1, me, "table");
  ump_buf_clear(&b->out);
  ump_value_pack_patch(L, 1, &how, &b->out);
  if (b->out.failed) return luaL_error(L, "%s: not enough memory", me);
  int err = b->engine ? ump_engine_update(b->engine, ump_buf_bytes(&b->out), &why) : 0;
  return err < 0 ? refused(L, err, &why) : 0;
}

/* "chunk", "data", "rpc"; NULL: it is in no channel, or in one that is not declared any more. */
static const char *channel_mode(lua_State *L, const struct ump_book *b, const struct ump_client *c) {
  const char *mode = NULL;
  if (!c->channel || b->channels == LUA_NOREF) return NULL;
  int top = lua_gettop(L);
  luaL_checkstack(L, 4, NULL);
  lua_rawgeti(L, LUA_REGISTRYINDEX, b->channels);
  if (lua_getfield(L, -1, c->channel) == LUA_TTABLE) {
    lua_rawgeti(L, -1, 2);
    mode = lua_tostring(L, -1); /* the table keeps it */
  }
  lua_settop(L, top);
  return mode;
}

/* Raises where the protocol, or what the channel declares, has no word for it. */
static void check_words(lua_State *L, struct ump_book *b, const struct ump_client *c) {
  static const char *const me = "host.subscribe";
  uint8_t call[16];
  struct ump_writer w = ump_writer(call, sizeof call);
  struct ump_notice n = {.has_name = true, .has_data = true, .name = ump_text("state")};
  if (strcmp(c->protocol, "pymmorpg") == 0)
    luaL_error(L, "%s: clients of PYMMORPG ask, they are told nothing but flags: answer them from host.state", me);
  if (!c->channel) return;
  const char *mode = channel_mode(L, b, c);
  if (mode && strcmp(mode, "data") == 0)
    luaL_error(L, "%s: channel '%s' carries bytes without bounds; declare it as mode = \"chunk\" or \"rpc\"", me,
               c->channel);
  if (!mode || strcmp(mode, "rpc") != 0) return;
  ump_plain_put_string(&w, ump_bytes("{}", 2));
  n.data = ump_written(&w);
  ump__channel_check(L, b, c, &n, me);
}

static int subscribe(lua_State *L, const char *me, bool on) {
  struct ump_book *b = ump__book_of(L);
  ump__api_effect(L, b, me);
  struct ump_client *c = ump__client_check(L, b, 1, me);
  if (on) check_words(L, b, c);
  int err = ump_engine_subscribe(b->engine, c, on);
  if (err < 0) return ump__api_failed(L, me, err);
  lua_pushboolean(L, 1);
  return 1;
}

static int host_subscribe(lua_State *L) {
  return subscribe(L, "host.subscribe", true);
}
static int host_unsubscribe(lua_State *L) {
  return subscribe(L, "host.unsubscribe", false);
}

void ump__api_open_state(lua_State *L, struct ump_book *b) {
  ump__state_open(L);
  ump__api_set(L, b, "update", host_update);
  ump__api_set(L, b, "subscribe", host_subscribe);
  ump__api_set(L, b, "unsubscribe", host_unsubscribe);
  ump_value_push_delete(L);
  lua_setfield(L, -2, "DELETE");
  ump__state_push(L, b);
  lua_setfield(L, -2, "state");
}
