/* The allocator everyone is handed, the C library's as the usual one, and shared byte blocks. */
#include "base/mem.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void *ump_alloc(const struct ump_mem *m, size_t n) {
  return m->resize(m->ctx, NULL, 0, n);
}

void *ump_zalloc(const struct ump_mem *m, size_t n) {
  void *p = ump_alloc(m, n);
  return p ? memset(p, 0, n) : NULL;
}

void *ump_realloc(const struct ump_mem *m, void *p, size_t old_n, size_t n) {
  return m->resize(m->ctx, p, old_n, n);
}

void ump_free(const struct ump_mem *m, void *p, size_t n) {
  if (p) m->resize(m->ctx, p, n, 0);
}

static void *libc_resize(void *ctx, void *p, size_t old_n, size_t n) {
  (void)ctx, (void)old_n;
  if (n) return realloc(p, n);
  free(p);
  return NULL;
}

const struct ump_mem ump_mem_libc = {libc_resize, NULL};

struct ump_blob *ump_blob_new(const struct ump_mem *m, size_t n) {
  if (n > SIZE_MAX - sizeof(struct ump_blob)) return NULL;
  struct ump_blob *b = ump_alloc(m, sizeof *b + n);
  if (!b) return NULL;
  b->mem = m;
  b->refs = 1;
  b->n = n;
  return b;
}

struct ump_blob *ump_blob_ref(struct ump_blob *b) {
  assert(b->refs > 0);
  b->refs++;
  return b;
}

void ump_blob_unref(struct ump_blob *b) {
  if (!b) return;
  assert(b->refs > 0);
  if (--b->refs == 0) ump_free(b->mem, b, sizeof *b + b->n);
}
