/* pairs in the order of the keys, for VMs that must run the same way every time. */
#ifndef UMP_BINDINGS_SANDBOX_ORDERED_H
#define UMP_BINDINGS_SANDBOX_ORDERED_H

#include <lua.h>
#include <stdbool.h>

/* Pushes a list of the keys of the table at index, in that order. */
void ump__ordered_keys(lua_State *L, int index);
/* Whether this VM is one of those. */
bool ump__is_ordered(lua_State *L);
/* Puts it in place of pairs in the environment at index env. */
void ump__sandbox_open_ordered(lua_State *L, int env);

#endif
