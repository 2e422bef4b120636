/* Neteria, events and verdicts: wire sections 3 and 5. */
#include "nt_world.h"

#include <stdio.h>
#include <string.h>

#define A "abbbc0f4-e591-11f1-aa15-02fc00000001"
#define E1 "003c4f0e-e592-11f1-a965-02fc00000001"
#define LEGAL1 "{\"method\": \"LEGAL\", \"euuid\": \"" E1 "\", \"priority\": \"normal\"}"

static void test_neteria_repeats_verdict_after_2s(void **state) {
  struct nt_world w;
  struct ump_addr a = nt_addr(1, 50000);
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  nt_register(&w, a, A);
  nt_event(&w, a, A, E1, "{\"KEYDOWN\": \"up\"}");
  nt_expect_nothing(&w);
  nt_pass(&w, 1 * UMP_MS);
  nt_expect(&w, a, LEGAL1);
  for (int i = 0; i < 4; i++) {
    nt_pass(&w, 2 * UMP_S - 1);
    nt_expect_nothing(&w);
    nt_pass(&w, 1);
    nt_expect(&w, a, LEGAL1);
  }
  nt_pass(&w, 10 * UMP_S);
  nt_expect_nothing(&w);
  nt_close(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_neteria_repeats_verdict_after_2s),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
