/* The state as notifies, for clients of each protocol: plain data becomes JSON text here, without Lua. Keys of maps
 * that are integers become strings, as JSON wants it; an empty map is {}, an empty list []. */
#include <stdio.h>

#include "bindings/book.h"

static void put_text(struct ump_buf *out, struct ump_bytes s) {
  ump_buf_byte(out, '"');
  for (size_t i = 0, from = 0; i <= s.n; i++) {
    bool plain = i < s.n && s.p[i] >= ' ' && s.p[i] != '"' && s.p[i] != '\\' && s.p[i] != 0x7F;
    if (plain) continue;
    ump_buf_put(out, ump_bytes(s.p + from, i - from));
    from = i + 1;
    if (i == s.n) break;
    if (s.p[i] == '"' || s.p[i] == '\\')
      ump_buf_byte(out, '\\'), ump_buf_byte(out, (char)s.p[i]);
    else
      ump_buf_print(out, "\\u%04x", s.p[i]);
  }
  ump_buf_byte(out, '"');
}

/* The fewest digits that read back the same; a float keeps its point. */
static void put_float(struct ump_buf *out, double f) {
  char text[40];
  double back = 0;
  for (int digits = 14; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, f);
    if (sscanf(text, "%lf", &back) == 1 && back == f) break;
  }
  ump_buf_text(out, text);
  if (!strpbrk(text, ".e")) ump_buf_text(out, ".0");
}

static bool put_value(struct ump_buf *out, struct ump_reader *r);

static bool put_list(struct ump_buf *out, struct ump_reader *r, uint32_t n) {
  bool good = true;
  ump_buf_byte(out, '[');
  for (uint32_t i = 0; i < n && good; i++) {
    if (i) ump_buf_byte(out, ',');
    good = put_value(out, r);
  }
  ump_buf_byte(out, ']');
  return good;
}

static bool put_pair(struct ump_buf *out, struct ump_reader *r, bool first) {
  struct ump_plain key;
  if (!ump_plain_get(r, &key)) return false;
  if (!first) ump_buf_byte(out, ',');
  if (key.tag == UMP_PLAIN_STRING)
    put_text(out, key.s);
  else if (key.tag == UMP_PLAIN_INT)
    ump_buf_print(out, "\"%lld\"", (long long)key.i);
  else
    return false;
  ump_buf_byte(out, ':');
  return put_value(out, r);
}

/* list: values under 1, 2, ... that come before the pairs, of a table that has both. */
static bool put_object(struct ump_buf *out, struct ump_reader *r, uint32_t list, uint32_t pairs) {
  struct ump_plain map = {.count = pairs};
  bool good = true;
  ump_buf_byte(out, '{');
  for (uint32_t i = 0; i < list && good; i++) {
    ump_buf_print(out, i ? ",\"%u\":" : "\"%u\":", i + 1);
    good = put_value(out, r);
  }
  if (good && list) good = ump_plain_get(r, &map) && map.tag == UMP_PLAIN_MAP;
  for (uint32_t i = 0; i < map.count && good; i++) good = put_pair(out, r, !list && i == 0);
  ump_buf_byte(out, '}');
  return good;
}

static bool put_value(struct ump_buf *out, struct ump_reader *r) {
  struct ump_plain v;
  if (!ump_plain_get(r, &v)) return false;
  switch (v.tag) {
  case UMP_PLAIN_FALSE:
    return ump_buf_text(out, "false"), true;
  case UMP_PLAIN_TRUE:
    return ump_buf_text(out, "true"), true;
  case UMP_PLAIN_INT:
    return ump_buf_print(out, "%lld", (long long)v.i), true;
  case UMP_PLAIN_FLOAT:
    return put_float(out, v.f), true;
  case UMP_PLAIN_STRING:
    return put_text(out, v.s), true;
  case UMP_PLAIN_ARRAY:
  case UMP_PLAIN_TUPLE:
    return put_list(out, r, v.count);
  case UMP_PLAIN_MAP:
    return put_object(out, r, 0, v.count);
  case UMP_PLAIN_MIXED:
    return put_object(out, r, v.count, 0);
  default:
    return ump_buf_text(out, "null"), true;
  }
}

int ump__state_tell(void *book, const struct ump_client *c, struct ump_bytes plain, struct ump_notice *out) {
  struct ump_book *b = book;
  struct ump_buf *text = &b->json.scratch;
  struct ump_reader r = ump_reader(plain);
  const struct ump_proto_ops *ops = ump_engine_listener(b->engine, c->listener);
  *out = (struct ump_notice){.has_name = true, .has_data = true, .name = ump_text("state"), .data = plain};
  if (ops->encoding == UMP_RAW) return UMP_ENOSUPPORT;
  if (ops->encoding == UMP_PLAIN && !ops->state_as_text) return 0;
  ump_buf_clear(text);
  if (!put_value(text, &r)) return UMP_EINVAL;
  out->data = ump_buf_bytes(text);
  if (text->failed) return UMP_ENOMEM;
  if (ops->encoding == UMP_JSON) return 0;
  ump_buf_clear(&b->out);
  if (!ump_buf_room(&b->out, text->n + 16)) return UMP_ENOMEM;
  struct ump_writer w = ump_writer(b->out.p, text->n + 16);
  ump_plain_put_string(&w, out->data);
  out->data = ump_written(&w);
  return 0;
}
