/* What is in the sandbox, what is not, and how what was written anew behaves: as Lua, but for what a rulebook must not
 * have. */
#include "vm_testing.h"

#include <lualib.h>

/* ---- everything that can be reached ---- */

/* Each name of the sandbox. A function that is reached under no name of this list is a way out that nobody looked at.
 */
static const char *const names[] = {"_G",
                                    "_VERSION",
                                    "assert",
                                    "collectgarbage",
                                    "error",
                                    "getmetatable",
                                    "ipairs",
                                    "load",
                                    "next",
                                    "pairs",
                                    "pcall",
                                    "print",
                                    "rawequal",
                                    "rawget",
                                    "rawlen",
                                    "rawset",
                                    "require",
                                    "select",
                                    "setmetatable",
                                    "tonumber",
                                    "tostring",
                                    "type",
                                    "warn",
                                    "xpcall",
                                    "coroutine.close",
                                    "coroutine.create",
                                    "coroutine.isyieldable",
                                    "coroutine.resume",
                                    "coroutine.running",
                                    "coroutine.status",
                                    "coroutine.wrap",
                                    "coroutine.yield",
                                    "math.abs",
                                    "math.acos",
                                    "math.asin",
                                    "math.atan",
                                    "math.ceil",
                                    "math.cos",
                                    "math.deg",
                                    "math.exp",
                                    "math.floor",
                                    "math.fmod",
                                    "math.huge",
                                    "math.log",
                                    "math.max",
                                    "math.maxinteger",
                                    "math.min",
                                    "math.mininteger",
                                    "math.modf",
                                    "math.pi",
                                    "math.rad",
                                    "math.random",
                                    "math.randomseed",
                                    "math.sin",
                                    "math.sqrt",
                                    "math.tan",
                                    "math.tointeger",
                                    "math.type",
                                    "math.ult",
                                    "os.clock",
                                    "os.date",
                                    "os.difftime",
                                    "os.time",
                                    "package.loaded",
                                    "package.preload",
                                    "string.byte",
                                    "string.char",
                                    "string.find",
                                    "string.format",
                                    "string.gmatch",
                                    "string.gsub",
                                    "string.len",
                                    "string.lower",
                                    "string.match",
                                    "string.pack",
                                    "string.packsize",
                                    "string.rep",
                                    "string.reverse",
                                    "string.sub",
                                    "string.unpack",
                                    "string.upper",
                                    "table.concat",
                                    "table.insert",
                                    "table.move",
                                    "table.pack",
                                    "table.remove",
                                    "table.sort",
                                    "table.unpack",
                                    "utf8.char",
                                    "utf8.charpattern",
                                    "utf8.codepoint",
                                    "utf8.codes",
                                    "utf8.len",
                                    "utf8.offset"};
#define COUNT(a) (sizeof(a) / sizeof *(a))

struct walk {
  lua_State *L;
  int seen; /* index of a table: what was visited */
  lua_CFunction functions[512];
  char paths[512][96];
  size_t n;
};

static void visit(struct walk *w, const char *path);

static void visit_table(struct walk *w, const char *path) {
  lua_State *L = w->L;
  int t = lua_gettop(L);
  char inner[96];
  for (lua_pushnil(L); lua_next(L, t);) {
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : luaL_typename(L, -2);
    snprintf(inner, sizeof inner, "%.60s%s%.30s", path, path[0] ? "." : "", key);
    visit(w, inner);
    lua_pushvalue(L, -1), visit(w, "a key");
  }
}

/* Visits the value on top, which it pops: tables, metatables (protected ones too), upvalues of Lua functions. */
static void visit(struct walk *w, const char *path) {
  lua_State *L = w->L;
  luaL_checkstack(L, 20, "walk");
  lua_pushvalue(L, -1);
  lua_pushvalue(L, -1);
  bool leaf = !lua_istable(L, -1) && !lua_isfunction(L, -1) && !lua_isuserdata(L, -1) && !lua_isthread(L, -1);
  if (leaf || (lua_rawget(L, w->seen), lua_toboolean(L, -1))) {
    lua_pop(L, 3);
    return;
  }
  lua_pop(L, 1), lua_pushboolean(L, 1), lua_rawset(L, w->seen);
  if (lua_iscfunction(L, -1)) {
    assert_true(w->n < COUNT(w->functions));
    w->functions[w->n] = lua_tocfunction(L, -1);
    snprintf(w->paths[w->n++], sizeof w->paths[0], "%s", path);
  } else if (lua_isfunction(L, -1)) {
    for (int i = 1; lua_getupvalue(L, -1, i); i++) visit(w, "upvalue");
  } else if (lua_istable(L, -1))
    visit_table(w, path);
  char inner[96];
  snprintf(inner, sizeof inner, "%.60s's metatable", path);
  if (lua_getmetatable(L, -1)) visit(w, inner);
  lua_pop(L, 1);
}

static int walk_all(lua_State *L) {
  struct walk *w = lua_touserdata(L, 1);
  w->L = L;
  lua_newtable(L);
  w->seen = lua_gettop(L);
  ump_vm_push_env(L), visit(w, "");
  lua_pushliteral(L, ""), lua_getmetatable(L, -1), lua_remove(L, -2), visit(w, "string metatable");
  return 0;
}

static bool is_named(const char *path) {
  for (size_t i = 0; i < COUNT(names); i++)
    if (strcmp(names[i], path) == 0) return true;
  return false;
}

/* What is reached besides the names: how undefined globals are caught, and Lua's arithmetic on strings. */
static bool is_expected(const char *path) {
  static const char *const more[] = {"'s metatable.__index",   "'s metatable.__newindex", "string metatable.__add",
                                     "string metatable.__sub", "string metatable.__mul",  "string metatable.__mod",
                                     "string metatable.__pow", "string metatable.__div",  "string metatable.__idiv",
                                     "string metatable.__unm"};
  for (size_t i = 0; i < COUNT(more); i++)
    if (strcmp(more[i], path) == 0) return true;
  return is_named(strncmp(path, "package.loaded.", 15) == 0 ? path + 15 : path) || is_named(path);
}

static void test_vm_nothing_else_can_be_reached(void **state) {
  (void)state;
  static struct walk w;
  struct vm_test t;
  vm_test_init(&t), vm_test_open(&t);
  memset(&w, 0, sizeof w);
  assert_int_equal(ump_vm_call(t.vm, walk_all, &w), 0);
  assert_in_range(w.n, 80, 120);
  for (size_t i = 0; i < w.n; i++)
    if (!is_expected(w.paths[i])) fail_msg("%s can be reached", w.paths[i]);
  for (size_t i = 0; i < COUNT(names); i++) {
    char text[256];
    snprintf(text, sizeof text, "local v = _G for k in ('%s'):gmatch('[^.]+') do v = rawget(v, k) end return v ~= nil",
             names[i]);
    vm_test_gives(&t, text, "true");
  }
  vm_test_close(&t);
}

/* By address: functions of Lua's own that must not be reached under whatever name. */
static void test_vm_dangerous_functions_cannot_be_reached(void **state) {
  (void)state;
  static const char *const dangerous[] = {"io",
                                          "os",
                                          "debug",
                                          "package",
                                          "dofile",
                                          "loadfile",
                                          "load",
                                          "collectgarbage",
                                          "print",
                                          "warn",
                                          "pcall",
                                          "xpcall",
                                          "setmetatable",
                                          "tostring",
                                          "require",
                                          "string.dump",
                                          "string.rep",
                                          "string.find",
                                          "string.match",
                                          "string.gmatch",
                                          "string.gsub",
                                          "string.format",
                                          "table.concat",
                                          "table.insert",
                                          "table.move",
                                          "table.remove",
                                          "table.sort",
                                          "table.unpack",
                                          "coroutine.create",
                                          "coroutine.resume",
                                          "coroutine.wrap",
                                          "coroutine.close",
                                          "math.random",
                                          "math.randomseed"};
  static struct walk w;
  struct vm_test t;
  vm_test_init(&t), vm_test_open(&t);
  memset(&w, 0, sizeof w);
  assert_int_equal(ump_vm_call(t.vm, walk_all, &w), 0);
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  size_t checked = 0;
  for (size_t i = 0; i < COUNT(dangerous); i++) {
    static struct walk stock;
    memset(&stock, 0, sizeof stock);
    stock.L = L;
    lua_settop(L, 0), lua_newtable(L), stock.seen = 1;
    if (strncmp(dangerous[i], "package", 7) == 0) lua_pushglobaltable(L), lua_pushboolean(L, 1), lua_rawset(L, 1);
    lua_getglobal(L, "package"), lua_getfield(L, -1, "loaded"), lua_pushboolean(L, 1), lua_rawset(L, 1);
    lua_settop(L, 1), lua_pushglobaltable(L);
    char name[32], *field;
    snprintf(name, sizeof name, "%s", dangerous[i]);
    if ((field = strchr(name, '.'))) *field++ = 0;
    lua_getfield(L, -1, name);
    if (field) lua_getfield(L, -1, field);
    visit(&stock, dangerous[i]);
    assert_true(stock.n > 0);
    for (size_t k = 0; k < stock.n; k++, checked++)
      for (size_t j = 0; j < w.n; j++)
        if (w.functions[j] == stock.functions[k]) fail_msg("Lua's own %s is reached as %s", stock.paths[k], w.paths[j]);
  }
  assert_true(checked > 70);
  lua_close(L);
  vm_test_close(&t);
}

/* ---- how it behaves: text, what it gives; or what its error says ---- */

struct row {
  const char *text, *gives, *fails;
};

static const struct row base_rows[] = {
    {"return rawget(_G, 'io')", "nil", 0},
    {"return rawget(_G, 'debug')", "nil", 0},
    {"return rawget(_G, 'dofile')", "nil", 0},
    {"return rawget(_G, 'loadfile')", "nil", 0},
    {"return rawget(_G, 'loadstring')", "nil", 0},
    {"return rawget(_G, 'unpack')", "nil", 0},
    {"return package.loadlib", "nil", 0},
    {"return package.searchers", "nil", 0},
    {"return package.path", "nil", 0},
    {"return package.cpath", "nil", 0},
    {"return string.dump", "nil", 0},
    {"return ('').dump", "nil", 0},
    {"return os.execute", "nil", 0},
    {"return os.exit", "nil", 0},
    {"return os.getenv", "nil", 0},
    {"return os.remove", "nil", 0},
    {"return os.rename", "nil", 0},
    {"return os.tmpname", "nil", 0},
    {"return os.setlocale", "nil", 0},
    {"return package.loaded.io", "nil", 0},
    {"return package.loaded.debug", "nil", 0},
    {"return package.loaded._G == _G", "true", 0},
    {"return package.loaded.string == string", "true", 0},
    {"return io", 0, "'io' is not there"},
    {"debug.sethook()", 0, "'debug' is not there"},
    {"dofile('/etc/passwd')", 0, "'dofile' is not there"},
    {"return nothing", 0, "test:1: undefined variable 'nothing'"},
    {"nothing = 1", 0, "test:1: assignment to undefined variable 'nothing'"},
    {"local function f()\nreturn plyaer.x\nend\nf()", 0, "test:2: undefined variable 'plyaer'"},
    {"_G.x = 1", 0, "assignment to undefined variable 'x'"},
    {"return _G[{}]", 0, "undefined variable 'table'"},
    {"return _G[1]", 0, "undefined variable '1'"},
    {"return _ENV.zzz", 0, "undefined variable 'zzz'"},
    {"rawset(_G, 'x', 5) return x", "5", 0},
    {"x = 6 return x", "6", 0},
    {"x = nil return x", 0, "undefined variable 'x'"},
    {"return getmetatable(_G)", "false", 0},
    {"setmetatable(_G, nil)", 0, "cannot change a protected metatable"},
    {"return getmetatable('')", "false", 0},
    {"setmetatable('', {})", 0, "table expected, got string"},
    {"getmetatable('').__index = {}", 0, "attempt to index a boolean value"},
    {"local _ENV = {} return x", "nil", 0},
    {"return setmetatable({}, {__gc = true})", 0, "'__gc' is not there in a rulebook"},
    {"return setmetatable({}, {__gc = false})", 0, "'__gc' is not there"},
    {"local m = {} setmetatable({}, m) m.__gc = print return setmetatable({}, m)", 0, "'__gc' is not there"},
    {"return setmetatable({}, setmetatable({}, {__index = {__gc = print}})) ~= nil", "true", 0},
    {"return getmetatable(setmetatable({}, {__metatable = 'mine'}))", "mine", 0},
    {"setmetatable(setmetatable({}, {__metatable = 1}), {})", 0, "cannot change a protected metatable"},
    {"setmetatable({}, 1)", 0, "bad argument #2 to 'setmetatable' (nil or table expected"},
    {"setmetatable(1, {})", 0, "bad argument #1 to 'setmetatable' (table expected, got number)"},
    {"return setmetatable({}, {__call = function() return 'called' end})()", "called", 0},
    {"return tostring({})", "table", 0},
    {"return tostring(print)", "function", 0},
    {"return tostring(coroutine.create(print))", "thread", 0},
    {"return tostring(setmetatable({}, {__name = 'Card'}))", "Card", 0},
    {"return tostring(setmetatable({}, {__name = 1}))", "table", 0},
    {"return tostring(setmetatable({}, {__tostring = function() return 'me' end}))", "me", 0},
    {"return tostring(setmetatable({}, {__tostring = function() return {} end}))", 0,
     "'__tostring' must return a string"},
    {"return tostring(1) .. tostring(1.0) .. tostring(nil) .. tostring(true)", "11.0niltrue", 0},
    {"tostring()", 0, "bad argument #1 to 'tostring' (value expected)"},
    {"return #(tostring(function() end) .. tostring(io == nil))", 0, "'io' is not there"},
    {"return select('#', pcall(error))", "2", 0},
    {"return select(2, pcall(error, {7}))[1]", "7", 0},
    {"return (select(2, pcall(error, nil)))", "nil", 0},
    {"return select(2, pcall(error, 'x', 0))", "x", 0},
    {"return select(2, pcall(error, 'x'))", "x", 0},
    {"return select('#', pcall(select, 2, 1, 2, 3))", "3", 0},
    {"pcall()", 0, "bad argument #1 to 'pcall' (value expected)"},
    {"return select(2, pcall(1))", "attempt to call a number value", 0},
    {"return select(2, xpcall(error, function(e) return e .. '!' end, 'x'))", "x!", 0},
    {"return (xpcall(function(...) return select('#', ...) end, print, 1, 2, 3))", "true", 0},
    {"return select(2, xpcall(function(...) return select('#', ...) end, print, 1, 2, 3))", "3", 0},
    {"xpcall(print)", 0, "bad argument #2 to 'xpcall' (function expected, got no value)"},
    {"return coroutine.wrap(function() return pcall(function() return coroutine.yield(1) end) end)()", "1", 0},
    {"local f = coroutine.wrap(function() return select(2, pcall(function() return coroutine.yield(1) + 1 end)) end) "
     "f() return f(4)",
     "5", 0},
    {"local f = coroutine.wrap(function() return select(2, pcall(function() coroutine.yield() error('e', 0) end)) end) "
     "f() return f()",
     "e", 0},
    {"local f = coroutine.wrap(function() return select(2, xpcall(function() coroutine.yield() error('e', 0) end, "
     "function(e) return 'h' .. e end)) end) f() return f()",
     "he", 0},
    {"return collectgarbage()", "0", 0},
    {"return type(collectgarbage('count'))", "number", 0},
    {"return collectgarbage('count') > 10", "true", 0},
    {"return type(collectgarbage('step'))", "boolean", 0},
    {"return collectgarbage('isrunning')", "true", 0},
    {"collectgarbage('stop')", 0, "collectgarbage 'stop' is not there"},
    {"collectgarbage('generational')", 0, "is not there in a rulebook"},
    {"collectgarbage('setpause', 1)", 0, "is not there"},
    {"return load('return 1 + 1')()", "2", 0},
    {"return select(2, load('return +'))", "[string \"return +\"]:1: unexpected symbol near '+'", 0},
    {"return select(2, load('x', 'name', 'b'))", "attempt to load a text chunk (mode is 'b')", 0},
    {"return select(2, load('\\27Lua'))", "attempt to load a binary chunk (mode is 't')", 0},
    {"return select(2, load('\\27Lua', 'x', 'bt'))", "attempt to load a binary chunk (mode is 't')", 0},
    {"return load('return a', 'n', 't', {a = 9})()", "9", 0},
    {"return load('return a', 'n', 't', nil)", "function", 0},
    {"return load('return undefined_thing')()", 0, "undefined variable 'undefined_thing'"},
    {"local i = 0 return load(function() i = i + 1 return ({'return ', '4', '2'})[i] end)()", "42", 0},
    {"return select(2, load(function() return {} end))", "test:1: reader function must return a string", 0},
    {"return select(2, load(function() error('inner', 0) end))", "inner", 0},
    {"load()", 0, "bad argument #1 to 'load'"},
    {"load(('x'):rep(1 << 20) .. 'y')", 0, "more than 1 MiB of text"},
    {"return load(('-'):rep(1 << 20)) ~= nil", "true", 0},
    {"return _ENV == _G", "true", 0},
    {"return _VERSION", "Lua 5.4", 0},
    {"return rawequal(_G, _G._G)", "true", 0},
    {"return rawlen({1, 2})", "2", 0},
    {"return next({})", "nil", 0},
    {"return tonumber('0x10') + tonumber('7', 8)", "23", 0},
    {"return math.type(3 // 1) .. math.type(3.0)", "integerfloat", 0},
    {"return '10' + 5", "15", 0},
    {"return 10 .. ''", "10", 0},
    {"goto done do return 1 end ::done:: return 2", "2", 0},
    {"local x <const> = 1 return x", "1", 0},
    {"local a <close> = nil return 3", "3", 0},
    {"local t = {} do local x <close> = setmetatable({}, {__close = function() t.closed = 'yes' end}) end return "
     "t.closed",
     "yes", 0},
};

static const struct row string_rows[] = {
    {"return ('ab'):rep(3, ',')", "ab,ab,ab", 0},
    {"return ('x'):rep(0)", "", 0},
    {"return ('x'):rep(-1)", "", 0},
    {"return ('').rep('', 1 << 62)", "", 0},
    {"return ('').rep('', 3, 'x')", "xx", 0},
    {"return #('x'):rep(1 << 20)", "1048576", 0},
    {"return ('x'):rep((1 << 20) + 1)", 0, "resulting string too large"},
    {"return ('x'):rep(1 << 62)", 0, "resulting string too large"},
    {"return ('xx'):rep(math.maxinteger)", 0, "resulting string too large"},
    {"return ('x'):rep('y')", 0, "bad argument #1 to 'rep' (number expected, got string)"},
    {"return string.format('%5d|%-5s|%05.1f|%x|%q', 42, 'ab', 3.14159, 255, 'a\\n')", "   42|ab   |003.1|ff|\"a\\\n\"",
     0},
    {"return string.format('%s %s', {}, print)", "table function", 0},
    {"return string.format('%s', setmetatable({}, {__tostring = function() return 'T' end}))", "T", 0},
    {"return string.format('%10.3s|', 'abcdef')", "       abc|", 0},
    {"return string.format('%%')", "%", 0},
    {"return string.format('%p', {})", 0, "addresses are not shown"},
    {"return string.format('%-10p', {})", 0, "addresses"},
    {"return string.format('%%p')", "%p", 0},
    {"return string.format('%d', 1.5)", 0, "number has no integer representation"},
    {"return string.format('%d', 'x')", 0, "bad argument #2 to 'format' (number expected, got string)"},
    {"return string.format('%s')", 0, "bad argument #2 to 'format' (no value)"},
    {"return string.format('%y', 1)", 0, "invalid conversion '%y' to 'format'"},
    {"return string.format('%100d', 1)", 0, "invalid"},
    {"return string.format('%.100f', 1)", 0, "invalid"},
    {"return string.format('%', 1)", 0, "invalid conversion '%' to 'format'"},
    {"return #string.format('%99.99f', -1e308)", "410", 0},
    {"return string.format('%c%c', 65, 66)", "AB", 0},
    {"return string.format('%i', 3.0)", "3", 0},
    {"return string.format('%a', 1)", "0x1p+0", 0},
    {"return string.format('%q', {})", 0, "value has no literal form"},
    {"return string.format('%q', 1 / 3)", "0x1.5555555555555p-2", 0},
    {"return string.unpack('<i4', string.pack('<i4', -7))", "-7", 0},
    {"return string.packsize('i4i8')", "12", 0},
    {"return #string.pack('z', 'abc')", "4", 0},
    {"return ('abc'):byte(1, -1)", "97", 0},
    {"return ('x'):rep(1000000):byte(1, -1)", 0, "string slice too long"},
    {"return ('abc'):upper():lower():reverse()", "cba", 0},
    {"return ('hello'):sub(2, -2)", "ell", 0},
    {"return ('k=v'):match('(%w)=(%w)')", "k", 0},
    {"return ('abc'):gsub('%w', '%0%0')", "aabbcc", 0},
    {"return ('abc'):gsub('%w', {a = 1, b = true})", 0, "invalid replacement value (a boolean)"},
    {"return ('abc'):gsub('b', print)", "abc", 0},
    {"return ('abc'):gsub('b', nil)", 0, "string/function/table expected, got nil"},
    {"return ('abc'):gsub('(b', '%1')", 0, "unfinished capture"},
    {"return ('a.b'):find('.', 1, true)", "2", 0},
    {"return ('a'):find('')", "1", 0},
    {"return ('a'):find('', 2)", "2", 0},
    {"return ('a'):find('', 3)", "nil", 0},
    {"return ('a\\0b'):find('\\0')", "2", 0},
    {"return ('x'):gmatch('x')()", "x", 0},
    {"return ('x'):gmatch('y')()", "nil", 0},
    {"local n = 0 for k, v in ('a=1,b=2'):gmatch('(%w)=(%w)') do n = n + v end return n", "3", 0},
    {"return ('abc'):find(nil)", 0, "bad argument #1 to 'find' (string expected, got nil)"},
    {"return string.find()", 0, "bad argument #1 to 'find' (string expected, got no value)"},
    {"return (''):gsub('', 'x')", "x", 0},
    {"return utf8.char(228, 8364)", "\xc3\xa4\xe2\x82\xac", 0},
    {"return utf8.len('\\xff')", "nil", 0},
    {"local n = 0 for _, c in utf8.codes('h\xc3\xa4') do n = n + c end return n", "332", 0},
};

static const struct row table_rows[] = {
    {"return table.concat({1, 2, 'x'}, '-')", "1-2-x", 0},
    {"return table.concat({}, 'x')", "", 0},
    {"return table.concat({1, {}, 3})", 0, "invalid value (at index 2) in table for 'concat'"},
    {"return table.concat({1, 2, 3}, ',', 2, 3)", "2,3", 0},
    {"return table.concat({}, 'x', 1, 0)", "", 0},
    {"return table.concat({}, 'x', 1, 2)", 0, "invalid value (at index 1)"},
    {"return table.concat({}, 'x', 1, 1 << 40)", 0,
     "table.concat: this would touch 1099511627776 elements, and a call may touch 100000"},
    {"return table.concat({}, 'x', math.mininteger, math.maxinteger)", 0, "table.concat: this would touch"},
    {"return table.concat({[math.maxinteger] = 'm'}, '', math.maxinteger, math.maxinteger)", "m", 0},
    {"return table.concat(1)", 0, "bad argument #1 to 'concat' (table expected, got number)"},
    {"local t = {1, 2} table.insert(t, 3) return #t", "3", 0},
    {"local t = {1, 2} table.insert(t, 1, 0) return table.concat(t)", "012", 0},
    {"table.insert({1, 2}, 9, 0)", 0, "bad argument #2 to 'insert' (position out of bounds)"},
    {"table.insert({}, 1, 2, 3)", 0, "wrong number of arguments to 'insert'"},
    {"table.insert({})", 0, "wrong number of arguments"},
    {"table.insert(nil, 1)", 0, "bad argument #1 to 'insert' (table expected, got nil)"},
    {"table.insert(setmetatable({}, {__len = function() return 'x' end}), 1)", 0, "object length is not an integer"},
    {"local t = {1, 2, 3} return table.remove(t, 1) .. table.concat(t)", "123", 0},
    {"return table.remove({})", "nil", 0},
    {"return table.remove({}, 0)", "nil", 0},
    {"table.remove({1, 2}, 7)", 0, "position out of bounds"},
    {"local t = {1, 2, 3} return table.remove(t) .. #t", "32", 0},
    {"return table.remove({1, 2}, 3)", "nil", 0},
    {"return table.concat(table.move({1, 2, 3}, 1, 3, 2))", "1123", 0},
    {"return table.concat(table.move({1, 2, 3}, 2, 3, 1))", "233", 0},
    {"return table.concat(table.move({1, 2}, 1, 2, 1, {}))", "12", 0},
    {"table.move({}, 1, math.maxinteger, 2)", 0, "destination wrap around"},
    {"table.move({}, math.mininteger, 0, 2)", 0, "too many elements to move"},
    {"table.move({}, 1, 1e9, 2)", 0, "table.move: this would touch"},
    {"return #table.move({}, 1, 0, 1)", "0", 0},
    {"return select('#', table.unpack({}, 1, 3))", "3", 0},
    {"return table.unpack({1, 2, 3}, 2)", "2", 0},
    {"table.unpack({}, 1, 1e8)", 0, "too many results to unpack"},
    {"table.unpack({}, math.mininteger, math.maxinteger)", 0, "too many results to unpack"},
    {"return select('#', table.unpack({}, 2, 1))", "0", 0},
    {"return table.pack(1, nil, 3).n", "3", 0},
    {"local t = {3, 1, 2} table.sort(t) return table.concat(t)", "123", 0},
    {"local t = {3, 1, 2} table.sort(t, function(a, b) return a > b end) return table.concat(t)", "321", 0},
    {"local t = {'b', 'a', 'C'} table.sort(t) return table.concat(t)", "Cab", 0},
    {"table.sort({1, 'x'})", 0, "attempt to compare string with number"},
    {"table.sort({1, 2}, 1)", 0, "bad argument #2 to 'sort' (function expected, got number)"},
    {"table.sort({{}, {}})", 0, "attempt to compare two table values"},
    {"table.sort({1, 2, 3}, function() error('mine', 0) end)", 0, "mine"},
    {"local t = {1, 2, 3, 4, 5} table.sort(t, function() return true end) return #t", "5", 0},
    {"local t = {5, 4, 3, 2, 1} pcall(table.sort, t, function(a, b) if a == 3 then error() end return a < b end) "
     "return table.concat(t)",
     "54321", 0},
    {"local t = {} for i = 1, 100 do t[i] = {k = i % 3, i = i} end table.sort(t, function(a, b) return a.k < b.k end) "
     "for i = 2, 100 do local a, b = t[i - 1], t[i] if a.k > b.k or (a.k == b.k and a.i > b.i) then return i end end "
     "return 'stable'",
     "stable", 0},
    {"local t = {} for i = 1, 5000 do t[i] = math.random(1000) end table.sort(t) for i = 2, 5000 do if t[i - 1] > t[i] "
     "then "
     "return i end end return 'sorted'",
     "sorted", 0},
    {"local log = {} local t = setmetatable({}, {__len = function() return 2 end, __index = function(_, k) return 3 - "
     "k end, "
     "__newindex = function(_, k, v) log[#log + 1] = k .. '=' .. v end}) table.sort(t) return table.concat(log, ' ')",
     "1=1 2=2", 0},
    {"table.sort(setmetatable({}, {__len = function() return 1 << 30 end}))", 0, "table.sort: this would touch"},
    {"local t = setmetatable({}, {__index = function(_, k) return k <= 3 and k or nil end, __len = function() return 3 "
     "end}) "
     "return table.concat(t, ',')",
     "1,2,3", 0},
};

static const struct row host_rows[] = {
    {"return os.time()", "1700000000", 0},
    {"return os.clock()", "5.0", 0},
    {"return os.date('%Y-%m-%d %H:%M:%S')", "2023-11-14 22:13:20", 0},
    {"return os.date('!%c', 0)", "Thu Jan  1 00:00:00 1970", 0},
    {"return os.date('*t', 86399).hour", "23", 0},
    {"return os.date('*t', -1).year", "1969", 0},
    {"return os.date('%A %j %Z %z', 951782400)", "Tuesday 060 UTC +0000", 0},
    {"return os.date('%Ez')", 0, "invalid conversion specifier '%E'"},
    {"return os.date('%')", 0, "invalid conversion specifier"},
    {"return os.date('%Q')", 0, "invalid conversion specifier '%Q'"},
    {"return os.date('*t', 1e18 // 1 | 0)", 0, "cannot be represented"},
    {"return os.time({year = 2000, month = 3, day = 1, hour = 0})", "951868800", 0},
    {"return os.time({year = 2000, month = 14, day = -3, hour = 0})", "980640000", 0},
    {"return os.time({year = 2000})", 0, "field 'month' missing in date table"},
    {"return os.time({year = 'x', month = 1, day = 1})", 0, "field 'year' is not an integer"},
    {"return os.time({year = 1 << 40, month = 1, day = 1})", 0, "field 'year' is out-of-bound"},
    {"return os.time({year = 999999999, month = 1, day = 1})", 0, "cannot be represented"},
    {"local t = {year = 2023, month = 1, day = 32} os.time(t) return t.month .. '/' .. t.day", "2/1", 0},
    {"for i = -3000, 3000 do local s = i * 86400 * 37 + i * 61 if os.time(os.date('*t', s)) ~= s then return s end end "
     "return 'same'",
     "same", 0},
    {"return os.difftime(5, 3)", "2.0", 0},
    {"local r = math.random() return r >= 0 and r < 1", "true", 0},
    {"for i = 1, 1000 do local r = math.random(6) if r < 1 or r > 6 then return r end end return 'fair'", "fair", 0},
    {"return math.random(3, 3)", "3", 0},
    {"math.random(2, 1)", 0, "bad argument #2 to 'random' (interval is empty)"},
    {"math.random(-1)", 0, "interval is empty"},
    {"return math.type(math.random(0))", "integer", 0},
    {"return math.type(math.random(math.mininteger, math.maxinteger))", "integer", 0},
    {"math.random(1, 2, 3)", 0, "wrong number of arguments"},
    {"math.randomseed(os.time()) return 'harmless'", "harmless", 0},
    {"return coroutine.isyieldable()", "false", 0},
    {"return select(2, coroutine.running())", "true", 0},
    {"return coroutine.status(coroutine.create(print))", "suspended", 0},
    {"return select(2, coroutine.resume(coroutine.create(error), 'x'))", "x", 0},
    {"coroutine.yield()", 0, "attempt to yield from outside a coroutine"},
    {"coroutine.resume(1)", 0, "bad argument #1 to 'resume' (coroutine expected"},
    {"coroutine.create(1)", 0, "function expected"},
    {"local co = coroutine.create(print) coroutine.resume(co) return select(2, coroutine.resume(co))",
     "cannot resume dead coroutine", 0},
    {"return select(2, coroutine.resume(coroutine.running()))", "cannot resume non-suspended coroutine", 0},
    {"local f = coroutine.wrap(error) f('text')", 0, "text"},
    {"local f = coroutine.wrap(function() error('here') end) f()", 0, "test:1: here"},
    {"local f f = coroutine.wrap(function() f() end) f()", 0, "cannot resume non-suspended coroutine"},
    {"local co = coroutine.create(function() local x <close> = setmetatable({}, {__close = function() error('c', 0) "
     "end}) "
     "coroutine.yield() end) coroutine.resume(co) return select(2, coroutine.close(co))",
     "c", 0},
    {"local co = coroutine.create(function() error('gone', 0) end) coroutine.resume(co) return select(2, "
     "coroutine.close(co))",
     "gone", 0},
    {"local co = coroutine.create(print) return tostring(coroutine.close(co)) .. coroutine.status(co)", "truedead", 0},
    {"coroutine.close(coroutine.running())", 0, "cannot close a running coroutine"},
    {"local co co = coroutine.create(function() return coroutine.wrap(function() return pcall(coroutine.close, co) "
     "end)() end) "
     "return select(3, coroutine.resume(co))",
     "cannot close a normal coroutine", 0},
    {"local closed = 0 local f = coroutine.wrap(function() local x <close> = setmetatable({}, {__close = function(_, "
     "e) "
     "closed = closed + (e == 'boom' and 1 or 100) end}) error('boom', 0) end) pcall(f) return closed",
     "1", 0},
    {"local f = coroutine.wrap(function() local x <close> = setmetatable({}, {__close = function() error('second', 0) "
     "end}) "
     "error('first', 0) end) return select(2, pcall(f))",
     "second", 0},
    /* each was resumed from the top, so none knows how deep it is closed; it must not reach the end of the C stack */
    {"local cos = {} for i = 1, 30000 do cos[i] = coroutine.create(function() local x <close> = setmetatable({}, "
     "{__close = "
     "function() if cos[i + 1] then assert(coroutine.close(cos[i + 1])) end end}) coroutine.yield() end) "
     "coroutine.resume(cos[i]) end "
     "return select(2, coroutine.close(cos[1])):match('C stack overflow')",
     "C stack overflow", 0},
    {"local function f() return coroutine.wrap(f)() end return select(2, pcall(f)):match('C stack overflow')",
     "C stack overflow", 0},
    {"print('a', 1, nil, {}) warn('w', 1) return 'done'", "done", 0},
    {"warn({})", 0, "string expected, got table"},
};

/* Goes through all rows before it fails, so that one look shows everything. */
static void run_rows(struct vm_test *t, const struct row *rows, size_t n) {
  size_t wrong = 0;
  for (size_t i = 0; i < n; i++) {
    char got[1024];
    int status = vm_test_run_for(t, rows[i].text, 0, got, sizeof got);
    const char *says = status ? vm_test_error(t) : got;
    bool right = rows[i].fails ? status == UMP_VM_EERROR && strstr(says, rows[i].fails)
                               : status == 0 && strcmp(says, rows[i].gives) == 0;
    if (!right)
      print_error("%s\n  should %s %s\n  %s %s\n", rows[i].text, rows[i].fails ? "fail with" : "give",
                  rows[i].fails ? rows[i].fails : rows[i].gives, status ? "fails with" : "gives", says);
    wrong += !right;
  }
  assert_int_equal(wrong, 0);
}

static void test_vm_behaves_as_its_authors_expect(void **state) {
  (void)state;
  struct vm_test t;
  vm_test_init(&t);
  t.cfg.memory = 256 << 20, t.cfg.instructions = 100000000;
  vm_test_open(&t);
  run_rows(&t, base_rows, COUNT(base_rows));
  run_rows(&t, string_rows, COUNT(string_rows));
  run_rows(&t, table_rows, COUNT(table_rows));
  run_rows(&t, host_rows, COUNT(host_rows));
  assert_string_equal(testing_log_last(&t.log, "print")->text, "a\t1\tnil\ttable");
  assert_string_equal(testing_log_last(&t.log, "warn")->text, "w1");
  vm_test_close(&t);
}

static void test_vm_long_lines_are_cut_in_the_log(void **state) {
  (void)state;
  struct vm_test t;
  vm_test_init(&t), vm_test_open(&t);
  vm_test_gives(&t, "print(('x'):rep(1 << 20)) for i = 1, 10 do print(table.unpack({}, 1, 9999)) end return 1", "1");
  assert_int_equal(testing_log_count(&t.log, "print"), 11);
  vm_test_close(&t);
}

static void test_vm_chance_comes_from_the_seed(void **state) {
  (void)state;
  char first[1024], got[1024];
  struct vm_test t;
  for (int i = 0; i < 2; i++) {
    vm_test_init(&t), vm_test_open(&t);
    const char *text = "local t = {} for i = 1, 20 do t[i] = math.random(1000) end return table.concat(t, ' ')";
    assert_int_equal(vm_test_run_for(&t, text, 0, i ? got : first, sizeof got), 0);
    vm_test_close(&t);
  }
  assert_string_equal(first, got);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_vm_nothing_else_can_be_reached),
      cmocka_unit_test(test_vm_dangerous_functions_cannot_be_reached),
      cmocka_unit_test(test_vm_behaves_as_its_authors_expect),
      cmocka_unit_test(test_vm_long_lines_are_cut_in_the_log),
      cmocka_unit_test(test_vm_chance_comes_from_the_seed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
