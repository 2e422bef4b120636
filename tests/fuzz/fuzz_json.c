/* Any bytes: the scanner must say yes or no, and what it says yes to must hold together when it is taken apart. */
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* assert, but in every build */
static void must(bool so) {
  if (!so) abort();
}

static void must_lie_inside(struct ump_bytes inner, struct ump_bytes outer) {
  must(inner.p >= outer.p && inner.n <= outer.n && inner.p + inner.n <= outer.p + outer.n);
}

/* Decodes; writes again; what was written must be a string that decodes to the same. */
static void take_string(const struct ump_json_value *v) {
  uint8_t *buf = malloc(v->raw.n), *again = malloc(v->raw.n * 6 + 2), *buf2 = malloc(v->raw.n * 6 + 2);
  must(v->raw.n >= 2 && v->raw.p[0] == '"' && v->raw.p[v->raw.n - 1] == '"');
  must(v->escaped == (memchr(v->raw.p, '\\', v->raw.n) != NULL));
  struct ump_bytes text = ump_json_string(v, buf, v->raw.n);
  must(text.p && text.n <= v->raw.n && ump_utf8_valid(text));
  must(((v->holds & UMP_JSON_NUL_BYTES) != 0) == (text.n && memchr(text.p, 0, text.n) != NULL));
  struct ump_writer w = ump_writer(again, v->raw.n * 6 + 2);
  ump_json_write_string(&w, text);
  struct ump_json_value second;
  must(!w.full && ump_json_check(ump_written(&w), &second, NULL) == 0 && second.type == UMP_JSON_STRING);
  must(ump_bytes_equal(ump_json_string(&second, buf2, second.raw.n), text));
  free(buf), free(again), free(buf2);
}

/* A number's kind, against the C library's idea of it. */
static void take_number(const struct ump_json_value *v) {
  char *text = malloc(v->raw.n + 1), *end;
  memcpy(text, v->raw.p, v->raw.n);
  text[v->raw.n] = 0;
  double d = strtod(text, &end);
  bool is_float = strpbrk(text, ".eE") != NULL;
  must(*end == 0 && is_float == ((v->holds & (UMP_JSON_FLOATS | UMP_JSON_WHOLE_FLOATS)) != 0));
  must((v->holds & (v->holds - 1)) == 0 && v->holds != 0); /* exactly one kind */
  if (is_float) must(d - d == 0);                          /* finite */
  if (v->holds == UMP_JSON_WHOLE_FLOATS) must(d >= 0x1p53 || d <= -0x1p53 || d == (double)(int64_t)d);
  if (v->holds == UMP_JSON_FLOATS) must(d < 0x1p53 && d > -0x1p53 && d != (double)(int64_t)d);
  if (v->holds == UMP_JSON_INTEGERS) must(d <= 0x1p53 && d >= -0x1p53);
  free(text);
}

/* Takes a checked value apart; counts what the limits count. Depth is bounded, so recursion is. */
static void take(const struct ump_json_value *v, unsigned depth, unsigned *nodes) {
  struct ump_json_value key, value, alone;
  struct ump_json_iter it = {0};
  unsigned members = 0, holds = 0;
  must(++*nodes <= UMP_JSON_NODES && v->type != UMP_JSON_NONE);
  must(ump_json_check(v->raw, &alone, NULL) == 0); /* a part is a whole text, too */
  must(alone.type == v->type && alone.holds == v->holds && alone.n_members == v->n_members);
  must(alone.escaped == v->escaped && alone.raw.p == v->raw.p && alone.raw.n == v->raw.n);
  if (v->type == UMP_JSON_STRING) take_string(v);
  if (v->type == UMP_JSON_NUMBER) take_number(v);
  if (v->type != UMP_JSON_ARRAY && v->type != UMP_JSON_OBJECT) return;
  must(depth < UMP_JSON_DEPTH);
  while (ump_json_next(v, &it, &key, &value)) {
    members++;
    must_lie_inside(value.raw, v->raw);
    must((key.type == UMP_JSON_STRING) == (v->type == UMP_JSON_OBJECT));
    if (key.type == UMP_JSON_STRING) must_lie_inside(key.raw, v->raw), take_string(&key);
    take(&value, depth + 1, nodes);
    holds |= value.holds;
  }
  if (v->type == UMP_JSON_ARRAY && members == 0) holds = UMP_JSON_EMPTY_ARRAYS;
  must(members == v->n_members && holds == v->holds);
  if (v->type == UMP_JSON_OBJECT && members == 1) ump_json_only_member(v, &key, &value);
}

static struct ump_bytes decoded(const struct ump_json_value *v, uint8_t **buf) {
  *buf = malloc(v->raw.n);
  return ump_json_string(v, *buf, v->raw.n);
}

/* Every member is found again by its decoded key: so no two are the same. */
static void find_members(struct ump_bytes text, const struct ump_json_value *top) {
  struct ump_json_value key, value;
  for (struct ump_json_iter it = {0}; ump_json_next(top, &it, &key, &value);) {
    uint8_t *buf;
    struct ump_json_slot slots[] = {{.key = ump_text("method")}, {.key = decoded(&key, &buf)}, {.key = ump_text("x")}};
    must(ump_json_members(text, slots, 3, NULL) == 0);
    size_t found = ump_bytes_equal(slots[0].key, slots[1].key) ? 0 : 1; /* the first of equal slots gets it */
    must(slots[found].value.type == value.type && slots[found].value.raw.p == value.raw.p);
    free(buf);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  struct ump_bytes text = ump_bytes(data, n);
  struct ump_json_value top;
  struct ump_json_error error = {0}, of_members = {0};
  struct ump_json_slot slots[] = {{.key = ump_text("method")}, {.key = ump_text("a")}, {.key = ump_text("")}};
  int err = ump_json_check(text, &top, &error), members = ump_json_members(text, slots, 3, &of_members);
  if (err) {
    must(members == err && error.why && error.offset <= n && of_members.why && of_members.offset <= n);
    must(top.type == UMP_JSON_NONE);
  } else {
    unsigned nodes = 0;
    must((members == 0) == (top.type == UMP_JSON_OBJECT));
    must_lie_inside(top.raw, text);
    take(&top, 0, &nodes);
    if (top.type == UMP_JSON_OBJECT && top.n_members < 200) find_members(text, &top);
  }
  for (size_t i = 0; i < 3; i++) { /* filled on a fault, too, with whole values */
    struct ump_json_value alone;
    if (slots[i].value.type == UMP_JSON_NONE) continue;
    must_lie_inside(slots[i].value.raw, text);
    must(ump_json_check(slots[i].value.raw, &alone, NULL) == 0 && alone.holds == slots[i].value.holds);
  }
  return 0;
}
