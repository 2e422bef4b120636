/* The transcripts of wire/joint (vectors/joint.vectors.json), replayed through the real protocol and engine, in four
 * cuttings. Each scenario is compared as its `compare` says, against what the page rules that umpire sends (umpire_hex
 * where given). */
#include "jt_world.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

enum { NAMES = 300 };

struct replay {
  struct jt w;
  const char *names[NAMES];
  uint32_t n_names;
  struct jt_conn wanted[NAMES];
};

static const char *text(const cJSON *o, const char *key) {
  const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
  return cJSON_IsString(v) ? v->valuestring : NULL;
}

static uint32_t conn_of(struct replay *r, const char *name) {
  for (uint32_t i = 0; i < r->n_names; i++)
    if (strcmp(r->names[i], name) == 0) return i;
  assert_true(r->n_names < NAMES);
  r->names[r->n_names] = name;
  assert_true(jt_try_open(&r->w, r->n_names, r->n_names)); /* connections open when first named */
  return r->n_names++;
}

static size_t unhex(const char *hex, uint8_t *out) {
  size_t n = 0;
  for (; hex[0]; hex += 2) {
    char two[3] = {hex[0], hex[1], 0};
    out[n++] = (uint8_t)strtoul(two, NULL, 16);
  }
  return n;
}

static void want(struct jt_conn *c, const uint8_t *p, size_t n) {
  if (c->n + n > c->cap) c->out = realloc(c->out, c->cap = 2 * (c->n + n) + 64);
  memcpy(c->out + c->n, p, n);
  c->n += n;
}

/* ---- comparing: by what a stream says, not by how it is cut ---- */

/* Takes HTTP and server frames off; what is left is the joint stream. Control frames are left out. */
static size_t unwrap(uint8_t *p, size_t n) {
  size_t at = 0, out = 0;
  if (n > 4 && memcmp(p, "HTTP", 4) == 0) {
    assert_memory_equal(p + 9, "101", 3);
    while (memcmp(p + at, "\r\n\r\n", 4) != 0) at++;
    at += 4;
  }
  while (at < n) {
    size_t len = p[at + 1] & 0x7f, head = 2;
    unsigned opcode = p[at] & 15;
    assert_int_equal(p[at + 1] & 0x80, 0);
    assert_true(p[at] & 0x80);
    if (len == 126) len = (size_t)p[at + 2] << 8 | p[at + 3], head = 4;
    if (opcode == 2) memmove(p + out, p + at + head, len), out += len;
    at += head + len;
  }
  return out;
}

/* A stream taken apart: commands in their order, and the data of each joint and user put together. */
struct sort {
  int key; /* first byte of the frame, and the second where it names a user */
  struct jt_conn data;
};
struct apart {
  struct jt_conn commands;
  struct sort sorts[NAMES];
  size_t n;
};

static struct jt_conn *sort_of(struct apart *a, int key) {
  size_t i = 0;
  while (i < a->n && a->sorts[i].key < key) i++;
  if (i == a->n || a->sorts[i].key != key) {
    assert_true(a->n < NAMES);
    memmove(&a->sorts[i + 1], &a->sorts[i], (a->n++ - i) * sizeof *a->sorts);
    a->sorts[i] = (struct sort){.key = key};
  }
  return &a->sorts[i].data;
}

static struct apart *take_apart(const uint8_t *p, size_t n) {
  struct apart *a = calloc(1, sizeof *a + sizeof *a->sorts);
  for (size_t at = 0; at < n;) {
    size_t len = p[at], head = 1;
    if (len == 0) {
      static const uint8_t lengths[] = {0, 0, 0, 5, 6, 7};
      assert_in_range(p[at + 1], 3, 5);
      want(&a->commands, p + at, lengths[p[at + 1]]);
      at += lengths[p[at + 1]];
      continue;
    }
    if (len & 0x80) len = (len & 0x7f) << 8 | p[at + 1], head = 2;
    at += head;
    bool user = p[at] & 0x80;
    want(sort_of(a, p[at] << 8 | (user ? p[at + 1] : 0)), p + at + 1 + user, len - 1 - user);
    at += len;
  }
  return a;
}

static bool equal(const struct jt_conn *a, const struct jt_conn *b) {
  return a->n == b->n && (a->n == 0 || memcmp(a->out, b->out, a->n) == 0);
}

static void apart_free(struct apart *a) {
  for (size_t i = 0; i < a->n; i++) free(a->sorts[i].data.out);
  free(a->commands.out);
  free(a);
}

static bool says_the_same(const struct jt_conn *got, const struct jt_conn *wanted) {
  struct apart *a = take_apart(got->out, got->n), *b = take_apart(wanted->out, wanted->n);
  bool same = equal(&a->commands, &b->commands) && a->n == b->n;
  for (size_t i = 0; same && i < a->n; i++)
    same = a->sorts[i].key == b->sorts[i].key && equal(&a->sorts[i].data, &b->sorts[i].data);
  apart_free(a), apart_free(b);
  return same;
}

/* Two WebSocket scenarios have no umpire_hex, but say in words: "the leave notice to the owner carries reason 1". */
static void ruled(struct jt_conn *c) {
  for (size_t i = 0; i + 7 <= c->n; i++)
    if (memcmp(c->out + i, "\x00\x05\x00\x01", 4) == 0) c->out[i + 6] = 1;
}

static void compare(struct replay *r, const char *how, const char *scenario, bool leaves) {
  for (uint32_t i = 0; i < r->n_names; i++) {
    struct jt_conn *got = &r->w.conns[i], *wanted = &r->wanted[i];
    bool exact = strcmp(how, "exact") == 0;
    if (strcmp(how, "ws payload") == 0) got->n = unwrap(got->out, got->n), wanted->n = unwrap(wanted->out, wanted->n);
    if (leaves) ruled(wanted);
    if (exact ? equal(got, wanted) : says_the_same(got, wanted)) continue;
    print_error("%s (%s), %s was sent\n", scenario, how, r->names[i]);
    for (size_t k = 0; k < got->n && k < 300; k++) print_error("%02x ", got->out[k]);
    print_error("\nbut the transcript has\n");
    for (size_t k = 0; k < wanted->n && k < 300; k++) print_error("%02x ", wanted->out[k]);
    fail_msg("%s", "");
  }
}

/* ---- replaying ---- */

static void step(struct replay *r, const cJSON *s, const char *scenario) {
  const char *hex = text(s, "umpire_hex") ? text(s, "umpire_hex") : text(s, "hex"), *what = text(s, "text");
  uint32_t conn = conn_of(r, text(s, "conn"));
  bool closes = what && strstr(what, "closes the connection");
  uint8_t *bytes = malloc(strlen(hex) / 2 + 1);
  size_t n = unhex(hex, bytes);
  if (strcmp(text(s, "dir"), "c2s") == 0) {
    jt_send(&r->w, conn, bytes, n);
    if (closes) jt_eof(&r->w, conn);
  } else {
    want(&r->wanted[conn], bytes, n);
    if (closes && !jt_is_closed(&r->w, conn)) fail_msg("%s: %s is not closed", scenario, text(s, "conn"));
    if (strcmp(scenario, "keepalive") == 0) jt_advance(&r->w, 10 * UMP_S);
  }
  free(bytes);
}

static void replay(const cJSON *scenario, size_t piece) {
  struct replay *r = calloc(1, sizeof *r);
  const char *name = text(scenario, "name");
  const cJSON *s;
  jt_init_with(&r->w, &(struct jt_options){.unmasked = strstr(name, "unmasked") != NULL});
  r->w.piece = piece;
  cJSON_ArrayForEach(s, cJSON_GetObjectItemCaseSensitive(scenario, "steps")) step(r, s, name);
  const char *says = text(scenario, "umpire");
  compare(r, text(scenario, "compare"), name, says && strstr(says, "carries reason 1"));
  jt_end(&r->w);
  for (size_t i = 0; i < NAMES; i++) free(r->wanted[i].out);
  free(r);
}

static void run(size_t piece) {
  size_t n, scenarios = 0;
  char *json = testing_read_file("vectors/joint.vectors.json", &n);
  cJSON *all = cJSON_Parse(json);
  const cJSON *s;
  assert_non_null(all);
  cJSON_ArrayForEach(s, all) {
    if (strcmp(text(s, "name"), "kick_at_the_original") == 0) continue; /* its `umpire` says: see kick */
    replay(s, piece);
    scenarios++;
  }
  assert_int_equal(scenarios, 34);
  cJSON_Delete(all);
  free(json);
}

static void test_joint_transcripts_whole(void **state) {
  (void)state, run(0);
}
static void test_joint_transcripts_byte_by_byte(void **state) {
  (void)state, run(1);
}
static void test_joint_transcripts_in_pieces_of_7(void **state) {
  (void)state, run(7);
}
static void test_joint_transcripts_in_pieces_of_1000(void **state) {
  (void)state, run(1000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_joint_transcripts_whole),
      cmocka_unit_test(test_joint_transcripts_byte_by_byte),
      cmocka_unit_test(test_joint_transcripts_in_pieces_of_7),
      cmocka_unit_test(test_joint_transcripts_in_pieces_of_1000),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
