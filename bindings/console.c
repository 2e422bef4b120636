/* `umpire console`: a line of Lua in the VM in place, as one call into the rulebook, with its budget and with effects
 * that happen all or not at all. What can be named and how values are shown is scripts/umpire/console.lua; here is what
 * it cannot do itself. */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

#include "bindings/rules_state.h"
#include "bindings/state_lua.h"
#include "bindings/vm_state.h"

#define SCRIPT "console.lua" /* also its name in tracebacks */
enum { SCRIPT_MAX = 1 << 20 };

static const char console_key; /* its address is the registry key of the function that console.lua gives */

/* ---- what console.lua is given ---- */

static int push_upvalue(lua_State *L) { /* function, number -> name, value; nothing: none such, or a function of C's */
  luaL_checktype(L, 1, LUA_TFUNCTION);
  if (lua_iscfunction(L, 1)) return 0;
  const char *name = lua_getupvalue(L, 1, (int)luaL_checkinteger(L, 2));
  if (!name) return 0;
  lua_pushstring(L, name);
  lua_insert(L, -2);
  return 2;
}

static int set_upvalue(lua_State *L) { /* function, number, value */
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 3);
  lua_setupvalue(L, 1, (int)luaL_checkinteger(L, 2));
  return 0;
}

static int kind(lua_State *L) { /* "umpire.Client", "umpire.Event", "umpire.State", or nil */
  if (lua_type(L, 1) == LUA_TTABLE && ump__state_is(L, 1)) {
    lua_pushliteral(L, "umpire.State");
    return 1;
  }
  if (lua_type(L, 1) == LUA_TUSERDATA && luaL_getmetafield(L, 1, "__name") == LUA_TSTRING) return 1;
  lua_pushnil(L);
  return 1;
}

static int where(lua_State *L) { /* function -> "function rules/arena.lua:12" */
  lua_Debug ar;
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_getinfo(L, ">S", &ar);
  if (ar.linedefined > 0)
    lua_pushfstring(L, "function %s:%d", ar.short_src, ar.linedefined);
  else
    lua_pushliteral(L, "function");
  return 1;
}

static const char *const verdicts[] = {"legal", "illegal", "invalid", "internal"};

static void push_response(lua_State *L, const struct ump_book *b, const struct ump_client *c, struct ump_bytes data) {
  if (!data.n)
    lua_pushnil(L);
  else if (ump_engine_encoding(b->engine, c) == UMP_PLAIN)
    ump_value_push(L, data);
  else
    lua_pushlstring(L, (const char *)data.p, data.n);
}

static int judge(lua_State *L) { /* client, name, data, high -> verdict, reason, response */
  static const struct ump_packing how = {"data", "sent", 0};
  struct ump_book *b = ump__book_of(L);
  struct ump_client *c = ump__client_check(L, b, 1, "inject");
  struct ump_event ev = {.type = UMP_EVENT_JUDGE, .client = c, .encoding = UMP_PLAIN};
  struct ump_judgement out = {.verdict = UMP_INTERNAL};
  struct ump_uuid id = ump_uuid_v4(ump_engine_rng(b->engine));
  char text[UMP_UUID_TEXT];
  lua_settop(L, 4);
  ump_uuid_print(&id, text);
  ev.id = ump_bytes(text, sizeof text);
  ev.high = lua_toboolean(L, 4);
  ev.has_name = !lua_isnil(L, 2);
  if (ev.has_name) {
    size_t n;
    ev.name.p = (const uint8_t *)luaL_checklstring(L, 2, &n);
    ev.name.n = n;
  }
  ev.has_data = !lua_isnil(L, 3);
  if (ev.has_data) {
    ump_buf_clear(&b->out);
    ump_value_pack(L, 3, &how, &b->out);
    lua_pushlstring(L, (const char *)b->out.p, b->out.n); /* b->out is the response's, later */
    ev.data = ump_bytes(lua_tostring(L, -1), b->out.n);
  }
  ump__book_judge(L, b, c, &ev, &out);
  lua_pushstring(L, verdicts[out.verdict]);
  if (b->n_reason)
    lua_pushlstring(L, b->reason, b->n_reason);
  else
    lua_pushnil(L);
  push_response(L, b, c, out.data);
  return 3;
}

/* Pushes a list of the rulebook's handlers. */
static void push_handlers(lua_State *L, const struct ump_book *b) {
  int n = 0;
  lua_newtable(L);
  for (int h = 0; h < UMP_N_HANDLERS; h++) {
    if (!ump__book_push_handler(L, b, (enum ump_handler)h)) continue;
    if (!lua_istable(L, -1)) {
      lua_rawseti(L, -2, ++n);
      continue;
    }
    for (lua_Integer i = 1; lua_rawgeti(L, -1, i) != LUA_TNIL; i++) lua_rawseti(L, -3, ++n);
    lua_pop(L, 2);
  }
}

static void push_core(lua_State *L, struct ump_book *b) {
  lua_createtable(L, 0, 8);
  lua_rawgeti(L, LUA_REGISTRYINDEX, b->host);
  lua_setfield(L, -2, "host");
  push_handlers(L, b);
  lua_setfield(L, -2, "handlers");
  ump__api_set(L, b, "upvalue", push_upvalue);
  ump__api_set(L, b, "setupvalue", set_upvalue);
  ump__api_set(L, b, "kind", kind);
  ump__api_set(L, b, "where", where);
  ump__api_set(L, b, "judge", judge);
}

/* ---- the script ---- */

/* Not through require, which would make it a file of the rulebook. */
static void load_script(lua_State *L, struct ump_book *b) {
  char path[1024];
  snprintf(path, sizeof path, "%s/umpire/" SCRIPT, b->cfg.library ? b->cfg.library : ".");
  FILE *file = fopen(path, "rb");
  if (!file) luaL_error(L, "cannot read %s, which belongs to umpire's own library", path);
  char *text = lua_newuserdatauv(L, SCRIPT_MAX, 0);
  size_t n = fread(text, 1, SCRIPT_MAX, file);
  fclose(file);
  if (ump__load_text(L, ump_bytes(text, n), "=" SCRIPT) != LUA_OK) lua_error(L);
  lua_remove(L, -2);
  ump_vm_push_env(L);
  lua_setupvalue(L, -2, 1);
}

static void push_console(lua_State *L, struct ump_book *b) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &console_key) == LUA_TFUNCTION) return;
  lua_pop(L, 1);
  load_script(L, b);
  push_core(L, b);
  lua_call(L, 1, 1);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &console_key);
}

/* ---- one request ---- */

struct asking {
  struct ump_book *b;
  const struct ump_console *what;
  enum ump_console_answer answer;
};

static enum ump_console_answer answer_named(const char *name) {
  return strcmp(name, "more") == 0   ? UMP_CONSOLE_MORE
         : strcmp(name, "done") == 0 ? UMP_CONSOLE_DONE
                                     : UMP_CONSOLE_ERROR;
}

static int ask_body(lua_State *L) {
  struct asking *a = lua_touserdata(L, 1);
  size_t n;
  luaL_checkstack(L, 20, NULL);
  a->b->refuses = NULL; /* loading the script is ours */
  push_console(L, a->b);
  lua_pushstring(L, a->what->complete ? "complete" : "evaluate");
  lua_pushlstring(L, (const char *)a->what->text.p, a->what->text.n);
  lua_pushboolean(L, a->what->writes);
  a->b->refuses = a->what->writes && !a->what->complete ? NULL : "a console that only looks";
  lua_call(L, 3, 2);
  a->answer = answer_named(lua_tostring(L, -2));
  const char *text = lua_tolstring(L, -1, &n);
  ump_buf_clear(&a->b->out);
  ump_buf_put(&a->b->out, ump_bytes(text, text ? n : 0));
  return 0;
}

/* The message without the frames of our own script: people look for theirs. */
static void put_error(struct ump_buf *out, struct ump_bytes message) {
  static const char ours[] = "    " SCRIPT ":", place[] = SCRIPT ":";
  if (message.n > sizeof place && memcmp(message.p, place, sizeof place - 1) == 0) {
    const uint8_t *text =
        memchr(message.p + sizeof place, ' ', message.n - sizeof place); /* behind "console.lua:12:" */
    if (text) message.n -= (size_t)(text + 1 - message.p), message.p = text + 1;
  }
  while (message.n) {
    const uint8_t *end = memchr(message.p, '\n', message.n);
    size_t n = end ? (size_t)(end - message.p) + 1 : message.n;
    if (n < sizeof ours || memcmp(message.p, ours, sizeof ours - 1) != 0) ump_buf_put(out, ump_bytes(message.p, n));
    message.p += n, message.n -= n;
  }
  if (out->n && out->p[out->n - 1] == '\n') out->n--;
}

/* What somebody who only looks keeps in variables must not become memory that the game does not get: with more than
 * half of it in use the console begins anew. Taking a field away asks for no memory and raises no error. */
static void forget_much(struct ump_book *b, struct ump_buf *text) {
  static const char told[] =
      "(the rulebook's memory is more than half full: what this console had in variables is forgotten)";
  lua_State *L = b->vm->L;
  if (ump_vm_memory(b->vm) <= b->vm->memory_max / 2) return;
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &console_key);
  if (text->n) ump_buf_put(text, ump_text("\n"));
  ump_buf_put(text, ump_text(told));
}

enum ump_console_answer ump_rules_console(struct ump_rules *r, const struct ump_console *what, ump_time now,
                                          struct ump_report *report) {
  struct ump_book *b = r->book;
  struct asking a = {b, what, UMP_CONSOLE_ERROR};
  struct ump_buf text = ump_buf(&ump_mem_libc, 0);
  *report = (struct ump_report){0};
  ump_engine_begin(b->engine, &b->face, now);
  int err = ump_vm_call(b->vm, ask_body, &a);
  b->refuses = NULL;
  if (err < 0) {
    ump_engine_rollback(b->engine);
    put_error(&text, ump_vm_error(b->vm));
  } else {
    ump_engine_commit(b->engine);
    ump_buf_put(&text, ump_buf_bytes(&b->out));
  }
  if (!what->writes && !what->complete) forget_much(b, &text);
  ump__report(report, err == 0 && a.answer == UMP_CONSOLE_DONE, &text);
  ump_buf_free(&text);
  return err < 0 ? UMP_CONSOLE_ERROR : a.answer;
}
