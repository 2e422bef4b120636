#include "engine/segment.h"

#include <string.h>

struct ump__segment *ump__segment_new(const struct ump_mem *mem) {
  void *block = ump_alloc(mem, UMP__SEGMENT_BYTES);
  if (!block) return NULL;
  uintptr_t mask = alignof(struct ump__segment) - 1;
  struct ump__segment *s = (struct ump__segment *)(((uintptr_t)block + mask) & ~mask);
  memset(s, 0, sizeof *s);
  s->block = block;
  return s;
}

void ump__segment_free(const struct ump_mem *mem, struct ump__segment *s) {
  ump_free(mem, s->block, UMP__SEGMENT_BYTES);
}

static size_t first_line(uint64_t key) {
  return key % UMP__LINES;
}

static size_t second_line(uint64_t key) {
  size_t a = first_line(key), b = key / UMP__LINES % UMP__LINES;
  return a == b ? a ^ 1 : b;
}

void ump__segment_prefetch(const struct ump__segment *s, uint64_t key) {
  __builtin_prefetch(&s->line[first_line(key)]);
  __builtin_prefetch(&s->line[second_line(key)]);
}

static struct ump__cell *find_in(struct ump__line *l, uint64_t key, uint32_t now_s) {
  for (int i = 0; i < UMP__CELLS; i++)
    if (l->cell[i].key == key && ump__cell_live(&l->cell[i], now_s)) return &l->cell[i];
  return NULL;
}

struct ump__cell *ump__segment_find(struct ump__segment *s, uint64_t key, uint32_t now_s) {
  struct ump__cell *c = find_in(&s->line[first_line(key)], key, now_s);
  return c ? c : find_in(&s->line[second_line(key)], key, now_s);
}

/* A place in a line, and how many there are. Which cells are taken is chance, so a branch for each would be guessed
 * wrong about every third time. */
static struct ump__cell *vacant_in(struct ump__line *l, uint32_t now_s, int *n) {
  static const uint8_t count[1 << UMP__CELLS] = {0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4};
  unsigned vacant = 0;
  for (int i = 0; i < UMP__CELLS; i++) vacant |= (unsigned)!ump__cell_live(&l->cell[i], now_s) << i;
  *n = count[vacant];
  return vacant ? &l->cell[__builtin_ctz(vacant)] : NULL;
}

/* Makes a place in a full line by moving one of its cells to that cell's other line. */
static struct ump__cell *move_one(struct ump__segment *s, size_t line, uint32_t now_s) {
  for (int i = 0, n; i < UMP__CELLS; i++) {
    struct ump__cell *c = &s->line[line].cell[i];
    size_t other = first_line(c->key) == line ? second_line(c->key) : first_line(c->key);
    struct ump__cell *to = vacant_in(&s->line[other], now_s, &n);
    if (!to) continue;
    *to = *c;
    *c = (struct ump__cell){0};
    return c;
  }
  return NULL;
}

struct ump__cell *ump__segment_place(struct ump__segment *s, uint64_t key, uint32_t now_s) {
  size_t a = first_line(key), b = second_line(key);
  int n_a, n_b;
  struct ump__cell *in_a = vacant_in(&s->line[a], now_s, &n_a), *in_b = vacant_in(&s->line[b], now_s, &n_b);
  if (in_a || in_b) return n_a >= n_b ? in_a : in_b; /* the emptier line */
  struct ump__cell *c = move_one(s, a, now_s);
  return c ? c : move_one(s, b, now_s);
}

size_t ump__segment_count(const struct ump__segment *s, uint32_t now_s) {
  size_t n = 0;
  for (size_t line = 0; line < UMP__LINES; line++)
    for (int i = 0; i < UMP__CELLS; i++) n += ump__cell_live(&s->line[line].cell[i], now_s);
  return n;
}

/* Does a cell belong to the upper half of the segment's keys? A guest is here by its guest key. */
static bool upper(const struct ump__segment *s, uint64_t key) {
  bool at_home = (key ^ s->first) >> 1 >> (63 - s->depth) == 0;
  return (at_home ? key : ump__guest_key(key)) >> (63 - s->depth) & 1;
}

/* The lines of a key do not depend on its top bits, so every cell keeps its place. */
void ump__segment_divide(struct ump__segment *low, struct ump__segment *high, uint32_t now_s) {
  static const struct ump__cell none = {0};
  for (size_t line = 0; line < UMP__LINES; line++) {
    for (int i = 0; i < UMP__CELLS; i++) {
      struct ump__cell *from = &low->line[line].cell[i], *to = &high->line[line].cell[i];
      bool up = upper(low, from->key), alive = ump__cell_live(from, now_s);
      *to = up && alive ? *from : none;
      if (up || !alive) *from = none;
    }
  }
  high->first = low->first | (uint64_t)1 << (63 - low->depth);
  high->depth = ++low->depth;
  high->abroad = low->abroad;
}

static bool copy_into(struct ump__segment *both, const struct ump__segment *half, uint32_t now_s) {
  for (size_t line = 0; line < UMP__LINES; line++) {
    for (int i = 0; i < UMP__CELLS; i++) {
      const struct ump__cell *c = &half->line[line].cell[i];
      if (!ump__cell_live(c, now_s)) continue;
      struct ump__cell *to = ump__segment_place(both, c->key, now_s);
      if (!to) return false;
      *to = *c;
    }
  }
  return true;
}

bool ump__segment_unite(struct ump__segment *both, const struct ump__segment *low, const struct ump__segment *high,
                        uint32_t now_s) {
  both->first = low->first;
  both->depth = low->depth - 1;
  both->abroad = low->abroad > high->abroad ? low->abroad : high->abroad;
  return copy_into(both, low, now_s) && copy_into(both, high, now_s);
}
