/* The transcripts of the original (vectors/laneya.vectors.json), replayed through the real protocol and engine with a
 * rulebook that knows the original's actions. What the client sent goes in byte for byte, whole and one byte at a time;
 * what we answer is compared as JSON, as wire/laneya asks. The vectors are read by cJSON, so that the reader is not our
 * own.
 *
 * Where umpire differs by a ruling, the difference stands in the table below and must be there. Differences that hold
 * everywhere: the message of an answer that is no success is ours and never empty, unless the rules gave it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "ln_world.h"

static struct ln_world w;
static char map[65536];  /* what get_map answers in this scenario */
static const char *wall; /* the reason of a walk to the west */

enum ending { SAME, ANSWERED, CLOSED };

static const struct ruling {
  const char *scenario;
  enum ending
      ending; /* ANSWERED: status and key below instead of a closed connection; CLOSED: invalid, key null, closed */
  const char *key, *status;
} rulings[] = {
    {"bad_extra_key", ANSWERED, "7", "invalid"},
    {"bad_missing_key", ANSWERED, "8", "invalid"},
    {"bad_argument", ANSWERED, "9", "invalid"},
    {"bad_value", ANSWERED, "10", "invalid"},
    {"bad_action", ANSWERED, "11", "invalid"},
    {"bad_data_list", ANSWERED, "12", "invalid"},
    {"bad_not_an_object", ANSWERED, "null", "invalid"},
    {"bad_not_json", ANSWERED, "null", "invalid"},
    {"bad_empty", ANSWERED, "null", "invalid"},
    {"status_internal", ANSWERED, "1", "invalid"}, /* a user that is a list is malformed, not our fault */
    {"frame_no_comma", CLOSED, NULL, NULL},
    {"frame_letters", CLOSED, NULL, NULL},
    {"frame_negative", CLOSED, NULL, NULL},
    {"frame_leading_zero", CLOSED, NULL, NULL}, /* the original performs it and dies at the next one */
    {"frame_huge", CLOSED, NULL, NULL},
    {"frame_endless_digits", CLOSED, NULL, NULL},
};

static const struct ruling *ruling_of(const char *name) {
  for (size_t i = 0; i < sizeof rulings / sizeof *rulings; i++)
    if (strcmp(rulings[i].scenario, name) == 0) return &rulings[i];
  return NULL;
}

/* ---- the original's rules ---- */

static int is_direction(const char *d) {
  return !strcmp(d, "north") || !strcmp(d, "east") || !strcmp(d, "south") || !strcmp(d, "west") || !strcmp(d, "stop");
}

static int judge(struct ln_world *world, struct ump_client *c, const struct ump_event *ev, struct ump_judgement *out) {
  cJSON *data = cJSON_ParseWithLength((const char *)ev->data.p, ev->data.n);
  const char *direction = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(data, "direction"));
  (void)c;
  assert_non_null(data);
  if (ump_bytes_equal(ev->name, ump_text("move"))) {
    if (cJSON_GetArraySize(data) != 1 || !direction || !is_direction(direction))
      out->verdict = UMP_INVALID, out->reason = ump_text("direction: one of north east south west stop");
    else if (wall && !strcmp(direction, "west"))
      out->verdict = UMP_ILLEGAL, out->reason = ump_text(wall);
  } else if (ump_bytes_equal(ev->name, ump_text("get_map"))) {
    out->data = ump_text(map);
  } else if (!ump_bytes_equal(ev->name, ump_text("logout"))) {
    out->verdict = UMP_INVALID, out->reason = ump_text("no such action");
  }
  world->executed += out->verdict == UMP_LEGAL;
  cJSON_Delete(data);
  return 0;
}

/* What get_map has to answer, and why the west is closed: from the scenario itself. */
static void prepare(const cJSON *scenario) {
  const cJSON *step;
  map[0] = 0, wall = NULL;
  cJSON_ArrayForEach(step, cJSON_GetObjectItem(scenario, "steps")) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(step, "text"));
    const char *at = strstr(text, "{\"floor_layer\"");
    if (strstr(text, "there is a wall"))
      wall = "there is a wall";
    else if (strstr(text, "\"message\": \"wall\""))
      wall = "wall";
    if (!at || map[0]) continue;
    const char *end = strstr(at, "]]}");
    assert_non_null(end);
    snprintf(map, sizeof map, "%.*s", (int)(end + 3 - at), at);
  }
}

/* ---- replaying ---- */

static const char *conns[LN_CONNS];

static uint32_t conn_of(const cJSON *step) {
  const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(step, "conn"));
  for (uint32_t i = 0; i < LN_CONNS; i++) {
    if (conns[i] && !strcmp(conns[i], name)) return i;
    if (conns[i]) continue;
    conns[i] = name;
    ln_dial(&w, i, 1);
    return i;
  }
  fail();
  return 0;
}

static size_t unhex(const char *hex, char *out) {
  size_t n = strlen(hex) / 2;
  for (size_t i = 0; i < n; i++) {
    unsigned byte;
    sscanf(hex + 2 * i, "%2x", &byte);
    out[i] = (char)byte;
  }
  return n;
}

static void push_update(const cJSON *update) {
  char *data = cJSON_PrintUnformatted(cJSON_GetObjectItem(update, "data"));
  struct ump_notice n = {.has_name = true,
                         .has_data = true,
                         .data = ump_text(data),
                         .name = ump_text(cJSON_GetStringValue(cJSON_GetObjectItem(update, "action")))};
  const struct ump_notice *by_encoding[3] = {[UMP_JSON] = &n};
  assert_int_equal(ump_engine_broadcast(w.engine, by_encoding, NULL), 0);
  ln_flush(&w);
  cJSON_free(data);
}

static const char *text_of(const cJSON *object, const char *key) {
  return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
}

static void compare(const char *want_text, const char *got_text) {
  cJSON *want = cJSON_Parse(want_text), *got = cJSON_Parse(got_text);
  assert_non_null(got);
  assert_int_equal(cJSON_GetArraySize(got), cJSON_GetArraySize(want)); /* exactly these keys */
  const char *status = text_of(want, "status");
  if (status && strcmp(status, "success")) {
    assert_string_equal(text_of(got, "status"), status);
    assert_true(cJSON_Compare(cJSON_GetObjectItem(got, "key"), cJSON_GetObjectItem(want, "key"), 1));
    const char *message = text_of(cJSON_GetObjectItem(got, "data"), "message");
    assert_true(message && *message);
    if (!strcmp(status, "illegal")) assert_true(cJSON_Compare(got, want, 1));
  } else if (!cJSON_Compare(want, got, 1)) {
    fail_msg("wanted %s, got %s", want_text, got_text);
  }
  cJSON_Delete(want), cJSON_Delete(got);
}

static void expect_messages(uint32_t conn, const char *bytes, size_t n) {
  for (size_t at = 0; at < n;) {
    char *colon;
    size_t size = strtoul(bytes + at, &colon, 10);
    char *text = malloc(size + 1);
    memcpy(text, colon + 1, size);
    text[size] = 0;
    at = (size_t)(colon + 1 - bytes) + size + 1;
    const char *got = ln_take(&w, conn);
    if (!got && strstr(text, "\"update\"")) { /* the application's doing */
      cJSON *update = cJSON_Parse(text);
      push_update(update);
      cJSON_Delete(update);
      got = ln_take(&w, conn);
    }
    if (!got) fail_msg("wanted %s, got nothing", text);
    compare(text, got);
    free(text);
  }
}

static void replay(const cJSON *scenario, bool split) {
  static char bytes[65536];
  const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(scenario, "name"));
  const struct ruling *r = ruling_of(name);
  const cJSON *step;
  print_message("%s%s\n", name, split ? ", a byte at a time" : "");
  memset(conns, 0, sizeof conns);
  ln_open(&w, (struct ln_cfg){0});
  w.judge = judge;
  prepare(scenario);
  cJSON_ArrayForEach(step, cJSON_GetObjectItem(scenario, "steps")) {
    uint32_t conn = conn_of(step);
    size_t n = unhex(cJSON_GetStringValue(cJSON_GetObjectItem(step, "hex")), bytes);
    if (!strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(step, "dir")), "c2s")) {
      if (split)
        ln_split(&w, conn, bytes, n, 1);
      else
        ln_in(&w, conn, bytes, n);
    } else if (!r && n) {
      expect_messages(conn, bytes, n);
    } else if (!r) {
      assert_true(w.conns[conn].ended);
    }
  }
  if (r && r->ending == ANSWERED) ln_expect_status(&w, 0, r->key, r->status);
  if (r && r->ending == CLOSED) ln_expect_status(&w, 0, "null", "invalid");
  if (r) {
    assert_int_equal(w.conns[0].ended, r->ending == CLOSED);
    assert_int_equal(w.executed, 0);
  }
  for (uint32_t i = 0; i < LN_CONNS && conns[i]; i++) ln_expect_nothing(&w, i);
  ln_close(&w);
}

static void test_laneya_transcripts(void **state) {
  (void)state;
  size_t n, used = 0;
  char *text = testing_read_file("vectors/laneya.vectors.json", &n);
  cJSON *all = cJSON_ParseWithLength(text, n), *scenario;
  assert_int_equal(cJSON_GetArraySize(all), 30);
  cJSON_ArrayForEach(scenario, all) {
    replay(scenario, false), replay(scenario, true);
    used += ruling_of(cJSON_GetStringValue(cJSON_GetObjectItem(scenario, "name"))) != NULL;
  }
  assert_int_equal(used, sizeof rulings / sizeof *rulings);
  cJSON_Delete(all);
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_laneya_transcripts)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
