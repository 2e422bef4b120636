/* The pipeline of an event: validate, look up, reserve, judge, remember, effects and answer. */
#include "world.h"

static void test_engine_judges_an_event_end_to_end(void **state) {
  (void)state;
  struct world w;
  world_init(&w, NULL);
  world_connect(&w, 0, 1);
  expect(&w, "connect a1", "admit a1");
  w.judgement.data = ump_text("42");
  world_event(&w, 0, 1, "e1", "move");
  expect(&w, "judge a1 move", "answer a1 e1 legal = 42");
  w.judgement = (struct ump_judgement){.verdict = UMP_ILLEGAL, .reason = ump_text("too far")};
  world_event(&w, 0, 1, "e2", "jump");
  expect(&w, "judge a1 jump", "answer a1 e2 illegal: too far");
  world_leave(&w, 0, 1);
  expect(&w, "disconnect a1 left", "forget a1");
  world_end(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_engine_judges_an_event_end_to_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
