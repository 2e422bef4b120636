/* Extendible hashing by segments. The top bits of a fingerprint name a directory entry, which leads to a segment of 256
 * cache lines of four cells; the low bits name two lines of it, in which the cell may be. A look-up reads two lines and
 * no more.
 *
 * A segment that has no room left is split in two by the next bit from the top. The lines do not depend on that bit, so
 * a cell keeps its place and a split is one pass over 16 KiB, a few microseconds, however large the table is. (The
 * usual alternative, a table that doubles, copies everything at once: 128 MiB is a pause of a tenth of a second.) Two
 * lines to choose from, and one step of moving a neighbour to its other line, fill a segment to about nine tenths
 * before it splits. */
#include "engine/verdict.h"

#include <assert.h>
#include <stdalign.h>

#include "base/err.h"
#include "engine/reasons.h"

enum {
  CELLS = 4,   /* 64 bytes, a cache line */
  LINES = 256, /* 16 KiB of cells */
  LIFE_S = 300,
  MOST_BITS = 32, /* of the directory; the two line numbers are the 16 bits at the other end */
  TIDY_PAIRS = 8, /* segments looked at in one step of tidying: 16 passes of about 1 us */
};

struct cell {
  uint64_t key;
  uint32_t seen; /* second of the last sight, counted from before the table was made; 0: never used */
  uint32_t what; /* bits 0-1 verdict, bit 2 high, the rest a reference into reasons */
};
struct line {
  alignas(64) struct cell cell[CELLS];
};
struct segment {
  struct line line[LINES];
  void *block;    /* what was allocated; the segment is aligned within */
  uint32_t depth; /* how many top bits all its keys have in common */
};
enum { SEGMENT_BYTES = sizeof(struct segment) + alignof(struct segment) };

struct ump_verdicts {
  const struct ump_mem *mem;
  struct ump_hash_key key;
  ump_time birth;
  struct segment **dir; /* 1 << bits entries; neighbours may lead to the same segment */
  unsigned bits;
  size_t n_segments, max_bytes;
  uint64_t hand; /* where tidying goes on, as a key */
  struct ump__reasons reasons;
  struct cell *reserved; /* what the next put fills */
  uint64_t reserved_key;
};

/* Starts so high that a cell that was never used (0) is dead from the first second. */
static uint32_t second(const struct ump_verdicts *v, ump_time now) {
  return (uint32_t)((now - v->birth) / UMP_S) + LIFE_S + 1;
}

static bool live(const struct cell *c, uint32_t now_s) {
  return now_s - c->seen <= LIFE_S;
}

static size_t index_of(const struct ump_verdicts *v, uint64_t key) {
  return (size_t)(key >> 1 >> (63 - v->bits));
}

static struct segment *segment_of(const struct ump_verdicts *v, uint64_t key) {
  return v->dir[index_of(v, key)];
}

static struct line *first_line(struct segment *s, uint64_t key) {
  return &s->line[key % LINES];
}
static struct line *second_line(struct segment *s, uint64_t key) {
  uint64_t i = key / LINES % LINES;
  return &s->line[i == key % LINES ? i ^ 1 : i];
}

static struct cell *cell_at(struct segment *s, size_t i) {
  return &s->line[i / CELLS].cell[i % CELLS];
}

static struct segment *segment_new(const struct ump_mem *mem, uint32_t depth) {
  void *block = ump_alloc(mem, SEGMENT_BYTES);
  if (!block) return NULL;
  uintptr_t at = ((uintptr_t)block + alignof(struct segment) - 1) & ~(uintptr_t)(alignof(struct segment) - 1);
  struct segment *s = (struct segment *)at;
  s->block = block;
  s->depth = depth;
  return s;
}

static void segment_free(const struct ump_mem *mem, struct segment *s) {
  ump_free(mem, s->block, SEGMENT_BYTES);
}

struct ump_verdicts *ump_verdicts_new(const struct ump_mem *mem, const struct ump_hash_key *key, size_t max_bytes,
                                      ump_time now) {
  struct ump_verdicts *v = ump_zalloc(mem, sizeof *v);
  if (!v) goto no_table;
  v->mem = mem, v->key = *key, v->birth = now, v->max_bytes = max_bytes, v->n_segments = 1;
  ump__reasons_init(&v->reasons, mem, key, max_bytes / 8);
  if (!(v->dir = ump_alloc(mem, sizeof *v->dir))) goto no_dir;
  if (!(v->dir[0] = segment_new(mem, 0))) goto no_segment;
  memset(v->dir[0]->line, 0, sizeof v->dir[0]->line);
  return v;
no_segment:
  ump_free(mem, v->dir, sizeof *v->dir);
no_dir:
  ump_free(mem, v, sizeof *v);
no_table:
  return NULL;
}

static size_t dir_bytes(const struct ump_verdicts *v) {
  return sizeof *v->dir << v->bits;
}

/* How many directory entries lead to a segment. They are neighbours, and the first is a multiple of that. */
static size_t entries_of(const struct ump_verdicts *v, const struct segment *s) {
  return (size_t)1 << (v->bits - s->depth);
}

void ump_verdicts_free(struct ump_verdicts *v) {
  if (!v) return;
  for (size_t i = 0, n = (size_t)1 << v->bits; i < n;) {
    struct segment *s = v->dir[i];
    i += entries_of(v, s);
    segment_free(v->mem, s);
  }
  ump__reasons_deinit(&v->reasons);
  ump_free(v->mem, v->dir, dir_bytes(v));
  ump_free(v->mem, v, sizeof *v);
}

/* Calls for the two lines at once: in a large table they are the wait for memory, and the caller has other things to
 * do. */
uint64_t ump_verdicts_key(const struct ump_verdicts *v, uint64_t serial, struct ump_bytes id) {
  uint8_t text[8 + 64];
  assert(id.n <= 64);
  memcpy(text, &serial, 8);
  memcpy(text + 8, id.p, id.n);
  uint64_t key = ump_hash64(&v->key, ump_bytes(text, 8 + id.n));
  struct segment *s = segment_of(v, key);
  __builtin_prefetch(first_line(s, key));
  __builtin_prefetch(second_line(s, key));
  return key;
}

static struct cell *find_in(struct line *l, uint64_t key, uint32_t now_s) {
  for (int i = 0; i < CELLS; i++)
    if (l->cell[i].key == key && live(&l->cell[i], now_s)) return &l->cell[i];
  return NULL;
}

int ump_verdicts_find(struct ump_verdicts *v, uint64_t key, struct ump_answer *out, ump_time now) {
  uint32_t now_s = second(v, now);
  struct segment *s = segment_of(v, key);
  struct line *a = first_line(s, key), *b = second_line(s, key);
  struct cell *c = find_in(a, key, now_s);
  if (!c && !(c = find_in(b, key, now_s))) return 0;
  c->seen = now_s;
  *out = (struct ump_answer){.verdict = (enum ump_verdict)(c->what & 3), .high = c->what >> 2 & 1, .repeat = true};
  out->reason = ump__reasons_get(&v->reasons, c->what >> 3, now_s);
  return 1;
}

static struct cell *vacant_in(struct line *l, uint32_t now_s, int *n) {
  struct cell *vacant = NULL;
  *n = 0;
  for (int i = 0; i < CELLS; i++)
    if (!live(&l->cell[i], now_s)) vacant = &l->cell[i], ++*n;
  return vacant;
}

/* Makes a vacancy in a full line by moving one of its cells to that cell's other line. */
static struct cell *move_one(struct segment *s, struct line *l, uint32_t now_s) {
  for (int i = 0, n; i < CELLS; i++) {
    struct cell *c = &l->cell[i];
    struct line *other = first_line(s, c->key) == l ? second_line(s, c->key) : first_line(s, c->key);
    struct cell *to = vacant_in(other, now_s, &n);
    if (!to) continue;
    *to = *c;
    *c = (struct cell){0};
    return c;
  }
  return NULL;
}

/* A cell for the key, in the emptier of its two lines; NULL: the segment has no room for it. */
static struct cell *vacancy(struct segment *s, uint64_t key, uint32_t now_s) {
  struct line *a = first_line(s, key), *b = second_line(s, key);
  int n_a, n_b;
  struct cell *in_a = vacant_in(a, now_s, &n_a), *in_b = vacant_in(b, now_s, &n_b);
  if (in_a || in_b) return n_a >= n_b ? in_a : in_b;
  struct cell *c = move_one(s, a, now_s);
  return c ? c : move_one(s, b, now_s);
}

/* May the table grow by so many bytes? */
static bool may_take(const struct ump_verdicts *v, size_t n) {
  size_t have = ump_verdicts_bytes(v);
  return have < v->max_bytes && n <= v->max_bytes - have;
}

static int double_dir(struct ump_verdicts *v) {
  size_t n = (size_t)1 << v->bits;
  if (v->bits == MOST_BITS || !may_take(v, dir_bytes(v))) return UMP_EFULL;
  struct segment **dir = ump_realloc(v->mem, v->dir, dir_bytes(v), 2 * dir_bytes(v));
  if (!dir) return UMP_ENOMEM;
  for (size_t i = n; i-- > 0;) dir[2 * i] = dir[2 * i + 1] = dir[i];
  v->dir = dir;
  v->bits++;
  return 0;
}

/* Which half of its segment's keys a key belongs to. */
static bool upper(const struct segment *s, uint64_t key) {
  return key >> (63 - s->depth) & 1;
}

/* Moves the upper half of the keys to a new segment. Dead cells are dropped. */
static void divide(struct segment *low, struct segment *high, uint32_t now_s) {
  static const struct cell none = {0};
  for (size_t i = 0; i < LINES * CELLS; i++) {
    struct cell *from = cell_at(low, i), *to = cell_at(high, i);
    bool up = upper(low, from->key), alive = live(from, now_s);
    *to = up && alive ? *from : none;
    if (up || !alive) *from = none;
  }
  high->depth = ++low->depth;
}

static int split(struct ump_verdicts *v, uint64_t key, uint32_t now_s) {
  struct segment *low = segment_of(v, key), *high;
  if (!may_take(v, SEGMENT_BYTES)) return UMP_EFULL;
  if (low->depth == v->bits) {
    int err = double_dir(v);
    if (err) return err;
  }
  if (!(high = segment_new(v->mem, 0))) return UMP_ENOMEM;
  size_t n = entries_of(v, low), at = index_of(v, key) & ~(n - 1);
  divide(low, high, now_s);
  for (size_t i = at + n / 2; i < at + n; i++) v->dir[i] = high;
  v->n_segments++;
  return 0;
}

int ump_verdicts_reserve(struct ump_verdicts *v, uint64_t key, ump_time now) {
  uint32_t now_s = second(v, now);
  /* One split nearly always makes room: otherwise the eight cells of both lines, and all those that their neighbours
   * could have moved to, would have to agree in one more bit of a keyed hash. */
  while (!(v->reserved = vacancy(segment_of(v, key), key, now_s))) {
    int err = split(v, key, now_s);
    if (err) return err;
  }
  v->reserved_key = key;
  return 0;
}

void ump_verdicts_put(struct ump_verdicts *v, uint64_t key, const struct ump_answer *a, ump_time now) {
  assert(v->reserved && v->reserved_key == key);
  uint32_t now_s = second(v, now), ref = 0;
  if (a->reason.n) ref = ump__reasons_put(&v->reasons, a->reason, now_s, LIFE_S);
  *v->reserved = (struct cell){key, now_s, (uint32_t)a->verdict | (uint32_t)a->high << 2 | ref << 3};
  v->reserved = NULL;
}

/* ---- giving memory back ---- */

static size_t count_in(struct segment *s, uint32_t now_s) {
  size_t n = 0;
  for (size_t i = 0; i < LINES * CELLS; i++) n += live(cell_at(s, i), now_s);
  return n;
}

/* Copies the live cells of high into low, whose depth is already that of both together. False: low is as it was. */
static bool unite(struct segment *low, struct segment *high, uint32_t now_s) {
  for (size_t i = 0; i < LINES * CELLS; i++) {
    const struct cell *c = cell_at(high, i);
    if (!live(c, now_s)) continue;
    struct cell *to = vacancy(low, c->key, now_s);
    if (to) {
      *to = *c;
      continue;
    }
    for (size_t k = 0; k < LINES * CELLS; k++)
      if (upper(low, cell_at(low, k)->key)) *cell_at(low, k) = (struct cell){0};
    return false;
  }
  return true;
}

static void halve_dir(struct ump_verdicts *v) {
  size_t n = (size_t)1 << v->bits;
  for (size_t i = 0; i < n;) {
    if (v->dir[i]->depth == v->bits) return;
    i += entries_of(v, v->dir[i]);
  }
  for (size_t i = 0; i < n / 2; i++) v->dir[i] = v->dir[2 * i];
  struct segment **dir = ump_realloc(v->mem, v->dir, dir_bytes(v), dir_bytes(v) / 2);
  if (dir)
    v->dir = dir, v->bits--;
  else /* nothing was given back; undo */
    for (size_t i = n / 2; i-- > 0;) v->dir[2 * i] = v->dir[2 * i + 1] = v->dir[i];
}

/* Makes one of a segment and its other half when both together are less than three eighths full: far enough below the
 * nine tenths at which a segment splits that it does not go to and fro. */
static void merge(struct ump_verdicts *v, uint64_t key, uint32_t now_s) {
  struct segment *s = segment_of(v, key);
  if (s->depth == 0) return;
  size_t n = 2 * entries_of(v, s), at = index_of(v, key) & ~(n - 1);
  struct segment *low = v->dir[at], *high = v->dir[at + n / 2];
  if (low->depth != high->depth) return;
  if (count_in(low, now_s) + count_in(high, now_s) > LINES * CELLS * 3 / 8) return;
  low->depth--;
  if (!unite(low, high, now_s)) {
    low->depth++;
    return;
  }
  for (size_t i = at + n / 2; i < at + n; i++) v->dir[i] = low;
  segment_free(v->mem, high);
  v->n_segments--;
}

void ump_verdicts_tidy(struct ump_verdicts *v, ump_time now) {
  uint32_t now_s = second(v, now);
  v->reserved = NULL;
  for (int i = 0; i < TIDY_PAIRS && v->n_segments > 1; i++) {
    struct segment *s = segment_of(v, v->hand);
    /* Of its keys; 2^64, all there are, is 0, and then there is nothing left to merge. */
    uint64_t width = s->depth ? (uint64_t)1 << (64 - s->depth) : 0;
    merge(v, v->hand, now_s);
    v->hand = (v->hand & ~(width - 1)) + width; /* past the end it starts again at 0 */
  }
  if (v->bits) halve_dir(v);
  ump__reasons_tidy(&v->reasons, now_s, LIFE_S);
}

bool ump_verdicts_untidy(const struct ump_verdicts *v) {
  return v->n_segments > 1;
}

size_t ump_verdicts_count(const struct ump_verdicts *v, ump_time now) {
  size_t n = 0;
  for (size_t i = 0; i < (size_t)1 << v->bits; i += entries_of(v, v->dir[i])) n += count_in(v->dir[i], second(v, now));
  return n;
}

size_t ump_verdicts_bytes(const struct ump_verdicts *v) {
  return sizeof *v + dir_bytes(v) + v->n_segments * SEGMENT_BYTES + v->reasons.bytes;
}
