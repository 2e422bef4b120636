/* pairs in the order of the keys, for VMs that must run the same way every time. */
#ifndef UMP_BINDINGS_SANDBOX_ORDERED_H
#define UMP_BINDINGS_SANDBOX_ORDERED_H

#include <lua.h>

/* Puts it in place of pairs in the environment at index env. */
void ump__sandbox_open_ordered(lua_State *L, int env);

#endif
