/* Who is there: sessions by address, their states, and how long each lasts. Wire section 5. */
#include "proto/pygase/internal.h"

struct pg_session *ump__pg_session(const struct ump_pygase *n, uint32_t handle) {
  return ump_slots_find(&n->slots, handle);
}

static uint64_t hash_of(const struct ump_pygase *n, const struct ump_addr *a) {
  uint8_t key[24];
  memcpy(key, a->ip, 16);
  memcpy(key + 16, &a->port, 2);
  memcpy(key + 18, &a->scope, 4);
  key[22] = a->family;
  return ump_hash64(&n->key, ump_bytes(key, 23));
}

struct pg_session *ump__pg_find(const struct ump_pygase *n, const struct ump_addr *from) {
  struct ump_table_node *at = ump_table_find(&n->sessions, hash_of(n, from));
  for (; at; at = ump_table_next(at)) {
    struct pg_session *s = UMP_CONTAINER(at, struct pg_session, node);
    if (ump_addr_equal(&s->addr, from)) return s;
  }
  return NULL;
}

/* ---- states ---- */

static struct ump_list *list_of(struct ump_pygase *n, enum pg_state state, size_t **count) {
  switch (state) {
  case PG_STATE_NEW:
    return *count = &n->n_fresh, &n->fresh;
  case PG_STATE_CONNECTED:
    return *count = &n->n_connected, &n->connected;
  case PG_STATE_AWAY:
    return *count = &n->n_away, &n->away;
  case PG_STATE_REFUSED:
    return *count = &n->n_refused, &n->refused;
  default:
    return NULL;
  }
}

static void enter(struct ump_pygase *n, struct pg_session *s, enum pg_state state) {
  size_t *count;
  struct ump_list *list = list_of(n, s->state, &count);
  if (list && ump_list_linked(&s->at)) {
    ump_list_remove(&s->at);
    --*count;
  }
  s->state = (uint8_t)state;
  s->since = n->now;
  list = list_of(n, state, &count);
  if (!list) return;
  ump_list_push(list, &s->at);
  ++*count;
}

static struct pg_session *oldest(const struct ump_list *head) {
  return UMP_CONTAINER(head->next, struct pg_session, at);
}

static void forget_held(struct ump_pygase *n, struct pg_session *s) {
  ump_free(n->mem, s->held, s->held ? PG_HELD : 0);
  s->held = NULL, s->n_held = 0;
}

/* Nothing is sent to it any more. */
static void hush(struct ump_pygase *n, struct pg_session *s) {
  ump__pg_wheel_remove(&n->wheel, &s->due);
  if (ump_list_linked(&s->answer)) ump_list_remove(&s->answer), n->n_answers--;
  if (s->state == PG_STATE_CONNECTED) ump_tally_sub(&n->tally, &s->addr);
  if (n->connecting == s) n->connecting = NULL;
  if (n->judged == s) n->judged = NULL;
  s->leaving = 0;
}

static void free_session(struct ump_pygase *n, struct pg_session *s) {
  ump_slots_leave(&n->slots, s->handle);
  ump_free(n->mem, s, sizeof *s);
}

static void report(struct ump_pygase *n, struct pg_session *s, const char *why) {
  s->why = why;
  if (ump_list_linked(&s->report)) return;
  ump_list_push(&n->reports, &s->report);
  n->n_reports++;
}

void ump__pg_unreport(struct ump_pygase *n, struct pg_session *s) {
  if (!ump_list_linked(&s->report)) return;
  ump_list_remove(&s->report);
  n->n_reports--;
}

void ump__pg_end(struct ump_pygase *n, struct pg_session *s, const char *why) {
  hush(n, s);
  forget_held(n, s);
  ump__pg_forget_outs(n, s);
  ump__pg_forget_world(n, s);
  ump_table_remove(&n->sessions, &s->node);
  enter(n, s, PG_STATE_GONE);
  if (s->client && why) {
    n->n_gone++;
    report(n, s, why);
    return;
  }
  ump__pg_unreport(n, s);
  free_session(n, s);
}

/* The engine knows no client of it any more. */
void ump__pg_silence(struct ump_pygase *n, struct pg_session *s) {
  if (n->n_refused >= PG_REFUSED) ump__pg_end(n, oldest(&n->refused), NULL);
  hush(n, s);
  forget_held(n, s);
  ump__pg_forget_outs(n, s);
  ump__pg_forget_world(n, s);
  ump__pg_unreport(n, s);
  s->client = NULL;
  enter(n, s, PG_STATE_REFUSED);
  pg_count(n, PG_silenced);
}

/* As many places as there are for clients; who has been away for longest gives way. */
void ump__pg_away(struct ump_pygase *n, struct pg_session *s) {
  if (n->n_away >= n->limit) ump__pg_end(n, oldest(&n->away), "timed out");
  pg_count(n, PG_timed_out);
  hush(n, s);
  ump__pg_forget_outs(n, s);
  enter(n, s, PG_STATE_AWAY);
  report(n, s, "timed out");
}

bool ump__pg_report(struct ump_pygase *n, struct ump_event *ev) {
  if (ump_list_empty(&n->reports)) return false;
  struct pg_session *s = UMP_CONTAINER(n->reports.next, struct pg_session, report);
  *ev = (struct ump_event){.type = UMP_EVENT_DISCONNECT, .session = s->handle, .client = s->client, .reason = s->why};
  ump__pg_told(n, s);
  return true;
}

void ump__pg_told(struct ump_pygase *n, struct pg_session *s) {
  ump__pg_unreport(n, s);
  s->client = NULL;
  if (s->state != PG_STATE_GONE) return;
  n->n_gone--;
  free_session(n, s);
}

/* ---- coming ---- */

/* E1: to an address that has proven nothing, our sequences are its own and a shift that it cannot foretell. One that
 * knows nothing yet gets a shift made of its address: if its place is taken by others before it answers, its answer is
 * known all the same, and what it is sent meanwhile never has a sequence twice, which it would die of. One that has
 * sequences of whoever was here before gets newer ones. */
uint16_t ump__pg_shift(const struct ump_pygase *n, const struct ump_addr *from) {
  return (uint16_t)(1 + (hash_of(n, from) >> 24) % 65535);
}

static uint16_t shift_ahead(const struct ump_pygase *n, uint16_t sequence, uint16_t ack) {
  uint16_t first = pg_add(ack, 1 + (uint32_t)ump_rng_below(n->rng, 32000)); /* and room for packages that are lost */
  return (uint16_t)(first > sequence ? first - sequence : first - sequence + 65535);
}

struct pg_session *ump__pg_new(struct ump_pygase *n, const struct ump_addr *from, uint16_t sequence, uint16_t ack,
                               uint16_t time_order) {
  if (n->n_fresh >= PG_NEW) {
    pg_count(n, PG_gave_way);
    n->pressed = n->now + PG_TIMEOUT;
    ump__pg_end(n, oldest(&n->fresh), NULL);
  }
  struct pg_session *s = ump_zalloc(n->mem, sizeof *s);
  if (!s) return pg_count(n, PG_no_memory), NULL;
  if (ump_slots_take(&n->slots, n->mem, s, &s->handle))
    return ump_free(n->mem, s, sizeof *s), pg_count(n, PG_no_memory), NULL;
  s->addr = *from;
  s->knew = ack, s->shift = ack ? shift_ahead(n, sequence, ack) : ump__pg_shift(n, from);
  s->world.confirmed = s->world.newest = time_order;
  ump_list_init(&s->queue), ump_list_init(&s->flight);
  ump_table_put(&n->sessions, &s->node, hash_of(n, from));
  s->state = PG_STATE_GONE; /* in no list so far */
  enter(n, s, PG_STATE_NEW);
  pg_count(n, PG_new_addresses);
  return s;
}

static void refuse(struct ump_pygase *n, struct pg_session *s, enum pg_count cause, const char *text) {
  pg_count(n, cause);
  ump_log_text(n->log, UMP_INFO, "refused", &s->addr, text);
  ump__pg_silence(n, s);
}

void ump__pg_connect(struct ump_pygase *n, struct pg_session *s) {
  s->restarting = s->state == PG_STATE_AWAY;
  if (n->n_connected >= n->limit) {
    refuse(n, s, PG_refused_full, "as many clients as the limit allows are connected");
  } else if (ump_tally_count(&n->tally, &s->addr) >= n->per_address) {
    refuse(n, s, PG_refused_address, "too many clients from one address");
  } else {
    if (ump_list_linked(&s->answer)) ump_list_remove(&s->answer), n->n_answers--;
    enter(n, s, PG_STATE_CONNECTING);
    n->connecting = s, n->asked = false;
  }
}

static void begin_good_times(struct ump_pygase *n, struct pg_session *s) {
  s->congested = false;
  s->throttle = PG_THROTTLE_LEAST;
  s->good_since = s->eased = n->now;
  s->look = n->now + PG_LOOK;
}

void ump__pg_admit(struct ump_pygase *n, struct pg_session *s, struct ump_client *client, uint64_t serial) {
  n->connecting = NULL;
  if (!client) {
    refuse(n, s, PG_refused_by_rules, "the rulebook did not let it in");
    return;
  }
  if (ump_tally_add(&n->tally, &s->addr, n->per_address)) { /* no memory: it was looked at before */
    pg_count(n, PG_no_memory);
    s->client = client;
    ump__pg_end(n, s, "no memory");
    return;
  }
  pg_count(n, s->restarting ? PG_returned : PG_connected);
  s->client = client, s->serial = serial;
  enter(n, s, PG_STATE_CONNECTED);
  if (!s->restarting) begin_good_times(n, s);
  ump__pg_wheel_spread(&n->wheel, &s->due, n->now, PG_INTERVAL);
}

/* ---- time; those connected are looked at when their packages are due ---- */

static ump_time end_of(const struct ump_list *head, ump_time life) {
  return ump_list_empty(head) ? UMP_NEVER : oldest(head)->since + life;
}

ump_time ump__pg_session_deadline(const struct ump_pygase *n) {
  ump_time t = ump_time_min(end_of(&n->fresh, PG_TIMEOUT), end_of(&n->refused, PG_TIMEOUT));
  return ump_time_min(t, end_of(&n->away, PG_AWAY));
}

static void forget(struct ump_pygase *n, const struct ump_list *head, ump_time life) {
  while (end_of(head, life) <= n->now) {
    pg_count(n, PG_forgotten);
    ump__pg_end(n, oldest(head), "timed out");
  }
}

void ump__pg_expire_sessions(struct ump_pygase *n) {
  forget(n, &n->fresh, PG_TIMEOUT);
  forget(n, &n->refused, PG_TIMEOUT);
  forget(n, &n->away, PG_AWAY);
}

void ump__pg_free_sessions(struct ump_pygase *n) {
  for (size_t i = 0; i < n->slots.n; i++) {
    struct pg_session *s = n->slots.at[i];
    if (!s) continue;
    s->client = NULL;
    if (s->state != PG_STATE_GONE) {
      ump__pg_end(n, s, NULL);
    } else {
      ump__pg_unreport(n, s);
      n->n_gone--;
      free_session(n, s);
    }
  }
  ump_slots_deinit(&n->slots, n->mem);
}
