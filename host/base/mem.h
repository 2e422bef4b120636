/* The allocator everyone is handed, so that tests can make the nth allocation fail and count what is left.
 * ump_free and ump_realloc are given the size that was allocated, so an allocator can keep exact accounts. */
#ifndef UMP_BASE_MEM_H
#define UMP_BASE_MEM_H

#include <stddef.h>

struct ump_mem {
  /* realloc with both sizes; n == 0 frees and returns NULL; p == NULL allocates; NULL on failure leaves p as it was */
  void *(*resize)(void *ctx, void *p, size_t old_n, size_t n);
  void *ctx;
};

void *ump_alloc(const struct ump_mem *m, size_t n);  /* uninitialised; NULL: no memory */
void *ump_zalloc(const struct ump_mem *m, size_t n); /* zeroed */
void *ump_realloc(const struct ump_mem *m, void *p, size_t old_n, size_t n);
void ump_free(const struct ump_mem *m, void *p, size_t n); /* p may be NULL */

/* realloc and free of the C library; ctx is not used. */
extern const struct ump_mem ump_mem_libc;

/* A byte block shared by several owners (one broadcast payload, many clients). Not thread-safe: one loop, one thread.
 */
struct ump_blob {
  const struct ump_mem *mem;
  size_t refs, n;
  unsigned char p[];
};
struct ump_blob *ump_blob_new(const struct ump_mem *m, size_t n); /* one reference; NULL: no memory */
struct ump_blob *ump_blob_ref(struct ump_blob *b);
void ump_blob_unref(struct ump_blob *b); /* NULL is allowed */

#endif
