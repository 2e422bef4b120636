/* Neteria's short cut for the real client's layouts: it takes them, and whatever it takes, the reader of any layout
 * takes with the same result. Every byte at every place, every byte left out, every byte put in. fuzz_neteria_layout
 * goes further. */
#include "proto/neteria/internal.h"

#include <stdio.h>
#include <string.h>

#include "testing.h"

#define IDS(c)                                                                                                         \
  "\"cuuid\": \"abbbc0f4-e591-11f1-aa15-02fc0000000" c "\", \"euuid\": \"003c4f0e-e592-11f1-a965-02fc00000001\""
#define EVENT(data, time, priority)                                                                                    \
  "{\"method\": \"EVENT\", " IDS("1") ", \"event_data\": " data ", \"timestamp\": \"" time "\", \"retry\": 0, "        \
                                      "\"priority\": \"" priority "\"}"
#define OK(what)                                                                                                       \
  "{\"cuuid\": \"abbbc0f4-e591-11f1-aa15-02fc00000001\", \"method\": \"OK " what "\", "                                \
  "\"euuid\": \"003c4f0e-e592-11f1-a965-02fc00000001\"}"

static const char *const layouts[] = {
    EVENT("\"KEY\\u0044OWN\"", "2014-11-09 00:06:37.011000", "normal"),
    EVENT("{\"move\": [1, -2.5e1, null], \"a\": {}}", "2014-11-09 00:06:37.011000", "high"),
    EVENT("12345678901234567890123", "2014-11-09 00:06:37", "normal"),
    EVENT("1", "2014-11-09 00:06:37", "normal"),
    OK("EVENT"),
    OK("NOTIFY"),
};
enum { LAYOUTS = sizeof layouts / sizeof *layouts };

struct instance {
  struct testing_mem mem;
  struct testing_log log;
  struct testing_rng rng;
  void *self;
  size_t taken;
};

static struct instance it;

static int setup(void **state) {
  (void)state;
  memset(&it, 0, sizeof it);
  testing_mem_init(&it.mem), testing_log_init(&it.log), testing_rng_init(&it.rng, 7);
  struct ump_proto_cfg cfg = {.mem = &it.mem.mem, .rng = &it.rng.rng, .log = &it.log.log, .limit = 1, .per_address = 1};
  return ump_neteria.create(&it.self, &cfg, 0);
}

static int teardown(void **state) {
  (void)state;
  ump_neteria.destroy(it.self);
  testing_mem_assert_empty(&it.mem);
  return 0;
}

static bool alike(const struct nt_request *a, const struct nt_request *b) {
  const struct ump_json_value *x = &a->data, *y = &b->data;
  return a->method == b->method && a->high == b->high && a->malformed == b->malformed &&
         ump_bytes_equal(a->cuuid, b->cuuid) && ump_bytes_equal(a->euuid, b->euuid) && x->type == y->type &&
         x->holds == y->holds && x->n_members == y->n_members && x->escaped == y->escaped && x->raw.p == y->raw.p &&
         x->raw.n == y->raw.n;
}

/* Whether the short cut takes it. */
static bool agree(const uint8_t *text, size_t n) {
  struct ump_addr from = {.family = 4, .port = 1};
  struct nt_request quick = {.from = &from, .n = n}, slow = quick;
  if (!ump__nt_read_layout(&quick, ump_bytes(text, n))) return false;
  ((struct ump_neteria *)it.self)->decoded_n = 0;
  if (!ump__nt_read_any(it.self, &slow, ump_bytes(text, n)))
    fail_msg("taken by the short cut alone: %.*s", (int)n, text);
  if (!alike(&quick, &slow)) fail_msg("read as something else by the short cut: %.*s", (int)n, text);
  return true;
}

static void test_neteria_takes_the_real_client_s_layouts_the_short_way(void **state) {
  (void)state;
  for (size_t i = 0; i < LAYOUTS; i++) {
    if (!agree((const uint8_t *)layouts[i], strlen(layouts[i]))) fail_msg("not taken: %s", layouts[i]);
  }
}

static void test_neteria_every_byte_at_every_place_of_a_layout(void **state) {
  size_t taken = 0;
  (void)state;
  for (size_t i = 0; i < LAYOUTS; i++) {
    uint8_t text[512];
    size_t n = strlen(layouts[i]);
    memcpy(text, layouts[i], n);
    for (size_t at = 0; at < n; at++) {
      for (unsigned byte = 0; byte < 256; byte++) text[at] = (uint8_t)byte, taken += agree(text, n);
      text[at] = (uint8_t)layouts[i][at];
    }
  }
  print_message("# %zu texts taken\n", taken);
  assert_true(taken > 5 * (36 + 36) * 80); /* ids alone may be anything that can be printed */
}

static void test_neteria_every_byte_put_into_or_left_out_of_a_layout(void **state) {
  (void)state;
  for (size_t i = 0; i < LAYOUTS; i++) {
    uint8_t text[512];
    size_t n = strlen(layouts[i]);
    for (size_t at = 0; at <= n; at++) {
      memcpy(text, layouts[i], at), memcpy(text + at + 1, layouts[i] + at, n - at);
      for (unsigned byte = 0; byte < 256; byte++) text[at] = (uint8_t)byte, agree(text, n + 1);
      if (at == n) break;
      memcpy(text + at, layouts[i] + at + 1, n - at - 1);
      agree(text, n - 1);
      agree(text, at); /* and cut */
    }
  }
}

static void test_neteria_data_within_a_layout_obeys_the_bounds(void **state) {
  static uint8_t text[NT_TEXT];
  (void)state;
  for (int levels = 1; levels < 40; levels++) {
    char deep[100];
    memset(deep, '[', (size_t)levels), memset(deep + levels, ']', (size_t)levels), deep[2 * levels] = 0;
    int n = snprintf(
        (char *)text, sizeof text,
        "{\"method\": \"EVENT\", " IDS("2") ", \"event_data\": %s, \"timestamp\": "
                                            "\"2014-11-09 00:06:37.011000\", \"retry\": 0, \"priority\": \"normal\"}",
        deep);
    assert_int_equal(agree(text, (size_t)n), levels < UMP_JSON_DEPTH);
  }
  for (size_t values = 4000; values < 4200; values++) {
    int n = snprintf((char *)text, sizeof text, "{\"method\": \"EVENT\", " IDS("2") ", \"event_data\": [0");
    for (size_t i = 1; i < values; i++) text[n++] = ',', text[n++] = '0';
    n += snprintf((char *)text + n, 99,
                  "], \"timestamp\": \"2014-11-09 00:06:37\", \"retry\": 0, \"priority\": \"normal\"}");
    agree(text, (size_t)n);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_neteria_takes_the_real_client_s_layouts_the_short_way, setup, teardown),
      cmocka_unit_test_setup_teardown(test_neteria_every_byte_at_every_place_of_a_layout, setup, teardown),
      cmocka_unit_test_setup_teardown(test_neteria_every_byte_put_into_or_left_out_of_a_layout, setup, teardown),
      cmocka_unit_test_setup_teardown(test_neteria_data_within_a_layout_obeys_the_bounds, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
