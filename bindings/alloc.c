/* Lua's allocator: counts every byte, refuses growth over the cap, never refuses to shrink. */
#include <stdlib.h>
#include <string.h>

#include "bindings/vm_state.h"

/* A memory error unwinds without a message handler, so the place is noted here, before. Only for a new block: a stack
 * that is being moved (Lua 5.4.5 and later keep offsets in place of its pointers meanwhile) must not be looked at. Lua
 * collects garbage and asks once more after a refusal; the note counts only if the call fails. */
static void *refuse(struct ump_vm *vm, const void *p) {
  if (!p && vm->in_call && !vm->refused_where[0]) ump__where(vm->running, vm->refused_where, sizeof vm->refused_where);
  lua_Debug ar; /* going up the levels looks at no stack, but takes its time: once in a call */
  if (vm->in_call && !vm->refused) vm->refused_deep = lua_getstack(vm->running, UMP__DEEP, &ar);
  vm->refused = true;
  return NULL;
}

static bool small(size_t n) {
  return UMP__SMALL_USED && n <= UMP__SMALL_MOST;
}

/* Of a block that is there. NULL: no memory, and p is as it was. */
static void *resize(struct ump_vm *vm, void *p, size_t old_n, size_t n) {
  if (!small(old_n) && !small(n)) return realloc(p, n);
  if (small(old_n) && small(n) && ump__small_same(old_n, n)) return p;
  void *q = small(n) ? ump__small_take(&vm->small, n) : malloc(n);
  if (!q) return NULL;
  memcpy(q, p, old_n < n ? old_n : n);
  if (small(old_n))
    ump__small_give(&vm->small, p, old_n);
  else
    free(p);
  return q;
}

static bool has_room(const struct ump_vm *vm, size_t more) {
  size_t max = vm->memory_max + (vm->in_call ? 0 : UMP__HOST_RESERVE);
  return more <= max && vm->memory <= max - more;
}

static void *fresh(struct ump_vm *vm, size_t n) {
  if (!has_room(vm, n)) return refuse(vm, NULL);
  void *p = small(n) ? ump__small_take(&vm->small, n) : malloc(n);
  if (!p) return refuse(vm, NULL);
  vm->memory += n;
  vm->allocated += n;
  return p;
}

/* old_n is a type tag when p is NULL, so it counts as 0 then. */
void *ump__vm_alloc(void *ctx, void *p, size_t old_n, size_t n) {
  struct ump_vm *vm = ctx;
  if (n == 0) {
    if (!p) return NULL;
    if (small(old_n))
      ump__small_give(&vm->small, p, old_n);
    else
      free(p);
    vm->memory -= old_n;
    return NULL;
  }
  if (!p) return fresh(vm, n);
  if (n > old_n && !has_room(vm, n - old_n)) return refuse(vm, p);
  void *q = resize(vm, p, old_n, n);
  if (!q && n > old_n) return refuse(vm, p);
  vm->memory = vm->memory - old_n + n;
  if (n > old_n) vm->allocated += n - old_n;
  return q ? q : p; /* a block that could not be made smaller is large enough */
}
