/* The registry: who is registered from where, in which state, and for how long. Wire section 4.
 *
 * One session for each cuuid; its identity is the cuuid with the address and port that it registered from. A session
 * that is gone and has had events judged stays as a ghost for 300 s, so that the same cuuid from the same IP finds its
 * verdicts again. */
#include "proto/neteria/internal.h"

struct nt_session *ump__nt_session(const struct ump_neteria *n, uint32_t handle) {
  return ump_slots_find(&n->slots, handle);
}

static uint64_t cuuid_hash(const struct ump_neteria *n, struct ump_bytes cuuid) {
  return ump_hash64(&n->key, cuuid);
}

static struct nt_session *first_of(struct ump_table_node *at, struct ump_bytes cuuid) {
  for (; at; at = ump_table_next(at)) {
    struct nt_session *s = UMP_CONTAINER(at, struct nt_session, node);
    if (ump_bytes_equal(ump_bytes(s->cuuid, s->cuuid_n), cuuid)) return s;
  }
  return NULL;
}

struct nt_session *ump__nt_find(struct ump_neteria *n, struct ump_bytes cuuid, const struct ump_addr *from) {
  struct nt_session *s = ump__nt_hinted(n, cuuid);
  if (s) return s;
  s = first_of(ump_table_find(&n->registry, cuuid_hash(n, cuuid)), cuuid);
  while (s && !nt_alive(s)) s = first_of(ump_table_next(&s->node), cuuid);
  if (s && ump_addr_equal(&s->addr, from)) ump__nt_hint(n, s);
  return s;
}

static struct nt_session *find_gone(struct ump_neteria *n, struct ump_bytes cuuid, const struct ump_addr *from) {
  struct nt_session *s = first_of(ump_table_find(&n->registry, cuuid_hash(n, cuuid)), cuuid);
  while (s && (nt_alive(s) || !s->judged || !ump_addr_same_ip(&s->addr, from)))
    s = first_of(ump_table_next(&s->node), cuuid);
  return s;
}

void ump__nt_arm(struct ump_neteria *n, struct nt_session *s, struct ump_list *head) {
  s->armed = n->now;
  nt_rearm(head, &s->timer);
}

/* ---- making and ending ---- */

static size_t size_of(const struct nt_session *s) {
  return sizeof *s + s->cuuid_n;
}

static void free_session(struct ump_neteria *n, struct nt_session *s) {
  ump_list_remove(&s->timer);
  ump_table_remove(&n->registry, &s->node);
  ump_free(n->mem, s, size_of(s));
}

static void forget_ghost(struct ump_neteria *n, struct nt_session *s) {
  n->n_ghosts--;
  free_session(n, s);
}

/* Nobody holds its handle any more. */
static void bury(struct ump_neteria *n, struct nt_session *s) {
  ump_slots_leave(&n->slots, s->handle);
  if (!s->judged) {
    free_session(n, s);
    return;
  }
  if (n->n_ghosts >= (size_t)n->limit * NT_GHOSTS) {
    nt_count(n, NT_ghosts_forgotten);
    forget_ghost(n, UMP_CONTAINER(n->ghosts.next, struct nt_session, timer));
  }
  s->state = NT_GHOST;
  n->n_ghosts++;
  ump__nt_arm(n, s, &n->ghosts);
}

static void report(struct ump_neteria *n, struct nt_session *s) {
  if (ump_list_linked(&s->report)) return;
  ump_list_push(&n->reports, &s->report);
  n->n_reports++;
}

static void unreport(struct ump_neteria *n, struct nt_session *s) {
  if (!ump_list_linked(&s->report)) return;
  ump_list_remove(&s->report);
  n->n_reports--;
}

void ump__nt_end(struct ump_neteria *n, struct nt_session *s, const char *why) {
  ump__nt_probe_end(n, s);
  ump__nt_move_end(n, s);
  ump__nt_forget_outs(n, s);
  ump_list_remove(&s->timer);
  ump__nt_ripe(n, s, false);
  unreport(n, s);
  ump__nt_unhint(n, s);
  ump_tally_sub(&n->tally, &s->addr);
  n->n_sessions--;
  if (n->connecting == s) n->connecting = NULL;
  s->state = NT_LEAVING;
  s->why = why;
  if (why)
    report(n, s);
  else
    bury(n, s);
}

static struct nt_session *new_session(struct ump_neteria *n, const struct nt_request *r) {
  struct nt_session *s = ump_zalloc(n->mem, sizeof *s + r->cuuid.n);
  if (!s) return NULL;
  s->cuuid_n = (uint8_t)r->cuuid.n;
  memcpy(s->cuuid, r->cuuid.p, r->cuuid.n);
  if (ump_slots_take(&n->slots, n->mem, s, &s->handle)) return ump_free(n->mem, s, size_of(s)), NULL;
  ump_list_init(&s->outs), ump_list_init(&s->stalled), ump_list_init(&s->queue);
  s->addr = *r->from, s->deflated = r->deflated;
  s->heard = n->now, s->credit = 3 * (int64_t)r->n + ump__nt_take_purse(n, r->from);
  s->state = NT_CONNECTING;
  ump_table_put(&n->registry, &s->node, cuuid_hash(n, r->cuuid));
  n->n_sessions++;
  ump__nt_grow_hints(n);
  return s;
}

/* ---- registering ---- */

static void ask_engine(struct ump_neteria *n, const struct nt_request *r, struct nt_session *s, bool proven) {
  n->connecting = s;
  n->connect_bytes = r->n, n->connect_proven = proven;
  n->has_pending = true;
  n->pending_from = s->addr;
  n->pending =
      (struct ump_event){.type = UMP_EVENT_CONNECT, .session = s->handle, .from = &n->pending_from, .again = s->serial};
  if (r->version.type != UMP_JSON_STRING) return;
  n->pending.version = ump__nt_string(n, &r->version);
  n->pending.has_version = n->pending.version.n <= NT_ID;
}

void ump__nt_register(struct ump_neteria *n, const struct nt_request *r, bool proven) {
  if (!ump__nt_has_place(n, r, proven)) return;
  struct nt_session *s = new_session(n, r);
  if (!s) {
    nt_count(n, NT_no_memory);
    return;
  }
  if (ump_tally_add(&n->tally, r->from, n->per_address)) {
    nt_count(n, NT_no_memory);
    n->n_sessions--;
    bury(n, s);
    return;
  }
  struct nt_session *gone = find_gone(n, r->cuuid, r->from);
  if (gone) {
    s->serial = gone->serial, s->judged = true;
    gone->judged = false;
    if (gone->state == NT_GHOST) forget_ghost(n, gone);
  }
  ask_engine(n, r, s, proven);
}

void ump__nt_admit(struct ump_neteria *n, struct nt_session *s, struct ump_client *client, uint64_t serial,
                   struct ump_bytes reason) {
  if (n->connecting != s) return;
  n->connecting = NULL;
  if (!client) {
    nt_count(n, NT_refused_by_rules);
    ump__nt_bye_register(n, s, n->connect_bytes, reason);
    ump__nt_end(n, s, NULL);
    return;
  }
  nt_count(n, s->serial ? NT_returned : NT_registered);
  s->client = client, s->serial = serial, s->state = NT_REGISTERED;
  ump__nt_arm(n, s, &n->young);
  ump__nt_ok_register(n, s);
  if (n->connect_proven)
    ump__nt_proven(n, s);
  else if (n->now < n->pressed)
    ump__nt_probe(n, s);
}

/* ---- states ---- */

void ump__nt_heard(struct ump_neteria *n, struct nt_session *s, const struct nt_request *r) {
  s->heard = n->now, s->deflated = r->deflated;
  if (s->move) ump__nt_move_end(n, s);
  switch ((enum nt_state)s->state) {
  case NT_REGISTERED:
    s->credit += 3 * (int64_t)r->n;
    if (!ump_list_empty(&s->stalled) || s->n_queued) ump__nt_release(n, s);
    break;
  case NT_SILENT:
    s->state = NT_PROVEN;
    ump__nt_probe_end(n, s);
    ump__nt_arm(n, s, &n->idle);
    ump__nt_release(n, s);
    break;
  case NT_PROVEN:
    if (s->probe) ump__nt_probe_end(n, s);
    if (n->now - s->armed >= NT_IDLE_STEP) ump__nt_arm(n, s, &n->idle);
    break;
  default:
    break;
  }
}

void ump__nt_proven(struct ump_neteria *n, struct nt_session *s) {
  if (s->state != NT_REGISTERED) return;
  nt_count(n, NT_proven);
  s->state = NT_PROVEN;
  ump__nt_ripe(n, s, false);
  ump__nt_probe_end(n, s);
  ump__nt_arm(n, s, &n->idle);
  ump__nt_release(n, s);
}

void ump__nt_silence(struct ump_neteria *n, struct nt_session *s, ump_time since) {
  /* What came in the very instant of the first transmission was its cause, not an answer to it. */
  if (s->state != NT_PROVEN || s->heard > since) return;
  nt_count(n, NT_silent);
  s->state = NT_SILENT;
  ump__nt_arm(n, s, &n->silent);
  ump__nt_probe(n, s); /* who only listens would never say anything again, as it is sent nothing new */
}

void ump__nt_moved(struct ump_neteria *n, struct nt_session *s) {
  s->state = NT_PROVEN;
  ump__nt_ripe(n, s, false);
  s->heard = n->now;
  ump__nt_probe_end(n, s);
  ump__nt_arm(n, s, &n->idle);
  ump__nt_release(n, s);
  report(n, s);
}

bool ump__nt_report(struct ump_neteria *n, struct ump_event *ev) {
  if (ump_list_empty(&n->reports)) return false;
  struct nt_session *s = UMP_CONTAINER(n->reports.next, struct nt_session, report);
  unreport(n, s);
  *ev = (struct ump_event){.session = s->handle, .client = s->client};
  if (s->state == NT_LEAVING) {
    ev->type = UMP_EVENT_DISCONNECT, ev->reason = s->why;
    bury(n, s);
  } else {
    ev->type = UMP_EVENT_LOGOUT, ev->from = &s->addr;
  }
  return true;
}

/* ---- time ---- */

static struct nt_session *due(const struct ump_neteria *n, const struct ump_list *head, ump_time interval) {
  if (ump_list_empty(head)) return NULL;
  struct nt_session *s = UMP_CONTAINER(head->next, struct nt_session, timer);
  return s->armed + interval <= n->now ? s : NULL;
}

void ump__nt_expire_sessions(struct ump_neteria *n) {
  struct nt_session *s;
  while ((s = due(n, &n->young, NT_YOUNG))) {
    ump__nt_arm(n, s, &n->unproven);
    ump__nt_probe(n, s);
  }
  while ((s = due(n, &n->unproven, NT_UNPROVEN))) {
    nt_count(n, NT_gone_unproven);
    ump__nt_end(n, s, "never answered");
  }
  while ((s = due(n, &n->idle, NT_IDLE))) {
    ump_list_remove(&s->timer);
    ump__nt_probe(n, s);
    if (!s->probe) ump__nt_arm(n, s, &n->idle); /* no memory: later */
  }
  while ((s = due(n, &n->silent, NT_SILENT_LIFE))) {
    nt_count(n, NT_gone_silent);
    ump__nt_end(n, s, "timed out");
  }
  while ((s = due(n, &n->ghosts, NT_GHOST_LIFE))) forget_ghost(n, s);
}

static ump_time next_in(const struct ump_list *head, ump_time interval) {
  return ump_list_empty(head) ? UMP_NEVER : UMP_CONTAINER(head->next, struct nt_session, timer)->armed + interval;
}

ump_time ump__nt_session_deadline(const struct ump_neteria *n) {
  ump_time t = ump_time_min(next_in(&n->young, NT_YOUNG), next_in(&n->unproven, NT_UNPROVEN));
  t = ump_time_min(t, ump_time_min(next_in(&n->idle, NT_IDLE), next_in(&n->silent, NT_SILENT_LIFE)));
  return ump_time_min(t, next_in(&n->ghosts, NT_GHOST_LIFE));
}

static void free_ghosts(struct ump_neteria *n) {
  while (!ump_list_empty(&n->ghosts)) forget_ghost(n, UMP_CONTAINER(n->ghosts.next, struct nt_session, timer));
}

void ump__nt_free_sessions(struct ump_neteria *n) {
  for (size_t i = 0; i < n->slots.n; i++) {
    struct nt_session *s = n->slots.at[i];
    if (!s) continue;
    if (nt_alive(s)) {
      ump__nt_end(n, s, NULL);
    } else {
      unreport(n, s);
      bury(n, s);
    }
  }
  free_ghosts(n);
  ump_slots_deinit(&n->slots, n->mem);
}
