#include "codec/pickle_values.h"

#include "base/plain.h"

static bool fail(struct values *v, const char *why) {
  if (!v->why) v->why = why;
  return false;
}

/* One more item in a growing array. */
static bool room(struct values *v, void **p, size_t *cap, size_t need, size_t size) {
  if (need <= *cap) return true;
  size_t more = *cap ? *cap * 2 : 64;
  while (more < need) more *= 2;
  void *q = ump_realloc(v->mem, *p, *cap * size, more * size);
  if (!q) {
    v->no_memory = true;
    return fail(v, "out of memory");
  }
  *p = q, *cap = more;
  return true;
}

void ump__pickle_values_deinit(struct values *v) {
  ump_free(v->mem, v->nodes, v->cap_nodes * sizeof *v->nodes);
  ump_free(v->mem, v->edges, v->cap_edges * sizeof *v->edges);
  ump_free(v->mem, v->arena, v->cap_arena);
}

uint32_t ump__pickle_node(struct values *v, enum kind kind) {
  if (v->n_nodes == 0) v->n_nodes = 1;
  if (v->n_nodes > PICKLE_NODES) return fail(v, "too many values");
  if (!room(v, (void **)&v->nodes, &v->cap_nodes, v->n_nodes + 1, sizeof *v->nodes)) return 0;
  bool container = kind >= K_LIST && kind <= K_SET;
  bool key = kind <= K_BYTES || kind == K_TUPLE;
  v->nodes[v->n_nodes] = (struct node){.kind = (uint8_t)kind, .depth = container, .key = key, .weight = 1, .bytes = 9};
  return (uint32_t)v->n_nodes++;
}

uint32_t ump__pickle_string(struct values *v, enum kind kind, size_t at, size_t n, bool own) {
  uint32_t i = ump__pickle_node(v, kind);
  if (!i) return 0;
  v->nodes[i].u.s.at = at, v->nodes[i].u.s.n = n, v->nodes[i].u.s.own = own;
  v->nodes[i].bytes = 5 + n;
  return i;
}

uint8_t *ump__pickle_arena(struct values *v, size_t n) {
  if (v->n_arena + n > 4 * v->pickle.n + 1024) {
    fail(v, "too large when decoded");
    return NULL;
  }
  if (!room(v, (void **)&v->arena, &v->cap_arena, v->n_arena + n, 1)) return NULL;
  if (!v->arena) return NULL; /* nothing was asked for yet, and nothing is now */
  v->n_arena += n;
  return v->arena + v->n_arena - n;
}

struct ump_bytes ump__pickle_text(const struct values *v, uint32_t node) {
  const struct node *n = &v->nodes[node];
  if (n->u.s.n == 0) return ump_text("");
  return ump_bytes((n->u.s.own ? v->arena : v->pickle.p) + n->u.s.at, n->u.s.n);
}

bool ump__pickle_is_key(const struct values *v, uint32_t node) {
  const struct node *n = &v->nodes[node];
  if (n->kind == K_FLOAT) return n->u.f == n->u.f;
  return n->key;
}

bool ump__pickle_add(struct values *v, uint32_t container, uint32_t value) {
  if (v->n_edges >= PICKLE_EDGES) return fail(v, "too many values");
  if (!room(v, (void **)&v->edges, &v->cap_edges, v->n_edges + 2, sizeof *v->edges)) return false;
  struct node *c = &v->nodes[container], *n = &v->nodes[value];
  if (c->placed) return fail(v, "a finished container grows later");
  if (n->kind >= K_ENCODE) return fail(v, "a name is used as data");
  if (container == value) return fail(v, "a container inside itself");
  if (n->depth + 1 > PICKLE_DEPTH) return fail(v, "nested too deep");
  if (c->weight + n->weight > PICKLE_VALUES) return fail(v, "too many values");
  if (c->bytes + n->bytes > v->max_bytes) return fail(v, "too large when written out");
  n->placed = n->kind >= K_LIST;
  if (!ump__pickle_is_key(v, value)) c->key = false;
  if (c->depth < n->depth + 1) c->depth = (uint8_t)(n->depth + 1);
  c->weight += n->weight, c->bytes += n->bytes, c->count++;
  uint32_t e = (uint32_t)(v->n_edges += 1);
  v->edges[e] = (struct edge){value, 0};
  if (c->last)
    v->edges[c->last].next = e;
  else
    c->first = e;
  c->last = e;
  return true;
}

/* ---- out as plain data ---- */

/* A tuple cannot be a key of a Lua table: its key is the text of its parts, "1, 2, 3". */
static void write_key_text(const struct values *v, uint32_t node, struct ump_writer *w) {
  const struct node *n = &v->nodes[node];
  switch (n->kind) {
  case K_NONE:
    ump_write_text(w, "None");
    break;
  case K_FALSE:
    ump_write_text(w, "False");
    break;
  case K_TRUE:
    ump_write_text(w, "True");
    break;
  case K_INT:
    ump_write_decimal(w, n->u.i);
    break;
  case K_FLOAT:
    ump_write_decimal(w, n->u.f >= -9e15 && n->u.f <= 9e15 ? (int64_t)n->u.f : 0);
    break;
  case K_TUPLE:
    for (uint32_t e = n->first; e; e = v->edges[e].next) {
      if (e != n->first) ump_write_text(w, ", ");
      write_key_text(v, v->edges[e].node, w);
    }
    break;
  default:
    ump_write_bytes(w, ump__pickle_text(v, node));
    break;
  }
}

static void write_node(const struct values *v, uint32_t node, struct ump_writer *w, bool key);

static void write_children(const struct values *v, const struct node *n, struct ump_writer *w) {
  bool key = true;
  for (uint32_t e = n->first; e; e = v->edges[e].next, key = !key)
    write_node(v, v->edges[e].node, w, n->kind == K_DICT && key);
}

static void write_key(const struct values *v, uint32_t node, struct ump_writer *w) {
  uint8_t text[256];
  struct ump_writer t = ump_writer(text, sizeof text);
  write_key_text(v, node, &t); /* a longer one is cut: nobody names things so */
  ump_plain_put_string(w, ump_written(&t));
}

static void write_node(const struct values *v, uint32_t node, struct ump_writer *w, bool key) {
  const struct node *n = &v->nodes[node];
  switch (n->kind) { /* recursion is bounded by PICKLE_DEPTH */
  case K_NONE:
    ump_plain_put_tag(w, UMP_PLAIN_NULL);
    break;
  case K_FALSE:
    ump_plain_put_tag(w, UMP_PLAIN_FALSE);
    break;
  case K_TRUE:
    ump_plain_put_tag(w, UMP_PLAIN_TRUE);
    break;
  case K_INT:
    ump_plain_put_int(w, n->u.i);
    break;
  case K_FLOAT:
    ump_plain_put_float(w, n->u.f);
    break;
  case K_LIST:
  case K_SET:
    ump_plain_put_array(w, n->count);
    write_children(v, n, w);
    break;
  case K_TUPLE:
    if (key) {
      write_key(v, node, w);
      break;
    }
    ump_plain_put_tuple(w, n->count);
    write_children(v, n, w);
    break;
  case K_DICT:
    ump_plain_put_map(w, n->count / 2);
    write_children(v, n, w);
    break;
  default:
    ump_plain_put_string(w, ump__pickle_text(v, node));
    break;
  }
}

int ump__pickle_write(const struct values *v, uint32_t root, struct ump_blob **out) {
  size_t cap = v->nodes[root].bytes * 3 + 512; /* a tuple as a key is written as text, at most 22 bytes for 9 */
  uint8_t *p = ump_alloc(v->mem, cap);
  if (!p) return UMP_ENOMEM;
  struct ump_writer w = ump_writer(p, cap);
  if (v->nodes[root].kind == K_NONE)
    ump_plain_put_tag(&w, UMP_PLAIN_NIL);
  else
    write_node(v, root, &w, false);
  int err = w.full ? UMP_EMALFORMED : 0;
  *out = err ? NULL : ump_blob_new(v->mem, w.n);
  if (*out)
    memcpy((*out)->p, p, w.n);
  else if (!err)
    err = UMP_ENOMEM;
  ump_free(v->mem, p, cap);
  return err;
}
