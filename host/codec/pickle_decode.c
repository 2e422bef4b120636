/* Pickles to plain data: a stack, a stack of marks, a memo, and one step per opcode. Nothing is imported, looked up or
 * called; the five names that Python writes for bytes and sets are inert until a REDUCE with exactly their arguments.
 */
#include "codec/pickle_text.h"

struct machine {
  struct values v;
  struct ump_reader in;
  const uint8_t *start;
  uint32_t *stack, *marks, *memo;                                  /* nodes; stack heights; nodes, 0: nothing */
  size_t n_stack, cap_stack, n_marks, cap_marks, n_memo, cap_memo; /* n_memo: entries so far, for MEMOIZE */
  bool stopped;
};

static bool fail(struct machine *m, const char *why) {
  if (!m->v.why) m->v.why = why;
  return false;
}

static bool room(struct machine *m, uint32_t **p, size_t *cap, size_t need) {
  if (need <= *cap) return true;
  size_t more = *cap ? *cap * 2 : 64;
  while (more < need) more *= 2;
  uint32_t *q = ump_realloc(m->v.mem, *p, *cap * sizeof **p, more * sizeof **p);
  if (!q) {
    m->v.no_memory = true;
    return fail(m, "out of memory");
  }
  memset(q + *cap, 0, (more - *cap) * sizeof *q);
  *p = q, *cap = more;
  return true;
}

/* ---- stack, marks, memo ---- */

static bool push(struct machine *m, uint32_t node) {
  if (!node || !room(m, &m->stack, &m->cap_stack, m->n_stack + 1)) return false;
  m->stack[m->n_stack++] = node;
  return true;
}

static size_t floor_of(const struct machine *m) {
  return m->n_marks ? m->marks[m->n_marks - 1] : 0;
}

/* The top value, which stays; 0 if there is none above the last mark. */
static uint32_t top(struct machine *m) {
  if (m->n_stack <= floor_of(m)) return fail(m, "the stack is empty");
  return m->stack[m->n_stack - 1];
}

static uint32_t pop(struct machine *m) {
  uint32_t node = top(m);
  if (node) m->n_stack--;
  return node;
}

static bool mark(struct machine *m) {
  if (!room(m, &m->marks, &m->cap_marks, m->n_marks + 1)) return false;
  m->marks[m->n_marks++] = (uint32_t)m->n_stack;
  return true;
}

static bool unmark(struct machine *m, size_t *from) {
  if (!m->n_marks) return fail(m, "no mark");
  *from = m->marks[--m->n_marks];
  return true;
}

static bool remember(struct machine *m, uint64_t index) {
  uint32_t node = top(m);
  if (!node) return false;
  if (index >= m->v.pickle.n) return fail(m, "a memo index larger than the pickle");
  if (!room(m, &m->memo, &m->cap_memo, (size_t)index + 1)) return false;
  if (!m->memo[index]) m->n_memo++;
  m->memo[index] = node;
  return true;
}

static bool recall(struct machine *m, uint64_t index) {
  if (index >= m->cap_memo || !m->memo[index]) return fail(m, "nothing is remembered there");
  return push(m, m->memo[index]);
}

/* ---- arguments ---- */

/* Up to a line feed, which is taken and left out. */
static bool line(struct machine *m, struct ump_bytes *out) {
  size_t left = ump_reader_left(&m->in);
  const uint8_t *end = left ? memchr(m->in.p, '\n', left) : NULL;
  if (!end) return fail(m, "cut in a line");
  *out = ump_bytes(m->in.p, (size_t)(end - m->in.p));
  m->in.p = end + 1;
  return true;
}

static bool line_index(struct machine *m, uint64_t *index) {
  struct ump_bytes text;
  int64_t i;
  if (!line(m, &text)) return false;
  if (!ump__pickle_integer(text, 10, &i) || i < 0) return fail(m, "no memo index");
  *index = (uint64_t)i;
  return true;
}

/* A run of bytes with its length in front; borrowed from the pickle. */
static bool counted(struct machine *m, unsigned width, struct ump_bytes *out) {
  uint64_t n = width == 1 ? ump_read_u8(&m->in) : width == 4 ? ump_read_u32le(&m->in) : ump_read_u64le(&m->in);
  if (m->in.bad || n > ump_reader_left(&m->in)) return fail(m, "cut in a string");
  *out = ump_read_bytes(&m->in, (size_t)n);
  return true;
}

/* ---- values ---- */

static bool push_kind(struct machine *m, enum kind kind) {
  return push(m, ump__pickle_node(&m->v, kind));
}

static bool push_int(struct machine *m, int64_t i) {
  uint32_t node = ump__pickle_node(&m->v, K_INT);
  if (node) m->v.nodes[node].u.i = i;
  return push(m, node);
}

static bool push_float(struct machine *m, double f) {
  uint32_t node = ump__pickle_node(&m->v, K_FLOAT);
  if (node) m->v.nodes[node].u.f = f;
  return push(m, node);
}

static bool push_string(struct machine *m, enum kind kind, unsigned width) {
  struct ump_bytes s;
  if (!counted(m, width, &s)) return false;
  return push(m, ump__pickle_string(&m->v, kind, (size_t)(s.p - m->start), s.n, false));
}

static bool push_unicode(struct machine *m, unsigned width) {
  struct ump_bytes s;
  if (!counted(m, width, &s)) return false;
  if (!ump__pickle_utf8(s)) return fail(m, "text that is no UTF-8");
  return push(m, ump__pickle_string(&m->v, K_TEXT, (size_t)(s.p - m->start), s.n, false));
}

static bool op_int(struct machine *m) {
  struct ump_bytes text;
  int64_t i;
  if (!line(m, &text)) return false;
  if (ump_bytes_equal(text, ump_text("00"))) return push_kind(m, K_FALSE);
  if (ump_bytes_equal(text, ump_text("01"))) return push_kind(m, K_TRUE);
  return ump__pickle_integer(text, 20, &i) ? push_int(m, i) : fail(m, "integer too large, or none");
}

static bool op_long(struct machine *m) {
  struct ump_bytes text;
  int64_t i;
  if (!line(m, &text)) return false;
  if (text.n && text.p[text.n - 1] == 'L') text.n--;
  return ump__pickle_integer(text, 20, &i) ? push_int(m, i) : fail(m, "integer too large, or none");
}

static bool op_long_bytes(struct machine *m, unsigned width) {
  uint64_t n = width == 1 ? ump_read_u8(&m->in) : ump_read_u32le(&m->in), u = 0;
  if (m->in.bad || n > ump_reader_left(&m->in)) return fail(m, "cut in an integer");
  if (n > 9) return fail(m, "integer too large");
  struct ump_bytes b = ump_read_bytes(&m->in, (size_t)n);
  if (n == 0) return push_int(m, 0);
  bool minus = b.p[n - 1] >> 7;
  if (n == 9 && (b.p[8] != (minus ? 0xff : 0) || b.p[7] >> 7 != minus)) return fail(m, "integer too large");
  for (size_t i = 0; i < 8; i++) u |= (uint64_t)(i < n ? b.p[i] : minus ? 0xff : 0) << (8 * i);
  return push_int(m, (int64_t)u);
}

static bool op_float(struct machine *m) {
  struct ump_bytes text;
  double f;
  if (!line(m, &text)) return false;
  return ump__pickle_float(text, &f) ? push_float(m, f) : fail(m, "no number");
}

static bool op_binfloat(struct machine *m) {
  uint64_t bits = ump_read_u64be(&m->in);
  double f;
  memcpy(&f, &bits, sizeof f);
  return push_float(m, f);
}

static bool op_text_line(struct machine *m, uint32_t (*decode)(struct values *, struct ump_bytes)) {
  struct ump_bytes text;
  return line(m, &text) && push(m, decode(&m->v, text));
}

/* ---- containers ---- */

static bool add_pair(struct machine *m, uint32_t dict, uint32_t key, uint32_t value) {
  if (!ump__pickle_is_key(&m->v, key)) return fail(m, "this cannot be a key");
  return ump__pickle_add(&m->v, dict, key) && ump__pickle_add(&m->v, dict, value);
}

/* Adds stack[from..] to a container, and takes them off the stack. */
static bool add_from(struct machine *m, uint32_t container, size_t from) {
  bool dict = m->v.nodes[container].kind == K_DICT, set = m->v.nodes[container].kind == K_SET;
  size_t n = m->n_stack - from;
  if (dict && n % 2) return fail(m, "a key without a value");
  for (size_t i = from; i < m->n_stack; i += dict ? 2 : 1) {
    if (set && !ump__pickle_is_key(&m->v, m->stack[i])) return fail(m, "this cannot be in a set");
    if (dict ? !add_pair(m, container, m->stack[i], m->stack[i + 1]) : !ump__pickle_add(&m->v, container, m->stack[i]))
      return false;
  }
  m->n_stack = from;
  return true;
}

static bool make_from_mark(struct machine *m, enum kind kind) {
  size_t from;
  if (!unmark(m, &from)) return false;
  uint32_t node = ump__pickle_node(&m->v, kind);
  return node && add_from(m, node, from) && push(m, node);
}

static bool op_tuple(struct machine *m, size_t n) {
  if (m->n_stack < floor_of(m) + n) return fail(m, "the stack is empty");
  uint32_t node = ump__pickle_node(&m->v, K_TUPLE);
  return node && add_from(m, node, m->n_stack - n) && push(m, node);
}

/* The top must be a container of this kind. */
static uint32_t target(struct machine *m, enum kind kind) {
  uint32_t node = top(m);
  if (node && m->v.nodes[node].kind != kind) return fail(m, "items for something that holds none");
  return node;
}

static bool op_append(struct machine *m) {
  uint32_t item = pop(m), list = item ? target(m, K_LIST) : 0;
  return list && ump__pickle_add(&m->v, list, item);
}

static bool op_setitem(struct machine *m) {
  uint32_t value = pop(m), key = value ? pop(m) : 0, dict = key ? target(m, K_DICT) : 0;
  return dict && add_pair(m, dict, key, value);
}

static bool op_add_from_mark(struct machine *m, enum kind kind) {
  size_t from;
  if (!unmark(m, &from)) return false;
  if (from <= floor_of(m)) return fail(m, "the stack is empty");
  uint32_t container = m->stack[from - 1];
  if (m->v.nodes[container].kind != kind) return fail(m, "items for something that holds none");
  return add_from(m, container, from);
}

/* ---- names: the calls that Python writes for plain values ---- */

static bool name(struct machine *m, struct ump_bytes module, struct ump_bytes what) {
  bool builtin = ump_bytes_equal(module, ump_text("__builtin__")),
       builtin3 = ump_bytes_equal(module, ump_text("builtins"));
  if (ump_bytes_equal(module, ump_text("_codecs")) && ump_bytes_equal(what, ump_text("encode")))
    return push_kind(m, K_ENCODE);
  if (builtin && ump_bytes_equal(what, ump_text("bytes"))) return push_kind(m, K_MAKE_BYTES);
  if (builtin || builtin3) {
    if (ump_bytes_equal(what, ump_text("bytearray"))) return push_kind(m, K_MAKE_BYTEARRAY);
    if (ump_bytes_equal(what, ump_text("set")) || ump_bytes_equal(what, ump_text("frozenset")))
      return push_kind(m, K_MAKE_SET);
  }
  return fail(m, "a name: only data is taken");
}

static bool op_global(struct machine *m) {
  struct ump_bytes module, what;
  return line(m, &module) && line(m, &what) && name(m, module, what);
}

static bool op_stack_global(struct machine *m) {
  uint32_t what = pop(m), module = what ? pop(m) : 0;
  if (!module) return false;
  if (m->v.nodes[what].kind != K_TEXT || m->v.nodes[module].kind != K_TEXT) return fail(m, "a name that is no text");
  return name(m, ump__pickle_text(&m->v, module), ump__pickle_text(&m->v, what));
}

static bool is_latin1(struct machine *m, uint32_t node, bool short_too) {
  struct ump_bytes s = ump__pickle_text(&m->v, node);
  return m->v.nodes[node].kind == K_TEXT &&
         (ump_bytes_equal(s, ump_text("latin-1")) || (short_too && ump_bytes_equal(s, ump_text("latin1"))));
}

static bool push_set(struct machine *m, uint32_t items) {
  uint32_t set = ump__pickle_node(&m->v, K_SET);
  if (!set) return false;
  for (uint32_t e = m->v.nodes[items].first; e; e = m->v.edges[e].next) {
    uint32_t item = m->v.edges[e].node;
    if (!ump__pickle_is_key(&m->v, item)) return fail(m, "this cannot be in a set");
    if (!ump__pickle_add(&m->v, set, item)) return false;
  }
  return push(m, set);
}

static bool op_reduce(struct machine *m) {
  uint32_t args = pop(m), callee = args ? pop(m) : 0;
  if (!callee) return false;
  if (m->v.nodes[args].kind != K_TUPLE) return fail(m, "a call: only data is taken");
  enum kind what = m->v.nodes[callee].kind;
  uint32_t n = m->v.nodes[args].count, arg[2] = {0, 0};
  if (n > 0) arg[0] = m->v.edges[m->v.nodes[args].first].node;
  if (n == 2) arg[1] = m->v.edges[m->v.nodes[args].last].node;
  enum kind first = n ? m->v.nodes[arg[0]].kind : K_NONE;
  bool bytes = what == K_MAKE_BYTES || what == K_MAKE_BYTEARRAY;
  if (bytes && n == 0) return push(m, ump__pickle_string(&m->v, K_BYTES, 0, 0, false));
  if (what == K_MAKE_BYTEARRAY && n == 1 && first == K_BYTES) return push(m, arg[0]);
  if ((what == K_ENCODE || what == K_MAKE_BYTEARRAY) && n == 2 && first == K_TEXT &&
      is_latin1(m, arg[1], what == K_ENCODE))
    return push(m, ump__pickle_latin1(&m->v, arg[0]));
  if (what == K_MAKE_SET && n == 1 && first == K_LIST) return push_set(m, arg[0]);
  return fail(m, "a call: only data is taken");
}

/* ---- the machine ---- */

static bool op_stop(struct machine *m) {
  if (m->n_marks || m->n_stack != 1) return fail(m, "it does not end with one value");
  if (ump_reader_left(&m->in)) return fail(m, "bytes behind the end");
  if (m->v.nodes[m->stack[0]].kind >= K_ENCODE) return fail(m, "a name is used as data");
  m->stopped = true;
  return true;
}

static bool op_frame(struct machine *m) {
  uint64_t n = ump_read_u64le(&m->in);
  return n <= ump_reader_left(&m->in) ? true : fail(m, "a frame longer than the pickle");
}

static bool op_proto(struct machine *m) {
  bool first = m->in.p == m->start + 1;
  uint8_t version = ump_read_u8(&m->in);
  return first && version <= 5 ? true : fail(m, "no protocol of Python's");
}

static bool step(struct machine *m) {
  uint64_t index;
  switch (ump_read_u8(&m->in)) {
  case 0x80:
    return op_proto(m);
  case 0x95:
    return op_frame(m);
  case '.':
    return op_stop(m);
  case 'N':
    return push_kind(m, K_NONE);
  case 0x88:
    return push_kind(m, K_TRUE);
  case 0x89:
    return push_kind(m, K_FALSE);
  case 'I':
    return op_int(m);
  case 'L':
    return op_long(m);
  case 'J':
    return push_int(m, (int32_t)ump_read_u32le(&m->in));
  case 'K':
    return push_int(m, ump_read_u8(&m->in));
  case 'M':
    return push_int(m, ump_read_u16le(&m->in));
  case 0x8a:
    return op_long_bytes(m, 1);
  case 0x8b:
    return op_long_bytes(m, 4);
  case 'F':
    return op_float(m);
  case 'G':
    return op_binfloat(m);
  case 'S':
    return op_text_line(m, ump__pickle_literal);
  case 'V':
    return op_text_line(m, ump__pickle_raw_unicode);
  case 'T':
    return push_string(m, K_TEXT, 4);
  case 'U':
    return push_string(m, K_TEXT, 1);
  case 'X':
    return push_unicode(m, 4);
  case 0x8c:
    return push_unicode(m, 1);
  case 0x8d:
    return push_unicode(m, 8);
  case 'B':
    return push_string(m, K_BYTES, 4);
  case 'C':
    return push_string(m, K_BYTES, 1);
  case 0x8e:
  case 0x96:
    return push_string(m, K_BYTES, 8);
  case '(':
    return mark(m);
  case ']':
    return push_kind(m, K_LIST);
  case ')':
    return push_kind(m, K_TUPLE);
  case '}':
    return push_kind(m, K_DICT);
  case 0x8f:
    return push_kind(m, K_SET);
  case 'l':
    return make_from_mark(m, K_LIST);
  case 't':
    return make_from_mark(m, K_TUPLE);
  case 'd':
    return make_from_mark(m, K_DICT);
  case 0x91:
    return make_from_mark(m, K_SET);
  case 0x85:
    return op_tuple(m, 1);
  case 0x86:
    return op_tuple(m, 2);
  case 0x87:
    return op_tuple(m, 3);
  case 'a':
    return op_append(m);
  case 'e':
    return op_add_from_mark(m, K_LIST);
  case 's':
    return op_setitem(m);
  case 'u':
    return op_add_from_mark(m, K_DICT);
  case 0x90:
    return op_add_from_mark(m, K_SET);
  case 'p':
    return line_index(m, &index) && remember(m, index);
  case 'q':
    return remember(m, ump_read_u8(&m->in));
  case 'r':
    return remember(m, ump_read_u32le(&m->in));
  case 0x94:
    return remember(m, m->n_memo);
  case 'g':
    return line_index(m, &index) && recall(m, index);
  case 'h':
    return recall(m, ump_read_u8(&m->in));
  case 'j':
    return recall(m, ump_read_u32le(&m->in));
  case 'c':
    return op_global(m);
  case 0x93:
    return op_stack_global(m);
  case 'R':
    return op_reduce(m);
  default:
    return fail(m, "an opcode that plain data does not need");
  }
}

static bool is_message(struct machine *m) {
  const struct node *root = &m->v.nodes[m->stack[0]];
  if (root->kind != K_LIST) return fail(m, "a message is a list");
  if (!root->count || m->v.nodes[m->v.edges[root->first].node].kind != K_TEXT)
    return fail(m, "a message begins with a text, its command");
  return true;
}

static int decode(const struct ump_mem *mem, struct ump_bytes pickle, bool message, struct ump_blob **out,
                  struct ump_pickle_error *error) {
  struct machine m = {.in = ump_reader(pickle), .start = pickle.p};
  m.v = (struct values){.mem = mem, .pickle = pickle, .max_bytes = ((size_t)1 << 20) + 4 * pickle.n};
  const uint8_t *at = pickle.p;
  while (!m.stopped && !m.v.why) {
    at = m.in.p;
    if (!ump_reader_left(&m.in))
      fail(&m, "cut");
    else if (step(&m) && m.in.bad)
      fail(&m, "cut");
  }
  if (!m.v.why && message) is_message(&m);
  int err = m.v.no_memory ? UMP_ENOMEM : m.v.why ? UMP_EMALFORMED : ump__pickle_write(&m.v, m.stack[0], out);
  if (error && m.v.why) *error = (struct ump_pickle_error){m.v.why, (size_t)(at - pickle.p)};
  ump_free(mem, m.stack, m.cap_stack * sizeof *m.stack);
  ump_free(mem, m.marks, m.cap_marks * sizeof *m.marks);
  ump_free(mem, m.memo, m.cap_memo * sizeof *m.memo);
  ump__pickle_values_deinit(&m.v);
  return err;
}

int ump_pickle_decode(const struct ump_mem *mem, struct ump_bytes pickle, struct ump_blob **out,
                      struct ump_pickle_error *error) {
  return decode(mem, pickle, false, out, error);
}

int ump_pickle_decode_message(const struct ump_mem *mem, struct ump_bytes pickle, struct ump_blob **out,
                              struct ump_pickle_error *error) {
  return decode(mem, pickle, true, out, error);
}
