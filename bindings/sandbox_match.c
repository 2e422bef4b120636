/* string.find, match, gmatch and gsub over the counting matcher of lua_pattern.c. Messages are worded like Lua's own.
 */
#define _GNU_SOURCE /* memmem, whose time is linear in its text */
#include <string.h>

#include <lauxlib.h>

#include "bindings/lua_pattern.h"
#include "bindings/vm_state.h"

enum { STEPS_PER_INSTRUCTION = 4 }; /* a step takes some 2 ns, an instruction some 8 */

static struct ump_bytes check_bytes(lua_State *L, int index) {
  size_t n;
  const char *s = luaL_checklstring(L, index, &n);
  return ump_bytes(s, n);
}

static int raise_fault(lua_State *L, const struct ump_pattern *m) {
  switch (m->fault) {
  case UMP_PATTERN_DEEP:
    return luaL_error(L, "pattern too complex");
  case UMP_PATTERN_ENDS_IN_ESCAPE:
    return luaL_error(L, "malformed pattern (ends with '%%')");
  case UMP_PATTERN_OPEN_SET:
    return luaL_error(L, "malformed pattern (missing ']')");
  case UMP_PATTERN_BALANCE:
    return luaL_error(L, "malformed pattern (missing arguments to '%%b')");
  case UMP_PATTERN_FRONTIER:
    return luaL_error(L, "missing '[' after '%%f' in pattern");
  case UMP_PATTERN_MANY_CAPTURES:
    return luaL_error(L, "too many captures");
  case UMP_PATTERN_BAD_CLOSE:
    return luaL_error(L, "invalid pattern capture");
  case UMP_PATTERN_BAD_INDEX:
    return luaL_error(L, "invalid capture index %%%d", m->index);
  case UMP_PATTERN_UNFINISHED:
    return luaL_error(L, "unfinished capture");
  default:
    break;
  }
  const char *pattern = (const char *)m->pattern.p;
  bool cut = m->pattern.n > 60;
  lua_pushlstring(L, pattern, cut ? 60 : m->pattern.n);
  return luaL_error(L,
                    "the pattern '%s%s' is too costly for this text of %d bytes (it took over %d steps): make it more "
                    "specific, or the text shorter",
                    lua_tostring(L, -1), cut ? "..." : "", (int)m->subject.n, UMP_PATTERN_STEPS);
}

/* Charges for what was done since the last time, and raises what went wrong. */
static void account(lua_State *L, const struct ump_pattern *m, uint64_t steps_before) {
  ump_vm_charge(L, (steps_before - m->steps) / STEPS_PER_INSTRUCTION);
  if (m->fault) raise_fault(L, m);
}

/* From `from` on, the first place where the pattern matches, and the end of the match; NULL: none. The same end as
 * `not_end` does not count (an empty match right behind the last). */
static const uint8_t *search(lua_State *L, struct ump_pattern *m, const uint8_t *from, bool anchored,
                             const uint8_t *not_end, const uint8_t **end) {
  const uint8_t *last = m->subject.p + m->subject.n;
  uint64_t before = m->steps;
  const uint8_t *to = NULL;
  for (; from <= last; from++) {
    to = ump_pattern_match(m, from);
    if (m->fault || (to && to != not_end) || anchored) break;
    to = NULL;
  }
  account(L, m, before);
  *end = to;
  return to ? from : NULL;
}

/* ---- captures ---- */

static void push_capture(lua_State *L, struct ump_pattern *m, int i, const uint8_t *from, const uint8_t *to) {
  struct ump_capture c;
  if (!ump_pattern_capture(m, i, from, to, &c)) raise_fault(L, m);
  if (c.n == UMP_CAPTURE_POSITION)
    lua_pushinteger(L, c.at - m->subject.p + 1);
  else
    lua_pushlstring(L, (const char *)c.at, (size_t)c.n);
}

/* All captures; `whole`: the match itself if there are none. How many. */
static int push_captures(lua_State *L, struct ump_pattern *m, const uint8_t *from, const uint8_t *to, bool whole) {
  int n = m->n_captures == 0 && whole ? 1 : m->n_captures;
  luaL_checkstack(L, n, "too many captures");
  for (int i = 0; i < n; i++) push_capture(L, m, i, from, to);
  return n;
}

/* ---- find, match ---- */

/* Where a search that is asked to begin at `init` begins, from 0; behind the end + 1: nowhere. */
static size_t start_of(lua_Integer init, size_t n) {
  if (init > 0) return (uint64_t)init - 1 > n ? n + 1 : (size_t)init - 1;
  if (init == 0 || init < -(lua_Integer)n) return 0;
  return n - (size_t)-init;
}

static bool take_anchor(struct ump_bytes *pattern) {
  bool anchored = pattern->n > 0 && pattern->p[0] == '^';
  pattern->p += anchored, pattern->n -= anchored;
  return anchored;
}

static int find_plain(lua_State *L, struct ump_bytes s, struct ump_bytes p, size_t start) {
  const uint8_t *at = p.n ? memmem(s.p + start, s.n - start, p.p, p.n) : s.p + start;
  ump_vm_charge(L, (s.n - start) / 64);
  if (!at) {
    luaL_pushfail(L);
    return 1;
  }
  lua_pushinteger(L, at - s.p + 1);
  lua_pushinteger(L, at - s.p + (lua_Integer)p.n);
  return 2;
}

static int find_or_match(lua_State *L, bool find) {
  struct ump_bytes s = check_bytes(L, 1), p = check_bytes(L, 2);
  size_t start = start_of(luaL_optinteger(L, 3, 1), s.n);
  if (start > s.n) {
    luaL_pushfail(L);
    return 1;
  }
  if (find && (lua_toboolean(L, 4) || ump_pattern_is_plain(p))) return find_plain(L, s, p, start);
  bool anchored = take_anchor(&p);
  struct ump_pattern m = ump_pattern(s, p);
  const uint8_t *to, *from = search(L, &m, s.p + start, anchored, NULL, &to);
  if (!from) {
    luaL_pushfail(L);
    return 1;
  }
  if (!find) return push_captures(L, &m, from, to, true);
  lua_pushinteger(L, from - s.p + 1);
  lua_pushinteger(L, to - s.p);
  return 2 + push_captures(L, &m, from, to, false);
}

int ump__sandbox_find(lua_State *L) {
  return find_or_match(L, true);
}
int ump__sandbox_match(lua_State *L) {
  return find_or_match(L, false);
}

/* ---- gmatch ---- */

/* upvalues: subject, pattern, where the next search begins (from 0), end of the last match (-1: none) */
static int gmatch_next(lua_State *L) {
  size_t s_n, p_n;
  const char *s = lua_tolstring(L, lua_upvalueindex(1), &s_n), *p = lua_tolstring(L, lua_upvalueindex(2), &p_n);
  lua_Integer start = lua_tointeger(L, lua_upvalueindex(3)), last = lua_tointeger(L, lua_upvalueindex(4));
  if ((size_t)start > s_n) return 0;
  struct ump_pattern m = ump_pattern(ump_bytes(s, s_n), ump_bytes(p, p_n));
  const uint8_t *not_end = last < 0 ? NULL : m.subject.p + last;
  const uint8_t *to, *from = search(L, &m, m.subject.p + start, false, not_end, &to);
  lua_pushinteger(L, from ? to - m.subject.p : (lua_Integer)s_n + 1);
  lua_copy(L, -1, lua_upvalueindex(3));
  lua_copy(L, -1, lua_upvalueindex(4));
  return from ? push_captures(L, &m, from, to, true) : 0;
}

int ump__sandbox_gmatch(lua_State *L) {
  struct ump_bytes s = check_bytes(L, 1);
  check_bytes(L, 2);
  size_t start = start_of(luaL_optinteger(L, 3, 1), s.n);
  lua_settop(L, 2);
  lua_pushinteger(L, (lua_Integer)start);
  lua_pushinteger(L, -1);
  lua_pushcclosure(L, gmatch_next, 4);
  return 1;
}

/* ---- gsub ---- */

/* The replacement text at index 3, with %0 ... %9 filled in. */
static void add_text(lua_State *L, struct ump_pattern *m, luaL_Buffer *out, const uint8_t *from, const uint8_t *to) {
  struct ump_bytes text = check_bytes(L, 3);
  const uint8_t *end = text.p + text.n;
  for (const uint8_t *p = text.p, *escape; p < end; p = escape + 2) {
    escape = memchr(p, '%', (size_t)(end - p));
    luaL_addlstring(out, (const char *)p, (size_t)((escape ? escape : end) - p));
    if (!escape) return;
    int c = escape + 1 < end ? escape[1] : 0;
    if (c == '%')
      luaL_addchar(out, '%');
    else if (c == '0')
      luaL_addlstring(out, (const char *)from, (size_t)(to - from));
    else if (c < '1' || c > '9')
      luaL_error(L, "invalid use of '%%' in replacement string");
    else
      push_capture(L, m, c - '1', from, to), luaL_addvalue(out);
  }
}

/* What a function (called with the captures) or a table (looked up by the first) says. False: the match stays as it is.
 */
static bool add_answer(lua_State *L, struct ump_pattern *m, luaL_Buffer *out, const uint8_t *from, const uint8_t *to) {
  if (lua_type(L, 3) == LUA_TFUNCTION) {
    lua_pushvalue(L, 3);
    int n = push_captures(L, m, from, to, true);
    lua_call(L, n, 1);
  } else {
    push_capture(L, m, 0, from, to);
    lua_gettable(L, 3);
  }
  if (!lua_toboolean(L, -1)) {
    lua_pop(L, 1);
    luaL_addlstring(out, (const char *)from, (size_t)(to - from));
    return false;
  }
  if (!lua_isstring(L, -1)) luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
  luaL_addvalue(out);
  return true;
}

int ump__sandbox_gsub(lua_State *L) {
  struct ump_bytes s = check_bytes(L, 1), p = check_bytes(L, 2);
  int type = lua_type(L, 3);
  luaL_argexpected(L, type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TTABLE || type == LUA_TFUNCTION, 3,
                   "string/function/table");
  lua_Integer max = luaL_optinteger(L, 4, (lua_Integer)s.n + 1), n = 0;
  bool anchored = take_anchor(&p), changed = false;
  struct ump_pattern m = ump_pattern(s, p);
  const uint8_t *rest = s.p, *last_end = NULL, *to, *from;
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  while (n < max && (from = search(L, &m, rest, anchored, last_end, &to))) {
    n++;
    luaL_addlstring(&out, (const char *)rest, (size_t)(from - rest));
    if (type == LUA_TTABLE || type == LUA_TFUNCTION)
      changed |= add_answer(L, &m, &out, from, to);
    else
      add_text(L, &m, &out, from, to), changed = true;
    rest = last_end = to;
    if (anchored) break;
  }
  if (changed) {
    luaL_addlstring(&out, (const char *)rest, (size_t)(s.p + s.n - rest));
    luaL_pushresult(&out);
  } else
    lua_pushvalue(L, 1);
  lua_pushinteger(L, n);
  return 2;
}
