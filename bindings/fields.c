/* What a rulebook's table may hold. A field that nobody knows is an error, since it is nearly always a slip of the pen
 * that would otherwise be found when the first player asks for what it was to do; names that begin with "_" are the
 * author's own. */
#include <lauxlib.h>

#include "bindings/fields.h"

static const char *const known[] = {
    "connect", "legal",   "execute",   "disconnect", "login",    "tick",     "save",
    "load",    "view", /* UMP_N_HANDLERS handlers, then settings */
    "api",     "version", "tick_rate", "listen",     "channels", "pymmorpg", "web",
};
enum { N_KNOWN = sizeof known / sizeof *known, API = 1, TICK_RATE_MAX = 1000 };

/* ---- where a field is set ---- */

struct looking {
  const char *name;
  int line;
};

static void look(void *ctx, const struct ump_scan_name *n) {
  struct looking *l = ctx;
  if (!l->line && n->kind == UMP_SCAN_FIELD && strcmp(n->name, l->name) == 0) l->line = n->line;
}

int ump__fields_line(struct ump_fields *f, const char *name) {
  lua_State *L = f->L;
  struct looking l = {name, 0};
  lua_Debug ar;
  lua_pushstring(L, name);
  if (lua_rawget(L, f->table) == LUA_TFUNCTION && !lua_iscfunction(L, -1)) {
    lua_getinfo(L, ">S", &ar);
    if (strcmp(ar.source + 1, f->shown) == 0) return ar.linedefined;
  } else {
    lua_pop(L, 1);
  }
  lua_pushvalue(L, f->main);
  ump__scan(L, f->b->mem, look, &l);
  lua_pop(L, 1);
  return l.line;
}

static void wrong(struct ump_fields *f, const char *name, const char *should) { /* the value is on top */
  const char *got = luaL_typename(f->L, -1);
  ump__found(f->findings, f->shown, ump__fields_line(f, name), "%s must be %s, got %s%s", name, should,
             lua_isnil(f->L, -1) || lua_isnumber(f->L, -1) ? "" : "a ",
             lua_isnumber(f->L, -1) ? lua_tostring(f->L, -1) : got);
}

/* ---- names ---- */

static void check_name(struct ump_fields *f, const char *name, bool is_function) {
  for (size_t i = 0; i < N_KNOWN; i++)
    if (strcmp(name, known[i]) == 0) return;
  if (name[0] == '_') return;
  const char *what = is_function ? "handler" : "field", *near = ump__nearest(name, known, N_KNOWN);
  int line = ump__fields_line(f, name);
  if (near)
    ump__found(f->findings, f->shown, line, "unknown %s '%s': did you mean '%s'?", what, name, near);
  else if (is_function)
    ump__found(f->findings, f->shown, line,
               "unknown handler '%s': there are connect, legal, execute, disconnect, login, tick, "
               "save, load and view; make a helper local, or begin its name with '_'",
               name);
  else
    ump__found(f->findings, f->shown, line,
               "unknown field '%s': there are api, version, tick_rate, listen, channels, "
               "pymmorpg and web; keep what is yours in a local, or begin its name with '_'",
               name);
}

static void check_names(struct ump_fields *f) {
  lua_State *L = f->L;
  for (lua_pushnil(L); lua_next(L, f->table); lua_pop(L, 1)) {
    if (lua_type(L, -2) == LUA_TSTRING)
      check_name(f, lua_tostring(L, -2), lua_isfunction(L, -1));
    else
      ump__found(f->findings, f->shown, 0, "a rulebook's table has names as keys, and this one has a %s",
                 luaL_typename(L, -2));
  }
}

/* ---- handlers ---- */

static void take_list(struct ump_fields *f) { /* the list is on top */
  lua_State *L = f->L;
  lua_Unsigned n = lua_rawlen(L, -1);
  for (lua_Unsigned i = 1; i <= n; i++) {
    if (lua_rawgeti(L, -1, (lua_Integer)i) != LUA_TFUNCTION)
      ump__found(f->findings, f->shown, ump__fields_line(f, "legal"), "legal[%d] must be a function, got %s%s", (int)i,
                 lua_isnil(L, -1) ? "" : "a ", luaL_typename(L, -1));
    lua_pop(L, 1);
  }
  f->b->n_legal = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
  if (!n)
    ump__found(f->findings, f->shown, ump__fields_line(f, "legal"),
               "legal is an empty list: leave it out if every event is legal");
}

static void take_handler(struct ump_fields *f, enum ump_handler h) {
  lua_State *L = f->L;
  const char *name = ump__handler_names[h];
  lua_pushstring(L, name);
  int type = lua_rawget(L, f->table);
  if (type == LUA_TFUNCTION || (type == LUA_TTABLE && h == UMP_H_LEGAL)) {
    if (type == LUA_TTABLE) take_list(f);
    f->b->handlers[h] = luaL_ref(L, LUA_REGISTRYINDEX);
    return;
  }
  if (type != LUA_TNIL) wrong(f, name, h == UMP_H_LEGAL ? "a function or a list of functions" : "a function");
  lua_pop(L, 1);
}

/* ---- settings ---- */

static int get(struct ump_fields *f, const char *name) {
  lua_pushstring(f->L, name);
  return lua_rawget(f->L, f->table);
}

static void take_api(struct ump_fields *f) {
  if (get(f, "api") == LUA_TNIL)
    ump__found(f->findings, f->shown, 0,
               "api is missing: write api = %d, the version of the rulebook interface that it is "
               "written for",
               API);
  else if (!lua_isinteger(f->L, -1) || lua_tointeger(f->L, -1) != API)
    ump__found(f->findings, f->shown, ump__fields_line(f, "api"), "api is %s, and this host speaks api = %d",
               luaL_tolstring(f->L, -1, NULL), API);
  lua_settop(f->L, f->table);
}

static void take_version(struct ump_fields *f) {
  int type = get(f, "version");
  if (type != LUA_TNIL && !lua_isinteger(f->L, -1)) wrong(f, "version", "an integer");
  f->b->version = lua_tointeger(f->L, -1);
  lua_pop(f->L, 1);
}

static void take_tick_rate(struct ump_fields *f) {
  int type = get(f, "tick_rate");
  lua_Number hz = lua_tonumber(f->L, -1);
  bool ticks = f->b->handlers[UMP_H_TICK] != LUA_NOREF;
  if (type == LUA_TNIL && ticks)
    ump__found(f->findings, f->shown, ump__fields_line(f, "tick"),
               "tick needs tick_rate, how many times a second it is called: tick_rate = 20");
  else if (type != LUA_TNIL && (type != LUA_TNUMBER || !(hz > 0 && hz <= TICK_RATE_MAX)))
    wrong(f, "tick_rate", "a number of calls a second, over 0 and up to 1000");
  else
    f->b->face.tick_rate = ticks ? hz : 0;
  lua_pop(f->L, 1);
}

static void take_listen(struct ump_fields *f) {
  lua_State *L = f->L;
  int type = get(f, "listen");
  if (type != LUA_TNIL && type != LUA_TTABLE) wrong(f, "listen", "a list of URLs, { \"neteria://0.0.0.0:40080\" }");
  lua_Integer n = type == LUA_TTABLE ? (lua_Integer)lua_rawlen(L, -1) : 0;
  if (type == LUA_TTABLE && !n)
    ump__found(f->findings, f->shown, ump__fields_line(f, "listen"),
               "listen is an empty list: leave it out for neteria://0.0.0.0:40080");
  for (lua_Integer i = 1; i <= n; i++) {
    size_t size = 0;
    const char *url = lua_rawgeti(L, -1, i) == LUA_TSTRING ? lua_tolstring(L, -1, &size) : NULL;
    if (!url || strlen(url) != size || !strstr(url, "://"))
      ump__found(f->findings, f->shown, ump__fields_line(f, "listen"),
                 "listen[%d] must be a URL like \"neteria://0.0.0.0:40080\", got %s", (int)i,
                 luaL_tolstring(L, -1, NULL));
    else
      ump_buf_put(&f->b->listen, ump_bytes(url, size + 1)), f->b->n_listen++;
    lua_settop(L, f->table + 1);
  }
  lua_settop(L, f->table);
}

/* Settings of protocols: who speaks the protocol looks closer. */
static void check_table(struct ump_fields *f, const char *name) {
  int type = get(f, name);
  if (type != LUA_TNIL && type != LUA_TTABLE) wrong(f, name, "a table");
  lua_settop(f->L, f->table);
}

/* ---- what protocols are to know ---- */

static struct ump_writer room(struct ump_buf *config, size_t n) {
  if (!ump_buf_room(config, n)) return ump_writer(NULL, 0);
  return ump_writer(config->p + config->n, n);
}

void ump__config_string(struct ump_buf *config, struct ump_bytes s) {
  struct ump_writer w = room(config, s.n + 8);
  ump_plain_put_string(&w, s);
  config->n += w.n;
}

void ump__config_count(struct ump_buf *config, void (*put)(struct ump_writer *, uint32_t), uint32_t count) {
  struct ump_writer w = room(config, 8);
  put(&w, count);
  config->n += w.n;
}

void ump__config_recount(struct ump_buf *config, size_t at, void (*put)(struct ump_writer *, uint32_t),
                         uint32_t count) {
  if (config->failed) return;
  struct ump_writer w = ump_writer(config->p + at, config->n - at);
  put(&w, count);
}

static ump_declare_fn *const declarations[] = {ump__declare_channels, ump__declare_pymmorpg, ump__declare_web};

/* One map of everything that is declared; empty when nothing is. */
static void take_declarations(struct ump_fields *f) {
  struct ump_buf *config = &f->b->config;
  uint32_t count = 0;
  ump__config_count(config, ump_plain_put_map, 0);
  for (size_t i = 0; i < sizeof declarations / sizeof *declarations; i++) count += declarations[i](f, config);
  if (count) {
    ump__config_string(config, ump_text("root"));
    ump__config_string(config, ump_text(f->b->cfg.root ? f->b->cfg.root : "."));
    ump__config_recount(config, 0, ump_plain_put_map, count + 1);
    f->b->face.config = ump_buf_bytes(config);
  }
  if (config->failed) ump__found(f->findings, f->shown, 0, "not enough memory for what it declares");
}

void ump__fields_take(lua_State *L, struct ump_book *b, int main, const char *shown, struct ump_buf *findings) {
  struct ump_fields f = {L, b, main, lua_gettop(L), shown, findings};
  luaL_checkstack(L, 16, NULL);
  check_names(&f);
  take_api(&f);
  for (int h = 0; h < UMP_N_HANDLERS; h++) take_handler(&f, (enum ump_handler)h);
  f.b->face.views = b->handlers[UMP_H_VIEW] != LUA_NOREF;
  take_version(&f);
  take_tick_rate(&f);
  take_listen(&f);
  check_table(&f, "channels");
  check_table(&f, "pymmorpg");
  take_declarations(&f);
}
