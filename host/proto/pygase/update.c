/* The state on its way to one client. Wire section 6.
 *
 * Updates have numbers, the time_orders, counted for each client by itself; with each goes the moment of the state that
 * it leads to. The client tells the number it has reached in every package. An update is made from the last moment that
 * it confirmed (base) to the present; while there are others under way, that is right for it wherever it is between the
 * two:
 *
 *   client in {base, sent[0], ..., sent[n_sent - 1]}
 *
 * Not so if something is removed: the marker must come exactly when the client has the key. So an exact patch begins
 * only when nothing is under way, and while one is under way nothing else begins: the very same update is sent until it
 * comes back. The same holds for the whole state (what the client has besides is not known to the feed) and for an
 * update in several parts. */
#include "proto/pygase/internal.h"

static bool overtakable(const struct pg_world *w) {
  return w->introduced && w->base && w->patch && !w->patch->exact && !w->patch->whole && w->n_sent < PG_SENT &&
         ((const struct pg_form *)w->patch->form)->n_parts == 1;
}

/* The next number, under which `moment` is reached; NULL: none. */
static void number(struct ump_pygase *n, struct pg_world *w, struct ump_moment *moment) {
  w->newest = pg_after(w->newest);
  w->under_way = true;
  if (moment) n->feed->ops->moment_ref(n->feed->self, moment);
  w->sent[w->n_sent++] = (struct pg_sent){w->newest, moment};
  pg_count(n, PG_updates);
}

static void let_go(struct ump_pygase *n, struct ump_moment *moment) {
  if (moment) n->feed->ops->moment_unref(n->feed->self, moment);
}

static void end_patch(struct ump_pygase *n, struct pg_world *w) {
  if (w->patch) n->feed->ops->patch_unref(n->feed->self, w->patch);
  w->patch = NULL, w->part = 0;
}

static void number_part(struct ump_pygase *n, struct pg_world *w, uint32_t n_parts) {
  pg_count(n, PG_update_parts);
  number(n, w, w->part + 1 == n_parts ? w->patch->to : NULL);
}

/* Takes over the reference to the patch. */
static void begin(struct ump_pygase *n, struct pg_world *w, struct ump_patch *patch, const struct pg_form *form) {
  end_patch(n, w);
  w->patch = patch;
  number_part(n, w, form->n_parts);
}

/* All that the patch says stays here: the client is where it leads. */
static void step_over(struct ump_pygase *n, struct pg_world *w, struct ump_patch *patch) {
  n->feed->ops->moment_ref(n->feed->self, patch->to);
  let_go(n, w->base);
  w->base = patch->to;
}

/* What is new since base, if it may be sent now. */
static void look_for_news(struct ump_pygase *n, struct pg_session *s) {
  struct pg_world *w = &s->world;
  struct ump_patch *patch = NULL;
  if (!n->feed || (w->under_way && !overtakable(w))) return;
  int err = n->feed->ops->patch(n->feed->self, s->client, w->base, &patch);
  if (err < 0) pg_count(n, PG_no_memory);
  if (err != 1) return;
  bool known = w->n_sent && patch->to == w->sent[w->n_sent - 1].moment, alone = patch->exact || patch->whole;
  const struct pg_form *form = known || (w->under_way && alone) ? NULL : ump__pg_form(n, patch);
  if (form && form->n_parts) {
    begin(n, w, patch, form);
    return;
  }
  if (form && !w->under_way) step_over(n, w, patch);
  n->feed->ops->patch_unref(n->feed->self, patch);
}

void ump__pg_idle_update(const struct pg_session *s, struct pg_update *out) {
  *out = (struct pg_update){.time_order = s->world.confirmed};
}

void ump__pg_update(struct ump_pygase *n, struct pg_session *s, struct pg_update *out) {
  struct pg_world *w = &s->world;
  look_for_news(n, s);
  if (!w->under_way && !w->introduced) number(n, w, NULL); /* there is no state yet, but the game is active */
  if (!w->under_way) {
    ump__pg_idle_update(s, out);
    return;
  }
  *out = (struct pg_update){.time_order = w->newest, .game_status = !w->introduced};
  if (!w->patch) return;
  const struct pg_form *form = w->patch->form;
  out->n_entries = form->parts[w->part].count;
  out->entries = ump__pg_part(form, w->part);
}

/* The newest one came back: on with the next part, or it has all. */
static void arrived(struct ump_pygase *n, struct pg_world *w) {
  uint32_t n_parts = w->patch ? ((const struct pg_form *)w->patch->form)->n_parts : 0;
  w->under_way = false;
  if (w->patch && ++w->part < n_parts)
    number_part(n, w, n_parts);
  else
    end_patch(n, w);
}

void ump__pg_update_confirmed(struct ump_pygase *n, struct pg_session *s, uint16_t time_order) {
  struct pg_world *w = &s->world;
  unsigned i = 0;
  while (i < w->n_sent && w->sent[i].time_order != time_order) i++;
  if (i == w->n_sent) return; /* said before, or never ours */
  pg_count(n, PG_updates_confirmed);
  for (unsigned k = 0; k < i; k++) let_go(n, w->sent[k].moment);
  if (w->sent[i].moment) {
    let_go(n, w->base);
    w->base = w->sent[i].moment;
  }
  w->n_sent = (uint8_t)(w->n_sent - (i + 1));
  memmove(w->sent, w->sent + i + 1, w->n_sent * sizeof *w->sent);
  w->confirmed = time_order;
  w->introduced = true;
  if (time_order == w->newest) arrived(n, w);
}

void ump__pg_forget_world(struct ump_pygase *n, struct pg_session *s) {
  struct pg_world *w = &s->world;
  end_patch(n, w);
  for (unsigned i = 0; i < w->n_sent; i++) let_go(n, w->sent[i].moment);
  let_go(n, w->base);
  *w = (struct pg_world){.confirmed = w->confirmed, .newest = w->newest};
}
