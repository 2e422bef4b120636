/* The VM: life, calls, errors, and the sandbox as a rule author sees it. */
#include "vm_testing.h"

static void test_vm_runs_text(void **state) {
  (void)state;
  struct vm_test t;
  vm_test_init(&t), vm_test_open(&t);
  vm_test_gives(&t, "return 1 + 1", "2");
  vm_test_gives(&t, "return select(2, pcall(error, 'x'))", "x");
  vm_test_gives(&t,
                "local co = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) return b * 2 end)"
                " return co(1) .. co(4)",
                "28");
  vm_test_close(&t);
}

static void test_vm_tells_where_an_error_is(void **state) {
  (void)state;
  struct vm_test t;
  vm_test_init(&t), vm_test_open(&t);
  assert_int_equal(vm_test_run(&t, "local function move(p)\n  return p.x\nend\nmove(nil)"), UMP_VM_EERROR);
  assert_string_equal(vm_test_error(&t), "test:2: attempt to index a nil value (local 'p')\n"
                                         "    test:2: in local 'move'\n    test:4: in the main chunk");
  vm_test_fails(&t, "error({})", UMP_VM_EERROR, "test:1: the error is a table, not a message");
  vm_test_fails(&t, "\nerror('why', 0)", UMP_VM_EERROR, "test:2: why");
  vm_test_fails(&t, "return {} < {}", UMP_VM_EERROR, "test:1: attempt to compare two table values");
  vm_test_close(&t);
}

static void test_vm_undefined_globals_are_errors(void **state) {
  (void)state;
  struct vm_test t;
  vm_test_init(&t), vm_test_open(&t);
  vm_test_fails(&t, "\nreturn plyer", UMP_VM_EERROR, "test:2: undefined variable 'plyer'");
  vm_test_fails(&t, "score = 1", UMP_VM_EERROR, "test:1: assignment to undefined variable 'score'");
  vm_test_fails(&t, "io.write('x')", UMP_VM_EERROR, "test:1: 'io' is not there");
  vm_test_gives(&t, "rawset(_G, 'score', 1) score = score + 1 return score", "2");
  vm_test_close(&t);
}

static void test_vm_ends_an_endless_loop(void **state) {
  (void)state;
  struct vm_test t;
  vm_test_init(&t), vm_test_open(&t);
  vm_test_fails(&t, "while true do end", UMP_VM_EBUDGET, "test:1: this call ran for more than its budget");
  vm_test_gives(&t, "return 1", "1");
  vm_test_close(&t);
  t.cfg.watchdog = ump_watchdog_new(0, &t.log.log);
  vm_test_open(&t);
  vm_test_fails(&t, "while true do pcall(function() while true do end end) end", UMP_VM_EBUDGET, "its budget of 50 ms");
  vm_test_gives(&t, "return 1", "1");
  vm_test_close(&t);
  ump_watchdog_free(t.cfg.watchdog);
}

static void test_vm_tells_when_memory_is_used_up(void **state) {
  (void)state;
  struct vm_test t;
  vm_test_init(&t);
  t.cfg.memory = 2 << 20;
  vm_test_open(&t);
  vm_test_fails(&t, "local t = {} for i = 1, 1e7 do t[i] = {} end", UMP_VM_EMEMORY, "uses more than 2 MiB");
  vm_test_gives(&t, "return 1", "1");
  vm_test_close(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_vm_runs_text),
      cmocka_unit_test(test_vm_tells_where_an_error_is),
      cmocka_unit_test(test_vm_undefined_globals_are_errors),
      cmocka_unit_test(test_vm_ends_an_endless_loop),
      cmocka_unit_test(test_vm_tells_when_memory_is_used_up),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
