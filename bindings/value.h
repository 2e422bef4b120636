/* Plain data across the border between Lua and bytes (base/plain.h): nil, booleans, integers, floats, strings and
 * tables of them, bounded in depth, number of values and bytes. Whatever else is found is named by its path, as in
 * "value at data.items[3] is a function: only nil, booleans, numbers, strings and tables of them can be kept".
 *
 * host.null is the light userdata NULL (lua-cjson's null). host.array marks a table with a metatable, so that an empty
 * list stays a list. Other metatables are ignored: what crosses is what the table itself holds. */
#ifndef UMP_BINDINGS_VALUE_H
#define UMP_BINDINGS_VALUE_H

#include <lua.h>

#include "base/plain.h"
#include "bindings/buf.h"

enum { UMP_VALUE_DEPTH = 32, UMP_VALUE_COUNT = 4096 }; /* tables in tables; values of one event or notice */

/* Where a walk through a value is, so that an error can name the path without keeping one. One on the C stack per
 * table. */
struct ump_walk {
  const struct ump_walk *up;
  int key; /* stack index of the key under way; 0: index holds it */
  lua_Integer index;
  const void *table; /* its address, to find cycles */
  const char *root;  /* of the outermost: "data"; else NULL */
};

/* Pushes the path of w as a string: data.items[3]["two words"]. */
void ump__walk_push_path(lua_State *L, const struct ump_walk *w);
/* Raises "value at PATH is WHY". */
int ump__walk_error(lua_State *L, const struct ump_walk *w, const char *why);
/* Raises if the table on top of the stack is one of those that lead to it, or too deep. */
void ump__walk_enter(lua_State *L, struct ump_walk *w, int table);

struct ump_packing {
  const char *root; /* what the path starts with: "data" */
  const char *verb; /* "only ... can be VERB": "kept across a reload" */
  size_t values;    /* 0: UMP_VALUE_COUNT */
};
/* Appends the value at index to out. Raises a Lua error if it is not plain data, too large, or memory is short. */
void ump_value_pack(lua_State *L, int index, const struct ump_packing *how, struct ump_buf *out);
/* The same of a patch of the state, in which host.DELETE may be: it becomes UMP_PLAIN_DELETE. */
void ump_value_pack_patch(lua_State *L, int index, const struct ump_packing *how, struct ump_buf *out);

/* Pushes the value in bytes. Raises when memory is short or the bytes are broken (a fault of ours). */
void ump_value_push(lua_State *L, struct ump_bytes bytes);

/* Writes the value in bytes as people read it, in the manner of Lua; as much of it as there is room for (w->full). */
void ump_value_text(struct ump_writer *w, struct ump_bytes bytes);

/* host.DELETE: a light userdata that nothing else is. */
void ump_value_push_delete(lua_State *L);
bool ump_value_is_delete(lua_State *L, int index);

/* host.array: the metatable that marks a list. open makes it once per VM. */
void ump_value_open(lua_State *L);
void ump_value_mark_array(lua_State *L, int index); /* sets it */
bool ump_value_is_array(lua_State *L, int index);

#endif
