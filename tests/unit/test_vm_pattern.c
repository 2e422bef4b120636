/* The pattern functions against Lua's own: the same calls, thousands of them made from a seed, must give the same
 * results and the same errors in the sandbox and in a plain Lua. And what the plain one cannot do: end in time. */
#include "vm_testing.h"

#include <lualib.h>

/* Runs every kind of call on (subject, pattern, replacement, init) and describes all results in one string. */
static const char describe[] =
    "local find, match, gmatch, gsub = string.find, string.match, string.gmatch, string.gsub\n"
    "local function show(ok, ...)\n"
    "  local out = { tostring(ok) }\n"
    "  for i = 1, select('#', ...) do\n"
    "    local v = select(i, ...)\n"
    "    out[#out + 1] = type(v) == 'string' and '\"' .. v .. '\"' or tostring(v)\n"
    "  end\n"
    "  return table.concat(out, ' ')\n"
    "end\n"
    "local function all(s, p)\n"
    "  local out = {}\n"
    "  for a, b, c in gmatch(s, p) do out[#out + 1] = show(a, b, c) if #out > 50 then break end end\n"
    "  return table.concat(out, ',')\n"
    "end\n"
    "return function(s, p, r, init, max)\n"
    "  local known = setmetatable({}, { __index = function(_, k) return k ~= 'a' and ('<' .. tostring(k) .. '>') end "
    "})\n"
    "  return table.concat({ 'find', show(pcall(find, s, p, init)), 'plain', show(pcall(find, s, p, init, true)),\n"
    "    'match', show(pcall(match, s, p, init)), 'gmatch', show(pcall(all, s, p)),\n"
    "    'gsub', show(pcall(gsub, s, p, r, max)), 'function', show(pcall(gsub, s, p, function(a, b)\n"
    "      if b then return b .. a end return a ~= '' and a .. '!' end)),\n"
    "    'table', show(pcall(gsub, s, p, known)) }, '\\n')\n"
    "end\n";

struct call {
  const char *s, *p, *r;
  size_t s_n, p_n, r_n;
  lua_Integer init, max;
  char out[65536];
  size_t out_n;
};

/* stack: function */
static void describe_call(lua_State *L, struct call *c) {
  lua_pushlstring(L, c->s, c->s_n);
  lua_pushlstring(L, c->p, c->p_n);
  lua_pushlstring(L, c->r, c->r_n);
  lua_pushinteger(L, c->init);
  if (c->max < 0)
    lua_pushnil(L);
  else
    lua_pushinteger(L, c->max);
  lua_call(L, 5, 1);
  const char *text = lua_tolstring(L, -1, &c->out_n);
  assert_true(c->out_n < sizeof c->out);
  memcpy(c->out, text, c->out_n + 1);
}

static int sandbox_load(lua_State *L) {
  if (luaL_loadstring(L, describe)) return lua_error(L);
  lua_call(L, 0, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, "describe");
  return 0;
}

static int sandbox_call(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, "describe");
  describe_call(L, lua_touserdata(L, 1));
  return 0;
}

static uint32_t below(struct testing_rng *r, uint32_t n) {
  return (uint32_t)ump_rng_below(&r->rng, n);
}

static size_t make_text(struct testing_rng *r, char *out, size_t max, const char *const *parts, uint32_t n_parts) {
  size_t n = 0;
  for (size_t i = below(r, (uint32_t)max / 4); i > 0; i--) {
    const char *part = parts[below(r, n_parts)];
    size_t len = part[0] ? strlen(part) : 1; /* "": a NUL byte */
    if (n + len > max) break;
    memcpy(out + n, part, len), n += len;
  }
  return n;
}

static const char *const subject_parts[] = {"a", "b",  "ab",   "aa",     "x",
                                            "(", ")",  "[",    "]",      "%",
                                            " ", "\n", "1",    "23",     ".",
                                            "-", "^",  "$",    "A",      "Bc",
                                            "_", "",   "\xe4", "((a)b)", "THE (quick) fox"};
static const char *const pattern_parts[] = {
    "a",    "b",      "x",      ".",   "%a",     "%d",   "%s",   "%w",     "%W",   "%p", "%x",   "%g",   "%c",
    "%l",   "%u",     "%D",     "%%",  "%.",     "*",    "+",    "-",      "?",    "(",  ")",    "()",   "[ab]",
    "[^a]", "[a-c]",  "[%w_]",  "[]]", "[^]]",   "[a-]", "[-a]", "[%a-z]", "[",    "]",  "%b()", "%bxx", "%bab",
    "%b",   "%f[%w]", "%f[^a]", "%f",  "%f[%z]", "%1",   "%2",   "%0",     "^",    "$",  "%",    "",     "(a*)",
    "(.-)", "(%w+)",  "(()a)",  "a-b", ".-",     ".*",   "%s*",  "[^%s]+", "[%]]", "[%", "%z",   "%Q",   "q"};
static const char *const replacement_parts[] = {"a", "<", ">", "%0", "%1", "%2", "%3", "%9", "%%", "%", "%a", "", "xy"};
#define COUNT(a) (uint32_t)(sizeof(a) / sizeof *(a))

static void print_bytes(const char *what, const char *s, size_t n) {
  print_error("%s: ", what);
  for (size_t i = 0; i < n; i++) print_error(s[i] >= 32 && s[i] < 127 ? "%c" : "\\x%02x", (unsigned char)s[i]);
  print_error("\n");
}

static void compare(struct vm_test *t, lua_State *plain, struct call *c) {
  static struct call expected;
  expected = *c;
  lua_settop(plain, 1);
  lua_pushvalue(plain, 1);
  describe_call(plain, &expected);
  assert_int_equal(ump_vm_call(t->vm, sandbox_call, c), 0);
  if (c->out_n == expected.out_n && memcmp(c->out, expected.out, c->out_n) == 0) return;
  print_bytes("subject", c->s, c->s_n), print_bytes("pattern", c->p, c->p_n), print_bytes("replacement", c->r, c->r_n);
  fail_msg("init %d, max %d\nLua:\n%s\nours:\n%s", (int)c->init, (int)c->max, expected.out, c->out);
}

static void test_vm_patterns_do_as_lua_does(void **state) {
  (void)state;
  enum { CALLS = 40000 };
  static struct call c;
  struct vm_test t;
  struct testing_rng r;
  char s[128], p[64], replacement[24];
  vm_test_init(&t), vm_test_open(&t);
  testing_rng_init(&r, 20240607);
  lua_State *plain = luaL_newstate();
  luaL_openlibs(plain);
  assert_int_equal(luaL_loadstring(plain, describe), LUA_OK);
  lua_call(plain, 0, 1);
  assert_int_equal(ump_vm_call(t.vm, sandbox_load, NULL), 0);
  for (int i = 0; i < CALLS; i++) {
    c.s = s, c.s_n = make_text(&r, s, sizeof s, subject_parts, COUNT(subject_parts));
    c.p = p, c.p_n = make_text(&r, p, sizeof p / 2, pattern_parts, COUNT(pattern_parts));
    c.r = replacement,
    c.r_n = make_text(&r, replacement, sizeof replacement, replacement_parts, COUNT(replacement_parts));
    c.init = (lua_Integer)below(&r, 12) - 4, c.max = (lua_Integer)below(&r, 6) - 3;
    compare(&t, plain, &c);
  }
  lua_close(plain);
  vm_test_close(&t);
}

/* What the random ones hit too seldom. */
static void test_vm_patterns_do_as_lua_does_in_hard_cases(void **state) {
  (void)state;
  static const struct {
    const char *s, *p;
  } cases[] = {{"alo", "(%0)"},
               {"alo", "(%1)"},
               {"alo", "(a"},
               {"alo", "a)"},
               {"alo", "%a%"},
               {"alo", "[a"},
               {"alo", "[]"},
               {"alo", "[^]"},
               {"alo", "[a%]"},
               {"alo", "%b"},
               {"alo", "%ba"},
               {"alo", "%f"},
               {"", ""},
               {"", "^$"},
               {"x", "^"},
               {"x", "$"},
               {"a$b", "a$b"},
               {"hello world", "(o)( )(w)%1"},
               {"  trim  ", "^%s*(.-)%s*$"},
               {"aXb", "%u"},
               {"key = value", "(%w+) = (%w+)"},
               {"f(a(b)c)d", "%b()"},
               {"THE (quick) fox", "%f[%a]%a+%f[%A]"},
               {"abc", "()"},
               {"abc", "()b()"},
               {"2024-01-02", "(%d+)-(%d+)-(%d+)"},
               {"a,b,,c", "([^,]*)"},
               {"aaab", ".-b"},
               {"aaa", "a-"},
               {"\r\n", "\r?\n"},
               {"]]", "[]]+"},
               {"a-z", "[a-]+"},
               {"^a", "[%^a]+"},
               {"xyzzy", "(z)%1"},
               {"(((", "%b(("}};
  static struct call c;
  struct vm_test t;
  vm_test_init(&t), vm_test_open(&t);
  lua_State *plain = luaL_newstate();
  luaL_openlibs(plain);
  assert_int_equal(luaL_loadstring(plain, describe), LUA_OK);
  lua_call(plain, 0, 1);
  assert_int_equal(ump_vm_call(t.vm, sandbox_load, NULL), 0);
  char deep[700], many[80] = "";
  for (size_t i = 0; i < 300; i++) deep[2 * i] = 'a', deep[2 * i + 1] = '?';
  for (size_t i = 0; i < 33; i++) memcpy(many + 2 * i, "()", 2);
  for (size_t i = 0; i < COUNT(cases) + 4; i++) {
    size_t k = i - COUNT(cases);
    c.s = i < COUNT(cases) ? cases[i].s : "aaaa", c.p = i < COUNT(cases) ? cases[i].p : k < 2 ? deep : many;
    c.s_n = strlen(c.s), c.p_n = i < COUNT(cases) ? strlen(c.p) : k == 0 ? 400 : k == 1 ? 398 : k == 2 ? 64 : 66;
    for (c.init = -5; c.init < 6; c.init++) c.r = "%1", c.r_n = 2, c.max = -1, compare(&t, plain, &c);
  }
  lua_close(plain);
  vm_test_close(&t);
}

static void test_vm_costly_patterns_are_ended(void **state) {
  (void)state;
  static const char *const costly[] = {"return ('a'):rep(3000):find(('.-'):rep(6) .. 'b')",
                                       "return ('a'):rep(3000):match(('a*'):rep(8) .. 'b')",
                                       "return ('a'):rep(3000):gsub(('a?'):rep(60) .. ('a'):rep(60) .. 'c', '')",
                                       "for _ in (' '):rep(64 * 1024):gmatch('(.-)%s*$x') do end",
                                       "return (' '):rep(64 * 1024):match('^(.-)%s*$x')",
                                       "return ('('):rep(20000):find('%b()')",
                                       "return (('a'):rep(9000)):find('(a*)(a*)%1%2b')"};
  struct vm_test t;
  vm_test_init(&t), vm_test_open(&t);
  for (size_t i = 0; i < COUNT(costly); i++)
    vm_test_fails(&t, costly[i], UMP_VM_EERROR, "is too costly for this text of ");
  vm_test_fails(&t, costly[0], UMP_VM_EERROR,
                "test:1: the pattern '.-.-.-.-.-.-b' is too costly for this text of 3000 bytes");
  vm_test_gives(&t, "return (('a'):rep(200000)):gsub('a', 'b') == ('b'):rep(200000)", "true");
  vm_test_gives(&t, "return (('x'):rep(1 << 19)):find(('x'):rep(1 << 18) .. 'y', 1, true)", "nil");
  vm_test_close(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_vm_patterns_do_as_lua_does),
      cmocka_unit_test(test_vm_patterns_do_as_lua_does_in_hard_cases),
      cmocka_unit_test(test_vm_costly_patterns_are_ended),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
