/* Plain data as text for people, in the manner of Lua: { 1, 0, name = "ann" }. */
#include <stdio.h>

#include "bindings/value.h"

static void put(struct ump_writer *w, const char *text) {
  ump_write_text(w, text);
}

static void put_string(struct ump_writer *w, struct ump_bytes s) {
  put(w, "\"");
  for (size_t i = 0; i < s.n && !w->full; i++) {
    if (s.p[i] == '"' || s.p[i] == '\\') put(w, "\\");
    ump_write_u8(w, s.p[i]);
  }
  put(w, "\"");
}

static void put_value(struct ump_writer *w, struct ump_reader *r, int depth);

static void put_items(struct ump_writer *w, struct ump_reader *r, uint32_t n, int depth, bool *first) {
  for (uint32_t i = 0; i < n && !r->bad && !w->full; i++, *first = false) {
    if (!*first) put(w, ", ");
    put_value(w, r, depth);
  }
}

static void put_pairs(struct ump_writer *w, struct ump_reader *r, uint32_t n, int depth, bool *first) {
  for (uint32_t i = 0; i < n && !r->bad && !w->full; i++, *first = false) {
    struct ump_reader look = *r;
    struct ump_plain key;
    if (!*first) put(w, ", ");
    if (ump_plain_get(&look, &key) && key.tag == UMP_PLAIN_STRING) {
      ump_write_bytes(w, key.s);
      *r = look;
    } else {
      put(w, "[");
      put_value(w, r, depth);
      put(w, "]");
    }
    put(w, " = ");
    put_value(w, r, depth);
  }
}

static void put_container(struct ump_writer *w, struct ump_reader *r, const struct ump_plain *v, int depth) {
  bool first = true;
  struct ump_plain map;
  put(w, "{ ");
  if (v->tag == UMP_PLAIN_MAP)
    put_pairs(w, r, v->count, depth, &first);
  else
    put_items(w, r, v->count, depth, &first);
  if (v->tag == UMP_PLAIN_MIXED && ump_plain_get(r, &map)) put_pairs(w, r, map.count, depth, &first);
  put(w, first ? "}" : " }");
}

static void put_value(struct ump_writer *w, struct ump_reader *r, int depth) {
  struct ump_plain v;
  char text[40];
  if (depth == 0 || !ump_plain_get(r, &v)) {
    r->bad = true;
    return;
  }
  switch (v.tag) {
  case UMP_PLAIN_NIL:
    put(w, "nil");
    break;
  case UMP_PLAIN_NULL:
    put(w, "null");
    break;
  case UMP_PLAIN_DELETE:
    put(w, "host.DELETE");
    break;
  case UMP_PLAIN_FALSE:
    put(w, "false");
    break;
  case UMP_PLAIN_TRUE:
    put(w, "true");
    break;
  case UMP_PLAIN_INT:
    snprintf(text, sizeof text, "%lld", (long long)v.i), put(w, text);
    break;
  case UMP_PLAIN_FLOAT:
    snprintf(text, sizeof text, "%.14g", v.f), put(w, text);
    break;
  case UMP_PLAIN_STRING:
    put_string(w, v.s);
    break;
  default:
    put_container(w, r, &v, depth - 1);
  }
}

void ump_value_text(struct ump_writer *w, struct ump_bytes plain) {
  struct ump_reader r = ump_reader(plain);
  put_value(w, &r, UMP_VALUE_DEPTH + 1);
}
