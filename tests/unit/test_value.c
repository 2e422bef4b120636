/* Plain data across the border: what goes in comes out, and what is not plain data is named by its path. */
#include "vm_testing.h"

#include "bindings/value.h"

struct value_test {
  struct vm_test vm;
  struct testing_mem mem;
  struct ump_buf buf;
};

static struct value_test *test_of(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

static int lua_pack(lua_State *L) {
  static const struct ump_packing how = {"data", "kept", 0};
  struct value_test *t = test_of(L);
  ump_buf_clear(&t->buf);
  ump_value_pack(L, 1, &how, &t->buf);
  lua_pushlstring(L, (const char *)t->buf.p, t->buf.n);
  return 1;
}

static int lua_unpack(lua_State *L) {
  size_t n;
  const char *s = luaL_checklstring(L, 1, &n);
  ump_value_push(L, ump_bytes(s, n));
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
  struct value_test *t = lua_touserdata(L, 1);
  static const luaL_Reg functions[] = {
      {"pack", lua_pack}, {"unpack", lua_unpack}, {"array", lua_array}, {"is_array", lua_is_array}, {NULL, NULL}};
  ump_value_open(L);
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

static void start(struct value_test *t) {
  vm_test_init(&t->vm);
  testing_mem_init(&t->mem);
  t->buf = ump_buf(&t->mem.mem, 0);
  vm_test_open(&t->vm);
  assert_int_equal(ump_vm_call(t->vm.vm, open_body, t), 0);
}

static void end(struct value_test *t) {
  vm_test_close(&t->vm);
  ump_buf_free(&t->buf);
  testing_mem_assert_empty(&t->mem);
}

/* same(a, b): equal in type, value and all that is inside. */
#define SAME                                                                                                           \
  "local function same(a, b) if math.type(a) ~= math.type(b) or type(a) ~= type(b) then return false end "             \
  "if type(a) ~= 'table' then return a == b or (a ~= a and b ~= b) end "                                               \
  "for k, v in pairs(a) do if not same(v, b[k]) then return false end end "                                            \
  "for k in pairs(b) do if a[k] == nil then return false end end return is_array(a) == is_array(b) or #a > 0 end "

static void test_value_comes_back_as_it_went(void **state) {
  (void)state;
  struct value_test t;
  start(&t);
  static const char *const values[] = {
      "nil",
      "true",
      "false",
      "0",
      "-1",
      "math.maxinteger",
      "math.mininteger",
      "0.0",
      "1.0",
      "-0.5",
      "1/0",
      "-1/0",
      "1e308",
      "''",
      "'a'",
      "'\\0\\255'",
      "('x'):rep(100000)",
      "{}",
      "array {}",
      "{1,2,3}",
      "array {1,2}",
      "{a=1}",
      "{1,2,x=3}",
      "{[1]=1,[3]=3}",
      "{[0]=0,1}",
      "{[true]=1,[false]=2}",
      "{[1.5]='f'}",
      "null",
      "{null,null}",
      "{a={b={c={}}}}",
      "{{},{{}},{array{}}}",
      "{[-5]=1,[math.maxinteger]=2}",
  };
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    char text[2048];
    snprintf(text, sizeof text, SAME "local v = %s; return same(v, unpack(pack(v)))", values[i]);
    vm_test_gives(&t.vm, text, "true");
  }
  vm_test_gives(&t.vm, "return unpack(pack(null)) == null", "true");
  vm_test_gives(&t.vm, "return 1 / unpack(pack(-0.0)) < 0", "true");
  end(&t);
}

static void test_value_shared_tables_are_no_cycles(void **state) {
  (void)state;
  struct value_test t;
  start(&t);
  vm_test_gives(&t.vm, "local s = {1}; local v = unpack(pack({s, s, x = s})); return v[1][1] + v[2][1] + v.x[1]", "3");
  end(&t);
}

static void test_value_names_what_is_not_plain_by_its_path(void **state) {
  (void)state;
  struct value_test t;
  start(&t);
  static const char *const wrong[][2] = {
      {"pack(print)",
       "value at data is a function: only nil, booleans, numbers, strings and tables of them can be kept"},
      {"pack({items = {1, 2, print}})", "value at data.items[3] is a function"},
      {"pack({['two words'] = {coroutine.create(print)}})", "value at data[\"two words\"][1] is a thread"},
      {"pack({[7] = {[true] = print}})", "value at data[7][true] is a function"},
      {"pack({[1.5] = print})", "value at data[1.5] is a function"},
      {"pack({a = {[{}] = 1}})", "data.a has a table as key"},
      {"local c = {}; c.me = {c}; pack(c)", "value at data.me[1] is a table that contains itself"},
      {"local c = {}; c[1] = c; pack({x = c})", "value at data.x[1] is a table that contains itself"},
      {"local d = {}; for i = 1, 32 do d = {d} end; pack(d)", "is nested too deep: at most 32 tables in one another"},
      {"local m = {}; for i = 1, 5000 do m[i] = i end; pack(m)", "data holds too many values to be kept: at most 4096"},
      {"local m = {}; for i = 1, 90 do m[i] = {} for j = 1, 99 do m[i][j] = j end end; pack(m)",
       "data holds too many values"},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    vm_test_fails(&t.vm, wrong[i][0], UMP_VM_EERROR, wrong[i][1]);
  vm_test_gives(&t.vm, "local d = {}; for i = 1, 31 do d = {d} end; return #unpack(pack(d))", "1");
  vm_test_gives(&t.vm, "local m = {}; for i = 1, 4000 do m[i] = i end; return #unpack(pack(m))", "4000");
  end(&t);
}

static void test_value_doubling_tables_end_at_the_limit(void **state) {
  (void)state;
  struct value_test t;
  start(&t);
  vm_test_fails(&t.vm, "local d = {1}; for i = 1, 30 do d = {d, d} end; pack(d)", UMP_VM_EERROR, "too many values");
  end(&t);
}

static void test_value_ignores_metatables(void **state) {
  (void)state;
  struct value_test t;
  start(&t);
  vm_test_gives(&t.vm,
                "local v = setmetatable({1}, {__index = function() error 'no' end, __len = function() error 'no' end, "
                "__pairs = function() error 'no' end}); return #unpack(pack(v))",
                "1");
  end(&t);
}

static void test_value_broken_bytes_raise(void **state) {
  (void)state;
  struct value_test t;
  start(&t);
  vm_test_gives(&t.vm,
                "local s = pack({1, 2.5, 'three', {x = true, y = null}, array {}, z = {1, k = {}}}) "
                "for n = 0, #s - 1 do if pcall(unpack, s:sub(1, n)) then return n end end "
                "local made = 0 for i = 1, #s do for c = 0, 255, 5 do "
                "local ok = pcall(unpack, s:sub(1, i - 1) .. string.char(c) .. s:sub(i + 1)) made = made + 1 end end "
                "return 'all'",
                "all");
  end(&t);
}

static void test_value_survives_every_failing_allocation(void **state) {
  (void)state;
  struct value_test t;
  for (size_t n = 1;; n++) {
    start(&t);
    testing_mem_fail(&t.mem, n, false);
    int err = vm_test_run(&t.vm, "local m = {} for i = 1, 300 do m[i] = {i, tostring(i)} end return #pack(m)");
    size_t failed = t.mem.failed;
    if (failed)
      assert_int_equal(err, UMP_VM_EERROR);
    else
      assert_int_equal(err, 0);
    end(&t);
    if (!failed) break;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_value_comes_back_as_it_went),
      cmocka_unit_test(test_value_shared_tables_are_no_cycles),
      cmocka_unit_test(test_value_names_what_is_not_plain_by_its_path),
      cmocka_unit_test(test_value_doubling_tables_end_at_the_limit),
      cmocka_unit_test(test_value_ignores_metatables),
      cmocka_unit_test(test_value_broken_bytes_raise),
      cmocka_unit_test(test_value_survives_every_failing_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
