/* Runs a fuzz target where libFuzzer is not: over every file that is given or lies in a given folder, then over inputs
 * made from them by mutation, from a fixed seed, so that a failing run can be repeated.
 *
 *   fuzz_json CORPUS...        UMP_FUZZ_RUNS mutated inputs (default 20000), UMP_FUZZ_SEED (default 1)
 *
 * A finding is a crash, an assert or a sanitizer's report; the input is then left in the file UMP_FUZZ_KEEP names
 * (default fuzz-input in the current folder), written before each run only when that variable is set, since it costs
 * time. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/rng.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

enum { LONGEST = 16384 };

struct input {
  uint8_t *p;
  size_t n;
};

struct corpus {
  struct input *inputs;
  size_t n, cap;
};

static void *must(void *p) {
  if (p) return p;
  fprintf(stderr, "replay: no memory\n");
  exit(2);
}

static void keep(struct corpus *c, uint8_t *p, size_t n) {
  if (c->n == c->cap) c->inputs = must(realloc(c->inputs, (c->cap = 2 * c->cap + 16) * sizeof *c->inputs));
  c->inputs[c->n++] = (struct input){p, n};
}

static void read_file(struct corpus *c, const char *path, size_t size) {
  FILE *f = fopen(path, "rb");
  uint8_t *p = must(malloc(size ? size : 1));
  if (!f || fread(p, 1, size, f) != size) {
    fprintf(stderr, "replay: cannot read %s: %s\n", path, strerror(errno));
    exit(2);
  }
  fclose(f);
  keep(c, p, size);
}

static int visible(const struct dirent *e) {
  return e->d_name[0] != '.';
}

static void read_path(struct corpus *c, const char *path) {
  struct stat st;
  struct dirent **names;
  if (stat(path, &st) != 0) {
    fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
    exit(2);
  }
  if (!S_ISDIR(st.st_mode)) {
    read_file(c, path, (size_t)st.st_size);
    return;
  }
  int n = scandir(path, &names, visible, alphasort); /* in order of name: the same run on every machine */
  for (int i = 0; i < n; i++) {
    char inside[4096];
    snprintf(inside, sizeof inside, "%s/%s", path, names[i]->d_name);
    read_path(c, inside);
    free(names[i]);
  }
  if (n >= 0) free(names);
}

/* ---- mutation ---- */

static size_t pick(const struct ump_rng *r, size_t n) {
  return (size_t)ump_rng_below(r, n);
}

static void remove_run(const struct ump_rng *r, struct input *x) {
  size_t at = pick(r, x->n), n = 1 + pick(r, x->n - at < 16 ? x->n - at : 16);
  memmove(x->p + at, x->p + at + n, x->n - at - n);
  x->n -= n;
}

static void insert(struct input *x, size_t at, const uint8_t *p, size_t n) {
  if (x->n + n > LONGEST) return;
  memmove(x->p + at + n, x->p + at, x->n - at);
  memcpy(x->p + at, p, n);
  x->n += n;
}

static void repeat_run(const struct ump_rng *r, struct input *x) {
  uint8_t copy[64];
  size_t at = pick(r, x->n), most = x->n - at < sizeof copy ? x->n - at : sizeof copy, n = 1 + pick(r, most);
  memcpy(copy, x->p + at, n);
  insert(x, pick(r, x->n + 1), copy, n);
}

/* A piece of another input of the corpus. */
static void splice(const struct ump_rng *r, struct input *x, const struct corpus *c) {
  const struct input *other = &c->inputs[pick(r, c->n)];
  if (!other->n) return;
  size_t at = pick(r, other->n), most = other->n - at < 256 ? other->n - at : 256;
  insert(x, pick(r, x->n + 1), other->p + at, 1 + pick(r, most));
}

static void mutate(const struct ump_rng *r, struct input *x, const struct corpus *c) {
  static const uint8_t edges[] = {0,   1,   0x7F, 0x80, 0xFF, '"', '\\', '{', '}',
                                  '[', ']', ',',  ':',  '0',  '9', '-',  ' ', '\n'};
  uint8_t byte = pick(r, 2) ? edges[pick(r, sizeof edges)] : (uint8_t)ump_rng_u64(r);
  size_t kind = x->n ? pick(r, 7) : 0;
  if (kind == 0)
    insert(x, x->n ? pick(r, x->n + 1) : 0, &byte, 1);
  else if (kind == 1)
    x->p[pick(r, x->n)] = byte;
  else if (kind == 2)
    x->p[pick(r, x->n)] ^= (uint8_t)(1u << pick(r, 8));
  else if (kind == 3)
    remove_run(r, x);
  else if (kind == 4)
    repeat_run(r, x);
  else if (kind == 5)
    x->n = pick(r, 8) ? x->n : pick(r, x->n); /* a cut loses much: seldom */
  else
    splice(r, x, c);
}

/* ---- running ---- */

/* In a block of the exact size, so that the sanitizer sees a read beyond it. */
static void run(const struct input *x, const char *keep_path) {
  uint8_t *exact = must(malloc(x->n ? x->n : 1));
  if (x->n) memcpy(exact, x->p, x->n);
  FILE *f = keep_path ? fopen(keep_path, "wb") : NULL;
  if (f) fwrite(exact, 1, x->n, f), fclose(f);
  LLVMFuzzerTestOneInput(exact, x->n);
  free(exact);
}

static unsigned long setting(const char *name, unsigned long usual) {
  const char *value = getenv(name);
  return value && *value ? strtoul(value, NULL, 10) : usual;
}

static void run_mutations(const struct corpus *c, unsigned long runs, unsigned long seed, const char *keep_path) {
  struct ump_rng_seeded seeded;
  struct input x = {must(malloc(LONGEST)), 0};
  ump_rng_seed(&seeded, seed);
  struct ump_rng rng = ump_rng_of(&seeded);
  for (unsigned long i = 0; i < runs; i++) {
    const struct input *from = &c->inputs[pick(&rng, c->n)];
    x.n = from->n < LONGEST ? from->n : LONGEST;
    memcpy(x.p, from->p, x.n);
    for (size_t k = 1 + pick(&rng, 6); k > 0; k--) mutate(&rng, &x, c);
    run(&x, keep_path);
  }
  free(x.p);
}

int main(int argc, char **argv) {
  struct corpus c = {0};
  const char *keep_path = getenv("UMP_FUZZ_KEEP");
  unsigned long runs = setting("UMP_FUZZ_RUNS", 20000), seed = setting("UMP_FUZZ_SEED", 1);
  if (LLVMFuzzerInitialize) LLVMFuzzerInitialize(&argc, &argv);
  for (int i = 1; i < argc; i++) read_path(&c, argv[i]);
  if (c.n == 0) {
    fprintf(stderr, "replay: no inputs; give files or folders, as in: %s tests/fuzz/corpus/fuzz_x\n", argv[0]);
    return 2;
  }
  for (size_t i = 0; i < c.n; i++) run(&c.inputs[i], keep_path);
  run_mutations(&c, runs, seed, keep_path);
  printf("%s: %zu inputs of the corpus, %lu mutated ones from seed %lu\n", argv[0], c.n, runs, seed);
  for (size_t i = 0; i < c.n; i++) free(c.inputs[i].p);
  free(c.inputs);
  return 0;
}
