#include <lauxlib.h>
#include <lualib.h>
#include "bindings/vm_state.h"
void ump__sandbox_open_table(lua_State *L) {
  static const char *const taken[] = {"concat", "insert", "move", "pack", "remove", "sort", "unpack", NULL};
  lua_pushcfunction(L, luaopen_table);
  lua_call(L, 0, 1);
  lua_newtable(L);
  ump__sandbox_take(L, -2, -1, taken);
}
