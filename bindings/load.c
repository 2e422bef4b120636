/* From files to a rulebook that can be asked, with everything wrong told at once: names nothing defines, fields nobody
 * knows, values of the wrong type, and the error that stopped the files from running. */
#include <lauxlib.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include "bindings/book.h"

struct loading {
  struct ump_book *b;
  const struct ump_load *how;
  const char *shown; /* the main file in messages */
};

void ump__found(struct ump_buf *findings, const char *file, int line, const char *format, ...) {
  char text[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (findings->n) ump_buf_byte(findings, '\n');
  if (line > 0)
    ump_buf_print(findings, "%s:%d: ", file, line);
  else
    ump_buf_print(findings, "%s: ", file);
  ump_buf_text(findings, text);
}

/* ---- which file ---- */

static bool is_folder(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

void ump__load_split(const char *path, struct ump_buf *root, struct ump_buf *file) {
  size_t n = strlen(path);
  const char *slash = strrchr(path, '/');
  if (is_folder(path)) {
    while (n > 1 && path[n - 1] == '/') n--;
    ump_buf_put(root, ump_bytes(path, n));
    ump_buf_text(file, "init.lua");
  } else {
    if (!slash)
      ump_buf_byte(root, '.');
    else
      ump_buf_put(root, ump_bytes(path, slash == path ? 1 : (size_t)(slash - path)));
    ump_buf_text(file, slash ? slash + 1 : path);
  }
  ump_buf_byte(root, 0);
  ump_buf_byte(file, 0);
}

/* As the VM names it in messages. */
static void show(const struct ump_vm_cfg *cfg, const char *file, char *out, size_t cap) {
  if (!cfg->root || strcmp(cfg->root, ".") == 0)
    snprintf(out, cap, "%s", file);
  else
    snprintf(out, cap, "%s/%s", cfg->root, file);
}

/* ---- the steps, each a protected call, so that one that fails does not hide what the others find ---- */

/* What one step leaves for the next is in the registry under these addresses. */
static const char main_key, returned_key;

static void push_main(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &main_key);
}

static void leave(lua_State *L, const char *key) {
  lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

static int compile_body(lua_State *L) {
  struct loading *l = lua_touserdata(L, 1);
  ump_vm_load_file(L, l->how->file);
  leave(L, &main_key);
  return 0;
}

static int run_body(lua_State *L) {
  struct loading *l = lua_touserdata(L, 1);
  push_main(L);
  lua_pushstring(L, l->how->file);
  lua_call(L, 1, 1);
  leave(L, &returned_key);
  return 0;
}

static int globals_body(lua_State *L) {
  struct loading *l = lua_touserdata(L, 1);
  push_main(L);
  ump__globals_check(L, l->b, lua_gettop(L), l->shown, l->how->findings);
  return 0;
}

static int fields_body(lua_State *L) {
  struct loading *l = lua_touserdata(L, 1);
  push_main(L);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &returned_key);
  if (lua_istable(L, -1))
    ump__fields_take(L, l->b, lua_gettop(L) - 1, l->shown, l->how->findings);
  else if (lua_isnil(L, -1))
    ump__found(l->how->findings, l->shown, 0,
               "a rulebook must return its table, and this file returns nothing: is `return` missing at its end?");
  else
    ump__found(l->how->findings, l->shown, 0, "a rulebook must return its table, and this file returns a %s",
               luaL_typename(L, -1));
  lua_pushnil(L);
  leave(L, &returned_key);
  lua_pushnil(L);
  leave(L, &main_key);
  return 0;
}

static int load_body(lua_State *L) {
  struct loading *l = lua_touserdata(L, 1);
  if (!ump__book_push_handler(L, l->b, UMP_H_LOAD)) return 0;
  if (l->how->saved.n) {
    ump_value_push(L, l->how->saved);
    lua_pushinteger(L, l->how->saved_version);
  } else {
    lua_pushnil(L);
    lua_pushnil(L);
  }
  lua_call(L, 2, 0);
  return 0;
}

/* Adds an error, unless the same place has been found wrong already. */
static void add_error(struct ump_bytes e, struct ump_buf *findings) {
  size_t n = 0, colons = 0; /* of "file:line:" */
  while (n < e.n && e.p[n] != '\n' && colons < 2) colons += e.p[n++] == ':';
  if (colons == 2 && findings->n > n) {
    for (size_t i = 0; i + n <= findings->n; i++)
      if ((i == 0 || findings->p[i - 1] == '\n') && memcmp(findings->p + i, e.p, n) == 0) return;
  }
  if (findings->n) ump_buf_byte(findings, '\n');
  ump_buf_put(findings, e);
}

/* errors: where the message of a failing step goes. */
static bool step(struct loading *l, lua_CFunction body, struct ump_buf *errors) {
  if (ump_vm_call_for(l->b->vm, body, l, l->how->budget) == 0) return true;
  add_error(ump_vm_error(l->b->vm), errors);
  return false;
}

bool ump__book_load(struct ump_book *b, const struct ump_load *how) {
  char shown[1024];
  struct loading l = {b, how, shown};
  struct ump_buf stopped =
      ump_buf(b->mem, 0); /* why the files did not run to their end; told after what the names tell */
  show(&b->cfg, how->file, shown, sizeof shown);
  if (!step(&l, compile_body, how->findings)) return false;
  bool ran = step(&l, run_body, &stopped);
  step(&l, globals_body, how->findings);
  if (ran)
    step(&l, fields_body, how->findings);
  else
    add_error(ump_buf_bytes(&stopped), how->findings);
  ump_buf_free(&stopped);
  if (!ran || how->findings->n || how->findings->failed) return false;
  return step(&l, load_body, how->findings);
}
