/* What a rulebook's text tells without playing: handlers that want more than they are given, addresses that nobody can
 * serve, patterns that can take very long. */
#include <lauxlib.h>
#include <stdio.h>

#include "bindings/check_inside.h"

/* ---- parameters ---- */

static const struct {
  uint8_t given;
  const char *signature;
} handlers[UMP_N_HANDLERS] = {
    [UMP_H_CONNECT] = {1, "connect(client)"},
    [UMP_H_LEGAL] = {2, "legal(client, event)"},
    [UMP_H_EXECUTE] = {2, "execute(client, event)"},
    [UMP_H_DISCONNECT] = {2, "disconnect(client, reason)"},
    [UMP_H_LOGIN] = {4, "login(name, password, client, create)"},
    [UMP_H_TICK] = {1, "tick(dt)"},
    [UMP_H_SAVE] = {0, "save()"},
    [UMP_H_LOAD] = {2, "load(saved, from_version)"},
    [UMP_H_VIEW] = {2, "view(client, state)"},
};

static const char *file_of(const lua_Debug *ar, const char *otherwise) {
  const char *file = ar->source[0] == '@' ? ar->source + 1 : otherwise;
  return strncmp(file, "./", 2) == 0 ? file + 2 : file;
}

/* The function on top; index: its place in a list, or 0. Pops it. */
static void check_parameters(lua_State *L, struct ump_checking *c, enum ump_handler h, unsigned index) {
  lua_Debug ar;
  char name[48];
  unsigned given = handlers[h].given;
  snprintf(name, sizeof name, index ? "%s[%u]" : "%s", ump__handler_names[h], index);
  const char *first = lua_getlocal(L, NULL, 1); /* of the function on top */
  bool self = first && strcmp(first, "self") == 0;
  lua_getinfo(L, ">Su", &ar);
  if (!handlers[h].signature || ar.nparams <= given || ar.what[0] == 'C') return;
  ump__found(&c->out->errors, file_of(&ar, c->shown), ar.linedefined, "%s has %d parameters, and is given %u: %s%s",
             name, ar.nparams, given, handlers[h].signature, self ? "; write it with '.', since ':' adds self" : "");
}

static void check_handlers(lua_State *L, struct ump_checking *c) {
  for (int h = 0; h < UMP_N_HANDLERS; h++) {
    if (!ump__book_push_handler(L, c->book, (enum ump_handler)h)) continue;
    if (lua_isfunction(L, -1)) {
      check_parameters(L, c, (enum ump_handler)h, 0);
      continue;
    }
    for (uint32_t i = 1; i <= c->book->n_legal; i++) {
      lua_rawgeti(L, -1, i);
      check_parameters(L, c, (enum ump_handler)h, i);
    }
    lua_pop(L, 1);
  }
}

/* ---- the rulebook's own files ---- */

struct looking {
  lua_State *L;
  struct ump_checking *c;
  const char *file; /* under way, as messages have it */
  int table;        /* stack index */
  uint64_t work;    /* of patterns */
};

static void each_file(struct looking *l, ump_scan_fn *tell) {
  const struct ump_book *b = l->c->book;
  for (size_t i = 0; i < ump_vm_n_files(b->vm); i++) {
    const char *path = ump_vm_file(b->vm, i);
    if (ump__is_shipped(b, path) || !ump__push_compiled(l->L, path)) continue;
    l->file = strncmp(path, "./", 2) == 0 ? path + 2 : path;
    ump__scan(l->L, b->mem, tell, l);
    lua_pop(l->L, 1);
  }
}

static void note_string(void *ctx, const struct ump_scan_name *n) {
  struct looking *l = ctx;
  if (n->kind != UMP_SCAN_CONSTANT) return;
  lua_pushboolean(l->L, 1);
  lua_setfield(l->L, l->table, n->name);
}

void ump__check_strings(lua_State *L, struct ump_checking *c) {
  struct looking l = {.L = L, .c = c, .table = lua_gettop(L)};
  each_file(&l, note_string);
}

/* ---- listen URLs ---- */

/* The first line of a file with the text in quotes; 0: none. The compiler's own lines are those of the token after it.
 */
static int line_of(const char *path, const char *text) {
  char line[4096];
  size_t n = strlen(text);
  FILE *f = fopen(path, "r");
  int found = 0;
  for (int number = 1; f && !found && fgets(line, sizeof line, f); number++)
    for (const char *p = strstr(line, text); p && !found; p = strstr(p + 1, text))
      if (p > line && (p[-1] == '"' || p[-1] == '\'') && p[n] == p[-1]) found = number;
  if (f) fclose(f);
  return found;
}

static void check_listen(struct ump_checking *c) {
  const struct ump_book *b = c->book;
  const char *url = (const char *)b->listen.p;
  char error[4096];
  for (size_t i = 0; c->cfg->listen && i < b->n_listen; i++, url += strlen(url) + 1) {
    if (c->cfg->listen(c->cfg->ctx, url, error, sizeof error)) continue;
    ump__found(&c->out->errors, c->shown, line_of(ump_vm_file(b->vm, 0), url), "listen[%d]: %s", (int)i + 1, error);
  }
}

/* ---- patterns ---- */

static void judge_pattern(void *ctx, const struct ump_scan_name *n) {
  struct looking *l = ctx;
  char sample;
  if (n->kind != UMP_SCAN_PATTERN) return;
  size_t length = ump__check_pattern(ump_text(n->name), &l->work, &sample);
  if (!length) return;
  ump__found(&l->c->out->warnings, l->file, n->line,
             "the pattern \"%s\" can take over a million steps, which ends the call with an error (%zu bytes like "
             "\"%.*s\" do it): "
             "begin it with '^', let fewer '*', '+' and '-' match the same, or bound the text first",
             n->name, length, sample >= ' ', &sample);
}

int ump__check_text(lua_State *L, struct ump_checking *c) {
  luaL_checkstack(L, 20, NULL);
  check_handlers(L, c);
  check_listen(c);
  struct looking l = {.L = L, .c = c, .work = UMP__CHECK_WORK};
  each_file(&l, judge_pattern);
  return 0;
}
