/* tag.channels = { lobby = { mode = "chunk", max_chunk = 32768, max_users = 256 }, arena = { mode = "rpc", remotes =
 * ... } }: the channels that a rulebook owns where the joint protocol is spoken (host/proto/joint). Everything is
 * looked at here, so that a wrong declaration refuses the load with file:line; the protocol gets the table as it
 * stands. */
#include <lauxlib.h>

#include "bindings/fields.h"
#include "codec/joint.h"

enum {
  NAME_MAX_BYTES = 255,     /* of a channel: the wire's length is a byte */
  PROCEDURE_NAME_MAX = 256, /* as any event's name */
  PARAMETERS_MAX = 64,
  CHUNK_MAX = 4 << 20, /* three bytes of size; the library's own next step would be 512 MiB */
  DECLARED_VALUES = 1 << 18,
};

enum mode { MODE_DATA, MODE_CHUNK, MODE_RPC, N_MODES };
static const char *const mode_names[] = {"data", "chunk", "rpc"};
static const char *const field_names[] = {"mode", "max_chunk", "max_users", "max_rate", "remotes", "client_remotes"};
enum { N_FIELDS = sizeof field_names / sizeof *field_names };

struct channel {
  struct ump_fields *f;
  const char *name;
  int table, procedures; /* stack: what is declared; what is noted of it for host.notify */
};

/* ---- where something is set: the field of that name last set before the channel's own is, as a constructor's are ----
 */

struct looking {
  const char *outer, *inner;
  int last, found;
};

static void look(void *ctx, const struct ump_scan_name *n) {
  struct looking *l = ctx;
  if (n->kind != UMP_SCAN_FIELD || l->found) return;
  if (strcmp(n->name, l->outer) == 0)
    l->found = l->last ? l->last : n->line;
  else if (l->inner && strcmp(n->name, l->inner) == 0)
    l->last = n->line;
}

static int line_of(struct ump_fields *f, const char *channel, const char *field) {
  struct looking l = {channel, field, 0, 0};
  lua_pushvalue(f->L, f->main);
  ump__scan(f->L, f->b->mem, look, &l);
  lua_pop(f->L, 1);
  return l.found ? l.found : ump__fields_line(f, "channels");
}

#define WRONG(c, field, ...) ump__found((c)->f->findings, (c)->f->shown, line_of((c)->f, (c)->name, field), __VA_ARGS__)

static const char *shown(lua_State *L) { /* the value on top, in a message */
  switch (lua_type(L, -1)) {
  case LUA_TSTRING:
    return lua_pushfstring(L, "\"%s\"", lua_tostring(L, -1));
  case LUA_TNUMBER:
  case LUA_TBOOLEAN:
    return luaL_tolstring(L, -1, NULL);
  default:
    return lua_pushfstring(L, "a %s", luaL_typename(L, -1));
  }
}

/* ---- numbers and words ---- */

static void check_mode(struct channel *c, enum mode *mode) {
  const char *s = lua_type(c->f->L, -1) == LUA_TSTRING ? lua_tostring(c->f->L, -1) : NULL;
  for (int i = 0; s && i < N_MODES; i++)
    if (strcmp(s, mode_names[i]) == 0) {
      *mode = (enum mode)i;
      return;
    }
  WRONG(c, "mode", "channels.%s.mode must be \"chunk\", \"data\" or \"rpc\", got %s", c->name, shown(c->f->L));
}

static lua_Integer check_whole(struct channel *c, const char *field, lua_Integer max, lua_Integer fallback) {
  lua_State *L = c->f->L;
  if (lua_isnil(L, -1)) return fallback;
  if (lua_isinteger(L, -1) && lua_tointeger(L, -1) >= 1 && lua_tointeger(L, -1) <= max) return lua_tointeger(L, -1);
  WRONG(c, field, "channels.%s.%s must be a whole number from 1 to %d, got %s", c->name, field, (int)max, shown(L));
  return fallback;
}

static void check_rate(struct channel *c) {
  lua_State *L = c->f->L;
  lua_Number hz = lua_tonumber(L, -1);
  if (lua_isnil(L, -1) || (lua_type(L, -1) == LUA_TNUMBER && hz > 0 && hz <= 1e6)) return;
  WRONG(c, "max_rate",
        "channels.%s.max_rate must be a number of events a second of one user, over 0 and up to 1000000, got %s",
        c->name, shown(L));
}

/* ---- procedures ---- */

/* The list of a procedure's name and types is on top. noted: whether host.notify is to find it. */
static void check_procedure(struct channel *c, const char *field, int id, int number, int names, bool noted) {
  lua_State *L = c->f->L;
  int top = lua_gettop(L), list = top;
  uint8_t types[PARAMETERS_MAX * UMP_JOINT_TYPE_MAX];
  struct ump_writer w = ump_writer(types, sizeof types);
  lua_Unsigned n = lua_istable(L, list) ? lua_rawlen(L, list) : 0;
  if (n == 0 || lua_rawgeti(L, list, 1) != LUA_TSTRING || lua_rawlen(L, -1) < 1 ||
      lua_rawlen(L, -1) > PROCEDURE_NAME_MAX || !ump_utf8_valid(ump_bytes(lua_tostring(L, -1), lua_rawlen(L, -1)))) {
    WRONG(c, field, "channels.%s.%s[%d][%d] must be a name and types, { \"step\", \"Int32\", \"Int32\" }", c->name,
          field, id, number);
    lua_settop(L, top);
    return;
  }
  const char *name = lua_tostring(L, -1);
  if (n - 1 > PARAMETERS_MAX)
    WRONG(c, field, "channels.%s: procedure \"%s\" has more than %d parameters", c->name, name, PARAMETERS_MAX);
  for (lua_Unsigned i = 2; i <= n && i - 2 < PARAMETERS_MAX; i++) {
    size_t size = 0;
    const char *why = "a type is a string",
               *type = lua_rawgeti(L, list, (lua_Integer)i) == LUA_TSTRING ? lua_tolstring(L, -1, &size) : NULL;
    if (!type || ump_joint_type_parse(ump_bytes(type, size), &w, &why) != 0)
      WRONG(c, field,
            "channels.%s: parameter %d of \"%s\", %s: %s; types are Bool, Byte, UInt16, Int16, Int32, Float, Double, "
            "String, "
            "Bytes, Array<T> and Map<K, V>",
            c->name, (int)(i - 1), name, shown(L), why);
    lua_settop(L, top + 1);
  }
  lua_pushvalue(L, top + 1);
  if (lua_rawget(L, names) != LUA_TNIL)
    WRONG(c, field, "channels.%s.%s has two procedures \"%s\": a name says which one is meant", c->name, field, name);
  lua_pushvalue(L, top + 1);
  lua_pushboolean(L, 1);
  lua_rawset(L, names);
  if (noted) {
    lua_pushvalue(L, top + 1);
    lua_pushlstring(L, (const char *)types, w.n);
    lua_rawset(L, c->procedures);
  }
  lua_settop(L, top);
}

/* { [0] = { procedure, ... }, ... } is on top. */
static void check_remotes(struct channel *c, const char *field, enum mode mode) {
  lua_State *L = c->f->L;
  int top = lua_gettop(L);
  bool noted = strcmp(field, "client_remotes") == 0;
  if (lua_isnil(L, top)) return;
  if (mode != MODE_RPC) {
    WRONG(c, field, "channels.%s.%s is for channels with mode = \"rpc\"", c->name, field);
    return;
  }
  if (!lua_istable(L, top)) {
    WRONG(c, field, "channels.%s.%s must be a table of remote objects, { [0] = { { \"step\", \"Int32\" } } }, got %s",
          c->name, field, shown(L));
    lua_settop(L, top);
    return;
  }
  lua_newtable(L);
  for (lua_pushnil(L); lua_next(L, top); lua_settop(L, top + 2)) {
    if (!lua_isinteger(L, top + 2) || lua_tointeger(L, top + 2) < 0 || lua_tointeger(L, top + 2) > 255 ||
        !lua_istable(L, top + 3)) {
      WRONG(c, field,
            "channels.%s.%s holds lists of procedures under numbers from 0 to 255, [0] = { { \"step\", \"Int32\" } }",
            c->name, field);
      continue;
    }
    lua_Unsigned n = lua_rawlen(L, top + 3);
    if (n > 256)
      WRONG(c, field, "channels.%s.%s[%d] has more than 256 procedures", c->name, field,
            (int)lua_tointeger(L, top + 2));
    for (lua_Unsigned i = 1; i <= n && i <= 256; i++) {
      lua_rawgeti(L, top + 3, (lua_Integer)i);
      check_procedure(c, field, (int)lua_tointeger(L, top + 2), (int)i, top + 1, noted);
      lua_settop(L, top + 3);
    }
  }
  lua_settop(L, top);
}

/* ---- one channel ---- */

static void check_field_names(struct channel *c) {
  lua_State *L = c->f->L;
  for (lua_pushnil(L); lua_next(L, c->table); lua_pop(L, 1)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL, *near = NULL;
    bool known = false;
    for (int i = 0; name && i < N_FIELDS; i++) known |= strcmp(name, field_names[i]) == 0;
    if (known) continue;
    if (name) near = ump__nearest(name, field_names, N_FIELDS);
    if (near)
      WRONG(c, name, "unknown field 'channels.%s.%s': did you mean '%s'?", c->name, name, near);
    else
      WRONG(
          c, name,
          "unknown field 'channels.%s.%s': there are mode, max_chunk, max_users, max_rate, remotes and client_remotes",
          c->name, name ? name : luaL_typename(L, -2));
  }
}

static void get(struct channel *c, const char *field) {
  lua_settop(c->f->L, c->procedures);
  lua_pushstring(c->f->L, field);
  lua_rawget(c->f->L, c->table);
}

/* Its name and table are on top; what host.notify has to know of it goes into the table at index notes. */
static void check_channel(struct ump_fields *f, int notes) {
  lua_State *L = f->L;
  int top = lua_gettop(L);
  size_t n = 0;
  const char *name = lua_type(L, top - 1) == LUA_TSTRING ? lua_tolstring(L, top - 1, &n) : NULL;
  if (!name || n < 1 || n > NAME_MAX_BYTES || strlen(name) != n) {
    ump__found(f->findings, f->shown, ump__fields_line(f, "channels"),
               "channels: a channel's name is a text of 1 to 255 bytes, got %s",
               name ? lua_pushfstring(L, "%d bytes", (int)n) : luaL_typename(L, top - 1));
    lua_settop(L, top);
    return;
  }
  struct channel c = {f, name, top, top + 1};
  if (!lua_istable(L, top)) {
    WRONG(&c, NULL, "channels.%s must be a table, { mode = \"chunk\" }, got %s", name, shown(L));
    lua_settop(L, top);
    return;
  }
  lua_newtable(L);
  enum mode mode = MODE_CHUNK;
  check_field_names(&c);
  get(&c, "mode"), lua_isnil(L, -1) ? (void)0 : check_mode(&c, &mode);
  get(&c, "max_chunk");
  lua_Integer max_chunk = check_whole(&c, "max_chunk", CHUNK_MAX, 32768);
  get(&c, "max_users"), check_whole(&c, "max_users", 256, 256);
  get(&c, "max_rate"), check_rate(&c);
  get(&c, "remotes"), check_remotes(&c, "remotes", mode);
  get(&c, "client_remotes"), check_remotes(&c, "client_remotes", mode);
  lua_settop(L, c.procedures);
  lua_pushinteger(L, max_chunk);
  lua_rawseti(L, c.procedures, 1);
  lua_pushstring(L, mode_names[mode]);
  lua_rawseti(L, c.procedures, 2);
  lua_setfield(L, notes, name);
  lua_settop(L, top);
}

/* ---- all of them ---- */

uint32_t ump__declare_channels(struct ump_fields *f, struct ump_buf *config) {
  static const struct ump_packing how = {"channels", "declared", DECLARED_VALUES};
  lua_State *L = f->L;
  int top = lua_gettop(L);
  size_t before = f->findings->n;
  lua_pushliteral(L, "channels");
  if (lua_rawget(L, f->table) != LUA_TTABLE) { /* fields.c has told what is wrong with anything else */
    lua_settop(L, top);
    return 0;
  }
  luaL_checkstack(L, 24, NULL);
  lua_newtable(L);
  for (lua_pushnil(L); lua_next(L, top + 1); lua_settop(L, top + 3)) check_channel(f, top + 2);
  if (f->findings->n == before) {
    ump__config_string(config, ump_text("channels"));
    ump_value_pack(L, top + 1, &how, config);
    lua_settop(L, top + 2);
    f->b->channels = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  lua_settop(L, top);
  return f->findings->n == before;
}

/* ---- what a rulebook tells a client in a channel ---- */

static int wrong_bytes(lua_State *L, const char *function, const char *channel, const char *mode) {
  return luaL_error(
      L, "%s: channel '%s' has mode = \"%s\": its users are sent a string, without a name or with the name \"%s\"",
      function, channel, mode, mode);
}

static void check_bytes(lua_State *L, const struct ump_notice *n, const char *function, const char *channel,
                        const char *mode, size_t max) {
  struct ump_reader r = ump_reader(n->data);
  struct ump_plain v;
  if (n->has_name && !ump_bytes_equal(n->name, ump_text(mode))) wrong_bytes(L, function, channel, mode);
  if (!n->has_data || !ump_plain_get(&r, &v) || v.tag != UMP_PLAIN_STRING) wrong_bytes(L, function, channel, mode);
  if (v.s.n < 1 || v.s.n > max)
    luaL_error(L, "%s: a chunk for channel '%s' has 1 to %d bytes (max_chunk), not %d", function, channel, (int)max,
               (int)v.s.n);
}

static void no_procedure(lua_State *L, const char *function, const char *channel, const char *name, int notes) {
  const char *names[64], *near;
  size_t n = 0;
  for (lua_pushnil(L); lua_next(L, notes); lua_pop(L, 1))
    if (lua_type(L, -2) == LUA_TSTRING && n < sizeof names / sizeof *names) names[n++] = lua_tostring(L, -2);
  near = ump__nearest(name, names, n);
  luaL_error(L, "%s: channel '%s' has no procedure '%s' among its client_remotes%s%s%s", function, channel, name,
             near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* Encodes the call to see whether it can be; the protocol does it again for all who hear it at once. notes: stack
 * index. */
static void check_call(lua_State *L, const struct ump_notice *n, const char *function, const char *channel, int notes,
                       size_t max) {
  struct ump_joint_fault fault;
  if (!n->has_name)
    luaL_error(L, "%s: channel '%s' has mode = \"rpc\": the name of a procedure of its client_remotes is needed",
               function, channel);
  const char *name = lua_pushlstring(L, (const char *)n->name.p, n->name.n);
  if (lua_getfield(L, notes, name) != LUA_TSTRING) no_procedure(L, function, channel, name, notes);
  size_t n_types = 0, cap = max < 5 * n->data.n + 16 ? max : 5 * n->data.n + 16;
  const char *types = lua_tolstring(L, -1, &n_types);
  struct ump_writer w = ump_writer(lua_newuserdatauv(L, cap, 0), cap);
  int err = ump_joint_call_write(ump_bytes(types, n_types), n->data, &w, &fault);
  if (err == UMP_ETOOBIG || w.n + 2 > max)
    luaL_error(L, "%s: the call of '%s' is longer than the %d bytes of max_chunk of channel '%s'", function, name,
               (int)max, channel);
  if (err && fault.parameter)
    luaL_error(L, "%s: parameter %d of '%s' %s", function, (int)fault.parameter, name, fault.why);
  if (err) luaL_error(L, "%s: calling '%s': %s", function, name, fault.why);
}

void ump__channel_check(lua_State *L, const struct ump_book *b, const struct ump_client *c, const struct ump_notice *n,
                        const char *function) {
  int top = lua_gettop(L);
  if (!c->channel || b->channels == LUA_NOREF) return;
  luaL_checkstack(L, 10, NULL);
  lua_rawgeti(L, LUA_REGISTRYINDEX, b->channels);
  if (lua_getfield(L, -1, c->channel) == LUA_TTABLE) { /* else: it is being closed */
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 2);
    size_t max = (size_t)lua_tointeger(L, -2);
    const char *mode = lua_tostring(L, -1);
    if (strcmp(mode, "rpc") == 0)
      check_call(L, n, function, c->channel, top + 2, max);
    else
      check_bytes(L, n, function, c->channel, mode, max);
  }
  lua_settop(L, top);
}
