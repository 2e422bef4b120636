/* What was, and what is: one group of the recording held against the same one in another rulebook. */
#include <stdlib.h>

#include "record/datum.h"
#include "record/inside.h"

const char *const ump_difference_names[UMP_N_DIFFERENCES] = {"verdict", "reason",  "response",
                                                             "notify",  "connect", "kick"};

void ump__tell(struct ump_replay *r, struct ump_difference *d, const struct ump_entry *in, uint32_t listener,
               uint32_t session) {
  const struct ump__seat *s = listener < r->lanes.n ? ump__seat_find(r, listener, session) : NULL;
  ump_time now = in ? in->at : ump_engine_now(r->engine);
  d->at = ump_seconds(now - r->started);
  d->event = r->totals->events;
  d->in = in;
  d->protocol = listener < r->lanes.n ? r->lanes.v[listener]->ops.scheme : "";
  if (s) d->client = s->number, d->who = ump_text(s->name);
  r->totals->differences[d->kind]++;
  r->cfg->differs(r->cfg->ctx, d);
}

/* ---- answers ---- */

static struct ump_outcome outcome(const struct ump__side *s, bool there) {
  return (struct ump_outcome){.there = there,
                              .verdict = s->verdict,
                              .yes = s->yes,
                              .reason = s->reason,
                              .data = s->data,
                              .has_data = s->data.n > 0};
}

static void compare_admission(struct ump_replay *r, const struct ump_entry *in) {
  struct ump_difference d = {.kind = UMP_DIFFERS_CONNECT, .was = outcome(&r->was, true), .is = outcome(&r->is, true)};
  if (!r->was.admitted || !r->is.admitted) return;
  if (r->was.yes == r->is.yes && ump_bytes_equal(r->was.reason, r->is.reason)) return;
  if (r->was.yes == r->is.yes) d.kind = UMP_DIFFERS_REASON, d.name = ump_text("connect");
  ump__tell(r, &d, in, in->listener, in->session);
}

static void compare_answer(struct ump_replay *r, const struct ump_entry *in) {
  struct ump_difference d = {.was = outcome(&r->was, true), .is = outcome(&r->is, r->is.answered)};
  if (!r->was.answered) return;
  r->totals->judged++;
  d.name = in->name;
  d.encoding = r->lanes.v[in->listener]->ops.encoding;
  if (!r->is.answered || r->was.verdict != r->is.verdict)
    d.kind = UMP_DIFFERS_VERDICT;
  else if (!ump_bytes_equal(r->was.reason, r->is.reason))
    d.kind = UMP_DIFFERS_REASON;
  else if (!ump_datum_same(d.encoding, r->was.data, r->is.data))
    d.kind = UMP_DIFFERS_RESPONSE;
  else
    return;
  ump__tell(r, &d, in, in->listener, in->session);
}

/* ---- kicks ---- */

static void compare_kicks(struct ump_replay *r, const struct ump_entry *in) {
  for (size_t i = 0; i < r->was.kicks.n; i++)
    for (size_t k = 0; k < r->is.kicks.n; k++) {
      struct ump__kick *a = &r->was.kicks.v[i], *b = &r->is.kicks.v[k];
      if (a->met || b->met || a->listener != b->listener || a->session != b->session) continue;
      a->met = b->met = true;
    }
  for (int side = 0; side < 2; side++) {
    struct ump__side *s = side ? &r->is : &r->was;
    for (size_t i = 0; i < s->kicks.n; i++) {
      struct ump__kick *k = &s->kicks.v[i];
      if (k->met) continue;
      struct ump_difference d = {.kind = UMP_DIFFERS_KICK};
      *(side ? &d.is : &d.was) = (struct ump_outcome){.there = true, .reason = k->reason};
      ump__tell(r, &d, in, k->listener, k->session);
    }
  }
}

/* ---- notifies ---- */

static uint64_t hash_of(struct ump__notice *n) {
  if (n->hash) return n->hash;
  uint64_t name = ump_datum_hash(UMP_RAW, n->name),
           data = n->flags & UMP_ENTRY_HAS_DATA ? ump_datum_hash(n->encoding, n->data) : 1;
  n->hash = (name * 31 + data) * 31 + n->flags + 1;
  return n->hash += n->hash == 0;
}

static bool same_notice(struct ump__notice *a, struct ump__notice *b) {
  if (a->flags != b->flags || !ump_bytes_equal(a->name, b->name)) return false;
  return ump_bytes_equal(a->data, b->data) || hash_of(a) == hash_of(b);
}

static bool in_step(struct ump_replay *r) {
  if (r->was.deliveries.n != r->is.deliveries.n) return false;
  for (size_t i = 0; i < r->was.deliveries.n; i++) {
    const struct ump__delivery *a = &r->was.deliveries.v[i], *b = &r->is.deliveries.v[i];
    if (a->listener != b->listener || a->session != b->session || !same_notice(a->notice, b->notice)) return false;
  }
  return true;
}

static int compare_numbers(uint64_t a, uint64_t b) {
  return a < b ? -1 : a > b;
}

static int by_client_and_content(const void *x, const void *y) {
  const struct ump__delivery *a = x, *b = y;
  int c = compare_numbers(a->listener, b->listener);
  if (!c) c = compare_numbers(a->session, b->session);
  if (!c) c = compare_numbers(hash_of(a->notice), hash_of(b->notice));
  return c;
}

static int by_client_and_name(const void *x, const void *y) {
  const struct ump__delivery *a = x, *b = y;
  int c = compare_numbers(a->listener, b->listener);
  if (!c) c = compare_numbers(a->session, b->session);
  if (!c) c = compare_numbers(ump_datum_hash(UMP_RAW, a->notice->name), ump_datum_hash(UMP_RAW, b->notice->name));
  return c;
}

struct pair { /* one of them may be NULL */
  struct ump__notice *was, *is;
  uint32_t listener, session;
};

static int by_pair(const void *x, const void *y) {
  const struct pair *a = x, *b = y;
  int c = compare_numbers(a->listener, b->listener);
  if (!c) c = compare_numbers(a->was ? hash_of(a->was) : 0, b->was ? hash_of(b->was) : 0);
  if (!c) c = compare_numbers(a->is ? hash_of(a->is) : 0, b->is ? hash_of(b->is) : 0);
  if (!c) c = compare_numbers(a->session, b->session);
  return c;
}

typedef int order_fn(const void *, const void *);

/* Sorts both and walks along; calls each with what only one of them has, or, when meet is given, with both. */
static void walk(struct ump__delivery *a, size_t na, struct ump__delivery *b, size_t nb, order_fn *order,
                 struct pair *out, size_t *n, bool meet) {
  size_t i = 0, k = 0;
  if (na) qsort(a, na, sizeof *a, order);
  if (nb) qsort(b, nb, sizeof *b, order);
  while (i < na || k < nb) {
    int c = i == na ? 1 : k == nb ? -1 : order(&a[i], &b[k]);
    if (c || meet)
      out[(*n)++] = (struct pair){c <= 0 ? a[i].notice : NULL, c >= 0 ? b[k].notice : NULL,
                                  c <= 0 ? a[i].listener : b[k].listener, c <= 0 ? a[i].session : b[k].session};
    i += c <= 0, k += c >= 0;
  }
}

static void tell_pairs(struct ump_replay *r, const struct ump_entry *in, struct pair *p, size_t n) {
  if (n) qsort(p, n, sizeof *p, by_pair);
  for (size_t i = 0, same; i < n; i += same) {
    for (same = 1; i + same < n; same++)
      if (p[i].listener != p[i + same].listener ||
          (p[i].was ? hash_of(p[i].was) : 0) != (p[i + same].was ? hash_of(p[i + same].was) : 0) ||
          (p[i].is ? hash_of(p[i].is) : 0) != (p[i + same].is ? hash_of(p[i + same].is) : 0))
        break;
    const struct ump__notice *was = p[i].was, *is = p[i].is, *any = is ? is : was;
    struct ump_difference d = {
        .kind = UMP_DIFFERS_NOTIFY, .name = any->name, .encoding = any->encoding, .clients = same};
    if (was)
      d.was = (struct ump_outcome){.there = true, .data = was->data, .has_data = was->flags & UMP_ENTRY_HAS_DATA};
    if (is) d.is = (struct ump_outcome){.there = true, .data = is->data, .has_data = is->flags & UMP_ENTRY_HAS_DATA};
    ump__tell(r, &d, in, p[i].listener, p[i].session);
  }
}

static void compare_notifies(struct ump_replay *r, const struct ump_entry *in) {
  size_t na = r->was.deliveries.n, nb = r->is.deliveries.n, n = 0, left_a = 0, left_b = 0;
  r->totals->notifies += na;
  if (in_step(r)) return;
  struct pair *pairs = ump__arena_take(&r->arena, (na + nb) * sizeof *pairs);
  struct ump__delivery *a = ump__arena_take(&r->arena, (na + nb) * sizeof *a), *b = a + na;
  if (!pairs || !a) return;
  walk(r->was.deliveries.v, na, r->is.deliveries.v, nb, by_client_and_content, pairs, &n, false);
  for (size_t i = 0; i < n; i++) { /* what is left on either side, and then paired by name */
    if (pairs[i].was) a[left_a++] = (struct ump__delivery){pairs[i].listener, pairs[i].session, pairs[i].was};
    if (pairs[i].is) b[left_b++] = (struct ump__delivery){pairs[i].listener, pairs[i].session, pairs[i].is};
  }
  n = 0;
  walk(a, left_a, b, left_b, by_client_and_name, pairs, &n, true);
  tell_pairs(r, in, pairs, n);
}

void ump__compare(struct ump_replay *r, const struct ump_entry *in) {
  if (in && in->kind == UMP_ENTRY_CONNECT) compare_admission(r, in);
  if (in && in->kind == UMP_ENTRY_JUDGE) compare_answer(r, in);
  compare_kicks(r, in);
  compare_notifies(r, in);
}
