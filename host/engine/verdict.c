/* Extendible hashing by segments. The top bits of a fingerprint name an entry of the directory, which leads to a
 * segment; a segment that has no room left is split in two by the next bit from the top. A split is one pass over 16
 * KiB, a few microseconds, however large the window is. (The usual alternative, a table that doubles, copies everything
 * at once: with 128 MiB that is a pause of a tenth of a second.)
 *
 * All segments fill up at about the same time. When the window may not grow any more, some of them have been split and
 * are half empty while others are full; those then send what they cannot hold to others as guests. So all of the memory
 * is used, up to about nine tenths, before an event is refused. */
#include "engine/verdict.h"

#include <assert.h>

#include "base/err.h"
#include "engine/reasons.h"
#include "engine/segment.h"

enum {
  MOST_BITS = 32, /* of the directory: 4 billion segments of 16 KiB */
  TIDY_PAIRS = 8, /* pairs of segments looked at in one step of tidying: 16 passes of about 1 us */
};

struct ump_verdicts {
  const struct ump_mem *mem;
  struct ump_hash_key key;
  ump_time birth;
  struct ump__segment **dir; /* 1 << bits entries; neighbours may lead to the same segment */
  unsigned bits;
  size_t n_segments, max_bytes;
  uint32_t abroad; /* second of the last sight of any guest anywhere; 0: none */
  uint64_t hand;   /* where tidying goes on, as a key */
  struct ump__reasons reasons;
  struct ump__cell *reserved; /* what the next put fills */
  uint64_t reserved_key;
};

static uint32_t second(const struct ump_verdicts *v, ump_time now) {
  return (uint32_t)((now - v->birth) / UMP_S) + UMP__CELL_LIFE + 1;
}

static size_t index_of(const struct ump_verdicts *v, uint64_t key) {
  return (size_t)(key >> 1 >> (63 - v->bits));
}

static struct ump__segment *segment_of(const struct ump_verdicts *v, uint64_t key) {
  return v->dir[index_of(v, key)];
}

static size_t dir_bytes(const struct ump_verdicts *v) {
  return sizeof *v->dir << v->bits;
}

/* How many directory entries lead to a segment. They are neighbours, and the first is a multiple of that. */
static size_t entries_of(const struct ump_verdicts *v, const struct ump__segment *s) {
  return (size_t)1 << (v->bits - s->depth);
}

/* ---- life ---- */

struct ump_verdicts *ump_verdicts_new(const struct ump_mem *mem, const struct ump_hash_key *key, size_t max_bytes,
                                      ump_time now) {
  struct ump_verdicts *v = ump_zalloc(mem, sizeof *v);
  if (!v) goto no_table;
  v->mem = mem, v->key = *key, v->birth = now, v->max_bytes = max_bytes, v->n_segments = 1;
  ump__reasons_init(&v->reasons, mem, key, max_bytes / 8);
  if (!(v->dir = ump_alloc(mem, sizeof *v->dir))) goto no_dir;
  if (!(v->dir[0] = ump__segment_new(mem))) goto no_segment;
  return v;
no_segment:
  ump_free(mem, v->dir, sizeof *v->dir);
no_dir:
  ump_free(mem, v, sizeof *v);
no_table:
  return NULL;
}

void ump_verdicts_free(struct ump_verdicts *v) {
  if (!v) return;
  for (size_t i = 0, n = (size_t)1 << v->bits; i < n;) {
    struct ump__segment *s = v->dir[i];
    i += entries_of(v, s);
    ump__segment_free(v->mem, s);
  }
  ump__reasons_deinit(&v->reasons);
  ump_free(v->mem, v->dir, dir_bytes(v));
  ump_free(v->mem, v, sizeof *v);
}

/* ---- looking up ---- */

/* Calls for the two lines at once: in a large window they are the wait for memory, and the caller has other things to
 * do. */
uint64_t ump_verdicts_key(const struct ump_verdicts *v, uint64_t serial, struct ump_bytes id) {
  uint8_t text[8 + 64];
  assert(id.n <= 64);
  memcpy(text, &serial, 8);
  memcpy(text + 8, id.p, id.n);
  uint64_t key = ump_hash64(&v->key, ump_bytes(text, 8 + id.n));
  ump__segment_prefetch(segment_of(v, key), key);
  return key;
}

static struct ump__cell *find(struct ump_verdicts *v, uint64_t key, uint32_t now_s) {
  struct ump__segment *home = segment_of(v, key);
  struct ump__cell *c = ump__segment_find(home, key, now_s);
  if (c || now_s - v->abroad > UMP__CELL_LIFE || now_s - home->abroad > UMP__CELL_LIFE) return c;
  c = ump__segment_find(segment_of(v, ump__guest_key(key)), key, now_s);
  if (c) home->abroad = v->abroad = now_s;
  return c;
}

int ump_verdicts_find(struct ump_verdicts *v, uint64_t key, struct ump_answer *out, ump_time now) {
  uint32_t now_s = second(v, now);
  struct ump__cell *c = find(v, key, now_s);
  if (!c) return 0;
  c->seen = now_s;
  /* Bits 0-1 of what are the verdict, bit 2 is the priority, the rest a reference to the reason. */
  *out = (struct ump_answer){.verdict = (enum ump_verdict)(c->what & 3), .high = c->what >> 2 & 1, .repeat = true};
  out->reason = ump__reasons_get(&v->reasons, c->what >> 3, now_s);
  return 1;
}

/* ---- growing ---- */

/* May the window grow by so many bytes? One segment's worth is left for uniting two (tidy). */
static bool may_take(const struct ump_verdicts *v, size_t n) {
  size_t have = ump_verdicts_bytes(v) + UMP__SEGMENT_BYTES;
  return have < v->max_bytes && n <= v->max_bytes - have;
}

static int double_dir(struct ump_verdicts *v) {
  size_t n = (size_t)1 << v->bits;
  if (v->bits == MOST_BITS || !may_take(v, dir_bytes(v))) return UMP_EFULL;
  struct ump__segment **dir = ump_realloc(v->mem, v->dir, dir_bytes(v), 2 * dir_bytes(v));
  if (!dir) return UMP_ENOMEM;
  for (size_t i = n; i-- > 0;) dir[2 * i] = dir[2 * i + 1] = dir[i];
  v->dir = dir;
  v->bits++;
  return 0;
}

static int split(struct ump_verdicts *v, uint64_t key, uint32_t now_s) {
  struct ump__segment *low = segment_of(v, key), *high;
  if (!may_take(v, UMP__SEGMENT_BYTES)) return UMP_EFULL;
  if (low->depth == v->bits) {
    int err = double_dir(v);
    if (err) return err;
  }
  if (!(high = ump__segment_new(v->mem))) return UMP_ENOMEM;
  size_t n = entries_of(v, low), at = index_of(v, key) & ~(n - 1);
  ump__segment_divide(low, high, now_s);
  for (size_t i = at + n / 2; i < at + n; i++) v->dir[i] = high;
  v->n_segments++;
  return 0;
}

static struct ump__cell *place_as_guest(struct ump_verdicts *v, uint64_t key, uint32_t now_s) {
  struct ump__segment *home = segment_of(v, key), *host = segment_of(v, ump__guest_key(key));
  struct ump__cell *c = host == home ? NULL : ump__segment_place(host, key, now_s);
  if (c) home->abroad = v->abroad = now_s;
  return c;
}

int ump_verdicts_reserve(struct ump_verdicts *v, uint64_t key, ump_time now) {
  uint32_t now_s = second(v, now);
  v->reserved_key = key;
  /* One split nearly always makes room: otherwise the eight cells of both lines, and all those that their neighbours
   * could have moved to, would have to agree in one more bit of a keyed hash. */
  while (!(v->reserved = ump__segment_place(segment_of(v, key), key, now_s))) {
    int err = split(v, key, now_s);
    if (!err) continue;
    v->reserved = place_as_guest(v, key, now_s);
    return v->reserved ? 0 : err;
  }
  return 0;
}

void ump_verdicts_put(struct ump_verdicts *v, uint64_t key, const struct ump_answer *a, ump_time now) {
  assert(v->reserved && v->reserved_key == key);
  uint32_t now_s = second(v, now), ref = 0;
  if (a->reason.n) ref = ump__reasons_put(&v->reasons, a->reason, now_s, UMP__CELL_LIFE);
  *v->reserved = (struct ump__cell){key, now_s, (uint32_t)a->verdict | (uint32_t)a->high << 2 | ref << 3};
  v->reserved = NULL;
}

/* ---- giving memory back ---- */

/* Makes one of a segment and its other half when both together are less than three eighths full: far enough below the
 * nine tenths at which a segment splits that it does not go to and fro. */
static void merge(struct ump_verdicts *v, uint64_t key, uint32_t now_s) {
  struct ump__segment *s = segment_of(v, key);
  if (s->depth == 0) return;
  size_t n = 2 * entries_of(v, s), at = index_of(v, key) & ~(n - 1);
  struct ump__segment *low = v->dir[at], *high = v->dir[at + n / 2], *both;
  if (low->depth != high->depth) return;
  if (ump__segment_count(low, now_s) + ump__segment_count(high, now_s) > UMP__SEGMENT_CELLS * 3 / 8) return;
  if (!(both = ump__segment_new(v->mem))) return;
  if (!ump__segment_unite(both, low, high, now_s)) {
    ump__segment_free(v->mem, both);
    return;
  }
  for (size_t i = at; i < at + n; i++) v->dir[i] = both;
  ump__segment_free(v->mem, low);
  ump__segment_free(v->mem, high);
  v->n_segments--;
}

static void halve_dir(struct ump_verdicts *v) {
  size_t n = (size_t)1 << v->bits;
  for (size_t i = 0; i < n; i += entries_of(v, v->dir[i]))
    if (v->dir[i]->depth == v->bits) return;
  for (size_t i = 0; i < n / 2; i++) v->dir[i] = v->dir[2 * i];
  struct ump__segment **dir = ump_realloc(v->mem, v->dir, dir_bytes(v), dir_bytes(v) / 2);
  if (dir) {
    v->dir = dir;
    v->bits--;
  } else { /* an allocator that cannot shrink: as it was */
    for (size_t i = n / 2; i-- > 0;) v->dir[2 * i] = v->dir[2 * i + 1] = v->dir[i];
  }
}

void ump_verdicts_tidy(struct ump_verdicts *v, ump_time now) {
  uint32_t now_s = second(v, now);
  v->reserved = NULL;
  for (int i = 0; i < TIDY_PAIRS && v->n_segments > 1; i++) {
    struct ump__segment *s = segment_of(v, v->hand);
    uint64_t width = (uint64_t)1 << (64 - s->depth); /* of its keys; there are two segments at least, so depth >= 1 */
    merge(v, v->hand, now_s);
    v->hand = (v->hand & ~(width - 1)) + width; /* past the end it starts again at 0 */
  }
  if (v->bits) halve_dir(v);
  ump__reasons_tidy(&v->reasons, now_s, UMP__CELL_LIFE);
}

bool ump_verdicts_untidy(const struct ump_verdicts *v) {
  return v->n_segments > 1;
}

/* ---- looking ---- */

size_t ump_verdicts_count(const struct ump_verdicts *v, ump_time now) {
  size_t n = 0;
  for (size_t i = 0; i < (size_t)1 << v->bits; i += entries_of(v, v->dir[i]))
    n += ump__segment_count(v->dir[i], second(v, now));
  return n;
}

size_t ump_verdicts_bytes(const struct ump_verdicts *v) {
  return sizeof *v + dir_bytes(v) + v->n_segments * UMP__SEGMENT_BYTES + v->reasons.bytes;
}
