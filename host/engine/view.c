#include "engine/view.h"

#include <assert.h>
#include <stdlib.h>

#include "base/err.h"
#include "engine/out.h"

enum { DEPTH = UMP_STATE_DEPTH + 1 };

/* ---- looking up ---- */

static int compare_keys(const struct ump_key *a, const struct ump_key *b) {
  if (a->is_text != b->is_text) return a->is_text ? 1 : -1;
  if (!a->is_text) return (a->number > b->number) - (a->number < b->number);
  size_t n = a->text.n < b->text.n ? a->text.n : b->text.n;
  int c = n ? memcmp(a->text.p, b->text.p, n) : 0;
  return c ? c : (a->text.n > b->text.n) - (a->text.n < b->text.n);
}

const struct ump__part *ump__part_of(const struct ump__part *p, const struct ump_key *key) {
  if (p->all) return p;
  uint32_t low = 0, high = p->n;
  while (low < high) {
    uint32_t mid = low + (high - low) / 2;
    int c = compare_keys(&p->keys[mid], key);
    if (c == 0) return &p->parts[mid];
    if (c < 0)
      low = mid + 1;
    else
      high = mid;
  }
  return NULL;
}

/* ---- making: plain data to pairs, sorted, to the canonical text; and that to parts ---- */

struct pair {
  struct ump_key key;
  struct ump_bytes value; /* plain data */
};

static int by_key(const void *a, const void *b) {
  return compare_keys(&((const struct pair *)a)->key, &((const struct pair *)b)->key);
}

static bool is_nothing(struct ump_bytes plain) {
  return plain.p[0] == UMP_PLAIN_NIL || plain.p[0] == UMP_PLAIN_FALSE;
}

static int read_pair(struct ump_reader *in, bool has_key, struct pair *out) {
  struct ump_plain key;
  if (has_key) {
    if (!ump_plain_get(in, &key) || (key.tag != UMP_PLAIN_STRING && key.tag != UMP_PLAIN_INT)) return UMP_EINVAL;
    out->key = (struct ump_key){key.tag == UMP_PLAIN_STRING, key.i, key.s};
  }
  const uint8_t *start = in->p;
  if (!ump_plain_skip(in)) return UMP_EINVAL;
  out->value = ump_bytes(start, (size_t)(in->p - start));
  return 0;
}

/* The pairs of a map, a list (whose keys are 1, 2, ...) or a table that is both. What is nothing is left out. */
static int read_pairs(struct ump_reader *in, const struct ump_plain *v, struct pair *pairs, uint32_t *n) {
  uint32_t list = v->tag == UMP_PLAIN_MAP ? 0 : v->count;
  struct ump_plain map = *v;
  for (uint32_t i = 1; i <= list; i++) {
    pairs[*n].key = (struct ump_key){.number = i};
    if (read_pair(in, false, &pairs[*n])) return UMP_EINVAL;
    *n += !is_nothing(pairs[*n].value);
  }
  if (v->tag == UMP_PLAIN_MIXED && (!ump_plain_get(in, &map) || map.tag != UMP_PLAIN_MAP)) return UMP_EINVAL;
  for (uint32_t i = 0; map.tag == UMP_PLAIN_MAP && i < map.count; i++) {
    if (read_pair(in, true, &pairs[*n])) return UMP_EINVAL;
    *n += !is_nothing(pairs[*n].value);
  }
  return 0;
}

static int put_canonical(struct ump__out *o, struct ump_bytes plain, unsigned depth);

static int put_table(struct ump__out *o, struct ump_bytes plain, unsigned depth) {
  struct ump_reader in = ump_reader(plain);
  struct ump_plain v;
  uint32_t n = 0;
  if (!ump_plain_get(&in, &v)) return UMP_EINVAL;
  size_t most = plain.n / 2 * sizeof(struct pair); /* a pair takes two bytes at least */
  struct pair *pairs = most ? ump_alloc(o->mem, most) : NULL;
  if (most && !pairs) return UMP_ENOMEM;
  int err = read_pairs(&in, &v, pairs, &n);
  if (!err && n) qsort(pairs, n, sizeof *pairs, by_key);
  ump__out_map(o, n);
  for (uint32_t i = 0; i < n && !err; i++) {
    if (pairs[i].key.is_text)
      ump__out_string(o, pairs[i].key.text);
    else
      ump__out_int(o, pairs[i].key.number);
    err = put_canonical(o, pairs[i].value, depth + 1);
  }
  ump_free(o->mem, pairs, most);
  return err;
}

static int put_canonical(struct ump__out *o, struct ump_bytes plain, unsigned depth) {
  uint8_t tag = plain.n ? plain.p[0] : (uint8_t)UMP_PLAIN_NIL;
  if (depth > DEPTH) return UMP_EINVAL;
  if (tag == UMP_PLAIN_NIL || tag == UMP_PLAIN_FALSE)
    ump__out_tag(o, UMP_PLAIN_NIL);
  else if (tag == UMP_PLAIN_MAP || tag == UMP_PLAIN_MIXED || tag == UMP_PLAIN_ARRAY)
    return put_table(o, plain, depth);
  else
    ump__out_tag(o, UMP_PLAIN_TRUE);
  return 0;
}

static void part_free(const struct ump_mem *mem, struct ump__part *p) {
  for (uint32_t i = 0; i < p->n; i++) part_free(mem, &p->parts[i]);
  ump_free(mem, p->keys, p->n * sizeof *p->keys);
  ump_free(mem, p->parts, p->n * sizeof *p->parts);
}

/* Of canonical text, whose strings the keys borrow. On failure what there is must be freed. */
static int part_read(const struct ump_mem *mem, struct ump_reader *in, struct ump__part *p) {
  struct ump_plain v;
  ump_plain_get(in, &v);
  *p = (struct ump__part){.all = v.tag == UMP_PLAIN_TRUE};
  if (v.tag != UMP_PLAIN_MAP || !v.count) return 0;
  p->keys = ump_zalloc(mem, v.count * sizeof *p->keys);
  p->parts = ump_zalloc(mem, v.count * sizeof *p->parts);
  if (!p->keys || !p->parts) {
    ump_free(mem, p->keys, v.count * sizeof *p->keys);
    ump_free(mem, p->parts, v.count * sizeof *p->parts);
    *p = (struct ump__part){0};
    return UMP_ENOMEM;
  }
  p->n = v.count;
  for (uint32_t i = 0; i < p->n; i++) {
    struct ump_plain key;
    ump_plain_get(in, &key);
    p->keys[i] = (struct ump_key){key.tag == UMP_PLAIN_STRING, key.i, key.s};
    if (part_read(mem, in, &p->parts[i])) return UMP_ENOMEM;
  }
  return 0;
}

/* ---- all of them ---- */

void ump__views_init(struct ump__views *all, const struct ump_mem *mem, const struct ump_hash_key *key) {
  *all = (struct ump__views){.mem = mem, .key = *key};
  all->table = all->first;
  all->cap = sizeof all->first / sizeof *all->first;
}

static void table_free(struct ump__views *all) {
  if (all->table != all->first) ump_free(all->mem, all->table, all->cap * sizeof *all->table);
}

void ump__views_deinit(struct ump__views *all) {
  assert(all->n == 0);
  table_free(all);
}

static struct ump_view **bucket(const struct ump__views *all, uint64_t hash) {
  return &all->table[hash & (all->cap - 1)];
}

static void put(struct ump__views *all, struct ump_view *v) {
  struct ump_view **at = bucket(all, v->hash);
  v->chain = *at;
  *at = v;
}

static void grow(struct ump__views *all) {
  struct ump__views larger = *all;
  larger.cap = 4 * all->cap;
  if (larger.cap > UINT32_MAX / 16 || !(larger.table = ump_zalloc(all->mem, larger.cap * sizeof *larger.table))) return;
  for (uint32_t i = 0; i < all->cap; i++)
    for (struct ump_view *v = all->table[i], *next; v; v = next) next = v->chain, put(&larger, v);
  table_free(all);
  all->table = larger.table, all->cap = larger.cap;
}

static struct ump_view *find(const struct ump__views *all, uint64_t hash, struct ump_bytes text) {
  struct ump_view *v = *bucket(all, hash);
  while (v && !(v->hash == hash && ump_bytes_equal(ump_bytes(v->text, v->n_text), text))) v = v->chain;
  return v;
}

static void view_free(const struct ump_mem *mem, struct ump_view *v) {
  part_free(mem, &v->part);
  ump_free(mem, v->text, v->n_text);
  ump_free(mem, v, sizeof *v);
}

static struct ump_view *view_new(struct ump__views *all, struct ump_bytes text, uint64_t hash) {
  struct ump_view *v = ump_zalloc(all->mem, sizeof *v);
  if (!v) return NULL;
  ump_list_init(&v->patches);
  v->refs = 1, v->hash = hash;
  v->text = ump_alloc(all->mem, text.n);
  if (v->text) {
    memcpy(v->text, text.p, v->n_text = text.n);
    struct ump_reader in = ump_reader(ump_bytes(v->text, v->n_text));
    if (part_read(all->mem, &in, &v->part) == 0) {
      if (++all->n > all->cap) grow(all);
      put(all, v);
      return v;
    }
  }
  view_free(all->mem, v);
  return NULL;
}

int ump__view_make(struct ump__views *all, struct ump_bytes plain, struct ump_view **out) {
  struct ump__out o = ump__out(all->mem);
  int err = put_canonical(&o, plain, 0);
  if (!err && o.failed) err = UMP_ENOMEM;
  if (!err) {
    uint64_t hash = ump_hash64(&all->key, ump__out_bytes(&o));
    *out = find(all, hash, ump__out_bytes(&o));
    if (*out)
      ump__view_ref(*out);
    else if (!(*out = view_new(all, ump__out_bytes(&o), hash)))
      err = UMP_ENOMEM;
  }
  ump__out_free(&o);
  return err;
}

struct ump_view *ump__view_ref(struct ump_view *v) {
  v->refs++;
  return v;
}

void ump__view_unref(struct ump__views *all, struct ump_view *v) {
  if (!v || --v->refs) return;
  assert(!v->present && ump_list_empty(&v->patches));
  struct ump_view **at = bucket(all, v->hash);
  while (*at != v) at = &(*at)->chain;
  *at = v->chain;
  all->n--;
  view_free(all->mem, v);
}
