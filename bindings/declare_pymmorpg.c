/* tag.pymmorpg = { version = "1.0.3", client_image = "client/" }: what PYMMORPG's `ver` and `upgrade` answer. */
#include <lauxlib.h>

#include "bindings/fields.h"

enum { VERSION_MAX = 64, IMAGE_MAX = 1 << 20 /* the most one message takes; wire/pymmorpg, Limits */ };

static void wrong(struct ump_fields *f, const char *field, const char *should) { /* the value is on top */
  lua_State *L = f->L;
  const char *got =
      lua_type(L, -1) == LUA_TSTRING ? lua_pushfstring(L, "\"%s\"", lua_tostring(L, -1)) : luaL_typename(L, -1);
  ump__found(f->findings, f->shown, ump__fields_line(f, field), "pymmorpg.%s must be %s, got %s", field, should, got);
}

static bool is_text(struct ump_bytes s) {
  for (size_t i = 0; i < s.n; i++)
    if (s.p[i] < 0x20 || s.p[i] == 0x7f) return false;
  return ump_utf8_valid(s);
}

/* Links are refused when it is opened. */
bool ump__is_inside(const char *path) {
  if (!*path || *path == '/') return false;
  for (const char *at = path; *at; at += strspn(at, "/")) {
    size_t n = strcspn(at, "/");
    if (n == 2 && at[0] == '.' && at[1] == '.') return false;
    at += n;
  }
  return true;
}

static uint32_t take_version(struct ump_fields *f, struct ump_buf *config) { /* the value is on top */
  size_t n = 0;
  const char *s = lua_type(f->L, -1) == LUA_TSTRING ? lua_tolstring(f->L, -1, &n) : NULL;
  if (!s || n < 1 || n > VERSION_MAX || !is_text(ump_bytes(s, n))) {
    wrong(f, "version", "a text of 1 to 64 bytes, \"1.0.3\"");
    return 0;
  }
  ump__config_string(config, ump_text("version"));
  ump__config_string(config, ump_bytes(s, n));
  return 1;
}

static uint32_t take_image(struct ump_fields *f, struct ump_buf *config) {
  char error[512];
  size_t n = 0, start = config->n;
  const char *path = lua_type(f->L, -1) == LUA_TSTRING ? lua_tolstring(f->L, -1, &n) : NULL;
  if (!path || strlen(path) != n || !ump__is_inside(path)) {
    wrong(f, "client_image", "the path of a folder below the rulebook's own, without \"..\": \"client/\"");
    return 0;
  }
  ump__config_string(config, ump_text("image"));
  struct ump_image image = {f->b->cfg.root, path, IMAGE_MAX, f->b->log};
  int err = ump__image_read(&image, config, error, sizeof error);
  if (!err) return 1;
  config->n = start;
  if (err == UMP_ETOOBIG)
    ump_log_text(f->b->log, UMP_WARN, "client_image", NULL,
                 "the client's image is larger than one message of 1 MiB: upgrade is answered False");
  else
    ump__found(f->findings, f->shown, ump__fields_line(f, "client_image"), "pymmorpg.client_image: %s", error);
  return 0;
}

static uint32_t take_field(struct ump_fields *f, struct ump_buf *config) { /* key and value are on top */
  static const char *const known[] = {"version", "client_image"};
  lua_State *L = f->L;
  const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;
  if (name && strcmp(name, known[0]) == 0) return take_version(f, config);
  if (name && strcmp(name, known[1]) == 0) return take_image(f, config);
  const char *near = name ? ump__nearest(name, known, 2) : NULL;
  ump__found(f->findings, f->shown, name ? ump__fields_line(f, name) : ump__fields_line(f, "pymmorpg"),
             near ? "unknown field 'pymmorpg.%s': did you mean '%s'?"
                  : "unknown field 'pymmorpg.%s': there are version and client_image",
             name ? name : luaL_typename(L, -2), near);
  return 0;
}

uint32_t ump__declare_pymmorpg(struct ump_fields *f, struct ump_buf *config) {
  lua_State *L = f->L;
  int top = lua_gettop(L);
  size_t head;
  uint32_t count = 0;
  lua_pushliteral(L, "pymmorpg");
  if (lua_rawget(L, f->table) != LUA_TTABLE) { /* fields.c has told what is wrong with anything else */
    lua_settop(L, top);
    return 0;
  }
  int table = lua_gettop(L);
  ump__config_string(config, ump_text("pymmorpg"));
  head = config->n;
  ump__config_count(config, ump_plain_put_map, 0);
  for (lua_pushnil(L); lua_next(L, table); lua_settop(L, table + 1)) count += take_field(f, config);
  ump__config_recount(config, head, ump_plain_put_map, count);
  lua_settop(L, top);
  return 1;
}
