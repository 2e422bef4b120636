#include "net/background.h"

#include <errno.h>
#include <uv.h>

struct ump_beat {
  uv_timer_t timer;
  const struct ump_mem *mem;
  void (*call)(void *ctx);
  void *ctx;
};

static void on_beat(uv_timer_t *t) {
  struct ump_beat *b = t->data;
  b->call(b->ctx);
}

struct ump_beat *ump_beat_new(struct ump_loop *l, ump_time every, void (*call)(void *ctx), void *ctx) {
  const struct ump_mem *mem = ump_loop_mem(l);
  struct ump_beat *b = ump_zalloc(mem, sizeof *b);
  if (!b) return NULL;
  b->mem = mem, b->call = call, b->ctx = ctx;
  b->timer.data = b;
  uv_timer_init(ump_loop_uv(l), &b->timer);
  uv_timer_start(&b->timer, on_beat, (uint64_t)(every / UMP_MS), (uint64_t)(every / UMP_MS));
  return b;
}

static void on_closed(uv_handle_t *h) {
  struct ump_beat *b = h->data;
  ump_free(b->mem, b, sizeof *b);
}

void ump_beat_free(struct ump_beat *b) {
  if (b) uv_close((uv_handle_t *)&b->timer, on_closed);
}

struct job {
  uv_work_t req;
  const struct ump_mem *mem;
  void (*work)(void *ctx), (*done)(void *ctx);
  void *ctx;
};

static void on_work(uv_work_t *req) {
  struct job *j = req->data;
  j->work(j->ctx);
}

static void on_done(uv_work_t *req, int status) {
  struct job *j = req->data, copy = *j;
  (void)status; /* nobody cancels it */
  ump_free(copy.mem, j, sizeof *j);
  copy.done(copy.ctx);
}

int ump_work_start(struct ump_loop *l, void (*work)(void *ctx), void (*done)(void *ctx), void *ctx) {
  const struct ump_mem *mem = ump_loop_mem(l);
  struct job *j = ump_alloc(mem, sizeof *j);
  if (!j) return -ENOMEM;
  *j = (struct job){.mem = mem, .work = work, .done = done, .ctx = ctx};
  j->req.data = j;
  int err = uv_queue_work(ump_loop_uv(l), &j->req, on_work, on_done);
  if (err) ump_free(mem, j, sizeof *j);
  return err;
}
