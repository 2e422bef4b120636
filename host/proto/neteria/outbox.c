/* What waits to be sent, and what waits to be confirmed: wire section 5.
 *
 * A message is in exactly one list: held (a first verdict, about 1 ms, E2), ready (to be flushed now), resend (sent,
 * not confirmed), or the session's stalled (its address may not be sent more yet, E6) or queue (256 notifies are in
 * flight). held and resend each have one interval, so they are in order of time and everything is O(1). */
#include "proto/neteria/internal.h"

/* ---- making and ending ---- */

/* A payload is charged in shares: its first taker pays for all of it, the second for a half... One more reference is
 * the caller's, who lets go of it. */
static uint32_t price(const struct ump_blob *blob) {
  size_t share = !blob ? 0 : blob->refs > 2 ? blob->n / (blob->refs - 1) : blob->n;
  return (uint32_t)(sizeof(struct nt_out) + share);
}

static struct nt_out *new_out(struct ump_neteria *n, enum nt_kind kind, struct ump_blob *blob) {
  uint32_t charge = price(blob);
  if (n->out_bytes + charge > n->out_bytes_max) return nt_count(n, NT_replies_lost), NULL;
  struct nt_out *o;
  if (!ump_list_empty(&n->free_outs)) {
    o = UMP_CONTAINER(n->free_outs.prev, struct nt_out, at); /* used last: still in the cache */
    ump_list_remove(&o->at);
    n->n_free_outs--;
  } else if (!(o = ump_alloc(n->mem, sizeof *o))) {
    return nt_count(n, NT_no_memory), NULL;
  }
  memset(o, 0, offsetof(struct nt_out, id));
  o->kind = (uint8_t)kind, o->blob = blob, o->charge = charge;
  n->n_outs++, n->out_bytes += charge;
  return o;
}

static bool confirmable(const struct nt_out *o) {
  return o->kind == NT_VERDICT || o->kind == NT_NOTIFY;
}

/* Its place in lists, table and counts is given up; what it says stays. */
static void detach(struct ump_neteria *n, struct nt_out *o) {
  struct nt_session *s = o->session;
  ump_list_remove(&o->at);
  if (!s) {
    n->n_replies--;
    return;
  }
  ump_list_remove(&o->mine);
  if (o->held) s->n_held--;
  if (o->kind == NT_VERDICT) s->n_verdicts--, s->n_unhashed -= !o->node.hash;
  if (o->kind == NT_NOTIFY && o->node.hash) s->in_flight--;
  if (o->kind == NT_NOTIFY && !o->node.hash) s->n_queued--;
  if (o->node.hash) ump_table_remove(&n->outs, &o->node);
}

static void free_out(struct ump_neteria *n, struct nt_out *o) {
  ump_blob_unref(o->blob);
  n->n_outs--, n->out_bytes -= o->charge;
  if (n->n_free_outs >= NT_FREE_OUTS) {
    ump_free(n->mem, o, sizeof *o);
  } else {
    ump_list_push(&n->free_outs, &o->at);
    n->n_free_outs++;
  }
}

static void end_out(struct ump_neteria *n, struct nt_out *o) {
  detach(n, o);
  free_out(n, o);
}

static void give_to(struct nt_session *s, struct nt_out *o) {
  o->session = s;
  o->deflated = s->deflated;
  ump_list_push(&s->outs, &o->mine);
}

static void make_ready(struct ump_neteria *n, struct nt_out *o) {
  nt_rearm(&n->ready, &o->at);
}

static void hold(struct ump_neteria *n, struct nt_out *o) {
  o->held = true, o->due = n->now + n->hold;
  o->session->n_held++;
  nt_rearm(&n->held, &o->at);
}

/* ---- finding by what the client calls it ---- */

/* Clients choose the ids of verdicts: a keyed hash. 0 means "not in the table". */
static uint64_t verdict_hash(const struct ump_neteria *n, const struct nt_session *s, struct ump_bytes id) {
  uint8_t key[sizeof s->handle + NT_ID];
  memcpy(key, &s->handle, sizeof s->handle);
  memcpy(key + sizeof s->handle, id.p, id.n);
  return ump_hash64(&n->key, ump_bytes(key, sizeof s->handle + id.n)) | 1;
}

/* Those of notifies are random bits of our own. */
static uint64_t notify_hash(const struct ump_uuid *id) {
  uint64_t h;
  memcpy(&h, id->b + 8, sizeof h);
  return h << 8 | 2; /* without the byte that says what variant it is */
}

static bool is_named(const struct nt_out *o, struct ump_bytes id) {
  return ump_bytes_equal(ump_bytes(o->id, o->id_n), id);
}

/* The verdicts that are not in the table yet. All of them are newer than those that are, so everything is passed once.
 */
static void hash_verdicts(struct ump_neteria *n, struct nt_session *s) {
  for (struct ump_list *at = s->outs.prev; s->n_unhashed; at = at->prev) {
    struct nt_out *o = UMP_CONTAINER(at, struct nt_out, mine);
    if (o->kind != NT_VERDICT || o->node.hash) continue;
    ump_table_put(&n->outs, &o->node, verdict_hash(n, s, ump_bytes(o->id, o->id_n)));
    s->n_unhashed--;
  }
}

/* Nearly always it is the oldest that is confirmed. Hashes are made only when one is looked for that is not among the
 * first. */
static struct nt_out *find_verdict(struct ump_neteria *n, struct nt_session *s, struct ump_bytes id) {
  struct ump_list *at = s->outs.next;
  for (int i = 0; i < NT_NEAR; i++, at = at->next) {
    if (at == &s->outs) return NULL;
    struct nt_out *o = UMP_CONTAINER(at, struct nt_out, mine);
    if (o->kind == NT_VERDICT && is_named(o, id)) return o;
  }
  hash_verdicts(n, s);
  for (struct ump_table_node *t = ump_table_find(&n->outs, verdict_hash(n, s, id)); t; t = ump_table_next(t)) {
    struct nt_out *o = UMP_CONTAINER(t, struct nt_out, node);
    if (o->session == s && o->kind == NT_VERDICT && is_named(o, id)) return o;
  }
  return NULL;
}

bool ump__nt_confirm_verdict(struct ump_neteria *n, struct nt_session *s, struct ump_bytes id) {
  struct nt_out *o = find_verdict(n, s, id);
  if (!o) return false;
  nt_count(n, NT_verdicts_confirmed);
  end_out(n, o);
  return true;
}

bool ump__nt_confirm_notify(struct ump_neteria *n, struct nt_session *s, const struct ump_uuid *id) {
  for (struct ump_table_node *at = ump_table_find(&n->outs, notify_hash(id)); at; at = ump_table_next(at)) {
    struct nt_out *o = UMP_CONTAINER(at, struct nt_out, node);
    if (o->session != s || o->kind != NT_NOTIFY || !ump_uuid_equal(&o->uuid, id)) continue;
    nt_count(n, NT_notifies_confirmed);
    end_out(n, o);
    ump__nt_release(n, s);
    return true;
  }
  return false;
}

/* ---- verdicts ---- */

/* What the engine leaves unsaid. */
static const char *usual_reason(enum ump_verdict v) {
  return v == UMP_INTERNAL ? "internal" : v == UMP_INVALID ? "malformed" : NULL;
}

static struct ump_blob *copy_reason(struct ump_neteria *n, struct ump_bytes reason) {
  struct ump_blob *b = reason.n ? ump_blob_new(n->mem, reason.n) : NULL;
  if (b) memcpy(b->p, reason.p, reason.n);
  return b;
}

static void say(struct nt_out *o, const struct ump_event *ev, const struct ump_answer *a, const struct nt_out *before) {
  o->id_n = (uint8_t)ev->id.n;
  memcpy(o->id, ev->id.p, ev->id.n);
  o->legal = before ? before->legal : a->verdict == UMP_LEGAL;
  o->high = before ? before->high : a->high;
  o->deflated = before ? before->deflated : o->deflated;
  o->text = before ? before->text : a->reason.n ? NULL : usual_reason(a->verdict);
}

int ump__nt_verdict(struct ump_neteria *n, struct nt_session *s, const struct ump_event *ev,
                    const struct ump_answer *a) {
  struct nt_out *before = a->repeat ? find_verdict(n, s, ev->id) : NULL;
  bool once = a->repeat || s->n_verdicts >= NT_VERDICTS;
  struct ump_blob *reason = NULL;
  if (before)
    reason = before->blob ? ump_blob_ref(before->blob) : NULL;
  else if (a->verdict != UMP_LEGAL)
    reason = copy_reason(n, a->reason);
  struct nt_out *o = new_out(n, once ? NT_COPY : NT_VERDICT, reason);
  if (!o) return ump_blob_unref(reason), UMP_ENOMEM;
  give_to(s, o);
  say(o, ev, a, before);
  nt_count(n, a->repeat ? NT_verdict_copies : once ? NT_verdicts_once : NT_verdicts);
  if (!once) s->n_verdicts++, s->n_unhashed++;
  /* A copy that arrives while the first verdict is still held does not overtake it: the client has only just sent both.
   */
  if (n->hold && (!a->repeat || (before && before->held)))
    hold(n, o);
  else
    make_ready(n, o);
  return 0;
}

/* ---- notifies ---- */

size_t ump__nt_room(const struct nt_session *s) {
  size_t used = (size_t)s->in_flight + s->n_queued;
  if (s->state != NT_REGISTERED && s->state != NT_PROVEN) return 0;
  return used < NT_IN_FLIGHT + NT_QUEUE ? NT_IN_FLIGHT + NT_QUEUE - used : 0;
}

static void launch(struct ump_neteria *n, struct nt_session *s, struct nt_out *o) {
  s->in_flight++;
  ump_table_put(&n->outs, &o->node, notify_hash(&o->uuid));
  if (s->n_held)
    hold(n, o); /* verdict first, then the notifies that executing the event caused */
  else
    make_ready(n, o);
}

int ump__nt_notify(struct ump_neteria *n, struct nt_session *s, struct ump_blob *payload) {
  if (s->state != NT_REGISTERED && s->state != NT_PROVEN) return UMP_EGONE;
  if (!ump__nt_room(s)) return nt_count(n, NT_notifies_refused), UMP_EFULL;
  /* An eighth of the memory is left for verdicts, so that notifies that nobody confirms do not make the host deaf; and
   * a half for who has proven himself, so that what waits for forged registrations does not make it dumb. */
  if (n->out_bytes > n->out_bytes_max / 8 * (nt_trusted(s) ? 7 : 4)) return nt_count(n, NT_notifies_refused), UMP_EFULL;
  struct nt_out *o = new_out(n, NT_NOTIFY, ump_blob_ref(payload));
  if (!o) return ump_blob_unref(payload), UMP_ENOMEM;
  give_to(s, o);
  o->uuid = ump_uuid_v4(n->rng);
  nt_count(n, NT_notifies);
  if (s->in_flight < NT_IN_FLIGHT && ump_list_empty(&s->queue) && ump_list_empty(&s->stalled)) {
    launch(n, s, o);
  } else {
    s->n_queued++;
    ump_list_push(&s->queue, &o->at);
  }
  return 0;
}

/* Bytes of it on the wire, or a few less: enough to tell that it cannot be afforded. */
static int64_t at_least(const struct nt_out *o) {
  static const char verdict[] = "{\"method\": \"LEGAL\", \"euuid\": \"\", \"priority\": \"high\"}";
  return o->kind == NT_NOTIFY ? (int64_t)(o->blob->n + UMP_UUID_TEXT + 2 + NT_SPARE)
                              : (int64_t)(sizeof verdict - 1 + o->id_n);
}

/* Whether the next one may be sent; takes it off the credit. If not, a probe asks for more. */
static bool spend(struct ump_neteria *n, struct nt_session *s, const struct nt_out *o, int64_t *credit) {
  if (nt_trusted(s)) return true;
  if (at_least(o) > *credit) return ump__nt_probe(n, s), false;
  *credit -= at_least(o) - (o->kind == NT_NOTIFY ? NT_SPARE : 0);
  return true;
}

/* Only as many as there is credit for: to write all 256 notifies anew for each small datagram would be work that a
 * stranger can have done for nothing. */
void ump__nt_release(struct ump_neteria *n, struct nt_session *s) {
  int64_t credit = s->credit;
  while (!ump_list_empty(&s->stalled)) {
    struct nt_out *o = UMP_CONTAINER(s->stalled.next, struct nt_out, at);
    if (!spend(n, s, o, &credit)) return;
    o->released = true;
    make_ready(n, o);
  }
  if (s->state != NT_REGISTERED && s->state != NT_PROVEN) return;
  while (!ump_list_empty(&s->queue) && s->in_flight < NT_IN_FLIGHT) {
    struct nt_out *o = UMP_CONTAINER(s->queue.next, struct nt_out, at);
    if (!spend(n, s, o, &credit)) return;
    ump_list_remove(&o->at);
    s->n_queued--;
    launch(n, s, o);
  }
}

/* ---- what is sent once ---- */

void ump__nt_ok_register(struct ump_neteria *n, struct nt_session *s) {
  struct nt_out *o = new_out(n, NT_OK_REGISTER, NULL);
  if (!o) return;
  give_to(s, o);
  make_ready(n, o);
}

static void name_probe(struct nt_out *o, const struct nt_probe_id *id) {
  o->id_n = id->n;
  memcpy(o->id, id->text, id->n);
}

void ump__nt_probe_out(struct ump_neteria *n, struct nt_session *s, const struct nt_probe_id *id) {
  struct nt_out *o = new_out(n, NT_PROBING, NULL);
  if (!o) return;
  give_to(s, o);
  name_probe(o, id);
  make_ready(n, o);
}

/* To an address without a session, or one whose session is over. */
static struct nt_out *new_reply(struct ump_neteria *n, enum nt_kind kind, const struct ump_addr *to,
                                struct ump_blob *blob) {
  if (n->n_replies >= NT_REPLIES) return nt_count(n, NT_replies_lost), NULL;
  struct nt_out *o = new_out(n, kind, blob);
  if (!o) return NULL;
  n->n_replies++;
  o->to = *to;
  make_ready(n, o);
  return o;
}

void ump__nt_probe_to(struct ump_neteria *n, const struct ump_addr *to, bool deflated, const struct nt_probe_id *id) {
  struct nt_out *o = new_reply(n, NT_PROBING, to, NULL);
  if (!o) return;
  name_probe(o, id);
  o->deflated = deflated;
}

void ump__nt_reply(struct ump_neteria *n, const struct nt_request *r, enum nt_kind kind, const char *reason) {
  struct nt_out *o = new_reply(n, kind, r->from, NULL);
  if (!o) return;
  o->limit = (uint16_t)r->n, o->deflated = r->deflated, o->text = reason;
}

void ump__nt_bye_register(struct ump_neteria *n, const struct nt_session *s, size_t limit, struct ump_bytes reason) {
  struct ump_blob *b = copy_reason(n, reason);
  struct nt_out *o = new_reply(n, NT_BYE_REGISTER, &s->addr, b);
  if (!o) {
    ump_blob_unref(b);
    return;
  }
  o->limit = (uint16_t)limit, o->deflated = s->deflated;
}

/* ---- the end of a session ---- */

/* A verdict that was not sent yet still goes out, once, to what was the session's address, if that may be sent it. */
static bool has_last_word(struct ump_neteria *n, struct nt_session *s, const struct nt_out *o) {
  uint8_t room[2048]; /* a verdict: 64 bytes of id and 200 of reason, each at most 6 when escaped */
  struct ump_writer w = ump_writer(room, sizeof room);
  if ((o->kind != NT_VERDICT && o->kind != NT_COPY) || o->sent || n->n_replies >= NT_REPLIES) return false;
  if (nt_trusted(s)) return true;
  if (ump__nt_compose(n, o, &w) || (int64_t)w.n > s->credit) return false;
  s->credit -= (int64_t)w.n;
  return true;
}

static void orphan(struct ump_neteria *n, const struct nt_session *s, struct nt_out *o) {
  struct ump_list *list = o->held ? &n->held : &n->ready;
  detach(n, o);
  o->session = NULL, o->to = s->addr, o->kind = NT_COPY, o->held = false;
  o->due = n->now + n->hold;
  n->n_replies++;
  ump_list_push(list, &o->at);
}

void ump__nt_forget_outs(struct ump_neteria *n, struct nt_session *s) {
  while (!ump_list_empty(&s->outs)) {
    struct nt_out *o = UMP_CONTAINER(s->outs.next, struct nt_out, mine);
    if (has_last_word(n, s, o))
      orphan(n, s, o);
    else
      end_out(n, o);
  }
}

/* ---- sending ---- */

/* Whether an address that has not proven itself may be sent so many bytes. A notify leaves room for probes: a client
 * that only listens earns nothing more, and if what it has is lost on the way, it can never prove itself. */
static bool afford(const struct nt_session *s, const struct nt_out *o, size_t bytes) {
  int64_t need = (int64_t)bytes + (o->kind == NT_NOTIFY ? NT_SPARE : 0);
  if (o->kind == NT_NOTIFY && !o->released && !ump_list_empty(&s->stalled)) return false; /* in order */
  return need <= s->credit;
}

static void stall(struct ump_neteria *n, struct nt_out *o) {
  struct nt_session *s = o->session;
  if (!confirmable(o)) {
    nt_count(n, NT_replies_suppressed);
    end_out(n, o);
    return;
  }
  nt_count(n, NT_stalled);
  o->released = false;
  nt_rearm(&s->stalled, &o->at);
  ump__nt_probe(n, s);
}

static void sent(struct ump_neteria *n, struct nt_out *o, size_t bytes) {
  nt_count(n, NT_datagrams_out);
  n->counts[NT_bytes_out] += bytes;
  if (o->kind == NT_PROBING) nt_count(n, NT_probes);
  if (o->session && !nt_trusted(o->session)) o->session->credit -= (int64_t)bytes;
  if (!confirmable(o)) {
    end_out(n, o);
    return;
  }
  o->released = false;
  if (o->sent++ == 0)
    o->first = n->now;
  else
    nt_count(n, o->kind == NT_VERDICT ? NT_verdict_repeats : NT_notify_repeats);
  o->due = n->now + NT_RESEND;
  nt_rearm(&n->resend, &o->at);
}

int ump__nt_flush(struct ump_neteria *n, struct ump_addr *to, struct ump_writer *out) {
  while (!ump_list_empty(&n->ready)) {
    struct nt_out *o = UMP_CONTAINER(n->ready.next, struct nt_out, at);
    size_t start = out->n;
    if (ump__nt_compose(n, o, out)) {
      nt_count(n, NT_replies_suppressed);
      end_out(n, o);
      continue;
    }
    if (o->session && !nt_trusted(o->session) && !afford(o->session, o, out->n - start)) {
      out->n = start;
      stall(n, o);
      continue;
    }
    *to = o->session ? o->session->addr : o->to;
    sent(n, o, out->n - start);
    return 1;
  }
  return 0;
}

/* ---- time ---- */

/* Nobody confirmed any of 5 transmissions. Only a notify says something about its client: an original client that has
 * seen an ILLEGAL twice cannot confirm it any more (wire section 10). */
static void give_up(struct ump_neteria *n, struct nt_out *o) {
  struct nt_session *s = o->session;
  bool notify = o->kind == NT_NOTIFY;
  ump_time first = o->first;
  nt_count(n, notify ? NT_notifies_unconfirmed : NT_verdicts_unconfirmed);
  end_out(n, o);
  if (!notify) return;
  s->unheard++;
  ump__nt_silence(n, s, first);
  ump__nt_release(n, s);
}

static struct nt_out *due(const struct ump_neteria *n, const struct ump_list *head) {
  if (ump_list_empty(head)) return NULL;
  struct nt_out *o = UMP_CONTAINER(head->next, struct nt_out, at);
  return o->due <= n->now ? o : NULL;
}

void ump__nt_expire_outs(struct ump_neteria *n) {
  struct nt_out *o;
  while ((o = due(n, &n->held))) {
    if (o->held) o->session->n_held--;
    o->held = false;
    make_ready(n, o);
  }
  while ((o = due(n, &n->resend))) {
    if (o->sent >= NT_SENDS)
      give_up(n, o);
    else
      make_ready(n, o);
  }
}

static void free_list(struct ump_neteria *n, struct ump_list *head) {
  while (!ump_list_empty(head)) {
    struct nt_out *o = UMP_CONTAINER(head->next, struct nt_out, at);
    ump_list_remove(&o->at);
    ump_blob_unref(o->blob);
    ump_free(n->mem, o, sizeof *o);
  }
}

/* Those in lists of sessions went with them. */
void ump__nt_free_outs(struct ump_neteria *n) {
  free_list(n, &n->ready), free_list(n, &n->held), free_list(n, &n->resend);
  for (struct ump_list *at = n->free_outs.next, *next; at != &n->free_outs; at = next) {
    next = at->next;
    ump_free(n->mem, UMP_CONTAINER(at, struct nt_out, at), sizeof(struct nt_out));
  }
}
