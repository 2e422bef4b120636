/* Neteria, notifies: wire sections 3 and 5. */
#include "nt_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define A            "abbbc0f4-e591-11f1-aa15-02fc00000001"
#define B            "bbbbc0f4-e591-11f1-aa15-02fc00000002"
#define NOTIFY(data) "{\"method\": \"NOTIFY\", \"event_data\": " data ", \"euuid\": \"#\"}"

static struct ump_addr a, b;

static int addresses(void **state) {
  (void)state;
  a = nt_addr(1, 50000), b = nt_addr(2, 50000);
  return 0;
}

static void test_neteria_notify_is_confirmed(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  uint32_t s = nt_proven(&w, a, A);
  assert_int_equal(nt_notify(&w, s, "{\"HEALTH\": 40}"), 0);
  nt_ok_notify(&w, a, A, nt_expect(&w, a, NOTIFY("{\"HEALTH\": 40}")));
  nt_pass(&w, 20 * UMP_S);
  nt_expect_nothing(&w);
  assert_int_equal(ump_neteria.load(w.proto), 1);
  nt_close(&w);
}

static void test_neteria_notify_is_repeated_byte_for_byte(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  uint32_t s = nt_proven(&w, a, A);
  assert_int_equal(nt_notify(&w, s, "\"YOU ARE DEAD\""), 0);
  const struct nt_sent *first = nt_take(&w);
  for (int i = 1; i < 5; i++) {
    nt_pass(&w, 2 * UMP_S);
    const struct nt_sent *again = nt_take(&w);
    assert_non_null(again);
    assert_string_equal(again->text, first->text);
    assert_true(again->at - first->at == i * 2 * UMP_S);
  }
  nt_pass(&w, 2 * UMP_S);
  assert_int_equal(nt_counter(&w, "notifies_unconfirmed"), 1);
  assert_int_equal(nt_counter(&w, "notify_repeats"), 4);
  nt_expect(&w, a, NT_PROBE_TEXT); /* is it still there? */
  nt_expect_nothing(&w);
  nt_close(&w);
}

static void test_neteria_confirmed_late_and_twice(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  uint32_t s = nt_proven(&w, a, A);
  assert_int_equal(nt_notify(&w, s, "2"), 0);
  const char *id = nt_expect(&w, a, NOTIFY("2"));
  nt_pass(&w, 5 * UMP_S);
  nt_forget_sent(&w);
  nt_ok_notify(&w, a, A, id);
  nt_ok_notify(&w, a, A, id);
  assert_int_equal(nt_counter(&w, "notifies_confirmed"), 2); /* with that of nt_proven */
  assert_int_equal(nt_counter(&w, "unknown_id"), 1);
  nt_pass(&w, 20 * UMP_S);
  nt_expect_nothing(&w);
  nt_close(&w);
}

static void test_neteria_only_the_owner_confirms_a_notify(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  uint32_t s = nt_proven(&w, a, A);
  nt_proven(&w, b, B);
  assert_int_equal(nt_notify(&w, s, "2"), 0);
  const char *id = nt_expect(&w, a, NOTIFY("2"));
  nt_ok_notify(&w, b, B, id);
  nt_ok_notify(&w, b, "nobody", id);
  nt_ok_event(&w, a, A, id); /* the wrong word for it */
  nt_pass(&w, 2 * UMP_S);
  nt_expect(&w, a, NOTIFY("2"));
  nt_close(&w);
}

static void test_neteria_256_in_flight_1024_behind_them_then_full(void **state) {
  struct nt_world w;
  char expected[128];
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  uint32_t s = nt_proven(&w, a, A);
  assert_int_equal(ump_neteria.room(w.proto, s), 1280);
  nt_forget_sent(&w);
  for (int i = 0; i < 1280; i++) {
    snprintf(expected, sizeof expected, "%d", i);
    assert_int_equal(nt_notify(&w, s, expected), 0);
  }
  assert_int_equal(ump_neteria.room(w.proto, s), 0);
  assert_int_equal(nt_notify(&w, s, "1280"), UMP_EFULL);
  assert_int_equal(nt_counter(&w, "notifies_refused"), 1);
  assert_int_equal(w.n_sent, 256);
  for (int i = 0; i < 1280; i++) { /* each confirmation lets the next one go, in order */
    snprintf(expected, sizeof expected, "{\"method\": \"NOTIFY\", \"event_data\": %d, \"euuid\": \"#\"}", i);
    nt_ok_notify(&w, a, A, nt_expect(&w, a, expected));
  }
  assert_int_equal(ump_neteria.room(w.proto, s), 1280);
  nt_expect_nothing(&w);
  nt_close(&w);
}

static void test_neteria_the_queue_moves_on_when_notifies_are_given_up(void **state) {
  struct nt_world w;
  char data[16];
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  uint32_t s = nt_proven(&w, a, A);
  for (int i = 0; i < 300; i++) {
    snprintf(data, sizeof data, "%d", i);
    assert_int_equal(nt_notify(&w, s, data), 0);
  }
  nt_pass(&w, 9 * UMP_S);
  nt_event(&w, a, A, "alive", "\"x\""); /* it lives, so it is not silent when 256 notifies are given up */
  nt_forget_sent(&w);
  nt_pass(&w, UMP_S);
  nt_expect(&w, a, "{\"method\": \"LEGAL\", \"euuid\": \"alive\", \"priority\": \"normal\"}");
  nt_expect(&w, a, NOTIFY("256"));
  assert_int_equal(nt_counter(&w, "notifies_unconfirmed"), 256);
  assert_int_equal(ump_neteria.room(w.proto, s), 1280 - 44);
  nt_close(&w);
}

static int pack(struct nt_world *w, const char *name, const char *data, struct ump_blob **out) {
  struct ump_notice n = {.has_name = name != NULL, .has_data = data != NULL};
  if (name) n.name = ump_text(name);
  if (data) n.data = ump_text(data);
  return ump_neteria.pack(w->proto, &n, out);
}

static void expect_notify(struct nt_world *w, uint32_t s, const char *name, const char *data, const char *text) {
  struct ump_blob *blob = NULL;
  assert_int_equal(pack(w, name, data, &blob), 0);
  assert_int_equal(ump_neteria.notify(w->proto, s, blob, w->now), 0);
  ump_blob_unref(blob);
  nt_pass(w, 0);
  nt_ok_notify(w, a, A, nt_expect(w, a, text));
}

static void test_neteria_name_and_data_become_event_data(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  uint32_t s = nt_proven(&w, a, A);
  expect_notify(&w, s, "YOU ARE DEAD", NULL, NOTIFY("\"YOU ARE DEAD\""));
  expect_notify(&w, s, "HEALTH", "40", NOTIFY("{\"HEALTH\": 40}"));
  expect_notify(&w, s, "say \"hi\"\n", "[]", NOTIFY("{\"say \\\"hi\\\"\\n\": []}"));
  expect_notify(&w, s, NULL, "{\"players\": [{\"id\": 1}]}", NOTIFY("{\"players\": [{\"id\": 1}]}"));
  expect_notify(&w, s, NULL, NULL, NOTIFY("null"));
  nt_close(&w);
}

static void test_neteria_a_notify_too_large_is_an_error_and_queues_nothing(void **state) {
  struct nt_world w;
  struct ump_blob *blob = NULL;
  char *data = malloc(20001);
  (void)state;
  assert_non_null(data);
  nt_open(&w, (struct nt_cfg){0});
  uint32_t s = nt_proven(&w, a, A);
  size_t around = strlen("{\"method\": \"NOTIFY\", \"event_data\": , \"euuid\": \"\"}") + 36;
  for (size_t n = 10230; n < 10250; n++) {
    memset(data, 'x', n);
    data[0] = data[n - around - 1] = '"', data[n - around] = 0;
    int err = nt_notify(&w, s, data);
    assert_int_equal(err, n <= 10240 ? 0 : UMP_ETOOBIG);
    const struct nt_sent *out = nt_take(&w);
    assert_int_equal(out != NULL, n <= 10240);
    if (out) assert_int_equal(out->n, n);
  }
  memset(data, 1, 2000), data[2000] = 0; /* as a name: six bytes each */
  assert_int_equal(pack(&w, data, NULL, &blob), UMP_ETOOBIG);
  free(data);
  nt_close(&w);
}

static void test_neteria_a_notify_to_nobody_is_an_error(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  uint32_t s = nt_register(&w, a, A);
  nt_kick(&w, s);
  assert_int_equal(nt_notify(&w, s, "2"), UMP_EGONE);
  assert_int_equal(nt_notify(&w, 4711, "2"), UMP_EGONE);
  assert_int_equal(ump_neteria.room(w.proto, s), 0);
  nt_close(&w);
}

static void test_neteria_one_payload_serves_all_clients(void **state) {
  struct nt_world w;
  struct ump_blob *shared = NULL;
  char *data = malloc(9001), cuuid[64];
  (void)state;
  assert_non_null(data);
  memset(data, 'x', 9000), data[0] = data[8999] = '"', data[9000] = 0;
  nt_open(&w, (struct nt_cfg){.limit = 300, .per_address = 300});
  assert_int_equal(pack(&w, NULL, data, &shared), 0);
  free(data);
  for (int i = 0; i < 200; i++) {
    snprintf(cuuid, sizeof cuuid, "%08d-e591-11f1-aa15-02fc00000001", i);
    nt_proven(&w, nt_addr((unsigned)i, 50000), cuuid);
  }
  size_t before = w.mem.bytes;
  for (uint32_t i = 0; i < 200; i++) assert_int_equal(ump_neteria.notify(w.proto, i, shared, w.now), 0);
  assert_true(w.mem.bytes - before < 200 * 200);
  ump_blob_unref(shared);
  nt_forget_sent(&w);
  nt_pass(&w, 0);
  assert_int_equal(w.n_sent, 200);
  nt_close(&w);
}

static void test_neteria_memory_for_the_queues_is_bounded(void **state) {
  struct nt_world w;
  char *data = malloc(8001), cuuid[64];
  int queued = 0, err = 0;
  (void)state;
  assert_non_null(data);
  memset(data, 'x', 8000), data[0] = data[7999] = '"', data[8000] = 0;
  nt_open(&w, (struct nt_cfg){.queue_mib = 1});
  for (int i = 0; i < 10; i++) {
    snprintf(cuuid, sizeof cuuid, "%08d-e591-11f1-aa15-02fc00000001", i);
    nt_proven(&w, nt_addr((unsigned)i, 50000), cuuid);
  }
  for (; !(err = nt_notify(&w, (uint32_t)queued % 10, data)); queued++) {
  }
  assert_int_equal(err, UMP_EFULL);
  assert_true(queued > 100 && queued < 131);
  nt_forget_sent(&w);
  nt_event(&w, nt_addr(0, 50000), "00000000-e591-11f1-aa15-02fc00000001", "still",
           "\"x\""); /* and nobody else is hurt */
  nt_pass(&w, UMP_MS);
  nt_expect(&w, nt_addr(0, 50000), "{\"method\": \"LEGAL\", \"euuid\": \"still\", \"priority\": \"normal\"}");
  free(data);
  nt_close(&w);
}

/* 4096 forged registrations could otherwise hold all that there is: a broadcast 20 times a second waits for each of
 * them. */
static void test_neteria_what_waits_for_the_unproven_leaves_a_half(void **state) {
  struct nt_world w;
  char cuuid[64];
  int broadcasts = 0;
  (void)state;
  nt_open(&w, (struct nt_cfg){.queue_mib = 1, .limit = 100});
  uint32_t real = nt_proven(&w, a, A), forged[50];
  for (unsigned i = 0; i < 50; i++) {
    snprintf(cuuid, sizeof cuuid, "forged-%08u-11f1-aa15-02fc00000001", i);
    nt_forget_sent(&w);
    forged[i] = nt_register(&w, nt_addr(10 + i, 50000), cuuid);
  }
  for (int err = 0; !err; broadcasts++) {
    nt_forget_sent(&w);
    err = nt_notify(&w, real, "{\"tick\": 1}");
    for (unsigned i = 0; i < 50 && !err; i++) nt_notify(&w, forged[i], "{\"tick\": 1}");
    const struct nt_sent *s = nt_take(&w); /* the real one confirms */
    assert_non_null(s);
    char id[UMP_UUID_TEXT + 1] = "";
    memcpy(id, s->text + s->n - 2 - UMP_UUID_TEXT, UMP_UUID_TEXT);
    if (!err) nt_ok_notify(&w, a, A, id);
    if (broadcasts == 1000) break;
  }
  assert_int_equal(broadcasts, 1000);
  assert_true(nt_counter(&w, "notifies_refused") > 10000);
  nt_close(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_neteria_notify_is_confirmed),
      cmocka_unit_test(test_neteria_notify_is_repeated_byte_for_byte),
      cmocka_unit_test(test_neteria_confirmed_late_and_twice),
      cmocka_unit_test(test_neteria_only_the_owner_confirms_a_notify),
      cmocka_unit_test(test_neteria_256_in_flight_1024_behind_them_then_full),
      cmocka_unit_test(test_neteria_the_queue_moves_on_when_notifies_are_given_up),
      cmocka_unit_test(test_neteria_name_and_data_become_event_data),
      cmocka_unit_test(test_neteria_a_notify_too_large_is_an_error_and_queues_nothing),
      cmocka_unit_test(test_neteria_a_notify_to_nobody_is_an_error),
      cmocka_unit_test(test_neteria_one_payload_serves_all_clients),
      cmocka_unit_test(test_neteria_memory_for_the_queues_is_bounded),
      cmocka_unit_test(test_neteria_what_waits_for_the_unproven_leaves_a_half),
  };
  return cmocka_run_group_tests(tests, addresses, NULL);
}
