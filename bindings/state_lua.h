/* host.state as rules read it: tables without content of their own, whose metamethods read the engine's tree.
 *
 * A table stands for a place in the state ("players.ann"), so that the same place is the same table for as long as
 * somebody holds it, and one whose map was removed reads as empty. A list is replaced as a whole, so what was read of
 * it stays what it was: a table of its own, which cannot be written either. Nothing that a handler has asked for is
 * seen before it returned. */
#ifndef UMP_BINDINGS_STATE_LUA_H
#define UMP_BINDINGS_STATE_LUA_H

#include <lua.h>
#include <stdbool.h>

#include "bindings/buf.h"

struct ump_book;

void ump__state_open(lua_State *L);                     /* once per VM, before anything below */
void ump__state_push(lua_State *L, struct ump_book *b); /* the whole */
bool ump__state_is(lua_State *L, int index);            /* a table of host.state's */
/* For who packs values, of a table that is one: appends its content; false: it is (part of) a list, and the table that
 * holds it was pushed. Raises when there are more than *left values, which are counted down. */
bool ump__state_pack(lua_State *L, int index, struct ump_buf *out, size_t *left);
void ump__state_push_copy(lua_State *L, int index); /* of any value: all such tables in it are ordinary ones */
/* The place of a table of host.state's: its path as keys on the stack, outermost first; how many. -1: it is part of a
 * list. */
int ump__state_push_path(lua_State *L, int index);

/* ---- the raw functions of the sandbox, which must not look behind such a table; see sandbox.c ---- */
int ump__state_next(lua_State *L);
int ump__state_rawget(lua_State *L);
int ump__state_rawset(lua_State *L);
int ump__state_rawlen(lua_State *L);

#endif
