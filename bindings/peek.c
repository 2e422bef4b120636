/* What a rulebook in place knows, as plain data, for those who look at it from outside: the simulator compares two of
 * them, and sends the events that one declares. */
#include <lauxlib.h>

#include "bindings/rules_state.h"
#include "bindings/state_lua.h"

enum { PEEK_VALUES = 4 << 20 }; /* as save() may give; memory is the VM's limit anyway */

struct peeking {
  struct ump_book *b;
  enum ump_peek what;
};

static void push_clients(lua_State *L, struct ump_book *b) {
  lua_newtable(L);
  for (struct ump_client *c = NULL; (c = ump_engine_next_client(b->engine, c));) {
    char id[UMP_UUID_TEXT];
    ump_uuid_print(&c->id, id);
    lua_pushlstring(L, id, sizeof id);
    ump__client_push(L, b, c);
    lua_getfield(L, -1, "data");
    lua_remove(L, -2);
    lua_rawset(L, -3);
  }
}

/* The module as the rulebook has it: its own would have been told nothing. */
static bool push_schema(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, "umpire.middleware.schema") != LUA_TTABLE) return false;
  if (lua_getfield(L, -1, "declared") != LUA_TFUNCTION) return false;
  lua_call(L, 0, 1);
  return true;
}

static int peek_body(lua_State *L) {
  struct peeking *p = lua_touserdata(L, 1);
  static const char *const roots[] = {"client.data", "schema", "", "", "host.state"};
  const struct ump_packing how = {.root = roots[p->what], .verb = "looked at", .values = PEEK_VALUES};
  p->b->refuses = "peek";
  if (p->what == UMP_PEEK_CLIENTS)
    push_clients(L, p->b);
  else if (p->what == UMP_PEEK_STATE)
    ump__state_push(L, p->b);
  else if (!push_schema(L))
    return 0;
  ump_value_pack(L, -1, &how, &p->b->out);
  return 0;
}

int ump_rules_peek(struct ump_rules *r, enum ump_peek what, ump_time now, struct ump_bytes *out) {
  struct ump_book *b = r->book;
  struct peeking p = {b, what};
  *out = ump_bytes(NULL, 0);
  if (what == UMP_PEEK_CONFIG) {
    *out = ump_buf_bytes(&b->config);
    return 0;
  }
  ump_buf_clear(&b->out);
  ump_engine_begin(b->engine, &b->face, now);
  int err = what == UMP_PEEK_SAVED ? ump__book_save(b, r->cfg.load_budget)
                                   : ump_vm_call_for(b->vm, peek_body, &p, r->cfg.load_budget);
  b->refuses = NULL;
  ump_engine_rollback(b->engine); /* nothing was asked for */
  if (err < 0) {
    ump_log_write(b->log, UMP_ERROR, "rule_peek", NULL, ump_vm_error(b->vm));
    return err == UMP_VM_EMEMORY ? UMP_ENOMEM : UMP_EINVAL;
  }
  *out = ump_buf_bytes(&b->out);
  return 0;
}
