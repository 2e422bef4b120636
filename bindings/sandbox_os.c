/* Time and chance as the host has them: os.time, os.clock, os.date, os.difftime, math.random. The same run from the
 * same seed gives the same numbers, so nothing here asks the system. Time is UTC: a rulebook judges alike wherever it
 * runs. */
#include <limits.h>
#include <string.h>
#include <time.h>

#include <lauxlib.h>

#include "bindings/vm_state.h"

/* ---- the calendar (proleptic Gregorian); days count from 1970-01-01 ---- */

static int64_t floor_div(int64_t a, int64_t b) {
  return a / b - (a % b < 0);
}

/* With years that begin in March, the leap day is a year's last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day) { /* month 1..12 */
  int64_t y = month <= 2 ? year - 1 : year, m = (month + 9) % 12;
  return y * 365 + floor_div(y, 4) - floor_div(y, 100) + floor_div(y, 400) + (m * 153 + 2) / 5 + day - 1 - 719468;
}

static void split_time(int64_t t, struct tm *out) {
  int64_t days = floor_div(t, 86400), second = t - days * 86400;
  int64_t year = 1970 + floor_div(days * 400, 146097), month = 1;
  while (days_of(year, 1, 1) > days) year--;
  while (days_of(year + 1, 1, 1) <= days) year++;
  while (month < 12 && days_of(year, month + 1, 1) <= days) month++;
  memset(out, 0, sizeof *out);
  out->tm_year = (int)(year - 1900), out->tm_mon = (int)(month - 1);
  out->tm_mday = (int)(days - days_of(year, month, 1)) + 1;
  out->tm_yday = (int)(days - days_of(year, 1, 1));
  out->tm_wday = (int)(((days + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
  out->tm_hour = (int)(second / 3600), out->tm_min = (int)(second / 60 % 60), out->tm_sec = (int)(second % 60);
}

/* ---- os ---- */

static const int64_t TIME_MAX = INT64_C(253402300799); /* 9999-12-31 23:59:59 */

static int64_t wall(lua_State *L) {
  const struct ump_vm_cfg *cfg = &ump_vm_of(L)->cfg;
  return cfg->wall ? cfg->wall(cfg->clock_ctx) : 0;
}

static int64_t time_field(lua_State *L, const char *name, int64_t otherwise) {
  int ok;
  int64_t value = otherwise;
  if (lua_getfield(L, 1, name) != LUA_TNIL) {
    value = lua_tointegerx(L, -1, &ok);
    if (!ok) luaL_error(L, "field '%s' is not an integer", name);
    if (value < -1000000000 || value > 1000000000) luaL_error(L, "field '%s' is out-of-bound", name);
  } else if (otherwise == INT64_MIN)
    luaL_error(L, "field '%s' missing in date table", name);
  lua_pop(L, 1);
  return value;
}

static void put_field(lua_State *L, const char *name, int value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

static void put_fields(lua_State *L, const struct tm *t) {
  put_field(L, "year", t->tm_year + 1900), put_field(L, "month", t->tm_mon + 1), put_field(L, "day", t->tm_mday);
  put_field(L, "hour", t->tm_hour), put_field(L, "min", t->tm_min), put_field(L, "sec", t->tm_sec);
  put_field(L, "yday", t->tm_yday + 1), put_field(L, "wday", t->tm_wday + 1);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "isdst");
}

/* os.time([table]): fields may be out of their range, as in C's mktime, and are put right in the table. */
static int os_time(lua_State *L) {
  struct tm t;
  if (lua_isnoneornil(L, 1)) {
    lua_pushinteger(L, wall(L));
    return 1;
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  int64_t year = time_field(L, "year", INT64_MIN), month = time_field(L, "month", INT64_MIN) - 1;
  int64_t day = time_field(L, "day", INT64_MIN), hour = time_field(L, "hour", 12);
  int64_t min = time_field(L, "min", 0), sec = time_field(L, "sec", 0);
  year += floor_div(month, 12), month -= floor_div(month, 12) * 12;
  int64_t when = (days_of(year, month + 1, 1) + day - 1) * 86400 + hour * 3600 + min * 60 + sec;
  if (when < -TIME_MAX || when > TIME_MAX)
    return luaL_error(L, "time result cannot be represented in this installation");
  split_time(when, &t);
  put_fields(L, &t);
  lua_pushinteger(L, when);
  return 1;
}

/* One conversion of strftime, in the "C" locale. */
static void add_conversion(lua_State *L, luaL_Buffer *out, char c, const struct tm *t) {
  static const char known[] = "aAbBcCdDeFgGhHIjmMnprRStTuUVwWxXyY%";
  char format[3] = {'%', c, 0}, text[128];
  if (c == 'z')
    luaL_addstring(out, "+0000");
  else if (c == 'Z')
    luaL_addstring(out, "UTC");
  else if (!c || !strchr(known, c))
    luaL_argerror(L, 1, lua_pushfstring(L, "invalid conversion specifier '%%%c'", c));
  else
    luaL_addlstring(out, text, strftime(text, sizeof text, format, t));
}

static int os_date(lua_State *L) {
  size_t n;
  const char *format = luaL_optlstring(L, 1, "%c", &n), *end = format + n;
  int64_t when = luaL_opt(L, luaL_checkinteger, 2, wall(L));
  struct tm t;
  luaL_Buffer out;
  if (format < end && *format == '!') format++;
  if (when < -TIME_MAX || when > TIME_MAX)
    return luaL_error(L, "date result cannot be represented in this installation");
  split_time(when, &t);
  if (strcmp(format, "*t") == 0) {
    lua_createtable(L, 0, 9);
    put_fields(L, &t);
    return 1;
  }
  luaL_buffinit(L, &out);
  for (; format < end; format++) {
    if (*format != '%')
      luaL_addchar(&out, *format);
    else
      format++, add_conversion(L, &out, *format, &t);
  }
  luaL_pushresult(&out);
  return 1;
}

static int os_clock(lua_State *L) {
  const struct ump_vm_cfg *cfg = &ump_vm_of(L)->cfg;
  lua_pushnumber(L, cfg->now ? ump_seconds(cfg->now(cfg->clock_ctx)) : 0);
  return 1;
}

static int os_difftime(lua_State *L) {
  lua_pushnumber(L, (lua_Number)luaL_checkinteger(L, 1) - (lua_Number)luaL_checkinteger(L, 2));
  return 1;
}

void ump__sandbox_open_os(lua_State *L) {
  static const luaL_Reg own[] = {
      {"time", os_time}, {"date", os_date}, {"clock", os_clock}, {"difftime", os_difftime}, {NULL, NULL}};
  luaL_newlib(L, own);
}

/* ---- math ---- */

static int math_random(lua_State *L) {
  struct ump_vm *vm = ump_vm_of(L);
  struct ump_rng rng = ump_rng_of(&vm->random);
  int n = lua_gettop(L);
  if (n == 0) {
    lua_pushnumber(L, ump_rng_unit(&rng));
    return 1;
  }
  if (n > 2) return luaL_error(L, "wrong number of arguments");
  lua_Integer low = n == 2 ? luaL_checkinteger(L, 1) : 1, high = luaL_checkinteger(L, n);
  if (n == 1 && high == 0) {
    lua_pushinteger(L, (lua_Integer)ump_rng_u64(&rng)); /* all bits, as in Lua 5.4 */
    return 1;
  }
  luaL_argcheck(L, low <= high, n, "interval is empty");
  uint64_t span = (uint64_t)high - (uint64_t)low;
  uint64_t r = span == UINT64_MAX ? ump_rng_u64(&rng) : ump_rng_below(&rng, span + 1);
  lua_pushinteger(L, (lua_Integer)((uint64_t)low + r));
  return 1;
}

void ump_vm_chance_from(struct ump_vm *vm, const struct ump_vm *before) {
  vm->random = before->random;
}

/* The host seeds. Old habits (math.randomseed(os.time())) do no harm. */
static int math_randomseed(lua_State *L) {
  (void)L;
  return 0;
}

void ump__sandbox_open_math(lua_State *L, int stock) {
  static const char *const taken[] = {"abs", "acos",       "asin", "atan", "ceil", "cos", "deg",
                                      "exp", "floor",      "fmod", "huge", "log",  "max", "maxinteger",
                                      "min", "mininteger", "modf", "pi",   "rad",  "sin", "sqrt",
                                      "tan", "tointeger",  "type", "ult",  NULL};
  static const luaL_Reg own[] = {{"random", math_random}, {"randomseed", math_randomseed}, {NULL, NULL}};
  luaL_newlib(L, own);
  ump__sandbox_take(L, stock, lua_gettop(L), taken);
}
