/* Clients as rules see them: userdata "umpire.Client" that hold the engine's client while it lives. The userdata is
 * made when a rule first meets the client and kept by reference under its slot; when the client goes, its pointer is
 * cleared.
 *
 * data is a table in the userdata's user value, made on first use. After a reload it waits in packed form until a rule
 * asks. */
#include <lauxlib.h>

#include "bindings/book.h"

struct box {
  struct ump_client *client; /* NULL: gone */
  struct ump_book *book;
  char id[UMP_UUID_TEXT]; /* outlives the client, for messages */
};

static const char class_key; /* its address is the registry key of the metatable */

enum { DATA = 1 };  /* the user value */
enum { AHEAD = 8 }; /* clients, between the call for memory and its use */

static int gone(lua_State *L, const struct box *box) {
  return luaL_error(L, "client %s is gone: it left, and what belonged to it went with it (client.gone tells)",
                    lua_pushlstring(L, box->id, UMP_UUID_TEXT));
}

/* ---- data ---- */

static struct ump_seat *seat_of(struct ump_book *b, const struct ump_client *c) {
  return c->slot < b->n_seats ? &b->seats[c->slot] : NULL;
}

/* The data of the VM before is not wanted any more; the last one gives back the memory of all. */
static void drop_kept(struct ump_book *b, struct ump_seat *seat) {
  if (!seat || !seat->n_kept) return;
  seat->n_kept = 0;
  if (--b->n_kept == 0) ump_buf_free(&b->kept);
}

static void unpack_kept(lua_State *L, struct ump_book *b, struct ump_seat *seat) {
  ump_value_push(L, ump_bytes(b->kept.p + seat->kept, seat->n_kept));
  drop_kept(b, seat);
}

static int push_data(lua_State *L, struct box *box) {
  if (lua_getiuservalue(L, 1, DATA) == LUA_TTABLE) return 1;
  lua_pop(L, 1);
  struct ump_seat *seat = seat_of(box->book, box->client);
  if (seat && seat->n_kept)
    unpack_kept(L, box->book, seat);
  else
    lua_newtable(L);
  if (seat) seat->data = lua_topointer(L, -1);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, 1, DATA);
  return 1;
}

static int set_data(lua_State *L, struct box *box) {
  ump__api_effect(L, box->book, "setting client.data");
  if (!lua_istable(L, 3))
    return luaL_error(L, "client.data must be a table, got %s: put values into it, client.data.score = 1",
                      luaL_typename(L, 3));
  struct ump_seat *seat = seat_of(box->book, box->client);
  drop_kept(box->book, seat);
  lua_settop(L, 3);
  lua_setiuservalue(L, 1, DATA);
  return 0;
}

/* ---- fields ---- */

static int push_text(lua_State *L, const char *s) {
  if (s)
    lua_pushstring(L, s);
  else
    lua_pushnil(L);
  return 1;
}

static int push_id(lua_State *L, const struct box *box) {
  lua_pushlstring(L, box->id, UMP_UUID_TEXT);
  return 1;
}

static int push_address(lua_State *L, const struct ump_client *c) {
  char text[UMP_ADDR_TEXT];
  lua_pushlstring(L, text, ump_addr_print(&c->addr, text));
  return 1;
}

static const char *const field_names[] = {"id", "name", "protocol", "address", "version", "channel", "data", "gone"};
enum { N_FIELDS = sizeof field_names / sizeof *field_names };

static int unknown_field(lua_State *L, const char *key) {
  const char *near = ump__nearest(key, field_names, N_FIELDS);
  if (near) return luaL_error(L, "a client has no field '%s': did you mean '%s'?", key, near);
  return luaL_error(L,
                    "a client has no field '%s': it has id, name, protocol, address, version, channel and data; "
                    "what is yours goes into client.data",
                    key);
}

/* Only our own metatable leads here, and rules cannot get hold of it, so the first argument is always a client. */
static int client_index(lua_State *L) {
  const char *key = lua_tostring(L, 2);
  const struct ump_book *b = ump_vm_user(L);
  if (key == b->data_key) { /* once the client is gone, there is none */
    if (lua_getiuservalue(L, 1, DATA) == LUA_TTABLE) return 1;
    lua_pop(L, 1);
  }
  struct box *box = lua_touserdata(L, 1);
  if (!key) return luaL_error(L, "a client has no field of type %s", luaL_typename(L, 2));
  if (strcmp(key, "gone") == 0) return lua_pushboolean(L, !box->client), 1;
  struct ump_client *c = box->client;
  if (!c) return gone(L, box);
  switch (key[0]) {
  case 'c':
    if (strcmp(key, "channel") == 0) return push_text(L, c->channel);
    break;
  case 'd':
    if (strcmp(key, "data") == 0) return push_data(L, box);
    break;
  case 'i':
    if (strcmp(key, "id") == 0) return push_id(L, box);
    break;
  case 'n':
    if (strcmp(key, "name") == 0) return push_text(L, c->name);
    break;
  case 'p':
    if (strcmp(key, "protocol") == 0) return push_text(L, c->protocol);
    break;
  case 'a':
    if (strcmp(key, "address") == 0) return push_address(L, c);
    break;
  case 'v':
    if (strcmp(key, "version") == 0) return push_text(L, c->version);
    break;
  default:
    break;
  }
  return unknown_field(L, key);
}

static int client_newindex(lua_State *L) {
  struct box *box = lua_touserdata(L, 1);
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?";
  if (!box->client) return gone(L, box);
  if (strcmp(key, "data") == 0) return set_data(L, box);
  for (size_t i = 0; i < N_FIELDS; i++)
    if (strcmp(key, field_names[i]) == 0)
      return luaL_error(L, "client.%s cannot be set: it is the host's; what is yours goes into client.data", key);
  return unknown_field(L, key);
}

static int client_tostring(lua_State *L) {
  struct box *box = lua_touserdata(L, 1);
  lua_pushlstring(L, box->id, UMP_UUID_TEXT);
  const char *id = lua_tostring(L, -1);
  if (!box->client)
    lua_pushfstring(L, "client %s (gone)", id);
  else if (box->client->name)
    lua_pushfstring(L, "client %s (%s, %s)", id, box->client->protocol, box->client->name);
  else
    lua_pushfstring(L, "client %s (%s)", id, box->client->protocol);
  return 1;
}

static int client_eq(lua_State *L) { /* one userdata per client, so two that differ are two clients */
  return lua_pushboolean(L, lua_rawequal(L, 1, 2)), 1;
}

void ump__client_open(lua_State *L, struct ump_book *b) {
  static const luaL_Reg meta[] = {{"__index", client_index},
                                  {"__newindex", client_newindex},
                                  {"__tostring", client_tostring},
                                  {"__eq", client_eq},
                                  {NULL, NULL}};
  (void)b;
  lua_createtable(L, 0, 8);
  luaL_setfuncs(L, meta, 0);
  lua_pushliteral(L, "umpire.Client");
  lua_setfield(L, -2, "__name");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &class_key);
}

/* ---- seats ---- */

static struct ump_seat *take_seat(lua_State *L, struct ump_book *b, uint32_t slot) {
  if (slot < b->n_seats) return &b->seats[slot];
  uint32_t n = b->n_seats ? b->n_seats : 16;
  while (n <= slot) n *= 2; /* slots are dense, so this is at most twice the clients there ever were at once */
  struct ump_seat *seats = ump_realloc(b->mem, b->seats, b->n_seats * sizeof *seats, n * sizeof *seats);
  if (!seats) {
    luaL_error(L, "not enough memory for one more client");
    return NULL;
  }
  for (uint32_t i = b->n_seats; i < n; i++) seats[i] = (struct ump_seat){.ref = LUA_NOREF};
  b->seats = seats, b->n_seats = n;
  return &seats[slot];
}

static void push_new(lua_State *L, struct ump_book *b, struct ump_client *c, struct ump_seat *seat) {
  struct box *box = lua_newuserdatauv(L, sizeof *box, 1);
  box->client = NULL, box->book = b;
  ump_uuid_print(&c->id, box->id);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &class_key);
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  seat->ref = luaL_ref(L, LUA_REGISTRYINDEX);
  seat->box = box;
  seat->client = box->client = c; /* nothing that can raise stands between the reference and this */
}

void ump__client_push(lua_State *L, struct ump_book *b, struct ump_client *c) {
  struct ump_seat *seat = take_seat(L, b, c->slot);
  if (seat->client == c)
    lua_rawgeti(L, LUA_REGISTRYINDEX, seat->ref);
  else
    push_new(L, b, c, seat);
}

/* Inlined, because gcc takes a function that only prefetches for one without effect, and leaves calls of it out. */
static inline __attribute__((always_inline)) void call_for(const struct ump_seat *seat) {
  if (!seat->box) return;
  __builtin_prefetch((const char *)seat->box - 64); /* Lua's head of a userdata comes before it */
  __builtin_prefetch(seat->box);
  if (!seat->data) return; /* nobody has asked for it yet */
  for (int line = 0; line < 3; line++)
    __builtin_prefetch((const char *)seat->data + 64 * line); /* its fields are near it */
}

void ump__client_expect(const struct ump_book *b, const struct ump_client *c, int step) {
  if (c->slot >= b->n_seats) return;
  const struct ump_seat *seat = &b->seats[c->slot];
  if (step == 0) {
    __builtin_prefetch(seat);
    return;
  }
  call_for(seat);
}

struct ump_client *ump__client_check(lua_State *L, struct ump_book *b, int arg, const char *function) {
  struct box *box = lua_touserdata(L, arg);
  (void)b;
  if (box && lua_getmetatable(L, arg)) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &class_key);
    bool ours = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    if (ours && !box->client) gone(L, box);
    if (ours) return box->client;
  }
  ump__api_wrong(L, arg, function, "client");
  return NULL;
}

bool ump__client_here(lua_State *L, const struct ump_book *b, int index) {
  const struct box *box = lua_touserdata(L, index);
  (void)b;
  return box && box->client;
}

void ump__client_forget(struct ump_book *b, struct ump_client *c) {
  struct ump_seat *seat = seat_of(b, c);
  if (!seat) return;
  if (seat->client == c) {
    lua_State *L = ump_vm_state(b->vm);
    lua_rawgeti(L, LUA_REGISTRYINDEX, seat->ref);
    struct box *box = lua_touserdata(L, -1);
    box->client = NULL;
    lua_pushnil(L);
    lua_setiuservalue(L, -2, DATA);
    lua_pop(L, 1);
    luaL_unref(L, LUA_REGISTRYINDEX, seat->ref); /* overwrites a slot that is there: cannot raise */
  }
  drop_kept(b, seat);
  *seat = (struct ump_seat){.ref = LUA_NOREF};
}

/* ---- reload ---- */

static bool push_data_if_any(lua_State *L, const struct ump_seat *seat) {
  if (!seat->client) return false;
  lua_rawgeti(L, LUA_REGISTRYINDEX, seat->ref);
  lua_getiuservalue(L, -1, DATA);
  lua_remove(L, -2);
  if (lua_istable(L, -1)) {
    lua_pushnil(L);
    if (lua_next(L, -2)) return lua_pop(L, 2), true;
  }
  lua_pop(L, 1);
  return false;
}

static void pack_one(lua_State *L, struct ump_book *old, const struct ump_seat *from, struct ump_book *b,
                     struct ump_seat *to) {
  static const struct ump_packing how = {"client.data", "kept across a reload", 0};
  size_t start = b->kept.n;
  if (from->n_kept) { /* nobody has asked for it since the reload before */
    ump_buf_put(&b->kept, ump_bytes(old->kept.p + from->kept, from->n_kept));
  } else if (push_data_if_any(L, from)) {
    ump_value_pack(L, -1, &how, &b->kept);
    lua_pop(L, 1);
  }
  if (b->kept.failed) luaL_error(L, "not enough memory to keep client.data");
  to->kept = start, to->n_kept = b->kept.n - start;
  b->n_kept += to->n_kept > 0;
}

void ump__client_pack_all(lua_State *L, struct ump_book *old, struct ump_book *b) {
  if (!old->n_seats) return;
  take_seat(L, b, old->n_seats - 1);
  for (uint32_t i = 0; i < old->n_seats; i++) {
    if (i + AHEAD < old->n_seats) call_for(&old->seats[i + AHEAD]); /* everyone waits while this goes on */
    pack_one(L, old, &old->seats[i], b, &b->seats[i]);
  }
}
