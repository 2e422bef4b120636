/* What happens to one event: look up, reserve, judge, remember, then effects and answer in the protocol's order.
 *
 * No answer at all is a valid outcome: when the event cannot be remembered, judging it would make the next copy a
 * second execution. The client asks again, or gives up. */
#include "engine/inside.h"

/* Remembers the verdict, if it is one to remember, then does the effects and answers in the order of the wire. ok: the
 * call into the rulebook, if there was one, succeeded. The reason and data of the answer stay valid until the next call
 * into the rulebook; doing the effects makes none (timer_gone lets go of a function and no more). */
void ump__conclude(struct ump_engine *e, struct ump__listener *l, const struct ump_event *ev, uint64_t key,
                   const struct ump_answer *a) {
  UMP__COUNT(e, events);
  e->counts[UMP__legal + a->verdict]++;
  if (ev->once) ump_verdicts_put(e->verdicts, key, a, e->now);
  bool keeping = e->effects.asking == UMP__KEEP;
  if (keeping && l->ops->effects_first) ump__call_commit(e);
  l->ops->answer(l->self, ev, a, e->now);
  if (keeping && !l->ops->effects_first) ump__call_commit(e);
}

/* A share of the window for each client: window_per_client events a second on average over the life of a cell.
 * window_due runs ahead of the clock by one interval per event, and may be ahead by the whole life: then as many cells
 * as the share allows may be alive already. (Those judged at once and those judged since can both be alive, so twice
 * the share is the bound.) */
static bool within_share(struct ump_engine *e, struct ump_client *c) {
  ump_time interval = UMP_S / e->limits.window_per_client;
  ump_time due = c->window_due > e->now ? c->window_due : e->now;
  if (due + interval - e->now > UMP_VERDICT_LIFE) return false;
  c->window_due = due + interval;
  return true;
}

/* The event is unknown to the window. True: it may be judged, and there is room to remember it. */
static bool remember(struct ump_engine *e, const struct ump_event *ev, uint64_t key) {
  if (ump__too_old(ev->client, ev->id, e->now)) return UMP__COUNT(e, event_too_old), false;
  if (!e->rb) return UMP__COUNT(e, event_no_rules), false;
  if (ump_verdicts_reserve(e->verdicts, key, e->now)) {
    if (e->counts[UMP__event_window_full]++ == 0)
      ump_log_text(e->log, UMP_WARN, "window_full", NULL,
                   "the exactly-once window is full: new events get no answer until older ones are 300 s old");
    return false;
  }
  if (!within_share(e, ev->client)) return UMP__COUNT(e, event_over_rate), false;
  return true;
}

/* ---- the rulebook's word ---- */

static void ask_judge(struct ump_engine *e, const struct ump_event *ev, struct ump_answer *a) {
  struct ump_judgement j = {.verdict = UMP_INTERNAL};
  ump__call_begin(e, e->rb);
  int rc = e->rb->ops->judge(e->rb->self, ev->client, ev, &j);
  if (rc >= 0 && j.verdict < UMP_INTERNAL) {
    a->verdict = j.verdict;
    a->reason = j.reason.n ? ump__reason(j.reason) : j.reason;
    a->data = j.data;
    return;
  }
  ump__call_end(e, -1);
  a->verdict = UMP_INTERNAL;
  a->reason = ump_text("internal");
}

/* The key of an event, made when it was announced or else now. They come in the order in which they were announced;
 * some never do. */
static uint64_t key_of(struct ump_engine *e, const struct ump_event *ev) {
  uint64_t serial = ev->client->serial;
  if (e->n_awaited - e->n_arrived > UMP__AWAITED) e->n_arrived = e->n_awaited - UMP__AWAITED;
  for (uint32_t i = e->n_arrived; i != e->n_awaited; i++) {
    const struct ump__awaited *a = &e->awaited[i % UMP__AWAITED];
    if (a->serial != serial || ev->id.n != sizeof a->id || memcmp(a->id, ev->id.p, sizeof a->id) != 0) continue;
    e->n_arrived = i + 1;
    return a->key;
  }
  return ump_verdicts_key(e->verdicts, serial, ev->id);
}

static void say(struct ump_answer *a, enum ump_verdict verdict, const char *reason) {
  a->verdict = verdict;
  a->reason = ump_text(reason);
}

void ump__judge(struct ump_engine *e, struct ump__listener *l, struct ump_event *ev) {
  struct ump_answer a = {.high = ev->high};
  char made[UMP_UUID_TEXT];
  uint64_t key = 0;
  if (ev->id.n == 0) { /* it has no id, so it has no copies either */
    struct ump_uuid id = ump_uuid_v4(e->rng);
    ump_uuid_print(&id, made);
    ev->id = ump_bytes(made, sizeof made);
    ev->once = false;
  }
  if (ev->once) {
    key = key_of(e, ev);
    if (ump_verdicts_find(e->verdicts, key, &a, e->now)) {
      UMP__COUNT(e, event_repeats);
      l->ops->answer(l->self, ev, &a, e->now);
      return;
    }
    if (ev->type == UMP_EVENT_LOGIN && ump__login_waits(e, key))
      return; /* a copy: the answer to the first is on its way */
    if (!remember(e, ev, key)) return;
  }
  if (ev->malformed)
    say(&a, UMP_INVALID, "malformed");
  else if (!e->rb)
    say(&a, UMP_INTERNAL, "no rules");
  else if (ev->type != UMP_EVENT_LOGIN)
    ask_judge(e, ev, &a);
  else if (!ump__login(e, l, ev, key, &a))
    return; /* later */
  ump__conclude(e, l, ev, key, &a);
}
