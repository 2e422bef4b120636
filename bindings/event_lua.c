/* Events as rules see them: userdata "umpire.Event" that hold a copy, so a rule may keep one for as long as it likes.
 *
 * Not a plain table: making one of five fields with its fresh id was measured at 250 ns, this at 65, and a field looked
 * up in C costs about 20 (the id becomes a string only when a rule asks for it). An event is the host's word, so it
 * cannot be changed either; pairs walks it. */
#include <lauxlib.h>

#include "bindings/book.h"

struct event {
  double time; /* host clock, seconds */
  bool high;
  uint8_t n_id;
  char id[];
};

enum { NAME = 1, DATA = 2 }; /* user values */

static const char *const field_names[] = {"id", "name", "data", "priority", "time"};
enum { N_FIELDS = sizeof field_names / sizeof *field_names };

/* Only our own metatable leads here, so the first argument is always an event. Pushes one value; false: no such field.
 */
static bool push_field(lua_State *L, const char *key) {
  const struct event *ev = lua_touserdata(L, 1);
  switch (key[0]) {
  case 'd':
    if (strcmp(key, "data") == 0) return lua_getiuservalue(L, 1, DATA), true;
    break;
  case 'n':
    if (strcmp(key, "name") == 0) return lua_getiuservalue(L, 1, NAME), true;
    break;
  case 'i':
    if (strcmp(key, "id") == 0) return lua_pushlstring(L, ev->id, ev->n_id), true;
    break;
  case 'p':
    if (strcmp(key, "priority") == 0) return lua_pushstring(L, ev->high ? "high" : "normal"), true;
    break;
  case 't':
    if (strcmp(key, "time") == 0) return lua_pushnumber(L, ev->time), true;
    break;
  default:
    break;
  }
  return false;
}

static int event_index(lua_State *L) {
  const char *key = lua_tostring(L, 2);
  const struct ump_book *b = ump_vm_user(L);
  if (key == b->data_key) return lua_getiuservalue(L, 1, DATA), 1;
  if (key == b->name_key) return lua_getiuservalue(L, 1, NAME), 1;
  if (key && push_field(L, key)) return 1;
  if (!key)
    return luaL_error(L, "an event has no field of type %s: what the client sent is event.data", luaL_typename(L, 2));
  const char *near = ump__nearest(key, field_names, N_FIELDS);
  if (near) return luaL_error(L, "an event has no field '%s': did you mean '%s'?", key, near);
  return luaL_error(
      L, "an event has no field '%s': it has id, name, data, priority and time; what the client sent is event.data",
      key);
}

static int event_newindex(lua_State *L) {
  return luaL_error(L, "event.%s cannot be set: an event is what the client sent; what is yours goes into client.data",
                    lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?");
}

static int event_tostring(lua_State *L) {
  const struct event *ev = lua_touserdata(L, 1);
  lua_getiuservalue(L, 1, NAME);
  const char *name = lua_isnil(L, -1) ? "without a name" : lua_tostring(L, -1);
  lua_pushlstring(L, ev->id, ev->n_id);
  lua_pushfstring(L, "event %s (%s)", lua_tostring(L, -1), name);
  return 1;
}

static int event_next(lua_State *L) { /* event, key or nil */
  size_t i = 0;
  if (!lua_isnil(L, 2))
    while (i < N_FIELDS && strcmp(field_names[i++], lua_tostring(L, 2)) != 0) continue;
  for (; i < N_FIELDS; i++) {
    push_field(L, field_names[i]);
    if (lua_isnil(L, -1)) {
      lua_pop(L, 1);
      continue;
    }
    lua_pushstring(L, field_names[i]);
    lua_insert(L, -2);
    return 2;
  }
  lua_pushnil(L);
  return 1;
}

static int event_pairs(lua_State *L) {
  lua_pushcfunction(L, event_next);
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  return 3;
}

void ump__event_open(lua_State *L, struct ump_book *b) {
  static const luaL_Reg meta[] = {{"__index", event_index},
                                  {"__newindex", event_newindex},
                                  {"__tostring", event_tostring},
                                  {"__pairs", event_pairs},
                                  {NULL, NULL}};
  lua_createtable(L, 0, 8);
  luaL_setfuncs(L, meta, 0);
  lua_pushliteral(L, "umpire.Event");
  lua_setfield(L, -2, "__name");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  b->event_class = luaL_ref(L, LUA_REGISTRYINDEX);
  for (int i = 0; i < UMP_KNOWN_NAMES; i++) {
    lua_pushboolean(L, 0);
    b->known_names[i].ref = luaL_ref(L, LUA_REGISTRYINDEX);
  }
}

/* The VM would find its one string of a name by hashing it; to compare it with a name there was lately is shorter. */
static void push_name(lua_State *L, struct ump_book *b, struct ump_bytes name) {
  if (name.n == 0 || name.n > sizeof b->known_names->text) {
    lua_pushlstring(L, (const char *)name.p, name.n);
    return;
  }
  struct ump_known_name *k = &b->known_names[(name.p[0] + name.p[name.n - 1] + name.n) % UMP_KNOWN_NAMES];
  if (k->n == name.n && memcmp(k->text, name.p, name.n) == 0) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, k->ref);
    return;
  }
  lua_pushlstring(L, (const char *)name.p, name.n);
  lua_pushvalue(L, -1);
  lua_rawseti(L, LUA_REGISTRYINDEX, k->ref); /* a slot that is there: cannot raise */
  k->n = (uint8_t)name.n;
  memcpy(k->text, name.p, name.n);
}

static void push_data(lua_State *L, struct ump_book *b, const struct ump_event *ev) {
  switch (ev->encoding) {
  case UMP_JSON:
    ump_json_lua_push(L, &b->json, ev->data, ev->holds);
    return;
  case UMP_PLAIN:
    ump_value_push(L, ev->data);
    return;
  default:
    lua_pushlstring(L, (const char *)ev->data.p, ev->data.n);
  }
}

void ump__event_push(lua_State *L, struct ump_book *b, const struct ump_event *ev) {
  size_t n_id = ev->id.n < UINT8_MAX ? ev->id.n : UINT8_MAX; /* 64 at most, by proto.h */
  struct event *box = lua_newuserdatauv(L, sizeof *box + n_id, 2);
  box->time = ump_seconds(ump__book_now(b));
  box->high = ev->high;
  box->n_id = (uint8_t)n_id;
  memcpy(box->id, ev->id.p, n_id);
  lua_rawgeti(L, LUA_REGISTRYINDEX, b->event_class);
  lua_setmetatable(L, -2);
  if (ev->has_name) {
    push_name(L, b, ev->name);
    lua_setiuservalue(L, -2, NAME);
  }
  if (ev->has_data) {
    push_data(L, b, ev);
    lua_setiuservalue(L, -2, DATA);
  }
}
