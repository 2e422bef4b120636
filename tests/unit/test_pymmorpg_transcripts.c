/* The transcripts of vectors/pymmorpg.vectors.json, through framing, pickles, protocol, engine and a rulebook. Replies
 * are compared as values: any other valid pickle of the same value is right. */
#include "pm_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

static const char *text_of(const cJSON *o, const char *key) {
  return cJSON_GetStringValue(cJSON_GetObjectItem(o, key));
}

static size_t unhex(const char *hex, uint8_t *out) {
  size_t n = strlen(hex) / 2;
  for (size_t i = 0; i < n; i++) {
    char two[3] = {hex[2 * i], hex[2 * i + 1], 0};
    out[i] = (uint8_t)strtoul(two, NULL, 16);
  }
  return n;
}

static const char UPGRADE[] = "return { api = 1, pymmorpg = { version = '1.2.3', client_image = 'client/' } }\n";

static void image_of_the_transcript(struct pm_world *w) {
  char path[256];
  pm_file(w, "client/main.py", "print('hello')\n");
  pm_file(w, "client/img/hero.png", "");
  pm_file(w, "client/img/empty/x", "");
  snprintf(path, sizeof path, "%s/client/img/empty/x", w->folder);
  remove(path);
  snprintf(path, sizeof path, "%s/client/img/hero.png", w->folder);
  FILE *f = fopen(path, "wb");
  fwrite("\x89PNG\r\n\x1a\n\x00\xff", 1, 10, f);
  fclose(f);
}

/* step: bytes a piece. */
static void replay(const cJSON *vector, size_t step) {
  static struct pm_world w;
  static uint8_t bytes[1 << 20];
  const char *name = text_of(vector, "name");
  bool upgrade = !strcmp(name, "upgrade");
  pm_start(&w, PM_RULES);
  if (upgrade) {
    image_of_the_transcript(&w);
    pm_book(&w, UPGRADE);
    assert_true(pm_reload(&w));
  }
  const cJSON *s;
  cJSON_ArrayForEach(s, cJSON_GetObjectItem(vector, "steps")) {
    uint32_t conn = !strcmp(text_of(s, "conn"), "joe") ? 1 : 2;
    size_t n = unhex(text_of(s, "hex"), bytes);
    if (!w.conn[conn].open && !w.conn[conn].closed) assert_int_equal(pm_open(&w, conn), 0);
    if (!strcmp(text_of(s, "dir"), "c2s")) {
      for (size_t i = 0; i < n; i += step) pm_send(&w, conn, bytes + i, n - i < step ? n - i : step);
    } else if (n == 0) {
      assert_string_equal(text_of(s, "text"), "closes the connection");
      pm_expect(&w, conn, "closed");
    } else {
      char *want = strdup(pm_print_stream(&w, ump_bytes(bytes, n), upgrade));
      struct pm_conn *c = &w.conn[conn];
      const char *got = pm_print_stream(&w, ump_bytes(c->out ? c->out : bytes, c->n_out), upgrade);
      if (strcmp(got, want)) fail_msg("%s: %s\nwanted %s\ngot    %s", name, text_of(s, "text"), want, got);
      c->n_out = 0;
      free(want);
    }
  }
  for (uint32_t conn = 1; conn <= 2; conn++) assert_int_equal(w.conn[conn].n_out, 0);
  pm_end(&w);
}

static void replay_all(size_t step) {
  size_t n, played = 0;
  char *text = testing_read_file("vectors/pymmorpg.vectors.json", &n);
  for (char *at; (at = strstr(text, "\\u0000"));) memcpy(at, "\\ue000", 6); /* only in the list of single pickles */
  for (char *at; (at = strstr(text, "\"\\ud800x\""));) memcpy(at + 1, "\\ue001", 6);
  cJSON *vectors = cJSON_Parse(text), *vector;
  assert_non_null(vectors);
  cJSON_ArrayForEach(vector, vectors) {
    if (cJSON_GetObjectItem(vector, "pickles")) continue;
    replay(vector, step);
    played++;
  }
  assert_int_equal(played, 33);
  cJSON_Delete(vectors);
  free(text);
}

static void test_pymmorpg_transcripts_message_by_message(void **state) {
  (void)state, replay_all(1 << 20);
}
static void test_pymmorpg_transcripts_byte_by_byte(void **state) {
  (void)state, replay_all(1);
}
static void test_pymmorpg_transcripts_in_sevens(void **state) {
  (void)state, replay_all(7);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_pymmorpg_transcripts_message_by_message),
      cmocka_unit_test(test_pymmorpg_transcripts_byte_by_byte),
      cmocka_unit_test(test_pymmorpg_transcripts_in_sevens),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
