#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each block is preceded by its size, in a prefix that keeps malloc's alignment. */
enum { PREFIX = 16 };

static size_t block_size(const void *p) {
  size_t n;
  memcpy(&n, (const char *)p - PREFIX, sizeof n);
  return n;
}

static bool must_fail(struct testing_mem *m) {
  m->allocations++;
  bool fails = m->fail_at && (m->allocations == m->fail_at || (m->fail_on && m->allocations > m->fail_at));
  m->failed += fails;
  return fails;
}

static void account(struct testing_mem *m, size_t old_n, size_t n) {
  m->bytes = m->bytes - old_n + n;
  if (m->bytes > m->peak) m->peak = m->bytes;
}

static void *resize(void *ctx, void *p, size_t old_n, size_t n) {
  struct testing_mem *m = ctx;
  if (p && block_size(p) != old_n) fail_msg("a block of %zu bytes was given back as one of %zu", block_size(p), old_n);
  if (!p && old_n) fail_msg("no block, but an old size of %zu", old_n);
  if (n == 0) {
    if (p) account(m, old_n, 0), m->blocks--, free((char *)p - PREFIX);
    return NULL;
  }
  if (n > old_n && must_fail(m)) return NULL;
  /* Always another place, so that a pointer kept over a resize is seen by the sanitizer. */
  char *q = malloc(n + PREFIX);
  if (!q) fail_msg("the test machine has no memory for %zu bytes", n);
  memcpy(q, &n, sizeof n);
  memset(q + PREFIX, 0xA5, n); /* nobody may count on zeroes from uninitialised memory */
  if (p)
    memcpy(q + PREFIX, p, n < old_n ? n : old_n), free((char *)p - PREFIX);
  else
    m->blocks++;
  account(m, old_n, n);
  return q + PREFIX;
}

void testing_mem_init(struct testing_mem *m) {
  memset(m, 0, sizeof *m);
  m->mem = (struct ump_mem){resize, m};
}

void testing_mem_fail(struct testing_mem *m, size_t n, bool forever) {
  m->fail_at = n ? m->allocations + n : 0;
  m->fail_on = forever;
}

void testing_mem_assert_empty(const struct testing_mem *m) {
  if (m->bytes || m->blocks) fail_msg("%zu bytes in %zu blocks were never given back", m->bytes, m->blocks);
}

static void keep_line(void *ctx, const struct ump_log_line *line) {
  struct testing_log *l = ctx;
  struct testing_log_line *kept = &l->lines[l->n++ % TESTING_LOG_LINES];
  size_t n = line->text.n < TESTING_LOG_TEXT ? line->text.n : TESTING_LOG_TEXT - 1;
  memset(kept, 0, sizeof *kept);
  kept->level = line->level;
  kept->cause = line->cause;
  if (line->from) kept->from = *line->from;
  if (n) memcpy(kept->text, line->text.p, n);
}

void testing_log_init(struct testing_log *l) {
  memset(l, 0, sizeof *l);
  l->log = (struct ump_log){keep_line, l};
}

size_t testing_log_count(const struct testing_log *l, const char *cause) {
  size_t kept = l->n < TESTING_LOG_LINES ? l->n : TESTING_LOG_LINES, count = 0;
  for (size_t i = 0; i < kept; i++) count += strcmp(l->lines[i].cause, cause) == 0;
  return count;
}

const struct testing_log_line *testing_log_last(const struct testing_log *l, const char *cause) {
  size_t kept = l->n < TESTING_LOG_LINES ? l->n : TESTING_LOG_LINES;
  for (size_t i = 1; i <= kept; i++) {
    const struct testing_log_line *line = &l->lines[(l->n - i) % TESTING_LOG_LINES];
    if (strcmp(line->cause, cause) == 0) return line;
  }
  return NULL;
}

void testing_rng_init(struct testing_rng *r, uint64_t seed) {
  ump_rng_seed(&r->seeded, seed);
  r->rng = ump_rng_of(&r->seeded);
}

char *testing_read_file(const char *path, size_t *n) {
  char full[4096];
  snprintf(full, sizeof full, "%s/%s", TESTS_DIR, path);
  FILE *f = fopen(full, "rb");
  if (!f) fail_msg("cannot open %s", full);
  fseek(f, 0, SEEK_END);
  long size = ftell(f);
  rewind(f);
  char *text = malloc((size_t)size + 1);
  if (!text || fread(text, 1, (size_t)size, f) != (size_t)size) fail_msg("cannot read %s", full);
  fclose(f);
  text[size] = 0;
  *n = (size_t)size;
  return text;
}
