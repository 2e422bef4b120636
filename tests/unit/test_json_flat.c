/* Flat lists and objects reach rules without lua-cjson, everything else through it: both ways must give the same
 * values. Each text is pushed as it is, and wrapped in two lists, which are not flat. */
#include "testing.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>

#include "bindings/json_lua.h"
#include "bindings/value.h"
#include "codec/json.h"

static const char deep_equal[] =
    "local function same(a, b) "
    "  if type(a) ~= 'table' then return rawequal(a, b) and math.type(a) == math.type(b) end "
    "  if type(b) ~= 'table' or getmetatable(a) ~= getmetatable(b) then return false end "
    "  for k, v in next, a do if not same(v, b[k]) then return false end end "
    "  for k in next, b do if a[k] == nil then return false end end "
    "  return true "
    "end "
    "return same";

struct world {
  struct testing_mem mem;
  struct ump_rng_seeded seed;
  struct ump_rng rng;
  struct ump_json_lua json;
  lua_State *L;
};

static void setup(struct world *w) {
  *w = (struct world){0};
  testing_mem_init(&w->mem);
  ump_rng_seed(&w->seed, 7);
  w->rng = ump_rng_of(&w->seed);
  w->json.scratch = ump_buf(&w->mem.mem, 0);
  w->L = luaL_newstate();
  luaL_openlibs(w->L);
  ump_value_open(w->L);
  ump_json_lua_open(w->L, &w->json, &w->rng);
  assert_int_equal(luaL_dostring(w->L, deep_equal), LUA_OK);
}

static void teardown(struct world *w) {
  assert_int_equal(lua_gettop(w->L), 1); /* the comparer */
  lua_close(w->L);
  ump_buf_free(&w->json.scratch);
  testing_mem_assert_empty(&w->mem);
}

static void push(struct world *w, const char *text) {
  struct ump_json_value top;
  assert_int_equal(ump_json_check(ump_text(text), &top, NULL), 0);
  ump_json_lua_push(w->L, &w->json, top.raw, top.holds);
}

static void check(struct world *w, const char *text) {
  char wrapped[4096];
  snprintf(wrapped, sizeof wrapped, "[[%s]]", text);
  lua_pushvalue(w->L, 1);
  push(w, text);
  push(w, wrapped);
  for (int i = 0; i < 2; i++) {
    lua_rawgeti(w->L, -1, 1);
    lua_remove(w->L, -2);
  }
  lua_call(w->L, 2, 1);
  if (!lua_toboolean(w->L, -1)) fail_msg("both ways differ for %s", text);
  lua_pop(w->L, 1);
}

static void test_json_flat_values_are_those_of_the_parser(void **state) {
  (void)state;
  static const char *const texts[] = {
      "[]",
      "{}",
      "[ ]",
      "{ }",
      "[1]",
      "[-1, 0]",
      "[-0]",
      "[0.5]",
      "[-0.0]",
      "[1.0, 1e3, 2.5e-3]",
      "[true,false,null]",
      "[9007199254740992, 9007199254740993, -9007199254740993]",
      "[9223372036854775807, -9223372036854775808]",
      "[9223372036854775808, 123456789012345678901234567890123456789012345678901234567890]",
      "[1.7976931348623157e308]",
      "[0.1000000000000000055511151231257827021181583404541015625]",
      "[\"\", \"a\", \"\xc3\xa9\", \"\\n\\u00e9\"]",
      "{\"x\": 1, \"y\": -2.5, \"who\": \"ann\", \"on\": true, \"gone\": null}",
      "{\"1\": \"a\", \"2\": \"b\"}",
      "{\"\": 1}",
      "{\"\\u0061\": 1, \"b\": 2}",
      "{\"a\": [], \"b\": {}, \"c\": [1, [2, {\"d\": 3}]]}",
      "[1, [2]]",
      "[[1], 2]",
      "[{}, 1]",
      "[\"~\", \"~~\"]",
      "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]",
      "[null]",
      "[null, null, 1, null]"};
  struct world w;
  setup(&w);
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) check(&w, texts[i]);
  teardown(&w);
}

static void test_json_flat_lists_of_every_length_arrive_whole(void **state) {
  (void)state;
  struct world w;
  setup(&w);
  for (int n = 0; n <= 130; n++) { /* on both sides of the length at which the parser takes over */
    char text[2048] = "[";
    for (int i = 0; i < n; i++) snprintf(text + strlen(text), 16, "%s%d", i ? ", " : "", i);
    strcat(text, "]");
    check(&w, text);
    push(&w, text);
    assert_int_equal(lua_rawlen(w.L, -1), n);
    lua_pop(w.L, 1);
  }
  teardown(&w);
}

static void test_json_flat_random_values_are_those_of_the_parser(void **state) {
  (void)state;
  struct world w;
  setup(&w);
  static const char *const scalars[] = {"0",
                                        "-7",
                                        "12.25",
                                        "3.0",
                                        "1e2",
                                        "true",
                                        "false",
                                        "null",
                                        "\"s\"",
                                        "\"\\t\"",
                                        "123456789012345678",
                                        "98765432109876543210",
                                        "[]",
                                        "{}",
                                        "[1]"};
  for (int round = 0; round < 3000; round++) {
    char text[512];
    bool list = ump_rng_below(&w.rng, 2);
    size_t n = ump_rng_below(&w.rng, 7);
    strcpy(text, list ? "[" : "{");
    for (size_t i = 0; i < n; i++) {
      if (i) strcat(text, ",");
      if (!list) sprintf(text + strlen(text), "\"k%zu\":", i);
      strcat(text, scalars[ump_rng_below(&w.rng, sizeof scalars / sizeof *scalars)]);
    }
    strcat(text, list ? "]" : "}");
    check(&w, text);
  }
  teardown(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_json_flat_values_are_those_of_the_parser),
      cmocka_unit_test(test_json_flat_lists_of_every_length_arrive_whole),
      cmocka_unit_test(test_json_flat_random_values_are_those_of_the_parser),
  };
  return cmocka_run_group_tests_name("json_flat", tests, NULL, NULL);
}
