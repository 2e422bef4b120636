/* Neteria, who is there: discovery, registering, states, limits. Wire sections 4, 6, 8. */
#include "nt_world.h"

#include <stdio.h>
#include <string.h>

#define A "abbbc0f4-e591-11f1-aa15-02fc00000001"
#define B "bbbbc0f4-e591-11f1-aa15-02fc00000002"
#define E1 "003c4f0e-e592-11f1-a965-02fc00000001"
#define OK_REGISTER "{\"method\": \"OK REGISTER\"}"
#define PROBE "{\"method\": \"LEGAL\", \"euuid\": \"\", \"priority\": \"normal\"}"

static void test_neteria_registers(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  nt_register(&w, nt_addr(1, 50000), A);
  assert_int_equal(w.n_connects, 1);
  nt_expect_nothing(&w);
  nt_close(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_neteria_registers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
