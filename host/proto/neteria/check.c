/* Consistency: everything that is counted twice must agree. For tests and fuzzers, who call it after each step. */
#include "proto/neteria/internal.h"

int64_t ump_neteria_credit(const void *self, uint32_t session) {
  const struct nt_session *s = ump__nt_session(self, session);
  return !s ? 0 : nt_trusted(s) ? INT64_MAX : s->credit;
}

static size_t length(const struct ump_list *head) {
  size_t n = 0;
  for (const struct ump_list *at = head->next; at != head; at = at->next) n++;
  return n;
}

static const char *check_outs(const struct ump_neteria *n, const struct nt_session *s) {
  size_t held = 0, verdicts = 0, unhashed = 0, in_flight = 0, queued = 0;
  for (const struct ump_list *at = s->outs.next; at != &s->outs; at = at->next) {
    const struct nt_out *o = UMP_CONTAINER(at, struct nt_out, mine);
    if (o->session != s) return "an out of another session";
    if (!ump_list_linked(&o->at)) return "an out in no list";
    if (o->sent > NT_SENDS) return "sent too often";
    held += o->held;
    verdicts += o->kind == NT_VERDICT;
    unhashed += o->kind == NT_VERDICT && !o->node.hash;
    in_flight += o->kind == NT_NOTIFY && o->node.hash;
    queued += o->kind == NT_NOTIFY && !o->node.hash;
  }
  if (held != s->n_held) return "n_held is wrong";
  if (verdicts != s->n_verdicts || verdicts > NT_VERDICTS) return "n_verdicts is wrong";
  if (unhashed != s->n_unhashed) return "n_unhashed is wrong";
  if (in_flight != s->in_flight || in_flight > NT_IN_FLIGHT) return "in_flight is wrong";
  if (queued != s->n_queued || queued != length(&s->queue)) return "n_queued is wrong";
  if (in_flight + queued > NT_IN_FLIGHT + NT_QUEUE) return "more notifies wait than there is room for";
  if (!nt_trusted(s) && s->credit < 0) return "an unproven address was sent too much";
  (void)n;
  return NULL;
}

static const char *check_session(const struct ump_neteria *n, const struct nt_session *s) {
  if (s->state > NT_LEAVING) return "a ghost with a handle";
  if (s->state == NT_LEAVING && (!ump_list_empty(&s->outs) || s->probe || s->move)) return "a dead session at work";
  if (s->state == NT_LEAVING && !ump_list_linked(&s->report)) return "a dead session that nobody hears of";
  if (s->state == NT_PROVEN && !ump_list_linked(&s->timer) && !s->probe) return "a proven session that nobody watches";
  if ((s->state == NT_REGISTERED || s->state == NT_SILENT) && !ump_list_linked(&s->timer))
    return "a session without end";
  return check_outs(n, s);
}

static const char *check_order(const struct ump_list *head) {
  ump_time last = INT64_MIN;
  for (const struct ump_list *at = head->next; at != head; at = at->next) {
    const struct nt_out *o = UMP_CONTAINER(at, struct nt_out, at);
    if (o->due < last) return "outs not in order of time";
    last = o->due;
  }
  return NULL;
}

static const char *check_timers(const struct ump_list *head) {
  ump_time last = INT64_MIN;
  for (const struct ump_list *at = head->next; at != head; at = at->next) {
    const struct nt_session *s = UMP_CONTAINER(at, struct nt_session, timer);
    if (s->armed < last) return "sessions not in order of time";
    last = s->armed;
  }
  return NULL;
}

static const char *check_lists(const struct ump_neteria *n) {
  const struct ump_list *timers[] = {&n->young, &n->unproven, &n->idle, &n->silent, &n->ghosts};
  const char *wrong = check_order(&n->held);
  if (!wrong) wrong = check_order(&n->resend);
  for (size_t i = 0; i < sizeof timers / sizeof *timers && !wrong; i++) wrong = check_timers(timers[i]);
  if (wrong) return wrong;
  if (length(&n->ghosts) != n->n_ghosts || n->n_ghosts > (size_t)n->limit * NT_GHOSTS) return "n_ghosts is wrong";
  if (length(&n->reports) != n->n_reports) return "n_reports is wrong";
  if (length(&n->probes) + length(&n->moves) != n->n_probes) return "n_probes is wrong";
  if (length(&n->free_outs) != n->n_free_outs || n->n_free_outs > NT_FREE_OUTS) return "n_free_outs is wrong";
  return NULL;
}

const char *ump_neteria_check(const void *self) {
  const struct ump_neteria *n = self;
  size_t alive = 0, handles = 0, outs = n->n_replies;
  const char *wrong = check_lists(n);
  for (size_t i = 0; i < n->slots.n && !wrong; i++) {
    const struct nt_session *s = n->slots.at[i];
    if (!s) continue;
    handles++;
    alive += nt_alive(s);
    outs += length(&s->outs);
    wrong = s->handle != i ? "a session under a wrong handle" : check_session(n, s);
  }
  if (wrong) return wrong;
  if (alive != n->n_sessions || alive > n->limit) return "n_sessions is wrong";
  if (handles + n->slots.n_free != n->slots.n) return "a slot got lost";
  if (handles + n->n_ghosts != n->registry.n) return "the registry holds something else";
  if (outs != n->n_outs) return "n_outs is wrong";
  if (n->n_replies > NT_REPLIES || n->out_bytes > n->out_bytes_max) return "over a limit";
  return NULL;
}
