/* The members of JSON objects in the order of their keys, for VMs that must run the same way every time: lua-cjson
 * writes them as Lua's hash has them, which differs from VM to VM (sandbox_ordered.c). */
#ifndef UMP_BINDINGS_JSON_SORTED_H
#define UMP_BINDINGS_JSON_SORTED_H

#include <lua.h>

void ump__json_sort(
    lua_State *L); /* the text on top, as lua-cjson wrote it, is replaced by the sorted one; may raise */

#endif
