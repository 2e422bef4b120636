/* require and load: the only ways by which a rulebook gets more code, and always as text.
 *
 * require looks for a preloaded module of the host's, then below the shipped library, then below the rulebook's folder.
 * Links are followed only as long as they stay in the folder they start from (a mounted configuration is often made of
 * such links). Each file's path and content is remembered, so that the host can say which rules are judging, and watch
 * them. */
#define _XOPEN_SOURCE 700 /* realpath */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lauxlib.h>

#include "base/hash.h"
#include "bindings/vm_state.h"

enum { PATH_CAP = 1024, MODULE_MAX = 200, PIECE = 1024 };

const char ump__key_loading; /* registry: names of modules under way, for finding circles */

/* ---- text in pieces ---- */

struct pieces {
  const char *p;
  size_t left, taken;
};

/* The compiler asks for text as it goes on: this is where a compilation without end is found out. */
static const char *next_piece(lua_State *L, void *ctx, size_t *n) {
  struct pieces *text = ctx;
  const char *p = text->p;
  *n = text->left < PIECE ? text->left : PIECE;
  if (*n == 0) return NULL;
  ump_vm_charge(L, *n);
  text->p += *n;
  text->left -= *n;
  return p;
}

int ump__load_text(lua_State *L, struct ump_bytes text, const char *chunk_name) {
  struct pieces pieces = {(const char *)text.p, text.n, 0};
  int status = lua_load(L, next_piece, &pieces, chunk_name, "t");
  ump__budget_check(L);
  return status;
}

/* The function at index 1 gives the text bit by bit; the bit under way stays at index 5. */
static const char *next_of_function(lua_State *L, void *ctx, size_t *n) {
  struct pieces *text = ctx;
  if (text->left == 0) {
    luaL_checkstack(L, 2, "too many nested functions");
    lua_pushvalue(L, 1);
    lua_call(L, 0, 1);
    if (!lua_isnil(L, -1) && lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "reader function must return a string");
    lua_replace(L, 5);
    text->p = lua_tolstring(L, 5, &text->left);
    if (!text->p) text->left = 0;
    text->taken += text->left;
    if (text->taken > UMP__CHUNK_MAX) luaL_error(L, "load: more than 1 MiB of text");
  }
  return next_piece(L, text, n);
}

/* load(chunk [, chunkname [, mode [, env]]]) */
static int base_load(lua_State *L) {
  size_t n;
  const char *text = lua_tolstring(L, 1, &n);
  const char *mode = luaL_optstring(L, 3, "t");
  bool has_env = !lua_isnone(L, 4);
  struct pieces pieces = {text, 0, 0};
  const char *name = luaL_optstring(L, 2, text ? text : "=(load)");
  if (!text) luaL_checktype(L, 1, LUA_TFUNCTION);
  luaL_argcheck(L, !text || n <= UMP__CHUNK_MAX, 1, "more than 1 MiB of text");
  lua_settop(L, 5);
  int status;
  if (!strchr(mode, 't')) {
    lua_pushfstring(L, "attempt to load a text chunk (mode is '%s')", mode);
    status = LUA_ERRSYNTAX;
  } else if (text)
    status = ump__load_text(L, ump_bytes(text, n), name);
  else
    status = lua_load(L, next_of_function, &pieces, name, "t");
  ump__budget_check(L);
  if (status != LUA_OK) {
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
  }
  if (has_env) {
    lua_pushvalue(L, 4);
    if (!lua_setupvalue(L, -2, 1)) lua_pop(L, 1);
  }
  return 1;
}

/* ---- files ---- */

/* True when the file, links resolved, is in the folder, links resolved. */
static bool stays_inside(const char *path, const char *folder) {
  char *file = realpath(path, NULL), *top = realpath(folder, NULL);
  size_t n = top ? strlen(top) : 0;
  bool inside = file && top && strncmp(file, top, n) == 0 && (file[n] == '/' || top[n - 1] == '/');
  free(file);
  free(top);
  return inside;
}

/* Reads up to cap bytes; -1 and errno. A pipe in place of a file must not make us wait. */
static ssize_t read_file(const char *path, char *out, size_t cap) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  size_t n = 0;
  ssize_t got = -1;
  if (fd < 0) return -1;
  while (n < cap && ((got = read(fd, out + n, cap - n)) > 0 || (got < 0 && errno == EINTR)))
    n += got > 0 ? (size_t)got : 0;
  close(fd);
  return got < 0 && n < cap ? -1 : (ssize_t)n;
}

static uint64_t hash_of(struct ump_bytes b) {
  static const struct ump_hash_key key; /* not against strangers: the same rules have the same hash everywhere */
  return ump_hash64(&key, b);
}

static void remember(lua_State *L, const char *path, const char *name, struct ump_bytes content) {
  struct ump_vm *vm = ump_vm_of(L);
  uint64_t parts[3] = {vm->files_hash, hash_of(ump_text(name)), hash_of(content)};
  if (vm->n_files == UMP__FILES_MAX) luaL_error(L, "more than %d files in one rulebook", UMP__FILES_MAX);
  struct ump_file *more = realloc(vm->files, (vm->n_files + 1) * sizeof *more);
  if (more) vm->files = more;
  char *copy = more ? strdup(path) : NULL;
  if (!copy) luaL_error(L, "not enough memory");
  vm->files[vm->n_files++].path = copy;
  vm->files_hash = hash_of(ump_bytes(parts, sizeof parts));
}

/* "#!/usr/bin/env lua" in front is for the shell. */
static struct ump_bytes without_first_comment(struct ump_bytes text) {
  if (text.n == 0 || text.p[0] != '#') return text;
  const uint8_t *end = memchr(text.p, '\n', text.n);
  size_t skipped = end ? (size_t)(end - text.p) : text.n;
  return ump_bytes(text.p + skipped, text.n - skipped);
}

/* Raises what load said, with the file's name also where Lua tells no place: code that is binary, or nested too deeply.
 */
static void fail_to_load(lua_State *L, const char *shown) {
  const char *said = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
  bool placed = said && (strstr(said, shown) || strncmp(said, "...", 3) == 0); /* the end of a long name */
  if (said && !placed && !strstr(said, "not enough memory")) lua_pushfstring(L, "%s: %s", shown, said);
  lua_error(L);
}

/* Pushes the function that folder/name is, and true; false when there is no such file. shown: the name in messages. */
static bool push_file(lua_State *L, const char *folder, const char *name, const char *shown) {
  char path[PATH_CAP];
  struct stat st;
  if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path) return false;
  if (stat(path, &st)) {
    if (errno == ENOENT || errno == ENOTDIR) return false;
    luaL_error(L, "%s: cannot be read: %s", shown, strerror(errno));
  }
  if (S_ISDIR(st.st_mode)) return false;
  if (!S_ISREG(st.st_mode)) luaL_error(L, "%s: is not a file", shown);
  if (st.st_size > UMP__CHUNK_MAX) luaL_error(L, "%s: is larger than 1 MiB, the most a file of rules may have", shown);
  if (!stays_inside(path, folder))
    luaL_error(L, "%s: is a link that leads out of the folder %s: put the file itself there", shown, folder);
  char *p = lua_newuserdatauv(L, (size_t)st.st_size + 1, 0);
  ssize_t n = read_file(path, p, (size_t)st.st_size);
  if (n < 0) luaL_error(L, "%s: cannot be read: %s", shown, strerror(errno));
  remember(L, path, name, ump_bytes(p, (size_t)n));
  lua_pushfstring(L, "@%s", shown);
  if (ump__load_text(L, without_first_comment(ump_bytes(p, (size_t)n)), lua_tostring(L, -1)) != LUA_OK)
    fail_to_load(L, shown);
  lua_replace(L, -3); /* the userdata's place */
  lua_pop(L, 1);
  return true;
}

static bool push_library_file(lua_State *L, const char *name) {
  const char *folder = ump_vm_of(L)->cfg.library;
  return folder && push_file(L, folder, name, name);
}

static bool push_root_file(lua_State *L, const char *name) {
  const char *folder = ump_vm_of(L)->cfg.root;
  if (!folder) return false;
  const char *shown = strcmp(folder, ".") == 0 ? lua_pushstring(L, name) : lua_pushfstring(L, "%s/%s", folder, name);
  bool found = push_file(L, folder, name, shown);
  lua_remove(L, found ? -2 : -1);
  return found;
}

void ump_vm_load_file(lua_State *L, const char *file) {
  const char *root = ump_vm_of(L)->cfg.root;
  if (!push_root_file(L, file)) luaL_error(L, "%s/%s: there is no such file", root ? root : "?", file);
}

/* ---- require ---- */

/* Pushes the name with '.' between its parts, so that "a/b" and "a.b" are one module. Raises if it could lead
 * elsewhere. */
static const char *push_canonical(lua_State *L, const char *name, size_t n) {
  char canonical[MODULE_MAX + 1];
  char last = '.';
  bool ok = n > 0 && n <= MODULE_MAX;
  for (size_t i = 0; ok && i < n; i++) {
    char c = name[i] == '/' ? '.' : name[i];
    bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    ok = word || (c == '.' && last != '.');
    canonical[i] = last = c;
  }
  if (!ok || last == '.')
    luaL_error(L,
               "require '%s': a module's name is made of letters, digits, '_' and '-', with '.' or '/' between folders",
               n <= MODULE_MAX ? name : "...");
  return lua_pushlstring(L, canonical, n);
}

/* Pushes the loader of a module, and what it is told as its second argument. */
static void push_loader(lua_State *L, const char *name) {
  const char *file = luaL_gsub(L, name, ".", "/");
  int base = lua_gettop(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  if (lua_getfield(L, -1, name) != LUA_TNIL) {
    lua_pushliteral(L, ":host:");
  } else {
    const char *plain = lua_pushfstring(L, "%s.lua", file), *init = lua_pushfstring(L, "%s/init.lua", file);
    const char *found = plain;
    if (!push_library_file(L, plain) && !(found = init, push_library_file(L, init)) &&
        !(found = plain, push_root_file(L, plain)) && !(found = init, push_root_file(L, init))) {
      const char *root = ump_vm_of(L)->cfg.root;
      luaL_error(L, "module '%s' not found: there is no %s and no %s in %s", name, plain, init,
                 root ? root : "the shipped library");
    }
    lua_pushstring(L, found);
  }
  lua_copy(L, -2, base); /* loader over the file name, then the argument */
  lua_replace(L, base + 1);
  lua_settop(L, base + 1);
}

/* __close of a module under way: it is not any more, however its loading ended. */
static int end_loading(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &ump__key_loading);
  lua_rawgeti(L, 1, 1);
  lua_pushnil(L);
  lua_rawset(L, -3);
  return 0;
}

/* Notes that a module is being loaded until the calling C function ends. A spent budget lets no __close run, so a note
 * from before one is stale. */
static void begin_loading(lua_State *L, const char *name) {
  lua_Integer trips = (lua_Integer)ump_vm_of(L)->trips;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &ump__key_loading);
  if (lua_getfield(L, -1, name) == LUA_TNUMBER && lua_tointeger(L, -1) == trips)
    luaL_error(
        L, "require '%s': it is still being loaded (two modules require each other); move what both need into a third",
        name);
  lua_pushinteger(L, trips);
  lua_setfield(L, -3, name);
  lua_pop(L, 2);
  lua_createtable(L, 1, 0);
  lua_pushstring(L, name);
  lua_rawseti(L, -2, 1);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, end_loading);
  lua_setfield(L, -2, "__close");
  lua_setmetatable(L, -2);
  lua_toclose(L, -1);
}

/* 1: name as given, 2: canonical name, 3: package.loaded, 4: note that it is being loaded, 5: loader, 6: its argument
 */
static int base_require(lua_State *L) {
  size_t n;
  const char *given = luaL_checklstring(L, 1, &n);
  lua_settop(L, 1);
  const char *name = push_canonical(L, given, n);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushvalue(L, 2);
  lua_rawget(L, 3);
  if (lua_toboolean(L, -1)) return 1;
  lua_pop(L, 1);
  begin_loading(L, name);
  push_loader(L, name);
  lua_pushvalue(L, 5);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, 6);
  lua_call(L, 2, 1);
  if (!lua_isnil(L, -1)) lua_setfield(L, 3, name);
  if (lua_getfield(L, 3, name) == LUA_TNIL) {
    lua_pushboolean(L, 1);
    lua_copy(L, -1, -2);
    lua_setfield(L, 3, name);
  }
  lua_pushvalue(L, 6);
  return 2;
}

void ump_vm_require(lua_State *L, const char *name) {
  lua_pushcfunction(L, base_require);
  lua_pushstring(L, name);
  lua_call(L, 1, 1);
}

void ump_vm_preload(lua_State *L, const char *name, lua_CFunction open) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, open);
  lua_setfield(L, -2, name);
  lua_pop(L, 1);
}

void ump__sandbox_open_require(lua_State *L, int env) {
  lua_newtable(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &ump__key_loading);
  lua_createtable(L, 0, 2);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_setfield(L, -2, "loaded");
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_setfield(L, -2, "preload");
  lua_setfield(L, env, "package");
  lua_pushcfunction(L, base_require);
  lua_setfield(L, env, "require");
  lua_pushcfunction(L, base_load);
  lua_setfield(L, env, "load");
}

/* ---- which files ---- */

size_t ump_vm_n_files(const struct ump_vm *vm) {
  return vm->n_files;
}
const char *ump_vm_file(const struct ump_vm *vm, size_t i) {
  return vm->files[i].path;
}
uint64_t ump_vm_files_hash(const struct ump_vm *vm) {
  return vm->files_hash;
}

void ump__require_deinit(struct ump_vm *vm) {
  for (size_t i = 0; i < vm->n_files; i++) free(vm->files[i].path);
  free(vm->files);
  vm->files = NULL;
  vm->n_files = 0;
}
