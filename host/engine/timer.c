/* The rulebook's timers and its ticks.
 *
 * A timer is made when it is asked for, because its id is wanted at once, and put into the heap where it never fires;
 * doing the effect then only moves it, which cannot fail. It belongs to the rulebook that asked, and ends with it.
 *
 * Neither timers nor ticks drift: each is due at a multiple of its interval, whenever the one before was really called.
 * After a stall a repeating timer is called once and goes on at the next multiple. Ticks are called twice, the second
 * time for all that was missed, so that the sum of dt is the time that went by. */
#include "engine/inside.h"

enum { FIRST_TIMERS = 16 };

struct ump__timer {
  struct ump_heap_node node;
  struct ump_rulebook *owner; /* NULL: not in use */
  uint64_t id;                /* made << 32 | slot + 1: never 0, and not used twice within 2^32 timers */
  ump_time due, every;        /* every 0: once */
  uint64_t cancelled_in;      /* the call that asked for its cancelling */
  uint32_t next_vacant;       /* slot + 1 of the next one not in use, 0: none */
  bool last;                  /* being called for the last time */
};

static struct ump__timer *find(const struct ump_engine *e, uint64_t id) {
  uint64_t slot = (id & UINT32_MAX) - 1;
  struct ump__timer *t = slot < e->timers.n_slots ? e->timers.slots[slot] : NULL;
  return t && t->owner && t->id == id ? t : NULL;
}

static int grow(struct ump_engine *e) {
  struct ump__timers *x = &e->timers;
  uint32_t cap = x->cap ? 2 * x->cap : FIRST_TIMERS;
  void *p = ump_realloc(e->mem, x->slots, x->cap * sizeof *x->slots, cap * sizeof *x->slots);
  if (!p) return UMP_ENOMEM;
  x->slots = p;
  x->cap = cap;
  return 0;
}

/* One that is not in use, in no heap. */
static int take(struct ump_engine *e, struct ump__timer **out) {
  struct ump__timers *x = &e->timers;
  if (x->vacant) {
    *out = x->slots[x->vacant - 1];
    x->vacant = (*out)->next_vacant;
    return 0;
  }
  if (x->n_slots == x->cap && grow(e)) return UMP_ENOMEM;
  if (!(*out = ump_zalloc(e->mem, sizeof **out))) return UMP_ENOMEM;
  (*out)->id = x->n_slots + 1;
  x->slots[x->n_slots++] = *out;
  return 0;
}

static void give_back(struct ump_engine *e, struct ump__timer *t) {
  ump_heap_remove(&e->timers.heap, &t->node);
  t->owner = NULL;
  t->next_vacant = e->timers.vacant;
  e->timers.vacant = (uint32_t)t->id;
}

int ump__timer_new(struct ump_engine *e, struct ump_rulebook *owner, ump_time after, ump_time every, uint64_t *id) {
  struct ump__timers *x = &e->timers;
  struct ump__timer *t;
  assert(owner);
  if (x->n >= e->limits.timers) return UMP_EFULL;
  if (take(e, &t)) return UMP_ENOMEM;
  if (ump_heap_insert(&x->heap, &t->node, UMP_NEVER)) return give_back(e, t), UMP_ENOMEM;
  if (after < 0) after = 0;
  t->owner = owner;
  t->id = (uint64_t)x->made++ << 32 | (t->id & UINT32_MAX);
  t->due = after < UMP_NEVER - e->now ? e->now + after : UMP_NEVER;
  t->every = every <= 0 ? 0 : every < UMP_MS ? UMP_MS : every; /* faster than 1 ms would be all that the host does */
  t->cancelled_in = 0;
  t->last = false;
  x->n++;
  *id = t->id;
  return 0;
}

void ump__timer_start(struct ump_engine *e, uint64_t id) {
  struct ump__timer *t = find(e, id);
  assert(t);
  ump_heap_insert(&e->timers.heap, &t->node, t->due);
}

bool ump__timer_cancellable(const struct ump_engine *e, const struct ump_rulebook *owner, uint64_t id) {
  const struct ump__timer *t = find(e, id);
  if (!t || t->owner != owner || t->last) return false;
  return e->effects.asking != UMP__KEEP || t->cancelled_in != e->effects.call;
}

void ump__timer_mark_cancelled(struct ump_engine *e, uint64_t id) {
  find(e, id)->cancelled_in = e->effects.call;
}

void ump__timer_end(struct ump_engine *e, uint64_t id, bool tell) {
  struct ump__timer *t = find(e, id);
  if (!t) return;
  struct ump_rulebook *owner = t->owner;
  enum ump__asking asking = e->effects.asking;
  give_back(e, t);
  e->timers.n--;
  e->effects.asking = UMP__REFUSE; /* timer_gone lets go, it does not ask */
  if (tell) owner->ops->timer_gone(owner->self, id);
  e->effects.asking = asking;
}

void ump__timers_end_others(struct ump_engine *e, const struct ump_rulebook *keep) {
  for (uint32_t i = 0; i < e->timers.n_slots; i++) {
    struct ump__timer *t = e->timers.slots[i];
    if (t->owner && t->owner != keep) ump__timer_end(e, t->id, true);
  }
}

void ump__timers_deinit(struct ump_engine *e) {
  struct ump__timers *x = &e->timers;
  ump__timers_end_others(e, NULL);
  for (uint32_t i = 0; i < x->n_slots; i++) ump_free(e->mem, x->slots[i], sizeof *x->slots[i]);
  ump_free(e->mem, x->slots, x->cap * sizeof *x->slots);
  ump_heap_deinit(&x->heap);
}

/* ---- calling ---- */

static ump_time next_due(const struct ump__timer *t, ump_time now) {
  ump_time missed = (now - t->due) / t->every;
  return t->due + (missed + 1) * t->every;
}

/* The rulebook has no time for it now. It waits behind all that is due, and is called in the next run. */
static void put_off(struct ump_engine *e, struct ump__timer *t) {
  t->last = false;
  t->due = e->now;
  ump_heap_insert(&e->timers.heap, &t->node, t->due);
}

static void call_timer(struct ump_engine *e, struct ump__timer *t) {
  struct ump_rulebook *rb = t->owner;
  uint64_t id = t->id;
  bool last = t->every == 0;
  t->last = last;
  if (!last) t->due = next_due(t, e->now);
  ump_heap_insert(&e->timers.heap, &t->node, last ? UMP_NEVER : t->due);
  ump__call_begin(e, rb);
  /* A repeating one may end itself in the call: t is not looked at any more, unless nothing was done. */
  int rc = rb->ops->timer(rb->self, id);
  ump__call_end(e, rc);
  if (rc > 0) {
    assert(last);
    put_off(e, t);
    return;
  }
  UMP__COUNT(e, timers);
  if (last) ump__timer_end(e, id, true);
  ump__kicks_run(e);
}

/* ---- ticks ---- */

static ump_time tick_time(const struct ump__ticks *x, uint64_t k) {
  return x->base + (ump_time)((double)k * 1e9 / x->rate_hz);
}

static ump_time tick_due(const struct ump_engine *e) {
  return e->rb && e->ticks.rate_hz > 0 && !e->draining ? tick_time(&e->ticks, e->ticks.k) : UMP_NEVER;
}

static void tick(struct ump_engine *e, uint64_t until) {
  struct ump__ticks *x = &e->ticks;
  ump_time dt = tick_time(x, until) - tick_time(x, x->k - 1);
  x->k = until + 1;
  UMP__COUNT(e, ticks);
  ump__call_begin(e, e->rb);
  ump__call_end(e, e->rb->ops->tick(e->rb->self, dt));
  ump__kicks_run(e);
}

/* The tick that is due, and one more for all others that are. */
static void run_tick(struct ump_engine *e) {
  struct ump__ticks *x = &e->ticks;
  tick(e, x->k);
  if (tick_due(e) > e->now) return;
  uint64_t k = (uint64_t)((double)(e->now - x->base) * x->rate_hz / 1e9);
  if (k < x->k) k = x->k; /* the double's last bit */
  while (tick_time(x, k) > e->now) k--;
  UMP__COUNT(e, ticks_late);
  tick(e, k);
}

/* The same rate goes on with the same beat, so that reloading often does not put ticks off for ever. */
void ump__ticks_set(struct ump_engine *e, double rate_hz) {
  if (!(rate_hz > 0)) rate_hz = 0;
  if (rate_hz > 1000) rate_hz = 1000;
  if (e->ticks.rate_hz == rate_hz) return;
  e->ticks = (struct ump__ticks){.rate_hz = rate_hz, .base = e->now, .k = 1};
}

/* Timers that are started or put off meanwhile wait for the next time, or one that starts itself again would keep us
 * here. */
void ump__timers_run(struct ump_engine *e) {
  uint64_t fresh = e->timers.heap.order;
  for (;;) {
    struct ump_heap_node *node = ump_heap_first(&e->timers.heap);
    ump_time at = node && node->order < fresh ? node->at : UMP_NEVER, beat = tick_due(e);
    if (at <= e->now && at <= beat)
      call_timer(e, UMP_CONTAINER(node, struct ump__timer, node));
    else if (beat <= e->now)
      run_tick(e), ump__feed_beat(e);
    else
      return;
  }
}

ump_time ump__ticks_beat(const struct ump_engine *e) {
  return e->ticks.rate_hz > 0 ? tick_time(&e->ticks, e->ticks.k - 1) : 0;
}

ump_time ump__timers_deadline(const struct ump_engine *e) {
  return ump_time_min(ump_heap_deadline(&e->timers.heap), tick_due(e));
}
