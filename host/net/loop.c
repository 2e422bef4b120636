#include "net/loop.h"

#include <assert.h>
#include <time.h>
#include <uv.h>

#include "net/logger.h"

struct ump_loop {
  struct ump_loop_cfg cfg;
  uv_loop_t uv;
  uv_timer_t timer;     /* the deadline */
  uv_timer_t settle;    /* the end of ump_loop_settle */
  uv_prepare_t prepare; /* before waiting: arms the timer */
  uv_check_t check;     /* after reading: expires and sends */
  struct ump_list ports, tcp;
  ump_time now;
  ump_time armed; /* what the timer is set for; UMP_NEVER: stopped */
  bool stale, settling;
};

ump_time ump_monotonic(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (ump_time)t.tv_sec * UMP_S + t.tv_nsec;
}

const char *ump_loop_release(void) {
  return uv_version_string();
}

ump_time ump_loop_now(struct ump_loop *l) {
  if (l->stale) l->now = ump_monotonic();
  l->stale = false;
  return l->now;
}

void ump_loop_stale(struct ump_loop *l) {
  l->stale = true;
}
struct ump_list *ump_loop_tcp(struct ump_loop *l) {
  return &l->tcp;
}
struct uv_loop_s *ump_loop_uv(struct ump_loop *l) {
  return &l->uv;
}
struct ump_engine *ump_loop_engine(struct ump_loop *l) {
  return l->cfg.engine;
}
const struct ump_mem *ump_loop_mem(struct ump_loop *l) {
  return l->cfg.mem;
}
const struct ump_log *ump_loop_log(struct ump_loop *l) {
  return l->cfg.log;
}

void ump_loop_add(struct ump_loop *l, struct ump_port *p) {
  ump_list_push(&l->ports, &p->link);
}

void ump_loop_remove(struct ump_loop *l, struct ump_port *p) {
  (void)l;
  ump_list_remove(&p->link);
}

/* ---- one turn ---- */

static void flush_ports(struct ump_loop *l, ump_time now) {
  struct ump_list *next;
  for (struct ump_list *at = l->ports.next; at != &l->ports; at = next) {
    struct ump_port *p = UMP_CONTAINER(at, struct ump_port, link);
    next = at->next;
    p->flush(p, now);
  }
}

static bool any_blocked(const struct ump_loop *l) {
  for (const struct ump_list *at = l->ports.next; at != &l->ports; at = at->next)
    if (UMP_CONTAINER(at, struct ump_port, link)->blocked) return true;
  return false;
}

static void work(struct ump_loop *l) {
  ump_time now = ump_loop_now(l);
  if (l->cfg.logger && ump_logger_deadline(l->cfg.logger) <= now) ump_logger_tick(l->cfg.logger, now);
  if (ump_engine_deadline(l->cfg.engine) <= now) ump_engine_expire(l->cfg.engine, now);
  flush_ports(l, now);
  if (l->cfg.asked_to_stop && ump_engine_stop_asked(l->cfg.engine)) l->cfg.asked_to_stop(l->cfg.ctx);
  if (l->settling && ump_engine_load(l->cfg.engine) == 0 && !any_blocked(l)) uv_stop(&l->uv);
}

static void on_check(uv_check_t *h) {
  work(h->data);
}

void ump_loop_work(struct ump_loop *l) {
  ump_loop_stale(l);
  work(l);
}

static void on_timer(uv_timer_t *h) {
  struct ump_loop *l = h->data;
  l->armed = UMP_NEVER;
  ump_loop_stale(l);
  work(l);
}

/* libuv counts whole milliseconds from the time it last looked; rounding up never wakes us for nothing, and costs less
 * than a millisecond on timers that the wire counts in tenths of seconds (a held verdict of 1 ms leaves after 1 to 2
 * ms). */
static uint64_t whole_ms(ump_time t) {
  return t <= 0 ? 0 : (uint64_t)((t + UMP_MS - 1) / UMP_MS);
}

static void on_prepare(uv_prepare_t *h) {
  struct ump_loop *l = h->data;
  ump_time deadline = ump_engine_deadline(l->cfg.engine);
  if (l->cfg.logger) deadline = ump_time_min(deadline, ump_logger_deadline(l->cfg.logger));
  ump_loop_stale(l); /* what comes after the wait is a new turn */
  if (deadline == l->armed) return;
  l->armed = deadline;
  if (deadline == UMP_NEVER) {
    uv_timer_stop(&l->timer);
    return;
  }
  uint64_t wait = whole_ms(deadline - ump_monotonic());
  /* While the kernel takes no more, output that is due stays due: look at it a thousand times a second, not all the
   * time. */
  if (wait == 0 && any_blocked(l)) wait = 1;
  uv_update_time(&l->uv);
  uv_timer_start(&l->timer, on_timer, wait, 0);
}

/* ---- life ---- */

struct ump_loop *ump_loop_new(const struct ump_loop_cfg *cfg) {
  struct ump_loop *l = ump_zalloc(cfg->mem, sizeof *l);
  if (!l) return NULL;
  l->cfg = *cfg;
  ump_list_init(&l->ports), ump_list_init(&l->tcp);
  l->stale = true;
  l->armed = UMP_NEVER;
  if (uv_loop_init(&l->uv) != 0) {
    ump_free(cfg->mem, l, sizeof *l);
    return NULL;
  }
  uv_timer_init(&l->uv, &l->timer);
  uv_timer_init(&l->uv, &l->settle);
  uv_prepare_init(&l->uv, &l->prepare);
  uv_check_init(&l->uv, &l->check);
  l->timer.data = l->settle.data = l->prepare.data = l->check.data = l;
  uv_prepare_start(&l->prepare, on_prepare);
  uv_check_start(&l->check, on_check);
  return l;
}

void ump_loop_free(struct ump_loop *l) {
  if (!l) return;
  while (!ump_list_empty(&l->ports)) {
    struct ump_port *p = UMP_CONTAINER(l->ports.next, struct ump_port, link);
    ump_loop_remove(l, p);
    p->close(p);
  }
  uv_close((uv_handle_t *)&l->timer, NULL);
  uv_close((uv_handle_t *)&l->settle, NULL);
  uv_close((uv_handle_t *)&l->prepare, NULL);
  uv_close((uv_handle_t *)&l->check, NULL);
  uv_run(&l->uv, UV_RUN_DEFAULT); /* until every close callback has run */
  int left = uv_loop_close(&l->uv);
  assert(left == 0); /* a handle that nobody closed: its owner was not freed before the loop */
  (void)left;
  ump_free(l->cfg.mem, l, sizeof *l);
}

void ump_loop_run(struct ump_loop *l) {
  uv_run(&l->uv, UV_RUN_DEFAULT);
}
void ump_loop_stop(struct ump_loop *l) {
  uv_stop(&l->uv);
}

static void on_settled(uv_timer_t *h) {
  uv_stop(h->loop);
}

void ump_loop_settle(struct ump_loop *l, ump_time at_most) {
  ump_loop_stale(l);
  flush_ports(l, ump_loop_now(l));
  for (struct ump_list *at = l->ports.next; at != &l->ports; at = at->next) {
    struct ump_port *p = UMP_CONTAINER(at, struct ump_port, link);
    p->deafen(p);
  }
  if (ump_engine_load(l->cfg.engine) == 0 && !any_blocked(l)) return;
  l->settling = true;
  uv_update_time(&l->uv);
  uv_timer_start(&l->settle, on_settled, whole_ms(at_most), 0);
  uv_run(&l->uv, UV_RUN_DEFAULT);
  uv_timer_stop(&l->settle);
  l->settling = false;
}
