/* Log-ins on libuv's threads: a few run, so many wait, the rest is told so; the end comes whenever it comes. */
#include "testing.h"

#include <pthread.h>
#include <string.h>
#include <uv.h>

#include "net/logins.h"

/* What the threads do is held until the test lets go of it. */
struct gate {
  pthread_mutex_t lock;
  pthread_cond_t moved;
  bool open;
  unsigned inside, most, done;
  char names[16][65]; /* in the order in which they began */
};

struct test {
  struct gate gate;
  struct testing_mem mem;
  struct testing_rng rng;
  struct testing_log log;
  struct ump_engine *engine;
  struct ump_loop *loop;
  struct ump_logins *logins;
};

static int check(void *ctx, bool create, struct ump_bytes name, struct ump_bytes password, char *error, size_t cap) {
  struct gate *g = ctx;
  assert_true(create && password.n == 6 && memcmp(password.p, "secret", 6) == 0);
  pthread_mutex_lock(&g->lock);
  memcpy(g->names[(g->done + g->inside) % 16], name.p, name.n);
  if (++g->inside > g->most) g->most = g->inside;
  pthread_cond_broadcast(&g->moved);
  while (!g->open) pthread_cond_wait(&g->moved, &g->lock);
  g->inside--, g->done++;
  pthread_cond_broadcast(&g->moved);
  pthread_mutex_unlock(&g->lock);
  if (name.p[0] != 'x') return 1;
  strncpy(error, "the disk is gone", cap);
  return UMP_EINVAL;
}

static void begin(struct test *t, unsigned running, unsigned waiting) {
  memset(t, 0, sizeof *t);
  pthread_mutex_init(&t->gate.lock, NULL);
  pthread_cond_init(&t->gate.moved, NULL);
  testing_mem_init(&t->mem);
  testing_rng_init(&t->rng, 1);
  testing_log_init(&t->log);
  struct ump_engine_cfg engine = {.mem = &t->mem.mem, .rng = &t->rng.rng, .log = &t->log.log};
  t->engine = ump_engine_new(&engine, ump_monotonic());
  struct ump_loop_cfg loop = {.mem = &t->mem.mem, .engine = t->engine, .log = &t->log.log};
  t->loop = ump_loop_new(&loop);
  struct ump_logins_cfg cfg = {
      .loop = t->loop, .check = check, .ctx = &t->gate, .running = running, .waiting = waiting};
  t->logins = ump_logins_new(&cfg);
  assert_non_null(t->logins);
}

static int ask(struct test *t, const char *name) {
  const struct ump_accounts *a = ump_logins_accounts(t->logins);
  struct ump_account_question q = {true, ump_text(name), ump_text("secret"), 1};
  return a->ask(a->self, &q);
}

static void wait_inside(struct gate *g, unsigned n) {
  pthread_mutex_lock(&g->lock);
  while (g->inside < n) pthread_cond_wait(&g->moved, &g->lock);
  pthread_mutex_unlock(&g->lock);
}

static unsigned done(struct gate *g) {
  pthread_mutex_lock(&g->lock);
  unsigned n = g->done;
  pthread_mutex_unlock(&g->lock);
  return n;
}

static void let_go(struct gate *g) {
  pthread_mutex_lock(&g->lock);
  g->open = true;
  pthread_cond_broadcast(&g->moved);
  pthread_mutex_unlock(&g->lock);
}

static void end(struct test *t) {
  ump_logins_free(t->logins);
  ump_loop_free(t->loop);
  ump_engine_free(t->engine);
  pthread_cond_destroy(&t->gate.moved);
  pthread_mutex_destroy(&t->gate.lock);
  testing_mem_assert_empty(&t->mem);
}

static void test_logins_loop_two_run_three_wait_and_the_next_is_told_so(void **state) {
  (void)state;
  struct test t;
  begin(&t, 2, 3);
  for (int i = 0; i < 5; i++) assert_int_equal(ask(&t, i == 4 ? "x" : (char[]){(char)('a' + i), 0}), UMP_EAGAIN);
  assert_int_equal(ask(&t, "f"), UMP_EFULL);
  wait_inside(&t.gate, 2);
  let_go(&t.gate);
  while (done(&t.gate) < 5 || testing_log_count(&t.log, "accounts") == 0) uv_run(ump_loop_uv(t.loop), UV_RUN_ONCE);
  assert_int_equal(t.gate.most, 2);
  /* in the order in which they were asked; of the last two, either thread may be the first at the gate */
  assert_true(strcmp(t.gate.names[3], "x") == 0 || strcmp(t.gate.names[4], "x") == 0);
  assert_string_equal(testing_log_last(&t.log, "accounts")->text, "the disk is gone");
  assert_int_equal(ask(&t, "g"), UMP_EAGAIN); /* there is room again */
  end(&t);
}

static void test_logins_loop_may_end_while_they_run_and_wait(void **state) {
  (void)state;
  struct test t;
  begin(&t, 2, 8);
  for (int i = 0; i < 8; i++) assert_int_equal(ask(&t, "a"), UMP_EAGAIN);
  wait_inside(&t.gate, 2);
  ump_logins_free(t.logins); /* gives up the six that wait */
  t.logins = NULL;
  let_go(&t.gate);
  end(&t); /* waits for the two that run, and tells nobody */
  assert_int_equal(t.gate.done, 2);
  assert_int_equal(testing_log_count(&t.log, "accounts"), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_logins_loop_two_run_three_wait_and_the_next_is_told_so),
      cmocka_unit_test(test_logins_loop_may_end_while_they_run_and_wait),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
