/* Global names that the sandbox does not have, read or assigned, with the line: the sandbox raises at both, but only
 * when a player happens to come by. A name that is assigned is told there, and not again wherever it is read. */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

#include "bindings/book.h"

enum { FILE_MAX = 1 << 20, CANDIDATES = 512 };

struct names {
  lua_State *L;
  struct ump_buf *findings;
  int env, set, told; /* stack: the sandbox's globals; names that files set; lines told */
  const char *shown;  /* the file under way */
  const char *candidates[CANDIDATES];
  size_t n_candidates;
};

static void note_set(void *ctx, const struct ump_scan_name *n) {
  struct names *g = ctx;
  if (n->kind != UMP_SCAN_SETS) return;
  lua_pushboolean(g->L, 1);
  lua_setfield(g->L, g->set, n->name);
}

static bool has(struct names *g, int table, const char *name) {
  lua_pushstring(g->L, name);
  bool there = lua_rawget(g->L, table) != LUA_TNIL;
  lua_pop(g->L, 1);
  return there;
}

/* True the first time it is asked about a place. */
static bool first_time(struct names *g, const struct ump_scan_name *n) {
  lua_pushfstring(g->L, "%s:%d:%s", g->shown, n->line, n->name);
  lua_pushvalue(g->L, -1);
  bool told = lua_rawget(g->L, g->told) != LUA_TNIL;
  lua_pop(g->L, 1);
  lua_pushboolean(g->L, 1);
  lua_rawset(g->L, g->told);
  return !told;
}

static bool is_taken_away(const char *name) {
  static const char *const away[] = {"io", "debug", "dofile", "loadfile", "collectgarbage"};
  for (size_t i = 0; i < sizeof away / sizeof *away; i++)
    if (strcmp(name, away[i]) == 0) return true;
  return false;
}

static void judge_name(void *ctx, const struct ump_scan_name *n) {
  struct names *g = ctx;
  bool sets = n->kind == UMP_SCAN_SETS;
  if ((!sets && n->kind != UMP_SCAN_READS) || has(g, g->env, n->name) || (!sets && has(g, g->set, n->name)) ||
      !first_time(g, n))
    return;
  const char *near = ump__nearest(n->name, g->candidates, g->n_candidates);
  if (sets)
    ump__found(g->findings, g->shown, n->line, "assignment to undefined global '%s': write local %s", n->name, n->name);
  else if (strcmp(n->name, "host") == 0)
    ump__found(g->findings, g->shown, n->line,
               "undefined global 'host': begin the file with local host = require \"umpire\"");
  else if (is_taken_away(n->name))
    ump__found(g->findings, g->shown, n->line, "'%s' is not there: a rulebook reaches nothing outside of the host",
               n->name);
  else if (near)
    ump__found(g->findings, g->shown, n->line, "undefined global '%s': did you mean '%s'?", n->name, near);
  else
    ump__found(g->findings, g->shown, n->line, "undefined global '%s'", n->name);
}

static void gather(struct names *g, int table) {
  lua_State *L = g->L;
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
    if (lua_type(L, -2) == LUA_TSTRING && g->n_candidates < CANDIDATES - 1)
      g->candidates[g->n_candidates++] = lua_tostring(L, -2);
}

/* ---- files that were required ---- */

bool ump__push_compiled(lua_State *L, const char *path) {
  FILE *file = fopen(path, "rb");
  char *text = file ? malloc(FILE_MAX) : NULL;
  size_t n = text ? fread(text, 1, FILE_MAX, file) : 0;
  if (file) fclose(file);
  bool ok = false;
  if (text && lua_checkstack(L, 4)) {
    char name[512];
    snprintf(name, sizeof name, "@%s", strncmp(path, "./", 2) == 0 ? path + 2 : path);
    ok = luaL_loadbufferx(L, text, n, name, "t") == LUA_OK; /* protected: does not raise */
    if (!ok) lua_pop(L, 1);
  }
  free(text);
  return ok;
}

bool ump__is_shipped(const struct ump_book *b, const char *path) {
  size_t n = b->cfg.library ? strlen(b->cfg.library) : 0;
  return n && strncmp(path, b->cfg.library, n) == 0 && path[n] == '/';
}

/* tell is given what each file does; the first of the files is the main one, whose function we have. */
static void each_file(struct names *g, struct ump_book *b, int main, const char *shown, ump_scan_fn *tell) {
  lua_State *L = g->L;
  g->shown = shown;
  lua_pushvalue(L, main);
  ump__scan(L, b->mem, tell, g);
  lua_pop(L, 1);
  for (size_t i = 1; i < ump_vm_n_files(b->vm); i++) {
    const char *path = ump_vm_file(b->vm, i);
    if (ump__is_shipped(b, path) || !ump__push_compiled(L, path)) continue;
    g->shown = strncmp(path, "./", 2) == 0 ? path + 2 : path;
    ump__scan(L, b->mem, tell, g);
    lua_pop(L, 1);
  }
}

void ump__globals_check(lua_State *L, struct ump_book *b, int main, const char *shown, struct ump_buf *findings) {
  struct names g = {.L = L, .findings = findings};
  luaL_checkstack(L, 16, NULL);
  ump_vm_push_env(L);
  g.env = lua_gettop(L);
  lua_newtable(L);
  g.set = g.env + 1;
  lua_newtable(L);
  g.told = g.env + 2;
  each_file(&g, b, main, shown, note_set);
  gather(&g, g.env);
  g.candidates[g.n_candidates++] = "host"; /* the one local that every rulebook has */
  each_file(&g, b, main, shown, judge_name);
}
