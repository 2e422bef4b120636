/* Events to clients: queued, sent at most five in a package, and sent again in a new one until a package that carried
 * them is confirmed. Wire section 7, E3. Nothing in an event tells whether it came before, so it is not repeated sooner
 * than a confirmation can be expected. */
#include "proto/pygase/internal.h"

/* A payload is charged in shares: its first taker pays for all of it, the second for a half... One more reference is
 * the caller's, who lets go of it. */
static uint32_t price(const struct ump_blob *blob) {
  size_t share = blob->refs > 2 ? blob->n / (blob->refs - 1) : blob->n;
  return (uint32_t)(sizeof(struct pg_out) + share);
}

static struct pg_out *new_out(struct ump_pygase *n) {
  if (ump_list_empty(&n->free_outs)) return ump_alloc(n->mem, sizeof(struct pg_out));
  struct pg_out *o = UMP_CONTAINER(n->free_outs.next, struct pg_out, at);
  ump_list_remove(&o->at);
  n->n_free_outs--;
  return o;
}

static void end_out(struct ump_pygase *n, struct pg_session *s, struct pg_out *o) {
  ump_list_remove(&o->at);
  ump_blob_unref(o->blob);
  n->out_bytes -= o->charge;
  n->n_outs--, s->n_outs--;
  if (!o->sends) s->n_queued--;
  if (n->n_free_outs >= PG_FREE_OUTS) {
    ump_free(n->mem, o, sizeof *o);
    return;
  }
  n->n_free_outs++;
  ump_list_push(&n->free_outs, &o->at);
}

int ump__pg_notify(struct ump_pygase *n, struct pg_session *s, struct ump_blob *payload) {
  uint32_t charge = price(payload);
  if (s->state != PG_STATE_CONNECTED) return UMP_EGONE;
  if (s->n_outs >= PG_QUEUE || n->out_bytes + charge > PG_OUT_BYTES) return pg_count(n, PG_notifies_lost), UMP_EFULL;
  struct pg_out *o = new_out(n);
  if (!o) return pg_count(n, PG_no_memory), UMP_ENOMEM;
  *o = (struct pg_out){.blob = ump_blob_ref(payload), .charge = charge};
  ump_list_push(&s->queue, &o->at);
  s->n_outs++, s->n_queued++, n->n_outs++;
  n->out_bytes += charge;
  pg_count(n, PG_notifies);
  return 0;
}

static ump_time resend_after(const struct pg_session *s) {
  ump_time t = 2 * s->latency + UMP_S / 10;
  return t < PG_RESEND_LEAST ? PG_RESEND_LEAST : t > PG_RESEND_MOST ? PG_RESEND_MOST : t;
}

static struct pg_out *first(const struct ump_list *head) {
  return ump_list_empty(head) ? NULL : UMP_CONTAINER(head->next, struct pg_out, at);
}

/* The next one that a package may carry: what is due again comes before what is new. */
static struct pg_out *next_out(const struct ump_pygase *n, const struct pg_session *s) {
  struct pg_out *o = first(&s->flight);
  if (o && o->sent + resend_after(s) <= n->now) return o;
  return first(&s->queue);
}

size_t ump__pg_next_event(const struct ump_pygase *n, const struct pg_session *s) {
  const struct pg_out *o = next_out(n, s);
  return o ? o->blob->n : 0;
}

static void give_up(struct ump_pygase *n, struct pg_session *s, struct pg_out *o) {
  pg_count(n, PG_notifies_unconfirmed);
  ump_log_text(n->log, UMP_INFO, "notify_unconfirmed", &s->addr, "an event was sent 6 times and never confirmed");
  end_out(n, s, o);
}

static void sent(struct ump_pygase *n, struct pg_session *s, struct pg_out *o) {
  if (o->sends)
    pg_count(n, PG_notify_repeats);
  else
    s->n_queued--;
  o->sequences[o->sends++] = s->sequence;
  o->sent = n->now;
  ump_list_remove(&o->at);
  ump_list_push(&s->flight, &o->at);
}

void ump__pg_write_events(struct ump_pygase *n, struct pg_session *s, struct ump_writer *w) {
  struct pg_out *o;
  for (unsigned i = 0; i < PG_EVENTS && (o = next_out(n, s));) {
    if (o->sends == PG_SENDS) {
      give_up(n, s, o);
      continue;
    }
    if (o->blob->n + 2 > w->cap - w->n) return;
    ump_write_u16be(w, (uint16_t)o->blob->n);
    ump_write_bytes(w, ump_bytes(o->blob->p, o->blob->n));
    sent(n, s, o);
    i++;
  }
}

static bool confirmed(const struct pg_session *s, const struct pg_out *o) {
  for (unsigned i = 0; i < o->sends; i++) {
    int ago = pg_ahead(s->sequence, o->sequences[i]);
    if (ago >= 0 && ago < PG_SENDINGS && s->confirmed >> ago & 1) return true;
  }
  return false;
}

void ump__pg_confirm_outs(struct ump_pygase *n, struct pg_session *s) {
  struct ump_list *next;
  for (struct ump_list *at = s->flight.next; at != &s->flight; at = next) {
    struct pg_out *o = UMP_CONTAINER(at, struct pg_out, at);
    next = at->next;
    if (!confirmed(s, o)) continue;
    pg_count(n, PG_notifies_confirmed);
    end_out(n, s, o);
  }
}

void ump__pg_forget_outs(struct ump_pygase *n, struct pg_session *s) {
  while (!ump_list_empty(&s->flight)) end_out(n, s, first(&s->flight));
  while (!ump_list_empty(&s->queue)) end_out(n, s, first(&s->queue));
}

void ump__pg_free_outs(struct ump_pygase *n) {
  struct pg_out *o;
  while ((o = first(&n->free_outs))) {
    ump_list_remove(&o->at);
    ump_free(n->mem, o, sizeof *o);
  }
}
