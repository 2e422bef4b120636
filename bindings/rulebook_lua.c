/* A struct ump_rulebook whose functions are Lua functions: each call of the engine's is one protected, budgeted call
 * into the VM. An event costs one: legal and execute run in it one after the other, so that there is one place to fail
 * and one budget. */
#include <lauxlib.h>
#include <stdio.h>

#include "bindings/book.h"

const char *const ump__handler_names[UMP_N_HANDLERS] = {
    "connect", "legal", "execute", "disconnect", "login", "tick", "save", "load", "view",
};

/* ---- calling ---- */

ump_time ump__book_now(const struct ump_book *b) {
  if (b->engine) return ump_engine_now(b->engine);
  return b->cfg.now ? b->cfg.now(b->cfg.clock_ctx) : 0;
}

static int failed(struct ump_book *b, const struct ump_cause *cause, int err) {
  b->errors++;
  b->tripped += err == UMP_VM_EBUDGET;
  ump__book_tell_error(b, cause, err);
  return err == UMP_VM_EMEMORY ? UMP_ENOMEM : UMP_EINVAL;
}

int ump__book_call(struct ump_book *b, const struct ump_cause *cause, const enum ump_verdict *verdict, lua_CFunction fn,
                   void *arg) {
  if (b->costs) ump_costs_begin(b->costs, cause, ump_vm_allocated(b->vm), &b->costing);
  int err = ump_vm_call(b->vm, fn, arg);
  b->refuses = NULL;
  if (b->costs)
    ump_costs_end(b->costs, cause, &b->costing, ump_vm_allocated(b->vm), verdict ? *verdict : UMP_LEGAL, err < 0);
  return err < 0 ? failed(b, cause, err) : 0;
}

bool ump__book_push_handler(lua_State *L, const struct ump_book *b, enum ump_handler h) {
  if (b->handlers[h] == LUA_NOREF) return false;
  lua_rawgeti(L, LUA_REGISTRYINDEX, b->handlers[h]);
  return true;
}

/* Raises, blaming the function at index, since what is wrong is what it returned. */
static int blame(lua_State *L, int function, const char *what) {
  lua_Debug ar;
  lua_pushvalue(L, function);
  lua_getinfo(L, ">S", &ar);
  if (ar.linedefined > 0) return luaL_error(L, "%s:%d: %s", ar.short_src, ar.linedefined, what);
  return luaL_error(L, "%s", what);
}

/* ---- reasons: at most 200 bytes of valid UTF-8 ---- */

static void keep_reason(struct ump_book *b, const char *s, size_t n) {
  if (n > sizeof b->reason - 1) {
    n = sizeof b->reason - 1;
    while (n && ((unsigned char)s[n] & 0xC0) == 0x80) n--; /* not in the middle of a character */
  }
  memcpy(b->reason, s, n);
  b->n_reason = n;
  if (ump_utf8_valid(ump_bytes(b->reason, n))) return;
  for (size_t i = 0; i < n; i++)
    if ((unsigned char)b->reason[i] > 0x7E) b->reason[i] = '?';
}

static void take_reason(lua_State *L, struct ump_book *b, int index, int function, const char *handler) {
  b->n_reason = 0;
  if (lua_isnil(L, index)) return;
  if (lua_type(L, index) != LUA_TSTRING)
    blame(L, function,
          lua_pushfstring(L, "%s must give its reason as a string, got a %s", handler, luaL_typename(L, index)));
  size_t n;
  const char *s = lua_tolstring(L, index, &n);
  keep_reason(b, s, n);
}

static struct ump_bytes reason(const struct ump_book *b) {
  return ump_bytes(b->reason, b->n_reason);
}

static void push_text(lua_State *L, struct ump_bytes s) {
  lua_pushlstring(L, (const char *)s.p, s.n);
}

/* ---- judge ---- */

struct judging {
  struct ump_book *b;
  struct ump_client *c;
  const struct ump_event *ev;
  struct ump_judgement *out;
};
enum { EXECUTE = 2, CLIENT = 3, EVENT = 4, FUNCTION = 5 }; /* stack of judge_body: execute lies where it is called */

static int no_verdict(lua_State *L, const char *got) {
  return blame(L, FUNCTION,
               lua_pushfstring(L, "legal must return true or false, got %s%s", got,
                               strcmp(got, "nil") == 0 ? " (does every path return?)" : ""));
}

/* Calls the function at FUNCTION; its results stay on the stack. True: legal as far as it goes; else *out says what it
 * is. */
static bool ask(lua_State *L, struct judging *j) {
  lua_pushvalue(L, FUNCTION);
  lua_pushvalue(L, CLIENT);
  lua_pushvalue(L, EVENT);
  lua_call(L, 2, 2);
  if (lua_isboolean(L, -2)) {
    if (lua_toboolean(L, -2)) return true;
    j->out->verdict = UMP_ILLEGAL;
    take_reason(L, j->b, lua_gettop(L), FUNCTION, "legal");
  } else if (ump__invalid_reason(L, j->b, -2)) {
    j->out->verdict = UMP_INVALID;
    take_reason(L, j->b, lua_gettop(L), FUNCTION, "host.invalid");
  } else {
    no_verdict(L, lua_istable(L, -2) ? "a table"
                  : lua_isnil(L, -2) ? "nil"
                                     : lua_pushfstring(L, "a %s", luaL_typename(L, -2)));
  }
  return false;
}

/* Where nobody judges, one player still may not change another (hardening T7). */
static bool by_default(struct judging *j) {
  static const char why[] = "this is another player's, and the rulebook has no legal handler that allows it";
  if (!j->ev->touches_other) return true;
  j->out->verdict = UMP_ILLEGAL;
  keep_reason(j->b, why, sizeof why - 1);
  return false;
}

static bool ask_all(lua_State *L, struct judging *j) {
  struct ump_book *b = j->b;
  if (!ump__book_push_handler(L, b, UMP_H_LEGAL)) return by_default(j);
  if (!b->n_legal) return ask(L, j);
  for (uint32_t i = 1; i <= b->n_legal; i++) { /* FUNCTION holds the list; each item takes its place in turn */
    ump__book_push_handler(L, b, UMP_H_LEGAL);
    lua_rawgeti(L, -1, i);
    lua_replace(L, FUNCTION);
    lua_settop(L, FUNCTION);
    if (!ask(L, j)) return false;
  }
  return true;
}

static void take_response(lua_State *L, struct judging *j) {
  struct ump_book *b = j->b;
  static const struct ump_packing how = {"response", "sent", 0};
  if (lua_isnil(L, -1)) return;
  enum ump_encoding encoding = ump_engine_encoding(b->engine, j->c);
  if (ump__invalid_reason(L, b, -1))
    luaL_error(L, "host.invalid is for legal: execute runs only events that are legal");
  ump_buf_clear(&b->out);
  if (encoding == UMP_PLAIN)
    ump_value_pack(L, -1, &how, &b->out);
  else if (encoding == UMP_JSON)
    ump_buf_put(&b->out, ump_json_lua_text(L, &b->json, -1, "response"));
  else if (lua_type(L, -1) == LUA_TSTRING)
    ump_buf_put(&b->out, ump_bytes(lua_tostring(L, -1), lua_rawlen(L, -1)));
  else
    luaL_error(L, "execute must return a string or nothing to a client of this protocol, got a %s",
               luaL_typename(L, -1));
  if (b->out.failed) luaL_error(L, "not enough memory for the response");
  j->out->data = ump_buf_bytes(&b->out);
}

static int judge_body(lua_State *L) {
  struct judging *j = lua_touserdata(L, 1);
  struct ump_book *b = j->b;
  if (!ump__book_push_handler(L, b, UMP_H_EXECUTE)) lua_pushnil(L); /* less than the 20 places that every call has */
  ump__client_push(L, b, j->c);
  ump__event_push(L, b, j->ev);
  b->refuses = "legal";
  bool legal = ask_all(L, j);
  b->refuses = NULL;
  if (!legal) return 0;
  j->out->verdict = UMP_LEGAL;
  if (b->handlers[UMP_H_EXECUTE] == LUA_NOREF) return 0;
  if (b->costs) ump_costs_next_part(&b->costing, ump_vm_allocated(b->vm));
  lua_settop(L, EVENT);
  lua_call(L, 2, 1);
  take_response(L, j);
  return 0;
}

void ump__book_judge(lua_State *L, struct ump_book *b, struct ump_client *c, const struct ump_event *ev,
                     struct ump_judgement *out) {
  struct judging j = {b, c, ev, out};
  b->n_reason = 0;
  lua_pushcfunction(L, judge_body);
  lua_pushlightuserdata(L, &j);
  lua_call(L, 1, 0);
}

static int judge(void *self, struct ump_client *c, const struct ump_event *ev, struct ump_judgement *out) {
  struct ump_book *b = self;
  struct judging j = {b, c, ev, out};
  *out = (struct ump_judgement){.verdict = UMP_INTERNAL};
  b->n_reason = 0;
  const struct ump_cause cause = {UMP_DO_EVENT, c, ev};
  int err = ump__book_call(b, &cause, &out->verdict, judge_body, &j);
  if (err < 0) {
    *out = (struct ump_judgement){.verdict = UMP_INTERNAL};
    return err;
  }
  out->reason = reason(b);
  return 0;
}

/* ---- connect, disconnect, login ---- */

struct visit {
  struct ump_book *b;
  struct ump_client *c;
  struct ump_bytes text, secret; /* disconnect: the reason; login: name and password */
  bool create;                   /* login: make the account */
  bool yes;
};

/* After a call of the function at `function` with two results on top: does it say yes? */
static bool answered(lua_State *L, struct ump_book *b, int function, const char *handler, bool silence) {
  if (lua_isnil(L, -2)) {
    if (!silence) blame(L, function, lua_pushfstring(L, "%s must return true or false, got nil", handler));
    return true;
  }
  if (!lua_isboolean(L, -2))
    blame(L, function, lua_pushfstring(L, "%s must return true or false, got a %s", handler, luaL_typename(L, -2)));
  if (lua_toboolean(L, -2)) return true;
  take_reason(L, b, lua_gettop(L), function, handler);
  return false;
}

static int connect_body(lua_State *L) {
  struct visit *v = lua_touserdata(L, 1);
  ump__book_push_handler(L, v->b, UMP_H_CONNECT);
  lua_pushvalue(L, 2);
  ump__client_push(L, v->b, v->c);
  lua_call(L, 1, 2);
  v->yes = answered(L, v->b, 2, "connect", true);
  return 0;
}

static int on_connect(void *self, struct ump_client *c, struct ump_bytes *why) {
  struct ump_book *b = self;
  struct visit v = {.b = b, .c = c};
  b->n_reason = 0;
  if (b->handlers[UMP_H_CONNECT] == LUA_NOREF) return 1;
  const struct ump_cause cause = {UMP_DO_CONNECT, c, NULL};
  int err = ump__book_call(b, &cause, NULL, connect_body, &v);
  *why = reason(b);
  return err < 0 ? err : v.yes;
}

static int disconnect_body(lua_State *L) {
  struct visit *v = lua_touserdata(L, 1);
  ump__book_push_handler(L, v->b, UMP_H_DISCONNECT);
  ump__client_push(L, v->b, v->c);
  push_text(L, v->text);
  lua_call(L, 2, 0);
  return 0;
}

static int on_disconnect(void *self, struct ump_client *c, struct ump_bytes why) {
  struct ump_book *b = self;
  struct visit v = {.b = b, .c = c, .text = why};
  if (b->handlers[UMP_H_DISCONNECT] == LUA_NOREF) return 0;
  return ump__book_call(b, &(struct ump_cause){UMP_DO_DISCONNECT, c, NULL}, NULL, disconnect_body, &v);
}

static int login_body(lua_State *L) {
  struct visit *v = lua_touserdata(L, 1);
  ump__book_push_handler(L, v->b, UMP_H_LOGIN);
  lua_pushvalue(L, 2);
  push_text(L, v->text);
  push_text(L, v->secret);
  ump__client_push(L, v->b, v->c);
  lua_pushboolean(L, v->create);
  lua_call(L, 4, 2);
  v->yes = answered(L, v->b, 2, "login", false);
  return 0;
}

static int on_login(void *self, struct ump_client *c, struct ump_bytes name, struct ump_bytes password, bool create,
                    struct ump_bytes *why) {
  struct ump_book *b = self;
  struct visit v = {.b = b, .c = c, .text = name, .secret = password, .create = create};
  b->n_reason = 0;
  if (b->handlers[UMP_H_LOGIN] == LUA_NOREF) return UMP_ENOSUPPORT;
  const struct ump_cause cause = {UMP_DO_LOGIN, c, NULL};
  int err = ump__book_call(b, &cause, NULL, login_body, &v);
  *why = reason(b);
  return err < 0 ? err : v.yes;
}

/* ---- time ---- */

struct turn {
  struct ump_book *b;
  ump_time dt;
  uint64_t id;
};

static int tick_body(lua_State *L) {
  struct turn *t = lua_touserdata(L, 1);
  ump__book_push_handler(L, t->b, UMP_H_TICK);
  lua_pushnumber(L, ump_seconds(t->dt));
  lua_call(L, 1, 0);
  return 0;
}

static int on_tick(void *self, ump_time dt) {
  struct ump_book *b = self;
  struct turn t = {.b = b, .dt = dt};
  if (b->handlers[UMP_H_TICK] == LUA_NOREF) return 0;
  return ump__book_call(b, &(struct ump_cause){.deed = UMP_DO_TICK}, NULL, tick_body, &t);
}

static int timer_body(lua_State *L) {
  struct turn *t = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, t->b->timers);
  lua_rawgeti(L, -1, (lua_Integer)t->id);
  lua_call(L, 0, 0);
  return 0;
}

static int on_timer(void *self, uint64_t id) {
  struct turn t = {.b = self, .id = id};
  if (ump__thread_is(t.b, id)) return ump__thread_wake(t.b, id);
  return ump__book_call(t.b, &(struct ump_cause){.deed = UMP_DO_TIMER}, NULL, timer_body, &t);
}

/* Outside of a protected call: giving up an entry that is there, or was never made, neither allocates nor raises. */
static void on_timer_gone(void *self, uint64_t id) {
  struct ump_book *b = self;
  lua_State *L = ump_vm_state(b->vm);
  ump__thread_gone(b, id);
  lua_rawgeti(L, LUA_REGISTRYINDEX, b->timers);
  if (lua_rawgeti(L, -1, (lua_Integer)id) != LUA_TNIL) {
    lua_pushnil(L);
    lua_rawseti(L, -3, (lua_Integer)id);
  }
  lua_pop(L, 2);
}

static void on_forget(void *self, struct ump_client *c) {
  ump__client_forget(self, c);
}

static void on_expect(const void *self, const struct ump_client *c, int step) {
  ump__client_expect(self, c, step);
}

static const struct ump_rulebook_ops ops = {
    .connect = on_connect,
    .judge = judge,
    .disconnect = on_disconnect,
    .login = on_login,
    .tick = on_tick,
    .timer = on_timer,
    .timer_gone = on_timer_gone,
    .expect = on_expect,
    .view = ump__state_view,
    .tell = ump__state_tell,
    .forget = on_forget,
};

/* ---- life ---- */

static int host_module(lua_State *L) {
  struct ump_book *b = ump__book_at(L);
  lua_rawgeti(L, LUA_REGISTRYINDEX, b->host);
  return 1;
}

struct ump_book *ump__book_at(lua_State *L) {
  return ump_vm_user(L);
}

const char *ump__book_intern(lua_State *L, const char *name) {
  const char *copy = lua_pushstring(L, name);
  luaL_ref(L, LUA_REGISTRYINDEX);
  return copy;
}

static int open_body(lua_State *L) {
  struct ump_book *b = lua_touserdata(L, 1);
  b->name_key = ump__book_intern(L, "name");
  b->data_key = ump__book_intern(L, "data");
  ump_vm_set_user(b->vm, b);
  ump_value_open(L);
  b->json.sorted = !b->cfg.watchdog; /* instructions are counted so that it runs the same way every time */
  ump_json_lua_open(L, &b->json, &b->cfg.rng);
  ump__client_open(L, b);
  ump__event_open(L, b);
  ump__api_open(L, b);
  b->host = luaL_ref(L, LUA_REGISTRYINDEX);
  ump_vm_preload(L, "umpire", host_module);
  return 0;
}

struct ump_book *ump__book_new(const struct ump_vm_cfg *cfg, struct ump_engine *engine, char *error, size_t error_cap) {
  const struct ump_mem *mem = engine ? ump_engine_mem(engine) : &ump_mem_libc;
  struct ump_book *b = ump_zalloc(mem, sizeof *b);
  if (!b) {
    snprintf(error, error_cap, "out of memory");
    return NULL;
  }
  b->face = (struct ump_rulebook){.ops = &ops, .self = b};
  b->mem = mem, b->engine = engine, b->cfg = *cfg;
  b->log = cfg->log ? cfg->log : engine ? ump_engine_log(engine) : NULL;
  for (int h = 0; h < UMP_N_HANDLERS; h++) b->handlers[h] = LUA_NOREF;
  b->channels = LUA_NOREF;
  b->costs = ump_costs_new(mem);
  b->json.scratch = b->kept = b->out = b->listen = b->config = ump_buf(mem, 0);
  b->json.memory = cfg->memory;
  b->vm = ump_vm_new(cfg, error, error_cap);
  if (b->vm && ump_vm_call_for(b->vm, open_body, b, UMP_S) == 0) return b;
  if (b->vm) snprintf(error, error_cap, "%.*s", (int)ump_vm_error(b->vm).n, (const char *)ump_vm_error(b->vm).p);
  ump__book_free(b);
  return NULL;
}

void ump__book_free(struct ump_book *b) {
  if (!b) return;
  ump__book_tell_untold(b);
  ump_vm_free(b->vm);
  ump_costs_free(b->costs);
  ump_buf_free(&b->json.scratch);
  ump_buf_free(&b->kept);
  ump_buf_free(&b->out);
  ump_buf_free(&b->listen);
  ump_buf_free(&b->config);
  ump_free(b->mem, b->seats, b->n_seats * sizeof *b->seats);
  ump_free(b->mem, b, sizeof *b);
}
