/* A patch as the wire has it: the entries of an update's map, cut into parts that fit a package each. Wire section 6,
 * E2.
 *
 * Each part is an update by itself. What belongs together stays together: a map is only cut if it does not fit a part
 * as a whole, down to single values. The parts are made once and kept with the patch; what differs from client to
 * client, the time_order, is no part of them. */
#include "proto/pygase/internal.h"

#define MARKER ump_bytes("\xd2\x81\xe5\xba", 4) /* section 6.4 */

struct level { /* a map that is open in the part being written */
  struct ump_plain key;
  size_t head; /* where its head is */
  uint32_t count;
};

struct cut {
  struct ump_pygase *n;
  size_t part_n;
  uint32_t count; /* entries of the outermost map in this part */
  bool fresh;     /* nothing in it but maps that were opened again */
  struct level levels[UMP_MSGPACK_WRITE_DEPTH];
  unsigned depth;
  uint32_t n_parts;
  size_t parts_n; /* bytes of all parts */
  int err;
};

/* ---- the buffer that parts are gathered in: struct pg_part and its bytes, one behind the other ---- */

static void gather(struct cut *c, const void *p, size_t size) {
  struct ump_buf_out *b = &c->n->form;
  if (b->cap - b->n < size) {
    size_t cap = b->cap ? b->cap : 4096;
    while (cap - b->n < size) cap *= 2;
    void *grown = ump_realloc(c->n->mem, b->p, b->cap, cap);
    if (!grown) {
      c->err = UMP_ENOMEM;
      return;
    }
    b->p = grown, b->cap = cap;
  }
  memcpy(b->p + b->n, p, size);
  b->n += size;
}

void ump__pg_free_form_buffer(struct ump_pygase *n) {
  ump_free(n->mem, n->form.p, n->form.cap);
  n->form = (struct ump_buf_out){0};
}

/* ---- writing into the part ---- */

static struct ump_writer rest(struct cut *c) {
  return ump_writer(c->n->part + c->part_n, PG_PART - c->part_n);
}

static void put_key(struct ump_writer *w, const struct ump_plain *key) {
  if (key->tag == UMP_PLAIN_STRING)
    ump_msgpack_put_string(w, key->s);
  else
    ump_msgpack_put_int(w, key->i);
}

/* One entry more in the innermost open map. Its head grows from one byte to three with the 16th: room was seen to. */
static void count_up(struct cut *c) {
  if (!c->depth) {
    c->count++;
    return;
  }
  struct level *l = &c->levels[c->depth - 1];
  uint8_t *head = c->n->part + l->head;
  if (++l->count == 16) {
    memmove(head + 3, head + 1, c->part_n - l->head - 1);
    c->part_n += 2;
  }
  struct ump_writer w = ump_writer(head, 3);
  ump_msgpack_put_map(&w, l->count);
}

static size_t growth(const struct cut *c) {
  return c->depth && c->levels[c->depth - 1].count == 15 ? 2 : 0;
}

static bool put_entry(struct cut *c, const struct ump_plain *key, struct ump_bytes value) {
  struct ump_writer w = rest(c);
  put_key(&w, key);
  ump_write_bytes(&w, value);
  if (w.full || w.n + growth(c) > w.cap) return false;
  c->part_n += w.n;
  count_up(c);
  c->fresh = false;
  return true;
}

static bool open_map(struct cut *c, const struct ump_plain *key) {
  const uint8_t empty = 0x80;
  if (c->depth == UMP_MSGPACK_WRITE_DEPTH || !put_entry(c, key, ump_bytes(&empty, 1))) return false;
  c->levels[c->depth++] = (struct level){*key, c->part_n - 1, 0};
  return true;
}

static void end_part(struct cut *c) {
  struct pg_part part = {0, (uint16_t)c->part_n, (uint16_t)c->count};
  gather(c, &part, sizeof part);
  gather(c, c->n->part, c->part_n);
  c->n_parts++;
  c->parts_n += c->part_n;
  c->part_n = 0, c->count = 0;
}

/* The next part begins inside the same maps. */
static void next_part(struct cut *c) {
  unsigned depth = c->depth;
  end_part(c);
  c->depth = 0;
  for (unsigned i = 0; i < depth; i++) open_map(c, &c->levels[i].key);
  c->fresh = true;
}

/* False: it does not even fit a part of its own. */
static bool place(struct cut *c, const struct ump_plain *key, struct ump_bytes value) {
  if (put_entry(c, key, value)) return true;
  if (c->fresh) return false;
  next_part(c);
  return put_entry(c, key, value);
}

static bool descend(struct cut *c, const struct ump_plain *key) {
  if (open_map(c, key)) return true;
  if (c->fresh) return false;
  next_part(c);
  return open_map(c, key);
}

/* ---- going through the patch ---- */

/* Section 6.5: what a client would die of, or throw away, or take for its own. */
static bool stays_here(struct cut *c, const struct ump_plain *key) {
  static const char *const own[] = {"self", "data", "time_order", "game_status"};
  bool own_name = key->tag != UMP_PLAIN_STRING || !ump_utf8_valid(key->s);
  for (size_t i = 0; i < sizeof own / sizeof *own && !own_name; i++)
    own_name = ump_bytes_equal(key->s, ump_text(own[i]));
  if (!own_name) return false;
  pg_count(c->n, PG_names_left_out);
  if (!c->n->warned_names)
    ump_log_text(
        c->n->log, UMP_WARN, "state_name", NULL,
        "PyGaSe's clients cannot be told of names in the state that are no strings, nor of self, data, time_order and "
        "game_status: choose others for what they are to see");
  return c->n->warned_names = true;
}

/* host.update has refused what is too large; this is for what was there before this listener was. */
static void too_large(struct cut *c) {
  pg_count(c->n, PG_values_too_large);
  if (!c->n->warned_values)
    ump_log_text(c->n->log, UMP_WARN, "state_value", NULL,
                 "a value in the state takes more than 1400 bytes: PyGaSe's clients are not told of it");
  c->n->warned_values = true;
}

static void entries(struct cut *c, struct ump_reader *r, uint32_t count);

static void entry(struct cut *c, struct ump_reader *r, const struct ump_plain *key) {
  struct ump_reader at = *r;
  struct ump_writer w = ump_writer(c->n->value, PG_PART);
  struct ump_plain v;
  ump_plain_skip(r);
  if (ump_msgpack_put_plain(&w, &(struct ump_reader){at.p, r->p, false}, MARKER) == 0 && place(c, key, ump_written(&w)))
    return;
  if (!ump_plain_get(&at, &v) || v.tag != UMP_PLAIN_MAP || !v.count || !descend(c, key)) {
    too_large(c);
    return;
  }
  entries(c, &at, v.count);
  c->depth--;
}

static void entries(struct cut *c, struct ump_reader *r, uint32_t count) {
  struct ump_plain key;
  while (count-- && !c->err) {
    if (!ump_plain_get(r, &key)) {
      c->err = UMP_EMALFORMED;
    } else if (!c->depth && stays_here(c, &key)) {
      ump_plain_skip(r);
    } else {
      entry(c, r, &key);
    }
  }
}

/* ---- the form ---- */

static void drop(void *form) {
  struct pg_form *f = form;
  ump_free(f->mem, f, f->size);
}

static struct pg_form *settle(struct cut *c) {
  size_t heads = c->n_parts * sizeof(struct pg_part), size = sizeof(struct pg_form) + heads + c->parts_n;
  struct pg_form *f = ump_alloc(c->n->mem, size);
  if (!f) return NULL;
  *f = (struct pg_form){.mem = c->n->mem, .size = size, .n_parts = c->n_parts};
  uint8_t *bytes = (uint8_t *)f->parts + heads;
  const uint8_t *from = c->n->form.p;
  size_t at = 0;
  for (uint32_t i = 0; i < c->n_parts; i++) {
    memcpy(&f->parts[i], from, sizeof f->parts[i]);
    f->parts[i].at = (uint32_t)at;
    memcpy(bytes + at, from + sizeof f->parts[i], f->parts[i].n);
    from += sizeof f->parts[i] + f->parts[i].n;
    at += f->parts[i].n;
  }
  return f;
}

const struct pg_form *ump__pg_form(struct ump_pygase *n, struct ump_patch *patch) {
  struct cut c = {.n = n, .fresh = true};
  struct ump_reader r = ump_reader(patch->plain);
  struct ump_plain map = {0};
  if (patch->form) return patch->form;
  n->form.n = 0;
  if (patch->plain.n && ump_plain_get(&r, &map) && map.tag == UMP_PLAIN_MAP) entries(&c, &r, map.count);
  if (c.part_n) end_part(&c);
  struct pg_form *f = c.err ? NULL : settle(&c);
  if (n->form.cap > (size_t)1 << 20) ump__pg_free_form_buffer(n); /* a rare giant need not stay */
  if (!f) return pg_count(n, PG_no_memory), NULL;
  pg_count(n, PG_patches_encoded);
  patch->form = f, patch->drop_form = drop;
  return f;
}

struct ump_bytes ump__pg_part(const struct pg_form *f, uint32_t part) {
  const uint8_t *bytes = (const uint8_t *)(f->parts + f->n_parts);
  return ump_bytes(bytes + f->parts[part].at, f->parts[part].n);
}

/* One map that leads to one value: its own head is not among the entries. */
int ump__pg_state_fits(const void *self, struct ump_bytes plain) {
  uint8_t text[PG_PART + 1];
  struct ump_writer w = ump_writer(text, sizeof text);
  struct ump_reader r = ump_reader(plain);
  (void)self;
  return ump_msgpack_put_plain(&w, &r, MARKER) == 0 ? 0 : UMP_ETOOBIG;
}
