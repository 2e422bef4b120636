/* JSON for rules: exact for every 64-bit integer and every finite double, lists stay lists, null is null. */
#include "vm_testing.h"

#include <malloc.h>
#include <math.h>

#include "bindings/json_lua.h"
#include "bindings/value.h"
#include "codec/json.h"

struct json_test {
  struct vm_test vm;
  struct testing_mem mem;
  struct ump_json_lua json;
};

static struct json_test *test_of(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

static int lua_decode(lua_State *L) {
  struct json_test *t = test_of(L);
  struct ump_json_value top;
  size_t n;
  const char *s = luaL_checklstring(L, 1, &n);
  if (ump_json_check(ump_bytes(s, n), &top, NULL)) return luaL_error(L, "the checker refuses %s", s);
  ump_json_lua_push(L, &t->json, top.raw, top.holds);
  return 1;
}

static int lua_encode(lua_State *L) {
  struct json_test *t = test_of(L);
  struct ump_json_value top;
  struct ump_bytes text = ump_json_lua_text(L, &t->json, 1, "data");
  if (ump_json_check(text, &top, NULL))
    return luaL_error(L, "the checker refuses what was made: %s", lua_tostring(L, -1));
  return 1;
}

static int lua_array(lua_State *L) {
  ump_value_mark_array(L, 1);
  return 1;
}

static int lua_is_array(lua_State *L) {
  return lua_pushboolean(L, ump_value_is_array(L, 1)), 1;
}

static int open_body(lua_State *L) {
  struct json_test *t = lua_touserdata(L, 1);
  static const luaL_Reg functions[] = {
      {"decode", lua_decode}, {"encode", lua_encode}, {"array", lua_array}, {"is_array", lua_is_array}, {NULL, NULL}};
  ump_value_open(L);
  ump_json_lua_open(L, &t->json, &t->vm.cfg.rng);
  ump_vm_push_env(L);
  for (const luaL_Reg *f = functions; f->name; f++) {
    lua_pushstring(L, f->name);
    lua_pushlightuserdata(L, t);
    lua_pushcclosure(L, f->func, 1);
    lua_rawset(L, -3);
  }
  lua_pushliteral(L, "null");
  lua_pushlightuserdata(L, NULL);
  lua_rawset(L, -3);
  return 0;
}

static void start(struct json_test *t) {
  memset(t, 0, sizeof *t);
  vm_test_init(&t->vm);
  testing_mem_init(&t->mem);
  t->json.scratch = ump_buf(&t->mem.mem, 0);
  vm_test_open(&t->vm);
  if (ump_vm_call(t->vm.vm, open_body, t)) fail_msg("%s", vm_test_error(&t->vm));
}

static void end(struct json_test *t) {
  vm_test_close(&t->vm);
  ump_buf_free(&t->json.scratch);
  testing_mem_assert_empty(&t->mem);
}

static void gives(struct json_test *t, const char *const (*cases)[2], size_t n) {
  for (size_t i = 0; i < n; i++) vm_test_gives(&t->vm, cases[i][0], cases[i][1]);
}
#define GIVES(t, cases) gives(t, cases, sizeof(cases) / sizeof *(cases))

static void test_json_lua_decodes_numbers_by_how_they_are_written(void **state) {
  (void)state;
  struct json_test t;
  start(&t);
  static const char *const cases[][2] = {
      {"return math.type(decode '1')", "integer"},
      {"return math.type(decode '1.0')", "float"},
      {"return math.type(decode '[1]'[1])", "integer"},
      {"return math.type(decode '[ -7 , 2 ]'[1])", "integer"},
      {"local v = decode '[ -7 ,\\n2 ]' return v[1] * 100 + v[2]", "-698"},
      {"return math.type(decode '[1.0]'[1])", "float"},
      {"return math.type(decode '{\"a\":{\"b\":[3]}}'.a.b[1])", "integer"},
      {"return math.type(decode '{\"a\":1e3}'.a)", "float"},
      {"return math.type(decode '{\"a\":1.5,\"b\":2}'.b)", "integer"},
      {"return decode '[9223372036854775807]'[1] == math.maxinteger", "true"},
      {"return decode '{\"a\":-9223372036854775808}'.a == math.mininteger", "true"},
      {"return decode '9007199254740993'", "9007199254740993"},
      {"return decode '{\"a\":9007199254740993}'.a", "9007199254740993"},
      {"return math.type(decode '[9223372036854775808]'[1])", "float"},
      {"return decode '[-9223372036854775809, 1]'[1] == -2.0^63", "true"},
      {"return math.type(decode '[-9223372036854775809, 1]'[1])", "float"},
      {"return decode '[18446744073709551616, 1.0]'[1] == 2.0^64", "true"},
      {"return decode '[0.1]'[1] == 0.1", "true"},
      {"return 1 / decode '[-0.0]'[1] < 0", "true"},
      {"return #decode '[1,2,3,4,5,6,7,8,9,10]'", "10"},
      {"return decode '[1,\"2\",3]'[2]", "2"},
  };
  GIVES(&t, cases);
  end(&t);
}

static void test_json_lua_decodes_lists_and_nulls(void **state) {
  (void)state;
  struct json_test t;
  start(&t);
  static const char *const cases[][2] = {
      {"return decode 'null'", "nil"},
      {"return decode '[null]'[1] == null", "true"},
      {"return decode '{\"a\":null}'.a == null", "true"},
      {"return is_array(decode '[]')", "true"},
      {"return is_array(decode '{}')", "false"},
      {"return is_array(decode '{\"a\":[ ]}'.a)", "true"},
      {"return encode(decode '{\"a\":[[],[[]],{}]}')", "{\"a\":[[],[[]],{}]}"},
      {"return decode '\"x\\\\ny\"'", "x\ny"},
      {"return decode '\"plain\"'", "plain"},
      {"return #decode '\"a\\\\u0000b\"'", "3"},
      {"return decode 'true'", "true"},
      {"return decode '{\"[]\":\"[]\"}'['[]']", "[]"},
      {"return decode '{\"a\":\"1.0 \\\\\" [] 5\",\"b\":[1.0,[]]}'.a", "1.0 \" [] 5"},
  };
  GIVES(&t, cases);
  end(&t);
}

static void test_json_lua_encodes_what_lua_cjson_would_spoil(void **state) {
  (void)state;
  struct json_test t;
  start(&t);
  static const char *const cases[][2] = {
      {"return encode(1)", "1"},
      {"return encode(1.0)", "1.0"},
      {"return encode({1, 2})", "[1,2]"},
      {"return encode({1.0})", "[1.0]"},
      {"return encode({math.maxinteger, math.mininteger})", "[9223372036854775807,-9223372036854775808]"},
      {"return encode({123456789012345})", "[123456789012345]"},
      {"return encode({0.1 + 0.2})", "[0.30000000000000004]"},
      {"return encode({0.5, 0.1})", "[0.5,0.1]"},
      {"return encode({1e300})", "[1e+300]"},
      {"return encode({-0.0})", "[-0.0]"},
      {"return encode({})", "{}"},
      {"return encode(array {})", "[]"},
      {"return encode({a = array {}, b = null})", NULL},
      {"return encode({null, 1})", "[null,1]"},
      {"return encode(null)", "null"},
      {"return encode(true)", "true"},
      {"return encode('a\\nb')", "\"a\\nb\""},
      {"return encode({1, 2, x = 3})", NULL},
      {"return encode({[10^15 // 1 | 0] = 1})", "NULL"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    if (cases[i][1] && strcmp(cases[i][1], "NULL") != 0) vm_test_gives(&t.vm, cases[i][0], cases[i][1]);
  vm_test_gives(
      &t.vm,
      "local v = decode(encode({a = array {}, b = null})) return tostring(is_array(v.a)) .. tostring(v.b == null)",
      "truetrue");
  vm_test_gives(&t.vm, "local v = decode(encode({1, 2, x = 3.0})) return v['1'] + v['2'] + v.x", "6.0");
  vm_test_gives(&t.vm, "return encode({x = {[-1000000000000000] = 1.0}})", "{\"x\":{\"-1000000000000000\":1.0}}");
  end(&t);
}

static void test_json_lua_refuses_with_the_path(void **state) {
  (void)state;
  struct json_test t;
  start(&t);
  static const char *const wrong[][2] = {
      {"encode({items = {1, 2, print}})",
       "value at data.items[3] is a function: only nil, booleans, numbers, strings and tables of "
       "them can be sent"},
      {"encode({x = 0/0})", "value at data.x is not a number (nan)"},
      {"encode({x = {1/0}})", "value at data.x[1] is infinite"},
      {"encode(-1/0)", "value at data is infinite"},
      {"encode({'\\255'})", "value at data[1] is a string that is not valid UTF-8"},
      {"encode({['\\255'] = 1})", "data has a key that is not valid UTF-8"},
      {"encode({['a\\0b'] = 1})", "data has a key that is not valid UTF-8 without zero bytes"},
      {"encode({a = {[true] = 1}})", "data.a has a boolean as key"},
      {"encode({[1.5] = 1})", "data has a float as key"},
      {"encode({p = {[1] = 1, [1000] = 2}})", "data.p is a list of 2 values with holes up to 1000"},
      {"local s = {} for i = 1, 10 do s[i] = i end s[21] = 1 s[22] = nil encode({s, array(s)})", NULL},
      {"encode({[1] = 1, ['1'] = 2})", "data has both 1 and \"1\" as keys"},
      {"encode({x = array {1, y = 2}})", "data.x is a host.array with keys that are no positions"},
      {"local c = {} c.c = c encode(c)", "value at data.c is a table that contains itself"},
      {"local d = {} for i = 1, 40 do d = {d} end encode(d)", "is nested too deep"},
      {"local m = {} for i = 1, 5000 do m[i] = i end encode(m)", "too many values to be sent: at most 4096"},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    if (wrong[i][1]) vm_test_fails(&t.vm, wrong[i][0], UMP_VM_EERROR, wrong[i][1]);
  end(&t);
}

static void test_json_lua_depth_of_32_passes_both_ways(void **state) {
  (void)state;
  struct json_test t;
  start(&t);
  vm_test_gives(&t.vm,
                "local d = {7} for i = 1, 31 do d = {d} end local v = decode(encode(d)) for i = 1, 31 do v = v[1] end "
                "return v[1]",
                "7");
  vm_test_gives(&t.vm,
                "local d = {7.0} for i = 1, 31 do d = {d} end local v = decode(encode(d)) for i = 1, 31 do v = v[1] "
                "end return v[1]",
                "7.0");
  end(&t);
}

/* Every kind of number there is: edges, powers of two and their neighbours, and random bits. */
struct property {
  struct json_test *t;
  int64_t i;
  double f;
  bool is_float, alone;
};

static int property_body(lua_State *L) {
  struct property *p = lua_touserdata(L, 1);
  struct ump_json_value top;
  if (!p->alone) lua_newtable(L);
  if (p->is_float)
    lua_pushnumber(L, p->f);
  else
    lua_pushinteger(L, p->i);
  if (!p->alone) lua_setfield(L, 2, "v");
  struct ump_bytes text = ump_json_lua_text(L, &p->t->json, 2, "data");
  if (ump_json_check(text, &top, NULL)) return luaL_error(L, "refused: %s", lua_tostring(L, -1));
  ump_json_lua_push(L, &p->t->json, top.raw, top.holds);
  if (!p->alone) lua_getfield(L, -1, "v");
  bool same = p->is_float ? !lua_isinteger(L, -1) && lua_tonumber(L, -1) == p->f &&
                                signbit(lua_tonumber(L, -1)) == signbit(p->f)
                          : lua_isinteger(L, -1) && lua_tointeger(L, -1) == p->i;
  return same ? 0 : luaL_error(L, "%s came back as %s", (const char *)text.p, luaL_tolstring(L, -1, NULL));
}

static void holds_for(struct property p) {
  for (int alone = 0; alone < 2; alone++) {
    p.alone = alone;
    if (ump_vm_call(p.t->vm.vm, property_body, &p)) fail_msg("%s", vm_test_error(&p.t->vm));
  }
}

static void test_json_lua_every_number_comes_back_exactly(void **state) {
  (void)state;
  struct json_test t;
  start(&t);
  for (int k = 0; k < 64; k++)
    for (int d = -2; d <= 2; d++) {
      uint64_t u = ((uint64_t)1 << k) + (uint64_t)(int64_t)d;
      holds_for((struct property){.t = &t, .i = (int64_t)u});
      holds_for((struct property){.t = &t, .i = (int64_t)(0 - u)});
      holds_for((struct property){.t = &t, .is_float = true, .f = (double)u});
      holds_for((struct property){.t = &t, .is_float = true, .f = -(double)u / 3});
    }
  for (int n = 0; n < 30000; n++) {
    uint64_t u = ump_rng_u64(&t.vm.rng.rng);
    double f;
    memcpy(&f, &u, sizeof f);
    holds_for((struct property){.t = &t, .i = (int64_t)(u >> (n % 64))});
    if (isfinite(f)) holds_for((struct property){.t = &t, .is_float = true, .f = f});
    holds_for((struct property){.t = &t, .is_float = true, .f = (double)(int64_t)(u >> 40) / 1000});
  }
  end(&t);
}

static void test_json_lua_survives_every_failing_allocation(void **state) {
  (void)state;
  struct json_test t;
  for (size_t n = 1;; n++) {
    start(&t);
    testing_mem_fail(&t.mem, n, false);
    int err =
        vm_test_run(&t.vm, "local m = {} for i = 1, 200 do m[i] = {i + 0.0, array {}} end return #decode(encode(m))");
    size_t failed = t.mem.failed;
    assert_int_equal(err, failed ? UMP_VM_EERROR : 0);
    end(&t);
    if (!failed) break;
  }
}

/* lua-cjson would lose its buffer if Lua ran out of memory under it: at every level of fullness it is asked in time, or
 * not. */
static void test_json_lua_loses_nothing_when_the_vm_is_full(void **state) {
  (void)state;
  struct json_test t;
  memset(&t, 0, sizeof t);
  vm_test_init(&t.vm);
  testing_mem_init(&t.mem);
  t.json.scratch = ump_buf(&t.mem.mem, 0);
  t.vm.cfg.memory = t.json.memory = 1 << 20;
  t.vm.cfg.instructions = 100000000;
  vm_test_open(&t.vm);
  assert_int_equal(ump_vm_call(t.vm.vm, open_body, &t), 0);
  assert_int_equal(
      vm_test_run(&t.vm, "rawset(_G, 'text', '[' .. ('[[0],{\"a\":[0]}],'):rep(100) .. '0]') rawset(_G, 'full', {})"),
      0);
  while (vm_test_run(&t.vm, "full[#full + 1] = ('x'):rep(1000) .. #full return #decode(text)") == 0) continue;
  for (int spare = 0; spare < 30; spare++) { /* room for half a text, and less */
    size_t before = mallinfo2().uordblks - ump_vm_memory(t.vm.vm);
    for (int i = 0; i < 50; i++) vm_test_run(&t.vm, "return #decode(text)");
    size_t after = mallinfo2().uordblks - ump_vm_memory(t.vm.vm);
    assert_in_range(after, 0, before + 16384); /* what malloc itself holds varies; fifty losses would be 80 KiB */
    vm_test_run(&t.vm, "full[#full] = nil");
  }
  vm_test_run(&t.vm, "for i = 1, 100 do full[#full] = nil end");
  vm_test_gives(&t.vm, "return #decode(text)", "101");
  end(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_json_lua_decodes_numbers_by_how_they_are_written),
      cmocka_unit_test(test_json_lua_decodes_lists_and_nulls),
      cmocka_unit_test(test_json_lua_encodes_what_lua_cjson_would_spoil),
      cmocka_unit_test(test_json_lua_refuses_with_the_path),
      cmocka_unit_test(test_json_lua_depth_of_32_passes_both_ways),
      cmocka_unit_test(test_json_lua_every_number_comes_back_exactly),
      cmocka_unit_test(test_json_lua_survives_every_failing_allocation),
      cmocka_unit_test(test_json_lua_loses_nothing_when_the_vm_is_full),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
