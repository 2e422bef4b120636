#include "bindings/json_sorted.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/json_lua.h"

/* The text is valid and without blanks, and nested at most as deep as plain data may be: it was made of that. Sorting
 * moves members and changes nothing else, so the result is as long as the text. */
struct member {
  const char *key, *value; /* from the quote; from after the colon */
  size_t n_key, n_value;
};

static const char *end_of_string(const char *p) {
  for (p++; *p != '"'; p++) p += *p == '\\';
  return p + 1;
}

static const char *end_of_value(const char *p) {
  size_t depth = 0;
  do {
    if (*p == '"') {
      p = end_of_string(p);
      continue;
    }
    depth += *p == '{' || *p == '[';
    depth -= *p == '}' || *p == ']';
    p++;
    if (depth == 0)
      while (*p && !strchr(",]}:", *p)) p++; /* the rest of a number or a word */
  } while (depth);
  return p;
}

static int compare(const void *pa, const void *pb) {
  const struct member *a = pa, *b = pb;
  int c = memcmp(a->key, b->key, a->n_key < b->n_key ? a->n_key : b->n_key);
  return c ? c : (a->n_key > b->n_key) - (a->n_key < b->n_key);
}

static size_t count_members(const char *p) { /* from after the brace */
  size_t n = *p != '}';
  for (; *p != '}'; n += *p == ',', p += *p == ',') p = end_of_value(end_of_string(p) + 1);
  return n;
}

static char *emit(lua_State *L, const char *p, char *out);

static char *emit_object(lua_State *L, const char *p, char *out) {
  size_t n = count_members(++p);
  luaL_checkstack(L, 1, NULL);
  struct member *m = lua_newuserdatauv(L, n * sizeof *m + 1, 0);
  for (size_t i = 0; i < n; i++, p++) {
    m[i].key = p;
    p = end_of_string(p);
    m[i].n_key = (size_t)(p - m[i].key);
    m[i].value = ++p;
    p = end_of_value(p);
    m[i].n_value = (size_t)(p - m[i].value);
  }
  if (n) qsort(m, n, sizeof *m, compare);
  *out++ = '{';
  for (size_t i = 0; i < n; i++) {
    if (i) *out++ = ',';
    memcpy(out, m[i].key, m[i].n_key);
    out += m[i].n_key;
    *out++ = ':';
    out = emit(L, m[i].value, out);
  }
  lua_pop(L, 1);
  *out++ = '}';
  return out;
}

static char *emit_list(lua_State *L, const char *p, char *out) {
  *out++ = *p++;
  while (*p != ']') {
    out = emit(L, p, out);
    p = end_of_value(p);
    if (*p == ',') *out++ = *p++;
  }
  *out++ = ']';
  return out;
}

static char *emit(lua_State *L, const char *p, char *out) {
  if (*p == '{') return emit_object(L, p, out);
  if (*p == '[') return emit_list(L, p, out);
  size_t n = (size_t)(end_of_value(p) - p);
  memcpy(out, p, n);
  return out + n;
}

void ump__json_sort(lua_State *L) {
  size_t n;
  const char *text = lua_tolstring(L, -1, &n);
  if (!memchr(text, '{', n)) return;
  char *sorted = lua_newuserdatauv(L, n, 0);
  size_t length = (size_t)(emit(L, text, sorted) - sorted);
  if (length != n) luaL_error(L, "JSON could not be sorted: please report this");
  lua_pushlstring(L, sorted, n);
  lua_replace(L, -3);
  lua_pop(L, 1);
}
