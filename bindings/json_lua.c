#include "bindings/json_lua.h"

#include <lauxlib.h>
#include <lua-cjson.h>

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

const uint8_t *ump__json_string_end(const uint8_t *p, const uint8_t *end) { /* p is at the opening quote */
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
      p = ump__json_string_end(p, end);
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

bool ump__json_whole(lua_Number f, lua_Integer *i) {
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
      if (!ump__json_whole(lua_tonumber(L, -1), &i)) break;
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
static size_t in_use(lua_State *L) {
  return (size_t)lua_gc(L, LUA_GCCOUNT) * 1024;
}

static void need_room(lua_State *L, const struct ump_json_lua *j, size_t n_text) {
  size_t limit = j->memory ? j->memory : 64 << 20, need = 64 * n_text + 4096;
  if (in_use(L) + need <= limit) return;
  lua_gc(L, LUA_GCCOLLECT);
  if (in_use(L) + need > limit) luaL_error(L, "not enough memory for the data of an event");
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

/* ---- flat data ----
 * One list or object of plain scalars, which is what nearly every event is, needs no parser: the text was checked, so
 * each of these knows what it meets. They take a position and give the one behind what they read, or NULL: it is
 * something else, for lua-cjson. Measured against that and the pass that makes integers of its floats, on [-1, 0]: 4500
 * instructions against 300. */

static const uint8_t *skip_space(const uint8_t *p) { /* something that is no space comes before the end */
  while (is_space(*p)) p++;
  return p;
}

static const uint8_t *push_plain_string(lua_State *L, const uint8_t *p) {
  const uint8_t *q = p + 1;
  while (*q != '"' && *q != '\\') q++;
  if (*q != '"') return NULL;
  lua_pushlstring(L, (const char *)p + 1, (size_t)(q - p) - 1);
  return q + 1;
}

/* 18 digits fit an integer; what is longer or no integer goes by Lua's rules, if it is not longer than that. */
static const uint8_t *push_plain_number(lua_State *L, const uint8_t *p) {
  char token[32];
  const uint8_t *q = p + (*p == '-');
  lua_Integer i = 0;
  for (; *q >= '0' && *q <= '9' && q - p < 18; q++) i = i * 10 + (*q - '0');
  if (!in_number(*q)) {
    lua_pushinteger(L, *p == '-' ? -i : i);
    return q;
  }
  while (in_number(*q)) q++;
  size_t n = (size_t)(q - p);
  if (n >= sizeof token) return NULL;
  memcpy(token, p, n);
  token[n] = 0;
  push_number(L, token);
  return q;
}

static const uint8_t *push_plain(lua_State *L, const uint8_t *p) {
  switch (*p) {
  case '[':
  case '{':
    return NULL;
  case '"':
    return push_plain_string(L, p);
  case 't':
    return lua_pushboolean(L, 1), p + 4;
  case 'f':
    return lua_pushboolean(L, 0), p + 5;
  case 'n':
    return lua_pushlightuserdata(L, NULL), p + 4; /* host.null */
  default:
    return push_plain_number(L, p);
  }
}

static const uint8_t *push_key(lua_State *L, const uint8_t *p) {
  p = push_plain_string(L, p);
  return p ? skip_space(skip_space(p) + 1) : NULL; /* behind the colon */
}

/* How many members a short text has, at most; of a long one the first four have room, and the table grows. */
static int room_for(struct ump_bytes text) {
  enum { SHORT = 16, ROOM = 4 };
  int n = 1;
  if (text.n > SHORT) return ROOM;
  for (size_t i = 0; i < text.n; i++) n += text.p[i] == ',';
  return n;
}

/* False: nothing was pushed. */
static bool push_flat(lua_State *L, struct ump_bytes text) {
  const uint8_t *p = skip_space(text.p + 1), *end = text.p + text.n - 1; /* at the closing bracket */
  bool list = *text.p == '[';
  int base = lua_gettop(L);
  if (list && p == end) return false; /* an empty list is marked as one below */
  int room = room_for(text);
  lua_createtable(L, list ? room : 0, list ? 0 : room);
  for (lua_Integer n = 1; p && p < end && n <= MOST_FLAT; n++) {
    if (!list && !(p = push_key(L, p))) break;
    if (!(p = push_plain(L, p))) break;
    list ? lua_rawseti(L, -2, n) : lua_rawset(L, -3);
    p = skip_space(p);
    if (*p == ',') p = skip_space(p + 1);
  }
  if (p == end) return true;
  lua_settop(L, base);
  return false;
}

void ump_json_lua_push(lua_State *L, struct ump_json_lua *j, struct ump_bytes text, unsigned holds) {
  luaL_checkstack(L, 8, NULL);
  if (push_scalar(L, text) || (text.p[0] != '"' && !(holds & UMP_JSON_BIG) && push_flat(L, text))) return;
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
