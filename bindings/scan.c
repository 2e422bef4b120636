/* What a compiled file does with global names and fields, read from its bytecode: the compiler has already told locals,
 * upvalues and globals apart, so this is exact where a search through the text would guess.
 *
 * The format is what lua_dump of Lua 5.4 writes (ldump.c; the header names version and sizes, and anything else is
 * refused). Seen are: _ENV.name read and written (OP_GETTABUP, OP_SETTABUP), _G.name = written through the global _G,
 * t.name = ... (OP_SETFIELD) for finding the line of a field, the strings that a function mentions, and those that are
 * the patterns of s:find("...") or string.find(s, "...") and their kin (OP_LOADK, two registers above the function).
 * Not seen: names in functions of more than 255 constants, which the compiler reaches by other instructions; there the
 * sandbox still raises when such a name is read.
 */
#include <lauxlib.h>

#include "bindings/book.h"

enum { /* lopcodes.h of 5.4.0 to 5.4.7 */
       OP_LOADK = 3,
       OP_GETTABUP = 11,
       OP_GETFIELD = 14,
       OP_SETTABUP = 15,
       OP_SETFIELD = 18,
       OP_SELF = 20,
       OP_CALL = 68,
       OP_TAILCALL = 69
};
enum { K_NIL = 0, K_FALSE = 1, K_TRUE = 17, K_INTEGER = 3, K_FLOAT = 19, K_SHORT = 4, K_LONG = 20 };
enum { DEPTH = 200 };      /* functions in functions: LUAI_MAXCCALLS, the compiler's own limit */
enum { ABSOLUTE = -0x80 }; /* a line that does not fit a signed byte is in the second table */

struct scan {
  const struct ump_mem *mem;
  ump_scan_fn *tell;
  void *ctx;
  struct ump_reader in;
};

enum { NO_ENV = 256 }; /* upvalues are counted in a byte */

/* One function: where its parts are. */
struct proto {
  struct ump_bytes code, lines, absolute;
  struct ump_bytes *constants; /* strings; p == NULL for others */
  size_t n_constants, n_absolute;
  size_t env; /* index of the upvalue that is the sandbox's globals; NO_ENV: it has none */
  int first_line;
};

/* ---- the format ---- */

static size_t read_size(struct ump_reader *r) { /* groups of 7 bits, high ones first; the last has its top bit set */
  size_t n = 0;
  for (int i = 0; i < 10; i++) {
    uint8_t b = ump_read_u8(r);
    n = (n << 7) | (b & 0x7F);
    if (b & 0x80) return n;
    if (r->bad) return 0;
  }
  r->bad = true;
  return 0;
}

static struct ump_bytes read_string(struct ump_reader *r) {
  size_t n = read_size(r);
  return n ? ump_read_bytes(r, n - 1) : ump_bytes(NULL, 0);
}

static bool read_header(struct ump_reader *r) {
  static const char magic[] = "\x1bLua\x54\x00\x19\x93\r\n\x1a\n";
  struct ump_bytes start = ump_read_bytes(r, sizeof magic - 1);
  bool known = ump_bytes_equal(start, ump_bytes(magic, sizeof magic - 1));
  known = ump_read_u8(r) == 4 && known; /* bytes of an instruction */
  known = ump_read_u8(r) == sizeof(lua_Integer) && known;
  known = ump_read_u8(r) == sizeof(lua_Number) && known;
  ump_read_bytes(r, sizeof(lua_Integer) + sizeof(lua_Number)); /* 0x5678 and 370.5: this very Lua wrote them */
  ump_read_u8(r);                                              /* upvalues of the main function */
  return known && !r->bad;
}

static bool read_constants(struct scan *s, struct proto *p) {
  struct ump_reader *r = &s->in;
  p->n_constants = read_size(r);
  if (r->bad || p->n_constants > ump_reader_left(r)) return false;
  p->constants = ump_zalloc(s->mem, (p->n_constants + 1) * sizeof *p->constants);
  if (!p->constants) return false;
  for (size_t i = 0; i < p->n_constants && !r->bad; i++) {
    switch (ump_read_u8(r)) {
    case K_NIL:
    case K_FALSE:
    case K_TRUE:
      break;
    case K_INTEGER:
      ump_read_bytes(r, sizeof(lua_Integer));
      break;
    case K_FLOAT:
      ump_read_bytes(r, sizeof(lua_Number));
      break;
    case K_SHORT:
    case K_LONG:
      p->constants[i] = read_string(r);
      break;
    default:
      return false;
    }
  }
  return !r->bad;
}

static void read_debug(struct ump_reader *r, struct proto *p) {
  p->lines = ump_read_bytes(r, read_size(r));
  p->n_absolute = read_size(r);
  p->absolute = ump_bytes(r->p, ump_reader_left(r));
  for (size_t i = 0; i < p->n_absolute && !r->bad; i++) read_size(r), read_size(r);
  size_t n_locals = read_size(r);
  for (size_t i = 0; i < n_locals && !r->bad; i++) read_string(r), read_size(r), read_size(r);
  size_t n_names = read_size(r);
  for (size_t i = 0; i < n_names && !r->bad; i++) read_string(r);
}

/* The globals are the first upvalue of the file, and whatever upvalue of an inner function leads there: a local that
 * happens to be called _ENV does not. */
static void read_upvalues(struct ump_reader *r, struct proto *p, size_t outer_env, bool is_file) {
  size_t n = read_size(r);
  p->env = is_file ? 0 : NO_ENV;
  for (size_t i = 0; i < n && !r->bad; i++) {
    bool is_local = ump_read_u8(r) != 0;
    size_t index = ump_read_u8(r);
    ump_read_u8(r); /* kind */
    if (!is_file && !is_local && index == outer_env) p->env = i;
  }
}

/* ---- the instructions ---- */

struct cursor { /* lines follow the code */
  size_t pc;
  int line;
  struct ump_reader absolute;
};

static void step(const struct proto *p, struct cursor *c) {
  int delta = c->pc < p->lines.n ? (int8_t)p->lines.p[c->pc] : 0;
  if (delta != ABSOLUTE) {
    c->line += delta;
    return;
  }
  read_size(&c->absolute); /* its pc: this one */
  c->line = (int)read_size(&c->absolute);
}

static struct ump_bytes constant(const struct proto *p, unsigned i) {
  return i < p->n_constants ? p->constants[i] : ump_bytes(NULL, 0);
}

/* Longer names than any that means something to us are passed over, and so are those with a zero in them. */
static void tell(struct scan *s, int kind, struct ump_bytes name, int line) {
  char text[256];
  if (!name.p || name.n >= sizeof text || memchr(name.p, 0, name.n)) return;
  memcpy(text, name.p, name.n);
  text[name.n] = 0;
  struct ump_scan_name n = {.name = text, .line = line, .kind = kind};
  s->tell(s->ctx, &n);
}

static bool takes_pattern(struct ump_bytes name) {
  static const char *const names[] = {"find", "match", "gmatch", "gsub"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (ump_bytes_equal(name, ump_text(names[i]))) return true;
  return false;
}

/* s:find(...) and string.find(s, ...) both have the function in a register and the pattern two above it. callee: for
 * each register, whether such a function is in it, until it is called. */
static void walk_strings(struct scan *s, const struct proto *p, const struct cursor *c, uint32_t i, bool callee[258]) {
  unsigned op = i & 0x7F, A = (i >> 7) & 0xFF, C = (i >> 24) & 0xFF;
  if (op == OP_SELF || op == OP_GETFIELD)
    callee[A] = (op == OP_GETFIELD || (i >> 15 & 1)) && takes_pattern(constant(p, C));
  if (op == OP_CALL || op == OP_TAILCALL) callee[A] = false;
  if (op == OP_LOADK && A >= 2 && callee[A - 2]) tell(s, UMP_SCAN_PATTERN, constant(p, i >> 15), c->line);
}

static void walk_code(struct scan *s, const struct proto *p) {
  struct cursor c = {0, p->first_line, ump_reader(p->absolute)};
  unsigned global_table = 256; /* the register that was last given _G; 256: none */
  bool callee[258] = {false};
  for (size_t k = 0; k < p->n_constants; k++) tell(s, UMP_SCAN_CONSTANT, p->constants[k], p->first_line);
  for (; (c.pc + 1) * 4 <= p->code.n; c.pc++) {
    uint32_t i;
    memcpy(&i, p->code.p + 4 * c.pc, 4);
    step(p, &c);
    unsigned op = i & 0x7F, A = (i >> 7) & 0xFF, B = (i >> 16) & 0xFF, C = (i >> 24) & 0xFF;
    bool sets_global = op == OP_SETFIELD && A == global_table;
    if (op == OP_GETTABUP && B == p->env) tell(s, UMP_SCAN_READS, constant(p, C), c.line);
    if (op == OP_SETTABUP && A == p->env) tell(s, UMP_SCAN_SETS, constant(p, B), c.line);
    if (op == OP_SETFIELD) tell(s, sets_global ? UMP_SCAN_SETS : UMP_SCAN_FIELD, constant(p, B), c.line);
    walk_strings(s, p, &c, i, callee);
    if (op == OP_GETTABUP && B == p->env && ump_bytes_equal(constant(p, C), ump_text("_G")))
      global_table = A;
    else if (op != OP_SETFIELD && A == global_table)
      global_table = 256;
  }
}

static bool function(struct scan *s, unsigned depth, size_t outer_env);

static bool functions(struct scan *s, unsigned depth, size_t env) {
  size_t n = read_size(&s->in);
  for (size_t i = 0; i < n; i++)
    if (s->in.bad || !function(s, depth, env)) return false;
  return !s->in.bad;
}

static bool function(struct scan *s, unsigned depth, size_t outer_env) {
  struct ump_reader *r = &s->in;
  struct proto p = {0};
  if (depth > DEPTH) return false;
  read_string(r); /* source */
  p.first_line = (int)read_size(r);
  read_size(r), ump_read_u8(r), ump_read_u8(r), ump_read_u8(r); /* last line, parameters, vararg, stack */
  size_t n_code = read_size(r);
  bool ok = n_code <= ump_reader_left(r) / 4;
  if (ok) p.code = ump_read_bytes(r, 4 * n_code);
  ok = ok && read_constants(s, &p);
  if (ok) read_upvalues(r, &p, outer_env, depth == 0);
  ok = ok && functions(s, depth + 1, p.env);
  if (ok) read_debug(r, &p);
  ok = ok && !r->bad;
  if (ok) walk_code(s, &p);
  ump_free(s->mem, p.constants, (p.n_constants + 1) * sizeof *p.constants * (p.constants != NULL));
  return ok;
}

/* ---- the door ---- */

static int collect(lua_State *L, const void *p, size_t n, void *ctx) {
  struct ump_buf *b = ctx;
  (void)L;
  ump_buf_put(b, ump_bytes(p, n));
  return b->failed;
}

bool ump__scan(lua_State *L, const struct ump_mem *mem, ump_scan_fn *tell_fn, void *ctx) {
  struct ump_buf code = ump_buf(mem, 0);
  bool ok = lua_dump(L, collect, &code, 0) == 0;
  struct scan s = {mem, tell_fn, ctx, ump_reader(ump_buf_bytes(&code))};
  ok = ok && read_header(&s.in) && function(&s, 0, NO_ENV);
  ump_buf_free(&code);
  return ok;
}
