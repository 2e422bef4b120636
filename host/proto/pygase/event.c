/* Events as the wire has them: a length, and a map of type, handler_args and handler_kwargs. Wire sections 3 and 7.
 *
 * To rules the arguments are one value: args its array part, kwargs its hash part; neither: none. */
#include "proto/pygase/internal.h"

#define OTHERS 8 /* keys of a map that mean nothing to us; the real client writes none */

struct parse {
  struct ump_msgpack_reader m;
  struct ump_writer *out;
  struct pg_event *event;
  bool has_name, has_args, has_kwargs;
  struct ump_bytes others[OTHERS];
  size_t n_others;
  size_t args, args_n, kwargs, kwargs_n; /* where in out, with their heads */
  uint32_t n_args, n_kwargs;
};

static bool read_name(struct parse *p) {
  struct ump_plain v;
  bool text;
  if (p->has_name || !ump_msgpack_get(&p->m, &v, &text) || !text) return false;
  p->event->name = v.s;
  return p->has_name = true;
}

static bool read_args(struct parse *p) {
  struct ump_plain v;
  bool text;
  if (p->has_args || !ump_msgpack_get(&p->m, &v, &text) || v.tag != UMP_PLAIN_ARRAY) return false;
  p->args = p->out->n, p->n_args = v.count;
  ump_plain_put_array(p->out, v.count);
  p->m.depth--;
  if (!ump_msgpack_values(&p->m, p->out, v.count)) return false;
  p->m.depth++;
  p->args_n = p->out->n - p->args;
  return p->has_args = true;
}

static bool read_kwargs(struct parse *p) {
  struct ump_plain v;
  bool text;
  if (p->has_kwargs || !ump_msgpack_get(&p->m, &v, &text) || v.tag != UMP_PLAIN_MAP) return false;
  p->kwargs = p->out->n, p->n_kwargs = v.count;
  ump_plain_put_map(p->out, v.count);
  p->m.depth--;
  if (!ump_msgpack_pairs(&p->m, p->out, v.count, true)) return false;
  p->m.depth++;
  p->kwargs_n = p->out->n - p->kwargs;
  return p->has_kwargs = true;
}

/* Looked at, so that what follows is found, and forgotten. */
static bool read_other(struct parse *p, struct ump_bytes key) {
  size_t before = p->out->n;
  for (size_t i = 0; i < p->n_others; i++)
    if (ump_bytes_equal(p->others[i], key)) return false;
  if (p->n_others == OTHERS || !ump_msgpack_value(&p->m, p->out)) return false;
  p->others[p->n_others++] = key;
  p->out->n = before;
  return true;
}

static bool read_pair(struct parse *p) {
  struct ump_plain key;
  bool text;
  if (!ump_msgpack_get(&p->m, &key, &text) || !text) return false;
  if (ump_bytes_equal(key.s, ump_bytes("type", 4))) return read_name(p);
  if (ump_bytes_equal(key.s, ump_bytes("handler_args", 12))) return read_args(p);
  if (ump_bytes_equal(key.s, ump_bytes("handler_kwargs", 14))) return read_kwargs(p);
  return read_other(p, key.s);
}

/* args and kwargs as one value. The real client writes args first, so kwargs usually lie behind them already. */
static bool join(struct parse *p) {
  struct ump_writer *w = p->out;
  if (!p->n_args || !p->n_kwargs) {
    p->event->data = p->n_args     ? ump_bytes(w->p + p->args, p->args_n)
                     : p->n_kwargs ? ump_bytes(w->p + p->kwargs, p->kwargs_n)
                                   : ump_bytes(NULL, 0);
    return true;
  }
  size_t at = p->args;
  if (p->args + p->args_n != p->kwargs) {
    at = w->n;
    ump_write_bytes(w, ump_bytes(w->p + p->args, p->args_n));
    ump_write_bytes(w, ump_bytes(w->p + p->kwargs, p->kwargs_n));
    if (w->full) return false;
  }
  struct ump_writer head = ump_writer(w->p + at, p->args_n);
  ump_plain_put_mixed(&head, p->n_args);
  p->event->data = ump_bytes(w->p + at, p->args_n + p->kwargs_n);
  return true;
}

int ump__pg_event(struct ump_reader *block, struct ump_writer *out, struct pg_event *event) {
  struct ump_bytes map = ump_read_bytes(block, ump_read_u16be(block));
  struct parse p = {.m = ump_msgpack_reader(map), .out = out, .event = event};
  struct ump_plain v;
  bool text;
  if (block->bad || !map.n) return 0;
  if (!ump_msgpack_get(&p.m, &v, &text) || v.tag != UMP_PLAIN_MAP) return 0;
  p.m.depth--;
  while (v.count--)
    if (!read_pair(&p)) return 0;
  if (ump_reader_left(&p.m.r) || !p.has_name || !p.has_args || !p.has_kwargs) return 0;
  return join(&p);
}

int ump__pg_events(struct ump_pygase *n, struct ump_bytes block) {
  struct ump_reader r = ump_reader(block);
  struct ump_writer plain = ump_writer(n->plain, sizeof n->plain);
  n->n_events = n->at_event = 0;
  while (ump_reader_left(&r)) {
    if (n->n_events == PG_PACKAGE_EVENTS || !ump__pg_event(&r, &plain, &n->events[n->n_events]))
      return n->n_events = 0, 0;
    n->n_events++;
  }
  return 1;
}

/* ---- to the client ---- */

/* Python takes them as keyword arguments: strings, or the client dies. */
static bool names_only(struct ump_reader r, uint32_t count) {
  struct ump_plain key;
  while (count--)
    if (!ump_plain_get(&r, &key) || key.tag != UMP_PLAIN_STRING || !ump_utf8_valid(key.s) || !ump_plain_skip(&r))
      return false;
  return true;
}

static int put_values(struct ump_writer *w, struct ump_reader *r, uint64_t n) {
  int err = 0;
  while (n-- && !err) err = ump_msgpack_put_plain(w, r, ump_bytes(NULL, 0));
  return err;
}

static int put_kwargs(struct ump_writer *w, struct ump_reader *r, uint32_t count) {
  ump_msgpack_put_string(w, ump_text("handler_kwargs"));
  if (!names_only(*r, count)) return UMP_ENOSUPPORT;
  ump_msgpack_put_map(w, count);
  return put_values(w, r, 2 * (uint64_t)count);
}

static int put_arguments(struct ump_writer *w, struct ump_bytes data) {
  struct ump_reader r = ump_reader(data), whole = r;
  struct ump_plain v = {.tag = UMP_PLAIN_MAP}, map = {.count = 0};
  if (data.n && !ump_plain_get(&r, &v)) return UMP_EMALFORMED;
  ump_msgpack_put_string(w, ump_text("handler_args"));
  int err = 0;
  switch (v.tag) {
  case UMP_PLAIN_MAP:
    map = v;
    ump_msgpack_put_array(w, 0);
    break;
  case UMP_PLAIN_MIXED:
  case UMP_PLAIN_ARRAY:
  case UMP_PLAIN_TUPLE:
    ump_msgpack_put_array(w, v.count);
    err = put_values(w, &r, v.count);
    if (!err && v.tag == UMP_PLAIN_MIXED && !ump_plain_get(&r, &map)) err = UMP_EMALFORMED;
    break;
  default:
    ump_msgpack_put_array(w, 1);
    err = put_values(w, &whole, 1);
  }
  return err ? err : put_kwargs(w, &r, map.count);
}

int ump__pg_pack(struct ump_pygase *n, const struct ump_notice *notice, struct ump_blob **out) {
  uint8_t text[PG_EVENT];
  struct ump_writer w = ump_writer(text, sizeof text);
  if (!notice->has_name || !ump_utf8_valid(notice->name)) return UMP_ENOSUPPORT;
  ump_msgpack_put_map(&w, 3);
  ump_msgpack_put_string(&w, ump_text("type"));
  ump_msgpack_put_string(&w, notice->name);
  int err = put_arguments(&w, notice->has_data ? notice->data : ump_bytes(NULL, 0));
  if (err == UMP_ENOSUPPORT) return err;
  if (w.full) return UMP_ETOOBIG;
  if (err) return UMP_ENOSUPPORT;
  *out = ump_blob_new(n->mem, w.n);
  if (!*out) return UMP_ENOMEM;
  memcpy((*out)->p, w.p, w.n);
  return 0;
}
