/* Ways out of a budget. Each text would run for ever, or as good as, in a plain Lua with a count hook. Here each ends
 * within its budget and a margin of CPU time, by a watchdog and by counting alike, and the VM serves the next call.
 *
 * The margin is what this machine takes for a known piece of work, and a text is late only if it is late each time: on
 * a busy machine the watchdog's thread itself may have to wait for its turn while the text goes on. */
#include "vm_testing.h"

#include "bindings/vm_state.h"

static const ump_time BUDGET = 20 * UMP_MS;
enum { TRIES = 8, ANY = 0 }; /* ANY: it ends by itself or is refused, in time */

#define SPIN "local function spin() while true do end end "

struct escape {
  const char *name, *before, *text; /* before: a call of its own, which must go well; NULL: none */
  int how;                          /* UMP_VM_EBUDGET, UMP_VM_EERROR or ANY */
};

static const struct escape escapes[] = {
    /* the twelve of a count hook */
    {"pcall", NULL, SPIN "while true do pcall(spin) end", UMP_VM_EBUDGET},
    {"xpcall whose handler spins", NULL, SPIN "xpcall(spin, spin)", UMP_VM_EBUDGET},
    {"a coroutine made before", "rawset(_G, 'co', coroutine.create(function() while true do end end))",
     "while true do coroutine.resume(co) end", UMP_VM_EBUDGET},
    {"__gc", NULL, SPIN "setmetatable({}, {__gc = spin}) collectgarbage()", UMP_VM_EERROR},
    {"string.rep of nothing", NULL, "string.rep('', 1 << 40) string.rep('', 1 << 40, '')", ANY},
    {"a costly pattern", NULL, "(('a'):rep(3000)):find(('.-'):rep(6) .. 'b')", UMP_VM_EERROR},
    {"table.move", NULL, "table.move({}, 1, 1e9, 2)", UMP_VM_EERROR},
    {"table.insert with __len", NULL, "table.insert(setmetatable({}, {__len = function() return 1 << 40 end}), 1, 1)",
     UMP_VM_EERROR},
    {"table.remove with __len", NULL, "table.remove(setmetatable({}, {__len = function() return 1 << 40 end}), 1)",
     UMP_VM_EERROR},
    {"table.concat with __index", NULL,
     "table.concat(setmetatable({}, {__index = rawlen, __len = function() return 1 << 40 end}))", UMP_VM_EERROR},
    {"load with a reader", NULL, SPIN "while true do load(spin) end", UMP_VM_EBUDGET},
    {"short coroutines", NULL, "while true do coroutine.wrap(function() for i = 1, 200 do end end)() end",
     UMP_VM_EBUDGET},
    /* and more */
    {"a finalizer set later", NULL,
     SPIN "local m = {} for i = 1, 1000 do setmetatable({}, m) end m.__gc = spin "
          "for i = 1, 1e5 do local _ = {} end",
     ANY},
    {"xpcall in a loop", NULL, SPIN "while true do xpcall(spin, function() spin() end) end", UMP_VM_EBUDGET},
    {"a handler that spins on an ordinary error", NULL, SPIN "xpcall(error, spin)", UMP_VM_EBUDGET},
    {"a handler that fails for ever", NULL, "while true do xpcall(error, function(e) error(e) end) end",
     UMP_VM_EBUDGET},
    {"pcall in pcall", NULL, SPIN "while true do pcall(pcall, pcall, pcall, spin) end", UMP_VM_EBUDGET},
    {"recursion through pcall", NULL, "local function f() pcall(f) pcall(f) end f()", UMP_VM_EBUDGET},
    {"__close", NULL, SPIN "do local x <close> = setmetatable({}, {__close = spin}) spin() end", UMP_VM_EBUDGET},
    {"__close in pcall in a loop", NULL,
     SPIN "while true do pcall(function() local x <close> = setmetatable({}, {__close = spin}) spin() end) end",
     UMP_VM_EBUDGET},
    {"a hundred __close", NULL,
     SPIN "local m = {__close = spin} local function f(n) local x <close> = setmetatable({}, m) "
          "if n > 0 then f(n - 1) end spin() end f(100)",
     UMP_VM_EBUDGET},
    {"__close with pcall", NULL,
     SPIN "local m = {__close = function() while true do pcall(spin) end end} "
          "local x <close> = setmetatable({}, m) error('x')",
     UMP_VM_EBUDGET},
    {"coroutine.close", NULL,
     SPIN "local co = coroutine.create(function() local x <close> = setmetatable({}, {__close = spin}) "
          "coroutine.yield() end) coroutine.resume(co) while true do pcall(coroutine.close, co) end",
     UMP_VM_EBUDGET},
    {"closing what the budget ended", NULL,
     "local co = coroutine.create(function() local x <close> = setmetatable({}, {__close = function() while true do "
     "end end}) "
     "while true do end end) rawset(_G, 'co', co) coroutine.resume(co)",
     UMP_VM_EBUDGET},
    {"pcall in a coroutine", NULL,
     SPIN "local co = coroutine.wrap(function() while true do pcall(spin) end end) "
          "while true do pcall(co) end",
     UMP_VM_EBUDGET},
    {"pcall over a yield", NULL,
     SPIN "local co = coroutine.create(function() while true do pcall(function() coroutine.yield() "
          "spin() end) end end) while true do coroutine.resume(co) end",
     UMP_VM_EBUDGET},
    {"coroutines in coroutines", NULL,
     SPIN "local function f(n) if n == 0 then spin() end local co = coroutine.create(f) "
          "while true do coroutine.resume(co, n - 1) end end f(100)",
     UMP_VM_EBUDGET},
    {"an iterator", NULL, "for _ in coroutine.wrap(function() while true do coroutine.yield(1) end end) do end",
     UMP_VM_EBUDGET},
    {"coroutines that make each other", NULL,
     "local function f() return coroutine.wrap(f) end local g = f() "
     "while true do g = g() or f() end",
     UMP_VM_EBUDGET},
    {"table.sort", NULL, SPIN "table.sort({3, 2, 1}, spin)", UMP_VM_EBUDGET},
    {"table.sort in a loop", NULL,
     "local t = {} for i = 1, 1000 do t[i] = -i end "
     "while true do table.sort(t, function(a, b) return a < b end) end",
     UMP_VM_EBUDGET},
    {"table.sort of long strings", NULL,
     "local s, t = ('a'):rep(1 << 20), {} for i = 1, 10000 do t[i] = s end table.sort(t)", UMP_VM_EBUDGET},
    {"string.gsub", NULL, SPIN "('aaa'):gsub('a', spin)", UMP_VM_EBUDGET},
    {"string.gsub with pcall", NULL, SPIN "while true do pcall(string.gsub, 'aaa', 'a', spin) end", UMP_VM_EBUDGET},
    {"costly patterns under pcall", NULL,
     "local s, p = ('a'):rep(3000), ('.-'):rep(6) .. 'b' while true do "
     "pcall(string.find, s, p) end",
     UMP_VM_EBUDGET},
    {"string.find of plain text", NULL,
     "local s, p = ('a'):rep(1 << 20), ('a'):rep(1 << 19) .. 'b' "
     "while true do s:find(p, 1, true) end",
     UMP_VM_EBUDGET},
    {"string.rep in a loop", NULL, "while true do pcall(string.rep, 'x', 1 << 20) end", UMP_VM_EBUDGET},
    {"tostring", NULL, SPIN "tostring(setmetatable({}, {__tostring = spin}))", UMP_VM_EBUDGET},
    {"print", NULL, SPIN "print(setmetatable({}, {__tostring = spin}))", UMP_VM_EBUDGET},
    {"string.format", NULL, SPIN "string.format('%s', setmetatable({}, {__tostring = spin}))", UMP_VM_EBUDGET},
    {"an error that tells itself for ever", NULL, SPIN "error(setmetatable({}, {__tostring = spin}))", UMP_VM_EBUDGET},
    {"__index", NULL, SPIN "return setmetatable({}, {__index = spin}).x", UMP_VM_EBUDGET},
    {"__index that calls itself", NULL,
     "local t t = setmetatable({}, {__index = function(_, k) return t[k] end}) "
     "while true do pcall(function() return t.x end) end",
     UMP_VM_EBUDGET},
    {"__eq, __lt, __concat", NULL,
     SPIN "local m = {__eq = spin, __lt = spin, __concat = spin} local a, b = setmetatable({}, m), "
          "setmetatable({}, m) while true do pcall(function() return a == b end) pcall(function() return a < b end) "
          "pcall(function() return a .. b end) end",
     UMP_VM_EBUDGET},
    {"__pairs", NULL, SPIN "for _ in pairs(setmetatable({}, {__pairs = spin})) do end", UMP_VM_EBUDGET},
    {"__len in unpack", NULL, "table.unpack(setmetatable({}, {__len = function() return 1 << 30 end}))", UMP_VM_EERROR},
    {"__index in unpack", NULL, SPIN "table.unpack(setmetatable({}, {__index = spin}), 1, 10)", UMP_VM_EBUDGET},
    {"__newindex in move", NULL,
     "local t = setmetatable({}, {__newindex = function() for i = 1, 1e6 do end end}) "
     "table.move({1, 2, 3}, 1, 99999, 1, t)",
     UMP_VM_EBUDGET},
    {"metamethods of C", NULL,
     "while true do pcall(table.concat, setmetatable({}, {__index = rawlen}), ',', 1, 99999) end", UMP_VM_EBUDGET},
    {"a text with many labels", NULL,
     "local t = {} for i = 1, 60000 do t[i] = '::a' .. i .. '::' end "
     "while true do load(table.concat(t)) end",
     UMP_VM_EBUDGET},
    {"a text without end", NULL, "load(function() return 'local x = 1 ' end)", ANY},
    {"loading in a loop", NULL, "while true do load('return 1') end", UMP_VM_EBUDGET},
    {"select", NULL, "local function f(...) return select('#', ...) end while true do f(table.unpack({}, 1, 5000)) end",
     UMP_VM_EBUDGET},
    {"tail calls", NULL, "local function f() return f() end f()", UMP_VM_EBUDGET},
    {"goto", NULL, "::again:: goto again", UMP_VM_EBUDGET},
    {"an empty numeric loop", NULL, "for i = 1, math.maxinteger do end", UMP_VM_EBUDGET},
    {"next", NULL, "local t = {1} while next(t) do end", UMP_VM_EBUDGET},
    {"error in a loop", NULL, "while true do pcall(error) end", UMP_VM_EBUDGET},
    {"memory errors in a loop", NULL,
     "while true do pcall(function() local t = {} while true do t[#t + 1] = ('x'):rep(1 << 19) .. "
     "#t end end) end",
     UMP_VM_EBUDGET},
    {"stack overflows in a loop", NULL, "local function f() return f() + 1 end while true do pcall(f) end",
     UMP_VM_EBUDGET},
    {"collectgarbage in a loop", NULL, "while true do collectgarbage() end", UMP_VM_EBUDGET},
    {"require of what is not there", NULL, "while true do pcall(require, 'nothing.here') end", UMP_VM_EBUDGET},
};

/* CPU time that a text may take over its budget: the longest stretch without a look at it that is allowed, ten times
 * what it takes to load a long text (30 ms on a machine of 2020), which holds for the sanitizers as well. */
static ump_time margin(void) {
  struct vm_test t;
  ump_time least = UMP_NEVER;
  vm_test_init(&t);
  t.cfg.instructions = UINT64_MAX;
  vm_test_open(&t);
  for (int i = 0; i < TRIES; i++) {
    ump_time start = vm_test_cpu();
    vm_test_gives(&t, "return type(load(('x = {1, 2, y} '):rep(10000)))", "function");
    least = ump_time_min(least, vm_test_cpu() - start);
  }
  vm_test_close(&t);
  return 10 * least;
}

/* How long it took, of CPU time. */
static ump_time try_escape(struct vm_test *t, const struct escape *e) {
  if (e->before && vm_test_run(t, e->before)) fail_msg("%s: %s", e->name, vm_test_error(t));
  vm_test_guard(true);
  ump_time start = vm_test_cpu();
  int status = vm_test_run(t, e->text);
  ump_time took = vm_test_cpu() - start;
  vm_test_guard(false);
  if (e->how != ANY && status != e->how) fail_msg("%s: ended with %d: %s", e->name, status, vm_test_error(t));
  vm_test_gives(t, "local n = 0 for i = 1, 1000 do n = n + i end return n", "500500");
  vm_test_gives(t, "return select(2, coroutine.resume(coroutine.create(function() return 'fine' end)))", "fine");
  return took;
}

/* Each in one VM after the other, so that what an escape leaves behind (a dead coroutine, an armed hook) would show. */
static void run_escapes(struct vm_test *t, ump_time most) {
  for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++) {
    ump_time took = UMP_NEVER;
    for (int n = 0; n < TRIES && took > most; n++) took = try_escape(t, &escapes[i]);
    if (took > most) fail_msg("%s: took %d ms", escapes[i].name, (int)(took / UMP_MS));
  }
  vm_test_gives(t, "collectgarbage() return #_VERSION", "7");
}

static void test_vm_watchdog_ends_all_escapes(void **state) {
  (void)state;
  struct vm_test t;
  vm_test_init(&t);
  t.cfg.hard = BUDGET;
  t.cfg.watchdog = ump_watchdog_new(0, &t.log.log);
  assert_non_null(t.cfg.watchdog);
  vm_test_open(&t);
  run_escapes(&t, BUDGET + margin());
  vm_test_close(&t);
  ump_watchdog_free(t.cfg.watchdog);
}

static void test_vm_counting_ends_all_escapes(void **state) {
  (void)state;
  struct vm_test t;
  vm_test_init(&t);
  t.cfg.instructions = 1000000;
  vm_test_open(&t);
  run_escapes(&t, UMP_NEVER); /* instructions are no time; the guard alone says what a hang is */
  vm_test_close(&t);
}

/* A coroutine that the budget ended died where Lua lets no hook run: its __close must not run there either. */
static void test_vm_closing_what_the_budget_ended_runs_nothing(void **state) {
  (void)state;
  struct vm_test t;
  vm_test_init(&t), vm_test_open(&t);
  vm_test_fails(&t,
                "rawset(_G, 'co', coroutine.create(function() local x <close> = setmetatable({}, "
                "{__close = function() while true do end end}) while true do end end)) coroutine.resume(co)",
                UMP_VM_EBUDGET, "budget");
  vm_test_guard(true);
  vm_test_gives(&t, "local ok, why = coroutine.close(co) return tostring(ok) .. ' ' .. why",
                "false the call in which it ran was ended: it was over its budget");
  vm_test_gives(&t, "return coroutine.status(co)", "dead");
  vm_test_guard(false);
  vm_test_close(&t);
}

/* Interrupted while it was inside of its yield, a coroutine keeps an armed hook; the next call goes on with it
 * unharmed. */
static void test_vm_goes_on_with_an_interrupted_coroutine(void **state) {
  (void)state;
  struct vm_test t;
  vm_test_init(&t);
  t.cfg.hard = BUDGET;
  t.cfg.watchdog = ump_watchdog_new(0, &t.log.log);
  vm_test_open(&t);
  for (int i = 0; i < 20; i++) {
    vm_test_fails(
        &t,
        "rawset(_G, 'co', coroutine.wrap(function() local n = 0 while true do n = n + 1 coroutine.yield(n) end end)) "
        "while true do co() end",
        UMP_VM_EBUDGET, "its budget of 20 ms");
    int status = vm_test_run(&t, "local a = co() for i = 1, 100 do co() end return co() == a + 101 or error('wrong')");
    if (status && !strstr(vm_test_error(&t), "cannot resume dead coroutine")) fail_msg("%s", vm_test_error(&t));
  }
  vm_test_close(&t);
  ump_watchdog_free(t.cfg.watchdog);
}

/* The same text ends at the same place, and has done the same work, in each run. */
static void test_vm_counting_is_the_same_every_time(void **state) {
  (void)state;
  char first[1024] = "", got[1024];
  for (int i = 0; i < 5; i++) {
    struct vm_test t;
    vm_test_init(&t);
    t.cfg.instructions = 300000;
    vm_test_open(&t);
    assert_int_equal(vm_test_run(&t, "rawset(_G, 'n', 0)"), 0);
    assert_int_equal(vm_test_run(&t,
                                 "while true do n = n + 1 coroutine.wrap(function() for i = 1, n % 50 do end end)()\n"
                                 "if n % 7 == 0 then (('x'):rep(n)):find('.-y') end\nend"),
                     UMP_VM_EBUDGET);
    vm_test_gives(&t, "return 1", "1");
    assert_int_equal(vm_test_run_for(&t, "return n .. ' ' .. math.random(1000000)", 0, got, sizeof got), 0);
    if (!first[0]) memcpy(first, got, sizeof first);
    assert_string_equal(got, first);
    vm_test_close(&t);
  }
}

/* A coroutine counts its instructions from 0, and one that ends before the first look must not be free. */
static void test_vm_short_coroutines_are_charged(void **state) {
  (void)state;
  char got[1024];
  struct vm_test t;
  vm_test_init(&t);
  t.cfg.instructions = 300000;
  vm_test_open(&t);
  assert_int_equal(vm_test_run(&t, "rawset(_G, 'n', 0) while true do n = n + 1 "
                                   "coroutine.wrap(function() for i = 1, 900 do end end)() end"),
                   UMP_VM_EBUDGET);
  assert_int_equal(vm_test_run_for(&t, "return n", 0, got, sizeof got), 0);
  assert_in_range(atoi(got), 200, 340);
  vm_test_close(&t);
}

/* Has this call's soft overrun been noticed? */
static int was_noticed(lua_State *L) {
  lua_pushboolean(L, ump_vm_of(L)->soft_over);
  return 1;
}

static int define_was_noticed(lua_State *L) {
  ump_vm_push_env(L);
  lua_pushliteral(L, "was_noticed");
  lua_pushcfunction(L, was_noticed);
  lua_rawset(L, -3);
  return 0;
}

/* A soft overrun is logged once a minute of host time. */
static void test_vm_soft_overruns_are_logged(void **state) {
  (void)state;
  static const char slow[] = "\n\nwhile not was_noticed() do end";
  struct vm_test t;
  vm_test_init(&t);
  t.cfg.soft = 5 * UMP_MS, t.cfg.hard = 60 * UMP_S;
  t.cfg.watchdog = ump_watchdog_new(0, &t.log.log);
  vm_test_open(&t);
  assert_int_equal(ump_vm_call(t.vm, define_was_noticed, NULL), 0);
  vm_test_guard(true);
  for (int i = 0; i < 3; i++) assert_int_equal(vm_test_run(&t, slow), 0);
  assert_int_equal(testing_log_count(&t.log, "slow_rule"), 1);
  assert_non_null(strstr(testing_log_last(&t.log, "slow_rule")->text, "test:3: this call took about "));
  t.now += 60 * UMP_S;
  assert_int_equal(vm_test_run(&t, slow), 0);
  assert_int_equal(testing_log_count(&t.log, "slow_rule"), 2);
  assert_non_null(strstr(testing_log_last(&t.log, "slow_rule")->text, "(2 more like it since the last line)"));
  vm_test_guard(false);
  vm_test_close(&t);
  ump_watchdog_free(t.cfg.watchdog);
}

/* A longer budget of its own is that much longer. */
static void test_vm_call_may_have_a_budget_of_its_own(void **state) {
  (void)state;
  static const char long_text[] = "for i = 1, 1e8 do end"; /* more than 10 ms and less than 50 s on any machine */
  struct vm_test t;
  vm_test_init(&t);
  t.cfg.hard = 10 * UMP_MS;
  t.cfg.watchdog = ump_watchdog_new(0, &t.log.log);
  vm_test_open(&t);
  assert_int_equal(vm_test_run_for(&t, long_text, 50 * UMP_S, NULL, 0), 0);
  assert_int_equal(vm_test_run(&t, long_text), UMP_VM_EBUDGET);
  vm_test_close(&t);
  ump_watchdog_free(t.cfg.watchdog);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_vm_watchdog_ends_all_escapes),
      cmocka_unit_test(test_vm_counting_ends_all_escapes),
      cmocka_unit_test(test_vm_closing_what_the_budget_ended_runs_nothing),
      cmocka_unit_test(test_vm_goes_on_with_an_interrupted_coroutine),
      cmocka_unit_test(test_vm_counting_is_the_same_every_time),
      cmocka_unit_test(test_vm_short_coroutines_are_charged),
      cmocka_unit_test(test_vm_soft_overruns_are_logged),
      cmocka_unit_test(test_vm_call_may_have_a_budget_of_its_own),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
