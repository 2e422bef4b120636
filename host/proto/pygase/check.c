/* Consistency: everything that is counted twice must agree. For tests and fuzzers, who call it after each step. */
#include "proto/pygase/internal.h"

static size_t length(const struct ump_list *head) {
  size_t n = 0;
  for (const struct ump_list *at = head->next; at != head; at = at->next) n++;
  return n;
}

static const char *check_outs(const struct pg_session *s) {
  size_t queued = length(&s->queue), flight = length(&s->flight);
  ump_time last = INT64_MIN;
  if (queued != s->n_queued || queued + flight != s->n_outs || s->n_outs > PG_QUEUE) return "n_outs is wrong";
  for (const struct ump_list *at = s->flight.next; at != &s->flight; at = at->next) {
    const struct pg_out *o = UMP_CONTAINER(at, struct pg_out, at);
    if (!o->sends || o->sends > PG_SENDS) return "sent too often";
    if (o->sent < last) return "in flight, not in order of sending";
    last = o->sent;
  }
  return NULL;
}

static const char *check_world(const struct pg_world *w) {
  if (w->n_sent > PG_SENT) return "too many states under way";
  if (w->under_way != (w->n_sent > 0)) return "under way without a number";
  if (w->n_sent && w->sent[w->n_sent - 1].time_order != w->newest) return "the newest number is not the last";
  if (w->patch && !w->under_way) return "a patch that is not under way";
  if (!w->patch) return NULL;
  const struct pg_form *f = w->patch->form;
  if (!f || w->part >= f->n_parts) return "a part that is not there";
  if (w->patch->exact && w->n_sent != 1) return "an exact patch is not alone";
  return NULL;
}

static const char *check_session(const struct ump_pygase *n, const struct pg_session *s) {
  bool connected = s->state == PG_STATE_CONNECTED, ends = s->state == PG_STATE_GONE || s->state == PG_STATE_REFUSED;
  if (connected != ump_list_linked(&s->due.at)) return "connected and not in the wheel, or the other way round";
  if (connected && !s->client) return "connected without a client";
  if (ump_list_linked(&s->report) && !s->client) return "a report of nobody";
  if (s->state == PG_STATE_GONE && !ump_list_linked(&s->report)) return "gone, and nobody hears of it";
  if (ump_list_linked(&s->answer) && s->state != PG_STATE_NEW) return "an answer to one who is not new";
  if (s->held && !connected && s->state != PG_STATE_NEW && s->state != PG_STATE_CONNECTING)
    return "events held for nobody";
  if (!connected && s->n_outs) return "events for one who is not there";
  if (ends && (s->world.base || s->world.under_way)) return "state for one who is not there";
  if (s->answers > PG_NEW_ANSWERS) return "too much for an address that has proven nothing";
  (void)n;
  const char *wrong = check_outs(s);
  return wrong ? wrong : check_world(&s->world);
}

static const char *check_wheel(const struct pg_wheel *w, size_t connected) {
  size_t n = length(&w->due);
  for (unsigned i = 0; i < PG_WHEEL; i++) {
    size_t here = length(&w->slots[i]);
    if (here != w->counts[i] || (here > 0) != (w->occupied >> i & 1)) return "a slot of the wheel is counted wrong";
    n += here;
  }
  return n == connected ? NULL : "the wheel holds something else";
}

static const char *check_lists(const struct ump_pygase *n) {
  if (length(&n->fresh) != n->n_fresh || n->n_fresh > PG_NEW) return "n_fresh is wrong";
  if (length(&n->connected) != n->n_connected || n->n_connected > n->limit) return "n_connected is wrong";
  if (length(&n->away) != n->n_away || n->n_away > n->limit) return "n_away is wrong";
  if (length(&n->refused) != n->n_refused || n->n_refused > PG_REFUSED) return "n_refused is wrong";
  if (length(&n->reports) != n->n_reports) return "n_reports is wrong";
  if (length(&n->answers) != n->n_answers) return "n_answers is wrong";
  if (length(&n->free_outs) != n->n_free_outs || n->n_free_outs > PG_FREE_OUTS) return "n_free_outs is wrong";
  return check_wheel(&n->wheel, n->n_connected);
}

const char *ump_pygase_check(const void *self) {
  const struct ump_pygase *n = self;
  size_t handles = 0, gone = 0, outs = 0;
  const char *wrong = check_lists(n);
  for (size_t i = 0; i < n->slots.n && !wrong; i++) {
    const struct pg_session *s = n->slots.at[i];
    if (!s) continue;
    handles++;
    gone += s->state == PG_STATE_GONE;
    outs += s->n_outs;
    wrong = s->handle != i ? "a session under a wrong handle" : check_session(n, s);
  }
  if (wrong) return wrong;
  if (handles + n->slots.n_free != n->slots.n) return "a slot got lost";
  if (gone != n->n_gone || handles - gone != n->sessions.n) return "the table holds something else";
  if (outs != n->n_outs || n->out_bytes > PG_OUT_BYTES) return "n_outs is wrong";
  return NULL;
}
