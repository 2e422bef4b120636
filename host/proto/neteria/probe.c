/* Probes (wire E5) and moves (wire section 4): asking an address whether our client is there.
 *
 * A probe is a LEGAL under an unpredictable euuid. The original client knows no such event, changes nothing and
 * confirms it.
 *
 * An address that has not proven itself pays for it from what its REGISTER earned, 213 bytes for the original's 71, of
 * which OK REGISTER took 25. If one way loses a share p of the datagrams, a try fails with 1 - (1 - p)^2, so tries are
 * what counts: a UUID leaves room for 2, a brief probe for 4. At 30 % loss 26 % of those who only listen would never
 * prove themselves with 2, 7 % with 4; at 10 % it is 3.6 % and 0.13 %. The original looks whether the priority is
 * "high", and takes anything else.
 *
 * The brief id has 32 bits. Guessing it takes half of 92^5 datagrams of some 50 bytes from a forged address, 165 GB,
 * within the 5 s that a probe lasts: nobody is amplified by that. For moves, where more is at stake, it is a UUID. */
#include "proto/neteria/internal.h"

/* ---- ids ---- */

static struct nt_probe_id uuid_id(const struct ump_neteria *n) {
  struct nt_probe_id id = {.n = UMP_UUID_TEXT};
  struct ump_uuid uuid = ump_uuid_v4(n->rng);
  ump_uuid_print(&uuid, (char *)id.text);
  return id;
}

struct nt_probe_id ump__nt_brief_id(uint64_t chance, size_t length) {
  struct nt_probe_id id = {.n = (uint8_t)length};
  for (size_t i = 0; i < length; i++, chance /= 92) {
    unsigned c = '!' + (unsigned)(chance % 92);
    c += c >= '"';
    c += c >= '\\';
    id.text[i] = (uint8_t)c;
  }
  return id;
}

static bool is(const struct nt_probe_id *id, struct ump_bytes text) {
  return ump_bytes_equal(ump_bytes(id->text, id->n), text);
}

/* ---- one address: is it (still) there? ---- */

static void turn(struct ump_neteria *n, struct nt_probe *p) {
  struct nt_session *s = p->session;
  p->turns++;
  p->due = n->now + NT_PROBE;
  nt_rearm(&n->probes, &p->at);
  if (nt_trusted(s) || s->credit >= NT_BRIEF_BYTES) ump__nt_probe_out(n, s, &p->id);
}

void ump__nt_probe(struct ump_neteria *n, struct nt_session *s) {
  if (s->probe) return;
  struct nt_probe *p = ump_zalloc(n->mem, sizeof *p);
  if (!p) {
    nt_count(n, NT_no_memory);
    return;
  }
  p->session = s, p->first = n->now,
  p->id = nt_trusted(s) ? uuid_id(n) : ump__nt_brief_id(ump_rng_u64(n->rng), NT_BRIEF_ID);
  s->probe = p;
  n->n_probes++;
  turn(n, p);
}

void ump__nt_probe_end(struct ump_neteria *n, struct nt_session *s) {
  struct nt_probe *p = s->probe;
  if (!p) return;
  s->probe = NULL;
  ump_list_remove(&p->at);
  ump_free(n->mem, p, sizeof *p);
  n->n_probes--;
}

bool ump__nt_probe_echo(struct ump_neteria *n, struct nt_session *s, struct ump_bytes id) {
  bool ours = (s->probe && is(&s->probe->id, id)) || (s->move && is(&s->move->old_id, id));
  if (ours) nt_count(n, NT_probe_echoes);
  return ours;
}

/* Half a second without an echo. */
static void unanswered(struct ump_neteria *n, struct nt_probe *p) {
  struct nt_session *s = p->session;
  if (!nt_trusted(s) && p->turns >= NT_PROBES_SILENT) ump__nt_ripe(n, s, true);
  if (p->turns == NT_SENDS) ump__nt_silence(n, s, p->first);
  if (p->turns < NT_PROBES) {
    turn(n, p);
    return;
  }
  ump__nt_probe_end(n, s);
  if (s->state == NT_PROVEN && !ump_list_linked(&s->timer)) ump__nt_arm(n, s, &n->idle);
}

/* ---- two addresses: whose is the session? ---- */

static ump_time patience(const struct nt_move *m) {
  return ump_addr_same_ip(&m->to, &m->session->addr) ? NT_MOVE : NT_MOVE_IP;
}

static int64_t probe_cost(const struct nt_move *m) {
  return m->deflated ? 2 * NT_PROBE_BYTES
                     : NT_PROBE_BYTES; /* zlib's and base64's overhead on a random UUID stay below that */
}

static void probe_both(struct ump_neteria *n, struct nt_move *m) {
  m->turns++;
  m->due = n->now + NT_PROBE;
  nt_rearm(&n->moves, &m->at);
  if (m->old_sent < NT_PROBES) m->old_sent++, ump__nt_probe_out(n, m->session, &m->old_id);
  if (m->echoed || m->new_sent >= NT_PROBES || m->credit < probe_cost(m)) return;
  m->new_sent++, m->credit -= probe_cost(m);
  ump__nt_probe_to(n, &m->to, m->deflated, &m->new_id);
}

static void begin(struct ump_neteria *n, struct nt_session *s, const struct nt_request *r, int64_t credit) {
  struct nt_move *m = ump_zalloc(n->mem, sizeof *m);
  if (!m) {
    nt_count(n, NT_no_memory);
    return;
  }
  nt_count(n, NT_moves_tried);
  m->session = s, m->first = n->now, m->to = *r->from;
  m->credit = credit, m->deflated = r->deflated;
  m->old_id = uuid_id(n), m->new_id = uuid_id(n);
  s->move = m;
  n->n_probes++;
  probe_both(n, m);
}

/* One at a time. Who has not echoed anything may be a forgery that keeps the client from its session: whoever echoes
 * takes its turn. And a NAT that changed the port is likelier than a client that took its cuuid to another place. */
static bool yields(const struct nt_move *m, const struct nt_request *r) {
  const struct ump_addr *old = &m->session->addr;
  return !m->echoed || (ump_addr_same_ip(r->from, old) && !ump_addr_same_ip(&m->to, old));
}

void ump__nt_move_hint(struct ump_neteria *n, struct nt_session *s, const struct nt_request *r, bool replied) {
  int64_t credit = (int64_t)(replied ? 2 * r->n : 3 * r->n); /* the reply is at most as long as the request */
  struct nt_move *m = s->move;
  if (m && ump_addr_equal(&m->to, r->from)) {
    m->credit += credit, m->deflated = r->deflated;
    return;
  }
  if (m) {
    if (yields(m, r)) ump__nt_challenge(n, r); /* its reply and this are within three times the request */
    return;
  }
  begin(n, s, r, credit);
}

bool ump__nt_move_echo(struct ump_neteria *n, struct nt_session *s, const struct nt_request *r) {
  struct nt_move *m = s->move;
  if (m && ump_addr_equal(&m->to, r->from) && is(&m->new_id, r->euuid)) {
    nt_count(n, NT_probe_echoes);
    return m->echoed = true;
  }
  if (!m || ump_addr_equal(&m->to, r->from) || !yields(m, r) || !ump__nt_challenge_echo(n, r)) return false;
  ump__nt_move_end(n, s);
  begin(n, s, r, 0);
  if (s->move) s->move->echoed = true;
  return true;
}

void ump__nt_move_end(struct ump_neteria *n, struct nt_session *s) {
  struct nt_move *m = s->move;
  if (!m) return;
  s->move = NULL;
  ump_list_remove(&m->at);
  ump_free(n->mem, m, sizeof *m);
  n->n_probes--;
}

/* The old address was silent all the time (a datagram from there ends the move), the new one echoed. */
static void move(struct ump_neteria *n, struct nt_session *s) {
  struct ump_addr to = s->move->to;
  bool deflated = s->move->deflated;
  ump__nt_move_end(n, s);
  if (ump_tally_add(&n->tally, &to, n->per_address + ump_addr_same_ip(&to, &s->addr))) return;
  ump_tally_sub(&n->tally, &s->addr);
  nt_count(n, NT_moved);
  ump_log_text(n->log, UMP_INFO, "moved", &to, "a session moved here, its old address being silent");
  s->addr = to, s->deflated = deflated;
  ump__nt_moved(n, s);
}

static void step(struct ump_neteria *n, struct nt_move *m) {
  ump_time waited = n->now - m->first;
  if (m->echoed && m->turns >= NT_PROBES_SILENT && waited >= patience(m)) {
    move(n, m->session);
  } else if (waited >= patience(m) + NT_RESEND) { /* a late echo may still come of the client's next repeat */
    ump__nt_move_end(n, m->session);
  } else {
    probe_both(n, m);
  }
}

void ump__nt_expire_probes(struct ump_neteria *n) {
  while (!ump_list_empty(&n->probes)) {
    struct nt_probe *p = UMP_CONTAINER(n->probes.next, struct nt_probe, at);
    if (p->due > n->now) break;
    unanswered(n, p);
  }
  while (!ump_list_empty(&n->moves)) {
    struct nt_move *m = UMP_CONTAINER(n->moves.next, struct nt_move, at);
    if (m->due > n->now) break;
    step(n, m);
  }
}
