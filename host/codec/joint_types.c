/* The types of a remote procedure's parameters: from the text of a declaration to prefix form. */
#include "codec/joint.h"

/* A name in a declaration; keys are those that a map of Haxe has by itself. */
static const struct word {
  const char *name;
  enum ump_joint_type type;
  int key; /* of IntMap and StringMap: the key's type; else -1 */
} words[] = {
    {"Bool", UMP_JOINT_BOOL, -1},
    {"Byte", UMP_JOINT_BYTE, -1},
    {"UInt16", UMP_JOINT_UINT16, -1},
    {"Int16", UMP_JOINT_INT16, -1},
    {"Int32", UMP_JOINT_INT32, -1},
    {"Int", UMP_JOINT_INT32, -1},
    {"Float", UMP_JOINT_FLOAT, -1},
    {"Double", UMP_JOINT_DOUBLE, -1},
    {"String", UMP_JOINT_STRING, -1},
    {"Bytes", UMP_JOINT_BYTES, -1},
    {"Serialized", UMP_JOINT_STRING, -1},
    {"Array", UMP_JOINT_ARRAY, -1},
    {"List", UMP_JOINT_ARRAY, -1},
    {"Vector", UMP_JOINT_ARRAY, -1},
    {"Map", UMP_JOINT_MAP, -1},
    {"IntMap", UMP_JOINT_MAP, UMP_JOINT_INT32},
    {"StringMap", UMP_JOINT_MAP, UMP_JOINT_STRING},
};

struct parse {
  struct ump_reader in;
  struct ump_writer out;
  const char *why;
};

static int wrong(struct parse *p, const char *why) {
  if (!p->why) p->why = why;
  return UMP_EMALFORMED;
}

static int peek(struct parse *p) { /* the next byte that is no blank; -1: none */
  while (p->in.p < p->in.end && *p->in.p == ' ') p->in.p++;
  return p->in.p < p->in.end ? *p->in.p : -1;
}

static bool take(struct parse *p, char c) {
  if (peek(p) != c) return false;
  p->in.p++;
  return true;
}

static bool is_letter(int c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static const struct word *take_word(struct parse *p) {
  peek(p);
  const uint8_t *start = p->in.p;
  while (p->in.p < p->in.end && is_letter(*p->in.p)) p->in.p++;
  struct ump_bytes name = ump_bytes(start, (size_t)(p->in.p - start));
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (ump_bytes_equal(name, ump_text(words[i].name))) return &words[i];
  return NULL;
}

static int type(struct parse *p, unsigned depth);

static int key(struct parse *p) {
  const struct word *w = take_word(p);
  if (!w) return wrong(p, "no such type");
  if (w->type != UMP_JOINT_STRING && (w->type < UMP_JOINT_BYTE || w->type > UMP_JOINT_INT32))
    return wrong(p, "a map's keys are whole numbers or String"); /* as Haxe has them; and no NaN can be one */
  ump_write_u8(&p->out, (uint8_t)w->type);
  return take(p, ',') ? 0 : wrong(p, "a map has the types of its keys and its values, as in Map<String, Int32>");
}

static int inner(struct parse *p, const struct word *w, unsigned depth) {
  if (depth == UMP_JOINT_TYPE_DEPTH) return wrong(p, "more than 15 types in one another");
  if (!take(p, '<')) return wrong(p, "a list or map names what it holds, as in Array<Int32>");
  int err = 0;
  if (w->key >= 0)
    ump_write_u8(&p->out, (uint8_t)w->key);
  else if (w->type == UMP_JOINT_MAP)
    err = key(p);
  if (!err) err = type(p, depth + 1);
  if (!err && !take(p, '>')) err = wrong(p, "'>' is missing");
  return err;
}

static int type(struct parse *p, unsigned depth) {
  const struct word *w = take_word(p);
  if (!w) return wrong(p, "no such type");
  ump_write_u8(&p->out, (uint8_t)w->type);
  return w->type == UMP_JOINT_ARRAY || w->type == UMP_JOINT_MAP ? inner(p, w, depth) : 0;
}

int ump_joint_type_parse(struct ump_bytes text, struct ump_writer *out, const char **why) {
  uint8_t prefix[UMP_JOINT_TYPE_MAX];
  struct parse p = {.in = ump_reader(text), .out = ump_writer(prefix, sizeof prefix)};
  *why = NULL;
  int err = type(&p, 0);
  if (!err && peek(&p) >= 0) err = wrong(&p, "something follows the type");
  if (!err && (p.out.full || out->full || out->cap - out->n < p.out.n)) err = wrong(&p, "too long a type");
  if (!err) ump_write_bytes(out, ump_written(&p.out));
  *why = p.why;
  return err;
}

size_t ump_joint_type_length(struct ump_bytes types) {
  size_t open = 1, i = 0; /* types still to come */
  for (; i < types.n && open > 0; i++) {
    if (types.p[i] == UMP_JOINT_MAP) open += 2;
    if (types.p[i] == UMP_JOINT_ARRAY) open++;
    open--;
  }
  return open ? 0 : i;
}
