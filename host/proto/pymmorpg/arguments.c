/* What a request may look like: a table that reads like the wire page's, and what each kind of argument must be. */
#include "proto/pymmorpg/internal.h"

/* ---- kinds of arguments: each reads one value, and says whether it is of that kind ---- */

static bool text(struct ump_reader *r, struct ump_bytes *out) {
  struct ump_plain v;
  if (!ump_plain_get(r, &v) || v.tag != UMP_PLAIN_STRING) return false;
  *out = v.s;
  return true;
}

static bool has_control(struct ump_bytes s) {
  for (size_t i = 0; i < s.n; i++) {
    if (s.p[i] < 0x20 || s.p[i] == 0x7f) return true;
    if (s.p[i] == 0xc2 && i + 1 < s.n && s.p[i + 1] >= 0x80 && s.p[i + 1] < 0xa0) return true; /* U+0080 to U+009F */
  }
  return false;
}

/* For names and passwords. */
static bool word(struct ump_reader *r, size_t max, struct ump_bytes *out) {
  return text(r, out) && out->n >= 1 && out->n <= max && ump_utf8_valid(*out) && !has_control(*out);
}

static bool finite_number(struct ump_reader *r) {
  struct ump_plain v;
  if (!ump_plain_get(r, &v)) return false;
  return v.tag == UMP_PLAIN_INT || (v.tag == UMP_PLAIN_FLOAT && v.f - v.f == 0); /* neither infinite nor NaN */
}

static bool list_of(struct ump_reader *r, uint32_t count, bool tuple_too) {
  struct ump_plain v;
  if (!ump_plain_get(r, &v) || v.count != count) return false;
  return v.tag == UMP_PLAIN_ARRAY || (tuple_too && v.tag == UMP_PLAIN_TUPLE);
}

static bool any_list(struct ump_reader *r) {
  struct ump_reader here = *r;
  struct ump_plain v;
  return ump_plain_get(&here, &v) && v.tag == UMP_PLAIN_ARRAY && ump_plain_skip(r);
}

/* ---- commands ---- */

static bool nothing(struct ump_reader *r, struct request *q) {
  return (void)r, (void)q, true;
}

static bool account(struct ump_reader *r, struct request *q) {
  return word(r, USER_MAX, &q->user) && word(r, PASSWORD_MAX, &q->password);
}

static bool offset(struct ump_reader *r, struct request *q) {
  (void)q;
  return list_of(r, 3, true) && finite_number(r) && finite_number(r) && finite_number(r);
}

static bool attribute(struct ump_reader *r, struct request *q) {
  struct ump_bytes attr;
  return text(r, &q->target) && text(r, &attr);
}

static bool assignment(struct ump_reader *r, struct request *q) {
  return attribute(r, q) && ump_plain_skip(r);
}

static bool edit(struct ump_reader *r, struct request *q) {
  struct ump_bytes command;
  (void)q;
  return list_of(r, 2, false) && text(r, &command) && any_list(r);
}

static const struct {
  const char *name;
  enum command command;
  uint32_t n_args;
  bool outside; /* needs no log-in */
  bool (*check)(struct ump_reader *r, struct request *q);
} commands[] = {
    {"ver", VER, 0, true, nothing},    {"upgrade", UPGRADE, 0, true, nothing}, {"login", LOGIN, 2, true, account},
    {"new", NEW, 2, true, account},    {"update", UPDATE, 0, false, nothing},  {"move", MOVE, 1, false, offset},
    {"get", GET, 2, false, attribute}, {"set", SET, 3, false, assignment},     {"edit", EDIT, 1, false, edit},
};

/* ---- a relative set: ["ann", "hp", (-5,)] becomes { "ann", "hp", -5, relative = true } ---- */

static bool is_relative(struct ump_reader r, struct ump_reader *value) {
  struct ump_plain v;
  if (!ump_plain_skip(&r) || !ump_plain_skip(&r)) return false;
  *value = r;
  return ump_plain_get(&r, &v) && v.tag == UMP_PLAIN_TUPLE && v.count == 1;
}

enum { HEAD = 5 }; /* bytes of an array's tag and count */

static int relative_set(const struct ump_mem *mem, struct ump_blob **message, struct ump_reader args,
                        struct ump_reader value, struct ump_bytes *out) {
  struct ump_blob *b = ump_blob_new(mem, ump_reader_left(&args) + 64);
  if (!b) return UMP_ENOMEM;
  struct ump_writer w = ump_writer(b->p, b->n);
  ump_plain_put_mixed(&w, 3);
  ump_write_bytes(&w, ump_bytes(args.p, (size_t)(value.p - args.p)));
  ump_write_bytes(&w, ump_bytes(value.p + HEAD, ump_reader_left(&value) - HEAD));
  ump_plain_put_map(&w, 1);
  ump_plain_put_string(&w, ump_text("relative"));
  ump_plain_put_tag(&w, UMP_PLAIN_TRUE);
  *out = ump_written(&w);
  ump_blob_unref(*message);
  *message = b;
  return 0;
}

/* ---- the face of this file ---- */

int ump__pm_request(const struct ump_mem *mem, struct ump_blob **message, struct request *out) {
  struct ump_reader r = ump_reader(ump_bytes((*message)->p, (*message)->n));
  struct ump_plain list;
  struct ump_bytes name = {0};
  *out = (struct request){0};
  if (!ump_plain_get(&r, &list) || !text(&r, &name)) return 0;
  struct ump_reader args = r, value;
  size_t i = 0, n = sizeof commands / sizeof *commands;
  while (i < n && !ump_bytes_equal(name, ump_text(commands[i].name))) i++;
  if (i == n || list.count != commands[i].n_args + 1) return 0;
  out->outside = commands[i].outside;
  if (!commands[i].check(&r, out)) return 0;
  out->command = commands[i].command, out->name = commands[i].name;
  if (out->command == SET && is_relative(args, &value)) {
    size_t at = (size_t)(out->target.p - (*message)->p), skipped = (size_t)(args.p - (*message)->p);
    int err = relative_set(mem, message, args, value, &out->args);
    if (!err) out->target.p = (*message)->p + at - skipped + HEAD; /* the text has moved with its value */
    return err;
  }
  /* The array's head takes the place of the end of the command's text and head, which are at least as long. */
  size_t at = (size_t)(args.p - (*message)->p) - HEAD;
  struct ump_writer w = ump_writer((*message)->p + at, HEAD);
  ump_plain_put_array(&w, commands[i].n_args);
  out->args = ump_bytes((*message)->p + at, (*message)->n - at);
  return 0;
}
