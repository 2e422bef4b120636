/* What the tests of the sandboxed VM share: a VM with a log that remembers and clocks that stand still, and running
 * text in it. */
#ifndef VM_TESTING_H
#define VM_TESTING_H

#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include <lauxlib.h>

#include "bindings/vm.h"

struct vm_test {
  struct ump_vm *vm;
  struct testing_log log;
  struct testing_rng rng;
  ump_time now;
  int64_t wall;
  struct ump_vm_cfg cfg;
};

static inline ump_time vm_test_now(void *ctx) {
  return ((struct vm_test *)ctx)->now;
}
static inline int64_t vm_test_wall(void *ctx) {
  return ((struct vm_test *)ctx)->wall;
}

static inline void vm_test_init(struct vm_test *t) {
  memset(t, 0, sizeof *t);
  testing_log_init(&t->log);
  testing_rng_init(&t->rng, 7);
  t->now = 5 * UMP_S, t->wall = 1700000000;
  t->cfg = (struct ump_vm_cfg){
      .log = &t->log.log, .rng = t->rng.rng, .now = vm_test_now, .wall = vm_test_wall, .clock_ctx = t};
}

static inline void vm_test_open(struct vm_test *t) {
  char error[512] = "";
  t->vm = ump_vm_new(&t->cfg, error, sizeof error);
  if (!t->vm) fail_msg("%s", error);
}

static inline void vm_test_close(struct vm_test *t) {
  ump_vm_free(t->vm), t->vm = NULL;
}

struct vm_test_text {
  const char *text;
  char result[1024]; /* tostring of the first result */
};

static inline int vm_test_text_call(lua_State *L) {
  struct vm_test_text *run = lua_touserdata(L, 1);
  if (luaL_loadbufferx(L, run->text, strlen(run->text), "=test", "t") != LUA_OK) return lua_error(L);
  lua_call(L, 0, 1);
  ump_vm_push_env(L);
  lua_pushliteral(L, "tostring");
  lua_rawget(L, -2);
  lua_pushvalue(L, -3);
  lua_call(L, 1, 1);
  snprintf(run->result, sizeof run->result, "%s", lua_tostring(L, -1));
  return 0;
}

/* Runs Lua text; the result of ump_vm_call_for. out (may be NULL, then nothing): tostring of what the text returns. */
static inline int vm_test_run_for(struct vm_test *t, const char *text, ump_time hard, char *out, size_t out_cap) {
  struct vm_test_text run = {.text = text};
  int status = ump_vm_call_for(t->vm, vm_test_text_call, &run, hard);
  if (out) snprintf(out, out_cap, "%s", run.result);
  return status;
}
static inline int vm_test_run(struct vm_test *t, const char *text) {
  return vm_test_run_for(t, text, 0, NULL, 0);
}

static inline const char *vm_test_error(struct vm_test *t) {
  return (const char *)ump_vm_error(t->vm).p;
}

/* ---- time: of this machine's, and never more of it than a test says ---- */

static inline ump_time vm_test_cpu(void) { /* of this thread */
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (ump_time)t.tv_sec * UMP_S + t.tv_nsec;
}

/* What hangs ends the program after a minute of computing, which no load of the machine makes shorter. */
static inline void vm_test_guard(bool on) {
  struct itimerval t = {.it_value = {.tv_sec = on ? 60 : 0}};
  assert_int_equal(setitimer(ITIMER_PROF, &t, NULL), 0);
}

/* The text must run and give this result. */
static inline void vm_test_gives(struct vm_test *t, const char *text, const char *result) {
  char got[1024];
  int status = vm_test_run_for(t, text, 0, got, sizeof got);
  if (status) fail_msg("%s\n  failed (%d): %s", text, status, vm_test_error(t));
  if (strcmp(got, result) != 0) fail_msg("%s\n  gave %s\n  not  %s", text, got, result);
}

/* The text must fail in this way with a message that contains `part`. */
static inline void vm_test_fails(struct vm_test *t, const char *text, int how, const char *part) {
  int status = vm_test_run(t, text);
  if (status != how || !strstr(vm_test_error(t), part))
    fail_msg("%s\n  ended with %d: %s\n  not with %d: ...%s...", text, status, vm_test_error(t), how, part);
}

#endif
