/* tag.web = "folder/": the pages that `umpire run --web` serves, when they are not where they are looked for: in `web`
 * beside init.lua, or for rules/x.lua in rules/x/web. Protocols have no use for it; it travels with what they are told
 * because that is what a rulebook declares and a reload changes. */
#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>

#include "bindings/fields.h"
#include "bindings/rules_state.h"

enum { PATH_MAX_BYTES = UMP_RULES_PATH - 1 };

static int wrong(struct ump_fields *f, const char *got) {
  ump__found(f->findings, f->shown, ump__fields_line(f, "web"),
             "web must be the path of a folder below the rulebook's own, without \"..\": \"pages/\", got %s", got);
  return 0;
}

uint32_t ump__declare_web(struct ump_fields *f, struct ump_buf *config) {
  lua_State *L = f->L;
  size_t n = 0;
  int top = lua_gettop(L);
  lua_pushliteral(L, "web");
  int type = lua_rawget(L, f->table);
  const char *path = type == LUA_TSTRING ? lua_tolstring(L, -1, &n) : NULL;
  bool good = path && strlen(path) == n && n <= PATH_MAX_BYTES && ump__is_inside(path);
  if (good) {
    int err = ump__folder_there(f->b->cfg.root, path);
    if (err)
      ump__found(f->findings, f->shown, ump__fields_line(f, "web"), "web = \"%s\": %s", path,
                 err == -ELOOP || err == -ENOTDIR ? "no folder, or a link on the way" : strerror(-err));
    ump__config_string(config, ump_text("web"));
    ump__config_string(config, ump_bytes(path, n));
  } else if (type != LUA_TNIL) {
    wrong(f, path ? lua_pushfstring(L, "\"%s\"", path) : luaL_tolstring(L, -1, NULL));
  }
  lua_settop(L, top);
  return good;
}

/* ---- what the host is told of it ---- */

static bool declared(const struct ump_book *b, struct ump_bytes *path) {
  struct ump_reader r = ump_reader(ump_buf_bytes(&b->config));
  struct ump_plain map, key, value;
  if (!ump_plain_get(&r, &map) || map.tag != UMP_PLAIN_MAP) return false;
  for (uint32_t i = 0; i < map.count; i++) {
    if (!ump_plain_get(&r, &key)) return false;
    if (key.tag == UMP_PLAIN_STRING && ump_bytes_equal(key.s, ump_text("web")))
      return ump_plain_get(&r, &value) && value.tag == UMP_PLAIN_STRING ? (*path = value.s, true) : false;
    if (!ump_plain_skip(&r)) return false;
  }
  return false;
}

void ump_rules_web(const struct ump_rules *r, struct ump_rules_web *out) {
  struct ump_bytes path = {0};
  size_t n = strlen(r->file);
  *out = (struct ump_rules_web){.root = r->root, .declared = declared(r->book, &path)};
  if (out->declared)
    snprintf(out->folder, sizeof out->folder, "%.*s", (int)path.n, (const char *)path.p);
  else if (strcmp(r->file, "init.lua") == 0)
    snprintf(out->folder, sizeof out->folder, "web");
  else
    snprintf(out->folder, sizeof out->folder, "%.*s/web",
             (int)(n > 4 && strcmp(r->file + n - 4, ".lua") == 0 ? n - 4 : n), r->file);
}
