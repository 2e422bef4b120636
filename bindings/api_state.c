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
    return luaL_error(L,
                      "%s: %s is too large for the packets of %s: %I bytes with its path. Put it under several keys, or "
                      "make it shorter",
                      me, at, why->scheme, (LUAI_UACINT)why->size);
  if (err == UMP_EFULL && why->most)
    return luaL_error(L,
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

static int subscribe(lua_State *L, const char *me, bool on) {
  struct ump_book *b = ump__book_of(L);
  ump__api_effect(L, b, me);
  struct ump_client *c = ump__client_check(L, b, 1, me);
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
  (void)host_subscribe, (void)host_unsubscribe; /* set once a subscriber is told */
  ump_value_push_delete(L);
  lua_setfield(L, -2, "DELETE");
  ump__state_push(L, b);
  lua_setfield(L, -2, "state");
}
