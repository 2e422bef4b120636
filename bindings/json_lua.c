#include "bindings/json_lua.h"

#include <lauxlib.h>
#include <lua-cjson.h>
#include <stdio.h>

#include "bindings/value.h"
#include "bindings/vm.h"
#include "codec/json.h"

/* lua-cjson decodes integers up to here without loss; what is beyond travels as a marked string. */
#define EXACT 9007199254740992.0 /* 2^53 */

enum { MOST_FLAT = 64 }; /* members; longer ones are worth a real parser */
enum { SPECIAL_IN = UMP_JSON_WHOLE_FLOATS | UMP_JSON_WIDE | UMP_JSON_EMPTY_ARRAYS };

/* ---- opening ---- */

static void limit(lua_State *L, int cjson, const char *function, int value) {
  lua_getfield(L, cjson, function);
  lua_pushinteger(L, value);
  lua_call(L, 1, 0);
}

void ump_json_lua_open(lua_State *L, struct ump_json_lua *j, const struct ump_rng *rng) {
  lua_pushcfunction(L, luaopen_cjson);
  lua_call(L, 0, 1);
  int cjson = lua_gettop(L);
  limit(L, cjson, "decode_max_depth", UMP_VALUE_DEPTH);
  limit(L, cjson, "encode_max_depth", UMP_VALUE_DEPTH);
  lua_getfield(L, cjson, "decode_invalid_numbers");
  lua_pushboolean(L, 0);
  lua_call(L, 1, 0);
  lua_getfield(L, cjson, "encode_sparse_array"); /* raise on lists with more holes than values */
  lua_pushboolean(L, 0), lua_pushinteger(L, 2), lua_pushinteger(L, 10);
  lua_call(L, 3, 0);
  lua_getfield(L, cjson, "decode");
  j->decode = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_getfield(L, cjson, "encode");
  j->encode = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_settop(L, cjson - 1);

  uint8_t random[12];
  ump_rng_fill(rng, random, sizeof random);
  j->mark[0] = '~'; /* rare as a first character, so most strings are told apart by one comparison */
  for (size_t i = 0; i < sizeof random; i++) {
    j->mark[1 + 2 * i] = "0123456789abcdef"[random[i] >> 4];
    j->mark[2 + 2 * i] = "0123456789abcdef"[random[i] & 15];
  }
  j->n_mark = 25;
}

/* ---- decoding ---- */

static bool is_space(uint8_t c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
static bool in_number(uint8_t c) {
  return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

static const uint8_t *string_end(const uint8_t *p, const uint8_t *end) { /* p is at the opening quote */
  for (p++; p < end && *p != '"'; p++)
    if (*p == '\\') p++;
  return p < end ? p + 1 : end;
}

static bool
is_special_number(struct ump_bytes token) { /* has a fraction or exponent, or more digits than a double holds */
  if (token.n > 15) return true;
  for (size_t i = 0; i < token.n; i++)
    if (token.p[i] == '.' || token.p[i] == 'e' || token.p[i] == 'E') return true;
  return false;
}

static void put_marked(struct ump_json_lua *j, struct ump_bytes token) {
  struct ump_buf *b = &j->scratch;
  ump_buf_byte(b, '"');
  ump_buf_put(b, ump_bytes(j->mark, j->n_mark));
  ump_buf_put(b, token);
  ump_buf_byte(b, '"');
}

/* Copies a checked text into scratch, special tokens as marked strings. */
static void mark_tokens(struct ump_json_lua *j, struct ump_bytes text) {
  const uint8_t *p = text.p, *end = p + text.n;
  ump_buf_clear(&j->scratch);
  while (p < end) {
    const uint8_t *start = p;
    if (*p == '"') {
      p = string_end(p, end);
      ump_buf_put(&j->scratch, ump_bytes(start, (size_t)(p - start)));
    } else if (*p == '-' || (*p >= '0' && *p <= '9')) {
      while (p < end && in_number(*p)) p++;
      struct ump_bytes token = ump_bytes(start, (size_t)(p - start));
      is_special_number(token) ? put_marked(j, token) : ump_buf_put(&j->scratch, token);
    } else if (*p == '[') {
      for (p++; p < end && is_space(*p);) p++;
      if (p < end && *p == ']')
        p++, put_marked(j, ump_text("[]"));
      else
        ump_buf_byte(&j->scratch, '[');
    } else {
      ump_buf_byte(&j->scratch, (char)*p++);
    }
  }
}

/* Pushes the number of a token by Lua's own rules: an integer if it is written as one and fits, else a float. */
static void push_number(lua_State *L, const char *token) {
  if (!lua_stringtonumber(L, token)) luaL_error(L, "checked JSON holds no number at '%s'", token);
}

/* Replaces the string on top by what its mark stands for; false: it has none. */
static bool unmark(lua_State *L, const struct ump_json_lua *j) {
  size_t n;
  const char *s = lua_tolstring(L, -1, &n);
  if (n <= j->n_mark || memcmp(s, j->mark, j->n_mark) != 0) return false;
  if (s[j->n_mark] == '[') {
    lua_newtable(L);
    ump_value_mark_array(L, -1);
  } else {
    push_number(L, s + j->n_mark);
  }
  lua_remove(L, -2);
  return true;
}

static bool whole(lua_Number f, lua_Integer *i) {
  if (!(f >= -EXACT && f <= EXACT)) return false;
  *i = (lua_Integer)f;
  return (lua_Number)*i == f;
}

/* Numbers back to integers and marked strings back to values, in the table at t and below. The text was checked, so
 * depth and count are bounded. */
static void restore(lua_State *L, const struct ump_json_lua *j, int t, bool marked) {
  lua_Integer i;
  luaL_checkstack(L, 6, NULL);
  lua_pushnil(L);
  while (lua_next(L, t)) {
    switch (lua_type(L, -1)) {
    case LUA_TNUMBER:
      if (!whole(lua_tonumber(L, -1), &i)) break;
      lua_pushvalue(L, -2);
      lua_pushinteger(L, i);
      lua_rawset(L, t);
      break;
    case LUA_TSTRING:
      if (!marked || !unmark(L, j)) break;
      lua_pushvalue(L, -2);
      lua_pushvalue(L, -2);
      lua_rawset(L, t);
      break;
    case LUA_TTABLE:
      restore(L, j, lua_gettop(L), marked);
      break;
    default:
      break;
    }
    lua_pop(L, 1);
  }
}

/* lua-cjson keeps a buffer of malloc's while it decodes, and loses it when Lua runs out of memory under it. So it is
 * only asked when what may come of the text fits: "[0]," makes a table of 56 bytes, an element of 16 and a slot of 16
 * that may have just doubled, 26 bytes for each of its own; 64 leave room for other shapes. */
static void need_room(lua_State *L, const struct ump_json_lua *j, size_t n_text) {
  struct ump_vm *vm = ump_vm_of(L);
  size_t limit = j->memory ? j->memory : 64 << 20, need = 64 * n_text + 4096;
  if (ump_vm_memory(vm) + need <= limit) return;
  lua_gc(L, LUA_GCCOLLECT);
  if (ump_vm_memory(vm) + need > limit) luaL_error(L, "not enough memory for the data of an event");
}

static void decode(lua_State *L, const struct ump_json_lua *j, struct ump_bytes text) {
  need_room(L, j, text.n);
  lua_rawgeti(L, LUA_REGISTRYINDEX, j->decode);
  lua_pushlstring(L, (const char *)text.p, text.n);
  lua_call(L, 1, 1);
}

/* Scalars need no parser of containers: a number by Lua's rules, words, and strings without escapes as they are. */
static bool push_scalar(lua_State *L, struct ump_bytes text) {
  switch (text.n ? text.p[0] : 'n') {
  case '{':
  case '[':
    return false;
  case 't':
    lua_pushboolean(L, 1);
    return true;
  case 'f':
    lua_pushboolean(L, 0);
    return true;
  case 'n':
    lua_pushnil(L);
    return true;
  case '"':
    if (memchr(text.p, '\\', text.n)) return false;
    lua_pushlstring(L, (const char *)text.p + 1, text.n - 2);
    return true;
  default:
    lua_pushlstring(L, (const char *)text.p, text.n);
    push_number(L, lua_tostring(L, -1));
    lua_remove(L, -2);
    return true;
  }
}

/* Numbers of few characters; longer ones are left to push_number. */
static bool push_short_number(lua_State *L, const struct ump_json_value *v) {
  char token[32];
  if (v->raw.n >= sizeof token) return false;
  if (v->holds == UMP_JSON_INTEGERS) {
    bool negative = v->raw.p[0] == '-';
    lua_Integer i = 0;
    for (size_t k = negative; k < v->raw.n; k++) i = i * 10 + (v->raw.p[k] - '0');
    lua_pushinteger(L, negative ? -i : i);
    return true;
  }
  memcpy(token, v->raw.p, v->raw.n);
  token[v->raw.n] = 0;
  push_number(L, token);
  return true;
}

static bool push_inner(lua_State *L, const struct ump_json_value *v) {
  if (v->type == UMP_JSON_NUMBER) return !(v->holds & UMP_JSON_BIG) && push_short_number(L, v);
  if (v->type == UMP_JSON_NULL) return lua_pushlightuserdata(L, NULL), true; /* host.null */
  return !v->escaped && push_scalar(L, v->raw);
}

/* One flat list or object of plain scalars, which is what nearly every event is, needs no parser either: the checked
 * text gives its members one after the other. False: it is something else; nothing was pushed. Measured against
 * lua-cjson and the pass that makes integers of its floats, on [-1, 0]: 4500 instructions against 900. */
static bool push_flat(lua_State *L, struct ump_bytes text) {
  struct ump_json_value all = {.type = text.p[0] == '[' ? UMP_JSON_ARRAY : UMP_JSON_OBJECT, .raw = text}, key, v;
  struct ump_json_iter it = {0};
  bool list = all.type == UMP_JSON_ARRAY;
  lua_Integer n = 0;
  int base = lua_gettop(L);
  if (list)
    lua_createtable(L, 4, 0);
  else
    lua_newtable(L);
  while (ump_json_next(&all, &it, &key, &v)) {
    if (n++ == MOST_FLAT || v.type == UMP_JSON_ARRAY || v.type == UMP_JSON_OBJECT || key.escaped) goto other;
    if (!list) lua_pushlstring(L, (const char *)key.raw.p + 1, key.raw.n - 2);
    if (!push_inner(L, &v)) goto other;
    if (list)
      lua_rawseti(L, -2, n);
    else
      lua_rawset(L, -3);
  }
  if (n || !list) return true; /* an empty list is marked as one below */
other:
  lua_settop(L, base);
  return false;
}

void ump_json_lua_push(lua_State *L, struct ump_json_lua *j, struct ump_bytes text, unsigned holds) {
  luaL_checkstack(L, 8, NULL);
  if (push_scalar(L, text) || (text.p[0] != '"' && push_flat(L, text))) return;
  bool marked = (holds & SPECIAL_IN) != 0;
  if (marked) {
    mark_tokens(j, text);
    if (j->scratch.failed) luaL_error(L, "not enough memory to decode event data");
    text = ump_buf_bytes(&j->scratch);
  }
  decode(L, j, text);
  if (marked && lua_type(L, -1) == LUA_TSTRING) unmark(L, j); /* the whole text was [] */
  if ((marked || (holds & UMP_JSON_INTEGERS)) && lua_istable(L, -1)) restore(L, j, lua_gettop(L), marked);
}

/* ---- encoding ---- */

struct encoder {
  lua_State *L;
  struct ump_json_lua *j;
  size_t left;  /* values */
  bool special; /* something was found that lua-cjson would spoil */
};

/* What lua-cjson's 14 digits keep. Multiples of 1/16 below 1e9 have at most 13, which spares most numbers of a game the
 * printing and reading back. */
static bool survives(lua_Number f) {
  lua_Integer i;
  if (whole(f, &i)) return false; /* it would lose its point */
  if (f > -1e9 && f < 1e9 && whole(f * 16, &i)) return true;
  char text[32];
  lua_Number back;
  snprintf(text, sizeof text, "%.14g", f);
  return sscanf(text, "%lf", &back) == 1 && back == f;
}

static void look(struct encoder *e, int index, const struct ump_walk *at);

static void look_at_string(struct encoder *e, int index, const struct ump_walk *at) {
  size_t n;
  const char *s = lua_tolstring(e->L, index, &n);
  if (!ump_utf8_valid(ump_bytes(s, n)))
    ump__walk_error(e->L, at, "a string that is not valid UTF-8: JSON carries text; encode bytes first");
}

static void look_at_float(struct encoder *e, lua_Number f, const struct ump_walk *at) {
  if (f != f) ump__walk_error(e->L, at, "not a number (nan), which JSON cannot carry");
  if (f - f != 0) ump__walk_error(e->L, at, "infinite, which JSON cannot carry");
  if (!survives(f)) e->special = true;
}

/* How a table's keys look, to tell lists from objects as lua-cjson does. */
struct keys {
  lua_Integer count, highest;
  bool list, words, numbers;
};

static void look_at_key(struct encoder *e, int key, const struct ump_walk *w, struct keys *k) {
  lua_State *L = e->L;
  size_t n;
  k->count++;
  if (lua_isinteger(L, key)) {
    lua_Integer i = lua_tointeger(L, key);
    k->numbers = true;
    if (i < 1) k->list = false;
    if (i > k->highest) k->highest = i;
    if (i > 99999999999999 || i < -99999999999999) e->special = true;
  } else if (lua_type(L, key) == LUA_TSTRING) {
    const char *s = lua_tolstring(L, key, &n);
    k->list = false, k->words = true;
    if (!ump_utf8_valid(ump_bytes(s, n)) || memchr(s, 0, n)) {
      ump__walk_push_path(L, w->up);
      luaL_error(L, "%s has a key that is not valid UTF-8 without zero bytes", lua_tostring(L, -1));
    }
  } else {
    ump__walk_push_path(L, w->up);
    luaL_error(L, "%s has a %s as key: JSON has strings and integers", lua_tostring(L, -1),
               lua_type(L, key) == LUA_TNUMBER ? "float" : luaL_typename(L, key));
  }
}

/* 1 and "1" become the same key of an object. */
static void refuse_twins(lua_State *L, int table, const struct ump_walk *w) {
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TNUMBER) continue;
    lua_pushvalue(L, -2);
    lua_tostring(L, -1);
    if (lua_rawget(L, table) != LUA_TNIL) {
      ump__walk_push_path(L, w->up);
      luaL_error(L, "%s has both %I and \"%I\" as keys: JSON cannot tell them apart", lua_tostring(L, -1),
                 (LUAI_UACINT)lua_tointeger(L, -4), (LUAI_UACINT)lua_tointeger(L, -4));
    }
    lua_pop(L, 1);
  }
}

static void judge_keys(struct encoder *e, int table, const struct ump_walk *w, struct keys *k) {
  lua_State *L = e->L;
  bool marked = ump_value_is_array(L, table);
  if (!k->count) {
    if (marked) e->special = true;
    return;
  }
  if (marked && !k->list) {
    ump__walk_push_path(L, w->up);
    luaL_error(L, "%s is a host.array with keys that are no positions", lua_tostring(L, -1));
  }
  if (k->list && k->highest > 10 && k->highest > 2 * k->count) {
    ump__walk_push_path(L, w->up);
    luaL_error(L,
               "%s is a list of %I values with holes up to %I: use strings as keys, or fill the holes with host.null",
               lua_tostring(L, -1), (LUAI_UACINT)k->count, (LUAI_UACINT)k->highest);
  }
  if (k->words && k->numbers) refuse_twins(L, table, w);
}

static void look_into(struct encoder *e, int table, const struct ump_walk *at) {
  lua_State *L = e->L;
  struct ump_walk w = {.up = at};
  struct keys k = {.list = true};
  luaL_checkstack(L, 8, NULL);
  ump__walk_enter(L, &w, table);
  lua_pushnil(L);
  w.key = lua_gettop(L);
  while (lua_next(L, table)) {
    look_at_key(e, w.key, &w, &k);
    look(e, w.key + 1, &w);
    lua_pop(L, 1);
  }
  judge_keys(e, table, &w, &k);
}

/* The checking pass: raises on what JSON cannot carry, and notes whether lua-cjson needs help. */
static void look(struct encoder *e, int index, const struct ump_walk *at) {
  lua_State *L = e->L;
  if (!e->left--) luaL_error(L, "too many values to be sent: at most %d", UMP_VALUE_COUNT);
  switch (lua_type(L, index)) {
  case LUA_TNIL:
  case LUA_TBOOLEAN:
    return;
  case LUA_TNUMBER:
    if (!lua_isinteger(L, index)) {
      look_at_float(e, lua_tonumber(L, index), at);
    } else {
      lua_Integer i = lua_tointeger(L, index);
      if (i > 99999999999999 || i < -99999999999999) e->special = true;
    }
    return;
  case LUA_TSTRING:
    look_at_string(e, index, at);
    return;
  case LUA_TTABLE:
    look_into(e, index, at);
    return;
  case LUA_TLIGHTUSERDATA:
    if (!lua_touserdata(L, index)) return; /* host.null */
    /* fall through */
  default:
    ump__walk_push_path(L, at);
    luaL_error(L, "value at %s is a %s: only nil, booleans, numbers, strings and tables of them can be sent",
               lua_tostring(L, -1), luaL_typename(L, index));
  }
}

/* Pushes a number as JSON writes it: the fewest digits that read back the same, and a float keeps its point. */
static void push_token(lua_State *L, int index) {
  if (lua_isinteger(L, index)) {
    lua_pushfstring(L, "%I", (LUAI_UACINT)lua_tointeger(L, index));
    return;
  }
  char text[40];
  lua_Number f = lua_tonumber(L, index), back = 0;
  for (int digits = 14; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, f);
    if (sscanf(text, "%lf", &back) == 1 && back == f) break;
  }
  lua_pushstring(L, text);
  if (!strpbrk(text, ".e")) {
    lua_pushliteral(L, ".0");
    lua_concat(L, 2);
  }
}

/* Pushes a copy of the checked value at index in which what lua-cjson would spoil is a marked string. */
static void push_marked(lua_State *L, const struct ump_json_lua *j, int index);

static void push_marked_table(lua_State *L, const struct ump_json_lua *j, int table) {
  luaL_checkstack(L, 8, NULL);
  lua_newtable(L);
  int copy = lua_gettop(L);
  bool any = false;
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1), any = true) {
    int key = lua_gettop(L) - 1;
    lua_pushvalue(L, key);
    if (lua_isinteger(L, key) && (lua_tointeger(L, key) > 99999999999999 || lua_tointeger(L, key) < 0))
      lua_tostring(L, -1);
    push_marked(L, j, key + 1);
    lua_rawset(L, copy);
  }
  if (any || !ump_value_is_array(L, table)) return;
  lua_pushfstring(L, "%s[]", j->mark);
  lua_replace(L, copy);
}

static void push_marked(lua_State *L, const struct ump_json_lua *j, int index) {
  if (lua_type(L, index) == LUA_TTABLE) {
    push_marked_table(L, j, index);
  } else if (lua_type(L, index) == LUA_TNUMBER) {
    lua_pushstring(L, j->mark);
    push_token(L, index);
    lua_concat(L, 2);
  } else {
    lua_pushvalue(L, index);
  }
}

/* Copies text into scratch, marked strings as the tokens they stand for. */
static void unmark_text(struct ump_json_lua *j, struct ump_bytes text) {
  const uint8_t *p = text.p, *end = p + text.n;
  ump_buf_clear(&j->scratch);
  while (p < end) {
    const uint8_t *start = p;
    if (*p != '"') {
      while (p < end && *p != '"') p++;
      ump_buf_put(&j->scratch, ump_bytes(start, (size_t)(p - start)));
      continue;
    }
    p = string_end(p, end);
    size_t n = (size_t)(p - start), skip = 1 + j->n_mark;
    bool marked = n > skip + 1 && memcmp(start + 1, j->mark, j->n_mark) == 0;
    ump_buf_put(&j->scratch, marked ? ump_bytes(start + skip, n - skip - 1) : ump_bytes(start, n));
  }
}

static struct ump_bytes top_bytes(lua_State *L) {
  size_t n;
  const char *s = lua_tolstring(L, -1, &n);
  return ump_bytes(s, n);
}

/* The value to encode is on top; its text replaces it. */
static void encode(lua_State *L, const struct ump_json_lua *j) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, j->encode);
  lua_insert(L, -2);
  lua_call(L, 1, 1);
}

struct ump_bytes ump_json_lua_text(lua_State *L, struct ump_json_lua *j, int index, const char *root) {
  struct encoder e = {L, j, UMP_VALUE_COUNT, false};
  struct ump_walk at = {.root = root};
  luaL_checkstack(L, 8, NULL);
  index = lua_absindex(L, index);
  look(&e, index, &at);
  if (lua_type(L, index) == LUA_TNUMBER) {
    push_token(L, index);
  } else if (!e.special) {
    lua_pushvalue(L, index);
    encode(L, j);
  } else {
    push_marked(L, j, index);
    encode(L, j);
    unmark_text(j, top_bytes(L));
    if (j->scratch.failed) luaL_error(L, "not enough memory to encode data");
    lua_pop(L, 1);
    lua_pushlstring(L, (const char *)j->scratch.p, j->scratch.n);
  }
  return top_bytes(L);
}
