/* JSON for rules, by lua-cjson, without what lua-cjson 2.1.0 spoils: it decodes every number as a float, writes 14
 * digits of it, and makes {} of an empty list. Here integers that fit 64 bits stay integers, 1.0 stays a float, []
 * stays a list, null is host.null inside containers and nil alone, and every finite number comes back exactly as it
 * left.
 *
 * Scalars, and flat lists and objects of them, which most events are, are pushed straight from the checked text. All
 * else goes through lua-cjson and, after decoding numbers, one pass that turns whole floats back into integers. Only a
 * text or value that holds something special is rewritten: the special tokens travel through lua-cjson as strings that
 * begin with a mark of this VM's, drawn from 96 random bits, and become tokens or values again on the other side.
 *
 * lua-cjson's functions stay in here: rules never see them. All functions may raise, so they run inside ump_vm_call. */
#ifndef UMP_BINDINGS_JSON_LUA_H
#define UMP_BINDINGS_JSON_LUA_H

#include <lua.h>

#include "base/rng.h"
#include "bindings/buf.h"

struct ump_json_lua {
  int decode, encode; /* registry references; they end with the VM */
  char mark[26];      /* begins every marked string; with its NUL */
  size_t n_mark;
  struct ump_buf scratch; /* rewritten text */
  bool sorted;            /* members go in the order of their keys: the same text every time */
  size_t memory;          /* the VM's limit; given by whoever opens it, 0: 64 MiB, as in ump_vm_cfg */
};

/* Loads and limits lua-cjson. j starts zeroed but for scratch, sorted and memory. */
void ump_json_lua_open(lua_State *L, struct ump_json_lua *j, const struct ump_rng *rng);

/* Pushes the value of a checked text (codec/json.h). holds: enum ump_json_holds. */
void ump_json_lua_push(lua_State *L, struct ump_json_lua *j, struct ump_bytes text, unsigned holds);

/* Pushes the text of the value at index and gives its bytes, borrowed while they are on the stack. root starts the path
 * in error messages ("data"). Refused: what is not plain data, NaN and infinity, invalid UTF-8, keys JSON does not
 * have. */
struct ump_bytes ump_json_lua_text(lua_State *L, struct ump_json_lua *j, int index, const char *root);

/* ---- shared by json_lua.c and json_text.c ---- */
const uint8_t *ump__json_string_end(const uint8_t *p,
                                    const uint8_t *end); /* p is at the opening quote; behind the closing one */
bool ump__json_whole(lua_Number f, lua_Integer *i);      /* a whole number of at most 2^53 in size: *i is it */

#endif
