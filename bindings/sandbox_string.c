#include <lauxlib.h>
#include "bindings/vm_state.h"
void ump__sandbox_open_string(lua_State *L, int stock) {
  static const char *const taken[] = {"byte", "char", "find", "format", "gmatch", "gsub", "len", "lower", "match", "pack",
    "packsize", "rep", "reverse", "sub", "unpack", "upper", NULL};
  lua_newtable(L);
  ump__sandbox_take(L, stock, lua_gettop(L), taken);
  lua_pushliteral(L, "");
  lua_getmetatable(L, -1);
  lua_pushvalue(L, -3);
  lua_setfield(L, -2, "__index");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 2);
}
