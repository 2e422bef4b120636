/* Neteria without memory: the nth allocation fails, for every n, once and for ever, over a script that touches
 * everything. Nothing may leak, break its own order or stop the host; a client whose message was lost asks again. */
#include "nt_world.h"

#include <stdio.h>
#include <string.h>

#define CUUID "%08x-e591-11f1-aa15-02fc00000001"

static void tell(struct nt_world *w, unsigned who, const char *method, const char *euuid, const char *rest) {
  nt_inf(w, nt_addr(who, 50000), "{\"method\": \"%s\", \"cuuid\": \"" CUUID "\", \"euuid\": \"%s\"%s}", method, who,
         euuid, rest);
}

/* The client confirms whatever reached it. */
static void confirm_all(struct nt_world *w, unsigned who) {
  for (const struct nt_sent *s; (s = nt_take(w));) {
    const char *id = strstr(s->text, "\"euuid\": \"");
    char euuid[65];
    if (!id || sscanf(id, "\"euuid\": \"%64[^\"]", euuid) != 1) continue;
    tell(w, who, strstr(s->text, "NOTIFY") ? "OK NOTIFY" : "OK EVENT", euuid, "");
  }
}

static void script(struct nt_world *w) {
  for (unsigned who = 0; who < 70; who++)
    nt_inf(w, nt_addr(who, 50000), "{\"method\": \"REGISTER\", \"cuuid\": \"" CUUID "\"}", who);
  for (uint32_t s = 0; s < 70; s++)
    nt_notify(w, s, "[1, 2, 3, \"a long one, so that some have to wait for an echo of their probe\"]");
  confirm_all(w, 3);
  for (unsigned i = 0; i < 12; i++) {
    char id[16];
    snprintf(id, sizeof id, "e%u", i);
    tell(w, i % 5, "EVENT", id,
         i % 3 ? ", \"event_data\": {\"step\": 1}" : ", \"event_data\": \"bad\", \"priority\": \"high\"");
    tell(w, i % 5, "AUTH", id, ", \"event_data\": {\"name\": \"a\", \"password\": \"secret\"}");
  }
  nt_pass(w, 3 * UMP_S);
  nt_inf(w, nt_addr(99, 1), "{\"method\": \"REGISTER\", \"cuuid\": \"" CUUID "\"}", 3u); /* from elsewhere */
  nt_inf(w, nt_addr(99, 1),
         "{\"method\": \"OHAI\", \"version\": \"1.0.3\", \"cuuid\": \"................................\"}");
  nt_inf(w, nt_addr(98, 1), "{\"method\": \"REGISTER\", \"cuuid\": \"one more than there is room for\"}");
  nt_pass(w, 31 * UMP_S);
  if (nt_there(w, 2)) nt_kick(w, 2);
  nt_pass(w, 200 * UMP_S);
  nt_inf(w, nt_addr(3, 50000), "{\"method\": \"REGISTER\", \"cuuid\": \"" CUUID "\"}", 3u);
  nt_pass(w, 400 * UMP_S);
}

static size_t run(size_t nth, bool for_ever) {
  static struct nt_world w;
  struct testing_mem mem;
  testing_mem_init(&mem);
  testing_mem_fail(&mem, nth, for_ever);
  nt_open(&w, (struct nt_cfg){.limit = 69, .compression = for_ever, .server_name = "x", .mem = &mem.mem});
  if (w.created == 0)
    script(&w);
  else
    assert_int_equal(w.created, UMP_ENOMEM);
  nt_close(&w);
  testing_mem_assert_empty(&mem);
  return mem.failed;
}

static void test_neteria_survives_the_nth_allocation_failing(void **state) {
  size_t n = 1;
  (void)state;
  while (run(n, false)) n++;
  print_message("# %zu allocations\n", n - 1);
  assert_true(n > 200);
}

static void test_neteria_survives_all_allocations_failing_from_the_nth_on(void **state) {
  (void)state;
  for (size_t n = 1; run(n, true); n++) {
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_neteria_survives_the_nth_allocation_failing),
      cmocka_unit_test(test_neteria_survives_all_allocations_failing_from_the_nth_on),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
