/* The judge: legal, then execute, in one call; what each may return; events as rules see them. */
#include "rules_testing.h"

static void test_rules_judge_legal_event_is_executed_and_answered(void **state) {
  (void)state;
  struct rules_test t;
  rules_test_start(&t, "function r.legal(c, e) return e.name == 'move' end\n"
                       "function r.execute(c, e) return { e.data[1] + 1, e.name, e.id, e.priority } end");
  rules_test_connect(&t, 1);
  rules_test_event(&t, 1, "e1", "move", "[41]");
  expect(&t.w, "answer a1 e1 legal = [42,\"move\",\"e1\",\"normal\"]");
  rules_test_event(&t, 1, "e2", "fly", NULL);
  expect(&t.w, "answer a1 e2 illegal");
  rules_test_end(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rules_judge_legal_event_is_executed_and_answered),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
