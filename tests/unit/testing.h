/* What unit tests share: memory that keeps exact accounts and can run out on demand, a log that remembers, chance from
 * a seed.
 *
 *   struct testing_mem mem;
 *   testing_mem_init(&mem);
 *   ... hand &mem.mem to the code under test ...
 *   testing_mem_assert_empty(&mem);            the last line of every test: the world is empty
 *
 * A loop over every allocation that can fail:
 *   for (size_t n = 1;; n++) {
 *     testing_mem_init(&mem), testing_mem_fail(&mem, n, false);
 *     ... run; every outcome must leave memory accounted for ...
 *     testing_mem_assert_empty(&mem);
 *     if (!mem.failed) break;                  all went through: no nth allocation was left to fail
 *   }
 */
#ifndef TESTING_H
#define TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"

/* An allocator that knows the size of each block and stops the test when it is freed or resized with another size. */
struct testing_mem {
  struct ump_mem mem;   /* hand out its address; valid while this struct stays where it is */
  size_t bytes, blocks; /* alive now, as the caller asked for them */
  size_t peak;          /* the most bytes alive at once */
  size_t allocations;   /* calls that asked for memory: new blocks and growth; shrinking and freeing never fail */
  size_t fail_at;       /* this one (counted from 1) fails; 0: none */
  bool fail_on;         /* ... and every later one */
  size_t failed;        /* how many were made to fail */
};
void testing_mem_init(struct testing_mem *m);
/* The nth allocation from now on fails (n >= 1), and with `forever` all after it. n == 0: none fails any more. */
void testing_mem_fail(struct testing_mem *m, size_t n, bool forever);
void testing_mem_assert_empty(const struct testing_mem *m);

/* A log sink that keeps the last TESTING_LOG_LINES lines, each cut at TESTING_LOG_TEXT - 1 bytes. */
#define TESTING_LOG_LINES 64
#define TESTING_LOG_TEXT  512
struct testing_log_line {
  enum ump_level level;
  const char *cause;
  struct ump_addr from;        /* family 0 when the line was about nobody */
  char text[TESTING_LOG_TEXT]; /* NUL-terminated */
};
struct testing_log {
  struct ump_log log;                               /* hand out its address */
  size_t n;                                         /* lines written in all */
  struct testing_log_line lines[TESTING_LOG_LINES]; /* line i of all is lines[i % TESTING_LOG_LINES] */
};
void testing_log_init(struct testing_log *l);
size_t testing_log_count(const struct testing_log *l, const char *cause); /* kept lines with this cause */
const struct testing_log_line *testing_log_last(const struct testing_log *l, const char *cause); /* NULL: none kept */

/* A stream of numbers from a seed; the same on every machine. */
struct testing_rng {
  struct ump_rng rng; /* hand out its address */
  struct ump_rng_seeded seeded;
};
void testing_rng_init(struct testing_rng *r, uint64_t seed);

/* A whole file of the test tree ("vectors/neteria.vectors.json"), NUL-terminated, *n without the NUL; fails the test
 * when it is not there. The caller frees it with free(). */
char *testing_read_file(const char *path, size_t *n);

#endif
